"""One question to the gate: may this strategy buy this many shares of this symbol now?

Every entry check is a function of an ``Entry`` and of nothing else.
"""

from __future__ import annotations

import msgspec

from events.trading import Check, CheckOutcome, IntentSubmitted
from risk.approvals import Approvals
from risk.book import Book
from risk.halts import Halts
from risk.market import Market
from risk.settings import Limits


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An intent to buy together with everything known at ``now`` (ns UTC).

    ``quantity`` is what earlier checks left of the wish, ``price`` the won per share it is judged
    at, ``equity`` what exposure is measured against and ``gross`` the exposure before it, won.
    """

    intent: IntentSubmitted
    quantity: int
    price: int | None
    now: int
    equity: int
    gross: int
    book: Book
    market: Market
    controls: Halts
    approvals: Approvals
    limits: Limits

    @property
    def known_price(self) -> int:
        """The price; only asked for after the check that there is one."""
        assert self.price is not None
        return self.price


def assumed_price(
    intent: IntentSubmitted, last_price: int | None, upper_limit: int | None
) -> int | None:
    """Return the won per share an entry is judged at, ``None`` when nothing is known.

    Its limit, because it never pays more. Without one the highest of reference, trigger × 1.003 and
    last price × 1.002, which is as far as the router reaches; that reach ends at the day's upper
    limit, which no order exceeds.
    """
    if intent.limit_price is not None:
        return intent.limit_price
    known: list[int] = []
    if intent.reference_price is not None:
        known.append(intent.reference_price)
    for price, per_mille in ((intent.stop_price, 1_003), (last_price, 1_002)):
        if price is not None:
            reach = price * per_mille // 1_000
            known.append(reach if upper_limit is None else max(price, min(reach, upper_limit)))
    return max(known, default=None)


def verdict(  # noqa: PLR0917 - its parts in the order they are spoken
    name: str,
    outcome: CheckOutcome,
    value: int | float | str | None,
    limit: int | float | str | None,
    note: str = "",
    headroom: int | float | None = None,
) -> Check:
    """Return a check with its parts in the order they are spoken."""
    return Check(name=name, value=value, limit=limit, outcome=outcome, note=note, headroom=headroom)
