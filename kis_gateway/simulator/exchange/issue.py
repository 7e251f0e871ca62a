"""One issue on one exchange: the others' book, our clients' orders, the tape, its state.

Nothing here matches: ``matching`` is continuous trading, ``auction`` the single price, ``middle``
the orders between the best prices.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Final

from events.market import Aggressor, Phase
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange.ladder import Ladder
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.orders import Order, OrderQueue
from kis_gateway.simulator.exchange.tape import Tape
from kis_gateway.simulator.exchange.views import TapeView

_VISIBLE_LEVELS: Final = 10

Levels = tuple[tuple[int, int], ...]


class Issue:
    """One listing's book and tape.

    ``auction`` is set while orders only accumulate. ``halted``, ``interrupted`` and ``closed`` are
    the reasons for which the tape is ``withheld``: its trades of that time do not happen.
    ``suspension`` counts these states, so that the end of an older one ends nothing newer.
    ``indication`` is what the tape said of its coming single-price match, ``expected`` what was
    last shown of it.
    """

    __slots__ = (
        "asks",
        "auction",
        "bids",
        "buys",
        "closed",
        "expected",
        "halted",
        "indication",
        "interrupted",
        "listing",
        "middles",
        "sells",
        "session",
        "stops",
        "suspension",
        "tape",
        "venue",
        "vi_reference",
        "withheld",
    )

    def __init__(
        self, listing: Listing, session: Session = Session.REGULAR, tape: Tape | None = None
    ) -> None:
        self.listing = listing
        self.session = session
        self.venue = session.venue
        self.tape = tape if tape is not None else Tape()
        self.asks = Ladder(Side.SELL)
        self.bids = Ladder(Side.BUY)
        self.buys = OrderQueue()
        self.sells = OrderQueue()
        self.middles: list[Order] = []
        self.stops: list[Order] = []
        self.auction = False
        self.halted = False
        self.interrupted = False
        self.closed = False
        self.withheld = False
        self.suspension = 0
        self.indication: tuple[int, int] | None = None
        self.expected = (0, 0)
        self.vi_reference = listing.base_price

    def queue(self, side: Side) -> OrderQueue:
        """Return our clients' working orders of a side that have a place in the book."""
        return self.buys if side is Side.BUY else self.sells

    @property
    def has_orders(self) -> bool:
        """Whether any order of our clients works here."""
        return bool(self.buys.orders or self.sells.orders or self.middles or self.stops)

    @property
    def last(self) -> int:
        """The last price; before the first trade the base price."""
        return self.tape.last or self.listing.base_price

    def rest(self, order: Order) -> None:
        """Let an order wait: in its queue, behind what the others show at its price, or aside."""
        if order.asleep:
            self.stops.append(order)
        elif order.pricing is Pricing.MIDDLE:
            self.middles.append(order)
        else:
            if order.price is not None:
                own = self.bids if order.side is Side.BUY else self.asks
                order.ahead = own.queue_at(order.price)
            self.queue(order.side).add(order)

    def remove(self, order: Order) -> None:
        """Take a waiting order out."""
        if order.asleep:
            self.stops.remove(order)
        elif order.pricing is Pricing.MIDDLE:
            self.middles.remove(order)
        else:
            self.queue(order.side).remove(order)

    def awaken(self, price: int) -> list[Order]:
        """Return the stop limit orders that a trade at ``price`` wakes, oldest first, taken out.

        A buy wakes at or above its trigger, a sell at or below.
        """
        awake = [order for order in self.stops if _reached(order, price)]
        for order in awake:
            self.stops.remove(order)
            order.asleep = False
        return awake

    def eat(self, price: int, quantity: int, aggressor: Aggressor) -> None:
        """Enter that a trade of the others took ``quantity`` out of their book."""
        if aggressor is Aggressor.BUY:
            self.asks.eat(price, quantity)
        elif aggressor is Aggressor.SELL:
            self.bids.eat(price, quantity)

    def may_trade(self, order: Order, price: int) -> bool:
        """Return whether a price respects an order's limit, without one the day's limits."""
        if order.price is None:
            return self.listing.lower_limit <= price <= self.listing.upper_limit
        return order.accepts(price)

    def opposite(self, side: Side) -> tuple[OrderQueue, Ladder]:
        """Return our clients' queue and the others' ladder that a side trades against."""
        return (self.sells, self.asks) if side is Side.BUY else (self.buys, self.bids)

    def shown(self) -> tuple[Levels, Levels]:
        """Return (asks, bids) as everybody sees them, best first, at most ten levels.

        Our clients' orders are part of it in continuous trading only: during an auction they may
        cross, and a crossed book is nothing that an exchange shows.
        """
        asks = self._side(self.asks, self.sells)
        bids = self._side(self.bids, self.buys)
        return asks, bids

    def _side(self, others: Ladder, ours: OrderQueue) -> Levels:
        if self.auction or not ours.orders:
            return others.levels if not others.eaten else tuple(others.left())
        quantities = dict(others.left())
        for order in ours.orders:
            if order.price is not None:
                quantities[order.price] = quantities.get(order.price, 0) + order.remaining
        best_first = sorted(quantities.items(), key=itemgetter(0), reverse=ours is self.buys)
        return tuple(best_first[:_VISIBLE_LEVELS])

    def best(self) -> tuple[int, int]:
        """Return (best ask, best bid) as everybody sees them, 0 for an empty side."""
        ask, bid = self.asks.best(), self.bids.best()
        if not self.auction:
            own_ask = self.sells.first_limit() if self.sells.orders else None
            own_bid = self.buys.first_limit() if self.buys.orders else None
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
            auction=self.auction,
            halted=self.halted,
            interrupted=self.interrupted,
            expected_price=self.expected[0],
            expected_quantity=self.expected[1],
        )


def _reached(order: Order, price: int) -> bool:
    assert order.trigger is not None
    return price >= order.trigger if order.side is Side.BUY else price <= order.trigger
