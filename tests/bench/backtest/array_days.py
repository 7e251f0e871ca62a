"""The workloads' arrays as sessions of this project's engine: what the others get, and no more.

Bars (A) and trades with the changes of the book between them (B), the phases of the session, and
before the open what a strategy may trade, its terms and, for bars, the newest of the sessions
before. No index, no program trading: the other engines are shown none either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from events import StrategyId, Symbol
from events.calendar import KST, TradingSession, session
from events.event import Event
from events.market import Bar, BarHistory, Phase, SymbolReference
from events.prices import Board, daily_limits, round_down
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import EnterPhase, Listing
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay
from research.backtest.tape import LEVELS, Bars, Books, Kind, Tape
from research.datasets.tape_rows import empty_rows, in_order, note_rows

_BOOK_AFTER: Final = 100
"""Nanoseconds after a trade at which the book beside the next one is in force."""

_MINUTE: Final = 60_000_000_000
_CLOSE_AFTER: Final = 30_000_000_000
_DEPTH: Final = 1_000_000

Columns = Mapping[str, NDArray[np.int64]]


class BarArrayDays:
    """Sessions of workload A."""

    data_hash = "arrays"

    def __init__(
        self,
        columns: Columns,
        symbols: Sequence[str],
        strategies: Sequence[StrategyId],
        history: int,
    ) -> None:
        """``history`` is how many bars of the sessions before a strategy is shown."""
        self._columns = columns
        self._symbols = tuple(map(Symbol, symbols))
        self._strategies = tuple(strategies)
        self._history = history
        self._rows: dict[date, dict[int, slice]] = {}
        days = (columns["time"] + _NINE_HOURS) // _DAY
        for number, (begin, end) in enumerate(pairwise(columns["first"].tolist())):
            changes = np.flatnonzero(np.diff(days[begin:end])) + 1 + begin
            for first, last in pairwise([begin, *changes.tolist(), end]):
                on = _day(columns["time"][first])
                self._rows.setdefault(on, {})[number] = slice(first, last)
        self.dates: Sequence[date] = tuple(sorted(self._rows))

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        return map(self.day, self.dates)

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session with all symbols that trade in it.

        Raises:
            NoMarketData: there is none of that date.
        """
        del also
        rows = self._rows.get(on)
        if rows is None:
            raise NoMarketData(f"session on {on}", "choose one that the arrays hold")
        hours = session(on)
        listings = [
            _listing(symbol, self._base_price(number, on), on)
            for number, symbol in enumerate(self._symbols)
        ]
        histories = [
            BarHistory(
                at=hours.auction_from,
                symbol=symbol,
                trading_date=hours.trading_date,
                bars=self._before(number, on),
            )
            for number, symbol in enumerate(self._symbols)
        ]
        return MarketDay(
            session=hours,
            listings=tuple(listings),
            opening=(*_opening(listings, self._strategies, hours), *histories),
            tape=self._tape(rows, hours),
        )

    def _begin(self, number: int, on: date) -> int:
        # Where a symbol's bars of a date begin, whether it has any or not.
        first, last = self._columns["first"][number : number + 2].tolist()
        midnight = session(on).open_at // _DAY * _DAY
        return int(first + self._columns["time"][first:last].searchsorted(midnight))

    def _base_price(self, number: int, on: date) -> int:
        begin = self._begin(number, on)
        first = int(self._columns["first"][number])
        price = self._columns["close"][begin - 1] if begin > first else self._columns["open"][first]
        return round_down(int(price), Board.KOSPI, on)

    def _before(self, number: int, on: date) -> tuple[Bar, ...]:
        begin, first = self._begin(number, on), int(self._columns["first"][number])
        rows = slice(max(first, begin - self._history), begin)
        columns = [self._columns[name][rows].tolist() for name in _BAR_NAMES]
        return tuple(map(Bar, *columns))

    def _tape(self, rows: Mapping[int, slice], hours: TradingSession) -> Tape:
        places = np.concatenate([np.arange(part.start, part.stop) for part in rows.values()])
        counts = [part.stop - part.start for part in rows.values()]
        columns = [self._columns[name][places] for name in _BAR_NAMES]
        start = columns[0]
        columns.append(np.zeros_like(start))
        bars = empty_rows(len(places))
        bars.at[:] = np.where(start >= hours.close_at, start, start + _MINUTE)
        bars.kind[:] = Kind.BAR
        bars.symbol[:] = np.repeat(list(rows), counts)
        bars.bar[:] = np.arange(len(places))
        phases = _phases(hours, int(start.max()))
        streams = (bars, note_rows(phases))
        return in_order(self._symbols, streams, bars=Bars(*columns), notes=phases)


