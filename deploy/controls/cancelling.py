"""``kst cancel``: withdraw working orders by hand, and see them gone.

The gate has no part in it: the router reads the request, cancels what works and ends what would
order anew, and the broker's proof ends the order on the log. The request is appended also when
nothing is seen to match, for an order may just be leaving; what it concerned is said.
"""

from __future__ import annotations

import asyncio
import time as wall
from pathlib import Path
from typing import Final

import msgspec
from rich.text import Text

from deploy.controls.desk import Issued, open_desk, person, stated
from deploy.controls.showing import show_issued
from deploy.errors import NothingNamed
from deploy.terminal import console, print_json
from events import OrderId, StrategyId, Symbol
from events.control import CancelRequested

_LOOK_EVERY: Final = 0.1


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says; ``everything`` is needed when nothing narrows the request."""

    order_id: str | None
    symbol: str | None
    strategy: str | None
    everything: bool
    reason: str
    by: str | None
    data_dir: Path | None
    wait_s: float


class CancelResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, what it concerned, and what of that still worked after the wait.

    ``others`` works too and was not concerned.
    """

    issued: Issued
    concerned: tuple[str, ...]
    working: tuple[str, ...]
    others: tuple[str, ...]


def cancel_command(request: CancelRequest, *, as_json: bool) -> int:
    """Ask for orders to be withdrawn; the exit status is 0 when some were and none is left.

    Raises:
        NothingNamed: neither an order, symbol or strategy was named nor everything.
    """
    if not (request.order_id or request.symbol or request.strategy or request.everything):
        raise NothingNamed
    result = asyncio.run(_cancel(request))
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 0 if result.concerned and not result.working else 1


async def _cancel(request: CancelRequest) -> CancelResult:
    reason, by = stated(request.reason), person(request.by)
    order = request.order_id.strip().upper() if request.order_id else None
    symbol = request.symbol.strip().upper() if request.symbol else None
    strategy = request.strategy.strip().upper() if request.strategy else None
    async with open_desk(request.data_dir) as desk:
        state = await desk.in_force()
        concerned = {item.name for item in state.matching(order, symbol, strategy)}
        issued = await desk.issue(
            CancelRequested(
                at=desk.now(),
                issued_by=by,
                reason=reason,
                order_id=OrderId(order) if order else None,
                symbol=Symbol(symbol) if symbol else None,
                strategy=StrategyId(strategy) if strategy else None,
            )
        )
        begun = wall.monotonic()
        while True:
            state = await desk.in_force()
            present = {item.name for item in state.matching(order, symbol, strategy)}
            concerned |= present
            if not present or wall.monotonic() - begun >= request.wait_s:
                break
            await asyncio.sleep(_LOOK_EVERY)
        others = {item.name for item in state.working()} - present
        return CancelResult(
            issued=issued,
            concerned=tuple(sorted(concerned)),
            working=tuple(sorted(present)),
            others=tuple(sorted(others)),
        )


def _show(result: CancelResult) -> None:
    out = console()
    show_issued(result.issued)
    if not result.concerned:
        out.print(Text("nothing that works matches: nothing was withdrawn", style="red"))
    gone = [name for name in result.concerned if name not in result.working]
    if gone:
        out.print(Text(f"over: {', '.join(gone)}", style="green"))
    if result.working:
        out.print(Text(f"still working: {', '.join(result.working)}", style="yellow"))
    if result.others:
        out.print(Text(f"not concerned and working: {', '.join(result.others)}", style="dim"))
