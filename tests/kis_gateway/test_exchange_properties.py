"""What holds for any day: whatever the market and two clients do, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events import costs
from events.market import Aggressor, Phase
from events.prices import move_ticks
from events.trading import OrderKind, Side
from kis_gateway.simulator.exchange import (
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    Exchange,
    Executed,
    MarketBook,
    MarketTrade,
    OrderView,
    Outcome,
    PlaceOrder,
    Printed,
    ReplaceOrder,
    TimeInForce,
    Withdrawn,
)
from tests.kis_gateway.exchange_setup import ALPHA, LISTING, SESSION, of

ACCOUNTS = ("ann", "bob")
CASH = 30_000_000
SHARES = 500
PRICES = st.sampled_from([move_ticks(10_000, step) for step in range(-8, 9)])
QUANTITIES = st.integers(1, 120)
LEVELS = st.lists(st.integers(1, 150), max_size=11)


def new_exchange(*, clients: bool) -> Exchange:
    exchange = Exchange([LISTING], settled_on=date(2025, 9, 17))
    for name in ACCOUNTS if clients else ():
        exchange.open_account(name, CASH, {ALPHA: (SHARES, SHARES * 9_000)})
    return exchange


class Day(RuleBasedStateMachine):
    """Drives an exchange, and beside it one that sees the market only."""

    @initialize(phase=st.sampled_from([Phase.CLOSED, Phase.OPENING_AUCTION, Phase.CONTINUOUS]))
    def begin(self, phase: Phase) -> None:
        self.exchange = new_exchange(clients=True)
        self.alone = new_exchange(clients=False)
        self.commands: list[Command] = []
        self.outcomes: list[list[Outcome]] = []
        self.cash = dict.fromkeys(ACCOUNTS, CASH)
        self.shares = dict.fromkeys(ACCOUNTS, SHARES)
        self.filled: defaultdict[str, int] = defaultdict(int)
        self.amount: defaultdict[str, int] = defaultdict(int)
        self.at = SESSION.open_at
        self.phase = Phase.CLOSED
        self.enter(phase)

    def tick(self) -> int:
        self.at += 1_000_000_000
        return self.at

    def tell(self, command: Command) -> list[Outcome]:
        before = {order.order_number: order for order in self.orders()}
        outcomes = self.exchange.handle(command)
        self.commands.append(command)
        self.outcomes.append(outcomes)
        for done in of(Executed, outcomes):
            self.book(done)
        self.check_limits(outcomes)
        self.check_priority(before, outcomes)
        return outcomes

    def tell_market(self, command: Command) -> None:
        """The tape of the others must come out as it went in."""
        outcomes = self.tell(command)
        given = [
            (each.price, each.quantity, each.aggressor, each.auction)
            for each in of(Printed, self.alone.handle(command))
        ]
        printed = [
            (each.price, each.quantity, each.aggressor, each.auction)
            for each in of(Printed, outcomes)
        ]
        if self.phase is Phase.CONTINUOUS:
            # Clients' orders that an auction left over may now trade with each other.
            assert len(printed) >= len(given)
            assert all(each in printed for each in given)
        else:
            assert printed == given

    def orders(self) -> list[OrderView]:
        return [order for name in ACCOUNTS for order in self.exchange.orders(name)]

    def book(self, done: Executed) -> None:
        amount = done.quantity * done.price
        sign = 1 if done.side is Side.BUY else -1
        assert done.fee == costs.fee(amount)
        self.cash[done.account] -= sign * amount + done.fee + done.tax
        self.shares[done.account] += sign * done.quantity
        self.filled[done.order_number] += done.quantity
        self.amount[done.order_number] += amount

    def check_limits(self, outcomes: Sequence[Outcome]) -> None:
        views = {order.order_number: order for order in self.orders()}
        for done in of(Executed, outcomes):
            limit = views[done.order_number].price
            if limit is None:
                assert LISTING.lower_limit <= done.price <= LISTING.upper_limit
            elif done.side is Side.BUY:
                assert done.price <= limit
            else:
                assert done.price >= limit

    def check_priority(self, before: dict[str, OrderView], outcomes: Sequence[Outcome]) -> None:
        """Whoever was there with a better claim than somebody who traded has nothing left.

        The rest of a market order is left out: it trades up to the printed quantity only.
        """
        after = {order.order_number: order for order in self.orders()}
        for done in of(Executed, outcomes):
            traded = after[done.order_number]
            for number, waiting in before.items():
                if (
                    number == done.order_number
                    or waiting.remaining_quantity == 0
                    or waiting.side is not traded.side
                    or waiting.price is None
                ):
                    continue
                if claim(waiting) < claim(traded):
                    assert after[number].remaining_quantity == 0, (waiting, traded)

    @rule(asks=LEVELS, bids=LEVELS, best_bid=PRICES, spread=st.integers(1, 3))
    def others_show_a_book(
        self, asks: list[int], bids: list[int], best_bid: int, spread: int
    ) -> None:
        best_ask = move_ticks(best_bid, spread)
        self.tell_market(
            MarketBook(
                at=self.tick(),
                symbol=ALPHA,
                asks=tuple((move_ticks(best_ask, i), each) for i, each in enumerate(asks[:10])),
                bids=tuple((move_ticks(best_bid, -i), each) for i, each in enumerate(bids[:10])),
            )
        )

    @rule(
        price=PRICES,
        quantity=QUANTITIES,
        aggressor=st.sampled_from(Aggressor),
        auction=st.booleans(),
    )
    def others_trade(self, price: int, quantity: int, aggressor: Aggressor, auction: bool) -> None:
        in_auction = self.phase in (Phase.OPENING_AUCTION, Phase.CLOSING_AUCTION)
        self.tell_market(
            MarketTrade(
                at=self.tick(),
                symbol=ALPHA,
                price=price,
                quantity=quantity,
                aggressor=aggressor,
                auction=auction and in_auction,
            )
        )

    @rule(
        account=st.sampled_from(ACCOUNTS),
        side=st.sampled_from(Side),
        quantity=QUANTITIES,
        price=st.none() | PRICES,
        time_in_force=st.sampled_from(TimeInForce),
    )
    def client_places(
        self,
        account: str,
        side: Side,
        quantity: int,
        price: int | None,
        time_in_force: TimeInForce,
    ) -> None:
        self.tell(
            PlaceOrder(
                at=self.tick(),
                order_number=f"{len(self.commands)}",
                account=account,
                symbol=ALPHA,
                side=side,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
                quantity=quantity,
                price=price,
                time_in_force=time_in_force,
            )
        )

    @rule(account=st.sampled_from(ACCOUNTS), pick=st.integers(0, 50))
    def client_cancels(self, account: str, pick: int) -> None:
        orders = self.orders()
        target = orders[pick % len(orders)].order_number if orders else "none"
        self.tell(
            CancelOrder(
                at=self.tick(),
                order_number=f"{len(self.commands)}",
                account=account,
                target=target,
            )
        )

    @rule(
        account=st.sampled_from(ACCOUNTS),
        pick=st.integers(0, 50),
        quantity=QUANTITIES,
        price=st.none() | PRICES,
    )
    def client_replaces(self, account: str, pick: int, quantity: int, price: int | None) -> None:
        orders = self.orders()
        target = orders[pick % len(orders)].order_number if orders else "none"
        self.tell(
            ReplaceOrder(
                at=self.tick(),
                order_number=f"{len(self.commands)}",
                account=account,
                target=target,
                quantity=quantity,
                price=price,
                kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
            )
        )

    @rule(phase=st.sampled_from(Phase))
    def enter(self, phase: Phase) -> None:
        self.phase = phase
        self.tell_market(EnterPhase(at=self.tick(), phase=phase))

    @invariant()
    def accounts_add_up(self) -> None:
        for name in ACCOUNTS:
            account = self.exchange.account(name)
            held = account.holdings[ALPHA]
            working = [each for each in self.exchange.orders(name) if each.remaining_quantity]
            claimed = sum(each.remaining_quantity for each in working if each.side is Side.SELL)
            assert account.cash == self.cash[name] >= account.reserved >= 0
            assert account.available_cash >= 0
            assert held.quantity == self.shares[name] >= 0
            assert held.sellable == held.quantity - claimed >= 0
            assert held.cost >= 0
            if not any(each.side is Side.BUY for each in working):
                assert account.reserved == 0

    @invariant()
    def orders_add_up(self) -> None:
        for order in self.orders():
            assert order.filled_quantity == self.filled[order.order_number]
            assert order.filled_amount == self.amount[order.order_number]
            if not order.is_cancel:
                assert order.quantity == (
                    order.filled_quantity
                    + order.cancelled_quantity
                    + order.rejected_quantity
                    + order.remaining_quantity
                )
            assert order.remaining_quantity >= 0
            if self.phase is Phase.CLOSED:
                assert order.remaining_quantity == 0

    @invariant()
    def the_shown_book_is_never_crossed(self) -> None:
        for shown in of(BookShown, self.outcomes[-1] if self.outcomes else ()):
            if shown.asks and shown.bids:
                assert shown.bids[0][0] < shown.asks[0][0]
            assert max(len(shown.asks), len(shown.bids)) <= 10
            assert all(quantity > 0 for _, quantity in (*shown.asks, *shown.bids))

    @invariant()
    def withdrawals_are_positive(self) -> None:
        for withdrawn in of(Withdrawn, self.outcomes[-1] if self.outcomes else ()):
            assert withdrawn.quantity > 0

    def teardown(self) -> None:
        """The same commands give the same outcomes."""
        again = new_exchange(clients=True)
        assert [again.handle(command) for command in self.commands] == self.outcomes


def claim(order: OrderView) -> tuple[int, int, int]:
    """Return the place of an order in its queue: market first, better price, earlier."""
    if order.price is None:
        return 0, 0, order.at
    return 1, -order.price if order.side is Side.BUY else order.price, order.at


TestDay = Day.TestCase
TestDay.settings = settings(max_examples=60, stateful_step_count=40)
