"""The client and the simulated KIS, written apart from one documentation, on every call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from events import Symbol, TradingDate
from events.calendar import kst
from events.trading import Side
from kis_gateway.api import KisApi, WithSummary
from kis_gateway.broker import Accepted
from kis_gateway.kis_broker import KisBroker
from kis_gateway.settings import Environment, KisSettings, Secret
from kis_gateway.simulator.settings import Environment as Imitated
from tests.kis_gateway.kis_double import FAST
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    HTS_ID,
    HYNIX,
    KEY,
    SAMSUNG,
    SECOND,
    SECRET,
    Bench,
    running,
    settings,
)

from .every_method import INQUIRIES

TODAY = TradingDate("20261120")
NOTHING_YET = {
    # A minute after the opening, with no order of our own.
    "account.modifiable_orders",
    "account.executions",
    "account.profit_by_day",
    "account.profit_by_trade",
    "prices.trades",  # asked from 09:30 on
    "prices.expected_closes",
    "flows.investor_estimate",
    "rankings.at_limit",
    "reference.volatility_interruptions",
    "reference.news",
}


class Client:
    """An API of a real account on the bench's clock; ``do`` lets that clock run meanwhile."""

    def __init__(self, bench: Bench, api: KisApi) -> None:
        self.bench = bench
        self.api = api

    async def do(self, work: Awaitable[Any]) -> Any:
        """Return the result of client work that waits for simulated time here and there."""
        task = asyncio.ensure_future(work)
        async with asyncio.timeout(30):
            while not task.done():
                await asyncio.wait({task}, timeout=0.002)
                await self.bench.clock.advance(0.05)
        return task.result()


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[Client]:
    async with running(settings(environment=Imitated.REAL, token_interval_seconds=0.0)) as bench:
        own = KisSettings(
            app_key=Secret(KEY),
            app_secret=Secret(SECRET),
            account=Secret(ACCOUNT),
            hts_id=Secret(HTS_ID),
            token_folder=folder,
            environment=Environment.REAL,
            real_account_enabled=True,
            rest_url=bench.simulator.rest_url,
            limits=FAST,
        )
        async with KisBroker(own, bench.clock) as broker:
            yield Client(bench, broker.api)


@pytest.mark.parametrize("name", INQUIRIES)
async def test_the_simulator_answers_what_the_method_reads(name: str, tmp_path: Path) -> None:
    """No field is missing or unreadable, no parameter refused; what the market has is listed."""
    async with client(tmp_path) as ready:
        await ready.bench.clock.advance(60.0)
        result = await ready.do(INQUIRIES[name][1](ready.api))
    rows = result.rows if isinstance(result, WithSummary) else result
    assert (rows == ()) == (name in NOTHING_YET)


async def test_an_order_is_placed_amended_in_part_and_withdrawn(tmp_path: Path) -> None:
    """The account's calls agree about what is working and what has been bought."""
    async with client(tmp_path) as ready:
        api = ready.api
        taken = await ready.do(api.orders.submit(Side.BUY, SAMSUNG, 10, price=65_000))
        assert isinstance(taken, Accepted)
        await ready.bench.clock.advance(6.0)
        (open_order,) = await ready.do(api.account.modifiable_orders())
        assert (open_order.symbol, open_order.side, open_order.modifiable) == (
            SAMSUNG,
            Side.BUY,
            10,
        )
        amended = await ready.do(
            api.orders.amend(taken.broker_order, taken.branch, quantity=4, price=64_000)
        )
        assert isinstance(amended, Accepted)
        await ready.bench.clock.advance(6.0)
        working = await ready.do(api.account.modifiable_orders())
        assert sorted((order.limit_price, order.modifiable) for order in working) == [
            (64_000, 4),
            (65_000, 6),
        ]
        await ready.do(api.orders.cancel(taken.broker_order, taken.branch, quantity=2))
        await ready.do(api.orders.cancel(amended.broker_order, amended.branch))
        await ready.bench.clock.advance(6.0)
        (left,) = await ready.do(api.account.modifiable_orders())
        assert (left.limit_price, left.modifiable) == (65_000, 4)
        bought = await ready.do(api.orders.submit(Side.BUY, SAMSUNG, 3, price=70_100))
        assert isinstance(bought, Accepted)
        await ready.bench.clock.advance(6.0)
        day = await ready.do(api.account.executions(TODAY, TODAY))
        (filled,) = [row for row in day.rows if row.filled_quantity]
        assert (filled.broker_order, filled.filled_quantity) == (bought.broker_order, 3)
        assert day.summary.filled_quantity == 3
        balance = await ready.do(api.account.balance())
        held = {row.symbol: row.quantity for row in balance.rows}
        assert held == {HYNIX: 100, SAMSUNG: 3}


async def test_trades_and_minutes_of_the_simulated_day_are_complete(tmp_path: Path) -> None:
    """One trade a second from 09:00:05 on: none is missing between two instants."""
    async with client(tmp_path) as ready:
        await ready.bench.clock.advance(130.0)
        now = ready.bench.clock.now()
        second = now - now % SECOND
        trades = await ready.do(
            ready.api.prices.trades(SAMSUNG, second - 60 * SECOND, second - SECOND)
        )
        assert [f"{kst(trade.at):%S}" for trade in trades] == [
            f"{kst(second - each * SECOND):%S}" for each in range(60, 0, -1)
        ]
        minutes = await ready.do(ready.api.charts.minutes_today(Symbol(SAMSUNG)))
        assert [f"{kst(bar.start):%H%M}" for bar in minutes][:2] == ["0900", "0901"]


async def test_a_sale_is_told_alike_by_every_inquiry_about_profit(tmp_path: Path) -> None:
    """Ten shares bought at 190,000 are sold at 200,000: 100,000 won less 4,300 of costs."""
    async with client(tmp_path) as ready:
        api = ready.api
        await ready.do(api.orders.submit(Side.SELL, HYNIX, 10, price=200_000))
        await ready.bench.clock.advance(6.0)
        by_day = await ready.do(api.account.profit_by_day(TODAY, TODAY))
        by_trade = await ready.do(api.account.profit_by_trade(TODAY, TODAY))
        balance = await ready.do(api.account.balance_with_profit())
        sellable = await ready.do(api.account.sellable(HYNIX))
    (day,), (trade,) = by_day.rows, by_trade.rows
    assert (day.trading_date, day.sold_quantity, day.sold_amount) == (TODAY, 10, 2_000_000)
    assert (trade.symbol, trade.sold_quantity, trade.sold_amount) == (HYNIX, 10, 2_000_000)
    assert day.fees + day.taxes == trade.fees + trade.taxes == 4_300
    assert day.realised_profit == trade.realised_profit == 95_700
    assert by_day.summary.realised_profit == by_trade.summary.realised_profit == 95_700
    assert balance.summary.realised_profit == 95_700
    assert (sellable.sellable, sellable.sold) == (90, 10)
