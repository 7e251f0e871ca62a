"""A strategy that knows the future is found; the shipped one is not accused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from events import Delivery, Event, StrategyId, Symbol
from events.calendar import KST, kst
from events.identifiers import intent_id
from events.market import ClockTick, Phase, SessionOpened, TradeFrame
from events.trading import Horizon, IntentKind, IntentSubmitted, Urgency
from research.backtest import parse_settings
from research.backtest.errors import InvalidSettings
from research.backtest.look_ahead import check_look_ahead
from research.backtest.settings import BacktestSettings
from tests.research.plugging import plugged

CUTS = [datetime(2025, 10, 21, 9, 31, tzinfo=KST), datetime(2025, 10, 21, 13, 7, tzinfo=KST)]


class Clairvoyant:
    """Reads the day's last price from the file it is traded from, and buys what will rise."""

    name = "kpr"
    inputs: Sequence[str] = ("market.clock", "market.trade.*")
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened) -> None:
        self._session = session
        folder = msgspec.json.decode(session.configuration["kpr"], type=dict[str, str])["bars"]
        day = kst(session.at).date()
        bars = pl.read_parquet(Path(folder) / "krx_minute" / f"{day:%Y-%m}.parquet")
        last = bars.filter(pl.col("time").dt.date() == day).group_by("symbol").agg(pl.last("close"))
        self._closes: dict[str, int] = dict(last.iter_rows())
        self._prices: dict[Symbol, int] = {}

    def owns(self, event: Event) -> bool:
        return isinstance(event, IntentSubmitted)

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        event = delivery.event
        if isinstance(event, TradeFrame):
            self._prices[event.symbol] = event.trades[-1].price
        at_ten = self._session.open_at + 600_000_000_000
        if isinstance(event, ClockTick) and event.at == at_ten and event.phase is Phase.CONTINUOUS:
            return [
                self._buy(delivery, symbol, price)
                for symbol, price in sorted(self._prices.items())
                if self._closes[symbol] > price
            ]
        return ()

    def _buy(self, delivery: Delivery, symbol: Symbol, price: int) -> IntentSubmitted:
        at = delivery.event.at
        return IntentSubmitted(
            at=at,
            cause=delivery.sequence,
            intent_id=intent_id(self._session.trading_date, StrategyId("KPR"), symbol, "E", 1),
            strategy=StrategyId("KPR"),
            symbol=symbol,
            kind=IntentKind.ENTER,
            quantity=1,
            urgency=Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason="it will rise",
            attempt=1,
            expires_at=at + 30_000_000_000,
            hard_stop=price * 9 // 10,
            signal="today",
        )


def settings(data: Path, strategy: dict[str, Any], *, symbols: int) -> BacktestSettings:
    return parse_settings(
        {
            "name": "look-ahead",
            "strategies": [strategy],
            "data": {
                "source": "ticks",
                "path": str(data),
                "start": "2025-10-20",
                "end": "2025-10-22",
                "symbols": symbols,
                "trades_per_bar": 4,
            },
        },
        folder=Path(),
    )


@pytest.mark.market_data
def test_a_strategy_that_reads_the_close_is_found(krx_data: Path, tmp_path: Path) -> None:
    # By another name of the folder than the one that the bars are read from.
    (tmp_path / "elsewhere").symlink_to(krx_data)
    by = {"bars": str(tmp_path / "elsewhere")}
    wanted = settings(krx_data, {"name": "kpr", "set": by}, symbols=10)
    with plugged("kpr", Clairvoyant):
        checked = check_look_ahead(wanted, CUTS[:1])
    assert not checked.clean
    (leak,) = checked.leaks
    # It bought at 09:10 by what was to be the close, which lay after the cut at 09:31.
    assert datetime.fromtimestamp(leak.at / 1e9, KST).strftime("%H:%M") == "09:10"
    assert "IntentSubmitted" in leak.before + leak.after
    assert "09:31:00" in str(leak)


@pytest.mark.market_data
def test_kmp_decides_the_same_whatever_the_future_is(krx_data: Path) -> None:
    checked = check_look_ahead(settings(krx_data, {"name": "kmp"}, symbols=20), CUTS[:1])
    assert checked.leaks == ()
    assert checked.clean
    assert checked.events > 20


@pytest.mark.slow
@pytest.mark.market_data
def test_kmp_decides_the_same_whatever_follows_any_of_several_instants(krx_data: Path) -> None:
    checked = check_look_ahead(settings(krx_data, {"name": "kmp"}, symbols=40), CUTS)
    assert checked.clean
    assert checked.runs == 2


def test_generated_days_have_no_file_to_change() -> None:
    wanted = parse_settings({"name": "x", "strategies": [{"name": "kmp"}]}, folder=Path())
    with pytest.raises(InvalidSettings, match="use bars or ticks"):
        check_look_ahead(wanted, CUTS)


@pytest.mark.market_data
def test_a_cut_needs_its_time_zone(krx_data: Path) -> None:
    wanted = settings(krx_data, {"name": "kmp"}, symbols=4)
    with pytest.raises(InvalidSettings, match="time zone"):
        check_look_ahead(wanted, [datetime(2025, 10, 21, 9, 31)])  # noqa: DTZ001 - the mistake
