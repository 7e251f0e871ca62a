"""A broker and a feed in memory, and a rig that runs the router on them.

The fakes implement the ports with the broker's behaviour as published: orders have no idempotency,
rows carry nothing of ours, an answer may be lost after the order was taken in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from typing import TypeVar

from bus import Entry, Log, ManualTime, MemoryLog, WallClock, entry
from events import (
    AccountId,
    Event,
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
    calendar,
    codec,
)
from events.identifiers import intent_id, order_id
from events.market import (
    Aggressor,
    Bar,
    ClockTick,
    IndexLevel,
    OpeningAllocation,
    PriceSnapshot,
    ProgramFlow,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.signal import Feed
from events.trading import (
    Holding,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentSubmitted,
    Urgency,
)
from kis_gateway.broker import (
    Accepted,
    Balance,
    BrokerOrder,
    CancelTicket,
    FeedMessage,
    FillNotice,
    OrderTicket,
    Outcome,
    Refused,
    Subscribed,
    TapeTrade,
    Unsubscribed,
)
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed, SubscriptionRefused
from kis_gateway.orders.first_look import FirstLook
from kis_gateway.orders.inquiry_health import InquiryHealth
from kis_gateway.orders.last_look import RightToAct
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router import Router
from kis_gateway.orders.settlement import Settlement, SettlementSettings
from kis_gateway.publisher import Publisher

SECOND = 1_000_000_000
SESSION = calendar.session(date(2025, 9, 15))
DAY = SESSION.trading_date
OPEN = SESSION.open_at
ACCOUNT = AccountId("test")
KMP = StrategyId("KMP")
SAMSUNG = Symbol("005930")
HYNIX = Symbol("000660")

E = TypeVar("E", bound=Event)


async def until(condition: Callable[[], bool]) -> None:
    """Let the other tasks run until ``condition`` holds; fail after five wall seconds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def idle(turns: int = 200) -> None:
    """Let every task run that can run without the clock moving."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def pass_time(time: ManualTime, seconds: int) -> None:
    """Move the clock second by second, letting everything that is due in between happen."""
    for _ in range(seconds):
        await time.advance(1)
        await idle(20)


class FakeBroker:
    """A broker that does what it is told; by default it takes everything in."""

    def __init__(self, time: ManualTime) -> None:
        self.time = time
        self.submitted: list[OrderTicket] = []
        self.cancelled: list[CancelTicket] = []
        self.rows: dict[str, BrokerOrder] = {}
        self.answers: list[Outcome] = []
        """Answers to the next submissions, given instead of the true one."""
        self.cancel_answers: list[Outcome] = []
        self.arrives = True
        """Whether a submission reaches the exchange."""
        self.gate: asyncio.Event | None = None
        """While set and clear, calls reach the broker and wait for their answer."""
        self.inquiries = 0
        self.balances = 0
        self.failing: set[str] = set()
        """Inquiries that fail: names of methods, or ``<method>:<key>``."""
        self.asked: list[str] = []
        self.holdings: dict[Symbol, int] = {}
        self.volumes: dict[Symbol, int] = {}
        self.tape: dict[Symbol, list[TapeTrade]] = {}
        """Today's volume of a symbol as a price answer tells it; 1 share where nothing is said."""
        self.closed: set[date] = set()

    async def submit(self, ticket: OrderTicket) -> Outcome:
        self.submitted.append(ticket)
        number = f"{len(self.submitted):010d}"
        if self.arrives:
            self.rows[number] = BrokerOrder(
                broker_order=number.lstrip("0"),
                original=None,
                branch="91252",
                symbol=ticket.symbol,
                side=ticket.side,
                quantity=ticket.quantity,
                limit_price=ticket.limit_price or 0,
                filled_quantity=0,
                filled_amount=0,
                cancelled_quantity=0,
                rejected_quantity=0,
                remaining_quantity=ticket.quantity,
                is_cancel=False,
                ordered_at=self.time.now() // SECOND * SECOND,
            )
        if self.gate is not None:
            await self.gate.wait()
        if self.answers:
            return self.answers.pop(0)
        return Accepted(broker_order=number, branch="91252")

    async def cancel(self, ticket: CancelTicket) -> Outcome:
        self.cancelled.append(ticket)
        if self.gate is not None:
            await self.gate.wait()
        if self.cancel_answers:
            return self.cancel_answers.pop(0)
        row = self.rows[ticket.broker_order]
        if row.remaining_quantity == 0:
            return Refused(code="APBK0344", message="nothing left")
        self._change(
            ticket.broker_order,
            remaining_quantity=0,
            cancelled_quantity=row.remaining_quantity,
        )
        return Accepted(broker_order="0000009999", branch="91252")

    def _change(self, number: str, **changes: int) -> None:
        import msgspec

        self.rows[number] = msgspec.structs.replace(self.rows[number], **changes)

    def fill(self, number: int, quantity: int, price: int) -> FillNotice:
        """Execute part of the ``number``-th submission and return its notice."""
        key = f"{number:010d}"
        row = self.rows[key]
        self._change(
            key,
            filled_quantity=row.filled_quantity + quantity,
            filled_amount=row.filled_amount + quantity * price,
            remaining_quantity=row.remaining_quantity - quantity,
        )
        return FillNotice(
            broker_order=key,
            symbol=row.symbol,
            side=row.side,
            quantity=quantity,
            price=price,
            order_quantity=row.quantity,
            time=self.time.now() // SECOND * SECOND,
        )

    def _ask(self, method: str, key: str = "") -> None:
        self.asked.append(f"{method}:{key}" if key else method)
        if method in self.failing or f"{method}:{key}" in self.failing:
            raise InquiryFailed(method, "EGW00201", "scripted failure")

    async def orders(self, day: TradingDate) -> Sequence[BrokerOrder]:
        self.inquiries += 1
        self._ask("orders")
        return list(self.rows.values())

    async def balance(self) -> Balance:
        self.balances += 1
        self._ask("balance")
        return Balance(
            cash=10_000_000,
            equity=12_000_000,
            holdings=tuple(
                Holding(
                    symbol=symbol, quantity=held, sellable=held, cost=held * 100, last_price=110
                )
                for symbol, held in self.holdings.items()
            ),
            deposits=(11_000_000, 10_500_000, 10_000_000),
        )

    async def reference(self, symbol: Symbol, day: TradingDate) -> SymbolReference:
        self._ask("reference", symbol)
        return reference(symbol)

    async def daily_bars(self, symbol: Symbol, before: TradingDate, count: int) -> Sequence[Bar]:
        self._ask("daily_bars", symbol)
        return [Bar(start=1, open=1, high=2, low=1, close=2, volume=3)]

    async def minute_bars(self, symbol: Symbol, until: int) -> Sequence[Bar]:
        self._ask("minute_bars", symbol)
        return [Bar(start=OPEN, open=1, high=2, low=1, close=2, volume=3)]

    async def snapshot(self, symbol: Symbol) -> PriceSnapshot:
        self._ask("snapshot", symbol)
        now = self.time.now()
        return PriceSnapshot(
            at=now,
            symbol=symbol,
            time=now,
            price=70_000,
            cumulative_volume=self.volumes.get(symbol, 1),
            cumulative_value=70_000,
        )

    async def trades(self, symbol: Symbol, since: int, until: int) -> list[TapeTrade]:
        self._ask("trades", symbol)
        return [each for each in self.tape.get(symbol, []) if since <= each.time <= until]

    async def market_days(self, since: date) -> dict[date, bool]:
        self._ask("market_days")
        return {since: since not in self.closed}

    async def index_level(self, index: str) -> IndexLevel:
        self._ask("index_level", index)
        now = self.time.now()
        return IndexLevel(
            at=now, index=index, time=now, centipoints=273146, previous_close_centipoints=273000
        )

    async def program_flow(self, market: str) -> ProgramFlow:
        self._ask("program_flow", market)
        now = self.time.now()
        return ProgramFlow(at=now, market=market, time=now, cumulative_net_value=1)

    async def aclose(self) -> None:
        return None


