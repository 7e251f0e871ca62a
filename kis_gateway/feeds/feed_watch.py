"""What of the market was not received, said exactly: which symbol, from when, until when.

Three ways to learn of it: the line was lost and a subscription is acknowledged anew; a trade's
cumulative volume has jumped; a symbol is silent for longer than it should and the broker's price
answer shows that volume moved meanwhile. A silence that the broker cannot be asked about is a
condition until the symbol speaks; one in which nothing traded is none.

What always holds: a gap names its symbol and begins with the last frame really received of it. It
is told as soon as the subscription is acknowledged anew, and goes on to the first frame when trades
are missing by then, or to the comparison that closes it; none is claimed for what was not
subscribed, and no stretch twice. What went missing is filled with minutes from the broker, and
while it goes missing its price is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import structlog

from bus import TimeSource
from events import Symbol
from events.calendar import TradingSession
from events.market import (
    MarketOperation,
    SymbolReference,
    TradeFrame,
    VenueTradeFrame,
    VolatilityInterruption,
)
from events.ops import FeedGap
from events.signal import Feed
from kis_gateway.broker import (
    Broker,
    FeedLost,
    FeedRestored,
    KeyInUse,
    MarketFeed,
    ReconnectsSlowed,
    Subscribed,
    Unsubscribed,
)
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.feeds.backfill import Backfill
from kis_gateway.feeds.slot_book import Slot
from kis_gateway.feeds.snapshots import SnapshotPoller
from kis_gateway.feeds.staleness import Missing, Stale, StalenessSettings, StalenessWatch
from kis_gateway.publisher import Publisher

_SECOND: Final = 1_000_000_000
_DOWN: Final = "the feed was down"
_MOMENTS: Final = 2 * _SECOND
"""How soon after its acknowledgement a renewed subscription's first trade ends the gap (ns)."""

_LOOK_EVERY_S: Final = 5.0
_GRACE_S: Final = 2.0
"""A frame that was on its way while the broker was asked has arrived after this long."""

_MOST_QUESTIONS: Final = 5
"""Silent symbols looked into at once; the others' turn comes with the next look."""

_MUTE_LINE: Final = 30_000_000_000
"""No trade of any subscription for this long (ns) makes a proven silence that of the line."""


