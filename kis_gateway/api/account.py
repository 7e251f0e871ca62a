"""What the account holds, has ordered, may buy and has earned."""

from __future__ import annotations

from datetime import date
from typing import Final

from events import Symbol, TradingDate
from events.trading import Side
from kis_gateway.api.caller import Caller, Many, One, Summed
from kis_gateway.api.orders import LIMIT, MARKET
from kis_gateway.api.reading import WithSummary
from kis_gateway.api.records.account import (
    AssetClass,
    AssetTotals,
    BalanceHolding,
    BalanceTotals,
    BuyingPower,
    ExecutedOrder,
    ExecutionTotals,
    ModifiableOrder,
    ProfitDay,
    ProfitTotals,
    RealisedTotals,
    Sellable,
    TradeProfit,
)
from kis_gateway.client.limiter import Priority

_ROWS_FIRST: Final = ("output2", "output1")
_MODIFIABLE: Final = Many(
    "inquire-psbl-rvsecncl", ModifiableOrder, Priority.EXECUTIONS, ledger=True
)
_RECENT, _OLDER = (
    Summed(
        "inquire-daily-ccld",
        ExecutionTotals,
        ExecutedOrder,
        Priority.EXECUTIONS,
        blocks=_ROWS_FIRST,
        variant=variant,
        ledger=True,
    )
    for variant in ("within_3_months", "older")
)
_BALANCE: Final = Summed(
    "inquire-balance",
    BalanceTotals,
    BalanceHolding,
    Priority.BALANCE,
    blocks=_ROWS_FIRST,
    ledger=True,
)
_BALANCE_WITH_PROFIT: Final = Summed(
    "inquire-balance-rlz-pl",
    RealisedTotals,
    BalanceHolding,
    Priority.BALANCE,
    blocks=_ROWS_FIRST,
    ledger=True,
)
_BUYING_POWER: Final = One("inquire-psbl-order", BuyingPower, Priority.BALANCE, ledger=True)
_SELLABLE: Final = One("inquire-psbl-sell", Sellable, Priority.BALANCE, ledger=True)
_ASSETS: Final = Summed(
    "inquire-account-balance",
    AssetTotals,
    AssetClass,
    Priority.BALANCE,
    blocks=_ROWS_FIRST,
    ledger=True,
)
_PROFIT_BY_DAY: Final = Summed(
    "inquire-period-profit",
    ProfitTotals,
    ProfitDay,
    Priority.BALANCE,
    blocks=_ROWS_FIRST,
    ledger=True,
)
_PROFIT_BY_TRADE: Final = Summed(
    "inquire-period-trade-profit",
    ProfitTotals,
    TradeProfit,
    Priority.BALANCE,
    blocks=_ROWS_FIRST,
    ledger=True,
)
_SIDES: Final = {None: "00", Side.SELL: "01", Side.BUY: "02"}
_OLDEST_FIRST: Final = "01"


