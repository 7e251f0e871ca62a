"""Quotations: price, daily and minute bars of an issue, level of an index, program trading.

Prices are won, volumes shares, values won unless a field says otherwise. What the simulated market
does not know (fundamentals, foreign holdings, credit) stays at its empty value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from itertools import groupby
from typing import Final

from events import Symbol
from events.calendar import instant, kst
from events.market import Bar
from events.prices import Board, tick_size
from kis_gateway.simulator import fields
from kis_gateway.simulator.answers import Answer, quoted, refused
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.indices import INDEX_NAMES
from kis_gateway.simulator.params import Call
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import (
    calendar_day,
    change_sign,
    clock,
    percent,
    sign_of,
)

_SECOND: Final = 1_000_000_000
_MINUTE: Final = 60 * _SECOND
_DAILY_ROWS: Final = 100
_MINUTE_ROWS: Final = 30
_PROGRAM_ROWS: Final = 30
_YEAR_OF_SESSIONS: Final = 250
_MILLION: Final = 1_000_000
_HUNDRED_MILLION: Final = 100_000_000
_MARKETS: Final = {Board.KOSPI: "KOSPI", Board.KOSDAQ: "KOSDAQ", Board.FUND: "ETF"}


def inquire_price(venue: Venue, call: Call) -> Answer:
    """Return the present price of an issue with its limits and tick."""
    listing = _listing(venue, call)
    today = _today(venue, listing)
    price, base = today.close, listing.base_price
    year = venue.market.daily_history(listing.symbol)[-_YEAR_OF_SESSIONS:]
    output = fields.PRICE.row(
        iscd_stat_cls_code="00",
        marg_rate=100.0,
        rprs_mrkt_kor_name=_MARKETS[listing.board],
        bstp_kor_isnm=listing.sector,
        stck_prpr=price,
        prdy_vrss=price - base,
        prdy_vrss_sign=change_sign(price, listing),
        prdy_ctrt=percent(price - base, base),
        acml_tr_pbmn=today.value,
        acml_vol=today.volume,
        prdy_vrss_vol_rate=percent(today.volume, year[-1].volume if year else 0),
        stck_oprc=today.open,
        stck_hgpr=today.high,
        stck_lwpr=today.low,
        stck_mxpr=listing.upper_limit,
        stck_llam=listing.lower_limit,
        stck_sdpr=base,
        wghn_avrg_stck_prc=today.value / today.volume if today.volume else 0.0,
        rstc_wdth_prc=listing.upper_limit - base,
        aspr_unit=tick_size(price, listing.board, venue.market.day),
        hts_deal_qty_unit_val=1,
        lstn_stcn=listing.listed_shares,
        hts_avls=price * listing.listed_shares // _HUNDRED_MILLION,
        vol_tnrt=percent(today.volume, listing.listed_shares),
        stck_shrn_iscd=listing.symbol,
        vi_cls_code="N",
        ovtm_vi_cls_code="N",
        mrkt_warn_cls_code="00",
        mang_issu_cls_code="N",
        **_extremes("d250_hgpr", "d250_lwpr", year, price, "vrss_prpr_rate"),
        **_extremes("w52_hgpr", "w52_lwpr", year, price, "vrss_prpr_ctrt"),
    )
    return quoted(output=output)


def inquire_daily_chart(venue: Venue, call: Call) -> Answer:
    """Return up to 100 bars between two dates, newest first, today's forming bar included."""
    listing = _listing(venue, call)
    today = _today(venue, listing)
    history = list(venue.market.daily_history(listing.symbol))
    start, end = call.text("FID_INPUT_DATE_1"), call.text("FID_INPUT_DATE_2")
    bars = [*history, today] if today.volume else history
    period = call.text("FID_PERIOD_DIV_CODE", "D").upper()
    key = _PERIODS.get(period)
    if key is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_PERIOD_DIV_CODE")
    merged = [_merge(group) for _, group in groupby(bars, key)]
    rows = [
        _daily_row(bar, before.close if before is not None else bar.open)
        for before, bar in zip([None, *merged], merged, strict=False)
        if start <= calendar_day(bar.start) <= end
    ]
    yesterday = history[-1] if history else None
    tape = venue.tapes[listing.symbol]
    head = fields.DAILY_CHART_HEAD.row(
        **_change_fields(today.close, listing),
        stck_prdy_clpr=yesterday.close if yesterday is not None else listing.base_price,
        acml_vol=today.volume,
        acml_tr_pbmn=today.value,
        hts_kor_isnm=listing.name,
        stck_prpr=today.close,
        stck_shrn_iscd=listing.symbol,
        prdy_vol=yesterday.volume if yesterday is not None else 0,
        stck_mxpr=listing.upper_limit,
        stck_llam=listing.lower_limit,
        stck_oprc=today.open,
        stck_hgpr=today.high,
        stck_lwpr=today.low,
        stck_prdy_oprc=yesterday.open if yesterday is not None else 0,
        stck_prdy_hgpr=yesterday.high if yesterday is not None else 0,
        stck_prdy_lwpr=yesterday.low if yesterday is not None else 0,
        askp=tape.asks[0][0] if tape.asks else 0,
        bidp=tape.bids[0][0] if tape.bids else 0,
        prdy_vrss_vol=today.volume - (yesterday.volume if yesterday is not None else 0),
        vol_tnrt=percent(today.volume, listing.listed_shares),
        lstn_stcn=listing.listed_shares,
        hts_avls=today.close * listing.listed_shares // _HUNDRED_MILLION,
    )
    return quoted(output1=head, output2=rows[::-1][:_DAILY_ROWS])


