"""Silent symbols are asked about; only what traded meanwhile is missing; prices fill the dark."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus import ManualTime, MemoryLog
from events.market import MinuteHistory, PriceSnapshot, Venue, VenueTradeFrame
from events.ops import Degraded, FeedGap, Recovered
from events.signal import Feed
from kis_gateway.broker import (
    FeedLost,
    FeedMessage,
    FeedRestored,
    KeyInUse,
    ReconnectsSlowed,
    Subscribed,
    TapeTrade,
    Unsubscribed,
)
from kis_gateway.conditions import Conditions
from kis_gateway.feeds.backfill import Backfill
from kis_gateway.feeds.feed_watch import FeedWatch
from kis_gateway.feeds.slot_book import Slot
from kis_gateway.feeds.snapshots import SnapshotPoller
from kis_gateway.feeds.staleness import StalenessSettings
from kis_gateway.publisher import Publisher
from tests.kis_gateway.fakes import (
    ACCOUNT,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    FakeBroker,
    FakeFeed,
    idle,
    of_type,
    pass_time,
    trade,
)


class Rig:
    """A watch whose messages the test sends."""

    def __init__(self) -> None:
        self.time = ManualTime(OPEN)
        self.log = MemoryLog(ACCOUNT)
        self.broker = FakeBroker(self.time)
        self.feed = FakeFeed()
        self.publisher = Publisher(self.log, "r1")
        conditions = Conditions(self.publisher, self.time)
        self.snapshots = SnapshotPoller(
            broker=self.broker,
            publisher=self.publisher,
            conditions=conditions,
            time=self.time,
            session=SESSION,
            order=lambda: [HYNIX, SAMSUNG],
            poll_s=3.0,
        )
        self.backfill = Backfill(
            broker=self.broker,
            publisher=self.publisher,
            conditions=conditions,
            time=self.time,
            session=SESSION,
        )
        self.watch = FeedWatch(
            feed=self.feed,
            broker=self.broker,
            publisher=self.publisher,
            conditions=conditions,
            time=self.time,
            session=SESSION,
            settings=StalenessSettings(),
            snapshots=self.snapshots,
            backfill=self.backfill,
        )

    async def send(self, *messages: FeedMessage) -> None:
        for message in messages:
            await self.watch.take(message)
        await idle(20)

    def conditions(self) -> list[str]:
        return [event.condition for event in of_type(self.log, Degraded)]

    def recovered(self) -> list[str]:
        return [event.condition for event in of_type(self.log, Recovered)]

    def gaps(self) -> list[tuple[str, float, float]]:
        """Return symbol, begin and end (seconds after the open) of every gap."""
        return [
            (gap.symbols[0], (gap.begun_at - OPEN) / SECOND, (gap.ended_at - OPEN) / SECOND)
            for gap in of_type(self.log, FeedGap)
        ]


@asynccontextmanager
async def rig() -> AsyncIterator[Rig]:
    subject = Rig()
    parts = (subject.publisher, subject.watch, subject.snapshots, subject.backfill)
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        yield subject
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


def subscribed(
    symbol: str = SAMSUNG, *, at: float = 0, silent_since: float | None = None
) -> Subscribed:
    return Subscribed(
        at=OPEN + round(at * SECOND),
        feed=Feed.TRADES,
        symbol=HYNIX if symbol == HYNIX else SAMSUNG,
        silent_since=None if silent_since is None else OPEN + round(silent_since * SECOND),
    )


def tape(at: int, volume: int) -> TapeTrade:
    return TapeTrade(time=OPEN + at * SECOND, quantity=1, cumulative_volume=volume)


async def test_a_symbol_that_did_not_trade_is_quiet_and_nothing_is_reported() -> None:
    """The broker's volume is the one of its last trade: no trade missed, no gap, no condition."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN))
        await pass_time(subject.time, 359)
        assert subject.broker.asked.count(f"snapshot:{SAMSUNG}") == 1
        await pass_time(subject.time, 10)
        assert subject.broker.asked.count(f"snapshot:{SAMSUNG}") == 2
        assert (subject.conditions(), subject.gaps()) == ([], [])


