"""What a demo calls a problem: everything that log, exchange and service logs disagree on."""

from __future__ import annotations

import msgspec
import pytest

from deploy.day_summary import DaySummary
from deploy.demo_report import problems
from deploy.demo_run import Outcome
from deploy.demo_view import slowed_by
from deploy.logs import LogErrors
from deploy.simulated_broker import ExchangeFigures
from events import Symbol
from events.ops import DivergenceFound

QUIET = LogErrors(0, {})


def outcome(summary: DaySummary, **exchange: object) -> Outcome:
    figures = ExchangeFigures(orders=0, fills=0, cash=0, holdings={})
    return Outcome(
        summary=summary,
        events=1,
        exchange=msgspec.structs.replace(figures, **exchange),
        restarts={},
        lost={},
        effective_speed=1.0,
        wall_seconds=1.0,
    )


def test_a_quiet_day_on_which_all_agree_has_no_problems() -> None:
    """Nothing happened anywhere."""
    assert problems(outcome(DaySummary()), QUIET) == []


def test_an_order_at_the_exchange_that_the_log_does_not_know_is_a_problem() -> None:
    """It was sent without being written first, or twice."""
    found = problems(outcome(DaySummary(), orders=1), QUIET)
    assert found == ["the exchange got 1 orders, the log knows of 0"]


def test_holdings_that_differ_are_a_problem() -> None:
    """The broker is what counts."""
    found = problems(outcome(DaySummary(), holdings={"005930": 10}), QUIET)
    assert found == ["the account holds {'005930': 10}, the log says {}"]


def test_what_holds_at_the_end_is_a_problem() -> None:
    """Drift, conditions, divergences, undecodable entries and logged errors, one line each."""
    summary = DaySummary()
    summary.drifting[Symbol("005930")] = (10, 7)
    summary.degraded["gateway", "feed"] = "lost"
    summary.set_aside = 2
    summary.divergences.append(
        DivergenceFound(at=1, service="kmp", sequence=9, kind="changed", expected="", found="")
    )
    assert problems(outcome(summary), LogErrors(3, {"risk: service_failed": 3})) == [
        "3 × risk: service_failed in the service logs",
        "kmp derived something else than the log holds at 9",
        "2 entries or frames could not be decoded",
        "drift in 005930: broker 10, strategies 7",
        "feed of gateway: lost",
    ]


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        ({}, ""),
        ({"risk": 0.04}, ""),
        (
            {"risk": 0.3, "projector": 3.21, "kmp": 0.0},
            "slowed by projector for 3.2 s, risk for 0.3 s",
        ),
    ],
)
def test_only_delays_that_one_could_notice_are_named(lost: dict[str, float], text: str) -> None:
    """The worst comes first."""
    assert slowed_by(lost) == text
