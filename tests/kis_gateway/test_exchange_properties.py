"""What holds for any day: whatever the market and two clients do, in whatever order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date

import hypothesis.strategies as st
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from events import costs
from events.market import Aggressor, Phase
from events.prices import move_ticks
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    BookShown,
    CancelOrder,
    Command,
    EnterPhase,
    Exchange,
    Executed,
    HaltIssue,
    MarketBook,
    MarketTrade,
    OrderStatus,
    OrderView,
    Outcome,
    PassTime,
    PlaceOrder,
    Printed,
    ReplaceOrder,
    ResumeIssue,
    TimeInForce,
    Triggered,
    TriggerInterruption,
    Withdrawn,
)
from tests.kis_gateway.exchange_setup import ALPHA, LISTING, SECOND, SESSION, Floor, of

ACCOUNTS = ("ann", "bob")
CASH = 30_000_000
SHARES = 500
PRICES = st.sampled_from([move_ticks(10_000, step) for step in range(-8, 9)])
QUANTITIES = st.integers(1, 120)
PRICINGS = st.sampled_from(
    [
        *[Pricing.LIMIT] * 5,
        *[Pricing.MARKET] * 2,
        Pricing.CONDITIONAL,
        Pricing.OPPOSITE_BEST,
        Pricing.OWN_BEST,
        Pricing.MIDDLE,
        Pricing.STOP_LIMIT,
    ]
)
NAMING = (Pricing.LIMIT, Pricing.CONDITIONAL, Pricing.STOP_LIMIT)
DELAYS = st.sampled_from([0, 0, 3 * SECOND])
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
        self.traded: list[int] = []
        self.traded_before: dict[str, int] = {}
        self.triggers: dict[str, int] = {}
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
        self.check_triggers(outcomes)
        self.check_limits(outcomes)
        self.check_priority(before, outcomes)
        return outcomes

    def tell_market(self, command: Command) -> None:
        """The tape of the others must come out as it went in, unless the issue is stopped."""
        passing = PassTime(at=command.at)
        self.tell(passing)
        self.alone.handle(passing)
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

    def check_triggers(self, outcomes: Sequence[Outcome]) -> None:
        """A stop limit order wakes only after a price at or beyond its trigger was printed."""
        views = {order.order_number: order for order in self.orders()}
        for outcome in outcomes:
            if isinstance(outcome, Printed):
                self.traded.append(outcome.price)
            elif isinstance(outcome, Triggered):
                since = self.traded[self.traded_before[outcome.order_number] :]
                trigger = self.triggers[outcome.order_number]
                buys = views[outcome.order_number].side is Side.BUY
                assert any(price >= trigger if buys else price <= trigger for price in since)

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

        Left out are the rest of a market order, which trades up to the printed quantity only,
        orders at the middle price, which have no place in the book, and those whose place began
        later than their arrival.
        """
        after = {order.order_number: order for order in self.orders()}
        for done in of(Executed, outcomes):
            traded = after[done.order_number]
            if traded.pricing in _PLACELESS:
                continue
            for number, waiting in before.items():
                if (
                    number == done.order_number
                    or waiting.remaining_quantity == 0
                    or waiting.side is not traded.side
                    or waiting.price is None
                    or waiting.pricing in _PLACELESS
                    or waiting.status is OrderStatus.TAKEN_IN
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
        terms=st.tuples(PRICINGS, PRICES, PRICES, st.sampled_from(TimeInForce)),
    )
    def client_places(
        self,
        account: str,
        side: Side,
        quantity: int,
        terms: tuple[Pricing, int, int, TimeInForce],
    ) -> None:
        pricing, price, trigger, time_in_force = terms
        number, stop = f"{len(self.commands)}", pricing is Pricing.STOP_LIMIT
        self.traded_before[number] = len(self.traded)
        self.triggers[number] = trigger
        self.tell(
            PlaceOrder(
                at=self.tick(),
                order_number=number,
                account=account,
                symbol=ALPHA,
                side=side,
                pricing=pricing,
                quantity=quantity,
                price=price if pricing in NAMING else None,
                time_in_force=TimeInForce.DAY if stop else time_in_force,
                trigger=trigger if stop else None,
            )
        )
        order = next(each for each in self.orders() if each.order_number == number)
        if not stop and time_in_force is not TimeInForce.DAY:
            assert order.remaining_quantity == 0
        if not stop and time_in_force is TimeInForce.FILL_OR_KILL:
            assert order.filled_quantity in (0, quantity)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        pick=st.integers(0, 50),
        quantity=st.none() | QUANTITIES,
        after=DELAYS,
    )
    def client_cancels(self, account: str, pick: int, quantity: int | None, after: int) -> None:
        orders = self.orders()
        target = orders[pick % len(orders)].order_number if orders else "none"
        self.tell(
            CancelOrder(
                at=self.tick(),
                order_number=f"{len(self.commands)}",
                account=account,
                target=target,
                quantity=quantity,
                effect_after=after,
            )
        )

    @rule(
        account=st.sampled_from(ACCOUNTS),
        pick=st.integers(0, 50),
        quantity=st.none() | QUANTITIES,
        price=st.none() | PRICES,
        after=DELAYS,
    )
    def client_replaces(
        self, account: str, pick: int, quantity: int | None, price: int | None, after: int
    ) -> None:
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
                pricing=Pricing.MARKET if price is None else Pricing.LIMIT,
                effect_after=after,
            )
        )

    @rule(seconds=st.integers(1, 10))
    def somebody_interrupts(self, seconds: int) -> None:
        self.tell_market(TriggerInterruption(at=self.tick(), symbol=ALPHA, seconds=seconds))

    @rule(resume=st.booleans())
    def somebody_halts(self, resume: bool) -> None:
        self.tell_market(HaltIssue(at=self.tick(), symbol=ALPHA, reason="news"))
        if resume:
            self.tell_market(ResumeIssue(at=self.tick(), symbol=ALPHA, auction_seconds=5))

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
            claimed = sum(
                each.remaining_quantity
                for each in working
                if each.side is Side.SELL and each.status is not OrderStatus.TAKEN_IN
            )
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
            if self.phase is Phase.CLOSED and order.status is not OrderStatus.TAKEN_IN:
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


