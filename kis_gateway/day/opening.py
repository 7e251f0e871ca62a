"""The morning: opening books, universe, trading terms and history of every symbol.

What always holds: each step asks only for what the log does not hold, so the routine may be run at
any time and any number of times; one symbol that cannot be had is reported and passed over, it does
not stop the day. Orders that an earlier session left open are settled before the books are made of
what it carries. On a log without a session what the account holds belongs to ``_EXTERNAL_``: it was
bought by hand or before the first start, and nothing here may sell it. Later the books are the
carried ones, whatever the broker shows: a difference is for the reconciliation to find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from bus import AppendConflict, IdentityReused, Log, LogUnavailable, TimeSource, entry
from events import EXTERNAL, Event, StrategyId, Symbol, codec
from events.calendar import TradingSession
from events.market import (
    DailyHistory,
    InstrumentKind,
    MinuteHistory,
    OpeningAllocation,
    SessionOpened,
    SymbolReference,
)
from events.signal import UniverseSelected
from kis_gateway.broker import Balance, Broker
from kis_gateway.conditions import SERVICE, Conditions
from kis_gateway.day.carried import read_carried
from kis_gateway.day.overnight import Night
from kis_gateway.day.polling import INDICES, Poller
from kis_gateway.day.session_past import SessionPast
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.publisher import Publisher

_SECOND: Final = 1_000_000_000


class StrategyUniverse(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one strategy may trade: symbols in order of preference, their sectors, who chose."""

    strategy: StrategyId
    symbols: tuple[Symbol, ...]
    sectors: dict[Symbol, str]
    source: str

    def __post_init__(self) -> None:
        if len(set(self.symbols)) != len(self.symbols):
            raise SettingsError(f"universe of {self.strategy}: a symbol is listed twice")
        strangers = sorted(set(self.sectors) - set(self.symbols))
        if strangers:
            raise SettingsError(
                f"universe of {self.strategy}: sectors names {', '.join(strangers)}, which are "
                "not among its symbols; add them or remove their sectors"
            )


async def open_session(
    *,
    log: Log,
    broker: Broker,
    time: TimeSource,
    session: TradingSession,
    configuration: Mapping[str, str],
    code_version: str,
    head: int,
    run: str,
    patience: int = 5,
) -> tuple[int, SessionOpened]:
    """Return the session's opening books and their sequence; write them if nobody has.

    ``head`` is the sequence of an entry on ``ops.gateway``: the books carry what stands before it.
    ``run`` is that of the process. The balance is asked for up to ``patience`` times: without it
    there are no books and no day. The orders of an earlier session that is not settled are asked
    for as often; without them the day goes on with what is known, and that is reported.

    Raises:
        InquiryFailed: the balance could not be had.
        LogUnavailable: the log says that the session is open and does not show it.
    """
    existing = await _opened(log, session)
    if existing is not None:
        return existing
    night = Night(log, broker, time, run)
    await night.read(before=session.trading_date, head=head)
    await night.settle(patience=patience)
    carried = await read_carried(log, night.previous, until=max(head, night.newest))
    balance = await _balance(broker, time, patience)
    event = SessionOpened(
        at=time.now(),
        trading_date=session.trading_date,
        open_at=session.open_at,
        closing_auction_at=session.closing_auction_at,
        close_at=session.close_at,
        cash=balance.cash,
        equity=balance.equity,
        allocations=carried.allocations if night.previous else first_allocations(balance),
        halts=carried.halts,
        limits=carried.limits,
        configuration=dict(configuration),
        code_version=code_version,
    )
    try:
        (sequence,) = await log.append([entry(log.account, event)])
    except (AppendConflict, IdentityReused):
        existing = await _opened(log, session)
        if existing is None:
            raise LogUnavailable(
                f"session {session.trading_date} is open and cannot be read",
                "check the account of this gateway",
            ) from None
        return existing
    return sequence, event


def first_allocations(balance: Balance) -> tuple[OpeningAllocation, ...]:
    """Return the books of a log's first session: everything is the account holder's own."""
    return tuple(
        OpeningAllocation(
            strategy=EXTERNAL,
            symbol=holding.symbol,
            quantity=holding.quantity,
            cost=holding.cost,
        )
        for holding in sorted(balance.holdings, key=lambda holding: holding.symbol)
    )


async def _opened(log: Log, session: TradingSession) -> tuple[int, SessionOpened] | None:
    recorded = await log.last(f"market.session.{session.trading_date}")
    if recorded is None:
        return None
    event = codec.decode(recorded.payload)
    assert isinstance(event, SessionOpened)  # nothing else stands on this subject
    return recorded.sequence, event


async def _balance(broker: Broker, time: TimeSource, patience: int) -> Balance:
    for _ in range(patience - 1):
        try:
            return await broker.balance()
        except InquiryFailed as error:
            structlog.get_logger().warning("balance_failed", service=SERVICE, error=str(error))
            await time.sleep(2)
    return await broker.balance()


