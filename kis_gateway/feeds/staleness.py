"""Which subscriptions say less than they should. Pure.

A socket may stay open while its ticks stop, for one issue or for all of them, and an acknowledged
subscription may never send anything: KIS acknowledges codes it has nothing for. Silence alone
proves nothing: issues halt, are interrupted, or simply do not trade. So a silence counts only in
phases of continuous trading, outside halts and volatility interruptions, and is measured against
the issue's own habits; whether trades were missed is then settled by the broker's cumulative
volume, or by the next trade's.

What always holds: a trade whose cumulative volume exceeds the previous one's by more than its own
quantity proves that trades between the two were not received; no gap is claimed twice, and none for
what was not subscribed. Instants are ns UTC, volumes shares.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from events import Symbol
from events.calendar import TradingSession
from events.market import (
    InstrumentKind,
    MarketOperation,
    SymbolReference,
    TradeFrame,
    Venue,
    VenueTradeFrame,
    VolatilityInterruption,
)
from events.signal import Feed
from kis_gateway.day.sessions import VenueDay
from kis_gateway.errors import SettingsError

_SECOND: Final = 1_000_000_000
_HALTED: Final = "58"
_HISTORY: Final = 32
_ENOUGH: Final = 8
_DOUBLINGS: Final = 10

TRADE_FEEDS: Final = {
    Feed.TRADES: Venue.KRX,
    Feed.NXT_TRADES: Venue.NXT,
    Feed.UNIFIED_TRADES: Venue.UNIFIED,
}
"""The feeds whose silence can be judged, and the venue they come from."""

_FEED_OF: Final = {venue: feed for feed, venue in TRADE_FEEDS.items()}


class StalenessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an issue may be silent (seconds).

    ``times_longest`` its longest pause of late, but no less than ``least_s`` and no more than
    ``most_s``; ``unknown_s`` for an issue whose habits are not known, so also for one that has
    never spoken.
    """

    least_s: float = 30.0
    most_s: float = 600.0
    unknown_s: float = 120.0
    times_longest: float = 4.0

    def __post_init__(self) -> None:
        if not (0 < self.least_s <= self.most_s and self.unknown_s > 0 and self.times_longest > 0):
            raise SettingsError(
                "staleness must satisfy 0 < least_s <= most_s, unknown_s > 0 and times_longest > "
                f"0, got {self.least_s}, {self.most_s}, {self.unknown_s}, {self.times_longest}"
            )


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """Trades of a symbol that were not received, between two instants.

    ``before_volume`` is set when they may as well have been lost with the line, before
    ``begun_at``: then only trades of the stretch with at most this cumulative volume are missing.
    """

    symbol: Symbol
    begun_at: int
    ended_at: int
    shares: int
    before_volume: int | None = None


class Stale(msgspec.Struct, frozen=True, kw_only=True):
    """A subscribed symbol that has been silent for longer than it should.

    ``spoken`` is whether anything of it has come since its subscription. ``volume`` is the
    cumulative volume of its last trade, ``None`` when none is known.
    """

    feed: Feed
    symbol: Symbol
    since: int
    spoken: bool
    volume: int | None


class _Watched(msgspec.Struct):
    """``carried`` while ``volume`` is that of the last trade before the line was lost."""

    subscribed_at: int
    heard_at: int
    spoken: bool = False
    volume: int | None = None
    checked_at: int = 0
    quiet: int = 0
    carried: bool = False
    pauses: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=_HISTORY))