class FakeFeed:
    """A feed whose messages the test sends; with a clock it says what it was subscribed to."""

    def __init__(self, time: ManualTime | None = None) -> None:
        self.time = time
        self.queue: asyncio.Queue[FeedMessage] = asyncio.Queue()
        self.subscribed: list[tuple[Feed, Symbol]] = []
        self.commands: list[str] = []
        self.refused: set[Symbol] = set()
        self.refusal = "OPSP8992"
        self.preferred: list[tuple[Feed, Symbol]] = []
        self.renewals: list[str] = []

    async def subscribe(self, feed: Feed, symbol: Symbol) -> None:
        self.commands.append(f"+{feed}:{symbol}")
        if symbol in self.refused:
            raise SubscriptionRefused(feed, symbol, self.refusal, "scripted refusal")
        self.subscribed.append((feed, symbol))
        if self.time is not None:
            self.queue.put_nowait(Subscribed(at=self.time.now(), feed=feed, symbol=symbol))

    async def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        self.commands.append(f"-{feed}:{symbol}")
        self.subscribed.remove((feed, symbol))
        if self.time is not None:
            self.queue.put_nowait(Unsubscribed(at=self.time.now(), feed=feed, symbol=symbol))

    def prefer(self, order: Sequence[tuple[Feed, Symbol]]) -> None:
        self.preferred = list(order)

    def renew(self, reason: str) -> None:
        self.renewals.append(reason)

    async def messages(self) -> AsyncIterator[FeedMessage]:
        while True:
            yield await self.queue.get()

    async def aclose(self) -> None:
        return None


