"""Trouble on request: what it does to calls, notices, feeds and sessions, and what it says it did.

The admin state is the truth: what a fault swallowed is compared with what the client received.
"""

from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from kis_gateway.simulator import Credentials, Environment, FaultKind, OpeningBook
from kis_gateway.simulator.market import MarketItem
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    HTS_ID,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    Bench,
    HandMarket,
    Socket,
    decrypt,
    opening,
    running,
    settings,
    socket_of,
    trade,
)

SECOND_ACCOUNT = "5000000202"


def quiet(*items: MarketItem) -> HandMarket:
    """The open, and nothing after it but what the test adds."""
    return HandMarket(sorted([*opening()[:7], *items], key=lambda item: item.at))


async def trouble(bench: Bench, **fault: object) -> int:
    """Cause a fault and return its number."""
    answer = await bench.http.post(f"{bench.simulator.admin_url}/admin/fault", json=fault)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["number"])


async def post(bench: Bench, path: str, body: object) -> httpx.Response:
    return await bench.http.post(f"{bench.simulator.admin_url}/admin/{path}", json=body)


async def notices(socket: Socket, reply: dict[str, Any], count: int) -> list[tuple[str, str]]:
    """Return (order number, fill flag) of the next notices, in order of arrival."""
    return [(row[2], row[13]) for row in [await socket.notice(reply) for _ in range(count)]]


async def test_an_error_before_acceptance_leaves_no_order_and_one_after_hides_it() -> None:
    """Both look the same to the client: HTTP 503, with a body or without."""
    async with running() as bench:
        await trouble(bench, kind="http_error", status=503, body=False, call="order-cash")
        refused = await bench.trading("order-cash", "VTTC0012U", PDNO=SAMSUNG)
        assert (refused.status_code, refused.content) == (503, b"")
        assert (await bench.state())["orders"] == []
        await trouble(bench, kind="http_error_after_accept", status=503, call="order-cash")
        answer = await bench.order()
        assert answer["msg_cd"] == "EGW00300"
        assert len((await bench.state())["orders"]) == 1


async def test_an_accepted_order_can_be_answered_with_check_the_previous_transaction() -> None:
    """EGW00301, and the order stands."""
    async with running() as bench:
        await trouble(bench, kind="uncertain_reply")
        assert (await bench.order())["msg_cd"] == "EGW00301"
        assert len((await bench.state())["orders"]) == 1


@pytest.mark.parametrize(
    ("kind", "orders"), [("timeout_before_accept", 0), ("timeout_after_accept", 1)]
)
async def test_an_answer_can_fail_to_come_at_all(kind: str, orders: int) -> None:
    """Nothing for ten seconds, then a reset; only one of the two has an order."""
    async with running() as bench:
        await trouble(bench, kind=kind, seconds=10, call="order-cash")
        asking = asyncio.create_task(bench.order())
        while not (await bench.state())["counters"]["orders_received"]:
            await asyncio.sleep(0)
        assert not asking.done()
        await bench.clock.advance(10)
        with pytest.raises(httpx.TransportError):
            await asking
        assert len((await bench.state())["orders"]) == orders


async def test_identical_order_bodies_are_counted_one_by_one() -> None:
    """How often, which call, for which issue, when."""
    async with running() as bench:
        for _ in range(3):
            await bench.order(price=70_000)
        await bench.order(price=69_900)
        counters = (await bench.state())["counters"]
        assert counters["duplicate_bodies"] == 2
        (repeated,) = counters["repeated_orders"]
        assert (repeated["call"], repeated["symbol"], repeated["count"]) == (
            "order-cash",
            SAMSUNG,
            3,
        )
        assert repeated["account"] == ACCOUNT


async def test_a_lost_notice_is_named_and_the_next_one_arrives() -> None:
    """The fill behind the lost acknowledgement comes through."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        number = await trouble(bench, kind="lost_notice", account=ACCOUNT)
        await bench.order(SAMSUNG, 10, 70_100)
        assert await notices(socket, registered, 1) == [("0000000001", "2")]
        (lost,) = (await bench.state())["lost_notices"]
        assert (lost["fault"], lost["kind"]) == (number, "lost_notice")
        assert (lost["order_number"], lost["fill"], lost["quantity"]) == ("0000000001", False, 10)


async def test_a_fill_can_be_lost_while_its_acknowledgement_arrives() -> None:
    """Aimed at fills alone; the truth says quantity and price."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        await trouble(bench, kind="lost_notice", fills=True)
        await bench.order(SAMSUNG, 10, 70_100)
        assert await notices(socket, registered, 1) == [("0000000001", "1")]
        (lost,) = (await bench.state())["lost_notices"]
        assert (lost["fill"], lost["quantity"], lost["price"]) == (True, 10, 70_100)


