"""``kst halt``, ``kst resume`` and ``kst flatten``: halts set and released by a person."""

from __future__ import annotations

import asyncio
import time as wall
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec
from rich.text import Text

from deploy.controls.desk import Desk, InForce, Issued, open_desk, person, running_runs, stated
from deploy.controls.showing import halt_name, show_halts, show_issued
from deploy.errors import HaltTargetMissing, NoSuchHalt, UnknownChoice
from deploy.terminal import console, print_json
from events import EXTERNAL, StrategyId, Symbol
from events.control import (
    EVERYTHING,
    Halt,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
)

_Choice = TypeVar("_Choice", bound=StrEnum)
_One = Callable[[Desk], Awaitable[Issued]]

_WIDE: Final = (HaltScope.ACCOUNT, HaltScope.ALL_HOSTS)
_LOOK_EVERY: Final = 0.2


class HaltRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. Empty ``data_dirs``: the run of the working directory."""

    scope: str
    target: str | None
    mode: str
    reason: str
    by: str | None
    data_dirs: tuple[Path, ...]
    trigger: str | None = None
    wait_s: float = 0.0


class HaltResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and which halts are in force afterwards on each run."""

    issued: tuple[Issued, ...]
    in_force: dict[str, tuple[Halt, ...]]


class FlattenResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and the shares in scope that are left when the wait was over."""

    issued: Issued
    left: dict[str, int]
    waited_s: float


def halt_command(request: HaltRequest, *, as_json: bool) -> int:
    """Set a halt; the exit status is 1 when a gate has not read it in time."""
    scope, target = _place(request)
    mode = _choice(HaltMode, "--mode", request.mode)
    reason, by = stated(request.reason), person(request.by)

    async def one(desk: Desk) -> Issued:
        return await desk.issue(
            HaltSet(
                at=desk.now(), issued_by=by, reason=reason, scope=scope, target=target, mode=mode
            )
        )

    return _shown(asyncio.run(_each(request, scope, one)), as_json=as_json)


def resume_command(request: HaltRequest, *, as_json: bool) -> int:
    """Release halts of a scope and target, or those of one trigger only."""
    scope, target = _place(request)
    trigger = (
        None if request.trigger is None else _choice(HaltTrigger, "--trigger", request.trigger)
    )
    reason, by = stated(request.reason), person(request.by)

    async def one(desk: Desk) -> Issued:
        halts = (await desk.in_force()).halted()
        if not any(_matches(halt, scope, target, trigger) for halt in halts):
            raise NoSuchHalt(f"{scope} {target}", [halt_name(halt) for halt in halts])
        return await desk.issue(
            HaltReleased(
                at=desk.now(),
                issued_by=by,
                reason=reason,
                scope=scope,
                target=target,
                trigger=trigger,
            )
        )

    return _shown(asyncio.run(_each(request, scope, one)), as_json=as_json)


def flatten_command(request: HaltRequest, *, as_json: bool) -> int:
    """Set a flattening halt and watch the positions go; 1 when shares are left after the wait."""
    scope, target = _place(request)
    result = asyncio.run(_flatten(request, scope, target))
    if as_json:
        print_json(result)
    else:
        out = console()
        show_issued(result.issued)
        left = ", ".join(f"{symbol} {shares:,}" for symbol, shares in result.left.items())
        out.print(
            Text(f"still held: {left}; the guard goes on selling", style="yellow")
            if left
            else Text("nothing is held in this scope", style="green")
        )
        out.print(Text("entries stay closed until: kst resume", style="dim"))
    return 0 if result.issued.obeyed_ms is not None and not result.left else 1


async def _flatten(request: HaltRequest, scope: HaltScope, target: str) -> FlattenResult:
    reason, by = stated(request.reason), person(request.by)
    data_dir = request.data_dirs[0] if request.data_dirs else None
    async with open_desk(data_dir) as desk:
        issued = await desk.issue(
            HaltSet(
                at=desk.now(),
                issued_by=by,
                reason=reason,
                scope=scope,
                target=target,
                mode=HaltMode.FLATTEN,
            )
        )
        begun = wall.monotonic()
        left = _left(await desk.in_force(), scope, target)
        with console().status("selling") as status:
            while left and wall.monotonic() - begun < request.wait_s:
                status.update(f"selling: {len(left)} symbols, {sum(left.values()):,} shares left")
                await asyncio.sleep(_LOOK_EVERY)
                left = _left(await desk.in_force(), scope, target)
        return FlattenResult(issued=issued, left=left, waited_s=wall.monotonic() - begun)


def _left(state: InForce, scope: HaltScope, target: str) -> dict[str, int]:
    """Return the shares in scope that are still held, the account holder's own left out."""
    left: dict[str, int] = {}
    for (owner, symbol), allocation in state.owners.allocations.items():
        concerned = scope in _WIDE or target == (owner if scope is HaltScope.STRATEGY else symbol)
        if owner != EXTERNAL and concerned and allocation.quantity > 0:
            left[symbol] = left.get(symbol, 0) + allocation.quantity
    return left


async def _each(request: HaltRequest, scope: HaltScope, one: _One) -> HaltResult:
    paths: tuple[Path | None, ...] = request.data_dirs or (None,)
    if scope is HaltScope.ALL_HOSTS:
        paths = running_runs(request.data_dirs)
    issued: list[Issued] = []
    in_force: dict[str, tuple[Halt, ...]] = {}
    for path in paths:
        async with open_desk(path) as desk:
            issued.append(await one(desk))
            in_force[str(desk.directory.path)] = (await desk.in_force()).halted()
    return HaltResult(issued=tuple(issued), in_force=in_force)


def _place(request: HaltRequest) -> tuple[HaltScope, str]:
    scope = _choice(HaltScope, "--scope", request.scope)
    if scope in _WIDE:
        return scope, EVERYTHING
    if not request.target:
        raise HaltTargetMissing(scope)
    target = request.target.strip()
    return scope, (
        StrategyId(target.upper()) if scope is HaltScope.STRATEGY else Symbol(target.upper())
    )


def _choice(kind: type[_Choice], option: str, text: str) -> _Choice:
    words = {member.value.replace("_", "-"): member for member in kind}
    found = words.get(text.strip().lower().replace("_", "-"))
    if found is None:
        raise UnknownChoice(option, text, tuple(words))
    return found


def _matches(halt: Halt, scope: HaltScope, target: str, trigger: HaltTrigger | None) -> bool:
    return (halt.scope, halt.target) == (scope, target) and trigger in (None, halt.trigger)


def _shown(result: HaltResult, *, as_json: bool) -> int:
    if as_json:
        print_json(result)
    else:
        for issued in result.issued:
            show_issued(issued)
        for path, halts in result.in_force.items():
            show_halts(path, halts)
    return 0 if all(each.obeyed_ms is not None for each in result.issued) else 1
