"""A strategy's own positions and equity. Only fills change a position.

The book starts from the session's opening allocations and follows ``OrderFilled`` events of the
strategy, whoever ordered them. Stops are known outside the strategy by its intents (with the entry
and with MODIFY_RISK), but the strategy itself watches them and sells; should another ever sell for
it, that is a fill like any other. The same fill seen twice counts once (an order's cumulative
quantity only rises).
"""

from __future__ import annotations

from events.identifiers import OrderId, StrategyId, Symbol
from events.market import SessionOpened
from events.trading import AccountSnapshot, OrderFilled, Side


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
        self._seen: dict[OrderId, int] = {}

    def fill(self, event: OrderFilled) -> bool:
        """Apply a fill; return whether it was new and of this strategy.

        A sell takes its share of the cost in proportion, rounded down. A sell of more than the
        strategy holds empties the position: the surplus is not the strategy's to book.
        """
        if event.strategy != self.strategy:
            return False
        if event.cumulative_quantity <= self._seen.get(event.order_id, 0):
            return False
        self._seen[event.order_id] = event.cumulative_quantity
        position = self.positions.get(event.symbol)
        if event.side is Side.BUY:
            if position is None:
                position = self.positions[event.symbol] = Position(0, 0, event.at)
            position.quantity += event.quantity
            position.cost += event.amount
        elif position is not None:
            if event.quantity >= position.quantity:
                del self.positions[event.symbol]
            else:
                position.cost -= position.cost * event.quantity // position.quantity
                position.quantity -= event.quantity
        return True

    def filled(self, order: OrderId) -> int:
        """Return the shares of an order that the book has seen filled, 0 for none."""
        return self._seen.get(order, 0)

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
