"""The lease: one holder at a time, whoever is paused, killed, or on another host."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from bus import (
    Entry,
    Holder,
    JetStreamLog,
    Lease,
    LeaseLost,
    Log,
    ManualTime,
    MemoryLog,
    NatsServer,
    entry,
)
from bus.process_identity import has_ended, own_identity
from events import AccountId, codec
from events.control import LeaseReleased, LeaseRenewed, LeaseTaken

SECOND = 1_000_000_000
HERE, THERE = "here/boot/ns/1/100", "there/boot/ns/1/100"


def a_lease(
    log: Log,
    clock: ManualTime,
    run: str,
    *,
    holder: str = HERE,
    dead: frozenset[str] = frozenset(),
) -> Lease:
    return Lease(
        log,
        "router",
        run,
        now=lambda: 7,
        clock=clock,
        holder=holder,
        ended=lambda identity: identity in dead,
    )


async def settle() -> None:
    """Let what waits for the log, a real one too, come to its next wait for the clock."""
    await asyncio.sleep(0.05)


async def run_clock(clock: ManualTime, seconds: float) -> None:
    for _ in range(round(seconds * 2)):
        await clock.advance(0.5)
        await asyncio.sleep(0.005)


async def lease_story(log: Log) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    async with log.read(topics=("trading.lease.router",)) as reader:
        while batch := await reader.batch(0.2):
            for recorded in batch:
                event = codec.decode(recorded.payload)
                assert isinstance(event, LeaseTaken | LeaseRenewed | LeaseReleased)
                found.append((codec.event_name(event), event.epoch, event.run))
    return found


async def test_the_first_one_takes_the_lease_at_once(log: Log) -> None:
    """Epoch 1, and it may act."""
    lease = a_lease(log, ManualTime(0), "r1")
    assert not lease.fresh
    assert await lease.acquire(asyncio.Event())
    assert (lease.epoch, lease.fresh) == (1, True)
    assert await lease_story(log) == [("LeaseTaken", 1, "r1")]


async def test_of_two_contenders_one_has_it_and_the_other_knows_who(log: Log) -> None:
    """Both look at the empty subject at the same time; the log lets one of them in."""
    clock, stop = ManualTime(0), asyncio.Event()
    leases = [
        a_lease(log, clock, "r1", holder=HERE),
        a_lease(log, clock, "r2", holder=THERE),
    ]
    seen: list[Holder] = []

    async def waits(holder: Holder) -> None:
        seen.append(holder)

    tasks = [asyncio.create_task(lease.acquire(stop, waits)) for lease in leases]
    while not seen:
        await asyncio.sleep(0)
    assert sorted(lease.fresh for lease in leases) == [False, True]
    (holder,) = (lease for lease in leases if lease.fresh)
    assert seen[0] == (holder._holder, holder._run, 1)
    stop.set()
    await clock.advance(1)
    assert sorted(await asyncio.gather(*tasks)) == [False, True]


async def test_a_foreign_holder_that_is_silent_is_waited_for_a_whole_ttl(log: Log) -> None:
    """Nothing can be known about another host's process: 15 s after its last sign of life."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    second = a_lease(log, clock, "r2")
    task = asyncio.create_task(second.acquire(asyncio.Event()))
    await settle()
    await run_clock(clock, 14.5)
    assert not task.done()
    assert not first.fresh
    await run_clock(clock, 1)
    assert await asyncio.wait_for(task, 5)
    assert (second.epoch, second.fresh, first.fresh) == (2, True, False)


