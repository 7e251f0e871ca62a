"""The supervisor with real child processes: restarts, crash loops, orderly and forced ends."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import CrashLoop, DeployError, ServiceFailed
from deploy.supervisor import EXIT_FATAL, RestartPolicy, ServiceSpec, ServiceState, Supervisor

WAIT = 20.0

# Every child reports its process id on a socket; what it does next is its last argument.
_CHILD = """
import os, signal, socket, sys, time
mail = socket.socket(socket.AF_UNIX)
mail.connect(sys.argv[1])
def say(text):
    mail.sendall(f"{os.getpid()} {text}\\n".encode())
"""
LIVES = _CHILD + "say('up')\nsignal.pause()"
ENDS = _CHILD + "say('up')\nsys.exit(3)"
IS_FATAL = _CHILD + f"say('up')\nsys.exit({EXIT_FATAL})"
IS_ORDERLY = _CHILD + (
    "signal.signal(signal.SIGTERM, lambda *_: (say('bye'), sys.exit(0)))\n"
    "say('up')\nwhile True: signal.pause()"
)
IS_STUBBORN = _CHILD + (
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nsay('up')\nwhile True: signal.pause()"
)


class Mail:
    """What children say, in order: (pid, word)."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.queue: asyncio.Queue[tuple[int, str]] = asyncio.Queue()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            pid, word = line.decode().split()
            self.queue.put_nowait((int(pid), word))
        writer.close()

    async def next(self) -> tuple[int, str]:
        return await asyncio.wait_for(self.queue.get(), WAIT)


@pytest.fixture
async def mail(tmp_path: Path) -> AsyncIterator[Mail]:
    box = Mail(tmp_path / "mail")
    server = await asyncio.start_unix_server(box.take, box.path)
    async with server:
        yield box


def child(mail: Mail, program: str, name: str = "kmp", grace: float = 10.0) -> ServiceSpec:
    return ServiceSpec(
        name=name,
        command=(sys.executable, "-S", "-c", program, str(mail.path)),
        log=mail.path.parent / f"{name}.jsonl",
        clears=(mail.path.parent / f"{name}.progress",),
        grace=grace,
    )


def pid_file(mail: Mail) -> Path:
    return mail.path.parent / "kmp.pid"


def supervisor(mail: Mail) -> Supervisor:
    return Supervisor(lambda name: mail.path.parent / f"{name}.pid")


async def test_a_killed_service_is_started_again(mail: Mail) -> None:
    """kill -9: another process takes its place, and what its earlier life left is cleared."""
    async with supervisor(mail) as run:
        run.start(child(mail, LIVES))
        first, _ = await mail.next()
        assert pid_file(mail).read_text() == str(first)
        progress = mail.path.parent / "kmp.progress"
        progress.write_text("42")
        os.kill(first, signal.SIGKILL)
        second, _ = await mail.next()
        assert second != first
        assert not progress.exists()
        service = run.services["kmp"]
        assert (service.restarts, service.state) == (1, ServiceState.RUNNING)
        assert pid_file(mail).read_text() == str(second)
    assert not psutil.pid_exists(second)
    assert not pid_file(mail).exists()


async def test_a_crash_loop_fails_the_run_with_the_place_to_look(mail: Mail) -> None:
    """Three ends within a minute by this policy: no fourth start, and an error that says so."""
    async with Supervisor(
        lambda name: mail.path.parent / f"{name}.pid",
        policy=lambda: RestartPolicy(count=3, within=60.0),
    ) as run:
        run.start(child(mail, ENDS))
        with pytest.raises(CrashLoop, match=r"kmp ended 3 times within 60 s.*kmp\.jsonl"):
            await asyncio.wait_for(run.failure(), WAIT)
        assert run.services["kmp"].state is ServiceState.FAILED
    assert mail.queue.qsize() == 3


async def test_a_service_that_says_a_restart_is_no_use_is_not_restarted(mail: Mail) -> None:
    """``EXIT_FATAL`` fails the run at once."""
    async with supervisor(mail) as run:
        run.start(child(mail, IS_FATAL))
        with pytest.raises(ServiceFailed, match="kmp ended with exit status 78"):
            await asyncio.wait_for(run.failure(), WAIT)
    assert mail.queue.qsize() == 1


