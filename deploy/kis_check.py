"""``kst kis check``: do host, app key and account belong together, and does data arrive?

Looks only: one token, one balance, one price, one subscription for some seconds. It places nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Final

import msgspec
import structlog
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bus import SystemTime
from deploy.errors import NoLiveFeed
from deploy.event_text import won
from deploy.terminal import console, print_json
from events import Symbol
from events.market import TradeFrame
from events.signal import Feed
from kis_gateway import KisBroker, KisFeed, from_environment
from kis_gateway.broker import FrameRejected
from kis_gateway.client.account_proof import proved_balance
from kis_gateway.settings import Environment, KisSettings

TOKEN_FOLDER: Final = Path("~/.cache/kst").expanduser()
"""Where tokens are kept between runs; readable by their owner only."""

_PATIENCE: Final = 20.0


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to check. Empty URLs mean the broker's own; ``seconds`` of live data."""

    real: bool
    symbol: Symbol
    seconds: float
    rest_url: str = ""
    websocket_url: str = ""


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Won and shares; ``answer_ms`` is the time of the price inquiry."""

    environment: str
    rest_url: str
    websocket_url: str
    cash: int
    equity: int
    holdings: dict[str, int]
    symbol: str
    price: int
    answer_ms: int
    subscribed: bool
    trades: int
    frames_rejected: int


def check_command(request: CheckRequest, *, as_json: bool) -> int:
    """Check and show; the exit status is 0 when everything that was asked answered."""
    # What the client logs belongs beside the result, not into it.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    settings = from_environment(
        os.environ,
        token_folder=TOKEN_FOLDER,
        environment=Environment.REAL if request.real else Environment.PAPER,
        real_account_enabled=request.real,
        rest_url=request.rest_url,
        websocket_url=request.websocket_url,
    )
    result = asyncio.run(_check(settings, request))
    if as_json:
        print_json(result)
    else:
        console().print(_panel(result))
    return 0 if result.subscribed else 1


async def _check(settings: KisSettings, request: CheckRequest) -> CheckResult:
    time = SystemTime()
    TOKEN_FOLDER.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with KisBroker(settings, time) as broker:
        balance = await proved_balance(broker, settings)
        asked = time.now()
        snapshot = await broker.snapshot(request.symbol)
        answered = time.now()
        trades = rejected = 0
        async with KisFeed(settings, broker.credentials, time) as feed:
            listening = asyncio.create_task(_listen(feed))
            await _subscribe(feed, request)
            await time.sleep(request.seconds)
            await feed.aclose()
            trades, rejected = await listening
    return CheckResult(
        environment=str(settings.environment),
        rest_url=settings.rest,
        websocket_url=settings.websocket,
        cash=balance.cash,
        equity=balance.equity,
        holdings={each.symbol: each.quantity for each in balance.holdings if each.quantity},
        symbol=request.symbol,
        price=snapshot.price,
        answer_ms=(answered - asked) // 1_000_000,
        subscribed=True,
        trades=trades,
        frames_rejected=rejected,
    )


async def _subscribe(feed: KisFeed, request: CheckRequest) -> None:
    try:
        async with asyncio.timeout(_PATIENCE):
            await feed.subscribe(Feed.TRADES, request.symbol)
    except TimeoutError as error:
        raise NoLiveFeed(request.websocket_url, _PATIENCE) from error


async def _listen(feed: KisFeed) -> tuple[int, int]:
    """Count trades and rejected frames until the feed is closed."""
    trades = rejected = 0
    async for message in feed.messages():
        if isinstance(message, TradeFrame):
            trades += len(message.trades)
        elif isinstance(message, FrameRejected):
            rejected += 1
    return trades, rejected


def _panel(result: CheckResult) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_row("host", f"{result.rest_url}  {result.websocket_url}")
    table.add_row("account", "host, app key and account belong together")
    table.add_row("cash", won(result.cash))
    table.add_row("equity", won(result.equity))
    table.add_row("holdings", f"{len(result.holdings)} issues")
    table.add_row(
        f"price of {result.symbol}", f"{won(result.price)}, answered in {result.answer_ms} ms"
    )
    table.add_row("live feed", _feed_text(result))
    return Panel(table, title=f"KIS {result.environment}", title_align="left", border_style="green")


def _feed_text(result: CheckResult) -> Text:
    text = Text(f"subscribed, {result.trades} trades")
    if not result.trades:
        text.append(" (none outside trading hours, or a quiet issue)", style="dim")
    if result.frames_rejected:
        text.append(f", {result.frames_rejected} frames could not be read", style="red")
    return text
