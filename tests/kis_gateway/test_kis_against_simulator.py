"""The client and the simulator, written apart from one documentation, understand each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from events import TradingDate
from events.market import QuoteFrame, TradeFrame
from events.signal import Feed
from events.trading import Holding, OrderKind, Side
from kis_gateway.broker import (
    Accepted,
    Balance,
    CancelTicket,
    FeedLost,
    FeedMessage,
    FeedRestored,
    FillNotice,
    OrderNotice,
    OrderTicket,
    Refused,
    Subscribed,
    Unknown,
)
from kis_gateway.feeds.feed import KisFeed
from kis_gateway.kis_broker import KisBroker
from kis_gateway.settings import KisSettings, Secret

from .kis_double import FAST
from .simulator_bench import ACCOUNT, HTS_ID, HYNIX, KEY, SAMSUNG, SECRET, Bench, running, settings

TODAY = TradingDate("20261120")
Result = TypeVar("Result")


class Gateway:
    """A broker and a feed on the bench's clock; ``do`` lets that clock run while they work."""

    def __init__(self, bench: Bench, broker: KisBroker, feed: KisFeed) -> None:
        self.bench = bench
        self.broker = broker
        self.feed = feed
        self.received: list[FeedMessage] = []

    async def do(self, work: Coroutine[Any, Any, Result], *, step: float = 0.1) -> Result:
        """Return the result of client work that waits for simulated time here and there."""
        task = asyncio.create_task(work)
        async with asyncio.timeout(30):
            while not task.done():
                await asyncio.wait({task}, timeout=0.002)
                await self.bench.clock.advance(step)
        return await task

    async def read(self) -> None:
        async for message in self.feed.messages():
            self.received.append(message)

    async def until(self, kind: type[FeedMessage], count: int = 1) -> list[FeedMessage]:
        """Return the received messages of a kind once there are enough of them."""

        async def enough() -> None:
            while sum(isinstance(each, kind) for each in self.received) < count:
                await self.bench.clock.sleep(0.05)

        await self.do(enough())
        return [each for each in self.received if isinstance(each, kind)]


@asynccontextmanager
async def gateway(folder: Path, **changes: Any) -> AsyncIterator[Gateway]:
    # The bench has fetched a token a moment ago.
    async with running(settings(token_interval_seconds=0.0, **changes)) as bench:
        own = KisSettings(
            app_key=Secret(KEY),
            app_secret=Secret(SECRET),
            account=Secret(ACCOUNT),
            hts_id=Secret(HTS_ID),
            token_folder=folder,
            rest_url=bench.simulator.rest_url,
            websocket_url=bench.simulator.ws_url + "/tryitout",
            limits=FAST,
        )
        async with (
            KisBroker(own, bench.clock) as broker,
            KisFeed(own, broker.credentials, bench.clock) as feed,
        ):
            yield Gateway(bench, broker, feed)


def ticket(side: Side = Side.BUY, quantity: int = 10, price: int | None = 70_100) -> OrderTicket:
    return OrderTicket(
        symbol=SAMSUNG,
        side=side,
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        quantity=quantity,
        limit_price=price,
    )


async def test_an_order_is_taken_filled_noticed_and_found_in_every_book(tmp_path: Path) -> None:
    """Answer, encrypted notices, the day's orders and the balance tell the same story."""
    async with gateway(tmp_path) as gate:
        reading = asyncio.create_task(gate.read())
        await gate.do(gate.feed.subscribe(Feed.TRADES, SAMSUNG))
        accepted = await gate.do(gate.broker.submit(ticket()))
        assert isinstance(accepted, Accepted)
        (fill,) = await gate.until(FillNotice)
        assert isinstance(fill, FillNotice)
        assert (fill.broker_order, fill.side, fill.quantity, fill.price, fill.order_quantity) == (
            accepted.broker_order,
            Side.BUY,
            10,
            70_100,
            10,
        )
        await gate.bench.clock.advance(6.0)
        (order,) = await gate.do(gate.broker.orders(TODAY))
        assert (order.broker_order, order.branch) == (accepted.broker_order, accepted.branch)
        assert (order.filled_quantity, order.filled_amount) == (10, 701_000)
        assert (order.remaining_quantity, order.is_cancel, order.original) == (0, False, None)
        balance = await gate.do(gate.broker.balance())
        assert {holding.symbol: holding.quantity for holding in balance.holdings} == {
            SAMSUNG: 10,
            HYNIX: 100,
        }
        assert 100_000_000 - 701_000 - 1_000 < balance.cash <= 100_000_000 - 701_000
        reading.cancel()


async def test_a_cancel_is_a_row_of_its_own(tmp_path: Path) -> None:
    """The original shows the withdrawn quantity, the cancel names its original."""
    async with gateway(tmp_path) as gate:
        reading = asyncio.create_task(gate.read())
        resting = await gate.do(gate.broker.submit(ticket(price=69_000)))
        assert isinstance(resting, Accepted)
        cancelled = await gate.do(
            gate.broker.cancel(
                CancelTicket(
                    broker_order=resting.broker_order, branch=resting.branch, symbol=SAMSUNG
                )
            )
        )
        assert isinstance(cancelled, Accepted)
        await gate.bench.clock.advance(6.0)
        orders = {each.broker_order: each for each in await gate.do(gate.broker.orders(TODAY))}
        original, cancel = orders[resting.broker_order], orders[cancelled.broker_order]
        assert (original.is_cancel, original.cancelled_quantity, original.remaining_quantity) == (
            False,
            10,
            0,
        )
        assert (cancel.is_cancel, cancel.original) == (True, resting.broker_order)
        reading.cancel()


