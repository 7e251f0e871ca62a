"""A backtest small enough to be checked with a pencil: three sessions, two strategies, four trades.

Opening cash 10,000,000. Per share and in won:

    KMP       2025-01-31  buys 100 of 000001 at 10,000  sells 60 at 10,500 and 40 at 9,900
    KMP       2025-02-03  buys 50 of 000002 at 20,000   sells 50 at 19,000
    NULRIMOK  2025-02-03  buys 10 of 000003 at 30,000   still holds them, last at 31,000

Equity at the closes: 10,020,000, 9,950,000, 9,980,000.
"""

from __future__ import annotations

from datetime import date, time

import msgspec

from events import IntentId, StrategyId, Symbol, TradingDate, calendar, identifiers
from events.trading import IntentKind, OrderState, Side
from research.backtest.results import (
    BacktestResult,
    DecisionRow,
    EquityRow,
    FillRow,
    OrderRow,
    Provenance,
    SessionRow,
    StrategyEquityRow,
    TradeRow,
)

FIRST, SECOND, THIRD = TradingDate("20250131"), TradingDate("20250203"), TradingDate("20250204")
KMP, NULRIMOK = StrategyId("KMP"), StrategyId("NULRIMOK")
ONE, TWO, THREE = Symbol("000001"), Symbol("000002"), Symbol("000003")


def at(on: TradingDate, clock: str) -> int:
    """Return the instant (ns UTC) of a KST time such as ``09:30``."""
    day = date(int(on[:4]), int(on[4:6]), int(on[6:]))
    return calendar.instant(day, time.fromisoformat(clock))


def result() -> BacktestResult:
    """Return the result of the module's docstring."""
    return BacktestResult(
        provenance=Provenance(
            name="Pencil",
            settings='{"name":"pencil","cash":10000000}',
            settings_hash="5e77",
            code_version="0.1.0+abc",
            data_hash="da7a",
            result_hash="4e50",
            path="reference",
        ),
        opening_cash=10_000_000,
        sessions=(
            _session(FIRST, 10_000_000, 10_020_000, "prices are adjusted for splits"),
            _session(SECOND, 10_020_000, 9_950_000, "000002: 3 minutes have no bar"),
            _session(THIRD, 9_950_000, 9_980_000, "000003: 14 minutes have no bar"),
        ),
        decisions=_decisions(),
        orders=_orders(),
        fills=_fills(),
        trades=_trades(),
        equity=(
            EquityRow(session=FIRST, at=at(FIRST, "09:00"), cash=10_000_000, holdings=0),
            EquityRow(session=FIRST, at=at(FIRST, "10:00"), cash=9_000_000, holdings=1_050_000),
            _close(FIRST, 10_020_000, 0),
            EquityRow(session=SECOND, at=at(SECOND, "10:00"), cash=9_000_000, holdings=900_000),
            _close(SECOND, 9_650_000, 300_000),
            _close(THIRD, 9_670_000, 310_000),
        ),
        strategies=(
            _gained(FIRST, KMP, 20_000, 0),
            _gained(FIRST, NULRIMOK, 0, 0),
            _gained(SECOND, KMP, -50_000, 0),
            _gained(SECOND, NULRIMOK, 0, 300_000),
            _gained(THIRD, KMP, -30_000, 0),
            _gained(THIRD, NULRIMOK, 10_000, 310_000),
        ),
        wall_seconds=0.5,
    )


def _session(on: TradingDate, opening: int, closing: int, problem: str) -> SessionRow:
    return SessionRow(
        session=on,
        market_events=1_000,
        derived_events=20,
        opening_equity=opening,
        closing_equity=closing,
        warm_up=False,
        problems=(problem,),
    )


def _close(on: TradingDate, cash: int, holdings: int) -> EquityRow:
    return EquityRow(session=on, at=at(on, "15:30"), cash=cash, holdings=holdings, closing=True)


def _gained(on: TradingDate, strategy: StrategyId, gained: int, holdings: int) -> StrategyEquityRow:
    return StrategyEquityRow(session=on, strategy=strategy, result=gained, holdings=holdings)


