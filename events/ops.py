"""Ops events: how the system itself is doing. Degraded is visible: here is where it shows."""

from __future__ import annotations

import msgspec

from events.event import Derived, Event
from events.identifiers import IntentId, StrategyId, Symbol, TradingDate


class OpsEvent(Event, frozen=True, kw_only=True):
    """Something one service reports about itself."""

    service: str

    @property
    def topic(self) -> str:
        """``ops.<service>``."""
        return f"ops.{self.service}"


class ServiceStarted(OpsEvent, frozen=True, kw_only=True, tag="ServiceStarted.1"):
    """A service began; ``configuration`` is its settings in force, secrets redacted."""

    run: str
    code_version: str
    configuration: dict[str, object]

    @property
    def identity(self) -> str:
        """Once per run of the service."""
        return f"started-{self.service}-{self.run}"


class ServiceStopped(OpsEvent, frozen=True, kw_only=True, tag="ServiceStopped.1"):
    """A service ended in an orderly way."""

    run: str
    reason: str

    @property
    def identity(self) -> str:
        """Once per run of the service."""
        return f"stopped-{self.service}-{self.run}"


class Heartbeat(OpsEvent, frozen=True, kw_only=True, tag="Heartbeat.1"):
    """A service is alive and has read the log up to ``position``; ``figures`` are its gauges."""

    run: str
    position: int
    figures: dict[str, int | float | str]

    @property
    def identity(self) -> str:
        """One per run and instant."""
        return f"beat-{self.service}-{self.run}-{self.at}"


class FeedGap(OpsEvent, frozen=True, kw_only=True, tag="FeedGap.1"):
    """Market data of ``symbols`` (none listed: all) may be missing between two instants."""

    begun_at: int
    ended_at: int
    symbols: tuple[Symbol, ...]
    reason: str

    @property
    def identity(self) -> str:
        """One per service, span and symbols."""
        span = f"gap-{self.service}-{self.ended_at}-{self.begun_at}"
        return f"{span}-{self.symbols[0]}-{len(self.symbols)}" if self.symbols else span


class Degraded(OpsEvent, frozen=True, kw_only=True, tag="Degraded.1"):
    """Something works less well than it should; ``condition`` is stable, ``detail`` for people."""

    condition: str
    detail: str

    @property
    def identity(self) -> str:
        """One per service, condition and instant."""
        return f"degraded-{self.service}-{self.condition}-{self.at}"


class Recovered(OpsEvent, frozen=True, kw_only=True, tag="Recovered.1"):
    """A condition reported by ``Degraded`` is over."""

    condition: str
    detail: str

    @property
    def identity(self) -> str:
        """One per service, condition and instant."""
        return f"recovered-{self.service}-{self.condition}-{self.at}"


class SlotsChanged(OpsEvent, frozen=True, kw_only=True, tag="SlotsChanged.1"):
    """Which subscriptions are held and which wait, after the gateway applied the requests.

    Entries are ``<feed>:<symbol>``, strongest first; ``reasons`` says for each of them, held or
    waiting, why it is wanted (``position``, ``armed KMP``).
    """

    held: tuple[str, ...]
    waiting: tuple[str, ...]
    budget: int
    reasons: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def identity(self) -> str:
        """One per service and instant."""
        return f"slots-{self.service}-{self.at}"


class EventSetAside(OpsEvent, frozen=True, kw_only=True, tag="EventSetAside.1"):
    """A log entry that could not be decoded. Its bytes are kept here; nothing waits for it."""

    sequence: int
    subject: str
    error: str
    payload: bytes

    @property
    def identity(self) -> str:
        """One per service and entry."""
        return f"setaside-{self.service}-{self.sequence}"


class FrameSetAside(OpsEvent, frozen=True, kw_only=True, tag="FrameSetAside.1"):
    """A broker frame that could not be decoded, with its text."""

    error: str
    frame: str
    ordinal: int

    @property
    def identity(self) -> str:
        """One per service, instant and ordinal."""
        return f"frame-{self.service}-{self.at}-{self.ordinal}"


class CallRefusedTooFast(OpsEvent, frozen=True, kw_only=True, tag="CallRefusedTooFast.1"):
    """The broker refused a call because of its rate alone; the budget was narrowed.

    ``interval_ms`` is the spacing of calls of that budget from now on.
    """

    call: str
    code: str
    interval_ms: int
    ordinal: int

    @property
    def identity(self) -> str:
        """One per service, instant and ordinal."""
        return f"toofast-{self.service}-{self.at}-{self.ordinal}"