async def test_a_holder_that_renews_keeps_everybody_waiting(log: Log) -> None:
    """Every renewal begins the wait anew, and the holder may act all the while."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    keeping = asyncio.create_task(first.keep())
    second = a_lease(log, clock, "r2")
    task = asyncio.create_task(second.acquire(asyncio.Event()))
    try:
        for _ in range(120):
            await clock.advance(0.5)
            await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                while not first.fresh:  # The clock stands still until a slow log has answered.
                    await asyncio.sleep(0.01)
        assert not task.done()
    finally:
        for each in (keeping, task):
            each.cancel()
        await asyncio.wait([keeping, task])


async def test_a_renewal_cut_short_does_not_prevent_the_release(log: Log) -> None:
    """Its entry may stand on the log although nobody waited for the answer any more."""
    clock = ManualTime(0)
    lease = a_lease(log, clock, "r1")
    assert await lease.acquire(asyncio.Event())
    other = a_lease(log, clock, "r1")
    renewal = LeaseRenewed(at=7, name="router", epoch=1, holder=HERE, run="r1", ordinal=1)
    await log.append([entry(log.account, renewal)])
    await lease.release()
    assert [name for name, *_ in await lease_story(log)] == [
        "LeaseTaken",
        "LeaseRenewed",
        "LeaseReleased",
    ]
    assert await other.acquire(asyncio.Event())


async def test_a_released_lease_is_taken_at_once(log: Log) -> None:
    """An orderly end costs the next one nothing."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    await first.release()
    assert not first.fresh
    second = a_lease(log, clock, "r2")
    assert await asyncio.wait_for(second.acquire(asyncio.Event()), 5)
    assert await lease_story(log) == [
        ("LeaseTaken", 1, "r1"),
        ("LeaseReleased", 1, "r1"),
        ("LeaseTaken", 2, "r2"),
    ]


async def test_a_dead_holder_of_the_same_host_is_not_waited_for(log: Log) -> None:
    """After kill -9 the restart takes over at once."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    second = a_lease(log, clock, "r2", dead=frozenset({THERE}))
    assert await asyncio.wait_for(second.acquire(asyncio.Event()), 5)
    assert second.epoch == 2


async def test_a_holder_that_dies_while_one_waits_is_noticed_at_the_next_look(log: Log) -> None:
    """A standby need not wait for the ttl either."""
    clock, dead = ManualTime(0), set[str]()
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    second = Lease(
        log,
        "router",
        "r2",
        now=lambda: 7,
        clock=clock,
        holder=HERE,
        ended=lambda identity: identity in dead,
    )
    task = asyncio.create_task(second.acquire(asyncio.Event()))
    await settle()
    await run_clock(clock, 1)
    assert not task.done()
    dead.add(THERE)
    await run_clock(clock, 0.5)
    assert await asyncio.wait_for(task, 5)


async def test_a_former_run_of_this_very_process_is_dead_once_it_was_dropped(log: Log) -> None:
    """Its process lives, being this one; its lease object tells."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1")
    assert await first.acquire(asyncio.Event())
    second = a_lease(log, clock, "r2")
    task = asyncio.create_task(second.acquire(asyncio.Event()))
    await settle()
    assert not task.done()
    first.drop()
    await run_clock(clock, 0.5)
    assert await asyncio.wait_for(task, 5)


