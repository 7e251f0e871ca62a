"""Matching in one issue: our clients' queues between the others' book and the others' tape.

The rules are in the docstring of the package. Nothing here knows accounts or outcomes: every method
changes orders and queues and returns the fills, in the order in which they happened.

What always holds: a limit is never violated; a market order trades inside the day's limits only; in
continuous trading no order is left that could trade with liquidity that is still there.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from events.market import Aggressor, Phase
from events.trading import Side
from kis_gateway.simulator.exchange.ladder import Ladder
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.exchange.orders import Fill, Order, OrderQueue
from kis_gateway.simulator.exchange.tape import Tape
from kis_gateway.simulator.exchange.views import TapeView

_VISIBLE_LEVELS: Final = 10

Levels = tuple[tuple[int, int], ...]


class Issue:
    """One listing's book and tape. ``auction`` is set while orders only accumulate."""

    __slots__ = ("asks", "auction", "bids", "buys", "listing", "sells", "tape", "vi_reference")

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.tape = Tape()
        self.asks = Ladder(Side.SELL)
        self.bids = Ladder(Side.BUY)
        self.buys = OrderQueue()
        self.sells = OrderQueue()
        self.auction = False
        self.vi_reference = listing.base_price

    def queue(self, side: Side) -> OrderQueue:
        """Return our clients' working orders of a side."""
        return self.buys if side is Side.BUY else self.sells

    @property
    def has_orders(self) -> bool:
        """Whether any order of our clients works here."""
        return bool(self.buys or self.sells)

    def eat(self, price: int, quantity: int, aggressor: Aggressor) -> None:
        """Enter that a trade of the others took ``quantity`` out of their book."""
        if aggressor is Aggressor.BUY:
            self.asks.eat(price, quantity)
        elif aggressor is Aggressor.SELL:
            self.bids.eat(price, quantity)

    def rest(self, order: Order) -> None:
        """Let an order wait in its queue, behind what the others show at its price."""
        if order.price is not None:
            own = self.bids if order.side is Side.BUY else self.asks
            order.ahead = own.queue_at(order.price)
        self.queue(order.side).add(order)

    def shown(self) -> tuple[Levels, Levels]:
        """Return (asks, bids) as everybody sees them, best first, at most ten levels.

        Our clients' orders are part of it in continuous trading only: during an auction they may
        cross, and a crossed book is nothing that an exchange shows.
        """
        asks = self._side(self.asks, self.sells)
        bids = self._side(self.bids, self.buys)
        return asks, bids

    def _side(self, others: Ladder, ours: OrderQueue) -> Levels:
        if self.auction or not ours:
            return others.levels if not others.eaten else tuple(others.left())
        quantities = dict(others.left())
        for order in ours:
            if order.price is not None:
                quantities[order.price] = quantities.get(order.price, 0) + order.remaining
        best_first = sorted(quantities.items(), key=itemgetter(0), reverse=ours is self.buys)
        return tuple(best_first[:_VISIBLE_LEVELS])

    def best(self) -> tuple[int, int]:
        """Return (best ask, best bid) as everybody sees them, 0 for an empty side."""
        ask, bid = self.asks.best(), self.bids.best()
        if not self.auction:
            own_ask, own_bid = self.sells.first_limit(), self.buys.first_limit()
            if own_ask is not None and own_ask.price is not None:
                ask = min(ask, own_ask.price) if ask else own_ask.price
            if own_bid is not None and own_bid.price is not None:
                bid = max(bid, own_bid.price)
        return ask, bid

    def view(self, phase: Phase) -> TapeView:
        """Return a snapshot."""
        tape, (ask, bid), (asks, bids) = self.tape, self.best(), self.shown()
        return TapeView(
            symbol=self.listing.symbol,
            phase=phase,
            last=tape.last,
            open=tape.open,
            high=tape.high,
            low=tape.low,
            volume=tape.volume,
            value=tape.value,
            vi_reference=self.vi_reference,
            best_ask=ask,
            best_bid=bid,
            asks=asks,
            bids=bids,
        )

    def refresh(self, asks: Levels, bids: Levels) -> list[Fill]:
        """Replace the others' book and trade what now crosses; our queue places only improve.

        A resting limit order was there first, so it trades at its own price; the rest of a market
        order trades at the prices it finds.
        """
        self.asks.refresh(asks)
        self.bids.refresh(bids)
        fills: list[Fill] = []
        if self.auction or not self.has_orders:
            return fills
        for queue, own, opposite in (
            (self.buys, self.bids, self.asks),
            (self.sells, self.asks, self.bids),
        ):
            for order in queue:
                if order.price is not None:
                    order.ahead = min(order.ahead, own.queue_at(order.price))
                self._take_shown(order, opposite, fills)
                if not order.remaining:
                    queue.remove(order)
        return fills

    def _take_shown(self, order: Order, opposite: Ladder, fills: list[Fill]) -> None:
        wanted = order.remaining
        for price, quantity in tuple(opposite.left()):
            part = min(quantity, wanted)
            if not part or not self._may_trade(order, price):
                break
            opposite.eat(price, part)
            wanted -= part
            if order.price is None:
                _fill(fills, order, price, part)
        if order.price is not None and wanted < order.remaining:
            _fill(fills, order, order.price, order.remaining - wanted)

    def printed(self, price: int, quantity: int, aggressor: Aggressor) -> list[Fill]:
        """Fill what the others' trade proves would have traded.

        Market orders first, at the printed price, up to the printed quantity; orders that the
        price went through, whole, at their own price; orders at the price, once the queue before
        them has traded and when the trade came from the other side, with what is left of it.
        """
        fills: list[Fill] = []
        at_price: list[tuple[Side, list[Order], int]] = []
        for side, queue in ((Side.BUY, self.buys), (Side.SELL, self.sells)):
            if not queue:
                continue
            left = quantity
            for order in queue:
                if order.price is None:
                    part = min(left, order.remaining) if self._may_trade(order, price) else 0
                elif order.price != price and order.accepts(price):
                    part = order.remaining
                else:
                    break
                if part:
                    _fill(fills, order, price if order.price is None else order.price, part)
                left = max(0, left - part)
                if not order.remaining:
                    queue.remove(order)
            at_price.append((side, queue.at(price), left))
        self._trade_at(price, quantity, aggressor, at_price, fills)
        return fills

    def _trade_at(
        self,
        price: int,
        quantity: int,
        aggressor: Aggressor,
        ours: Sequence[tuple[Side, list[Order], int]],
        fills: list[Fill],
    ) -> None:
        eaten = quantity
        for side, level, left in ours:
            own_aggressor = Aggressor.BUY if side is Side.BUY else Aggressor.SELL
            if aggressor is own_aggressor or not level:
                continue
            parts, eaten = _share(level, left, left)
            for order, part in parts:
                _fill(fills, order, price, part)
                if not order.remaining:
                    self.queue(side).remove(order)
        self.eat(price, eaten, aggressor)

    def matched(self, price: int, quantity: int) -> list[Fill]:
        """Fill what takes part in an auction at its price, each side up to the printed quantity."""
        fills: list[Fill] = []
        for queue in (self.buys, self.sells):
            left = quantity
            for order in queue:
                if not left or not order.accepts(price):
                    break
                if not self._may_trade(order, price):
                    continue
                part = min(left, order.remaining)
                _fill(fills, order, price, part)
                left -= part
                if not order.remaining:
                    queue.remove(order)
        return fills

    def begin_continuous(self) -> list[Fill]:
        """End the auction; what it left over trades and queues up in order of arrival."""
        self.auction = False
        waiting = sorted((*self.buys, *self.sells), key=lambda order: order.sequence)
        for order in waiting:
            self.queue(order.side).remove(order)
        fills: list[Fill] = []
        for order in waiting:
            fills += self.take(order)
            if order.remaining:
                self.rest(order)
        return fills

    def reachable(self, order: Order) -> int:
        """Return how many shares an arriving order could trade at once."""
        opposite, shown = self._opposite(order.side)
        total = sum(left for price, left in shown.left() if self._may_trade(order, price))
        for other in opposite:
            price = other.price if other.price is not None else order.price
            if price is not None and self._may_trade(order, price):
                total += other.remaining
        return total

    def take(self, order: Order) -> list[Fill]:
        """Trade an arriving order against all that stands opposite, best price first.

        A resting market order has no price of its own and trades at the arriving limit. At each
        price the others shown before an order of ours come first.
        """
        fills: list[Fill] = []
        opposite, shown = self._opposite(order.side)
        if order.price is not None:
            for other in opposite:
                if other.price is not None or not order.remaining:
                    break
                self._cross(fills, order, other, order.price, order.remaining)
        while order.remaining:
            price = self._best_opposite(order.side)
            if not price or not self._may_trade(order, price):
                break
            parts, from_others = _share(opposite.at(price), order.remaining, shown.at(price))
            if from_others:
                shown.eat(price, from_others)
                _fill(fills, order, price, from_others)
            for other, part in parts:
                self._cross(fills, order, other, price, part)
        return fills

    def _cross(self, fills: list[Fill], order: Order, other: Order, price: int, most: int) -> None:
        part = min(most, other.remaining)
        _fill(fills, order, price, part)
        other.fill(price, part)
        aggressor = Aggressor.BUY if order.side is Side.BUY else Aggressor.SELL
        fills.append(Fill(other, price, part, other.remaining, aggressor))
        if not other.remaining:
            self.queue(other.side).remove(other)

    def _best_opposite(self, side: Side) -> int:
        ask, bid = self.best()
        return ask if side is Side.BUY else bid

    def _opposite(self, side: Side) -> tuple[OrderQueue, Ladder]:
        return (self.sells, self.asks) if side is Side.BUY else (self.buys, self.bids)

    def _may_trade(self, order: Order, price: int) -> bool:
        if order.price is None:
            return self.listing.lower_limit <= price <= self.listing.upper_limit
        return order.accepts(price)


def _fill(fills: list[Fill], order: Order, price: int, quantity: int) -> None:
    order.fill(price, quantity)
    fills.append(Fill(order, price, quantity, order.remaining))


def _share(
    level: Sequence[Order], quantity: int, others: int
) -> tuple[list[tuple[Order, int]], int]:
    """Share ``quantity`` at one price between our orders there, oldest first, and the others.

    ``others`` is how much of the others is there at most. Returns our parts and the others' part,
    and moves our queue places up by what the others traded.
    """
    left, gone = quantity, 0
    parts: list[tuple[Order, int]] = []
    for order in level:
        before = min(left, max(0, order.ahead - gone), others - gone)
        left -= before
        gone += before
        if not left:
            break
        part = min(left, order.remaining)
        parts.append((order, part))
        left -= part
    gone += min(left, others - gone)
    for order in level:
        order.ahead = max(0, order.ahead - gone)
    return parts, gone
