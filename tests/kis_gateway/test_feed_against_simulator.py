"""The whole data side of the gateway on the real simulator: slots, gaps, silence, prices."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from bus import MemoryLog
from deploy.status import SlotStatus, slot_lines, subscriptions
from events import AccountId, StrategyId, Symbol
from events.calendar import session, trading_date
from events.market import Bar, MinuteHistory, OpeningAllocation, Phase, PriceSnapshot, TradeFrame
from events.ops import Degraded, FeedGap, Recovered, SlotsChanged
from events.prices import Board
from events.signal import Feed, SlotPriority, SlotRequest, SlotsRequested
from kis_gateway.broker import FeedMessage, FeedRestored, Subscribed
from kis_gateway.conditions import Conditions
from kis_gateway.feeds.backfill import Backfill
from kis_gateway.feeds.feed import KisFeed
from kis_gateway.feeds.feed_watch import FeedWatch
from kis_gateway.feeds.slot_book import SlotBook
from kis_gateway.feeds.slots import SlotKeeper
from kis_gateway.feeds.snapshots import SnapshotPoller
from kis_gateway.feeds.staleness import StalenessSettings
from kis_gateway.kis_broker import KisBroker
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.publisher import Publisher
from kis_gateway.settings import KisSettings, Secret
from kis_gateway.simulator.exchange.messages import EnterPhase, Listing
from kis_gateway.simulator.market import MarketItem

from .fakes import of_type, put, session_opened
from .kis_double import FAST
from .simulator_bench import (
    ACCOUNT,
    DAY,
    HTS_ID,
    HYNIX,
    KEY,
    OPEN,
    SAMSUNG,
    SECOND,
    SECRET,
    Bench,
    HandMarket,
    book,
    opening,
    running,
    settings,
    trade,
)

KMP = StrategyId("KMP")
ISSUES = [Symbol(f"{100_000 + number * 10}") for number in range(46)]


class WideMarket(HandMarket):
    """Forty-six issues that all open with a book; every one trades once a second."""

    def __init__(self, items: Sequence[MarketItem] | None = None) -> None:
        super().__init__(items or self._day())

    @property
    def listings(self) -> Sequence[Listing]:
        return tuple(
            Listing(
                symbol=symbol,
                name=f"Issue {symbol}",
                board=Board.KOSPI,
                sector="Test",
                base_price=70_000,
                lower_limit=49_000,
                upper_limit=91_000,
                listed_shares=1_000_000,
            )
            for symbol in (*ISSUES, SAMSUNG, HYNIX)
        )

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        return {listing.symbol: listing.sector for listing in self.listings}

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        return ()

    @staticmethod
    def _day() -> list[MarketItem]:
        items: list[MarketItem] = [
            EnterPhase(at=OPEN - 60 * SECOND, phase=Phase.OPENING_AUCTION),
            EnterPhase(at=OPEN, phase=Phase.CONTINUOUS),
        ]
        items += [book(OPEN, symbol, 70_100, 70_000) for symbol in ISSUES]
        for second in range(1, 60):
            items += [trade(OPEN + second * SECOND, symbol, 70_100, 1) for symbol in ISSUES]
        return items


class Rig:
    """Feed, slots and watch on the bench's clock."""

    def __init__(
        self,
        bench: Bench,
        broker: KisBroker,
        feed: KisFeed,
        *,
        slots: SlotBook,
        budget: int,
        allocations: Sequence[OpeningAllocation],
    ) -> None:
        self.bench = bench
        self.log = MemoryLog(AccountId("test"))
        self.feed = feed
        self.received: list[FeedMessage] = []
        time, day = bench.clock, session(DAY)
        self.publisher = Publisher(self.log, "r1")
        conditions = Conditions(self.publisher, time)
        opened = session_opened(*allocations)
        self.keeper = SlotKeeper(
            book=slots,
            feed=feed,
            log=self.log,
            head=0,
            writer=OrderWriter(self.log, "r1", opened),
            publisher=self.publisher,
            conditions=conditions,
            time=time,
            budget=budget,
        )
        self.snapshots = SnapshotPoller(
            broker=broker,
            publisher=self.publisher,
            conditions=conditions,
            time=time,
            session=day,
            order=lambda: [slot.symbol for slot in self.keeper.held],
            poll_s=3.0,
        )
        self.backfill = Backfill(
            broker=broker, publisher=self.publisher, conditions=conditions, time=time, session=day
        )
        self.watch = FeedWatch(
            feed=feed,
            broker=broker,
            publisher=self.publisher,
            conditions=conditions,
            time=time,
            session=day,
            settings=StalenessSettings(),
            snapshots=self.snapshots,
            backfill=self.backfill,
        )

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part in (self.publisher, self.keeper, self.snapshots, self.backfill, self.watch):
                group.create_task(part.run())
            group.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.feed.messages():
            self.received.append(message)
            if isinstance(message, TradeFrame):
                await self.publisher.offer(message)
            await self.watch.take(message)

    async def until(self, condition: Callable[[], bool], step: float = 0.1) -> None:
        """Let the bench's clock run until ``condition`` holds."""
        async with asyncio.timeout(30):
            while not condition():
                await asyncio.sleep(0.002)  # the sockets need wall time
                await self.bench.clock.advance(step)


