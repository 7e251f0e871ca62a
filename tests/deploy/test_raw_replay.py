"""Recorded frames replayed against the log: equal when nothing changed, and every change named."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from bus import JetStreamLog, NatsServer, RawRecorder, entry, free_port
from deploy.cli import app
from deploy.data_directory import LAYOUT, DataDirectory, Manifest, Ports
from deploy.raw_replay import ReplayResult, replay
from events import AccountId, Event, TradingDate
from events.market import IndexLevel, TradeFrame
from kis_gateway.broker import MarketRecord
from kis_gateway.frames import FrameDecoder
from tests.kis_gateway.feed_records import ACCOUNT, at

DAY = TradingDate("20260915")
_accounts = itertools.count(1)


def trade(price: int, quantity: int, so_far: int) -> str:
    return (
        f"005930^093015^{price}^2^500^0.70^71432.18^71200^71600^71100^71500^71400^{quantity}"
        f"^{so_far}^86040219400^8123^9045^922^111.34^560112^644406^1^0.53^41.20^090012^2^300"
        "^091722^5^-100^090233^2^400^20260915^20^N^12034^8820^180233^201188^0.02^2923810^41.20"
        "^0^^71200^2"
    )


FRAMES = [
    (
        at(DAY, "093015") + number,
        f"0|H0STCNT0|001|{trade(71_500 + 100 * number, 5, 1_000 + number)}",
    )
    for number in range(5)
]
NOTICE = (
    "0|H0STCNI0|001|***^***^0000012345^0000000000^02^0^00^0^005930^0000000003^000071400^093018"
    "^0^2^2^00950^000000010^***^0^1^N^^10^^***^000071500"
)


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Return a running nats-server."""
    async with NatsServer(tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
async def log(server: NatsServer) -> AsyncIterator[JetStreamLog]:
    """Return an empty log."""
    opened = await JetStreamLog.connect(server.url, AccountId(f"r{next(_accounts)}"))
    yield opened
    await opened.close()


def events() -> list[MarketRecord]:
    decoder = FrameDecoder(ACCOUNT)
    return [
        message
        for received, text in FRAMES
        for message in decoder.decode(text, received)
        if isinstance(message, MarketRecord)
    ]


async def append(log: JetStreamLog, *logged: Event) -> None:
    for number, event in enumerate(logged):
        await log.append((entry(log.account, event, identity=f"e-{event.at}-{number}"),))


async def untroubled(frames: int, reason: str) -> None:
    raise AssertionError(f"{frames} frames not stored: {reason}")


async def record(log: JetStreamLog, *frames: tuple[str, int, str]) -> None:
    async with RawRecorder(log, on_trouble=untroubled) as raw:
        for source, received, text in frames:
            raw.record(source, received, text.encode())


ALL = [("ws", received, text) for received, text in FRAMES]


def counts(result: ReplayResult) -> tuple[int, int, int, int]:
    return result.matched, result.missing, result.extra, result.changed


async def test_the_same_code_derives_the_same_events(log: JetStreamLog) -> None:
    """Everything recorded and logged: no difference; encrypted frames and answers are counted."""
    await record(
        log,
        *ALL,
        ("ws", FRAMES[-1][0] + 1, "1|H0STCNI0|001|c2VjcmV0"),
        ("notice", FRAMES[-1][0] + 1, NOTICE),
        ("inquire-balance", FRAMES[-1][0] + 2, "{}"),
    )
    await append(log, *events())
    result = await replay(log, DAY)
    assert counts(result) == (5, 0, 0, 0)
    assert (result.frames, result.notices, result.unreadable) == (5, 1, 0)
    assert result.sources == {"ws": 6, "notice": 1, "inquire-balance": 1}
    assert result.first == ()


async def test_every_kind_of_difference_is_named(log: JetStreamLog) -> None:
    """One event fewer, one other, one more, with their places on log and stream."""
    first, second, third, fourth, fifth = events()
    assert isinstance(third, TradeFrame)
    cheaper = msgspec.structs.replace(third.trades[0], price=1)
    changed = msgspec.structs.replace(third, trades=(cheaper,))
    more = msgspec.structs.replace(fifth, at=fifth.at + 7)
    await record(log, *ALL)
    await append(log, first, changed, fourth, fifth, more)
    result = await replay(log, DAY)
    assert counts(result) == (3, 1, 1, 1)
    missing, other, extra = result.first
    assert (missing.kind, missing.sequence, missing.place) == ("missing", 0, 1)
    assert missing.frame == FRAMES[1][1]
    assert repr(second) == missing.derived
    assert (other.kind, other.sequence, other.place) == ("changed", 2, 2)
    assert (other.derived, other.logged) == (repr(third), repr(changed))
    assert (extra.kind, extra.sequence, extra.frame) == ("extra", 5, "")


async def test_a_decoder_that_now_understands_a_frame_shows_what_the_log_lacks(
    log: JetStreamLog,
) -> None:
    """And one that no longer does is counted: here a frame of no known feed."""
    await record(log, *ALL, ("ws", FRAMES[-1][0] + 1, "0|H0XXXXX0|001|x"))
    await append(log, *events()[:-1])
    result = await replay(log, DAY)
    assert counts(result) == (4, 1, 0, 0)
    assert result.unreadable == 1


async def test_what_was_asked_for_or_came_before_is_no_difference(log: JetStreamLog) -> None:
    """Index levels come by REST too, and may overtake frames that wait to be decoded.

    A recording may begin within the day.
    """
    early = msgspec.structs.replace(events()[0], at=FRAMES[0][0] - 1)
    asked = IndexLevel(
        at=FRAMES[4][0] + 100,
        index="KOSPI",
        time=FRAMES[2][0],
        centipoints=273_146,
        previous_close_centipoints=270_000,
    )
    await record(log, *ALL)
    await append(log, early, *events()[:2], asked, *events()[2:])
    result = await replay(log, DAY)
    assert counts(result) == (5, 0, 0, 0)
    assert result.unrecorded == 1


async def test_other_days_are_left_alone(log: JetStreamLog) -> None:
    """A stream holds a week."""
    await record(log, *ALL)
    await append(log, *events())
    result = await replay(log, TradingDate("20260916"))
    assert (result.frames, *counts(result)) == (0, 0, 0, 0, 0)


def make_run(path: Path) -> DataDirectory:
    manifest = Manifest(
        layout=LAYOUT,
        account=AccountId("demo"),
        trading_date=DAY,
        start=0,
        speed=1.0,
        bars=None,
        seed=7,
        symbols=1,
        strategies=("kmp",),
        code_version="0",
        ports=Ports(nats=free_port(), rest=free_port(), feed=free_port(), admin=free_port()),
    )
    return DataDirectory.create(path, manifest)


def test_the_help_ends_with_an_example() -> None:
    """As that of every command."""
    result = CliRunner().invoke(app, ["raw", "replay", "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Example: kst raw replay" in result.output


@pytest.mark.parametrize(("frames", "status"), [(ALL, 0), (ALL[:4], 1), ([], 1)])
async def test_the_command_says_by_its_status_whether_all_is_equal(
    tmp_path: Path, frames: list[tuple[str, int, str]], status: int
) -> None:
    """Of a run that has ended; without any recording nothing is proved."""
    directory = make_run(tmp_path / "run")
    async with NatsServer(directory.nats) as server:
        log = await JetStreamLog.connect(server.url, AccountId("demo"))
        if frames:
            await record(log, *frames)
        await append(log, *events())
        await log.close()
    result = await asyncio.to_thread(
        CliRunner().invoke, app, ["raw", "replay", "--data-dir", str(directory.path), "--json"]
    )
    assert result.exit_code == status, result.output
    shown = json.loads(result.stdout)
    assert shown["matched"] == len(frames)
    assert shown["extra"] == (1 if frames and status else 0)
