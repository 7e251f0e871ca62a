"""What a recording of bars covers: session by session, symbol by symbol, and what is odd.

A file's name is not coverage. What should be there follows from the calendar, from the symbol's own
first and last session in the recording, and from the table of days where there is one: a missing
symbol that traded by its daily record is a hole, one that did not was halted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
import numpy as np

from events import Symbol
from events.calendar import TradingSession, is_session, kst, next_session, session
from research.backtest.errors import NoMarketData
from research.datasets.actions import Actions, read_actions
from research.datasets.bar_folder import BarFolder, bar_folder
from research.datasets.bar_store import BarStore
from research.datasets.daily_bars import DailyBars, daily_bars
from research.datasets.findings import Finding, Odd, findings, usable
from research.datasets.listing_terms import Terms, listing, terms_of
from research.datasets.month_bars import contents_of, month_bars
from research.datasets.session_bars import SessionBars

_MINUTE: Final = 60_000_000_000
_LONG_GAP: Final = 5
"""Minutes without bars from which on a gap is reported."""

_LIQUID: Final = 370
"""A symbol with a median of at least so many bars a day usually trades in every minute."""

_CLOSE_TOLERANCE: Final = 2
"""Won: adjusted prices are rounded one way in minutes and another in days."""


class OddSymbol(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol's session and what is odd about it; ``first`` and ``last`` are bars (HH:MM)."""

    symbol: str
    date: str
    bars: int
    first: str
    last: str
    volume: int
    findings: dict[str, str]


class CoveredSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session of the recording; ``findings`` are about all its symbols together."""

    date: str
    symbols: int
    bars: int
    findings: dict[str, str]


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """What a recording covers; ``odd`` are the symbols' sessions of which there is something to
    say, ``counts`` how often each oddity occurs, ``changed_files`` those not as imported."""

    folder: str
    sessions: tuple[CoveredSession, ...]
    odd: tuple[OddSymbol, ...]
    counts: dict[str, int]
    changed_files: tuple[str, ...]


def coverage(
    folder: Path,
    *,
    start: date | None = None,
    end: date | None = None,
    symbols: Sequence[Symbol] = (),
) -> Coverage:
    """Return what a recording covers from ``start`` to ``end``; of all symbols, or of some.

    Raises:
        NoMarketData: there are no minute bars in the folder or span.
        UnusableData: a file cannot be read.
    """
    recording = _Recording(bar_folder(folder), frozenset(symbols))
    days = [
        day for day in recording.calendar()
        if (start is None or day >= start) and (end is None or day <= end)
    ]  # fmt: skip
    if not days:
        raise NoMarketData(f"session in the span asked for in {folder}", "choose another span")
    sessions, odd = [], []
    counts: Counter[str] = Counter()
    for day in days:
        covered, found = recording.session(day)
        sessions.append(covered)
        odd += found
        counts.update(list(covered.findings))
        for each in found:
            counts.update(list(each.findings))
    return Coverage(
        folder=str(folder),
        sessions=tuple(sessions),
        odd=tuple(odd),
        counts=dict(counts.most_common()),
        changed_files=BarStore(folder).changed_files(),
    )


class _Recording:
    """The files of a recording and what is known of its symbols."""

    def __init__(self, folder: BarFolder, symbols: frozenset[Symbol]) -> None:
        self._folder = folder
        self._symbols = symbols or None
        self._actions = Actions(read_actions(folder.actions) if folder.actions else ())
        self._daily: DailyBars = daily_bars(folder, self._actions)
        self._terms: Terms = terms_of(folder.sectors)
        self._spans: dict[Symbol, tuple[date, date]] = {}
        self._bars: dict[Symbol, list[int]] = {}
        for files in folder.months.values():
            month = month_bars(files, self._symbols)
            for day in month.dates:
                for symbol in month.traded(day):
                    first, _ = self._spans.get(symbol, (day, day))
                    self._spans[symbol] = (first, day)
                traded = month.session(day, month.traded(day))
                for symbol, count in zip(traded.symbols, np.diff(traded.offsets), strict=True):
                    self._bars.setdefault(symbol, []).append(int(count))

    def calendar(self) -> list[date]:
        """Return the exchange's sessions from the first to the last recorded one."""
        days = sorted(
            day
            for files in self._folder.months.values()
            for day in contents_of(files)[0]
            if is_session(day)
        )
        found = days[:1]
        while found and found[-1] < days[-1]:
            found.append(next_session(found[-1]))
        return found

    def session(self, day: date) -> tuple[CoveredSession, list[OddSymbol]]:
        hours = session(day)
        expected = [
            symbol for symbol, (first, last) in sorted(self._spans.items()) if first <= day <= last
        ]
        files = self._folder.months.get(f"{day:%Y-%m}", ())
        recorded = month_bars(files, self._symbols).session(day, expected) if files else None
        if recorded is None or not len(recorded.start):
            missing = CoveredSession(
                date=f"{day:%Y-%m-%d}", symbols=0, bars=0,
                findings={Odd.MISSING: "the exchange traded and nothing is recorded"},
            )  # fmt: skip
            return missing, []
        bars, left_out = usable(hours, recorded, recorded.volume < 1)
        found = [*left_out, *self._found(hours, bars)]
        whole = [*(each for each in found if each.symbol is None), *_silences(hours, bars)]
        by_symbol: dict[Symbol, dict[str, str]] = {}
        for each in found:
            if each.symbol is not None:
                by_symbol.setdefault(each.symbol, {})[each.odd] = each.detail
        covered = CoveredSession(
            date=f"{day:%Y-%m-%d}",
            symbols=int((np.diff(bars.offsets) > 0).sum()),
            bars=len(bars.start),
            findings={each.odd: each.detail for each in whole},
        )
        return covered, [_odd(day, bars, symbol, odd) for symbol, odd in by_symbol.items()]

    def _found(self, hours: TradingSession, bars: SessionBars) -> Iterator[Finding]:
        day = hours.day
        listings = []
        for place, symbol in enumerate(bars.symbols):
            newest = self._daily.before(symbol, day, 1)
            begin = int(bars.offsets[place])
            opened = int(bars.open[begin]) if begin < bars.offsets[place + 1] else 1
            base = newest[-1].close if newest else opened
            listings.append(listing(symbol, base, self._terms, day))
        shortened = False
        for each in findings(hours, listings, bars):
            shortened = shortened or each.odd is Odd.EARLY_END
            if each.odd is Odd.NO_BARS and each.symbol is not None:
                yield self._absent(each.symbol, day)
            else:
                yield each
        if self._folder.daily is not None:
            yield from self._tied_out(hours, bars, shortened=shortened)
        for place, symbol in enumerate(bars.symbols):
            if median(self._bars[symbol]) >= _LIQUID:
                starts = bars.start[bars.offsets[place] : bars.offsets[place + 1]]
                yield from _gaps(hours, starts, symbol)

    def _absent(self, symbol: Symbol, day: date) -> Finding:
        if self._folder.daily is None:
            return Finding(Odd.NO_BARS, symbol, "no bars: halted, or missing from the recording")
        if self._daily.on(symbol, day) is None:
            return Finding(Odd.HALTED, symbol, "no bars and no trade in the daily record")
        return Finding(Odd.MISSING, symbol, "no bars, though it traded by the daily record")

    def _tied_out(
        self, hours: TradingSession, bars: SessionBars, *, shortened: bool
    ) -> Iterator[Finding]:
        for place, symbol in enumerate(bars.symbols):
            begin, end = int(bars.offsets[place]), int(bars.offsets[place + 1])
            record = self._daily.on(symbol, hours.day)
            if record is None or begin == end:
                continue
            close, volume = int(bars.close[end - 1]), int(bars.volume[begin:end].sum())
            if abs(close - record.close) > _CLOSE_TOLERANCE and not shortened:
                detail = f"last bar closes at {close:,} won, the day at {record.close:,}"
                yield Finding(Odd.CLOSE_DIFFERS, symbol, detail)
            if not record.volume // 2 <= volume <= record.volume and not shortened:
                detail = f"{volume:,} shares in bars, {record.volume:,} in the daily record"
                yield Finding(Odd.VOLUME_DIFFERS, symbol, detail)


