"""The parts of the order path that a bench has to bring along: ticks in, orders out, a stopwatch.

Everything between them is the product's own. Instants are ``time.monotonic_ns``, a clock that all
processes of a machine share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import uvloop

from bus import (
    Entry,
    JetStreamLog,
    Log,
    LogIdentity,
    ProcessorFactory,
    Reader,
    Recorded,
    SharedTime,
    run_processor,
)
from deploy import logs
from events import AccountId, Delivery, Event, StrategyId, Symbol, TradingDate, identifiers
from events.market import (
    Aggressor,
    Bar,
    IndexLevel,
    PriceSnapshot,
    ProgramFlow,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.signal import Feed
from events.trading import Horizon, IntentKind, IntentSubmitted, Urgency
from kis_gateway.broker import (
    Accepted,
    Balance,
    BrokerOrder,
    CancelTicket,
    FeedMessage,
    OrderNotice,
    OrderTicket,
    Outcome,
    Refused,
    TapeTrade,
)
from risk import gate_from_session

ACCOUNT: Final = AccountId("bench")
BUYER: Final = StrategyId("KMP")
"""The gate lets a strategy buy that has a budget in the shipped configuration."""

SECOND: Final = 1_000_000_000
PRICE: Final = 70_000


class Stopwatch:
    """A log that notes when an append was acknowledged, by identity of the entry."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.acknowledged: dict[str, int] = {}
        self.frames: list[int] = []
        """The same for frames of trades, whose identities are a matter of their publisher."""
        self._awaited: dict[str, asyncio.Event] = {}

    @property
    def account(self) -> AccountId:
        return self._log.account

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        sequences = await self._log.append(entries, atomic=atomic)
        now = time.monotonic_ns()
        for entry in entries:
            self.acknowledged[entry.identity] = now
            if ".market.trade." in entry.subject:
                self.frames.append(now)
            awaited = self._awaited.get(entry.identity)
            if awaited is not None:
                awaited.set()
        return sequences

    def read(
        self,
        *,
        after: int = 0,
        topics: Sequence[str] = (">",),
        unhurried: Sequence[str] = (),
    ) -> Reader:
        return self._log.read(after=after, topics=topics, unhurried=unhurried)

    async def last(self, topic: str) -> Recorded | None:
        return await self._log.last(topic)

    async def get(self, sequence: int) -> Recorded | None:
        return await self._log.get(sequence)

    async def info(self) -> LogIdentity:
        return await self._log.info()

    async def appended(self, identity: str, within: float) -> None:
        """Return once this process has appended an entry. Raises ``TimeoutError``."""
        if identity not in self.acknowledged:
            awaited = self._awaited[identity] = asyncio.Event()
            async with asyncio.timeout(within):
                await awaited.wait()
            del self._awaited[identity]


class TickBuyer:
    """Wants to buy one share on every frame of trades."""

    name = "buyer"
    inputs: Sequence[str] = ("market.session.*", "market.trade.*")
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened) -> None:
        self._date = session.trading_date
        self._attempts: dict[Symbol, int] = {}

    def owns(self, event: Event) -> bool:
        return isinstance(event, IntentSubmitted)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        frame = delivery.event
        if not isinstance(frame, TradeFrame):
            return ()
        attempt = self._attempts[frame.symbol] = self._attempts.get(frame.symbol, 0) + 1
        return (
            IntentSubmitted(
                at=frame.at,
                cause=delivery.sequence,
                intent_id=identifiers.intent_id(self._date, BUYER, frame.symbol, "E", attempt),
                strategy=BUYER,
                symbol=frame.symbol,
                kind=IntentKind.ENTER,
                quantity=1,
                urgency=Urgency.NORMAL,
                horizon=Horizon.INTRADAY,
                reason="bench",
                attempt=attempt,
                expires_at=frame.at + 60 * SECOND,
                limit_price=PRICE,
                protective_stop=PRICE - 1_000,
            ),
        )


FACTORIES: Final[dict[str, ProcessorFactory]] = {"risk": gate_from_session, "buyer": TickBuyer}


def serve(stage: str, url: str, folder: Path, pipe: Connection) -> None:
    """Run one processor as a process of its own until ``pipe`` says so; send back its instants."""
    with logs.writing_to(
        folder / f"{stage}.jsonl",
        account=ACCOUNT,
        service=stage,
        run="bench",
        time=SharedTime(folder / "clock"),
    ):
        pipe.send(uvloop.run(_serve(stage, url, pipe)))


