"""A tiny trading day, a simulator over it on a clock moved by hand, and raw KIS clients."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date, time
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from websockets.asyncio.client import ClientConnection, connect

from bus import ManualTime
from events import Symbol
from events.calendar import TradingSession, instant, session
from events.market import Aggressor, Bar, Phase
from events.prices import Board
from kis_gateway.simulator import (
    Credentials,
    Era,
    OpeningBook,
    OpeningHolding,
    Simulator,
    SimulatorSettings,
)
from kis_gateway.simulator.exchange.messages import EnterPhase, Listing, MarketBook, MarketTrade
from kis_gateway.simulator.market import IndexPrint, Market, MarketItem, ProgramPrint

DAY = date(2026, 11, 20)
MIDNIGHT = time(0)
SECOND = 1_000_000_000
OPEN = session(DAY).open_at
SAMSUNG, HYNIX, ECOPRO = Symbol("005930"), Symbol("000660"), Symbol("247540")
ACCOUNT = "5000000101"
KEY, SECRET, HTS_ID = "PS" + "k" * 34, "s" * 180, "tester01"

LISTINGS = (
    Listing(
        symbol=SAMSUNG,
        name="삼성전자",
        board=Board.KOSPI,
        sector="전기전자",
        base_price=70_000,
        lower_limit=49_000,
        upper_limit=91_000,
        listed_shares=5_969_782_550,
    ),
    Listing(
        symbol=HYNIX,
        name="SK하이닉스",
        board=Board.KOSPI,
        sector="전기전자",
        base_price=200_000,
        lower_limit=140_000,
        upper_limit=260_000,
        listed_shares=728_002_365,
    ),
    Listing(
        symbol=ECOPRO,
        name="에코프로비엠",
        board=Board.KOSDAQ,
        sector="일반전기전자",
        base_price=150_000,
        lower_limit=105_000,
        upper_limit=195_000,
        listed_shares=97_801_344,
    ),
)


# Loading the certificate store for plain HTTP would take most of a test's time.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class HandMarket:
    """A day of what the test writes down."""

    def __init__(self, items: Sequence[MarketItem] | None = None) -> None:
        self._items = opening() if items is None else items

    @property
    def day(self) -> date:
        return DAY

    @property
    def session(self) -> TradingSession:
        return session(DAY)

    @property
    def listings(self) -> Sequence[Listing]:
        return LISTINGS

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        return {listing.symbol: listing.sector for listing in LISTINGS}

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        base = next(each.base_price for each in LISTINGS if each.symbol == symbol)
        days = (date(2026, 11, 17), date(2026, 11, 18), date(2026, 11, 19))
        starts = [instant(day, MIDNIGHT) for day in days]
        return tuple(
            Bar(start, base, base + 1_000, base - 1_000, base, 1_000, base * 1_000)
            for start in starts
        )

    def index_history(self, index: str) -> tuple[Bar, ...]:
        return (Bar(OPEN - 86_400 * SECOND, 250_000, 251_000, 249_000, 250_000, 0),)

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        return ()

    def commands(self) -> Iterator[MarketItem]:
        return iter(self._items)


def book(at: int, symbol: Symbol, ask: int, bid: int, quantity: int = 1_000) -> MarketBook:
    """One level a side."""
    return MarketBook(at=at, symbol=symbol, asks=((ask, quantity),), bids=((bid, quantity),))


def trade(at: int, symbol: Symbol, price: int, quantity: int = 10) -> MarketTrade:
    """A trade of the others, lifted from the ask."""
    return MarketTrade(
        at=at,
        symbol=symbol,
        price=price,
        quantity=quantity,
        aggressor=Aggressor.BUY,
        auction=False,
    )


def opening() -> list[MarketItem]:
    """Open at 09:00:00 with one level a side, then a Samsung trade and book a second."""
    items: list[MarketItem] = [
        EnterPhase(at=OPEN - 60 * SECOND, phase=Phase.OPENING_AUCTION),
        EnterPhase(at=OPEN, phase=Phase.CONTINUOUS),
        book(OPEN, SAMSUNG, 70_100, 70_000),
        book(OPEN, HYNIX, 200_500, 200_000),
        book(OPEN, ECOPRO, 150_100, 150_000),
        IndexPrint(at=OPEN, index="KOSPI", centipoints=251_000),
        ProgramPrint(at=OPEN, market="KOSPI", cumulative_net_value=-12_345_678_901),
    ]
    for second in range(5, 180):
        at = OPEN + second * SECOND
        items.append(trade(at, SAMSUNG, 70_100 if second % 2 else 70_000))
        items.append(book(at + SECOND // 2, SAMSUNG, 70_100, 70_000))
    items.append(IndexPrint(at=OPEN + 90 * SECOND, index="KOSPI", centipoints=252_550))
    return sorted(items, key=lambda item: item.at)


def settings(**changes: Any) -> SimulatorSettings:
    """No limits, one account with 100 million won and 100 shares of Hynix."""
    values: dict[str, Any] = {
        "credentials": (
            Credentials(app_key=KEY, app_secret=SECRET, account=ACCOUNT, hts_id=HTS_ID),
        ),
        "accounts": (
            OpeningBook(
                account=ACCOUNT,
                cash=100_000_000,
                holdings=(OpeningHolding(symbol=HYNIX, quantity=100, cost=19_000_000),),
            ),
        ),
        "calls_per_second": 0,
        "ledger_calls_per_second": 0,
        "admin": True,
    }
    return SimulatorSettings(**(values | changes))


class Bench:
    """A running simulator and what a client needs to speak to it."""

    def __init__(self, simulator: Simulator, clock: ManualTime, http: httpx.AsyncClient) -> None:
        self.simulator = simulator
        self.clock = clock
        self.http = http
        self.token = ""

    async def log_in(self) -> None:
        """Fetch a token."""
        body = {"grant_type": "client_credentials", "appkey": KEY, "appsecret": SECRET}
        answer = await self.http.post("/oauth2/tokenP", json=body)
        self.token = answer.json()["access_token"]

    def headers(self, tr_id: str, tr_cont: str = "") -> dict[str, str]:
        return {
            "authorization": f"Bearer {self.token}",
            "appkey": KEY,
            "appsecret": SECRET,
            "tr_id": tr_id,
            "tr_cont": tr_cont,
        }

    async def trading(
        self, name: str, tr_id: str, tr_cont: str = "", **params: str
    ) -> httpx.Response:
        """Call a trading path: POST for orders, GET for inquiries."""
        path = f"/uapi/domestic-stock/v1/trading/{name}"
        asked = {"CANO": ACCOUNT[:8], "ACNT_PRDT_CD": ACCOUNT[8:], **params}
        headers = self.headers(tr_id, tr_cont)
        if name.startswith("order"):
            return await self.http.post(path, json=asked, headers=headers)
        return await self.http.get(path, params=asked, headers=headers)

    async def quote(self, name: str, tr_id: str, **params: str) -> dict[str, Any]:
        """Call a quotation path."""
        path = f"/uapi/domestic-stock/v1/quotations/{name}"
        asked = {"FID_COND_MRKT_DIV_CODE": "J", **params}
        answer = await self.http.get(path, params=asked, headers=self.headers(tr_id))
        return dict(answer.json())

    async def order(
        self,
        symbol: str = SAMSUNG,
        quantity: int = 10,
        price: int = 70_100,
        *,
        side: str = "buy",
        kind: str = "00",
    ) -> dict[str, Any]:
        """Send an order and return the answer's body."""
        answer = await self.trading(
            "order-cash",
            {"buy": "VTTC0012U", "sell": "VTTC0011U"}[side],
            PDNO=symbol,
            ORD_DVSN=kind,
            ORD_QTY=str(quantity),
            ORD_UNPR=str(price),
        )
        return dict(answer.json())

    async def orders(self, **params: str) -> list[dict[str, str]]:
        """Return the first page of the day's orders."""
        rows: list[dict[str, str]] = (await self.orders_page(**params)).json()["output1"]
        return rows

    async def orders_page(self, tr_cont: str = "", **params: str) -> httpx.Response:
        day = f"{DAY:%Y%m%d}"
        asked = {
            "INQR_STRT_DT": day,
            "INQR_END_DT": day,
            "SLL_BUY_DVSN_CD": "00",
            "CCLD_DVSN": "00",
            "INQR_DVSN": "01",
        }
        return await self.trading("inquire-daily-ccld", "VTTC0081R", tr_cont, **(asked | params))

    async def balance(self) -> dict[str, Any]:
        return dict((await self.trading("inquire-balance", "VTTC8434R")).json())

    async def state(self) -> dict[str, Any]:
        """Return what the test bench's port tells."""
        answer = await self.http.get(f"{self.simulator.admin_url}/admin/state")
        return dict(answer.json())

    async def fault(self, **fault: object) -> None:
        answer = await self.http.post(f"{self.simulator.admin_url}/admin/fault", json=fault)
        assert answer.status_code == 200, answer.text

    async def approval(self) -> str:
        body = {"grant_type": "client_credentials", "appkey": KEY, "secretkey": SECRET}
        answer = await self.http.post("/oauth2/Approval", json=body)
        return str(answer.json()["approval_key"])


