"""The comparison of the books finds what is planted, and nothing where all agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from events import EXTERNAL, UNKNOWN, Event, OrderId, StrategyId, Symbol, TradingDate, identifiers
from events.control import EVERYTHING, HaltMode, HaltReleased, HaltScope, HaltSet, SharesReallocated
from events.identifiers import IntentId
from events.market import SessionOpened
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    FillSource,
    Holding,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
    Urgency,
)
from tests.chaos.truth import (
    Database,
    DatabaseOrder,
    Exchange,
    ExchangeAccount,
    ExchangeFill,
    ExchangeHolding,
    ExchangeOrder,
    Figures,
    HaltWatch,
    Kind,
    Story,
    check,
)

DAY = TradingDate("20261120")
KMP = StrategyId("KMP")
SAMSUNG = Symbol("005930")
BOUGHT = OrderId("20261120-KMP-005930-E1-O1")
SOLD = OrderId("20261120-KMP-005930-X1-O1")

OPENED = SessionOpened(
    at=1, trading_date=DAY, open_at=2, closing_auction_at=90, close_at=100,
    cash=10_000_000, equity=10_000_000, allocations=(), configuration={}, code_version="test",
)  # fmt: skip


def submitting(order: OrderId, side: Side, quantity: int, price: int) -> OrderSubmitting:
    return OrderSubmitting(
        at=10, order_id=order, cause=1, intent_id=IntentId(order[:-3]), strategy=KMP,
        symbol=SAMSUNG, side=side, kind=OrderKind.LIMIT, quantity=quantity, limit_price=price,
        cancel_at=50,
    )  # fmt: skip


def filled(order: OrderId, side: Side, quantity: int, price: int, total: int) -> OrderFilled:
    return OrderFilled(
        at=12, order_id=order, fill_id=identifiers.fill_id(order, total), strategy=KMP,
        symbol=SAMSUNG, side=side, quantity=quantity, price=price, amount=quantity * price,
        cumulative_quantity=total, fee=0, tax=0, source=FillSource.NOTICE,
    )  # fmt: skip


BUYING: tuple[Event, ...] = (
    submitting(BOUGHT, Side.BUY, 10, 70_000),
    OrderAccepted(at=11, order_id=BOUGHT, broker_order="0000000021", branch="91252"),
    filled(BOUGHT, Side.BUY, 10, 69_900, 10),
    OrderClosed(
        at=13, order_id=BOUGHT, state=OrderState.FILLED, filled_quantity=10, reason="filled"
    ),
)
SELLING: tuple[Event, ...] = (
    submitting(SOLD, Side.SELL, 4, 69_000),
    OrderUnknown(at=11, order_id=SOLD, reason="no answer"),
    OrderAccepted(at=12, order_id=SOLD, broker_order="22", branch="91252", adopted=True),
    filled(SOLD, Side.SELL, 4, 70_100, 4),
    OrderClosed(at=13, order_id=SOLD, state=OrderState.FILLED, filled_quantity=4, reason="filled"),
)
CASH = 10_000_000 - 10 * 69_900 - 104 + 4 * 70_100 - 42 - 560
BALANCE = AccountSnapshot(
    at=20, trading_date=DAY, cash=CASH, equity=CASH + 6 * 70_000,
    holdings=(Holding(symbol=SAMSUNG, quantity=6, sellable=6, cost=419_400, last_price=70_000),),
)  # fmt: skip
LOG: tuple[Event, ...] = (OPENED, *BUYING, *SELLING, BALANCE)

THERE = (
    ExchangeOrder(
        order_number="0000000021", action="new", symbol=SAMSUNG, side=Side.BUY, quantity=10,
        price=70_000, filled=10, amount=699_000, fills=(ExchangeFill(10, 69_900, 104, 0),),
    ),
    ExchangeOrder(
        order_number="0000000022", action="new", symbol=SAMSUNG, side=Side.SELL, quantity=4,
        price=69_000, filled=4, amount=280_400, fills=(ExchangeFill(4, 70_100, 42, 560),),
    ),
)  # fmt: skip
ROWS = (
    DatabaseOrder(
        order_id=BOUGHT, state="filled", filled_quantity=10, filled_amount=699_000,
        fill_quantity=10, fill_amount=699_000,
    ),
    DatabaseOrder(
        order_id=SOLD, state="filled", filled_quantity=4, filled_amount=280_400,
        fill_quantity=4, fill_amount=280_400,
    ),
)  # fmt: skip


def exchange(
    orders: Sequence[ExchangeOrder] = THERE, *, held: int = 6, cash: int = CASH
) -> Exchange:
    account = ExchangeAccount(cash, cash, {SAMSUNG: ExchangeHolding(held)})
    return Exchange(orders=tuple(orders), accounts={"0123456701": account})


def database(rows: Sequence[DatabaseOrder] = ROWS, *, owned: int = 6) -> Database:
    return Database(orders=tuple(rows), allocations={(KMP, SAMSUNG): owned} if owned else {})


def kinds(
    there: Exchange | None = None,
    log: Sequence[Event] = LOG,
    rows: Database | None = None,
    foreign: Sequence[str] = (),
) -> list[Kind]:
    """Return the kinds of what is found, given what is not as it should be."""
    found = check(there or exchange(), Story.of(log), rows or database(), foreign=foreign)
    return [finding.kind for finding in found]


def changed(item: Any, **fields: Any) -> Any:
    return msgspec.structs.replace(item, **fields)


def test_nothing_is_found_where_all_agree() -> None:
    """An answered order and an adopted one, paired with the exchange's whatever the padding."""
    assert kinds() == []
    assert Figures.of(Story.of(LOG)) == Figures(
        orders=2, fills=2, shares=14, unknown=1, unknown_settled=1, adopted=1
    )


