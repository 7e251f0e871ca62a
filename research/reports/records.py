"""The rows that a page carries for its list: trades, orders, decisions, fills, linked by place.

What always holds: a listed trade brings its whole chain along, every link is a place in another
table or -1, and what did not fit is counted, so the page can say so. Times are microseconds UTC:
a browser's numbers hold these exactly, nanoseconds they do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from events import IntentId, OrderId
from research.backtest.results import BacktestResult, DecisionRow, FillRow, OrderRow, TradeRow

TRADES: Final = 50_000
"""Rows of trades on a page, at most."""

OTHERS: Final = 20_000
"""Decisions on a page beside those of its trades, at most."""

Columns = dict[str, list[Any]]


class LeftOut(NamedTuple):
    """How many rows of a table there are, and how many are not on the page."""

    what: str
    of: int
    missing: int


class Records(NamedTuple):
    """Tables by name, each as columns of one length, and what they lack."""

    tables: Mapping[str, Columns]
    left_out: tuple[LeftOut, ...]


def records(result: BacktestResult, *, trades: int = TRADES, others: int = OTHERS) -> Records:
    """Return the rows of a page: the newest ``trades``, their chains, the newest ``others``."""
    listed = sorted(result.trades, key=_recency)[-trades:] if trades else []
    wanted = {each.entry_intent for each in listed} | {each.exit_intent for each in listed}
    ordered = {each.intent_id for each in result.orders}
    rest = [each for each in result.decisions if each.intent_id not in wanted]
    # An intent that became an order tells more than one that was refused.
    rest.sort(key=lambda each: (each.intent_id in ordered, each.sequence))
    chosen = wanted | {each.intent_id for each in rest[-others:] if others}
    decisions = [each for each in result.decisions if each.intent_id in chosen]
    known = {each.intent_id for each in result.decisions}
    orders = [
        each
        for each in result.orders
        if each.intent_id in chosen or (each.intent_id not in known and len(rest) <= others)
    ]
    listed_orders = {each.order_id for each in orders}
    fills = [each for each in result.fills if each.order_id in listed_orders]
    return Records(
        tables=_linked(listed, decisions, orders, fills),
        left_out=tuple(
            LeftOut(what, len(every), len(every) - len(kept))
            for what, every, kept in (
                ("trades", result.trades, listed),
                ("orders", result.orders, orders),
                ("decisions", result.decisions, decisions),
            )
            if len(kept) < len(every)
        ),
    )


def _recency(trade: TradeRow) -> tuple[bool, int, int]:
    return (not trade.closed_at, trade.closed_at, trade.opened_at)


def _linked(
    trades: Sequence[TradeRow],
    decisions: Sequence[DecisionRow],
    orders: Sequence[OrderRow],
    fills: Sequence[FillRow],
) -> dict[str, Columns]:
    decided: dict[IntentId | None, int] = {
        each.intent_id: place for place, each in enumerate(decisions)
    }
    ordered: dict[OrderId, int] = {each.order_id: place for place, each in enumerate(orders)}
    return {
        "trades": _columns(sorted(trades, key=lambda each: each.opened_at), {
            "strategy": lambda row: row.strategy,
            "symbol": lambda row: row.symbol,
            "quantity": lambda row: row.quantity,
            "opened": lambda row: row.opened_at // 1_000,
            "closed": lambda row: row.closed_at // 1_000,
            "cost": lambda row: row.cost,
            "proceeds": lambda row: row.proceeds,
            "fees": lambda row: row.fees,
            "tax": lambda row: row.tax,
            "result": lambda row: row.result,
            "entry": lambda row: decided.get(row.entry_intent, -1),
            "exit": lambda row: decided.get(row.exit_intent, -1),
            "reason": lambda row: row.exit_reason,
        }),
        "decisions": _columns(decisions, {
            "id": lambda row: row.intent_id,
            "sequence": lambda row: row.sequence,
            "at": lambda row: row.at // 1_000,
            "strategy": lambda row: row.strategy,
            "symbol": lambda row: row.symbol,
            "kind": lambda row: row.kind.value,
            "reason": lambda row: row.reason,
            "requested": lambda row: row.requested,
            "allowed": lambda row: row.allowed,
            "outcome": lambda row: row.outcome,
            "check": lambda row: row.check,
            "market": lambda row: row.market_price,
        }),
        "orders": _columns(orders, {
            "id": lambda row: row.order_id,
            "sequence": lambda row: row.sequence,
            "decision": lambda row: decided.get(row.intent_id, -1),
            "strategy": lambda row: row.strategy,
            "symbol": lambda row: row.symbol,
            "side": lambda row: row.side.value,
            "quantity": lambda row: row.quantity,
            "limit": lambda row: row.limit_price,
            "submitted": lambda row: row.submitted_at // 1_000,
            "accepted": lambda row: row.accepted_at // 1_000,
            "ended": lambda row: row.ended_at // 1_000,
            "state": lambda row: row.state.value,
            "filled": lambda row: row.filled_quantity,
            "amount": lambda row: row.filled_amount,
            "reason": lambda row: row.reason,
        }),
        "fills": _columns(fills, {
            "order": lambda row: ordered[row.order_id],
            "sequence": lambda row: row.sequence,
            "at": lambda row: row.at // 1_000,
            "executed": lambda row: row.executed_at // 1_000,
            "quantity": lambda row: row.quantity,
            "price": lambda row: row.price,
            "amount": lambda row: row.amount,
            "fee": lambda row: row.fee,
            "tax": lambda row: row.tax,
            "market": lambda row: row.market_price,
        }),
    }  # fmt: skip


def _columns(rows: Iterable[Any], columns: Mapping[str, Callable[[Any], Any]]) -> Columns:
    listed = list(rows)
    return {name: [of(row) for row in listed] for name, of in columns.items()}
