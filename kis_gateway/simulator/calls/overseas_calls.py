"""Overseas stocks, as far as clients of domestic stocks ask for them on the way.

Some clients ask for all countries unless told otherwise. The account owns nothing abroad and has no
orders there, so inquiries are accepted and empty; orders and quotations are refused. Names of the
fields are those of the KIS Open API documentation of overseas stocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from kis_gateway.simulator.calls.answers import Answer, Page, paged, refused, succeeded
from kis_gateway.simulator.calls.paging import asked_account
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.venue import Venue

_TRADING: Final = "/uapi/overseas-stock/v1/trading/"
_QUOTATIONS: Final = "/uapi/overseas-price/v1/quotations/"


class OverseasInquiry(msgspec.Struct, frozen=True):
    """One inquiry: its lists, its objects with the numbers that are 0, paged or not."""

    lists: tuple[str, ...]
    objects: Mapping[str, tuple[str, ...]]
    is_paged: bool

    def __call__(self, venue: Venue, call: Call) -> Answer:
        """Answer that there is nothing."""
        asked_account(call)
        blocks: dict[str, object] = {name: [] for name in self.lists}
        blocks |= {name: dict.fromkeys(names, "0") for name, names in self.objects.items()}
        if not self.is_paged:
            return succeeded("KIOK0560", "조회할 내용이 없습니다", **blocks)
        return paged(
            Page(rows=(), next_key=None),
            condition=f"{call.text('CANO')}^{call.text('ACNT_PRDT_CD')}^",
            first=not call.continued,
            paper=venue.settings.paper,
            width=200,
            **blocks,
        )


def refuse_overseas(venue: Venue, call: Call) -> Answer:
    """Refuse: no overseas issue exists here."""
    raise refused("APBK0656")


OVERSEAS: Final[Mapping[str, tuple[tuple[str, ...], OverseasInquiry]]] = {
    _TRADING + "inquire-balance": (
        ("TTTS3012R",),
        OverseasInquiry(
            ("output1",),
            {
                "output2": (
                    "frcr_pchs_amt1",
                    "ovrs_rlzt_pfls_amt",
                    "ovrs_tot_pfls",
                    "rlzt_erng_rt",
                    "tot_evlu_pfls_amt",
                    "tot_pftrt",
                    "frcr_buy_amt_smtl1",
                    "ovrs_rlzt_pfls_amt2",
                    "frcr_buy_amt_smtl2",
                )
            },
            is_paged=True,
        ),
    ),
    _TRADING + "inquire-present-balance": (
        ("CTRP6504R",),
        OverseasInquiry(
            ("output1", "output2"),
            {
                "output3": (
                    "pchs_amt_smtl",
                    "evlu_amt_smtl",
                    "evlu_pfls_amt_smtl",
                    "dncl_amt",
                    "cma_evlu_amt",
                    "tot_dncl_amt",
                    "etc_mgna",
                    "wdrw_psbl_tot_amt",
                    "frcr_evlu_tota",
                    "evlu_erng_rt1",
                    "pchs_amt_smtl_amt",
                    "evlu_amt_smtl_amt",
                    "tot_evlu_pfls_amt",
                    "tot_asst_amt",
                    "buy_mgn_amt",
                    "mgna_tota",
                    "frcr_use_psbl_amt",
                    "ustl_sll_amt_smtl",
                    "ustl_buy_amt_smtl",
                    "tot_frcr_cblc_smtl",
                    "tot_loan_amt",
                )
            },
            is_paged=False,
        ),
    ),
    _TRADING + "inquire-nccs": (
        ("TTTS3018R",),
        OverseasInquiry(("output",), {}, is_paged=True),
    ),
    _TRADING + "inquire-ccnl": (
        ("TTTS3035R",),
        OverseasInquiry(("output",), {}, is_paged=True),
    ),
    _TRADING + "inquire-period-profit": (
        ("TTTS3039R",),
        OverseasInquiry(
            ("output1",),
            {
                "output2": (
                    "stck_sll_amt_smtl",
                    "stck_buy_amt_smtl",
                    "smtl_fee1",
                    "excc_dfrm_amt",
                    "ovrs_rlzt_pfls_tot_amt",
                    "tot_pftrt",
                    "bass_dt",
                    "exrt",
                )
            },
            is_paged=True,
        ),
    ),
}
"""Inquiries by path with their real TR ids."""

OVERSEAS_REFUSED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    _TRADING + "inquire-psamount": ("GET", ("TTTS3007R",)),
    _TRADING + "order": (
        "POST",
        (
            "TTTT1002U",
            "TTTT1006U",
            "TTTT1001U",
            "TTTS0308U",
            "TTTS0307U",
            "TTTS0202U",
            "TTTS1005U",
            "TTTS1002U",
            "TTTS1001U",
            "TTTS0305U",
            "TTTS0304U",
            "TTTS0311U",
            "TTTS0310U",
        ),
    ),
    _TRADING + "order-rvsecncl": (
        "POST",
        ("TTTT1004U", "TTTS1003U", "TTTS0309U", "TTTS0302U", "TTTS0306U", "TTTS0312U"),
    ),
    _TRADING + "daytime-order": ("POST", ("TTTS6036U", "TTTS6037U")),
    _TRADING + "daytime-order-rvsecncl": ("POST", ("TTTS6038U",)),
    _QUOTATIONS + "price": ("GET", ("HHDFS00000300",)),
    _QUOTATIONS + "price-detail": ("GET", ("HHDFS76200200",)),
    _QUOTATIONS + "dailyprice": ("GET", ("HHDFS76240000",)),
    _QUOTATIONS + "inquire-asking-price": ("GET", ("HHDFS76200100",)),
    _QUOTATIONS + "inquire-time-itemchartprice": ("GET", ("HHDFS76950200",)),
}
"""What is refused, by path with method and real TR ids."""
