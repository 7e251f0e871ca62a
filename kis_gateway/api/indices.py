"""Levels of indices and sectors: now, by day, by minute, by second, as bars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, Literal

from events import TradingDate
from kis_gateway.api.caller import Caller, Many, One, Summed, step_back
from kis_gateway.api.markets import INDICES, index_code, market_letter
from kis_gateway.api.reading import WithSummary
from kis_gateway.api.records.indices import (
    IndexBar,
    IndexChartSummary,
    IndexDay,
    IndexMoment,
    IndexNow,
    IndexTimeBar,
    SectorLevel,
)
from kis_gateway.client.limiter import Priority

_NOW: Final = One("inquire-index-price", IndexNow)
_DAYS: Final = Summed("inquire-index-daily-price", IndexNow, IndexDay, Priority.CHART)
_MINUTES: Final = Many("inquire-index-timeprice", IndexMoment)
_SECONDS: Final = Many("inquire-index-tickprice", IndexMoment)
_CHART: Final = Summed("inquire-daily-indexchartprice", IndexChartSummary, IndexBar, Priority.CHART)
_TIME_CHART: Final = Summed(
    "inquire-time-indexchartprice", IndexChartSummary, IndexTimeBar, Priority.CHART
)
_SECTORS: Final = Summed("inquire-index-category-price", IndexNow, SectorLevel)
_GROUPS: Final = {"all": "0", "other": "1", "general": "3"}


class Indices:
    """Inquiries about indices. All raise ``InquiryFailed``.

    ``index`` is a name (``KOSPI``, ``KOSDAQ``, ``KOSPI200``, ``KOSDAQ150``, ``KRX100``) or the four
    digits of a sector.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def now(self, index: str) -> IndexNow:
        """Return where an index stands. Real accounts only."""
        return await self._caller.one(_NOW, _index(_NOW.form.name, index))

    async def days(
        self,
        index: str,
        first: TradingDate,
        last: TradingDate,
        period: Literal["D", "W", "M"] = "D",
    ) -> tuple[IndexDay, ...]:
        """Return an index's days, weeks or months of a span, oldest first. Real accounts only."""

        async def ask(end: date) -> Sequence[IndexDay]:
            parameters = {
                **_index(_DAYS.form.name, index),
                "FID_PERIOD_DIV_CODE": period,
                "FID_INPUT_DATE_1": f"{end:%Y%m%d}",
            }
            return (await self._caller.summed(_DAYS, parameters)).rows

        return await step_back(_DAYS, ask, lambda row: row.trading_date, first, last)

    async def minutes(self, index: str, step: Literal[1, 5, 10] = 1) -> tuple[IndexMoment, ...]:
        """Return the newest levels of today by minutes, newest first. Real accounts only."""
        parameters = _index(_MINUTES.form.name, index)
        return await self._caller.many(_MINUTES, {**parameters, "FID_INPUT_HOUR_1": str(step * 60)})

    async def seconds(self, index: str) -> tuple[IndexMoment, ...]:
        """Return the newest levels of today by seconds, newest first. Real accounts only."""
        return await self._caller.many(_SECONDS, _index(_SECONDS.form.name, index))

    async def chart(
        self,
        index: str,
        first: TradingDate,
        last: TradingDate,
        period: Literal["D", "W", "M", "Y"] = "D",
    ) -> WithSummary[IndexChartSummary, IndexBar]:
        """Return an index's bars of a span, oldest first, and where it stands."""
        summaries: list[IndexChartSummary] = []

        async def ask(end: date) -> Sequence[IndexBar]:
            answer = await self._caller.summed(
                _CHART,
                {
                    **_index(_CHART.form.name, index),
                    "FID_INPUT_DATE_1": first,
                    "FID_INPUT_DATE_2": f"{end:%Y%m%d}",
                    "FID_PERIOD_DIV_CODE": period,
                },
            )
            summaries.append(answer.summary)
            return answer.rows

        rows = await step_back(_CHART, ask, lambda row: row.trading_date, first, last)
        return WithSummary(summary=summaries[0], rows=rows)

    async def time_chart(
        self,
        index: str,
        step_seconds: Literal[30, 60, 600, 3600] = 60,
        *,
        with_past_days: bool = False,
    ) -> WithSummary[IndexChartSummary, IndexTimeBar]:
        """Return the newest bars within the day, newest first. Real accounts only."""
        return await self._caller.summed(
            _TIME_CHART,
            {
                **_index(_TIME_CHART.form.name, index),
                "FID_ETC_CLS_CODE": "0",
                "FID_INPUT_HOUR_1": str(step_seconds),
                "FID_PW_DATA_INCU_YN": "Y" if with_past_days else "N",
            },
        )

    async def sectors(
        self, market: str, group: Literal["all", "other", "general"] = "all"
    ) -> WithSummary[IndexNow, SectorLevel]:
        """Return all sectors of ``KOSPI`` or ``KOSDAQ``. Real accounts only."""
        letter = market_letter(_SECTORS.form.name, market)
        return await self._caller.summed(
            _SECTORS,
            {
                "FID_INPUT_ISCD": INDICES[market],
                "FID_MRKT_CLS_CODE": letter,
                "FID_BLNG_CLS_CODE": _GROUPS[group],
            },
        )


def _index(call: str, index: str) -> dict[str, str]:
    return {"FID_INPUT_ISCD": index_code(call, index)}
