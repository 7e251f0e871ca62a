"""The three ways of handing over the market give the same events, byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import Event, codec
from research.backtest import BacktestResult, parse_settings, register, run
from research.backtest.settings import BacktestSettings, Delivery
from tests.research.backtest.monkey import CountingMonkey, Monkey, PatientMonkey

BUDGET = {
    "max_positions": {"standard": 10, "conservative": 10},
    "max_risk_pct": {"standard": 0.15, "conservative": 0.15},
    "entry_lock_sec": 60,
}
DRAWN = {
    "feed": [1.0, 20.0, 400.0],
    "order": [5.0, 40.0, 900.0],
    "cancel": [5.0, 80.0, 700.0],
    "answer": [1.0, 30.0, 500.0],
    "notice": [1.0, 20.0, 1500.0],
}


def settings(**changes: Any) -> BacktestSettings:
    raw: dict[str, Any] = {
        "name": "deliveries",
        "strategies": [{"name": "kmp"}],
        "data": {"source": "synthetic", "sessions": 1, "symbols": 12, "seed": 11},
    }
    return parse_settings(raw | changes, folder=Path())


def delivered(wanted: BacktestSettings, delivery: Delivery) -> tuple[BacktestResult, list[bytes]]:
    events: list[bytes] = []

    def take(sequence: int, event: Event) -> None:
        events.append(b"%d " % sequence + codec.encode(event))

    chosen = msgspec.structs.replace(wanted, delivery=delivery)
    return run(chosen, observers=(take,)), events


def require_equal(wanted: BacktestSettings) -> BacktestResult:
    definition, events = delivered(wanted, Delivery.EVERY)
    for delivery in (Delivery.REFERENCE, Delivery.BLOCK):
        result, others = delivered(wanted, delivery)
        for place, (expected, found) in enumerate(zip(events, others, strict=False)):
            assert found == expected, f"{delivery}: event {place} differs"
        assert len(others) == len(events)
        assert result.provenance.result_hash == definition.provenance.result_hash
        assert result.market_events == definition.market_events
        assert (result.fills, result.trades, result.equity) == (
            definition.fills,
            definition.trades,
            definition.equity,
        )
    return definition


def test_kmp_decides_the_same_however_the_market_is_handed_over() -> None:
    result = require_equal(settings())
    assert len(result.decisions) >= 5
    assert len(result.fills) >= 2


@pytest.mark.parametrize("strategy", [pytest.param(Monkey, marks=pytest.mark.slow), PatientMonkey])
def test_a_busy_strategy_trades_the_same_however_the_market_is_handed_over(
    strategy: type[Monkey],
) -> None:
    register("kpr", strategy)
    result = require_equal(
        settings(
            strategies=[{"name": "kpr"}],
            data={"source": "synthetic", "sessions": 2, "symbols": 4, "trades_per_bar": 2},
            latency=DRAWN,
        )
    )
    # Bought and sold, by limit and market, withdrawn and carried overnight.
    assert len(result.orders) > 100
    assert len(result.fills) > 60
    assert {order.state for order in result.orders} >= {"filled", "cancelled"}


def test_whoever_wants_each_trade_after_a_fall_is_handed_each() -> None:
    register("kpr", CountingMonkey)
    result = require_equal(
        settings(
            strategies=[{"name": "kpr"}],
            data={"source": "synthetic", "sessions": 1, "symbols": 20, "trades_per_bar": 6},
        )
    )
    assert len(result.decisions) >= 3


def test_a_strategy_that_scans_trades_the_same_however_the_market_is_handed_over() -> None:
    # Nobody wants the ticks between its orders: they count in the log all the same.
    vwap = {"symbol": "900010", "window": 50, "pause": 200, "entry": {"shares": 3}}
    result = require_equal(
        settings(
            strategies=[{"name": "vwap", "set": vwap}],
            data={"source": "synthetic", "sessions": 2, "symbols": 4, "trades_per_bar": 4},
            risk={
                "set": {
                    "sectors": {"unknown": "block", "allow_list": ["900010"]},
                    "strategy_budgets.VWAP": BUDGET,
                }
            },
        )
    )
    assert len(result.fills) > 4


def test_a_strategy_on_bars_trades_the_same_however_they_are_handed_over(krx_data: Path) -> None:
    wanted = settings(
        strategies=[{"name": "sma", "set": {"fast": 5, "slow": 20}}],
        data={
            "source": "bars",
            "path": str(krx_data),
            "symbols": ["005930", "000660"],
            "start": "2025-06-02",
            "end": "2025-06-05",
            "tick_s": 60,
        },
        risk={
            "set": {
                "sectors": {"unknown": "block", "allow_list": ["005930", "000660"]},
                "strategy_budgets.SMA": BUDGET,
            }
        },
    )
    result = require_equal(wanted)
    assert len(result.fills) > 20


def test_two_strategies_share_one_account() -> None:
    register("kpr", PatientMonkey)
    result = require_equal(
        settings(
            strategies=[{"name": "kmp"}, {"name": "kpr"}],
            data={"source": "synthetic", "sessions": 1, "symbols": 8, "seed": 11},
        )
    )
    assert {fill.strategy for fill in result.fills} == {"KMP", "KPR"}


def test_a_seed_of_latencies_is_part_of_the_settings() -> None:
    register("kpr", PatientMonkey)
    wanted = settings(
        strategies=[{"name": "kpr"}],
        data={"source": "synthetic", "sessions": 1, "symbols": 4, "trades_per_bar": 2},
        latency=DRAWN,
        delivery="block",
    )
    one, again = run(wanted), run(wanted)
    other = run(msgspec.structs.replace(wanted, seed=2))
    assert one.provenance.result_hash == again.provenance.result_hash
    assert one.provenance.result_hash != other.provenance.result_hash
