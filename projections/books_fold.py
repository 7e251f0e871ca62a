"""The books as rows: whose the shares are, what round trips earned, what each day came to.

Allocations change by fills and opening books here, and without a trade in ``owners_fold``. Cost is
removed from an allocation in proportion to the shares sold, rounded down, and wholly with the last
share, so a closed round trip's cost of sales equals what was paid.
"""

from __future__ import annotations

from typing import Final

from events import EXTERNAL, UNKNOWN, market, trading
from events.trading import Side
from projections import control_fold
from projections.read_model import ReadModel
from projections.rows import AllocationRow, IntentRow, OrderRow, PositionRow, TradeRow

RESERVED: Final = frozenset({UNKNOWN, EXTERNAL})
"""Owners that are no strategies: what they own is no round trip."""


def session_opened(model: ReadModel, sequence: int, event: market.SessionOpened) -> None:
    """Fold the opening books: they are complete, what they do not list is not owned."""
    day = model.portfolio_day(event.trading_date)
    day.open_at, day.close_at = event.open_at, event.close_at
    day.opening_equity, day.opening_cash = event.equity, event.cash
    day.equity, day.cash, day.peak_equity = event.equity, event.cash, event.equity
    day.code_version = event.code_version
    model.session_opened()
    control_fold.session_opened(model, sequence, event)
    listed = {(entry.symbol, entry.strategy) for entry in event.allocations}
    for row in list(model.allocations):
        if row.quantity != 0 and (row.symbol, row.strategy) not in listed:
            _vanished(model, row, event.at)
    for entry in event.allocations:
        row = model.allocation(entry.symbol, entry.strategy)
        if row.quantity == 0 and entry.quantity > 0:
            row.entered_at = event.at
            if entry.strategy not in RESERVED:
                _carried(model, row, entry, event)
        row.quantity, row.cost = entry.quantity, entry.cost
        row.protective_stop, row.hard_stop = entry.protective_stop, entry.hard_stop


def _carried(
    model: ReadModel,
    row: AllocationRow,
    entry: market.OpeningAllocation,
    event: market.SessionOpened,
) -> None:
    """Open the round trip of shares that a strategy owned before this log began."""
    trade = TradeRow(
        account=model.account,
        trade_id=f"{event.trading_date}-{entry.strategy}-{entry.symbol}-carried",
        strategy=entry.strategy,
        symbol=entry.symbol,
        trading_date=event.trading_date,
        entry_reason="carried into the session",
        entry_quantity=entry.quantity,
        entry_amount=entry.cost,
        entered_at=event.at,
        updated_at=event.at,
    )
    row.trade_id = trade.trade_id
    model.trades.put(trade)
    model.strategy_day(entry.strategy).trades_opened += 1


def _vanished(model: ReadModel, row: AllocationRow, at: int) -> None:
    if row.trade_id is not None and (trade := model.trades.get(row.trade_id)) is not None:
        trade.status, trade.closed_at, trade.updated_at = "closed", at, at
        trade.exit_reason = "absent from the opening books"
        model.trades.put(trade)
    emptied(row)
    row.quantity, row.updated_at = 0, at
    model.allocations.put(row)


def emptied(row: AllocationRow) -> None:
    """Take everything off an allocation that goes with its last share."""
    row.cost, row.trade_id, row.entry_intent_id, row.entered_at = 0, None, None, None
    row.protective_stop = row.hard_stop = None


def shares_changed_hands(
    model: ReadModel, event: trading.OrderFilled, order: OrderRow | None
) -> str | None:
    """Book a fill; return the round trip it belongs to, ``None`` for shares of no strategy."""
    position = model.positions.get(event.symbol)
    if position is not None:
        position.moved += event.quantity if event.side is Side.BUY else -event.quantity
        model.positions.put(position)
    row = model.allocation(event.symbol, event.strategy)
    day, strategy_day = model.portfolio_day(), model.strategy_day(event.strategy)
    strategy_day.fills += 1
    strategy_day.fees += event.fee
    strategy_day.tax += event.tax
    day.fees += event.fee
    day.tax += event.tax
    if event.side is Side.BUY:
        strategy_day.bought_amount += event.amount
        day.bought_amount += event.amount
        return _bought(model, event, order, row)
    whole = event.quantity >= row.quantity
    cost = row.cost if whole else row.cost * event.quantity // row.quantity
    strategy_day.sold_amount += event.amount
    strategy_day.realized_gross += event.amount - cost
    day.sold_amount += event.amount
    day.realized_gross += event.amount - cost
    return _sold(model, event, order, row, cost)


