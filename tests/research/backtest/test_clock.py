"""The backtest's clock says what the session clock says live."""

from __future__ import annotations

from datetime import date

from events.calendar import session
from events.market import ClockTick, Phase, PhaseChanged
from research.backtest.clock import SECOND, Clock


def test_phases_come_before_the_ticks_of_their_second() -> None:
    hours = session(date(2025, 9, 15))
    events = Clock(hours, 1)
    opening = [each for each in events if each.at == hours.open_at]
    assert opening == [
        PhaseChanged(at=hours.open_at, trading_date=hours.trading_date, phase=Phase.CONTINUOUS),
        ClockTick(at=hours.open_at, phase=Phase.CONTINUOUS),
    ]
    assert events.at == [each.at for each in events]
    ticks = [each.at for each in events if isinstance(each, ClockTick)]
    assert ticks == list(range(hours.auction_from, hours.close_at + 60 * SECOND + 1, SECOND))


def test_a_step_of_a_minute_keeps_every_phase() -> None:
    hours = session(date(2025, 11, 13))  # the day of the college entrance exam: an hour later
    events = Clock(hours, 60)
    assert [each.phase for each in events if isinstance(each, PhaseChanged)] == [
        Phase.OPENING_AUCTION,
        Phase.CONTINUOUS,
        Phase.CLOSING_AUCTION,
        Phase.CLOSED,
    ]
    assert all(each.at % (60 * SECOND) == 0 for each in events if isinstance(each, ClockTick))
    assert [each.at for each in events] == sorted(each.at for each in events)
