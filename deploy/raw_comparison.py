"""Holds what recorded frames say against what stands on the log, instant by instant.

Both are in the order of receipt, so they are walked side by side and nothing is kept in memory.
Index levels and program trading are the exception: the gateway also asks for them, and an answer
may stand on the log before a frame that was received earlier. They are few; they are kept and
compared at the end, and those of no frame are not counted.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec

from events.market import IndexLevel, ProgramFlow
from kis_gateway.broker import MarketRecord

_ASKED_TOO: Final = (IndexLevel, ProgramFlow)
"""Events that the gateway also makes from answers to its own questions."""

_SHOWN: Final = 20


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference: ``missing`` on the log, ``extra`` (only there) or ``changed``.

    ``sequence`` is the log's, 0 when nothing stands there; ``block`` and ``place`` name the frame.
    """

    kind: str
    sequence: int
    block: int
    place: int
    derived: str
    logged: str
    frame: str


class Derived(msgspec.Struct, frozen=True):
    """What this code makes of a frame, and where the frame is recorded."""

    event: MarketRecord
    block: int
    place: int
    frame: str


class Logged(msgspec.Struct, frozen=True):
    """What stands on the log at ``sequence``."""

    event: MarketRecord
    sequence: int


class Comparison:
    """Holds derived and logged events against each other, one instant of receipt at a time."""

    def __init__(self, shown: int = _SHOWN) -> None:
        self._shown = shown
        self.matched = self.unrecorded = 0
        self.counts: Counter[str] = Counter()
        self.first: list[Difference] = []

    def instant(self, derived: list[Derived], logged: list[Logged]) -> None:
        """Compare what was derived and logged for one instant, each in order."""
        left = list(logged)
        unmatched: list[Derived] = []
        for item in derived:
            found = next((entry for entry in left if entry.event == item.event), None)
            if found is None:
                unmatched.append(item)
            else:
                left.remove(found)
                self.matched += 1
        for item in unmatched:
            topic = item.event.topic
            found = next((entry for entry in left if entry.event.topic == topic), None)
            if found is not None:
                left.remove(found)
            self._note("missing" if found is None else "changed", item, found)
        for entry in left:
            self._note("extra", None, entry)

    def _note(self, kind: str, derived: Derived | None, logged: Logged | None) -> None:
        self.counts[kind] += 1
        if len(self.first) >= self._shown:
            return
        self.first.append(
            Difference(
                kind=kind,
                sequence=0 if logged is None else logged.sequence,
                block=0 if derived is None else derived.block,
                place=0 if derived is None else derived.place,
                derived="" if derived is None else repr(derived.event),
                logged="" if logged is None else repr(logged.event),
                frame="" if derived is None else derived.frame,
            )
        )


class _Log:
    """The log's side of the walk."""

    def __init__(self, logged: AsyncIterator[Logged]) -> None:
        self._logged = logged
        self._next: Logged | None = None
        self.asked: dict[int, list[Logged]] = defaultdict(list)

    async def advance(self) -> None:
        """Go to the next event that only frames bring."""
        async for entry in self._logged:
            if not isinstance(entry.event, _ASKED_TOO):
                self._next = entry
                return
            self.asked[entry.event.at].append(entry)
        self._next = None

    async def before(self, at: int | None) -> AsyncIterator[Logged]:
        """Yield what stands before an instant; everything left without one."""
        while (entry := self._next) is not None and (at is None or entry.event.at < at):
            yield entry
            await self.advance()

    async def at(self, at: int) -> list[Logged]:
        """Return what stands at an instant."""
        found: list[Logged] = []
        while (entry := self._next) is not None and entry.event.at == at:
            found.append(entry)
            await self.advance()
        return found


async def side_by_side(
    derived: AsyncIterator[tuple[int, list[Derived]]],
    logged: AsyncIterator[Logged],
    *,
    began: Callable[[], int | None],
) -> Comparison:
    """Compare the events of frames, by instant of receipt in order, with those of the log.

    ``began`` tells when the recording began, once its first frame has been read.
    """
    comparison, log = Comparison(), _Log(logged)
    await log.advance()
    asked: dict[int, list[Derived]] = defaultdict(list)

    async def compare(at: int | None, events: list[Derived]) -> None:
        async for entry in log.before(at):
            start = began()
            if start is None or entry.event.at < start:
                comparison.unrecorded += 1
            else:
                comparison.instant([], [entry])
        if at is not None:
            comparison.instant(events, await log.at(at))

    present, waiting = 0, list[Derived]()
    async for at, events in derived:
        if at != present and waiting:
            await compare(present, waiting)
            waiting = []
        present = at
        for item in events:
            (asked[at] if isinstance(item.event, _ASKED_TOO) else waiting).append(item)
    if waiting:
        await compare(present, waiting)
    await compare(None, [])
    for at, items in asked.items():
        topics = {item.event.topic for item in items}
        same = [entry for entry in log.asked[at] if entry.event.topic in topics]
        comparison.instant(items, same)
    return comparison