@pytest.mark.parametrize("keep_alive", [True, False])
async def test_a_stall_keeps_the_line_alive_or_not(keep_alive: bool) -> None:
    """With PINGPONG a client sees a quiet line, without it a dead one."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await trouble(bench, kind="stall", seconds=100, keep_alive=keep_alive)
        for _ in range(4):
            await bench.clock.advance(31)
        await socket.connection.send("{")
        told = [await socket.connection.recv()]
        while "OPSP9999" not in str(told[-1]):
            told.append(await socket.connection.recv())
        # The stall ends after 100 seconds; the fourth PINGPONG comes in either case.
        assert len(told) - 1 == (4 if keep_alive else 1)


async def test_notices_can_come_twice_late_and_in_the_wrong_order() -> None:
    """1 is the acknowledgement, 2 the fill."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        await trouble(bench, kind="duplicate_notice")
        await bench.order(SAMSUNG, 1, 70_100)
        first = "0000000001"
        assert await notices(socket, registered, 3) == [(first, "1"), (first, "1"), (first, "2")]
        await trouble(bench, kind="swapped_notice")
        await bench.order(SAMSUNG, 2, 70_100)
        second = "0000000002"
        assert await notices(socket, registered, 2) == [(second, "2"), (second, "1")]
        await trouble(bench, kind="late_notice", seconds=7)
        await bench.order(SAMSUNG, 3, 70_100)
        third = "0000000003"
        assert await notices(socket, registered, 1) == [(third, "2")]
        await bench.clock.advance(7)
        assert await notices(socket, registered, 1) == [(third, "1")]


async def test_a_swapped_notice_without_a_successor_comes_by_itself() -> None:
    """After the fault's own patience."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        await trouble(bench, kind="swapped_notice", seconds=2)
        await bench.order(SAMSUNG, 1, 69_000)
        await bench.clock.advance(2)
        assert await notices(socket, registered, 1) == [("0000000001", "1")]


async def test_a_notice_can_be_unreadable_and_a_key_can_change() -> None:
    """The pair of the reply opens neither, until the client registers again."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        pair = registered["body"]["output"]
        await trouble(bench, kind="unreadable_notice")
        await bench.order(SAMSUNG, 1, 69_000)
        with pytest.raises(ValueError, match=r"pad|decode|codec"):
            decrypt((await socket.frame())[3][0], **pair)
        await trouble(bench, kind="key_change")
        await bench.order(SAMSUNG, 2, 69_000)
        with pytest.raises(ValueError, match=r"pad|decode|codec"):
            decrypt((await socket.frame())[3][0], **pair)
        await socket.ask("H0STCNI9", HTS_ID, "2")
        again = await socket.ask("H0STCNI9", HTS_ID)
        await bench.order(SAMSUNG, 3, 69_000)
        assert await notices(socket, again, 1) == [("0000000003", "1")]
        lost = (await bench.state())["lost_notices"]
        assert [each["kind"] for each in lost] == ["unreadable_notice", "key_change"]


async def test_a_stall_can_be_aimed_at_one_issue_and_says_what_it_swallowed() -> None:
    """Samsung is silent from the 5th to the 14th second; Hynix goes on."""
    items = [trade(OPEN + second * SECOND, SAMSUNG, 70_100) for second in range(3, 31)]
    items += [trade(OPEN + second * SECOND, HYNIX, 200_500) for second in range(3, 31)]
    async with running(market=quiet(*items)) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await socket.ask("H0STCNT0", HYNIX)
        await bench.clock.advance(4 - (bench.clock.now() - OPEN) / SECOND)
        number = await trouble(bench, kind="stall", symbol=SAMSUNG, seconds=10.5)
        while bench.clock.now() < OPEN + 30 * SECOND:
            await bench.clock.advance(1)
        seen: dict[str, list[int]] = {SAMSUNG: [], HYNIX: []}
        while len(seen[HYNIX]) < 28 or len(seen[SAMSUNG]) < 18:
            fields = (await socket.frame())[3]
            seen[fields[0]].append(int(fields[1][4:]))
        assert seen[HYNIX] == list(range(3, 31))
        assert seen[SAMSUNG] == [3, 4, *range(15, 31)]
        (lost,) = (await bench.state())["losses"]
        assert lost == {
            "fault": number,
            "kind": "stall",
            "account": ACCOUNT,
            "feed": "H0STCNT0",
            "key": SAMSUNG,
            "from_at": OPEN + 5 * SECOND,
            "to_at": OPEN + 14 * SECOND,
            "count": 10,
        }


