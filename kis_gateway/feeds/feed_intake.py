"""What becomes of each message of the feed.

Market records go on the log as they are, notices to the settlement, the rest to whoever watches the
feed itself. What always holds: messages are dealt with in order; after anything that may have cost
a notice (a lost line, a notice that could not be read, a notice of another shape) orders and
balance are asked for at once, because KIS sends no notice twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bus import TimeSource
from events import Event, MarketEvent
from events.ops import FrameSetAside, RecordWidthChanged
from kis_gateway.broker import (
    FeedMessage,
    FeedRestored,
    FillNotice,
    FrameRejected,
    MarketFeed,
    OrderNotice,
    Unsubscribed,
    WidthChanged,
)
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.feeds.feed_watch import FeedWatch
from kis_gateway.feeds.slots import SlotKeeper
from kis_gateway.orders.settlement import Settlement
from kis_gateway.publisher import Publisher

_ENDED: Final = "the feed has ended; restart the gateway"


class FeedIntake:
    """Reads the feed for the gateway."""

    def __init__(
        self,
        *,
        feed: MarketFeed,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        settlement: Settlement,
        slots: SlotKeeper,
        watch: FeedWatch,
        reconcile: Callable[[], None],
    ) -> None:
        """``reconcile`` has orders and balance asked for."""
        self._feed = feed
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._settlement = settlement
        self._slots = slots
        self._watch = watch
        self._reconcile = reconcile
        self._set_aside = 0

    async def run(self) -> None:
        """Deal with the feed's messages until it ends."""
        async for message in self._feed.messages():
            await self._take(message)
        await self._conditions.degraded("feed", _ENDED)

    async def _take(self, message: FeedMessage) -> None:
        if isinstance(message, MarketEvent):
            await self._publisher.offer(message)
            await self._watch.take(message)
            return
        match message:
            case FillNotice() | OrderNotice():
                await self._settlement.on_notice(message)
            case WidthChanged():
                await self._width(message)
            case FrameRejected():
                await self._rejected(message)
            case _:
                await self._watch.take(message)
                await self._own(message)

    async def _own(self, message: FeedMessage) -> None:
        match message:
            case FeedRestored():
                await self._slots.renewed()
                # Notices of the gap are not sent again.
                self._reconcile()
            case Unsubscribed(refusal=refusal) if refusal:
                await self._slots.lost(message)
            case _:
                pass

    async def _width(self, message: WidthChanged) -> None:
        event: Event = RecordWidthChanged(
            at=message.at,
            service=SERVICE,
            feed=message.feed,
            width=message.width,
            known=message.known,
        )
        await self._publisher.offer(event)
        if message.own_notices:
            await self._conditions.degraded(
                "notice-layout",
                f"fill notices have {message.width} columns, known were {message.known}: compare "
                "the layout with the broker's documentation; orders are asked for meanwhile",
            )
            self._reconcile()

    async def _rejected(self, message: FrameRejected) -> None:
        self._set_aside += 1
        await self._publisher.offer(
            FrameSetAside(
                at=message.at,
                service=SERVICE,
                error=message.error,
                frame=message.frame,
                ordinal=self._set_aside,
            )
        )
        if message.own_notice:
            self._reconcile()
