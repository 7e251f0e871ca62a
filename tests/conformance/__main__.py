"""Run third-party clients against the simulator and print who can do what.

    python -m tests.conformance [CLIENT ...] [--profile real|paper] [--era A|B|C]

Every run gets a fresh simulator. The environments are those that ``just conformance`` makes under
``.conformance``. Exit code 1 when any step of any client failed or is missing from its report.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from kis_gateway.protocol import Era
from tests.conformance.steps import FAILED, NOT_OFFERED, OK, STEPS

_ROOT: Final = Path(__file__).resolve().parents[2]
_ENVIRONMENTS: Final = _ROOT / ".conformance"
_LONGEST_RUN: Final = 240.0
_AT_ONCE: Final = 3
_MARKS: Final = {OK: "ok", NOT_OFFERED: "–", FAILED: "FAILED"}


class Client(NamedTuple):
    """A client: its script and the era of the protocol that it was written for."""

    script: str
    era: Era


CLIENTS: Final[Mapping[str, Client]] = {
    "python-kis": Client("python_kis", Era.A),
    "mojito2": Client("mojito2", Era.A),
    "kis-trader": Client("kis_trader", Era.C),
    "pykis": Client("pykis", Era.A),
    "official-way": Client("official_way", Era.C),
}
PROFILES: Final = ("real", "paper")


class Outcome(NamedTuple):
    """One client's run in one profile; what happened by step."""

    client: str
    profile: str
    era: Era
    steps: Mapping[str, Mapping[str, str]]
    errors: str

    @property
    def title(self) -> str:
        """Column heading."""
        return f"{self.client} {self.profile} {self.era}"

    @property
    def passed(self) -> bool:
        """Whether every step went well or is not offered by the client."""
        return all(self.mark(step) in (_MARKS[OK], _MARKS[NOT_OFFERED]) for step in STEPS)

    def mark(self, step: str) -> str:
        """Return a step's mark; a step without a report has failed."""
        report = self.steps.get(step)
        return _MARKS[report["outcome"]] if report is not None else "missing"


@contextmanager
def market_place(era: Era) -> Iterator[dict[str, Any]]:
    """Run the simulator in a process of its own; yield its ready line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.conformance.market_place", "--era", era],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the simulator ended before it was ready: see its error above")
            yield json.loads(line)
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()


def run_client(name: str, profile: str, era: Era) -> Outcome:
    """Run one client's script in its own environment."""
    with market_place(era) as place, tempfile.TemporaryDirectory(prefix="kst-client-") as folder:
        place["profile"] = profile
        python = _ENVIRONMENTS / name / "bin" / "python"
        script = f"tests.conformance.clients.{CLIENTS[name].script}"
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": folder,
            "PYTHONPATH": str(_ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "TZ": "Asia/Seoul",
        }
        try:
            done = subprocess.run(
                [python, "-m", script, json.dumps(place)],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=_LONGEST_RUN,
                check=False,
            )
            said, errors = done.stdout, done.stderr
        except subprocess.TimeoutExpired as expired:
            said = _text(expired.stdout)
            errors = f"{_text(expired.stderr)}\nended after {_LONGEST_RUN:g} s"
    reports = [json.loads(line) for line in said.splitlines() if line.startswith('{"step"')]
    return Outcome(name, profile, era, {each["step"]: each for each in reports}, errors)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the table: a row per step, a column per client, profile and era, and a legend."""
    widths = [max(len(each.title), 7) for each in outcomes]
    first = max(len(step) for step in STEPS)
    lines = ["  ".join([" " * first, *(each.title for each in outcomes)])]
    for step in STEPS:
        marks = [each.mark(step).ljust(width) for each, width in zip(outcomes, widths, strict=True)]
        lines.append("  ".join([step.ljust(first), *marks]).rstrip())
    lines.append(f"{_MARKS[NOT_OFFERED]} the client has no call for it; --verbose says why")
    return "\n".join(lines)


def failures(outcome: Outcome, *, verbose: bool) -> str:
    """Return what went wrong, with the client's own traceback; all it said when ``verbose``."""
    lines = [f"== {outcome.title}"]
    for step, report in outcome.steps.items():
        if verbose or report["outcome"] == FAILED:
            lines.append(f"-- {step}: {report['outcome']}: {report['detail']}")
        if report["traceback"]:
            lines.append(report["traceback"])
    if outcome.errors.strip() and (verbose or not outcome.passed):
        lines += ["-- standard error", outcome.errors[-6_000:]]
    return "\n".join(lines)


def _text(said: bytes | str | None) -> str:
    # What a process said before its time was up comes as bytes whatever was asked for.
    return said.decode(errors="replace") if isinstance(said, bytes) else said or ""


def main() -> None:
    """Run what was asked for and exit."""
    parser = argparse.ArgumentParser(prog="just conformance", description=__doc__)
    parser.add_argument("clients", nargs="*", metavar="CLIENT", help=", ".join(CLIENTS))
    parser.add_argument("--profile", choices=PROFILES, help="default: both")
    parser.add_argument("--era", type=Era, choices=list(Era), help="default: each client's own")
    parser.add_argument("--verbose", action="store_true", help="say what each step saw")
    asked = parser.parse_args()
    if unknown := set(asked.clients) - set(CLIENTS):
        parser.error(f"unknown client {', '.join(sorted(unknown))}: choose from {list(CLIENTS)}")
    runs = [
        (name, profile, asked.era or CLIENTS[name].era)
        for name in asked.clients or CLIENTS
        for profile in ((asked.profile,) if asked.profile else PROFILES)
    ]
    outcomes = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for outcome in pool.map(lambda run: run_client(*run), runs):
            outcomes.append(outcome)
            if asked.verbose or not outcome.passed:
                print(failures(outcome, verbose=asked.verbose), flush=True)
    print(table(outcomes))
    sys.exit(0 if all(each.passed for each in outcomes) else 1)


if __name__ == "__main__":
    main()
