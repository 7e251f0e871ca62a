"""The compiled path gives the fills of the deciders, and hands back what it is not sure of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from events import StrategyId, Symbol
from events.trading import Side
from research.backtest.bar_path import BarRun, why_not
from research.backtest.bar_path_replay import run_compiled
from research.backtest.engine import run
from research.backtest.samples.long_only import Terms
from research.backtest.samples.sma_crossover import SmaSettings
from research.backtest.samples.sma_targets import SmaTargets
from research.backtest.settings import (
    BacktestSettings,
    DataSettings,
    Delivery,
    LatencySettings,
    RiskSettings,
    StrategySettings,
)
from tests.research.backtest.bar_days_made import ALPHA, BETA, MadeDays, Minutes

SMA = StrategyId("SMA")
AT_ONCE = LatencySettings(feed=(0,), order=(0,), cancel=(0,), answer=(0,), notice=(0,))
BUDGET = {"standard": 5, "conservative": 5}
FAST, SLOW = 2, 3


def wanted(
    entry: Mapping[str, int], *, cash: int = 100_000_000, account_s: int = 60, **risk: Any
) -> BacktestSettings:
    return BacktestSettings(
        name="made",
        strategies=(
            StrategySettings(name="sma", set={"fast": FAST, "slow": SLOW, "entry": dict(entry)}),
        ),
        data=DataSettings(tick_s=60, registrations=0),
        cash=cash,
        account_s=account_s,
        risk=RiskSettings(
            set={
                "strategy_budgets.SMA.max_positions": BUDGET,
                "strategy_budgets.SMA.max_risk_pct": {"standard": 0.02, "conservative": 0.02},
                "strategy_budgets.SMA.entry_lock_sec": 60,
                **{
                    f"risk.{key}": {"standard": value, "conservative": value}
                    for key, value in risk.items()
                },
            }
        ),
        orders={"market_sell_from_attempt": 1},
        latency=AT_ONCE,
        delivery=Delivery.REFERENCE,
    )


def compiled(asked: BacktestSettings, days: MadeDays) -> BarRun:
    found = run_compiled(asked, days)
    assert found is not None
    return found


def both(asked: BacktestSettings, days: MadeDays) -> BarRun:
    """Return the compiled run after finding everything in it as the deciders have it."""
    expected, found = run(asked, days), compiled(asked, days)
    rows = tuple(
        msgspec.structs.replace(row, sequence=place)
        for place, row in enumerate(expected.fills, start=1)
    )
    assert found.fills() == rows
    assert found.closing[:, 1].tolist() == [each.closing_equity for each in expected.sessions]
    assert found.books.equity == expected.closing_equity
    return found


def flat(prices: Sequence[int], volume: int = 1_000, first: int = 0) -> Minutes:
    """Return bars that open at the close before and go straight to their own."""
    opens = [prices[0], *prices[:-1]]
    return [
        (first + minute, opened, max(opened, close), min(opened, close), close, volume)
        for minute, (opened, close) in enumerate(zip(opens, prices, strict=True))
    ]


UP_AND_DOWN = flat([10_000, 10_010, 10_040, 10_080, 10_060, 10_010, 9_960, 9_950, 9_990, 10_050])


def test_it_buys_and_sells_at_the_next_open_with_costs_and_carries_the_rest_over_the_night() -> (
    None
):
    found = both(
        wanted({"shares": 100}),
        MadeDays([{ALPHA: UP_AND_DOWN}, {ALPHA: flat([10_000, 9_900, 9_800])}], SMA, history=SLOW),
    )
    assert found.reasons == {}
    assert [
        (row.session, row.side, row.quantity, row.price, row.fee, row.tax) for row in found.fills()
    ] == [
        ("20250915", Side.BUY, 100, 10_040, 150, 0),
        ("20250915", Side.SELL, 100, 10_010, 150, 1_501),
        ("20250915", Side.BUY, 100, 9_990, 149, 0),
        ("20250916", Side.SELL, 100, 9_900, 148, 1_485),
    ]


HANDED_BACK: dict[str, tuple[dict[str, int], dict[str, Any], Minutes, str]] = {
    "an order larger than the open's part": (
        {"shares": 60}, {}, [*UP_AND_DOWN[:3], (3, 10_040, 10_080, 10_040, 10_080, 90)],
        "an order is larger than the open's part of the volume",
    ),
    "an open beyond the limit": (
        {"shares": 100, "reach_per_mille": 0}, {},
        [*UP_AND_DOWN[:3], (3, 10_050, 10_080, 10_050, 10_080, 1_000)],
        "the next open is beyond an order's limit or the day's limits",
    ),
    "a gap after an order": (
        {"shares": 100}, {}, [*UP_AND_DOWN[:3], (5, 10_050, 10_080, 10_050, 10_080, 1_000)],
        "no bar follows an order at once",
    ),
    "an order after the last bar": (
        {"shares": 100}, {}, UP_AND_DOWN[:3], "an order would wait at the end of the session",
    ),
    "a stop": (
        {"shares": 100, "stop_per_mille": 5}, {},
        [*UP_AND_DOWN[:4], (4, 10_080, 10_080, 9_900, 10_080, 1_000)], "a stop is reached",
    ),
    "little turnover": (
        {"shares": 200}, {"max_five_minute_share_pct": 0.01}, UP_AND_DOWN,
        "too little was traded lately",
    ),
    "a large position": (
        {"shares": 2_000}, {}, flat([10_000, 10_010, 10_040, 10_080, 10_060], volume=90_000),
        "too much exposure",
    ),
    "an order that the router slices": (
        {"shares": 1_400, "stop_per_mille": 100}, {},
        flat([10_000, 10_010, 10_040, 10_080, 10_060], volume=90_000),
        "the router would slice the order",
    ),
    "a loss": (
        {"shares": 900, "stop_per_mille": 100},
        {"daily_loss_warn_pct": 0.001},
        flat([10_000, 10_010, 10_040, 10_080, 9_860, 9_800], volume=90_000),
        "the day's loss nears a limit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HANDED_BACK)
def test_a_session_is_handed_back_for(case: str) -> None:
    entry, risk, minutes, reason = HANDED_BACK[case]
    found = both(wanted(entry, **risk), MadeDays([{ALPHA: minutes}], SMA, history=0))
    assert found.reasons == {0: reason}


def test_a_session_after_one_that_was_handed_back_begins_with_the_books_it_left() -> None:
    thin = flat([10_000, 10_010, 10_040, 10_080, 10_060], volume=90)
    found = both(
        wanted({"shares": 100}),
        MadeDays([{ALPHA: thin}, {ALPHA: UP_AND_DOWN}], SMA, history=SLOW),
    )
    assert list(found.reasons) == [0]


def test_two_symbols_share_the_account() -> None:
    days = MadeDays([{ALPHA: UP_AND_DOWN, BETA: UP_AND_DOWN}], SMA, history=0)
    assert both(wanted({"won": 3_000_000}), days).reasons == {}
    short = both(wanted({"won": 3_000_000}, cash=4_000_000, max_position_pct=0.9,
                        max_sector_pct=0.9, max_gross_exposure_pct=0.95,
                        max_net_exposure_pct=0.95), days)  # fmt: skip
    assert short.reasons[0] in {"too much exposure", "too much in one sector", "too much risk"}


def test_a_symbol_that_is_always_refused_is_not_traded_and_not_handed_back() -> None:
    days = MadeDays([{ALPHA: UP_AND_DOWN, BETA: UP_AND_DOWN}], SMA, history=0, daily=1_000)
    found = both(wanted({"shares": 100}), days)
    assert found.reasons == {}
    assert {row.symbol for row in found.fills()} == {BETA}


STEPS = st.sampled_from([-120, -40, -10, 0, 0, 10, 10, 40, 120])


@st.composite
def minutes_made(draw: st.DrawFn) -> Minutes:
    price, minute, made = 10_000, 0, []
    for _ in range(draw(st.integers(4, 24))):
        opened = price + draw(st.sampled_from([0, 0, 0, 10, -10, 250]))
        close = opened + draw(STEPS)
        high = max(opened, close) + draw(st.sampled_from([0, 0, 10, 30]))
        low = min(opened, close) - draw(st.sampled_from([0, 0, 10, 30]))
        made.append((minute, opened, high, low, close, draw(st.sampled_from([4, 300, 5_000]))))
        price = close
        minute += draw(st.sampled_from([1, 1, 1, 1, 1, 1, 1, 1, 1, 3]))
    return made


@given(
    sessions=st.lists(
        st.fixed_dictionaries({ALPHA: minutes_made()}, optional={BETA: minutes_made()}),
        min_size=1, max_size=3,
    ),
    entry=st.fixed_dictionaries(
        {
            "shares": st.sampled_from([1, 20, 120, 900]),
            "reach_per_mille": st.sampled_from([0, 5, 30]),
            "stop_per_mille": st.sampled_from([4, 200]),
        }
    ),
    cash=st.sampled_from([1_000_000, 20_000_000, 400_000_000]),
    history=st.sampled_from([0, SLOW, 10]),
    account_s=st.sampled_from([0, 60]),
    orders=st.sampled_from([{}, {"market_sell_from_attempt": 1}]),
)  # fmt: skip
@settings(max_examples=15)
def test_it_gives_the_fills_of_the_deciders(
    *,
    sessions: list[dict[Symbol, Minutes]],
    entry: dict[str, int],
    cash: int,
    history: int,
    account_s: int,
    orders: dict[str, int],
) -> None:
    asked = wanted(entry, cash=cash, account_s=account_s, max_position_pct=0.5, max_sector_pct=0.6)
    asked = msgspec.structs.replace(asked, orders=orders)
    both(asked, MadeDays(sessions, SMA, history=history))


def test_it_says_why_it_cannot_be_used() -> None:
    asked, terms = wanted({"shares": 1}), Terms(shares=1)
    late = msgspec.structs.replace(asked, latency=LatencySettings())
    assert why_not(late, terms) == "messages take time"
    assert run_compiled(late, MadeDays([{ALPHA: UP_AND_DOWN}], SMA, history=0)) is None
    patient = msgspec.structs.replace(asked, orders={}, data=DataSettings(tick_s=1))
    assert why_not(patient, terms).startswith("an exit may be sent anew within a bar")
    assert why_not(asked, Terms(shares=1, lifetime_s=60)).startswith("an entry may be withdrawn")


@given(
    closes=st.lists(st.integers(9_000, 11_000), min_size=1, max_size=80),
    begin=st.integers(0, 80),
    fast=st.integers(1, 6),
    longer=st.integers(1, 6),
)
def test_targets_by_the_block_are_those_of_the_means(
    closes: list[int], begin: int, fast: int, longer: int
) -> None:
    slow, begins = fast + longer, sorted({0, min(begin, len(closes) - 1)})
    found = SmaTargets(SmaSettings(fast=fast, slow=slow)).targets(
        np.array(closes, np.int64), np.array(begins, np.int64)
    )
    expected = []
    for first, end in pairwise([*begins, len(closes)]):
        for place in range(first, end):
            known = closes[first : place + 1]
            above = sum(known[-fast:]) * slow > sum(known[-slow:]) * fast
            expected.append(-1 if len(known) < slow else int(above))
    assert found.tolist() == expected
