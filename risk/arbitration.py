"""Entry checks against what the account itself is doing: own shares, orders, signals, locks.

One entry at a time per strategy and symbol, one per signal, none against an own order, none while
it is not known what became of an earlier one. Each is a pure function of an ``Entry``.
"""

from __future__ import annotations

from typing import Final

from events.trading import Check, CheckOutcome, Side
from risk.entry import Entry, verdict
from risk.working import Execution

_PASS: Final = CheckOutcome.PASS
_REJECT: Final = CheckOutcome.REJECT
_DEFER: Final = CheckOutcome.DEFER
_NOT_APPLICABLE: Final = CheckOutcome.NOT_APPLICABLE
_SECOND: Final = 1_000_000_000


def orders_known(entry: Entry) -> Check:
    """No order of unknown fate in the symbol, and none anywhere for too long. Value: seconds.

    Such an order counts in full until its fate is known: a buy as exposure and cash, a sell as
    shares that cannot be sold again.
    """
    stop = entry.limits.unknown_order_stop
    allowed = stop // _SECOND
    oldest = 0.0
    for order_id, order in entry.book.working.unknown.items():
        age = (entry.now - order.since) / _SECOND
        oldest = max(oldest, age)
        if order.symbol == entry.intent.symbol or entry.now - order.since >= stop:
            note = f"{order_id}, a {order.side}, is unknown"
            return verdict("orders_known", _DEFER, age, allowed, note, allowed - age)
    return verdict("orders_known", _PASS, oldest, allowed, headroom=allowed - oldest)


def not_held(entry: Entry) -> Check:
    """An entry opens a position and never adds to one. Value: own shares."""
    owned = entry.book.owned(entry.intent.strategy, entry.intent.symbol)
    return verdict("not_held", _REJECT if owned > 0 else _PASS, owned, 0, headroom=-owned)


def not_entering(entry: Entry) -> Check:
    """The strategy is not buying the symbol already. Value: own shares being bought."""
    buying = entry.book.working.quantity(entry.intent.strategy, entry.intent.symbol, Side.BUY)
    return verdict("not_entering", _REJECT if buying > 0 else _PASS, buying, 0, headroom=-buying)


def signal_fresh(entry: Entry) -> Check:
    """One entry per strategy, symbol, signal and session."""
    signal, limit = entry.intent.signal, "once per session"
    if signal is None:
        return verdict("signal_fresh", _NOT_APPLICABLE, "no signal", limit)
    used = entry.approvals.signal_used(entry.intent)
    return verdict("signal_fresh", _REJECT if used else _PASS, signal, limit)


_UNLOCKED: Final = verdict("entry_lock", _PASS, 0, 0, headroom=0)


def entry_lock(entry: Entry) -> Check:
    """No other strategy's entry is under way in the symbol. Value: seconds left."""
    lock = entry.approvals.lock(entry.intent.symbol, entry.now)
    if lock is None or lock.owner == entry.intent.strategy:
        return _UNLOCKED
    left = (lock.until - entry.now) / _SECOND
    return verdict("entry_lock", _DEFER, left, 0, f"held by {lock.owner}", -left)


def opposite_order(entry: Entry) -> Check:
    """Nothing of this account works that the entry could trade with, nor an own sell.

    Buying from oneself is a wash sale under the Capital Markets Act, Article 176. Value: the
    lowest limit of a working sell in won, ``market``, or ``none``.
    """
    name, price = "opposite_order", entry.known_price
    nearest = None
    for order in _sells(entry):
        limit = order.limit
        value = "market" if limit is None else limit
        room = None if limit is None else limit - price - 1
        if order.strategy == entry.intent.strategy:
            return verdict(name, _DEFER, value, price, "own sell is working", room)
        if room is None or room < 0:
            note = f"would cross a sell of {order.strategy}"
            return verdict(name, _DEFER, value, price, note, room)
        nearest = room if nearest is None else min(nearest, room)
    if nearest is None:
        return verdict(name, _PASS, "none", price)
    return verdict(name, _PASS, nearest + price + 1, price, headroom=nearest)


def _sells(entry: Entry) -> list[Execution]:
    working, symbol = entry.book.working, entry.intent.symbol
    if not working.total(symbol, Side.SELL):
        return []
    return [order for order in working.in_symbol(symbol) if order.side is Side.SELL]
