"""``kst presence``: the operator's host says that it is there, and its silence closes entries.

Run it on the host from which the system is watched. While it runs it writes ``OperatorPresent`` to
the log; when the host, the link or this command dies, the gate halts entries after the time-out.
An orderly end (Ctrl-C) announces the leave and ends the watch.
"""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import msgspec
from rich.text import Text

from bus import BusError, entry
from deploy.controls.desk import Desk, open_desk, person
from deploy.data_directory import is_running
from deploy.errors import NotRunning, PresenceTooSlow
from deploy.terminal import console
from events.control import OperatorPresent
from events.identifiers import require_token

_LOOK_EVERY: Final = 1.0
"""Wall seconds between looks whether the run still goes."""


class PresenceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line says. Seconds are the run's; ``link`` names the watching host."""

    link: str
    timeout_s: int
    every_s: float
    by: str | None
    data_dir: Path | None


def presence_command(request: PresenceRequest) -> int:
    """Be present until told to end.

    Raises:
        PresenceTooSlow: fewer than two signs of life fit into the time-out.
        InvalidIdentifier: the link's name is no token.
        NotRunning: no run is going, or it has ended meanwhile.
    """
    require_token("link", request.link)
    if request.every_s * 2 > request.timeout_s:
        raise PresenceTooSlow(request.every_s, request.timeout_s)
    asyncio.run(_be_present(request))
    return 0


async def _be_present(request: PresenceRequest) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with open_desk(request.data_dir) as desk:
        with console().status(f"present as {request.link}; Ctrl-C leaves in an orderly way"):
            parts = [
                asyncio.ensure_future(part)
                for part in (_give_signs(desk, request), stop.wait(), _until_ended(desk))
            ]
            try:
                await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for part in parts:
                    part.cancel()
                outcomes = await asyncio.gather(*parts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        await _say(desk, request, 0, "leaves")
    console().print(Text("left; the gate no longer watches this link", style="green"))


async def _give_signs(desk: Desk, request: PresenceRequest) -> None:
    """Give signs of life for ever; one that fails is told, the next may succeed in time."""
    while True:
        try:
            await _say(desk, request, request.timeout_s, "present")
        except BusError as error:
            console().print(Text(f"this sign of life may not have arrived: {error}", style="red"))
        await desk.sleep(request.every_s)


async def _until_ended(desk: Desk) -> None:
    """Watch the run.

    Raises:
        NotRunning: it has ended, and its clock stands still.
    """
    while is_running(desk.directory):
        await asyncio.sleep(_LOOK_EVERY)
    raise NotRunning(desk.directory.path)


async def _say(desk: Desk, request: PresenceRequest, timeout_s: int, reason: str) -> None:
    event = OperatorPresent(
        at=desk.now(),
        issued_by=person(request.by),
        reason=reason,
        link=request.link,
        timeout_s=timeout_s,
    )
    await desk.log.append([entry(desk.log.account, event)])
