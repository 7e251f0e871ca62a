"""The command line: every command explains itself, every foreseen error is one readable panel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bus import free_port
from deploy.cli import app
from deploy.data_directory import LAYOUT, DataDirectory, Manifest, Ports, RunLock
from events import AccountId, TradingDate

COMMANDS = (
    "demo",
    "sweep",
    "walk-forward",
    "runs",
    "simulator",
    "verify",
    "rebuild",
    "status",
)


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Return a runner in an empty working directory, wide enough that panels do not wrap."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    return CliRunner()


def make_run(path: Path) -> DataDirectory:
    ports = Ports(nats=free_port(), rest=free_port(), feed=free_port(), admin=free_port())
    manifest = Manifest(
        layout=LAYOUT,
        account=AccountId("demo"),
        trading_date=TradingDate("20250915"),
        start=0,
        speed=1.0,
        bars=None,
        seed=7,
        symbols=1,
        strategies=("kmp",),
        code_version="0",
        ports=ports,
    )
    return DataDirectory.create(path, manifest)


def test_the_command_lists_its_commands_and_hides_the_supervisors(terminal: CliRunner) -> None:
    """`service` is not for people."""
    shown = terminal.invoke(app, ["--help"]).output
    assert all(f" {command} " in shown for command in COMMANDS)
    assert " service " not in shown


@pytest.mark.parametrize("command", [*COMMANDS, "service"])
def test_every_help_ends_with_an_example(terminal: CliRunner, command: str) -> None:
    """The quickest way to learn a command is to see it used."""
    result = terminal.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert f"Example: kst {command}" in result.output


@pytest.mark.parametrize(
    ("arguments", "kind", "what", "remedy"),
    [
        (
            ["demo", "--date", "15.9.2025"],
            "InvalidDate",
            "'15.9.2025' is not a date",
            "Write it as YYYY-MM-DD",
        ),
        (
            ["demo", "--date", "2025-09-13"],
            "NoSession",
            "2025-09-13 is not a KRX session (weekend)",
            "Choose a KRX trading day",
        ),
        (
            ["demo", "--date", "2035-01-03"],
            "NoSession",
            "2035-01-03 is outside the verified calendar",
            "Choose a KRX trading day",
        ),
        (
            ["demo", "--bars", "nowhere"],
            "BarsMissing",
            "no minute bars at nowhere",
            "Point --bars at a folder",
        ),
        (["demo", "--symbols", "1"], "TooFewSymbols", "1", "4"),
        (
            ["demo", "--strategies", "kmp,warp"],
            "UnknownStrategy",
            "there is no strategy 'warp'",
            "Known strategies: kmp.",
        ),
        (
            ["verify"],
            "NoRun",
            "no run has been started from this directory",
            "Start one with `kst demo`",
        ),
        (["status", "--data-dir", "nowhere"], "NoRun", "it has no manifest.json", "`kst demo`"),
    ],
)
def test_a_foreseen_error_is_a_panel_with_a_remedy_and_no_traceback(
    terminal: CliRunner, arguments: list[str], kind: str, what: str, remedy: str
) -> None:
    """What is wrong and what to do, on stderr; exit status 1; nothing is left behind."""
    result = terminal.invoke(app, arguments)
    assert result.exit_code == 1
    assert kind in result.stderr
    assert what in result.stderr
    assert remedy in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""
    assert list(Path.cwd().iterdir()) == []


def test_with_json_an_error_is_one_object_on_stdout(terminal: CliRunner) -> None:
    """A script reads the error from where it reads the result."""
    result = terminal.invoke(app, ["demo", "--date", "tomorrow", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "error": {
            "kind": "InvalidDate",
            "what": "'tomorrow' is not a date",
            "remedy": "Write it as YYYY-MM-DD or YYYYMMDD, for example 2025-09-15.",
        }
    }


def test_debug_shows_where_an_error_came_from(terminal: CliRunner) -> None:
    """The error itself is raised."""
    result = terminal.invoke(app, ["verify", "--debug"])
    assert type(result.exception).__name__ == "NoRun"


def test_a_directory_with_files_is_not_used_for_a_demo(terminal: CliRunner) -> None:
    """Nothing is overwritten."""
    Path("full").mkdir()
    Path("full/file").touch()
    result = terminal.invoke(app, ["demo", "--data-dir", "full", "--symbols", "4"])
    assert "DirectoryNotEmpty" in result.stderr
    assert result.exit_code == 1


def test_a_directory_of_another_version_is_refused(terminal: CliRunner) -> None:
    """Its layout may mean something else."""
    Path("old").mkdir()
    Path("old/manifest.json").write_text('{"layout": 0}')
    for command in ("verify", "rebuild", "status"):
        result = terminal.invoke(app, [command, "--data-dir", "old"])
        assert "DirectoryVersion" in result.stderr


def test_a_rebuild_does_not_touch_a_run_that_is_going(terminal: CliRunner, tmp_path: Path) -> None:
    """The projector of the run owns the tables."""
    directory = make_run(tmp_path / "run")
    with RunLock(directory):
        result = terminal.invoke(app, ["rebuild", "--data-dir", "run"])
    assert "DirectoryInUse" in result.stderr
    assert result.exit_code == 1


def test_a_wrong_use_of_the_command_has_a_status_of_its_own(terminal: CliRunner) -> None:
    """2, as the shell expects."""
    assert terminal.invoke(app, ["demo", "--symbols", "none"]).exit_code == 2