def _silences(hours: TradingSession, bars: SessionBars) -> Iterator[Finding]:
    """Yield a finding when no issue at all traded for minutes on end: a halt of the market."""
    for each in _gaps(hours, np.unique(bars.start), None):
        yield each._replace(detail=f"{each.detail}: the whole market")


def _gaps(
    hours: TradingSession, starts: np.ndarray[tuple[int], np.dtype[np.int64]], symbol: Symbol | None
) -> Iterator[Finding]:
    inside = starts[starts < hours.closing_auction_at]
    if len(inside) < 2:
        return
    missing = np.diff(inside) // _MINUTE - 1
    longest = int(missing.argmax())
    if missing[longest] >= _LONG_GAP:
        begun = int(inside[longest]) + _MINUTE
        detail = f"no bars for {missing[longest]} minutes from {kst(begun):%H:%M}"
        yield Finding(Odd.GAP, symbol, detail)


def _odd(day: date, bars: SessionBars, symbol: Symbol, odd: dict[str, str]) -> OddSymbol:
    place = bars.symbols.index(symbol)
    begin, end = int(bars.offsets[place]), int(bars.offsets[place + 1])
    edges = [f"{kst(int(bars.start[row])):%H:%M}" for row in (begin, end - 1) if begin < end]
    return OddSymbol(
        symbol=symbol,
        date=f"{day:%Y-%m-%d}",
        bars=end - begin,
        first=edges[0] if edges else "",
        last=edges[-1] if edges else "",
        volume=int(bars.volume[begin:end].sum()),
        findings=odd,
    )
