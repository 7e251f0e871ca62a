"""The test bench: what it shows and the trouble it makes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from bus import ManualTime
from kis_gateway.simulator import Simulator
from kis_gateway.simulator.market import MarketItem
from kis_gateway.simulator.server import serve
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    HTS_ID,
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    HandMarket,
    running,
    settings,
    socket_of,
)


async def test_a_reply_can_be_lost_after_the_order_was_accepted() -> None:
    """The client sees a reset, the exchange has the order; the next one is answered."""
    async with running() as bench:
        await bench.fault(kind="drop_reply_after_accept")
        with pytest.raises(httpx.TransportError):
            await bench.order()
        assert len((await bench.state())["orders"]) == 1
        assert (await bench.order(price=70_000))["rt_cd"] == "0"


async def test_a_connection_can_be_reset_before_the_order_is_accepted() -> None:
    """The client sees the same reset, and the exchange has nothing."""
    async with running() as bench:
        await bench.fault(kind="reset_before_accept", count=2)
        assert (await bench.state())["faults"] == {"reset_before_accept": 2}
        for _ in range(2):
            with pytest.raises(httpx.TransportError):
                await bench.order()
        state = await bench.state()
        assert (state["orders"], state["faults"]) == ([], {})
        assert state["counters"]["duplicate_bodies"] == 1
        assert (await bench.balance())["rt_cd"] == "0"


async def test_throttling_can_be_aimed_at_one_call() -> None:
    """Only the named call is refused, as often as asked."""
    async with running() as bench:
        await bench.fault(kind="throttle", count=1, call="inquire-balance")
        assert (await bench.order())["rt_cd"] == "0"
        assert (await bench.balance())["msg_cd"] == "EGW00201"
        assert (await bench.balance())["rt_cd"] == "0"


async def test_an_answer_can_be_slow_after_the_order_was_executed() -> None:
    """The order stands at once, the answer comes seconds later."""
    async with running() as bench:
        await bench.fault(kind="delay", seconds=7.0)
        asking = asyncio.create_task(bench.order())
        while not (await bench.state())["orders"]:
            await asyncio.sleep(0)
        assert not asking.done()
        await bench.clock.advance(7)
        assert (await asking)["rt_cd"] == "0"


async def test_feeds_can_fall_silent_without_a_close() -> None:
    """Trades during the stall are lost, those after it arrive."""
    async with running() as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNT0", SAMSUNG)
        await bench.clock.advance(4)
        assert (await socket.frame())[3][1] == "090005"
        await bench.fault(kind="stall", seconds=10.0)
        await bench.clock.advance(9)
        await bench.clock.advance(2)
        assert (await socket.frame())[3][1] == "090015"


async def test_every_socket_can_be_cut() -> None:
    """The connection is reset and its session is gone."""
    async with running() as bench, socket_of(bench) as socket:
        await socket.ask("H0STCNI9", HTS_ID)
        await bench.fault(kind="disconnect")
        with pytest.raises(ConnectionClosed):
            await socket.frame()
        while (await bench.state())["counters"]["ws_sessions"]:
            await asyncio.sleep(0)


async def test_the_state_shows_orders_fills_and_accounts_undelayed() -> None:
    """What inquiries will only show later."""
    async with running() as bench:
        await bench.order(SAMSUNG, 10, 70_100)
        await bench.order(HYNIX, 40, 200_000, side="sell")
        state = await bench.state()
        bought, sold = state["orders"]
        assert bought["fills"] == [
            {"at": OPEN, "quantity": 10, "price": 70_100, "fee": 105, "tax": 0}
        ]
        assert (sold["symbol"], sold["filled"], sold["remaining"]) == (HYNIX, 40, 0)
        # Proceeds 8,000,000 less 1,200 fee and 16,000 tax (0.20 % since 2026).
        assert state["accounts"][ACCOUNT]["cash"] == 100_000_000 - 701_105 + 7_982_800
        assert state["accounts"][ACCOUNT]["holdings"][HYNIX]["quantity"] == 60
        assert len(state["executions"]) == 2
        assert state["phase"] == "continuous"
        summary = bench.simulator.summary()
        assert (summary.orders, summary.executions, summary.shares) == (2, 2, 50)
        assert summary.amount == 701_000 + 8_000_000


async def test_the_bench_answers_nothing_else_and_is_off_by_default() -> None:
    """Unknown paths and faults are refused; without the setting there is no port."""
    async with running() as bench:
        lost = await bench.http.get(f"{bench.simulator.admin_url}/admin/orders")
        assert lost.status_code == 404
        odd = await bench.http.post(
            f"{bench.simulator.admin_url}/admin/fault", json={"kind": "earthquake"}
        )
        assert odd.status_code == 400
    quiet = Simulator(settings(admin=False), HandMarket(), ManualTime(OPEN))
    assert quiet.admin_url is None


async def test_serve_runs_until_it_is_told_to_stop() -> None:
    """And hands back the run in numbers; here the market itself says when it is over."""
    stop = asyncio.Event()

    class LastOrders(HandMarket):
        def commands(self) -> Iterator[MarketItem]:
            yield from super().commands()
            stop.set()

    after_the_market = ManualTime(OPEN + 300 * SECOND)
    summary = await serve(settings(), LastOrders(), after_the_market, stop)
    assert (summary.orders, summary.counters.prints) == (0, 175)


async def test_a_market_that_fails_ends_the_run_with_its_error() -> None:
    """Nobody waits for a dead market."""

    class Broken(HandMarket):
        def commands(self) -> Iterator[MarketItem]:
            raise OSError("disk gone")

    with pytest.raises(ExceptionGroup) as failure:
        await serve(settings(), Broken(), ManualTime(OPEN), asyncio.Event())
    assert failure.group_contains(OSError, match="disk gone")
