"""The purity check finds what would make a replay differ, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.purity import check, check_source, main

FILE = Path("risk/gate.py")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("import time\n", "imports time"),
        ("import os.path\n", "imports os"),
        ("from pathlib import Path\n", "imports pathlib"),
        ("from numpy import random\n", "imports numpy.random"),
        ("import asyncio as a\n", "imports asyncio"),
        ("import structlog\n", "imports structlog"),
        ("def f():\n    import random\n", "imports random"),
        ("text = open('x').read()\n", "calls open()"),
        ("key = hash('005930')\n", "calls hash()"),
        ("from datetime import datetime\nx = datetime.now()\n", "calls datetime.now()"),
        ("import datetime\nx = datetime.date.today()\n", "calls date.today()"),
        ("async def f(): ...\n", "f is async: a decider has nothing to wait for"),
        (
            "for s in {1, 2}: ...\n",
            "iterates over a set: its order is not fixed, use sorted()",
        ),
        (
            "x = [s for s in set(y) - {1}]\n",
            "iterates over a set: its order is not fixed, use sorted()",
        ),
        (
            "x = tuple({1, 2})\n",
            "makes a sequence of a set: its order is not fixed, use sorted()",
        ),
    ],
)
def test_a_planted_impurity_is_found_with_its_line(source: str, problem: str) -> None:
    """Each kind of impurity is named; the line is that of the offence."""
    findings = check_source("\n" + source, FILE)
    assert [finding.problem for finding in findings] == [problem]
    assert findings[0].line == (2 + source[:-1].count("\n"))


@pytest.mark.parametrize(
    "source",
    [
        "from datetime import date, datetime, time\nx = datetime.fromtimestamp(0)\n",
        "for s in sorted({2, 1}): ...\n",
        "total = sum(x for x in {1, 2})\n",
        "seen = {x for x in set(y)}\n",
        "def now(event): return event.now()\n",
        "from events.market import Trade\n",
    ],
)
def test_pure_code_is_left_alone(source: str) -> None:
    """Dates, sorted sets, order-free sums and methods of our own are no offence."""
    assert check_source(source, FILE) == []


def test_an_exception_needs_a_reason() -> None:
    """``# pure:`` excuses its line when it says why, and is itself refused when it does not."""
    assert check_source("import time  # pure: only for the type of a parameter\n", FILE) == []
    findings = check_source("import time  # pure:\n", FILE)
    assert [finding.problem for finding in findings] == ["'# pure:' needs a reason after the colon"]


def test_a_planted_violation_fails_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command walks the pure places of a tree, prints file and line, and exits with 1."""
    package = tmp_path / "risk"
    package.mkdir()
    (package / "clock.py").write_text("import time\n")
    assert main([str(tmp_path)]) == 1
    assert "risk/clock.py:1: imports time" in capsys.readouterr().out


def test_a_pure_place_that_vanished_is_a_finding(tmp_path: Path) -> None:
    """Renaming a pure module must not silently end its check."""
    findings = check(tmp_path, ["risk/planner.py"])
    assert [finding.problem for finding in findings] == ["is named as pure and does not exist"]
