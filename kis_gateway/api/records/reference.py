"""The calendar, interruptions, what an issue is, news titles and money in the market."""

from __future__ import annotations

from typing import Annotated

from events import Symbol, TradingDate
from kis_gateway.api.reading import Record
from kis_gateway.api.units import (
    At,
    Centipoints,
    Count,
    Day,
    Flag,
    Percent,
    Shares,
    Text,
    Verbatim,
    Won,
)


class CalendarDay(Record, frozen=True, kw_only=True):
    """One calendar day. ``market_open`` decides whether orders can be placed.

    ``weekday`` is 01 for Sunday to 07 for Saturday.
    """

    day: Annotated[TradingDate, Day("bass_dt")]
    weekday: Annotated[str, Text("wday_dvsn_cd")]
    business_day: Annotated[bool, Flag("bzdy_yn")]
    trading_day: Annotated[bool, Flag("tr_day_yn")]
    market_open: Annotated[bool, Flag("opnd_yn")]
    settlement_day: Annotated[bool, Flag("sttl_day_yn")]


class VolatilityInterruption(Record, frozen=True, kw_only=True):
    """A volatility interruption; ``released_at`` is ``None`` while it lasts.

    ``kind`` is 1 static, 2 dynamic, 3 both.
    """

    symbol: Annotated[Symbol, Text("mksc_shrn_iscd")]
    name: Annotated[str, Text("hts_kor_isnm")]
    triggered: Annotated[bool, Flag("vi_cls_code")]
    trading_date: Annotated[TradingDate, Day("bsop_date")]
    triggered_at: Annotated[int, At("cntg_vi_hour", day="bsop_date")]
    released_at: Annotated[int | None, At("vi_cncl_hour", day="bsop_date")]
    kind: Annotated[str, Text("vi_kind_code")]
    price: Annotated[int, Won("vi_prc")]
    static_reference: Annotated[int | None, Won("vi_stnd_prc")]
    static_deviation_rate: Annotated[float | None, Percent("vi_dprt")]
    dynamic_reference: Annotated[int | None, Won("vi_dmc_stnd_prc")]
    dynamic_deviation_rate: Annotated[float | None, Percent("vi_dmc_dprt")]
    count: Annotated[int, Count("vi_count")]


class StockInfo(Record, frozen=True, kw_only=True):
    """What an issue is. KIS writes product numbers with leading zeros (00000A005930).

    ``market`` is STK KOSPI, KSQ KOSDAQ, KNX KONEX; ``group`` ST stock, EF ETF, EN ETN, EW ELW, RT
    REIT. ``nxt_tradable`` tells whether NXT trades it.
    """

    product: Annotated[str, Verbatim("pdno")]
    isin: Annotated[str, Text("std_pdno")]
    name: Annotated[str, Text("prdt_name")]
    short_name: Annotated[str, Text("prdt_abrv_name")]
    english_name: Annotated[str, Text("prdt_eng_name")]
    market: Annotated[str, Text("mket_id_cd")]
    group: Annotated[str, Text("scty_grp_id_cd")]
    stock_kind: Annotated[str, Text("stck_kind_cd")]
    sector: Annotated[str, Text("idx_bztp_mcls_cd_name")]
    industry: Annotated[str, Text("std_idst_clsf_cd_name")]
    listed_shares: Annotated[int, Shares("lstg_stqt")]
    capital: Annotated[int | None, Won("cpta")]
    par_value: Annotated[int | None, Won("papr")]
    issue_price: Annotated[int | None, Won("issu_pric")]
    listed_on_kospi: Annotated[TradingDate | None, Day("scts_mket_lstg_dt")]
    listed_on_kosdaq: Annotated[TradingDate | None, Day("kosdaq_mket_lstg_dt")]
    delisted_on: Annotated[TradingDate | None, Day("lstg_abol_dt")]
    in_kospi_200: Annotated[bool | None, Flag("kospi200_item_yn")]
    halted: Annotated[bool | None, Flag("tr_stop_yn")]
    administrative: Annotated[bool | None, Flag("admn_item_yn")]
    close: Annotated[int | None, Won("thdt_clpr")]
    previous_close: Annotated[int | None, Won("bfdy_clpr")]
    nxt_tradable: Annotated[bool | None, Flag("cptt_trad_tr_psbl_yn")]
    nxt_halted: Annotated[bool | None, Flag("nxt_tr_stop_yn")]


class ProductInfo(Record, frozen=True, kw_only=True):
    """What a product of any kind is."""

    product: Annotated[str, Verbatim("pdno")]
    kind: Annotated[str, Text("prdt_type_cd")]
    isin: Annotated[str, Text("std_pdno")]
    short_code: Annotated[str, Text("shtn_pdno")]
    name: Annotated[str, Text("prdt_name")]
    short_name: Annotated[str, Text("prdt_abrv_name")]
    english_name: Annotated[str, Text("prdt_eng_name")]
    group: Annotated[str, Text("prdt_clsf_name")]
    risk_grade: Annotated[str, Text("prdt_risk_grad_cd")]
    on_sale_from: Annotated[TradingDate | None, Day("sale_strt_dt")]
    on_sale_until: Annotated[TradingDate | None, Day("sale_end_dt")]


class NewsTitle(Record, frozen=True, kw_only=True):
    """The title of a news item or disclosure; ``symbols`` are blank where there are fewer."""

    serial: Annotated[str, Verbatim("cntt_usiq_srno")]
    at: Annotated[int, At("data_tm", day="data_dt")]
    title: Annotated[str, Text("hts_pbnt_titl_cntt")]
    source: Annotated[str, Text("dorg")]
    vendor: Annotated[str, Text("news_ofer_entp_code")]
    category: Annotated[str, Text("news_lrdv_code")]
    symbols: Annotated[tuple[Symbol, ...], Text("iscd#", times=5)]


class MarketFunds(Record, frozen=True, kw_only=True):
    """Money in the market on one day, exact to a hundred million won."""

    trading_date: Annotated[TradingDate, Day("bsop_date")]
    index_centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    change_centipoints: Annotated[int, Centipoints("bstp_nmix_prdy_vrss", sign="prdy_vrss_sign")]
    market_cap: Annotated[int | None, Won("hts_avls")]
    deposits: Annotated[int | None, Won("cust_dpmn_amt")]
    deposits_change: Annotated[int | None, Won("cust_dpmn_amt_prdy_vrss")]
    turnover_rate: Annotated[float | None, Percent("amt_tnrt")]
    receivables: Annotated[int | None, Won("uncl_amt")]
    margin_loans: Annotated[int | None, Won("crdt_loan_rmnd")]
    futures_deposits: Annotated[int | None, Won("futs_tfam_amt")]
    equity_funds: Annotated[int | None, Won("sttp_amt")]
    mixed_funds: Annotated[int | None, Won("mxtp_amt")]
    bond_funds: Annotated[int | None, Won("bntp_amt")]
    money_market_funds: Annotated[int | None, Won("mmf_amt")]
    securities_loans: Annotated[int | None, Won("secu_lend_amt")]
