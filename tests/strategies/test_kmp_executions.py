"""KMP among router, guard and operator: its book, its exits and its restart, whatever they do.

The router of these days keeps its word: one order of an intent at a time, never more than allowed,
and an execution ends once. Everything else is drawn: who sells, what the gate says, what is found
late, what the operator moves.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import codec
from events.control import SharesReallocated
from events.event import Event
from events.identifiers import UNKNOWN, IntentId, OrderId
from events.trading import (
    Decision,
    ExecutionEnded,
    FillCorrected,
    IntentApproved,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
)
from tests.strategies.days import KMP, SAMSUNG, SECOND, held_day, intent_of, replay

_CLOSING = (IntentKind.EXIT, IntentKind.FLATTEN)


class Logged:
    """What the log of a day says about its sales, read from it without the strategy's own code."""

    def __init__(self, log: list[Event]) -> None:
        self.sales: dict[IntentId, IntentSubmitted] = {}
        self.allowed: dict[IntentId, int | None] = {}
        """``None`` while undecided; 0 when refused."""
        self.ended: set[IntentId] = set()
        self.orders: dict[OrderId, OrderSubmitting] = {}
        self.over: dict[OrderId, type[Event]] = {}
        self.filled: dict[OrderId, int] = {}
        for event in log:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case IntentSubmitted() if event.kind in _CLOSING:
                self.sales[event.intent_id] = event
                self.allowed.setdefault(event.intent_id, None)
            case Decision():
                approved = isinstance(event, IntentApproved)
                self.allowed[event.intent_id] = event.quantity if approved else 0  # type: ignore[attr-defined]  # an approval has one
            case OrderSubmitting():
                self.orders[event.order_id] = event
            case OrderFilled():
                self.filled[event.order_id] = event.cumulative_quantity
            case OrderClosed() | OrderRejected():
                self.over[event.order_id] = type(event)
            case OrderAccepted() if event.adopted:
                self.over.pop(event.order_id, None)
            case ExecutionEnded():
                self.ended.add(event.intent_id)
            case _:
                pass

    def open_orders(self, intent: IntentId | None = None) -> list[OrderSubmitting]:
        """Return the orders that are not over, of one intent or of all."""
        return [
            order
            for order in self.orders.values()
            if order.order_id not in self.over
            and intent in {None, order.intent_id}
            and self.filled.get(order.order_id, 0) < order.quantity
        ]

    def rest(self, intent: IntentId) -> int:
        """Return the shares of an intent that are allowed and not filled."""
        filled = sum(
            self.filled.get(order.order_id, 0)
            for order in self.orders.values()
            if order.intent_id == intent
        )
        return (self.allowed.get(intent) or 0) - filled

    def alive(self, now: int) -> list[IntentId]:
        """Return the sales that may still be filled."""
        return [
            intent
            for intent, sale in self.sales.items()
            if self.open_orders(intent)
            or (self.allowed[intent] is None and now < sale.expires_at)
            or (intent not in self.ended and self.rest(intent) > 0)
        ]


def owned(log: list[Event]) -> tuple[int, int]:
    """Return KMP's quantity and cost in the symbol by the rules of allocations."""
    quantity = cost = 0
    seen: dict[OrderId, int] = {}
    for event in log:
        match event:
            case OrderFilled() if event.cumulative_quantity > seen.get(event.order_id, 0):
                seen[event.order_id] = event.cumulative_quantity
                if event.side is Side.BUY:
                    quantity, cost = quantity + event.quantity, cost + event.amount
                else:
                    left = quantity - event.quantity
                    cost -= cost if left == 0 else cost * event.quantity // quantity
                    quantity = left
            case SharesReallocated() if event.target == KMP:
                quantity, cost = quantity + event.quantity, cost + event.cost
            case SharesReallocated():
                left = quantity - event.quantity
                cost -= cost if left == 0 else cost * event.quantity // quantity
                quantity = left
            case FillCorrected() if event.side is Side.BUY and quantity:
                cost += event.amount
            case _:
                pass
    return quantity, cost


