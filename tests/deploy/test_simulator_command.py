"""``kst simulator``: what it sets up, what it says, and that a client can use it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.errors import (
    AccountsUnreadable,
    BarsMissing,
    InvalidClock,
    InvalidDate,
    NoSession,
    PortGivenTwice,
    PortInUse,
    UnknownChoice,
)
from deploy.simulator_command import status_text, summary_text
from deploy.simulator_run import Glance, Ready, run_days
from deploy.simulator_setup import (
    SimulatorRequest,
    chosen,
    environment_file,
    latest_session,
    market_of,
    set_up,
)
from kis_gateway.errors import SettingsError
from kis_gateway.simulator import Environment, Era, ScenarioError

TODAY = date(2026, 11, 20)
SATURDAY = date(2026, 11, 21)
SECOND = 1_000_000_000


@contextmanager
def simulator(*options: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the command in a process of its own until the block ends; yield its ready line."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "400"}
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy", "simulator", "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr is not None else ""
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def test_a_client_logs_in_with_the_printed_keys_and_ctrl_c_ends_it_with_a_summary(
    tmp_path: Path,
) -> None:
    """One JSON object when it is ready, nothing else on stdout, exit status 0."""
    (tmp_path / "day.yaml").write_text("name: drill\nsteps: [{rate: 1 %, fault: {kind: throttle}}]")
    options = ("--speed", "30", "--symbols", "4", "--admin-port", "0", "--scenario", "day.yaml")
    with simulator(*options, cwd=tmp_path) as (process, ready):
        (account,) = ready["accounts"]
        assert (len(account["app_key"]), len(account["app_secret"])) == (36, 180)
        assert (ready["environment"], len(account["account"])) == ("paper", 10)
        body = {"appkey": account["app_key"], "appsecret": account["app_secret"]}
        with httpx.Client(trust_env=False) as http:
            answer = http.post(f"{ready['rest']}/oauth2/tokenP", json=body)
            assert answer.status_code == 200
            state = http.get(f"{ready['admin']}/admin/state").json()
            assert state["scenario"]["playing"] == "drill"
            assert list(state["accounts"]) == [account["account"]]
            sped = http.post(f"{ready['admin']}/admin/clock", json={"speed": 0}).json()
            assert sped["speed"] == 0
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert "0 order bodies sent twice" in said
    assert account["app_secret"] not in said


def test_without_json_the_keys_are_shown_once_and_can_be_copied(tmp_path: Path) -> None:
    """Each variable on a line of its own, the secret unbroken."""
    setup = set_up(SimulatorRequest(generated_accounts=2), TODAY)
    text = environment_file(setup.settings, "http://127.0.0.1:1", "ws://127.0.0.1:2")
    first, second = setup.settings.credentials
    assert f"KST_KIS_APP_SECRET={first.app_secret}" in text.splitlines()
    assert f"# KST_KIS_ACCOUNT={second.account}" in text.splitlines()
    assert first.app_key != second.app_key


def test_the_day_begins_ten_seconds_before_the_open_unless_told_otherwise() -> None:
    """So that trades come at once."""
    setup = set_up(SimulatorRequest(), TODAY)
    assert setup.session.open_at - setup.start == 10 * SECOND
    early = set_up(SimulatorRequest(start_at="08:50"), TODAY)
    assert early.session.open_at - early.start == 600 * SECOND
    with pytest.raises(InvalidClock, match="HH:MM"):
        set_up(SimulatorRequest(start_at="soon"), TODAY)


def test_the_date_and_with_it_the_era_follow_the_calendar() -> None:
    """On a Saturday the day is Friday; an old date has the narrow records of its time."""
    assert latest_session(SATURDAY) == TODAY
    assert set_up(SimulatorRequest(), SATURDAY).settings.era is Era.C
    assert set_up(SimulatorRequest(date="2024-03-04"), TODAY).settings.era is Era.A
    assert set_up(SimulatorRequest(date="2024-03-04", era=Era.B), TODAY).settings.era is Era.B
    with pytest.raises(NoSession):
        set_up(SimulatorRequest(date="2026-11-21"), TODAY)
    with pytest.raises(InvalidDate):
        set_up(SimulatorRequest(date="tomorrow"), TODAY)


def test_accounts_come_from_a_file_and_what_it_leaves_out_is_made_up(tmp_path: Path) -> None:
    """Leading zeros survive; a mistake names the key and no value."""
    path = tmp_path / "accounts.yaml"
    path.write_text(
        "- {account: 0012345601, cash: 5_000_000}\n"
        "- {holdings: [{symbol: 900010, quantity: 3, cost: 100}]}\n".replace("5_000_000", "5000000")
    )
    settings = set_up(SimulatorRequest(accounts=path), TODAY).settings
    assert settings.credentials[0].account == "0012345601"
    assert [book.cash for book in settings.accounts] == [5_000_000, 100_000_000]
    assert settings.accounts[1].holdings[0].quantity == 3
    path.write_text("- {account: 0012345601, app_secrt: hush}")
    with pytest.raises(AccountsUnreadable, match="app_secrt") as failure:
        set_up(SimulatorRequest(accounts=path), TODAY)
    assert "hush" not in str(failure.value)
    for text in ("- {", "[]"):
        path.write_text(text)
        with pytest.raises(AccountsUnreadable):
            set_up(SimulatorRequest(accounts=path), TODAY)
    with pytest.raises(AccountsUnreadable):
        set_up(SimulatorRequest(accounts=tmp_path / "none"), TODAY)
    path.write_text("- {account: 0012345601}\n- {account: 0012345601}")
    with pytest.raises(SettingsError, match="share an account"):
        set_up(SimulatorRequest(accounts=path), TODAY)


def test_mistakes_on_the_command_line_are_one_readable_panel(tmp_path: Path) -> None:
    """What is wrong, and what to do."""
    with pytest.raises(UnknownChoice, match="paper, real"):
        chosen(Environment, "live", "--environment")
    with pytest.raises(BarsMissing):
        market_of(SimulatorRequest(bars=tmp_path), TODAY)
    with pytest.raises(ScenarioError, match="cannot be read"):
        set_up(SimulatorRequest(scenario=tmp_path / "none.yaml"), TODAY)
    result = CliRunner().invoke(app, ["simulator", "--era", "Z"])
    assert (result.exit_code, "A, B, C" in result.output) == (1, True)


async def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    """Which one, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        request = SimulatorRequest(ws_port=taken.getsockname()[1], symbols=4, trades_per_minute=1)
        with pytest.raises(PortInUse, match="the WebSocket"):
            await run_days(set_up(request, TODAY), asyncio.Event(), print, print)