class Socket:
    """A raw WebSocket client."""

    def __init__(self, connection: ClientConnection, approval: str) -> None:
        self.connection = connection
        self._approval = approval

    async def ask(self, tr_id: str, tr_key: str, tr_type: str = "1") -> dict[str, Any]:
        """Send a registration and return the reply, skipping data frames."""
        await self.connection.send(
            json.dumps(
                {
                    "header": {
                        "approval_key": self._approval,
                        "custtype": "P",
                        "tr_type": tr_type,
                        "content-type": "utf-8",
                    },
                    "body": {"input": {"tr_id": tr_id, "tr_key": tr_key}},
                }
            )
        )
        return await self.reply()

    async def reply(self) -> dict[str, Any]:
        while True:
            text = await self.connection.recv()
            if text[:1] not in ("0", "1"):
                return dict(msgspec.json.decode(text))

    async def frame(self) -> tuple[str, str, int, list[str]]:
        """Return the next data frame: encryption flag, TR id, count and fields."""
        while True:
            text = await self.connection.recv()
            assert isinstance(text, str)
            if text[:1] in ("0", "1"):
                flag, tr_id, count, payload = text.split("|", 3)
                return flag, tr_id, int(count), payload.split("^")

    async def notice(self, reply: Mapping[str, Any]) -> list[str]:
        """Return the next notice's fields, decrypted with the pair of its registration's reply."""
        flag, _, count, payload = await self.frame()
        assert (flag, count) == ("1", 1)
        return decrypt(payload[0], **reply["body"]["output"]).split("^")


