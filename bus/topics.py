"""Topic patterns: which entries a reader or processor wants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

_BULK: Final = (("market", "trade"), ("market", "quote"))
"""Families that make up nearly all of a busy day's log."""


def matches(topic_pattern: str, topic: str) -> bool:
    """Return whether a topic fits a pattern with ``*`` (one token) and a final ``>`` (the rest)."""
    wanted = topic_pattern.split(".")
    tokens = topic.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
        tokens = tokens[: len(wanted)]
    return len(wanted) == len(tokens) and all(
        a in ("*", b) for a, b in zip(wanted, tokens, strict=True)
    )


def without_covered(topics: Iterable[str]) -> list[str]:
    """Return the patterns less those that another one covers.

    The server refuses a reader whose filters overlap. ``a.*`` covers ``a.b``; ``>`` covers all.
    """
    distinct = sorted(set(topics))
    return [
        topic
        for topic in distinct
        if not any(other != topic and matches(other, topic) for other in distinct)
    ]


def better_sifted_here(topics: Sequence[str]) -> bool:
    """Return whether a reader of ``topics`` should read everything and pass over what is amiss.

    True for several patterns of which one takes in a whole family of ticks. nats-server 2.15 spends
    13 us on an entry when it matches two patterns, 22 us with a dozen and 3 us without any; few
    entries among many it finds by its index of subjects.
    """
    return len(topics) > 1 and any(map(_is_bulk, topics))


def _is_bulk(topic: str) -> bool:
    tokens = topic.split(".")
    return tokens[-1] in ("*", ">") and any(
        all(token in (name, "*", ">") for token, name in zip(tokens, family, strict=False))
        for family in _BULK
    )
