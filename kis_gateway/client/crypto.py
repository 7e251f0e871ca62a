"""Decryption of fill notices.

KIS sends own order and fill notices as base64 of AES-256-CBC with PKCS#7 padding. Key (32
characters) and iv (16 characters) come with the acknowledgement of that registration on that
connection and are used as they are, as ASCII; after a reconnect the old pair is useless.
"""

from __future__ import annotations

import base64
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from kis_gateway.errors import DecryptionFailed

_BLOCK_BITS: Final = 128


class NoticeCipher:
    """Decrypts the payloads of one registration on one connection."""

    def __init__(self, key: str, iv: str) -> None:
        """Take key and iv as the acknowledgement gives them.

        Raises:
            DecryptionFailed: they have other lengths than AES-256-CBC needs.
        """
        if len(key) != 32 or len(iv) != 16 or not (key + iv).isascii():
            raise DecryptionFailed(
                f"the acknowledgement's pair of {len(key)} and {len(iv)} characters is no key and "
                "iv of AES-256-CBC (32 and 16 in ASCII): reconnect for a new one",
                "(an acknowledgement, withheld because it holds the key)",
            )
        self._cipher = Cipher(algorithms.AES(key.encode()), modes.CBC(iv.encode()))

    def decrypt(self, payload: str) -> str:
        """Return the plain text of one payload.

        Raises:
            DecryptionFailed: not base64, not whole blocks, wrong padding or no UTF-8, which is
                what a pair of another connection produces.
        """
        try:
            cipher_text = base64.b64decode(payload, validate=True)
            decryptor = self._cipher.decryptor()
            padded = decryptor.update(cipher_text) + decryptor.finalize()
            unpadder = PKCS7(_BLOCK_BITS).unpadder()
            return (unpadder.update(padded) + unpadder.finalize()).decode()
        except ValueError as error:
            raise DecryptionFailed(
                f"an encrypted payload of {len(payload)} characters does not decrypt with the key "
                f"of this connection ({error}): reconnect for a new key and reconcile",
                payload,
            ) from error
