"""Places in rankings, and issues at or near a price limit."""

from __future__ import annotations

from typing import Annotated

from events import Symbol
from kis_gateway.api.reading import Record
from kis_gateway.api.units import Count, Percent, Shares, Text, Won

_SIGN = "prdy_vrss_sign"


class _Ranked(Record, frozen=True, kw_only=True):
    """An issue and its price."""

    symbol: Annotated[Symbol, Text("mksc_shrn_iscd|stck_shrn_iscd")]
    name: Annotated[str, Text("hts_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]


class VolumeRank(_Ranked, frozen=True, kw_only=True):
    """A place in the ranking by volume or value."""

    rank: Annotated[int, Count("data_rank")]
    previous_volume: Annotated[int, Shares("prdy_vol")]
    average_volume: Annotated[int, Shares("avrg_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    average_value: Annotated[int, Won("avrg_tr_pbmn")]
    volume_growth_rate: Annotated[float, Percent("vol_inrt")]
    turnover_rate: Annotated[float, Percent("vol_tnrt")]
    listed_shares: Annotated[int, Shares("lstn_stcn")]


class MarketCapRank(_Ranked, frozen=True, kw_only=True):
    """A place in the ranking by market capitalisation (won, exact to a hundred million)."""

    rank: Annotated[int, Count("data_rank")]
    listed_shares: Annotated[int, Shares("lstn_stcn")]
    market_cap: Annotated[int, Won("stck_avls")]
    market_rate: Annotated[float, Percent("mrkt_whol_avls_rlim")]


class ChangeRank(_Ranked, frozen=True, kw_only=True):
    """A place in the ranking by change of price."""

    rank: Annotated[int, Count("data_rank")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    days_rising: Annotated[int, Count("cnnt_ascn_dynu")]
    days_falling: Annotated[int, Count("cnnt_down_dynu")]
    change_from_open: Annotated[int, Won("oprc_vrss_prpr", sign="oprc_vrss_prpr_sign")]
    change_from_open_rate: Annotated[
        float, Percent("oprc_vrss_prpr_rate", sign="oprc_vrss_prpr_sign")
    ]


class LimitPriceIssue(_Ranked, frozen=True, kw_only=True):
    """An issue at or near its upper or lower limit."""

    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    previous_volume: Annotated[int, Shares("prdy_vol")]
    ask_quantity: Annotated[int, Shares("askp_rsqn1")]
    bid_quantity: Annotated[int, Shares("bidp_rsqn1")]
    ask_total: Annotated[int, Shares("total_askp_rsqn")]
    bid_total: Annotated[int, Shares("total_bidp_rsqn")]
    sold: Annotated[int, Shares("seln_cnqn")]
    bought: Annotated[int, Shares("shnu_cnqn")]
