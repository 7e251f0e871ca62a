"""Starts the services of drills by forking itself: a start costs a hundredth of a second.

Everything that a service imports is imported here once; the process has one thread and no event
loop, so that a fork of it is as good as a new interpreter. It is told on its standard input, one
JSON document per line, and says on its standard output what became of its children.
"""

from __future__ import annotations

import ctypes
import gc
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final

import msgspec

import kis_gateway
import kis_gateway.service
import projections
import projections.projector
from bus import Lease, Progress
from deploy import processors, service_bodies, services, simulated_broker
from deploy.data_directory import DataDirectory, Manifest, Ports
from kis_gateway import KisBroker
from kis_gateway.settings import Environment, from_environment
from kis_gateway.simulator import Environment as SimulatorEnvironment
from kis_gateway.simulator import SimulatorSettings
from kis_gateway.simulator.market import Market, SyntheticMarket
from tests.chaos import wrapped_ports
from tests.chaos.drill_trader import trader_from_session
from tests.chaos.steps import StepBoard

TRADER: Final = "drill"
TWIN: Final = "twin"
"""Name of a second gateway beside the first."""

_PR_SET_PDEATHSIG: Final = 1
_LEASE_SECONDS: Final = 1.5
"""Short, so that a paused gateway loses it within a drill."""

_TRADES_PER_BAR: Final = 20


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Which service to start. ``broken`` names the mistake that its router is to make."""

    service: str
    directory: str
    environment: dict[str, str]
    exchange: Ports
    broken: str = ""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A child has begun, or (with a status, negative for a signal) ended."""

    pid: int
    service: str = ""
    status: int | None = None


def main() -> None:
    """Serve until standard input ends."""
    _import_bodies()
    gc.collect()
    gc.freeze()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    _say(Note(pid=os.getpid()))
    buffer = b""
    while True:
        ready, _, _ = select.select([0, reading], [], [])
        if reading in ready:
            os.read(reading, 4_096)
            _reap()
        if 0 not in ready:
            continue
        data = os.read(0, 65_536)
        if not data:
            return
        *lines, buffer = (buffer + data).split(b"\n")
        for line in lines:
            _start(msgspec.json.decode(line, type=Start))


def _import_bodies() -> None:
    """Import what the services would import when they run."""
    import psycopg  # noqa: F401
    import uvloop  # noqa: F401

    import kis_gateway.client.account_proof
    import kis_gateway.client.redaction
    import kis_gateway.client.rest
    import kis_gateway.day.masters
    import kis_gateway.simulator  # noqa: F401

    processors.factory(processors.GATE)
    processors.factory(processors.GUARD)


def _say(note: Note) -> None:
    os.write(1, msgspec.json.encode(note) + b"\n")


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say(Note(pid=pid, status=os.waitstatus_to_exitcode(status)))


def _start(order: Start) -> None:
    parent = os.getpid()
    pid = os.fork()
    if pid:
        _say(Note(pid=pid, service=order.service))
        return
    status = 70
    try:
        _become_a_service(parent, order)
        status = _serve(order)
    except BaseException:  # noqa: BLE001 - a fork must never return into its parent's loop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _become_a_service(parent: int, order: Start) -> None:
    # PostgreSQL's service has a server of its own to stop; nothing else needs a last word.
    last_word = signal.SIGTERM if order.service == "postgres" else signal.SIGKILL
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, last_word)
    if os.getppid() != parent:
        os._exit(1)
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.update(order.environment)
    words = Path(order.directory) / "logs" / f"{order.service}.words"
    output = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.closerange(3, 256)


def _serve(order: Start) -> int:
    """Put the drilled ports where the service will look for its ports, and run it."""
    name = "gateway" if order.service == TWIN else order.service
    path = Path(order.directory)
    deaths = wrapped_ports.Deaths(name, StepBoard(path / "run" / "steps"))
    kind = wrapped_ports.EarlyLog if order.broken == "early" else wrapped_ports.DrilledLog
    _put(services, JetStreamLog=wrapped_ports.DrilledConnections(deaths, kind))
    match name:
        case "simulator":
            _put(services, find_run=partial(_at_the_exchange, order.exchange))
            settings = partial(_real_exchange, simulated_broker.simulator_settings)
            _put(simulated_broker, market_of=_market, simulator_settings=settings)
        case "gateway":
            _put(kis_gateway.service, Lease=partial(Lease, ttl_s=_LEASE_SECONDS))
            enabled = partial(
                from_environment, environment=Environment.REAL, real_account_enabled=True
            )
            broker = _broker(deaths, order.broken)
            _put(kis_gateway, KisBroker=broker, from_environment=enabled)
        case "projector":
            _put(projections.projector, Projector=wrapped_ports.drilled_projector(deaths))
        case "drill":
            body = partial(service_bodies._processor, factory=trader_from_session)
            service_bodies._BODIES["drill"] = service_bodies.Body(body, announces=True)
    if order.service == TWIN:
        _put(services, Progress=_beside)
    return services.run_service(name, path)


def _put(module: ModuleType, **values: object) -> None:
    """Replace names of a module in this process, which serves one service and nothing else."""
    for name, value in values.items():
        assert hasattr(module, name), f"{module.__name__} has no {name}: the drills are outdated"
        setattr(module, name, value)


def _broker(deaths: wrapped_ports.Deaths, broken: str) -> type[KisBroker]:
    broker = wrapped_ports.drilled_broker(deaths)
    match broken:
        case "resend":
            return wrapped_ports.resending(broker)
        case "early":
            return wrapped_ports.too_early(broker)
    return broker


def _beside(path: Path) -> Progress:
    return Progress(path.with_name(f"{TWIN}.progress"))


def _at_the_exchange(ports: Ports, path: Path) -> DataDirectory:
    """Open the run as the exchange sees it: at the far end of the line that drills cut."""
    directory = DataDirectory.open(path)
    manifest = msgspec.structs.replace(directory.manifest, ports=ports)
    return DataDirectory(directory.path, manifest)


def _market(manifest: Manifest) -> Market:
    day = simulated_broker.manifest_day(manifest)
    return SyntheticMarket(
        day, symbols=manifest.symbols, seed=manifest.seed, trades_per_bar=_TRADES_PER_BAR
    )


def _real_exchange(
    paper: Callable[[Manifest, Mapping[str, str]], SimulatorSettings],
    manifest: Manifest,
    environment: Mapping[str, str],
) -> SimulatorSettings:
    """Let the exchange be the real service: eighteen calls a second, not one."""
    settings = paper(manifest, environment)
    return msgspec.structs.replace(settings, environment=SimulatorEnvironment.REAL)


if __name__ == "__main__":
    main()
