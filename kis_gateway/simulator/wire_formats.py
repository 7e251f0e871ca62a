"""Small formats that REST answers and real-time records share: KST clock texts, signs, order types.

Source: KIS Open API documentation (code tables ``prdy_vrss_sign`` and ``ORD_DVSN``).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from events.calendar import kst
from events.trading import OrderKind
from kis_gateway.simulator.exchange.messages import Listing, TimeInForce

_SECOND: Final = 1_000_000_000
_KST_OFFSET: Final = 9 * 3_600
_DAY: Final = 86_400


def clock(at: int) -> str:
    """Return HHMMSS in KST of an instant (ns UTC)."""
    return _clock_of_second((at // _SECOND + _KST_OFFSET) % _DAY)


@lru_cache(maxsize=4_096)
def _clock_of_second(second: int) -> str:
    return f"{second // 3_600:02d}{second // 60 % 60:02d}{second % 60:02d}"


def calendar_day(at: int) -> str:
    """Return YYYYMMDD in KST of an instant (ns UTC)."""
    return f"{kst(at):%Y%m%d}"


def change_sign(price: int, listing: Listing) -> str:
    """Return 1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down against the base price."""
    if price == listing.upper_limit:
        return "1"
    if price == listing.lower_limit:
        return "4"
    return sign_of(price - listing.base_price)


def sign_of(difference: int) -> str:
    """Return 2 up, 3 flat or 5 down."""
    return "2" if difference > 0 else "5" if difference < 0 else "3"


def percent(part: float, whole: float) -> float:
    """Return ``part`` in percent of ``whole``; 0 when the whole is 0."""
    return part * 100 / whole if whole else 0.0


class Pricing(Enum):
    """Where an order type takes its price from."""

    LIMIT = "limit"
    MARKET = "market"
    OPPOSITE_BEST = "opposite best"
    OWN_BEST = "own best"


class OrderType(NamedTuple):
    """One ``ORD_DVSN``: label, price source, time in force and the notice's condition digit."""

    code: str
    label: str
    pricing: Pricing
    time_in_force: TimeInForce

    @property
    def kind(self) -> OrderKind:
        """How the exchange sees it."""
        return OrderKind.MARKET if self.pricing is Pricing.MARKET else OrderKind.LIMIT

    @property
    def condition(self) -> str:
        """The notice's ODER_COND: 0 none, 1 IOC, 2 FOK."""
        return _CONDITIONS[self.time_in_force]


_CONDITIONS: Final = {
    TimeInForce.DAY: "0",
    TimeInForce.IMMEDIATE_OR_CANCEL: "1",
    TimeInForce.FILL_OR_KILL: "2",
}

ORDER_TYPES: Final = {
    each.code: each
    for each in (
        OrderType("00", "지정가", Pricing.LIMIT, TimeInForce.DAY),
        OrderType("01", "시장가", Pricing.MARKET, TimeInForce.DAY),
        OrderType("03", "최유리지정가", Pricing.OPPOSITE_BEST, TimeInForce.DAY),
        OrderType("04", "최우선지정가", Pricing.OWN_BEST, TimeInForce.DAY),
        OrderType("11", "IOC지정가", Pricing.LIMIT, TimeInForce.IMMEDIATE_OR_CANCEL),
        OrderType("12", "FOK지정가", Pricing.LIMIT, TimeInForce.FILL_OR_KILL),
        OrderType("13", "IOC시장가", Pricing.MARKET, TimeInForce.IMMEDIATE_OR_CANCEL),
        OrderType("14", "FOK시장가", Pricing.MARKET, TimeInForce.FILL_OR_KILL),
        OrderType("15", "IOC최유리", Pricing.OPPOSITE_BEST, TimeInForce.IMMEDIATE_OR_CANCEL),
        OrderType("16", "FOK최유리", Pricing.OPPOSITE_BEST, TimeInForce.FILL_OR_KILL),
    )
}
"""The order types of the regular session that the simulated exchange can match."""
