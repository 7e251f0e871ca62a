"""Files of others: any column names and time zones, and nothing guessed."""

from __future__ import annotations

from datetime import date, time
from pathlib import Path

import polars as pl
import pytest

from events.calendar import instant
from research.datasets import UnusableData
from research.datasets.chart_downloads import read_charts
from research.datasets.incoming_files import FileShape, read_bars, read_ticks

NINE = instant(date(2025, 9, 15), time(9))
MINUTE = 60_000_000_000


def starts(frame: pl.DataFrame) -> list[int]:
    found: list[int] = frame["time"].dt.epoch("ns").to_list()
    return found


def written(folder: Path, text: str, name: str = "005930.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_columns_are_mapped_joined_and_brought_to_seoul(tmp_path: Path) -> None:
    """A right-edged file in New York time, date and clock apart, without a symbol."""
    path = written(
        tmp_path,
        "d,clock,o,h,l,c,v\n20250914,20:01,70000,70100,69900,70000,12\n"
        "20250914,20:02,70000.0,70100,69900,70000,13\n",
    )
    shape = FileShape(
        columns={"time": "d+clock", "open": "o", "high": "h", "low": "l", "close": "c",
                 "volume": "v"},
        time_format="%Y%m%d %H:%M",
        time_zone="America/New_York",
        right_edge=True,
    )  # fmt: skip
    frame = read_bars(path, shape).frame
    assert starts(frame) == [NINE, NINE + MINUTE]
    assert frame["symbol"].to_list() == ["005930", "005930"]
    assert frame["open"].to_list() == [70_000, 70_000]
    assert frame["value"].to_list() == [0, 0]


@pytest.mark.parametrize(
    ("times", "shape"),
    [
        (["2025-09-15T09:00:00+09:00"], FileShape()),
        (["2025-09-15 09:00:00"], FileShape()),
        ([1757894400], FileShape(time_unit="s")),
        ([1757894400000], FileShape(time_unit="ms")),
    ],
    ids=["offset", "naive", "seconds", "milliseconds"],
)
def test_times_in_many_forms_are_one_instant(
    tmp_path: Path, times: list[object], shape: FileShape
) -> None:
    """Texts with and without zone, numbers with a unit."""
    figures = {name: [70_000] for name in ("open", "high", "low", "close")}
    frame = pl.DataFrame({"symbol": ["005930"], "time": times, **figures, "volume": [3]})
    path = tmp_path / "bars.parquet"
    frame.write_parquet(path)
    assert starts(read_bars(path, shape).frame) == [NINE]


@pytest.mark.parametrize(
    ("text", "shape", "problem"),
    [
        ("time,open,high,low,close\n", FileShape(), "volume"),
        ("time,open,high,low,close,volume\n2025-09-15 09:00:00,1.5,2,1,2,3\n", FileShape(),
         "no whole numbers"),
        ("time,open,high,low,close,volume\n2025-09-15 09:00:30,1,2,1,2,3\n", FileShape(),
         "no full minute"),
        ("time,open,high,low,close,volume\nyesterday,1,2,1,2,3\n", FileShape(), "--time-format"),
        ("time,open,high,low,close,volume\n2025-09-15 09:00:00,1,2,1,2,3\n",
         FileShape(time_zone="Asia/Soul"), "Asia/Soul"),
        ("time,open,high,low,close,volume\n2025-09-15 09:00:00,1,2,1,2,3\n",
         FileShape(columns={"opne": "open"}), "opne"),
    ],
    ids=["missing column", "broken won", "seconds", "words", "zone", "typing error"],
)  # fmt: skip
def test_what_cannot_be_read_is_said(
    tmp_path: Path, text: str, shape: FileShape, problem: str
) -> None:
    """With the file's name and what to do."""
    with pytest.raises(UnusableData, match=problem):
        read_bars(written(tmp_path, text), shape)


def test_ticks_keep_their_order_and_their_sides(tmp_path: Path) -> None:
    """Sides in the words of the file; none where it has none."""
    path = written(
        tmp_path,
        "symbol,time,price,quantity,side\n005930,2025-09-15 09:00:01.5,70000,3,매수\n"
        "005930,2025-09-15 09:00:01.5,69900,2,SELL\n005930,2025-09-15 09:00:02,70000,1,\n",
    )
    frame = read_ticks(path, FileShape()).frame
    assert frame["price"].to_list() == [70_000, 69_900, 70_000]
    assert frame["side"].to_list() == [1, -1, 0]
    assert starts(frame)[0] == NINE + 1_500_000_000
    bad = "symbol,time,price,quantity,side\n005930,2025-09-15 09:00:01,7,3,upwards\n"
    path = written(tmp_path, bad, "bad.csv")
    with pytest.raises(UnusableData, match="upwards"):
        read_ticks(path, FileShape())


def row(clock: str, close: int, volume: int, total: int) -> str:
    return (
        f'{{"stck_bsop_date":"20250915","stck_cntg_hour":"{clock}","stck_prpr":"{close}",'
        f'"stck_oprc":"{close}","stck_hgpr":"{close}","stck_lwpr":"{close}",'
        f'"cntg_vol":"{volume}","acml_tr_pbmn":"{total}"}}'
    )


def test_saved_charts_of_the_broker_become_bars(tmp_path: Path) -> None:
    """Pages in any order, newest first; each minute's value is what the day's grew by."""
    later = f'{{"rt_cd":"0","output1":{{}},"output2":[{row("090200", 70100, 5, 1050500)}]}}'
    first = row("090100", 70000, 3, 700000 + 210000)
    page = f'{{"output2":[{first},{row("090000", 70000, 10, 700000)}, {{}}]}}'
    download = read_charts(written(tmp_path, f"[{later},{page}]", "005930_20250915.json"))
    assert starts(download.frame) == [NINE, NINE + MINUTE, NINE + 2 * MINUTE]
    assert download.frame["volume"].to_list() == [10, 3, 5]
    assert download.frame["value"].to_list() == [700_000, 210_000, 140_500]
    assert download.frame["symbol"].unique().to_list() == ["005930"]


def test_a_row_that_repeats_the_minute_before_is_no_bar(tmp_path: Path) -> None:
    """KIS answers so when the minute had no trade of its own yet."""
    rows = ",".join([row("090100", 70000, 10, 700000), row("090000", 70000, 10, 700000)])
    download = read_charts(written(tmp_path, f'{{"output2":[{rows}]}}', "005930.json"))
    assert starts(download.frame) == [NINE]
    assert download.notes == ("1 bars that repeat the minute before left out",)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("chart.json", '{"output2":[]}', "--symbol"),
        ("005930.json", "nothing", "no JSON"),
        ("005930.json", '{"output":[]}', "output2"),
        ("005930.json", '{"output2":[{"stck_bsop_date":"20250915"}]}', "stck_cntg_hour"),
    ],
    ids=["no symbol", "no JSON", "another call", "a field is missing"],
)
def test_answers_that_are_no_charts_are_refused(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    with pytest.raises(UnusableData, match=problem):
        read_charts(written(tmp_path, text, name))