class FeedWatch:
    """Follows the feed's messages beside the publisher."""

    def __init__(
        self,
        *,
        feed: MarketFeed,
        broker: Broker,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        session: TradingSession,
        settings: StalenessSettings,
        snapshots: SnapshotPoller,
        backfill: Backfill,
    ) -> None:
        self._feed = feed
        self._broker = broker
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._snapshots = snapshots
        self._backfill = backfill
        self._watch = StalenessWatch(session, settings)
        self._stale: set[Slot] = set()
        self._claimed: dict[Slot, int] = {}
        self._before: dict[Slot, int] = {}
        self._doubtful: asyncio.Queue[tuple[Slot, Missing]] = asyncio.Queue()
        self._logger = structlog.get_logger().bind(service=SERVICE)
        self.gaps = 0
        """Gaps reported."""

    @property
    def live(self) -> int:
        """Trade subscriptions that have sent something since they were acknowledged."""
        return self._watch.live

    def resume(self, held: Iterable[Slot], last_market_at: int) -> None:
        """Take over from an earlier process: what it held, and when it last wrote a market event.

        Its subscriptions have a gap from then until they are acknowledged to this process.
        """
        self._before = dict.fromkeys(held, last_market_at)

    def refer(self, reference: SymbolReference) -> None:
        """Take in an issue's terms of the day."""
        self._watch.refer(reference)

    async def take(self, message: object) -> None:
        """Take in one message of the feed, after it was published if it is a market event."""
        match message:
            case TradeFrame() | VenueTradeFrame():
                await self._trade(message)
            case MarketOperation() | VolatilityInterruption():
                self._watch.operate(message)
            case Subscribed():
                await self._subscribed(message)
            case Unsubscribed():
                await self._unsubscribed(message)
            case FeedLost():
                self._watch.disconnected()
                self._snapshots.begin(
                    symbol for feed, symbol in self._watch.subscribed if feed is Feed.TRADES
                )
                await self._conditions.degraded("feed", message.reason)
            case FeedRestored():
                self._watch.connected()
                await self._conditions.recovered("feed", "connected, all feeds acknowledged")
                await self._conditions.recovered("feed_reconnects", "connected")
                await self._conditions.recovered("app_key_in_use", "the key is ours again")
            case KeyInUse():
                await self._conditions.degraded("app_key_in_use", message.reason)
            case ReconnectsSlowed():
                await self._conditions.degraded(
                    "feed_reconnects",
                    f"{message.connections} connections within an hour: the next ones wait "
                    f"{message.pause_s:.0f} s, or KIS may block this address and app key",
                )
            case _:
                pass

    async def run(self) -> None:
        """Look for silent symbols, and into what renewed ones missed, for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._look_into_doubts())

    async def _look_into_doubts(self) -> None:
        """Tell what was lost on a renewed line from what was lost with the one before."""
        while True:
            slot, missing = await self._doubtful.get()
            stretch = await self._lost_since(slot, missing)
            if stretch is not None:
                # Later losses may have been told already; this stretch lies before them.
                reason = _reason(stretch, "the broker's list of trades shows it")
                await self._tell(slot, stretch.begun_at, stretch.ended_at, reason)

    async def _lost_since(self, slot: Slot, missing: Missing) -> Missing | None:
        """Return the stretch of a doubtful loss that lies on the renewed line, if there is one.

        The broker's times are full seconds: a trade of the second of the acknowledgement counts.
        Without the broker's list the whole stretch is told: more than was lost rather than less.
        """
        if slot.feed is not Feed.TRADES or missing.before_volume is None:
            return missing
        try:
            trades = await self._broker.trades(
                missing.symbol, missing.begun_at - _SECOND, missing.ended_at
            )
        except InquiryFailed as error:
            self._logger.warning("loss_not_located", symbol=missing.symbol, reason=str(error))
            return missing
        lost = [
            trade
            for trade in trades
            if trade.cumulative_volume <= missing.before_volume
            and trade.time + _SECOND > missing.begun_at
        ]
        if not lost:
            return None
        return Missing(
            symbol=missing.symbol,
            begun_at=max(missing.begun_at, lost[0].time),
            ended_at=min(missing.ended_at, lost[-1].time + _SECOND),
            shares=sum(trade.quantity for trade in lost),
        )

    async def _look(self) -> None:
        while True:
            await self._time.sleep(_LOOK_EVERY_S)
            silent = tuple(islice(self._watch.stale(self._time.now()), _MOST_QUESTIONS))
            if silent:
                await self._examine(silent)

    async def _trade(self, frame: TradeFrame | VenueTradeFrame) -> None:
        missing = self._watch.trade(frame)
        if missing is None and not self._stale:
            return
        feed = Feed.TRADES if isinstance(frame, TradeFrame) else Feed(f"{frame.venue}_trades")
        slot = Slot(feed, frame.symbol)
        if missing is None:
            pass
        elif missing.before_volume is None:
            await self._report_missing(slot, missing, "the volume of a trade shows it")
        elif missing.ended_at <= missing.begun_at + _MOMENTS:
            # Not worth a question: the gap of the lost line reaches to this first frame.
            await self._report(slot, missing.begun_at, missing.ended_at, _DOWN)
        else:
            self._doubtful.put_nowait((slot, missing))
        await self._speaks(slot, "trades come again")

    async def _subscribed(self, message: Subscribed) -> None:
        slot = Slot(message.feed, message.symbol)
        since = message.silent_since
        reason = _DOWN
        if since is None and slot in self._before:
            since, reason = self._before[slot], "the gateway was restarted"
        self._before.pop(slot, None)
        self._watch.subscribe(
            message.feed, message.symbol, message.at, renewed=message.silent_since is not None
        )
        if message.feed is Feed.TRADES:
            self._snapshots.end(message.symbol)
        if since is not None:
            await self._report(slot, since, message.at, reason)
        if slot in self._stale:
            await self._speaks(slot, "subscribed anew")

    async def _unsubscribed(self, message: Unsubscribed) -> None:
        slot = Slot(message.feed, message.symbol)
        self._watch.unsubscribe(message.feed, message.symbol)
        self._claimed.pop(slot, None)
        if message.feed is Feed.TRADES:
            self._snapshots.end(message.symbol)
        await self._speaks(slot, "no longer subscribed")

    async def _examine(self, silent: Sequence[Stale]) -> None:
        """Find out whether silent symbols have traded: only then is something missing."""
        answers: list[tuple[Stale, int, int]] = []
        for stale in silent:
            if stale.feed is not Feed.TRADES:
                # The broker's price answers count the volume of KRX.
                await self._degrade(stale, "and its venue's volume cannot be asked for")
                continue
            asked_at = self._time.now()
            try:
                snapshot = await self._broker.snapshot(stale.symbol)
            except InquiryFailed as error:
                await self._degrade(stale, f"and the broker cannot be asked: {error}")
                continue
            answers.append((stale, snapshot.cumulative_volume, asked_at))
        await self._time.sleep(_GRACE_S)
        heard_at = max(
            (self._watch.heard_at(*each) or 0 for each in self._watch.subscribed), default=0
        )
        missed = [answer for answer in answers if await self._judge(*answer)]
        if missed and self._time.now() - heard_at >= _MUTE_LINE:
            names = ", ".join(stale.symbol for stale, _, _ in missed)
            self._feed.renew(f"the line is open and mute: trades of {names} are missing")

    async def _judge(self, stale: Stale, volume: int, asked_at: int) -> bool:
        """Compare one answer with what was received; return whether trades are missing."""
        slot = Slot(stale.feed, stale.symbol)
        missing = self._watch.compare(stale.feed, stale.symbol, volume, asked_at)
        if missing is None:
            if stale.volume == volume:
                await self._speaks(slot, f"nothing traded: {volume} shares so far")
            return False
        await self._degrade(stale, f"and {missing.shares} shares were traded meanwhile")
        await self._report_missing(slot, missing, "the broker's volume shows it")
        if stale.feed is Feed.TRADES:
            self._snapshots.begin([stale.symbol])
        return True

    async def _degrade(self, stale: Stale, detail: str) -> None:
        slot = Slot(stale.feed, stale.symbol)
        seconds = (self._time.now() - stale.since) // 1_000_000_000
        what = "silent" if stale.spoken else "acknowledged and mute"
        self._stale.add(slot)
        await self._conditions.degraded(_condition(slot), f"{what} for {seconds} s {detail}")

    async def _speaks(self, slot: Slot, detail: str) -> None:
        if slot in self._stale:
            self._stale.discard(slot)
            if slot.feed is Feed.TRADES:
                self._snapshots.end(slot.symbol)
            await self._conditions.recovered(_condition(slot), detail)

    async def _report_missing(self, slot: Slot, missing: Missing, how: str) -> None:
        await self._report(slot, missing.begun_at, missing.ended_at, _reason(missing, how))

    async def _report(self, slot: Slot, begun_at: int, ended_at: int, reason: str) -> None:
        begun_at = max(begun_at, self._claimed.get(slot, 0))
        if begun_at > ended_at:
            return
        self._claimed[slot] = ended_at
        await self._tell(slot, begun_at, ended_at, reason)

    async def _tell(self, slot: Slot, begun_at: int, ended_at: int, reason: str) -> None:
        self.gaps += 1
        await self._publisher.offer(
            FeedGap(
                at=self._time.now(),
                service=SERVICE,
                begun_at=begun_at,
                ended_at=ended_at,
                symbols=(slot.symbol,),
                reason=f"{reason} ({slot.feed})",
            )
        )
        if slot.feed is Feed.TRADES:
            self._backfill.want(slot.symbol, ended_at)


def _reason(missing: Missing, how: str) -> str:
    return f"{missing.shares} shares were traded and not received: {how}"


def _condition(slot: Slot) -> str:
    kind: str = "" if slot.feed is Feed.TRADES else f"{slot.feed}-"
    return f"stale-{kind}{Symbol(slot.symbol)}"
