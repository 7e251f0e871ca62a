"""Our clients' orders: taken in, brought to the book, amended, withdrawn.

A cancel or replace may take effect later than it is taken in, as at KIS, whose answer to a cancel
does not say how much it will withdraw. Until then its target trades on; what it will move is
promised and cannot be moved again; the cash that a replace may need is held back from the start, so
that it can never fail for want of it.
"""

from __future__ import annotations

from typing import Final

from events.market import Phase
from events.trading import Side
from kis_gateway.protocol import Pricing, Route
from kis_gateway.simulator.exchange import matching
from kis_gateway.simulator.exchange.checks import (
    Objection,
    object_to_change,
    object_to_order,
    released,
)
from kis_gateway.simulator.exchange.clearing import hold
from kis_gateway.simulator.exchange.commands import (
    CancelOrder,
    PlaceOrder,
    ReplaceOrder,
    TimeInForce,
)
from kis_gateway.simulator.exchange.floor import Action, TradingFloor
from kis_gateway.simulator.exchange.issue import Issue
from kis_gateway.simulator.exchange.listing import Session, session_of
from kis_gateway.simulator.exchange.orders import Fill, Order
from kis_gateway.simulator.exchange.outcomes import (
    Acknowledged,
    Outcome,
    Refusal,
    Refused,
)
from kis_gateway.simulator.exchange.views import OrderStatus

_CANCELLED: Final = "cancelled by the client"
_REPLACED: Final = "replaced by the client"
_WITHOUT_PRICE: Final = (
    Pricing.OPPOSITE_BEST,
    Pricing.OWN_BEST,
    Pricing.PREVIOUS_CLOSE,
    Pricing.CLOSE,
)
"""Pricings whose limit is that of another order or of a close."""

_ROUNDING_WON: Final = 2
"""Fees are cut to whole won per part of an order, so its parts may cost this much more."""


