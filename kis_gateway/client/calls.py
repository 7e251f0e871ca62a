"""The KIS REST calls the gateway makes: class in the queue, ledger or not; the rest is protocol.

Paths and TR ids of both environments and both ages come from ``kis_gateway.protocol``.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.client.limiter import Priority
from kis_gateway.client.rest import Call
from kis_gateway.protocol import call_form


def call_of(name: str, priority: Priority, *, variant: str = "", ledger: bool = False) -> Call:
    """Return a call of the protocol tables. ``variant`` picks one of several TR ids (buy, sell).

    Raises:
        KeyError: there is no such call or variant.
    """
    form = call_form(name)
    return Call(
        name=f"{name} {variant}".strip(),
        path=form.path,
        tr_id=form.tr_ids[variant],
        paper_tr_id=form.paper_tr_ids.get(variant, ""),
        old_tr_id=form.old_tr_ids.get(variant, ""),
        old_paper_tr_id=form.old_paper_tr_ids.get(variant, ""),
        priority=priority,
        ledger=ledger,
    )


BUY: Final = call_of("order-cash", Priority.BUY, variant="buy")
SELL: Final = call_of("order-cash", Priority.SELL, variant="sell")
CANCEL: Final = call_of("order-rvsecncl", Priority.CANCEL)
DAILY_ORDERS: Final = call_of(
    "inquire-daily-ccld", Priority.EXECUTIONS, variant="within_3_months", ledger=True
)
BALANCE: Final = call_of("inquire-balance", Priority.BALANCE, ledger=True)
PRICE: Final = call_of("inquire-price", Priority.QUOTE)
DAILY_CHART: Final = call_of("inquire-daily-itemchartprice", Priority.CHART)
MINUTE_CHART: Final = call_of("inquire-time-itemchartprice", Priority.CHART)
INDEX_PRICE: Final = call_of("inquire-index-price", Priority.QUOTE)
PROGRAM_TODAY: Final = call_of("comp-program-trade-today", Priority.QUOTE)
AMEND: Final = CANCEL
"""Amendments and cancels are one call, told apart by a parameter; both go before new orders."""
