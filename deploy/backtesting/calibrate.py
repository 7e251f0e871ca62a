"""``kst calibrate``: the latencies of a recorded day, for backtests of other days."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import yaml
from rich.table import Table

from deploy.calendar_input import parse_day
from deploy.data_directory import find_run
from deploy.log_access import open_history
from deploy.terminal import console, print_json
from events import TradingDate
from events.calendar import trading_date
from research.backtest.settings import LatencySettings
from research.fidelity.day import recorded_day
from research.fidelity.recording import RecordedSession, read_session

if TYPE_CHECKING:
    from deploy.data_directory import DataDirectory
    from research.fidelity.fill_model import FillModel
    from research.fidelity.latencies import Latencies

_MILLISECOND = 1_000_000


class CalibrateResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured on a day. Shares are of ordered shares of orders that rested."""

    trading_date: TradingDate
    latency: LatencySettings
    measured: dict[str, int]
    split: float
    split_fits: int
    split_of: int
    on_arrival: int
    resting: int
    resting_recorded_share: float | None
    resting_predicted_share: float | None
    median_queue_error: float | None


def calibrate_command(
    date: str | None, data_dir: Path | None, output: Path | None, *, as_json: bool
) -> int:
    """Measure one day of a run, show or write the latencies and return the exit status."""
    directory = find_run(data_dir)
    on = directory.manifest.trading_date if date is None else trading_date(parse_day(date))
    day = recorded_day(asyncio.run(_read(directory, on)))
    latencies, fills = day.latencies(), day.fill_model()
    result = _result(on, latencies, fills)
    if output is not None:
        output.write_text(yaml_block(result), encoding="utf-8")
    if as_json:
        print_json(result)
    else:
        _show(result, latencies)
        if output is None:
            print(yaml_block(result), end="")  # noqa: T201 - the result, for a file
    return 0


def yaml_block(result: CalibrateResult) -> str:
    """Return the latencies as a part of a backtest's configuration file."""
    block: dict[str, Any] = {
        "latency": {
            way: list(getattr(result.latency, way)) for way in LatencySettings.__struct_fields__
        }
    }
    text = yaml.safe_dump(block, sort_keys=False, default_flow_style=None, width=96)
    return f"# Measured on {result.trading_date} by kst calibrate; milliseconds.\n{text}"


async def _read(directory: DataDirectory, on: TradingDate) -> RecordedSession:
    async with open_history(directory) as log:
        return await read_session(log, on)


def _result(on: TradingDate, latencies: Latencies, fills: FillModel) -> CalibrateResult:
    return CalibrateResult(
        trading_date=on,
        latency=latencies.settings(),
        measured={way: len(getattr(latencies, way)) for way in LatencySettings.__struct_fields__},
        split=latencies.split,
        split_fits=latencies.split_fits,
        split_of=latencies.split_of,
        on_arrival=fills.on_arrival,
        resting=len(fills.resting),
        resting_recorded_share=fills.recorded_share,
        resting_predicted_share=fills.predicted_share,
        median_queue_error=fills.median_queue_error,
    )


def _show(result: CalibrateResult, latencies: Latencies) -> None:
    out = console()
    table = Table(
        "way", "measured", "least", "median", "90 %", "most",
        title=f"latencies of {result.trading_date}, milliseconds",
    )  # fmt: skip
    for way in LatencySettings.__struct_fields__:
        values = getattr(latencies, way)
        if not values:
            table.add_row(way, "0", "", "", "", "", style="dim")
            continue
        shown = [values[0], values[len(values) // 2], values[len(values) * 9 // 10], values[-1]]
        table.add_row(way, f"{len(values):,}", *(f"{v / _MILLISECOND:,.1f}" for v in shown))
    out.print(table)
    out.print(
        f"{result.split:.0%} of the time to the answer is taken for the way to the exchange: that "
        f"explains {result.split_fits} of the {result.split_of} orders that can tell"
    )
    out.print(f"{result.on_arrival} orders traded whole on arrival, {result.resting} rested")
    if result.resting:
        out.print(
            f"of those that rested {_share(result.resting_recorded_share)} of the shares were "
            f"executed, by the model {_share(result.resting_predicted_share)}"
        )
    if result.median_queue_error is not None:
        out.print(
            f"the model's queue is off by {result.median_queue_error:,.0f} shares in the middle "
            "(positive: it waits too long)"
        )


def _share(share: float | None) -> str:
    return "none" if share is None else f"{share:.0%}"
