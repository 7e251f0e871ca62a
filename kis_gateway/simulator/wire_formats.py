"""Small formats that REST answers and real-time records share: KST clock texts, signs, order types.

Source: KIS Open API documentation (code tables ``prdy_vrss_sign`` and ``ORD_DVSN``).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from events.calendar import kst
from events.market import Venue
from kis_gateway import protocol
from kis_gateway.protocol import OrderTypeForm, Pricing, Route, Validity
from kis_gateway.simulator.exchange.messages import Listing, TimeInForce

__all__ = [
    "ORDER_TYPES",
    "OrderType",
    "Pricing",
    "calendar_day",
    "change_sign",
    "clock",
    "exchange_class",
    "percent",
    "sign_of",
]

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


class OrderType(NamedTuple):
    """One ``ORD_DVSN`` as the simulator uses it."""

    form: OrderTypeForm

    @property
    def code(self) -> str:
        """Its code."""
        return self.form.code

    @property
    def label(self) -> str:
        """How the account screens name it."""
        return self.form.label

    @property
    def pricing(self) -> Pricing:
        """Where it takes its price from."""
        return self.form.pricing

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it may rest within its session."""
        return _TIMES_IN_FORCE[self.form.validity]

    @property
    def condition(self) -> str:
        """The notice's ODER_COND: 0 none, 1 IOC, 2 FOK."""
        return _CONDITIONS[self.time_in_force]


_TIMES_IN_FORCE: Final = {
    Validity.SESSION: TimeInForce.DAY,
    Validity.PRE_MARKET: TimeInForce.DAY,
    Validity.IMMEDIATE_OR_CANCEL: TimeInForce.IMMEDIATE_OR_CANCEL,
    Validity.FILL_OR_KILL: TimeInForce.FILL_OR_KILL,
}
_CONDITIONS: Final = {
    TimeInForce.DAY: "0",
    TimeInForce.IMMEDIATE_OR_CANCEL: "1",
    TimeInForce.FILL_OR_KILL: "2",
}

ORDER_TYPES: Final = {code: OrderType(form) for code, form in protocol.ORDER_TYPES.items()}
"""Every order type, by its code."""

_EXCHANGE_CLASSES: Final = {
    (Route.KRX, Venue.KRX): "1",
    (Route.NXT, Venue.NXT): "2",
    (Route.SOR, Venue.KRX): "3",
    (Route.SOR, Venue.NXT): "4",
}


def exchange_class(route: Route, venue: Venue) -> str:
    """Return ORD_EXG_GB: 1 KRX, 2 NXT, 3 SOR on KRX, 4 SOR on NXT."""
    return _EXCHANGE_CLASSES[route, venue]
