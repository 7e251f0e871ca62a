"""Which REST calls the simulator serves, under which TR ids.

Paper TR ids differ from the real ones in the first letter: T and C become V. Quotations (F, H) have
the same id everywhere. Old ids are those public clients still send. Calls that KIS serves on the
real host only answer MCA00124 on paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kis_gateway.simulator.account_calls import (
    inquire_balance,
    inquire_daily_ccld,
    inquire_psbl_order,
)
from kis_gateway.simulator.answers import Answer, refused
from kis_gateway.simulator.params import Call
from kis_gateway.simulator.quotation_calls import (
    comp_program_trade_today,
    inquire_daily_chart,
    inquire_index_price,
    inquire_minute_chart,
    inquire_price,
)
from kis_gateway.simulator.settings import SimulatorSettings
from kis_gateway.simulator.trading_calls import order_cash, order_rvsecncl
from kis_gateway.simulator.venue import Venue


class ServedCall(NamedTuple):
    """One path: its method, the real TR ids with what each selects, and who answers."""

    method: str
    tr_ids: Mapping[str, str]
    answer: Callable[[Venue, Call], Answer]
    ledger: bool = False
    order: bool = False
    on_paper: bool = True


_TRADING: Final = "/uapi/domestic-stock/v1/trading/"
_QUOTATIONS: Final = "/uapi/domestic-stock/v1/quotations/"

CALLS: Final[Mapping[str, ServedCall]] = {
    _TRADING + "order-cash": ServedCall(
        "POST",
        {"TTTC0012U": "buy", "TTTC0011U": "sell", "TTTC0802U": "buy", "TTTC0801U": "sell"},
        order_cash,
        order=True,
    ),
    _TRADING + "order-rvsecncl": ServedCall(
        "POST", {"TTTC0013U": "", "TTTC0803U": ""}, order_rvsecncl, order=True
    ),
    _TRADING + "inquire-daily-ccld": ServedCall(
        "GET",
        {"TTTC0081R": "", "TTTC8001R": "", "CTSC9215R": "", "CTSC9115R": ""},
        inquire_daily_ccld,
        ledger=True,
    ),
    _TRADING + "inquire-balance": ServedCall(
        "GET", {"TTTC8434R": ""}, inquire_balance, ledger=True
    ),
    _TRADING + "inquire-psbl-order": ServedCall("GET", {"TTTC8908R": ""}, inquire_psbl_order),
    _QUOTATIONS + "inquire-price": ServedCall("GET", {"FHKST01010100": ""}, inquire_price),
    _QUOTATIONS + "inquire-daily-itemchartprice": ServedCall(
        "GET", {"FHKST03010100": ""}, inquire_daily_chart
    ),
    _QUOTATIONS + "inquire-time-itemchartprice": ServedCall(
        "GET", {"FHKST03010200": ""}, inquire_minute_chart
    ),
    _QUOTATIONS + "inquire-index-price": ServedCall(
        "GET", {"FHPUP02100000": ""}, inquire_index_price, on_paper=False
    ),
    _QUOTATIONS + "comp-program-trade-today": ServedCall(
        "GET",
        {"FHPPG04600101": "", "FHPPG04600100": ""},
        comp_program_trade_today,
        on_paper=False,
    ),
}


def variant_of(served: ServedCall, tr_id: str, settings: SimulatorSettings) -> str:
    """Return what a TR id selects on a path.

    Raises:
        CallRefused: no TR id (OPSQ9999), a real id on paper (EGW00213), a call paper does not have
            (MCA00124), or an id that does not belong to the path (OPSQ0002).
    """
    if not tr_id:
        raise refused("OPSQ9999")
    real_id = tr_id
    if settings.paper and tr_id[0] in "TC":
        raise refused("EGW00213")
    if settings.paper and tr_id[0] == "V":
        real_id = next((each for each in served.tr_ids if each[1:] == tr_id[1:]), "")
    if real_id not in served.tr_ids:
        raise refused("OPSQ0002")
    if settings.paper and not served.on_paper and not settings.real_only_quotations:
        raise refused("MCA00124")
    return served.tr_ids[real_id]