async def _serve(stage: str, url: str, pipe: Connection) -> dict[str, int]:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def told_to_stop() -> None:
        loop.remove_reader(pipe.fileno())
        stop.set()

    loop.add_reader(pipe.fileno(), told_to_stop)
    log = await JetStreamLog.connect(url, ACCOUNT)
    watch = Stopwatch(log)
    ready = False

    def on_progress(position: int, pending: int) -> None:
        nonlocal ready
        if position > 1 and not ready:
            # The past is dealt with; what comes now is measured.
            ready = True
            pipe.send("ready")

    await run_processor(watch, FACTORIES[stage], stop=stop, on_progress=on_progress)
    await log.close()
    return watch.acknowledged


class TickFeed:
    """A feed into which the bench puts what the broker would send."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[FeedMessage] = asyncio.Queue()

    async def subscribe(self, feed: Feed, symbol: Symbol) -> None:
        return None

    async def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        return None

    def prefer(self, order: Sequence[tuple[Feed, Symbol]]) -> None:
        return None

    def renew(self, reason: str) -> None:
        return None

    async def messages(self) -> AsyncIterator[FeedMessage]:
        while True:
            yield await self.queue.get()

    async def aclose(self) -> None:
        return None


class WillingBroker:
    """Takes every order in at once, notes when, and lets the exchange withdraw it right after.

    So every order ends and the next one meets the same books.
    """

    def __init__(self, clock: Callable[[], int], feed: TickFeed) -> None:
        self._clock = clock
        self._feed = feed
        self.called: list[int] = []

    async def submit(self, ticket: OrderTicket) -> Outcome:
        self.called.append(time.monotonic_ns())
        number = f"{len(self.called):010d}"
        self._feed.queue.put_nowait(
            OrderNotice(
                broker_order=number,
                original=None,
                symbol=ticket.symbol,
                side=ticket.side,
                quantity=ticket.quantity,
                rejected=False,
                cancelled=True,
                time=self._clock(),
            )
        )
        return Accepted(broker_order=number, branch="91252")

    async def cancel(self, ticket: CancelTicket) -> Outcome:
        return Refused(code="BENCH", message="every order has ended")

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        return ()

    async def balance(self) -> Balance:
        return Balance(cash=100_000_000, equity=100_000_000, holdings=())

    async def reference(self, symbol: Symbol, day: TradingDate) -> SymbolReference:
        return SymbolReference(
            at=self._clock(),
            symbol=symbol,
            trading_date=day,
            name="Bench",
            market="KOSPI",
            base_price=PRICE,
            lower_limit=PRICE * 7 // 10,
            upper_limit=PRICE * 13 // 10,
            status_code="00",
        )

    async def daily_bars(self, symbol: Symbol, before: TradingDate, count: int) -> Sequence[Bar]:
        return ()

    async def minute_bars(self, symbol: Symbol, until: int) -> Sequence[Bar]:
        return ()

    async def index_level(self, index: str) -> IndexLevel:
        now = self._clock()
        return IndexLevel(
            at=now, index=index, time=now, centipoints=270_000, previous_close_centipoints=269_000
        )

    async def program_flow(self, market: str) -> ProgramFlow:
        now = self._clock()
        return ProgramFlow(at=now, market=market, time=now, cumulative_net_value=1)

    async def snapshot(self, symbol: Symbol) -> PriceSnapshot:
        now = self._clock()
        return PriceSnapshot(
            at=now,
            symbol=symbol,
            time=now,
            price=PRICE,
            cumulative_volume=0,
            cumulative_value=0,
        )

    async def trades(self, symbol: Symbol, since: int, until: int) -> Sequence[TapeTrade]:
        return ()

    async def market_days(self, since: date) -> Mapping[date, bool]:
        return {since: True}

    async def aclose(self) -> None:
        return None


def tick(symbol: Symbol, ordinal: int, at: int) -> TradeFrame:
    """Return a frame of one trade."""
    trade = Trade(
        time=at // SECOND * SECOND,
        price=PRICE,
        quantity=10,
        aggressor=Aggressor.BUY,
        cumulative_volume=10 * ordinal,
        cumulative_value=10 * ordinal * PRICE,
        best_ask=PRICE,
        best_bid=PRICE - 100,
        vi_reference=0,
        auction=False,
    )
    return TradeFrame(at=at, symbol=symbol, trades=(trade,))
