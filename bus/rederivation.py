"""Deriving a logged session again and comparing: what `kst verify` does.

The same processors that ran live are run over the log, and every output is compared byte for byte
with what the log holds. Nothing is appended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from bus.derivation import Derivation, Disagreement
from bus.errors import LogUnavailable
from bus.log import Log, Recorded
from bus.runner import ProcessorFactory, reading_topics
from events import TradingDate, codec
from events.errors import CodecError
from events.market import SessionOpened

_WAIT = 5.0


class Rederivation(msgspec.Struct, frozen=True, kw_only=True):
    """What one processor's second run showed.

    ``logged`` counts its outputs on the log, ``rederived`` those derived with the same bytes.
    The ``by_type`` counts are the same by event name. Disagreements are in log order.
    """

    processor: str
    logged: int
    rederived: int
    logged_by_type: Mapping[str, int]
    rederived_by_type: Mapping[str, int]
    disagreements: tuple[Disagreement, ...]


async def logged_sessions(log: Log) -> Sequence[tuple[Recorded, SessionOpened]]:
    """Return every session on the log, oldest first."""
    found: list[tuple[Recorded, SessionOpened]] = []
    async with log.read(topics=("market.session.*",)) as reader:
        while reader.pending and (batch := await reader.batch(_WAIT)):
            for recorded in batch:
                event = codec.decode(recorded.payload)
                if isinstance(event, SessionOpened):
                    found.append((recorded, event))
    return found


async def rederive(
    log: Log,
    factory: ProcessorFactory,
    trading_date: TradingDate,
    *,
    on_entry: Callable[[int], None] = lambda sequence: None,
) -> Rederivation:
    """Run a processor over one logged session and compare its outputs with the log.

    ``on_entry`` is told each sequence read, for a progress display.

    Raises:
        LogUnavailable: the log holds no such session.
    """
    sessions = await logged_sessions(log)
    index = next(
        (n for n, (_, event) in enumerate(sessions) if event.trading_date == trading_date), None
    )
    if index is None:
        dates = ", ".join(event.trading_date for _, event in sessions) or "none"
        raise LogUnavailable(
            f"the log of {log.account} has no session {trading_date}", f"it has: {dates}"
        )
    opening, event = sessions[index]
    end = (
        sessions[index + 1][0].sequence - 1
        if index + 1 < len(sessions)
        else (await log.info()).last_sequence
    )
    processor = factory(event)
    derivation = Derivation(processor, log.account)
    found: list[Disagreement] = []
    logged_by_type: Counter[str] = Counter()
    rederived_by_type: Counter[str] = Counter()
    async with log.read(after=opening.sequence - 1, topics=reading_topics(processor)) as reader:
        while reader.pending and (batch := await reader.batch(_WAIT)):
            for recorded in batch:
                if recorded.sequence > end:
                    break
                try:
                    logged = codec.decode(recorded.payload)
                except CodecError:
                    # It was set aside when the processor met it, and is none of its inputs.
                    continue
                before, matched = derivation.logged, derivation.matched
                _, disagreement = derivation.feed(recorded, logged)
                logged_by_type[codec.event_name(logged)] += derivation.logged - before
                rederived_by_type[codec.event_name(logged)] += derivation.matched - matched
                if disagreement is not None:
                    found.append(disagreement)
            on_entry(batch[-1].sequence)
            if batch[-1].sequence >= end:
                break
    found += derivation.unlogged()
    found.sort(key=lambda disagreement: disagreement.sequence)
    return Rederivation(
        processor=processor.name,
        logged=derivation.logged,
        rederived=derivation.matched,
        logged_by_type=+logged_by_type,
        rederived_by_type=+rederived_by_type,
        disagreements=tuple(found),
    )