def inquire_minute_chart(venue: Venue, call: Call) -> Answer:
    """Return 30 one-minute bars going back from a time, newest first, the forming bar included.

    Minutes without trades are missing. For a time in the future the last price is repeated for each
    minute to come; in a current minute without trades the volume is still the last one's.
    """
    listing = _listing(venue, call)
    today = _today(venue, listing)
    asked = _instant(venue, call.text("FID_INPUT_HOUR_1"))
    rows, total = [], 0
    bars = venue.exchange.minute_bars(listing.symbol)
    for bar in bars:
        total += bar.value
        if bar.start <= asked:
            rows.append(_minute_row(bar, bar.volume, total))
    if bars:
        rows += _untraded_minutes(venue, bars[-1], asked, total)
    head = fields.MINUTE_CHART_HEAD.row(
        **_change_fields(today.close, listing),
        stck_prdy_clpr=listing.base_price,
        acml_vol=today.volume,
        acml_tr_pbmn=today.value,
        hts_kor_isnm=listing.name,
        stck_prpr=today.close,
    )
    return quoted(output1=head, output2=rows[::-1][:_MINUTE_ROWS])


def inquire_index_price(venue: Venue, call: Call) -> Answer:
    """Return the present level of an index."""
    name = INDEX_NAMES.get(call.text("FID_INPUT_ISCD"))
    day = venue.indices.index(name) if name is not None else None
    if day is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_INPUT_ISCD")
    previous = day.previous_close
    output = fields.INDEX_PRICE.row(
        bstp_nmix_prpr=day.last / 100,
        bstp_nmix_prdy_vrss=(day.last - previous) / 100,
        prdy_vrss_sign=sign_of(day.last - previous),
        bstp_nmix_prdy_ctrt=percent(day.last - previous, previous),
        bstp_nmix_oprc=day.open / 100,
        prdy_nmix_vrss_nmix_oprc=(day.open - previous) / 100,
        oprc_vrss_prpr_sign=sign_of(day.last - day.open),
        bstp_nmix_oprc_prdy_ctrt=percent(day.open - previous, previous),
        bstp_nmix_hgpr=day.high / 100,
        prdy_nmix_vrss_nmix_hgpr=(day.high - previous) / 100,
        hgpr_vrss_prpr_sign=sign_of(day.last - day.high),
        bstp_nmix_hgpr_prdy_ctrt=percent(day.high - previous, previous),
        bstp_nmix_lwpr=day.low / 100,
        prdy_clpr_vrss_lwpr=(day.low - previous) / 100,
        lwpr_vrss_prpr_sign=sign_of(day.last - day.low),
        prdy_clpr_vrss_lwpr_rate=percent(day.low - previous, previous),
    )
    return quoted(output=output)


def comp_program_trade_today(venue: Venue, call: Call) -> Answer:
    """Return a market's program trading so far, newest first, at most 30 rows, million won."""
    markets = {"K": "KOSPI", "Q": "KOSDAQ"}
    market = markets.get(call.text("FID_MRKT_CLS_CODE").upper())
    if market is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_MRKT_CLS_CODE")
    index = venue.indices.index(market)
    level = index.last if index is not None else 0
    change = level - index.previous_close if index is not None else 0
    rows = []
    for flow in venue.indices.flows(market)[-_PROGRAM_ROWS:][::-1]:
        # Towards zero: a net sale of less than a million is "0", not "-1".
        millions = int(flow.cumulative_net_value / _MILLION)
        rows.append(
            fields.PROGRAM_TRADE.row(
                bsop_hour=clock(flow.at),
                nabt_smtn_ntby_tr_pbmn=millions,
                whol_smtn_ntby_tr_pbmn=millions,
                bstp_nmix_prpr=level / 100,
                bstp_nmix_prdy_vrss=change / 100,
                prdy_vrss_sign=sign_of(change),
            )
        )
    return quoted(output=rows)