async def test_a_symbol_that_traded_unseen_is_stale_and_its_price_asked_for_until_it_speaks() -> (
    None
):
    """The gap runs from its last frame to the comparison, then on to its next trade."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN))
        subject.broker.volumes[SAMSUNG] = 51
        await pass_time(subject.time, 130)
        assert subject.conditions() == [f"stale-{SAMSUNG}"]
        assert "50 shares were traded meanwhile" in of_type(subject.log, Degraded)[0].detail
        assert subject.gaps() == [(SAMSUNG, 0, 120)]
        assert of_type(subject.log, PriceSnapshot)
        assert subject.feed.renewals == [
            f"the line is open and mute: trades of {SAMSUNG} are missing"
        ]
        late = trade(70_000, at=subject.time.now())
        await subject.send(late)
        assert subject.recovered() == [f"stale-{SAMSUNG}"]
        count = len(of_type(subject.log, PriceSnapshot))
        await pass_time(subject.time, 20)
        assert len(of_type(subject.log, PriceSnapshot)) == count


async def test_one_mute_symbol_among_lively_ones_is_reported_and_the_line_is_kept() -> None:
    """A new connection would cost the others their data."""
    async with rig() as subject:
        await subject.send(subscribed(), subscribed(HYNIX), trade(70_000, at=OPEN))
        subject.broker.volumes[SAMSUNG] = 51
        for _ in range(13):
            await pass_time(subject.time, 10)
            await subject.send(trade(70_000, at=subject.time.now(), symbol=HYNIX))
        assert subject.conditions() == [f"stale-{SAMSUNG}"]
        assert subject.feed.renewals == []


async def test_a_silence_that_cannot_be_looked_into_is_a_condition() -> None:
    """Nothing is inferred from no answer: neither a gap nor that all is well."""
    async with rig() as subject:
        subject.broker.failing.add("snapshot")
        await subject.send(subscribed(), trade(70_000, at=OPEN))
        await pass_time(subject.time, 130)
        assert (subject.conditions(), subject.gaps()) == ([f"stale-{SAMSUNG}"], [])
        subject.broker.failing.clear()
        await pass_time(subject.time, 130)
        assert subject.recovered() == [f"stale-{SAMSUNG}"]
        assert subject.gaps() == []


async def test_another_venues_silence_is_not_compared_with_the_volume_of_krx() -> None:
    """Their volumes are counted apart."""
    async with rig() as subject:
        await subject.send(
            Subscribed(at=OPEN + 30 * SECOND, feed=Feed.NXT_TRADES, symbol=SAMSUNG),
            VenueTradeFrame(
                at=OPEN + 31 * SECOND,
                venue=Venue.NXT,
                symbol=SAMSUNG,
                trades=trade(70_000, at=OPEN).trades,
            ),
        )
        await pass_time(subject.time, 170)
        assert subject.conditions() == [f"stale-nxt_trades-{SAMSUNG}"]
        assert not any(question.startswith("snapshot") for question in subject.broker.asked)


async def test_a_lost_line_costs_only_what_was_subscribed_and_each_its_own_time() -> None:
    """New subscriptions have no gap, given-up ones none any more; quotes count apart."""
    async with rig() as subject:
        await subject.send(subscribed(), subscribed(HYNIX))
        await subject.send(FeedLost(at=OPEN + 5 * SECOND, reason="reset"))
        await subject.send(
            Unsubscribed(at=OPEN + 6 * SECOND, feed=Feed.TRADES, symbol=HYNIX),
            subscribed(at=8, silent_since=4),
            Subscribed(
                at=OPEN + 9 * SECOND,
                feed=Feed.QUOTES,
                symbol=SAMSUNG,
                silent_since=OPEN + 5 * SECOND,
            ),
            subscribed(HYNIX, at=10),
            FeedRestored(at=OPEN + 10 * SECOND, lost_at=OPEN + 5 * SECOND),
        )
        assert subject.gaps() == [(SAMSUNG, 4, 8), (SAMSUNG, 5, 9)]
        assert [gap.reason for gap in of_type(subject.log, FeedGap)] == [
            "the feed was down (trades)",
            "the feed was down (quotes)",
        ]
        await pass_time(subject.time, 70)
        assert [each.symbol for each in of_type(subject.log, MinuteHistory)] == [SAMSUNG]


async def test_a_trade_moments_after_the_acknowledgement_ends_the_gap() -> None:
    """From frame to frame: whatever was lost between the two lies in it, on whichever line."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN, volume=1))
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        await subject.send(subscribed(at=10.5, silent_since=0))
        # On the log before anything else comes: a process that dies now has said it.
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.5)]
        await subject.send(trade(70_000, at=OPEN + 12 * SECOND, volume=10))
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.5), (SAMSUNG, 10.5, 12.0)]
        assert subject.broker.asked.count(f"trades:{SAMSUNG}") == 0


async def test_a_line_lost_again_ends_the_gap_before_with_its_acknowledgement() -> None:
    """Two cuts within moments: two gaps, side by side."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN, volume=1))
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        await subject.send(subscribed(at=10, silent_since=0))
        await subject.send(FeedLost(at=OPEN + 10 * SECOND, reason="reset"))
        await subject.send(subscribed(at=14, silent_since=10))
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.0), (SAMSUNG, 10.0, 14.0)]


async def test_what_was_lost_with_the_line_is_not_told_again_for_the_next_one() -> None:
    """The broker's list shows the lost trades before the acknowledgement: one gap."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN, volume=1))
        subject.broker.tape[SAMSUNG] = [tape(3, 5), tape(4, 9), tape(20, 10)]
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        await subject.send(subscribed(at=10.5, silent_since=0))
        await subject.send(trade(70_000, at=OPEN + 20 * SECOND, volume=10))
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.5)]


