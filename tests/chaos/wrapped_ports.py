"""The ports of the services with a death at every marked step; and two routers that are wrong.

A wrapped port does what the port does. When the armed step of the board is its own passage, the
process dies before it, while the answer is on its way, or once the answer is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Final, TypeVar

from bus import Entry, JetStreamLog
from events import AccountId, codec
from events.trading import OrderSubmitting
from kis_gateway import KisBroker
from kis_gateway.broker import CancelTicket, OrderTicket, Outcome, Unknown
from projections.projector import Projector
from tests.chaos.steps import CALLS, Moment, Step, StepBoard

_UNDER_WAY: Final = 0.004
"""Wall seconds after which a call has left and is about to be answered."""

T = TypeVar("T")


class Deaths:
    """Says for the passages of one service whether the process is to die there."""

    def __init__(self, service: str, board: StepBoard) -> None:
        self._service = service
        self._board = board

    def due(self, passage: str) -> Step | None:
        """Return the armed step when this is the passage to die at."""
        step = self._board.armed
        if step is None or step.service != self._service or step.passage != passage:
            return None
        return step if self._board.is_last_passage() else None

    def due_append(self, entries: Sequence[Entry]) -> Step | None:
        """Return the armed step when one of these entries is the event to die at."""
        step = self._board.armed
        if step is None or step.service != self._service or step.passage in CALLS:
            return None
        tag = f'"{step.passage}.'.encode()
        if not any(tag in entry.payload[:64] for entry in entries):
            return None
        return step if self._board.is_last_passage() else None

    async def through(self, step: Step | None, work: Awaitable[T]) -> T:
        """Do the work of a passage; with a step, die at its moment."""
        if step is None:
            return await work
        if step.moment is Moment.BEFORE:
            self._board.die(step)
        task = asyncio.ensure_future(work)
        if step.moment is Moment.UNDER_WAY:
            await asyncio.wait({task}, timeout=_UNDER_WAY)
            self._board.die(step)
        await task
        self._board.die(step)
        raise AssertionError("killed")


class DrilledLog(JetStreamLog):
    """A log whose appends may be the last thing that the process does."""

    deaths: Deaths

    @classmethod
    async def opened(
        cls,
        deaths: Deaths,
        url: str,
        account: AccountId,
        *,
        create: bool = True,
        patience: float = 10.0,
    ) -> JetStreamLog:
        """Stand in for ``JetStreamLog.connect``."""
        log = await JetStreamLog.connect(url, account, create=create, patience=patience)
        log.__class__ = cls
        assert isinstance(log, DrilledLog)
        log.deaths = deaths
        return log

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        """Append, unless death comes first."""
        work = super().append(entries, atomic=atomic)
        return await self.deaths.through(self.deaths.due_append(entries), work)


class DrilledConnections:
    """Has ``connect`` where the services look for it, and returns drilled logs."""

    def __init__(self, deaths: Deaths, kind: type[DrilledLog] = DrilledLog) -> None:
        self.connect = partial(kind.opened, deaths)


def drilled_broker(deaths: Deaths) -> type[KisBroker]:
    """Return a broker whose order calls may be the last thing that the process does."""

    class DrilledBroker(KisBroker):
        async def submit(self, ticket: OrderTicket) -> Outcome:
            return await deaths.through(deaths.due("submit"), super().submit(ticket))

        async def cancel(self, ticket: CancelTicket) -> Outcome:
            return await deaths.through(deaths.due("cancel"), super().cancel(ticket))

    return DrilledBroker


def drilled_projector(deaths: Deaths) -> type[Projector]:
    """Return a projector whose commits may be the last thing that the process does."""

    class DrilledProjector(Projector):
        async def commit(self) -> None:
            await deaths.through(deaths.due("commit"), super().commit())

    return DrilledProjector


# -- routers that are wrong ------------------------------------------------------------------------


def resending(broker: type[KisBroker]) -> type[KisBroker]:
    """Return a broker port that sends an order again when no answer came: the classic mistake."""

    class Resending(broker):  # type: ignore[valid-type,misc] # a class made for one process
        async def submit(self, ticket: OrderTicket) -> Outcome:
            outcome: Outcome = await super().submit(ticket)
            return await super().submit(ticket) if isinstance(outcome, Unknown) else outcome

    return Resending


class EarlyLog(DrilledLog):
    """A log whose write-aheads of orders are durable only after the order has left.

    The order is sent first and written ahead when its answer is there; the answer is handed over
    when the router then sends what it takes for durable.
    """

    brokers: Final[list[KisBroker]] = []
    answers: Final[dict[tuple[str, str, int], Outcome]] = {}

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        for entry in entries:
            if b'"OrderSubmitting.' not in entry.payload[:64]:
                continue
            event = codec.decode(entry.payload)
            assert isinstance(event, OrderSubmitting)
            ticket = OrderTicket(
                symbol=event.symbol,
                side=event.side,
                kind=event.kind,
                quantity=event.quantity,
                limit_price=event.limit_price,
            )
            answer = await KisBroker.submit(self.brokers[-1], ticket)
            self.answers[ticket.symbol, str(ticket.side), ticket.quantity] = answer
        return await super().append(entries, atomic=atomic)


def too_early(broker: type[KisBroker]) -> type[KisBroker]:
    """Return the broker port that belongs to ``EarlyLog``."""

    class Early(broker):  # type: ignore[valid-type,misc] # a class made for one process
        async def __aenter__(self) -> Early:
            EarlyLog.brokers.append(self)
            return self

        async def submit(self, ticket: OrderTicket) -> Outcome:
            return EarlyLog.answers.pop((ticket.symbol, str(ticket.side), ticket.quantity))

    return Early
