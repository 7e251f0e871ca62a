"""The KIS REST calls the gateway makes: path, TR id, class in the queue, ledger or not.

TR ids are those of the real account; paper ones follow from them. Source: KIS Open API
documentation, trading ids of 2025-03-04.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.limiter import Priority
from kis_gateway.rest import Call

_TRADING: Final = "/uapi/domestic-stock/v1/trading/"
_QUOTATIONS: Final = "/uapi/domestic-stock/v1/quotations/"

BUY: Final = Call(
    name="order-cash buy", path=_TRADING + "order-cash", tr_id="TTTC0012U", priority=Priority.BUY
)
SELL: Final = Call(
    name="order-cash sell", path=_TRADING + "order-cash", tr_id="TTTC0011U", priority=Priority.SELL
)
CANCEL: Final = Call(
    name="order-rvsecncl cancel",
    path=_TRADING + "order-rvsecncl",
    tr_id="TTTC0013U",
    priority=Priority.CANCEL,
)
DAILY_ORDERS: Final = Call(
    name="inquire-daily-ccld",
    path=_TRADING + "inquire-daily-ccld",
    tr_id="TTTC0081R",
    priority=Priority.EXECUTIONS,
    ledger=True,
)
BALANCE: Final = Call(
    name="inquire-balance",
    path=_TRADING + "inquire-balance",
    tr_id="TTTC8434R",
    priority=Priority.BALANCE,
    ledger=True,
)
PRICE: Final = Call(
    name="inquire-price",
    path=_QUOTATIONS + "inquire-price",
    tr_id="FHKST01010100",
    priority=Priority.QUOTE,
)
DAILY_CHART: Final = Call(
    name="inquire-daily-itemchartprice",
    path=_QUOTATIONS + "inquire-daily-itemchartprice",
    tr_id="FHKST03010100",
    priority=Priority.CHART,
)
MINUTE_CHART: Final = Call(
    name="inquire-time-itemchartprice",
    path=_QUOTATIONS + "inquire-time-itemchartprice",
    tr_id="FHKST03010200",
    priority=Priority.CHART,
)
INDEX_PRICE: Final = Call(
    name="inquire-index-price",
    path=_QUOTATIONS + "inquire-index-price",
    tr_id="FHPUP02100000",
    priority=Priority.QUOTE,
)
PROGRAM_TODAY: Final = Call(
    name="comp-program-trade-today",
    path=_QUOTATIONS + "comp-program-trade-today",
    tr_id="FHPPG04600101",
    priority=Priority.QUOTE,
)
