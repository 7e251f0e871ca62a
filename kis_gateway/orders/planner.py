"""From an allowed intent to an order: price, type, lifetime. Pure and whole on one page.

What always holds: every limit is on its tick, inside the day's limits and inside the intent's own
limit; a buy is never a market order; a sell without an own limit always has a plan.

| order                                | price                                        | lifetime |
|--------------------------------------|----------------------------------------------|----------|
| buy with a stop                      | its limit, else stop × 1.003                 | 30 s     |
| buy, urgency HIGH                    | lower of its limit and last × 1.002          | 10 s     |
| buy, NORMAL or LOW                   | its limit, else last                         | 120 s    |
| sell, third attempt on, closing auction | market                                    | 5 s      |
| sell, HIGH                           | best bid × 0.995 (crosses the book)          | 3 s      |
| sell, NORMAL or LOW                  | best bid                                     | 30 s     |

A sell that names a limit never becomes a market order and never goes below that limit. Orders sent
before the open live from the open on; orders sent in the closing auction stay until its match.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import prices
from events.market import Phase
from events.prices import Board
from events.trading import IntentSubmitted, OrderKind, Side, Urgency
from kis_gateway.errors import SettingsError

_SECOND: Final = 1_000_000_000
_PER_MILLE: Final = 1_000


class PlanSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Figures of the table above. Distances in thousandths of the price, lifetimes in seconds."""

    urgent_buy_reach_per_mille: int = 2
    stop_buy_reach_per_mille: int = 3
    urgent_sell_reach_per_mille: int = 5
    stop_buy_lifetime_s: float = 30.0
    urgent_buy_lifetime_s: float = 10.0
    patient_buy_lifetime_s: float = 120.0
    urgent_sell_lifetime_s: float = 3.0
    patient_sell_lifetime_s: float = 30.0
    market_sell_lifetime_s: float = 5.0
    market_sell_from_attempt: int = 3

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if value <= 0:
                raise SettingsError(f"orders.{name} is {value}: it must be above 0")


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a symbol and the session when an order is planned.

    Prices in won, ``None`` when nothing was seen. ``lower_limit``/``upper_limit`` are the day's,
    ``None`` without a ``SymbolReference``. ``now``, ``open_at`` and ``close_at`` are ns UTC.
    """

    last: int | None
    best_bid: int | None
    lower_limit: int | None
    upper_limit: int | None
    board: Board
    phase: Phase
    now: int
    open_at: int
    close_at: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """An order to send; ``limit_price`` is ``None`` for a market order."""

    side: Side
    kind: OrderKind
    quantity: int
    limit_price: int | None
    cancel_at: int


class HoldUntil(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing to send before a trade prints at or above ``stop_price``."""

    stop_price: int


class Unplannable(msgspec.Struct, frozen=True, kw_only=True):
    """No order can be formed; ``code`` is stable, ``message`` for people."""

    code: str
    message: str


def plan_buy(
    intent: IntentSubmitted, quantity: int, view: MarketView, settings: PlanSettings
) -> Plan | HoldUntil | Unplannable:
    """Return the order for an allowed entry of ``quantity`` shares, or why to wait or give up."""
    if quantity <= 0:
        return Unplannable(code="NO_QUANTITY", message=f"{quantity} shares were allowed")
    if view.lower_limit is None or view.upper_limit is None:
        return Unplannable(code="NO_REFERENCE", message="the day's price limits are not known")
    stop = intent.stop_price
    if stop is not None and (view.last is None or view.last < stop):
        return HoldUntil(stop_price=stop)
    wanted, lifetime = _buy_price(intent, view, settings)
    if wanted is None:
        return Unplannable(code="NO_PRICE", message="neither a limit nor a last price is known")
    price = prices.round_down(min(wanted, view.upper_limit), view.board)
    if price < view.lower_limit:
        return Unplannable(
            code="OUTSIDE_LIMITS",
            message=f"limit {price} is below the day's lower limit {view.lower_limit}",
        )
    return Plan(
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        limit_price=price,
        cancel_at=min(_until(view, lifetime), intent.expires_at),
    )


def plan_sell(
    intent: IntentSubmitted, quantity: int, view: MarketView, settings: PlanSettings
) -> Plan | Unplannable:
    """Return the order that sells ``quantity`` shares for an exit, flatten or reduce."""
    if quantity <= 0:
        return Unplannable(code="NO_QUANTITY", message=f"{quantity} shares were allowed")
    at_market = (
        intent.attempt >= settings.market_sell_from_attempt or view.phase is Phase.CLOSING_AUCTION
    )
    bid = view.best_bid or view.last
    no_market_data = bid is None or view.lower_limit is None or view.upper_limit is None
    if intent.limit_price is None and (at_market or no_market_data):
        return Plan(
            side=Side.SELL,
            kind=OrderKind.MARKET,
            quantity=quantity,
            limit_price=None,
            cancel_at=_until(view, settings.market_sell_lifetime_s),
        )
    urgent = at_market or intent.urgency is Urgency.HIGH
    if bid is not None and view.upper_limit is not None:
        bid = min(bid, view.upper_limit)  # An exit is not refused because data contradict.
    price = _sell_price(intent, bid, view, settings, urgent=urgent)
    if view.upper_limit is not None and price > view.upper_limit:
        return Unplannable(
            code="OUTSIDE_LIMITS",
            message=f"limit {price} is above the day's upper limit {view.upper_limit}",
        )
    lifetime = settings.urgent_sell_lifetime_s if urgent else settings.patient_sell_lifetime_s
    return Plan(
        side=Side.SELL,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        limit_price=price,
        cancel_at=_until(view, lifetime),
    )


def _buy_price(
    intent: IntentSubmitted, view: MarketView, settings: PlanSettings
) -> tuple[int | None, float]:
    """Return the highest price wanted (not yet on a tick) and the lifetime in seconds."""
    limit = intent.limit_price
    if intent.stop_price is not None:
        reach = _PER_MILLE + settings.stop_buy_reach_per_mille
        wanted = limit if limit is not None else intent.stop_price * reach // _PER_MILLE
        return wanted, settings.stop_buy_lifetime_s
    if intent.urgency is Urgency.HIGH:
        if view.last is None:
            return limit, settings.urgent_buy_lifetime_s
        reachable = view.last * (_PER_MILLE + settings.urgent_buy_reach_per_mille) // _PER_MILLE
        wanted = reachable if limit is None else min(limit, reachable)
        return wanted, settings.urgent_buy_lifetime_s
    return (view.last if limit is None else limit), settings.patient_buy_lifetime_s


def _sell_price(
    intent: IntentSubmitted,
    bid: int | None,
    view: MarketView,
    settings: PlanSettings,
    *,
    urgent: bool,
) -> int:
    floor = view.lower_limit or 1
    if intent.limit_price is not None:
        floor = max(floor, prices.round_up(intent.limit_price, view.board))
    if bid is None:
        return floor
    if urgent:
        bid = bid * (_PER_MILLE - settings.urgent_sell_reach_per_mille) // _PER_MILLE
    return max(prices.round_down(bid, view.board), floor)


def _until(view: MarketView, lifetime: float) -> int:
    """Return when to withdraw an order that is sent now."""
    if view.phase is Phase.CLOSING_AUCTION:
        return view.close_at
    return max(view.now, view.open_at) + round(lifetime * _SECOND)
