"""The feed keeps its one session alive, registers everything anew, and drops nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bus import SystemTime
from events import Symbol
from events.market import TradeFrame
from events.signal import Feed
from kis_gateway.broker import (
    FeedLost,
    FeedMessage,
    FeedRestored,
    FillNotice,
    FrameRejected,
    KeyInUse,
    MarketFeed,
    ReconnectsSlowed,
    Subscribed,
    Unsubscribed,
)
from kis_gateway.client.auth import Credentials
from kis_gateway.client.rest import open_http
from kis_gateway.errors import SubscriptionRefused
from kis_gateway.feeds.feed import KisFeed

from .aes_reference import encrypt
from .kis_double import APP_KEY, APP_SECRET, APPROVAL, HTS_ID, kis_double, settings_for
from .test_frames import FILL, SAMSUNG, frame

NOTICES = ("H0STCNI9", HTS_ID)
TRADES = ("H0STCNT0", "005930")
PING = '{"header":{"tr_id":"PINGPONG","datetime":"20260915100000"}}'
PATIENCE = 20.0


class Quick:
    """The system's clock at a hundredfold pace for pauses; ``slept`` tells what was asked for."""

    def __init__(self) -> None:
        self._clock = SystemTime()
        self.slept: list[float] = []

    def now(self) -> int:
        return self._clock.now()

    async def sleep_until(self, at: int) -> None:
        await self._clock.sleep_until(at)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._clock.sleep(seconds / 1_000)

    def timeout(self, seconds: float) -> float:
        return min(seconds, PATIENCE)


def keys_of(connection: int) -> tuple[str, str]:
    """Return the AES key and iv of a connection: every connection has its own."""
    return f"{connection:032d}", f"{connection:016d}"


Answer = Callable[[int, bool, tuple[str, str]], str | None]


class Line:
    """A scripted WebSocket server. ``answer(connection, subscribe, registration)`` gives a code."""

    def __init__(self) -> None:
        self.commands: list[tuple[int, bool, tuple[str, str]]] = []
        self.echoes: list[str] = []
        self.approvals: list[str] = []
        self.connections: list[ServerConnection] = []
        self.answer: Answer = lambda _, subscribe, __: "OPSP0000" if subscribe else "OPSP0001"
        self.seen = asyncio.Condition()
        self.url = ""

    async def serve(self, socket: ServerConnection) -> None:
        self.connections.append(socket)
        number = len(self.connections)
        try:
            async for text in socket:
                assert isinstance(text, str)
                await self._receive(socket, number, text)
                async with self.seen:
                    self.seen.notify_all()
        except ConnectionClosed:
            pass

    async def _receive(self, socket: ServerConnection, number: int, text: str) -> None:
        message: dict[str, Any] = json.loads(text)
        if message["header"].get("tr_id") == "PINGPONG":
            self.echoes.append(text)
            return
        self.approvals.append(message["header"]["approval_key"])
        wanted = (message["body"]["input"]["tr_id"], message["body"]["input"]["tr_key"])
        subscribe = message["header"]["tr_type"] == "1"
        self.commands.append((number, subscribe, wanted))
        code = self.answer(number, subscribe, wanted)
        if code is not None:
            await socket.send(reply(code, wanted, number))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return once a condition holds after something was received."""
        async with asyncio.timeout(PATIENCE), self.seen:
            await self.seen.wait_for(condition)

    def registered(self, connection: int) -> list[tuple[str, str]]:
        """Return what a connection asked for, in order."""
        return [
            wanted
            for number, subscribe, wanted in self.commands
            if number == connection and subscribe
        ]


def reply(code: str, wanted: tuple[str, str], connection: int) -> str:
    key, iv = keys_of(connection)
    accepted = code in ("OPSP0000", "OPSP0001")
    tr_id = "(null)" if code == "OPSP8996" else wanted[0]
    header = {"tr_id": tr_id, "tr_key": wanted[1], "encrypt": "N"}
    body: dict[str, Any] = {"rt_cd": "0" if accepted else "1", "msg_cd": code, "msg1": code}
    if accepted:
        body["output"] = {"iv": iv, "key": key}
    return json.dumps({"header": header, "body": body})


class Reader:
    """Reads a feed in a task of its own; tests wait for what must come."""

    def __init__(self, feed: KisFeed) -> None:
        self._messages: asyncio.Queue[FeedMessage] = asyncio.Queue()
        self._feed = feed
        self.slots: list[Subscribed | Unsubscribed] = []
        """What became of subscriptions, apart from everything else."""
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self._feed.messages():
            if isinstance(message, Subscribed | Unsubscribed):
                self.slots.append(message)
            else:
                self._messages.put_nowait(message)

    async def next(self) -> FeedMessage:
        async with asyncio.timeout(PATIENCE):
            return await self._messages.get()


@asynccontextmanager
async def connected(
    folder: Path, time: Quick | None = None, **options: object
) -> AsyncIterator[tuple[Line, KisFeed, Reader]]:
    line = Line()
    clock = time or Quick()
    async with (
        serve(line.serve, "127.0.0.1", 0) as server,
        kis_double() as rest,
        open_http() as http,
    ):
        port = next(iter(server.sockets)).getsockname()[1]
        line.url = f"ws://127.0.0.1:{port}/tryitout"
        settings = settings_for(rest.url, folder, websocket_url=line.url)
        credentials = Credentials(settings, http, clock)
        async with KisFeed(settings, credentials, clock, **options) as feed:  # type: ignore[arg-type]  # keywords of the feed
            reader = Reader(feed)
            yield line, feed, reader
        await asyncio.wait_for(reader.task, PATIENCE)


def test_it_is_a_market_feed() -> None:
    """The class has the port's shape; mypy checks the assignment."""
    port: type[MarketFeed] = KisFeed
    assert port is KisFeed


