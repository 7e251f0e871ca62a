"""The simulator as a process of its own: the real and the paper host over one generated market.

    python -m tests.conformance.market_place --era A

prints one JSON line when it is ready and runs until its standard input closes. The market is that
of today, a quarter of an hour into continuous trading, at wall speed, with rate limits and with
answers that lag behind the exchange. On a day without a session the last session's market is moved
to today: clients put their own date into requests and compare a token's end with their own clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from bus import SharedTime
from events import Symbol
from events.calendar import (
    KST,
    TradingSession,
    instant,
    is_session,
    kst,
    previous_session,
    trading_date,
)
from events.krx_days import VERIFIED_UNTIL
from events.market import Bar
from kis_gateway.simulator import (
    Credentials,
    Environment,
    Era,
    OpeningBook,
    OpeningHolding,
    Simulator,
    SimulatorSettings,
)
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.exchange.messages import Listing
from kis_gateway.simulator.market import Market, MarketItem, SyntheticMarket

_SECOND: Final = 1_000_000_000
_INTO_SESSION: Final = 900 * _SECOND
_SYMBOLS: Final = 6
_SEED: Final = 20260914
_TRADES_A_MINUTE: Final = 60
_CASH: Final = 100_000_000
_HELD: Final = 50

_REAL: Final = Credentials(
    app_key="PSreal" + "R" * 30, app_secret="r" * 180, account="6412345601", hts_id="realuser"
)
_PAPER: Final = Credentials(
    app_key="PSpaper" + "P" * 29, app_secret="p" * 180, account="5012345601", hts_id="paperuser"
)


class MovedMarket:
    """A market on another date; every instant of the day is moved by whole days."""

    def __init__(self, market: Market, day: date) -> None:
        self._market = market
        self._shift = instant(day, time()) - instant(market.day, time())
        hours = market.session
        self.session = TradingSession(
            trading_date=trading_date(day),
            day=day,
            auction_from=hours.auction_from + self._shift,
            open_at=hours.open_at + self._shift,
            closing_auction_at=hours.closing_auction_at + self._shift,
            close_at=hours.close_at + self._shift,
        )

    @property
    def day(self) -> date:
        return self.session.day

    @property
    def listings(self) -> Sequence[Listing]:
        return self._market.listings

    @property
    def sectors(self) -> Mapping[Symbol, str]:
        return self._market.sectors

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        return self._market.daily_history(symbol)

    def index_history(self, index: str) -> tuple[Bar, ...]:
        return self._market.index_history(index)

    def minute_bars(self, symbol: Symbol) -> tuple[Bar, ...]:
        return tuple(
            msgspec.structs.replace(bar, start=bar.start + self._shift)
            for bar in self._market.minute_bars(symbol)
        )

    def commands(self) -> Iterator[MarketItem]:
        for item in self._market.commands():
            yield msgspec.structs.replace(item, at=item.at + self._shift)


def market_of(day: date) -> Market:
    """Return a generated market for any date."""
    known = min(day, VERIFIED_UNTIL)
    base = known if is_session(known) else previous_session(known)
    market = SyntheticMarket(base, _SYMBOLS, _SEED, trades_per_bar=_TRADES_A_MINUTE)
    return market if base == day else MovedMarket(market, day)


def settings_of(environment: Environment, era: Era, market: Market) -> SimulatorSettings:
    """Return one host with its own key and account."""
    held = OpeningHolding(
        symbol=market.listings[1].symbol,
        quantity=_HELD,
        cost=_HELD * market.listings[1].base_price,
    )
    own = _PAPER if environment is Environment.PAPER else _REAL
    return SimulatorSettings(
        credentials=(own,),
        accounts=(OpeningBook(account=own.account, cash=_CASH, holdings=(held,)),),
        environment=environment,
        era=era,
        admin=True,
    )


def _side(simulator: Simulator, held: Credentials) -> dict[str, str]:
    return {
        "rest": simulator.rest_url,
        "ws": simulator.ws_url,
        "admin": simulator.admin_url or "",
        "app_key": held.app_key,
        "app_secret": held.app_secret,
        "account": held.account,
        "hts_id": held.hts_id,
    }


def _ready(real: Simulator, paper: Simulator, market: Market, now: int) -> dict[str, Any]:
    return {
        "real": _side(real, _REAL),
        "paper": _side(paper, _PAPER),
        "symbol": market.listings[0].symbol,
        "day": f"{market.day:%Y%m%d}",
        "minute": f"{kst(now):%H%M}00",
    }


async def serve(era: Era, folder: Path) -> None:
    """Run both hosts until standard input closes."""
    market = market_of(datetime.now(UTC).astimezone(KST).date())
    clock = SharedTime.create(
        folder / "clock", start=market.session.open_at + _INTO_SESSION, speed=1.0
    )
    clock.set_rate(1.0)
    real_settings = settings_of(Environment.REAL, era, market)
    paper_settings = settings_of(Environment.PAPER, era, market)
    access = Access(real_settings)
    access.add(_PAPER)
    real = Simulator(real_settings, market, clock, access)
    paper = Simulator(paper_settings, market, clock, access)
    await real.start()
    await paper.start()
    try:
        sys.stdout.write(json.dumps(_ready(real, paper, market, clock.now())) + "\n")
        sys.stdout.flush()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_end_of_input(stop))
            await real.until(stop)
    finally:
        await paper.stop()
        await real.stop()


async def _end_of_input(stop: asyncio.Event) -> None:
    await asyncio.to_thread(sys.stdin.read)
    stop.set()


def main() -> None:
    """Parse the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--era", type=Era, default=Era.A, choices=list(Era))
    era = parser.parse_args().era
    logging.disable(logging.INFO)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(prefix="kst-conformance-") as folder:
        asyncio.run(serve(era, Path(folder)))


if __name__ == "__main__":
    main()
