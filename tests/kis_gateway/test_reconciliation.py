"""Broker holdings against the owners' books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bus import ManualTime, MemoryLog
from events import EXTERNAL, UNKNOWN, StrategyId, Symbol
from events.control import SharesReallocated
from events.market import OpeningAllocation
from events.ops import Degraded, Recovered
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    OrderAccepted,
    OrderFilled,
)
from kis_gateway.errors import SettingsError
from kis_gateway.orders.reconciliation import Reconciliation, ReconciliationSettings
from tests.kis_gateway.fakes import (
    DAY,
    HYNIX,
    KMP,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    FakeBroker,
    Rig,
    approved,
    idle,
    intent,
    of_type,
    opened_log,
    pass_time,
    put,
    session_opened,
    until,
)

NOW = OPEN + SECOND
OWNED = OpeningAllocation(strategy=KMP, symbol=SAMSUNG, quantity=10, cost=700_000)


class Day:
    """A router with its reconciliation."""

    def __init__(self, log: MemoryLog, *allocations: OpeningAllocation) -> None:
        self.log = log
        self.time = ManualTime(NOW)
        self.broker = FakeBroker(self.time)
        self.rig = Rig(log, self.broker, self.time, session=session_opened(*allocations))
        self.drifts: dict[Symbol, tuple[int, int]] = {}

    def build(self) -> Reconciliation:
        return Reconciliation(
            broker=self.broker,
            writer=self.rig.writer,
            publisher=self.rig.publisher,
            conditions=self.rig.conditions,
            time=self.time,
            day=DAY,
            close_at=SESSION.close_at,
            settings=ReconciliationSettings(),
            drifts=self.drifts,
            health=self.rig.health,
        )


@asynccontextmanager
async def running(day: Day) -> AsyncIterator[Reconciliation]:
    subject = day.build()
    await day.rig.start()
    task = asyncio.create_task(subject.run())
    await idle()
    yield subject
    task.cancel()
    await asyncio.wait([task])
    await day.rig.finish()


async def test_a_snapshot_at_the_start_and_every_minute() -> None:
    """Complete: what is not listed is not held."""
    day = Day(await opened_log(), OWNED)
    day.broker.holdings = {SAMSUNG: 10}
    async with running(day):
        await day.time.advance(59)
        await idle()
        assert len(of_type(day.log, AccountSnapshot)) == 1
        await day.time.advance(1)
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 2)
    snapshot = of_type(day.log, AccountSnapshot)[0]
    assert (snapshot.cash, snapshot.equity) == (10_000_000, 12_000_000)
    assert snapshot.deposits == (11_000_000, 10_500_000, 10_000_000)
    assert [(item.symbol, item.quantity) for item in snapshot.holdings] == [(SAMSUNG, 10)]
    assert of_type(day.log, DriftDetected) == []


async def test_a_difference_is_found_once_and_cleared_when_it_is_gone() -> None:
    """Ten booked, none at the broker; then ten again. The books are not touched."""
    day = Day(await opened_log(), OWNED)
    async with running(day):
        await day.time.advance(60)
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 2)
        (drift,) = of_type(day.log, DriftDetected)
        assert (drift.symbol, drift.broker_quantity, drift.allocated_quantity) == (SAMSUNG, 0, 10)
        assert day.rig.writer.allocations.quantity(SAMSUNG) == 10
        day.broker.holdings = {SAMSUNG: 10}
        await day.time.advance(60)
        await until(lambda: len(of_type(day.log, DriftCleared)) == 1)


async def test_a_drift_found_before_a_restart_is_not_found_again() -> None:
    """It stands on the log; only a change or its end is news."""
    day = Day(await opened_log(), OWNED)
    day.drifts = {SAMSUNG: (0, 10)}
    async with running(day):
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 1)
        assert of_type(day.log, DriftDetected) == []


async def test_no_finding_while_an_order_works_or_its_fill_is_young() -> None:
    """The broker is ahead of the notices for a moment; after ten quiet seconds it counts."""
    day = Day(await opened_log())
    wish = intent(at=NOW, limit_price=70_500)
    async with running(day) as subject:
        await put(day.log, wish, approved(wish))
        await until(lambda: bool(of_type(day.log, OrderAccepted)))
        day.broker.holdings = {SAMSUNG: 10}
        await day.time.advance(4)
        subject.ask_now()
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 2)
        await day.rig.settlement.on_notice(day.broker.fill(1, 10, 70_000))
        await until(lambda: bool(of_type(day.log, OrderFilled)))
        day.broker.holdings = {SAMSUNG: 11}  # a share nobody here ordered
        await day.time.advance(3)
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 3)
        assert of_type(day.log, DriftDetected) == []
        await day.time.advance(60)
        await until(lambda: len(of_type(day.log, DriftDetected)) == 1)


async def test_a_burst_of_fills_costs_one_inquiry() -> None:
    """Three fills within a second, one balance three seconds after the first."""
    day = Day(await opened_log())
    wish = intent(at=NOW, limit_price=70_500)
    async with running(day):
        await put(day.log, wish, approved(wish))
        await until(lambda: bool(of_type(day.log, OrderAccepted)))
        for price in (70_000, 70_050, 70_100):
            await day.rig.settlement.on_notice(day.broker.fill(1, 3, price))
        await until(lambda: len(of_type(day.log, OrderFilled)) == 3)
        await day.time.advance(3)
        await until(lambda: len(of_type(day.log, AccountSnapshot)) == 2)
        await day.time.advance(10)
        await idle()
        assert day.broker.balances == 2


async def test_a_failed_balance_is_reported_once_and_proves_nothing() -> None:
    """No snapshot, no drift; the next good answer ends the condition."""
    day = Day(await opened_log(), OWNED)
    day.broker.failing.add("balance")
    async with running(day):
        await day.time.advance(120)
        await idle()
        assert of_type(day.log, AccountSnapshot) == []
        assert of_type(day.log, DriftDetected) == []
        assert [event.condition for event in of_type(day.log, Degraded)] == ["balance_inquiry"]
        day.broker.failing.clear()
        day.broker.holdings = {SAMSUNG: 10}
        await day.time.advance(60)
        await until(lambda: len(of_type(day.log, Recovered)) == 1)


async def test_the_balance_is_read_at_the_close() -> None:
    """It is what the next session is compared with."""
    day = Day(await opened_log())
    async with running(day):
        await day.time.advance((SESSION.close_at - NOW) / SECOND)
        await until(lambda: of_type(day.log, AccountSnapshot)[-1].at >= SESSION.close_at)
        assert of_type(day.log, AccountSnapshot)[-1].at == SESSION.close_at


def moved(source: StrategyId, target: StrategyId, quantity: int) -> SharesReallocated:
    return SharesReallocated(
        at=NOW,
        issued_by="kim",
        reason="test",
        symbol=HYNIX,
        source=source,
        target=target,
        quantity=quantity,
        cost=quantity * 100,
    )


@pytest.mark.parametrize("target", [KMP, EXTERNAL])
async def test_shares_bought_by_hand_are_found_within_a_period_and_explained_by_an_operator(
    target: StrategyId,
) -> None:
    """Of a symbol the log has never seen; the next comparison is made at once and clears it."""
    day = Day(await opened_log(), OWNED)
    day.broker.holdings = {SAMSUNG: 10}
    async with running(day):
        day.broker.holdings = {SAMSUNG: 10, HYNIX: 4}
        await pass_time(day.time, 61)
        (drift,) = of_type(day.log, DriftDetected)
        assert (drift.symbol, drift.broker_quantity, drift.allocated_quantity) == (HYNIX, 4, 0)
        await until(lambda: day.rig.writer.allocations.unknown(HYNIX) == 4)
        await put(day.log, moved(UNKNOWN, target, 4))
        await until(lambda: day.rig.writer.allocations.of(target, HYNIX).quantity == 4)
        await pass_time(day.time, 2)
        assert [event.symbol for event in of_type(day.log, DriftCleared)] == [HYNIX]
        await pass_time(day.time, 120)
        assert len(of_type(day.log, DriftDetected)) == 1


async def test_missing_shares_are_taken_off_their_owner_by_an_operator() -> None:
    """Four of ten were sold by hand: unknown has minus four until KMP gives them up."""
    owned = OpeningAllocation(strategy=KMP, symbol=HYNIX, quantity=10, cost=1_000)
    day = Day(await opened_log(), owned)
    day.broker.holdings = {HYNIX: 6}
    async with running(day):
        await until(lambda: day.rig.writer.allocations.unknown(HYNIX) == -4)
        await put(day.log, moved(KMP, UNKNOWN, 4))
        await pass_time(day.time, 3)
        assert [event.symbol for event in of_type(day.log, DriftCleared)] == [HYNIX]
        assert day.rig.writer.allocations.total(HYNIX) == 6


async def test_unknown_shares_carried_over_night_end_when_the_broker_agrees() -> None:
    """The session knows of no finding of its own; the carried one is cleared all the same."""
    carried = OpeningAllocation(strategy=UNKNOWN, symbol=SAMSUNG, quantity=-3, cost=0)
    day = Day(await opened_log(), OWNED, carried)
    day.broker.holdings = {SAMSUNG: 10}
    async with running(day):
        await until(lambda: bool(of_type(day.log, DriftCleared)))
        await until(lambda: day.rig.writer.allocations.unknown(SAMSUNG) == 0)


async def test_a_carried_finding_whose_figures_are_not_known_is_found_anew() -> None:
    """The halt of the earlier session is in force; what this session sees is on its log."""
    day = Day(await opened_log(), OWNED)
    day.drifts = {SAMSUNG: (-1, -1)}
    async with running(day):
        await until(lambda: bool(of_type(day.log, DriftDetected)))
    (drift,) = of_type(day.log, DriftDetected)
    assert (drift.broker_quantity, drift.allocated_quantity) == (0, 10)


async def test_five_failures_in_a_row_are_a_condition_of_the_account_until_three_clean_cycles() -> (
    None
):
    """Failures are repeated every ten seconds; then orders and balance are answered three times."""
    day = Day(await opened_log(), OWNED)
    day.broker.holdings = {SAMSUNG: 10}
    day.broker.failing.add("balance")
    async with running(day):
        await pass_time(day.time, 39)
        assert [event.condition for event in of_type(day.log, Degraded)] == ["balance_inquiry"]
        await pass_time(day.time, 2)
        assert of_type(day.log, Degraded)[-1].condition == "reconciliation_failing"
        day.broker.failing.clear()
        await pass_time(day.time, 25)
        assert [event.condition for event in of_type(day.log, Recovered)] == ["balance_inquiry"]
        await pass_time(day.time, 10)
        assert of_type(day.log, Recovered)[-1].condition == "reconciliation_failing"


def test_a_retry_faster_than_the_spacing_is_refused() -> None:
    """The message gives the figures."""
    with pytest.raises(SettingsError, match="spacing_s <= retry_s"):
        ReconciliationSettings(retry_s=1)
