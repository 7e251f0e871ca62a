"""A generated trading day that needs no files: for demonstrations, tests and fault drills.

The issues do not exist (codes 900010, 900020, …). A third of them carry stories that an
opening-range momentum strategy is built to find (see ``stories``), the others are background. The
numbers around the stories fit the usual filters: an up-trend over SMA20 and SMA60, turnover of the
first quarter of an hour at five to nine times its usual value (8 % of the daily turnover), minute
volume at least 1.5 times the usual one (a three-hundredth of the daily volume) until eleven
o'clock, and a KOSPI that rises by more than 0.4 % in the first minutes and never falls 1 % below
its previous close.

Chance comes from ``random.Random`` with the caller's seed; equal arguments give equal markets.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from itertools import pairwise
from math import exp
from random import Random
from statistics import median
from typing import Final, NamedTuple

from events import Symbol
from events.calendar import TradingSession, instant, previous_session, session
from events.market import Bar
from events.prices import Board, daily_limits, move_ticks, round_down
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.market.bar_market import BarMarket
from kis_gateway.simulator.market.bridge import DEFAULT_TRADES_PER_BAR
from kis_gateway.simulator.market.errors import TooFewSymbols
from kis_gateway.simulator.market.index_path import levels
from kis_gateway.simulator.market.stories import (
    FIRST_BREAK,
    OPENING_MINUTES,
    Candle,
    Plot,
    Story,
    candles,
    guides,
    quiet,
    touch,
)

LEAST_SYMBOLS: Final = 4
SECTORS: Final = (
    "Semiconductors",
    "Batteries",
    "Automotive",
    "Bio",
    "Internet",
    "Finance",
    "Shipbuilding",
    "Chemicals",
)

_HISTORY: Final = 120
_MINUTE: Final = 60_000_000_000
_CAST: Final = (
    Story.RUN,
    Story.LEAD,
    Story.RUN,
    Story.LEAD,
    Story.FAIL,
    Story.STALL,
    Story.RUN,
    Story.LEAD,
    Story.RUN,
    Story.FAIL,
)
"""Stories in order of symbols, over and over, for the first third of them (at least four)."""

# Price bands in which two ticks are at most 0.4 %, so that a spread filter lets the issue pass.
_PRICES: Final = ((11_000, 17_000), (34_000, 44_000), (110_000, 170_000))
_BREAK_SPREAD: Final = 20
_INDEX_PERCENT: Final = {
    "KOSPI": (
        (0, 0.10), (5, 0.35), (12, 0.72), (40, 0.55), (120, 0.85), (240, 0.60), (380, 0.90),
    ),
    "KOSDAQ": (
        (0, 0.05), (6, 0.40), (14, 0.66), (60, 0.30), (150, 0.50), (260, 0.35), (380, 0.62),
    ),
}  # fmt: skip
_INDEX_CLOSE: Final = {"KOSPI": 320_000, "KOSDAQ": 85_000}


class SyntheticMarket(BarMarket):
    """A generated day; ``symbols`` is the number of issues, at least four.

    Raises:
        TooFewSymbols: fewer than four.
        NotASession: the exchange is closed on ``day``.
    """

    def __init__(
        self,
        day: date,
        symbols: int,
        seed: int,
        *,
        trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
    ) -> None:
        if symbols < LEAST_SYMBOLS:
            raise TooFewSymbols(symbols, LEAST_SYMBOLS)
        hours = session(day)
        edges = _sessions_before(day)
        active = max(LEAST_SYMBOLS, symbols // 3)
        issues = [
            _issue(number, _CAST[number % len(_CAST)] if number < active else Story.QUIET, seed)
            for number in range(symbols)
        ]
        daily = {issue.symbol: issue.daily(edges) for issue in issues}
        minutes = {issue.symbol: issue.minutes(daily[issue.symbol], hours) for issue in issues}
        listings = [issue.listing(daily[issue.symbol][-1].close, day) for issue in issues]
        self.stories = {issue.symbol: issue.story for issue in issues}
        super().__init__(
            session=hours,
            listings=sorted(listings, key=lambda each: -_turnover(daily[each.symbol])),
            daily=daily,
            minutes=minutes,
            index_daily={index: _index_daily(index, edges, seed) for index in _INDEX_CLOSE},
            index_levels={index: _index_levels(index, hours, seed) for index in _INDEX_CLOSE},
            trades_per_bar=trades_per_bar,
        )


class _Issue(NamedTuple):
    """One issue's unchanging facts; every part of its life draws from a generator of its own."""

    symbol: Symbol
    number: int
    story: Story
    seed: int
    price: int
    turnover: int

    def chance(self, part: str) -> Random:
        return Random(f"{self.seed}-{self.symbol}-{part}")  # noqa: S311 - no secret hangs on it

    def listing(self, base: int, day: date) -> Listing:
        board = Board.KOSDAQ if self.number % 4 == 3 else Board.KOSPI
        lower, upper = daily_limits(base, board, day)
        sector = SECTORS[self.number % len(SECTORS)]
        return Listing(
            symbol=self.symbol,
            name=f"Synthetic {sector} {self.number // len(SECTORS) + 1}",
            board=board,
            sector=sector,
            base_price=base,
            lower_limit=lower,
            upper_limit=upper,
            listed_shares=self.chance("shares").randrange(20, 400) * 1_000_000,
        )

    def daily(self, edges: Sequence[int]) -> tuple[Bar, ...]:
        """Return the daily bars: an up-trend for active stories, otherwise a slow drift."""
        chance = self.chance("daily")
        drift = 0.003 if self.story is not Story.QUIET else chance.uniform(-0.002, 0.002)
        bars: list[Bar] = []
        before = 0
        for index, start in enumerate(edges):
            left = len(edges) - 1 - index
            swing = chance.uniform(-0.008, 0.008) if left else 0.0
            close = round_down(self.price * exp(-drift * left) * (1 + swing))
            first = round_down((before or close) * (1 + chance.uniform(-0.004, 0.004)))
            high = round_down(max(first, close) * (1 + chance.uniform(0.001, 0.012)))
            low = round_down(min(first, close) * (1 - chance.uniform(0.001, 0.012)))
            volume = round(self.turnover / close * exp(chance.gauss(0, 0.2)))
            bars.append(Bar(start, first, max(high, first, close), low, close, volume))
            before = close
        return tuple(bars)

    def minutes(self, daily: Sequence[Bar], hours: TradingSession) -> tuple[Bar, ...]:
        """Return the day's bars: one per minute of continuous trading and the closing match."""
        chance = self.chance("minutes")
        count = (hours.closing_auction_at - hours.open_at) // _MINUTE
        base = daily[-1].close
        if self.story is Story.QUIET:
            opening = round_down(base * (1 + chance.uniform(-0.006, 0.006)))
            path = candles(quiet(opening, count, chance), opening, chance)
        else:
            path = self._story(base, count, chance)
        volumes = self._volumes(daily, path, chance)
        bars = [
            Bar(hours.open_at + minute * _MINUTE, *candle, volume)
            for minute, (candle, volume) in enumerate(zip(path, volumes, strict=True))
        ]
        last = path[-1].close
        match = max(1, self.turnover // last // 20)
        return (*bars, Bar(hours.close_at, last, last, last, last, match))

    def _story(self, base: int, count: int, chance: Random) -> list[Candle]:
        opening = round_down(base * (1 + chance.uniform(0.008, 0.02)))
        high = move_ticks(round_down(opening * (1 + chance.uniform(0.021, 0.029))), 1)
        high_minute = chance.randrange(8, 12)
        broken = FIRST_BREAK + self.number * 3 % _BREAK_SPREAD
        plot = Plot(self.story, opening, high, high_minute, broken)
        drawn = candles(guides(plot, count), opening, chance)
        drawn[high_minute] = touch(drawn[high_minute], high)
        return drawn

    def _volumes(self, daily: Sequence[Bar], path: Sequence[Candle], chance: Random) -> list[int]:
        opening_value = median(bar.close * bar.volume for bar in daily[-14:]) * 0.08
        usual_minute = median(bar.volume for bar in daily[-20:]) * 0.20 / 60
        quiet_day = self.story is Story.QUIET
        surge = chance.uniform(0.6, 1.4) if quiet_day else chance.uniform(5.5, 9.0)
        weights = [3.0 if not minute else 1.6 - minute / 20 for minute in range(OPENING_MINUTES)]
        volumes: list[int] = []
        for minute, candle in enumerate(path):
            if minute < OPENING_MINUTES:
                part = opening_value * weights[minute] / sum(weights)
                volume = surge * part / candle.close
            else:
                lively = 0.7 if quiet_day else _liveliness(minute)
                volume = usual_minute * lively * chance.uniform(0.9, 1.3)
            volumes.append(max(10, round(volume)))
        return volumes


def _liveliness(minute: int) -> float:
    """Return an active issue's minute volume as a multiple of the usual one."""
    if minute < 60:
        return 4.5 - 2.3 * (minute - OPENING_MINUTES) / 45
    return 2.0 if minute < 130 else 1.0


def _issue(number: int, story: Story, seed: int) -> _Issue:
    symbol = Symbol(f"{900_010 + number * 10}")
    chance = Random(f"{seed}-{symbol}-facts")  # noqa: S311 - no secret hangs on it
    low, high = _PRICES[number % len(_PRICES)]
    price = round_down(chance.uniform(low, high))
    turnover = round(chance.uniform(8e9, 60e9))
    return _Issue(symbol, number, story, seed, price, turnover)


def _turnover(bars: Sequence[Bar]) -> int:
    return sum(bar.close * bar.volume for bar in bars[-20:])


def _sessions_before(day: date) -> list[int]:
    """Return 00:00 KST of the sessions before a day, oldest first."""
    edges: list[int] = []
    for _ in range(_HISTORY):
        day = previous_session(day)
        edges.append(instant(day, time()))
    return edges[::-1]


def _index_daily(index: str, edges: Sequence[int], seed: int) -> tuple[Bar, ...]:
    chance = Random(f"{seed}-{index}-daily")  # noqa: S311 - no secret hangs on it
    close, bars = _INDEX_CLOSE[index], []
    for back, start in enumerate(reversed(edges)):
        level = close * exp(-0.001 * back)
        last = round(level * (1 + (chance.uniform(-0.006, 0.006) if back else 0.0)))
        first = round(level * (1 + chance.uniform(-0.006, 0.006)))
        high = round(max(first, last) * (1 + chance.uniform(0.0, 0.004)))
        low = round(min(first, last) * (1 - chance.uniform(0.0, 0.004)))
        bars.append(Bar(start, first, high, low, last, 0))
    return tuple(reversed(bars))


def _index_levels(index: str, hours: TradingSession, seed: int) -> list[int]:
    chance = Random(f"{seed}-{index}-day")  # noqa: S311 - no secret hangs on it
    minutes = (hours.close_at - hours.open_at) // _MINUTE
    knots = (*_INDEX_PERCENT[index], (minutes, _INDEX_PERCENT[index][-1][1]))
    returns: list[float] = []
    noise = 0.0
    for minute in range(minutes + 1):
        (start, before), (end, after) = next(
            (knot, later) for knot, later in pairwise(knots) if knot[0] <= minute <= later[0]
        )
        noise = 0.8 * noise + chance.gauss(0, 0.00008)
        percent = before + (after - before) * (minute - start) / (end - start)
        returns.append(percent / 100 + noise)
    return levels(returns, _INDEX_CLOSE[index], None)
