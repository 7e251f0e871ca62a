"""The pacer's decisions, written out, and its book-keeping on a real clock file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import SharedTime
from deploy.pacer import HARD_BACKLOG, SOFT_BACKLOG, Pace, Pacer, Reading, decide

START = 1_757_893_200_000_000_000


@pytest.mark.parametrize(
    ("readings", "pace"),
    [
        ([], Pace(180.0, None)),
        ([Reading("kmp", 0), Reading("risk", 250)], Pace(180.0, None)),
        ([Reading("kmp", 1_125), Reading("risk", 250)], Pace(90.0, "kmp")),
        ([Reading("kmp", 600), Reading("projector", 1_650)], Pace(36.0, "projector")),
        ([Reading("kmp", 2_000)], Pace(0.0, "kmp")),
        ([Reading("kmp", 50_000)], Pace(0.0, "kmp")),
    ],
)
def test_the_clock_slows_in_proportion_to_the_worst_backlog(
    readings: Sequence[Reading], pace: Pace
) -> None:
    """Full speed up to 250 entries, standstill from 2,000, a straight line between."""
    assert decide(readings, 180.0, started=True, held=0.0) == pace


def test_the_clock_stands_still_until_every_service_is_ready() -> None:
    """A service without a report is not ready, whatever the others say."""
    readings = [Reading("kmp", 0), Reading("gateway", None)]
    assert decide(readings, 180.0, started=False, held=60.0) == Pace(0.0, "gateway")


def test_the_clock_creeps_while_a_service_is_being_restarted() -> None:
    """Recovery needs rate limits and time-outs to pass, so time must not stand still."""
    readings = [Reading("kmp", 0), Reading("gateway", None)]
    assert decide(readings, 180.0, started=True, held=0.0) == Pace(1.0, "gateway")


def test_a_backlog_that_waits_for_time_itself_is_not_a_deadlock() -> None:
    """After ten wall seconds at a standstill the clock creeps."""
    stuck = [Reading("gateway", 5_000)]
    assert decide(stuck, 180.0, started=True, held=9.9) == Pace(0.0, "gateway")
    assert decide(stuck, 180.0, started=True, held=10.0) == Pace(1.0, "gateway")


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=6),
    st.floats(0.5, 1_000),
    st.integers(0, 5_000),
)
def test_more_backlog_never_means_more_speed(pending: list[int], speed: float, more: int) -> None:
    """The pace is within 0 and the asked speed and falls as the worst backlog grows."""
    readings = [Reading(f"s{n}", value) for n, value in enumerate(pending)]
    worse = [*readings, Reading("late", max(pending) + more)]
    pace = decide(readings, speed, started=True, held=0.0)
    assert 0.0 <= decide(worse, speed, started=True, held=0.0).rate <= pace.rate <= speed
    assert (pace.slowed_by is None) == (max(pending) <= SOFT_BACKLOG)
    assert (pace.rate == 0.0) == (max(pending) >= HARD_BACKLOG)


def test_lost_time_is_charged_to_the_service_that_caused_it(tmp_path: Path) -> None:
    """Four seconds at half speed are two lost; waiting for the first start is not lost."""
    clock = SharedTime.create(tmp_path / "clock", start=START, speed=100.0)
    now: list[Reading] = [Reading("projector", None)]
    pacer = Pacer(clock, lambda: now)
    pacer.look(10.0)
    assert clock.rate == 0.0
    now[:] = [Reading("projector", 0)]
    pacer.look(13.0)
    assert (clock.rate, pacer.lost) == (100.0, {})
    now[:] = [Reading("projector", 1_125)]
    pacer.look(14.0)
    assert clock.rate == 50.0
    now[:] = [Reading("projector", 0)]
    pacer.look(18.0)
    assert clock.rate == 100.0
    assert pacer.lost == pytest.approx({"projector": 2.0}, abs=0.001)


def test_holding_stops_the_clock_for_good(tmp_path: Path) -> None:
    """The end of a run: a further look at services without backlog does not start it again."""
    clock = SharedTime.create(tmp_path / "clock", start=START, speed=100.0)
    pacer = Pacer(clock, lambda: [Reading("kmp", 0)])
    pacer.look(1.0)
    assert clock.rate == 100.0
    pacer.hold()
    pacer.look(2.0)
    assert clock.rate == 0.0
    assert clock.now() == clock.now()