class TickArrayDays:
    """Sessions of workload B."""

    data_hash = "arrays"

    def __init__(
        self, columns: Columns, symbols: Sequence[str], strategies: Sequence[StrategyId]
    ) -> None:
        """Each of ``strategies`` may trade the one symbol."""
        self._columns = columns
        self._symbol = Symbol(symbols[0])
        self._strategies = tuple(strategies)
        self._rows: dict[date, slice] = {
            _day(columns["time"][begin]): slice(begin, end)
            for begin, end in pairwise(columns["first"].tolist())
        }
        self.dates: Sequence[date] = tuple(self._rows)

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        return map(self.day, self.dates)

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session; there is but one issue, whatever is carried.

        Raises:
            NoMarketData: there is none of that date.
        """
        del also
        rows = self._rows.get(on)
        if rows is None:
            raise NoMarketData(f"session on {on}", "choose one that the arrays hold")
        hours = session(on)
        base = int(self._columns["price"][max(0, rows.start - 1)])
        listing = _listing(self._symbol, base, on)
        part = {name: self._columns[name][rows] for name in _TRADE_NAMES}
        return MarketDay(
            session=hours,
            listings=(listing,),
            opening=_opening([listing], self._strategies, hours),
            tape=_tick_tape(part, self._symbol, hours),
        )


_BAR_NAMES: Final = ("time", "open", "high", "low", "close", "volume")
_TRADE_NAMES: Final = ("time", "price", "quantity", "aggressor", "bid", "ask")
_DAY: Final = 86_400_000_000_000
_NINE_HOURS: Final = 32_400_000_000_000


def _day(at: int) -> date:
    return datetime.fromtimestamp(int(at) // 1_000_000_000, KST).date()


def _listing(symbol: Symbol, base_price: int, on: date) -> Listing:
    lower, upper = daily_limits(base_price, Board.KOSPI, on)
    return Listing(
        symbol=symbol,
        name=symbol,
        board=Board.KOSPI,
        sector=symbol,
        base_price=base_price,
        lower_limit=lower,
        upper_limit=upper,
        listed_shares=0,
    )


def _opening(
    listings: Sequence[Listing], strategies: Sequence[StrategyId], hours: TradingSession
) -> tuple[Event, ...]:
    at, day = hours.auction_from, hours.trading_date
    universes = [
        UniverseSelected(
            at=at,
            strategy=strategy,
            trading_date=day,
            symbols=tuple(each.symbol for each in listings),
            sectors={each.symbol: each.sector for each in listings},
            source="arrays",
        )
        for strategy in strategies
    ]
    terms = [
        SymbolReference(
            at=at,
            symbol=each.symbol,
            trading_date=day,
            name=each.name,
            market=each.board.value,
            base_price=each.base_price,
            lower_limit=each.lower_limit,
            upper_limit=each.upper_limit,
            status_code="00",
        )
        for each in listings
    ]
    return (*universes, *terms)


def _phases(hours: TradingSession, last: int) -> list[EnterPhase]:
    return [
        EnterPhase(at=hours.auction_from, phase=Phase.OPENING_AUCTION),
        EnterPhase(at=hours.open_at, phase=Phase.CONTINUOUS),
        EnterPhase(at=hours.closing_auction_at, phase=Phase.CLOSING_AUCTION),
        EnterPhase(at=max(hours.close_at, last) + _CLOSE_AFTER, phase=Phase.CLOSED),
    ]


def _tick_tape(columns: Columns, symbol: Symbol, hours: TradingSession) -> Tape:
    time, bid, ask = columns["time"], columns["bid"], columns["ask"]
    trades = empty_rows(len(time))
    trades.at[:] = time
    trades.kind[:] = Kind.TRADE
    trades.symbol[:] = 0
    trades.price[:] = columns["price"]
    trades.quantity[:] = columns["quantity"]
    trades.aggressor[:] = columns["aggressor"]
    trades.volume[:] = np.cumsum(columns["quantity"])
    trades.value[:] = np.cumsum(columns["quantity"] * columns["price"])
    changed = np.ones(len(time), np.bool_)
    changed[1:] = (bid[1:] != bid[:-1]) | (ask[1:] != ask[:-1])
    places = np.flatnonzero(changed)
    books = empty_rows(len(places))
    books.at[:] = time[np.maximum(places - 1, 0)] + _BOOK_AFTER
    books.at[0] = time[0] - _BOOK_AFTER
    books.kind[:] = Kind.BOOK
    books.symbol[:] = 0
    books.book[:] = np.arange(len(places))
    depth = _best(np.full(len(places), _DEPTH, np.int64))
    levels = Books(_best(ask[places]), depth, _best(bid[places]), depth)
    phases = _phases(hours, int(time[-1]))
    return in_order((symbol,), (note_rows(phases), books, trades), books=levels, notes=phases)


def _best(column: NDArray[np.int64]) -> NDArray[np.int64]:
    table = np.zeros((len(column), LEVELS), np.int64)
    table[:, 0] = column
    return table