class Story:
    """A day with shares held, played on by drawn steps a second apart."""

    def __init__(self) -> None:
        self.day = held_day()
        self._second = 0
        self._corrections = 0

    @property
    def text(self) -> str:
        return f"09:{17 + self._second // 60:02}:{self._second % 60:02}"

    @property
    def held(self) -> int:
        return owned(self.day.log)[0]

    def play(self, step: str, choice: int) -> None:
        self._second += 1
        before = len(self.day.log)
        getattr(self, f"_{step}")(choice)
        self._check(before)

    def _check(self, before: int) -> None:
        """Assert that the book is the allocation and that no exit was added to a living sale."""
        quantity, cost = owned(self.day.log)
        position = self.day.processor._desk.book.positions.get(SAMSUNG)
        found = (0, 0) if position is None else (position.quantity, position.cost)
        assert found == (quantity, cost)
        for place in range(before, len(self.day.log)):
            event = self.day.log[place]
            if isinstance(event, IntentSubmitted) and event in self.day.outputs:
                if event.kind in _CLOSING:
                    assert Logged(self.day.log[:place]).alive(event.at) == []
                    assert event.quantity == owned(self.day.log[:place])[0] > 0
                else:
                    assert event.kind in {IntentKind.CANCEL_ORDERS, IntentKind.MODIFY_RISK}

    def _sales(self) -> Iterator[IntentSubmitted]:
        return reversed(Logged(self.day.log).sales.values())

    def _tick(self, choice: int) -> None:
        self._second += choice
        self.day.tick(self.text)

    def _print(self, choice: int) -> None:
        self.day.print(self.text, (49_850, 50_200, 51_000, 50_400)[choice])

    def _guard(self, choice: int) -> None:
        if self.held:
            number = 1 + sum("-S" in sale.intent_id for sale in self._sales())
            self.day.guard(self.text, f"S{number}", self.held)

    def _answer(self, choice: int) -> None:
        logged = Logged(self.day.log)
        selling = sum(max(0, logged.rest(each)) for each in logged.alive(self.day.at(self.text)))
        for sale in self._sales():
            if logged.allowed[sale.intent_id] is None:
                quantity = min(sale.quantity or 0, self.held - selling)
                if choice and quantity > 0:
                    part = quantity if choice > 1 else (quantity + 1) // 2
                    self.day.approve(self.text, sale, part)
                elif quantity > 0:
                    self.day.reject(self.text, sale)
                else:
                    self.day.reject(self.text, sale, by="own_shares")
                return

    def _order(self, choice: int) -> None:
        logged = Logged(self.day.log)
        for sale in self._sales():
            intent = sale.intent_id
            rest = logged.rest(intent)
            if intent not in logged.ended and rest > 0 and not logged.open_orders(intent):
                number = 1 + sum(order.intent_id == intent for order in logged.orders.values())
                self.day.order(self.text, sale, number, quantity=rest)
                return

    def _fill(self, choice: int) -> None:
        logged = Logged(self.day.log)
        for order in reversed(logged.open_orders()):
            before = logged.filled.get(order.order_id, 0)
            quantity = min((order.quantity - before) // (choice + 1), self.held)
            if quantity:
                self.day.fill(
                    self.text, order.order_id, Side.SELL, quantity, 49_900,
                    cumulative=before + quantity,
                )  # fmt: skip
                return

    def _over(self, choice: int) -> None:
        """End the newest open order; half the time it is given up as not found."""
        logged = Logged(self.day.log)
        for order in reversed(logged.open_orders()):
            filled = logged.filled.get(order.order_id, 0)
            if filled == 0 and choice > 1:
                self.day.send(
                    OrderRejected(
                        at=self.day.at(self.text),
                        order_id=order.order_id,
                        code="NOT_FOUND",
                        message="not listed",
                    )
                )
            else:
                self.day.close(self.text, order.order_id, filled, last=False)
            return

    def _end(self, choice: int) -> None:
        """Have the router be done with an execution none of whose orders is open."""
        logged = Logged(self.day.log)
        for intent, allowed in logged.allowed.items():
            if allowed and intent not in logged.ended and not logged.open_orders(intent):
                reason = ("lifetime", "withdrawn", "refused", "expired")[choice]
                filled = allowed - logged.rest(intent)
                self.day.end(self.text, intent, filled, reason)
                return

    def _adopt(self, choice: int) -> None:
        """Have the broker list an order that was given up as not found."""
        logged = Logged(self.day.log)
        for order, how in logged.over.items():
            if how is OrderRejected:
                self.day.send(
                    OrderAccepted(
                        at=self.day.at(self.text),
                        order_id=order,
                        broker_order="1",
                        branch="2",
                        adopted=True,
                    )
                )
                return

    def _reallocate(self, choice: int) -> None:
        if choice % 2:
            self.day.reallocate(self.text, UNKNOWN, KMP, 7, cost=350_000)
        elif self.held:
            quantity = self.held if choice else (self.held + 2) // 3
            self.day.reallocate(self.text, KMP, UNKNOWN, quantity)

    def _correct(self, choice: int) -> None:
        self._corrections += 1
        self.day.send(
            FillCorrected(
                at=self.day.at(self.text),
                order_id=OrderId(f"{intent_of('005930-E1')}-O1"),
                ordinal=self._corrections,
                strategy=KMP,
                symbol=SAMSUNG,
                side=Side.BUY if choice else Side.SELL,
                quantity=399,
                amount=choice * 31,
                fee=0,
                tax=0,
                reason="test",
            )
        )

    def sell_out(self) -> None:
        """Let the price fall, everything alive end, and refuse what comes: attempts go on."""
        self.day.print(self.text, 40_000)
        for _ in range(3):
            logged = Logged(self.day.log)
            for order in logged.open_orders():
                filled = logged.filled.get(order.order_id, 0)
                self.day.close(self.text, order.order_id, filled, last=False)
            for intent, allowed in logged.allowed.items():
                if allowed:
                    self.day.end(self.text, intent, allowed - logged.rest(intent), "withdrawn")
            before = len(self._exits())
            for _ in range(61):
                self._second += 1
                self.day.tick(self.text)
            assert (len(self._exits()) > before) == (self.held > 0)
            if self.held:
                self.day.reject(self.text, self._exits()[-1])

    def _exits(self) -> list[IntentSubmitted]:
        return [intent for intent in self.day.of(IntentSubmitted) if intent.kind in _CLOSING]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "tick", "print", "guard", "answer", "order", "fill", "over", "end", "adopt",
                "reallocate", "correct",
            ]
        ),
        st.integers(0, 3),
    ),
    max_size=40,
)  # fmt: skip


