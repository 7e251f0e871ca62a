"""Tests of resampling."""

from __future__ import annotations

import numpy as np
import pytest

from research.backtest.monte_carlo import Drawing, resample_returns, resample_trades

SERIES = [0.02, -0.01, 0.03, -0.04, 0.01]


def test_equal_seeds_give_equal_paths_and_others_do_not() -> None:
    one = resample_returns(SERIES, 1_000, paths=500, seed=3)
    again = resample_returns(SERIES, 1_000, paths=500, seed=3)
    other = resample_returns(SERIES, 1_000, paths=500, seed=4)
    assert one.final_equity.tolist() == again.final_equity.tolist()
    assert one.final_equity.tolist() != other.final_equity.tolist()


def test_another_order_of_the_same_sessions_ends_at_the_same_equity() -> None:
    found = resample_returns(SERIES, 1_000, paths=300, drawing=Drawing.PERMUTATION)
    assert found.final_equity == pytest.approx(np.full(300, 1_000 * np.prod(1 + np.array(SERIES))))
    # The deepest possible fall has both losses in a row, the least has them apart.
    assert found.drawdown.max() == pytest.approx(1 - 0.99 * 0.96)
    assert found.drawdown.min() == pytest.approx(0.04)


def test_a_bootstrap_has_the_mean_and_spread_of_its_pieces() -> None:
    found = resample_trades([100, -50], 10_000, paths=40_000, seed=1)
    # Two draws of +100 or -50: mean 50, ends at +200, +50 and -100 with 1/4, 1/2 and 1/4.
    assert found.final_equity.mean() == pytest.approx(10_050, abs=2)
    assert found.loss_probability == pytest.approx(0.25, abs=0.01)
    assert found.final_equity_at(0.5) == 10_050
    assert found.final_equity_at(0.1) == 9_900


def test_ruin_is_having_been_at_the_level_however_it_ended() -> None:
    found = resample_trades([-600, 900], 1_000, paths=20_000, ruin=0.5)
    # Ruined by a loss that comes first: with 1/2.
    assert found.ruin_probability == pytest.approx(0.5, abs=0.02)
    assert resample_trades([1, 2], 1_000, paths=10).ruin_probability == 0.0


def test_a_first_loss_is_a_fall_from_the_opening_equity() -> None:
    found = resample_trades([-100], 1_000, paths=3)
    assert found.drawdown.tolist() == pytest.approx([0.1] * 3)
    assert found.drawdown_at(0.95) == pytest.approx(0.1)


def test_blocks_keep_neighbours_together() -> None:
    # Losses come in pairs: single draws tear them apart, blocks of two keep at least one bond.
    series = [0.01, 0.01, -0.05, -0.05] * 5
    single = resample_returns(series, 1_000, paths=4_000, seed=2)
    blocks = resample_returns(series, 1_000, paths=4_000, block=4, seed=2)
    assert blocks.final_equity.std() < 0.5 * single.final_equity.std()


@pytest.mark.parametrize("block", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("drawing", list(Drawing))
def test_paths_are_as_long_as_the_original_for_every_block(drawing: Drawing, block: int) -> None:
    found = resample_trades([1] * 5, 100, paths=50, block=block, drawing=drawing)
    assert set(found.final_equity) == {105.0}


def test_paths_are_drawn_in_parts_when_there_are_many() -> None:
    found = resample_trades(np.ones(3_000), 0, paths=1_500)
    assert len(found.final_equity) == 1_500
    assert set(found.final_equity) == {3_000.0}


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(ValueError, match="0 pieces"):
        resample_returns([], 1_000)