async def test_a_paused_holder_is_not_fresh_and_learns_that_it_has_lost(log: Log) -> None:
    """Before its next act: its own clock tells it to ask, and the log says that it is too late."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())
    second = a_lease(log, clock, "r2")
    task = asyncio.create_task(second.acquire(asyncio.Event()))
    await settle()
    await run_clock(clock, 16)
    assert await asyncio.wait_for(task, 5)
    assert not first.fresh
    with pytest.raises(LeaseLost, match="epoch 1"):
        first.require_fresh()
    with pytest.raises(LeaseLost):
        await first.ensure()
    assert second.fresh


async def test_a_paused_holder_in_whose_place_nobody_came_goes_on(log: Log) -> None:
    """Its renewal against its own last entry proves that nobody held the lease in between."""
    clock = ManualTime(0)
    lease = a_lease(log, clock, "r1")
    assert await lease.acquire(asyncio.Event())
    await clock.advance(3600)
    assert (lease.epoch, lease.fresh) == (1, False)
    await lease.ensure()
    assert lease.fresh
    assert await lease_story(log) == [("LeaseTaken", 1, "r1"), ("LeaseRenewed", 1, "r1")]


async def test_it_stays_fresh_for_two_thirds_of_the_ttl(log: Log) -> None:
    """Ten of fifteen seconds, counted from when the entry was sent."""
    clock = ManualTime(0)
    lease = a_lease(log, clock, "r1")
    assert await lease.acquire(asyncio.Event())
    await clock.advance(9.999)
    assert lease.fresh
    await clock.advance(0.001)
    assert not lease.fresh


class SlowLog(MemoryLog):
    """A log that takes long to store a renewal."""

    def __init__(self, clock: ManualTime) -> None:
        super().__init__(AccountId("slow"))
        self.clock = clock
        self.takes = 0.0

    async def append(self, entries: Sequence[Entry], *, atomic: bool = True) -> tuple[int, ...]:
        sequences = await super().append(entries, atomic=atomic)
        await self.clock.sleep(self.takes)
        return sequences


async def test_an_acknowledgement_that_comes_late_makes_nothing_fresh() -> None:
    """The renewal counts from when it was sent: others may have seen it long before its answer."""
    clock = ManualTime(0)
    log = SlowLog(clock)
    lease = a_lease(log, clock, "r1")
    assert await lease.acquire(asyncio.Event())
    keeping = asyncio.create_task(lease.keep())
    await asyncio.sleep(0)
    log.takes = 11
    await run_clock(clock, 5)
    assert len(log.entries) == 2
    await run_clock(clock, 11)
    assert not lease.fresh
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_block_under_a_lease_is_ended_by_its_loss(log: Log) -> None:
    """Whatever it waits for: the loss is raised in its place, and nothing is given back."""
    clock = ManualTime(0)
    first = a_lease(log, clock, "r1", holder=THERE)
    assert await first.acquire(asyncio.Event())

    async def work() -> None:
        async with first.kept():
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await asyncio.sleep(0)
    second = a_lease(log, clock, "r2", dead=frozenset({THERE}))
    assert await asyncio.wait_for(second.acquire(asyncio.Event()), 5)
    await run_clock(clock, 5)
    with pytest.raises(LeaseLost):
        await asyncio.wait_for(working, 5)
    assert await lease_story(log) == [("LeaseTaken", 1, "r1"), ("LeaseTaken", 2, "r2")]


async def test_a_block_that_ends_gives_the_lease_back_and_one_that_fails_does_not(
    log: Log,
) -> None:
    """A failure leaves the log to a process that reads it anew, on this host at once."""
    clock = ManualTime(0)
    for run, error in (("r1", None), ("r2", ValueError("wrong")), ("r3", None)):
        lease = a_lease(log, clock, run)
        assert await asyncio.wait_for(lease.acquire(asyncio.Event()), 5)
        with pytest.raises(ValueError, match="wrong") if error else nullcontext():
            async with lease.kept():
                if error:
                    raise error
    assert [(name, run) for name, _, run in await lease_story(log)] == [
        ("LeaseTaken", "r1"),
        ("LeaseReleased", "r1"),
        ("LeaseTaken", "r2"),
        ("LeaseTaken", "r3"),
        ("LeaseReleased", "r3"),
    ]


async def test_a_block_that_does_not_let_itself_be_cancelled_is_told_to_be_stuck(
    log: Log,
) -> None:
    """One part swallows its cancellation; whoever can end the process hears of it."""
    clock, told = ManualTime(0), asyncio.Event()
    lease = a_lease(log, clock, "r1")
    assert await asyncio.wait_for(lease.acquire(asyncio.Event()), 5)
    rival = a_lease(log, clock, "r2", holder=THERE, dead=frozenset({HERE}))

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await told.wait()

    async def keep() -> None:
        async with lease.kept(told.set, end_within_s=0.01), asyncio.TaskGroup() as group:
            group.create_task(stubborn())
            assert await rival.acquire(asyncio.Event())
            await run_clock(clock, 20)

    with pytest.raises(LeaseLost):
        await asyncio.wait_for(keep(), 5)
    assert told.is_set()


def test_a_process_id_that_was_given_out_again_is_not_taken_for_the_holder() -> None:
    """Same id, other start time: the holder has ended, whoever bears its number now."""
    *rest, pid, started = own_identity().split("/")
    assert not has_ended("/".join((*rest, pid, started)))
    assert has_ended("/".join((*rest, pid, str(int(started) - 1))))


@pytest.mark.parametrize("part", [1, 2])
def test_a_process_of_another_boot_or_namespace_is_never_called_dead(part: int) -> None:
    """Its id means nothing here."""
    child = subprocess.Popen(["true"])
    identity = own_identity().split("/")
    identity[3] = str(child.pid)
    child.wait()
    assert has_ended("/".join(identity))
    identity[part] = "other"
    assert not has_ended("/".join(identity))


@pytest.mark.parametrize("text", ["", "host", "a/b/c/d/e", "host/boot/ns/unknown/1"])
def test_what_is_no_identity_is_not_judged(text: str) -> None:
    """A holder of a later version, say."""
    assert not has_ended(text)


@pytest.mark.parametrize("refusal", [PermissionError, FileNotFoundError])
def test_a_process_that_may_not_be_looked_at_is_never_called_dead(
    refusal: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux can hide the processes of other users (mount option ``hidepid``)."""
    *realm, _pid, _started = own_identity().split("/")
    child = subprocess.Popen(["sleep", "60"])
    read_text = Path.read_text

    def refused(path: Path, **options: str) -> str:
        if str(child.pid) in path.parts:
            raise refusal(str(path))
        return read_text(path, **options)

    monkeypatch.setattr(Path, "read_text", refused)
    identity = "/".join((*realm, str(child.pid), "1"))
    try:
        assert not has_ended(identity)
    finally:
        child.kill()
        child.wait()


