"""However notices and lists come, what was executed is booked once and at its value."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus import ManualTime, MemoryLog
from events.trading import FillCorrected, OrderAccepted, OrderClosed, OrderFilled
from kis_gateway.broker import FillNotice
from tests.kis_gateway.fakes import (
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    FakeBroker,
    Rig,
    approved,
    idle,
    intent,
    of_type,
    opened_log,
    pass_time,
    put,
    until,
)

NOW: Final = OPEN + SECOND
ENTRY = intent(at=NOW, limit_price=70_500)

_EXECUTIONS = st.lists(
    st.tuples(
        st.integers(1, 5),
        st.sampled_from((69_900, 70_000, 70_100)),
        st.sampled_from(("prompt", "lost", "twice", "late", "wrong price")),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=5,
)


class _Story:
    """One order with its executions, and what was booked of it."""

    def __init__(self) -> None:
        self.time = ManualTime(NOW)
        self.broker = FakeBroker(self.time)
        self.late: list[FillNotice] = []

    async def run(self, executions: list[tuple[int, int, str, int]]) -> MemoryLog:
        log = await opened_log()
        rig = await Rig(log, self.broker, self.time).start()
        await put(log, ENTRY, approved(ENTRY))
        await until(lambda: bool(of_type(log, OrderAccepted)))
        for quantity, price, fate, pause in executions:
            left = self.broker.rows["0000000001"].remaining_quantity
            if left:
                await self._execute(rig, min(quantity, left), price, fate)
            await pass_time(self.time, pause)
        for notice in self.late:
            await rig.settlement.on_notice(notice)
        self._withdraw_rest()
        await pass_time(self.time, 80)
        self.held = rig.writer.allocations.of(KMP, SAMSUNG)
        await rig.finish()
        return log

    async def _execute(self, rig: Rig, quantity: int, price: int, fate: str) -> None:
        notice = self.broker.fill(1, quantity, price)
        if fate == "wrong price":
            notice = msgspec.structs.replace(notice, price=price + 50)
        if fate == "late":
            self.late.append(notice)
        if fate in ("prompt", "twice", "wrong price"):
            await rig.settlement.on_notice(notice)
        if fate == "twice":
            await rig.settlement.on_notice(notice)
        await idle(20)

    def _withdraw_rest(self) -> None:
        row = self.broker.rows["0000000001"]
        self.broker.rows["0000000001"] = msgspec.structs.replace(
            row, cancelled_quantity=row.remaining_quantity, remaining_quantity=0
        )


@pytest.mark.invariant(3)
@settings(max_examples=25, deadline=None)
@given(_EXECUTIONS)
def test_what_was_executed_is_booked_once_and_at_its_value(
    executions: list[tuple[int, int, str, int]],
) -> None:
    """Lost, repeated, late and wrong notices between lists read whenever they are due."""
    story = _Story()
    log = asyncio.run(story.run(executions))
    row = story.broker.rows["0000000001"]
    fills = of_type(log, OrderFilled)
    assert sum(fill.quantity for fill in fills) == row.filled_quantity
    assert [fill.cumulative_quantity for fill in fills] == [
        sum(fill.quantity for fill in fills[: place + 1]) for place in range(len(fills))
    ]
    corrected = sum(event.amount for event in of_type(log, FillCorrected))
    assert sum(fill.amount for fill in fills) + corrected == row.filled_amount
    assert (story.held.quantity, story.held.cost) == (row.filled_quantity, row.filled_amount)
    (closed,) = of_type(log, OrderClosed)
    assert closed.filled_quantity == row.filled_quantity
