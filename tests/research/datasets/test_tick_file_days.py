"""Imported ticks are traded again as they were recorded."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from events.calendar import session
from research.backtest.errors import InvalidSettings, NoMarketData
from research.backtest.settings import DataSettings, Source
from research.backtest.tape import Kind
from research.datasets import BarDays, SyntheticDays, TickDays, TickFileDays, days_from
from research.datasets.bar_store import BarStore
from research.datasets.incoming_files import FileShape, read_ticks
from tests.research.datasets.bar_files import ALPHA, MONDAY, TUESDAY, flat_days, write_daily

HOURS = session(TUESDAY)
LINES = (
    "2025-09-16 09:00:03,10000,50,",
    "2025-09-16 09:00:40,10050,3,buy",
    "2025-09-16 09:00:40,10000,4,sell",
    "2025-09-16 15:19:59,10050,2,buy",
    "2025-09-16 15:30:05,10100,70,",
)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with ticks of ALPHA on two days."""
    lines = [*(line.replace("-16 ", "-15 ") for line in LINES), *LINES]
    source = tmp_path / "ticks.csv"
    text = "symbol,time,price,quantity,side\n" + "".join(f"{ALPHA},{line}\n" for line in lines)
    source.write_text(text)
    taken = HOURS.close_at + 86_400_000_000_000
    BarStore(tmp_path / "store").add_ticks(read_ticks(source, FileShape(taken=taken)))
    return tmp_path / "store"


def test_trades_keep_what_was_recorded_of_them(store: Path) -> None:
    """Time, price, quantity, side and order; totals count the session; matches are marked."""
    tape = TickFileDays(store, symbols=(ALPHA,)).day(TUESDAY).tape
    rows = tape.kind == Kind.TRADE
    assert tape.price[rows].tolist() == [10_000, 10_050, 10_000, 10_050, 10_100]
    assert tape.quantity[rows].tolist() == [50, 3, 4, 2, 70]
    assert tape.aggressor[rows].tolist() == [0, 1, -1, 1, 0]
    assert tape.auction[rows].tolist() == [True, False, False, False, True]
    assert tape.volume[rows].tolist() == [50, 53, 57, 59, 129]
    assert tape.value[rows].tolist()[1] == 50 * 10_000 + 3 * 10_050
    assert tape.at[rows].tolist()[0] == HOURS.open_at + 3_000_000_000
    assert not (tape.kind == Kind.BOOK).any()


def test_the_ticks_make_the_bars_of_the_same_store(store: Path) -> None:
    """Open, high, low, close, volume and value of each minute with trades."""
    bars = BarDays(store, symbols=(ALPHA,)).day(TUESDAY).tape.bars
    assert bars.open.tolist() == [10_000, 10_050, 10_100]
    assert bars.high.tolist() == [10_050, 10_050, 10_100]
    assert bars.volume.tolist() == [57, 2, 70]
    assert bars.value.tolist()[0] == 50 * 10_000 + 3 * 10_050 + 4 * 10_000
    day = TickFileDays(store, symbols=(ALPHA,)).day(TUESDAY)
    assert day.listings[0].base_price == 10_100


def test_a_later_download_of_a_day_takes_the_place_of_the_earlier(store: Path) -> None:
    """And an earlier one that comes late does not."""
    for year, price in ((2024, 9_000), (2026, 11_000)):
        source = store.parent / "again.csv"
        source.write_text(f"symbol,time,price,quantity\n{ALPHA},2025-09-16 09:00:05,{price},1\n")
        taken = HOURS.close_at + (year - 2025) * 365 * 86_400_000_000_000
        BarStore(store).add_ticks(read_ticks(source, FileShape(taken=taken)))
        tape = TickFileDays(store, symbols=(ALPHA,)).day(TUESDAY).tape
        first = tape.price[tape.kind == Kind.TRADE].tolist()[0]
        assert first == (10_000 if year == 2024 else 11_000)
    assert BarStore(store).changed_files() == ()


def test_settings_pick_the_source(store: Path) -> None:
    """The folder of ticks gives them as they are, the store bridges its bars."""

    def picked(source: Source, path: Path) -> object:
        return days_from(DataSettings(source=source, path=str(path), symbols=(ALPHA,)))

    assert type(picked(Source.TICKS, store / "ticks")) is TickFileDays
    assert type(picked(Source.TICKS, store)) is TickDays
    assert type(picked(Source.BARS, store)) is BarDays
    generated = days_from(DataSettings(symbols=4, sessions=2, start="2025-09-16"))
    assert isinstance(generated, SyntheticDays)
    assert list(generated.dates) == [TUESDAY, date(2025, 9, 17)]


def test_settings_that_cannot_be_are_refused(store: Path) -> None:
    """A number of generated symbols, dates that are none, no sealed days, no ticks."""
    with pytest.raises(InvalidSettings, match="takes a number"):
        days_from(DataSettings(symbols=(ALPHA,)))
    with pytest.raises(InvalidSettings, match="15 September"):
        days_from(DataSettings(start="15 September"))
    with pytest.raises(NoMarketData):
        days_from(DataSettings(source=Source.RECORDINGS, path=str(store)))
    with pytest.raises(NoMarketData):
        TickFileDays(store, symbols=(ALPHA,), start=date(2025, 9, 17))


def test_the_daily_table_is_used_where_there_is_one(store: Path) -> None:
    """Then the first day has a base price too."""
    assert TickFileDays(store, symbols=(ALPHA,)).day(MONDAY).listings == ()
    write_daily(store / "daily", {ALPHA: flat_days(9_990)})
    day = TickFileDays(store, symbols=(ALPHA,)).day(MONDAY)
    assert day.listings[0].base_price == 9_990
