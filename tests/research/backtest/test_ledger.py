"""Tests of the ledger: what a run leaves, folded from its events."""

from __future__ import annotations

from hashlib import blake2b

import pytest

from events import OrderId, StrategyId, Symbol, codec, trading
from events.identifiers import order_id
from events.trading import OrderState, Side
from research.backtest.errors import BooksDisagree
from research.backtest.market_day import CorporateAction
from research.backtest.result_hash import ResultHash
from tests.research.backtest.runs import KMP, NINE, SAMSUNG, Desk

BUY, SELL = Side.BUY, Side.SELL
HYNIX = Symbol("000660")


def test_a_round_trip_is_one_trade_with_the_costs_of_both_sides() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 10, 70_000, fee=105, market_price=69_900)
    desk.trade(SELL, 10, 71_000, fee=106, tax=1_065, reason="target")
    desk.close({SAMSUNG: 71_000})
    result = desk.result()
    (trade,) = result.trades
    assert (trade.quantity, trade.cost, trade.proceeds) == (10, 700_000, 710_000)
    assert (trade.fees, trade.tax, trade.result) == (211, 1_065, 8_724)
    assert (trade.entry_intent, trade.exit_intent) == (
        "20250915-KMP-005930-E1",
        "20250915-KMP-005930-X1",
    )
    assert trade.exit_reason == "target"
    assert trade.opened_at == NINE - 1
    assert result.fills[0].market_price == 69_900
    assert result.closing_equity == 1_008_724
    assert result.opening_cash == 1_000_000


def test_a_sale_closes_the_oldest_shares_first_and_the_rest_stays_open() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 3, 100, fee=10)
    desk.trade(BUY, 5, 200)
    desk.trade(SELL, 4, 300, fee=7, tax=2)
    desk.close({SAMSUNG: 250})
    rows = [
        (each.quantity, each.cost, each.proceeds, each.fees, each.tax, bool(each.closed_at))
        for each in desk.result().trades
    ]
    assert rows == [
        (3, 300, 900, 15, 1, True),  # 3 of 4 shares: 5 of 7 won of fee, 1 of 2 won of tax
        (1, 200, 300, 2, 1, True),
        (4, 800, 1_000, 0, 0, False),
    ]


def test_a_position_is_carried_over_nights_and_valued_at_each_close() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 10, 100, fee=1)
    desk.close({SAMSUNG: 110})
    desk.open("20250916")
    desk.close({SAMSUNG: 90})
    desk.open("20250917")
    desk.trade(SELL, 10, 120, fee=1, tax=2)
    desk.close({})
    result = desk.result()
    assert [(each.result, each.holdings) for each in result.strategies] == [
        (99, 1_100),
        (-101, 900),
        (196, 0),
    ]
    assert [each.result for each in result.trades] == [196]
    assert [each.closing_equity for each in result.sessions] == [1_000_099, 999_899, 1_000_196]


def test_a_split_multiplies_the_shares_and_leaves_the_cost() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 3, 1_000)
    desk.trade(BUY, 4, 1_100)
    desk.close({SAMSUNG: 1_000})
    desk.ledger.adjust(CorporateAction(symbol=SAMSUNG, date="20250916", kind="split", new=5, old=2))
    desk.held[KMP, SAMSUNG] = 17  # 7 x 5 / 2, the half share is gone
    desk.open("20250916")
    desk.trade(SELL, 8, 500)
    desk.close({SAMSUNG: 500})
    assert [(each.quantity, each.cost, each.proceeds) for each in desk.result().trades] == [
        (7, 3_000, 3_500),
        (1, 440, 500),
        (9, 3_960, 4_500),
    ]