def _intent(
    on: TradingDate, strategy: StrategyId, symbol: Symbol, purpose: str, attempt: int = 1
) -> IntentId:
    return identifiers.intent_id(on, strategy, symbol, purpose, attempt)


ENTRY = _intent(FIRST, KMP, ONE, "E")
EXIT = _intent(FIRST, KMP, ONE, "X")
SECOND_EXIT = _intent(FIRST, KMP, ONE, "X", 2)
LOSER = _intent(SECOND, KMP, TWO, "E")
LOSER_EXIT = _intent(SECOND, KMP, TWO, "X")
HELD = _intent(SECOND, NULRIMOK, THREE, "E")
REFUSED = _intent(SECOND, KMP, THREE, "E")
REFUSED_TOO = _intent(SECOND, NULRIMOK, TWO, "E")
DEFERRED = _intent(THIRD, KMP, ONE, "E")


def _decisions() -> tuple[DecisionRow, ...]:
    first = DecisionRow(
        sequence=11, session=FIRST, at=at(FIRST, "09:30"), intent_id=ENTRY, strategy=KMP,
        symbol=ONE, kind=IntentKind.ENTER, reason="breakout", requested=150, allowed=100,
        outcome="modified", check="symbol_exposure", market_price=9_990,
    )  # fmt: skip
    leave = {"kind": IntentKind.EXIT, "outcome": "approved", "check": ""}
    refused = {"outcome": "rejected", "check": "account_positions", "allowed": 0}
    changes: tuple[dict[str, object], ...] = (
        {},
        {"sequence": 21, "at": at(FIRST, "11:00"), "intent_id": EXIT, "reason": "target",
         "requested": 60, "allowed": 60, "market_price": 10_510, **leave},
        {"sequence": 31, "at": at(FIRST, "14:00"), "intent_id": SECOND_EXIT, "reason": "stop",
         "requested": 40, "allowed": 40, "market_price": 9_900, **leave},
        {"sequence": 41, "session": SECOND, "at": at(SECOND, "09:40"), "intent_id": LOSER,
         "symbol": TWO, "requested": 50, "allowed": 50, "market_price": 20_000,
         "outcome": "approved", "check": ""},
        {"sequence": 45, "session": SECOND, "at": at(SECOND, "09:41"), "intent_id": REFUSED,
         "symbol": THREE, "requested": 30, **refused},
        {"sequence": 46, "session": SECOND, "at": at(SECOND, "09:42"), "intent_id": REFUSED_TOO,
         "strategy": NULRIMOK, "symbol": TWO, "requested": 20, **refused},
        {"sequence": 51, "session": SECOND, "at": at(SECOND, "10:40"), "intent_id": LOSER_EXIT,
         "symbol": TWO, "reason": "stop", "requested": 50, "allowed": 50, "market_price": 19_000,
         **leave},
        {"sequence": 61, "session": SECOND, "at": at(SECOND, "13:00"), "intent_id": HELD,
         "strategy": NULRIMOK, "symbol": THREE, "requested": 10, "allowed": 10,
         "market_price": 0, "outcome": "approved", "check": ""},
        {"sequence": 71, "session": THIRD, "at": at(THIRD, "09:30"), "intent_id": DEFERRED,
         "requested": 10, "allowed": 0, "outcome": "deferred", "check": "vi_cooldown"},
    )  # fmt: skip
    return tuple(msgspec.structs.replace(first, **each) for each in changes)