async def test_a_port_given_to_two_services_is_refused_before_anything_starts() -> None:
    """Free as it is, only one of them could have it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    request = SimulatorRequest(rest_port=port, ws_port=port, symbols=4, trades_per_minute=1)
    with pytest.raises(PortGivenTwice, match=f"port {port} was given to the WebSocket"):
        await run_days(set_up(request, TODAY), asyncio.Event(), print, print)


@pytest.mark.parametrize("option", ["--rest-port", "--ws-port", "--admin-port"])
@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused_as_an_option(option: str, port: str) -> None:
    """Typer's own refusal, no traceback."""
    result = CliRunner().invoke(app, ["simulator", option, port])
    assert (result.exit_code, "Invalid value" in result.output) == (2, True)


def test_help_ends_with_examples() -> None:
    """Of every kind of use."""
    result = CliRunner().invoke(app, ["simulator", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Example: kst simulator --environment real" in result.output
    assert "--loop" in result.output


async def test_a_looped_run_goes_on_with_the_next_session_and_the_same_books() -> None:
    """Friday, then Monday, on the same ports."""
    request = SimulatorRequest(
        loop=True, speed=2_000.0, symbols=4, trades_per_minute=1, start_at="15:29:30"
    )
    stop = asyncio.Event()
    days: list[Ready] = []
    glances: list[Glance] = []

    def ready(day: Ready) -> None:
        days.append(day)
        if len(days) == 2:
            stop.set()

    async with asyncio.timeout(60):
        summaries = await run_days(set_up(request, TODAY), stop, ready, glances.append)
    assert [day.session.day for day in days] == [TODAY, date(2026, 11, 23)]
    assert (days[0].rest_url, days[0].ws_url) == (days[1].rest_url, days[1].ws_url)
    assert days[0].settings.accounts == days[1].settings.accounts
    assert len(summaries) == 2
    assert "0 fills of 0 shares" in summary_text(summaries[0])
    for glance in glances[:1]:
        assert "clients" in status_text(glance).plain
