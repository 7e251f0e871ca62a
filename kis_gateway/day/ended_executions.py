"""Ends the executions that an earlier session's router could not end any more.

What always holds: an execution is ended once, and only when every order begun for it is over.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from bus import AppendConflict, IdentityReused, Log, TimeSource, entry
from events import IntentId, codec
from events.trading import ExecutionEnded, IntentApproved, IntentModified
from kis_gateway.conditions import SERVICE
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.order_writer import OrderWriter


async def end_executions(log: Log, time: TimeSource, writer: OrderWriter) -> None:
    """Append ``ExecutionEnded`` for the intents of a session that nobody has ended.

    Raises:
        BusError: the log cannot be read or appended to.
    """
    by_intent: dict[IntentId, list[Order]] = {}
    for order in writer.orders.all():
        if order.intent_id is not None and order.side is not None:
            by_intent.setdefault(order.intent_id, []).append(order)
    for intent_id, orders in by_intent.items():
        if (
            all(order.over for order in orders)
            and await log.last(f"trading.execution.{intent_id}") is None
        ):
            await _end(log, time, writer, intent_id, orders)


async def _end(
    log: Log, time: TimeSource, writer: OrderWriter, intent_id: IntentId, orders: Sequence[Order]
) -> None:
    decided = await log.last(f"trading.decision.{intent_id}")
    decision = None if decided is None else codec.decode(decided.payload)
    if not isinstance(decision, IntentApproved | IntentModified):
        return
    newest = writer.orders.record(orders[-1].order_id)
    side = orders[-1].side
    assert newest is not None  # it is one of the writer's orders
    assert side is not None  # orders that were never begun have been left out
    event = ExecutionEnded(
        at=time.now(),
        cause=newest.sequence,
        intent_id=intent_id,
        strategy=decision.strategy,
        symbol=decision.symbol,
        side=side,
        quantity=decision.quantity,
        filled_quantity=sum(order.filled_quantity for order in orders),
        orders=len(orders),
        reason="session_closed",
    )
    try:
        await log.append([entry(log.account, event)])
    except (AppendConflict, IdentityReused) as error:
        structlog.get_logger().info(
            "execution_ended_before", service=SERVICE, intent=intent_id, error=str(error)
        )