def _orders() -> tuple[OrderRow, ...]:
    first = OrderRow(
        sequence=13, session=FIRST, order_id=identifiers.order_id(ENTRY, 1), intent_id=ENTRY,
        strategy=KMP, symbol=ONE, side=Side.BUY, quantity=100, limit_price=10_010,
        submitted_at=at(FIRST, "09:30"), accepted_at=at(FIRST, "09:30"),
        ended_at=at(FIRST, "09:31"), state=OrderState.FILLED, filled_quantity=100,
        filled_amount=1_000_000, reason="",
    )  # fmt: skip
    sold = {"side": Side.SELL, "limit_price": None}
    changes: tuple[dict[str, object], ...] = (
        {},
        {"sequence": 23, "intent_id": EXIT, "quantity": 60, "filled_quantity": 60,
         "filled_amount": 630_000, **sold},
        {"sequence": 33, "intent_id": SECOND_EXIT, "quantity": 40, "filled_quantity": 40,
         "filled_amount": 396_000, **sold},
        {"sequence": 43, "session": SECOND, "intent_id": LOSER, "symbol": TWO, "quantity": 50,
         "filled_quantity": 50, "filled_amount": 1_000_000},
        {"sequence": 53, "session": SECOND, "intent_id": LOSER_EXIT, "symbol": TWO,
         "quantity": 50, "filled_quantity": 50, "filled_amount": 950_000, **sold},
        {"sequence": 63, "session": SECOND, "intent_id": HELD, "strategy": NULRIMOK,
         "symbol": THREE, "quantity": 20, "filled_quantity": 10, "filled_amount": 300_000,
         "state": OrderState.EXPIRED, "reason": "the session ended"},
    )  # fmt: skip
    orders = (msgspec.structs.replace(first, **each) for each in changes)
    return tuple(
        msgspec.structs.replace(each, order_id=identifiers.order_id(each.intent_id, 1))
        for each in orders
    )


def _fills() -> tuple[FillRow, ...]:
    rows = (
        (15, ENTRY, 100, 10_000, 150, 0),
        (25, EXIT, 60, 10_500, 94, 945),
        (35, SECOND_EXIT, 40, 9_900, 59, 594),
        (45, LOSER, 50, 20_000, 150, 0),
        (55, LOSER_EXIT, 50, 19_000, 142, 1_425),
        (65, HELD, 10, 30_000, 45, 0),
    )
    decisions = {each.intent_id: each for each in _decisions()}
    orders = {each.intent_id: each for each in _orders()}
    return tuple(
        FillRow(
            sequence=sequence,
            session=orders[intent].session,
            at=decisions[intent].at + 150_000_000,
            executed_at=decisions[intent].at + 100_000_000,
            order_id=orders[intent].order_id,
            intent_id=intent,
            strategy=orders[intent].strategy,
            symbol=orders[intent].symbol,
            side=orders[intent].side,
            quantity=quantity,
            price=price,
            amount=quantity * price,
            fee=fee,
            tax=tax,
            market_price=decisions[intent].market_price,
        )
        for sequence, intent, quantity, price, fee, tax in rows
    )


def _trades() -> tuple[TradeRow, ...]:
    first = TradeRow(
        strategy=KMP, symbol=ONE, quantity=60, opened_at=at(FIRST, "09:30"),
        closed_at=at(FIRST, "11:00"), cost=600_000, proceeds=630_000, fees=184, tax=945,
        result=28_871, entry_intent=ENTRY, exit_intent=EXIT, exit_reason="target",
    )  # fmt: skip
    return (
        first,
        msgspec.structs.replace(
            first, quantity=40, closed_at=at(FIRST, "14:00"), cost=400_000, proceeds=396_000,
            fees=119, tax=594, result=-4_713, exit_intent=SECOND_EXIT, exit_reason="stop",
        ),
        msgspec.structs.replace(
            first, symbol=TWO, quantity=50, opened_at=at(SECOND, "09:40"),
            closed_at=at(SECOND, "10:40"), cost=1_000_000, proceeds=950_000, fees=292, tax=1_425,
            result=-51_717, entry_intent=LOSER, exit_intent=LOSER_EXIT, exit_reason="stop",
        ),
        msgspec.structs.replace(
            first, strategy=NULRIMOK, symbol=THREE, quantity=10, opened_at=at(SECOND, "13:00"),
            closed_at=0, cost=300_000, proceeds=310_000, fees=45, tax=0, result=9_955,
            entry_intent=HELD, exit_intent=None, exit_reason="",
        ),
    )  # fmt: skip