def session_opened(*allocations: OpeningAllocation) -> SessionOpened:
    """Return the opening books of the test session."""
    return SessionOpened(
        at=SESSION.auction_from,
        trading_date=DAY,
        open_at=OPEN,
        closing_auction_at=SESSION.closing_auction_at,
        close_at=SESSION.close_at,
        cash=10_000_000,
        equity=10_000_000,
        allocations=allocations,
        configuration={},
        code_version="test",
    )


def reference(symbol: Symbol = SAMSUNG) -> SymbolReference:
    """Return trading terms with base 70,000 won: limits 49,000 and 91,000."""
    return SymbolReference(
        at=SESSION.auction_from,
        symbol=symbol,
        trading_date=DAY,
        name="Test",
        market="KOSPI",
        base_price=70_000,
        lower_limit=49_000,
        upper_limit=91_000,
        status_code="00",
    )


def trade(price: int, *, at: int, symbol: Symbol = SAMSUNG, volume: int = 1) -> TradeFrame:
    """Return a frame with a trade of one share; the best bid is one tick of 100 won below."""
    return TradeFrame(
        at=at,
        symbol=symbol,
        trades=(
            Trade(
                time=at,
                price=price,
                quantity=1,
                aggressor=Aggressor.BUY,
                cumulative_volume=volume,
                cumulative_value=price,
                best_ask=price,
                best_bid=price - 100,
                vi_reference=0,
                auction=False,
            ),
        ),
    )


def tick(at: int) -> ClockTick:
    """Return the clock tick of an instant."""
    return ClockTick(at=at, phase=SESSION.phase(at))


def intent(
    kind: IntentKind = IntentKind.ENTER,
    *,
    at: int,
    purpose: str | None = None,
    attempt: int = 1,
    symbol: Symbol = SAMSUNG,
    quantity: int = 10,
    urgency: Urgency = Urgency.HIGH,
    limit_price: int | None = None,
    stop_price: int | None = None,
    lifetime_s: int = 30,
) -> IntentSubmitted:
    """Return an intent of strategy KMP."""
    letter = purpose or {"enter": "E", "exit": "X", "cancel_orders": "C"}.get(kind, "F")
    return IntentSubmitted(
        at=at,
        cause=1,
        intent_id=intent_id(DAY, KMP, symbol, letter, attempt),
        strategy=KMP,
        symbol=symbol,
        kind=kind,
        quantity=quantity,
        urgency=urgency,
        horizon=Horizon.INTRADAY,
        reason="test",
        attempt=attempt,
        expires_at=at + lifetime_s * SECOND,
        limit_price=limit_price,
        stop_price=stop_price,
    )


def approved(wish: IntentSubmitted, quantity: int | None = None) -> IntentApproved:
    """Return the gate's approval of an intent."""
    return IntentApproved(
        at=wish.at,
        cause=2,
        intent_id=wish.intent_id,
        strategy=wish.strategy,
        symbol=wish.symbol,
        checks=(),
        quantity=(wish.quantity or 0) if quantity is None else quantity,
    )


def first_order(wish: IntentSubmitted | IntentId) -> OrderId:
    """Return the id of the order of an intent."""
    return order_id(wish.intent_id if isinstance(wish, IntentSubmitted) else wish, 1)


def decoded(log: MemoryLog) -> list[Event]:
    """Return every event on the log."""
    return [codec.decode(recorded.payload) for recorded in log.entries]


