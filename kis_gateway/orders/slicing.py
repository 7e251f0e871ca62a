"""How much of an intent goes into one order, so that it does not move the market. Pure."""

from __future__ import annotations

from events.market import Phase
from events.trading import IntentSubmitted, Side, Urgency
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.planner import MarketView, Plan


def child_quantity(
    intent: IntentSubmitted, plan: Plan, view: MarketView, settings: PlanSettings
) -> int:
    """Return how many of the planned shares the next order takes, at least 1.

    A share of what was traded lately, at the order's limit or else the last price, and never less
    than a least value. Urgent exits and sales in the closing auction go as a whole.
    """
    price = plan.limit_price or view.last
    if settings.slice_percent == 0 or not price:
        return plan.quantity
    if plan.side is Side.SELL and (
        intent.urgency is Urgency.HIGH or view.phase is Phase.CLOSING_AUCTION
    ):
        return plan.quantity
    share = view.recent_value * settings.slice_percent // 100
    return min(plan.quantity, max(max(share, settings.slice_least_won) // price, 1))
