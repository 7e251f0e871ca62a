"""What is known of an issue now, under the names that KIS uses for it in its answers.

One name means one thing in nearly all of the quotation calls, so an answer is the part of these
facts that its block documents (``Block.pick``). Prices and values are won, volumes shares, rates
percent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from events import Symbol
from events.market import Bar, Phase
from events.market import Venue as Exchange
from events.prices import Board, tick_size
from kis_gateway.simulator.calls.answers import refused
from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import (
    calendar_day,
    change_sign,
    clock,
    percent,
    sign_of,
)

Facts = Mapping[str, Value]
MARKETS: Final = {Board.KOSPI: "KOSPI", Board.KOSDAQ: "KOSDAQ", Board.FUND: "ETF"}

_LEVELS: Final = 10
_YEAR_OF_SESSIONS: Final = 250
_DIVISIONS: Final = ("J", "NX", "UN")


def asked_listing(venue: Venue, call: Call, name: str = "FID_INPUT_ISCD") -> Listing:
    """Return the issue that a call names.

    Raises:
        CallRefused: a market division that is none (OPSQ2001), or no such issue (APBK0656).
    """
    if call.text("FID_COND_MRKT_DIV_CODE", "J").upper() not in (*_DIVISIONS, "E"):
        raise refused("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE")
    listing = venue.listings.get(Symbol(call.text(name)))
    if listing is None:
        raise refused("APBK0656")
    return listing


def asked_tape(venue: Venue, call: Call, listing: Listing) -> IssueRecords:
    """Return the day of an issue at the asked exchange: ``J`` KRX, ``NX`` NXT, ``UN`` both.

    An issue that Nextrade does not list has the KRX day in common with itself.

    Raises:
        CallRefused: NX of an issue that Nextrade does not list (OPSQ2001).
    """
    division = call.text("FID_COND_MRKT_DIV_CODE", "J").upper()
    krx = venue.tapes[listing.symbol]
    exchange = {"NX": Exchange.NXT, "UN": Exchange.UNIFIED}.get(division)
    if exchange is None:
        return krx
    found = venue.distribution.days.find(exchange, listing.symbol)
    if found is None and exchange is Exchange.NXT:
        raise refused("OPSQ2001", "ERROR INVALID FID_COND_MRKT_DIV_CODE")
    return found or krx


def today(venue: Venue, listing: Listing, tape: IssueRecords | None = None) -> Bar:
    """Return today's bar so far, at KRX unless another exchange's records are given.

    Without trades open, high and low are 0 and close is the base.
    """
    start = venue.market.session.open_at
    last = (tape or venue.tapes[listing.symbol]).last
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


def turnover(bar: Bar) -> int:
    """Return a bar's value in won; histories without values are reckoned at their close."""
    return bar.value or bar.close * bar.volume


def name_facts(listing: Listing) -> dict[str, Value]:
    """Return code, name and market of an issue under all their names."""
    symbol = listing.symbol
    return {
        "stck_shrn_iscd": symbol,
        "mksc_shrn_iscd": symbol,
        "inter_shrn_iscd": symbol,
        "hts_kor_isnm": listing.name,
        "inter_kor_isnm": listing.name,
        "bstp_kor_isnm": listing.sector,
        "rprs_mrkt_kor_name": MARKETS[listing.board],
        "kospi_kosdaq_cls_name": MARKETS[listing.board],
        "mrkt_div_cls_name": MARKETS[listing.board],
        "mrkt_div_cls_code": "J",
        "lstn_stcn": listing.listed_shares,
    }


def change_facts(price: int, listing: Listing) -> dict[str, Value]:
    """Return a price's change against the base price."""
    change = price - listing.base_price
    return {
        "prdy_vrss": change,
        "prdy_vrss_sign": change_sign(price, listing),
        "prdy_ctrt": percent(change, listing.base_price),
    }


def price_facts(
    venue: Venue, listing: Listing, tape: IssueRecords | None = None
) -> dict[str, Value]:
    """Return the session so far: price, change, range, volume, limits, state."""
    tape = tape or venue.tapes[listing.symbol]
    bar, base = today(venue, listing, tape), listing.base_price
    history = venue.market.daily_history(listing.symbol)
    before = history[-1] if history else None
    volume_before = before.volume if before is not None else 0
    price = bar.close
    return {
        **name_facts(listing),
        **change_facts(price, listing),
        **_range_facts(bar, listing, base),
        "stck_prpr": price,
        "acml_vol": bar.volume,
        "acml_tr_pbmn": bar.value,
        "stck_mxpr": listing.upper_limit,
        "stck_llam": listing.lower_limit,
        "stck_sdpr": base,
        "stck_prdy_clpr": before.close if before is not None else base,
        "stck_prdy_oprc": before.open if before is not None else 0,
        "stck_prdy_hgpr": before.high if before is not None else 0,
        "stck_prdy_lwpr": before.low if before is not None else 0,
        "prdy_vol": volume_before,
        "prdy_vrss_vol": bar.volume - volume_before,
        "prdy_vrss_vol_rate": percent(bar.volume, volume_before),
        "vol_tnrt": percent(bar.volume, listing.listed_shares),
        "wghn_avrg_stck_prc": bar.value / bar.volume if bar.volume else 0.0,
        "rstc_wdth_prc": listing.upper_limit - base,
        "aspr_unit": tick_size(price, listing.board, venue.market.day),
        "hts_deal_qty_unit_val": 1,
        "hts_avls": price * listing.listed_shares,
        "stck_avls": price * listing.listed_shares,
        "iscd_stat_cls_code": "58" if tape.halted else "00",
        "temp_stop_yn": "Y" if tape.halted else "N",
        "trht_yn": "Y" if tape.halted else "N",
        "vi_cls_code": "Y" if tape.interrupted else "N",
        "ovtm_vi_cls_code": "N",
        "marg_rate": 100.0,
        "mrkt_warn_cls_code": "00",
        "mang_issu_cls_code": "N",
        "mxpr_llam_cls_code": {"1": "1", "4": "2"}.get(change_sign(price, listing), "0"),
        "mrkt_trtm_cls_name": "장중" if venue.phase is Phase.CONTINUOUS else "장마감",
        "hour_cls_code": "0",
        "tday_rltv": percent(tape.volume_bought, tape.volume_sold),
        "shnu_cnqn_smtn": tape.volume_bought,
        "seln_cnqn_smtn": tape.volume_sold,
    }