async def test_notices_tell_acknowledgement_and_cancel(tmp_path: Path) -> None:
    """What the exchange did arrives without asking."""
    async with gateway(tmp_path) as gate:
        reading = asyncio.create_task(gate.read())
        await gate.do(gate.feed.subscribe(Feed.QUOTES, SAMSUNG))
        resting = await gate.do(gate.broker.submit(ticket(price=69_000)))
        assert isinstance(resting, Accepted)
        await gate.do(
            gate.broker.cancel(
                CancelTicket(
                    broker_order=resting.broker_order, branch=resting.branch, symbol=SAMSUNG
                )
            )
        )
        notices = await gate.until(OrderNotice, 2)
        assert [
            (each.original, each.cancelled, each.rejected)
            for each in notices
            if isinstance(each, OrderNotice)
        ][-1] == (resting.broker_order, True, False)
        reading.cancel()


async def test_a_lost_reply_leaves_one_order_at_the_exchange(tmp_path: Path) -> None:
    """The simulator executed it and cut the line: unknown here, exactly one order there."""
    async with gateway(tmp_path) as gate:
        await gate.bench.fault(kind="drop_reply_after_accept")
        outcome = await gate.do(gate.broker.submit(ticket()))
        assert isinstance(outcome, Unknown)
        await gate.bench.clock.advance(6.0)
        assert len(await gate.do(gate.broker.orders(TODAY))) == 1


async def test_refusals_come_with_their_kind(tmp_path: Path) -> None:
    """Too fast is not too much."""
    async with gateway(tmp_path) as gate:
        await gate.bench.fault(kind="throttle", count=1, call="order-cash")
        throttled = await gate.do(gate.broker.submit(ticket()))
        assert isinstance(throttled, Refused)
        assert throttled.throttled
        too_much = await gate.do(gate.broker.submit(ticket(quantity=1_000_000)))
        assert isinstance(too_much, Refused)
        assert not too_much.throttled
        await gate.bench.clock.advance(6.0)
        assert await gate.do(gate.broker.orders(TODAY)) == ()


async def test_many_orders_come_over_several_pages(tmp_path: Path) -> None:
    """A page on paper holds 15 rows; none may be missing and none twice."""
    async with gateway(tmp_path) as gate:
        for _ in range(32):
            await gate.do(gate.broker.submit(ticket(quantity=1, price=69_000)))
        await gate.bench.clock.advance(6.0)
        orders = await gate.do(gate.broker.orders(TODAY))
        assert len({each.broker_order for each in orders}) == len(orders) == 32


async def test_reference_charts_index_and_flows_are_read(tmp_path: Path) -> None:
    """Everything a session needs before and during trading."""
    async with gateway(tmp_path, real_only_quotations=True) as gate:
        await gate.bench.clock.advance(100.0)
        broker = gate.broker
        reference = await gate.do(broker.reference(SAMSUNG, TODAY))
        assert (reference.name, reference.market, reference.base_price) == (
            "삼성전자",
            "KOSPI",
            70_000,
        )
        assert (reference.lower_limit, reference.upper_limit) == (49_000, 91_000)
        daily = await gate.do(broker.daily_bars(SAMSUNG, TODAY, 2))
        assert [bar.close for bar in daily] == [70_000, 70_000]
        now = gate.bench.clock.now()
        minutes = await gate.do(broker.minute_bars(SAMSUNG, now))
        assert all(bar.start + 60_000_000_000 <= now for bar in minutes)
        assert len(minutes) == 1
        level = await gate.do(broker.index_level("KOSPI"))
        assert (level.centipoints, level.previous_close_centipoints) == (252_550, 250_000)
        flow = await gate.do(broker.program_flow("KOSPI"))
        assert flow.cumulative_net_value == -12_345_000_000
        assert await gate.do(broker.balance()) == Balance(
            cash=100_000_000,
            equity=120_000_000,
            holdings=(
                Holding(
                    symbol=HYNIX, quantity=100, sellable=100, cost=19_000_000, last_price=200_000
                ),
            ),
            deposits=(100_000_000, 100_000_000, 100_000_000),
        )


async def test_frames_flow_and_survive_a_cut(tmp_path: Path) -> None:
    """Trades and books arrive; after a cut of every socket they arrive again, and it is said."""
    async with gateway(tmp_path) as gate:
        reading = asyncio.create_task(gate.read())
        await gate.do(gate.feed.subscribe(Feed.TRADES, SAMSUNG))
        await gate.do(gate.feed.subscribe(Feed.QUOTES, SAMSUNG))
        await gate.until(TradeFrame, 3)
        await gate.until(QuoteFrame, 3)
        before = sum(isinstance(each, TradeFrame) for each in gate.received)
        await gate.bench.fault(kind="disconnect")
        await gate.until(FeedLost)
        await gate.until(FeedRestored)
        await gate.until(TradeFrame, before + 2)
        trades = [
            trade for each in gate.received if isinstance(each, TradeFrame) for trade in each.trades
        ]
        volumes = [trade.cumulative_volume for trade in trades]
        assert volumes == sorted(set(volumes))
        assert {type(each) for each in gate.received} == {
            Subscribed,
            TradeFrame,
            QuoteFrame,
            FeedLost,
            FeedRestored,
        }
        reading.cancel()
