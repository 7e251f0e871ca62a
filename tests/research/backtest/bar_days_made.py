"""Sessions of a few minute bars, made by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from events import StrategyId, Symbol
from events.calendar import TradingSession, session, trading_date
from events.event import Event
from events.market import Bar, BarHistory, DailyHistory, Phase, SymbolReference
from events.prices import Board
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import EnterPhase, Listing
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay
from research.backtest.tape import NO_SYMBOL, Bars, Books, Kind, Tape

MINUTE = 60_000_000_000
DATES = (date(2025, 9, 15), date(2025, 9, 16), date(2025, 9, 17))
ALPHA, BETA = Symbol("900010"), Symbol("900020")
Minutes = Sequence[tuple[int, int, int, int, int, int]]
"""(minute since the open, open, high, low, close, volume)."""


def made_listing(symbol: Symbol) -> Listing:
    return Listing(
        symbol=symbol,
        name=symbol,
        board=Board.KOSPI if symbol == ALPHA else Board.KOSDAQ,
        sector="Made",
        base_price=10_000,
        lower_limit=7_000,
        upper_limit=13_000,
        listed_shares=1_000_000,
    )


def made_bars(hours: TradingSession, minutes: Minutes) -> list[Bar]:
    return [Bar(hours.open_at + minute * MINUTE, *rest) for minute, *rest in minutes]


def made_tape(hours: TradingSession, bars: Mapping[Symbol, Sequence[Bar]]) -> Tape:
    """Return a tape of bars at their right edges, before the phases that begin there."""
    symbols = tuple(bars)
    phases = [
        EnterPhase(at=at, phase=phase)
        for phase, at in (
            (Phase.OPENING_AUCTION, hours.auction_from),
            (Phase.CONTINUOUS, hours.open_at),
            (Phase.CLOSING_AUCTION, hours.closing_auction_at),
            (Phase.CLOSED, hours.close_at),
        )
    ]
    flat = [(code, bar) for code, symbol in enumerate(symbols) for bar in bars[symbol]]
    rows = [(bar.start + MINUTE, 0, code, place) for place, (code, bar) in enumerate(flat)]
    rows += [(phase.at, 1, NO_SYMBOL, place) for place, phase in enumerate(phases)]
    rows.sort(key=lambda row: row[:3])
    at, late, codes, places = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    is_bar, none = late == 0, np.zeros(len(rows), np.int64)
    return Tape(
        symbols=symbols,
        at=at,
        kind=np.where(is_bar, Kind.BAR, Kind.COMMAND).astype(np.uint8),
        symbol=codes.astype(np.int16),
        price=none,
        quantity=none,
        aggressor=none.astype(np.int8),
        auction=none.astype(np.bool_),
        volume=none,
        value=none,
        book=np.full(len(rows), -1, np.int32),
        bar=np.where(is_bar, places, -1).astype(np.int32),
        note=np.where(is_bar, -1, places).astype(np.int32),
        books=Books.none(),
        bars=Bars(
            *(np.array([getattr(bar, name) for _, bar in flat], np.int64) for name in Bars._fields)
        ),
        notes=tuple(phases),
    )


class MadeDays:
    """``MarketDays`` of bars by session and symbol.

    ``history`` bars are shown before each open, and that ``ALPHA`` ordinarily trades ``daily`` won.
    """

    def __init__(
        self,
        sessions: Sequence[Mapping[Symbol, Minutes]],
        strategy: StrategyId,
        *,
        history: int,
        daily: int = 0,
    ) -> None:
        self._daily = daily
        self._hours = [session(on) for on in DATES[: len(sessions)]]
        self._bars = [
            {symbol: made_bars(hours, minutes) for symbol, minutes in each.items()}
            for hours, each in zip(self._hours, sessions, strict=True)
        ]
        self._strategy, self._history = strategy, history
        self.dates = tuple(hours.day for hours in self._hours)
        self.data_hash = "made"

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        if on not in self.dates:
            raise NoMarketData(f"session on {on}", "choose another")
        place = self.dates.index(on)
        bars = self._bars[place]
        return MarketDay(
            session=self._hours[place],
            listings=tuple(map(made_listing, bars)),
            opening=tuple(self._opening(place)),
            tape=made_tape(self._hours[place], bars),
        )

    def days(self) -> Iterator[MarketDay]:
        return map(self.day, self.dates)

    def _opening(self, place: int) -> Iterator[Event]:
        hours, bars = self._hours[place], self._bars[place]
        at, day = hours.auction_from, trading_date(hours.day)
        yield UniverseSelected(
            at=at,
            strategy=self._strategy,
            trading_date=day,
            symbols=tuple(bars),
            sectors=dict.fromkeys(bars, "Made"),
            source="made",
        )
        for each in map(made_listing, bars):
            yield SymbolReference(
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
        if self._daily:
            bar = Bar(0, 10_000, 10_000, 10_000, 10_000, 1, self._daily)
            yield DailyHistory(at=at, symbol=ALPHA, trading_date=day, bars=(bar,))
        if self._history:
            for symbol in bars:
                past = [bar for each in self._bars[:place] for bar in each.get(symbol, ())]
                yield BarHistory(
                    at=at, symbol=symbol, trading_date=day, bars=tuple(past[-self._history :])
                )
