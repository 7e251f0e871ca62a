"""From an allowed intent to its next order: price, type, lifetime. Pure and whole on one page.

What always holds: every limit is on its tick, inside the day's limits and inside the intent's own
limit; a buy is never a market order; a sell without an own limit always has a plan.

| order                                        | price                                | lifetime |
|----------------------------------------------|--------------------------------------|----------|
| buy with a stop                              | its limit, else stop × 1.003         | 30 s     |
| buy, urgency HIGH                            | lower of its limit and last × 1.002  | 10 s     |
| buy, NORMAL or LOW                           | its limit, else last                 | 120 s    |
| buy again, three times, if left behind; HIGH | as above from the last price, at most| as its   |
| and stops × 1.002, NORMAL last, LOW never    | 30 bps above the first limit         | row      |
| sell, third try on, or closing auction       | market                               | session  |
| sell, HIGH, interrupted or on stale prices   | market                               | session  |
| sell, HIGH; NORMAL and LOW from the 2nd try  | best bid × 0.995 (crosses the book)  | 3 s      |
| sell, NORMAL or LOW                          | best bid                             | 30 s     |

A buy never outlives its intent; one without an own limit needs a fresh price. A sell that names a
limit never becomes a market order and never goes below that limit. Orders sent before the open live
from the open on; what is sold in the closing auction stays until its match.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import msgspec

from events import prices
from events.market import Phase
from events.prices import Board
from events.trading import IntentSubmitted, OrderKind, Side, Urgency
from kis_gateway.orders.plan_settings import PlanSettings

__all__ = ["HoldUntil", "MarketView", "Plan", "PlanSettings", "Unplannable"]

_SECOND: Final = 1_000_000_000
_PER_MILLE: Final = 1_000
_BPS: Final = 10_000


class MarketView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a symbol and the session when an order is planned.

    Prices in won, ``None`` when nothing was seen; ``fresh`` tells whether the newest is young
    enough to be acted on. ``lower_limit``/``upper_limit`` are the day's, ``None`` without a
    ``SymbolReference``. ``resting`` is set while a volatility interruption or a halt keeps the
    symbol from continuous trading. ``recent_value`` is what traded lately, won. ``now``,
    ``open_at`` and ``close_at`` are ns UTC, ``on`` is the date whose tick table holds.
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
    best_ask: int | None = None
    fresh: bool = True
    resting: bool = False
    recent_value: int = 0
    on: date = date.max


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
    intent: IntentSubmitted,
    quantity: int,
    view: MarketView,
    settings: PlanSettings,
    *,
    first_limit: int | None = None,
) -> Plan | HoldUntil | Unplannable:
    """Return the order for an allowed entry of ``quantity`` shares, or why to wait or give up.

    ``first_limit`` is the limit of the execution's first order; once there is one, no stop is
    waited for and no later order is priced further above it than the chase allows.
    """
    if quantity <= 0:
        return Unplannable(code="NO_QUANTITY", message=f"{quantity} shares were allowed")
    if view.lower_limit is None or view.upper_limit is None:
        return Unplannable(code="NO_REFERENCE", message="the day's price limits are not known")
    stop = intent.stop_price
    if stop is not None and first_limit is None and (view.last is None or view.last < stop):
        return HoldUntil(stop_price=stop)
    wanted, lifetime = _buy_price(intent, view, settings)
    if wanted is None:
        return Unplannable(code="NO_PRICE", message="neither a limit nor a fresh price is known")
    price = _on_tick_below(min(wanted, _chase_bound(first_limit, settings, wanted)), view)
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


def chase_buy(
    intent: IntentSubmitted,
    quantity: int,
    view: MarketView,
    settings: PlanSettings,
    *,
    first_limit: int,
    newest_limit: int,
) -> Plan | None:
    """Return the order that follows a buy withdrawn at ``newest_limit``, ``None`` for none.

    Only an order that the market has left behind is followed, by a higher price.
    """
    offered = view.last if view.best_ask is None else view.best_ask
    if intent.urgency is Urgency.LOW or not view.fresh or view.last is None or offered is None:
        return None
    if view.lower_limit is None or view.upper_limit is None or offered <= newest_limit:
        return None
    reaching = intent.urgency is Urgency.HIGH or intent.stop_price is not None
    wanted, lifetime = (
        _reach(view.last, settings) if reaching else view.last,
        _life(intent, settings),
    )
    if intent.limit_price is not None:
        wanted = min(wanted, intent.limit_price)
    price = _on_tick_below(min(wanted, _chase_bound(first_limit, settings, wanted)), view)
    if price <= newest_limit:
        return None
    return Plan(
        side=Side.BUY,
        kind=OrderKind.LIMIT,
        quantity=quantity,
        limit_price=price,
        cancel_at=min(_until(view, lifetime), intent.expires_at),
    )


def plan_sell(
    intent: IntentSubmitted,
    quantity: int,
    view: MarketView,
    settings: PlanSettings,
    *,
    tries: int = 0,
) -> Plan | Unplannable:
    """Return the order that sells ``quantity`` shares for an exit, flatten or reduce.

    ``tries`` counts the prices tried before in the same execution.
    """
    if quantity <= 0:
        return Unplannable(code="NO_QUANTITY", message=f"{quantity} shares were allowed")
    last_resort = max(intent.attempt, tries + 1) >= settings.market_sell_from_attempt
    at_market = last_resort or view.phase is Phase.CLOSING_AUCTION
    urgent = at_market or intent.urgency is Urgency.HIGH or tries > 0
    bid = view.best_bid or view.last
    no_price = bid is None or view.lower_limit is None or view.upper_limit is None
    no_book = urgent and (view.resting or not view.fresh)
    if intent.limit_price is None and (at_market or no_price or no_book):
        return Plan(
            side=Side.SELL,
            kind=OrderKind.MARKET,
            quantity=quantity,
            limit_price=None,
            cancel_at=view.close_at,
        )
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
    limit, stop, lifetime = intent.limit_price, intent.stop_price, _life(intent, settings)
    if stop is not None:
        reach = _PER_MILLE + settings.stop_buy_reach_per_mille
        return (stop * reach // _PER_MILLE if limit is None else limit), lifetime
    if view.last is None or not view.fresh:
        return limit, lifetime
    if intent.urgency is Urgency.HIGH:
        reached = _reach(view.last, settings)
        return (reached if limit is None else min(limit, reached)), lifetime
    return (view.last if limit is None else limit), lifetime


def _reach(last: int, settings: PlanSettings) -> int:
    return last * (_PER_MILLE + settings.urgent_buy_reach_per_mille) // _PER_MILLE


def _life(intent: IntentSubmitted, settings: PlanSettings) -> float:
    if intent.stop_price is not None:
        return settings.stop_buy_lifetime_s
    if intent.urgency is Urgency.HIGH:
        return settings.urgent_buy_lifetime_s
    return settings.patient_buy_lifetime_s


def _chase_bound(first_limit: int | None, settings: PlanSettings, wanted: int) -> int:
    return wanted if first_limit is None else first_limit * (_BPS + settings.chase_bps) // _BPS


def _on_tick_below(price: int, view: MarketView) -> int:
    assert view.upper_limit is not None  # a buy without the day's limits is not priced
    return prices.round_down(min(price, view.upper_limit), view.board, view.on)


def _sell_price(
    intent: IntentSubmitted,
    bid: int | None,
    view: MarketView,
    settings: PlanSettings,
    *,
    urgent: bool,
) -> int:
    floor = prices.round_up(view.lower_limit or 1, view.board, view.on)
    if intent.limit_price is not None:
        floor = max(floor, prices.round_up(intent.limit_price, view.board, view.on))
    if bid is None:
        return floor
    if view.upper_limit is not None:
        bid = min(bid, view.upper_limit)  # An exit is not refused because data contradict.
    if urgent:
        bid = bid * (_PER_MILLE - settings.urgent_sell_reach_per_mille) // _PER_MILLE
    return max(prices.round_down(bid, view.board, view.on), floor)


def _until(view: MarketView, lifetime: float) -> int:
    """Return when to withdraw an order that is sent now."""
    if view.phase is Phase.CLOSING_AUCTION:
        return view.close_at
    return max(view.now, view.open_at) + round(lifetime * _SECOND)
