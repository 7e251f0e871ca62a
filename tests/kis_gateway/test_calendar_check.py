"""Our calendar against the broker's: refused, reported, or not compared, and asked once a day."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest

from bus import ManualTime, MemoryLog
from events.errors import NotASession
from events.ops import Degraded, Recovered
from kis_gateway.conditions import Conditions
from kis_gateway.day.calendar_check import CalendarVerdict, check_calendar
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import ACCOUNT, OPEN, FakeBroker, of_type

MONDAY = date(2025, 9, 15)


async def reported(*verdicts: CalendarVerdict) -> MemoryLog:
    log, time = MemoryLog(ACCOUNT), ManualTime(OPEN)
    publisher = Publisher(log, "r1")
    conditions = Conditions(publisher, time)
    for verdict in verdicts:
        await verdict.report(conditions)
    writing = asyncio.create_task(publisher.run())
    await publisher.flush()
    writing.cancel()
    return log


async def test_calendars_that_agree_say_nothing_and_the_broker_is_asked_once_a_day(
    tmp_path: Path,
) -> None:
    """KIS asks for one call a day; the answer is kept."""
    broker = FakeBroker(ManualTime(OPEN))
    for _ in range(2):
        verdict = await check_calendar(broker, MONDAY, tmp_path)
        verdict.require_open()
        assert verdict == CalendarVerdict(day=MONDAY, differences={})
    assert broker.asked == ["market_days"]
    assert (await reported(verdict)).entries == []


async def test_a_day_closed_for_the_broker_is_refused(tmp_path: Path) -> None:
    """Also when the answer is the one kept from before a restart."""
    broker = FakeBroker(ManualTime(OPEN))
    broker.closed.add(MONDAY)
    for _ in range(2):
        verdict = await check_calendar(broker, MONDAY, tmp_path)
        with pytest.raises(NotASession, match="2025-09-15"):
            verdict.require_open()
    assert broker.asked == ["market_days"]


async def test_a_difference_on_another_day_is_a_condition_until_the_calendars_agree() -> None:
    """There is time to correct ours by the exchange's notices."""
    verdict = CalendarVerdict(day=MONDAY, differences={date(2025, 9, 22): False})
    verdict.require_open()
    log = await reported(verdict, CalendarVerdict(day=MONDAY, differences={}))
    (degraded,) = of_type(log, Degraded)
    assert degraded.condition == "calendar-differs"
    assert "2025-09-22 is closed for the broker" in degraded.detail
    assert [event.condition for event in of_type(log, Recovered)] == ["calendar-differs"]


async def test_a_comparison_that_could_not_be_made_is_a_condition_and_the_session_goes_on(
    tmp_path: Path,
) -> None:
    """Paper accounts do not have the call."""
    broker = FakeBroker(ManualTime(OPEN))
    broker.failing.add("market_days")
    verdict = await check_calendar(broker, MONDAY, tmp_path)
    verdict.require_open()
    log = await reported(verdict)
    assert [event.condition for event in of_type(log, Degraded)] == ["calendar-unchecked"]
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240 - a test folder, nothing waits


async def test_an_answer_that_does_not_name_the_day_is_no_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day left out is neither open nor closed; it is not kept, so the next start asks again."""
    broker = FakeBroker(ManualTime(OPEN))

    async def other_days(_: date) -> dict[date, bool]:
        return {date(2025, 9, 16): True}

    monkeypatch.setattr(broker, "market_days", other_days)
    verdict = await check_calendar(broker, MONDAY, tmp_path)
    log = await reported(verdict)
    assert [event.condition for event in of_type(log, Degraded)] == ["calendar-unchecked"]
    assert not any(tmp_path.glob("*"))  # noqa: ASYNC240 - a test folder, nothing waits
