"""How an issue's volume is spread: over prices, over sizes of trades, over indicative matches."""

from __future__ import annotations

from collections import Counter
from typing import Final

from events.market import Aggressor
from kis_gateway.simulator.calls.answers import Answer, quoted
from kis_gateway.simulator.calls.fields import Value, block
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.facts.issue_facts import asked_listing, expected_facts, price_facts
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock, percent

_MILLION: Final = 1_000_000
_SIZES: Final = (
    ("1천만원 미만", 10 * _MILLION),
    ("1천만원 이상", 30 * _MILLION),
    ("3천만원 이상", 50 * _MILLION),
    ("5천만원 이상", 100 * _MILLION),
    ("1억원 이상", 0),
)
"""Names of the sizes of trades with their upper edges in won, 0 for none."""


def pbar_tratio(venue: Venue, call: Call) -> Answer:
    """Return the volume by price, most traded first.

    The volume of a minute counts at the minute's close.
    """
    name = "pbar-tratio"
    listing = asked_listing(venue, call)
    volumes: Counter[int] = Counter()
    for bar in venue.exchange.minute_bars(listing.symbol):
        volumes[bar.close] += bar.volume
    rows = [
        block(name, "output2").row(
            data_rank=rank,
            stck_prpr=price,
            cntg_vol=volume,
            acml_vol_rlim=percent(volume, volumes.total()),
        )
        for rank, (price, volume) in enumerate(volumes.most_common(), 1)
    ]
    head = block(name, "output1").pick(price_facts(venue, listing))
    return quoted(output1=head, output2=rows)


def tradprt_byamt(venue: Venue, call: Call) -> Answer:
    """Return the trades by their size, of the newest few hundred."""
    listing = asked_listing(venue, call)
    trades = venue.day_tape.trades(listing.symbol)
    whole = sum(each.quantity for each in trades)
    output, rows, floor = block("tradprt-byamt", "output"), [], 0
    for label, edge in _SIZES:
        found = [
            each
            for each in trades
            if floor <= each.price * each.quantity
            and (not edge or each.price * each.quantity < edge)
        ]
        floor = edge
        volume = sum(each.quantity for each in found)
        bought = [each.quantity for each in found if each.aggressor is Aggressor.BUY]
        sold = [each.quantity for each in found if each.aggressor is Aggressor.SELL]
        value = sum(each.price * each.quantity for each in found)
        rows.append(
            output.row(
                prpr_name=label,
                smtn_avrg_prpr=value // volume if volume else 0,
                acml_vol=volume,
                whol_ntby_qty_rate=percent(sum(bought) - sum(sold), whole),
                ntby_cntg_csnu=len(bought) - len(sold),
                seln_cnqn_smtn=sum(sold),
                whol_seln_vol_rate=percent(sum(sold), whole),
                seln_cntg_csnu=len(sold),
                shnu_cnqn_smtn=sum(bought),
                whol_shun_vol_rate=percent(sum(bought), whole),
                shnu_cntg_csnu=len(bought),
            )
        )
    return quoted(output=rows)


def exp_price_trend(venue: Venue, call: Call) -> Answer:
    """Return the last indicative match; earlier ones are not kept."""
    name = "exp-price-trend"
    listing = asked_listing(venue, call)
    prices, expected = price_facts(venue, listing), expected_facts(venue, listing)
    rows = []
    if expected["antc_cnpr"]:
        facts: dict[str, Value] = {
            "stck_bsop_date": venue.day,
            "stck_cntg_hour": clock(venue.now()),
            "stck_prpr": expected["antc_cnpr"],
            "prdy_vrss": expected["antc_cntg_vrss"],
            "prdy_vrss_sign": expected["antc_cntg_vrss_sign"],
            "prdy_ctrt": expected["antc_cntg_prdy_ctrt"],
            "acml_vol": expected["antc_vol"],
        }
        rows.append(block(name, "output2").pick(facts))
    return quoted(output1=block(name, "output1").pick(prices, expected), output2=rows)