async def test_what_was_lost_on_the_renewed_line_is_told_to_the_second() -> None:
    """A trade of the acknowledgement's own second may have come after it."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN, volume=1))
        subject.broker.tape[SAMSUNG] = [tape(3, 5), tape(10, 7), tape(13, 9), tape(20, 10)]
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        await subject.send(subscribed(at=10.5, silent_since=0))
        await subject.send(trade(70_000, at=OPEN + 20 * SECOND, volume=10))
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.5), (SAMSUNG, 10.5, 14.0)]


async def test_without_the_brokers_list_more_is_told_rather_than_less() -> None:
    """From the acknowledgement to the first trade."""
    async with rig() as subject:
        await subject.send(subscribed(), trade(70_000, at=OPEN, volume=1))
        subject.broker.failing.add(f"trades:{SAMSUNG}")
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        await subject.send(subscribed(at=10.5, silent_since=0))
        await subject.send(trade(70_000, at=OPEN + 20 * SECOND, volume=10))
        assert subject.gaps() == [(SAMSUNG, 0.0, 10.5), (SAMSUNG, 10.5, 20.0)]


async def test_prices_are_asked_for_in_the_order_of_the_slots_while_the_line_is_down() -> None:
    """And no longer once a symbol is acknowledged; a broker without an answer is a condition."""
    async with rig() as subject:
        await subject.send(subscribed(), subscribed(HYNIX))
        subject.broker.failing.add(f"snapshot:{HYNIX}")
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        assert subject.broker.asked == [f"snapshot:{HYNIX}", f"snapshot:{SAMSUNG}"]
        assert [each.symbol for each in of_type(subject.log, PriceSnapshot)] == [SAMSUNG]
        assert subject.conditions() == ["feed", "snapshots"]
        await subject.send(subscribed(HYNIX, at=1, silent_since=0))
        await pass_time(subject.time, 3)
        assert subject.broker.asked[2:] == [f"snapshot:{SAMSUNG}"]


async def test_a_restart_costs_what_the_last_process_held() -> None:
    """From its last market event to the acknowledgement; what it did not hold has no gap."""
    async with rig() as subject:
        subject.watch.resume([Slot(Feed.TRADES, SAMSUNG)], OPEN + 2 * SECOND)
        await subject.send(subscribed(at=9), subscribed(HYNIX, at=9))
        assert subject.gaps() == [(SAMSUNG, 2, 9)]
        assert of_type(subject.log, FeedGap)[0].reason == "the gateway was restarted (trades)"


async def test_a_key_in_use_and_too_many_connections_are_conditions_until_the_feed_is_back() -> (
    None
):
    """Two copies running, or an address about to be blocked, must be seen."""
    async with rig() as subject:
        await subject.send(
            FeedLost(at=OPEN, reason="reset"),
            KeyInUse(at=OPEN, reason="OPSP8996"),
            ReconnectsSlowed(at=OPEN, connections=12, pause_s=300.0),
        )
        assert subject.conditions() == ["feed", "app_key_in_use", "feed_reconnects"]
        await subject.send(FeedRestored(at=OPEN + SECOND, lost_at=OPEN))
        assert set(subject.recovered()) == {"feed", "app_key_in_use", "feed_reconnects"}


async def test_a_failed_price_is_no_condition_any_more_once_every_feed_speaks() -> None:
    """Nobody asks then; the next failure must be news again."""
    async with rig() as subject:
        await subject.send(subscribed(HYNIX))
        subject.broker.failing.add(f"snapshot:{HYNIX}")
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        assert subject.conditions() == ["feed", "snapshots"]
        await subject.send(subscribed(HYNIX, at=1, silent_since=0))
        await pass_time(subject.time, 3)
        assert subject.recovered() == ["snapshots"]


async def test_prices_are_asked_for_no_longer_than_the_session_lasts() -> None:
    """A feed that does not come back after the close would cost calls all night."""
    async with rig() as subject:
        await subject.send(subscribed())
        subject.broker.failing.add(f"snapshot:{SAMSUNG}")
        await subject.send(FeedLost(at=OPEN, reason="reset"))
        assert subject.broker.asked == [f"snapshot:{SAMSUNG}"]
        subject.time._now = SESSION.close_at - 3 * SECOND
        await pass_time(subject.time, 1)
        during = len(subject.broker.asked)
        assert during > 1
        await pass_time(subject.time, 10)
        asked = len(subject.broker.asked)
        await pass_time(subject.time, 60)
        assert len(subject.broker.asked) == asked <= during + 1
        assert subject.recovered() == ["snapshots"]