def of_type(log: MemoryLog, kind: type[E]) -> list[E]:
    """Return the events of one type on the log."""
    return [event for event in decoded(log) if isinstance(event, kind)]


def order_story(log: MemoryLog, order: OrderId) -> list[str]:
    """Return the names of the events of one order, in order."""
    return [
        codec.event_name(codec.decode(recorded.payload))
        for recorded in log.entries
        if recorded.subject.endswith(f".trading.order.{order}")
    ]


async def put(log: Log, *events: Event) -> None:
    """Append events as if other services had."""
    counter = (await log.info()).last_sequence
    for offset, event in enumerate(events):
        identity = event.identity or f"frame-{counter + offset}"
        await log.append([entry(log.account, event, identity=identity)])


class CrashingLog(MemoryLog):
    """A log whose process dies at a chosen append; ``stored`` tells whether it got through."""

    def __init__(self) -> None:
        super().__init__(ACCOUNT)
        self.crash_on: str | None = None
        self.stored = True
        self.crashed = asyncio.Event()

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        name = codec.event_name(codec.decode(entries[0].payload))
        if name != self.crash_on:
            return await super().append(entries, atomic=atomic)
        if self.stored:
            await super().append(entries, atomic=atomic)
        self.crash_on = None
        self.crashed.set()
        await asyncio.Event().wait()  # the process never gets to the next instruction
        raise AssertionError


class StandingRight:
    """A right to act that nobody contends: what the order's own subject keeps safe shows alone."""

    fresh = True
    epoch = 1

    def require_fresh(self) -> None:
        return None

    async def ensure(self) -> None:
        return None


class Rig:
    """One router process on a log: start it, crash it, start another."""

    def __init__(
        self,
        log: MemoryLog,
        broker: FakeBroker,
        time: ManualTime,
        *,
        run: str = "r1",
        head: int = 1,
        session: SessionOpened | None = None,
        lease: RightToAct | None = None,
        clock: WallClock | None = None,
        first_look: FirstLook | None = None,
    ) -> None:
        opened = session or session_opened()
        self.log = log
        self.broker = broker
        self.time = time
        self.publisher = Publisher(log, run)
        self.conditions = Conditions(self.publisher, time)
        self.health = InquiryHealth(self.conditions)
        self.writer = OrderWriter(log, run, opened)
        self.router = Router(
            log=log,
            time=time,
            broker=broker,
            writer=self.writer,
            publisher=self.publisher,
            conditions=self.conditions,
            session=opened,
            opening=1,
            head=head,
            settings=PlanSettings(),
            lease=lease or StandingRight(),
            clock=clock,
            first_look=first_look,
        )
        self.settlement = Settlement(
            writer=self.writer,
            broker=broker,
            time=time,
            conditions=self.conditions,
            day=DAY,
            close_at=SESSION.close_at,
            settled_on=date(2025, 9, 17),
            board=self.router.core.board,
            settings=SettlementSettings(),
            health=self.health,
            first_look=first_look,
        )
        self.stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            publishing = group.create_task(self.publisher.run())
            routing = group.create_task(self.router.run(self.stop))
            await self.router.caught_up.wait()
            settling = group.create_task(self.settlement.run())
            await routing
            settling.cancel()
            publishing.cancel()

    async def start(self, dead: Callable[[], bool] = lambda: False) -> Rig:
        """Start and wait until the past has been read, or the process is ``dead``."""
        self._task = asyncio.create_task(self._run())
        await until(lambda: self.router.caught_up.is_set() or self.done or dead())
        await idle()
        return self

    @property
    def done(self) -> bool:
        """Whether the process has ended."""
        return self._task is not None and self._task.done()

    async def crash(self) -> None:
        """End the process without any further instruction of it."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait([self._task])

    async def finish(self) -> None:
        """Stop in an orderly way; raise what went wrong."""
        self.stop.set()
        assert self._task is not None
        async with asyncio.timeout(5):
            await self._task


async def opened_log(log: MemoryLog | None = None) -> MemoryLog:
    """Return a log with an open session, trading terms, and the market at 70,000 won."""
    log = MemoryLog(ACCOUNT) if log is None else log
    await put(
        log,
        session_opened(),
        reference(),
        reference(HYNIX),
        tick(OPEN),
        trade(70_000, at=OPEN),
        trade(70_000, at=OPEN, symbol=HYNIX),
    )
    return log
