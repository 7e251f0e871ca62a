"""Recorded bars as sessions: what is known before the open, what stands on the tape, and when."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from events import StrategyId, Symbol
from events.calendar import instant, session
from events.market import (
    BarHistory,
    DailyHistory,
    IndexLevel,
    Phase,
    ProgramFlow,
    SymbolReference,
)
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import EnterPhase
from kis_gateway.simulator.market import RecordedMarket
from research.backtest.errors import NoMarketData
from research.backtest.market_day import MarketDays
from research.backtest.tape import Kind
from research.datasets import BarDays, TickDays, UnusableData
from tests.research.datasets.bar_files import (
    ALPHA,
    BETA,
    MINUTE,
    MONDAY,
    TUESDAY,
    MinuteRow,
    flat_days,
    minutes,
    write_daily,
    write_minutes,
)

HOURS = session(MONDAY)
KMP = StrategyId("KMP")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a recording of two issues on two days; BETA is worth three times as much."""
    rows: list[MinuteRow] = []
    for day in (MONDAY, TUESDAY):
        rows += minutes(day) + minutes(day, BETA, price=30_000)
    write_minutes(tmp_path / "krx_minute", rows)
    write_daily(
        tmp_path / "krx_daily",
        {ALPHA: [*flat_days(10_000), (MONDAY, 10_000)],
         BETA: [*flat_days(30_000), (MONDAY, 30_000)]},
    )  # fmt: skip
    return tmp_path


def test_the_opening_tells_what_the_gateway_tells(folder: Path) -> None:
    """Universes, trading terms with limits, daily bars before today, index closes, in order."""
    day = BarDays(folder, symbols=2, strategies=(KMP,), daily_history=30).day(MONDAY)
    assert [type(event) for event in day.opening] == [
        UniverseSelected,
        SymbolReference,
        SymbolReference,
        DailyHistory,
        DailyHistory,
        IndexLevel,
        IndexLevel,
    ]
    universe, reference, _, history, *_ = day.opening
    assert isinstance(universe, UniverseSelected)
    assert universe.symbols == (BETA, ALPHA)
    assert isinstance(reference, SymbolReference)
    assert (reference.symbol, reference.base_price) == (BETA, 30_000)
    assert (reference.lower_limit, reference.upper_limit) == (21_000, 39_000)
    assert isinstance(history, DailyHistory)
    assert len(history.bars) == 30
    assert history.bars[-1].start == instant(date(2025, 9, 12), time())
    assert {event.at for event in day.opening} == {HOURS.auction_from}
    assert [listing.symbol for listing in day.listings] == [BETA, ALPHA]


def test_a_bar_stands_at_its_right_edge_and_the_closing_match_at_its_own_time(folder: Path) -> None:
    """A bar that ends with continuous trading comes before the closing auction begins."""
    tape = BarDays(folder, symbols=(ALPHA,)).day(MONDAY).tape
    rows = tape.kind == Kind.BAR
    edges = tape.at[rows].tolist()
    assert edges[:2] == [HOURS.open_at + MINUTE, HOURS.open_at + 2 * MINUTE]
    assert edges[-2:] == [HOURS.closing_auction_at, HOURS.close_at]
    assert tape.bars.start[tape.bar[rows]][-1] == HOURS.close_at
    assert tape.bars.close.tolist() == [10_000] * 381
    at_the_auction = [
        (Kind(tape.kind[row]), tape.note[row])
        for row in range(tape.rows)
        if tape.at[row] == HOURS.closing_auction_at
    ]
    assert at_the_auction[0][0] is Kind.BAR
    phase = tape.notes[at_the_auction[1][1]]
    assert isinstance(phase, EnterPhase)
    assert phase.phase is Phase.CLOSING_AUCTION
    assert (tape.at[1:] >= tape.at[:-1]).all()


def test_phases_frame_the_day(folder: Path) -> None:
    """From the opening auction to half a minute after the closing match."""
    tape = BarDays(folder, symbols=2).day(MONDAY).tape
    phases = [note for note in tape.notes if isinstance(note, EnterPhase)]
    assert [(each.phase, each.at) for each in phases] == [
        (Phase.OPENING_AUCTION, HOURS.auction_from),
        (Phase.CONTINUOUS, HOURS.open_at),
        (Phase.CLOSING_AUCTION, HOURS.closing_auction_at),
        (Phase.CLOSED, HOURS.close_at + 30_000_000_000),
    ]


