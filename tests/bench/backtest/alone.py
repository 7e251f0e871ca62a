"""What is measured of this project's engine alone, each in a process of its own.

    python -m tests.bench.backtest.alone REQUEST.json

``deliveries``: the breakout strategy on bridged ticks, delivered in one way. ``memory``: bars of
many symbols over a number of sessions. ``sweep``: many configurations with a number of workers.
Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import msgspec

from events.calendar import is_session
from research.backtest import BacktestSettings, load_settings, run
from research.backtest.remembered_days import Budget, RememberedDays, SelectedDays
from research.backtest.settings import Delivery
from research.backtest.sweep import Sweep
from research.datasets import days_from
from tests.bench.backtest.bars import FIRST_DAY
from tests.bench.backtest.ours import HERE, crossover_settings
from tests.bench.backtest.peers.contract import peak_bytes

_TICKS_FROM: Final = date(2025, 9, 1)
_BUDGET: Final = 16 << 30
_FAST: Final = (4, 6, 8, 10, 12, 14, 16, 18)
_SLOW: Final = (30, 40, 50, 60, 70, 80, 90, 100)


def deliveries(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run the breakout strategy; the sessions are bridged beforehand."""
    settings = _between(load_settings(HERE / "breakout.yaml"), _TICKS_FROM, asked["sessions"])
    settings = msgspec.structs.replace(
        settings,
        data=msgspec.structs.replace(settings.data, path=asked["folder"]),
        delivery=Delivery(asked["delivery"]),
    )
    recorded = days_from(settings.data, settings.owners)
    days = RememberedDays(recorded, Budget(_BUDGET))
    begun = perf_counter()
    rows = sum(each.tape.rows for each in days.days())
    preparing = perf_counter() - begun
    run(settings, SelectedDays(days, days.dates[:1]))
    seconds: list[float] = []
    while len(seconds) < asked["runs"] and sum(seconds) < asked["seconds"]:
        begun = perf_counter()
        result = run(settings, days)
        seconds.append(perf_counter() - begun)
    return {
        "preparing": preparing,
        "seconds": seconds,
        "sessions": len(result.sessions),
        "rows": rows,
        "events": result.market_events,
        "fills": len(result.fills),
        "equity": result.closing_equity,
        "hash": result.provenance.result_hash,
    }


def memory(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run the crossover over the first sessions of many symbols, reading each as it comes."""
    symbols = asked["symbols"]
    settings = crossover_settings(symbols, 100_000_000 * len(symbols), Delivery.BLOCK)
    data = msgspec.structs.replace(settings.data, path=asked["folder"], symbols=tuple(symbols))
    recorded = days_from(data, settings.owners)
    days = SelectedDays(recorded, recorded.dates[: asked["sessions"]])
    begun = perf_counter()
    result = run(settings, days)
    return {
        "seconds": [perf_counter() - begun],
        "sessions": len(result.sessions),
        "events": result.market_events,
        "fills": len(result.fills),
    }


def sweep(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Run 64 pairs of averages with the workers asked for."""
    symbols = asked["symbols"]
    settings = crossover_settings(symbols, 100_000_000 * len(symbols), Delivery.BLOCK)
    settings = _between(settings, FIRST_DAY, asked["sessions"])
    data = msgspec.structs.replace(settings.data, path=asked["folder"], symbols=tuple(symbols))
    settings = msgspec.structs.replace(settings, data=data)
    pairs = {"strategies.sma.set.fast": _FAST, "strategies.sma.set.slow": _SLOW}
    configurations = Sweep(settings, pairs)
    begun = perf_counter()
    result = configurations.run(workers=asked["workers"])
    seconds = perf_counter() - begun
    if result.failed:
        raise RuntimeError(f"{len(result.failed)} configurations failed: {result.failed[0].error}")
    return {
        "seconds": [seconds],
        "configurations": len(result.outcomes),
        "equities": [each.counted[-1].closing_equity for each in result.outcomes],
    }


def _between(settings: BacktestSettings, first: date, sessions: int) -> BacktestSettings:
    days = [first + timedelta(n) for n in range(2 * sessions + 30)]
    last = [day for day in days if is_session(day)][:sessions][-1]
    data = msgspec.structs.replace(settings.data, start=first.isoformat(), end=last.isoformat())
    return msgspec.structs.replace(settings, data=data)


PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "deliveries": deliveries,
    "memory": memory,
    "sweep": sweep,
}


def main() -> None:
    """Do the part that the request names."""
    asked = json.loads(Path(sys.argv[1]).read_text())
    found = PARTS[asked["part"]](asked)
    found["peak_bytes"] = peak_bytes()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