def test_a_position_too_small_for_one_new_share_is_a_loss_of_its_cost() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 3, 1_000, fee=2)
    desk.close({SAMSUNG: 1_000})
    desk.ledger.adjust(
        CorporateAction(symbol=SAMSUNG, date="20250916", kind="merger", new=1, old=10)
    )
    desk.held.clear()
    desk.open("20250916")
    desk.close({SAMSUNG: 10_000})
    result = desk.result()
    (trade,) = result.trades
    assert (trade.quantity, trade.result, trade.exit_reason) == (0, -3_002, "merger")
    assert trade.closed_at == NINE + 86_400_000_000_000
    assert result.strategies[-1].result == -3_002


def test_a_session_that_opens_with_other_shares_than_were_carried_is_refused() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 3, 1_000)
    desk.close({SAMSUNG: 1_000})
    desk.held[KMP, SAMSUNG] = 2
    with pytest.raises(BooksDisagree, match="3 shares were carried, 20250916 opens with 2"):
        desk.open("20250916")


def test_more_shares_sold_than_bought_are_refused() -> None:
    desk = Desk()
    desk.open("20250915")
    desk.trade(BUY, 3, 1_000)
    desk.trade(SELL, 5, 1_000)
    with pytest.raises(BooksDisagree, match="2 shares sold that were never bought"):
        desk.result()


def test_shares_owned_before_the_run_have_the_cost_of_the_opening_books() -> None:
    desk = Desk()
    desk.held[KMP, SAMSUNG] = 5
    desk.open("20250915")
    desk.trade(SELL, 5, 1_000, fee=1)
    desk.close({SAMSUNG: 1_000})
    (trade,) = desk.result().trades
    assert (trade.quantity, trade.cost, trade.result, trade.entry_intent) == (5, 0, 4_999, "")


def test_a_correction_changes_the_money_of_its_order_and_no_shares() -> None:
    desk = Desk()
    desk.open("20250915")
    name = desk.intent(BUY, 3)
    order = desk.order(name, BUY, 3)
    desk.fill(order, BUY, 1, 100)
    desk.fill(order, BUY, 2, 100, cumulative=3)
    desk.take(
        trading.FillCorrected(
            at=desk.at, order_id=order, ordinal=1, strategy=KMP, symbol=SAMSUNG, side=BUY,
            quantity=3, amount=-10, fee=4, tax=0, reason="other value",
        )
    )  # fmt: skip
    desk.trade(SELL, 3, 200)
    desk.close({})
    result = desk.result()
    assert result.orders[0].filled_amount == 290
    assert [(each.quantity, each.amount, each.fee) for each in result.fills] == [
        (1, 100, 0),
        (2, 200, 0),
        (0, -10, 4),
        (3, 600, 0),
    ]
    assert [(each.cost, each.fees) for each in result.trades] == [(96, 1), (194, 3)]
    assert result.strategies[0].result == 600 - 290 - 4


def test_decisions_carry_what_was_asked_allowed_and_why_not() -> None:
    desk = Desk()
    desk.open("20250915")
    names = [desk.intent(BUY, 10, market_price=70_000) for _ in range(5)]
    common = {"at": desk.at, "cause": 1, "strategy": KMP, "symbol": SAMSUNG, "checks": ()}
    desk.take(trading.IntentApproved(intent_id=names[0], quantity=10, **common))  # type: ignore[arg-type]
    desk.take(
        trading.IntentModified(
            intent_id=names[1], quantity=4, requested_quantity=10, binding_check="cash",
            **common,  # type: ignore[arg-type]
        )
    )  # fmt: skip
    desk.take(
        trading.IntentRejected(intent_id=names[2], rejected_by="halt", reason="x", **common)  # type: ignore[arg-type]
    )
    desk.take(
        trading.IntentDeferred(intent_id=names[3], deferred_by="rate", reason="x", **common)  # type: ignore[arg-type]
    )
    desk.close({})
    rows = desk.result().decisions
    assert [(each.outcome, each.allowed, each.check) for each in rows] == [
        ("approved", 10, ""),
        ("modified", 4, "cash"),
        ("rejected", 0, "halt"),
        ("deferred", 0, "rate"),
        ("expired", 0, ""),
    ]
    assert [each.sequence for each in rows] == [1, 2, 3, 4, 5]
    assert {each.market_price for each in rows} == {70_000}
    assert desk.result().sessions[0].derived_events == 9


