"""Whatever dies or gets lost when: one order at the exchange per order id, and every share booked.

A day in miniature with faults drawn at random: the process dies at the n-th append (stored or not),
answers are lost with or without the order arriving, notices come twice, late, or never.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from bus import Entry, ManualTime, MemoryLog
from events.control import CancelRequested
from events.trading import (
    IntentKind,
    IntentSubmitted,
    OrderEvent,
    OrderFilled,
    OrderSubmitting,
)
from kis_gateway.broker import FillNotice, OrderTicket, Outcome, Unknown
from kis_gateway.orders.order_book import OrderBook
from tests.kis_gateway.fakes import (
    ACCOUNT,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    FakeBroker,
    Rig,
    approved,
    decoded,
    first_order,
    idle,
    intent,
    of_type,
    opened_log,
    put,
    tick,
)

NOW = OPEN + SECOND


class MortalLog(MemoryLog):
    """A log whose writer dies at its n-th append of an order event."""

    def __init__(self) -> None:
        super().__init__(ACCOUNT)
        self.deaths: list[tuple[int, bool]] = []
        """(appends from now on until the death, whether the fatal one is stored)."""
        self.dead = False

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        if ".trading.order." not in entries[0].subject or not self.deaths:
            return await super().append(entries, atomic=atomic)
        left, stored = self.deaths[0]
        if self.dead or left == 0:
            if stored and not self.dead:
                await super().append(entries, atomic=atomic)
            self.dead = True
            await asyncio.Event().wait()
        self.deaths[0] = left - 1, stored
        return await super().append(entries, atomic=atomic)


class ForgetfulBroker(FakeBroker):
    """A broker that loses answers as told: ``-`` fine, ``a`` answer lost, ``o`` order lost too."""

    def __init__(self, time: ManualTime, losses: str) -> None:
        super().__init__(time)
        self.losses = losses

    async def submit(self, ticket: OrderTicket) -> Outcome:
        count = len(self.submitted)
        loss = self.losses[count] if count < len(self.losses) else "-"
        self.arrives = loss != "o"
        outcome = await super().submit(ticket)
        return outcome if loss == "-" else Unknown(reason="time-out")


@dataclass(frozen=True)
class Fate:
    """What happens to one fill's notice."""

    order: int
    quantity: int
    copies: int
    delay: int


_FATES = st.builds(
    Fate,
    order=st.integers(1, 6),
    quantity=st.integers(1, 6),
    copies=st.integers(0, 2),
    delay=st.integers(0, 12),
)


def _wishes() -> list[IntentSubmitted]:
    return [
        intent(IntentKind.EXIT, at=NOW, attempt=attempt, symbol=symbol)
        for attempt in (1, 2, 3)
        for symbol in (SAMSUNG, HYNIX)
    ]


async def _day(
    deaths: list[tuple[int, bool]], losses: str, fates: list[Fate], second_router: bool
) -> tuple[MortalLog, ForgetfulBroker]:
    """Run for two minutes, restarting what dies."""
    log, time = MortalLog(), ManualTime(NOW)
    await opened_log(log)
    log.deaths = list(deaths)
    broker = ForgetfulBroker(time, losses)
    runs = iter(range(100))
    rig = await Rig(log, broker, time, run=f"r{next(runs)}").start()
    twin = await Rig(log, broker, time, run="twin").start() if second_router else None
    wishes, fills = _wishes(), list(fates)
    due: list[tuple[int, FillNotice]] = []
    for second in range(120):
        if wishes and second % 3 == 0:
            wish = wishes.pop(0)
            await put(log, wish, approved(wish))
        if second == 80:  # A sale works until it is filled, withdrawn, or the session closes.
            at = NOW + second * SECOND
            await put(log, CancelRequested(at=at, issued_by="test", reason="the end of the day"))
        await idle(15)
        if fills and second % 4 == 1:
            due.extend(_execute(broker, fills.pop(0), second))
        for at, notice in [item for item in due if item[0] <= second]:
            due.remove((at, notice))
            await rig.settlement.on_notice(notice)
        await put(log, tick(NOW + second * SECOND))
        await idle(15)
        while log.dead:
            await rig.crash()
            if twin is not None:
                await twin.crash()
                twin = None
            log.deaths.pop(0)
            log.dead = False
            head = len(log.entries)
            rig = Rig(log, broker, time, run=f"r{next(runs)}", head=head)
            await rig.start(lambda: log.dead)
        await time.advance(1)
        await idle(15)
    await rig.finish()
    if twin is not None:
        await twin.finish()
    return log, broker


def _execute(broker: FakeBroker, fate: Fate, second: int) -> list[tuple[int, FillNotice]]:
    row = broker.rows.get(f"{fate.order:010d}")
    if row is None or row.remaining_quantity == 0:
        return []
    notice = broker.fill(fate.order, min(fate.quantity, row.remaining_quantity), 70_000)
    return [(second + fate.delay, notice)] * fate.copies


@settings(max_examples=25)
@given(
    deaths=st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=4),
    losses=st.text(alphabet="-ao", max_size=6),
    fates=st.lists(_FATES, max_size=8),
    second_router=st.booleans(),
)
def test_one_order_per_id_and_every_executed_share_is_booked_once(
    deaths: list[tuple[int, bool]], losses: str, fates: list[Fate], second_router: bool
) -> None:
    """At most one call per write-ahead; log and broker agree on every executed share."""
    log, broker = asyncio.run(_day(deaths, losses, fates, second_router))
    written = of_type(log, OrderSubmitting)
    assert len({event.order_id for event in written}) == len(written)
    assert len(broker.submitted) <= len(written)
    book = OrderBook()
    for recorded, event in zip(log.entries, decoded(log), strict=True):
        if isinstance(event, OrderEvent):
            book.apply(recorded.sequence, event)  # every story on the log follows the table
    booked = sum(event.quantity for event in of_type(log, OrderFilled))
    executed = sum(row.filled_quantity for row in broker.rows.values())
    assert booked == executed
    for wish in _wishes():
        order = book.order(first_order(wish))
        assert order is not None
        assert order.over
