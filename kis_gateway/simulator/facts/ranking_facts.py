"""What rankings tell of an issue beyond its price: averages, extremes, streaks, counts.

Shares, won, percent. Averages are over the sessions before today.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from events.market import Bar
from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.day_facts import bar_facts
from kis_gateway.simulator.facts.fundamentals import business_years, company_facts, year_facts
from kis_gateway.simulator.facts.issue_facts import (
    book_facts,
    expected_facts,
    price_facts,
    today,
    turnover,
)
from kis_gateway.simulator.facts.synthetic_flows import spread, trading_facts
from kis_gateway.simulator.venue import Venue
from kis_gateway.simulator.wire_formats import clock, percent

_AVERAGES: Final = (5, 10, 20, 60, 120)
_USUAL: Final = 20


def ranked_facts(venue: Venue, listing: Listing) -> dict[str, Value]:
    """Return all that any ranking tells of an issue."""
    bar = today(venue, listing)
    history = venue.market.daily_history(listing.symbol)
    return {
        **trading_facts(listing, bar),
        **company_facts(listing),
        **year_facts(listing, business_years(venue.day)[0]),
        **book_facts(venue, listing.symbol),
        **expected_facts(venue, listing),
        **price_facts(venue, listing),
        **_usual_facts(listing, bar, history),
        **_extreme_facts(venue, listing, bar, history),
        **_count_facts(venue, listing),
        **{f"d{count}_dsrt": disparity(bar, history, count) for count in _AVERAGES},
        **_dividend_facts(venue, listing),
        "stnd_date1": venue.day,
        "stnd_date2": venue.day,
        "stac_month_cls_code": "A",
    }


def disparity(bar: Bar, history: Sequence[Bar], count: int) -> float:
    """Return the price in percent of the mean close of ``count`` sessions, today included."""
    closes = [each.close for each in history[-(count - 1) :]] + [bar.close]
    return percent(bar.close * len(closes), sum(closes))


def dividend_per_share(listing: Listing) -> int:
    """Return a made-up yearly dividend: a tenth to a third of the earnings, whole tens of won."""
    share = 0.1 + 0.25 * spread(listing.symbol, 0, "dividend")
    return int(float(company_facts(listing)["eps"]) * share) // 10 * 10


def _usual_facts(listing: Listing, bar: Bar, history: Sequence[Bar]) -> dict[str, Value]:
    usual = history[-_USUAL:]
    volume = sum(each.volume for each in usual) // len(usual) if usual else 0
    value = sum(turnover(each) for each in usual) // len(usual) if usual else 0
    worth = listing.listed_shares * bar.close
    before = history[-1].volume if history else 0
    return {
        "avrg_vol": volume,
        "avrg_tr_pbmn": value,
        "vol_inrt": percent(bar.volume, before),
        "nday_vol_tnrt": percent(volume, listing.listed_shares),
        "tr_pbmn_tnrt": percent(bar.value, worth),
        "nday_tr_pbmn_tnrt": percent(value, worth),
        "n_befr_clpr_vrss_prpr_rate": percent(bar.close - usual[0].close, usual[0].close)
        if usual
        else 0.0,
        **_streak_facts(bar, history),
    }


def _streak_facts(bar: Bar, history: Sequence[Bar]) -> dict[str, Value]:
    closes = [each.close for each in history] + ([bar.close] if bar.volume else [])
    rising = falling = 0
    for before, after in zip(closes[-2::-1], closes[:0:-1], strict=False):
        if after > before and not falling:
            rising += 1
        elif after < before and not rising:
            falling += 1
        else:
            break
    return {"cnnt_ascn_dynu": rising, "cnnt_down_dynu": falling}


def _extreme_facts(
    venue: Venue, listing: Listing, bar: Bar, history: Sequence[Bar]
) -> dict[str, Value]:
    highest = max([each.high for each in history] + [bar.high])
    lowest = min([each.low for each in history] + ([bar.low] if bar.low else [bar.close]))
    minutes = venue.exchange.minute_bars(listing.symbol)
    high_at = next((each.start for each in minutes if each.high == bar.high), None)
    low_at = next((each.start for each in minutes if each.low == bar.low), None)
    return {
        "new_hgpr": highest,
        "new_lwpr": lowest,
        "hprc_near_rate": percent(highest - bar.close, highest),
        "lwpr_near_rate": percent(bar.close - lowest, lowest),
        "hgpr_hour": clock(high_at) if high_at is not None else "",
        "lwpr_hour": clock(low_at) if low_at is not None else "",
        "acml_hgpr_date": venue.day,
        "acml_lwpr_date": venue.day,
        "prd_rsfl": bar.close - (history[-1].close if history else bar.close),
        "prd_rsfl_rate": bar_facts(bar, history[-1] if history else None)["prdy_ctrt"],
        "dsgt_date_clpr_vrss_prpr_rate": bar_facts(bar, history[-1] if history else None)[
            "prdy_ctrt"
        ],
    }


def _count_facts(venue: Venue, listing: Listing) -> dict[str, Value]:
    tape = venue.tapes[listing.symbol]
    price, quantity = tape.expected
    return {
        "shnu_cntg_csnu": tape.buys,
        "seln_cntg_csnu": tape.sells,
        "ntby_cntg_csnu": tape.buys - tape.sells,
        "shnu_cnqn_smtn": tape.volume_bought,
        "seln_cnqn_smtn": tape.volume_sold,
        "shnu_cnqn": tape.volume_bought,
        "seln_cnqn": tape.volume_sold,
        "ntby_cnqn": tape.volume_bought - tape.volume_sold,
        "cntg_vol": quantity if price else 0,
        "inter_issu_reg_csnu": int(100_000 * spread(listing.symbol, 0, "watched")),
    }


def _dividend_facts(venue: Venue, listing: Listing) -> dict[str, Value]:
    dividend = dividend_per_share(listing)
    return {
        "sht_cd": listing.symbol,
        "isin_name": listing.name,
        "record_date": f"{business_years(venue.day)[0]}1231",
        "per_sto_divi_amt": dividend,
        "divi_rate": percent(dividend, listing.base_price),
        "divi_kind": "결산",
    }
