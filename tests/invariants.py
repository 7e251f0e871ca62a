"""The ten invariants, the tests that prove each, and how those ended last: ``just invariants``.

A test names what it proves with ``@pytest.mark.invariant(number)``. Every run of pytest, in one
process or several, keeps the results of such tests in its cache; this lists them, after running
what has never been run.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
import pytest
from rich.console import Console
from rich.table import Table

INVARIANTS: Final = {
    1: "No exit is ever refused by a control.",
    2: "At most one order at the exchange per order id, whatever dies when.",
    3: "Strategies + unknown + external = broker quantity, after every event.",
    4: "A sell never exceeds what the strategy owns.",
    5: "Every outgoing price is on its tick, inside the day's and the intent's limits.",
    6: "Nothing is inferred from absence: unknown, empty and error are three values.",
    7: "Every position has a stop that works without its strategy.",
    8: "A restart at any moment changes no decision.",
    9: "Live, replay and backtest emit the same bytes.",
    10: "Every gate can show its last value, its time and its source.",
}

CACHE_KEY: Final = "kst/invariants"

_PROPERTY: Final = "invariants"
_UNKNOWN: Final = "unknown invariant"


class Result(msgspec.Struct, frozen=True):
    """How one test ended last: ``passed``, ``failed`` or ``skipped``; when, in ISO 8601 UTC."""

    numbers: tuple[int, ...]
    outcome: str
    at: str


class Recorder:
    """A pytest plugin that keeps the results of marked tests.

    The numbers travel in the reports: where workers run the tests, the process that keeps the
    results has collected none.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._results: dict[str, Result] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which tests prove what; a number that nobody knows ends the run."""
        for item in items:
            numbers = sorted({n for mark in item.iter_markers("invariant") for n in mark.args})
            unknown = [number for number in numbers if number not in INVARIANTS]
            if unknown:
                wrong = f"{item.nodeid}: there is no invariant {unknown[0]}"
                if not self._is_worker:
                    raise pytest.UsageError(wrong)
                # What a worker raises here is never shown; a reason to fail is.
                item.user_properties.append((_UNKNOWN, wrong))
            elif numbers:
                item.user_properties.append((_PROPERTY, numbers))

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Fail a test that proves what nobody knows."""
        if (wrong := dict(item.user_properties).get(_UNKNOWN)) is not None:
            pytest.fail(str(wrong), pytrace=False)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in how a test went; a failed set-up or tear-down is a failure."""
        carried = dict(report.user_properties).get(_PROPERTY, ())
        numbers = msgspec.convert(carried, tuple[int, ...])
        known = self._results.get(report.nodeid)
        if not numbers or (known is not None and known.outcome == "failed"):
            return
        if report.when == "call" or report.outcome != "passed":
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self._results[report.nodeid] = Result(numbers, report.outcome, now)

    def pytest_sessionfinish(self) -> None:
        """Keep the results, those of other tests included; a worker leaves that to who runs it."""
        if self._is_worker or not self._results:
            return
        if not self._config.pluginmanager.hasplugin("cacheprovider"):
            return
        cache = self._config.cache
        kept = cache.get(CACHE_KEY, {})
        kept |= {name: msgspec.to_builtins(result) for name, result in self._results.items()}
        cache.set(CACHE_KEY, kept)


class _Listing:
    """A pytest plugin that only finds out which tests are marked."""

    def __init__(self) -> None:
        self.tests: dict[str, tuple[int, ...]] = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            numbers = {n for mark in item.iter_markers("invariant") for n in mark.args}
            self.tests[item.nodeid] = tuple(sorted(numbers))


def main() -> int:
    """List invariants, tests and results; 1 when one has no test or a test did not pass."""
    parser = argparse.ArgumentParser(
        prog="just invariants",
        description="The ten invariants, the tests that prove each, and their last results.",
        epilog="example: just invariants --run",
    )
    parser.add_argument("--run", action="store_true", help="run all of these tests now")
    options = parser.parse_args()
    listing = _Listing()
    quiet = ["-q", "--no-header", "--no-summary", "-m", "invariant"]
    if pytest.main([*quiet, "--collect-only", "-qq"], plugins=[listing]) != pytest.ExitCode.OK:
        return 1
    results = _results()
    missing = [name for name in listing.tests if options.run or name not in results]
    if missing:
        pytest.main([*quiet, *missing])
        results = _results()
    return _show(listing.tests, results)


def _results() -> dict[str, Result]:
    file = Path(".pytest_cache") / "v" / CACHE_KEY
    kept = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return msgspec.convert(kept, dict[str, Result])


def _show(tests: dict[str, tuple[int, ...]], results: dict[str, Result]) -> int:
    table = Table("", "invariant", "test", "last result", show_lines=True)
    good = True
    for number, text in INVARIANTS.items():
        names = [name for name, numbers in tests.items() if number in numbers]
        found = [_ending(results.get(name)) for name in names]
        good &= bool(names) and all(ending.startswith("passed") for ending in found)
        listed = "\n".join(names) or "[red]no test[/red]"
        table.add_row(str(number), text, listed, "\n".join(found))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    return 0 if good else 1


def _ending(result: Result | None) -> str:
    return "not run" if result is None else f"{result.outcome} {result.at}"


if __name__ == "__main__":
    sys.exit(main())