_PLACELESS = (Pricing.MIDDLE, Pricing.STOP_LIMIT, Pricing.CONDITIONAL)


def claim(order: OrderView) -> tuple[int, int, int]:
    """Return the place of an order in its queue: market first, better price, earlier."""
    if order.price is None:
        return 0, 0, order.at
    return 1, -order.price if order.side is Side.BUY else order.price, order.at


TestDay = Day.TestCase
TestDay.settings = settings(max_examples=60, stateful_step_count=40)


ORDERS = st.lists(st.tuples(st.sampled_from(Side), QUANTITIES, st.none() | PRICES), max_size=12)


@given(orders=ORDERS, asks=LEVELS, bids=LEVELS)
@settings(max_examples=80)
def test_an_auction_has_one_price_that_nobody_else_could_better(
    orders: list[tuple[Side, int, int | None]], asks: list[int], bids: list[int]
) -> None:
    """Buys and sells of ours trade at one price, within their limits, and nothing crosses after."""
    floor = Floor()
    floor.book(
        asks=tuple((move_ticks(10_010, i), each) for i, each in enumerate(asks[:10])),
        bids=tuple((move_ticks(10_000, -i), each) for i, each in enumerate(bids[:10])),
    )
    floor.tell(TriggerInterruption(at=floor.at, symbol=ALPHA))
    for side, quantity, price in orders:
        floor.place(side, quantity, price, account="ann" if side is Side.BUY else "bob")
    outcomes = floor.later(120)
    matches = [each for each in of(Printed, outcomes) if each.auction]
    done = of(Executed, outcomes)
    assert len(of(Printed, outcomes)) == len(matches) <= 1
    assert {each.price for each in done} <= {each.price for each in matches}
    for side in Side:
        traded = sum(each.quantity for each in done if each.side is side)
        assert traded <= sum(each.quantity for each in matches)
    (shown,) = of(BookShown, outcomes)
    if shown.asks and shown.bids:
        assert shown.bids[0][0] < shown.asks[0][0]


@given(bid=PRICES, spread=st.integers(1, 5), side=st.sampled_from(Side), quantity=QUANTITIES)
@settings(max_examples=60)
def test_the_middle_is_the_middle_of_the_book_at_the_trade(
    bid: int, spread: int, side: Side, quantity: int
) -> None:
    """Wherever the book has gone since the first of the two came."""
    ask = move_ticks(bid, spread)
    other = Side.SELL if side is Side.BUY else Side.BUY
    floor = Floor()
    floor.book()
    floor.place(side, quantity, None, pricing=Pricing.MIDDLE)
    floor.book(asks=((ask, 1),), bids=((bid, 1),))
    outcomes = floor.place(other, quantity, None, pricing=Pricing.MIDDLE, account="bob")
    assert [(each.quantity, each.price) for each in of(Executed, outcomes)] == [
        (quantity, (ask + bid) // 2)
    ] * 2
