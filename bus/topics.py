"""Topic patterns: which entries a reader or processor wants."""

from __future__ import annotations

from collections.abc import Iterable


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