def test_an_order_keeps_its_end_and_why_it_was_withdrawn() -> None:
    desk = Desk()
    desk.open("20250915")
    order = desk.order(desk.intent(BUY, 10), BUY, 10)
    desk.fill(order, BUY, 4, 100)
    desk.at += 5
    desk.take(
        trading.CancelSubmitting(at=desk.at, order_id=order, attempt=1, reason="lifetime is over")
    )
    desk.close_order(order, OrderState.CANCELLED, 4, "cancelled")
    desk.close({SAMSUNG: 100})
    (row,) = desk.result().orders
    assert (row.state, row.filled_quantity, row.filled_amount) == (OrderState.CANCELLED, 4, 400)
    assert (row.accepted_at, row.ended_at, row.reason) == (NINE, NINE + 5, "lifetime is over")


def test_an_execution_known_before_the_answer_stays_an_execution() -> None:
    desk = Desk()
    desk.open("20250915")
    order = desk.order(desk.intent(BUY, 10), BUY, 10)
    desk.fill(order, BUY, 10, 100)
    desk.take(trading.OrderAccepted(at=desk.at, order_id=order, broker_order="1", branch="0"))
    desk.close({SAMSUNG: 100})
    (row,) = desk.result().orders
    assert (row.state, row.ended_at) == (OrderState.FILLED, NINE)


def test_a_refused_order_says_why_and_one_only_held_has_no_row() -> None:
    desk = Desk()
    desk.open("20250915")
    name = desk.intent(BUY, 10)
    desk.take(
        trading.OrderHeld(
            at=desk.at, order_id=order_id(name, 2), cause=1, intent_id=name, stop_price=1,
            expires_at=2,
        )
    )  # fmt: skip
    desk.close_order(order_id(name, 2), OrderState.EXPIRED, 0, "expired")
    order = desk.order(name, BUY, 10)
    desk.take(trading.OrderRejected(at=desk.at, order_id=order, code="40", message="no cash"))
    desk.close({})
    (row,) = desk.result().orders
    assert (row.state, row.reason) == (OrderState.REJECTED, "40: no cash")


def test_every_strategy_has_a_row_a_session_also_one_that_does_nothing() -> None:
    idle = StrategyId("PCIM")
    desk = Desk(owners=(KMP, idle))
    desk.open("20250915", warm_up=True, problems=("005930: gap",))
    desk.trade(BUY, 1, 100, symbol=HYNIX)
    desk.close({}, market_events=7)  # no price at the close: worth what it was last traded at
    result = desk.result()
    assert [(each.strategy, each.result, each.holdings) for each in result.strategies] == [
        (KMP, 0, 100),
        (idle, 0, 0),
    ]
    session = result.sessions[0]
    assert (session.warm_up, session.problems, session.market_events) == (
        True,
        ("005930: gap",),
        7,
    )


def test_the_digest_covers_every_event_its_place_and_the_order() -> None:
    one = trading.OrderUnknown(at=1, order_id=order_id_of(1), reason="lost")
    two = trading.OrderUnknown(at=1, order_id=order_id_of(2), reason="lost")
    digest = ResultHash()
    digest.add(5, one)
    digest.add(6, two)
    expected = blake2b(digest_size=32)
    for sequence, event in ((5, one), (6, two)):
        payload = codec.encode(event)
        expected.update(sequence.to_bytes(8, "little") + len(payload).to_bytes(4, "little"))
        expected.update(payload)
    assert digest.hexdigest() == expected.hexdigest()
    other = ResultHash()
    other.add(5, one)
    other.add(7, two)
    assert other.hexdigest() != digest.hexdigest()


def order_id_of(ordinal: int) -> OrderId:
    return OrderId(f"20250915-KMP-005930-E1-O{ordinal}")