@pytest.mark.invariant(2)
def test_a_second_order_of_the_same_ticket_is_a_duplicate() -> None:
    """The exchange has two alike, the log one."""
    second = changed(THERE[0], order_number="23", filled=0, amount=0, fills=(), remaining=10)
    assert kinds(exchange((*THERE, second))) == [Kind.DUPLICATE]


def test_an_order_of_nobody_is_forgotten() -> None:
    """Nothing on the log is like it; placed by hand it is nobody's business."""
    alien = ExchangeOrder(
        order_number="23", action="new", symbol=SAMSUNG, side=Side.BUY, quantity=7, remaining=7
    )
    assert kinds(exchange((*THERE, alien))) == [Kind.FORGOTTEN]
    assert kinds(exchange((*THERE, alien)), foreign=["0000000023"]) == []


def test_an_order_that_works_on_after_its_end_on_the_log_is_forgotten() -> None:
    """The log closed it, the exchange still shows shares working."""
    works = changed(THERE[0], remaining=3)
    assert kinds(exchange((works, THERE[1]))) == [Kind.FORGOTTEN]


def test_an_order_given_up_that_is_at_the_exchange_is_forgotten() -> None:
    """``NOT_FOUND`` on the log, and the exchange has it."""
    given_up = (
        SELLING[0],
        SELLING[1],
        OrderRejected(at=13, order_id=SOLD, code="NOT_FOUND", message="not listed"),
    )
    found = kinds(log=(OPENED, *BUYING, *given_up, BALANCE))
    assert Kind.FORGOTTEN in found
    assert Kind.ALLOCATIONS in found


def test_an_order_that_is_another_one_at_the_exchange_is_a_phantom() -> None:
    """Adopted by mistake: number 22 is somebody's buy there."""
    other = changed(THERE[1], side=Side.BUY)
    assert Kind.PHANTOM in kinds(exchange((THERE[0], other)))


def test_two_orders_of_the_log_with_one_number_are_a_phantom() -> None:
    """Both took the same row for theirs."""
    twice = changed(SELLING[2], broker_order="21")
    assert Kind.PHANTOM in kinds(log=(OPENED, *BUYING, *SELLING[:2], twice, *SELLING[3:], BALANCE))


def test_an_order_without_an_end_is_unsettled() -> None:
    """Its closing event is missing."""
    assert kinds(log=(OPENED, *BUYING, *SELLING[:-1], BALANCE)) == [Kind.UNSETTLED]


def test_a_share_or_a_won_that_differs_is_found() -> None:
    """The exchange executed nine; or ten for one won more."""
    nine = changed(THERE[0], filled=9, amount=629_100, fills=(ExchangeFill(9, 69_900, 104, 0),))
    assert kinds(exchange((nine, THERE[1]))) == [Kind.FILLS]
    dearer = changed(THERE[0], amount=699_001)
    assert kinds(exchange((dearer, THERE[1]))) == [Kind.FILLS]


@pytest.mark.invariant(3)
def test_a_share_that_nobody_owns_is_found_and_drift_gives_it_an_owner() -> None:
    """Seven held, six owned; with the drift on the log the seventh is ``_UNKNOWN_``'s."""
    assert kinds(exchange(held=7)) == [Kind.ALLOCATIONS]
    drift = DriftDetected(
        at=30, trading_date=DAY, symbol=SAMSUNG, broker_quantity=7, allocated_quantity=6
    )
    rows = Database(orders=ROWS, allocations={(KMP, SAMSUNG): 6, (UNKNOWN, SAMSUNG): 1})
    assert kinds(exchange(held=7), (*LOG, drift), rows) == []
    acknowledged = SharesReallocated(
        at=31, issued_by="me", reason="mine", symbol=SAMSUNG, source=UNKNOWN, target=EXTERNAL,
        quantity=1, cost=70_000,
    )  # fmt: skip
    cleared = DriftCleared(at=32, trading_date=DAY, symbol=SAMSUNG)
    rows = Database(orders=ROWS, allocations={(KMP, SAMSUNG): 6, (EXTERNAL, SAMSUNG): 1})
    assert kinds(exchange(held=7), (*LOG, drift, acknowledged, cleared), rows) == []


