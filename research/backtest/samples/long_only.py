"""Getting into a position and out again: the part of a strategy that is no signal.

What always holds: one wish at a time in each symbol, so nothing is bought or sold twice; an entry
names a limit and a stop and is not asked for without the day's terms; orders are asked for in
continuous trading only, so none is left for an auction or the next session. Shares that are carried
over the night are the strategy's next morning, with the stop that was in force.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from events import Symbol, prices
from events.control import SharesReallocated
from events.event import Event
from events.identifiers import StrategyId, intent_id, of_guard
from events.market import SessionOpened, SymbolReference
from events.prices import Board
from events.trading import (
    FillCorrected,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderFilled,
    Urgency,
)
from strategies.errors import ConfigurationMissing, InvalidSettings
from strategies.runtime import IntentTracker, OwnBook, OwnIntent

INPUTS: Final = (
    "market.session.*",
    "market.status.*",
    "trading.intent.*",
    "trading.decision.*",
    "trading.order.*",
    "trading.execution.*",
    "trading.control",
)
"""What has to be shown to ``observe``."""

_SECOND: Final = 1_000_000_000
_PER_MILLE: Final = 1_000


class Terms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an entry is asked for: either ``shares`` of them, or as many as ``won`` pay for.

    It may cost ``reach_per_mille`` above the price at which it is decided; ``stop_per_mille`` below
    that price is its protective stop. A wish lapses after ``lifetime_s`` seconds.
    """

    shares: int = 0
    won: int = 0
    reach_per_mille: int = 20
    stop_per_mille: int = 200
    lifetime_s: int = 600

    def __post_init__(self) -> None:
        if (self.shares > 0) == (self.won > 0) or min(self.shares, self.won) < 0:
            raise InvalidSettings(
                "entry", f"shares {self.shares} and won {self.won}", "set one of them above 0"
            )
        if not 0 < self.stop_per_mille < _PER_MILLE:
            raise InvalidSettings(
                "entry.stop_per_mille", f"{self.stop_per_mille}", "set it between 1 and 999"
            )
        if self.reach_per_mille < 0 or self.lifetime_s < 1:
            raise InvalidSettings(
                "entry", "a negative reach or no lifetime", "set reach ≥ 0 and lifetime ≥ 1"
            )

    def quantity(self, price: int) -> int:
        """Return the shares to ask for at a price in won; 0 when the won pay for none."""
        return self.shares or self.won // price


class LongOnly:
    """One strategy's wishes and shares in one session."""

    def __init__(self, strategy: StrategyId, session: SessionOpened, terms: Terms) -> None:
        self.strategy = strategy
        self._terms = terms
        self._session = session
        day = session.trading_date
        self._day = date(int(day[:4]), int(day[4:6]), int(day[6:8]))
        self._book = OwnBook(strategy, session)
        self._tracker = IntentTracker(strategy)
        self._references: dict[Symbol, SymbolReference] = {}
        self._newest: dict[Symbol, OwnIntent] = {}
        self._asked: dict[tuple[Symbol, IntentKind], int] = {}
        self._exits: dict[Symbol, int] = {}
        self.held: set[Symbol] = set(self._book.positions)
        """Symbols with shares of the strategy."""
        self.trades_from = session.open_at
        self.trades_until = session.closing_auction_at
        """Begin and end of continuous trading (ns UTC): wishes are made in between."""

    def owns(self, event: Event) -> bool:
        """Return whether a logged event was derived by this strategy."""
        return (
            isinstance(event, IntentSubmitted)
            and event.strategy == self.strategy
            and not of_guard(event.intent_id)
        )

    def observe(self, event: Event) -> None:
        """Take in an entry that is no trade or bar."""
        if isinstance(event, SymbolReference):
            self._references[event.symbol] = event
            return
        self._tracker.observe(event)
        if isinstance(event, OrderFilled):
            moved = self._book.fill(event)
        elif isinstance(event, SharesReallocated):
            moved = self._book.reallocate(event, event.at)
        else:
            if isinstance(event, FillCorrected):
                self._book.correct(event)
            return
        if moved and event.symbol in self._book.positions:
            self.held.add(event.symbol)
        elif moved:
            self.held.discard(event.symbol)
            self._exits.pop(event.symbol, None)

    def may_ask(self, symbol: Symbol, at: int) -> bool:
        """Return whether a wish may be made now: in continuous trading, with none under way."""
        if not self.trades_from <= at < self.trades_until:
            return False
        newest = self._newest.get(symbol)
        if newest is not None and newest.alive(at):
            return False
        return not self._tracker.selling(symbol, at)

    def enter(
        self, symbol: Symbol, price: int, *, at: int, cause: int, reason: str
    ) -> list[IntentSubmitted]:
        """Ask to buy at about ``price`` won; nothing without terms of the day or money for it."""
        reference, terms = self._references.get(symbol), self._terms
        quantity = terms.quantity(price)
        if reference is None or not quantity:
            return []
        board = Board(reference.market)
        reach = price * (_PER_MILLE + terms.reach_per_mille) // _PER_MILLE
        limit = min(prices.round_down(reach, board, self._day), reference.upper_limit)
        stop = price * (_PER_MILLE - terms.stop_per_mille) // _PER_MILLE
        return [
            self._submit(
                symbol,
                IntentKind.ENTER,
                at=at,
                cause=cause,
                reason=reason,
                quantity=quantity,
                reference_price=price,
                limit_price=limit,
                protective_stop=prices.round_down(stop, board, self._day),
            )
        ]

    def exit(
        self, symbol: Symbol, price: int, *, at: int, cause: int, reason: str
    ) -> list[IntentSubmitted]:
        """Ask to sell everything the strategy has of a symbol."""
        self._exits[symbol] = self._exits.get(symbol, 0) + 1
        return [
            self._submit(
                symbol,
                IntentKind.EXIT,
                at=at,
                cause=cause,
                reason=reason,
                quantity=self._book.quantity(symbol),
                attempt=self._exits[symbol],
                reference_price=price,
            )
        ]

    def _submit(
        self,
        symbol: Symbol,
        kind: IntentKind,
        *,
        at: int,
        cause: int,
        reason: str,
        quantity: int,
        attempt: int = 1,
        reference_price: int,
        limit_price: int | None = None,
        protective_stop: int | None = None,
    ) -> IntentSubmitted:
        entering = kind is IntentKind.ENTER
        asked = self._asked[symbol, kind] = self._asked.get((symbol, kind), 0) + 1
        intent = IntentSubmitted(
            at=at,
            cause=cause,
            intent_id=intent_id(
                self._session.trading_date, self.strategy, symbol, "E" if entering else "X", asked
            ),
            strategy=self.strategy,
            symbol=symbol,
            kind=kind,
            quantity=quantity,
            # An entry has its limit to reach with; an exit is to be done with.
            urgency=Urgency.NORMAL if entering else Urgency.HIGH,
            horizon=Horizon.SWING,
            reason=reason,
            attempt=attempt,
            expires_at=at + self._terms.lifetime_s * _SECOND,
            reference_price=reference_price,
            limit_price=limit_price,
            protective_stop=protective_stop,
        )
        self._newest[symbol] = self._tracker.submitted(intent)
        return intent


def settings_text(name: str, session: SessionOpened) -> str:
    """Return a strategy's configuration in the opening books, JSON.

    Raises:
        ConfigurationMissing: there is none.
    """
    text = session.configuration.get(name)
    if text is None:
        raise ConfigurationMissing(name, tuple(sorted(session.configuration)))
    return text