class OrderDesk:
    """Handles the commands of clients."""

    def __init__(self, floor: TradingFloor) -> None:
        self._floor = floor

    def place(self, command: PlaceOrder) -> list[Outcome]:
        """Take an order in and trade it, or refuse it."""
        floor = self._floor
        floor.require_fresh(command.order_number)
        order = Order(
            number=command.order_number,
            parent=None,
            account=floor.account(command.account),
            symbol=command.symbol,
            side=command.side,
            pricing=command.pricing,
            price=command.price,
            quantity=command.quantity,
            time_in_force=command.time_in_force,
            sequence=floor.next_sequence(),
            at=command.at,
            session=self._session(command),
            trigger=command.trigger,
        )
        floor.orders[order.number] = order
        self._take_price_over(order)
        objection = object_to_order(order, floor)
        if objection is not None:
            order.reject()
            return [self._refusal(order.number, order.account.name, objection)]
        out: list[Outcome] = [self._acknowledged(order)]
        floor.clearing.claim(order, floor.of(order).listing)
        self._bring_to_book(order, out)
        return out

    def cancel(self, command: CancelOrder) -> list[Outcome]:
        """Take a cancel in, and withdraw at once or later."""
        target = self._target(command, command.quantity)
        if isinstance(target, Refused):
            return [target]
        floor = self._floor
        cancel = target.cancel(command.order_number, floor.next_sequence(), command.at)
        cancel.status = OrderStatus.TAKEN_IN
        floor.orders[cancel.number] = cancel
        quantity = target.free if command.quantity is None else command.quantity
        target.promised += quantity
        out: list[Outcome] = [self._acknowledged(cancel)]

        def take_effect(out: list[Outcome]) -> None:
            self._cancel_now(cancel, target, quantity, out)

        self._when(command.effect_after, take_effect, out)
        return out

    def replace(self, command: ReplaceOrder) -> list[Outcome]:
        """Take a replace in, and move the order at once or later."""
        target = self._target(command, None)
        if isinstance(target, Refused):
            return [target]
        floor = self._floor
        order = Order(
            number=command.order_number,
            parent=target.number,
            account=target.account,
            symbol=target.symbol,
            side=target.side,
            pricing=command.pricing,
            price=command.price,
            quantity=target.free if command.quantity is None else command.quantity,
            time_in_force=command.time_in_force,
            sequence=floor.next_sequence(),
            at=command.at,
            session=target.session,
            trigger=command.trigger,
        )
        floor.orders[order.number] = order
        self._take_price_over(order)
        delayed = command.effect_after > 0
        slack = _ROUNDING_WON if delayed and order.side is Side.BUY else 0
        objection = object_to_order(order, floor, replaces=target, slack=slack)
        if objection is not None:
            order.reject()
            return [self._refusal(order.number, order.account.name, objection)]
        order.status = OrderStatus.TAKEN_IN
        if delayed and order.side is Side.BUY:
            self._hold_difference(order, target)
        target.promised += order.quantity
        out: list[Outcome] = [self._acknowledged(order)]

        def take_effect(out: list[Outcome]) -> None:
            self._replace_now(order, target, out)

        self._when(command.effect_after, take_effect, out)
        return out

    def _when(self, after: int, action: Action, out: list[Outcome]) -> None:
        if after > 0:
            self._floor.at(self._floor.now + after, action)
        else:
            action(out)

    def _cancel_now(self, cancel: Order, target: Order, quantity: int, out: list[Outcome]) -> None:
        target.promised -= quantity
        quantity = min(quantity, target.remaining)
        if not quantity:
            self._refuse_late(cancel, target, out)
            return
        floor, issue = self._floor, self._floor.of(target)
        if quantity == target.remaining:
            issue.remove(target)
        cancel.quantity, cancel.status = quantity, OrderStatus.CONFIRMED
        out.append(floor.withdraw(target, _CANCELLED, quantity=quantity, by=cancel.number))
        self._tell_book(issue, out)

    def _replace_now(self, order: Order, target: Order, out: list[Outcome]) -> None:
        target.promised -= order.quantity
        quantity = min(order.quantity, target.remaining)
        hold(order, 0)
        if not quantity:
            self._refuse_late(order, target, out)
            return
        floor, issue = self._floor, self._floor.of(target)
        if quantity == target.remaining:
            issue.remove(target)
        order.quantity = order.remaining = quantity
        order.status = OrderStatus.WORKING
        out.append(floor.withdraw(target, _REPLACED, quantity=quantity, by=order.number))
        floor.clearing.claim(order, issue.listing)
        self._bring_to_book(order, out)

    def _refuse_late(self, change: Order, target: Order, out: list[Outcome]) -> None:
        change.reject()
        detail = f"nothing was left of order {target.number} when the change took effect"
        objection = Refusal.NOTHING_TO_CANCEL, detail
        out.append(self._refusal(change.number, change.account.name, objection))

    def _bring_to_book(self, order: Order, out: list[Outcome]) -> None:
        """Trade an order with what is there, and let the rest wait or go."""
        floor, issue = self._floor, self._floor.of(order)
        if issue.auction or order.asleep:
            issue.rest(order)
            floor.expect(issue, out)
            return
        condition = order.time_in_force
        fills: list[Fill] = []
        whole = condition is TimeInForce.FILL_OR_KILL
        if not whole or matching.reachable(issue, order) >= order.remaining:
            fills = matching.take(issue, order)
            floor.settle(issue, fills, out)
        if order.remaining and condition is TimeInForce.DAY:
            issue.rest(order)
        elif order.remaining:
            out.append(floor.withdraw(order, f"{condition.value}: not available at once"))
        for fill in fills:
            if fill.printed_as is not None:
                floor.wake(issue, fill.price, out)
        out.append(floor.book(issue))

    def _hold_difference(self, order: Order, target: Order) -> None:
        """Hold back what a replace may cost beyond what its target gives back."""
        issue = self._floor.of(target)
        cost = self._floor.clearing.most_cost(order, issue.listing, order.quantity)
        given_back = released(self._floor, issue, target, order.quantity)
        hold(order, max(0, cost - given_back + _ROUNDING_WON))

    def _take_price_over(self, order: Order) -> None:
        """Give best-price orders the price of the book, closing-price orders the close."""
        if order.pricing not in _WITHOUT_PRICE:
            return
        issue = None
        if order.symbol in self._floor.issues and self._floor.takes_orders(order.session):
            issue = self._floor.find(order.symbol, order.session)
        if issue is None:
            return
        ask, bid = issue.best()
        buys = order.side is Side.BUY
        if order.pricing is Pricing.OPPOSITE_BEST:
            order.limit((ask if buys else bid) or None)
        elif order.pricing is Pricing.OWN_BEST:
            order.limit((bid if buys else ask) or None)
        elif order.pricing is Pricing.PREVIOUS_CLOSE:
            order.limit(issue.listing.base_price)
        elif order.pricing is Pricing.CLOSE:
            order.limit(issue.last)

    def _session(self, command: PlaceOrder) -> Session:
        route = command.route
        if route is Route.SOR:
            route = self._best_route(command)
        return session_of(command.market, route)

    def _best_route(self, command: PlaceOrder) -> Route:
        """Return where a smart order goes: to KRX, unless NXT alone trades or is cheaper now."""
        floor = self._floor
        nxt, krx = floor.nxt.get(command.symbol), floor.issues.get(command.symbol)
        if nxt is None or krx is None or not floor.nxt_open:
            return Route.KRX
        if command.pricing in (Pricing.MARKET, Pricing.CONDITIONAL):
            return Route.KRX
        if floor.phase is Phase.CLOSED:
            return Route.NXT
        if krx.auction:
            return Route.KRX
        (ask, bid), (nxt_ask, nxt_bid) = krx.best(), nxt.best()
        if command.side is Side.BUY:
            better = nxt_ask > 0 and (not ask or nxt_ask < ask)
        else:
            better = nxt_bid > bid
        return Route.NXT if better else Route.KRX

    def _target(self, command: CancelOrder | ReplaceOrder, quantity: int | None) -> Order | Refused:
        """Return the working order that a cancel or replace is aimed at, or the refusal."""
        floor = self._floor
        account, target = floor.account(command.account), floor.orders.get(command.target)
        floor.require_fresh(command.order_number)
        objection = object_to_change(account, command.target, target, floor, quantity)
        if objection is None and target is not None:
            return target
        assert objection is not None
        return self._refusal(command.order_number, command.account, objection)

    def _tell_book(self, issue: Issue, out: list[Outcome]) -> None:
        if issue.auction:
            self._floor.expect(issue, out)
        out.append(self._floor.book(issue))

    def _acknowledged(self, order: Order) -> Acknowledged:
        return Acknowledged(
            at=self._floor.now,
            order_number=order.number,
            account=order.account.name,
            price=order.price,
            venue=order.venue,
        )

    def _refusal(self, number: str, account: str, objection: Objection) -> Refused:
        reason, detail = objection
        return Refused(
            at=self._floor.now, order_number=number, account=account, reason=reason, detail=detail
        )
