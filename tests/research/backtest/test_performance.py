"""Tests of a result in figures."""

from __future__ import annotations

import pytest

from events import StrategyId, Symbol, TradingDate
from events.trading import Side
from research.backtest.figures import Performance
from research.backtest.performance import daily_returns, performance
from research.backtest.results import BacktestResult
from tests.research.backtest.runs import KMP, SAMSUNG, Desk

BUY, SELL = Side.BUY, Side.SELL
PCIM = StrategyId("PCIM")
HYNIX = Symbol("000660")


def two_weeks() -> BacktestResult:
    """Three sessions that count after a warm-up one; two strategies, one trade still open."""
    desk = Desk(1_000_000, owners=(KMP, PCIM))
    desk.open("20250929", warm_up=True)
    desk.close({})
    desk.open("20250930")
    desk.trade(BUY, 10, 10_000, fee=100, market_price=9_990)
    desk.mark({SAMSUNG: 10_000})
    desk.trade(SELL, 10, 11_000, fee=100, tax=200, market_price=11_010)
    desk.close({})  # + 9,600
    desk.open("20251001")
    desk.trade(BUY, 10, 10_000, symbol=HYNIX, strategy=PCIM)
    desk.trade(SELL, 4, 9_000, symbol=HYNIX, strategy=PCIM)
    desk.trade(SELL, 6, 9_500, symbol=HYNIX, strategy=PCIM)
    desk.close({})  # - 7,000
    desk.open("20251002")
    desk.trade(BUY, 1, 10_000)
    desk.close({SAMSUNG: 12_000})  # + 2,000
    return desk.result()


def figures() -> Performance:
    found = performance(two_weeks())
    assert found is not None
    return found


def test_the_warm_up_does_not_count() -> None:
    found = figures()
    assert (found.first, found.last, found.sessions) == ("20250930", "20251002", 3)
    assert (found.opening_equity, found.closing_equity, found.result) == (
        1_000_000,
        1_004_600,
        4_600,
    )
    assert daily_returns(two_weeks()).tolist() == pytest.approx(
        [0.0096, -7_000 / 1_009_600, 2_000 / 1_002_600]
    )


def test_a_run_without_sessions_that_count_has_no_figures() -> None:
    desk = Desk()
    assert performance(desk.result()) is None
    desk.open("20250929", warm_up=True)
    desk.close({})
    assert performance(desk.result()) is None
    assert daily_returns(desk.result()).tolist() == []


def test_executions_of_one_entry_are_one_trade() -> None:
    trades = figures().trades
    assert (trades.closed, trades.still_open) == (2, 1)
    assert trades.result == 9_600 - 7_000
    assert (trades.hit_rate, trades.expectancy) == (0.5, 1_300.0)
    assert trades.profit_factor == pytest.approx(9_600 / 7_000)
    assert (trades.average_win, trades.average_loss) == (9_600.0, -7_000.0)
    assert trades.held_seconds == 60.0  # one, one and two minutes


def test_costs_are_fees_tax_and_what_prices_moved_before_the_fill() -> None:
    costs = figures().costs
    assert (costs.fees, costs.tax) == (200, 200)
    assert costs.traded == 100_000 + 110_000 + 100_000 + 36_000 + 57_000 + 10_000
    assert costs.slippage == 100 + 100  # bought 10 won above, sold 10 won below, ten shares each
    expected = 99_900 + 110_100 + 100_000 + 36_000 + 57_000 + 10_000
    assert costs.slippage_bp == pytest.approx(200 / expected * 10_000)
    assert costs.cost_bp == pytest.approx(400 / 413_000 * 10_000)


def test_exposure_is_the_mean_share_of_equity_in_shares() -> None:
    found = figures()
    # Four marks: 100,000 of 999,900, none, none, 12,000 of 1,004,600.
    assert found.exposure == pytest.approx((100_000 / 999_900 + 12_000 / 1_004_600) / 4)
    assert found.time_in_market == 0.5
    mean_equity = (1_009_600 + 1_002_600 + 1_004_600) / 3
    assert found.turnover == pytest.approx(413_000 / 2 / mean_equity * 252 / 3)


def test_the_drawdown_names_its_sessions() -> None:
    returns = figures().returns
    assert returns.drawdown == pytest.approx(7_000 / 1_009_600)
    assert (returns.drawdown_peak, returns.drawdown_trough) == ("20250930", "20251001")
    assert returns.drawdown_recovered is None
    assert (returns.drawdown_sessions, returns.longest_under_water) == (2, 2)


def test_months_chain_from_the_close_before() -> None:
    september, october = figures().months
    assert (september.month, september.sessions, september.result) == ("202509", 1, 9_600)
    assert september.trades == 1
    assert (october.month, october.sessions, october.result) == ("202510", 2, -5_000)
    assert october.change == pytest.approx(-5_000 / 1_009_600)
    assert october.trades == 1


def test_strategies_add_up_to_the_account() -> None:
    found = figures()
    kmp, pcim = found.strategies
    assert (kmp.strategy, kmp.result, pcim.strategy, pcim.result) == (KMP, 11_600, PCIM, -7_000)
    assert kmp.result + pcim.result == found.result
    assert kmp.returns.total == pytest.approx(1.0096 * (1 + 2_000 / 1_002_600) - 1)
    assert pcim.returns.total == pytest.approx(-7_000 / 1_009_600)
    assert (pcim.trades.closed, pcim.trades.hit_rate) == (1, 0.0)
    assert (kmp.costs.tax, pcim.costs.tax) == (200, 0)


def test_an_index_is_compared_from_the_close_before_the_first_session() -> None:
    index = {
        TradingDate("20250926"): 50.0,
        TradingDate("20250929"): 100.0,
        TradingDate("20250930"): 101.0,
        TradingDate("20251001"): 100.0,
        TradingDate("20251002"): 101.0,
    }
    found = performance(two_weeks(), index=index)
    assert found is not None
    assert found.benchmark is not None
    assert found.benchmark.total == pytest.approx(0.01)
    assert found.benchmark.sessions == 3
    assert found.benchmark.beta is not None
    assert 0.5 < found.benchmark.beta < 1
    nothing = performance(two_weeks(), index={TradingDate("20250930"): 1.0})
    assert nothing is not None
    assert nothing.benchmark is None
