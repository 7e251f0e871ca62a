"""The calendar, volatility interruptions, what issues are, news titles, money in the market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Literal

from events import Symbol, TradingDate
from events.calendar import kst
from kis_gateway.api.caller import Caller, Many, One, as_date, step_back
from kis_gateway.api.markets import market_letter
from kis_gateway.api.records.reference import (
    CalendarDay,
    MarketFunds,
    NewsTitle,
    ProductInfo,
    StockInfo,
    VolatilityInterruption,
)
from kis_gateway.errors import InquiryFailed

_HOLIDAYS: Final = Many("chk-holiday", CalendarDay, ledger=True)
_INTERRUPTIONS: Final = Many("inquire-vi-status", VolatilityInterruption)
_STOCK: Final = One("search-stock-info", StockInfo)
_PRODUCT: Final = One("search-info", ProductInfo)
_NEWS: Final = Many("news-title", NewsTitle)
_FUNDS: Final = Many("mktfunds", MarketFunds)

STOCK: Final = "300"
"""Product type of shares, ETFs, ETNs and ELWs."""

_DIRECTIONS: Final = {"all": "0", "up": "1", "down": "2"}
_KINDS: Final = {"all": "0", "static": "1", "dynamic": "2", "both": "3"}
_MOST_STEPS: Final = 100


class Reference:
    """Inquiries about what does not change by the second. All raise ``InquiryFailed``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def calendar(self, first: TradingDate, last: TradingDate) -> tuple[CalendarDay, ...]:
        """Return every calendar day of a span. Real accounts only.

        KIS asks that this call be made once a day, since it burdens the ledger.
        """
        found: dict[TradingDate, CalendarDay] = {}
        start = as_date(first)
        for _ in range(_MOST_STEPS):
            page = await self._caller.many(_HOLIDAYS, {"BASS_DT": f"{start:%Y%m%d}"})
            fresh = [row for row in page if row.day not in found]
            found.update((row.day, row) for row in fresh)
            if fresh and max(found) >= last:
                return tuple(found[day] for day in sorted(found) if first <= day <= last)
            if not fresh:
                break
            start = as_date(max(found)) + timedelta(days=1)
        raise InquiryFailed(_HOLIDAYS.form.name, "INCOMPLETE", f"KIS does not know {last} yet")

    async def volatility_interruptions(
        self,
        day: TradingDate,
        symbol: Symbol | None = None,
        *,
        market: str | None = None,
        direction: Literal["all", "up", "down"] = "all",
        kind: Literal["all", "static", "dynamic", "both"] = "all",
    ) -> tuple[VolatilityInterruption, ...]:
        """Return the volatility interruptions of a day. Real accounts only."""
        name = _INTERRUPTIONS.form.name
        return await self._caller.many(
            _INTERRUPTIONS,
            {
                "FID_DIV_CLS_CODE": _DIRECTIONS[direction],
                "FID_MRKT_CLS_CODE": "0" if market is None else market_letter(name, market),
                "FID_INPUT_ISCD": symbol or "",
                "FID_RANK_SORT_CLS_CODE": _KINDS[kind],
                "FID_INPUT_DATE_1": day,
            },
        )

    async def stock(self, symbol: Symbol) -> StockInfo:
        """Return what an issue is, and whether NXT trades it. Real accounts only."""
        return await self._caller.one(_STOCK, {"PDNO": symbol, "PRDT_TYPE_CD": STOCK})

    async def product(self, code: str, kind: str = STOCK) -> ProductInfo:
        """Return what a product of a type is. Real accounts only."""
        return await self._caller.one(_PRODUCT, {"PDNO": code, "PRDT_TYPE_CD": kind})

    async def news(
        self, since: int, until: int | None = None, symbol: Symbol | None = None
    ) -> tuple[NewsTitle, ...]:
        """Return the titles between two instants (ns UTC), oldest first. Real accounts only.

        Raises:
            InquiryFailed: a second has more titles than an answer, so that some are out of reach.
        """
        found: dict[str, NewsTitle] = {}
        until = self._caller.time.now() if until is None else until
        end = until
        for _ in range(_MOST_STEPS):
            page = await self._news_up_to(end, symbol)
            fresh = [title for title in page if title.serial not in found]
            found.update((title.serial, title) for title in fresh)
            if not fresh or min(title.at for title in page) < since:
                ordered = sorted(found.values(), key=lambda title: (title.at, title.serial))
                return tuple(title for title in ordered if since <= title.at <= until)
            oldest = min(title.at for title in page)
            if oldest == end and len(fresh) == len(page) > 1:
                break
            end = oldest
        raise InquiryFailed(
            _NEWS.form.name, "PAGING", f"no way back beyond {kst(end):%Y-%m-%d %H:%M:%S}"
        )

    async def _news_up_to(self, end: int, symbol: Symbol | None) -> Sequence[NewsTitle]:
        # This call alone wants two zeros before the date and four before the time.
        moment = kst(end)
        return await self._caller.many(
            _NEWS,
            {
                "FID_INPUT_ISCD": symbol or "",
                "FID_INPUT_DATE_1": f"00{moment:%Y%m%d}",
                "FID_INPUT_HOUR_1": f"0000{moment:%H%M%S}",
            },
        )

    async def market_funds(self, first: TradingDate, last: TradingDate) -> tuple[MarketFunds, ...]:
        """Return the money in the market over a span of days. Real accounts only."""

        async def ask(end: date) -> Sequence[MarketFunds]:
            return await self._caller.many(_FUNDS, {"FID_INPUT_DATE_1": f"{end:%Y%m%d}"})

        return await step_back(_FUNDS, ask, lambda row: row.trading_date, first, last)
