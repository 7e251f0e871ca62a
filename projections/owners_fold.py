"""Shares that change hands without a trade, and money that changes without a share.

Drift gives ``_UNKNOWN_`` what broker and owners differ by, below zero when shares are missing; an
operator moves shares between owners; the broker's books correct what a fill had cost. What always
holds: what all owners have of a symbol adds up to what the broker has, and neither a finding nor a
reallocation earns anything.
"""

from __future__ import annotations

from events import UNKNOWN, control, trading
from events.calendar import kst
from events.trading import Side
from projections import control_fold
from projections.books_fold import (
    RESERVED,
    emptied,
    net_result,
    position_of,
    round_trip_ended,
)
from projections.read_model import ReadModel
from projections.rows import AllocationRow, FillRow, OrderRow, TradeRow
from projections.text import plain


def drift_detected(model: ReadModel, sequence: int, event: trading.DriftDetected) -> None:
    """Fold a difference between broker and owners: it belongs to ``_UNKNOWN_`` from here on."""
    row = position_of(model, event.symbol, event.at)
    row.frozen, row.drift = True, event.broker_quantity - event.allocated_quantity
    row.quantity, row.moved = event.broker_quantity, 0
    unknown = model.allocation(event.symbol, UNKNOWN)
    unknown.quantity = row.drift
    unknown.cost = row.drift * (row.last_price or 0)


def drift_cleared(model: ReadModel, sequence: int, event: trading.DriftCleared) -> None:
    """Fold the end of a difference: the broker has what strategies and account holder own."""
    row = position_of(model, event.symbol, event.at)
    row.frozen, row.drift = False, 0
    if model.allocations.get(event.symbol, UNKNOWN) is not None:
        unknown = model.allocation(event.symbol, UNKNOWN)
        unknown.quantity = unknown.cost = 0
    row.quantity, row.moved = _owned(model, event.symbol), 0


def _owned(model: ReadModel, symbol: str) -> int:
    return sum(row.quantity for row in model.allocations if row.symbol == symbol)


def reallocated(model: ReadModel, sequence: int, event: control.SharesReallocated) -> None:
    """Fold a change of owner: a round trip loses or gains shares, and nothing is earned."""
    source = model.allocation(event.symbol, event.source)
    whole = event.quantity >= source.quantity
    cost = source.cost if whole else source.cost * event.quantity // source.quantity
    source.quantity -= event.quantity
    source.cost -= cost
    _moved_away(model, source, event, cost)
    if source.quantity <= 0:
        emptied(source)
    target = model.allocation(event.symbol, event.target)
    if target.quantity == 0:
        target.entered_at = event.at
    target.quantity += event.quantity
    target.cost += event.cost
    if target.strategy not in RESERVED:
        _moved_in(model, target, event)
    elif target.quantity == 0:
        emptied(target)  # Shares that were missing are found missing from their owner.
    control_fold.action(model, sequence, event)


def _moved_away(
    model: ReadModel, row: AllocationRow, event: control.SharesReallocated, cost: int
) -> None:
    trade = None if row.trade_id is None else model.trades.get(row.trade_id)
    if trade is None:
        return
    trade.moved_quantity += event.quantity
    trade.moved_cost += cost
    trade.updated_at = event.at
    if row.quantity <= 0:
        trade.exit_reason = trade.exit_reason or plain(f"given to {event.target}: {event.reason}")
        round_trip_ended(model, trade, event.at)
    model.trades.put(trade)


def _moved_in(model: ReadModel, row: AllocationRow, event: control.SharesReallocated) -> None:
    if event.protective_stop is not None:
        row.protective_stop = event.protective_stop
    if event.hard_stop is not None:
        row.hard_stop = event.hard_stop
    trade = None if row.trade_id is None else model.trades.get(row.trade_id)
    if trade is None:
        stop = row.hard_stop if row.protective_stop is None else row.protective_stop
        trade = TradeRow(
            account=model.account,
            trade_id=event.identity,
            strategy=event.target,
            symbol=event.symbol,
            trading_date=model.trading_date,
            entry_reason=plain(f"taken from {event.source}: {event.reason}"),
            initial_stop=stop,
            entered_at=event.at,
            updated_at=event.at,
        )
        row.trade_id = trade.trade_id
        model.strategy_day(event.target).trades_opened += 1
    trade.entry_quantity += event.quantity
    trade.entry_amount += event.cost
    trade.updated_at = event.at
    model.trades.put(trade)


def fill_corrected(
    model: ReadModel, sequence: int, event: trading.FillCorrected, order: OrderRow | None
) -> None:
    """Fold what the broker's books add to the traded value, fee and tax of an order's fills.

    What a buy cost otherwise falls on the shares that its owner still has; with none left, and for
    a sale, it changes what was earned.
    """
    day, strategy_day = model.portfolio_day(), model.strategy_day(event.strategy)
    for each in (day, strategy_day):
        each.fees += event.fee
        each.tax += event.tax
    row = model.allocation(event.symbol, event.strategy)
    held = event.side is Side.BUY and row.quantity > 0
    trade_id = row.trade_id if held else None if order is None else order.trade_id
    trade = None if trade_id is None else model.trades.get(trade_id)
    if event.side is Side.BUY:
        day.bought_amount += event.amount
        strategy_day.bought_amount += event.amount
        gain = 0 if held else -event.amount
        row.cost += event.amount if held else 0
    else:
        day.sold_amount += event.amount
        strategy_day.sold_amount += event.amount
        gain = event.amount
    day.realized_gross += gain
    strategy_day.realized_gross += gain
    if trade is not None:
        _correct_trade(model, trade, event)
    model.fills.put(_correction_row(model, sequence, event, trade_id))


def _correct_trade(model: ReadModel, trade: TradeRow, event: trading.FillCorrected) -> None:
    won = net_result(trade) > 0
    if event.side is Side.BUY:
        trade.entry_amount += event.amount
        trade.entry_fee += event.fee
        if trade.status == "closed":
            trade.exit_cost += event.amount
    else:
        trade.exit_amount += event.amount
        trade.exit_fee += event.fee
        trade.exit_tax += event.tax
    trade.updated_at = event.at
    model.trades.put(trade)
    wins_now = net_result(trade) > 0
    if trade.closed_at is None or trade.exit_quantity == 0 or won == wins_now:
        return
    if f"{kst(trade.closed_at):%Y%m%d}" == model.trading_date:
        day = model.strategy_day(trade.strategy)
        day.wins += 1 if wins_now else -1
        day.losses += -1 if wins_now else 1


def _correction_row(
    model: ReadModel, sequence: int, event: trading.FillCorrected, trade_id: str | None
) -> FillRow:
    """Return a fill of no share, so that an order's fills sum up to what the broker says."""
    return FillRow(
        account=model.account,
        fill_id=event.identity,
        sequence=sequence,
        order_id=event.order_id,
        trading_date=model.trading_date,
        strategy=event.strategy,
        symbol=event.symbol,
        side=event.side.value,
        quantity=0,
        price=0,
        amount=event.amount,
        cumulative_quantity=event.quantity,
        fee=event.fee,
        tax=event.tax,
        source="correction",
        trade_id=trade_id,
        filled_at=event.at,
    )
