"""Indices under the names that KIS uses in its answers: levels now, by day, and breadth.

Levels are points; volumes and values are sums over the listed issues of the market, shares and won.
The market carries KOSPI and KOSDAQ. Every other index code of a market (sizes, sectors, KOSPI 200)
is answered with its market's level, scaled by a fixed factor of the code: an invention that moves
like the market.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple
from zlib import crc32

from events.market import Bar
from events.prices import Board
from kis_gateway.simulator.calls.answers import refused
from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.issue_facts import today
from kis_gateway.simulator.indices import INDEX_NAMES, IndexDay
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import calendar_day, percent, sign_of

INDEX_TITLES: Final = {
    "0001": "종합",
    "0002": "대형주",
    "0003": "중형주",
    "0004": "소형주",
    "1001": "KOSDAQ",
    "1002": "KOSDAQ 대형주",
    "1003": "KOSDAQ 중형주",
    "1004": "KOSDAQ 소형주",
    "2001": "KOSPI200",
    "3003": "KOSDAQ150",
}
"""Index codes that the simulator knows by name (idxcode.mst)."""

_KOSPI_200: Final = "2001"


class AskedIndex(NamedTuple):
    """An index: its code, its market and its level relative to the market's."""

    code: str
    market: str
    factor: float

    @property
    def title(self) -> str:
        """The index's name."""
        return INDEX_TITLES.get(self.code, self.code)


def asked_index(code: str) -> AskedIndex:
    """Return the index of a KIS code.

    Raises:
        CallRefused: not four digits (OPSQ2001).
    """
    if len(code) != 4 or not code.isdecimal():
        raise refused("OPSQ2001", "ERROR INVALID FID_INPUT_ISCD")
    market = INDEX_NAMES.get(code)
    if market is not None:
        return AskedIndex(code, market, 1.0)
    if code == "0000":
        return AskedIndex(code, "KOSPI", 1.0)
    factor = 0.13 if code == _KOSPI_200 else 0.2 + crc32(code.encode()) % 1_000 / 1_000
    return AskedIndex(code, "KOSDAQ" if code[0] in "13" else "KOSPI", factor)


def index_of(call: Call) -> AskedIndex:
    """Return the index that a call names."""
    return asked_index(call.text("FID_INPUT_ISCD"))


def index_day(venue: Venue, market: str) -> IndexDay:
    """Return a market's index today.

    Raises:
        CallRefused: the market has neither history nor prints of it (OPSQ2001).
    """
    day = venue.indices.index(market)
    if day is None:
        raise refused("OPSQ2001", "ERROR INVALID FID_INPUT_ISCD")
    return day


def change_of_level(level: float, previous: float) -> dict[str, Value]:
    """Return a level in hundredths of a point with its change."""
    change = level - previous
    rate = percent(change, previous)
    return {
        "bstp_nmix_prpr": level / 100,
        "bstp_nmix_prdy_vrss": change / 100,
        "prdy_vrss_sign": sign_of(round(change)),
        "bstp_nmix_prdy_ctrt": rate,
        "prdy_ctrt": rate,
    }


def level_facts(venue: Venue, market: str, factor: float = 1.0) -> dict[str, Value]:
    """Return an index now with its range."""
    day = index_day(venue, market)
    previous, last = day.previous_close * factor, day.last * factor
    facts = change_of_level(last, previous)
    facts |= {"prdy_nmix": previous / 100, "stck_prdy_clpr": previous / 100}
    for name, level in (
        ("oprc", day.open * factor),
        ("hgpr", day.high * factor),
        ("lwpr", day.low * factor),
    ):
        gap = level - previous
        facts |= {
            f"bstp_nmix_{name}": level / 100,
            f"futs_prdy_{name}": previous / 100,
            f"prdy_nmix_vrss_nmix_{name}": gap / 100,
            f"bstp_nmix_{name}_prdy_ctrt": percent(gap, previous),
            f"{name}_vrss_prpr_sign": sign_of(round(last - level)),
        }
    lowest = day.low * factor - previous
    facts["prdy_clpr_vrss_lwpr"] = lowest / 100
    facts["prdy_clpr_vrss_lwpr_rate"] = percent(lowest, previous)
    return facts


