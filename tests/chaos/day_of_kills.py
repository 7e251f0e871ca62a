"""A simulated day in which every service process is killed, with what exchange and log then say."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import httpx
import msgspec

from bus import SharedTime
from deploy.data_directory import DataDirectory
from deploy.demo_setup import DEFAULT_DAY
from deploy.log_access import open_log, read_to_head
from events import OrderId, codec
from events.calendar import TradingSession, instant, session
from events.errors import CodecError
from events.trading import OrderAccepted, OrderFilled, OrderSubmitting
from tests.chaos.secrecy import credentials_of, tokens_in

KILLS: tuple[tuple[clock_time, str], ...] = (
    (clock_time(8, 46), "gateway"),
    (clock_time(9, 6), "kmp"),
    (clock_time(9, 14, 50), "risk"),
    (clock_time(9, 18), "gateway"),
    (clock_time(9, 24), "kmp"),
    (clock_time(9, 30), "risk"),
    (clock_time(9, 36), "projector"),
    (clock_time(9, 42), "gateway"),
    (clock_time(9, 50), "auditor"),
    (clock_time(10, 20), "postgres"),
    (clock_time(11, 0), "nats"),
    (clock_time(14, 29, 40), "gateway"),
)
"""When which process gets SIGKILL, by the market's clock: before the open, around the scan, while
orders work, and just before positions are flattened."""


class ExchangeOrder(msgspec.Struct):
    """An order as the simulated exchange holds it."""

    order_number: str
    action: str
    symbol: str
    side: str = ""
    quantity: int = 0
    filled: int = 0
    amount: int = 0


class ExchangeState(msgspec.Struct):
    """The exchange's own books, read over its test port."""

    orders: list[ExchangeOrder]


class Day(msgspec.Struct):
    """What a day of kills left behind."""

    path: Path
    status: int
    figures: dict[str, Any]
    killed: list[str]
    exchange: list[ExchangeOrder]
    submitted: list[OrderId]
    accepted: dict[OrderId, list[str]]
    filled: dict[OrderId, int]
    filled_amount: dict[OrderId, int]
    secrets: dict[str, str]
    """The broker's secrets of the run and the tokens that were issued, by name."""


def run_day(folder: Path, *, symbols: int, speed: float) -> Day:
    """Run the demo over a generated market, kill by the timetable, and collect both sides."""
    path = folder / "run"
    hours = session(DEFAULT_DAY)
    command = [sys.executable, "-m", "deploy", "demo", "--json"]
    command += ["--symbols", str(symbols), "--speed", str(speed), "--data-dir", str(path)]
    with (folder / "demo.err").open("wb") as errors:
        demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        try:
            directory = _opened(path, demo)
            secrets = credentials_of(int(directory.pid_file("gateway").read_text()))
            killed, exchange = _kill_by_the_clock(directory, hours, demo)
            output, _ = demo.communicate(timeout=180)
        finally:
            demo.kill()
    day = Day(
        path=path,
        status=demo.returncode,
        figures=json.loads(output),
        killed=killed,
        exchange=exchange,
        submitted=[],
        accepted=defaultdict(list),
        filled=defaultdict(int),
        filled_amount=defaultdict(int),
        secrets=secrets | tokens_in(directory.token_cache),
    )
    asyncio.run(_collect(directory, day))
    return day


def _opened(path: Path, demo: subprocess.Popen[bytes]) -> DataDirectory:
    directory: DataDirectory | None = None

    def running() -> bool:
        nonlocal directory
        if not (path / "run" / "clock").exists():
            return False
        directory = DataDirectory.open(path)
        return SharedTime(directory.clock).rate > 0

    _wait(running, demo, seconds=120)
    assert directory is not None
    return directory


def _kill_by_the_clock(
    directory: DataDirectory, hours: TradingSession, demo: subprocess.Popen[bytes]
) -> tuple[list[str], list[ExchangeOrder]]:
    clock = SharedTime(directory.clock)
    killed = []
    for when, service in KILLS:
        at = instant(hours.day, when)
        _wait(lambda at=at: clock.now() >= at, demo, seconds=300)  # type: ignore[misc]
        pid_file = directory.pid_file(service)
        _wait(pid_file.exists, demo, seconds=30)
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        killed.append(service)
    _wait(lambda: clock.now() >= hours.close_at, demo, seconds=300)
    state = ExchangeState(orders=[])
    url = f"http://127.0.0.1:{directory.manifest.ports.admin}/admin/state"
    while demo.poll() is None:
        try:
            answer = httpx.get(url, timeout=5)
        except httpx.HTTPError:
            break  # The exchange has closed; what it said last is its last word.
        state = msgspec.json.decode(answer.content, type=ExchangeState)
        time.sleep(0.2)
    return killed, state.orders


def _wait(done: Callable[[], bool], demo: subprocess.Popen[bytes], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert demo.poll() is None, f"the demo ended early with status {demo.returncode}"
        assert time.monotonic() < deadline, "the demo does not get on"
        time.sleep(0.01)


async def _collect(directory: DataDirectory, day: Day) -> None:
    async with open_log(directory) as log:

        def take(recorded: Any) -> None:
            try:
                event = codec.decode(recorded.payload)
            except CodecError:
                return
            match event:
                case OrderSubmitting():
                    day.submitted.append(event.order_id)
                case OrderAccepted():
                    day.accepted[event.order_id].append(event.broker_order)
                case OrderFilled():
                    day.filled[event.order_id] += event.quantity
                    day.filled_amount[event.order_id] += event.amount

        await read_to_head(log, take, ("trading.order.*",))
