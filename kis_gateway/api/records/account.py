"""Orders, holdings, cash and profit of the account."""

from __future__ import annotations

from typing import Annotated, Final

from events import Symbol, TradingDate
from events.trading import Side
from kis_gateway.api.reading import Record
from kis_gateway.api.units import (
    At,
    Centiwon,
    Choice,
    Day,
    Flag,
    Percent,
    Shares,
    Text,
    Verbatim,
    Won,
)

_SIDES: Final = {"01": Side.SELL, "02": Side.BUY}


class ModifiableOrder(Record, frozen=True, kw_only=True):
    """An order that can be amended or withdrawn; ``modifiable`` is the quantity of which."""

    broker_order: Annotated[str, Verbatim("odno")]
    original: Annotated[str, Verbatim("orgn_odno")]
    branch: Annotated[str, Verbatim("ord_gno_brno")]
    symbol: Annotated[Symbol, Text("pdno")]
    name: Annotated[str, Text("prdt_name")]
    side: Annotated[Side, Choice("sll_buy_dvsn_cd", choices=_SIDES)]
    order_type: Annotated[str, Text("ord_dvsn_cd")]
    order_type_label: Annotated[str, Text("ord_dvsn_name")]
    exchange: Annotated[str, Text("excg_id_dvsn_cd")]
    quantity: Annotated[int, Shares("ord_qty")]
    limit_price: Annotated[int, Won("ord_unpr")]
    filled_quantity: Annotated[int, Shares("tot_ccld_qty")]
    filled_amount: Annotated[int, Won("tot_ccld_amt")]
    modifiable: Annotated[int, Shares("psbl_qty")]
    ordered_at: Annotated[int, At("ord_tmd")]


class ExecutedOrder(Record, frozen=True, kw_only=True):
    """An order of a day and what became of it.

    ``original`` is the number of the order that an amendment or cancel changes, zeros or blank for
    others. ``average_price_centiwon`` is rounded; ``filled_amount`` is exact.
    """

    broker_order: Annotated[str, Verbatim("odno")]
    original: Annotated[str, Verbatim("orgn_odno")]
    branch: Annotated[str, Verbatim("ord_gno_brno")]
    symbol: Annotated[Symbol, Text("pdno")]
    name: Annotated[str, Text("prdt_name")]
    side: Annotated[Side, Choice("sll_buy_dvsn_cd", choices=_SIDES)]
    side_label: Annotated[str, Text("sll_buy_dvsn_cd_name")]
    order_type: Annotated[str, Text("ord_dvsn_cd")]
    order_type_label: Annotated[str, Text("ord_dvsn_name")]
    exchange: Annotated[str, Text("excg_id_dvsn_cd")]
    trading_date: Annotated[TradingDate, Day("ord_dt")]
    ordered_at: Annotated[int, At("ord_tmd", day="ord_dt")]
    quantity: Annotated[int, Shares("ord_qty")]
    limit_price: Annotated[int, Won("ord_unpr")]
    filled_quantity: Annotated[int, Shares("tot_ccld_qty")]
    filled_amount: Annotated[int, Won("tot_ccld_amt")]
    average_price_centiwon: Annotated[int, Centiwon("avg_prvs")]
    remaining_quantity: Annotated[int, Shares("rmn_qty")]
    cancelled_quantity: Annotated[int, Shares("cnc_cfrm_qty|cncl_cfrm_qty")]
    rejected_quantity: Annotated[int, Shares("rjct_qty")]
    is_cancelled: Annotated[bool | None, Flag("cncl_yn")]
    trigger_price: Annotated[int | None, Won("stpm_cndt_pric")]


class ExecutionTotals(Record, frozen=True, kw_only=True):
    """Sums over the listed days. They ignore a filter by order number."""

    ordered_quantity: Annotated[int, Shares("tot_ord_qty")]
    filled_quantity: Annotated[int, Shares("tot_ccld_qty")]
    filled_amount: Annotated[int, Won("tot_ccld_amt")]
    estimated_costs: Annotated[int | None, Won("prsm_tlex_smtl")]
    average_price_centiwon: Annotated[int | None, Centiwon("pchs_avg_pric")]


