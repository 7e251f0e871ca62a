"""``kst flatten``: everything that the strategies own is sold, and a person watches it go.

What always holds: a run counts as flat only when nothing in scope is held and nothing may still
trade there; the guard goes on selling whether anybody watches or not.
"""

from __future__ import annotations

import asyncio
import time as wall
from typing import Final

import msgspec
from rich.text import Text

from deploy.controls.desk import Desk, Issued
from deploy.controls.halting import (
    WIDE,
    HaltRequest,
    each_run,
    halt_event,
    is_stranger,
    place_of,
)
from deploy.controls.in_force import InForce
from deploy.controls.showing import show_failed, show_issued, show_stranger
from deploy.terminal import console, print_json
from events import EXTERNAL, StrategyId, Symbol
from events.control import HaltMode, HaltScope

_LOOK_EVERY: Final = 0.2


class Flattened(msgspec.Struct, frozen=True, kw_only=True):
    """One run's shares in scope that are left, and what still works, when the wait was over."""

    issued: Issued
    left: dict[str, int]
    working: tuple[str, ...]
    stranger: bool

    @property
    def flat(self) -> bool:
        """Whether nothing is held and nothing may still trade."""
        return self.issued.obeyed_ms is not None and not (self.left or self.working)


class FlattenResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of each run, by directory; ``failed`` says why others were not reached."""

    runs: dict[str, Flattened]
    failed: dict[str, str]


def flatten_command(request: HaltRequest, *, as_json: bool) -> int:
    """Set a flattening halt and watch the positions go; 1 when shares are left after the wait.

    Raises:
        HaltTargetMissing, HaltTargetUnused, UnknownChoice, ReasonMissing: nothing was appended.
    """
    scope, target = place_of(request)
    event = halt_event(request, scope, target, HaltMode.FLATTEN)

    async def one(desk: Desk) -> Flattened:
        issued = await desk.issue(event(desk.now()))
        if not as_json:
            show_issued(issued)
        return await _sold(desk, issued, request, scope, target)

    runs, failed = asyncio.run(each_run(request, scope, one))
    result = FlattenResult(runs=runs, failed=failed)
    if as_json:
        print_json(result)
    else:
        _show_flattened(result, target)
    return 0 if not failed and all(run.flat for run in runs.values()) else 1


async def _sold(
    desk: Desk, issued: Issued, request: HaltRequest, scope: HaltScope, target: str
) -> Flattened:
    """Watch a run until nothing in scope is held or works, or the wait is over."""
    begun = wall.monotonic()
    while True:
        state = await desk.in_force()
        left, working = _left(state, scope, target)
        if not (left or working) or wall.monotonic() - begun >= request.wait_s:
            return Flattened(
                issued=issued,
                left=left,
                working=working,
                stranger=is_stranger(state, scope, target),
            )
        await asyncio.sleep(_LOOK_EVERY)


def _left(state: InForce, scope: HaltScope, target: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the shares in scope still held, the account holder's own left out, and what works."""

    def concerned(owner: StrategyId, symbol: Symbol) -> bool:
        return scope in WIDE or target == (owner if scope is HaltScope.STRATEGY else symbol)

    left: dict[str, int] = {}
    for (owner, symbol), allocation in state.owners.allocations.items():
        if owner != EXTERNAL and concerned(owner, symbol) and allocation.quantity > 0:
            left[symbol] = left.get(symbol, 0) + allocation.quantity
    working = tuple(item.name for item in state.working() if concerned(item.strategy, item.symbol))
    return left, working


def _show_flattened(result: FlattenResult, target: str) -> None:
    out = console()
    for path, run in result.runs.items():
        show_stranger(target, stranger=run.stranger)
        held = ", ".join(f"{symbol} {shares:,}" for symbol, shares in run.left.items())
        if held:
            out.print(Text(f"{path}: still held: {held}; the guard goes on selling", "yellow"))
        if run.working:
            out.print(Text(f"{path}: still working: {', '.join(run.working)}", "yellow"))
        if run.flat:
            out.print(Text(f"{path}: nothing is held and nothing works in this scope", "green"))
    show_failed(result.failed)
    out.print(Text("entries stay closed until: kst resume", style="dim"))
