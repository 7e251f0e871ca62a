"""Who traded, lent and sold short: figures that a simulated market does not know.

They are made up from an issue's bar of the day by fixed shares, spread by a hash of issue and day,
so every run and every call tells the same. Buys and sells of all investors each add up to the
volume; nothing else is meant by them, and no strategy should be judged by what it makes of them.
Names are those of KIS answers; shares and won.
"""

from __future__ import annotations

from typing import Final
from zlib import crc32

from events.market import Bar
from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.issue_facts import turnover
from kis_gateway.simulator.market.mixing import mix
from kis_gateway.simulator.wire_formats import percent

_DAY: Final = 86_400_000_000_000
_INSTITUTIONS: Final = {
    "scrt": 30,
    "ivtr": 35,
    "pe_fund": 20,
    "bank": 5,
    "insu": 10,
    "mrbn": 3,
    "fund": 40,
    "etc_orgt": 2,
}
_FOREIGN: Final = 220
_CORPORATIONS: Final = 15
"""Shares of volume in ‰ before the spread; private investors take the rest."""

Side = tuple[int, int]


def spread(key: str, at: int, label: str) -> float:
    """Return a number in [0, 1) that depends on an issue code, the day of ``at`` and a label."""
    return mix(crc32(f"{key}{label}".encode()), at // _DAY) / 2**64


def investor_sides(key: str, bar: Bar) -> dict[str, Side]:
    """Return (sold, bought) shares by kind of investor; ``key`` is an issue code or a market."""

    def part(label: str, permille: int) -> Side:
        sold, bought = (
            int(bar.volume * permille * (0.7 + 0.6 * spread(key, bar.start, label + side))) // 1_000
            for side in ("-", "+")
        )
        return sold, bought

    sides = {name: part(name, permille) for name, permille in _INSTITUTIONS.items()}
    sides["orgn"] = sum(each[0] for each in sides.values()), sum(each[1] for each in sides.values())
    sides["frgn"] = part("frgn", _FOREIGN)
    sides["etc_corp"] = part("etc_corp", _CORPORATIONS)
    others = [sides[name] for name in ("orgn", "frgn", "etc_corp")]
    sides["prsn"] = (
        bar.volume - sum(each[0] for each in others),
        bar.volume - sum(each[1] for each in others),
    )
    sides["frgn_reg"], sides["etc"] = sides["frgn"], sides["etc_corp"]
    return sides


def investor_facts(sides: dict[str, Side], price: int) -> dict[str, Value]:
    """Return volumes and values by kind of investor; values at a mean price."""
    facts: dict[str, Value] = {"frgn_nreg_ntby_qty": 0, "frgn_nreg_ntby_pbmn": 0}
    for name, (sold, bought) in sides.items():
        net = bought - sold
        facts |= {
            f"{name}_seln_vol": sold,
            f"{name}_shnu_vol": bought,
            f"{name}_ntby_qty": net,
            f"{name}_ntby_vol": net,
            f"{name}_seln_tr_pbmn": sold * price,
            f"{name}_shnu_tr_pbmn": bought * price,
            f"{name}_ntby_tr_pbmn": net * price,
            f"{name}_ntby_pbmn": net * price,
        }
    return facts


def trading_facts(listing: Listing, bar: Bar) -> dict[str, Value]:
    """Return everything this module knows of an issue's day."""
    price = turnover(bar) // bar.volume if bar.volume else bar.close
    return {
        **investor_facts(investor_sides(listing.symbol, bar), price),
        **program_facts(listing.symbol, bar, price),
        **short_facts(listing, bar, price),
        **credit_facts(listing, bar),
        **_lending_facts(listing, bar),
        "hts_frgn_ehrt": 60 * spread(listing.symbol, 0, "held"),
        "frgn_hldn_qty": int(listing.listed_shares * 0.6 * spread(listing.symbol, 0, "held")),
        "total_seln_qty": bar.volume - bar.volume // 2,
        "total_shnu_qty": bar.volume // 2,
        "ntby_qty": bar.volume // 2 - (bar.volume - bar.volume // 2),
    }


def program_facts(key: str, bar: Bar, price: int) -> dict[str, Value]:
    """Return program trading; ``key`` is an issue code or a market, values at a mean price."""
    sold = int(bar.volume * (0.08 + 0.06 * spread(key, bar.start, "program-")))
    bought = int(bar.volume * (0.08 + 0.06 * spread(key, bar.start, "program+")))
    net = bought - sold
    return {
        "whol_smtn_seln_vol": sold,
        "whol_smtn_shnu_vol": bought,
        "whol_smtn_ntby_qty": net,
        "pgtr_ntby_qty": net,
        "whol_smtn_seln_tr_pbmn": sold * price,
        "whol_smtn_shnu_tr_pbmn": bought * price,
        "whol_smtn_ntby_tr_pbmn": net * price,
        "whol_ntby_vol_icdc": net,
        "whol_ntby_tr_pbmn_icdc": net * price,
        "whol_ntby_tr_pbmn_icdc2": net * price,
    }


def short_facts(listing: Listing, bar: Bar, price: int) -> dict[str, Value]:
    """Return what was sold short."""
    sold = int(bar.volume * 0.05 * spread(listing.symbol, bar.start, "short"))
    return {
        "ssts_cntg_qty": sold,
        "last_ssts_cntg_qty": sold,
        "ssts_vol_rlim": percent(sold, bar.volume),
        "acml_ssts_cntg_qty": sold,
        "acml_ssts_cntg_qty_rlim": percent(sold, bar.volume),
        "stnd_vol_smtn": bar.volume,
        "stnd_tr_pbmn_smtn": turnover(bar),
        "ssts_tr_pbmn": sold * price,
        "ssts_tr_pbmn_rlim": percent(sold * price, turnover(bar)),
        "acml_ssts_tr_pbmn": sold * price,
        "acml_ssts_tr_pbmn_rlim": percent(sold * price, turnover(bar)),
        "avrg_prc": price,
        "ssts_yn": "Y",
    }


def credit_facts(listing: Listing, bar: Bar) -> dict[str, Value]:
    """Return shares bought on credit and shares lent by the broker."""
    facts: dict[str, Value] = {}
    for name, level in (("whol_loan", 0.02), ("whol_stln", 0.0005)):
        rest = int(
            listing.listed_shares * level * (0.9 + 0.2 * spread(listing.symbol, bar.start, name))
        )
        new = int(bar.volume * level * spread(listing.symbol, bar.start, name + "+"))
        repaid = int(bar.volume * level * spread(listing.symbol, bar.start, name + "-"))
        facts |= {
            f"{name}_new_stcn": new,
            f"{name}_rdmp_stcn": repaid,
            f"{name}_rmnd_stcn": rest,
            f"{name}_new_amt": new * bar.close,
            f"{name}_rdmp_amt": repaid * bar.close,
            f"{name}_rmnd_amt": rest * bar.close,
            f"{name}_rmnd_rate": percent(rest, listing.listed_shares),
            f"{name}_gvrt": percent(new, bar.volume),
        }
    return facts


def _lending_facts(listing: Listing, bar: Bar) -> dict[str, Value]:
    new = int(bar.volume * 0.03 * spread(listing.symbol, bar.start, "lent"))
    back = int(bar.volume * 0.03 * spread(listing.symbol, bar.start, "returned"))
    rest = int(listing.listed_shares * 0.01 * (1 + spread(listing.symbol, bar.start, "rest")))
    return {
        "new_stcn": new,
        "rdmp_stcn": back,
        "prdy_rmnd_vrss": new - back,
        "rmnd_stcn": rest,
        "rmnd_amt": rest * bar.close,
    }
