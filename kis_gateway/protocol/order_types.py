"""Order types (``ORD_DVSN``) with the markets that take them and the dates between which they hold.

Mid-price and stop-limit orders came with NXT on 2025-03-04. With the KRX after-market
(16:00-20:00, no market orders, no ETF/ETN) of 2026-09-14 came the types 41-47, and 27-29 for
orders that live in the NXT pre-market only (the remainder is withdrawn at 08:50); the after-hours
single-price market with its type 07 ended the day before. Source: KIS Open API documentation.
"""

from __future__ import annotations

from datetime import date
from enum import Enum, StrEnum
from typing import Final

import msgspec


class Route(StrEnum):
    """Where an order is sent (``EXCG_ID_DVSN_CD``); KRX when the field is absent."""

    KRX = "KRX"
    NXT = "NXT"
    SOR = "SOR"


class Pricing(Enum):
    """Where an order takes its price from."""

    LIMIT = "limit"
    MARKET = "market"
    OPPOSITE_BEST = "opposite best"
    """Best limit: the opposite best price at arrival becomes the limit."""
    OWN_BEST = "own best"
    """Top-priority limit: the own side's best price at arrival becomes the limit."""
    MIDDLE = "middle"
    """The middle of the best prices, following them."""
    STOP_LIMIT = "stop limit"
    """A limit order once the trigger price has traded."""
    CONDITIONAL = "conditional"
    """A limit order by day, a market order in the closing auction."""
    PREVIOUS_CLOSE = "previous close"
    CLOSE = "close"
    SINGLE_PRICE = "single price"
    """After-hours single price, a match every ten minutes."""


class Validity(Enum):
    """How long what is left of an order may rest."""

    SESSION = "session"
    IMMEDIATE_OR_CANCEL = "ioc"
    FILL_OR_KILL = "fok"
    PRE_MARKET = "pre-market"


class Market(StrEnum):
    """The market an order type belongs to; nothing carries over from one to another."""

    REGULAR = "regular"
    PRE_HOURS_CLOSE = "pre_hours_close"
    POST_HOURS_CLOSE = "post_hours_close"
    AFTER_HOURS_SINGLE_PRICE = "after_hours_single_price"
    NXT_PRE_MARKET = "nxt_pre_market"
    KRX_AFTER_MARKET = "krx_after_market"


class OrderTypeForm(msgspec.Struct, frozen=True, kw_only=True):
    """One order type; ``since``/``until`` are the first and last day it is taken (KST)."""

    code: str
    label: str
    pricing: Pricing
    routes: frozenset[Route]
    validity: Validity = Validity.SESSION
    market: Market = Market.REGULAR
    since: date = date.min
    until: date = date.max

    def taken(self, route: Route, day: date) -> bool:
        """Return whether a route takes this type on a date."""
        return route in self.routes and self.since <= day <= self.until

    @property
    def names_price(self) -> bool:
        """Whether ``ORD_UNPR`` carries a limit; otherwise it is "0"."""
        return self.pricing in (
            Pricing.LIMIT,
            Pricing.STOP_LIMIT,
            Pricing.CONDITIONAL,
            Pricing.SINGLE_PRICE,
        )


_KRX: Final = frozenset({Route.KRX})
_NXT: Final = frozenset({Route.NXT})
_BOTH: Final = frozenset({Route.KRX, Route.NXT})
_ALL: Final = frozenset(Route)
_NOT_NXT: Final = frozenset({Route.KRX, Route.SOR})
_IOC: Final = Validity.IMMEDIATE_OR_CANCEL
_FOK: Final = Validity.FILL_OR_KILL
_NXT_OPENS: Final = date(2025, 3, 4)
_AFTER_MARKET_OPENS: Final = date(2026, 9, 14)
_SINGLE_PRICE_ENDS: Final = date(2026, 9, 13)


