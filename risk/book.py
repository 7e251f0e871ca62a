"""The account as the gate knows it: shares by owner, cash, prices, what works, the day's result.

Folded from the log alone. What always holds: an owner's shares are what it brought into the session
plus its fills plus what was given to it; cash plus the cost of all shares changes by results only,
and by what an operator or drift says of shares; sums kept on the way equal the sums over their
parts. Shares that nobody has explained are exposure and never a profit or a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from events import UNKNOWN, StrategyId, Symbol, costs
from events.control import SharesReallocated
from events.market import OpeningAllocation, SessionOpened
from events.trading import (
    AccountSnapshot,
    DriftDetected,
    ExecutionEnded,
    FillCorrected,
    OrderAccepted,
    OrderEvent,
    OrderFilled,
    Side,
)
from risk.holdings import Holdings, Position
from risk.owners import Allocation, Owners
from risk.results import Result, Results
from risk.settlement import Settlement
from risk.statement import Reported, Statement
from risk.working import Execution, WorkingOrders


class Book:
    """Owners, cash, working orders and equity of one account during one session.

    Results are won net of fees and tax.
    """

    def __init__(self, session: SessionOpened) -> None:
        self.opening_equity = session.equity
        self.cash = session.cash
        self.holdings = Holdings()
        self.working = WorkingOrders()
        self.owners = Owners()
        self.results = Results()
        self.settlement = Settlement()
        self.statement = Statement()
        self._carry_in(session.allocations, session.equity - session.cash)
        # What the books call equity and is neither orderable nor in known hands: unsettled money,
        # unexplained shares. It stays as it is, so the day starts with a result of exactly zero.
        self._idle = session.equity - session.cash - self.holdings_value

    def _carry_in(self, allocations: tuple[OpeningAllocation, ...], worth: int) -> None:
        """Take over opening shares, valued so that together they are worth what they closed at.

        The books give one value for all of them: it is shared out by cost until prices are known.
        """
        total_cost = sum(opening.cost for opening in allocations)
        for opening in allocations:
            if not opening.quantity:
                continue
            self.owners.carry_in(opening)
            if opening.strategy == UNKNOWN:
                continue
            value = opening.cost
            if worth > 0 and total_cost > 0:
                value = opening.cost * worth // total_cost
            self.holdings.carry_in(opening.symbol, opening.quantity, value)

    @property
    def positions(self) -> Mapping[Symbol, Position]:
        """The known shares of each symbol and what they are worth."""
        return self.holdings.positions

    @property
    def holdings_value(self) -> int:
        """Won that all known shares are worth."""
        return self.holdings.value

    @property
    def unpriced(self) -> int:
        """Symbols held whose price has not been seen since the session opened."""
        return self.holdings.unpriced

    @property
    def allocations(self) -> Mapping[tuple[StrategyId, Symbol], Allocation]:
        """Everything that an owner has or had today, by owner and symbol."""
        return self.owners.allocations

    @property
    def realised(self) -> Mapping[StrategyId, int]:
        """Won realised today by strategy, net of fees and tax."""
        return self.results.realised

    @property
    def equity(self) -> int:
        """Money plus shares at last price, won; at their opening value before a price."""
        return self.cash + self._idle + self.holdings.value

    @property
    def measured_equity(self) -> int:
        """Won that exposure is measured against: the smaller of equity here and at the broker."""
        stated = self.statement.equity
        return self.equity if stated is None else min(self.equity, stated)

    @property
    def day_result(self) -> int:
        """Won gained or lost since the session opened. External cash flows do not enter it."""
        return self.equity - self.opening_equity

    @property
    def orderable_cash(self) -> int:
        """Won that may still be spent on buys.

        The smaller of cash by the log less working buys with their fees, and what the broker last
        called orderable less everything let through since. Proceeds of today's sales are part of
        it although they settle later; ``settled_cash`` is without them.
        """
        pledged = self.working.buy_value
        own = self.cash - pledged - costs.fee(pledged)
        return own if self.statement.cash is None else min(own, self.statement.cash)

    @property
    def settled_cash(self) -> int | None:
        """Won of the deposit that is settled today, ``None`` while the broker has not said it."""
        return self.settlement.deposit(0)

    def owned(self, strategy: StrategyId, symbol: Symbol) -> int:
        """Return the shares an owner has; ``_UNKNOWN_`` may have fewer than none."""
        return self.owners.quantity(strategy, symbol)

    def sellable(self, strategy: StrategyId, symbol: Symbol) -> int:
        """Return the shares an owner has and does not yet sell, never below 0."""
        selling = self.working.quantity(strategy, symbol, Side.SELL)
        return max(0, self.owned(strategy, symbol) - selling)

    def broker_sellable(self, symbol: Symbol, now: int) -> tuple[Reported, int] | None:
        """Return the broker's holding of a symbol and how many of it may still be sold.

        Sales let through since the statement are taken off. ``None`` when nothing that the broker
        said can still be believed. Drift is no such word: shares it calls missing keep nobody in.
        """
        reported = self.statement.holding(symbol, now)
        if reported is None:
            return None
        return reported, max(0, reported.sellable - self.working.total(symbol, Side.SELL))

    def last_price(self, symbol: Symbol) -> int | None:
        """Return the last price in won, ``None`` before the first of the session."""
        position = self.holdings.positions.get(symbol)
        return None if position is None else position.last

    def exposure(self, symbol: Symbol) -> int:
        """Return won held in a symbol plus what its working buys may still cost.

        Missing shares do not lower it.
        """
        position = self.holdings.positions.get(symbol)
        worth = self.working.buy_value_in(symbol) + (0 if position is None else position.value)
        return worth + self._unexplained_value(symbol) if self.owners.unexplained else worth

    @property
    def gross_exposure(self) -> int:
        """Won held in all symbols plus what all working buys may still cost."""
        exposure = self.holdings.value + self.working.buy_value
        unexplained = self.owners.unexplained
        if unexplained:
            exposure += sum(map(self._unexplained_value, unexplained))
        return exposure

    def active_symbols(self) -> Set[Symbol]:
        """Return the symbols with shares or working buys; missing shares are none."""
        active = self.holdings.held.keys() | self.working.symbols_buying()
        unexplained = self.owners.unexplained
        if unexplained:
            active |= {s for s, each in unexplained.items() if each.quantity > 0}
        return active

    def symbols_of(self, strategy: StrategyId) -> set[Symbol]:
        """Return the symbols in which a strategy has shares or working buys."""
        return self.owners.held_by(strategy).keys() | self.working.buys_of(strategy).keys()

    def unrealised(self, strategy: StrategyId) -> int:
        """Return what a strategy's shares are worth above their cost, won before fees and tax.

        Shares without a price today count as worth their cost.
        """
        return sum(
            allocation.quantity * last - allocation.cost
            for symbol, allocation in self.owners.held_by(strategy).items()
            if (last := self.last_price(symbol)) is not None
        )

    def result(self, strategy: StrategyId) -> Result:
        """Return what a strategy has made today, and what its shares have made since bought."""
        return self.results.of(strategy, self.unrealised(strategy))

    def mark(self, symbol: Symbol, price: int) -> None:
        """Take a traded price as the symbol's last one."""
        self.holdings.mark(symbol, price)

    def mark_opening(self, symbol: Symbol, base_price: int) -> None:
        """Value shares without a trade yet at the day's base price, the adjusted last close."""
        self.holdings.mark_opening(symbol, base_price)

    def fill(self, event: OrderFilled) -> bool:
        """Move shares and cash for one fill; return whether nothing of its intent is left.

        A sale of unexplained shares brings money that nobody earned: the day's result is without.
        """
        owner, symbol, expenses = event.strategy, event.symbol, event.fee + event.tax
        if event.side is Side.BUY:
            change, money = event.quantity, -event.amount - expenses
            self.owners.buy(owner, symbol, event.quantity, event.amount)
            self.settlement.buy(-money)
            gain = 0
        else:
            change, money = -event.quantity, event.amount - expenses
            gain = event.amount - self.owners.sell(owner, symbol, event.quantity)
            self.settlement.sell(money)
        self.results.add(owner, gain, event.fee, event.tax)
        self.cash += money
        known = owner != UNKNOWN
        self.holdings.trade(symbol, change if known else 0, event.price)
        if not known:
            self._idle -= money
        self.statement.traded(symbol, event.at)
        return self.working.fill(event)

    def correct(self, event: FillCorrected) -> None:
        """Add to money, cost and result what the broker's books have and the fills had not.

        No share moves. When all shares have been sold since, it goes to the result.
        """
        expenses = event.fee + event.tax
        if event.side is Side.BUY:
            money = -event.amount - expenses
            added = self.owners.add_cost(event.strategy, event.symbol, event.amount)
            gain = added - event.amount
            self.settlement.buy(-money)
        else:
            money = event.amount - expenses
            gain = event.amount
            self.settlement.sell(money)
        self.results.add(event.strategy, gain, event.fee, event.tax)
        self.cash += money
        if event.strategy == UNKNOWN:
            self._idle -= money

    def reallocate(self, event: SharesReallocated) -> None:
        """Let shares change owner without a trade, and without a result of the day."""
        self.owners.reallocate(event)
        change = (event.source == UNKNOWN) - (event.target == UNKNOWN)
        if not change:
            return
        self._idle -= self.holdings.move(event.symbol, change * event.quantity, change * event.cost)

    def accepted(self, event: OrderAccepted) -> None:
        """Take note that the broker has an order, whether its answer came or it was adopted."""
        self.working.settle(event)

    def end(self, event: OrderEvent) -> Execution | None:
        """Stop counting an order; return its execution if nothing of that is left."""
        symbol = self.working.symbol_of(event)
        ended = self.working.end(event)
        if symbol is not None:
            self.statement.ended(symbol, event.at)
        return ended

    def end_execution(self, event: ExecutionEnded) -> Execution | None:
        """Stop counting an intent and return its execution, ``None`` when it is not known."""
        ended = self.working.end_execution(event)
        self.statement.ended(event.symbol, event.at)
        return ended

    def snapshot(self, event: AccountSnapshot) -> None:
        """Take over money, sellable shares and prices of a complete account statement.

        Shares are not taken over: they come from fills, and a difference is drift.
        """
        self.settlement.state(event.deposits)
        self.statement.take(
            event,
            held=(*self.holdings.held, *self.owners.unexplained),
            works=self.working.works,
        )
        for holding in event.holdings:
            if holding.last_price > 0:
                self.mark(holding.symbol, holding.last_price)

    def drift(self, event: DriftDetected) -> None:
        """Give ``_UNKNOWN_`` the shares that broker and allocations differ by."""
        self.owners.drift(event, self.last_price(event.symbol) or 0)

    def undrift(self, symbol: Symbol) -> None:
        """Forget unexplained shares of a symbol: broker and allocations agree again."""
        self.owners.undrift(symbol)

    def _unexplained_value(self, symbol: Symbol) -> int:
        unexplained = self.owners.unexplained.get(symbol)
        if unexplained is None or unexplained.quantity < 0:
            return 0
        last = self.last_price(symbol)
        return unexplained.cost if last is None else unexplained.quantity * last