def _listing(venue: Venue, call: Call) -> Listing:
    if call.text("FID_COND_MRKT_DIV_CODE").upper() not in ("J", "UN"):
        raise refused("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE")
    listing = venue.listings.get(Symbol(call.text("FID_INPUT_ISCD")))
    if listing is None:
        raise refused("APBK0656")
    return listing


def _today(venue: Venue, listing: Listing) -> Bar:
    """Return today's bar so far; without trades open, high and low are 0 and close is the base."""
    start = venue.market.session.open_at
    last = venue.tapes[listing.symbol].last
    if last is None:
        return Bar(start, 0, 0, 0, listing.base_price, 0)
    return Bar(
        start,
        last.open,
        last.high,
        last.low,
        last.price,
        last.cumulative_volume,
        last.cumulative_value,
    )


def _change_fields(price: int, listing: Listing) -> dict[str, fields.Value]:
    change = price - listing.base_price
    return {
        "prdy_vrss": change,
        "prdy_vrss_sign": change_sign(price, listing),
        "prdy_ctrt": percent(change, listing.base_price),
    }


def _extremes(
    high: str, low: str, bars: Sequence[Bar], price: int, rate: str
) -> dict[str, fields.Value]:
    if not bars:
        return {}
    top = max(bars, key=lambda bar: bar.high)
    bottom = min(bars, key=lambda bar: bar.low)
    return {
        high: top.high,
        f"{high}_date": calendar_day(top.start),
        f"{high}_{rate}": percent(price - top.high, top.high),
        low: bottom.low,
        f"{low}_date": calendar_day(bottom.start),
        f"{low}_{rate}": percent(price - bottom.low, bottom.low),
    }


def _day(bar: Bar) -> date:
    return kst(bar.start).date()


_PERIODS: Final[dict[str, Callable[[Bar], object]]] = {
    "D": _day,
    "W": lambda bar: _day(bar).isocalendar()[:2],
    "M": lambda bar: (_day(bar).year, _day(bar).month),
    "Y": lambda bar: _day(bar).year,
}


def _merge(group: Iterable[Bar]) -> Bar:
    bars = list(group)
    return Bar(
        bars[-1].start,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        sum(bar.volume for bar in bars),
        sum(bar.value for bar in bars),
    )


def _daily_row(bar: Bar, previous_close: int) -> dict[str, str]:
    change = bar.close - previous_close
    return fields.DAILY_CHART_BAR.row(
        stck_bsop_date=calendar_day(bar.start),
        stck_clpr=bar.close,
        stck_oprc=bar.open,
        stck_hgpr=bar.high,
        stck_lwpr=bar.low,
        acml_vol=bar.volume,
        acml_tr_pbmn=bar.value,
        flng_cls_code="00",
        mod_yn="N",
        prdy_vrss_sign=sign_of(change),
        prdy_vrss=change,
    )


def _minute_row(bar: Bar, volume: int, total_value: int) -> dict[str, str]:
    return fields.MINUTE_CHART_BAR.row(
        stck_bsop_date=calendar_day(bar.start),
        stck_cntg_hour=clock(bar.start),
        stck_prpr=bar.close,
        stck_oprc=bar.open,
        stck_hgpr=bar.high,
        stck_lwpr=bar.low,
        cntg_vol=volume,
        acml_tr_pbmn=total_value,
    )


def _untraded_minutes(
    venue: Venue, last: Bar, asked: int, total_value: int
) -> list[dict[str, str]]:
    """Return flat rows from the present minute to the asked one, as far as nothing traded."""
    current = venue.now() // _MINUTE * _MINUTE
    first = max(last.start + _MINUTE, current)
    rows = []
    for start in range(first, min(asked, venue.market.session.close_at) + 1, _MINUTE):
        flat = Bar(start, last.close, last.close, last.close, last.close, 0)
        rows.append(_minute_row(flat, last.volume if start == current else 0, total_value))
    return rows


def _instant(venue: Venue, hhmmss: str) -> int:
    try:
        at = datetime.strptime(hhmmss, "%H%M%S").time()  # noqa: DTZ007 - a wall time of the session
    except ValueError:
        raise refused("OPSQ2002", "ERROR INVALID FID_INPUT_HOUR_1") from None
    return instant(venue.market.day, at)