async def test_a_program_that_cannot_be_started_fails_the_run(mail: Mail, tmp_path: Path) -> None:
    """A missing binary is not retried for ever."""
    spec = ServiceSpec(name="kmp", command=(str(tmp_path / "absent"),), log=tmp_path / "kmp.jsonl")
    async with supervisor(mail) as run:
        run.start(spec)
        with pytest.raises(DeployError):
            await asyncio.wait_for(run.failure(), WAIT)


async def test_services_are_stopped_in_order_last_started_first(mail: Mail) -> None:
    """A service may rely on those started before it until it has ended."""
    async with supervisor(mail) as run:
        pids = {}
        for name in ("nats", "gateway", "kmp"):
            run.start(child(mail, IS_ORDERLY, name))
            pids[name], _ = await mail.next()
    farewells = [await mail.next() for _ in pids]
    assert farewells == [(pids["kmp"], "bye"), (pids["gateway"], "bye"), (pids["nats"], "bye")]
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


async def test_a_service_that_ignores_the_request_is_killed_after_its_grace(mail: Mail) -> None:
    """SIGTERM first, SIGKILL in the end."""
    async with supervisor(mail) as run:
        run.start(child(mail, IS_STUBBORN, grace=0.2))
        pid, _ = await mail.next()
        await run.stop("kmp")
        assert not psutil.pid_exists(pid)
        assert run.services["kmp"].state is ServiceState.STOPPED


async def test_a_service_is_not_restarted_while_it_is_being_stopped(mail: Mail) -> None:
    """Stopping during the pause before a restart ends it."""
    async with supervisor(mail) as run:
        run.start(child(mail, ENDS))
        await mail.next()
        await run.stop("kmp")
        assert run.services["kmp"].state is ServiceState.STOPPED
    assert mail.queue.qsize() == 0


async def test_children_end_when_the_supervisor_is_killed(mail: Mail) -> None:
    """kill -9 of the supervisor leaves nothing running."""
    program = (
        "import asyncio, pathlib, sys\n"
        "from deploy.supervisor import ServiceSpec, Supervisor\n"
        "async def main():\n"
        "    folder = pathlib.Path(sys.argv[1]).parent\n"
        "    async with Supervisor(lambda name: folder / name) as run:\n"
        "        command = (sys.executable, '-S', '-c', sys.argv[2], sys.argv[1])\n"
        "        run.start(ServiceSpec(name='kmp', command=command, log=folder / 'log'))\n"
        "        await run.failure()\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(mail.path), IS_ORDERLY
    )
    pid, _ = await mail.next()
    parent.kill()
    await parent.wait()
    assert await mail.next() == (pid, "bye")


def test_pauses_double_up_to_eight_seconds_and_restart_after_half_a_minute_of_health() -> None:
    """The back-off, written out."""
    policy = RestartPolicy(count=99)
    pauses = [policy.pause_after(started=n, ended=n + 0.1) for n in range(7)]
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert policy.pause_after(started=20.0, ended=50.0) == 0.25


def test_ends_far_apart_are_no_crash_loop() -> None:
    """Five within a minute are; five over more than a minute are not."""
    policy = RestartPolicy()
    slow = [policy.pause_after(started=t, ended=t + 1.0) for t in (0, 16, 32, 48, 64)]
    assert None not in slow
    policy = RestartPolicy()
    fast = [policy.pause_after(started=t, ended=t + 1.0) for t in (0, 15, 30, 45, 59)]
    assert fast[-1] is None


@given(st.lists(st.floats(0.0, 29.0), min_size=5, max_size=30))
def test_no_service_starts_more_than_five_times_a_minute(lives: list[float]) -> None:
    """Whatever the lengths of its lives below health, five ends in a minute end the run."""
    policy, now, ends = RestartPolicy(), 0.0, []
    for life in lives:
        ended = now + life
        ends.append(ended)
        pause = policy.pause_after(started=now, ended=ended)
        recent = [end for end in ends if ended - end <= 60.0]
        assert (pause is None) == (len(recent) >= 5)
        if pause is None:
            return
        now = ended + pause
