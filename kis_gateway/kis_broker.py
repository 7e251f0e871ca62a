"""The ``Broker`` port over KIS REST: the few calls that trading stands on, read sparingly.

It reads no field that it does not need, so that a change of KIS elsewhere in an answer cannot stop
trading; ``KisBroker.api`` has every call with all of its fields. Orders and cancels are the API's.

What always holds: ``submit`` and ``cancel`` send one request and never raise for what KIS does with
it; inquiries return complete results or raise ``InquiryFailed``.

Cash: of the amounts in inquire-balance, orderable cash is ``prvs_rcdl_excc_amt``, the deposit after
all executed trades have settled (D+2). ``dnca_tot_amt`` (D+0) still contains the money of
yesterday's and today's purchases and lacks today's sales, whose proceeds may be used at once;
``nxdy_excc_amt`` (D+1) overstates what can be bought. Reservations of working orders are not
subtracted by KIS in any of them: whoever sizes an order subtracts its own working orders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Final, Self

from bus import TimeSource
from events import Symbol, TradingDate
from events.calendar import kst, trading_date
from events.market import Bar, IndexLevel, PriceSnapshot, ProgramFlow, SymbolReference
from events.trading import OrderKind
from kis_gateway.api import KisApi
from kis_gateway.api.caller import as_date
from kis_gateway.api.orders import LIMIT, MARKET
from kis_gateway.broker import (
    Balance,
    BrokerOrder,
    CancelTicket,
    OrderTicket,
    Outcome,
    Refused,
    TapeTrade,
)
from kis_gateway.client import broker_rows, calls, charts
from kis_gateway.client.answer import Fields, rows, single
from kis_gateway.client.auth import Credentials
from kis_gateway.client.charts import stamp
from kis_gateway.client.client_reports import ClientReports
from kis_gateway.client.limiter import Limiter
from kis_gateway.client.rest import Call, Record, RestClient, open_http
from kis_gateway.errors import InquiryFailed
from kis_gateway.protocol import Route
from kis_gateway.settings import Environment, KisSettings

_MILLION: Final = 1_000_000
_CALENDAR_DAYS: Final = 20  # one answer holds about 24
_INDEX_CODES: Final = {"KOSPI": "0001", "KOSDAQ": "1001"}
_PROGRAM_CODES: Final = {"KOSPI": "K", "KOSDAQ": "Q"}
_DEPOSITS: Final = ("dnca_tot_amt", "nxdy_excc_amt", "prvs_rcdl_excc_amt")
_DESIGNATED: Final = frozenset({"51", "52", "53", "54", "58", "59"})


class KisBroker:
    """Implements ``Broker``. One object per app key; close it when done."""

    def __init__(
        self, settings: KisSettings, time: TimeSource, *, record: Record | None = None
    ) -> None:
        self._settings = settings
        self._time = time
        self._http = open_http()
        self.reports = ClientReports(time)
        """Refusals of calls for their rate and of credentials, for the gateway to log."""
        self._limiter = Limiter(settings.budget, time)
        self._limiter.on_throttled = self.reports.throttled
        self.credentials = Credentials(settings, self._http, time)
        """The token and approval key of this app key; the feed of the same key shares them."""
        self.credentials.on_refused = self.reports.credentials_refused
        self.credentials.on_accepted = self.reports.credentials_accepted
        self._rest = RestClient(
            settings, self._http, self.credentials, self._limiter, time, record=record
        )
        self.api = KisApi(self._rest, settings, time)
        """Every call of KIS, on the same budget."""
        self._names: dict[Symbol, str] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Release connections; calls still waiting for the budget are cancelled."""
        await self._limiter.aclose()
        await self._http.aclose()

    async def submit(self, ticket: OrderTicket) -> Outcome:
        """Send one order, once, by its route."""
        limited = ticket.kind is OrderKind.LIMIT
        if ticket.quantity <= 0 or limited != (ticket.limit_price is not None):
            return Refused(
                code="INVALID_TICKET",
                message=f"{ticket.kind} of {ticket.quantity} at {ticket.limit_price}: a limit order"
                " needs a price, a market order none, and every order a quantity",
            )
        return await self.api.orders.submit(
            ticket.side,
            ticket.symbol,
            ticket.quantity,
            price=ticket.limit_price,
            order_type=LIMIT if limited else MARKET,
            expires_at=ticket.expires_at,
            may_leave=ticket.may_leave,
            route=Route(ticket.route.upper()),
        )

    async def cancel(self, ticket: CancelTicket) -> Outcome:
        """Send one cancel of all that is left of an order, once.

        ``Accepted`` carries the cancel's own number and proves nothing about the final quantity.
        """
        return await self.api.orders.cancel(
            ticket.broker_order,
            ticket.branch,
            may_leave=ticket.may_leave,
            route=Route(ticket.route.upper()),
        )

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        """Return all orders of a day (within three months) on every route, oldest first."""
        on_paper = self._settings.environment is Environment.PAPER
        pages = await self._rest.inquire_pages(
            calls.DAILY_ORDERS,
            {
                **self._account(),
                "INQR_STRT_DT": day,
                "INQR_END_DT": day,
                "SLL_BUY_DVSN_CD": "00",
                "PDNO": "",
                "ORD_GNO_BRNO": "",
                "ODNO": "",
                "CCLD_DVSN": "00",
                "INQR_DVSN": "01",
                "INQR_DVSN_1": "",
                "INQR_DVSN_3": "00",
                # Orders sent by another route are not listed under KRX; paper knows no other.
                "EXCG_ID_DVSN_CD": "KRX" if on_paper else "ALL",
            },
        )
        return tuple(
            broker_rows.order(row)
            for page in pages
            for row in rows(calls.DAILY_ORDERS.name, "output1", page.output1)
        )

    async def balance(self) -> Balance:
        """Return the complete balance; the module docstring says what ``cash`` is."""
        call = calls.BALANCE
        pages = await self._rest.inquire_pages(
            call,
            {
                **self._account(),
                "AFHR_FLPR_YN": "N",
                "OFL_YN": "",
                "INQR_DVSN": "02",
                "UNPR_DVSN": "01",
                "FUND_STTL_ICLD_YN": "N",
                "FNCG_AMT_AUTO_RDPT_YN": "N",
                "PRCS_DVSN": "00",
            },
        )
        totals = single(call.name, "output2", pages[-1].output2)
        return Balance(
            cash=totals.number("prvs_rcdl_excc_amt"),
            equity=totals.number("tot_evlu_amt"),
            holdings=broker_rows.holdings(
                [row for page in pages for row in rows(call.name, "output1", page.output1)]
            ),
            deposits=_deposits(totals),
        )

    async def reference(self, symbol: Symbol, day: TradingDate) -> SymbolReference:
        """Return the symbol's trading terms; KIS only knows today's."""
        call = calls.PRICE
        answer = await self._rest.inquire(
            call, {"FID_COND_MRKT_DIV_CODE": "J", "FID_INPUT_ISCD": symbol}
        )
        row = single(call.name, "output", answer.output)
        status = row.text("iscd_stat_cls_code").strip()
        if symbol not in self._names and not row.optional("hts_kor_isnm"):
            # inquire-price names the issue nowhere; the chart does.
            await self.daily_bars(symbol, day, 1)
        return SymbolReference(
            at=self._time.now(),
            symbol=symbol,
            trading_date=day,
            name=row.optional("hts_kor_isnm") or self._names[symbol],
            market=broker_rows.market(row.text("rprs_mrkt_kor_name").strip()),
            base_price=row.number("stck_sdpr"),
            lower_limit=row.number("stck_llam"),
            upper_limit=row.number("stck_mxpr"),
            status_code=status if status in _DESIGNATED else "00",
        )

    async def snapshot(self, symbol: Symbol) -> PriceSnapshot:
        """Return the symbol's last price and the day's volume; KIS names no quotes here."""
        last = await self.api.prices.last(symbol)
        now = self._time.now()
        return PriceSnapshot(
            at=now,
            symbol=symbol,
            time=now,
            price=last.price,
            cumulative_volume=last.volume,
            cumulative_value=last.value,
        )

    async def trades(self, symbol: Symbol, since: int, until: int) -> Sequence[TapeTrade]:
        """Return the trades between two instants, oldest first."""
        return [
            TapeTrade(
                time=each.at, quantity=each.quantity, cumulative_volume=each.cumulative_volume
            )
            for each in await self.api.prices.trades(symbol, since, until)
        ]

    async def market_days(self, since: date) -> Mapping[date, bool]:
        """Return whether the exchange opens; paper accounts do not have this call."""
        until = since + timedelta(days=_CALENDAR_DAYS)
        days = await self.api.reference.calendar(trading_date(since), trading_date(until))
        return {as_date(each.day): each.market_open for each in days}

    async def daily_bars(self, symbol: Symbol, before: TradingDate, count: int) -> Sequence[Bar]:
        """Return the newest ``count`` bars before a date, oldest first, prices adjusted."""
        name, bars = await charts.daily_bars(self._rest, symbol, before, count)
        self._names[symbol] = name
        return bars

    async def minute_bars(self, symbol: Symbol, until: int) -> Sequence[Bar]:
        """Return today's completed one-minute bars, oldest first."""
        return await charts.minute_bars(self._rest, symbol, until)

    async def index_level(self, index: str) -> IndexLevel:
        """Return an index level; paper accounts do not have this call (``InquiryFailed``)."""
        call = calls.INDEX_PRICE
        answer = await self._rest.inquire(
            call,
            {
                "FID_COND_MRKT_DIV_CODE": "U",
                "FID_INPUT_ISCD": _code(call, index, _INDEX_CODES),
            },
        )
        row = single(call.name, "output", answer.output)
        level = row.decimal("bstp_nmix_prpr")
        change = abs(row.decimal("bstp_nmix_prdy_vrss"))
        if row.text("prdy_vrss_sign").strip() in ("4", "5"):
            change = -change
        now = self._time.now()
        return IndexLevel(
            at=now,
            index=index,
            time=now,
            centipoints=_centipoints(level),
            previous_close_centipoints=_centipoints(level - change),
        )

    async def program_flow(self, market: str) -> ProgramFlow:
        """Return today's net program buying; paper accounts do not have this call.

        KIS gives one row per minute in million won; the latest one counts the day so far.
        """
        call = calls.PROGRAM_TODAY
        answer = await self._rest.inquire(
            call,
            {
                "FID_COND_MRKT_DIV_CODE": "J",
                "FID_MRKT_CLS_CODE": _code(call, market, _PROGRAM_CODES),
                "FID_SCTN_CLS_CODE": "",
                "FID_INPUT_ISCD": "",
                "FID_COND_MRKT_DIV_CODE1": "",
                "FID_INPUT_HOUR_1": "",
            },
        )
        listed = rows(call.name, "output", answer.output)
        if not listed:
            raise InquiryFailed(call.name, "EMPTY", f"no row of {market} yet today")
        latest = max(listed, key=lambda row: row.text("bsop_hour"))
        now = self._time.now()
        today = Fields(call.name, {"day": f"{kst(now):%Y%m%d}", "hour": latest.text("bsop_hour")})
        return ProgramFlow(
            at=now,
            market=market,
            time=stamp(today, "day", "hour"),
            cumulative_net_value=latest.number("whol_smtn_ntby_tr_pbmn") * _MILLION,
        )

    def _account(self) -> dict[str, str]:
        return {
            "CANO": self._settings.account_number,
            "ACNT_PRDT_CD": self._settings.account_product,
        }


def _deposits(totals: Fields) -> tuple[int, ...]:
    """Return D+0, D+1, D+2; nothing when one of them is not given, as they only inform."""
    if not all(totals.optional(name) for name in _DEPOSITS):
        return ()
    return tuple(totals.number(name) for name in _DEPOSITS)


def _centipoints(points: Decimal) -> int:
    return round(points * 100)


def _code(call: Call, name: str, codes: dict[str, str]) -> str:
    if name not in codes:
        raise InquiryFailed(call.name, "UNKNOWN", f"{name!r} is none of {', '.join(codes)}")
    return codes[name]
