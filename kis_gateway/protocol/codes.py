"""Answer codes (``msg_cd``, ``error_code``): what they mean and what a client must do.

Business codes are shared between causes, so a refusal is also classified by its text; the table
says the least that a code proves. ``unknown_outcome`` is the one that costs money when it is read
as a refusal: the transaction before it may have been carried out.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec


class Action(StrEnum):
    """What a client must do about a code."""

    SUCCESS = "success"
    REJECTED = "rejected"
    TOO_FAST = "too_fast"
    NEW_TOKEN = "new_token"  # noqa: S105 - the name of an action, no secret
    KEEP_TOKEN = "keep_token"  # noqa: S105 - the name of an action, no secret
    NEW_APPROVAL_KEY = "new_approval_key"
    KEY_IN_USE = "key_in_use"
    SLOTS_FULL = "slots_full"
    ASK_AGAIN = "ask_again"
    UNKNOWN_OUTCOME = "unknown_outcome"
    WRONG_REQUEST = "wrong_request"
    CONFIGURATION = "configuration"


class CodeForm(msgspec.Struct, frozen=True, kw_only=True):
    """One code. ``http`` and ``rt_cd`` as seen with it, ``None`` when not known."""

    layer: str
    action: Action
    meaning: str
    http: int | None = None
    rt_cd: str | None = None


_FILE: Final = "errors.json"


@cache
def code_forms() -> dict[str, CodeForm]:
    """Return every known code."""
    text = (files(__package__) / _FILE).read_bytes()
    return msgspec.json.decode(text, type=dict[str, CodeForm])


def code_form(code: str) -> CodeForm | None:
    """Return what is known of a code, ``None`` for one never seen."""
    return code_forms().get(code)
