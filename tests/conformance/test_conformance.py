"""The conformance run itself: its market on any day, and its judgement of a report."""

from __future__ import annotations

from datetime import date
from itertools import islice

from events.calendar import kst
from events.market import Phase
from kis_gateway.protocol import Era
from tests.conformance.__main__ import Outcome, table
from tests.conformance.market_place import market_of
from tests.conformance.steps import FAILED, NOT_OFFERED, OK, STEPS

SATURDAY = date(2026, 11, 21)


def test_a_day_without_a_session_has_the_last_sessions_market() -> None:
    """Every instant is moved to the day asked for; the history before it is left alone."""
    market = market_of(SATURDAY)
    assert market.day == market.session.day == SATURDAY
    assert f"{kst(market.session.open_at):%Y-%m-%d %H:%M}" == "2026-11-21 09:00"
    assert market.session.phase(market.session.open_at) is Phase.CONTINUOUS
    assert all(kst(item.at).date() == SATURDAY for item in islice(market.commands(), 500))
    symbol = market.listings[0].symbol
    assert kst(market.minute_bars(symbol)[0].start).date() == SATURDAY
    assert kst(market.daily_history(symbol)[-1].start).date() == date(2026, 11, 19)


def outcome(**changes: str) -> Outcome:
    """Return a run in which everything went well but what is named."""
    marks = dict.fromkeys(STEPS, OK) | changes
    steps = {step: {"outcome": mark} for step, mark in marks.items() if mark}
    return Outcome("client", "real", Era.A, steps, "")


def test_a_run_passes_only_when_every_step_is_reported_and_none_failed() -> None:
    """A step that the client does not offer is no failure, one without a report is."""
    assert outcome().passed
    assert outcome(amend=NOT_OFFERED).passed
    assert not outcome(amend=FAILED).passed
    assert not outcome(amend="").passed


def test_the_table_has_a_row_per_step_and_a_column_per_run() -> None:
    """Columns are named by client, profile and era."""
    lines = table([outcome(), outcome(amend=FAILED)]).splitlines()
    assert lines[0].split() == ["client", "real", "A", "client", "real", "A"]
    assert [line.split()[0] for line in lines[1:4]] == ["login", "price", "order"]
    assert next(line for line in lines if line.startswith("amend")).split() == [
        "amend",
        "ok",
        "FAILED",
    ]
