"""Recorded days: what comes out of the exchange is what was recorded."""

from __future__ import annotations

import shutil
import sys
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from events import Symbol
from events.calendar import KST, instant, session
from events.errors import NotASession
from events.market import Bar, Phase
from events.prices import Board
from kis_gateway.simulator.exchange import Command, EnterPhase, Exchange
from kis_gateway.simulator.market import (
    DataExtraMissing,
    IndexPrint,
    Market,
    MarketDataMissing,
    NoDataOnDate,
    RecordedMarket,
)

DAY = date(2025, 9, 15)
CSAT = date(2025, 11, 13)
SAMSUNG = Symbol("005930")


def fields(bar: Bar) -> tuple[int, ...]:
    return bar.start, bar.open, bar.high, bar.low, bar.close, bar.volume


def require_same_bars(market: Market) -> None:
    """Run a market through an exchange and compare every bar of every issue."""
    exchange = Exchange(market.listings, settled_on=market.day)
    for item in market.commands():
        if isinstance(item, Command):
            exchange.handle(item)
    for listing in market.listings:
        printed = [fields(bar) for bar in exchange.minute_bars(listing.symbol)]
        assert printed == [fields(bar) for bar in market.minute_bars(listing.symbol)]
        assert printed


@pytest.mark.market_data
class TestRecordedDays:
    """Against the recorded data."""

    def test_an_ordinary_day_comes_out_as_it_went_in(self, krx_data: Path) -> None:
        """Five most traded issues: count, open, high, low, close and volume of every minute."""
        market = RecordedMarket(krx_data / "krx_minute", DAY, 5)
        assert len(market.listings) == 5
        assert SAMSUNG in market.sectors
        require_same_bars(market)

    def test_the_bars_are_the_recorded_ones(self, krx_data: Path) -> None:
        """The first and the last minute of an issue, read off the file."""
        bars = RecordedMarket(krx_data / "krx_minute", DAY, [SAMSUNG]).minute_bars(SAMSUNG)
        hours = session(DAY)
        assert len(bars) == 381
        assert fields(bars[0]) == (hours.open_at, 77_200, 77_200, 76_400, 76_800, 1_736_304)
        assert fields(bars[-1]) == (hours.close_at, 76_500, 76_500, 76_500, 76_500, 1_846_000)

    def test_a_late_day_that_ends_early_in_the_file(self, krx_data: Path) -> None:
        """College entrance exam: 10:00-16:30, recorded until 15:30; the phases follow the clock."""
        market = RecordedMarket(krx_data / "krx_minute", CSAT, 5, trades_per_bar=2)
        require_same_bars(market)
        bars = market.minute_bars(market.listings[0].symbol)
        assert (
            bars[0].start
            == market.session.open_at
            == instant(CSAT, datetime.min.time()) + (10 * 3_600_000_000_000)
        )
        phases = {item.phase: item.at for item in market.commands() if isinstance(item, EnterPhase)}
        assert phases[Phase.CONTINUOUS] == market.session.open_at
        assert phases[Phase.CLOSING_AUCTION] == market.session.closing_auction_at

    def test_history_and_terms_come_from_the_days_before(self, krx_data: Path) -> None:
        """Base price is the close of 12 September; limits are 30 % rounded inward."""
        market = RecordedMarket(krx_data / "krx_minute", DAY, [SAMSUNG])
        (listing,) = market.listings
        history = market.daily_history(SAMSUNG)
        assert history[-1].start == instant(date(2025, 9, 12), datetime.min.time())
        assert listing.base_price == history[-1].close == 75_400
        assert (listing.lower_limit, listing.upper_limit) == (52_800, 98_000)
        assert listing.sector != "UNKNOWN"

    def test_the_index_path_meets_the_days_open_and_close(self, krx_data: Path) -> None:
        """KOSPI 2025-09-15: open 3,407.78, low 3,391.33, high 3,420.23, close 3,407.31."""
        market = RecordedMarket(krx_data / "krx_minute", DAY, 10, trades_per_bar=1)
        levels = [
            item.centipoints
            for item in market.commands()
            if isinstance(item, IndexPrint) and item.index == "KOSPI"
        ]
        assert market.index_history("KOSPI")[-1].close == 339_554
        assert (levels[0], min(levels), max(levels), levels[-1]) == (
            340_778,
            339_133,
            342_023,
            340_731,
        )
        assert len(levels) == 390 * 6 + 1

    def test_a_day_outside_the_recording_names_its_span(self, krx_data: Path) -> None:
        """The error says which dates there are; a holiday is refused by the calendar."""
        with pytest.raises(NoDataOnDate, match="2025-05-12 to 2025-12-30"):
            RecordedMarket(krx_data / "krx_minute", date(2024, 3, 4), 5)
        with pytest.raises(NotASession):
            RecordedMarket(krx_data / "krx_minute", date(2025, 9, 14), 5)
        with pytest.raises(NoDataOnDate, match="no minute bars of 999999"):
            RecordedMarket(krx_data / "krx_minute", DAY, [Symbol("999999")])

    @pytest.mark.slow
    @pytest.mark.parametrize("day", [DAY, CSAT])
    def test_all_issues_of_a_day_come_out_as_they_went_in(self, krx_data: Path, day: date) -> None:
        """Every issue with minutes and history, thin ones included."""
        market = RecordedMarket(krx_data / "krx_minute", day, 1_000)
        assert len(market.listings) > 90
        require_same_bars(market)


