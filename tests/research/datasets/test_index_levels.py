"""Levels of the indices follow from what had been traded, and from nothing later."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import polars as pl
from hypothesis import given

from events.calendar import instant, session
from events.market import Bar
from events.prices import Board
from research.datasets.index_levels import IndexTable, index_paths, index_table
from research.datasets.listing_terms import listing
from research.datasets.session_bars import SessionBars, session_bars
from tests.research.datasets.bar_files import ALPHA, BETA, MINUTE, MONDAY

HOURS = session(MONDAY)
LISTINGS = [
    listing(ALPHA, 10_000, {ALPHA: ("Test", Board.KOSPI)}, MONDAY),
    listing(BETA, 20_000, {BETA: ("Test", Board.KOSPI)}, MONDAY),
]

Closes = st.lists(st.integers(7_000, 13_000), min_size=8, max_size=8)


def flat(start: int, price: int) -> Bar:
    return Bar(start, price, price, price, price, 10)


def bars_of(alpha: list[int], beta: list[int]) -> SessionBars:
    """Return flat bars of both from the open on; 0 for a minute without a trade."""
    return session_bars(
        {
            symbol: [
                flat(HOURS.open_at + minute * MINUTE, price)
                for minute, price in enumerate(prices)
                if price
            ]
            for symbol, prices in ((ALPHA, alpha), (BETA, beta))
        }
    )


def test_a_level_is_the_mean_return_of_those_that_have_traded() -> None:
    """From the index's own open; an issue counts from its first trade on and keeps its price."""
    table = IndexTable(
        {
            "KOSPI": [(date(2025, 9, 12), 249_000, 250_000), (MONDAY, 251_000, 999_999)],
            "KOSDAQ": [(date(2025, 9, 12), 80_000, 80_100)],
        }
    )
    paths = index_paths(LISTINGS, bars_of([10_000, 10_100, 0], [0, 20_600, 20_600]), HOURS, table)
    assert paths["KOSPI"].previous_close == 250_000
    # Minute by minute: +0 %, then the mean of +1 % and +3 %, then the same.
    assert paths["KOSPI"].levels[:4].tolist() == [251_000, 251_000, 256_020, 256_020]
    assert len(paths["KOSPI"].levels) == 391
    # No open on record: the close before and the opening returns; no issue of its own: all.
    assert paths["KOSDAQ"].levels[:3].tolist() == [80_100, 80_100, 81_702]


@given(past=Closes, future=Closes, other=Closes, cut=st.integers(1, 7))
def test_no_level_knows_a_later_minute(
    past: list[int], future: list[int], other: list[int], cut: int
) -> None:
    """Whatever is traded after a minute, the levels up to its end are the same."""
    table = IndexTable({})
    one = index_paths(LISTINGS, bars_of(past, other), HOURS, table)
    two = index_paths(LISTINGS, bars_of(past[:cut] + future[cut:], other), HOURS, table)
    assert np.array_equal(one["KOSPI"].levels[: cut + 1], two["KOSPI"].levels[: cut + 1])


def test_recorded_indices_are_read_in_hundredths(tmp_path: Path) -> None:
    """Other indices in the table are passed over."""
    path = tmp_path / "index.parquet"
    pl.DataFrame(
        {
            "index": ["KOSPI", "KOSPI", "VKOSPI"],
            "date": [MONDAY, date(2025, 9, 12), MONDAY],
            "open": [3_400.12, 3_390.0, 20.0],
            "close": [3_410.5, 3_395.54, 21.0],
        }
    ).write_parquet(path)
    assert index_table(path).around("KOSPI", MONDAY) == (339_554, 340_012)
    assert index_table(path).around("VKOSPI", MONDAY) == (None, None)
    assert index_table(None).around("KOSPI", MONDAY) == (None, None)
    assert HOURS.open_at == instant(MONDAY, time(9))
