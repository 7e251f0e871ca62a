"""The shape every event shares.

An event is a frozen struct with a type tag ``<Name>.<version>`` in its payload. It knows its
``topic`` (where on the log it stands) and its ``identity`` (what makes a second copy a duplicate).
Market events are arrays in MessagePack, everything else is readable JSON (see ``codec``).
"""

from __future__ import annotations

import msgspec


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened. ``at`` is nanoseconds UTC on the clock of the run.

    A derived event takes ``at`` from its cause, so deriving it again gives the same bytes. Events
    are trees of values, so the collector of cycles need not know of them (``gc=False``): what is
    made a million times a second costs half as much.
    """

    at: int

    @property
    def topic(self) -> str:
        """Return the subject without ``kst.<account>.``."""
        raise NotImplementedError(type(self).__name__)

    @property
    def identity(self) -> str | None:
        """Return the id that makes a copy a duplicate; ``None`` lets the writer number it.

        Frames from outside have no identity of their own: two different frames may carry the same
        facts, and a repeated id would silently drop the second.
        """
        return None

    @property
    def unique_on_topic(self) -> bool:
        """Return whether the topic may hold this one event only (optimistic concurrency at 0)."""
        return False


class Derived(Event, frozen=True, kw_only=True):
    """An event that a processor derived; ``cause`` is the log sequence it followed from."""

    cause: int


class MarketEvent(Event, frozen=True, kw_only=True, array_like=True):
    """An event of the market family: an array on the wire, ``at`` = time of receipt."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """An event together with its place on the log: what processors and projections are handed."""

    sequence: int
    event: Event
