"""Funds: price, book, net asset value and components.

The market's funds have no portfolio of their own; any issue may be asked for. The net asset value
swings around the price as it does in the real-time feed (``nav_records``), and the components of a
fund are the market's most active issues in equal weights.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.simulator.calls.answers import Answer, quoted
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.day_facts import daily_facts
from kis_gateway.simulator.facts.issue_facts import (
    asked_listing,
    book_facts,
    change_facts,
    extreme_facts,
    price_facts,
    today,
)
from kis_gateway.simulator.feeds.nav_records import net_asset_value
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock, percent, sign_of

_COMPONENTS: Final = 10
_ROWS: Final = 30
_LONG: Final = 100
_UNIT: Final = 50_000
_MINUTE: Final = 60_000_000_000
_DAY: Final = 86_400_000_000_000


def etf_inquire_price(venue: Venue, call: Call) -> Answer:
    """Return a fund now."""
    listing = asked_listing(venue, call)
    bar = today(venue, listing)
    facts: dict[str, Value] = {
        "etf_crcl_stcn": listing.listed_shares,
        "etf_ntas_ttam": listing.listed_shares * bar.close,
        "etf_crcl_ntas_ttam": listing.listed_shares * bar.close,
        "etf_cu_unit_scrt_cnt": _UNIT,
        "etf_cnfg_issu_cnt": min(_COMPONENTS, len(venue.market.listings)),
        "etf_trc_ert_mltp": 1.0,
        "etf_div_name": "지수추적",
        "etf_rprs_bstp_kor_isnm": listing.sector,
        "mbcr_name": "한국증권",
    }
    output = block("etf-inquire-price", "output").pick(
        price_facts(venue, listing),
        extreme_facts(venue, listing, bar.close),
        nav_facts(listing, bar.close, venue.now()),
        facts,
    )
    return quoted(output=output)


def etf_inquire_asking_price(venue: Venue, call: Call) -> Answer:
    """Return a fund's book; the liquidity provider's part of it is not told apart."""
    listing = asked_listing(venue, call)
    facts = book_facts(venue, listing.symbol)
    return quoted(output=block("etf-inquire-asking-price", "output").pick(facts))


def nav_comparison_trend(venue: Venue, call: Call) -> Answer:
    """Return a fund's price beside its net asset value."""
    name = "nav-comparison-trend"
    listing = asked_listing(venue, call)
    bar = today(venue, listing)
    return quoted(
        output1=block(name, "output1").pick(price_facts(venue, listing)),
        output2=block(name, "output2").pick(nav_facts(listing, bar.close, venue.now())),
    )


def nav_comparison_time_trend(venue: Venue, call: Call) -> Answer:
    """Return a fund's price and net asset value by minute, newest first."""
    listing = asked_listing(venue, call)
    output, rows, volume = block("nav-comparison-time-trend", "output"), [], 0
    for bar in venue.exchange.minute_bars(listing.symbol):
        volume += bar.volume
        facts: dict[str, Value] = {
            "bsop_hour": clock(bar.start + _MINUTE - 1),
            "stck_prpr": bar.close,
            "acml_vol": volume,
            "cntg_vol": bar.volume,
        }
        nav = nav_facts(listing, bar.close, bar.start)
        rows.append(output.pick(change_facts(bar.close, listing), nav, facts))
    return quoted(output=rows[::-1][:_ROWS])


def nav_comparison_daily_trend(venue: Venue, call: Call) -> Answer:
    """Return a fund's price and net asset value by day between two dates, newest first."""
    listing = asked_listing(venue, call)
    start, end = call.text("FID_INPUT_DATE_1", ""), call.text("FID_INPUT_DATE_2", "")
    output = block("nav-comparison-daily-trend", "output")
    rows = [
        output.pick(day, nav_facts(listing, int(day["stck_clpr"]), index * _DAY))
        for index, day in enumerate(daily_facts(venue, listing, start=start, end=end, rows=_LONG))
    ]
    return quoted(output=rows)


def inquire_component_stock_price(venue: Venue, call: Call) -> Answer:
    """Return a fund's components."""
    name = "inquire-component-stock-price"
    listing = asked_listing(venue, call)
    bar = today(venue, listing)
    parts = [each for each in venue.market.listings if each.symbol != listing.symbol][:_COMPONENTS]
    rows = []
    for part in parts:
        prices = price_facts(venue, part)
        facts: dict[str, Value] = {
            "etf_cnfg_issu_avls": prices["hts_avls"],
            "etf_cnfg_issu_rlim": 100 / len(parts),
            "etf_vltn_amt": bar.close * _UNIT // len(parts),
        }
        rows.append(block(name, "output2").pick(prices, facts))
    head: dict[str, Value] = {
        "etf_ntas_ttam": listing.listed_shares * bar.close,
        "etf_cu_unit_scrt_cnt": _UNIT,
        "etf_cnfg_issu_cnt": len(parts),
    }
    output1 = block(name, "output1").pick(
        price_facts(venue, listing), nav_facts(listing, bar.close, venue.now()), head
    )
    return quoted(output1=output1, output2=rows)


def nav_facts(listing: Listing, price: int, at: int) -> dict[str, Value]:
    """Return a fund's net asset value at a price and an instant."""
    value, before = net_asset_value(price, at), float(listing.base_price)
    change = value - before
    return {
        "nav": value,
        "nav_prdy_vrss": change,
        "nav_prdy_vrss_sign": sign_of(round(change * 100)),
        "nav_prdy_ctrt": percent(change, before),
        "prdy_clpr_nav": before,
        "prdy_last_nav": before,
        "oprc_nav": value,
        "hprc_nav": max(value, before),
        "lprc_nav": min(value, before),
        "nav_vrss_prpr": price - value,
        "dprt": percent(price - value, value),
    }
