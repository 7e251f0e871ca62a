"""A recorded day as an ordinary backtest sees it: latencies drawn, deciding taking no time.

It shows what a backtest of any other day is worth: same deciders, same configuration, same tape,
received when it was received; only how long orders, answers and notices took is drawn from what was
measured, and deciders hand on at once what they derive.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from events import Delivery, Event
from research.backtest import BacktestResult, BacktestSettings, run
from research.backtest.settings import (
    DataSettings,
    LatencySettings,
    RiskSettings,
    Source,
    StrategySettings,
)
from research.fidelity.recorded_days import RecordedDays
from research.fidelity.recording import RecordedSession
from research.fidelity.recordings import SessionRead


class DrawnRun(msgspec.Struct, frozen=True, kw_only=True):
    """The derived events of the backtest, in order, and its result."""

    derived: tuple[Delivery, ...]
    result: BacktestResult


def drawn_run(
    session: RecordedSession, strategies: Sequence[str], latency: LatencySettings
) -> DrawnRun:
    """Run an ordinary backtest of a recorded session under the configuration of that day.

    Shares carried into the day are not carried into the backtest: it begins with the day's cash.

    Raises:
        UnknownStrategy: a strategy of the day is not known to backtests.
        InvalidSettings: the day's configuration is of another version of this code.
    """
    derived: list[Delivery] = []

    def keep(sequence: int, event: Event) -> None:
        derived.append(Delivery(sequence, event))

    with TemporaryDirectory(prefix="kst-compare-") as folder:
        settings = _settings(session, strategies, latency, Path(folder))
        result = run(settings, RecordedDays(SessionRead(session)), observers=(keep,))
    return DrawnRun(derived=tuple(derived), result=result)


def _settings(
    session: RecordedSession, strategies: Sequence[str], latency: LatencySettings, folder: Path
) -> BacktestSettings:
    configuration = session.opening.configuration
    for name, text in configuration.items():
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")  # JSON is YAML

    def file(name: str) -> str:
        return str(folder / f"{name}.yaml") if name in configuration else ""

    gateway = msgspec.json.decode(configuration.get("gateway", "{}"), type=dict[str, Any])
    return BacktestSettings(
        name=f"{session.account} {session.trading_date}",
        strategies=tuple(StrategySettings(name=each, config=file(each)) for each in strategies),
        data=DataSettings(source=Source.RECORDINGS, path=str(folder), registrations=0),
        cash=session.opening.cash,
        risk=RiskSettings(config=file("oms")),
        orders=gateway.get("orders", {}),
        latency=latency,
    )
