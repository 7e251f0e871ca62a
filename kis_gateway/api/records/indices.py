"""Levels of indices, in hundredths of a point; volumes are exact to a thousand shares."""

from __future__ import annotations

from typing import Annotated

from events import TradingDate
from kis_gateway.api.reading import Record
from kis_gateway.api.units import At, Centipoints, Count, Day, Percent, Shares, Text, Won

_SIGN = "prdy_vrss_sign"


class _Level(Record, frozen=True, kw_only=True):
    """An index level with its change against the day before."""

    centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    change_centipoints: Annotated[int, Centipoints("bstp_nmix_prdy_vrss", sign=_SIGN)]
    change_rate: Annotated[float, Percent("bstp_nmix_prdy_ctrt", sign=_SIGN)]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]


class _DayLevel(_Level, frozen=True, kw_only=True):
    """An index level with the span of its day."""

    open_centipoints: Annotated[int, Centipoints("bstp_nmix_oprc")]
    high_centipoints: Annotated[int, Centipoints("bstp_nmix_hgpr")]
    low_centipoints: Annotated[int, Centipoints("bstp_nmix_lwpr")]


class IndexNow(_DayLevel, frozen=True, kw_only=True):
    """Where an index stands, and how many of its issues rose, fell or stand at a limit."""

    previous_volume: Annotated[int, Shares("prdy_vol")]
    previous_value: Annotated[int, Won("prdy_tr_pbmn")]
    rising: Annotated[int, Count("ascn_issu_cnt")]
    falling: Annotated[int, Count("down_issu_cnt")]
    unchanged: Annotated[int, Count("stnr_issu_cnt")]
    at_upper_limit: Annotated[int, Count("uplm_issu_cnt")]
    at_lower_limit: Annotated[int, Count("lslm_issu_cnt")]
    year_high_centipoints: Annotated[int, Centipoints("dryy_bstp_nmix_hgpr")]
    year_high_on: Annotated[TradingDate | None, Day("dryy_bstp_nmix_hgpr_date")]
    year_low_centipoints: Annotated[int, Centipoints("dryy_bstp_nmix_lwpr")]
    year_low_on: Annotated[TradingDate | None, Day("dryy_bstp_nmix_lwpr_date")]


class IndexDay(_DayLevel, frozen=True, kw_only=True):
    """One day, week or month of an index."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]


class IndexMoment(_Level, frozen=True, kw_only=True):
    """An index at a time of today. ``traded`` is the volume since the row before."""

    at: Annotated[int, At("bsop_hour|stck_cntg_hour")]
    traded: Annotated[int, Shares("cntg_vol")]


class IndexChartSummary(Record, frozen=True, kw_only=True):
    """Where the index of a chart stands."""

    name: Annotated[str, Text("hts_kor_isnm")]
    code: Annotated[str, Text("bstp_cls_code")]
    centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    previous_close_centipoints: Annotated[int, Centipoints("prdy_nmix")]
    change_rate: Annotated[float, Percent("bstp_nmix_prdy_ctrt", sign=_SIGN)]
    open_centipoints: Annotated[int, Centipoints("bstp_nmix_oprc")]
    high_centipoints: Annotated[int, Centipoints("bstp_nmix_hgpr")]
    low_centipoints: Annotated[int, Centipoints("bstp_nmix_lwpr")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]


class IndexBar(Record, frozen=True, kw_only=True):
    """A day, week, month or year of an index."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    open_centipoints: Annotated[int, Centipoints("bstp_nmix_oprc")]
    high_centipoints: Annotated[int, Centipoints("bstp_nmix_hgpr")]
    low_centipoints: Annotated[int, Centipoints("bstp_nmix_lwpr")]
    close_centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    volume: Annotated[int, Shares("acml_vol")]
    value: Annotated[int, Won("acml_tr_pbmn")]


class IndexTimeBar(Record, frozen=True, kw_only=True):
    """A part of a day of an index; ``start`` ns UTC. ``day_value`` is the day's value so far."""

    trading_date: Annotated[TradingDate, Day("stck_bsop_date")]
    start: Annotated[int, At("stck_cntg_hour", day="stck_bsop_date")]
    open_centipoints: Annotated[int, Centipoints("bstp_nmix_oprc")]
    high_centipoints: Annotated[int, Centipoints("bstp_nmix_hgpr")]
    low_centipoints: Annotated[int, Centipoints("bstp_nmix_lwpr")]
    close_centipoints: Annotated[int, Centipoints("bstp_nmix_prpr")]
    volume: Annotated[int, Shares("cntg_vol")]
    day_value: Annotated[int, Won("acml_tr_pbmn")]


class SectorLevel(_Level, frozen=True, kw_only=True):
    """One sector of a market, with its part of the market's volume and value."""

    code: Annotated[str, Text("bstp_cls_code")]
    name: Annotated[str, Text("hts_kor_isnm")]
    volume_rate: Annotated[float, Percent("acml_vol_rlim")]
    value_rate: Annotated[float, Percent("acml_tr_pbmn_rlim")]