async def subscribe(feed: KisFeed, *symbols: str) -> None:
    async with asyncio.timeout(PATIENCE):
        for symbol in symbols:
            await feed.subscribe(Feed.TRADES, Symbol(symbol))


async def test_own_notices_are_registered_before_anything_else(tmp_path: Path) -> None:
    """A fill must not be missed because a quote came first; one command at a time."""
    async with connected(tmp_path) as (line, feed, _):
        await asyncio.gather(subscribe(feed, "005930", "000660"), subscribe(feed, "035720"))
        assert line.registered(1)[0] == NOTICES
        assert sorted(line.registered(1)[1:]) == [
            ("H0STCNT0", "000660"),
            ("H0STCNT0", "005930"),
            ("H0STCNT0", "035720"),
        ]
        assert set(line.approvals) == {APPROVAL}


async def test_frames_arrive_decoded_in_order(tmp_path: Path) -> None:
    """Trades and, opened with the key of the acknowledgement, own fills."""
    key, iv = keys_of(1)
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        socket = line.connections[0]
        await socket.send(frame(SAMSUNG))
        await socket.send(f"1|H0STCNI9|001|{encrypt(FILL, key, iv)}")
        await socket.send(frame(SAMSUNG).encode())
        first, second, third = [await reader.next() for _ in range(3)]
    assert isinstance(first, TradeFrame)
    assert isinstance(second, FillNotice)
    assert isinstance(third, TradeFrame)


async def test_a_second_subscription_of_the_same_feed_costs_no_command(tmp_path: Path) -> None:
    """Toggling and repeating registrations is punished by KIS."""
    async with connected(tmp_path) as (line, feed, _):
        await subscribe(feed, "005930", "005930")
        assert line.registered(1) == [NOTICES, TRADES]


async def test_unsubscribing_gives_the_slot_back(tmp_path: Path) -> None:
    """Acknowledged, and not taken again after a reconnect."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930", "000660")
        await feed.unsubscribe(Feed.TRADES, Symbol("005930"))
        assert line.commands[-1] == (1, False, TRADES)
        await line.connections[0].close()
        await reader.next()
        await line.until(lambda: len(line.registered(2)) == 2)
        assert line.registered(2) == [NOTICES, ("H0STCNT0", "000660")]


async def test_pingpong_is_echoed(tmp_path: Path) -> None:
    """Clients that ignored it were dropped over night."""
    async with connected(tmp_path) as (line, feed, _):
        await subscribe(feed, "005930")
        await line.connections[0].send(PING)
        await line.until(lambda: bool(line.echoes))
        assert line.echoes == [PING]


async def test_after_a_drop_everything_is_registered_anew_and_said_so(tmp_path: Path) -> None:
    """Lost, then restored only when the last registration is acknowledged."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930", "000660")
        await line.connections[0].send(frame(SAMSUNG))
        trade = await reader.next()
        assert isinstance(trade, TradeFrame)
        line.connections[0].transport.abort()
        lost, restored = await reader.next(), await reader.next()
        assert isinstance(lost, FeedLost)
        assert lost.at == trade.at
        assert isinstance(restored, FeedRestored)
        assert restored.lost_at == trade.at < restored.at
        assert line.registered(2) == [NOTICES, TRADES, ("H0STCNT0", "000660")]


