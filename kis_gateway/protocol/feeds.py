"""The real-time feeds: columns in order, and how wide a record is in each era of the protocol.

Eras: A until 2025-03-03, B from the opening of the second exchange (NXT), C from 2026-09-14 with
the KRX after-market. Columns are only ever appended, except in the fill notice, whose era-A
columns are listed apart; a record is therefore read from the front, its width being the number of
fields divided by the number of records.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from kis_gateway.protocol.calls import Field, read_field


class Era(StrEnum):
    """An age of the protocol."""

    A = "A"
    B = "B"
    C = "C"


_B_FROM: Final = date(2025, 3, 4)
_C_FROM: Final = date(2026, 9, 14)


def era_on(day: date) -> Era:
    """Return the era in force on a date (KST)."""
    if day >= _C_FROM:
        return Era.C
    return Era.B if day >= _B_FROM else Era.A


class FeedForm(msgspec.Struct, frozen=True, kw_only=True):
    """One feed. ``widths`` has no entry for an era in which the feed did not exist."""

    tr_id: str
    title: str
    on_paper: bool
    encrypted: bool
    widths: dict[Era, int]
    columns: tuple[Field, ...]
    columns_before: dict[Era, tuple[Field, ...]]

    def columns_in(self, era: Era) -> tuple[Field, ...]:
        """Return the columns of a record of that era, in order."""
        return self.columns_before.get(era) or self.columns[: self.widths[era]]

    @property
    def narrowest(self) -> int:
        """Return the fewest columns a record has ever had."""
        return min(self.widths.values())


class _StoredFeed(msgspec.Struct):
    title: str
    on_paper: bool
    encrypted: bool
    widths: dict[Era, int]
    columns: list[str]
    columns_before: dict[Era, list[str]] = {}


_FILE: Final = "feeds.json"


@cache
def feed_forms() -> dict[str, FeedForm]:
    """Return every known feed by its TR id."""
    text = (files(__package__) / _FILE).read_bytes()
    stored = msgspec.json.decode(text, type=dict[str, _StoredFeed])
    return {
        tr_id: FeedForm(
            tr_id=tr_id,
            title=feed.title,
            on_paper=feed.on_paper,
            encrypted=feed.encrypted,
            widths=feed.widths,
            columns=tuple(map(read_field, feed.columns)),
            columns_before={
                era: tuple(map(read_field, columns)) for era, columns in feed.columns_before.items()
            },
        )
        for tr_id, feed in stored.items()
    }


def feed_form(tr_id: str) -> FeedForm:
    """Return one feed.

    Raises:
        KeyError: there is no feed of that TR id.
    """
    return feed_forms()[tr_id]
