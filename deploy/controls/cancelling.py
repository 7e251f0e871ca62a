"""``kst cancel``: withdraw working orders by hand."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from deploy.controls.desk import Issued, open_desk, person, stated
from deploy.controls.showing import show_issued
from deploy.errors import NothingNamed
from deploy.terminal import print_json
from events import OrderId, StrategyId, Symbol
from events.control import CancelRequested


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; ``everything`` is needed when nothing narrows the request."""

    order_id: str | None
    symbol: str | None
    strategy: str | None
    everything: bool
    reason: str
    by: str | None
    data_dir: Path | None


def cancel_command(request: CancelRequest, *, as_json: bool) -> int:
    """Ask for orders to be withdrawn; the exit status is 1 when nobody has read it in time.

    Raises:
        NothingNamed: neither an order, symbol or strategy was named nor everything.
    """
    if not (request.order_id or request.symbol or request.strategy or request.everything):
        raise NothingNamed
    issued = asyncio.run(_cancel(request))
    if as_json:
        print_json(issued)
    else:
        show_issued(issued)
    return 0 if issued.obeyed_ms is not None else 1


async def _cancel(request: CancelRequest) -> Issued:
    reason, by = stated(request.reason), person(request.by)
    async with open_desk(request.data_dir) as desk:
        return await desk.issue(
            CancelRequested(
                at=desk.now(),
                issued_by=by,
                reason=reason,
                order_id=OrderId(request.order_id) if request.order_id else None,
                symbol=Symbol(request.symbol.upper()) if request.symbol else None,
                strategy=StrategyId(request.strategy.upper()) if request.strategy else None,
            )
        )
