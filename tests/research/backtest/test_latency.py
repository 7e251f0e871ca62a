"""A way is a line: constant or drawn, nothing overtakes, and it repeats itself."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from research.backtest.latency import Way

MILLISECOND = 1_000_000


def test_a_constant_way_delays_everything_alike() -> None:
    way = Way((20.0,), seed=1)
    assert way.arrival(1_000 * MILLISECOND) == 1_020 * MILLISECOND
    departures = np.array([0, 5 * MILLISECOND], np.int64)
    assert way.arrivals(departures).tolist() == [20 * MILLISECOND, 25 * MILLISECOND]


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=40).map(sorted),
    st.lists(st.floats(0, 900), min_size=2, max_size=6).map(sorted),
    st.integers(0, 1 << 30),
)
def test_what_left_later_never_arrives_earlier(
    departures: list[int], quantiles: list[float], seed: int
) -> None:
    left = [each * MILLISECOND for each in departures]
    one_by_one = Way(tuple(quantiles), seed)
    arrived = [one_by_one.arrival(each) for each in left]
    assert arrived == sorted(arrived)
    most = round(quantiles[-1] * MILLISECOND)
    least = round(quantiles[0] * MILLISECOND)
    assert all(
        start + least <= end <= max(left) + most + 1
        for start, end in zip(left, arrived, strict=True)
    )
    together = Way(tuple(quantiles), seed).arrivals(np.array(left, np.int64)).tolist()
    assert together == arrived


def test_another_seed_draws_other_latencies() -> None:
    left = np.arange(100, dtype=np.int64)
    one, other = (Way((1.0, 100.0), seed).arrivals(left).tolist() for seed in (1, 2))
    assert one != other