@pytest.mark.invariant(8)
@settings(max_examples=120)
@given(_STEPS)
def test_whoever_sells_the_book_is_the_allocation_and_exits_never_overlap(
    steps: list[tuple[str, int]],
) -> None:
    """No two living sales by KMP's doing, none given up while shares are left, equal replay.

    The replay is a restart at every entry: what a beginning of the log derives is the beginning of
    what the whole of it does.
    """
    story = Story()
    for step, choice in steps:
        story.play(step, choice)
    story.sell_out()
    day = story.day
    derived = list(replay(day.session, day.log))
    assert [payload for _, payload in derived] == [codec.encode(each) for each in day.outputs]
    for cut in range(len(day.log) - 1, len(day.log) - 40, -13):
        assert list(replay(day.session, day.log[:cut])) == [
            each for each in derived if each[0] <= cut
        ]


def test_withdrawn_executions_are_asked_for_anew_until_everything_is_sold() -> None:
    """Three attempts withdrawn after 100 shares each, with growing waits; the fourth sells 99."""
    story = Story()
    story.play("print", 0)
    asked: list[int | None] = []
    waited: list[int] = []
    for attempt in range(1, 5):
        exit_ = story.day.intents(IntentKind.EXIT)[-1]
        assert exit_.attempt == attempt
        asked.append(exit_.quantity)
        story.play("answer", 2)
        order = story.day.order(story.text, exit_)
        part = 100 if attempt < 4 else 99
        story.day.fill(story.text, order, Side.SELL, part, 49_000)
        whole = attempt == 4
        state = OrderState.FILLED if whole else OrderState.CANCELLED
        story.day.close(story.text, order, part, state, last=False)
        reason = "complete" if whole else "withdrawn"
        story.day.end(story.text, exit_.intent_id, part, reason)
        ended = story.day.at(story.text)
        while len(story.day.intents(IntentKind.EXIT)) == attempt < 4:
            story.play("tick", 0)
        waited.append((story.day.at(story.text) - ended) // SECOND)
    for _ in range(61):
        story.play("tick", 0)
    assert asked == [399, 299, 199, 99]
    assert waited == [3, 5, 10, 0]
    assert (story.held, story.day.path()[-1]) == (0, "DONE")
    assert len(story.day.intents(IntentKind.EXIT)) == 4
