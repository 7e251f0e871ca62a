"""What was lost on purpose, exactly: the truth that a client's gap events can be compared with.

A range covers the consecutive records of one feed and key that one account did not get because of
one fault: the exchange's times of the first and the last of them (ns UTC) and how many there were.
Notices are listed one by one.
"""

from __future__ import annotations

import msgspec

from kis_gateway.simulator.feeds.feed_table import Batch


class LostRange(msgspec.Struct, kw_only=True):
    """Records that an account did not get; ``fault`` is the number of the fault."""

    fault: int
    kind: str
    account: str
    feed: str
    key: str
    from_at: int
    to_at: int
    count: int


class LostNotice(msgspec.Struct, frozen=True, kw_only=True):
    """An order notice that an account did not get, or could not read."""

    fault: int
    kind: str
    account: str
    order_number: str
    symbol: str
    at: int
    fill: bool
    quantity: int
    price: int


class LossBook:
    """Everything swallowed so far, in the order in which it was lost."""

    def __init__(self) -> None:
        self._ranges: dict[tuple[int, str, str, str], LostRange] = {}
        self.notices: list[LostNotice] = []
        self.records = 0

    @property
    def ranges(self) -> tuple[LostRange, ...]:
        """All ranges so far."""
        return tuple(self._ranges.values())

    def lose(
        self, fault: int, kind: str, account: str, wanted: tuple[str, str], batch: Batch
    ) -> None:
        """Enter the records of a feed and key, ``wanted``, that were swallowed together."""
        feed, key = wanted
        first, last, count = batch.first_at, batch.last_at, len(batch.records)
        self.records += count
        known = self._ranges.get((fault, account, feed, key))
        if known is not None:
            known.to_at = last
            known.count += count
            return
        self._ranges[(fault, account, feed, key)] = LostRange(
            fault=fault,
            kind=kind,
            account=account,
            feed=feed,
            key=key,
            from_at=first,
            to_at=last,
            count=count,
        )
