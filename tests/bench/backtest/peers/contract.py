"""What an engine's script is asked for and what it reports; the same stop-watch for all of them.

    python -m tests.bench.backtest.peers.NAME REQUEST.json

The data is made into the engine's own objects first (``prepare``, timed by itself), a first run on
a smaller part warms up what compiles itself, and then runs are timed until there are enough of them
or the time allowed is used up. Trades are left in ``trades.npz``, everything else is printed as one
line of JSON. Needs the standard library and numpy only.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

BUY = 1
SELL = -1

Prepared = TypeVar("Prepared")
Finished = TypeVar("Finished")


class Workload(NamedTuple):
    """Arrays and figures of a workload; ``settings`` are the rule's parameters and the money.

    ``variant`` is how the engine is to be set up where it has more than one way.
    """

    name: str
    variant: str
    settings: dict[str, Any]
    columns: dict[str, np.ndarray]

    @property
    def symbols(self) -> Sequence[str]:
        """Codes of the symbols, in the order of the rows."""
        return list(map(str, self.settings["symbols"]))

    def slices(self) -> Sequence[slice]:
        """Return the rows of each symbol (A) or session (B)."""
        first = self.columns["first"].tolist()
        return [slice(*ends) for ends in pairwise(first)]


class Fill(NamedTuple):
    """Shares that changed hands at the open of a bar, or at a trade: ``row`` says which."""

    row: int
    side: int
    price: float
    quantity: float


class Report(NamedTuple):
    """What a run came to: its fills in any order and what the account was worth at the end."""

    fills: Sequence[Fill]
    equity: float
    notes: Sequence[str] = ()


def peak_bytes() -> int:
    """Return the most memory that this process has held.

    From ``/proc``: what ``getrusage`` says begins with the memory of the process that started it.
    """
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line) * 1024


def load(folder: str, name: str, variant: str) -> Workload:
    """Read a workload from its folder."""
    place = Path(folder)
    columns = {each.stem: np.load(each) for each in sorted(place.glob("*.npy"))}
    return Workload(name, variant, json.loads((place / "meta.json").read_text()), columns)


def main(
    version: str,
    prepare: Callable[[Workload], Prepared],
    arrange: Callable[[Prepared], Callable[[], Finished]],
    report: Callable[[Prepared, Finished], Report],
) -> None:
    """Carry out the request in the file named on the command line.

    ``prepare`` makes the engine's own objects, ``arrange`` an engine that is ready to go, and what
    it returns is timed. ``report`` reads the outcome of the last run.
    """
    request = json.loads(Path(sys.argv[1]).read_text())
    name, variant = request["workload"], request["variant"]
    warm = prepare(load(request["warm_up"], name, variant))
    begun = time.perf_counter()
    arrange(warm)()
    warm_up = time.perf_counter() - begun
    del warm
    workload = load(request["data"], name, variant)
    begun = time.perf_counter()
    prepared = prepare(workload)
    preparing = time.perf_counter() - begun
    seconds: list[float] = []
    processor: list[float] = []
    while len(seconds) < request["runs"] and sum(seconds) < request["seconds"]:
        finished = None
        go = arrange(prepared)
        gc.collect()
        begun, worked = time.perf_counter(), time.process_time()
        finished = go()
        seconds.append(time.perf_counter() - begun)
        processor.append(time.process_time() - worked)
        del go
    peak = peak_bytes()
    outcome = report(prepared, finished)  # type: ignore[arg-type] # there is at least one run
    fills = sorted(outcome.fills)
    np.savez(
        request["trades"],
        row=np.array([each.row for each in fills], np.int64),
        side=np.array([each.side for each in fills], np.int64),
        price=np.array([each.price for each in fills], np.float64),
        quantity=np.array([each.quantity for each in fills], np.float64),
    )
    print(
        json.dumps(
            {
                "version": version,
                "preparing": preparing,
                "warm_up": warm_up,
                "seconds": seconds,
                "processor_seconds": processor,
                "peak_bytes": peak,
                "trades": len(fills),
                "equity": outcome.equity,
                "notes": list(outcome.notes),
            }
        )
    )
