"""ETFs and ETNs: price, net asset value, components. Net asset values are hundredths of a won."""

from __future__ import annotations

from typing import Annotated

from events import Symbol, TradingDate
from kis_gateway.api.reading import Record
from kis_gateway.api.units import At, Centiwon, Count, Day, Percent, Shares, Text, Won

_SIGN = "prdy_vrss_sign"
_NAV_SIGN = "nav_prdy_vrss_sign"


class _Price(Record, frozen=True, kw_only=True):
    """A price with its change against the day before."""

    price: Annotated[int, Won("stck_prpr|stck_clpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]


class FundPrice(_Price, frozen=True, kw_only=True):
    """Price and net asset value of a fund. ``premium_rate`` is of the price over the value.

    ``net_assets`` is won.
    """

    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    previous_close: Annotated[int, Won("stck_prdy_clpr")]
    base_price: Annotated[int, Won("stck_sdpr")]
    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    volume: Annotated[int, Shares("acml_vol")]
    previous_volume: Annotated[int, Shares("prdy_vol")]
    nav_centiwon: Annotated[int, Centiwon("nav")]
    nav_change_centiwon: Annotated[int, Centiwon("nav_prdy_vrss", sign=_NAV_SIGN)]
    nav_change_rate: Annotated[float, Percent("nav_prdy_ctrt", sign=_NAV_SIGN)]
    previous_nav_centiwon: Annotated[int, Centiwon("prdy_last_nav")]
    premium_rate: Annotated[float | None, Percent("dprt")]
    tracking_error_rate: Annotated[float | None, Percent("trc_errt")]
    circulating_shares: Annotated[int | None, Shares("etf_crcl_stcn")]
    listed_shares: Annotated[int | None, Shares("lstn_stcn")]
    net_assets: Annotated[int | None, Won("etf_ntas_ttam")]
    creation_unit: Annotated[int | None, Count("etf_cu_unit_scrt_cnt")]
    components: Annotated[int | None, Count("etf_cnfg_issu_cnt")]
    issuer: Annotated[str, Text("mbcr_name")]
    sector: Annotated[str, Text("bstp_kor_isnm")]
    listed_on: Annotated[TradingDate | None, Day("stck_lstn_date")]
    matures_on: Annotated[TradingDate | None, Day("mtrt_date")]


class PriceNow(_Price, frozen=True, kw_only=True):
    """The fund's price today."""

    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    previous_close: Annotated[int, Won("stck_prdy_clpr")]
    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]


class NavNow(Record, frozen=True, kw_only=True):
    """The fund's net asset value today."""

    nav_centiwon: Annotated[int, Centiwon("nav")]
    change_centiwon: Annotated[int, Centiwon("nav_prdy_vrss", sign=_NAV_SIGN)]
    change_rate: Annotated[float, Percent("nav_prdy_ctrt", sign=_NAV_SIGN)]
    previous_centiwon: Annotated[int, Centiwon("prdy_clpr_nav")]
    open_centiwon: Annotated[int, Centiwon("oprc_nav")]
    high_centiwon: Annotated[int, Centiwon("hprc_nav")]
    low_centiwon: Annotated[int, Centiwon("lprc_nav")]


class _Trend(_Price, frozen=True, kw_only=True):
    """Net asset value beside price. ``premium`` is what the price is above the value."""

    nav_centiwon: Annotated[int, Centiwon("nav")]
    nav_change_centiwon: Annotated[int, Centiwon("nav_prdy_vrss", sign=_NAV_SIGN)]
    nav_change_rate: Annotated[float, Percent("nav_prdy_ctrt", sign=_NAV_SIGN)]
    premium_centiwon: Annotated[int, Centiwon("nav_vrss_prpr")]
    premium_rate: Annotated[float, Percent("dprt")]
    volume: Annotated[int, Shares("acml_vol")]


class NavMoment(_Trend, frozen=True, kw_only=True):
    """Net asset value and price at a time of today."""

    at: Annotated[int, At("bsop_hour")]


class NavDay(_Trend, frozen=True, kw_only=True):
    """Net asset value and price at the close of a day."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]


class BasketSummary(_Price, frozen=True, kw_only=True):
    """The fund whose components are listed."""

    nav_centiwon: Annotated[int, Centiwon("nav")]
    previous_nav_centiwon: Annotated[int, Centiwon("prdy_clpr_nav")]
    net_assets: Annotated[int | None, Won("etf_ntas_ttam")]
    creation_unit: Annotated[int | None, Count("etf_cu_unit_scrt_cnt")]
    components: Annotated[int, Count("etf_cnfg_issu_cnt")]


class Component(_Price, frozen=True, kw_only=True):
    """An issue in a fund: its weight in percent and its value in the fund."""

    symbol: Annotated[Symbol, Text("stck_shrn_iscd")]
    name: Annotated[str, Text("hts_kor_isnm")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    market_cap: Annotated[int | None, Won("hts_avls")]
    weight_rate: Annotated[float, Percent("etf_cnfg_issu_rlim")]
    value_in_fund: Annotated[int, Won("etf_vltn_amt")]
