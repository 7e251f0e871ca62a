"""Series of charts: thinned without losing an extreme, spread without losing a trade."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from research.backtest.figures import Month
from research.backtest.performance import performance
from research.backtest.results import TradeRow
from research.reports import charts, curves
from research.reports.distributions import BINS, holding_times, spread, trade_returns
from research.reports.months import month_table
from tests.research.reports import hand_made
from tests.research.reports.made_up import made_up_result


def test_a_long_series_is_thinned_and_keeps_its_extremes() -> None:
    result = made_up_result(sessions=40)
    sessions = {each.session for each in curves.counted(result)}
    equity = [each.equity for each in result.equity if each.session in sessions]
    curve = curves.account_curve(result)
    assert curve.of == len(equity) == 38 * 391
    assert len(curve.at) < 5_000
    assert (max(curve.equity), min(curve.equity)) == (max(equity), min(equity))
    peak, deepest = equity[0], 0.0
    for each in equity:
        peak = max(peak, each)
        deepest = max(deepest, 1 - each / peak)
    assert curve.deepest == pytest.approx(deepest, abs=1e-12)
    closes = {each.at for each in result.equity if each.closing and each.session in sessions}
    assert closes <= set(curve.at)


def test_a_short_series_is_drawn_whole() -> None:
    curve = curves.account_curve(hand_made.result())
    assert len(curve.at) == curve.of == 6


def test_a_strategy_is_counted_from_the_first_session_that_counts() -> None:
    result = hand_made.result()
    first, *others = result.sessions
    warmed = msgspec.structs.replace(
        result, sessions=(msgspec.structs.replace(first, warm_up=True), *others)
    )
    figures = performance(warmed)
    assert figures is not None
    assert curves.strategy_curves(warmed, figures) == {
        "KMP": [-70_000, -50_000],
        "NULRIMOK": [0, 10_000],
    }


def test_few_sessions_stand_side_by_side_without_their_nights() -> None:
    result = hand_made.result()
    chart = charts.account(curves.account_curve(result), None, result.sessions)
    axis = chart.layout["xaxis"]
    assert axis["type"] == "category"
    assert axis["ticktext"] == ["01-31", "02-03", "02-04"]
    assert axis["tickvals"] == ["2025-01-31 09:00:00", "2025-02-03 10:00:00", "2025-02-04 15:30:00"]


def test_trades_of_one_entry_are_one_trade() -> None:
    # (28,871 - 4,713) / 1,000,000 and -51,717 / 1,000,000; what is still held does not count.
    assert trade_returns(hand_made.result().trades) == pytest.approx([0.024158, -0.051717])


def test_bins_are_round_and_meet_at_zero() -> None:
    found = spread([-0.013, -0.002, 0.0, 0.001, 0.011])
    assert found is not None
    assert found.width == 0.001
    assert found.bins[0].label == "-1.3% to -1.2%"
    assert {each.label: each.size for each in found.bins if each.size} == {
        "-1.3% to -1.2%": 1,
        "-0.2% to -0.1%": 1,
        "0% to 0.1%": 1,
        "0.1% to 0.2%": 1,
        "1.1% to 1.2%": 1,
    }
    assert (found.median, found.best, found.worst) == (0.0, 0.011, -0.013)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=300))
def test_every_value_is_in_exactly_one_bin(values: list[float]) -> None:
    found = spread(values)
    assert found is not None
    assert sum(each.size for each in found.bins) == len(values)
    assert len(found.bins) <= BINS
    edges = [each.middle / found.width - 0.5 for each in found.bins]
    assert edges == pytest.approx([round(edge) for edge in edges], abs=1e-6)


def test_no_value_has_no_bins() -> None:
    assert spread([]) is None
    assert holding_times([]) == []


def held(seconds: int) -> TradeRow:
    trade = hand_made.result().trades[0]
    return msgspec.structs.replace(trade, closed_at=trade.opened_at + seconds * 1_000_000_000)


def test_holding_times_fall_into_round_spans() -> None:
    rows = [held(seconds) for seconds in (59, 60, 299, 3_600, 86_400 * 40)]
    rows += hand_made.result().trades[3:]
    assert [(each.label, each.size) for each in holding_times(rows)] == [
        ("under 1 min", 1), ("1–5 min", 2), ("5–15 min", 0), ("15–60 min", 0), ("1–3 h", 1),
        ("3–24 h", 0), ("1–3 days", 0), ("3–7 days", 0), ("1–4 weeks", 0), ("over 4 weeks", 1),
    ]  # fmt: skip


def month(name: str, change: float, result: int) -> Month:
    return Month(month=name, sessions=20, result=result, change=change, trades=3)


def test_a_year_is_its_months_compounded() -> None:
    months = [month("202411", 0.5, 50), month("202501", -0.1, -15), month("202503", 0.2, 27)]
    found = month_table(months)
    assert [each.year for each in found] == ["2024", "2025"]
    assert found[1].change == pytest.approx(0.08)
    assert found[1].result == 12
    assert [place for place, each in enumerate(found[1].cells, start=1) if each] == [1, 3]
    assert [each.strength for each in found[1].cells if each] == pytest.approx([0.2, 0.4])
