"""The JSON texts of the KIS WebSocket: registration commands, their answers, PINGPONG. Pure.

Answers carry no request id: they are told apart by TR id, key and, from the code, direction. A
second session of an app key is answered with ``OPSP8996`` and the TR id ``(null)``.

What always holds: an answer that cannot be read is shown without its values, for they may be the
key and iv of own notices or the login they are sent under.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from kis_gateway.errors import MalformedFrame
from kis_gateway.settings import Secret

SUBSCRIBED: Final = frozenset({"OPSP0000", "OPSP0002"})
UNSUBSCRIBED: Final = frozenset({"OPSP0001", "OPSP0003"})
APPROVAL_UNKNOWN: Final = frozenset({"OPSP0010", "OPSP0011", "OPSP9994"})
SLOTS_FULL: Final = "OPSP0008"
IN_USE: Final = "OPSP8996"

_DATA: Final = (b"0", b"1")
_WITHHELD: Final = "***"
_TELLING: Final = frozenset({"tr_id", "encrypt", "rt_cd", "msg_cd", "msg1"})
"""Fields whose values say what went wrong and are nobody's secret."""

# A name and its value; the closing quote may be missing, and with it the rest of the text.
_VALUE: Final = re.compile(
    r'("([^"\\]*)"\s*:\s*)("(?:[^"\\]|\\.)*(?:"|\\?\Z)|[^\s,{}\[\]"]+)', re.DOTALL
)
_LONG: Final = re.compile(r"[A-Za-z0-9+/=_-]{12,}")

_PINGPONG: Final = "PINGPONG"
_UNNAMED: Final = frozenset({"", "(null)"})


class Registration(NamedTuple):
    """One of the session's 41 slots: a TR and its key (issue code, or HTS id for notices)."""

    tr_id: str
    key: str


class Ping(msgspec.Struct, frozen=True):
    """The server asks whether we are there; the same text is the answer."""


class Answer(msgspec.Struct, frozen=True):
    """The answer to a registration command. ``aes_key`` and ``iv`` are empty in refusals."""

    tr_id: str
    key: str
    code: str
    message: str
    aes_key: str
    iv: str

    def concerns(self, wanted: Registration, *, subscribe: bool) -> bool:
        """Return whether this answers the command in flight (there is never more than one)."""
        if self.code in (UNSUBSCRIBED if subscribe else SUBSCRIBED):
            return False
        named = self.tr_id in _UNNAMED or self.tr_id == wanted.tr_id
        return named and self.key in ("", wanted.key)


class _Header(msgspec.Struct):
    tr_id: str = ""
    tr_key: str = ""


class _Output(msgspec.Struct):
    iv: str = ""
    key: str = ""


class _Body(msgspec.Struct):
    msg_cd: str = ""
    msg1: str = ""
    output: _Output | None = None


class _Text(msgspec.Struct):
    header: _Header
    body: _Body | None = None


_decoder: Final = msgspec.json.Decoder(_Text)


def command(approval: Secret, wanted: Registration, *, subscribe: bool) -> str:
    """Return the text that takes or gives back a registration. It contains the approval key."""
    return msgspec.json.encode(
        {
            "header": {
                "approval_key": approval.reveal(),
                "custtype": "P",
                "tr_type": "1" if subscribe else "2",
                "content-type": "utf-8",
            },
            "body": {"input": {"tr_id": wanted.tr_id, "tr_key": wanted.key}},
        }
    ).decode()


def is_control(raw: bytes) -> bool:
    """Return whether bytes from the server are no data frame but a JSON text, maybe a broken one.

    Data frames begin with their encryption flag, ``0`` or ``1``.
    """
    return raw[:1] == b"{" or (raw[:1] not in _DATA and (b"{" in raw or b'"' in raw))


def read(text: str) -> Ping | Answer:
    """Return what a JSON text from the server says.

    Raises:
        MalformedFrame: it is neither PINGPONG nor the answer to a command.
    """
    try:
        found = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedFrame(f"a JSON text that KIS does not send: {error}", shown(text)) from error
    if found.header.tr_id == _PINGPONG:
        return Ping()
    if found.body is None:
        raise MalformedFrame("an answer without body", shown(text))
    output = found.body.output or _Output()
    return Answer(
        tr_id=found.header.tr_id,
        key=found.header.tr_key,
        code=found.body.msg_cd.strip(),
        message=found.body.msg1.strip(),
        aes_key=output.key,
        iv=output.iv,
    )


def shown(text: str) -> str:
    """Return a text that could not be read as people may see it: its shape, codes and messages.

    Every other value is withheld, and so is whatever is long enough to be a key, wherever a broken
    text has put it.
    """

    def value(found: re.Match[str]) -> str:
        start, name, held = found.groups()
        return f"{start}{held if name in _TELLING else _WITHHELD}"

    return _LONG.sub(_WITHHELD, _VALUE.sub(value, text))
