"""What follows in an execution: the next order, a pause, or the end. Pure.

What always holds: an order is planned for no more than what is left; a buy is replaced at most
``most_reprices`` times; a sell goes on until it is filled, withdrawn or the session has closed, or
the broker has refused it so often that it must be decided anew.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import OrderId
from events.market import Phase, SymbolReference
from events.trading import OrderKind, Route, Side, Urgency
from kis_gateway.orders.executions import CANCELLED, Execution, Outcome
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.plan_settings import PlanSettings
from kis_gateway.orders.planner import (
    HoldUntil,
    MarketView,
    Plan,
    Unplannable,
    chase_buy,
    plan_buy,
    plan_sell,
)
from kis_gateway.orders.routing import Venues
from kis_gateway.orders.slicing import child_quantity

_TOO_LATE_TO_REPLACE: Final = 60 * 1_000_000_000
"""Before the closing match (ns): the proof of a withdrawal may take some seconds."""


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """The next order; ``replaces`` is the one whose rest it takes over."""

    plan: Plan
    route: Route
    replaces: OrderId | None


class Wait(msgspec.Struct, frozen=True):
    """Nothing can be sent now; ask again with the next tick."""


class Over(msgspec.Struct, frozen=True):
    """No further order follows."""

    reason: str


Step = Send | HoldUntil | Unplannable | Wait | Over


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What every execution of a session goes by."""

    settings: PlanSettings
    venues: Venues

    def over(self, execution: Execution) -> Over | None:
        """Return the end of an execution that needs no look at the market, ``None`` for none."""
        if execution.filled >= execution.quantity > 0:
            return Over("complete")
        if execution.withdrawn:
            return Over("withdrawn")
        if execution.verdict:
            return Over(execution.verdict)
        return None

    def next_step(
        self,
        execution: Execution,
        view: MarketView,
        reference: SymbolReference | None,
        *,
        session_over: bool,
    ) -> Step:
        """Return what follows for an execution none of whose orders is on its way or working."""
        over = self.over(execution)
        if over is not None:
            return over
        if execution.side is Side.SELL:
            return self._next_sell(execution, view, reference, session_over=session_over)
        if execution.outcome is Outcome.REFUSED and execution.code != CANCELLED:
            return Over("expired" if execution.code == "EXPIRED" else "refused")
        if session_over:
            return Over("session_closed")
        return self._next_buy(execution, view, reference)

    def review(self, execution: Execution, order: Order, view: MarketView) -> str | None:
        """Return why a working order is to be withdrawn now, ``None`` while it may stay.

        A sale that would be sent again as it is stays where it is, and counts as tried.
        """
        if execution.side is Side.BUY:
            if view.now >= execution.intent.expires_at:
                return "expired"
            due = execution.due if execution.due is not None else order.cancel_at
            return None if view.resting or view.now < due else "lifetime"
        if execution.route is Route.NXT:
            return "lifetime" if view.now >= order.cancel_at else None
        if order.kind is OrderKind.MARKET or execution.due is None:
            return None
        if view.phase is Phase.CLOSING_AUCTION:
            named = execution.intent.limit_price is not None
            late = view.now > view.close_at - _TOO_LATE_TO_REPLACE
            return None if named or late else "closing auction"
        if view.resting or view.now < execution.due:
            return None
        follows = plan_sell(
            execution.intent, execution.rest, view, self.settings, tries=execution.tries + 1
        )
        if isinstance(follows, Unplannable):
            return None
        if follows.limit_price is None or follows.limit_price < (order.limit_price or 0):
            return "reprice"
        execution.tries += 1
        execution.due = follows.cancel_at
        return None

    def _next_buy(
        self, execution: Execution, view: MarketView, reference: SymbolReference | None
    ) -> Step:
        intent, settings = execution.intent, self.settings
        if execution.outcome is Outcome.NOTHING and view.now > intent.expires_at:
            return Unplannable(code="EXPIRED", message="it was decided too late")
        if execution.outcome is not Outcome.NOTHING and view.now >= intent.expires_at:
            return Over("expired")
        if view.phase is Phase.CLOSED or view.now < execution.not_before:
            return Wait()
        plan: Plan | HoldUntil | Unplannable | None
        if execution.outcome is Outcome.WITHDRAWN:
            if intent.urgency is Urgency.LOW:
                return Over("lifetime")
            if execution.reprices >= settings.most_reprices:
                return Over("reprices_used")
            assert execution.first_limit is not None  # buys are limit orders
            assert execution.newest_limit is not None
            plan = chase_buy(
                intent,
                execution.rest,
                view,
                settings,
                first_limit=execution.first_limit,
                newest_limit=execution.newest_limit,
            )
            if plan is None:
                return Over("lifetime")
        else:
            first = execution.first_limit
            plan = plan_buy(intent, execution.rest, view, settings, first_limit=first)
        return self._send(execution, plan, view, reference)

    def _next_sell(
        self,
        execution: Execution,
        view: MarketView,
        reference: SymbolReference | None,
        *,
        session_over: bool,
    ) -> Step:
        intent = execution.intent
        if execution.refusals >= self.settings.refusals_before_end:
            return Over("refused")
        if view.phase is Phase.CLOSED:
            beyond = None
            if not execution.only_krx and view.now >= execution.not_before:
                beyond = self.venues.after_hours(intent, execution.rest, reference, view)
            if beyond is not None:
                return Send(plan=beyond, route=Route.NXT, replaces=_replaced(execution))
            return Over("session_closed") if session_over else Wait()
        if view.now < execution.not_before:
            return Wait()
        plan = plan_sell(intent, execution.rest, view, self.settings, tries=execution.tries)
        return self._send(execution, plan, view, reference)

    def _send(
        self,
        execution: Execution,
        plan: Plan | HoldUntil | Unplannable,
        view: MarketView,
        reference: SymbolReference | None,
    ) -> Step:
        if not isinstance(plan, Plan):
            return plan
        child = child_quantity(execution.intent, plan, view, self.settings)
        route = Route.KRX
        if not execution.only_krx:
            route = self.venues.route(plan.kind, reference, view)
        if child != plan.quantity:
            plan = msgspec.structs.replace(plan, quantity=child)
        return Send(
            plan=plan,
            route=route,
            replaces=_replaced(execution),
        )


def _replaced(execution: Execution) -> OrderId | None:
    return execution.orders[-1] if execution.outcome is Outcome.WITHDRAWN else None