def test_a_won_of_cash_that_differs_is_found() -> None:
    """In the balance told last and in the sum of all that was booked."""
    assert kinds(exchange(cash=CASH - 1)) == [Kind.CASH, Kind.CASH]


def test_a_strategy_that_owns_less_than_nothing_is_found() -> None:
    """It sold what it never bought; the sum of all owners hides that elsewhere."""
    assert Kind.ALLOCATIONS in kinds(exchange(held=-4), (OPENED, *SELLING, BALANCE))


@pytest.mark.parametrize(
    "rows",
    [
        ROWS[:1],
        (*ROWS, changed(ROWS[0], order_id="20261120-KMP-005930-E2-O1")),
        (changed(ROWS[0], filled_quantity=9), ROWS[1]),
        (changed(ROWS[0], fill_amount=1), ROWS[1]),
        (changed(ROWS[0], state="cancelled"), ROWS[1]),
        (changed(ROWS[0], state="accepted"), ROWS[1]),
    ],
)
def test_a_row_that_says_something_else_is_found(rows: Sequence[DatabaseOrder]) -> None:
    """Missing, too many, other shares, other won, another state."""
    assert kinds(rows=database(rows)) == [Kind.DATABASE]


def test_an_owner_that_the_rows_do_not_know_is_found() -> None:
    """The allocations of log and database are compared owner by owner."""
    assert kinds(rows=database(owned=5)) == [Kind.DATABASE]
    assert kinds(rows=database(owned=0)) == [Kind.DATABASE]


def test_events_that_cannot_follow_are_found() -> None:
    """The same fill twice."""
    assert Kind.ILLEGAL in kinds(log=(OPENED, *BUYING[:3], *BUYING[2:], *SELLING, BALANCE))


HALT = HaltSet(
    at=5, issued_by="me", reason="enough", scope=HaltScope.ACCOUNT, target=EVERYTHING,
    mode=HaltMode.NO_ENTRIES,
)  # fmt: skip
RELEASE = HaltReleased(
    at=9, issued_by="me", reason="on again", scope=HaltScope.ACCOUNT, target=EVERYTHING
)


def asked(kind: IntentKind) -> IntentSubmitted:
    return IntentSubmitted(
        at=6, cause=1, intent_id=IntentId("20261120-KMP-005930-E1"), strategy=KMP, symbol=SAMSUNG,
        kind=kind, quantity=1, urgency=Urgency.HIGH, horizon=Horizon.INTRADAY, reason="r",
        attempt=1, expires_at=99,
    )  # fmt: skip


def allowed(kind: IntentKind) -> IntentApproved:
    intent = asked(kind)
    return IntentApproved(
        at=6, cause=1, intent_id=intent.intent_id, strategy=KMP, symbol=SAMSUNG, checks=(),
        quantity=1,
    )  # fmt: skip


def watched(*events: Event) -> list[Kind]:
    watch = HaltWatch()
    for event in events:
        watch.take(event)
    return [finding.kind for finding in watch.findings]


def test_an_entry_that_is_let_in_while_the_account_is_halted_is_found() -> None:
    """Asked under the halt and allowed, even if allowed after the release."""
    enter = IntentKind.ENTER
    assert watched(HALT, asked(enter), allowed(enter)) == [Kind.HALT]
    assert watched(HALT, asked(enter), RELEASE, allowed(enter)) == [Kind.HALT]
    assert watched(HALT, RELEASE, asked(enter), allowed(enter)) == []
    assert watched(HALT, asked(IntentKind.EXIT), allowed(IntentKind.EXIT)) == []


@pytest.mark.invariant(1)
def test_a_sale_that_is_refused_by_anything_but_its_own_shares_is_found() -> None:
    """Whatever the control is called."""
    sale = asked(IntentKind.EXIT)
    refused = IntentRejected(
        at=6, cause=1, intent_id=sale.intent_id, strategy=KMP, symbol=SAMSUNG, checks=(),
        rejected_by="own_shares", reason="none",
    )  # fmt: skip
    put_off = IntentDeferred(
        at=6, cause=1, intent_id=sale.intent_id, strategy=KMP, symbol=SAMSUNG, checks=(),
        deferred_by="halts", reason="halted",
    )  # fmt: skip
    assert watched(sale, refused) == []
    assert watched(sale, changed(refused, rejected_by="max_orders_per_second")) == [Kind.HALT]
    assert watched(sale, put_off) == [Kind.HALT]