class BalanceHolding(Record, frozen=True, kw_only=True):
    """A holding. Sold-out ones stay listed with quantity 0 until the sale has settled.

    ``cost`` is what it was bought for, fees excluded; ``today`` and ``previous`` are days of trade.
    """

    symbol: Annotated[Symbol, Text("pdno")]
    name: Annotated[str, Text("prdt_name")]
    kind: Annotated[str, Text("trad_dvsn_name")]
    quantity: Annotated[int, Shares("hldg_qty")]
    sellable: Annotated[int, Shares("ord_psbl_qty")]
    average_cost_centiwon: Annotated[int, Centiwon("pchs_avg_pric")]
    cost: Annotated[int, Won("pchs_amt")]
    last_price: Annotated[int, Won("prpr")]
    value: Annotated[int, Won("evlu_amt")]
    unrealised_profit: Annotated[int, Won("evlu_pfls_amt")]
    unrealised_profit_rate: Annotated[float, Percent("evlu_pfls_rt")]
    bought_today: Annotated[int, Shares("thdt_buyqty")]
    sold_today: Annotated[int, Shares("thdt_sll_qty")]
    bought_previous_day: Annotated[int, Shares("bfdy_buy_qty")]
    sold_previous_day: Annotated[int, Shares("bfdy_sll_qty")]
    loan_date: Annotated[TradingDate | None, Day("loan_dt")]
    loan: Annotated[int | None, Won("loan_amt")]
    price_change: Annotated[int | None, Won("bfdy_cprs_icdc")]
    price_change_rate: Annotated[float | None, Percent("fltt_rt")]


class BalanceTotals(Record, frozen=True, kw_only=True):
    """Cash and value of the account.

    ``cash`` is the deposit of today, ``cash_next_day`` and ``cash_settled`` what it will be when
    the trades of yesterday (D+1) and today (D+2) have settled: only the last can be ordered with.
    None of them knows the reservations of working orders. ``equity`` is the value of the holdings
    and ``cash_settled``.
    """

    cash: Annotated[int, Won("dnca_tot_amt")]
    cash_next_day: Annotated[int, Won("nxdy_excc_amt")]
    cash_settled: Annotated[int, Won("prvs_rcdl_excc_amt")]
    equity: Annotated[int, Won("tot_evlu_amt")]
    net_assets: Annotated[int, Won("nass_amt")]
    securities_value: Annotated[int, Won("scts_evlu_amt")]
    cost: Annotated[int, Won("pchs_amt_smtl_amt")]
    value: Annotated[int, Won("evlu_amt_smtl_amt")]
    unrealised_profit: Annotated[int, Won("evlu_pfls_smtl_amt")]
    bought_today: Annotated[int, Won("thdt_buy_amt")]
    sold_today: Annotated[int, Won("thdt_sll_amt")]
    costs_today: Annotated[int, Won("thdt_tlex_amt")]
    bought_previous_day: Annotated[int, Won("bfdy_buy_amt")]
    sold_previous_day: Annotated[int, Won("bfdy_sll_amt")]
    costs_previous_day: Annotated[int, Won("bfdy_tlex_amt")]
    loans: Annotated[int | None, Won("tot_loan_amt")]
    equity_previous_day: Annotated[int | None, Won("bfdy_tot_asst_evlu_amt")]
    equity_change: Annotated[int | None, Won("asst_icdc_amt")]


class RealisedTotals(BalanceTotals, frozen=True, kw_only=True):
    """The balance's totals with today's realised profit, costs as asked for."""

    realised_profit: Annotated[int, Won("rlzt_pfls")]
    realised_profit_rate: Annotated[float, Percent("rlzt_erng_rt")]
    valued_profit: Annotated[int | None, Won("real_evlu_pfls")]
    valued_profit_rate: Annotated[float | None, Percent("real_evlu_pfls_erng_rt")]


class BuyingPower(Record, frozen=True, kw_only=True):
    """What can be bought. ``amount`` and ``quantity`` use own money alone.

    ``most_amount`` and ``most_quantity`` include what would become receivables (미수), borrowed
    money in effect. ``price`` is the price the quantities are counted with: for market orders the
    upper limit.
    """

    amount: Annotated[int, Won("nrcvb_buy_amt")]
    quantity: Annotated[int, Shares("nrcvb_buy_qty")]
    most_amount: Annotated[int, Won("max_buy_amt")]
    most_quantity: Annotated[int, Shares("max_buy_qty")]
    price: Annotated[int, Won("psbl_qty_calc_unpr")]
    cash: Annotated[int, Won("ord_psbl_cash")]
    collateral: Annotated[int, Won("ord_psbl_sbst")]
    reusable: Annotated[int, Won("ruse_psbl_amt")]


