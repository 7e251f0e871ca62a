"""Sessions for the archive's tests: some of every family, and what no columns can hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bus import Entry, Log, LogIdentity, MemoryLog, Recorded, entry
from bus.archive import Manifest, seal_day
from bus.memory_log import MemoryReader
from events import AccountId, Event, StrategyId, Symbol, TradingDate
from events.control import HaltMode, HaltScope, HaltSet
from events.market import (
    Aggressor,
    Bar,
    BarClosed,
    ClockTick,
    DailyHistory,
    IndexLevel,
    Phase,
    PhaseChanged,
    ProgramFlow,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
    Venue,
    VenueTradeFrame,
)
from events.ops import Heartbeat
from events.signal import UniverseSelected

DAY = TradingDate("20250915")
NEXT = TradingDate("20250916")
SECOND = 1_000_000_000
SAMSUNG = Symbol("005930")
NO_EVENTS = (
    b"\xff\x00 no event",
    b'{"type":"Rumour.1","at":1}',
    b'{"type": "Heartbeat.1", "at": 1, "service": "a", "run": "r", "position": 1, "figures": {}}',
    msgspec.msgpack.encode(["ClockTick.2", 1, "continuous"]),
)
"""Bytes that cannot be columns: garbage, an unknown type, odd spaces, an unknown version."""


def session(day: TradingDate = DAY) -> SessionOpened:
    """Return a session that closes sixty seconds into it."""
    return SessionOpened(
        at=SECOND,
        trading_date=day,
        open_at=SECOND,
        closing_auction_at=50 * SECOND,
        close_at=60 * SECOND,
        cash=1_000_000,
        equity=2_000_000,
        allocations=(),
        configuration={"risk": "b: 1", "kmp": "a: 2"},
        code_version="test",
        limits={"risk.max_position_pct": 0.25, "profile": "strict", "risk.n": None},
    )


def trade(second: int, price: int, quantity: int) -> Trade:
    """Return a print with totals that follow from its place."""
    return Trade(
        second * SECOND, price, quantity, Aggressor.BUY, second * 10, second * 1_000, price + 100,
        price, 0, False,
    )  # fmt: skip


def tick(second: int, phase: Phase = Phase.CONTINUOUS) -> ClockTick:
    """Return a clock tick."""
    return ClockTick(at=second * SECOND, phase=phase)


def some_of_everything(second: int) -> list[Event]:
    """Return events of all families."""
    at = second * SECOND + 123_456_789
    bar = Bar(start=0, open=70_000, high=71_000, low=69_000, close=70_500, volume=12)
    return [
        tick(second),
        TradeFrame(
            at=at,
            symbol=SAMSUNG,
            trades=(trade(second, 70_000, 5), trade(second, 70_100, 7)),
        ),
        VenueTradeFrame(at=at, venue=Venue.NXT, symbol=SAMSUNG, trades=(trade(second, 69_900, 1),)),
        QuoteFrame(
            at=at,
            symbol=SAMSUNG,
            time=at,
            ask_prices=(70_100, 70_200),
            ask_quantities=(10, 20),
            bid_prices=(),
            bid_quantities=(),
        ),
        IndexLevel(
            at=at, index="KOSPI", time=at, centipoints=273_146, previous_close_centipoints=1
        ),
        ProgramFlow(at=at, market="KOSPI", time=at, cumulative_net_value=-5),
        SymbolReference(
            at=at,
            symbol=SAMSUNG,
            trading_date=DAY,
            name="삼성전자",
            market="KOSPI",
            base_price=70_000,
            lower_limit=49_000,
            upper_limit=91_000,
            status_code="00",
        ),
        DailyHistory(at=at, symbol=Symbol(f"{second:06}"), trading_date=DAY, bars=(bar, bar)),
        BarClosed(at=at, symbol=SAMSUNG, bar=bar),
        HaltSet(
            at=at,
            issued_by="ann",
            reason='a "quoted" reason\n',
            scope=HaltScope.STRATEGY,
            target="KMP",
            mode=HaltMode.NO_ENTRIES,
        ),
        UniverseSelected(
            at=at,
            strategy=StrategyId(f"S{second}"),
            trading_date=DAY,
            symbols=(SAMSUNG, Symbol("000660")),
            sectors={SAMSUNG: "chips"},
            source="test",
        ),
        Heartbeat(
            at=at,
            service="gateway",
            run="r1",
            position=second,
            figures={"z": 1, "a": 1.0, "lag": 0.5, "state": "up"},
        ),
        # No trade has a row, so nothing says in columns that the frame was there.
        TradeFrame(at=at, symbol=SAMSUNG, trades=()),
    ]


async def fill(log: Log, day: TradingDate = DAY, *, seconds: int = 20) -> int:
    """Append a session with some of everything, its close included; return the last sequence."""
    stem = f"{day}-"
    first = (await log.info()).last_sequence + 1
    events: list[Event] = [session(day)]
    base = 100 * first
    for second in range(base, base + seconds):
        events += some_of_everything(second)
    entries = [
        entry(log.account, event, identity=f"{stem}{number}") for number, event in enumerate(events)
    ]
    entries += [
        Entry(f"kst.{log.account}.ops.foreign", payload, f"{stem}foreign-{number}")
        for number, payload in enumerate(NO_EVENTS)
    ]
    closed = PhaseChanged(at=10**6 * SECOND * first, trading_date=day, phase=Phase.CLOSED)
    entries.append(entry(log.account, closed))
    for start in range(0, len(entries), 1_000):
        await log.append(entries[start : start + 1_000])
    return (await log.info()).last_sequence


async def sealed(log: Log, recordings: Path, day: TradingDate = DAY) -> Manifest:
    """Seal a day as the command does."""
    return await seal_day(log, recordings, day, code_version="test")


async def everything(log: Log, *, after: int = 0, topics: Sequence[str] = (">",)) -> list[Recorded]:
    """Return what a log holds."""
    found: list[Recorded] = []
    async with log.read(after=after, topics=topics) as reader:
        while reader.pending:
            found += await reader.batch(1.0)
    return found


async def a_sealed_log(recordings: Path, *, seconds: int = 20) -> tuple[MemoryLog, Manifest]:
    """Return a log of one session and its manifest."""
    log = MemoryLog(AccountId("demo"))
    await fill(log, seconds=seconds)
    return log, await sealed(log, recordings)


class ShortenedLog(MemoryLog):
    """A log whose first entries have expired, as those of a stream do."""

    def __init__(self, whole: MemoryLog, first: int) -> None:
        super().__init__(whole.account)
        self._whole = whole
        self._entries = whole._entries
        self._grown = whole._grown
        self._last = {
            each.subject: each.sequence for each in whole._entries if each.sequence >= first
        }
        self.first = first

    async def get(self, sequence: int) -> Recorded | None:
        """Return what has not expired."""
        return await super().get(sequence) if sequence >= self.first else None

    def read(
        self, *, after: int = 0, topics: Sequence[str] = (">",), unhurried: Sequence[str] = ()
    ) -> MemoryReader:
        """Return a reader of what has not expired."""
        return super().read(after=max(after, self.first - 1), topics=topics)

    async def info(self) -> LogIdentity:
        """Return the identity of the whole log, shortened."""
        return (await self._whole.info())._replace(first_sequence=self.first)