async def test_the_key_of_the_old_connection_is_forgotten(tmp_path: Path) -> None:
    """Notices of the new connection open with its own key."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        await line.connections[0].close()
        await reader.next(), await reader.next()
        key, iv = keys_of(2)
        await line.connections[1].send(f"1|H0STCNI9|001|{encrypt(FILL, key, iv)}")
        assert isinstance(await reader.next(), FillNotice)


async def test_an_undecodable_frame_is_reported_and_reading_goes_on(tmp_path: Path) -> None:
    """Rubbish, short frames, bytes that are no text and odd JSON: one report each."""
    broken: list[str | bytes] = [
        "rubbish",
        frame("005930^1"),
        '{"header":{}}',
        '{"x":',
        b"\xff\xfe|\x80",
    ]
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        for text in broken:
            await line.connections[0].send(text)
        await line.connections[0].send(frame(SAMSUNG))
        rejected = [await reader.next() for _ in broken]
        assert isinstance(await reader.next(), TradeFrame)
        assert len(line.connections) == 1
    for message, text in zip(rejected, broken, strict=True):
        assert isinstance(message, FrameRejected)
        if isinstance(text, str):
            assert message.frame == text


async def test_a_notice_that_does_not_open_costs_one_reconnect(tmp_path: Path) -> None:
    """A new connection has a new key; if that fails too, every frame is reported instead."""
    wrong = f"1|H0STCNI9|001|{encrypt(FILL, 'x' * 32, 'y' * 16)}"
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        await line.connections[0].send(wrong)
        kinds = [type(await reader.next()) for _ in range(3)]
        assert kinds == [FrameRejected, FeedLost, FeedRestored]
        await line.connections[1].send(wrong)
        await line.connections[1].send(wrong)
        kinds = [type(await reader.next()) for _ in range(2)]
        assert kinds == [FrameRejected, FrameRejected]
        assert len(line.connections) == 2


async def test_a_silent_line_is_given_up(tmp_path: Path) -> None:
    """An open socket without frames once cost 18 minutes of a session."""
    async with connected(tmp_path, idle_seconds=0.05) as (_, feed, reader):
        await subscribe(feed, "005930")
        lost = await reader.next()
        assert isinstance(lost, FeedLost)
        assert "silent" in lost.reason
        assert isinstance(await reader.next(), FeedRestored)


async def test_a_command_without_an_answer_ends_the_connection(tmp_path: Path) -> None:
    """The slot may be taken: it is settled by a new session, not by asking again."""

    class Impatient(Quick):
        def timeout(self, seconds: float) -> float:
            return 0.5

    async with connected(tmp_path, Impatient()) as (line, feed, reader):
        line.answer = lambda number, _, wanted: (
            None if (number, wanted) == (1, TRADES) else "OPSP0000"
        )
        await subscribe(feed, "005930")
        assert line.registered(1) == [NOTICES, TRADES]
        assert line.registered(2) == [NOTICES, TRADES]
        lost = await reader.next()
        assert isinstance(lost, FeedLost)
        assert "no answer" in lost.reason


async def test_a_refused_subscription_is_the_callers_and_nobody_elses(tmp_path: Path) -> None:
    """OPSP0008: the slots are full; what is subscribed stays so, the connection too."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        line.answer = lambda *_: "OPSP0008"
        with pytest.raises(SubscriptionRefused, match="OPSP0008") as caught:
            await subscribe(feed, "000660")
        assert caught.value.code == "OPSP0008"
        await line.connections[0].send(frame(SAMSUNG))
        assert isinstance(await reader.next(), TradeFrame)
        assert len(line.connections) == 1


