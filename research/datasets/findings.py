"""What is odd about the bars of one session, issue by issue and as a whole.

Nothing here changes data: findings are listed, for people and for ``kst recordings coverage``. A
finding is about completeness (an issue without bars, a day that ends early, a closing auction that
is missing) or about prices (off the tick grid, which histories adjusted after the fact are; a jump
that no price limit allows, which is a corporate action that nobody told).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.calendar import TradingSession, kst
from events.prices import DAILY_LIMIT_PERCENT, tick_table
from kis_gateway.simulator.exchange import Listing
from research.datasets.session_bars import SessionBars

_MINUTE: Final = 60_000_000_000
_MIDDLE_PRICES_FROM: Final = date(2025, 3, 4)
"""From here on orders at the middle price trade half a tick off (KRX notice, with Nextrade)."""


class Odd(StrEnum):
    """What can be odd."""

    NO_BARS = "no_bars"
    """The issue has no bars: halted, or missing from the recording."""
    HALTED = "halted"
    """The issue has no bars, and by its daily record it did not trade."""
    MISSING = "missing"
    """The issue has no bars although by its daily record it traded; or a whole session has none."""
    GAP = "gap"
    """Minutes without bars, in one issue that usually trades in all of them or in all issues."""
    CLOSE_DIFFERS = "close_differs"
    """The last bar's close is not that of the daily record."""
    VOLUME_DIFFERS = "volume_differs"
    """The bars hold more than the daily record's volume, or less than half of it."""
    NO_DAILY = "no_daily"
    """Nothing is known of the issue before the session; it cannot be listed."""
    LATE_START = "late_start"
    """Nothing of any issue in the first minute of the session."""
    EARLY_END = "early_end"
    """Nothing of any issue in the last minute of continuous trading or after it."""
    NO_CLOSING_AUCTION = "no_closing_auction"
    """The issue's bars reach the closing auction and lack its match."""
    OUTSIDE = "outside"
    """Bars before the session's open or long after its close; they are left out."""
    UNUSABLE = "unusable"
    """Bars that cannot have been traded (no volume, close outside its range, twice the same
    minute); they are left out."""
    OFF_GRID = "off_grid"
    """Prices that no order could have had, nor the middle of two: adjusted for what came later."""
    JUMP = "jump"
    """The open is beyond the price limits of the base price: an action that is not on record."""


class Finding(NamedTuple):
    """One oddity; ``symbol`` is ``None`` when it is about the whole session."""

    odd: Odd
    symbol: Symbol | None
    detail: str

    def __str__(self) -> str:
        return f"{self.symbol}: {self.detail}" if self.symbol else self.detail


def findings(
    session: TradingSession,
    listings: Sequence[Listing],
    bars: SessionBars,
    *,
    acted: Collection[Symbol] = (),
) -> tuple[Finding, ...]:
    """Return what is odd about a session's bars; issues in the order of ``listings``.

    ``acted`` are those for which a corporate action is on record for this session.
    """
    return (
        *_shape(session, bars),
        *_per_issue(session, listings, bars, acted),
        *_off_grid(session, listings, bars),
    )


def usable(
    session: TradingSession, bars: SessionBars, impossible: NDArray[np.bool_]
) -> tuple[SessionBars, tuple[Finding, ...]]:
    """Return the bars that can be played, and what was left out, ``impossible`` ones included."""
    issue = bars.issue
    again = np.zeros(len(issue), np.bool_)
    again[1:] = (np.diff(bars.start) <= 0) & (np.diff(issue) == 0)
    outside = (bars.start < session.open_at) | (bars.start > session.close_at + 30 * _MINUTE)
    left_out = [
        *_left_out(bars, issue, outside, Odd.OUTSIDE, "outside the session"),
        *_left_out(bars, issue, (impossible | again) & ~outside, Odd.UNUSABLE,
                   "that cannot have been traded"),
    ]  # fmt: skip
    return (
        (bars.where(~(outside | impossible | again)), tuple(left_out)) if left_out else (bars, ())
    )


