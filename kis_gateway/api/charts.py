"""Bars of an issue: days, weeks, months, years and minutes, paged backwards until complete.

KIS gives 100 days or 30 minutes (120 of a past day) with one answer, newest first, without saying
that there are more. What always holds: bars come oldest first, without gaps made by paging; a
minute that has not ended is left out, since its newest row still carries the volume of the minute
before.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from typing import Final, Literal

from events import Symbol, TradingDate
from events.calendar import kst
from events.market import Venue
from kis_gateway.api.caller import Caller, Summed, as_date
from kis_gateway.api.markets import VENUES
from kis_gateway.api.reading import WithSummary
from kis_gateway.api.records.charts import ChartSummary, IssueSummary, MinuteBar, PeriodBar
from kis_gateway.client.limiter import Priority
from kis_gateway.errors import InquiryFailed

_PERIODS: Final = Summed("inquire-daily-itemchartprice", IssueSummary, PeriodBar, Priority.CHART)
_MINUTES_TODAY: Final = Summed(
    "inquire-time-itemchartprice", ChartSummary, MinuteBar, Priority.CHART
)
_MINUTES_OF_DAY: Final = Summed(
    "inquire-time-dailychartprice", ChartSummary, MinuteBar, Priority.CHART
)

Period = Literal["D", "W", "M", "Y"]

_PERIOD_PAGE: Final = 100
_TODAY_PAGE: Final = 30
_PAST_PAGE: Final = 120
_MINUTE: Final = 60_000_000_000
_MOST_STEPS: Final = 200
_END_OF_DAY: Final = "235900"
# Here 0 is adjusted; in inquire-daily-price the same parameter has it the other way round.
_ADJUSTED: Final = {True: "0", False: "1"}


class Charts:
    """Inquiries for bars. All raise ``InquiryFailed`` unless the bars are complete."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def bars(
        self,
        symbol: Symbol,
        first: TradingDate,
        last: TradingDate,
        period: Period = "D",
        *,
        adjusted: bool = True,
        venue: Venue = Venue.KRX,
    ) -> WithSummary[IssueSummary, PeriodBar]:
        """Return the bars of a span, oldest first; the present period's is still forming."""
        found: dict[tuple[int, ...], PeriodBar] = {}
        summary: IssueSummary | None = None
        end = as_date(last)
        for _ in range(_MOST_STEPS):
            answer = await self._caller.summed(
                _PERIODS,
                {
                    "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                    "FID_INPUT_ISCD": symbol,
                    "FID_INPUT_DATE_1": first,
                    "FID_INPUT_DATE_2": f"{end:%Y%m%d}",
                    "FID_PERIOD_DIV_CODE": period,
                    "FID_ORG_ADJ_PRC": _ADJUSTED[adjusted],
                },
            )
            summary = summary or answer.summary
            for bar in answer.rows:
                # A page that ends inside a period gives that period's beginning alone; the page
                # before has it whole.
                found.setdefault(_period_of(bar.trading_date, period), bar)
            if len(answer.rows) < _PERIOD_PAGE:
                ordered = sorted(found.values(), key=lambda bar: bar.trading_date)
                return WithSummary(summary=summary, rows=tuple(ordered))
            oldest = as_date(min(bar.trading_date for bar in answer.rows))
            if oldest > end:
                raise InquiryFailed(
                    _PERIODS.form.name, "PAGING", f"rows after the asked {end:%Y%m%d}"
                )
            end = oldest - timedelta(days=1)
        raise InquiryFailed(_PERIODS.form.name, "PAGING", f"no end after {_MOST_STEPS} answers")

    async def minutes_today(
        self, symbol: Symbol, until: int | None = None, *, venue: Venue = Venue.KRX
    ) -> tuple[MinuteBar, ...]:
        """Return today's minutes that had ended by ``until`` (ns UTC, now for ``None``).

        A minute without a trade has no bar.
        """
        now = self._caller.time.now()
        until = now if until is None else min(until, now)

        async def ask(hour: str) -> Sequence[MinuteBar]:
            answer = await self._caller.summed(
                _MINUTES_TODAY,
                {
                    "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                    "FID_INPUT_ISCD": symbol,
                    "FID_INPUT_HOUR_1": hour,
                    "FID_PW_DATA_INCU_YN": "N",
                },
            )
            return answer.rows

        hour = f"{kst(until):%H%M%S}"
        return await _minutes(ask, self._caller.today(), hour, _TODAY_PAGE, until)

    async def minutes_of(
        self, symbol: Symbol, day: TradingDate, *, venue: Venue = Venue.KRX
    ) -> tuple[MinuteBar, ...]:
        """Return the minutes of a day of the past year. Real accounts only."""

        async def ask(hour: str) -> Sequence[MinuteBar]:
            answer = await self._caller.summed(
                _MINUTES_OF_DAY,
                {
                    "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                    "FID_INPUT_ISCD": symbol,
                    "FID_INPUT_HOUR_1": hour,
                    "FID_INPUT_DATE_1": day,
                    "FID_PW_DATA_INCU_YN": "N",
                },
            )
            return answer.rows

        return await _minutes(ask, as_date(day), _END_OF_DAY, _PAST_PAGE, self._caller.time.now())


async def _minutes(
    ask: Callable[[str], Awaitable[Sequence[MinuteBar]]],
    day: date,
    hour: str,
    full_page: int,
    until: int,
) -> tuple[MinuteBar, ...]:
    found: dict[int, MinuteBar] = {}
    for _ in range(_MOST_STEPS):
        page = [bar for bar in await ask(hour) if bar.trading_date == f"{day:%Y%m%d}"]
        new = {bar.start: bar for bar in page if bar.start not in found}
        found.update(new)
        if len(page) < full_page or not new:
            break
        earlier = kst(min(new) - _MINUTE)
        if earlier.date() != day:
            break
        hour = f"{earlier:%H%M%S}"
    return tuple(
        bar for start, bar in sorted(found.items()) if start + _MINUTE <= until and bar.volume > 0
    )


def _period_of(day: TradingDate, period: Period) -> tuple[int, ...]:
    when = as_date(day)
    if period == "D":
        return (when.toordinal(),)
    if period == "W":
        return when.isocalendar()[:2]
    return (when.year, when.month) if period == "M" else (when.year,)