async def test_a_slot_that_is_not_given_again_is_said_so_and_costs_no_further_connection(
    tmp_path: Path,
) -> None:
    """Slots are asked for in the order of preference: the one left without is the weakest."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930", "000660")
        feed.prefer([(Feed.TRADES, Symbol("000660")), (Feed.TRADES, Symbol("005930"))])
        line.answer = lambda number, _, wanted: (
            "OPSP0008" if (number, wanted) == (2, TRADES) else "OPSP0000"
        )
        await line.connections[0].close()
        kinds = [type(await reader.next()) for _ in range(2)]
        assert kinds == [FeedLost, FeedRestored]
        assert line.registered(2) == [NOTICES, ("H0STCNT0", "000660"), TRADES]
        assert len(line.connections) == 2
    refused = reader.slots[-1]
    assert isinstance(refused, Unsubscribed)
    assert refused.symbol == "005930"
    assert "OPSP0008" in refused.refusal


async def test_any_other_refusal_of_what_was_subscribed_is_a_lost_feed(tmp_path: Path) -> None:
    """Silently without a feed somebody relies on is worse than no connection."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        line.answer = lambda number, _, wanted: (
            "OPSP0007" if (number, wanted) == (2, TRADES) else "OPSP0000"
        )
        await line.connections[0].close()
        kinds = [type(await reader.next()) for _ in range(2)]
        assert kinds == [FeedLost, FeedRestored]
        assert len(line.connections) == 3


async def test_each_subscription_says_when_it_had_last_been_heard_of(tmp_path: Path) -> None:
    """Its own last frame, its acknowledgement when it had none, nothing when it is new."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930", "000660")
        await line.connections[0].send(frame(SAMSUNG))
        trade = await reader.next()
        assert isinstance(trade, TradeFrame)
        await line.connections[0].send(PING)
        await line.until(lambda: bool(line.echoes))
        await line.connections[0].close()
        lost, restored = await reader.next(), await reader.next()
        await subscribe(feed, "035720")
        await feed.unsubscribe(Feed.TRADES, Symbol("000660"))
    assert isinstance(lost, FeedLost)
    assert isinstance(restored, FeedRestored)
    samsung, hynix, again_samsung, again_hynix, new, ended = reader.slots
    assert isinstance(samsung, Subscribed)
    assert isinstance(hynix, Subscribed)
    assert isinstance(again_samsung, Subscribed)
    assert isinstance(again_hynix, Subscribed)
    assert isinstance(new, Subscribed)
    assert (samsung.silent_since, hynix.silent_since, new.silent_since) == (None, None, None)
    assert (again_samsung.symbol, again_samsung.silent_since) == ("005930", trade.at)
    assert (again_hynix.symbol, again_hynix.silent_since) == ("000660", hynix.at)
    assert trade.at < lost.at < again_samsung.at <= again_hynix.at <= restored.at
    assert ended == Unsubscribed(at=ended.at, feed=Feed.TRADES, symbol=Symbol("000660"))


async def test_a_connection_can_be_given_up_from_outside(tmp_path: Path) -> None:
    """A comparison with the broker's prices may show that a line is mute though it is open."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        feed.renew("trades of 005930 are missing")
        lost, restored = await reader.next(), await reader.next()
        assert len(line.connections) == 2
    assert isinstance(lost, FeedLost)
    assert lost.reason == "trades of 005930 are missing"
    assert isinstance(restored, FeedRestored)


async def test_pingpong_is_answered_while_nobody_takes_what_was_decoded(tmp_path: Path) -> None:
    """A full queue of messages stops decoding, not answering."""
    async with connected(tmp_path, queue_size=8) as (line, feed, reader):
        await subscribe(feed, "005930")
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)
        for _ in range(12):
            await line.connections[0].send(frame(SAMSUNG))
        await line.connections[0].send(PING)
        await line.until(lambda: bool(line.echoes))
        assert line.echoes == [PING]
        reader.task = asyncio.create_task(reader._read())


