"""Sets up the directory of a demo: what can be wrong is found before anything is made."""

from __future__ import annotations

import socket
import sys
from datetime import date
from pathlib import Path
from typing import Final

import msgspec

from bus import code_version, free_ports
from deploy import run_configuration
from deploy.calendar_input import parse_day, session_of
from deploy.configuration import SHIPPED
from deploy.credentials import demo_credentials
from deploy.data_directory import (
    LAYOUT,
    RUNS,
    DataDirectory,
    Manifest,
    Ports,
    new_run,
    point_latest_at,
)
from deploy.errors import BarsMissing, PortInUse
from deploy.processors import require_known
from deploy.simulated_broker import market_of
from deploy.supervisor import ServiceSpec
from events import AccountId, StrategyId
from events.calendar import TradingSession
from kis_gateway import StrategyUniverse
from kis_gateway.simulator.market import Market, MarketError

ACCOUNT: Final = AccountId("demo")
DEFAULT_DAY: Final = date(2025, 9, 15)
SEED: Final = 7

_GENERATED: Final = 20
"""Symbols of a generated market."""

_RECORDED: Final = 40
"""Symbols of recorded bars: as many as subscriptions, and one that is back-filled."""

_LEAD: Final = 20 * 60 * 1_000_000_000
"""The run begins this long before the open (ns): the gateway asks the broker for every symbol's
terms and history first, at about one call a second."""


class DemoRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line."""

    bars: Path | None = None
    date: str | None = None
    symbols: int | None = None
    strategies: tuple[str, ...] = ("kmp",)
    speed: float = 200.0
    data_dir: Path | None = None


def set_up(request: DemoRequest) -> tuple[DataDirectory, TradingSession]:
    """Make the directory of the run that was asked for.

    Raises:
        DeployError: something about the request is wrong; nothing was made.
    """
    require_known(request.strategies or ("",))
    session = session_of(DEFAULT_DAY if request.date is None else parse_day(request.date))
    configuration = run_configuration.read(SHIPPED)
    manifest = Manifest(
        layout=LAYOUT,
        account=ACCOUNT,
        trading_date=session.trading_date,
        start=session.open_at - _LEAD,
        speed=request.speed,
        bars=None if request.bars is None else str(request.bars.resolve()),
        seed=SEED,
        symbols=request.symbols or (_GENERATED if request.bars is None else _RECORDED),
        strategies=request.strategies,
        code_version=code_version(),
        ports=_free_ports(),
    )
    market = _market(manifest, request.bars)
    universes = _universes(market, manifest, configuration)
    path = request.data_dir or new_run(RUNS, session.trading_date)
    directory = DataDirectory.create(path.resolve(), manifest)
    run_configuration.write_all(directory, configuration, universes)
    if request.data_dir is None:
        point_latest_at(path)
    return directory, session


def services(directory: DataDirectory) -> list[ServiceSpec]:
    """Return the services of a demo in the order in which they start.

    The broker's secrets are made here and live in the environments of simulator and gateway only.
    """
    secrets = demo_credentials()
    manifest = directory.manifest
    # They end the other way round: the gateway before those who decide on what it wrote last.
    names = ("nats", "postgres", "simulator", "risk", "guard", *manifest.strategies, "gateway")
    return [
        ServiceSpec(
            name=name,
            command=(
                sys.executable, "-m", "deploy", "service", name,
                "--data-dir", str(directory.path),
            ),
            log=directory.log_file(name),
            environment=secrets if name in {"simulator", "gateway"} else {},
            clears=(
                directory.progress(name),
                *((directory.database_address,) if name == "postgres" else ()),
            ),
            # A simulator started again would be another exchange, without our orders.
            restartable=name != "simulator",
        )
        for name in (*names, "projector", "auditor")
    ]  # fmt: skip


def require_free(ports: Ports) -> None:
    """Check that nobody listens on the ports of a run.

    Raises:
        PortInUse: somebody does.
    """
    for name, port in msgspec.structs.asdict(ports).items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise PortInUse(name, port) from error


def _market(manifest: Manifest, bars: Path | None) -> Market:
    try:
        return market_of(manifest)
    except MarketError as error:
        if bars is None:
            raise
        raise BarsMissing(bars, str(error)) from error


def _universes(
    market: Market, manifest: Manifest, configuration: run_configuration.RunConfiguration
) -> list[StrategyUniverse]:
    """Let every strategy trade every symbol that the market lists."""
    symbols = tuple(listing.symbol for listing in market.listings)
    return [
        StrategyUniverse(
            strategy=StrategyId(getattr(configuration, name).id),
            symbols=symbols,
            sectors={symbol: market.sectors[symbol] for symbol in symbols},
            source="demo: every symbol of the simulated market",
        )
        for name in manifest.strategies
    ]


def _free_ports() -> Ports:
    names = Ports.__struct_fields__
    return Ports(**dict(zip(names, free_ports(len(names)), strict=True)))
