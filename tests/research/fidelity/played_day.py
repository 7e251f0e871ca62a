"""A whole recorded day in a second: a backtest played under latencies that the record hides.

A strategy without sense trades a generated market, so that orders of every kind come about: those
that trade at once, rest, are withdrawn, priced anew, refused. Somebody who decides nothing writes
everything down as a log would. What the exchange knew and did not tell — when an order arrived,
within which second something traded — is not in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache

from bus import Entry, MemoryLog, Processor, ProcessorFactory
from events import AccountId, Delivery, Event, codec, subjects
from events.market import SessionOpened
from research.backtest import BacktestSettings, register, run
from research.backtest.settings import DataSettings, LatencySettings, StrategySettings
from research.backtest.settings import Delivery as How
from research.fidelity.recording import RecordedSession, read_session
from tests.research.backtest.monkey import Monkey

ACCOUNT = AccountId("played")
DATE = "20250915"


class Clerk:
    """Writes down every entry of a log."""

    name = "clerk"
    inputs: Sequence[str] = (">",)
    outputs: Sequence[str] = ("ops.clerk",)

    def __init__(self, written: list[Delivery]) -> None:
        self._written = written

    def owns(self, event: Event) -> bool:
        return False

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        self._written.append(delivery)
        return ()


def deciders() -> Mapping[str, ProcessorFactory]:
    """The deciders of a played day, as they are built for a replay."""
    from risk import gate_from_session
    from risk.guard import guard_from_session

    return {"kpr": monkey, "guard": guard_from_session, "risk": gate_from_session}


def monkey(session: SessionOpened) -> Processor:
    return Monkey(session, pause=100)


@cache
def played_day(seed: int = 1) -> RecordedSession:
    """Play a day and read it back from a log in memory."""
    written: list[Delivery] = []
    register("kpr", monkey)
    register("clerk", lambda session: Clerk(written))
    run(
        BacktestSettings(
            name="played",
            strategies=(StrategySettings(name="kpr"), StrategySettings(name="clerk")),
            data=DataSettings(
                symbols=4, sessions=1, trades_per_bar=2, registrations=0, tick_s=20, seed=seed
            ),
            latency=LatencySettings(
                feed=(5.0, 40.0, 200.0),
                order=(20.0, 150.0, 1_900.0),
                cancel=(20.0, 150.0, 1_900.0),
                answer=(10.0, 80.0, 900.0),
                notice=(10.0, 60.0, 1_500.0),
            ),
            delivery=How.EVERY,
            seed=seed,
        )
    )
    return asyncio.run(_logged(written))


async def _logged(written: Sequence[Delivery]) -> RecordedSession:
    log = MemoryLog(ACCOUNT)
    for number in range(0, len(written), 500):
        await log.append([_entry(each) for each in written[number : number + 500]])
    first = written[0].sequence
    assert [each.sequence for each in written] == list(range(first, first + len(written)))
    assert first == 1
    return await read_session(log, written[0].event.trading_date)  # type: ignore[attr-defined]


def _entry(delivery: Delivery) -> Entry:
    event = delivery.event
    return Entry(
        subjects.subject(ACCOUNT, event.topic), codec.encode(event), f"entry-{delivery.sequence}"
    )
