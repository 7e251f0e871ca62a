"""``kst verify``: the day's decisions, derived again from the log and compared byte for byte.

Three things are held against the log: what the processors derive from it, the seals over its
entries, and the run's configuration files. The processors run under the settings of the *files*, so
a changed setting shows itself both by its name and by the first decision it changes. A day that has
left the stream is read from its recording.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec
from rich.table import Table

from bus import (
    AuditReport,
    Disagreement,
    Flaw,
    Log,
    Processor,
    ProcessorFactory,
    Rederivation,
    audit_log,
    logged_sessions,
    rederive,
)
from deploy import run_configuration
from deploy.calendar_input import parse_day
from deploy.configuration_drift import ConfigurationDrift, drifts
from deploy.data_directory import DataDirectory, find_run
from deploy.log_access import open_history
from deploy.processors import factories
from deploy.terminal import console, print_json
from events import TradingDate
from events.calendar import trading_date
from events.market import SessionOpened

DECISIONS = frozenset(
    {
        "IntentSubmitted",
        "IntentExpired",
        "IntentApproved",
        "IntentModified",
        "IntentRejected",
        "IntentDeferred",
    }
)
"""What the counts are about; the processors' other outputs are compared as well."""


class VerifyResult(msgspec.Struct, frozen=True, kw_only=True):
    """``logged`` counts intents and decisions on the log, ``rederived`` those derived again.

    ``divergences`` counts every difference: outputs, settings and entries whose seal does not fit.
    ``first`` is the first of them in log order and ``first_output`` the first differing output.
    ``outputs`` counts all derived outputs compared, ``sealed`` entries had their seal checked.
    """

    logged: int
    rederived: int
    divergences: int
    first: dict[str, object] | None
    first_output: dict[str, object] | None
    outputs: int
    sealed: int


class _Findings(msgspec.Struct, frozen=True, kw_only=True):
    derived: Sequence[Rederivation]
    settings: Sequence[ConfigurationDrift]
    audit: AuditReport


def verify_command(date: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Verify one day of a run, show the result and return the exit status."""
    directory = find_run(data_dir)
    day = directory.manifest.trading_date if date is None else trading_date(parse_day(date))
    findings = asyncio.run(_verify(directory, day))
    result = _result(findings)
    if as_json:
        print_json(result)
    else:
        _show(day, findings.derived, result)
    # A day on which nothing was derived proves nothing.
    return 0 if result.divergences == 0 and result.outputs > 0 else 1


async def _verify(directory: DataDirectory, day: TradingDate) -> _Findings:
    files = run_configuration.read(directory.path / "config").session_texts()
    async with open_history(directory) as log:
        return _Findings(
            derived=await _derive_all(log, directory, day, files),
            settings=await _settings(log, day, files),
            audit=await audit_log(log),
        )


async def _derive_all(
    log: Log, directory: DataDirectory, day: TradingDate, files: Mapping[str, str]
) -> list[Rederivation]:
    chosen = factories(directory.manifest.strategies)
    return [await rederive(log, _under(factory, files), day) for factory in chosen.values()]


def _under(factory: ProcessorFactory, files: Mapping[str, str]) -> ProcessorFactory:
    def build(session: SessionOpened) -> Processor:
        return factory(msgspec.structs.replace(session, configuration=dict(files)))

    return build


async def _settings(
    log: Log, day: TradingDate, files: Mapping[str, str]
) -> list[ConfigurationDrift]:
    return [
        drift
        for recorded, session in await logged_sessions(log)
        if session.trading_date == day
        for drift in drifts(session.configuration, files, recorded.sequence)
    ]


def _result(findings: _Findings) -> VerifyResult:
    outputs = [item for report in findings.derived for item in report.disagreements]
    outputs.sort(key=lambda item: item.sequence)
    everything: list[ConfigurationDrift | Flaw | Disagreement] = [
        *findings.settings,
        *findings.audit.flaws,
        *outputs,
    ]
    # Stable: where several stand at one place, the cause comes before what follows from it.
    everything.sort(key=lambda item: item.sequence)
    return VerifyResult(
        logged=_decisions(findings.derived, lambda report: report.logged_by_type),
        rederived=_decisions(findings.derived, lambda report: report.rederived_by_type),
        divergences=len(everything),
        first=msgspec.to_builtins(everything[0]) if everything else None,
        first_output=msgspec.to_builtins(outputs[0]) if outputs else None,
        outputs=sum(report.logged for report in findings.derived),
        sealed=findings.audit.sealed,
    )


def _decisions(
    derived: Sequence[Rederivation], by_type: Callable[[Rederivation], Mapping[str, int]]
) -> int:
    return sum(
        count for report in derived for name, count in by_type(report).items() if name in DECISIONS
    )


def _show(day: TradingDate, derived: Sequence[Rederivation], result: VerifyResult) -> None:
    out = console()
    table = Table("processor", "on the log", "derived again", "differences", title=f"{day}")
    for report in derived:
        table.add_row(
            report.processor,
            f"{report.logged:,}",
            f"{report.rederived:,}",
            str(len(report.disagreements)),
        )
    out.print(table)
    out.print(f"{result.sealed:,} entries have their seal checked")
    if result.first is not None:
        out.print(f"[red]{result.divergences} differences, the first:[/]")
        _show_fields(result.first)
        if result.first_output is not None and result.first_output != result.first:
            out.print("[red]the first output that differs:[/]")
            _show_fields(result.first_output)
    elif result.outputs == 0:
        out.print("[red]nothing was derived on that day, so nothing was proved[/]")
    else:
        out.print(
            f"[green]{result.rederived:,} intents and decisions and all other of "
            f"{result.outputs:,} outputs derived again, byte for byte[/]"
        )


def _show_fields(fields: Mapping[str, object]) -> None:
    for name, value in fields.items():
        console().print(f"  {name}: {value}", markup=False)
