"""The fold by itself: events in, rows out, no database."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from events import Event, codec, market, ops, trading
from events.errors import UnknownEventType
from events.trading import Side
from projections.fold import fold, fold_undecodable
from projections.read_model import ReadModel
from tests.projections import day


def folded(events: Iterable[Event]) -> ReadModel:
    """Return the rows after these events."""
    model = ReadModel(day.ACCOUNT)
    for sequence, event in enumerate(events, start=1):
        fold(model, sequence, event)
    return model


def test_a_round_trip_sums_its_fills_and_counts_a_fill_once() -> None:
    """Two entry fills and two exit fills are one trade; a fill learned twice changes nothing."""
    model = folded(day.opening() + day.samsung_round_trip())
    (trade,) = model.trades
    assert trade.trade_id == "20250915-KMP-005930-E1-O1-F30"
    assert (trade.status, trade.entry_reason, trade.exit_reason) == (
        "closed",
        "breakout",
        "time_stop",
    )
    assert (trade.entry_fills, trade.entry_quantity, trade.entry_amount) == (2, 80, 5_621_000)
    assert (trade.exit_fills, trade.exit_quantity, trade.exit_amount) == (2, 80, 5_675_000)
    assert (trade.exit_cost, trade.entry_fee, trade.exit_fee) == (5_621_000, 842, 850)
    assert (trade.exit_tax, trade.initial_stop) == (8_512, 69_000)
    assert len(list(model.fills)) == 4
    allocation = model.allocations.get(day.SAMSUNG, day.KMP)
    assert allocation is not None
    assert (allocation.quantity, allocation.cost, allocation.trade_id) == (0, 0, None)


def test_a_fill_that_overtakes_the_receipt_does_not_go_back() -> None:
    """The acceptance of a partially filled order is recorded, its state stays."""
    model = folded(day.opening() + day.samsung_round_trip()[:6])
    order = model.orders.get("20250915-KMP-005930-E1-O1")
    assert order is not None
    assert (order.state, order.filled_quantity) == ("partially_filled", 30)
    assert (order.broker_order, order.accepted_at) == ("0000000011", day.at(611.5))


def test_order_steps_name_the_state_before_and_after() -> None:
    """The life of an order can be read from its steps alone."""
    model = folded(day.opening() + day.kakao_part())
    steps = [
        (step.event, step.state_before, step.state_after)
        for step in model.order_events
        if step.order_id == "20250915-KMP-035720-E1-O1"
    ]
    assert steps == [
        ("OrderSubmitting", None, "submitting"),
        ("OrderAccepted", "submitting", "accepted"),
        ("OrderFilled", "accepted", "partially_filled"),
        ("CancelSubmitting", "partially_filled", "partially_filled"),
        ("CancelUnknown", "partially_filled", "partially_filled"),
        ("CancelSubmitting", "partially_filled", "partially_filled"),
        ("CancelAccepted", "partially_filled", "partially_filled"),
        ("OrderClosed", "partially_filled", "cancelled"),
    ]
    order = model.orders.get("20250915-KMP-035720-E1-O1")
    assert order is not None
    assert (order.cancel_attempts, order.cancel_state, order.filled_quantity) == (2, "accepted", 40)


def test_a_moved_stop_changes_the_allocation_and_not_the_initial_risk() -> None:
    """R is measured against the stop the position began with."""
    model = folded(day.opening() + day.kakao_part())
    allocation = model.allocations.get(day.KAKAO, day.KMP)
    (trade,) = model.trades
    assert allocation is not None
    assert (allocation.quantity, allocation.cost) == (30, 1_500_000)
    assert (allocation.protective_stop, trade.initial_stop) == (49_500, 48_000)


def test_wishes_that_came_to_nothing_keep_their_reason() -> None:
    """Rejected, deferred, expired, refused by the broker: four different answers."""
    model = folded(day.opening() + day.refusals())
    assert {
        str(row.intent_id)[-2:]: (row.status, row.decided_by, row.orders) for row in model.intents
    } == {
        "E1": ("rejected", "max_gross", 0),
        "E2": ("deferred", "vi_cooldown", 0),
        "E3": ("expired", None, 0),
        "E4": ("approved", None, 1),
    }
    order = model.orders.get("20250915-KMP-035420-E4-O1")
    assert order is not None
    assert (order.state, order.message) == ("rejected", "APBK0919: 주문\ufffd불가")
    decision = model.decisions.get("20250915-KMP-035420-E1")
    assert decision is not None
    assert msgspec.json.decode(decision.checks) == [
        {
            "name": "max_position",
            "value": 0.07,
            "limit": 0.15,
            "outcome": "pass",
            "note": "",
            "headroom": None,
        }
    ]


def test_a_symbol_absent_from_a_snapshot_is_not_held() -> None:
    """A complete balance is the truth about what it leaves out."""
    model = folded(day.opening() + day.account_life())
    position = model.positions.get(day.SAMSUNG)
    assert position is not None
    assert (position.quantity, position.cost, position.last_price) == (0, 0, 71_500)


def test_the_day_measures_exposure_and_drawdown_at_snapshots() -> None:
    """Peak equity 100,300,000, then 99,900,000; peak exposure 80 × 71,500 + 10 × 120,000.

    At the end 10 × 120,000 + 30 × 49,000 + 5 × 30,000.
    """
    model = folded(day.scripted_day())
    (portfolio,) = model.portfolio_days
    assert (portfolio.peak_exposure, portfolio.max_drawdown) == (6_920_000, 400_000)
    assert (portfolio.gross_exposure, portfolio.unrealized, portfolio.positions) == (
        2_820_000,
        270_000,
        3,
    )
    assert (portfolio.halted, portfolio.halt_reason, portfolio.regime) == (True, "news", "strong")


def test_opening_books_open_carried_trades_and_close_what_is_gone() -> None:
    """What the books do not list is not owned any more; what no trade explains gets one."""
    carried = market.OpeningAllocation(
        strategy=day.KMP, symbol=day.NAVER, quantity=5, cost=1_000_000
    )
    books = msgspec.structs.replace(day.next_morning()[0], allocations=(carried,))
    model = folded([*day.opening(), *day.kakao_part(), books])
    gone = model.trades.get("20250915-KMP-035720-E1-O1-F40")
    new = model.trades.get("20250916-KMP-035420-carried")
    assert gone is not None
    assert new is not None
    assert (gone.status, gone.exit_reason) == ("closed", "absent from the opening books")
    assert (new.status, new.entry_quantity, new.entry_amount) == ("open", 5, 1_000_000)


def test_selling_more_than_owned_shows_as_a_negative_allocation() -> None:
    """A mistake elsewhere is shown, not hidden, and does not stop the fold."""
    wish = day.intent(day.KIA, "X1", seconds=1, quantity=None, kind=trading.IntentKind.EXIT)
    sale = day.fill(wish, Side.SELL, 3, 100_000, seconds=2, cumulative=3, fee=45, tax=450)
    model = folded([*day.opening(), sale])
    allocation = model.allocations.get(day.KIA, day.KMP)
    assert allocation is not None
    assert allocation.quantity == -3
    assert list(model.trades) == []


def test_services_degrade_and_recover_and_stop() -> None:
    """The same condition coming back is counted; a new run replaces the old one."""
    degraded = ops.Degraded(at=day.at(1), service="gateway", condition="feed", detail="stalled")
    recovered = ops.Recovered(at=day.at(2), service="gateway", condition="feed", detail="ok")
    again = ops.Degraded(at=day.at(3), service="gateway", condition="feed", detail="stalled")
    stopped = ops.ServiceStopped(at=day.at(4), service="gateway", run="r2", reason="told to")
    model = folded([*day.opening(), degraded, recovered, again, stopped])
    (condition,) = model.conditions
    (service,) = model.services
    assert (condition.active, condition.times, condition.begun_at) == (True, 2, day.at(3))
    assert (service.run, service.mode, service.stopped_at) == ("r2", "stopped", day.at(4))


def test_an_undecodable_entry_becomes_a_row_and_a_report_of_the_same_bytes_each_time() -> None:
    """The report's time is the log's clock, so a repetition is a duplicate on the log."""
    try:
        codec.decode(b'{"type":"Nonsense.1"}')
    except UnknownEventType as error:
        caught = error
    first, second = folded(day.opening()), folded(day.opening())
    report = fold_undecodable(first, 4, "kst.demo.ops.x", caught)
    assert report == fold_undecodable(second, 4, "kst.demo.ops.x", caught)
    assert (report.identity, report.at) == ("setaside-projector-4", day.at(-530))
    (row,) = first.set_aside
    assert (row.sequence, row.subject, row.payload) == (
        4,
        "kst.demo.ops.x",
        b'{"type":"Nonsense.1"}',
    )
    fold(first, 5, report)
    assert list(first.set_aside) == [row]


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50), st.integers(1_000, 90_000))))
def test_money_is_conserved_whatever_is_bought_and_sold(
    trades: list[tuple[bool, int, int]],
) -> None:
    """Cost of what is held plus cost of what was sold is what was paid; gross is the rest."""
    model = folded(day.opening())
    held = paid = received = 0
    for ordinal, (buy, quantity, price) in enumerate(trades, start=1):
        if not buy:
            quantity = min(quantity, held)  # noqa: PLW2901 - a sale never exceeds what is owned
        if quantity == 0:
            continue
        wish = day.intent(day.KIA, f"E{ordinal}", seconds=ordinal, quantity=quantity)
        side = Side.BUY if buy else Side.SELL
        fold(
            model,
            ordinal + 10,
            day.fill(wish, side, quantity, price, seconds=ordinal, cumulative=quantity, fee=1),
        )
        held += quantity if buy else -quantity
        paid += quantity * price if buy else 0
        received += 0 if buy else quantity * price
    allocation = model.allocations.get(day.KIA, day.KMP)
    quantity, cost = (0, 0) if allocation is None else (allocation.quantity, allocation.cost)
    (portfolio,) = model.portfolio_days
    sold_cost = sum(trade.exit_cost for trade in model.trades)
    assert quantity == held
    assert cost + sold_cost == paid
    assert portfolio.realized_gross == received - sold_cost
    closed = [trade for trade in model.trades if trade.status == "closed"]
    assert all(trade.exit_cost == trade.entry_amount for trade in closed)
    assert all(trade.exit_quantity == trade.entry_quantity for trade in closed)
    assert len(list(model.trades)) - len(closed) == (1 if held else 0)


def test_an_order_given_up_as_not_found_works_again_when_it_is_found() -> None:
    """The late adoption undoes the rejection; an ordinary receipt would not."""
    submitted = day.samsung_round_trip()[:4]
    (order_id,) = {e.order_id for e in submitted if isinstance(e, trading.OrderSubmitting)}
    lost = trading.OrderRejected(at=5, order_id=order_id, code="NOT_FOUND", message="not listed")
    found = trading.OrderAccepted(
        at=6, order_id=order_id, broker_order="0000000011", branch="b", adopted=True
    )
    order = folded([*day.opening(), *submitted, lost]).orders.get(order_id)
    assert order is not None
    assert (order.state, order.closed_at) == ("rejected", 5)
    order = folded([*day.opening(), *submitted, lost, found]).orders.get(order_id)
    assert order is not None
    assert (order.state, order.closed_at, order.adopted) == ("accepted", None, True)