def test_a_process_that_was_killed_and_not_yet_reaped_has_ended() -> None:
    """Its parent has not asked for its status; it executes nothing any more."""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from bus.process_identity import own_identity as i; print(i(), flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    identity = child.stdout.readline().strip()
    assert not has_ended(identity)
    child.send_signal(signal.SIGSTOP)
    assert not has_ended(identity)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(identity)
    child.communicate()


_ACTOR = textwrap.dedent(
    """
    import asyncio, sys
    import structlog
    from bus import Entry, Holder, JetStreamLog, Lease, LeaseLost
    from events import AccountId

    async def main(url, account, run):
        log = await JetStreamLog.connect(url, AccountId(account))
        lease = Lease(log, "router", run, now=lambda: 7, ttl_s=3.0)
        await lease.acquire(asyncio.Event())
        print("acquired", lease.epoch, flush=True)
        keeping = asyncio.create_task(lease.keep())
        try:
            while True:
                await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
                await lease.ensure()
                print("acts", flush=True)
        except LeaseLost:
            print("lost", flush=True)

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asyncio.run(main(*sys.argv[1:]))
    """
)


class Actor:
    """A process that takes the lease and then acts whenever told, if it may."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, url: str, account: AccountId, run: str) -> Actor:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                _ACTOR,
                url,
                account,
                run,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                cwd=Path(__file__).parents[2],
            )
        )

    async def says(self) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(20):
            return (await self.process.stdout.readline()).decode().strip()

    async def act(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(b"\n")
        return await self.says()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.communicate()


async def test_a_stopped_process_loses_the_lease_and_notices_before_it_acts(
    nats_server: NatsServer, stream_log: JetStreamLog
) -> None:
    """SIGSTOP, as a machine that swaps or sleeps: it lives, so its ttl is waited for."""
    first = await Actor.start(nats_server.url, stream_log.account, "r1")
    assert await first.says() == "acquired 1"
    assert await first.act() == "acts"
    first.process.send_signal(signal.SIGSTOP)
    loop = asyncio.get_running_loop()
    stopped_at = loop.time()
    second = await Actor.start(nats_server.url, stream_log.account, "r2")
    assert await second.says() == "acquired 2"
    assert loop.time() - stopped_at > 2.0  # the ttl of 3 s less the age of the last renewal
    assert await second.act() == "acts"
    first.process.send_signal(signal.SIGCONT)
    assert await first.act() == "lost"
    await first.kill()
    await second.kill()


async def test_the_restart_after_kill_9_has_the_lease_at_once(
    nats_server: NatsServer, stream_log: JetStreamLog
) -> None:
    """The ttl is not waited for: the process can be seen to be gone."""
    first = await Actor.start(nats_server.url, stream_log.account, "r1")
    assert await first.says() == "acquired 1"
    first.process.kill()
    await first.process.wait()
    lease = Lease(stream_log, "router", "r2", now=lambda: 7)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert await lease.acquire(asyncio.Event())
    assert loop.time() - begun < 1.0
    assert lease.epoch == 2
    await first.kill()