async def test_what_a_cut_line_misses_is_counted_until_it_registers_again() -> None:
    """Trades of the seconds 4 to 9 came while nobody was there."""
    items = [trade(OPEN + second * SECOND, SAMSUNG, 70_100) for second in range(2, 12)]
    async with running(settings(session_release_seconds=0.0), quiet(*items)) as bench:
        async with socket_of(bench) as socket:
            await socket.ask("H0STCNT0", SAMSUNG)
            while bench.clock.now() < OPEN + 3 * SECOND:
                await bench.clock.advance(1)
            assert [(await socket.frame())[3][1] for _ in range(2)] == ["090002", "090003"]
            await trouble(bench, kind="disconnect", account=ACCOUNT)
            with pytest.raises(ConnectionClosed):
                await socket.frame()
        while bench.clock.now() < OPEN + 8 * SECOND:
            await bench.clock.advance(1)
        async with socket_of(bench) as socket:  # opening it takes a second of the clock
            await socket.ask("H0STCNT0", SAMSUNG)
            while bench.clock.now() < OPEN + 11 * SECOND:
                await bench.clock.advance(1)
            assert (await socket.frame())[3][1] == "090010"
            state = await bench.state()
            (lost,) = state["losses"]
            assert (lost["from_at"], lost["to_at"]) == (OPEN + 4 * SECOND, OPEN + 9 * SECOND)
            assert (lost["count"], state["counters"]["records_lost"]) == (6, 6)


async def test_records_can_grow_shrink_and_break_off() -> None:
    """Two columns more, one less, a frame that ends in the middle; then all is well again."""
    items = [trade(OPEN + second * SECOND, SAMSUNG, 70_100) for second in range(2, 9)]
    async with running(market=quiet(*items)) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        widths = []
        for fault in (
            {"kind": "wider_records", "feed": "H0STCNT0", "columns": 2, "seconds": 1},
            {"kind": "narrower_records", "feed": "H0STCNT0", "seconds": 1},
            {"kind": "malformed_frame", "feed": "H0STCNT0"},
            None,
        ):
            if fault is not None:
                await trouble(bench, **fault)
            # The faults last until the second after, in which the next one begins.
            await bench.clock.advance(0.5)
            await bench.clock.advance(0.5)
            widths.append(len((await socket.frame())[3]))
        assert widths[3] == 47
        assert widths[2] < 46
        state = await bench.state()
        assert {each["kind"] for each in state["losses"]} >= {"malformed_frame"}


