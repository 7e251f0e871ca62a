"""The shell around a processor: catch up, append what is missing, follow the log.

Start and restart are the same thing. The processor is built from the session's opening books and
replayed from there; outputs on the way are compared with those on the log. At the head, what the
log lacks is appended; an intent whose time has passed is logged as expired instead. From then on
every entry is handled as it arrives. A contradiction halts the processor and says so on the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bus.derivation import Derivation, Derived, Disagreement
from bus.errors import AppendConflict, Divergence, IdentityReused
from bus.log import Entry, Log, Reader, Recorded, entry
from bus.processor import Processor
from bus.progress import OnProgress, ignore_progress
from bus.topics import without_covered
from events import Event, codec
from events.errors import CodecError
from events.market import SessionOpened
from events.ops import DivergenceFound, EventSetAside
from events.trading import IntentExpired, IntentSubmitted

ProcessorFactory = Callable[[SessionOpened], Processor]
"""Builds a processor for a session from its opening books and configuration."""

_SESSION_TOPIC = "market.session.*"
_CONTROL_TOPIC = "trading.control"
"""Dated by operators' clocks, which may be wrong: no intent is too old by them."""

_WAIT = 0.25


async def run_processor(
    log: Log,
    factory: ProcessorFactory,
    *,
    stop: asyncio.Event,
    on_progress: OnProgress = ignore_progress,
) -> None:
    """Run a processor over the newest session, and over each later one, until ``stop`` is set.

    Two copies running by mistake change nothing: outputs have deterministic ids.

    Raises:
        Divergence: the log holds something else than the processor derives; it must not go on.
        BusError: the log cannot be read or appended to.
    """
    session = await _newest_session(log, stop, on_progress)
    while session is not None:
        opening, event = session
        runner = _Runner(log, factory(event), opening, on_progress)
        session = await runner.run(stop)


async def _newest_session(
    log: Log, stop: asyncio.Event, on_progress: OnProgress
) -> tuple[Recorded, SessionOpened] | None:
    """Return the last SessionOpened; wait for the first one if there is none yet."""
    newest: tuple[Recorded, SessionOpened] | None = None
    async with log.read(topics=(_SESSION_TOPIC,)) as reader:
        while not stop.is_set():
            for recorded in await reader.batch(_WAIT):
                event = codec.decode(recorded.payload)
                if isinstance(event, SessionOpened):
                    newest = recorded, event
            on_progress(0, reader.pending)
            if reader.pending == 0 and newest is not None:
                return newest
    return None


def reading_topics(processor: Processor, *extra: str) -> list[str]:
    """Return the filters of a reader for a processor: inputs, outputs and ``extra``."""
    return without_covered((*processor.inputs, *processor.outputs, *extra))


class _Runner:
    """One processor over one session."""

    def __init__(
        self, log: Log, processor: Processor, opening: Recorded, on_progress: OnProgress
    ) -> None:
        self._log = log
        self._processor = processor
        self._opening = opening
        self._on_progress = on_progress
        self._derivation = Derivation(processor, log.account)
        self._at = 0
        self._position = opening.sequence - 1
        self._set_aside: set[int] = set()
        self._poisoned: list[EventSetAside] = []
        self._logger = structlog.get_logger().bind(processor=processor.name)

    async def run(self, stop: asyncio.Event) -> tuple[Recorded, SessionOpened] | None:
        """Run until ``stop`` or the next session, which is returned."""
        topics = reading_topics(self._processor, _SESSION_TOPIC, f"ops.{self._processor.name}")
        head = (await self._log.info()).last_sequence
        live = False
        async with self._log.read(after=self._opening.sequence - 1, topics=topics) as reader:
            while not stop.is_set():
                batch = await reader.batch(_WAIT)
                for recorded in batch:
                    following = await self._take(recorded, live=live)
                    if following is not None:
                        return recorded, following
                if not live and self._at_head(reader, batch, head):
                    await self._append_missing()
                    live = True
                if batch:
                    self._position = batch[-1].sequence
                self._on_progress(self._position, reader.pending)
        return None

    def _at_head(self, reader: Reader, batch: Sequence[Recorded], head: int) -> bool:
        return reader.pending == 0 or bool(batch and batch[-1].sequence >= head)

    async def _take(self, recorded: Recorded, *, live: bool) -> SessionOpened | None:
        try:
            event = codec.decode(recorded.payload)
        except CodecError as error:
            await self._put_aside(recorded, error, live=live)
            return None
        if event.topic != _CONTROL_TOPIC:
            self._at = max(self._at, event.at)
        if isinstance(event, SessionOpened) and recorded.sequence != self._opening.sequence:
            return event
        if isinstance(event, EventSetAside):
            self._set_aside.add(event.sequence)
        outputs, disagreement = self._derivation.feed(recorded, event)
        if disagreement is not None:
            await self._diverge(disagreement)
        if live and outputs:
            await self._append(outputs)
        return None

    async def _append_missing(self) -> None:
        missing = self._derivation.missing
        self._logger.info("caught_up", missing=len(missing))
        for poisoned in self._poisoned:
            if poisoned.sequence not in self._set_aside:
                await self._log.append([entry(self._log.account, poisoned)])
        self._poisoned.clear()
        for item in missing:
            await self._append([item])

    async def _append(self, outputs: Sequence[Derived]) -> None:
        entries = [self._entry(item) for item in outputs]
        try:
            await self._log.append(entries, atomic=False)
        except (AppendConflict, IdentityReused):
            for item in outputs:
                await self._settle(item)

    def _entry(self, item: Derived) -> Entry:
        event: Event = item.event
        if isinstance(event, IntentSubmitted) and event.expires_at <= self._at:
            self._logger.warning("intent_expired", intent=event.intent_id)
            event = IntentExpired(at=self._at, intent=event)
        return entry(self._log.account, event)

    async def _settle(self, item: Derived) -> None:
        """Somebody wrote there first: fine if it is the same thing, a divergence if not."""
        wanted = self._entry(item)
        stored = await self._log.last(item.event.topic)
        if stored is not None and stored.identity == wanted.identity:
            event = codec.decode(stored.payload)
            same = event.intent if isinstance(event, IntentExpired) else event
            if codec.encode(same) == item.payload:
                return
        try:
            await self._log.append([wanted])
        except (AppendConflict, IdentityReused) as error:
            await self._diverge(
                Disagreement(
                    processor=self._processor.name,
                    sequence=item.cause,
                    kind="changed",
                    identity=wanted.identity,
                    expected=item.payload.decode(errors="backslashreplace"),
                    found=str(error),
                )
            )

    async def _put_aside(self, recorded: Recorded, error: CodecError, *, live: bool) -> None:
        aside = EventSetAside(
            at=self._at,
            service=self._processor.name,
            sequence=recorded.sequence,
            subject=recorded.subject,
            error=str(error),
            payload=recorded.payload,
        )
        self._logger.error("event_set_aside", sequence=recorded.sequence, error=str(error))
        if live:
            await self._log.append([entry(self._log.account, aside)])
        else:
            self._poisoned.append(aside)

    async def _diverge(self, found: Disagreement) -> None:
        self._logger.error("divergence", sequence=found.sequence, kind=found.kind)
        await self._log.append(
            [
                entry(
                    self._log.account,
                    DivergenceFound(
                        at=self._at,
                        service=self._processor.name,
                        sequence=found.sequence,
                        kind=found.kind,
                        expected=found.expected,
                        found=found.found,
                    ),
                )
            ]
        )
        raise Divergence(found.processor, found.sequence, found.kind, found.expected, found.found)
