"""A log that went backwards or is another one is noticed before anything leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from bus import LogIdentity, ManualTime, MemoryLog
from events.control import EVERYTHING, HaltMode, HaltScope, HaltSet, HaltTrigger
from events.ops import Degraded
from events.trading import OrderAccepted
from kis_gateway.orders.log_watch import LogMark, LogWatch
from tests.kis_gateway.fakes import (
    ACCOUNT,
    OPEN,
    FakeBroker,
    Rig,
    approved,
    idle,
    intent,
    of_type,
    opened_log,
    pass_time,
    put,
    tick,
    until,
)

FILE = f"log-{ACCOUNT}.json"


class NamedLog(MemoryLog):
    """A log in memory that says when it was created."""

    created = "2025-09-15T00:00:00Z"

    async def info(self) -> LogIdentity:
        return (await super().info())._replace(created=self.created)


async def _log(entries: int, log: MemoryLog | None = None) -> MemoryLog:
    log = NamedLog(ACCOUNT) if log is None else log
    for second in range(entries):
        await put(log, tick(OPEN + second * 1_000_000_000))
    return log


def watch(log: MemoryLog, folder: Path) -> LogWatch:
    return LogWatch(log, ManualTime(OPEN), folder)


async def test_a_log_that_goes_on_where_it_was_left_changes_nothing(tmp_path: Path) -> None:
    """Also the first start, which has no mark to compare with."""
    log = await _log(3)
    await watch(log, tmp_path).halt_if_regressed()
    await watch(log, tmp_path).keep(3)
    await put(log, tick(OPEN + 9_000_000_000))
    await watch(log, tmp_path).halt_if_regressed()
    assert len(log.entries) == 4


async def test_a_shorter_log_halts_the_account_once_until_an_operator_says_otherwise(
    tmp_path: Path,
) -> None:
    """Entries 4 and 5 are gone, and orders may have been among them."""
    await watch(await _log(5), tmp_path).keep(5)
    log = await _log(3)
    await watch(log, tmp_path).halt_if_regressed()
    (halt,) = of_type(log, HaltSet)
    assert (halt.scope, halt.target, halt.mode, halt.trigger, halt.issued_by) == (
        HaltScope.ACCOUNT,
        EVERYTHING,
        HaltMode.REDUCE_ONLY,
        HaltTrigger.LOG_REGRESSED,
        "gateway",
    )
    assert halt.reason == "the log ends at 3, it was acted on up to 5"
    assert [event.condition for event in of_type(log, Degraded)] == ["log_regressed"]
    await watch(log, tmp_path).halt_if_regressed()
    assert len(of_type(log, HaltSet)) == 1


async def test_a_log_with_another_entry_at_the_mark_halts_the_account(tmp_path: Path) -> None:
    """It was cut and has grown again past the mark."""
    await watch(await _log(5), tmp_path).keep(5)
    log = await _log(4)
    await put(log, tick(OPEN + 77_000_000_000), tick(OPEN + 78_000_000_000))
    await watch(log, tmp_path).halt_if_regressed()
    assert of_type(log, HaltSet)[0].reason == (
        "entry 5 of the log is another one than was acted on"
    )


async def test_another_log_halts_the_account(tmp_path: Path) -> None:
    """Created anew, whatever stands on it."""
    await watch(await _log(2), tmp_path).keep(2)
    log = NamedLog(ACCOUNT)
    log.created = "2025-09-16T00:00:00Z"
    await watch(await _log(9, log), tmp_path).halt_if_regressed()
    assert of_type(log, HaltSet)[0].reason.startswith("the log is MEMORY_test of 2025-09-16")


async def test_a_mark_that_cannot_be_read_halts_the_account(tmp_path: Path) -> None:
    """It is replaced at once or not at all, so somebody else wrote it."""
    (tmp_path / FILE).write_text("{")
    log = await _log(2)
    await watch(log, tmp_path).halt_if_regressed()
    assert "cannot be read" in of_type(log, HaltSet)[0].reason


async def test_a_mark_that_has_aged_out_of_the_log_proves_nothing_against_it(
    tmp_path: Path,
) -> None:
    """The stream keeps some weeks; that it is the same one is known."""
    log = await _log(2)
    await watch(log, tmp_path).keep(1)

    class Aged(NamedLog):
        async def info(self) -> LogIdentity:
            return (await super().info())._replace(first_sequence=2)

    aged = Aged(ACCOUNT)
    await put(aged, tick(OPEN + 50_000_000_000), tick(OPEN + 51_000_000_000))
    await watch(aged, tmp_path).halt_if_regressed()
    assert of_type(aged, HaltSet) == []


async def test_the_mark_follows_an_order_at_once_and_the_rest_every_half_minute(
    tmp_path: Path,
) -> None:
    """An order that left is what a log without it would send again."""
    time = ManualTime(OPEN)
    log = await opened_log()
    rig = await Rig(log, FakeBroker(time), time).start()
    subject = LogWatch(log, time, tmp_path)
    task = asyncio.create_task(subject.run(rig.writer, lambda: rig.router.position))

    def kept() -> int:
        path = tmp_path / FILE
        if not path.exists():
            return 0
        return msgspec.json.decode(path.read_bytes(), type=LogMark).sequence

    async def reaches(sequence: int) -> None:
        async with asyncio.timeout(5):
            while kept() != sequence:
                await asyncio.sleep(0.001)

    await reaches(6)
    await pass_time(time, 2)
    await put(log, tick(OPEN + 2_000_000_000))
    await pass_time(time, 5)
    await asyncio.sleep(0.02)
    assert kept() == 6
    wish = intent(at=OPEN, limit_price=70_500)
    await put(log, wish, approved(wish))
    await until(lambda: bool(of_type(log, OrderAccepted)))
    await pass_time(time, 2)
    await until(lambda: rig.router.position == len(log.entries))
    await idle()
    await asyncio.sleep(0.02)
    await pass_time(time, 2)
    await reaches(len(log.entries))
    task.cancel()
    await asyncio.wait([task])
    await rig.finish()
