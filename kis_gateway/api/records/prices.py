"""Prices, order books and trades of an issue."""

from __future__ import annotations

from typing import Annotated

from events import Symbol, TradingDate
from kis_gateway.api.reading import Part, Record
from kis_gateway.api.units import (
    At,
    Centiwon,
    Day,
    Flag,
    Multiple,
    Named,
    Percent,
    Shares,
    Text,
    Won,
)

_SIGN = "prdy_vrss_sign"


class LastPrice(Record, frozen=True, kw_only=True):
    """The present price of an issue and its terms of today.

    ``change`` is against ``base_price``'s day before; ``market`` KIS's name of the market;
    ``status`` the issue's status code (51 administrative, 52 risk, 53 warning, 54 caution, 58
    halted, 59 overheated), ``warning`` the warning level (00 none, 01 caution, 02 warning, 03
    risk).
    """

    symbol: Annotated[Symbol, Text("stck_shrn_iscd")]
    market: Annotated[str, Text("rprs_mrkt_kor_name")]
    sector: Annotated[str, Text("bstp_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    average_price_centiwon: Annotated[int | None, Centiwon("wghn_avrg_stck_prc")]
    base_price: Annotated[int, Won("stck_sdpr")]
    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    tick: Annotated[int, Won("aspr_unit")]
    status: Annotated[str, Text("iscd_stat_cls_code")]
    warning: Annotated[str, Text("mrkt_warn_cls_code")]
    halted: Annotated[bool | None, Flag("temp_stop_yn")]
    in_volatility_interruption: Annotated[bool | None, Flag("vi_cls_code")]
    caution: Annotated[bool | None, Flag("invt_caful_yn")]
    overheated: Annotated[bool | None, Flag("short_over_yn")]
    liquidation: Annotated[bool | None, Flag("sltr_yn")]
    administrative: Annotated[bool | None, Flag("mang_issu_cls_code")]
    short_sellable: Annotated[bool | None, Flag("ssts_yn")]
    credit_allowed: Annotated[bool | None, Flag("crdt_able_yn")]
    margin_rate: Annotated[float | None, Percent("marg_rate")]
    listed_shares: Annotated[int, Shares("lstn_stcn")]
    market_cap: Annotated[int, Won("hts_avls")]
    turnover_rate: Annotated[float | None, Percent("vol_tnrt")]
    price_earnings: Annotated[float | None, Multiple("per")]
    price_book: Annotated[float | None, Multiple("pbr")]
    earnings_per_share_centiwon: Annotated[int | None, Centiwon("eps")]
    book_per_share_centiwon: Annotated[int | None, Centiwon("bps")]
    high_52_weeks: Annotated[int | None, Won("w52_hgpr")]
    high_52_weeks_on: Annotated[TradingDate | None, Day("w52_hgpr_date")]
    low_52_weeks: Annotated[int | None, Won("w52_lwpr")]
    low_52_weeks_on: Annotated[TradingDate | None, Day("w52_lwpr_date")]
    foreign_held: Annotated[int | None, Shares("frgn_hldn_qty")]
    foreign_exhaustion_rate: Annotated[float | None, Percent("hts_frgn_ehrt")]
    foreign_net_bought: Annotated[int | None, Shares("frgn_ntby_qty")]
    program_net_bought: Annotated[int | None, Shares("pgtr_ntby_qty")]


class PriceStatus(Record, frozen=True, kw_only=True):
    """The present price with what else is to be known before an order: halts, warnings, rights."""

    market: Annotated[str, Text("rprs_mrkt_kor_name")]
    sector: Annotated[str, Text("bstp_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    previous_close: Annotated[int, Won("stck_prdy_clpr")]
    base_price: Annotated[int, Won("stck_sdpr")]
    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    volume: Annotated[int, Shares("acml_vol")]
    previous_volume: Annotated[int, Shares("prdy_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    halted: Annotated[bool | None, Flag("trht_yn")]
    administrative: Annotated[bool | None, Flag("mang_issu_yn")]
    liquidation: Annotated[bool | None, Flag("sltr_yn")]
    caution: Annotated[bool | None, Flag("invt_caful_yn")]
    surging: Annotated[bool | None, Flag("stange_runup_yn")]
    overheated: Annotated[bool | None, Flag("short_over_yn")]
    short_sale_overheated: Annotated[bool | None, Flag("ssts_hot_yn")]
    low_liquidity: Annotated[bool | None, Flag("low_current_yn")]
    unfaithful_disclosure: Annotated[bool | None, Flag("insn_pbnt_yn")]
    in_volatility_interruption: Annotated[bool | None, Flag("vi_cls_code")]
    credit_allowed: Annotated[bool | None, Flag("crdt_able_yn")]
    margin_rate: Annotated[float | None, Percent("marg_rate")]
    warning: Annotated[str, Text("mrkt_warn_cls_code")]
    rights: Annotated[str, Text("flng_cls_name")]
    par_value_change: Annotated[str, Text("fcam_mod_cls_name")]
    new_listing: Annotated[str, Text("new_lstn_cls_name")]


class BookLevel(Part, frozen=True, kw_only=True):
    """One price of a book, its quantity, and how that has changed since the last update."""

    price: Annotated[int, Won("@#")]
    quantity: Annotated[int, Shares("@_rsqn#")]
    change: Annotated[int, Shares("@_rsqn_icdc#|@_icdc#")]


class OrderBook(Record, frozen=True, kw_only=True):
    """Ten levels of each side, best first; a level without orders has price 0."""

    at: Annotated[int, At("aspr_acpt_hour")]
    asks: Annotated[tuple[BookLevel, ...], Named("askp", times=10)]
    bids: Annotated[tuple[BookLevel, ...], Named("bidp", times=10)]
    ask_total: Annotated[int, Shares("total_askp_rsqn")]
    bid_total: Annotated[int, Shares("total_bidp_rsqn")]
    after_hours_ask_total: Annotated[int | None, Shares("ovtm_total_askp_rsqn")]
    after_hours_bid_total: Annotated[int | None, Shares("ovtm_total_bidp_rsqn")]
    session: Annotated[str, Text("new_mkop_cls_code")]


class ExpectedMatch(Record, frozen=True, kw_only=True):
    """What the running auction would match; price and quantity are 0 or ``None`` outside one."""

    symbol: Annotated[Symbol, Text("stck_shrn_iscd")]
    expected_price: Annotated[int | None, Won("antc_cnpr")]
    expected_quantity: Annotated[int | None, Shares("antc_vol")]
    expected_change: Annotated[int | None, Won("antc_cntg_vrss", sign="antc_cntg_vrss_sign")]
    price: Annotated[int, Won("stck_prpr")]
    base_price: Annotated[int, Won("stck_sdpr")]
    session: Annotated[str, Text("antc_mkop_cls_code")]
    in_volatility_interruption: Annotated[bool | None, Flag("vi_cls_code")]


class RecentTrade(Record, frozen=True, kw_only=True):
    """One of the newest trades. ``strength`` is buyers' against sellers' volume, 100 when even."""

    at: Annotated[int, At("stck_cntg_hour")]
    price: Annotated[int, Won("stck_prpr")]
    quantity: Annotated[int, Shares("cntg_vol")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    strength: Annotated[float, Percent("tday_rltv")]


class TimedTrade(Record, frozen=True, kw_only=True):
    """A trade with the best quotes at its time. ``cumulative_volume`` tells trades apart."""

    at: Annotated[int, At("stck_cntg_hour")]
    price: Annotated[int, Won("stck_pbpr")]
    quantity: Annotated[int, Shares("cnqn")]
    cumulative_volume: Annotated[int, Shares("acml_vol")]
    ask: Annotated[int, Won("askp")]
    bid: Annotated[int, Won("bidp")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    strength: Annotated[float, Percent("tday_rltv")]


class DaySummary(Record, frozen=True, kw_only=True):
    """Where an issue stands today, as KIS puts it above a table."""

    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    previous_volume: Annotated[int, Shares("prdy_vol")]


class WatchedPrice(Record, frozen=True, kw_only=True):
    """The price of one of many issues asked for at once."""

    symbol: Annotated[Symbol, Text("inter_shrn_iscd")]
    name: Annotated[str, Text("inter_kor_isnm")]
    market: Annotated[str, Text("kospi_kosdaq_cls_name")]
    price: Annotated[int, Won("inter2_prpr")]
    change: Annotated[int, Won("inter2_prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    open: Annotated[int, Won("inter2_oprc")]
    high: Annotated[int, Won("inter2_hgpr")]
    low: Annotated[int, Won("inter2_lwpr")]
    previous_close: Annotated[int, Won("inter2_prdy_clpr")]
    base_price: Annotated[int, Won("inter2_sdpr")]
    upper_limit: Annotated[int, Won("inter2_mxpr")]
    lower_limit: Annotated[int, Won("inter2_llam")]
    ask: Annotated[int, Won("inter2_askp")]
    bid: Annotated[int, Won("inter2_bidp")]
    ask_quantity: Annotated[int, Shares("seln_rsqn")]
    bid_quantity: Annotated[int, Shares("shnu_rsqn")]
    ask_total: Annotated[int, Shares("total_askp_rsqn")]
    bid_total: Annotated[int, Shares("total_bidp_rsqn")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    expected_quantity: Annotated[int | None, Shares("intr_antc_vol")]
    expected_change: Annotated[
        int | None, Won("intr_antc_cntg_vrss", sign="intr_antc_cntg_vrss_sign")
    ]


class ExpectedClose(Record, frozen=True, kw_only=True):
    """The expected price of an issue in the closing auction."""

    symbol: Annotated[Symbol, Text("stck_shrn_iscd")]
    name: Annotated[str, Text("hts_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    base_price_change: Annotated[int, Won("sdpr_vrss_prpr")]
    base_price_change_rate: Annotated[float, Percent("sdpr_vrss_prpr_rate")]
    quantity: Annotated[int, Shares("cntg_vol")]


_AFTER_SIGN = "ovtm_untp_prdy_vrss_sign"


class AfterHoursPrice(Record, frozen=True, kw_only=True):
    """The price of the after-hours single-price market, which ended on 2026-09-13."""

    price: Annotated[int, Won("ovtm_untp_prpr")]
    change: Annotated[int, Won("ovtm_untp_prdy_vrss", sign=_AFTER_SIGN)]
    change_rate: Annotated[float, Percent("ovtm_untp_prdy_ctrt", sign=_AFTER_SIGN)]
    volume: Annotated[int, Shares("ovtm_untp_vol")]
    value: Annotated[int, Won("ovtm_untp_tr_pbmn")]
    open: Annotated[int, Won("ovtm_untp_oprc")]
    high: Annotated[int, Won("ovtm_untp_hgpr")]
    low: Annotated[int, Won("ovtm_untp_lwpr")]
    base_price: Annotated[int, Won("ovtm_untp_sdpr")]
    upper_limit: Annotated[int, Won("ovtm_untp_mxpr")]
    lower_limit: Annotated[int, Won("ovtm_untp_llam")]
    expected_price: Annotated[int | None, Won("ovtm_untp_antc_cnpr")]
    expected_quantity: Annotated[int | None, Shares("ovtm_untp_antc_cnqn")]
    ask: Annotated[int | None, Won("askp")]
    bid: Annotated[int | None, Won("bidp")]
    halted: Annotated[bool | None, Flag("trht_yn")]
    in_volatility_interruption: Annotated[bool | None, Flag("ovtm_vi_cls_code")]


class AfterHoursBook(Record, frozen=True, kw_only=True):
    """The book of the after-hours single-price market, which ended on 2026-09-13."""

    at: Annotated[int | None, At("ovtm_untp_last_hour")]
    asks: Annotated[tuple[BookLevel, ...], Named("ovtm_untp_askp", times=10)]
    bids: Annotated[tuple[BookLevel, ...], Named("ovtm_untp_bidp", times=10)]
    ask_total: Annotated[int, Shares("ovtm_untp_total_askp_rsqn")]
    bid_total: Annotated[int, Shares("ovtm_untp_total_bidp_rsqn")]


class DailyPrice(Record, frozen=True, kw_only=True):
    """One of the last 30 days, weeks or months. ``rights`` is the ex-rights code of the day."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    close: Annotated[int, Won("stck_clpr")]
    volume: Annotated[int, Shares("acml_vol")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    foreign_exhaustion_rate: Annotated[float | None, Percent("hts_frgn_ehrt")]
    foreign_net_bought: Annotated[int | None, Shares("frgn_ntby_qty")]
    rights: Annotated[str, Text("flng_cls_code")]


class MemberFirm(Part, frozen=True, kw_only=True):
    """A member firm among the five with the most volume on one side of an issue."""

    code: Annotated[str, Text("@_mbcr_no#")]
    name: Annotated[str, Text("@_mbcr_name#")]
    quantity: Annotated[int | None, Shares("total_@_qty#")]
    volume_rate: Annotated[float | None, Percent("@_mbcr_rlim#")]
    change: Annotated[int | None, Shares("@_qty_icdc#")]
    foreign: Annotated[bool | None, Flag("@_mbcr_glob_yn_#")]


class MemberFirms(Record, frozen=True, kw_only=True):
    """The five largest sellers and buyers of today, and the sums of the foreign firms."""

    sellers: Annotated[tuple[MemberFirm, ...], Named("seln", times=5)]
    buyers: Annotated[tuple[MemberFirm, ...], Named("shnu", times=5)]
    foreign_sold: Annotated[int, Shares("glob_total_seln_qty")]
    foreign_bought: Annotated[int, Shares("glob_total_shnu_qty")]
    foreign_net_bought: Annotated[int, Shares("glob_ntby_qty")]
