"""Every KIS REST call a domestic-stock system needs, as typed methods.

    api = KisApi(rest, settings, time)
    book, expected = await api.prices.book(Symbol("005930"))
    bars = await api.charts.bars(Symbol("005930"), first, last)

Calls are grouped by subject; results are records with trading terms for names, amounts in won,
quantities in shares and instants in ns UTC (``kis_gateway.api.records``). What always holds:
inquiries return complete results or raise ``InquiryFailed``; calls that change orders are sent once
and return ``Accepted``, ``Refused`` or ``Unknown``; a call that paper accounts lack raises
``NotOnPaper`` before anything is sent.
"""

from __future__ import annotations

from typing import Final

from bus import TimeSource
from kis_gateway.api.account import Account
from kis_gateway.api.caller import Caller
from kis_gateway.api.charts import Charts
from kis_gateway.api.etf import Etf
from kis_gateway.api.flows import Flows
from kis_gateway.api.indices import Indices
from kis_gateway.api.orders import Orders
from kis_gateway.api.prices import Prices
from kis_gateway.api.rankings import Rankings
from kis_gateway.api.reading import Part, Record, WithSummary
from kis_gateway.api.reference import Reference
from kis_gateway.client.rest import RestClient
from kis_gateway.settings import KisSettings

__all__ = [
    "Account",
    "Charts",
    "Etf",
    "Flows",
    "Indices",
    "KisApi",
    "Orders",
    "Part",
    "Prices",
    "Rankings",
    "Record",
    "Reference",
    "WithSummary",
]


class KisApi:
    """The calls of one app key, by subject. Shares the client's budget, token and connections."""

    def __init__(self, rest: RestClient, settings: KisSettings, time: TimeSource) -> None:
        caller = Caller(rest, settings, time)
        self.orders: Final = Orders(caller)
        self.account: Final = Account(caller)
        self.prices: Final = Prices(caller)
        self.charts: Final = Charts(caller)
        self.flows: Final = Flows(caller)
        self.indices: Final = Indices(caller)
        self.rankings: Final = Rankings(caller)
        self.reference: Final = Reference(caller)
        self.etf: Final = Etf(caller)
