"""What a day's executions came to: turnover, costs, slippage, result. Won."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from events import Delivery, IntentId, Symbol
from events.market import TradeFrame
from events.trading import IntentSubmitted, OrderFilled, Side
from research.fidelity.recording import RecordedSession


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """A day in won. ``slippage`` is what executions cost beyond the last price at the intent.

    It is positive where they were worse, for buys and for sells. ``result`` is what was sold less
    what was bought, fees and tax, what is still held valued at the last price of the day; shares
    carried into the day count at their cost.
    """

    fills: int
    bought: int
    sold: int
    fees: int
    tax: int
    slippage: int
    result: int

    @property
    def slippage_bps(self) -> float:
        """Slippage in ten-thousandths of the turnover, 0 without any."""
        turnover = self.bought + self.sold
        return self.slippage * 10_000 / turnover if turnover else 0.0


def money(session: RecordedSession, events: Iterable[Delivery]) -> Money:
    """Return what the executions among some derived events of a session came to."""
    prices = LastPrices(session)
    asked_at: dict[IntentId, int] = {}
    fills: list[OrderFilled] = []
    for delivery in events:
        event = delivery.event
        if isinstance(event, IntentSubmitted):
            asked_at[event.intent_id] = event.at
        elif isinstance(event, OrderFilled):
            fills.append(event)
    bought = sum(fill.amount for fill in fills if fill.side is Side.BUY)
    sold = sum(fill.amount for fill in fills if fill.side is Side.SELL)
    fees, tax = sum(fill.fee for fill in fills), sum(fill.tax for fill in fills)
    held: dict[Symbol, int] = {}
    for each in session.opening.allocations:
        held[each.symbol] = held.get(each.symbol, 0) + each.quantity
    for fill in fills:
        sign = 1 if fill.side is Side.BUY else -1
        held[fill.symbol] = held.get(fill.symbol, 0) + sign * fill.quantity
    carried = sum(each.cost for each in session.opening.allocations)
    worth = sum(quantity * prices.last(symbol) for symbol, quantity in held.items() if quantity)
    return Money(
        fills=len(fills),
        bought=bought,
        sold=sold,
        fees=fees,
        tax=tax,
        slippage=sum(_slippage(fill, asked_at, prices) for fill in fills),
        result=sold - bought - fees - tax + worth - carried,
    )


class LastPrices:
    """The last trade's price of each issue as it was received on a day."""

    def __init__(self, session: RecordedSession) -> None:
        self._session = session
        self._known: dict[Symbol, tuple[list[int], list[int]]] = {}

    def at(self, symbol: Symbol, at: int) -> int:
        """Return the last price received by an instant (ns UTC), before the first one 0."""
        times, prices = self._of(symbol)
        place = bisect_right(times, at)
        return prices[place - 1] if place else 0

    def last(self, symbol: Symbol) -> int:
        """Return the last price of the day, else the base price, else 0."""
        _, prices = self._of(symbol)
        if prices:
            return prices[-1]
        terms = self._session.references.get(symbol)
        return 0 if terms is None else terms.base_price

    def _of(self, symbol: Symbol) -> tuple[list[int], list[int]]:
        if symbol not in self._known:
            times: list[int] = []
            prices: list[int] = []
            for entry in self._session.frames.get(symbol, ()):
                event = entry.event
                if isinstance(event, TradeFrame) and event.trades:
                    times.append(max(event.at, times[-1] if times else 0))
                    prices.append(event.trades[-1].price)
            self._known[symbol] = times, prices
        return self._known[symbol]


def _slippage(fill: OrderFilled, asked_at: Mapping[IntentId, int], prices: LastPrices) -> int:
    intent = IntentId(fill.order_id.rpartition("-")[0])
    reference = prices.at(fill.symbol, asked_at.get(intent, fill.at))
    if not reference:
        return 0
    worse = fill.price - reference if fill.side is Side.BUY else reference - fill.price
    return worse * fill.quantity
