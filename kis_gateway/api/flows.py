"""Who buys and sells an issue or a market: investors, programs, credit, short sellers, lenders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final, Literal

from events import Symbol, TradingDate
from events.market import Venue
from kis_gateway.api.caller import Caller, Many, Summed, as_date, step_back
from kis_gateway.api.markets import (
    INDICES,
    VENUES,
    index_or_all,
    market_letter,
    market_short_name,
)
from kis_gateway.api.records.flows import (
    CreditDay,
    InvestorDay,
    InvestorDayInDetail,
    InvestorEstimate,
    InvestorRank,
    LendingDay,
    MarketInvestorDay,
    MarketInvestors,
    MarketProgramTrade,
    MarketProgramTradeDay,
    ProgramTrade,
    ProgramTradeDay,
    ShortSaleDay,
)
from kis_gateway.api.records.prices import DaySummary

_INVESTORS: Final = Many("inquire-investor", InvestorDay)
_IN_DETAIL: Final = Summed("investor-trade-by-stock-daily", DaySummary, InvestorDayInDetail)
_ESTIMATE: Final = Many("investor-trend-estimate", InvestorEstimate, block="output2")
_RANKING: Final = Many("foreign-institution-total", InvestorRank)
_MARKET_NOW: Final = Many("inquire-investor-time-by-market", MarketInvestors)
_MARKET_DAYS: Final = Many("inquire-investor-daily-by-market", MarketInvestorDay)
_PROGRAM: Final = Many("program-trade-by-stock", ProgramTrade)
_PROGRAM_DAYS: Final = Many("program-trade-by-stock-daily", ProgramTradeDay)
_MARKET_PROGRAM: Final = Many("comp-program-trade-today", MarketProgramTrade)
_MARKET_PROGRAM_DAYS: Final = Many("comp-program-trade-daily", MarketProgramTradeDay)
_CREDIT: Final = Many("daily-credit-balance", CreditDay)
_SHORT_SALES: Final = Summed("daily-short-sale", DaySummary, ShortSaleDay)
_LENDING: Final = Many("daily-loan-trans", LendingDay, block="output2")

_SETTLEMENT: Final = timedelta(days=10)
"""Longer than the two sessions to settlement ever take, holidays included."""
_RANKED: Final = {"all": "0", "foreigners": "1", "institutions": "2", "others": "3"}


class Flows:
    """Inquiries about the sides of the market. All raise ``InquiryFailed``.

    Spans of days are complete and oldest first; other lists are as KIS orders them.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def investors(self, symbol: Symbol, venue: Venue = Venue.KRX) -> tuple[InvestorDay, ...]:
        """Return the last 30 days by individuals, foreigners and institutions, newest first."""
        return await self._caller.many(_INVESTORS, _issue(symbol, venue))

    async def investors_in_detail(
        self,
        symbol: Symbol,
        first: TradingDate,
        last: TradingDate,
        venue: Venue = Venue.KRX,
    ) -> tuple[InvestorDayInDetail, ...]:
        """Return a span of days by every kind of investor. Real accounts only."""

        async def ask(end: date) -> Sequence[InvestorDayInDetail]:
            parameters = {**_issue(symbol, venue), "FID_INPUT_DATE_1": f"{end:%Y%m%d}"}
            return (await self._caller.summed(_IN_DETAIL, parameters)).rows

        return await step_back(_IN_DETAIL, ask, lambda row: row.trading_date, first, last)

    async def investor_estimate(self, symbol: Symbol) -> tuple[InvestorEstimate, ...]:
        """Return today's provisional tallies of an issue. Real accounts only."""
        return await self._caller.many(_ESTIMATE, {"MKSC_SHRN_ISCD": symbol})

    async def investor_ranking(
        self,
        index: str | None = None,
        *,
        investors: Literal["all", "foreigners", "institutions", "others"] = "all",
        by_value: bool = False,
        sellers: bool = False,
    ) -> tuple[InvestorRank, ...]:
        """Return the issues most net bought, or sold, by provisional tallies. Real only."""
        return await self._caller.many(
            _RANKING,
            {
                "FID_INPUT_ISCD": index_or_all(_RANKING.form.name, index),
                "FID_DIV_CLS_CODE": "1" if by_value else "0",
                "FID_RANK_SORT_CLS_CODE": "1" if sellers else "0",
                "FID_ETC_CLS_CODE": _RANKED[investors],
            },
        )

    async def market_investors(self, market: str) -> tuple[MarketInvestors, ...]:
        """Return today's trading of ``KOSPI`` or ``KOSDAQ`` by investor. Real accounts only."""
        name = market_short_name(_MARKET_NOW.form.name, market)
        sector = {"KSP": "0001", "KSQ": "1001"}[name]
        return await self._caller.many(
            _MARKET_NOW, {"FID_INPUT_ISCD": name, "FID_INPUT_ISCD_2": sector}
        )

    async def market_investor_days(
        self, market: str, first: TradingDate, last: TradingDate
    ) -> tuple[MarketInvestorDay, ...]:
        """Return a span of days of ``KOSPI`` or ``KOSDAQ`` by investor. Real accounts only."""
        name = market_short_name(_MARKET_DAYS.form.name, market)

        async def ask(end: date) -> Sequence[MarketInvestorDay]:
            return await self._caller.many(
                _MARKET_DAYS,
                {
                    "FID_INPUT_ISCD": INDICES[market],
                    "FID_INPUT_DATE_1": f"{end:%Y%m%d}",
                    "FID_INPUT_ISCD_1": name,
                    "FID_INPUT_DATE_2": f"{end:%Y%m%d}",
                    "FID_INPUT_ISCD_2": INDICES[market],
                },
            )

        return await step_back(_MARKET_DAYS, ask, lambda row: row.trading_date, first, last)

    async def program(self, symbol: Symbol, venue: Venue = Venue.KRX) -> tuple[ProgramTrade, ...]:
        """Return the newest states of program trading in an issue today. Real accounts only."""
        return await self._caller.many(_PROGRAM, _issue(symbol, venue))

    async def program_days(
        self, symbol: Symbol, first: TradingDate, last: TradingDate, venue: Venue = Venue.KRX
    ) -> tuple[ProgramTradeDay, ...]:
        """Return program trading in an issue over a span of days. Real accounts only."""

        async def ask(end: date) -> Sequence[ProgramTradeDay]:
            # This call alone wants two zeros before the date.
            parameters = {**_issue(symbol, venue), "FID_INPUT_DATE_1": f"00{end:%Y%m%d}"}
            return await self._caller.many(_PROGRAM_DAYS, parameters)

        return await step_back(_PROGRAM_DAYS, ask, lambda row: row.trading_date, first, last)

    async def market_program(self, market: str) -> tuple[MarketProgramTrade, ...]:
        """Return the newest minutes of a market's program trading today. Real accounts only."""
        letter = market_letter(_MARKET_PROGRAM.form.name, market)
        return await self._caller.many(
            _MARKET_PROGRAM, {"FID_COND_MRKT_DIV_CODE": "J", "FID_MRKT_CLS_CODE": letter}
        )

    async def market_program_days(
        self, market: str, first: TradingDate, last: TradingDate
    ) -> tuple[MarketProgramTradeDay, ...]:
        """Return a market's program trading over a span of days. Real accounts only."""
        letter = market_letter(_MARKET_PROGRAM_DAYS.form.name, market)

        async def ask(end: date) -> Sequence[MarketProgramTradeDay]:
            return await self._caller.many(
                _MARKET_PROGRAM_DAYS,
                {
                    "FID_COND_MRKT_DIV_CODE": "J",
                    "FID_MRKT_CLS_CODE": letter,
                    "FID_INPUT_DATE_1": f"{end:%Y%m%d}",
                },
            )

        return await step_back(_MARKET_PROGRAM_DAYS, ask, lambda row: row.trading_date, first, last)

    async def credit(
        self, symbol: Symbol, first: TradingDate, last: TradingDate
    ) -> tuple[CreditDay, ...]:
        """Return the credit in an issue over a span of days of trade. Real accounts only."""

        async def ask(end: date) -> Sequence[CreditDay]:
            # KIS looks up by settlement, two sessions after the trade.
            asked = end + _SETTLEMENT if end == as_date(last) else end
            return await self._caller.many(
                _CREDIT, {"FID_INPUT_ISCD": symbol, "FID_INPUT_DATE_1": f"{asked:%Y%m%d}"}
            )

        return await step_back(
            _CREDIT,
            ask,
            lambda row: row.trading_date,
            first,
            last,
            asked_by=lambda row: row.settlement_date or row.trading_date,
        )

    async def short_sales(
        self, symbol: Symbol, first: TradingDate, last: TradingDate
    ) -> tuple[ShortSaleDay, ...]:
        """Return short selling of an issue over a span of days. Real accounts only."""

        async def ask(end: date) -> Sequence[ShortSaleDay]:
            parameters = {
                "FID_INPUT_ISCD": symbol,
                "FID_INPUT_DATE_1": first,
                "FID_INPUT_DATE_2": f"{end:%Y%m%d}",
            }
            return (await self._caller.summed(_SHORT_SALES, parameters)).rows

        return await step_back(_SHORT_SALES, ask, lambda row: row.trading_date, first, last)

    async def lending(
        self, symbol: Symbol, first: TradingDate, last: TradingDate
    ) -> tuple[LendingDay, ...]:
        """Return securities lending of an issue over a span of days. Real accounts only."""

        async def ask(end: date) -> Sequence[LendingDay]:
            return await self._caller.many(
                _LENDING,
                {
                    "MRKT_DIV_CLS_CODE": "3",
                    "MKSC_SHRN_ISCD": symbol,
                    "START_DATE": first,
                    "END_DATE": f"{end:%Y%m%d}",
                    "CTS": "",
                },
            )

        return await step_back(_LENDING, ask, lambda row: row.trading_date, first, last)


def _issue(symbol: Symbol, venue: Venue) -> dict[str, str]:
    return {"FID_COND_MRKT_DIV_CODE": VENUES[venue], "FID_INPUT_ISCD": symbol}
