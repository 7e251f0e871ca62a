"""Notices decrypt with the key of their connection and with no other."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kis_gateway.client.crypto import NoticeCipher
from kis_gateway.errors import DecryptionFailed, FrameError

from .aes_reference import encrypt

KEY = "abcdefghijklmnopqrstuvwxyz012345"
IV = "0123456789abcdef"


def test_a_known_vector_decrypts() -> None:
    """Produced by ``openssl enc -aes-256-cbc -K … -iv … | base64``."""
    payload = "yZvl+lp3v2uZhyTGo4jMGwbB250Ej6UCf9ffjY+nssnEpVqynd2mBq3Bhpn5ruCX"
    assert NoticeCipher(KEY, IV).decrypt(payload) == "login^1234567801^0000012345^체결"


@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_what_was_encrypted_comes_back(text: str) -> None:
    """Any text, any length, Korean included."""
    assert NoticeCipher(KEY, IV).decrypt(encrypt(text, KEY, IV)) == text


@given(st.text(max_size=100))
def test_whatever_comes_only_frame_errors_escape(payload: str) -> None:
    """A broken payload costs one frame, never the reader."""
    with contextlib.suppress(FrameError):
        NoticeCipher(KEY, IV).decrypt(payload)


def test_the_key_of_another_connection_is_noticed() -> None:
    """After a reconnect the old pair yields an error, not garbage."""
    payload = encrypt("login^1234567801^0000012345", KEY, IV)
    with pytest.raises(DecryptionFailed, match="reconnect for a new key"):
        NoticeCipher(KEY[::-1], IV).decrypt(payload)


@pytest.mark.parametrize(
    ("key", "iv"), [(KEY[:31], IV), (KEY, IV + "0"), ("", ""), ("한" * 32, IV)]
)
def test_a_pair_that_is_none_is_refused_without_showing_it(key: str, iv: str) -> None:
    """The error tells lengths, not keys."""
    with pytest.raises(DecryptionFailed, match="AES-256-CBC") as caught:
        NoticeCipher(key, iv)
    assert not key or key not in str(caught.value) + caught.value.frame