async def test_somebody_elses_session_and_lost_keys_are_refused() -> None:
    """OPSP8996 for as long as it is taken, OPSP0011 once the approval key is lost."""
    config = settings(session_release_seconds=0.0)
    async with running(config, quiet()) as bench:
        async with socket_of(bench) as socket:
            await socket.ask("H0STCNT0", SAMSUNG)
            await trouble(bench, kind="session_taken", account=ACCOUNT, seconds=20)
            with pytest.raises(ConnectionClosed):
                await socket.frame()
        async with socket_of(bench) as socket:
            assert (await socket.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP8996"
            await bench.clock.advance(20)
            await trouble(bench, kind="approvals_lost")
            assert (await socket.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0011"
        async with socket_of(bench) as socket:
            assert (await socket.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"


async def test_tokens_can_be_revoked_and_expire() -> None:
    """EGW00121 and EGW00123; a new token works."""
    async with running() as bench:
        await trouble(bench, kind="tokens_expired")
        assert (await bench.balance())["msg_cd"] == "EGW00123"
        await bench.clock.advance(61)
        await bench.log_in()
        assert (await bench.balance())["rt_cd"] == "0"
        await trouble(bench, kind="tokens_revoked", account=ACCOUNT)
        assert (await bench.balance())["msg_cd"] == "EGW00121"


async def test_the_services_clock_can_be_off_and_the_exchange_goes_on() -> None:
    """Header, PINGPONG and the times inside records are ninety seconds ahead."""
    market = quiet(trade(OPEN + 5 * SECOND, SAMSUNG, 70_100))
    async with running(market=market) as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await trouble(bench, kind="clock_skew", seconds=90)
        await bench.clock.advance(4)
        assert (await socket.frame())[3][1] == "090135"
        answer = await bench.trading("inquire-balance", "VTTC8434R")
        told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
        assert told == bench.clock.now() // SECOND + 90
        await bench.clock.advance(31)
        header = json.loads(await socket.connection.recv())["header"]
        assert header["datetime"] == "20261120090205"


async def test_a_scenario_plays_by_the_clock_and_can_be_stopped() -> None:
    """Three throttled calls, ten seconds apart, then no more."""
    async with running(market=quiet()) as bench:
        text = "name: drill\nsteps: [{every: 10s, fault: {kind: throttle}}]"
        await bench.http.post(f"{bench.simulator.admin_url}/admin/scenario", content=text)
        codes = []
        for _ in range(3):
            await bench.clock.advance(10)
            codes += [(await bench.balance())["msg_cd"] for _ in range(2)]
        assert codes[::2] == ["EGW00201"] * 3
        assert "EGW00201" not in codes[1::2]
        stopped = await bench.http.delete(f"{bench.simulator.admin_url}/admin/scenario")
        assert stopped.json() == {"playing": None, "actions": 3, "refused": []}
        await bench.clock.advance(30)
        assert (await bench.balance())["rt_cd"] == "0"
        odd = await bench.http.post(
            f"{bench.simulator.admin_url}/admin/scenario", content="steps: [{afterwards: 1}]"
        )
        assert (odd.status_code, "afterwards" in odd.text) == (400, True)


async def test_the_bench_sets_books_opens_accounts_and_trades_by_hand() -> None:
    """The hand-made order's notices reach the account's client like any other."""
    async with running(market=quiet()) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI9", HTS_ID)
        book = {"account": ACCOUNT, "cash": 1_000_000}
        book |= {"holdings": [{"symbol": SAMSUNG, "quantity": 7, "cost": 490_000}]}
        assert (await post(bench, "book", book)).json()["cash"] == 1_000_000
        hand = {"account": ACCOUNT, "symbol": SAMSUNG, "side": "sell", "quantity": 7}
        assert (await post(bench, "order", hand)).json() == {"order_number": "0000000001"}
        assert await notices(socket, registered, 2) == [("0000000001", "1"), ("0000000001", "2")]
        again = await post(bench, "order", hand)
        assert (again.status_code, "no_shares" in again.text) == (400, True)
        key = {"app_key": "PS" + "n" * 34, "app_secret": "t" * 180, "hts_id": "other"}
        new = {"credentials": {**key, "account": SECOND_ACCOUNT}, "cash": 5_000_000}
        assert (await post(bench, "account", new)).json()["cash"] == 5_000_000
        assert (await post(bench, "account", new)).status_code == 400
        login = {"appkey": key["app_key"], "appsecret": key["app_secret"]}
        answer = await bench.http.post("/oauth2/tokenP", json=login)
        assert answer.status_code == 200
        (connection,) = (await bench.state())["connections"]
        assert (connection["account"], connection["registrations"]) == (
            ACCOUNT,
            [f"H0STCNI9 {HTS_ID}"],
        )
        held = await post(bench, "clock", {"speed": 0})
        assert (held.status_code, "clock" in held.text) == (400, True)


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_every_kind_of_fault_can_be_caused_and_ended(kind: FaultKind) -> None:
    """By its number; an order can be placed or is refused afterwards, but always answered."""
    async with running(settings(token_interval_seconds=0.0), quiet()) as bench:
        of_an_issue = kind in (
            FaultKind.HALT,
            FaultKind.RESUME,
            FaultKind.VOLATILITY_INTERRUPTION,
        )
        fault = {"symbol": SAMSUNG} if of_an_issue else {}
        number = await trouble(bench, kind=kind, **fault)
        ended = await post(bench, "fault/end", {"number": number})
        assert (ended.status_code, ended.json()) == (200, {"armed": {}})
        await bench.log_in()
        assert "rt_cd" in await bench.order(HYNIX, 1, 199_000)
        (caused,) = (await bench.state())["caused"]
        assert (caused["kind"], caused["struck"]) == (kind, 0)


async def test_a_fault_of_one_account_leaves_the_other_alone() -> None:
    """Two app keys, one of which is cut."""
    other = Credentials(
        app_key="PS" + "o" * 34, app_secret="u" * 180, account=SECOND_ACCOUNT, hts_id="other"
    )
    first = settings()
    config = settings(
        environment=Environment.PAPER,
        credentials=(*first.credentials, other),
        accounts=(*first.accounts, OpeningBook(account=SECOND_ACCOUNT, cash=0)),
    )
    async with running(config, quiet()) as bench, socket_of(bench) as mine:
        await mine.ask("H0STCNT0", SAMSUNG)
        body = {"appkey": other.app_key, "secretkey": other.app_secret}
        answer = await bench.http.post("/oauth2/Approval", json=body)
        async with socket_of(bench) as plain:
            theirs = Socket(plain.connection, answer.json()["approval_key"])
            assert (await theirs.ask("H0STCNI9", "other"))["body"]["msg_cd"] == "OPSP0000"
            await trouble(bench, kind="disconnect", account=ACCOUNT)
            with pytest.raises(ConnectionClosed):
                await mine.frame()
            assert (await theirs.ask("H0STCNT0", SAMSUNG))["body"]["msg_cd"] == "OPSP0000"
        strange = await post(bench, "fault", {"kind": "disconnect", "account": "1111111111"})
        assert (strange.status_code, "no account" in strange.text) == (400, True)