class Opening:
    """Reads the universe's trading terms and history onto the log, and back-fills minutes."""

    def __init__(
        self,
        *,
        broker: Broker,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        session: TradingSession,
        past: SessionPast,
        universes: Sequence[StrategyUniverse],
        poller: Poller,
        daily_bars: int,
        concurrency: int,
        on_progress: Callable[[], None] = lambda: None,
        kind_of: Callable[[Symbol], InstrumentKind | None] = lambda _: None,
        on_reference: Callable[[SymbolReference], None] = lambda _: None,
    ) -> None:
        """``past`` says what is on the log; at most ``concurrency`` questions are out at once.

        ``kind_of`` tells what the master files say an issue is; ``on_reference`` is given every
        issue's terms, those on the log included.
        """
        self._broker = broker
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._session = session
        self._past = past
        self._universes = universes
        self._poller = poller
        self._daily_bars = daily_bars
        self._turns = asyncio.Semaphore(concurrency)
        self._on_progress = on_progress
        self._kind_of = kind_of
        self._on_reference = on_reference
        self.symbols = tuple(
            dict.fromkeys(symbol for universe in universes for symbol in universe.symbols)
        )
        """Every symbol of every universe once, in order of preference."""
        self.remaining = 0
        """Questions not yet answered."""

    async def run(self) -> None:
        """Ask what the log lacks; return once every answer is on the log."""
        for known in self._past.references.values():
            self._on_reference(known)
        for universe in self._universes:
            if universe.strategy not in self._past.universes:
                await self._publisher.offer(self._selection(universe))
        questions = [
            *(
                (f"reference_{symbol}", self._reference, symbol)
                for symbol in self.symbols
                if symbol not in self._past.references
            ),
            *(
                (f"daily_{symbol}", self._history, symbol)
                for symbol in self.symbols
                if symbol not in self._past.histories
            ),
        ]
        await self._ask(questions)
        for index in INDICES:
            await self._poller.once(f"index_{index}", self._broker.index_level(index))
        await self._publisher.flush()

    async def backfill(
        self,
        trades_since: Callable[[Symbol], int | None],
        *,
        after_open_s: int,
        again: Callable[[Symbol], None] = lambda _: None,
    ) -> None:
        """Fetch today's minutes of symbols whose trades were not received from the open on.

        Waits until ``after_open_s`` seconds after the open. ``trades_since`` tells since when
        trades of a symbol are received (ns UTC), ``None`` when they are not. ``again`` is told of
        every symbol whose minutes could not be had.
        """
        await self._time.sleep_until(self._session.open_at + after_open_s * _SECOND)
        if self._time.now() >= self._session.close_at:
            return
        questions = []
        for symbol in self.symbols:
            since = trades_since(symbol)
            unseen = since is None or since > self._session.open_at
            if unseen and symbol not in self._past.minutes:
                questions.append((f"minute_{symbol}", self._minutes, symbol))
        await self._ask(questions)
        for condition, _, symbol in questions:
            if condition in self._conditions.present:
                again(symbol)

    async def _ask(
        self, questions: Sequence[tuple[str, Callable[[Symbol], Awaitable[Event]], Symbol]]
    ) -> None:
        self.remaining += len(questions)
        self._on_progress()
        async with asyncio.TaskGroup() as group:
            for condition, question, symbol in questions:
                group.create_task(self._ask_one(condition, question, symbol))

    async def _ask_one(
        self, condition: str, question: Callable[[Symbol], Awaitable[Event]], symbol: Symbol
    ) -> None:
        async with self._turns:
            await self._poller.once(condition, question(symbol))
        self.remaining -= 1
        self._on_progress()

    def _selection(self, universe: StrategyUniverse) -> UniverseSelected:
        return UniverseSelected(
            at=self._time.now(),
            strategy=universe.strategy,
            trading_date=self._session.trading_date,
            symbols=universe.symbols,
            sectors=universe.sectors,
            source=universe.source,
        )

    async def _reference(self, symbol: Symbol) -> Event:
        reference = await self._broker.reference(symbol, self._session.trading_date)
        kind = self._kind_of(symbol)
        if kind is not None and kind is not reference.kind:
            reference = msgspec.structs.replace(reference, kind=kind)
        self._on_reference(reference)
        return reference

    async def _history(self, symbol: Symbol) -> Event:
        day = self._session.trading_date
        bars = await self._broker.daily_bars(symbol, day, self._daily_bars)
        return DailyHistory(at=self._time.now(), symbol=symbol, trading_date=day, bars=tuple(bars))

    async def _minutes(self, symbol: Symbol) -> Event:
        now = self._time.now()
        bars = await self._broker.minute_bars(symbol, now)
        return MinuteHistory(
            at=self._time.now(),
            symbol=symbol,
            trading_date=self._session.trading_date,
            bars=tuple(bars),
        )
