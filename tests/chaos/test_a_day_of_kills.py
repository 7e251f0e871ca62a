"""Every service process is killed with SIGKILL during one day; the day is whole all the same."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.data_directory import DataDirectory
from tests.chaos.day_of_kills import KILLS, Day, run_day
from tests.chaos.secrecy import Search, search_run

pytestmark = pytest.mark.timeout(480)


@pytest.fixture(scope="module")
def day() -> Iterator[Day]:
    """Return a day of 14 symbols at 260 times real time, killed by the timetable."""
    # Not under pytest's own folder: PostgreSQL runs as another user and must be able to enter.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield run_day(Path(folder), symbols=14, speed=260)


def kst(*arguments: str) -> tuple[int, Any]:
    result = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, json.loads(result.stdout)


def numbers(day: Day) -> list[str]:
    return [number.lstrip("0") for found in day.accepted.values() for number in found]


def test_the_day_comes_to_its_end_and_trades(day: Day) -> None:
    """All kills happened, orders were filled, and nothing is held overnight."""
    assert day.killed == [service for _, service in KILLS]
    assert day.figures["fills"] > 0
    assert day.figures["intents"] > 0
    bad = [p for p in day.figures["problems"] if "service logs" not in p]
    assert bad == []


def test_no_order_was_sent_twice(day: Day) -> None:
    """Every order at the exchange belongs to exactly one order of ours, and none has two."""
    sent = [order.order_number.lstrip("0") for order in day.exchange if order.action == "new"]
    assert sent, "the exchange got no order: the test proves nothing"
    assert all(count == 1 for count in Counter(day.submitted).values())
    assert all(len(found) == 1 for found in day.accepted.values())
    assert sorted(numbers(day)) == sorted(sent)


def test_no_order_and_no_share_was_forgotten(day: Day) -> None:
    """What the exchange executed is what the log booked, order by order, to the won."""
    ours = {
        found[0].lstrip("0"): (day.filled[order], day.filled_amount[order])
        for order, found in day.accepted.items()
    }
    theirs = {
        order.order_number.lstrip("0"): (order.filled, order.amount)
        for order in day.exchange
        if order.action == "new"
    }
    assert ours == theirs


def test_every_decision_is_derived_again(day: Day) -> None:
    """Restarts changed no decision."""
    status, report = kst("verify", "--data-dir", str(day.path))
    assert (status, report["divergences"], report["first"]) == (0, 0, None)
    assert report["logged"] == report["rederived"] >= 2 * day.figures["intents"]
    assert report["sealed"] > 10_000


def test_the_read_models_equal_a_rebuild_twice(day: Day) -> None:
    """Killed between fold and commit or not: the same rows."""
    first = kst("rebuild", "--data-dir", str(day.path))
    second = kst("rebuild", "--data-dir", str(day.path))
    for status, report in (first, second):
        assert status == 0
        assert report["checksum"] == report["live_checksum"] == first[1]["checksum"]
        assert report["rows"] >= day.figures["intents"] + day.figures["fills"] > 0


def test_no_secret_is_in_anything_that_the_day_left(day: Day) -> None:
    """Logs, log store, entries, undecoded frames, database files and rows; masked or not there."""
    assert len(day.secrets) == 5, "four credentials and a token: the test must know them all"
    search = Search(day.secrets)
    errors = day.path.parent / "demo.err"
    search.look(errors.read_bytes(), errors.name)
    entries, rows = asyncio.run(search_run(search, DataDirectory.open(day.path)))
    assert entries > 10_000
    assert rows > 0
    assert search.bytes > 10_000_000
    assert search.leaks == set()


def test_one_flipped_byte_of_a_market_event_is_named(day: Day, tmp_path: Path) -> None:
    """Damage on disk: the entry that is no longer what was sealed is reported by its sequence."""
    copy = tmp_path / "damaged"
    shutil.copytree(day.path, copy, ignore=shutil.ignore_patterns("postgres", "logs"))
    blocks = sorted(copy.rglob("*.blk"))
    content = bytearray(blocks[0].read_bytes())
    place = content.find(b"TradeFrame.1", len(content) // 2)
    subject = content.rfind(b"kst.demo.market.trade.", 0, place)
    assert 0 < subject < place
    content[place + 20] ^= 1
    blocks[0].write_bytes(content)
    status, report = kst("verify", "--data-dir", str(copy))
    assert status == 1
    assert report["divergences"] >= 1
    assert report["first"]["kind"] == "missing"
    assert report["first"]["sequence"] > 1


def test_one_changed_setting_is_named_with_the_first_decision_it_changes(
    day: Day, tmp_path: Path
) -> None:
    """Half the risk per trade: the key with both values, and the first intent that differs."""
    copy = tmp_path / "changed"
    shutil.copytree(day.path, copy, ignore=shutil.ignore_patterns("postgres", "logs"))
    file = copy / "config" / "kmp.yaml"
    settings = yaml.safe_load(file.read_text())
    was = settings["capital_allocation_pct"]
    settings["capital_allocation_pct"] = was / 2
    file.write_text(yaml.safe_dump(settings))
    status, report = kst("verify", "--data-dir", str(copy))
    assert status == 1
    assert report["first"]["key"] == "kmp.capital_allocation_pct"
    assert (report["first"]["logged"], report["first"]["file"]) == (was, was / 2)
    assert report["first_output"]["processor"] == "kmp"
    assert report["first_output"]["kind"] == "changed"
