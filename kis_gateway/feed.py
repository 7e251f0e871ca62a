"""The ``MarketFeed`` port over the KIS WebSocket: one session per app key, kept alive by itself.

Three tasks per connection: the reader decodes and enqueues, the registrar makes the registrations
on the line equal to those wished for, one command at a time, and the watchdog ends a silent line.
Whatever ends a connection, the next one registers everything again, own notices first, and only
then says ``FeedRestored``. KIS replays nothing of the gap: whoever reads the feed reconciles.

What always holds: nothing received is dropped (a full queue stops reading, and TCP the sender); an
undecodable frame becomes ``FrameRejected`` and reading goes on; a slot whose command got no answer
counts as taken and is settled by a new connection, never by repeating the command.

Call ``subscribe`` from another task than the one that iterates ``messages``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Never, Self

import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from bus import TimeSource
from events import Symbol
from events.signal import Feed
from kis_gateway import feed_control
from kis_gateway.auth import Credentials
from kis_gateway.broker import FeedLost, FeedMessage, FeedRestored, FrameRejected
from kis_gateway.errors import (
    AuthenticationFailed,
    DecryptionFailed,
    FrameError,
    SubscriptionRefused,
)
from kis_gateway.feed_control import Answer, Ping, Registration
from kis_gateway.feed_line import Line, LineLost
from kis_gateway.feed_registrations import Registrations
from kis_gateway.frames import NOTICES, PAPER_NOTICES, QUOTES, TRADES, FrameDecoder
from kis_gateway.settings import Environment, KisSettings, Secret

_FEEDS: Final = {Feed.TRADES: TRADES, Feed.QUOTES: QUOTES}
_SECOND: Final = 1_000_000_000
_OPEN_TIMEOUT: Final = 10.0
_ANSWER_TIMEOUT: Final = 10.0
_CLOSE_TIMEOUT: Final = 1.0
_PACE: Final = 0.1
_FIRST_PAUSE: Final = 2.0
_LONGEST_PAUSE: Final = 60.0
_FIRST_PAUSE_IN_USE: Final = 15.0
_LONGEST_PAUSE_IN_USE: Final = 120.0
_STABLE: Final = 60 * _SECOND
_QUEUE: Final = 20_000

_log = structlog.get_logger()

# At DEBUG the library prints every text we send, and each command contains the approval key.
_wire_log: Final = logging.getLogger("kis_gateway.feed.wire")
_wire_log.setLevel(logging.INFO)


class KisFeed:
    """Implements ``MarketFeed``; starts with its first use, ends with ``aclose``.

    ``idle_seconds`` without any frame end a connection (KIS sends PINGPONG on quiet lines);
    detection takes between that and twice as long.
    """

    def __init__(
        self,
        settings: KisSettings,
        credentials: Credentials,
        time: TimeSource,
        *,
        idle_seconds: float = 60.0,
        queue_size: int = _QUEUE,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._time = time
        self._idle_seconds = idle_seconds
        self._queue_size = queue_size
        self._decoder = FrameDecoder(settings.account.reveal())
        tr_id = PAPER_NOTICES if settings.environment is Environment.PAPER else NOTICES
        self._notices = Registration(tr_id, settings.hts_id.reveal())
        self._registrations = Registrations(self._notices)
        # Bounded by `_room`, so that the end mark always fits.
        self._queue: asyncio.Queue[FeedMessage | None] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._runner: asyncio.Task[None] | None = None
        self._last_frame = time.now()
        self._lost_at: int | None = None
        self._up_since: int | None = None
        self._reconnected_for_key = False

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
            SubscriptionRefused: KIS refuses it (``OPSP0008``: all 41 slots are taken).
        """
        wanted = Registration(_FEEDS[feed], symbol)
        self._require_open(wanted)
        await self._registrations.want(wanted)

    async def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Give a feed back; returns once acknowledged, at once when there is no connection."""
        wanted = Registration(_FEEDS[feed], symbol)
        self._require_open(wanted)
        await self._registrations.give_up(wanted)

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
        pause = _FIRST_PAUSE
        try:
            while True:
                self._up_since = None
                lost = await self._connection()
                self._registrations.disconnected()
                _log.warning("kis_feed_lost", reason=str(lost))
                if self._lost_at is None:
                    self._lost_at = self._last_frame
                    await self._put(FeedLost(at=self._last_frame, reason=str(lost)))
                if self._was_stable():
                    pause = _FIRST_PAUSE
                if lost.in_use:
                    pause = max(pause, _FIRST_PAUSE_IN_USE)
                await self._time.sleep(pause)
                longest = _LONGEST_PAUSE_IN_USE if lost.in_use else _LONGEST_PAUSE
                pause = min(pause * 2, longest)
        finally:
            self._registrations.cancel_waiting()
            self._queue.put_nowait(None)

    def _was_stable(self) -> bool:
        return self._up_since is not None and self._time.now() - self._up_since >= _STABLE

    async def _connection(self) -> LineLost:
        """Hold one connection from opening to end; return why it ended."""
        try:
            approval = await self._credentials.approval_key()
            socket = await connect(
                self._settings.websocket,
                open_timeout=self._time.timeout(_OPEN_TIMEOUT),
                close_timeout=self._time.timeout(_CLOSE_TIMEOUT),
                ping_interval=None,  # KIS keeps the line alive itself; some stacks' pings cut it
                compression=None,
                proxy=None,
                logger=_wire_log,
            )
        except (AuthenticationFailed, OSError, WebSocketException) as error:
            return LineLost(f"no connection: {type(error).__name__} {error}")
        line = Line(socket)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._read(line))
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
            await socket.close()
        raise AssertionError("a task of the connection ended without an error")

    async def _read(self, line: Line) -> Never:
        receive, now, decode = line.socket.recv, self._time.now, self._decoder.decode
        while True:
            try:
                # Own decoding: text that is not UTF-8 would otherwise cost the connection.
                text = (await receive(decode=False)).decode("utf-8", "replace")
            except ConnectionClosed as error:
                raise LineLost(f"closed: {error}") from error
            line.frames += 1
            received = self._last_frame = now()
            try:
                if text.startswith("{"):
                    await self._control(line, text)
                    continue
                messages = decode(text, received, line.decrypt)
            except FrameError as error:
                await self._reject(received, error)
                continue
            if self._reconnected_for_key and text.startswith("1"):
                self._reconnected_for_key = False
            for message in messages:
                if self._queue.qsize() < self._queue_size:
                    self._queue.put_nowait(message)
                else:
                    line.blocked = True
                    await self._put(message)
                    line.blocked = False
            if self._decoder.new_widths:
                self._report_widths()

    async def _reject(self, received: int, error: FrameError) -> None:
        _log.warning("kis_frame_rejected", error=str(error))
        await self._put(FrameRejected(at=received, frame=error.frame, error=str(error)))
        if isinstance(error, DecryptionFailed) and not self._reconnected_for_key:
            # A new connection brings a new key; if that does not help, reading goes on without
            # notices, and each of them is reported.
            self._reconnected_for_key = True
            raise LineLost(str(error))

    async def _control(self, line: Line, text: str) -> None:
        answer = feed_control.read(text)
        if isinstance(answer, Ping):
            try:
                await line.socket.send(text)
            except ConnectionClosed as error:
                raise LineLost(f"closed: {error}") from error
        elif not line.hear(answer):
            _log.warning("kis_feed_unasked_answer", tr_id=answer.tr_id, code=answer.code)

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
            self._settle_subscription(wanted, answer)
        elif answer.code in feed_control.UNSUBSCRIBED:
            self._registrations.given_back(wanted)
        else:
            raise LineLost(f"unsubscribing {wanted.tr_id}: {answer.code} {answer.message}")

    def _settle_subscription(self, wanted: Registration, answer: Answer) -> None:
        if answer.code in feed_control.SUBSCRIBED:
            self._registrations.acknowledged(wanted)
            return
        reason = f"{wanted.tr_id}: {answer.code} {answer.message}"
        if answer.code == feed_control.IN_USE:
            raise LineLost(
                f"{reason}: another session holds this app key, is a second copy running?",
                in_use=True,
            )
        if answer.code == feed_control.APPROVAL_UNKNOWN:
            self._credentials.forget_approval_key()
            raise LineLost(reason)
        if self._registrations.relied_on(wanted):
            # Trading without notices, or silently without a feed somebody relies on, is worse than
            # no connection: it is visible as lost and tried again.
            raise LineLost(reason)
        self._registrations.refused(wanted, answer.code, answer.message)

    async def _watch(self, line: Line) -> Never:
        while True:
            seen = line.frames
            try:
                async with asyncio.timeout(self._time.timeout(self._idle_seconds)):
                    await line.socket.wait_closed()
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
        """Enqueue, waiting for room: the caller stops reading meanwhile."""
        while self._queue.qsize() >= self._queue_size:
            self._room.clear()
            await self._room.wait()
        self._queue.put_nowait(message)

    def _report_widths(self) -> None:
        for tr_id, width in self._decoder.new_widths:
            _log.warning("kis_record_width_new", tr_id=tr_id, width=width)
        self._decoder.new_widths.clear()
