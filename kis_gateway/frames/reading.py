"""What every reader of a feed shares: the interface, the kept values, and splitting into records.

A reader turns the payload of one frame into messages. It must check each record's code, because a
shifted layout shows there first.
"""

from __future__ import annotations

from typing import Protocol

from kis_gateway.broker import FeedMessage
from kis_gateway.frames.layouts import Layout
from kis_gateway.frames.values import Amounts, Clock, Codes


class Kept:
    """The values read before, shared by the readers of one decoder."""

    __slots__ = ("amounts", "clock", "codes")

    def __init__(self) -> None:
        self.amounts = Amounts()
        self.codes = Codes()
        self.clock = Clock()


class Reader(Protocol):
    """Reads the frames of one feed."""

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the messages of one frame in order.

        Raises:
            ValueError: a value that cannot be.
            KeyError: a code that is not one of those documented.
            ShortFrame: too few columns; the frame is still to be put in.
        """
        ...


def split(payload: str, layout: Layout) -> tuple[list[str], int]:
    """Return the fields of a frame and the width of its records."""
    fields = payload.split("^")
    width = layout.lengths.get(len(fields))
    if width is None:
        width = layout.width(len(fields), ends_empty=not fields[-1])
        del fields[width * layout.count :]
    return fields, width


def records(payload: str, layout: Layout) -> list[list[str]]:
    """Return the fields of a frame, record by record."""
    fields, width = split(payload, layout)
    return [fields[start : start + width] for start in range(0, len(fields), width)]
