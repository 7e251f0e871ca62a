"""What an import brings: bars or ticks in one shape, with what had to be said about them.

A ``Download`` is bars or ticks as somebody delivered them, with the time at which they were taken.
What always holds after ``final``: no bar of a minute without trade, of a day without session, or
that was not final when the download was taken; how many were left out and why is kept with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from events.calendar import is_session, kst, session
from events.errors import CalendarHorizon

if TYPE_CHECKING:
    from datetime import date

    import polars as pl

SEOUL: Final = "Asia/Seoul"
MINUTE: Final = 60_000_000_000
SETTLED: Final = 5_000_000_000
"""A broker's chart has a minute's bar this long after its end (ns)."""

CLOSING_SETTLED: Final = 600_000_000_000
"""And the closing match this long after the close: an extended auction ends later (ns)."""


class Download(NamedTuple):
    """Bars or ticks of one delivery.

    Bars: ``symbol, time, open, high, low, close, volume, value``; ticks: ``symbol, time, price,
    quantity, side, auction`` (side 1 bought at the ask, -1 sold at the bid, 0 unknown; auction may
    be null). ``time`` is in Asia/Seoul, ns, a bar's left edge. ``taken`` is when the delivery was
    made (ns UTC); without it ``modified`` (of the file) stands in for its vintage, and nobody knows
    whether its newest bars were final.
    """

    origin: str
    digest: str
    frame: pl.DataFrame
    modified: int
    taken: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def vintage(self) -> int:
        """When it was made, as far as that is known (ns UTC)."""
        return self.modified if self.taken is None else self.taken


def final(download: Download) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the bars of a download that may be kept, and what was left out."""
    import polars as pl

    frame, notes = download.frame, list(download.notes)
    steps = (
        (pl.col("volume") > 0, "of minutes without a trade"),
        (_in_session(frame), "of days without a session"),
    )
    for kept, what in steps:
        frame = _without(frame, kept, what, notes)
    again = frame.unique(["symbol", "time"], keep="last", maintain_order=True)
    if len(again) < len(frame):
        notes.append(f"{len(frame) - len(again):,} bars that came twice left out, the later kept")
    if download.taken is None:
        newest = pl.col("time") < pl.col("time").max().over("symbol")
        what = "that are the newest of their symbol (nobody knows whether they were final)"
        return _without(again, newest, what, notes), tuple(notes)
    what = f"that were not final at {kst(download.taken):%Y-%m-%d %H:%M:%S}"
    return _without(again, _final_at(again, download.taken), what, notes), tuple(notes)


def _without(frame: pl.DataFrame, kept: pl.Expr, what: str, notes: list[str]) -> pl.DataFrame:
    found = frame.filter(kept)
    if len(found) < len(frame):
        notes.append(f"{len(frame) - len(found):,} bars {what} left out")
    return found


def _in_session(frame: pl.DataFrame) -> pl.Expr:
    import polars as pl

    day = pl.col("time").dt.date()
    days = frame.select(day.unique())["time"].to_list()
    return day.is_in([each for each in days if _traded(each)])


def _traded(day: date) -> bool:
    try:
        return is_session(day)
    except CalendarHorizon:
        return False


def _final_at(frame: pl.DataFrame, taken: int) -> pl.Expr:
    import polars as pl

    day = pl.col("time").dt.date()
    closes = {each: session(each).close_at for each in frame.select(day.unique())["time"].to_list()}
    start = pl.col("time").dt.epoch("ns")
    close = day.replace_strict(closes, return_dtype=pl.Int64)
    settled = pl.when(start >= close).then(CLOSING_SETTLED).otherwise(MINUTE + SETTLED)
    return start + settled <= taken