@asynccontextmanager
async def rig(
    folder: Path,
    universe: Sequence[Symbol],
    *allocations: OpeningAllocation,
    budget: int = 40,
    market: HandMarket | None = None,
) -> AsyncIterator[Rig]:
    async with running(settings(token_interval_seconds=0.0), market) as bench:
        own = KisSettings(
            app_key=Secret(KEY),
            app_secret=Secret(SECRET),
            account=Secret(ACCOUNT),
            hts_id=Secret(HTS_ID),
            token_folder=folder,
            rest_url=bench.simulator.rest_url,
            websocket_url=bench.simulator.ws_url + "/tryitout",
            limits=FAST,
        )
        async with (
            KisBroker(own, bench.clock) as broker,
            KisFeed(own, broker.credentials, bench.clock) as feed,
        ):
            subject = Rig(
                bench,
                broker,
                feed,
                slots=SlotBook(budget, {KMP: universe}),
                budget=budget,
                allocations=allocations,
            )
            work = asyncio.create_task(subject.run())
            try:
                await subject.until(subject.keeper.applied.is_set)
                yield subject
            finally:
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)


def wishes(*listed: tuple[Symbol, SlotPriority], ordinal: int = 1) -> SlotsRequested:
    return SlotsRequested(
        at=OPEN,
        cause=1,
        strategy=KMP,
        trading_date=trading_date(DAY),
        ordinal=ordinal,
        requests=tuple(SlotRequest(Feed.TRADES, symbol, priority) for symbol, priority in listed),
    )


async def test_forty_five_wishes_get_forty_slots_by_priority_and_positions_keep_theirs(
    tmp_path: Path,
) -> None:
    """The rest waits, the status shows who holds which slot and why; armed setups take over."""
    position = ISSUES[44]
    held = OpeningAllocation(strategy=KMP, symbol=position, quantity=1, cost=70_000)
    async with rig(tmp_path, ISSUES[:45], held, market=WideMarket()) as subject:
        first = of_type(subject.log, SlotsChanged)[-1]
        assert first.held[0] == f"trades:{position}"
        assert len(first.held) == 40
        assert first.waiting == tuple(f"trades:{symbol}" for symbol in ISSUES[39:44])
        await put(
            subject.log,
            wishes(
                *((symbol, SlotPriority.CANDIDATE) for symbol in ISSUES[:34]),
                *((symbol, SlotPriority.ARMED) for symbol in ISSUES[34:44]),
            ),
        )
        armed = f"trades:{ISSUES[43]}"
        await subject.until(
            lambda: of_type(subject.log, SlotsChanged)[-1].reasons[armed] == "armed KMP"
        )
        changed = of_type(subject.log, SlotsChanged)[-1]
        assert len(changed.held) == 40
        assert changed.held[0] == f"trades:{position}"
        assert set(changed.held[1:11]) == {f"trades:{symbol}" for symbol in ISSUES[34:44]}
        assert set(changed.waiting) == {f"trades:{symbol}" for symbol in ISSUES[29:34]}
        assert subject.bench.simulator.summary().counters.ws_sessions == 1
        await subject.until(lambda: subject.watch.live == 40)
        assert of_type(subject.log, Degraded) == []
        listed = subscriptions(changed)
        assert listed[0] == SlotStatus(slot=f"trades:{position}", held=True, reason="position")
        text = "\n".join(slot_lines(listed))
        assert f"slot holds: position (1): trades:{position}" in text
        assert "slot holds: armed KMP (10): trades:100340, trades:100350," in text
        assert "slot holds: candidate KMP (29): trades:100000," in text
        assert "slot waits: candidate KMP (5): trades:100290, trades:100300," in text


async def test_a_budget_beyond_what_the_session_has_ends_with_what_it_gave(
    tmp_path: Path,
) -> None:
    """The forty-second registration is refused: the ledger counts forty, the rest waits."""
    async with rig(tmp_path, ISSUES, budget=45, market=WideMarket()) as subject:
        newest = of_type(subject.log, SlotsChanged)[-1]
        assert newest.held == tuple(f"trades:{symbol}" for symbol in ISSUES[:40])
        assert newest.waiting == tuple(f"trades:{symbol}" for symbol in ISSUES[40:])
        assert [event.condition for event in of_type(subject.log, Degraded)] == ["slots-full"]
        await subject.bench.clock.advance(10)
        assert len(of_type(subject.log, SlotsChanged)) == 1