def _bought(
    model: ReadModel, event: trading.OrderFilled, order: OrderRow | None, row: AllocationRow
) -> str | None:
    if row.trade_id is None:
        row.entered_at = event.at
        if order is not None:
            row.entry_intent_id = order.intent_id
            row.protective_stop, row.hard_stop = order.protective_stop, order.hard_stop
        if event.strategy not in RESERVED:
            row.trade_id = _entered(model, event, order).trade_id
    elif order is not None and order.intent_id != row.entry_intent_id:
        row.protective_stop = _higher(row.protective_stop, order.protective_stop)
        row.hard_stop = _higher(row.hard_stop, order.hard_stop)
    row.quantity += event.quantity
    row.cost += event.amount
    trade = None if row.trade_id is None else model.trades.get(row.trade_id)
    if trade is None:
        return None
    trade.entry_fills += 1
    trade.entry_quantity += event.quantity
    trade.entry_amount += event.amount
    trade.entry_fee += event.fee
    _marked(model, trade, event.price, event.at)
    return trade.trade_id


def _higher(one: int | None, other: int | None) -> int | None:
    """Return the higher of the stops that two entries brought."""
    return max((stop for stop in (one, other) if stop is not None), default=None)


def _entered(model: ReadModel, event: trading.OrderFilled, order: OrderRow | None) -> TradeRow:
    trade = TradeRow(
        account=model.account,
        trade_id=event.fill_id,
        strategy=event.strategy,
        symbol=event.symbol,
        trading_date=model.trading_date,
        entered_at=event.at,
        updated_at=event.at,
    )
    if order is not None:
        trade.entry_intent_id, trade.entry_reason = order.intent_id, order.reason
        stop = order.protective_stop
        trade.initial_stop = order.hard_stop if stop is None else stop
    model.strategy_day(event.strategy).trades_opened += 1
    return model.trades.put(trade)


def _sold(
    model: ReadModel,
    event: trading.OrderFilled,
    order: OrderRow | None,
    row: AllocationRow,
    cost: int,
) -> str | None:
    # More than the allocation can only be sold by mistake; it then shows as a negative quantity.
    row.quantity -= event.quantity
    row.cost -= cost
    trade = None if row.trade_id is None else model.trades.get(row.trade_id)
    if trade is not None:
        trade.exit_fills += 1
        trade.exit_quantity += event.quantity
        trade.exit_amount += event.amount
        trade.exit_cost += cost
        trade.exit_fee += event.fee
        trade.exit_tax += event.tax
        if order is not None:
            trade.exit_intent_id, trade.exit_reason = order.intent_id, order.reason
        _marked(model, trade, event.price, event.at)
        if row.quantity <= 0:
            round_trip_ended(model, trade, event.at)
    if row.quantity <= 0:
        emptied(row)
    return None if trade is None else trade.trade_id


def round_trip_ended(model: ReadModel, trade: TradeRow, at: int) -> None:
    """Close a round trip and count it, if anything of it was sold at all."""
    trade.status, trade.closed_at = "closed", at
    if trade.exit_quantity == 0:
        return
    day = model.strategy_day(trade.strategy)
    day.trades_closed += 1
    if net_result(trade) > 0:
        day.wins += 1
    else:
        day.losses += 1


def net_result(trade: TradeRow) -> int:
    """Return what a round trip earned so far, net of every fee and tax, won."""
    gross = trade.exit_amount - trade.exit_cost
    return gross - trade.entry_fee - trade.exit_fee - trade.exit_tax


