"""Imported bars: what is kept, what wins, and that everything is written down."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import duckdb
import msgspec
import polars as pl
import pytest

from events.calendar import KST, instant, session
from research.datasets import BarDays, UnusableData
from research.datasets.bar_store import BarStore, Revision
from research.datasets.incoming import Download
from tests.research.datasets.bar_files import (
    ALPHA,
    BETA,
    MINUTE,
    MONDAY,
    TUESDAY,
    MinuteRow,
    minutes,
)

NOON = datetime(2025, 9, 15, 12, 0, tzinfo=KST)
AFTER_THE_CLOSE = datetime(2025, 9, 15, 15, 40, tzinfo=KST)
LATER = datetime(2025, 10, 20, 9, 0, tzinfo=KST)


def download(
    rows: list[MinuteRow], taken: datetime | None = LATER, origin: str = "vendor.csv"
) -> Download:
    frame = pl.DataFrame(
        rows,
        schema=["symbol", "time", "open", "high", "low", "close", "volume"],
        orient="row",
    ).with_columns(
        pl.col("time").cast(pl.Datetime("ns", "UTC")).dt.convert_time_zone("Asia/Seoul"),
        pl.lit(0, pl.Int64).alias("value"),
    )
    nanoseconds = None if taken is None else int(taken.timestamp()) * 1_000_000_000
    return Download(origin, "digest", frame, modified=10**18, taken=nanoseconds)


def changed(rows: list[MinuteRow], minute: int, close: int) -> list[MinuteRow]:
    """Return bars of which one closed (and was highest) somewhere else."""
    symbol, start, first, _, low, _, volume = rows[minute]
    return [*rows[:minute], (symbol, start, first, close, low, close, volume), *rows[minute + 1 :]]


def test_bars_lie_in_months_that_anybody_can_read(tmp_path: Path) -> None:
    """A hive-partitioned data set; the manifest names every file and session."""
    store = BarStore(tmp_path)
    done, _ = store.add_bars(download(minutes(MONDAY) + minutes(date(2025, 10, 1), BETA)))
    assert (done.added, done.revised, done.refused, done.known_final) == (762, 0, 0, True)
    (row,) = duckdb.execute(
        f"select month, count(*) from read_parquet('{tmp_path}/minutes/*/*.parquet', "
        "hive_partitioning=true) where month = '2025-10' group by month"
    ).fetchall()
    assert row == ("2025-10", 381)
    manifest = store.manifest
    assert [each.path for each in manifest.files] == [
        "minutes/month=2025-09/bars.parquet",
        "minutes/month=2025-10/bars.parquet",
    ]
    assert manifest.sessions == {
        ALPHA: (("2025-09-15", 381, "09:00", "15:30", 38_100),),
        BETA: (("2025-10-01", 381, "09:00", "15:30", 38_100),),
    }
    assert store.changed_files() == ()
    assert [day.session.day for day in BarDays(tmp_path, symbols=2).days()] == [
        MONDAY,
        date(2025, 10, 1),
    ]


def test_the_later_download_wins_and_the_revision_is_written_down(tmp_path: Path) -> None:
    """Whatever the order of the imports."""
    early = download(minutes(MONDAY), AFTER_THE_CLOSE, "early.csv")
    late = download(changed(minutes(MONDAY), 5, 10_050), LATER, "late.csv")
    revision = Revision(
        origin="late.csv",
        symbol=ALPHA,
        time="2025-09-15 09:05",
        kept=(10_000, 10_050, 10_000, 10_050, 100),
        dropped=(10_000, 10_000, 10_000, 10_000, 100),
    )
    one, other = BarStore(tmp_path / "one"), BarStore(tmp_path / "other")
    one.add_bars(early)
    done, revisions = one.add_bars(late)
    assert (done.added, done.revised, done.refused) == (0, 1, 0)
    assert revisions == (revision,)
    lines = (tmp_path / "one" / "revisions.jsonl").read_bytes().splitlines()
    assert [msgspec.json.decode(line, type=Revision) for line in lines] == [revision]
    other.add_bars(late)
    done, revisions = other.add_bars(early)
    assert (done.added, done.revised, done.refused) == (0, 0, 1)
    assert revisions == (msgspec.structs.replace(revision, origin="early.csv"),)
    for root in (tmp_path / "one", tmp_path / "other"):
        bars = BarDays(root, symbols=(ALPHA,), bar_history=1)
        assert bars.dates == (MONDAY,)
        stored = pl.read_parquet(root / "minutes" / "month=2025-09" / "bars.parquet")
        assert stored["close"][5] == 10_050


def test_importing_the_same_again_changes_nothing(tmp_path: Path) -> None:
    """Not a bar, not a byte of the files."""
    store = BarStore(tmp_path)
    store.add_bars(download(minutes(MONDAY)))
    files = store.manifest.files
    done, revisions = store.add_bars(download(minutes(MONDAY)))
    assert (done.added, done.revised, done.refused, revisions) == (0, 0, 0, ())
    assert store.manifest.files == files


def test_the_bar_that_was_still_forming_is_never_kept(tmp_path: Path) -> None:
    """A download of noon ends with the minute that had been over for five seconds."""
    store = BarStore(tmp_path)
    done, _ = store.add_bars(download(minutes(MONDAY), NOON))
    assert store.manifest.sessions[ALPHA] == (("2025-09-15", 179, "09:00", "11:58", 17_900),)
    assert done.notes == ("202 bars that were not final at 2025-09-15 12:00:00 left out",)


def test_the_closing_match_is_final_ten_minutes_after_the_close(tmp_path: Path) -> None:
    """An auction that was extended prints two minutes late."""
    store = BarStore(tmp_path)
    at_the_close = AFTER_THE_CLOSE.replace(minute=39)
    store.add_bars(download(minutes(MONDAY), at_the_close))
    assert store.manifest.sessions[ALPHA][0][3] == "15:19"
    store.add_bars(download(minutes(MONDAY), AFTER_THE_CLOSE))
    assert store.manifest.sessions[ALPHA][0][3] == "15:30"


def test_without_a_time_the_newest_bar_of_each_symbol_is_left_out(tmp_path: Path) -> None:
    """Because nobody knows whether it was final."""
    store = BarStore(tmp_path)
    rows = minutes(MONDAY) + minutes(MONDAY, BETA, count=10, closing=False)
    done, _ = store.add_bars(download(rows, None))
    assert store.manifest.sessions[ALPHA][0][3] == "15:19"
    assert store.manifest.sessions[BETA][0][3] == "09:08"
    assert not done.known_final
    assert done.notes == (
        "2 bars that are the newest of their symbol (nobody knows whether they were final) "
        "left out",
    )


def test_minutes_without_trade_and_days_without_session_are_left_out(tmp_path: Path) -> None:
    """Vendors fill them in; the exchange did not trade. Twice the same minute counts once."""
    sunday = instant(date(2025, 9, 14), datetime(2025, 9, 14, 9, 0, tzinfo=KST).time())
    rows = minutes(MONDAY, count=3, closing=False)
    filled = (ALPHA, rows[-1][1] + MINUTE, 10_000, 10_000, 10_000, 10_000, 0)
    stray = (ALPHA, sunday, 10_000, 10_000, 10_000, 10_000, 5)
    done, _ = BarStore(tmp_path).add_bars(download([*rows, filled, stray, rows[0]]))
    assert done.added == 3
    assert done.notes == (
        "1 bars of minutes without a trade left out",
        "1 bars of days without a session left out",
        "1 bars that came twice left out, the later kept",
    )


def test_a_file_that_changed_is_named(tmp_path: Path) -> None:
    """As is one that is gone; a manifest that cannot be read is an error."""
    store = BarStore(tmp_path)
    store.add_bars(download(minutes(MONDAY) + minutes(date(2025, 10, 1))))
    file = tmp_path / "minutes" / "month=2025-09" / "bars.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    (tmp_path / "minutes" / "month=2025-10" / "bars.parquet").unlink()
    assert store.changed_files() == (
        "minutes/month=2025-09/bars.parquet",
        "minutes/month=2025-10/bars.parquet",
    )
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    with pytest.raises(UnusableData, match="format 99"):
        store.changed_files()


def test_the_session_of_the_sample_is_an_ordinary_one() -> None:
    """The clock times above are those of a session from nine to half past three."""
    assert (session(MONDAY).close_at - session(MONDAY).open_at) // MINUTE == 390
    assert TUESDAY > MONDAY