async def test_a_cut_costs_each_symbol_the_time_from_its_last_frame_to_its_acknowledgement(
    tmp_path: Path,
) -> None:
    """Positions come back first; prices are asked for meanwhile, minutes afterwards."""
    held = OpeningAllocation(strategy=KMP, symbol=HYNIX, quantity=1, cost=1)
    async with rig(tmp_path, [SAMSUNG], held, budget=3) as subject:
        await subject.until(lambda: len(of_type(subject.log, TradeFrame)) >= 5)
        await subject.bench.fault(kind="disconnect")
        await subject.until(lambda: any(isinstance(m, FeedRestored) for m in subject.received))
        await subject.until(lambda: len(of_type(subject.log, FeedGap)) >= 2)
        again = {
            message.symbol: message
            for message in subject.received
            if isinstance(message, Subscribed) and message.silent_since is not None
        }
        assert list(again) == [HYNIX, SAMSUNG]
        gaps: dict[Symbol, FeedGap] = {}
        for gap in of_type(subject.log, FeedGap):
            gaps.setdefault(gap.symbols[0], gap)
        assert gaps.keys() == {HYNIX, SAMSUNG}
        for symbol, gap in gaps.items():
            assert gap.ended_at == again[symbol].at
        assert gaps[HYNIX].ended_at < gaps[SAMSUNG].ended_at
        last = [
            each.at
            for each in of_type(subject.log, TradeFrame)
            if each.symbol == SAMSUNG and each.at < again[HYNIX].at
        ]
        assert gaps[SAMSUNG].begun_at == last[-1]
        snapshots = of_type(subject.log, PriceSnapshot)
        assert [each.symbol for each in snapshots][:2] == [HYNIX, SAMSUNG]
        assert snapshots[1].cumulative_volume >= 50
        await subject.until(lambda: len(of_type(subject.log, MinuteHistory)) == 2, step=1.0)
        assert {each.condition for each in of_type(subject.log, Recovered)} == {"feed"}


async def test_a_line_that_is_open_and_mute_is_found_out_by_asking_and_given_up(
    tmp_path: Path,
) -> None:
    """Ticks stop, the socket stays: once this cost 18 minutes of a session."""
    async with rig(tmp_path, [SAMSUNG], budget=3, market=HandMarket(opening())) as subject:
        await subject.until(lambda: subject.watch.live == 1 and len(subject.received) > 15)
        await subject.bench.fault(kind="stall", seconds=60.0)
        await subject.until(lambda: bool(of_type(subject.log, FeedGap)), step=0.5)
        (degraded, *_) = of_type(subject.log, Degraded)
        assert degraded.condition == "stale-005930"
        assert "shares were traded meanwhile" in degraded.detail
        gap = of_type(subject.log, FeedGap)[0]
        assert gap.symbols == (SAMSUNG,)
        assert gap.begun_at == of_type(subject.log, TradeFrame)[-1].at
        await subject.until(lambda: any(isinstance(m, FeedRestored) for m in subject.received))
        await subject.until(lambda: "stale-005930" in recovered(subject.log), step=0.5)
        spans = [(each.begun_at, each.ended_at) for each in of_type(subject.log, FeedGap)]
        assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans))


def recovered(log: MemoryLog) -> set[str]:
    return {event.condition for event in of_type(log, Recovered)}


async def test_ticks_lost_on_a_living_line_are_proved_by_the_next_trade(tmp_path: Path) -> None:
    """Five seconds of silence that no watchdog sees: the gap lies between two received trades."""
    async with rig(tmp_path, [SAMSUNG], budget=3) as subject:
        await subject.until(lambda: len(of_type(subject.log, TradeFrame)) >= 5)
        await subject.bench.fault(kind="stall", seconds=5.0)
        await subject.until(lambda: bool(of_type(subject.log, FeedGap)))
        (gap,) = of_type(subject.log, FeedGap)
        frames = of_type(subject.log, TradeFrame)
        after = next(place for place, each in enumerate(frames) if each.at == gap.ended_at)
        before = frames[after - 1]
        assert gap.begun_at == before.at
        lost = (
            frames[after].trades[-1].cumulative_volume
            - sum(trade.quantity for trade in frames[after].trades)
            - before.trades[-1].cumulative_volume
        )
        assert lost >= 40
        assert gap.reason == (
            f"{lost} shares were traded and not received: the volume of a trade shows it (trades)"
        )
        assert of_type(subject.log, Degraded) == []
        await subject.until(lambda: len(of_type(subject.log, MinuteHistory)) == 1, step=1.0)


async def test_a_session_taken_by_somebody_else_is_seen_and_waited_for(tmp_path: Path) -> None:
    """OPSP8996: a second copy may be running; no race for the key, prices by asking meanwhile."""
    async with rig(tmp_path, [SAMSUNG], budget=3) as subject:
        await subject.until(lambda: len(of_type(subject.log, TradeFrame)) >= 2)
        await subject.bench.fault(kind="session_taken", seconds=40.0)
        await subject.until(lambda: "app_key_in_use" in recovered(subject.log), step=0.5)
        assert [event.condition for event in of_type(subject.log, Degraded)] == [
            "feed",
            "app_key_in_use",
        ]
        assert subject.bench.simulator.summary().counters.ws_connections_opened <= 5
        assert len(of_type(subject.log, PriceSnapshot)) > 5
        gap = of_type(subject.log, FeedGap)[0]
        assert gap.ended_at - gap.begun_at >= 40 * SECOND