class StalenessWatch:
    """What is known of every subscribed trade feed."""

    def __init__(self, session: TradingSession, settings: StalenessSettings) -> None:
        self._day = VenueDay(session)
        self._settings = settings
        self._watched: dict[tuple[Feed, Symbol], _Watched] = {}
        self._kinds: dict[Symbol, InstrumentKind] = {}
        self._suspended: dict[Symbol, bool] = {}
        self._resumed_at: dict[Symbol, int] = {}
        self._connected = True
        self._spans: dict[Feed, tuple[int, int]] = {}

    @property
    def live(self) -> int:
        """How many trade subscriptions have sent something since they were acknowledged."""
        return sum(each.spoken for each in self._watched.values())

    @property
    def subscribed(self) -> tuple[tuple[Feed, Symbol], ...]:
        """The trade subscriptions watched, oldest first."""
        return tuple(self._watched)

    def heard_at(self, feed: Feed, symbol: Symbol) -> int | None:
        """Return when a subscription last sent something, ``None`` when it is not watched."""
        watched = self._watched.get((feed, symbol))
        return None if watched is None else watched.heard_at

    def subscribe(self, feed: Feed, symbol: Symbol, at: int, *, renewed: bool = False) -> None:
        """Watch a subscription acknowledged at ``at``.

        Nothing before it can be missing unless it is ``renewed``: then volumes are compared with
        that of the last trade before the line was lost, and what the first trade misses may have
        been lost with the line or since the acknowledgement.
        """
        if feed in TRADE_FEEDS:
            known = self._watched.get((feed, symbol))
            volume = known.volume if known is not None and renewed else None
            pauses = known.pauses if known is not None else deque(maxlen=_HISTORY)
            self._watched[feed, symbol] = _Watched(
                at, at, volume=volume, carried=volume is not None, pauses=pauses
            )

    def unsubscribe(self, feed: Feed, symbol: Symbol) -> None:
        """Watch a subscription no longer."""
        self._watched.pop((feed, symbol), None)

    def disconnected(self) -> None:
        """Expect nothing until every subscription is acknowledged anew."""
        self._connected = False

    def connected(self) -> None:
        """Expect again."""
        self._connected = True

    def refer(self, reference: SymbolReference) -> None:
        """Take in what an issue is and whether it is halted today."""
        self._kinds[reference.symbol] = reference.kind
        self._suspend(reference.symbol, suspended=reference.status_code == _HALTED, at=reference.at)

    def operate(self, event: MarketOperation | VolatilityInterruption) -> None:
        """Take in that an issue was halted, interrupted or released."""
        if isinstance(event, VolatilityInterruption):
            self._suspend(event.symbol, suspended=event.active, at=event.at)
        elif event.symbol:
            halted = event.halted or event.interrupted or event.interrupted_after_hours
            self._suspend(event.symbol, suspended=halted, at=event.at)

    def trade(self, frame: TradeFrame | VenueTradeFrame) -> Missing | None:
        """Take in trades; return what their cumulative volumes prove to be missing."""
        venue = frame.venue if isinstance(frame, VenueTradeFrame) else Venue.KRX
        feed = _FEED_OF[venue]
        watched = self._watched.get((feed, frame.symbol))
        if watched is None:
            return None
        before, lost = watched.heard_at, 0
        volume = watched.volume
        for trade in frame.trades:
            if volume is not None and trade.cumulative_volume > volume:
                lost += max(0, trade.cumulative_volume - trade.quantity - volume)
            volume = trade.cumulative_volume
        if watched.spoken and self._habitual(feed, frame.symbol, before, frame.at):
            watched.pauses.append(frame.at - before)
        watched.volume, watched.heard_at, watched.spoken = volume, frame.at, True
        watched.checked_at = watched.quiet = 0
        if self._suspended.get(frame.symbol) and not frame.trades[-1].auction:
            # Whoever said that it was halted need not have been heard saying that it is over.
            self._suspend(frame.symbol, suspended=False, at=frame.at)
        renewed, watched.carried = watched.carried, False
        if lost == 0:
            return None
        first = frame.trades[0]
        return Missing(
            symbol=frame.symbol,
            begun_at=before,
            ended_at=frame.at,
            shares=lost,
            before_volume=first.cumulative_volume - first.quantity if renewed else None,
        )

    def stale(self, at: int) -> Iterator[Stale]:
        """Yield every subscription that is silent for too long, each once per further silence.

        After a comparison that showed nothing missing it takes twice as long until the next, so
        that thin issues do not use up the call budget.
        """
        if not self._connected:
            return
        for (feed, symbol), watched in self._watched.items():
            span = self._day.continuous_at(
                TRADE_FEEDS[feed], at, self._kinds.get(symbol, InstrumentKind.STOCK)
            )
            if span is None or self._suspended.get(symbol, False):
                continue
            since = max(
                watched.heard_at, span[0], self._resumed_at.get(symbol, 0), watched.checked_at
            )
            if at - since >= self._patience(watched):
                watched.checked_at = at
                yield Stale(
                    feed=feed,
                    symbol=symbol,
                    since=watched.heard_at,
                    spoken=watched.spoken,
                    volume=None if watched.carried else watched.volume,
                )

    def compare(self, feed: Feed, symbol: Symbol, volume: int, at: int) -> Missing | None:
        """Compare the broker's cumulative volume, asked for at ``at``, with what was received.

        Return what is missing up to ``at``; from then on that volume counts as known. A first
        comparison of an issue that never spoke proves nothing about the time since, except that
        the next one has something to compare with.
        """
        watched = self._watched.get((feed, symbol))
        if watched is None or watched.heard_at >= at:
            return None
        # A volume from before the line was lost says nothing about the time since.
        known = None if watched.carried else watched.volume
        since = watched.heard_at
        watched.volume = volume if known is None else max(known, volume)
        watched.carried = False
        if known is None:
            return None
        if volume <= known:
            watched.quiet += 1
            return None
        watched.heard_at = at
        return Missing(symbol=symbol, begun_at=since, ended_at=at, shares=volume - known)

    def _habitual(self, feed: Feed, symbol: Symbol, begun_at: int, ended_at: int) -> bool:
        """Return whether a pause lies within continuous trading and so tells of an issue's habits.

        The span is kept: this is asked for every frame.
        """
        begin, end = self._spans.get(feed, (0, 0))
        if not begin <= ended_at < end:
            begin, end = self._day.continuous_at(TRADE_FEEDS[feed], ended_at) or (0, 0)
            self._spans[feed] = begin, end
        return max(begin, self._resumed_at.get(symbol, 0)) <= begun_at and ended_at < end

    def _patience(self, watched: _Watched) -> int:
        settings = self._settings
        most = settings.most_s * _SECOND
        if len(watched.pauses) < _ENOUGH:
            wanted = settings.unknown_s * _SECOND
        else:
            longest = settings.times_longest * max(watched.pauses)
            wanted = min(max(longest, settings.least_s * _SECOND), most)
        if watched.quiet:
            wanted = min(wanted * 2.0 ** min(watched.quiet, _DOUBLINGS), max(wanted, most))
        return round(wanted)

    def _suspend(self, symbol: Symbol, *, suspended: bool, at: int) -> None:
        if self._suspended.get(symbol, False) and not suspended:
            self._resumed_at[symbol] = at
        self._suspended[symbol] = suspended