def breadth_facts(venue: Venue, market: str) -> dict[str, Value]:
    """Return volume, value, order sums and the number of rising and falling issues."""
    up = down = flat = ceiling = floor = volume = value = sells = buys = 0
    for listing in members(venue, market):
        bar, tape = today(venue, listing), venue.tapes[listing.symbol]
        volume, value = volume + bar.volume, value + bar.value
        sells += sum(quantity for _, quantity in tape.asks)
        buys += sum(quantity for _, quantity in tape.bids)
        up += bar.close > listing.base_price
        down += bar.close < listing.base_price
        flat += bar.close == listing.base_price
        ceiling += bar.close == listing.upper_limit
        floor += bar.close == listing.lower_limit
    totals = venue.indices.totals(market)
    before, before_value = totals[max(totals)] if totals else (0, 0)
    return {
        "acml_vol": volume,
        "acml_tr_pbmn": value,
        "prdy_vol": before,
        "prdy_tr_pbmn": before_value,
        "ascn_issu_cnt": up,
        "uplm_issu_cnt": ceiling,
        "stnr_issu_cnt": flat,
        "down_issu_cnt": down,
        "lslm_issu_cnt": floor,
        "total_askp_rsqn": sells,
        "total_bidp_rsqn": buys,
        "seln_rsqn_rate": percent(sells, sells + buys),
        "shnu_rsqn_rate": percent(buys, sells + buys),
        "ntby_rsqn": buys - sells,
    }


def year_facts(venue: Venue, market: str, factor: float = 1.0) -> dict[str, Value]:
    """Return the highest and lowest level of the calendar year."""
    bars = [
        bar
        for bar in venue.market.index_history(market)
        if calendar_day(bar.start)[:4] == venue.day[:4]
    ]
    if not bars:
        return {}
    last = index_day(venue, market).last
    facts: dict[str, Value] = {}
    top, bottom = max(bars, key=lambda bar: bar.high), min(bars, key=lambda bar: bar.low)
    for name, bar, level in (("hgpr", top, top.high), ("lwpr", bottom, bottom.low)):
        facts[f"dryy_bstp_nmix_{name}"] = level * factor / 100
        facts[f"dryy_bstp_nmix_{name}_date"] = calendar_day(bar.start)
        facts[f"dryy_{name}_vrss_prpr_rate"] = percent(last - level, level)
    return facts


def index_bars(venue: Venue, market: str) -> list[Bar]:
    """Return an index's daily bars, today last, in hundredths of a point, with volume and value."""
    totals, day = venue.indices.totals(market), index_day(venue, market)
    bars = []
    for bar in venue.market.index_history(market):
        volume, value = totals.get(bar.start, (0, 0))
        bars.append(Bar(bar.start, bar.open, bar.high, bar.low, bar.close, volume, value))
    volume, value = _traded(venue, market)
    start = venue.market.session.open_at
    return [*bars, Bar(start, day.open, day.high, day.low, day.last, volume, value)]


def _traded(venue: Venue, market: str) -> tuple[int, int]:
    prints = [venue.tapes[each.symbol].last for each in members(venue, market)]
    known = [each for each in prints if each is not None]
    return (
        sum(each.cumulative_volume for each in known),
        sum(each.cumulative_value for each in known),
    )


def index_bar_facts(bar: Bar, previous: Bar | None, factor: float = 1.0) -> dict[str, Value]:
    """Return one bar of an index with its change against the bar before."""
    before = previous.close if previous is not None else bar.open
    return {
        **change_of_level(bar.close * factor, before * factor),
        "stck_bsop_date": calendar_day(bar.start),
        "bstp_nmix_oprc": bar.open * factor / 100,
        "bstp_nmix_hgpr": bar.high * factor / 100,
        "bstp_nmix_lwpr": bar.low * factor / 100,
        "stck_prdy_clpr": before * factor / 100,
        "acml_vol": bar.volume,
        "acml_tr_pbmn": bar.value,
        "mod_yn": "N",
    }


def index_daily_facts(venue: Venue, market: str) -> list[dict[str, Value]]:
    """Return an index's days, newest first."""
    bars = index_bars(venue, market)
    pairs = zip(bars, [None, *bars], strict=False)
    return [index_bar_facts(bar, previous) for bar, previous in pairs][::-1]


def members(venue: Venue, market: str) -> Iterable[Listing]:
    """Return the issues of a market, funds left out."""
    return (each for each in venue.market.listings if each.board is Board(market))