def _range_facts(bar: Bar, listing: Listing, base: int) -> dict[str, Value]:
    price = bar.close
    facts: dict[str, Value] = {}
    for name, edge in (("oprc", bar.open), ("hgpr", bar.high), ("lwpr", bar.low)):
        gap = price - edge if edge else 0
        facts |= {
            f"stck_{name}": edge,
            f"{name}_vrss_prpr": gap,
            f"{name}_vrss_prpr_sign": sign_of(gap),
            f"{name}_vrss_prpr_rate": percent(gap, edge),
            f"prdy_clpr_vrss_{name}_rate": percent(edge - base, base) if edge else 0.0,
        }
    facts["oprc_vrss_hgpr_rate"] = percent(bar.high - bar.open, bar.open)
    return facts


def book_facts(venue: Venue, symbol: Symbol, tape: IssueRecords | None = None) -> dict[str, Value]:
    """Return ten levels a side with their sums; missing levels are 0."""
    tape = tape or venue.tapes[symbol]
    facts: dict[str, Value] = {"aspr_acpt_hour": clock(venue.now())}
    for side, levels in (("askp", tape.asks), ("bidp", tape.bids)):
        for rank, (price, quantity) in enumerate(levels[:_LEVELS], 1):
            facts[f"{side}{rank}"] = price
            facts[f"{side}_rsqn{rank}"] = quantity
        best = levels[0] if levels else (0, 0)
        facts[side], facts[f"total_{side}_rsqn"] = best[0], sum(each for _, each in levels)
        facts[f"inter2_{side}"] = best[0]
        facts["seln_rsqn" if side == "askp" else "shnu_rsqn"] = best[1]
    sells = sum(quantity for _, quantity in tape.asks)
    buys = sum(quantity for _, quantity in tape.bids)
    return facts | {
        "ntby_aspr_rsqn": buys - sells,
        "total_ntsl_bidp_rsqn": buys - sells,
        "shnu_rsqn_rate": percent(buys, sells),
        "seln_rsqn_rate": percent(sells, buys),
    }


def expected_facts(venue: Venue, listing: Listing) -> dict[str, Value]:
    """Return the last indicative match; all 0 before the first one."""
    price, quantity = venue.tapes[listing.symbol].expected
    change = price - listing.base_price if price else 0
    rate = percent(change, listing.base_price)
    sign = change_sign(price, listing) if price else "3"
    return {
        "antc_cnpr": price,
        "antc_cntg_vrss": change,
        "antc_cntg_vrss_sign": sign,
        "antc_cntg_prdy_ctrt": rate,
        "antc_vol": quantity,
        "antc_tr_pbmn": price * quantity,
        "intr_antc_cntg_vrss": change,
        "intr_antc_cntg_vrss_sign": sign,
        "intr_antc_cntg_prdy_ctrt": rate,
        "intr_antc_vol": quantity,
    }


def extreme_facts(venue: Venue, listing: Listing, price: int) -> dict[str, Value]:
    """Return the highest and lowest price of a year, 250 sessions and the calendar year."""
    history = venue.market.daily_history(listing.symbol)
    year = history[-_YEAR_OF_SESSIONS:]
    this_year = [bar for bar in year if calendar_day(bar.start)[:4] == venue.day[:4]]
    return {
        **_extremes("d250_{}", "{}_vrss_prpr_rate", "d250", year, price),
        **_extremes("w52_{}", "{}_vrss_prpr_ctrt", "w52", year, price),
        **_extremes("stck_dryy_{}", "{}_vrss_prpr_rate", "dryy", this_year, price),
    }


def _extremes(
    name: str, rate: str, prefix: str, bars: Sequence[Bar], price: int
) -> dict[str, Value]:
    if not bars:
        return {}
    top, bottom = max(bars, key=lambda bar: bar.high), min(bars, key=lambda bar: bar.low)
    facts: dict[str, Value] = {}
    for side, bar, edge in (("hgpr", top, top.high), ("lwpr", bottom, bottom.low)):
        facts[name.format(side)] = edge
        facts[f"{prefix}_{side}_date"] = calendar_day(bar.start)
        facts[f"{prefix}_{rate.format(side)}"] = percent(price - edge, edge)
    return facts
