"""The WebSocket side: registrations, sessions, frames, keep-alive, slow readers."""

from __future__ import annotations

import asyncio
import json
import socket as sockets
from contextlib import AsyncExitStack

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from kis_gateway.simulator import Environment, Era
from kis_gateway.simulator.market import MarketItem
from tests.kis_gateway.simulator_bench import (
    ERAS,
    HTS_ID,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    Bench,
    HandMarket,
    Socket,
    book,
    opening,
    running,
    settings,
    socket_of,
    trade,
)


@pytest.mark.parametrize("era", list(Era))
async def test_records_have_the_width_of_their_era(era: Era) -> None:
    """Trades, books and notices: 46/59/23, 46/62/26, 47/63/26 fields."""
    async with running(settings(era=era)) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await bench.clock.advance(5)
        _, tr_id, count, fields = await socket.frame()
        assert (tr_id, count, len(fields)) == ("H0STCNT0", 1, ERAS[era][0])
        await socket.ask("H0STCNT0", SAMSUNG, "2")
        await socket.ask("H0STASP0", SAMSUNG)
        await bench.clock.advance(1)
        _, tr_id, count, fields = await socket.frame()
        assert (tr_id, count, len(fields)) == ("H0STASP0", 1, ERAS[era][1])
        await socket.ask("H0STASP0", SAMSUNG, "2")
        registered = await socket.ask("H0STCNI9", HTS_ID)
        await bench.order(HYNIX, 1, 199_000)
        assert len(await socket.notice(registered)) == ERAS[era][2]


async def test_a_trade_record_says_what_happened() -> None:
    """The first trade after the open, field by field."""
    async with running() as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await bench.clock.advance(4)
        flag, _, _, fields = await socket.frame()
        assert flag == "0"
        assert fields == [
            *(SAMSUNG, "090005", "70100", "2", "100", "0.14", "70100.00"),
            *("70100", "70100", "70100", "70100", "70000", "10", "10", "701000"),
            *("0", "1", "1", "0.00", "0", "10", "1", "100.00", "1.00"),
            *("090005", "3", "0", "090005", "3", "0", "090005", "3", "0"),
            *("20261120", "20", "N", "1000", "1000", "1000", "1000"),
            *("0.00", "0", "0.00", "0", "", "70000", "2"),
        ]


async def test_trades_of_one_symbol_in_one_step_share_frames_of_up_to_twenty() -> None:
    """45 trades at one instant leave as 20, 20 and 5; the last book of the step alone."""
    burst: list[MarketItem] = [trade(OPEN + 5 * SECOND, SAMSUNG, 70_100, 1) for _ in range(45)]
    burst.append(book(OPEN + 5 * SECOND, SAMSUNG, 70_200, 70_100))
    market = HandMarket([*opening()[:7], *burst])
    async with running(market=market) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await socket.ask("H0STASP0", SAMSUNG)
        await bench.clock.advance(10)
        counts, volumes = [], []
        for _ in range(3):
            _, tr_id, count, fields = await socket.frame()
            assert tr_id == "H0STCNT0"
            assert len(fields) == 47 * count
            counts.append(count)
            volumes += [int(fields[47 * record + 13]) for record in range(count)]
        assert counts == [20, 20, 5]
        assert volumes == list(range(1, 46))
        _, tr_id, count, _ = await socket.frame()
        assert (tr_id, count) == ("H0STASP0", 1)


async def test_registrations_are_answered_with_the_documented_codes() -> None:
    """Success with a pair, twice, removed, removed twice, unknown feed, foreign notices."""
    async with running() as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNT0", SAMSUNG)
        assert registered["header"] == {"tr_id": "H0STCNT0", "tr_key": SAMSUNG, "encrypt": "N"}
        body = registered["body"]
        assert (body["rt_cd"], body["msg_cd"], body["msg1"]) == (
            "0",
            "OPSP0000",
            "SUBSCRIBE SUCCESS",
        )
        assert (len(body["output"]["key"]), len(body["output"]["iv"])) == (32, 16)

        async def code(tr_id: str, tr_key: str, tr_type: str = "1") -> str:
            return str((await socket.ask(tr_id, tr_key, tr_type))["body"]["msg_cd"])

        assert await code("H0STCNT0", SAMSUNG) == "OPSP0002"
        assert await code("H0STCNT0", SAMSUNG, "2") == "OPSP0001"
        assert await code("H0STCNT0", SAMSUNG, "2") == "OPSP0003"
        assert await code("H0STXXX0", SAMSUNG) == "OPSP8991"
        assert await code("H0STCNI0", HTS_ID) == "OPSP8991"
        assert await code("H0STCNI9", "somebody") == "OPSP0007"
        assert await code("H0STCNT0", "NOSTOCK") == "OPSP0000"
        assert await code("H0STCNT0", SAMSUNG, "7") == "OPSP8997"


