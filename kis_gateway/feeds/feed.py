"""The ``MarketFeed`` port over the KIS WebSocket: one session per app key, kept alive by itself.

Three tasks per connection: the receiver takes what comes, the registrar makes the registrations on
the line equal to those wished for, one command at a time, and the watchdog ends a silent line; a
fourth task decodes for all of them. Whatever ends a connection, the next one registers everything
again, own notices first, then in the order of preference, says of each when it had last been heard
of, and only then says ``FeedRestored``. KIS replays nothing of the gap: whoever reads the feed
reconciles.

What always holds: nothing received is dropped (a full queue stops reading, and TCP the sender); an
undecodable frame becomes ``FrameRejected`` and reading goes on; a slot whose command got no answer
counts as taken and is settled by a new connection, never by repeating the command.

Call ``subscribe`` from another task than the one that iterates ``messages``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Final, Never, Self

import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from bus import TimeSource
from events import Symbol
from events.signal import Feed
from kis_gateway.broker import (
    FeedLost,
    FeedMessage,
    FeedRestored,
    KeyInUse,
    ReconnectsSlowed,
    Subscribed,
    Unsubscribed,
)
from kis_gateway.client.auth import Credentials
from kis_gateway.errors import AuthenticationFailed, SubscriptionRefused
from kis_gateway.feed_names import (
    feed_of,
    registration_key,
    require_available,
    symbol_of,
    tr_of,
)
from kis_gateway.feeds import feed_control
from kis_gateway.feeds.feed_backoff import MOST_PER_HOUR, Backoff
from kis_gateway.feeds.feed_control import Answer, Registration
from kis_gateway.feeds.feed_line import Line, LineLost
from kis_gateway.feeds.feed_reader import FrameReader, Record
from kis_gateway.feeds.feed_registrations import Registrations
from kis_gateway.frames import NOTICES, PAPER_NOTICES, FrameDecoder
from kis_gateway.settings import Environment, KisSettings, Secret

_OPEN_TIMEOUT: Final = 10.0
_ANSWER_TIMEOUT: Final = 10.0
_CLOSE_TIMEOUT: Final = 1.0
_PACE: Final = 0.1
_QUEUE: Final = 20_000
_OWN_NOTICES: Final = 1
"""Registrations that are no feed of the market; they come first."""


_log = structlog.get_logger()

# At DEBUG the library prints every text we send, and each command contains the approval key.
_wire_log: Final = logging.getLogger("kis_gateway.feeds.feed.wire")
_wire_log.setLevel(logging.INFO)


class KisFeed:
    """Implements ``MarketFeed``; starts with its first use, ends with ``aclose``.

    ``idle_seconds`` without any frame end a connection (KIS sends PINGPONG on quiet lines);
    detection takes between that and twice as long. ``record`` is called with ``"ws"``, the instant
    of receipt and the bytes of every data frame before it is decoded; it must not block.
    """

    def __init__(
        self,
        settings: KisSettings,
        credentials: Credentials,
        time: TimeSource,
        *,
        idle_seconds: float = 60.0,
        queue_size: int = _QUEUE,
        record: Record | None = None,
        connections_per_hour: int = MOST_PER_HOUR,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._time = time
        self._idle_seconds = idle_seconds
        self._queue_size = queue_size
        tr_id = PAPER_NOTICES if settings.environment is Environment.PAPER else NOTICES
        self._registrations = Registrations(Registration(tr_id, settings.hts_id.reveal()))
        self._reader = FrameReader(
            time=time,
            decoder=FrameDecoder(settings.account.reveal()),
            registrations=self._registrations,
            put=self._put,
            capacity=queue_size,
            record=record,
        )
        # Bounded by `_room`, so that the end mark always fits.
        self._queue: asyncio.Queue[FeedMessage | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._runner: asyncio.Task[None] | None = None
        self._line: Line | None = None
        self._backoff = Backoff(connections_per_hour)
        self._lost_at: int | None = None
        self._up_since: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def subscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Ask for a feed; returns once acknowledged, which may take a reconnect.

        A cancelled call leaves the wish standing: take it back with ``unsubscribe``.

        Raises:
            SubscriptionRefused: KIS refuses it (``OPSP0008``: all 41 slots are taken), or the
                environment does not have the feed.
        """
        require_available(feed, symbol, self._settings.environment)
        wanted = _registration(feed, symbol)
        self._require_open(wanted)
        await self._registrations.want(wanted)

    async def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Give a feed back; returns once acknowledged, at once when there is no connection."""
        wanted = _registration(feed, symbol)
        self._require_open(wanted)
        await self._registrations.give_up(wanted)
        await self._put(Unsubscribed(at=self._time.now(), feed=feed, symbol=symbol))

    def prefer(self, order: Sequence[tuple[Feed, Symbol]]) -> None:
        """Register in this order, after own notices, whenever several are to be registered."""
        self._registrations.prefer([_registration(feed, symbol) for feed, symbol in order])

    def renew(self, reason: str) -> None:
        """Give the present connection up for a new one; nothing happens without one."""
        if self._line is not None:
            self._line.give_up(reason)

    async def messages(self) -> AsyncIterator[FeedMessage]:
        """Yield everything received, in order, until ``aclose``."""
        runner = self._start()
        while (message := await self._queue.get()) is not None:
            if not self._room.is_set() and self._queue.qsize() <= self._queue_size // 2:
                self._room.set()
            yield message
        if not runner.cancelled():
            runner.result()  # raises what ended it

    async def aclose(self) -> None:
        """Close the connection; waiting subscriptions are cancelled."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)

    def _start(self) -> asyncio.Task[None]:
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="kis-feed")
        elif self._runner.done() and not self._runner.cancelled():
            self._runner.result()
        return self._runner

    def _require_open(self, wanted: Registration) -> None:
        if self._start().done():
            raise SubscriptionRefused(*wanted, "CLOSED", "the feed has been closed")

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reader.decode())
                group.create_task(self._stay_connected())
        finally:
            self._registrations.cancel_waiting()
            self._queue.put_nowait(None)

    async def _stay_connected(self) -> Never:
        slowed = False
        while True:
            self._up_since = None
            lost = await self._connection()
            renewed = self._registrations.count > _OWN_NOTICES
            self._registrations.disconnected()
            _log.warning("kis_feed_lost", reason=str(lost))
            await self._reader.caught_up()
            if self._lost_at is None or renewed:
                # Also in the middle of restoring: what was acknowledged has been lost once more.
                at = self._reader.last_frame
                self._lost_at = at if self._lost_at is None else self._lost_at
                await self._put(FeedLost(at=at, reason=str(lost)))
            now = self._time.now()
            if lost.in_use:
                await self._put(KeyInUse(at=now, reason=str(lost)))
            pause = self._backoff.lost(now, up_since=self._up_since, in_use=lost.in_use)
            if self._backoff.slowed(now) and not slowed:
                connections = self._backoff.connections(now)
                await self._put(ReconnectsSlowed(at=now, connections=connections, pause_s=pause))
            slowed = self._backoff.slowed(now)
            await self._time.sleep(pause)

    async def _connection(self) -> LineLost:
        """Hold one connection from opening to end; return why it ended."""
        try:
            approval = await self._credentials.approval_key()
            socket = await self._open()
        except (AuthenticationFailed, OSError, WebSocketException) as error:
            return LineLost(f"no connection: {type(error).__name__} {error}")
        self._backoff.opened(self._time.now())
        self._line = line = Line(socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._reader.receive(line))
                group.create_task(self._register(line, approval))
                group.create_task(self._watch(line))
        except ExceptionGroup as failures:
            lost, others = failures.split(LineLost)
            if others is not None or lost is None:
                raise
            first = lost.exceptions[0]
            assert isinstance(first, LineLost), "tasks raise LineLost directly"
            return first
        finally:
            self._line = None
            await socket.close()
        raise AssertionError("a task of the connection ended without an error")

    async def _open(self) -> ClientConnection:
        return await connect(
            self._settings.websocket,
            open_timeout=self._time.timeout(_OPEN_TIMEOUT),
            close_timeout=self._time.timeout(_CLOSE_TIMEOUT),
            ping_interval=None,  # KIS keeps the line alive itself; some stacks' pings cut it
            compression=None,
            proxy=None,
            logger=_wire_log,
        )

    async def _register(self, line: Line, approval: Secret) -> Never:
        restored = False
        while True:
            step = self._registrations.next_step()
            if step is None and not restored:
                restored = True
                await self._announce_restored()
            elif step is None:
                await self._registrations.changed()
            else:
                await self._command(line, approval, *step)
                await self._time.sleep(_PACE)

    async def _command(
        self, line: Line, approval: Secret, wanted: Registration, subscribe: bool
    ) -> None:
        text = feed_control.command(approval, wanted, subscribe=subscribe)
        try:
            async with asyncio.timeout(self._time.timeout(_ANSWER_TIMEOUT)):
                answer = await line.ask(text, wanted, subscribe=subscribe)
        except TimeoutError as error:
            raise LineLost(f"{wanted.tr_id}: a command got no answer") from error
        except ConnectionClosed as error:
            raise LineLost(f"closed: {error}") from error
        if subscribe:
            await self._settle_subscription(wanted, answer, line.answered_at)
        elif answer.code in feed_control.UNSUBSCRIBED:
            self._registrations.given_back(wanted)
        else:
            raise LineLost(f"unsubscribing {wanted.tr_id}: {answer.code} {answer.message}")

    async def _settle_subscription(
        self, wanted: Registration, answer: Answer, answered_at: int
    ) -> None:
        if answer.code in feed_control.SUBSCRIBED:
            await self._acknowledge(wanted, answered_at)
            return
        reason = f"{wanted.tr_id}: {answer.code} {answer.message}"
        if answer.code == feed_control.IN_USE:
            raise LineLost(
                f"{reason}: another session holds this app key, is a second copy running?",
                in_use=True,
            )
        if answer.code in feed_control.APPROVAL_UNKNOWN:
            self._credentials.forget_approval_key()
            raise LineLost(reason)
        relied_on = self._registrations.relied_on(wanted)
        feed = feed_of(wanted.tr_id)
        if relied_on and (feed is None or answer.code != feed_control.SLOTS_FULL):
            # Trading without notices, or silently without a feed somebody relies on, is worse than
            # no connection: it is visible as lost and tried again.
            raise LineLost(reason)
        self._registrations.refused(wanted, answer.code, answer.message)
        if relied_on and feed is not None:
            # Slots are given in the order of preference, so this is the weakest: another
            # connection would end the same way, and KIS punishes loops of them.
            symbol = symbol_of(feed, wanted.key)
            await self._put(
                Unsubscribed(at=self._time.now(), feed=feed, symbol=symbol, refusal=reason)
            )

    async def _acknowledge(self, wanted: Registration, at: int) -> None:
        # The instant of receipt: frames may follow before this task gets its turn.
        silent_since = self._registrations.acknowledged(wanted, at)
        feed = feed_of(wanted.tr_id)
        if feed is not None:
            symbol = symbol_of(feed, wanted.key)
            await self._put(Subscribed(at=at, feed=feed, symbol=symbol, silent_since=silent_since))

    async def _watch(self, line: Line) -> Never:
        while True:
            seen = line.frames
            try:
                async with asyncio.timeout(self._time.timeout(self._idle_seconds)):
                    await line.ended()
                raise LineLost("closed")
            except TimeoutError:
                if line.frames == seen and not line.blocked:
                    raise LineLost(f"silent for {self._idle_seconds:.0f} s") from None

    async def _announce_restored(self) -> None:
        now = self._time.now()
        self._up_since = now
        if self._lost_at is not None:
            lost_at, self._lost_at = self._lost_at, None
            _log.info("kis_feed_restored", registrations=self._registrations.count)
            await self._put(FeedRestored(at=now, lost_at=lost_at))

    async def _put(self, message: FeedMessage) -> None:
        """Enqueue, waiting for room: the caller stops meanwhile."""
        while self._queue.qsize() >= self._queue_size:
            self._room.clear()
            await self._room.wait()
        self._queue.put_nowait(message)


def _registration(feed: Feed, symbol: Symbol) -> Registration:
    return Registration(tr_of(feed), registration_key(feed, symbol))
