"""Sessions from recorded minute bars: as bars, or bridged into trades and books.

What always holds: everything about a session but its tape follows from what was known before it
opened; a day is built when it is asked for, from at most a few months in memory; what is odd about
its data is listed in ``problems``, and nothing is left out or adjusted without being listed there.

Which issues trade: those asked for, or the given number of those with the largest mean traded value
of the 20 sessions before, among the issues that trade on the day and have at least 60 daily bars
before it (or as many as any has, in a recording that begins with its minutes). An issue that stands
still all day is known for it before the open, so leaving it out looks at nothing that is to come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final

import numpy as np

from events import StrategyId, Symbol
from events.calendar import TradingSession, is_session, session
from events.market import Bar, BarHistory
from events.prices import round_down
from kis_gateway.simulator.exchange import Listing
from kis_gateway.simulator.market.bridge import DEFAULT_TRADES_PER_BAR
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay
from research.backtest.tape import Bars, Kind, Tape
from research.datasets.actions import Actions, adjusted, read_actions
from research.datasets.bar_folder import bar_folder
from research.datasets.bridging import bridged, impossible
from research.datasets.daily_bars import daily_bars
from research.datasets.findings import Finding, Odd, findings, usable
from research.datasets.index_levels import index_paths, index_table
from research.datasets.listing_terms import listing, terms_of
from research.datasets.month_bars import MonthBars, contents_of, month_bars
from research.datasets.opening_events import opening_events
from research.datasets.session_bars import SessionBars
from research.datasets.surroundings import surroundings
from research.datasets.tape_rows import Note, Rows, bridged_rows, empty_rows, in_order, note_rows

_FEWEST_DAILY_BARS: Final = 60
_HISTORY_SESSIONS: Final = 20
_MINUTE: Final = 60_000_000_000
_TEN_SECONDS: Final = 10_000_000_000


class BarDays:
    """Recorded minute bars, handed on as bars; see ``bar_folder`` for the files.

    A bar stands at its right edge, a closing auction's at its own time. Of what happens at one
    instant the bars that end there come first, so a bar is over before the phase after it begins.
    """

    index_step: int = _MINUTE
    """Nanoseconds between two levels of an index."""

    def __init__(
        self,
        folder: Path,
        *,
        symbols: int | Sequence[Symbol],
        start: date | None = None,
        end: date | None = None,
        strategies: Sequence[StrategyId] = (),
        daily_history: int = 90,
        bar_history: int = 0,
    ) -> None:
        """``symbols`` are the issues, or how many; ``start`` and ``end`` are included.

        Each of ``strategies`` may trade all of them. ``daily_history`` is how many daily bars
        deciders are shown, ``bar_history`` how many minute bars of sessions before (up to 20
        sessions back).

        Raises:
            NoMarketData: no minute bars in the folder, in the span, or of a symbol.
            UnusableData: a file cannot be read.
        """
        self._folder = bar_folder(folder)
        self._wanted = symbols if isinstance(symbols, int) else tuple(symbols)
        self._strategies = tuple(strategies)
        self._daily_history, self._bar_history = daily_history, bar_history
        contents = {month: contents_of(files) for month, files in self._folder.months.items()}
        self._recorded = [day for days, _ in contents.values() for day in days if is_session(day)]
        self._dates = tuple(
            day for day in self._recorded
            if (start is None or day >= start) and (end is None or day <= end)
        )  # fmt: skip
        if not self._dates:
            raise NoMarketData(f"session in the span asked for in {folder}", self._span())
        fixed = () if isinstance(self._wanted, int) else self._wanted
        known = {symbol for _, symbols in contents.values() for symbol in symbols}
        for symbol in fixed:
            if symbol not in known:
                raise NoMarketData(f"minute bar of {symbol} in {folder}", "choose another symbol")
        actions = self._folder.actions
        self._actions = Actions(() if actions is None else read_actions(actions))
        self._daily = daily_bars(self._folder, self._actions, fixed)
        self._terms = terms_of(self._folder.sectors)
        self._indices = index_table(self._folder.indices)

    @property
    def dates(self) -> Sequence[date]:
        """Return the dates of the sessions, oldest first."""
        return self._dates

    @property
    def data_hash(self) -> str:
        """Return the digest of the content of the files that the days are made of.

        Months before the first day are among them: histories may come from their minutes.
        """
        last = f"{self._dates[-1]:%Y-%m}"
        return self._folder.digest(month for month in self._folder.months if month <= last)

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        return map(self.day, self._dates)

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session; ``also`` are listed and traded too, but are in nobody's universe.

        That is for what is carried from a session before.

        Raises:
            NoMarketData: there is none of that date.
        """
        if on not in self._dates:
            raise NoMarketData(f"session on {on:%Y-%m-%d}", self._span())
        hours, month = session(on), self._month(on, also)
        universe = self._universe(month, on)
        listings, unlisted = self._listings(dict.fromkeys((*universe, *also)), on)
        symbols = [each.symbol for each in listings]
        recorded = month.session(on, symbols)
        bars, left_out = usable(hours, recorded, self._unplayable(recorded))
        paths = index_paths(listings, bars, hours, self._indices)
        notes = surroundings(hours, listings, bars, paths, self.index_step)
        before = max((day for day in self._recorded if day < on), default=None)
        actions = self._actions.between(before, on)
        odd = findings(hours, listings, bars, acted={each.symbol for each in actions})
        events = opening_events(
            session=hours,
            listings=listings,
            daily={each: self._daily.before(each, on, self._daily_history) for each in symbols},
            previous_closes={index: path.previous_close for index, path in paths.items()},
            strategies=self._strategies,
            universe=[symbol for symbol in universe if symbol in set(symbols)],
            source=f"recording: {self._chosen_by}",
        )
        return MarketDay(
            session=hours,
            listings=tuple(listings),
            opening=(*events, *self._histories(on, symbols, hours)),
            tape=self._tape(hours, listings, bars, notes),
            actions=actions,
            problems=tuple(map(str, (*unlisted, *left_out, *odd))),
        )

    @property
    def _chosen_by(self) -> str:
        if isinstance(self._wanted, int):
            return f"the {self._wanted} symbols with the largest traded value before the session"
        return "symbols asked for"

    def _span(self) -> str:
        first, last = self._recorded[0], self._recorded[-1]
        return f"recorded sessions run from {first:%Y-%m-%d} to {last:%Y-%m-%d}; choose among them"

    def _month(self, on: date, also: Sequence[Symbol] = ()) -> MonthBars:
        some = isinstance(self._wanted, tuple) and set(also) <= set(self._wanted)
        symbols = frozenset(self._wanted) if some and isinstance(self._wanted, tuple) else None
        return month_bars(self._folder.months[f"{on:%Y-%m}"], symbols)

    def _universe(self, month: MonthBars, on: date) -> Sequence[Symbol]:
        if not isinstance(self._wanted, int):
            return self._wanted
        known = {symbol: self._daily.count_before(symbol, on) for symbol in month.traded(on)}
        fewest = min(_FEWEST_DAILY_BARS, max(known.values(), default=0))
        eligible = [symbol for symbol, bars in known.items() if bars >= max(1, fewest)]
        value = self._daily.traded_value
        return sorted(eligible, key=lambda each: (-value(each, on), each))[: self._wanted]

    def _listings(
        self, symbols: Sequence[Symbol] | dict[Symbol, None], on: date
    ) -> tuple[list[Listing], list[Finding]]:
        listings, unlisted = [], []
        for symbol in symbols:
            newest = self._daily.before(symbol, on, 1)
            if not newest:
                detail = "no daily bar before the session, so no base price: not listed"
                unlisted.append(Finding(Odd.NO_DAILY, symbol, detail))
                continue
            found = listing(symbol, newest[-1].close, self._terms, on)
            if any(each.date == f"{on:%Y%m%d}" for each in self._actions.of(symbol, on)):
                # The exchange sets a base price after an action on a tick.
                base = round_down(found.base_price, found.board, on)
                found = listing(symbol, base, self._terms, on)
            listings.append(found)
        return listings, unlisted

    def _histories(
        self, on: date, symbols: Sequence[Symbol], hours: TradingSession
    ) -> Iterator[BarHistory]:
        if not self._bar_history:
            return
        found: dict[Symbol, list[tuple[Bar, ...]]] = {symbol: [] for symbol in symbols}
        lacking = dict.fromkeys(symbols, self._bar_history)
        for day in [each for each in self._recorded if each < on][: -_HISTORY_SESSIONS - 1 : -1]:
            wanted = [symbol for symbol, count in lacking.items() if count > 0]
            if not wanted:
                break
            bars = self._month(day, symbols).session(day, wanted)
            bars, _ = usable(session(day), bars, self._unplayable(bars))
            for symbol in wanted:
                newest = bars.of(symbol, lacking[symbol])
                found[symbol].insert(0, newest)
                lacking[symbol] -= len(newest)
        for symbol, pieces in found.items():
            yield BarHistory(
                at=hours.auction_from,
                symbol=symbol,
                trading_date=hours.trading_date,
                bars=adjusted(
                    (bar for piece in pieces for bar in piece), self._actions.of(symbol, on)
                ),
            )

    def _unplayable(self, bars: SessionBars) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which bars cannot have been traded."""
        return (
            (bars.volume < 1)
            | (bars.low < 1)
            | (bars.low > np.minimum(bars.open, bars.close))
            | (bars.high < np.maximum(bars.open, bars.close))
        )

    def _tape(
        self,
        hours: TradingSession,
        listings: Sequence[Listing],
        bars: SessionBars,
        notes: Sequence[Note],
    ) -> Tape:
        rows = _bar_rows(bars, hours)
        return in_order(bars.symbols, (rows, note_rows(notes)), bars=Bars(*bars[2:]), notes=notes)


class TickDays(BarDays):
    """The same recordings with their bars bridged into trades and books, see ``bridging``."""

    index_step = _TEN_SECONDS

    def __init__(
        self,
        folder: Path,
        *,
        symbols: int | Sequence[Symbol],
        start: date | None = None,
        end: date | None = None,
        strategies: Sequence[StrategyId] = (),
        daily_history: int = 90,
        trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
    ) -> None:
        """``trades_per_bar`` is how many trades a bar becomes, at least; see ``BarDays``."""
        super().__init__(
            folder,
            symbols=symbols,
            start=start,
            end=end,
            strategies=strategies,
            daily_history=daily_history,
        )
        self._trades_per_bar = trades_per_bar

    def _unplayable(self, bars: SessionBars) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return impossible(bars)

    def _tape(
        self,
        hours: TradingSession,
        listings: Sequence[Listing],
        bars: SessionBars,
        notes: Sequence[Note],
    ) -> Tape:
        found = bridged(listings, bars, hours, trades_per_bar=self._trades_per_bar)
        return in_order(
            bars.symbols, (note_rows(notes), bridged_rows(found)), books=found.books, notes=notes
        )


def _bar_rows(bars: SessionBars, hours: TradingSession) -> Rows:
    rows = empty_rows(len(bars.start))
    rows.at[:] = np.where(bars.start >= hours.close_at, bars.start, bars.start + _MINUTE)
    rows.kind[:] = Kind.BAR
    rows.symbol[:] = bars.issue
    rows.bar[:] = np.arange(len(bars.start))
    return rows
