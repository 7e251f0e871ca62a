"""Subjects: where an event stands on the log. Built and parsed here and nowhere else.

``kst.<account>.<topic>`` with a topic such as ``market.trade.005930`` or
``trading.intent.20250915-KMP-005930-E1``. One subject is one instance (one intent, one order), so
that optimistic concurrency has the right grain; the event type is in the payload.
"""

from __future__ import annotations

from typing import NamedTuple

from events.errors import InvalidSubject
from events.identifiers import AccountId, require_token

PREFIX = "kst"

_DEPTH: dict[tuple[str, str], int] = {
    ("market", "trade"): 3,
    ("market", "quote"): 3,
    ("market", "trade-nxt"): 3,
    ("market", "quote-nxt"): 3,
    ("market", "trade-unified"): 3,
    ("market", "quote-unified"): 3,
    ("market", "snapshot"): 3,
    ("market", "expected"): 3,
    ("market", "nav"): 3,
    ("market", "index"): 3,
    ("market", "program"): 3,
    ("market", "status"): 3,
    ("market", "daily"): 3,
    ("market", "minute"): 3,
    ("market", "bar"): 3,
    ("market", "session"): 3,
    ("market", "clock"): 2,
    ("trading", "intent"): 3,
    ("trading", "decision"): 3,
    ("trading", "order"): 3,
    ("trading", "execution"): 3,
    ("trading", "stop"): 3,
    ("trading", "lease"): 3,
    ("trading", "account"): 2,
    ("trading", "control"): 2,
}
"""Tokens of a topic by its first two; ``signal.<source>`` and ``ops.<service>`` have 2."""


class ParsedSubject(NamedTuple):
    """The parts of a subject: ``kst.demo.market.trade.005930`` → demo, market, trade, 005930."""

    account: AccountId
    family: str
    kind: str
    key: str | None


def subject(account: AccountId, topic: str) -> str:
    """Return the full subject of ``topic`` on the log of ``account``.

    Raises:
        InvalidIdentifier: the account is no token.
    """
    return f"{PREFIX}.{require_token('account', account)}.{topic}"


def parse(text: str) -> ParsedSubject:
    """Return the parts of a full subject.

    Raises:
        InvalidSubject: other prefix, unknown family or kind, or a wrong number of tokens.
    """
    tokens = text.split(".")
    if len(tokens) < 4 or tokens[0] != PREFIX:
        raise InvalidSubject(text, "expected kst.<account>.<family>.<kind>[.<key>]")
    _, account, family, kind, *rest = tokens
    depth = 2 if family in ("signal", "ops") else _DEPTH.get((family, kind))
    if depth is None:
        raise InvalidSubject(text, f"no topic {family}.{kind}")
    if len(rest) != depth - 2 or "" in tokens:
        raise InvalidSubject(text, f"{family}.{kind} has {depth} tokens")
    return ParsedSubject(AccountId(account), family, kind, rest[0] if rest else None)


def pattern(account: AccountId, topic: str) -> str:
    """Return a subject filter; ``topic`` may end in ``*`` or ``>`` (``market.trade.*``)."""
    return f"{PREFIX}.{require_token('account', account)}.{topic}"
