"""How much market a simulator can serve: trades to one client, and orders at the same time.

Run: ``python -m tests.bench.bench_simulator [seconds]``. The simulator lives in a process of its
own and plays prints as fast as its drive can; this process is the client. It reads and counts every
record of forty issues, and sends orders over one connection in the second half of the run.
"""

from __future__ import annotations

import asyncio
import sys
import time as wall
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from typing import Final, NamedTuple

import aiohttp
import msgspec
import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from bus import SystemTime
from events import Symbol
from events.calendar import TradingSession, instant, session
from events.market import Aggressor, Bar, Phase
from events.prices import Board
from kis_gateway.simulator import (
    Credentials,
    Environment,
    OpeningBook,
    Simulator,
    SimulatorSettings,
)
from kis_gateway.simulator.exchange.messages import EnterPhase, Listing, MarketBook, MarketTrade
from kis_gateway.simulator.market import MarketItem

DAY: Final = date(2026, 11, 20)
ISSUES: Final = 40
PRICE: Final = 70_000
BOOK_EVERY: Final = 4
"""Trades of an issue between two of its books."""

CREDENTIALS: Final = Credentials(
    app_key="PS" + "k" * 34, app_secret="s" * 180, account="5000000101", hts_id="bench"
)


class Measure(NamedTuple):
    """One stretch of the run."""

    what: str
    seconds: float
    records: int
    frames: int
    orders: int
    slowest_ms: float


class FloodOfPrints:
    """A market whose next command is always due, without end."""

    day = DAY

    @property
    def session(self) -> TradingSession:
        return session(DAY)

    @property
    def listings(self) -> Sequence[Listing]:
        return [
            Listing(
                symbol=Symbol(f"{900_000 + number * 10:06d}"),
                name=f"Issue {number}",
                board=Board.KOSPI,
                sector="bench",
                base_price=PRICE,
                lower_limit=49_000,
                upper_limit=91_000,
                listed_shares=100_000_000,
            )
            for number in range(ISSUES)
        ]

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        return {listing.symbol: listing.sector for listing in self.listings}

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        return (Bar(instant(date(2026, 11, 18), time()), PRICE, PRICE, PRICE, PRICE, 1_000_000),)

    def index_history(self, index: str) -> tuple[Bar, ...]:
        return ()

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        return ()

    def commands(self) -> Iterator[MarketItem]:
        symbols = [listing.symbol for listing in self.listings]
        at = self.session.open_at
        yield EnterPhase(at=at, phase=Phase.CONTINUOUS)
        turn = 0
        while True:
            turn += 1
            for symbol in symbols:
                # Steps within three ticks: no volatility interruption.
                price = PRICE + 100 * (turn % 4)
                if turn % BOOK_EVERY == 1:
                    asks = tuple((PRICE + 400 + 100 * level, 5_000) for level in range(10))
                    bids = tuple((PRICE - 100 - 100 * level, 5_000) for level in range(10))
                    yield MarketBook(at=at, symbol=symbol, asks=asks, bids=bids)
                yield MarketTrade(
                    at=at,
                    symbol=symbol,
                    price=price,
                    quantity=1,
                    aggressor=Aggressor.BUY if turn % 2 else Aggressor.SELL,
                    auction=False,
                )
            at += 1_000_000


async def _serve(pipe: Pipe) -> None:
    config = SimulatorSettings(
        credentials=(CREDENTIALS,),
        accounts=(OpeningBook(account=CREDENTIALS.account, cash=10**15),),
        environment=Environment.REAL,
        calls_per_second=0,
        ledger_calls_per_second=0,
    )
    simulator = Simulator(config, FloodOfPrints(), SystemTime())
    await simulator.start()
    pipe.send((simulator.rest_url, simulator.ws_url))
    try:
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)
    finally:
        await simulator.stop()
        pipe.send(simulator.summary().counters.prints)


def _server(pipe: Pipe) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    uvloop.run(_serve(pipe))