class Account:
    """Inquiries about the account. All raise ``InquiryFailed`` unless the result is complete.

    KIS shows an order only some seconds after it has taken it in: what is not listed may exist.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def modifiable_orders(self) -> tuple[ModifiableOrder, ...]:
        """Return the orders of today that can be amended or withdrawn. Real accounts only."""
        return await self._caller.many(_MODIFIABLE, {"INQR_DVSN_1": "0", "INQR_DVSN_2": "0"})

    async def executions(
        self,
        first: TradingDate,
        last: TradingDate,
        *,
        side: Side | None = None,
        symbol: Symbol | None = None,
        broker_order: str | None = None,
    ) -> WithSummary[ExecutionTotals, ExecutedOrder]:
        """Return the orders of some days with what became of them, oldest first, and their sums.

        Raises:
            ValueError: the days lie on both sides of three months ago; KIS keeps older orders
                apart, so ask for the two spans one after the other.
        """
        border = TradingDate(f"{_three_months_before(self._caller.today()):%Y%m%d}")
        if first < border <= last:
            raise ValueError(
                f"{first} to {last} lies on both sides of {border}, before which KIS keeps orders "
                f"apart: ask for the days before {border} and from {border} on separately"
            )
        return await self._caller.summed(
            _OLDER if last < border else _RECENT,
            {
                "INQR_STRT_DT": first,
                "INQR_END_DT": last,
                "SLL_BUY_DVSN_CD": _SIDES[side],
                "PDNO": symbol or "",
                "ORD_GNO_BRNO": "",
                "ODNO": broker_order or "",
                "CCLD_DVSN": "00",
                "INQR_DVSN": _OLDEST_FIRST,
                "INQR_DVSN_1": "",
                "INQR_DVSN_3": "00",
                "EXCG_ID_DVSN_CD": "KRX" if self._caller.on_paper else "ALL",
            },
        )

    async def balance(self) -> WithSummary[BalanceTotals, BalanceHolding]:
        """Return every holding and the account's cash."""
        return await self._caller.summed(
            _BALANCE,
            {
                "AFHR_FLPR_YN": "N",
                "INQR_DVSN": "02",
                "FUND_STTL_ICLD_YN": "N",
                "PRCS_DVSN": "00",
            },
        )

    async def balance_with_profit(
        self, *, with_costs: bool = True
    ) -> WithSummary[RealisedTotals, BalanceHolding]:
        """Return the balance with today's realised profit. Real accounts only."""
        return await self._caller.summed(
            _BALANCE_WITH_PROFIT,
            {
                "AFHR_FLPR_YN": "N",
                "FUND_STTL_ICLD_YN": "N",
                "PRCS_DVSN": "00",
                "COST_ICLD_YN": "Y" if with_costs else "N",
            },
        )

    async def buying_power(self, symbol: Symbol, price: int | None = None) -> BuyingPower:
        """Return what of an issue can be bought at a price in won, at market for ``None``.

        Only the answer for a market order applies the issue's margin rate; it counts quantities at
        the upper limit price.
        """
        return await self._caller.one(
            _BUYING_POWER,
            {
                "PDNO": symbol,
                "ORD_UNPR": "" if price is None else str(price),
                "ORD_DVSN": MARKET if price is None else LIMIT,
                "CMA_EVLU_AMT_ICLD_YN": "N",
                "OVRS_ICLD_YN": "N",
            },
        )

    async def sellable(self, symbol: Symbol) -> Sellable:
        """Return how much of a holding can be sold now. Real accounts only."""
        return await self._caller.one(_SELLABLE, {"PDNO": symbol})

    async def assets(self) -> WithSummary[AssetTotals, AssetClass]:
        """Return the assets of the account by class. Real accounts only."""
        return await self._caller.summed(_ASSETS, {})

    async def profit_by_day(
        self, first: TradingDate, last: TradingDate
    ) -> WithSummary[ProfitTotals, ProfitDay]:
        """Return the realised profit of each day of a span, oldest first. Real accounts only."""
        return await self._caller.summed(_PROFIT_BY_DAY, _span(first, last))

    async def profit_by_trade(
        self, first: TradingDate, last: TradingDate, symbol: Symbol | None = None
    ) -> WithSummary[ProfitTotals, TradeProfit]:
        """Return the realised profit by day and issue, oldest first. Real accounts only."""
        return await self._caller.summed(
            _PROFIT_BY_TRADE, {**_span(first, last), "PDNO": symbol or ""}
        )


def _span(first: TradingDate, last: TradingDate) -> dict[str, str]:
    return {
        "INQR_STRT_DT": first,
        "INQR_END_DT": last,
        "PDNO": "",
        "SORT_DVSN": _OLDEST_FIRST,
        "CBLC_DVSN": "00",
    }


def _three_months_before(day: date) -> date:
    year, month = (day.year, day.month - 3) if day.month > 3 else (day.year - 1, day.month + 9)
    following = date(year + month // 12, month % 12 + 1, 1)
    last_of_month = date.fromordinal(following.toordinal() - 1)
    return last_of_month.replace(day=min(day.day, last_of_month.day))
