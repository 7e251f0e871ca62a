"""ETFs and ETNs: price, net asset value over time, components. Real accounts only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from events import Symbol, TradingDate
from kis_gateway.api.caller import Caller, Many, One, Summed, Two, step_back
from kis_gateway.api.reading import WithSummary
from kis_gateway.api.records.etf import (
    BasketSummary,
    Component,
    FundPrice,
    NavDay,
    NavMoment,
    NavNow,
    PriceNow,
)

_PRICE: Final = One("etf-inquire-price", FundPrice)
_NOW: Final = Two("nav-comparison-trend", PriceNow, NavNow)
_BY_TIME: Final = Many("nav-comparison-time-trend", NavMoment)
_BY_DAY: Final = Many("nav-comparison-daily-trend", NavDay)
_COMPONENTS: Final = Summed("inquire-component-stock-price", BasketSummary, Component)


class Etf:
    """Inquiries about funds. All raise ``InquiryFailed``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def price(self, symbol: Symbol) -> FundPrice:
        """Return price and net asset value of a fund."""
        return await self._caller.one(_PRICE, {"FID_INPUT_ISCD": symbol})

    async def nav(self, symbol: Symbol) -> tuple[PriceNow, NavNow]:
        """Return the day of a fund's price and that of its net asset value."""
        return await self._caller.two(_NOW, {"FID_INPUT_ISCD": symbol})

    async def nav_by_time(self, symbol: Symbol, step_seconds: int = 60) -> tuple[NavMoment, ...]:
        """Return the newest steps of today (60 to 7200 seconds each), newest first."""
        return await self._caller.many(
            _BY_TIME, {"FID_INPUT_ISCD": symbol, "FID_HOUR_CLS_CODE": str(step_seconds)}
        )

    async def nav_by_day(
        self, symbol: Symbol, first: TradingDate, last: TradingDate
    ) -> tuple[NavDay, ...]:
        """Return the days of a span, oldest first."""

        async def ask(end: date) -> Sequence[NavDay]:
            return await self._caller.many(
                _BY_DAY,
                {
                    "FID_INPUT_ISCD": symbol,
                    "FID_INPUT_DATE_1": first,
                    "FID_INPUT_DATE_2": f"{end:%Y%m%d}",
                },
            )

        return await step_back(_BY_DAY, ask, lambda row: row.trading_date, first, last)

    async def components(self, symbol: Symbol) -> WithSummary[BasketSummary, Component]:
        """Return the issues in a fund."""
        return await self._caller.summed(_COMPONENTS, {"FID_INPUT_ISCD": symbol})