class Sellable(Record, frozen=True, kw_only=True):
    """How many shares of one holding can be sold now."""

    symbol: Annotated[Symbol, Text("pdno")]
    name: Annotated[str, Text("prdt_name")]
    sellable: Annotated[int, Shares("ord_psbl_qty")]
    quantity: Annotated[int, Shares("cblc_qty")]
    bought: Annotated[int, Shares("buy_qty")]
    sold: Annotated[int, Shares("sll_qty")]
    average_cost_centiwon: Annotated[int, Centiwon("pchs_avg_pric")]
    cost: Annotated[int, Won("pchs_amt")]
    last_price: Annotated[int, Won("now_pric")]
    value: Annotated[int, Won("evlu_amt")]
    unrealised_profit: Annotated[int, Won("evlu_pfls_amt")]
    unrealised_profit_rate: Annotated[float, Percent("evlu_pfls_rt")]


class AssetClass(Record, frozen=True, kw_only=True):
    """One class of assets; KIS lists them in a fixed order without naming them."""

    cost: Annotated[int, Won("pchs_amt")]
    value: Annotated[int, Won("evlu_amt")]
    unrealised_profit: Annotated[int, Won("evlu_pfls_amt")]
    loan: Annotated[int, Won("crdt_lnd_amt")]
    net_assets: Annotated[int, Won("real_nass_amt")]
    weight_rate: Annotated[float, Percent("whol_weit_rt")]


class AssetTotals(Record, frozen=True, kw_only=True):
    """All assets of the account."""

    assets: Annotated[int, Won("tot_asst_amt")]
    net_assets: Annotated[int, Won("nass_tot_amt")]
    cost: Annotated[int, Won("pchs_amt_smtl")]
    value: Annotated[int, Won("evlu_amt_smtl")]
    unrealised_profit: Annotated[int, Won("evlu_pfls_amt_smtl")]
    loans: Annotated[int, Won("loan_amt_smtl")]
    deposits: Annotated[int, Won("tot_dncl_amt")]
    cash: Annotated[int, Won("dncl_amt")]
    receivables_today: Annotated[int | None, Won("thdt_rcvb_amt")]


class ProfitDay(Record, frozen=True, kw_only=True):
    """Realised profit of one day."""

    trading_date: Annotated[TradingDate, Day("trad_dt")]
    bought_quantity: Annotated[int, Shares("buy_qty1")]
    bought_amount: Annotated[int, Won("buy_amt")]
    sold_quantity: Annotated[int, Shares("sll_qty1")]
    sold_amount: Annotated[int, Won("sll_amt")]
    realised_profit: Annotated[int, Won("rlzt_pfls")]
    realised_profit_rate: Annotated[float, Percent("pfls_rt")]
    fees: Annotated[int, Won("fee")]
    taxes: Annotated[int, Won("tl_tax")]
    loan_interest: Annotated[int, Won("loan_int")]


class ProfitTotals(Record, frozen=True, kw_only=True):
    """Sums over the span asked for. ``settled`` amounts are after fees and taxes."""

    realised_profit: Annotated[int, Won("tot_rlzt_pfls")]
    bought_quantity: Annotated[int, Shares("buy_qty_smtl|buyqty_smtl")]
    bought_amount: Annotated[int, Won("buy_tr_amt_smtl")]
    bought_settled: Annotated[int, Won("buy_excc_amt_smtl")]
    sold_quantity: Annotated[int, Shares("sll_qty_smtl")]
    sold_amount: Annotated[int, Won("sll_tr_amt_smtl")]
    sold_settled: Annotated[int, Won("sll_excc_amt_smtl")]
    traded_amount: Annotated[int, Won("tot_tr_amt")]
    fees: Annotated[int, Won("tot_fee")]
    taxes: Annotated[int, Won("tot_tltx")]
    loan_interest: Annotated[int, Won("loan_int")]


class TradeProfit(Record, frozen=True, kw_only=True):
    """Profit of one issue on one day."""

    trading_date: Annotated[TradingDate, Day("trad_dt")]
    symbol: Annotated[Symbol, Text("pdno")]
    name: Annotated[str, Text("prdt_name")]
    kind: Annotated[str, Text("trad_dvsn_name")]
    held_quantity: Annotated[int, Shares("hldg_qty")]
    unit_cost: Annotated[int, Won("pchs_unpr")]
    bought_quantity: Annotated[int, Shares("buy_qty")]
    bought_amount: Annotated[int, Won("buy_amt")]
    sold_price: Annotated[int, Won("sll_pric")]
    sold_quantity: Annotated[int, Shares("sll_qty")]
    sold_amount: Annotated[int, Won("sll_amt")]
    realised_profit: Annotated[int, Won("rlzt_pfls")]
    realised_profit_rate: Annotated[float, Percent("pfls_rt")]
    fees: Annotated[int, Won("fee")]
    taxes: Annotated[int, Won("tl_tax")]
    loan_interest: Annotated[int, Won("loan_int")]
