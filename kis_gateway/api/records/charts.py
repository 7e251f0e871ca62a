"""Bars of an issue."""

from __future__ import annotations

from typing import Annotated

from events import Symbol, TradingDate
from kis_gateway.api.reading import Record
from kis_gateway.api.units import At, Day, Flag, Percent, Shares, Text, Won

_SIGN = "prdy_vrss_sign"


class ChartSummary(Record, frozen=True, kw_only=True):
    """Where the issue of a chart stands today."""

    name: Annotated[str, Text("hts_kor_isnm")]
    price: Annotated[int, Won("stck_prpr")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("prdy_ctrt", sign=_SIGN)]
    previous_close: Annotated[int, Won("stck_prdy_clpr")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]


class IssueSummary(ChartSummary, frozen=True, kw_only=True):
    """Where the issue of a daily chart stands today, with its limits."""

    symbol: Annotated[Symbol, Text("stck_shrn_iscd")]
    upper_limit: Annotated[int, Won("stck_mxpr")]
    lower_limit: Annotated[int, Won("stck_llam")]
    listed_shares: Annotated[int, Shares("lstn_stcn")]
    market_cap: Annotated[int, Won("hts_avls")]


class PeriodBar(Record, frozen=True, kw_only=True):
    """A day, week, month or year; ``trading_date`` is the date KIS gives the period.

    ``open`` is 0 on days without a trade. ``rights`` is the ex-rights code, ``split_rate`` the
    split in percent.
    """

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    close: Annotated[int, Won("stck_clpr")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]
    change: Annotated[int, Won("prdy_vrss", sign=_SIGN)]
    rights: Annotated[str, Text("flng_cls_code")]
    split_rate: Annotated[float | None, Percent("prtt_rate")]
    modified: Annotated[bool | None, Flag("mod_yn")]


class MinuteBar(Record, frozen=True, kw_only=True):
    """A minute; ``start`` ns UTC. ``day_value`` is the traded value of the day up to its end."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    start: Annotated[int, At("stck_cntg_hour", day="stck_bsop_date")]
    open: Annotated[int, Won("stck_oprc")]
    high: Annotated[int, Won("stck_hgpr")]
    low: Annotated[int, Won("stck_lwpr")]
    close: Annotated[int, Won("stck_prpr")]
    volume: Annotated[int, Shares("cntg_vol")]
    day_value: Annotated[int, Won("acml_tr_pbmn")]
