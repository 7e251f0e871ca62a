"""What the account holds during a session of a backtest, folded from its fills. Pure.

Cash counts every trade at once, as the broker's orderable cash does: on KRX the proceeds of a sale
may be spent again before they settle.
"""

from __future__ import annotations

from collections.abc import Callable

from events import Symbol, TradingDate
from events.market import SessionOpened
from events.trading import AccountSnapshot, FillCorrected, Holding, OrderFilled, Side


class Account:
    """Cash in won, shares and their cost by symbol, and when each last changed."""

    def __init__(self, session: SessionOpened) -> None:
        self._day: TradingDate = session.trading_date
        self.cash = session.cash
        self.shares: dict[Symbol, int] = {}
        self._costs: dict[Symbol, int] = {}
        self.history: list[tuple[int, int, Symbol, int]] = []
        """Every change: instant (ns UTC), cash, symbol and shares of it afterwards."""
        for each in session.allocations:
            if each.quantity:
                self.shares[each.symbol] = self.shares.get(each.symbol, 0) + each.quantity
                self._costs[each.symbol] = self._costs.get(each.symbol, 0) + each.cost

    @property
    def held(self) -> list[Symbol]:
        """Symbols of which there are shares, in order of code."""
        return sorted(symbol for symbol, quantity in self.shares.items() if quantity)

    def fill(self, event: OrderFilled, executed_at: int) -> None:
        """Take in an execution."""
        symbol = event.symbol
        before = self.shares.get(symbol, 0)
        cost = self._costs.get(symbol, 0)
        if event.side is Side.BUY:
            self.cash -= event.amount + event.fee
            self.shares[symbol] = before + event.quantity
            self._costs[symbol] = cost + event.amount
        else:
            self.cash += event.amount - event.fee - event.tax
            self.shares[symbol] = before - event.quantity
            self._costs[symbol] = cost - cost * event.quantity // before if before else 0
        self.history.append((executed_at, self.cash, symbol, self.shares[symbol]))

    def correct(self, event: FillCorrected) -> None:
        """Take in a correction of what an order's shares cost or brought."""
        sign = -1 if event.side is Side.BUY else 1
        self.cash += sign * event.amount - event.fee - event.tax
        self.history.append((event.at, self.cash, event.symbol, self.shares.get(event.symbol, 0)))

    def worth(self, price: Callable[[Symbol], int]) -> int:
        """Return what the shares are worth at these prices, won."""
        return sum(quantity * price(symbol) for symbol, quantity in self.shares.items() if quantity)

    def snapshot(self, at: int, price: Callable[[Symbol], int]) -> AccountSnapshot:
        """Return what the broker would say of the account at an instant (ns UTC)."""
        holdings = tuple(
            Holding(
                symbol=symbol,
                quantity=self.shares[symbol],
                sellable=self.shares[symbol],
                cost=self._costs[symbol],
                last_price=price(symbol),
            )
            for symbol in self.held
        )
        value = sum(each.quantity * each.last_price for each in holdings)
        return AccountSnapshot(
            at=at,
            trading_date=self._day,
            cash=self.cash,
            equity=self.cash + value,
            holdings=holdings,
        )
