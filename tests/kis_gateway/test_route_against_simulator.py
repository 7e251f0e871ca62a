"""The route of an order on the wire: to the exchange it names, and back with its cancel."""

from __future__ import annotations

from pathlib import Path

import msgspec

from events import TradingDate
from events.trading import OrderKind, Route, Side
from kis_gateway.broker import Accepted, CancelTicket, OrderTicket, Refused
from kis_gateway.kis_broker import KisBroker
from kis_gateway.settings import Environment, KisSettings, Secret
from kis_gateway.simulator.exchange.listing import Session
from kis_gateway.simulator.exchange.messages import OpenSession

from .kis_double import FAST
from .simulator_bench import ACCOUNT, HTS_ID, KEY, OPEN, SAMSUNG, SECRET, Bench, running, settings
from .test_simulator_order_types import REAL, NxtMarket, calm

TODAY = TradingDate("20261120")
BUY = OrderTicket(
    symbol=SAMSUNG, side=Side.BUY, kind=OrderKind.LIMIT, quantity=10, limit_price=69_000
)


def _own(bench: Bench, folder: Path, environment: Environment) -> KisSettings:
    return KisSettings(
        app_key=Secret(KEY),
        app_secret=Secret(SECRET),
        account=Secret(ACCOUNT),
        hts_id=Secret(HTS_ID),
        token_folder=folder,
        rest_url=bench.simulator.rest_url,
        websocket_url=bench.simulator.ws_url + "/tryitout",
        limits=FAST,
        environment=environment,
        real_account_enabled=environment is Environment.REAL,
    )


async def test_an_order_goes_and_is_withdrawn_by_its_route_and_is_listed_whatever_it_is(
    tmp_path: Path,
) -> None:
    """KRX, the smart router and NXT; a cancel by another route than the order's is refused."""
    items = calm(OpenSession(at=OPEN, session=Session.NXT_MAIN_MARKET))
    async with (
        running(settings(token_interval_seconds=0.0, **REAL), NxtMarket(items)) as bench,
        KisBroker(_own(bench, tmp_path, Environment.REAL), bench.clock) as broker,
    ):
        for route in Route:
            sent = await broker.submit(msgspec.structs.replace(BUY, route=route))
            assert isinstance(sent, Accepted)
            await bench.clock.advance(6)
            listed = {row.broker_order for row in await broker.orders(TODAY)}
            assert sent.broker_order in listed
            cancel = CancelTicket(
                broker_order=sent.broker_order, branch=sent.branch, symbol=SAMSUNG
            )
            other = Route.NXT if route is Route.KRX else Route.KRX
            wrong = await broker.cancel(msgspec.structs.replace(cancel, route=other))
            assert isinstance(wrong, Refused)
            right = await broker.cancel(msgspec.structs.replace(cancel, route=route))
            assert isinstance(right, Accepted)


async def test_paper_accounts_are_told_that_they_trade_on_krx_only(tmp_path: Path) -> None:
    """Refused before anything is sent; the book-keeping then goes to KRX."""
    async with (
        running(settings(token_interval_seconds=0.0), NxtMarket(calm())) as bench,
        KisBroker(_own(bench, tmp_path, Environment.PAPER), bench.clock) as broker,
    ):
        refused = await broker.submit(msgspec.structs.replace(BUY, route=Route.SOR))
        assert isinstance(refused, Refused)
        assert "paper accounts trade on KRX only" in refused.message