async def test_data_frames_are_recorded_as_received_and_answers_are_not(tmp_path: Path) -> None:
    """Answers carry key and iv, our own texts the approval key: neither may be kept."""
    kept: list[tuple[str, int, bytes]] = []

    def keep(source: str, at: int, raw: bytes) -> None:
        kept.append((source, at, raw))

    async with connected(tmp_path, record=keep) as (line, feed, reader):
        await subscribe(feed, "005930")
        await line.connections[0].send(PING)
        await line.connections[0].send(frame(SAMSUNG))
        await line.connections[0].send("rubbish")
        trade = await reader.next()
        await reader.next()
    assert isinstance(trade, TradeFrame)
    assert [(source, raw) for source, _, raw in kept] == [
        ("ws", frame(SAMSUNG).encode()),
        ("ws", b"rubbish"),
    ]
    assert kept[0][1] == trade.at


async def test_a_notice_is_recorded_a_second_time_opened_and_without_the_person(
    tmp_path: Path,
) -> None:
    """Its key dies with the connection; a moved column must still be found the day after."""
    kept: list[tuple[str, bytes]] = []
    async with connected(tmp_path, record=lambda source, _at, raw: kept.append((source, raw))) as (
        line,
        feed,
        reader,
    ):
        await subscribe(feed, "005930")
        key, iv = keys_of(1)
        sent = f"1|H0STCNI9|001|{encrypt(FILL, key, iv)}"
        await line.connections[0].send(sent)
        assert isinstance(await reader.next(), FillNotice)
    assert kept[0] == ("ws", sent.encode())
    (source, opened) = kept[1]
    assert source == "notice"
    assert opened.startswith(b"0|H0STCNI9|001|***^***^0000012345^")
    assert "홍길동" not in opened.decode()


async def test_a_feed_that_paper_does_not_have_is_refused_before_it_is_asked_for(
    tmp_path: Path,
) -> None:
    """KIS acknowledges what does not exist and then sends nothing."""
    async with connected(tmp_path) as (line, feed, _):
        await subscribe(feed, "005930")
        with pytest.raises(SubscriptionRefused, match="paper"):
            await feed.subscribe(Feed.INDEX, Symbol("KOSPI"))
        assert line.registered(1) == [NOTICES, TRADES]


async def test_connections_in_a_loop_are_slowed_and_said_so(tmp_path: Path) -> None:
    """KIS blocks address and key of clients that connect and close again and again."""
    time = Quick()
    async with connected(tmp_path, time) as (line, feed, reader):
        line.answer = lambda number, *_: "OPSP0007" if number <= 13 else "OPSP0000"
        await subscribe(feed, "005930")
        lost, slowed = await reader.next(), await reader.next()
    pauses = [pause for pause in time.slept if pause > 1]
    assert pauses == [2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 6, 300.0, 300.0]
    assert isinstance(lost, FeedLost)
    assert isinstance(slowed, ReconnectsSlowed)
    assert (slowed.connections, slowed.pause_s) == (12, 300.0)


async def test_already_subscribed_counts_as_subscribed(tmp_path: Path) -> None:
    """OPSP0002 says the slot is ours."""
    async with connected(tmp_path) as (line, feed, _):
        line.answer = lambda *_: "OPSP0002"
        await subscribe(feed, "005930")


async def test_an_app_key_in_use_is_waited_for_long(tmp_path: Path) -> None:
    """A ghost session frees its slot later; racing for it prolongs the block."""
    time = Quick()
    async with connected(tmp_path, time) as (line, feed, reader):
        line.answer = lambda number, *_: "OPSP8996" if number < 4 else "OPSP0000"
        await subscribe(feed, "005930")
        lost, *in_use, restored = [await reader.next() for _ in range(5)]
        assert isinstance(lost, FeedLost)
        assert "second copy" in lost.reason
        assert [type(each) for each in in_use] == [KeyInUse] * 3
        assert isinstance(restored, FeedRestored)
        assert [pause for pause in time.slept if pause > 1] == [15.0, 30.0, 60.0]


async def test_an_unknown_approval_key_is_replaced(tmp_path: Path) -> None:
    """OPSP0011: ask for a new one before the next connection."""
    async with connected(tmp_path) as (line, feed, _):
        line.answer = lambda number, *_: "OPSP0011" if number == 1 else "OPSP0000"
        await subscribe(feed, "005930")
        assert len(line.connections) == 2
        assert feed._credentials._approval_until > 0


