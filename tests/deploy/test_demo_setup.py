"""Setting up a run: what its directory holds, where secrets are, and what makes it start over."""

from __future__ import annotations

import socket
from pathlib import Path

import msgspec
import pytest

from deploy import run_configuration
from deploy.configuration import SHIPPED
from deploy.data_directory import DataDirectory
from deploy.demo_setup import DemoRequest, require_free, services, set_up
from deploy.errors import PortInUse
from events import TradingDate
from kis_gateway.settings import APP_SECRET_VARIABLE


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    """Return the directory of a small synthetic demo that was not started."""
    return set_up(DemoRequest(symbols=6, data_dir=tmp_path / "run"))[0]


def test_a_run_begins_twenty_minutes_before_the_open(directory: DataDirectory) -> None:
    """08:40 KST of 2025-09-15; the gateway prepares the day in that time."""
    manifest = directory.manifest
    assert manifest.trading_date == TradingDate("20250915")
    assert manifest.start == 1_757_893_200 * 1_000_000_000


def test_the_configuration_of_a_run_reads_back_as_what_was_shipped(
    directory: DataDirectory,
) -> None:
    """Written with every default, read by the same schemas, equal."""
    shipped = run_configuration.read(SHIPPED)
    assert run_configuration.read(directory.path / "config") == shipped
    assert sorted(shipped.session_texts()) == ["gateway", "kmp", "oms"]


def test_every_strategy_may_trade_every_symbol_of_the_market(directory: DataDirectory) -> None:
    """Six symbols, each with a sector."""
    (universe,) = run_configuration.read_universe(directory)
    assert universe.strategy == "KMP"
    assert len(universe.symbols) == len(universe.sectors) == 6


def test_secrets_reach_simulator_and_gateway_only_and_no_file(directory: DataDirectory) -> None:
    """They travel in the environment; nothing in the directory or on a command line holds them."""
    specs = {spec.name: spec for spec in services(directory)}
    assert {name for name, spec in specs.items() if spec.environment} == {"simulator", "gateway"}
    secrets = set(specs["gateway"].environment.values())
    assert secrets == set(specs["simulator"].environment.values())
    written = b"".join(f.read_bytes() for f in directory.path.rglob("*") if f.is_file())
    commands = " ".join(" ".join(spec.command) for spec in specs.values())
    assert len(specs["gateway"].environment[APP_SECRET_VARIABLE]) == 180
    assert not any(secret.encode() in written or secret in commands for secret in secrets)


def test_only_the_exchange_cannot_be_started_again(directory: DataDirectory) -> None:
    """All others recover from the log."""
    assert [spec.name for spec in services(directory) if not spec.restartable] == ["simulator"]


def test_the_log_starts_first_and_so_stops_last(directory: DataDirectory) -> None:
    """Services stop in the reverse order of their start: who decides outlives who writes."""
    assert [spec.name for spec in services(directory)] == [
        "nats",
        "postgres",
        "simulator",
        "risk",
        "guard",
        "kmp",
        "gateway",
        "projector",
        "auditor",
    ]


def test_a_taken_port_is_found_before_anything_starts(directory: DataDirectory) -> None:
    """The error names service and port."""
    ports = directory.manifest.ports
    assert len(set(msgspec.structs.astuple(ports))) == 4
    require_free(ports)
    with socket.socket() as other:
        other.bind(("127.0.0.1", ports.feed))
        other.listen()
        with pytest.raises(PortInUse, match=f"port {ports.feed}, which feed of this run uses"):
            require_free(ports)
