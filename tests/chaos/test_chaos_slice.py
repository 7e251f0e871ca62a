"""Two minutes of drills with every change: the same seeds every time, whatever fits."""

from __future__ import annotations

import pytest

from tests.chaos.campaign import Request, Result, run_campaign
from tests.chaos.drill_plan import plan
from tests.chaos.steps import STEPS

SECONDS = 110.0
"""Wall seconds in which drills are begun; the last may take half a minute to settle."""

LEAST = 12
"""Drills without which the slice would prove nothing."""


def _ignore(_: Result) -> None:
    """Show nothing."""


@pytest.mark.timeout(180)
@pytest.mark.invariant(2)
@pytest.mark.invariant(3)
async def test_the_books_agree_after_every_drill() -> None:
    """Exchange, log, database and allocations, while processes die at marked steps."""
    result = await run_campaign(Request(runs=120, seconds=SECONDS), _ignore)
    assert [(report.seed, report.findings) for report in result.wrong] == []
    assert result.runs >= LEAST
    assert result.killed.total() >= result.runs // 3
    assert result.steps.total() >= result.runs // 4
    assert result.figures.orders >= result.runs
    assert result.figures.unknown_settled == result.figures.unknown


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("broken", ["resend", "early"])
async def test_a_router_that_is_wrong_is_found(broken: str) -> None:
    """One sends again after a time-out, the other sends before its word is durable."""
    result = await run_campaign(Request(runs=100, seconds=300.0, broken=broken), _ignore)
    kinds = {finding.kind for report in result.wrong for finding in report.findings}
    assert kinds & {"duplicate", "forgotten"}, f"{result.runs} drills found nothing wrong"


def test_a_seed_says_everything_about_a_drill() -> None:
    """Two readings of one seed are equal, and consecutive seeds arm every step."""
    assert [plan(seed) for seed in range(50)] == [plan(seed) for seed in range(50)]
    assert {plan(seed).step for seed in range(200, 200 + len(STEPS))} == set(range(len(STEPS)))
