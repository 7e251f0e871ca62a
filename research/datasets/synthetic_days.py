"""Generated sessions: a backtest without any data.

Each day is a ``SyntheticMarket`` of its own, with a seed one higher than the day's before: the
issues keep their codes, not their prices, so what is carried over night is worth something else in
the morning. Good for trying things out and for tests; nothing about returns follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from hashlib import sha256

from events import StrategyId, Symbol
from events.calendar import is_session, next_session
from kis_gateway.simulator.market import SyntheticMarket
from kis_gateway.simulator.market.bridge import DEFAULT_TRADES_PER_BAR
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDay
from research.datasets.bridging import bridged
from research.datasets.market_tape import as_note, previous_closes
from research.datasets.opening_events import opening_events
from research.datasets.session_bars import session_bars
from research.datasets.tape_rows import bridged_rows, in_order, note_rows


class SyntheticDays:
    """``sessions`` generated sessions from ``start`` on."""

    def __init__(
        self,
        *,
        start: date,
        sessions: int,
        symbols: int,
        seed: int,
        strategies: Sequence[StrategyId] = (),
        daily_history: int = 90,
        trades_per_bar: int = DEFAULT_TRADES_PER_BAR,
    ) -> None:
        """Each of ``strategies`` may trade all ``symbols`` issues (at least four)."""
        first = start if is_session(start) else next_session(start)
        found = [first]
        while len(found) < sessions:
            found.append(next_session(found[-1]))
        self._dates = tuple(found)
        self._symbols, self._seed = symbols, seed
        self._strategies, self._daily_history = tuple(strategies), daily_history
        self._trades_per_bar = trades_per_bar

    @property
    def dates(self) -> Sequence[date]:
        """Return the dates of the sessions, oldest first."""
        return self._dates

    @property
    def data_hash(self) -> str:
        """Return a digest of what the days are generated from."""
        made_of = (
            f"synthetic {self._dates[0]} {len(self._dates)} {self._symbols} {self._seed} "
            f"{self._trades_per_bar}"
        )
        return sha256(made_of.encode()).hexdigest()

    def days(self) -> Iterator[MarketDay]:
        """Yield all sessions, oldest first."""
        return map(self.day, self._dates)

    def day(self, on: date, also: Sequence[Symbol] = ()) -> MarketDay:
        """Return one session; every day lists the same symbols, so ``also`` adds none.

        Raises:
            NoMarketData: there is none of that date.
            TooFewSymbols: fewer than four symbols.
        """
        del also
        if on not in self._dates:
            raise NoMarketData(
                f"session on {on:%Y-%m-%d}",
                f"generated sessions run from {self._dates[0]} to {self._dates[-1]}",
            )
        market = SyntheticMarket(on, self._symbols, self._seed + self._dates.index(on))
        closes = previous_closes(market)
        symbols = [listing.symbol for listing in market.listings]
        found = bridged(
            market.listings,
            session_bars({symbol: market.minute_bars(symbol) for symbol in symbols}),
            market.session,
            trades_per_bar=self._trades_per_bar,
        )
        notes = [as_note(item, closes) for item in market.surroundings()]
        history = -self._daily_history
        return MarketDay(
            session=market.session,
            listings=tuple(market.listings),
            opening=opening_events(
                session=market.session,
                listings=market.listings,
                daily={symbol: market.daily_history(symbol)[history:] for symbol in symbols},
                previous_closes=closes,
                strategies=self._strategies,
                universe=symbols,
                source="synthetic: every symbol of the generated market",
            ),
            tape=in_order(
                symbols, (note_rows(notes), bridged_rows(found)), books=found.books, notes=notes
            ),
        )
