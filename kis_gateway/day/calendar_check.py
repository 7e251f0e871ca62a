"""Our calendar of sessions against the broker's, once a day.

Holidays are proclaimed at short notice, and an order on a day the exchange is closed was a failure
once. What always holds: a day on which the broker says the exchange is closed is not opened; any
other difference and a comparison that could not be made are conditions, and the session goes on.
KIS asks for one such call a day, so its answer is kept in the data folder. Paper accounts do not
have the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import msgspec

from events import calendar
from events.errors import CalendarHorizon, NotASession
from kis_gateway.broker import Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed

DIFFERS = "calendar-differs"
UNCHECKED = "calendar-unchecked"


class CalendarVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found.

    ``differences`` are days on which the two disagree, true where the broker says open;
    ``unchecked`` says why there was no comparison, empty when there was one.
    """

    day: date
    differences: dict[date, bool]
    unchecked: str = ""

    def require_open(self) -> None:
        """Refuse a session of a day that the broker says is none.

        Raises:
            NotASession: the broker says that the exchange is closed.
        """
        if self.differences.get(self.day) is False:
            raise NotASession(self.day, "the broker's calendar says that the exchange is closed")

    def describe(self) -> str:
        """Return the differences for people."""
        return ", ".join(
            f"{day:%Y-%m-%d} is {'open' if is_open else 'closed'} for the broker and not for us"
            for day, is_open in sorted(self.differences.items())
        )

    async def report(self, conditions: Conditions) -> None:
        """Report what a session that goes on should know."""
        if self.unchecked:
            await conditions.degraded(UNCHECKED, self.unchecked)
            return
        await conditions.recovered(UNCHECKED, "compared")
        if self.differences:
            await conditions.degraded(
                DIFFERS, f"{self.describe()}: correct events/calendar.py by the exchange's notices"
            )
        else:
            await conditions.recovered(DIFFERS, "the calendars agree")


async def check_calendar(broker: Broker, day: date, folder: Path | None) -> CalendarVerdict:
    """Compare the coming days; ``folder`` keeps the broker's answer of the day."""
    path = None if folder is None else folder / f"market-days-{day:%Y%m%d}.json"
    kept = await asyncio.to_thread(_kept, path)
    if kept is not None and day in kept:
        return CalendarVerdict(day=day, differences=_differences(kept))
    try:
        theirs = await broker.market_days(day)
    except InquiryFailed as error:
        return CalendarVerdict(
            day=day,
            differences={},
            unchecked=f"the broker's calendar could not be had: {error}",
        )
    if day not in theirs:
        return CalendarVerdict(
            day=day,
            differences=_differences(theirs),
            unchecked=f"the broker's calendar does not name {day:%Y-%m-%d}",
        )
    await asyncio.to_thread(_keep, path, theirs)
    return CalendarVerdict(day=day, differences=_differences(theirs))


def _differences(theirs: Mapping[date, bool]) -> dict[date, bool]:
    found = {}
    for day, is_open in theirs.items():
        try:
            ours = calendar.is_session(day)
        except CalendarHorizon:
            continue
        if ours is not is_open:
            found[day] = is_open
    return found


def _kept(path: Path | None) -> dict[date, bool] | None:
    if path is None or not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[date, bool])
    except msgspec.DecodeError:
        return None  # not an answer that was kept whole: ask again


def _keep(path: Path | None, answer: Mapping[date, bool]) -> None:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(answer))
        part.replace(path)
