"""Quotations of one issue now: price, order book, trades, several issues at once, after hours.

Prices are won, volumes shares, values won unless a field says otherwise. After-hours figures are
those of the single-price market, which ended on 2026-09-13; since then they stay at their empty
values, with the limits that would hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from events import Symbol
from events.calendar import instant
from events.prices import Board, daily_limits
from kis_gateway.simulator.calls.answers import Answer, quoted, refused
from kis_gateway.simulator.calls.fields import Row, Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.day_facts import daily_facts
from kis_gateway.simulator.facts.fundamentals import company_facts
from kis_gateway.simulator.facts.issue_facts import (
    asked_listing,
    asked_tape,
    book_facts,
    change_facts,
    expected_facts,
    extreme_facts,
    price_facts,
    today,
)
from kis_gateway.simulator.facts.synthetic_flows import trading_facts
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock, percent

_TRADE_ROWS: Final = 30
_MANY: Final = 30
_MINUTE: Final = 60_000_000_000
_AFTER_HOURS_PERMILLE: Final = 100


def inquire_price(venue: Venue, call: Call) -> Answer:
    """Return the present price of an issue with its limits and tick."""
    listing = asked_listing(venue, call)
    tape = asked_tape(venue, call, listing)
    bar = today(venue, listing, tape)
    output = block("inquire-price", "output").pick(
        trading_facts(listing, bar),
        company_facts(listing),
        price_facts(venue, listing, tape),
        extreme_facts(venue, listing, bar.close),
    )
    return quoted(output=output)


def inquire_price_2(venue: Venue, call: Call) -> Answer:
    """Return the present price of an issue with its designations."""
    listing = asked_listing(venue, call)
    facts = price_facts(venue, listing, asked_tape(venue, call, listing))
    return quoted(output=block("inquire-price-2", "output").pick(facts))


def inquire_asking_price(venue: Venue, call: Call) -> Answer:
    """Return ten levels a side and the last indicative match."""
    name = "inquire-asking-price-exp-ccn"
    listing = asked_listing(venue, call)
    tape = asked_tape(venue, call, listing)
    prices = price_facts(venue, listing, tape)
    return quoted(
        output1=block(name, "output1").pick(book_facts(venue, listing.symbol, tape)),
        output2=block(name, "output2").pick(prices, expected_facts(venue, listing)),
    )


def inquire_ccnl(venue: Venue, call: Call) -> Answer:
    """Return the newest 30 trades, newest first."""
    listing = asked_listing(venue, call)
    rows = _trade_facts(venue, listing, until=venue.now())[:_TRADE_ROWS]
    return quoted(output=[block("inquire-ccnl", "output").pick(row) for row in rows])


def inquire_time_itemconclusion(venue: Venue, call: Call) -> Answer:
    """Return 30 trades going back from a time, newest first."""
    name = "inquire-time-itemconclusion"
    listing = asked_listing(venue, call)
    asked = asked_instant(venue, call.text("FID_INPUT_HOUR_1", ""))
    rows = _trade_facts(venue, listing, until=asked)[:_TRADE_ROWS]
    return quoted(
        output1=block(name, "output1").pick(price_facts(venue, listing)),
        output2=[block(name, "output2").pick(row) for row in rows],
    )


def intstock_multprice(venue: Venue, call: Call) -> Answer:
    """Return prices of up to 30 issues in the order asked; codes that are none are left out."""
    output = block("intstock-multprice", "output")
    rows = []
    for number in range(1, _MANY + 1):
        symbol = Symbol(call.text(f"FID_INPUT_ISCD_{number}", ""))
        listing = venue.listings.get(symbol)
        if listing is None:
            continue
        facts = price_facts(venue, listing)
        named = {
            "inter2_prpr": facts["stck_prpr"],
            "inter2_prdy_vrss": facts["prdy_vrss"],
            "inter2_oprc": facts["stck_oprc"],
            "inter2_hgpr": facts["stck_hgpr"],
            "inter2_lwpr": facts["stck_lwpr"],
            "inter2_llam": facts["stck_llam"],
            "inter2_mxpr": facts["stck_mxpr"],
            "inter2_prdy_clpr": facts["stck_prdy_clpr"],
            "inter2_sdpr": facts["stck_sdpr"],
        }
        rows.append(
            output.pick(facts, book_facts(venue, symbol), expected_facts(venue, listing), named)
        )
    return quoted(output=rows)


def inquire_overtime_price(venue: Venue, call: Call) -> Answer:
    """Return an issue in the after-hours single-price market."""
    listing = asked_listing(venue, call)
    output = block("inquire-overtime-price", "output").pick(
        price_facts(venue, listing),
        book_facts(venue, listing.symbol),
        overtime_facts(venue, listing),
    )
    return quoted(output=output)


def inquire_overtime_asking_price(venue: Venue, call: Call) -> Answer:
    """Return the book of the after-hours single-price market beside that of the day."""
    listing = asked_listing(venue, call)
    facts: dict[str, Value] = {"ovtm_untp_last_hour": clock(venue.now())}
    output = block("inquire-overtime-asking-price", "output")
    return quoted(output=output.pick(book_facts(venue, listing.symbol), facts))


def inquire_time_overtimeconclusion(venue: Venue, call: Call) -> Answer:
    """Return the trades of the after-hours single-price market: none since it ended."""
    name = "inquire-time-overtimeconclusion"
    listing = asked_listing(venue, call)
    head = block(name, "output1").pick(overtime_facts(venue, listing))
    return quoted(output1=head, output2=[])


def inquire_daily_overtimeprice(venue: Venue, call: Call) -> Answer:
    """Return 30 days with their after-hours figures, newest first."""
    name = "inquire-daily-overtimeprice"
    listing = asked_listing(venue, call)
    rows: list[Row] = []
    for day in daily_facts(venue, listing):
        quiet: dict[str, Value] = {
            "ovtm_untp_prpr": day["stck_clpr"],
            "ovtm_untp_prdy_vrss_sign": "3",
        }
        rows.append(block(name, "output2").pick(day, quiet))
    return quoted(output1=block(name, "output1").pick(overtime_facts(venue, listing)), output2=rows)


def exp_closing_price(venue: Venue, call: Call) -> Answer:
    """Return where issues would close, by the last indicative match; those without are left out."""
    rows = []
    for listing in listings_of(venue, call.text("FID_INPUT_ISCD", "0000")):
        price, quantity = venue.tapes[listing.symbol].expected
        if price:
            gap = price - today(venue, listing).close
            facts: dict[str, Value] = {
                "stck_prpr": price,
                "sdpr_vrss_prpr": price - listing.base_price,
                "sdpr_vrss_prpr_rate": percent(price - listing.base_price, listing.base_price),
                "cntg_vol": quantity,
            }
            named = {"stck_shrn_iscd": listing.symbol, "hts_kor_isnm": listing.name}
            row = block("exp-closing-price", "output").pick(
                named, change_facts(price, listing), facts
            )
            rows.append((abs(gap), row))
    rows.sort(key=lambda each: each[0], reverse=True)
    return quoted(output=[row for _, row in rows[:_MANY]])


def listings_of(venue: Venue, code: str) -> Sequence[Listing]:
    """Return the issues of a market: 0000 all, 0001 KOSPI, 1001 KOSDAQ; other codes all."""
    board = {"0001": Board.KOSPI, "1001": Board.KOSDAQ}.get(code)
    if board is None:
        return venue.market.listings
    return [each for each in venue.market.listings if each.board is board]


def overtime_facts(venue: Venue, listing: Listing) -> dict[str, Value]:
    """Return the after-hours single-price market of an issue: its limits and a price at rest."""
    close = today(venue, listing).close
    lower, upper = daily_limits(close, listing.board, venue.market.day)
    reach = close * _AFTER_HOURS_PERMILLE // 1_000
    return {
        "ovtm_untp_prpr": close,
        "ovtm_untp_prdy_vrss_sign": "3",
        "ovtm_untp_antc_cntg_vrss_sign": "3",
        "ovtm_untp_antc_cntg_vrsssign": "3",
        "ovtm_untp_sdpr": close,
        "ovtm_untp_mxpr": min(upper, listing.upper_limit, close + reach),
        "ovtm_untp_llam": max(lower, listing.lower_limit, close - reach),
    }


def asked_instant(venue: Venue, hhmmss: str) -> int:
    """Return a time of today, now when it is blank or midnight.

    Published clients (python-kis 2.1.6, ``day_chart``) begin a chart with ``000000`` and get the
    newest rows.

    Raises:
        CallRefused: not HHMMSS (OPSQ2002).
    """
    if hhmmss in ("", "000000"):
        return venue.now()
    try:
        at = datetime.strptime(hhmmss, "%H%M%S").time()  # noqa: DTZ007 - a wall time of the session
    except ValueError:
        raise refused("OPSQ2002", "ERROR INVALID FID_INPUT_HOUR_1") from None
    return instant(venue.market.day, at)


def _trade_facts(venue: Venue, listing: Listing, *, until: int) -> list[dict[str, Value]]:
    tape, trades = venue.tapes[listing.symbol], venue.day_tape.trades(listing.symbol)
    strength = percent(tape.volume_bought, tape.volume_sold)
    found: list[tuple[int, int, int, int]] = [
        (each.at, each.price, each.quantity, each.cumulative_volume) for each in trades
    ]
    total = 0
    earlier = []
    for bar in venue.exchange.minute_bars(listing.symbol):
        total += bar.volume
        if not trades or bar.start + _MINUTE <= trades[0].at:
            earlier.append((bar.start + _MINUTE - 1, bar.close, bar.volume, total))
    book = book_facts(venue, listing.symbol)
    return [
        {
            **change_facts(price, listing),
            "stck_cntg_hour": clock(at),
            "stck_prpr": price,
            "stck_pbpr": price,
            "cntg_vol": quantity,
            "cnqn": quantity,
            "acml_vol": volume,
            "tday_rltv": strength,
            "askp": book["askp"],
            "bidp": book["bidp"],
        }
        for at, price, quantity, volume in reversed([*earlier, *found])
        if at <= until
    ]
