"""The JSON texts of the KIS WebSocket: registration commands, their answers, PINGPONG. Pure.

Answers carry no request id: they are told apart by TR id, key and, from the code, direction. A
second session of an app key is answered with ``OPSP8996`` and the TR id ``(null)``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from kis_gateway.errors import MalformedFrame
from kis_gateway.settings import Secret

SUBSCRIBED: Final = frozenset({"OPSP0000", "OPSP0002"})
UNSUBSCRIBED: Final = frozenset({"OPSP0001", "OPSP0003"})
APPROVAL_UNKNOWN: Final = frozenset({"OPSP0010", "OPSP0011", "OPSP9994"})
SLOTS_FULL: Final = "OPSP0008"
IN_USE: Final = "OPSP8996"

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


def read(text: str) -> Ping | Answer:
    """Return what a JSON text from the server says.

    Raises:
        MalformedFrame: it is neither PINGPONG nor the answer to a command.
    """
    try:
        found = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError) as error:
        raise MalformedFrame(f"a JSON text that KIS does not send: {error}", text) from error
    if found.header.tr_id == _PINGPONG:
        return Ping()
    if found.body is None:
        raise MalformedFrame("an answer without body", text)
    output = found.body.output or _Output()
    return Answer(
        tr_id=found.header.tr_id,
        key=found.header.tr_key,
        code=found.body.msg_cd.strip(),
        message=found.body.msg1.strip(),
        aes_key=output.key,
        iv=output.iv,
    )
