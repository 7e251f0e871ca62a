"""Figures of companies that a simulated market does not know: earnings, capital, ratios.

Made up from a hash of the issue code, the same in every run, consistent with the base price (price
over earnings gives the price-earnings ratio) and with nothing else.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.simulator.calls.fields import Value
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.facts.synthetic_flows import spread

FACE_VALUE: Final = 500
FISCAL_MONTH: Final = "12"
_YEARS: Final = 5


def company_facts(listing: Listing) -> dict[str, Value]:
    """Return what quotations tell of a company besides its price."""
    per, pbr = 5 + 25 * spread(listing.symbol, 0, "per"), 0.5 + 3 * spread(listing.symbol, 0, "pbr")
    capital = FACE_VALUE * listing.listed_shares
    return {
        "per": per,
        "pbr": pbr,
        "eps": listing.base_price / per,
        "bps": listing.base_price / pbr,
        "pcr": per * 0.7,
        "psr": pbr * 0.8,
        "stac_month": FISCAL_MONTH,
        "stck_fcam": FACE_VALUE,
        "cpfn": capital,
        "stck_sspr": listing.base_price * 8 // 10,
        "grmn_rate_cls_code": "40",
        "crdt_able_yn": "Y",
        "crdt_rate": 45.0,
    }


def year_facts(listing: Listing, year: int) -> dict[str, Value]:
    """Return a company's results of a business year; money in hundred million won."""

    def draw(label: str) -> float:
        return spread(listing.symbol, year * 86_400_000_000_000, label)

    company = company_facts(listing)
    equity = float(company["bps"]) * listing.listed_shares / 1e8
    debt, sales = equity * (0.3 + draw("debt")), equity * (0.6 + draw("sales"))
    operating = sales * (0.03 + 0.12 * draw("margin"))
    net = operating * (0.6 + 0.3 * draw("tax"))
    return {
        "stac_yymm": f"{year}12",
        "sale_account": sales,
        "sale_cost": sales * 0.7,
        "sale_totl_prfi": sales * 0.3,
        "bsop_prti": operating,
        "op_prfi": operating * 0.98,
        "spec_prfi": 0,
        "spec_loss": 0,
        "thtr_ntin": net,
        "cras": (equity + debt) * 0.4,
        "fxas": (equity + debt) * 0.6,
        "total_aset": equity + debt,
        "flow_lblt": debt * 0.6,
        "fix_lblt": debt * 0.4,
        "total_lblt": debt,
        "cpfn": FACE_VALUE * listing.listed_shares / 1e8,
        "total_cptl": equity,
        "grs": 20 * draw("growth") - 5,
        "bsop_prfi_inrt": 40 * draw("operating growth") - 10,
        "ntin_inrt": 40 * draw("net growth") - 10,
        "equt_inrt": 15 * draw("equity growth"),
        "totl_aset_inrt": 15 * draw("asset growth"),
        "roe_val": net * 100 / equity,
        "eps": company["eps"],
        "bps": company["bps"],
        "sps": sales * 1e8 / listing.listed_shares,
        "rsrv_rate": 100 + 900 * draw("reserve"),
        "lblt_rate": debt * 100 / equity,
        "bram_depn": 30 * draw("borrowing"),
        "crnt_rate": 100 + 150 * draw("current"),
        "quck_rate": 80 + 100 * draw("quick"),
        "cptl_ntin_rate": net * 100 / (equity + debt),
        "self_cptl_ntin_inrt": net * 100 / equity,
        "sale_ntin_rate": net * 100 / sales,
        "sale_totl_rate": 30.0,
        "ebitda": operating * 1.3,
        "ev_ebitda": 4 + 8 * draw("ev"),
    }


def business_years(day: str) -> list[int]:
    """Return the last business years with published results on a day, newest first."""
    last = int(day[:4]) - 1
    return list(range(last, last - _YEARS, -1))
