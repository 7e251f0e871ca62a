"""The simulated broker of a run: which market it plays, who may log in, what the account owns.

The market is a function of the run's manifest, so the demo that sets a run up and the simulator
process that plays it see the same one without handing it over.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Final

import httpx
import msgspec

from bus import OnProgress, TimeSource
from deploy.data_directory import DataDirectory, Manifest
from events.calendar import KST
from kis_gateway.settings import (
    ACCOUNT_VARIABLE,
    APP_KEY_VARIABLE,
    APP_SECRET_VARIABLE,
    HTS_ID_VARIABLE,
)
from kis_gateway.simulator import (
    Credentials,
    OpeningBook,
    Simulator,
    SimulatorSettings,
)
from kis_gateway.simulator.market import Market, RecordedMarket, SyntheticMarket

OPENING_CASH: Final = 100_000_000
"""Won in the account before the first trade of a demo."""

MINUTES: Final = "krx_minute"
"""Folder of monthly files of minute bars; the daily bars lie beside it."""

_LOOK_EVERY: Final = 0.02
_ENTRIES_PER_SECOND_BEHIND: Final = 100
"""How many waiting entries a simulated second of delay counts as, for the pacer."""


def market_of(manifest: Manifest) -> Market:
    """Return the market of a run; the same manifest gives the same market.

    Raises:
        MarketError: there are no usable bars of the date.
    """
    day = manifest_day(manifest)
    if manifest.bars is None:
        return SyntheticMarket(day, symbols=manifest.symbols, seed=manifest.seed)
    folder = Path(manifest.bars)
    minutes = folder / MINUTES
    return RecordedMarket(minutes if minutes.is_dir() else folder, day, manifest.symbols)


def manifest_day(manifest: Manifest) -> date:
    """Return the trading day of a run."""
    return datetime.strptime(manifest.trading_date, "%Y%m%d").replace(tzinfo=KST).date()


def simulator_settings(manifest: Manifest, environment: Mapping[str, str]) -> SimulatorSettings:
    """Return how the broker of a run is set up; the secrets come from the environment."""
    account = environment[ACCOUNT_VARIABLE]
    return SimulatorSettings(
        credentials=(
            Credentials(
                app_key=environment[APP_KEY_VARIABLE],
                app_secret=environment[APP_SECRET_VARIABLE],
                account=account,
                hts_id=environment[HTS_ID_VARIABLE],
            ),
        ),
        accounts=(OpeningBook(account=account, cash=OPENING_CASH),),
        rest_port=manifest.ports.rest,
        ws_port=manifest.ports.feed,
        admin=True,
        admin_port=manifest.ports.admin,
        # The paper service has no index and program figures; the strategies need them.
        real_only_quotations=True,
        real_only_feeds=True,
    )


async def run_simulator(
    directory: DataDirectory, time: TimeSource, stop: asyncio.Event, on_progress: OnProgress
) -> None:
    """Play the market of a run until ``stop`` is set, reporting how far it is behind the clock."""
    manifest = directory.manifest
    simulator = Simulator(simulator_settings(manifest, os.environ), market_of(manifest), time)
    await simulator.start()
    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(_report_delay(simulator, on_progress))
            await simulator.until(stop)
            watching.cancel()
    finally:
        await simulator.stop()


async def _report_delay(simulator: Simulator, on_progress: OnProgress) -> None:
    while True:
        behind = simulator.summary().counters.behind_s
        on_progress(0, round(behind * _ENTRIES_PER_SECOND_BEHIND))
        await asyncio.sleep(_LOOK_EVERY)


class ExchangeFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the exchange itself counted: orders it was given, executions, the account's books."""

    orders: int
    fills: int
    cash: int
    holdings: dict[str, int]


class _Order(msgspec.Struct):
    action: str


class _Held(msgspec.Struct):
    quantity: int


class _Account(msgspec.Struct):
    cash: int
    holdings: dict[str, _Held]


class _State(msgspec.Struct):
    orders: list[_Order]
    executions: list[msgspec.Raw]
    accounts: dict[str, _Account]


async def ask_exchange(manifest: Manifest) -> ExchangeFigures:
    """Return what the exchange of a running simulator knows, undelayed.

    This is the other side of the books: nothing of it comes from the log.
    """
    async with httpx.AsyncClient(timeout=30.0) as client:
        answer = await client.get(f"http://127.0.0.1:{manifest.ports.admin}/admin/state")
    answer.raise_for_status()
    state = msgspec.json.decode(answer.content, type=_State)
    (account,) = state.accounts.values()
    return ExchangeFigures(
        orders=sum(order.action == "new" for order in state.orders),
        fills=len(state.executions),
        cash=account.cash,
        holdings={s: held.quantity for s, held in account.holdings.items() if held.quantity},
    )
