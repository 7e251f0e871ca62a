"""The tape of one issue as its exchange wrote it, taken from frames as they were received.

Frames of an issue's trades and of its books come apart and late. What always holds: the steps of an
issue are in the order of the exchange's own clock (full seconds at KIS) and, within one second, in
that of their receipt; a trade that was received twice is one step, because its cumulative volume
says which it is. Issues are independent of each other: the log does not say in which order two of
them traded within a second, and nothing here depends on it.

Three things are assumed where the log is silent:

- While books of an issue were not subscribed, each trade's own best prices stand for its book, each
  with as many shares as the trade had (``Step.assumed``): less than there usually is. A record
  without a word on subscriptions has the books of an issue all day or not at all.
- An interruption or a halt begins and ends when it was told.
- The session closes 31 seconds after its scheduled end: KRX ends the closing auction at random
  within 30.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import Final, NamedTuple

from events import Delivery, Symbol
from events.market import (
    MarketOperation,
    Phase,
    QuoteFrame,
    SessionOpened,
    TradeFrame,
    Venue,
    VolatilityInterruption,
)
from events.ops import SlotsChanged
from events.prices import Board
from events.signal import Feed
from kis_gateway.simulator.exchange import (
    Command,
    EnterPhase,
    HaltIssue,
    Listing,
    MarketBook,
    MarketTrade,
    ResumeIssue,
    TriggerInterruption,
)
from research.fidelity.recording import RecordedSession

_SECOND: Final = 1_000_000_000
_AUCTION_BEFORE_OPEN: Final = 1_800 * _SECOND
_RANDOM_END: Final = 31 * _SECOND
_USUAL_INTERRUPTION: Final = 120
"""Seconds that KRX interrupts an issue for, when its end was not told."""

_FUNDS: Final = frozenset({"etf", "etn"})
_NOT_ON_A_FRAME: Final = 0


class Step(NamedTuple):
    """One thing that the exchange did in an issue.

    ``time`` is the exchange's second (ns UTC), ``sequence`` the place of the frame on the log, 0
    for what the calendar says. ``assumed`` marks a book that nobody saw.
    """

    time: int
    sequence: int
    command: Command
    assumed: bool = False


class IssueTape:
    """What the exchange did in one issue, oldest first."""

    def __init__(self, symbol: Symbol, steps: Sequence[Step]) -> None:
        self.symbol = symbol
        self.steps = tuple(steps)
        self._times = [step.time for step in self.steps]
        self._sequences, self._reached = _told_by_place(self.steps)

    def told_by(self, sequence: int) -> int:
        """Return how many steps had certainly happened when a place on the log was written.

        Those whose frames stand before it, and whatever the exchange did before them.
        """
        place = bisect_left(self._sequences, sequence)
        return self._reached[place - 1] if place else 0

    def until(self, time: int) -> int:
        """Return how many steps carry a second up to ``time`` (ns UTC)."""
        return bisect_right(self._times, time)

    def last_book(self, before: int) -> int:
        """Return the index of the newest book among the first ``before`` steps, else 0."""
        for index in range(before - 1, -1, -1):
            if isinstance(self.steps[index].command, MarketBook):
                return index
        return 0

    def book_seen(self, before: int, patience: int) -> bool:
        """Return whether a book was seen within ``patience`` ns before the step at ``before``."""
        if not before:
            return False
        now = self.steps[before - 1].time
        for step in reversed(self.steps[:before]):
            if now - step.time > patience:
                return False
            if isinstance(step.command, MarketBook) and not step.assumed:
                return True
        return False


def issue_tape(session: RecordedSession, symbol: Symbol) -> IssueTape:
    """Return what the exchange did in one issue of a recorded session."""
    opening = session.opening
    frames = session.frames.get(symbol, ())
    told = not session.slots and any(isinstance(each.event, QuoteFrame) for each in frames)
    entries = merge(frames, session.slots, key=attrgetter("sequence"))
    own = list(_steps(entries, symbol, books_told=told))
    last = max((step.time for step in own), default=0)
    steps = [*own, *_phases(opening, last)]
    steps.sort(key=lambda step: (step.time, step.sequence))
    return IssueTape(symbol, steps)


def listing(session: RecordedSession, symbol: Symbol) -> Listing:
    """Return an issue as it was listed on the day of a recorded session.

    Without the day's terms on the log: a share of KOSPI without price limits.
    """
    terms = session.references.get(symbol)
    if terms is None:
        return Listing(
            symbol=symbol,
            name=symbol,
            board=Board.KOSPI,
            sector="",
            base_price=1,
            lower_limit=1,
            upper_limit=1 << 40,
            listed_shares=0,
        )
    board = Board.FUND if terms.kind in _FUNDS else Board(terms.market)
    return Listing(
        symbol=symbol,
        name=terms.name,
        board=board,
        sector="",
        base_price=terms.base_price,
        lower_limit=terms.lower_limit,
        upper_limit=terms.upper_limit,
        listed_shares=0,
    )


def _told_by_place(steps: Sequence[Step]) -> tuple[list[int], list[int]]:
    """Return the places of steps, rising, and how many steps each of them proves to be over."""
    told = sorted((step.sequence, index) for index, step in enumerate(steps) if step.sequence)
    reached: list[int] = []
    most = 0
    for _, index in told:
        most = max(most, index + 1)
        reached.append(most)
    return [sequence for sequence, _ in told], reached


def _steps(entries: Iterable[Delivery], symbol: Symbol, *, books_told: bool) -> Iterator[Step]:
    volume = 0
    stopped: list[Delivery] = []
    wanted = f"{Feed.QUOTES}:{symbol}"
    for entry in entries:
        event, place = entry.event, entry.sequence
        if isinstance(event, SlotsChanged):
            books_told = wanted in event.held
        elif isinstance(event, TradeFrame):
            fresh = [trade for trade in event.trades if trade.cumulative_volume > volume]
            for trade in fresh:
                volume = trade.cumulative_volume
                yield Step(
                    trade.time,
                    place,
                    MarketTrade(
                        at=trade.time,
                        symbol=symbol,
                        price=trade.price,
                        quantity=trade.quantity,
                        aggressor=trade.aggressor,
                        auction=trade.auction,
                    ),
                )
                if not books_told and not trade.auction and trade.best_ask and trade.best_bid:
                    yield Step(
                        trade.time,
                        place,
                        MarketBook(
                            at=trade.time,
                            symbol=symbol,
                            asks=((trade.best_ask, trade.quantity),),
                            bids=((trade.best_bid, trade.quantity),),
                        ),
                        assumed=True,
                    )
        elif isinstance(event, QuoteFrame):
            yield Step(event.time, place, _book(event))
        else:
            stopped.append(entry)
    yield from _stops(stopped, symbol)


def _book(frame: QuoteFrame) -> MarketBook:
    return MarketBook(
        at=frame.time,
        symbol=frame.symbol,
        asks=tuple(zip(frame.ask_prices, frame.ask_quantities, strict=True)),
        bids=tuple(zip(frame.bid_prices, frame.bid_quantities, strict=True)),
    )


def _stops(entries: Sequence[Delivery], symbol: Symbol) -> Iterator[Step]:
    """Yield what stopped an issue, each interruption with the length that it turned out to have."""
    halted = False
    for number, entry in enumerate(entries):
        event = entry.event
        if isinstance(event, MarketOperation):
            if event.venue is not Venue.KRX:
                continue
            if event.halted != halted:
                halted = event.halted
                command: Command = (
                    HaltIssue(at=event.at, symbol=symbol, reason=event.reason)
                    if halted
                    else ResumeIssue(at=event.at, symbol=symbol, auction_seconds=0)
                )
                yield Step(event.at, entry.sequence, command)
        if _interrupts(event) and not (number and _interrupts(entries[number - 1].event)):
            end = next((e.event.at for e in entries[number:] if not _interrupts(e.event)), None)
            seconds = _USUAL_INTERRUPTION if end is None else (end - event.at) // _SECOND
            yield Step(
                event.at,
                entry.sequence,
                TriggerInterruption(at=event.at, symbol=symbol, seconds=seconds),
            )


def _interrupts(event: object) -> bool:
    if isinstance(event, VolatilityInterruption):
        return event.active
    return isinstance(event, MarketOperation) and event.interrupted


def _phases(opening: SessionOpened, last: int) -> Iterator[Step]:
    closed_at = opening.close_at + _RANDOM_END
    if opening.close_at <= last <= closed_at + _RANDOM_END:
        closed_at = max(closed_at, last + 1)
    for at, phase in (
        (opening.open_at - _AUCTION_BEFORE_OPEN, Phase.OPENING_AUCTION),
        (opening.open_at, Phase.CONTINUOUS),
        (opening.closing_auction_at, Phase.CLOSING_AUCTION),
        (closed_at, Phase.CLOSED),
    ):
        yield Step(at, _NOT_ON_A_FRAME, EnterPhase(at=at, phase=phase))