def decrypt(payload: str, *, key: str, iv: str) -> str:
    decryptor = Cipher(AES(key.encode()), CBC(iv.encode())).decryptor()
    padded = decryptor.update(base64.b64decode(payload)) + decryptor.finalize()
    unpadder = PKCS7(AES.block_size).unpadder()
    return (unpadder.update(padded) + unpadder.finalize()).decode()


@asynccontextmanager
async def running(
    config: SimulatorSettings | None = None,
    market: Market | None = None,
    *,
    start: int = OPEN,
) -> AsyncIterator[Bench]:
    """Run a simulator at ``start`` with a token already fetched."""
    clock = ManualTime(start)
    simulator = Simulator(config or settings(), market or HandMarket(), clock)
    await simulator.start()
    try:
        async with httpx.AsyncClient(
            base_url=simulator.rest_url, trust_env=False, verify=_NO_CERTIFICATES
        ) as http:
            bench = Bench(simulator, clock, http)
            await bench.log_in()
            yield bench
    finally:
        await simulator.stop()


@asynccontextmanager
async def socket_of(bench: Bench, path: str = "/tryitout", **options: Any) -> AsyncIterator[Socket]:
    """Open a WebSocket with a fresh approval key."""
    approval = await bench.approval()
    await bench.clock.advance(1)
    async with connect(
        bench.simulator.ws_url + path, proxy=None, ping_interval=None, **options
    ) as connection:
        yield Socket(connection, approval)


ERAS = {Era.A: (46, 59, 23), Era.B: (46, 62, 26), Era.C: (47, 63, 26)}
"""Fields of a trade, a book and a notice."""