def _marked(model: ReadModel, trade: TradeRow, price: int, at: int) -> None:
    trade.lowest_price = price if trade.lowest_price is None else min(trade.lowest_price, price)
    trade.highest_price = price if trade.highest_price is None else max(trade.highest_price, price)
    trade.updated_at = at
    model.trades.put(trade)


def stops_moved(model: ReadModel, intent: IntentRow) -> None:
    """Fold an approved change of stops; a price that the intent leaves open stays as it is."""
    row = model.allocations.get(intent.symbol, intent.strategy)
    if row is None or row.quantity <= 0:
        return
    if intent.protective_stop is not None:
        row.protective_stop = intent.protective_stop
    if intent.hard_stop is not None:
        row.hard_stop = intent.hard_stop
    row.updated_at = model.clock
    model.allocations.put(row)


def account_snapshot(model: ReadModel, sequence: int, event: trading.AccountSnapshot) -> None:
    """Fold what the broker holds: complete, so a symbol not listed is not held."""
    listed = {holding.symbol for holding in event.holdings}
    for row in list(model.positions):
        if row.symbol not in listed and (row.quantity != 0 or row.moved != 0):
            row.quantity = row.moved = row.sellable = row.cost = 0
            row.synced_at = event.at
            model.positions.put(row)
    exposure = cost = 0
    for holding in event.holdings:
        row = position_of(model, holding.symbol, event.at)
        row.quantity, row.moved = holding.quantity, 0
        row.sellable, row.cost = holding.sellable, holding.cost
        if holding.last_price > 0:
            row.last_price = holding.last_price
        exposure += holding.quantity * (row.last_price or 0)
        cost += holding.cost
    day = model.portfolio_day(event.trading_date)
    day.equity, day.cash = event.equity, event.cash
    if event.deposits:
        known = (*event.deposits, None, None, None)
        day.deposit_today, day.deposit_next, day.deposit_second_next = known[:3]
    day.gross_exposure, day.unrealized = exposure, exposure - cost
    day.peak_exposure = max(day.peak_exposure, exposure)
    day.positions = sum(holding.quantity > 0 for holding in event.holdings)
    day.peak_equity = max(
        event.equity, event.equity if day.peak_equity is None else day.peak_equity
    )
    day.max_drawdown = max(day.max_drawdown, day.peak_equity - event.equity)
    _mark_strategies(model, event.at)


def _mark_strategies(model: ReadModel, at: int) -> None:
    """Value what each strategy owns at the snapshot's prices."""
    exposures: dict[str, list[int]] = {}
    for row in model.allocations:
        if row.strategy in RESERVED:
            continue
        total = exposures.setdefault(row.strategy, [0, 0])
        position = model.positions.get(row.symbol)
        if row.quantity <= 0 or position is None or position.last_price is None:
            continue
        value = row.quantity * position.last_price
        total[0] += value
        total[1] += value - row.cost
        if row.trade_id is not None and (trade := model.trades.get(row.trade_id)) is not None:
            _marked(model, trade, position.last_price, at)
    for strategy, (exposure, unrealized) in exposures.items():
        known = model.strategy_days.get(model.trading_date, strategy)
        if exposure == 0 and (known is None or known.exposure == 0):
            continue
        day = model.strategy_day(strategy)
        day.exposure, day.unrealized = exposure, unrealized
        day.peak_exposure = max(day.peak_exposure, exposure)
        result = day.realized_gross - day.fees - day.tax + unrealized
        day.peak_pnl = max(day.peak_pnl, result)
        day.max_drawdown = max(day.max_drawdown, day.peak_pnl - result)


def position_of(model: ReadModel, symbol: str, at: int) -> PositionRow:
    """Return the broker's row of a symbol as of ``at``, marked as changed."""
    row = model.positions.get(symbol)
    if row is None:
        row = PositionRow(account=model.account, symbol=symbol, synced_at=at)
    row.synced_at = at
    return model.positions.put(row)