async def test_a_full_queue_stops_reading_and_loses_nothing(tmp_path: Path) -> None:
    """Back-pressure reaches the sender; every frame arrives once reading resumes."""
    async with connected(tmp_path, queue_size=4) as (line, feed, reader):
        await subscribe(feed, "005930")
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)
        volumes = range(2_000_000, 2_000_400)

        async def send() -> None:
            for volume in volumes:
                await line.connections[0].send(frame(SAMSUNG.replace("1204518", str(volume))))

        sending = asyncio.create_task(send())
        found: list[int] = []
        async with asyncio.timeout(PATIENCE):
            async for message in feed.messages():
                if isinstance(message, Subscribed):
                    continue
                assert isinstance(message, TradeFrame)
                assert feed._queue.qsize() <= 4
                found.append(message.trades[0].cumulative_volume)
                if len(found) == len(volumes):
                    break
        await sending
        assert found == list(volumes)
        reader.task = asyncio.create_task(reader._read())


async def test_a_server_that_is_not_there_is_tried_again_ever_more_slowly(tmp_path: Path) -> None:
    """2, 4, 8 … at most 60 seconds of the run's clock, and said once."""
    time = Quick()
    async with kis_double() as rest, open_http() as http:
        settings = settings_for(rest.url, tmp_path, websocket_url="ws://127.0.0.1:1/")
        async with KisFeed(settings, Credentials(settings, http, time), time) as feed:
            reader = Reader(feed)
            lost = await reader.next()
            async with asyncio.timeout(PATIENCE):
                while len(time.slept) < 7:
                    await asyncio.sleep(0)
        await reader.task
    assert isinstance(lost, FeedLost)
    assert time.slept[:7] == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


async def test_closing_ends_the_messages_and_refuses_later_wishes(tmp_path: Path) -> None:
    """No task and no waiting caller is left behind."""
    async with connected(tmp_path) as (line, feed, _):
        line.answer = lambda *_: None
        waiting = asyncio.create_task(subscribe(feed, "005930"))
        await line.until(lambda: bool(line.commands))
        await feed.aclose()
        outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
        assert isinstance(outcome, asyncio.CancelledError)
        with pytest.raises(SubscriptionRefused, match="closed"):
            await subscribe(feed, "000660")


async def test_no_secret_appears_in_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands we send contain the approval key; the library must not print them."""
    caplog.set_level("DEBUG")
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        await line.connections[0].send("rubbish")
        await reader.next()
        client = [each for each in caplog.records if "server" not in each.name]
    shown = "".join(each.getMessage() for each in client) + "".join(capsys.readouterr())
    assert "kis_frame_rejected" in shown
    # The library cuts long texts in the middle, so the key's first characters are looked for.
    for secret in (APPROVAL[:12], APP_KEY, APP_SECRET):
        assert secret not in shown


async def test_an_answer_that_cannot_be_read_shows_no_key_and_is_not_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Key and iv of own notices stay out of the log, the undecoded frames and the output."""
    kept: list[bytes] = []
    async with connected(tmp_path, record=lambda _, __, raw: kept.append(raw)) as (
        line,
        feed,
        reader,
    ):
        await subscribe(feed, "005930")
        whole = reply("OPSP0000", NOTICES, 7)
        for text in (whole.replace('"msg1": "OPSP0000"', '"msg1": 0'), "\n" + whole[:-3]):
            await line.connections[0].send(text)
        rejected = [await reader.next() for _ in range(2)]
    key, iv = keys_of(7)
    shown = str(rejected) + str(kept) + "".join(capsys.readouterr())
    assert all(isinstance(each, FrameRejected) for each in rejected)
    for secret in (key, iv, NOTICES[1]):
        assert secret not in shown


async def test_a_line_lost_while_it_is_restored_is_said_to_be_lost_again(tmp_path: Path) -> None:
    """What it had given back already is dark once more, and somebody must ask for its price."""
    async with connected(tmp_path) as (line, feed, reader):
        await subscribe(feed, "005930")
        await subscribe(feed, "000660")
        hynix = ("H0STCNT0", "000660")
        line.answer = lambda number, _, wanted: (
            "OPSP0007" if number == 2 and wanted == hynix else "OPSP0000"
        )
        await line.connections[0].close()
        first, second, restored = [await reader.next() for _ in range(3)]
    assert isinstance(first, FeedLost)
    assert isinstance(second, FeedLost)
    assert isinstance(restored, FeedRestored)
    assert restored.lost_at == first.at <= second.at
    assert "OPSP0007" in second.reason