def _type(
    code: str,
    label: str,
    pricing: Pricing,
    routes: frozenset[Route],
    validity: Validity = Validity.SESSION,
    *,
    market: Market = Market.REGULAR,
    since: date = date.min,
    until: date = date.max,
) -> OrderTypeForm:
    return OrderTypeForm(
        code=code,
        label=label,
        pricing=pricing,
        routes=routes,
        validity=validity,
        market=market,
        since=since,
        until=until,
    )


def _after_market(
    code: str, label: str, pricing: Pricing, validity: Validity = Validity.SESSION
) -> OrderTypeForm:
    return _type(
        code,
        label,
        pricing,
        _KRX,
        validity,
        market=Market.KRX_AFTER_MARKET,
        since=_AFTER_MARKET_OPENS,
    )


def _pre_market(code: str, label: str, pricing: Pricing) -> OrderTypeForm:
    return _type(
        code,
        label,
        pricing,
        _NXT,
        Validity.PRE_MARKET,
        market=Market.NXT_PRE_MARKET,
        since=_AFTER_MARKET_OPENS,
    )


ORDER_TYPES: Final[dict[str, OrderTypeForm]] = {
    each.code: each
    for each in (
        _type("00", "지정가", Pricing.LIMIT, _ALL),
        _type("01", "시장가", Pricing.MARKET, _NOT_NXT),
        _type("02", "조건부지정가", Pricing.CONDITIONAL, _KRX),
        _type("03", "최유리지정가", Pricing.OPPOSITE_BEST, _ALL),
        _type("04", "최우선지정가", Pricing.OWN_BEST, _ALL),
        _type("05", "장전 시간외", Pricing.PREVIOUS_CLOSE, _KRX, market=Market.PRE_HOURS_CLOSE),
        _type("06", "장후 시간외", Pricing.CLOSE, _KRX, market=Market.POST_HOURS_CLOSE),
        _type(
            "07",
            "시간외 단일가",
            Pricing.SINGLE_PRICE,
            _KRX,
            market=Market.AFTER_HOURS_SINGLE_PRICE,
            until=_SINGLE_PRICE_ENDS,
        ),
        _type("11", "IOC지정가", Pricing.LIMIT, _ALL, _IOC),
        _type("12", "FOK지정가", Pricing.LIMIT, _ALL, _FOK),
        _type("13", "IOC시장가", Pricing.MARKET, _ALL, _IOC),
        _type("14", "FOK시장가", Pricing.MARKET, _ALL, _FOK),
        _type("15", "IOC최유리", Pricing.OPPOSITE_BEST, _ALL, _IOC),
        _type("16", "FOK최유리", Pricing.OPPOSITE_BEST, _ALL, _FOK),
        _type("21", "중간가", Pricing.MIDDLE, _BOTH, since=_NXT_OPENS),
        _type("22", "스톱지정가", Pricing.STOP_LIMIT, _BOTH, since=_NXT_OPENS),
        _type("23", "중간가IOC", Pricing.MIDDLE, _BOTH, _IOC, since=_NXT_OPENS),
        _type("24", "중간가FOK", Pricing.MIDDLE, _BOTH, _FOK, since=_NXT_OPENS),
        _pre_market("27", "GTP지정가", Pricing.LIMIT),
        _pre_market("28", "GTP최유리", Pricing.OPPOSITE_BEST),
        _pre_market("29", "GTP최우선", Pricing.OWN_BEST),
        _after_market("41", "애프터지정가", Pricing.LIMIT),
        _after_market("42", "애프터IOC지정가", Pricing.LIMIT, _IOC),
        _after_market("43", "애프터FOK지정가", Pricing.LIMIT, _FOK),
        _after_market("44", "애프터최유리", Pricing.OPPOSITE_BEST),
        _after_market("45", "애프터IOC최유리", Pricing.OPPOSITE_BEST, _IOC),
        _after_market("46", "애프터FOK최유리", Pricing.OPPOSITE_BEST, _FOK),
        _after_market("47", "애프터최우선", Pricing.OWN_BEST),
    )
}
"""Every order type by its code. ``label`` is how the account screens name it."""
