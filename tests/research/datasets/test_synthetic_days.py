"""Generated sessions, and the tape of any simulated market."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from events import StrategyId
from events.market import DailyHistory, IndexLevel
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import Command, MarketBook, MarketTrade
from kis_gateway.simulator.market import SyntheticMarket, WholeDayMarket
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDays
from research.backtest.tape import Kind
from research.datasets import SyntheticDays, tape_of

DAY = date(2025, 9, 15)


def test_a_generated_tape_is_its_markets_tape() -> None:
    """Compiled from the bars or read off item by item: the same columns, notes and books."""
    market = SyntheticMarket(DAY, 4, 7)
    defined = tape_of(market)
    days = SyntheticDays(start=DAY, sessions=1, symbols=4, seed=7)
    tape = days.day(DAY).tape
    assert tape.symbols == defined.symbols
    assert tape.notes == defined.notes
    for name in ("at", "kind", "symbol", "price", "quantity", "aggressor", "auction", "volume",
                 "value", "note"):  # fmt: skip
        assert np.array_equal(getattr(tape, name), getattr(defined, name)), name
    shown = tape.kind == Kind.BOOK
    for mine, theirs in zip(tape.books, defined.books, strict=True):
        assert np.array_equal(mine[tape.book[shown]], theirs[defined.book[shown]])


def test_days_follow_each_other_with_seeds_of_their_own() -> None:
    """The same codes, other prices; a weekend is passed over; twice the same is twice the same."""
    days: MarketDays = SyntheticDays(
        start=date(2025, 9, 13), sessions=6, symbols=4, seed=7, strategies=(StrategyId("KMP"),)
    )
    assert [f"{day:%m-%d}" for day in days.dates] == [
        "09-15", "09-16", "09-17", "09-18", "09-19", "09-22",
    ]  # fmt: skip
    first, second = days.day(date(2025, 9, 15)), days.day(date(2025, 9, 16))
    assert {each.symbol for each in first.listings} == {each.symbol for each in second.listings}
    assert first.listings[0].base_price != second.listings[0].base_price
    assert isinstance(first.opening[0], UniverseSelected)
    history = next(event for event in first.opening if isinstance(event, DailyHistory))
    assert len(history.bars) == 90
    again = SyntheticDays(start=date(2025, 9, 13), sessions=6, symbols=4, seed=7)
    assert again.data_hash == days.data_hash
    assert SyntheticDays(start=DAY, sessions=6, symbols=4, seed=8).data_hash != days.data_hash
    with pytest.raises(NoMarketData):
        days.day(date(2025, 9, 23))


def test_other_sessions_of_a_whole_day_become_commands() -> None:
    """Their trades must not be taken for those of the regular session."""
    market = WholeDayMarket(SyntheticMarket(DAY, 4, 7))
    tape = tape_of(market)
    trades = tape.at[tape.kind == Kind.TRADE]
    hours = market.session
    assert trades.min() >= hours.open_at
    assert trades.max() <= hours.close_at + 60_000_000_000
    commands = [note for note in tape.notes if isinstance(note, Command)]
    assert any(isinstance(note, MarketTrade | MarketBook) for note in commands)
    assert any(isinstance(note, IndexLevel) for note in tape.notes)
    assert tape.rows == sum(1 for _ in market.commands())
