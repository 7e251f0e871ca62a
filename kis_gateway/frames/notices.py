"""Notices of our own orders and fills, opened; and how a frame of them is shown to people.

The stream carries every account of the HTS id; only those of the one account are returned.
"""

from __future__ import annotations

from typing import Final

from events.trading import Side
from kis_gateway.broker import FeedMessage, FillNotice, OrderNotice
from kis_gateway.frames.layouts import Layout
from kis_gateway.frames.reading import Kept, records
from kis_gateway.frames.values import amount

_SIDES: Final = {"01": Side.SELL, "1": Side.SELL, "02": Side.BUY, "2": Side.BUY}
_PERSONAL: Final = (0, 1, 17)  # HTS id, account, holder's name


class NoticeReader:
    """Reads H0STCNI0 and H0STCNI9 of 23 columns (until March 2025) and more."""

    __slots__ = ("_account", "_kept")

    def __init__(self, kept: Kept, account: str) -> None:
        self._kept = kept
        self._account = account

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the notices of our account in one frame."""
        return tuple(
            self._notice(record, received)
            for record in records(payload, layout)
            if self._is_ours(record[1].strip())
        )

    def _is_ours(self, account: str) -> bool:
        """Tell whether a notice is of our account, which comes in eight or ten digits."""
        if not (len(account) in (8, 10) and account.isascii() and account.isdigit()):
            # Were it passed over, moved columns would make every notice somebody else's.
            raise ValueError("what stands where the account belongs is no account")
        return account in (self._account, self._account[:8])

    def _notice(self, record: list[str], received: int) -> FillNotice | OrderNotice:
        number = record[2].strip()
        if not number.strip("0"):
            raise ValueError("a notice without an order number")
        symbol = self._kept.codes[record[8].strip()]
        side = _SIDES[record[4]]
        quantity = amount(record[9])
        time = self._kept.clock.today(record[11], received)
        if record[13] == "2":
            # Field 9 is this execution, field 16 the whole order: never the other way round.
            price = amount(record[10])
            if not quantity or not price:
                raise ValueError(f"an execution of {quantity} at {price}")
            return FillNotice(
                broker_order=number,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                order_quantity=amount(record[16]),
                time=time,
            )
        if record[13] != "1":
            raise ValueError(f"CNTG_YN {record[13]!r} is neither 1 nor 2")
        original = record[3].strip()
        rejected = record[12] == "1"
        withdrawn = (record[5] == "2" and record[14] == "2") or record[14] == "3"
        return OrderNotice(
            broker_order=number,
            original=original if original.strip("0") else None,
            symbol=symbol,
            side=side,
            quantity=quantity,
            rejected=rejected,
            cancelled=withdrawn and not rejected,
            time=time,
        )


def masked(payload: str, count: int, account: str) -> str:
    """Return opened notices without the person's data, column by column, for people to compare.

    Names are the only text beyond ASCII besides the issue's; the account is found wherever a new
    column has moved it.
    """
    fields = payload.split("^")
    width = -(-len(fields) // count)
    return "^".join(
        "***"
        if place % width in _PERSONAL or not field.isascii() or account[:8] in field
        else field
        for place, field in enumerate(fields)
    )