async def test_requests_that_cannot_be_read_name_what_is_missing() -> None:
    """No JSON, no header, no body, no input, no key."""
    async with running() as bench, socket_of(bench, "/") as socket:
        cases = {
            "{": "OPSP9999",
            "[]": "OPSP9998",
            '{"header":{}}': "OPSP9992",
            '{"header":{},"body":{}}': "OPSP9991",
            '{"header":{},"body":{"input":{"tr_id":"H0STCNT0"}}}': "OPSP9990",
        }
        for text, code in cases.items():
            await socket.connection.send(text)
            assert (await socket.reply())["body"]["msg_cd"] == code


async def test_the_forty_second_registration_is_refused() -> None:
    """41 over all feeds, notices included."""
    async with running() as bench, socket_of(bench, "/tryitout/H0STCNT0") as socket:
        await socket.ask("H0STCNI9", HTS_ID)
        for place in range(40):
            reply = await socket.ask("H0STCNT0", f"{place:06d}")
            assert reply["body"]["msg_cd"] == "OPSP0000"
        over = await socket.ask("H0STASP0", SAMSUNG)
        assert (over["body"]["rt_cd"], over["body"]["msg_cd"]) == ("1", "OPSP0008")
        await socket.ask("H0STCNT0", "000000", "2")
        assert (await socket.ask("H0STASP0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


async def test_an_unknown_approval_key_is_refused() -> None:
    """OPSP0011, and the socket stays open."""
    async with running() as bench, socket_of(bench) as good:
        bad = Socket(good.connection, "00000000-0000-0000-0000-000000000000")
        assert (await bad.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0011"
        assert (await good.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


async def test_one_session_per_app_key_and_the_slot_frees_some_time_after_it_has_gone() -> None:
    """A second session is refused with rt_cd 9, until five seconds after the first has ended."""
    async with running() as bench, AsyncExitStack() as stack:
        first = await stack.enter_async_context(socket_of(bench))
        second = await stack.enter_async_context(socket_of(bench))
        old = await first.ask("H0STCNI9", HTS_ID)
        refused = await second.ask("H0STCNT0", SAMSUNG)
        assert refused["header"]["tr_id"] == "(null)"
        assert (refused["body"]["rt_cd"], refused["body"]["msg_cd"]) == ("9", "OPSP8996")
        await first.connection.close()
        while (await bench.state())["counters"]["ws_sessions"]:
            await asyncio.sleep(0)
        assert (await second.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP8996"
        await bench.clock.advance(5)
        new = await second.ask("H0STCNI9", HTS_ID)
        assert new["body"]["msg_cd"] == "OPSP0000"
        assert new["body"]["output"] != old["body"]["output"]


@pytest.mark.parametrize("answer", ["echo", "pong"])
async def test_a_quiet_line_gets_pingpong_and_either_answer_keeps_it_open(answer: str) -> None:
    """Both the echoed text and a pong frame count."""
    market = HandMarket(opening()[:7])
    async with running(market=market) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        for _ in range(6):
            await bench.clock.advance(31)
            text = await socket.connection.recv()
            assert isinstance(text, str)
            header = json.loads(text)["header"]
            assert header["tr_id"] == "PINGPONG"
            assert len(header["datetime"]) == 14
            if answer == "echo":
                await socket.connection.send(text)
            else:
                await socket.connection.pong(text.encode())
        assert (await socket.ask("H0STASP0", SAMSUNG))["body"]["rt_cd"] == "0"


async def test_other_paths_are_no_websocket() -> None:
    """Only the root and /tryitout with what follows it."""
    async with running() as bench:
        with pytest.raises(InvalidStatus, match="404"):
            await connect(bench.simulator.ws_url + "/elsewhere", proxy=None)


async def test_client_pings_are_answered() -> None:
    """Libraries ping on their own."""
    async with running() as bench, socket_of(bench) as socket:
        await asyncio.wait_for(await socket.connection.ping(), 5)


async def test_a_line_that_never_answers_pingpong_is_cut() -> None:
    """After three intervals of silence (here none at all) the socket is reset."""
    config = settings(pingpong_seconds=0.001)
    market = HandMarket(opening()[:7])
    async with running(config, market) as bench, socket_of(bench) as socket:
        with pytest.raises(ConnectionClosed):
            await _ignore_pingpong(bench, socket)


async def test_a_reader_that_stops_holds_the_market_instead_of_filling_memory() -> None:
    """The market stands still while a socket is full and goes on when it is read."""
    items: list[MarketItem] = opening()[:7]
    items += [
        trade(OPEN + (2 * SECOND) + place, SAMSUNG, 70_100 if place % 2 else 70_000, 1)
        for place in range(60_000)
    ]
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 8_192)
    raw.setblocking(False)
    async with running(market=HandMarket(items)) as bench:
        host, port = bench.simulator.ws_url.removeprefix("ws://").split(":")
        await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        async with socket_of(bench, sock=raw, max_queue=1) as socket:
            await socket.ask("H0STCNT0", SAMSUNG)
            await bench.clock.advance(60)
            before = -1
            while (prints := bench.simulator.summary().counters.prints) != before:
                before = prints
                # The simulator works only inside this loop: no turn of it means it waits.
                for _ in range(200):
                    await asyncio.sleep(0)
            assert 0 < prints < 60_000
            assert (await bench.state())["counters"]["behind_s"] > 50
            received = 0
            while received < 60_000:
                received += (await socket.frame())[2]
            assert received == 60_000
            state = await bench.state()
            assert state["counters"]["prints"] == 60_000
            assert state["counters"]["send_wait_s"] > 0


async def test_a_reader_that_never_returns_is_dropped_and_the_market_goes_on() -> None:
    """Past the patience for slow clients the connection is reset."""
    items: list[MarketItem] = opening()[:7]
    items += [trade(OPEN + (2 * SECOND) + place, SAMSUNG, 70_100, 1) for place in range(60_000)]
    raw = sockets.socket()
    raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 8_192)
    raw.setblocking(False)
    config = settings(slow_client_seconds=0.2)
    async with running(config, HandMarket(items)) as bench:
        host, port = bench.simulator.ws_url.removeprefix("ws://").split(":")
        await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
        async with socket_of(bench, sock=raw, max_queue=1, close_timeout=0.1) as socket:
            await socket.ask("H0STCNT0", SAMSUNG)
            await bench.clock.advance(60)
            async with asyncio.timeout(20):
                await bench.simulator.wait()
            assert bench.simulator.summary().counters.prints == 60_000
            assert bench.simulator.summary().counters.ws_sessions == 0


async def test_books_show_ten_levels_and_only_the_last_of_a_step() -> None:
    """Two books at one instant: the second one is sent."""
    items: list[MarketItem] = [
        *opening()[:7],
        book(OPEN + 3 * SECOND, SAMSUNG, 70_200, 70_100, 500),
        book(OPEN + 3 * SECOND, SAMSUNG, 70_300, 70_200, 600),
    ]
    async with running(market=HandMarket(items)) as bench, socket_of(bench) as socket:
        await socket.ask("H0STASP0", SAMSUNG)
        await bench.clock.advance(3)
        _, _, _, fields = await socket.frame()
        assert fields[:4] == [SAMSUNG, "090003", "0", "70300"]
        assert fields[4:13] == ["0"] * 9
        assert (fields[13], fields[23], fields[33]) == ("70200", "600", "600")
        assert (fields[43], fields[44], fields[59], fields[62]) == ("600", "600", "70250.00", "2")


async def test_the_real_service_sends_notices_as_h0stcni0() -> None:
    """The paper feed does not exist there."""
    config = settings(environment=Environment.REAL)
    async with running(config) as bench, socket_of(bench) as socket:
        assert (await socket.ask("H0STCNI9", HTS_ID))["body"]["msg_cd"] == "OPSP8991"
        assert (await socket.ask("H0STCNI0", HTS_ID))["body"]["msg_cd"] == "OPSP0000"


async def _ignore_pingpong(bench: Bench, socket: Socket) -> None:
    while True:
        await bench.clock.advance(1)
        async with asyncio.timeout(5):
            await socket.connection.recv()
