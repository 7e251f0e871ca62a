"""``kst presence``: the operator's host says that it is there, and its silence closes entries.

Run it on the host from which the system is watched. While it runs it writes ``OperatorPresent`` to
the log; when the host, the link or this command dies, the gate halts entries after the time-out.
An orderly end (Ctrl-C) announces the leave and ends the watch.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import msgspec
from rich.text import Text

from bus import entry
from deploy.controls.desk import Desk, open_desk, person
from deploy.errors import PresenceTooSlow
from deploy.terminal import console
from events.control import OperatorPresent
from events.identifiers import require_token


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
        with console().status("present; Ctrl-C leaves in an orderly way"):
            while not stop.is_set():
                await _say(desk, request, request.timeout_s, "present")
                waiting = asyncio.ensure_future(desk.sleep(request.every_s))
                leaving = asyncio.ensure_future(stop.wait())
                await asyncio.wait((waiting, leaving), return_when=asyncio.FIRST_COMPLETED)
                for task in (waiting, leaving):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
        await _say(desk, request, 0, "leaves")
    console().print(Text("left; the gate no longer watches this link", style="green"))


async def _say(desk: Desk, request: PresenceRequest, timeout_s: int, reason: str) -> None:
    event = OperatorPresent(
        at=desk.now(),
        issued_by=person(request.by),
        reason=reason,
        link=request.link,
        timeout_s=timeout_s,
    )
    await desk.log.append([entry(desk.log.account, event)])