def without_bars(symbols: Collection[Symbol]) -> Iterator[Finding]:
    """Yield a finding for each symbol that was expected and has no bars."""
    for symbol in symbols:
        yield Finding(Odd.NO_BARS, symbol, "no bars: halted, or missing from the recording")


def _left_out(
    bars: SessionBars, issue: NDArray[np.int16], rows: NDArray[np.bool_], odd: Odd, reason: str
) -> Iterator[Finding]:
    for place in np.unique(issue[rows]).tolist():
        found = bars.start[rows & (issue == place)]
        detail = f"{len(found)} bars {reason} left out, the first at {kst(int(found[0])):%H:%M}"
        yield Finding(odd, bars.symbols[place], detail)


def _shape(session: TradingSession, bars: SessionBars) -> Iterator[Finding]:
    if not len(bars.start):
        return
    first, last = int(bars.start.min()), int(bars.start.max())
    if first > session.open_at:
        detail = f"first bar at {kst(first):%H:%M}, the session opened at "
        yield Finding(Odd.LATE_START, None, f"{detail}{kst(session.open_at):%H:%M}")
    if last < session.closing_auction_at - _MINUTE:
        detail = f"last bar at {kst(last):%H:%M}, the session closed at "
        yield Finding(Odd.EARLY_END, None, f"{detail}{kst(session.close_at):%H:%M}")


def _per_issue(
    session: TradingSession,
    listings: Sequence[Listing],
    bars: SessionBars,
    acted: Collection[Symbol],
) -> Iterator[Finding]:
    ended_early = len(bars.start) and int(bars.start.max()) < session.closing_auction_at
    for place, listing in enumerate(listings):
        begin, end = int(bars.offsets[place]), int(bars.offsets[place + 1])
        if begin == end:
            yield from without_bars((listing.symbol,))
            continue
        if not ended_early and int(bars.start[end - 1]) < session.close_at:
            detail = f"no closing auction; last bar at {kst(int(bars.start[end - 1])):%H:%M}"
            yield Finding(Odd.NO_CLOSING_AUCTION, listing.symbol, detail)
        change = abs(int(bars.open[begin]) - listing.base_price) * 100
        if change > DAILY_LIMIT_PERCENT * listing.base_price:
            reason = (
                "the corporate action on record does not fit (are the prices adjusted already?)"
                if listing.symbol in acted
                else "a corporate action is missing"
            )
            yield Finding(
                Odd.JUMP,
                listing.symbol,
                f"opened at {bars.open[begin]:,} won, base price {listing.base_price:,}: no price "
                f"limit allows it; {reason}",
            )


def _off_grid(
    session: TradingSession, listings: Sequence[Listing], bars: SessionBars
) -> Iterator[Finding]:
    issue = bars.issue
    ticks = np.ones(len(issue), np.int64)
    for board in {each.board for each in listings}:
        ours = np.array([each.board is board for each in listings], np.bool_)[issue]
        bounds, sizes = (np.array(each, np.int64) for each in tick_table(board, session.day))
        ticks[ours] = sizes[np.searchsorted(bounds, bars.close[ours], side="right")]
    if session.day < _MIDDLE_PRICES_FROM:
        off = bars.close % ticks > 0
    else:
        # Half a tick is a price; where it is no whole won, the won below or above it.
        half = 2 * bars.close % ticks
        off = np.minimum(half, ticks - half) > ticks % 2
    if not off.any():
        return
    counts = np.bincount(issue[off], minlength=len(listings))
    for place in np.flatnonzero(counts).tolist():
        whole = int(bars.offsets[place + 1] - bars.offsets[place])
        yield Finding(
            Odd.OFF_GRID,
            listings[place].symbol,
            f"{counts[place]} of {whole} closes between two ticks: prices adjusted after the fact",
        )
