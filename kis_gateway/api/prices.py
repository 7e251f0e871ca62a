"""Prices, order books, trades and member firms of issues, now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from events import Symbol
from events.calendar import kst
from events.market import Venue
from kis_gateway.api.caller import Caller, Many, One, Summed, Two
from kis_gateway.api.markets import VENUES, index_or_all
from kis_gateway.api.records.prices import (
    AfterHoursBook,
    AfterHoursPrice,
    DailyPrice,
    DaySummary,
    ExpectedClose,
    ExpectedMatch,
    LastPrice,
    MemberFirms,
    OrderBook,
    PriceStatus,
    RecentTrade,
    TimedTrade,
    WatchedPrice,
)
from kis_gateway.errors import InquiryFailed

_LAST: Final = One("inquire-price", LastPrice)
_STATUS: Final = One("inquire-price-2", PriceStatus)
_BOOK: Final = Two("inquire-asking-price-exp-ccn", OrderBook, ExpectedMatch)
_RECENT: Final = Many("inquire-ccnl", RecentTrade)
_BY_TIME: Final = Summed("inquire-time-itemconclusion", DaySummary, TimedTrade)
_DAILY: Final = Many("inquire-daily-price", DailyPrice)
_WATCHED: Final = Many("intstock-multprice", WatchedPrice)
_EXPECTED_CLOSES: Final = Many("exp-closing-price", ExpectedClose)
_AFTER_HOURS: Final = One("inquire-overtime-price", AfterHoursPrice)
_AFTER_HOURS_BOOK: Final = One("inquire-overtime-asking-price", AfterHoursBook)
_MEMBERS: Final = One("inquire-member", MemberFirms)

_SECOND: Final = 1_000_000_000
_AT_ONCE: Final = 30
_MOST_STEPS: Final = 5_000
# Here 0 is unadjusted; in the chart call the same parameter has it the other way round.
_ADJUSTED: Final = {False: "0", True: "1"}
_CHANGES: Final = {"all": "0", "rising": "3", "falling": "4"}


class Prices:
    """Inquiries about the present market. All raise ``InquiryFailed``."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def last(self, symbol: Symbol, venue: Venue = Venue.KRX) -> LastPrice:
        """Return the present price of an issue with its terms of today."""
        return await self._caller.one(_LAST, _issue(symbol, venue))

    async def status(self, symbol: Symbol, venue: Venue = Venue.KRX) -> PriceStatus:
        """Return price, halts, warnings and rights of an issue. Real accounts only."""
        return await self._caller.one(_STATUS, _issue(symbol, venue))

    async def book(
        self, symbol: Symbol, venue: Venue = Venue.KRX
    ) -> tuple[OrderBook, ExpectedMatch]:
        """Return ten levels of each side, and what a running auction would match."""
        return await self._caller.two(_BOOK, _issue(symbol, venue))

    async def recent_trades(
        self, symbol: Symbol, venue: Venue = Venue.KRX
    ) -> tuple[RecentTrade, ...]:
        """Return the newest trades, newest first; KIS gives 30."""
        return await self._caller.many(_RECENT, _issue(symbol, venue))

    async def trades(
        self, symbol: Symbol, since: int, until: int, venue: Venue = Venue.KRX
    ) -> tuple[TimedTrade, ...]:
        """Return today's trades between two instants (ns UTC, both included), oldest first.

        KIS answers with the newest trades up to a second, so they are paged backwards by time.

        Raises:
            InquiryFailed: a second has more trades than an answer, so that some are out of reach.
        """
        found: dict[int, TimedTrade] = {}
        second = until
        for _ in range(_MOST_STEPS):
            page = await self._trades_up_to(symbol, second, venue)
            fresh = {trade.cumulative_volume: trade for trade in page}.keys() - found.keys()
            found.update((trade.cumulative_volume, trade) for trade in page)
            if not page or min(trade.at for trade in page) < since:
                break
            oldest = min(found)
            if fresh:
                second = found[oldest].at
                continue
            # Nothing new up to this second: go on before it, and see that no trade lies between.
            before = await self._trades_up_to(symbol, second - _SECOND, venue)
            reached = max((trade.cumulative_volume for trade in before), default=None)
            if reached is None:
                break
            if reached < oldest - found[oldest].quantity:
                raise InquiryFailed(
                    _BY_TIME.form.name,
                    "PAGING",
                    f"more trades at {kst(second):%H:%M:%S} than one answer holds",
                )
            second -= _SECOND
        else:
            raise InquiryFailed(_BY_TIME.form.name, "PAGING", f"no end after {_MOST_STEPS} answers")
        chosen = [found[volume] for volume in sorted(found)]
        return tuple(trade for trade in chosen if since <= trade.at <= until)

    async def _trades_up_to(
        self, symbol: Symbol, second: int, venue: Venue
    ) -> tuple[TimedTrade, ...]:
        parameters = {**_issue(symbol, venue), "FID_INPUT_HOUR_1": f"{kst(second):%H%M%S}"}
        return (await self._caller.summed(_BY_TIME, parameters)).rows

    async def daily(
        self,
        symbol: Symbol,
        period: Literal["D", "W", "M"] = "D",
        *,
        adjusted: bool = True,
        venue: Venue = Venue.KRX,
    ) -> tuple[DailyPrice, ...]:
        """Return the last 30 days, weeks or months, newest first, the present one included."""
        return await self._caller.many(
            _DAILY,
            {
                **_issue(symbol, venue),
                "FID_PERIOD_DIV_CODE": period,
                "FID_ORG_ADJ_PRC": _ADJUSTED[adjusted],
            },
        )

    async def watched(
        self, symbols: Sequence[Symbol], venue: Venue = Venue.KRX
    ) -> tuple[WatchedPrice, ...]:
        """Return the prices of issues, 30 with one call. Real accounts only.

        Raises:
            InquiryFailed: an issue asked for is not in the answer.
        """
        found: dict[Symbol, WatchedPrice] = {}
        for start in range(0, len(symbols), _AT_ONCE):
            asked = symbols[start : start + _AT_ONCE]
            parameters: dict[str, str] = {}
            for place in range(_AT_ONCE):
                named = place < len(asked)
                parameters[f"FID_COND_MRKT_DIV_CODE_{place + 1}"] = VENUES[venue] if named else ""
                parameters[f"FID_INPUT_ISCD_{place + 1}"] = asked[place] if named else ""
            rows = await self._caller.many(_WATCHED, parameters)
            found.update((row.symbol, row) for row in rows)
        missing = [symbol for symbol in symbols if symbol not in found]
        if missing:
            raise InquiryFailed(_WATCHED.form.name, "INCOMPLETE", f"no row of {missing[0]}")
        return tuple(found[symbol] for symbol in symbols)

    async def expected_closes(
        self,
        index: str | None = None,
        *,
        change: Literal["all", "rising", "falling"] = "all",
        only_extended: bool = False,
    ) -> tuple[ExpectedClose, ...]:
        """Return expected prices of the closing auction. Real accounts only.

        ``only_extended``: issues alone whose auction has been extended.
        """
        return await self._caller.many(
            _EXPECTED_CLOSES,
            {
                "FID_RANK_SORT_CLS_CODE": _CHANGES[change],
                "FID_INPUT_ISCD": index_or_all(_EXPECTED_CLOSES.form.name, index),
                "FID_BLNG_CLS_CODE": "1" if only_extended else "0",
            },
        )

    async def after_hours(self, symbol: Symbol) -> AfterHoursPrice:
        """Return the price of the after-hours single-price market. Real accounts only."""
        return await self._caller.one(_AFTER_HOURS, {"FID_INPUT_ISCD": symbol})

    async def after_hours_book(self, symbol: Symbol) -> AfterHoursBook:
        """Return the book of the after-hours single-price market. Real accounts only."""
        return await self._caller.one(_AFTER_HOURS_BOOK, {"FID_INPUT_ISCD": symbol})

    async def member_firms(self, symbol: Symbol, venue: Venue = Venue.KRX) -> MemberFirms:
        """Return the member firms with the most volume in an issue today."""
        return await self._caller.one(_MEMBERS, _issue(symbol, venue))


def _issue(symbol: Symbol, venue: Venue) -> dict[str, str]:
    return {"FID_COND_MRKT_DIV_CODE": VENUES[venue], "FID_INPUT_ISCD": symbol}