def test_levels_and_flows_know_only_minutes_that_are_over(tmp_path: Path) -> None:
    """The level at 09:01 follows from the first minute's close, the flow from its turnover."""
    rows = minutes(MONDAY)
    symbol, start, *_ = rows[1]
    rows[1] = (symbol, start, 10_000, 10_100, 10_000, 10_100, 400)
    write_minutes(tmp_path, rows)
    write_daily(tmp_path / "daily", {ALPHA: flat_days(10_000)})
    nested = tmp_path / "krx_minute"
    nested.mkdir()
    (tmp_path / "2025-09.parquet").rename(nested / "2025-09.parquet")
    tape = BarDays(tmp_path, symbols=1).day(MONDAY).tape
    kospi = [n for n in tape.notes if isinstance(n, IndexLevel) and n.index == "KOSPI"]
    assert [(each.at - HOURS.open_at) // MINUTE for each in kospi[:3]] == [1, 2, 3]
    assert [each.centipoints for each in kospi[:3]] == [100_000, 101_000, 100_000]
    flows = [n for n in tape.notes if isinstance(n, ProgramFlow) and n.market == "KOSPI"]
    assert [each.cumulative_net_value for each in flows[:3]] == [0, 202_000, 202_000]


def test_ticks_give_levels_every_ten_seconds_and_the_same_bars(folder: Path) -> None:
    """Trades of a minute make its bar again, in one order of time with everything else."""
    tape = TickDays(folder, symbols=2).day(MONDAY).tape
    levels = [n for n in tape.notes if isinstance(n, IndexLevel) and n.index == "KOSPI"]
    assert levels[1].at - levels[0].at == 10_000_000_000
    trades = tape.kind == Kind.TRADE
    minute = tape.at[trades] // MINUTE
    first = minute == HOURS.open_at // MINUTE
    assert int(tape.quantity[trades][first].sum()) == 200
    assert int(tape.quantity[trades].sum()) == 2 * 381 * 100
    assert (tape.at[1:] >= tape.at[:-1]).all()
    assert tape.book[tape.kind == Kind.BOOK].min() == 0
    assert tape.book[tape.kind == Kind.BOOK].max() == len(tape.books.ask_prices) - 1


def test_the_choice_of_a_day_looks_at_days_before_it_only(tmp_path: Path) -> None:
    """ALPHA trades ten times as much on Monday and takes the place on Tuesday, not before."""
    rows = minutes(MONDAY, volume=100_000) + minutes(MONDAY, BETA)
    rows += minutes(TUESDAY) + minutes(TUESDAY, BETA)
    write_minutes(tmp_path / "krx_minute", rows)
    closes: dict[str, list[tuple[date, int]]] = {
        ALPHA: flat_days(10_000),
        BETA: [*flat_days(10_010), (MONDAY, 10_010)],
    }
    write_daily(tmp_path / "krx_daily", closes)
    table = tmp_path / "krx_daily" / "ohlcv.parquet"
    busy = pl.DataFrame(
        [(ALPHA, MONDAY, 10_000, 10_000, 10_000, 10_000, 4_000_000)],
        schema=pl.read_parquet_schema(table),
        orient="row",
    )
    pl.concat([pl.read_parquet(table), busy]).write_parquet(table)
    days = BarDays(tmp_path, symbols=1)
    chosen = [[each.symbol for each in day.listings] for day in days.days()]
    assert chosen == [[BETA], [ALPHA]]


def test_what_is_carried_is_listed_outside_the_universe(folder: Path) -> None:
    """A position of an issue that fell out of the choice can still be priced and sold."""
    days = BarDays(folder, symbols=1, strategies=(KMP,))
    day = days.day(MONDAY, also=(ALPHA,))
    universe = day.opening[0]
    assert isinstance(universe, UniverseSelected)
    assert universe.symbols == (BETA,)
    assert day.tape.symbols == (BETA, ALPHA)
    assert int((day.tape.symbol == 1).sum()) == 381


def test_a_symbol_without_bars_is_listed_and_reported(tmp_path: Path) -> None:
    """It may be halted: what is held of it stays on the books, and nothing trades."""
    write_minutes(tmp_path / "krx_minute", minutes(MONDAY) + minutes(TUESDAY, BETA))
    write_daily(tmp_path / "krx_daily", {ALPHA: flat_days(10_000), BETA: flat_days(30_000)})
    day = BarDays(tmp_path, symbols=(ALPHA, BETA)).day(MONDAY)
    assert [each.symbol for each in day.listings] == [ALPHA, BETA]
    assert f"{BETA}: no bars: halted, or missing from the recording" in day.problems
    assert not (day.tape.symbol == 1).any()


def test_minutes_of_days_before_are_there_for_strategies_on_bars(folder: Path) -> None:
    """The newest bars of the sessions before; none before the recording begins."""
    days = BarDays(folder, symbols=(ALPHA,), bar_history=400)
    first, second = days.days()
    (empty,) = [event for event in first.opening if isinstance(event, BarHistory)]
    assert empty.bars == ()
    (full,) = [event for event in second.opening if isinstance(event, BarHistory)]
    assert len(full.bars) == 381
    assert full.bars[-1].start == HOURS.close_at


def test_a_day_read_twice_is_the_same_day(folder: Path) -> None:
    """And the port is kept."""
    days: MarketDays = TickDays(folder, symbols=2, strategies=(KMP,))
    one, other = days.day(MONDAY), days.day(MONDAY)
    assert one.opening == other.opening
    assert one.tape.notes == other.tape.notes
    for name in ("at", "kind", "symbol", "price", "quantity", "value", "book", "note"):
        assert np.array_equal(getattr(one.tape, name), getattr(other.tape, name))
    assert list(days.dates) == [MONDAY, TUESDAY]
    assert [day.session.day for day in days.days()] == [MONDAY, TUESDAY]


def test_the_hash_follows_the_content(folder: Path) -> None:
    """Another price, another hash; the same bytes somewhere else, the same."""
    before = BarDays(folder, symbols=2).data_hash
    assert BarDays(folder / "krx_minute", symbols=1).data_hash == before
    rows = minutes(MONDAY) + minutes(TUESDAY) + minutes(TUESDAY, BETA, price=30_050)
    write_minutes(folder / "krx_minute", rows)
    assert BarDays(folder, symbols=2).data_hash != before


def test_the_hash_counts_the_months_that_histories_come_from(tmp_path: Path) -> None:
    """Without a table of days the base price of a session comes from the minutes before it."""
    august = date(2025, 8, 29)
    hashes = set()
    for price in (10_000, 10_050):
        write_minutes(tmp_path, minutes(august, price=price) + minutes(MONDAY))
        days = BarDays(tmp_path, symbols=1, start=MONDAY)
        assert days.day(MONDAY).listings[0].base_price == price
        hashes.add(days.data_hash)
    assert len(hashes) == 2


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    """No folder, no such span, no such date, no such symbol, no Parquet."""
    with pytest.raises(NoMarketData, match="kst recordings import"):
        BarDays(tmp_path / "nowhere", symbols=1)
    with pytest.raises(NoMarketData, match="2025-09-15 to 2025-09-16"):
        BarDays(folder, symbols=1, start=date(2025, 10, 1))
    with pytest.raises(NoMarketData, match="2025-09-17"):
        BarDays(folder, symbols=1).day(date(2025, 9, 17))
    with pytest.raises(NoMarketData, match="123456"):
        BarDays(folder, symbols=(Symbol("123456"),))
    (folder / "krx_minute" / "2025-10.parquet").write_text("no columns")
    with pytest.raises(UnusableData, match=r"2025-10\.parquet"):
        BarDays(folder, symbols=1)


@pytest.mark.market_data
def test_a_recorded_day_lists_what_the_simulated_market_lists(krx_data: Path) -> None:
    """The same issues, base prices and limits in the same order, and the same bars."""
    on = date(2025, 9, 15)
    market = RecordedMarket(krx_data / "krx_minute", on, 40)
    days = BarDays(krx_data, symbols=40, start=on, end=on)
    day = days.day(on)
    assert list(day.listings) == list(market.listings)
    assert list(days.dates) == [on]
    histories = {e.symbol: e.bars for e in day.opening if isinstance(e, DailyHistory)}
    for place, listing in enumerate(market.listings):
        assert histories[listing.symbol] == market.daily_history(listing.symbol)[-90:]
        bars = market.minute_bars(listing.symbol)
        rows = day.tape.bar[day.tape.symbol == place]
        assert day.tape.bars.close[rows].tolist() == [bar.close for bar in bars]
        assert day.tape.bars.volume[rows].tolist() == [bar.volume for bar in bars]


@pytest.mark.market_data
def test_trades_and_books_come_in_the_order_of_the_simulated_market(krx_data: Path) -> None:
    """Among themselves, over all issues."""
    on = date(2025, 9, 15)
    market = RecordedMarket(krx_data / "krx_minute", on, 8)
    tape = TickDays(krx_data, symbols=8, start=on, end=on).day(on).tape
    rows = tape.kind <= Kind.BOOK
    played = [each for each in market.commands() if hasattr(each, "symbol")]
    assert tape.at[rows].tolist() == [each.at for each in played]
    symbols = [tape.symbols[place] for place in tape.symbol[rows].tolist()]
    assert symbols == [getattr(each, "symbol", None) for each in played]
