"""A strategy's own positions and equity, as the log allocates shares to it.

The book starts from the session's opening allocations and follows ``OrderFilled`` events of the
strategy, whoever ordered them: shares that the guard sells for it are sold. Besides fills only an
operator's ``SharesReallocated`` moves shares; ``FillCorrected`` changes what they cost and no
quantity. The same fill or correction seen twice counts once (an order's cumulative quantity and the
ordinal of its corrections only rise).
"""

from __future__ import annotations

from events.control import SharesReallocated
from events.identifiers import OrderId, StrategyId, Symbol
from events.market import SessionOpened
from events.trading import AccountSnapshot, FillCorrected, OrderFilled, Side


class Position:
    """Shares of one symbol: quantity, and the cost in won of what is still held."""

    __slots__ = ("cost", "opened_at", "quantity")

    def __init__(self, quantity: int, cost: int, opened_at: int) -> None:
        self.quantity = quantity
        self.cost = cost
        self.opened_at = opened_at

    @property
    def average_price(self) -> float:
        """Mean cost of a share in won; the position must not be empty."""
        return self.cost / self.quantity


class OwnBook:
    """The strategy's allocations by symbol; a symbol without shares is absent."""

    def __init__(self, strategy: StrategyId, session: SessionOpened) -> None:
        self.strategy = strategy
        self.positions: dict[Symbol, Position] = {
            opening.symbol: Position(opening.quantity, opening.cost, session.open_at)
            for opening in session.allocations
            if opening.strategy == strategy and opening.quantity > 0
        }
        self._missing: dict[Symbol, int] = {}
        """Shares by which the strategy's allocation of a symbol is below nothing."""
        self._seen: dict[OrderId, int] = {}
        self._corrected: dict[OrderId, int] = {}

    def fill(self, event: OrderFilled) -> bool:
        """Apply a fill; return whether it was new and of this strategy.

        A sell takes its share of the cost in proportion, rounded down. A sell of more than the
        strategy holds empties the position; shares that come in later make up for the rest first.
        """
        if event.strategy != self.strategy:
            return False
        if event.cumulative_quantity <= self._seen.get(event.order_id, 0):
            return False
        self._seen[event.order_id] = event.cumulative_quantity
        if event.side is Side.BUY:
            self._add(event.symbol, event.quantity, event.amount, event.at)
        else:
            self._take(event.symbol, event.quantity)
        return True

    def reallocate(self, event: SharesReallocated, now: int) -> bool:
        """Apply a change of owner at ``now`` (ns UTC); return whether it concerned the strategy.

        Shares received cost what the event says, shares given take their part of the cost along.
        """
        if event.source == self.strategy:
            self._take(event.symbol, event.quantity)
        elif event.target == self.strategy:
            self._add(event.symbol, event.quantity, event.cost, now)
        else:
            return False
        return True

    def correct(self, event: FillCorrected) -> bool:
        """Apply a correction of what an order's shares cost; return whether it was new and own.

        What a buy cost otherwise falls on the shares still held. A sale's proceeds are no cost.
        """
        if event.strategy != self.strategy:
            return False
        if event.ordinal <= self._corrected.get(event.order_id, 0):
            return False
        self._corrected[event.order_id] = event.ordinal
        position = self.positions.get(event.symbol)
        if position is not None and event.side is Side.BUY:
            position.cost += event.amount
        return True

    def _add(self, symbol: Symbol, quantity: int, cost: int, at: int) -> None:
        missing = self._missing.pop(symbol, 0)
        if missing >= quantity:
            self._missing[symbol] = missing - quantity
            return
        cost -= cost * missing // quantity
        position = self.positions.get(symbol)
        if position is None:
            position = self.positions[symbol] = Position(0, 0, at)
        position.quantity += quantity - missing
        position.cost += cost

    def _take(self, symbol: Symbol, quantity: int) -> None:
        position = self.positions.get(symbol)
        if position is None or quantity >= position.quantity:
            self.positions.pop(symbol, None)
            held = 0 if position is None else position.quantity
            self._missing[symbol] = self._missing.get(symbol, 0) + quantity - held
        else:
            position.cost -= position.cost * quantity // position.quantity
            position.quantity -= quantity

    def quantity(self, symbol: Symbol) -> int:
        """Return the shares held, 0 for none."""
        position = self.positions.get(symbol)
        return position.quantity if position is not None else 0


class StrategyEquity:
    """Account equity × the strategy's share of the capital; unknown is never zero."""

    def __init__(self, session: SessionOpened, capital_allocation_pct: float) -> None:
        self._share = capital_allocation_pct
        self._account = session.equity

    def observe(self, event: AccountSnapshot) -> None:
        """Take in what the broker says the account is worth."""
        self._account = event.equity

    @property
    def value(self) -> int | None:
        """Won the strategy may size on, ``None`` while account equity is unknown (≤ 0)."""
        return int(self._account * self._share) if self._account > 0 else None