class RecordWidthChanged(OpsEvent, frozen=True, kw_only=True, tag="RecordWidthChanged.1"):
    """A feed's records have a number of columns never seen before; they are read from the front."""

    feed: str
    width: int
    known: tuple[int, ...]

    @property
    def identity(self) -> str:
        """One per service, feed, width and instant."""
        return f"width-{self.service}-{self.feed}-{self.width}-{self.at}"


class DivergenceFound(OpsEvent, frozen=True, kw_only=True, tag="DivergenceFound.1"):
    """A processor derived something else than the log holds; it stopped."""

    sequence: int
    kind: str
    expected: str
    found: str

    @property
    def identity(self) -> str:
        """One per service and place."""
        return f"divergence-{self.service}-{self.sequence}"


class LogSealed(Derived, frozen=True, kw_only=True, tag="LogSealed.1"):
    """Fingerprint of the log entries ``first``..``last``.

    ``digest`` is the rolling SHA-256 (hex) over all entries so far, each as sequence, subject and
    payload; ``checksums`` is one CRC-32 (big endian) per entry, so that a changed entry can be
    named.
    """

    first: int
    last: int
    digest: str
    checksums: bytes

    @property
    def topic(self) -> str:
        """``ops.auditor``."""
        return "ops.auditor"

    @property
    def identity(self) -> str:
        """One per range."""
        return f"seal-{self.first}-{self.last}"


class DaySealed(Derived, frozen=True, kw_only=True, tag="DaySealed.1"):
    """A session's log entries ``first``..``last`` are in the archive and were read back.

    ``cause`` is ``last`` and ``at`` its time. ``digest`` is the archive's rolling BLAKE2b-256 (hex)
    over all entries up to there: it ties what follows on the stream to the archive before it.
    """

    trading_date: TradingDate
    first: int
    last: int
    entries: int
    digest: str

    @property
    def topic(self) -> str:
        """``ops.archive``."""
        return "ops.archive"

    @property
    def identity(self) -> str:
        """One per session."""
        return f"sealed-{self.trading_date}"


class SetupChanged(Derived, frozen=True, kw_only=True, tag="SetupChanged.1"):
    """A strategy moved one symbol from one state to another, and what it saw while doing so."""

    strategy: StrategyId
    trading_date: TradingDate
    symbol: Symbol
    previous: str
    state: str
    reason: str
    facts: dict[str, int | float | str | bool | None]

    @property
    def topic(self) -> str:
        """``ops.<strategy>``."""
        return f"ops.{self.strategy}"

    @property
    def identity(self) -> str:
        """One per cause, strategy, symbol and new state."""
        return f"setup-{self.strategy}-{self.symbol}-{self.cause}-{self.state}"


class WouldBlock(Derived, frozen=True, kw_only=True, tag="WouldBlock.1"):
    """A permissive switch let something pass that the strict profile would have stopped.

    ``symbol`` is ``GLOBAL`` for market-wide switches.
    """

    strategy: StrategyId
    trading_date: TradingDate
    symbol: str
    reason: str
    value: int | float | str | None
    strict_limit: int | float | str | None

    @property
    def topic(self) -> str:
        """``ops.<strategy>``."""
        return f"ops.{self.strategy}"

    @property
    def identity(self) -> str:
        """One per cause, strategy, symbol and reason."""
        return f"wouldblock-{self.strategy}-{self.symbol}-{self.reason}-{self.cause}"


class GateCount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How often one gate could and could not be computed today, and how it ended."""

    passed: int
    blocked: int
    missing: int
    last_value: int | float | str | None
    last_at: int


class GatesReported(Derived, frozen=True, kw_only=True, tag="GatesReported.1"):
    """A strategy's gates at the end of its day; a gate that was missing all day is an alarm."""

    strategy: StrategyId
    trading_date: TradingDate
    gates: dict[str, GateCount]
    intents: tuple[IntentId, ...]

    @property
    def topic(self) -> str:
        """``ops.<strategy>``."""
        return f"ops.{self.strategy}"

    @property
    def identity(self) -> str:
        """One per strategy and session."""
        return f"gates-{self.strategy}-{self.trading_date}"
