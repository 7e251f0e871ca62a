"""A demo day in the background, its exchange's test port, and commands run against it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import httpx
from typer.testing import CliRunner

from bus import SharedTime, entry
from deploy.cli import app
from deploy.data_directory import DataDirectory
from deploy.demo_setup import DEFAULT_DAY
from deploy.log_access import open_log, read_to_head
from events import Event, codec
from events.calendar import instant, session

_PATIENCE = 120.0
_LOOK_EVERY = 0.05


class RunningDay:
    """A run with every service as a process of its own."""

    def __init__(self, folder: Path, *, symbols: int, speed: float) -> None:
        """Start the demo of a generated market in ``folder``."""
        self.hours = session(DEFAULT_DAY)
        self.path = folder / "run"
        command = [sys.executable, "-m", "deploy", "demo", "--json", "--symbols", str(symbols)]
        command += ["--speed", str(speed), "--data-dir", str(self.path)]
        self._threads = ThreadPoolExecutor(1)
        self._errors = (folder / "demo.err").open("wb")
        self._demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self._errors)
        self.until((self.path / "run" / "clock").exists)
        self.directory = DataDirectory.open(self.path)
        self.clock = SharedTime(self.directory.clock)
        self._exchange = f"http://127.0.0.1:{self.directory.manifest.ports.admin}/admin"

    def until(self, true: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Wait, by the wall clock, until something is true while the day goes on."""
        limit = time.monotonic() + patience
        while not true():
            assert self._demo.poll() is None, "the day has ended"
            assert time.monotonic() < limit, f"not true within {patience} s"
            time.sleep(_LOOK_EVERY)

    def until_clock(self, text: str) -> None:
        """Wait for a time of the market, ``HH:MM``."""
        at = instant(self.hours.day, clock_time.fromisoformat(text))
        self.until(lambda: self.clock.now() >= at)

    def kst(self, *arguments: str) -> tuple[int, Any]:
        """Run a command on this run; return its exit status and its JSON answer.

        It runs in this process, in a thread of its own as its own event loop needs, and costs no
        start of an interpreter.
        """
        words = [*arguments, "--data-dir", str(self.path), "--json"]
        done = self._threads.submit(CliRunner().invoke, app, words).result(_PATIENCE)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        assert done.stdout, done.stderr
        return done.exit_code, json.loads(done.stdout)

    def process(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command on this run as a process of its own."""
        command = [sys.executable, "-m", "deploy", *arguments, "--data-dir", str(self.path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def events(self, topic: str) -> list[Event]:
        """Return what the log holds on a topic now."""
        return self._threads.submit(asyncio.run, self._read(topic)).result(_PATIENCE)

    async def _read(self, topic: str) -> list[Event]:
        found: list[Event] = []
        async with open_log(self.directory) as log:
            await read_to_head(log, lambda each: found.append(codec.decode(each.payload)), (topic,))
        return found

    def append(self, event: Event) -> None:
        """Put an event on the log, as a service of the run would."""
        self._threads.submit(asyncio.run, self._append(event)).result(_PATIENCE)

    async def _append(self, event: Event) -> None:
        async with open_log(self.directory) as log:
            await log.append([entry(log.account, event)])

    def exchange(self) -> Any:
        """Return everything the simulated exchange knows."""
        answer = httpx.get(f"{self._exchange}/state", timeout=10)
        answer.raise_for_status()
        return answer.json()

    def at_exchange(self, what: str, body: dict[str, Any]) -> Any:
        """Do something at the exchange: an order by hand, a fault."""
        answer = httpx.post(f"{self._exchange}/{what}", json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    @property
    def account(self) -> str:
        """The number of the simulated account."""
        return str(next(iter(self.exchange()["accounts"])))

    def held(self) -> dict[str, int]:
        """Return the shares the exchange's account holds, by symbol."""
        holdings = self.exchange()["accounts"][self.account]["holdings"]
        return {name: each["quantity"] for name, each in holdings.items() if each["quantity"]}

    def end(self) -> None:
        """End the day before its time; once it has ended nothing happens."""
        if self._demo.poll() is not None:
            return
        self._demo.send_signal(signal.SIGINT)
        try:
            self._demo.communicate(timeout=60)
        finally:
            self._demo.kill()
            self._errors.close()