class TestFabricatedFiles:
    """Without recorded data: small files of the documented layout."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Seventy sessions of two issues, the last one 2025-09-15, in one bar a day."""
        rows: list[dict[str, Any]] = []
        day = DAY
        for back in range(100):
            day = DAY - timedelta(days=back)
            if day.weekday() >= 5:
                continue
            for symbol, volume in (("000001", 10), ("000002", 1_000)):
                rows.append(
                    {
                        "symbol": symbol,
                        "time": datetime(day.year, day.month, day.day, 9, 5, tzinfo=KST),
                        "open": 10_000,
                        "high": 10_000 + back,
                        "low": 9_990,
                        "close": 9_995,
                        "volume": volume,
                    }
                )
        folder = tmp_path / "krx_minute"
        folder.mkdir()
        frame = pl.DataFrame(rows).with_columns(
            pl.col("time").cast(pl.Datetime("ms", "Asia/Seoul"))
        )
        for (month,), part in frame.group_by(pl.col("time").dt.strftime("%Y-%m")):
            part.write_parquet(folder / f"{month}.parquet")
        return folder

    def test_daily_bars_are_put_together_from_earlier_minutes(self, folder: Path) -> None:
        """No daily table: history, base price and choice come from the minutes."""
        market = RecordedMarket(folder, DAY, 1)
        (listing,) = market.listings
        assert listing.symbol == "000002"
        assert (listing.sector, listing.board, listing.base_price) == (
            "UNKNOWN",
            Board.KOSPI,
            9_995,
        )
        last = market.daily_history(listing.symbol)[-1]
        assert fields(last) == (
            instant(date(2025, 9, 12), datetime.min.time()),
            10_000,
            10_003,
            9_990,
            9_995,
            1_000,
        )
        assert len(market.daily_history(listing.symbol)) == 70
        require_same_bars(market)

    def test_without_an_index_table_the_index_starts_at_a_thousand(self, folder: Path) -> None:
        """There is no history; the path follows the issues."""
        market = RecordedMarket(folder, DAY, 2)
        assert market.index_history("KOSPI") == ()
        first = next(item for item in market.commands() if isinstance(item, IndexPrint))
        assert first.centipoints == round(100_000 * 10_000 / 9_995)

    def test_too_little_history_is_no_choice(self, folder: Path) -> None:
        """Sixty daily bars are needed to be chosen; one to be asked for by name."""
        early = DAY - timedelta(days=60)
        with pytest.raises(NoDataOnDate, match="60 daily bars"):
            RecordedMarket(folder, early, 2)
        assert len(RecordedMarket(folder, early, [Symbol("000001")]).listings) == 1
        first = min(folder.glob("*.parquet"))
        for file in folder.glob("*.parquet"):
            if file != first:
                file.unlink()
        day = pl.read_parquet(first)["time"].dt.date().min()
        assert isinstance(day, date)
        with pytest.raises(NoDataOnDate, match="no daily bar of 000001 before"):
            RecordedMarket(folder, day, [Symbol("000001")])

    def test_boards_come_from_the_sectors_table(self, folder: Path) -> None:
        """When it has a ``market`` column."""
        daily = folder.parent / "krx_daily"
        daily.mkdir()
        pl.DataFrame(
            {
                "symbol": ["000001", "000002"],
                "sector": ["Bio", "Chips"],
                "market": ["KOSDAQ", "KOSPI"],
            }
        ).write_parquet(daily / "sectors.parquet")
        market = RecordedMarket(folder, DAY, 2)
        assert {each.symbol: each.board for each in market.listings} == {
            "000001": Board.KOSDAQ,
            "000002": Board.KOSPI,
        }
        assert market.sectors == {"000001": "Bio", "000002": "Chips"}

    def test_a_folder_without_files_is_an_error(self, folder: Path, tmp_path: Path) -> None:
        """The message names the folder and the remedy."""
        shutil.rmtree(folder)
        with pytest.raises(MarketDataMissing, match="name the folder"):
            RecordedMarket(folder, DAY, 5)
        with pytest.raises(MarketDataMissing, match=r"2025-09\.parquet"):
            RecordedMarket(tmp_path, DAY, 5)

    def test_without_polars_the_error_names_the_extra(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A live host does not install it."""
        monkeypatch.setitem(sys.modules, "polars", None)
        with pytest.raises(DataExtraMissing, match=r"k-stock-trader\[data\]"):
            RecordedMarket(folder, DAY, 5)
