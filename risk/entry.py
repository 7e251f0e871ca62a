"""One question to the gate: may this strategy buy this many shares of this symbol now?

Every entry check is a function of an ``Entry`` and of nothing else.
"""

from __future__ import annotations

import msgspec

from events.trading import Check, CheckOutcome, IntentSubmitted
from risk.approvals import Approvals
from risk.book import Book
from risk.controls import Controls
from risk.market import Market
from risk.settings import Limits


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An intent to buy together with everything known at ``now`` (ns UTC).

    ``quantity`` is what earlier checks left of the wish, ``price`` the won per share it is judged
    at, ``equity`` the account's, won. ``adds`` is set for a target above shares already held.
    """

    intent: IntentSubmitted
    quantity: int
    price: int | None
    adds: bool
    now: int
    equity: int
    book: Book
    market: Market
    controls: Controls
    approvals: Approvals
    limits: Limits

    @property
    def known_price(self) -> int:
        """The price; only asked for after the check that there is one."""
        assert self.price is not None
        return self.price


def assumed_price(intent: IntentSubmitted, last_price: int | None) -> int | None:
    """Return the won per share an entry is judged at, ``None`` when nothing is known.

    Its limit, because it never pays more; without one the highest of reference, trigger and last
    price, because it may pay any of them.
    """
    if intent.limit_price is not None:
        return intent.limit_price
    known = [
        price
        for price in (intent.reference_price, intent.stop_price, last_price)
        if price is not None
    ]
    return max(known, default=None)


def verdict(
    name: str,
    outcome: CheckOutcome,
    value: int | float | str | None,
    limit: int | float | str | None,
    note: str = "",
) -> Check:
    """Return a check with its parts in the order they are spoken."""
    return Check(name=name, value=value, limit=limit, outcome=outcome, note=note)
