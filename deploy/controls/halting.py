"""``kst halt`` and ``kst resume``: halts set and released by a person.

What always holds: with scope ``all-hosts`` every run that is going is spoken to, and one that
cannot be reached keeps no other from being halted; it is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bus import BusError
from deploy.controls.desk import Desk, Issued, open_desk, person, running_runs, stated
from deploy.controls.in_force import InForce
from deploy.controls.showing import show_failed, show_halts, show_issued, show_stranger
from deploy.errors import (
    DeployError,
    HaltTargetMissing,
    HaltTargetUnused,
    NoSuchHalt,
    UnknownChoice,
)
from deploy.event_text import halt_place
from deploy.terminal import print_json
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
_Answer = TypeVar("_Answer")

WIDE: Final = (HaltScope.ACCOUNT, HaltScope.ALL_HOSTS)


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


class Halted(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended to one log, and what is in force there afterwards.

    ``stranger`` says that the run knows no strategy or symbol of the target's name.
    """

    issued: Issued
    halts: tuple[Halt, ...]
    stranger: bool


class HaltResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was appended, and which halts are in force afterwards on each run.

    ``failed`` maps runs that could not be spoken to to the reason.
    """

    issued: tuple[Issued, ...]
    in_force: dict[str, tuple[Halt, ...]]
    strangers: tuple[str, ...]
    failed: dict[str, str]


def halt_command(request: HaltRequest, *, as_json: bool) -> int:
    """Set a halt; the exit status is 1 when a gate has not read it in time or a run is not reached.

    Raises:
        HaltTargetMissing, HaltTargetUnused, UnknownChoice, ReasonMissing: nothing was appended.
    """
    scope, target = place_of(request)
    event = halt_event(request, scope, target, _choice(HaltMode, "--mode", request.mode))

    async def one(desk: Desk) -> Halted:
        issued = await desk.issue(event(desk.now()))
        state = await desk.in_force()
        return Halted(
            issued=issued, halts=state.halted(), stranger=is_stranger(state, scope, target)
        )

    return _shown(asyncio.run(each_run(request, scope, one)), target, as_json=as_json)


def resume_command(request: HaltRequest, *, as_json: bool) -> int:
    """Release halts of a scope and target, or those of one trigger only.

    Raises:
        NoSuchHalt: the run has none of the kind.
    """
    scope, target = place_of(request)
    trigger = (
        None if request.trigger is None else _choice(HaltTrigger, "--trigger", request.trigger)
    )
    reason, by = stated(request.reason), person(request.by)

    async def one(desk: Desk) -> Halted:
        halts = (await desk.in_force()).halted()
        if not any(_matches(halt, scope, target, trigger) for halt in halts):
            raise NoSuchHalt(_named(scope, target, trigger), [halt_place(halt) for halt in halts])
        issued = await desk.issue(
            HaltReleased(
                at=desk.now(),
                issued_by=by,
                reason=reason,
                scope=scope,
                target=target,
                trigger=trigger,
            )
        )
        state = await desk.in_force()
        return Halted(issued=issued, halts=state.halted(), stranger=False)

    return _shown(asyncio.run(each_run(request, scope, one)), target, as_json=as_json)


def halt_event(
    request: HaltRequest, scope: HaltScope, target: str, mode: HaltMode
) -> Callable[[int], HaltSet]:
    """Return what makes the event of a halt for an instant (ns UTC).

    Raises:
        ReasonMissing: it is not said why.
    """
    reason, by = stated(request.reason), person(request.by)
    return lambda at: HaltSet(
        at=at, issued_by=by, reason=reason, scope=scope, target=target, mode=mode
    )


def is_stranger(state: InForce, scope: HaltScope, target: str) -> bool:
    """Return whether a run knows no strategy or symbol of the target's name."""
    if scope is HaltScope.STRATEGY:
        return target not in state.strategies
    return scope is HaltScope.SYMBOL and target not in state.symbols


async def each_run(
    request: HaltRequest, scope: HaltScope, one: Callable[[Desk], Awaitable[_Answer]]
) -> tuple[dict[str, _Answer], dict[str, str]]:
    """Speak to every run concerned at once; return the answers, and why others gave none.

    A single run that cannot be spoken to is an error.
    """
    paths: tuple[Path | None, ...] = request.data_dirs or (None,)
    if scope is HaltScope.ALL_HOSTS:
        paths = running_runs(request.data_dirs)

    async def speak(path: Path | None) -> tuple[str, _Answer]:
        async with open_desk(path) as desk:
            return str(desk.directory.path), await one(desk)

    results = await asyncio.gather(*(speak(path) for path in paths), return_exceptions=True)
    answers: dict[str, _Answer] = {}
    failed: dict[str, str] = {}
    for path, result in zip(paths, results, strict=True):
        if not isinstance(result, BaseException):
            answers[result[0]] = result[1]
        elif len(paths) == 1 or not isinstance(result, DeployError | BusError):
            raise result
        else:
            failed[str(path)] = str(result)
    return answers, failed


def place_of(request: HaltRequest) -> tuple[HaltScope, str]:
    """Return what a request concerns.

    Raises:
        UnknownChoice: there is no such scope.
        HaltTargetMissing, HaltTargetUnused: target and scope do not go together.
    """
    scope = _choice(HaltScope, "--scope", request.scope)
    target = (request.target or "").strip().upper()
    if scope in WIDE:
        if target:
            raise HaltTargetUnused(scope.replace("_", "-"), target)
        return scope, EVERYTHING
    if not target:
        raise HaltTargetMissing(scope)
    return scope, target


def _named(scope: HaltScope, target: str, trigger: HaltTrigger | None) -> str:
    place = scope.replace("_", " ") + ("" if target == EVERYTHING else f" {target}")
    return place if trigger is None else f"{place} ({trigger.replace('_', ' ')})"


def _choice(kind: type[_Choice], option: str, text: str) -> _Choice:
    words = {member.value.replace("_", "-"): member for member in kind}
    found = words.get(text.strip().lower().replace("_", "-"))
    if found is None:
        raise UnknownChoice(option, text, tuple(words))
    return found


def _matches(halt: Halt, scope: HaltScope, target: str, trigger: HaltTrigger | None) -> bool:
    return (halt.scope, halt.target) == (scope, target) and trigger in (None, halt.trigger)


def _shown(answer: tuple[dict[str, Halted], dict[str, str]], target: str, *, as_json: bool) -> int:
    runs, failed = answer
    if as_json:
        print_json(
            HaltResult(
                issued=tuple(run.issued for run in runs.values()),
                in_force={path: run.halts for path, run in runs.items()},
                strangers=tuple(path for path, run in runs.items() if run.stranger),
                failed=failed,
            )
        )
    else:
        for path, run in runs.items():
            show_issued(run.issued)
            show_stranger(target, stranger=run.stranger)
            show_halts(path, run.halts)
        show_failed(failed)
    obeyed = all(run.issued.obeyed_ms is not None for run in runs.values())
    return 0 if obeyed and not failed else 1