class _Reader:
    """Counts the records of one socket."""

    def __init__(self) -> None:
        self.records = self.frames = 0

    async def run(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            text = message.data
            if text[0] == "0":
                self.frames += 1
                self.records += int(text[11:14])


async def _log_in(http: aiohttp.ClientSession) -> tuple[dict[str, str], str]:
    body = {"appkey": CREDENTIALS.app_key, "appsecret": CREDENTIALS.app_secret}
    async with http.post("/oauth2/tokenP", json=body) as answer:
        token = (await answer.json())["access_token"]
    body = {"appkey": CREDENTIALS.app_key, "secretkey": CREDENTIALS.app_secret}
    async with http.post("/oauth2/Approval", json=body) as answer:
        approval = (await answer.json())["approval_key"]
    headers = {
        "authorization": f"Bearer {token}",
        "appkey": CREDENTIALS.app_key,
        "appsecret": CREDENTIALS.app_secret,
        "tr_id": "TTTC0012U",
    }
    return headers, approval


async def _order(http: aiohttp.ClientSession, headers: dict[str, str], number: int) -> float:
    body = {
        "CANO": CREDENTIALS.account[:8],
        "ACNT_PRDT_CD": CREDENTIALS.account[8:],
        "PDNO": f"{900_000 + number % ISSUES * 10:06d}",
        "ORD_DVSN": "00",
        "ORD_QTY": "1",
        "ORD_UNPR": str(PRICE - 10_000),
    }
    began = wall.perf_counter()
    path = "/uapi/domestic-stock/v1/trading/order-cash"
    async with http.post(path, json=body, headers=headers) as answer:
        answer_body = await answer.json()
        assert answer_body["rt_cd"] == "0", answer_body
    return wall.perf_counter() - began


async def _client(rest_url: str, ws_url: str, seconds: float) -> list[Measure]:
    measures = []
    async with aiohttp.ClientSession(rest_url) as http, http.ws_connect(ws_url) as socket:
        headers, approval = await _log_in(http)
        for number in range(ISSUES):
            await socket.send_str(_registration(approval, f"{900_000 + number * 10:06d}"))
        reader = _Reader()
        reading = asyncio.create_task(reader.run(socket))
        await asyncio.sleep(1.0)
        for what, orders in (("trades alone", False), ("trades and orders", True)):
            began, records, frames = wall.perf_counter(), reader.records, reader.frames
            sent, slowest = 0, 0.0
            while (passed := wall.perf_counter() - began) < seconds:
                if orders:
                    slowest = max(slowest, await _order(http, headers, sent))
                    sent += 1
                else:
                    await asyncio.sleep(0.05)
            measures.append(
                Measure(
                    what,
                    passed,
                    reader.records - records,
                    reader.frames - frames,
                    sent,
                    slowest * 1_000,
                )
            )
        reading.cancel()
    return measures


def _registration(approval: str, symbol: str) -> str:
    header = {"approval_key": approval, "custtype": "P", "tr_type": "1", "content-type": "utf-8"}
    body = {"input": {"tr_id": "H0STCNT0", "tr_key": symbol}}
    return msgspec.json.encode({"header": header, "body": body}).decode()


def main(seconds: float) -> None:
    """Run the benchmark and print its table."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_server, args=(theirs,))
    server.start()
    rest_url, ws_url = ours.recv()
    measures = uvloop.run(_client(rest_url, ws_url, seconds))
    ours.send(None)
    prints = ours.recv()
    server.join()
    table = Table("stretch", "trades/s", "frames/s", "records a frame", "orders/s", "slowest ms")
    for each in measures:
        table.add_row(
            each.what,
            f"{each.records / each.seconds:,.0f}",
            f"{each.frames / each.seconds:,.0f}",
            f"{each.records / max(1, each.frames):.1f}",
            f"{each.orders / each.seconds:,.0f}",
            f"{each.slowest_ms:.0f}",
        )
    console = Console()
    console.print(table)
    console.print(f"{prints:,} prints in all")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5.0)
