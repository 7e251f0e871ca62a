"""``kst limits``: the limits in force, and their change at run time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from rich.table import Column, Table
from rich.text import Text

from deploy.controls.desk import Desk, Issued, open_desk, person, stated
from deploy.controls.in_force import InForce
from deploy.controls.showing import show_issued
from deploy.errors import ChangeUnreadable, LimitsNotTaken, SessionNotOpen
from deploy.terminal import console, print_json
from events.control import LimitsChanged
from risk import LimitInForce, RiskSettings, limits_listed, session_settings, validate_change


class LimitsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says: ``KEY=VALUE`` changes and keys to put back to the file's value.

    Without either the limits in force are listed.
    """

    changes: tuple[str, ...]
    resets: tuple[str, ...]
    reason: str
    by: str | None
    data_dir: Path | None


class LimitsResult(msgspec.Struct, frozen=True, kw_only=True):
    """The limits in force, after what was appended if anything was."""

    issued: Issued | None
    limits: tuple[LimitInForce, ...]


def limits_command(request: LimitsRequest, *, as_json: bool) -> int:
    """Show or change limits; the exit status is 1 when the gate has not read a change in time.

    Raises:
        ChangeUnreadable: a change is no ``KEY=VALUE``.
        SettingsError: the gate would refuse it.
        LimitsNotTaken: the gate refused it all the same.
    """
    result = asyncio.run(_limits(request))
    if as_json:
        print_json(result)
    else:
        if result.issued is not None:
            show_issued(result.issued)
        _show(result.limits)
    return 0 if result.issued is None or result.issued.obeyed_ms is not None else 1


async def _limits(request: LimitsRequest) -> LimitsResult:
    changes = _changes(request)
    async with open_desk(request.data_dir) as desk:
        state = await desk.in_force()
        settings = _settings(state)
        issued = None
        if changes:
            reason, by = stated(request.reason), person(request.by)
            validate_change(settings, state.limits, changes)
            issued = await _issue(
                desk, LimitsChanged(at=desk.now(), issued_by=by, reason=reason, changes=changes)
            )
            state = await desk.in_force()
        return LimitsResult(issued=issued, limits=limits_listed(settings, state.limits))


async def _issue(desk: Desk, event: LimitsChanged) -> Issued:
    issued = await desk.issue(event)
    refused = (await desk.in_force()).refused_limits.get(issued.sequence)
    if refused is not None:
        raise LimitsNotTaken(refused)
    return issued


def _settings(state: InForce) -> RiskSettings:
    if state.session is None:
        raise SessionNotOpen
    return session_settings(state.session)


def _changes(request: LimitsRequest) -> dict[str, int | float | str | None]:
    found: dict[str, int | float | str | None] = dict.fromkeys(request.resets)
    for text in request.changes:
        key, equals, value = text.partition("=")
        key, value = key.strip(), value.strip()
        # A key named twice has two values, and which was meant is not guessed.
        if not equals or not key or not value or key in found:
            raise ChangeUnreadable(text)
        found[key] = _value(value)
    return found


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text.replace("_", ""))
        except ValueError:
            continue
    return text


def _show(limits: tuple[LimitInForce, ...]) -> None:
    table = Table(Column("limit", overflow="fold"), "value", "unit", "from")
    for limit in limits:
        style = "bold" if limit.source == "override" else ""
        value = "off" if limit.value is None else str(limit.value)
        table.add_row(Text(limit.key, style), value, limit.unit, limit.source)
    console().print(table)
