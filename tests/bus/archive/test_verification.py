"""Verification: whatever happens to a sealed day's files is found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from bus.archive import ArchiveDamaged, ArchiveLog, SealedDay, verify_day, verify_days
from bus.archive import manifest as manifests
from bus.archive.day_writer import digest_of
from events import AccountId
from tests.bus.archive.a_day import DAY, NEXT, a_sealed_log, everything, fill, sealed

ACCOUNT = AccountId("demo")


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Return the folder of a sealed day."""
    await a_sealed_log(tmp_path)
    return tmp_path / "demo" / DAY


def flaws(folder: Path) -> list[tuple[str, str]]:
    return [(flaw.file, flaw.kind) for flaw in verify_day(folder).flaws]


def rewrite(file: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
    """Change the rows of a file, which stays a sound Parquet file."""
    change(pl.read_parquet(file)).write_parquet(file)


def admit(folder: Path, **changes: Any) -> None:
    """Make the manifest agree with the files as they are, as somebody who knows it could."""
    manifest = manifests.read(folder)
    files = {
        name: msgspec.structs.replace(
            facts,
            bytes=(folder / name).stat().st_size,
            digest=digest_of(folder / name),
            rows=pl.scan_parquet(folder / name).select(pl.len()).collect().item(),
        )
        for name, facts in manifest.files.items()
    }
    changed = msgspec.structs.replace(manifest, **({"files": files} | changes))
    (folder / "manifest.json").write_bytes(manifests.encode(changed))


def test_a_sealed_day_is_sound(folder: Path) -> None:
    """Nothing is wrong with what nobody has touched."""
    report = verify_day(folder)
    assert report.sound
    assert report.flaws == ()
    assert report.manifest is not None
    assert report.manifest.entries == 1 + 20 * 13 + 4 + 1


@pytest.mark.parametrize("name", ["trades.parquet", "entries.parquet", "other.parquet"])
def test_a_flipped_bit_is_named(folder: Path, name: str) -> None:
    """Wherever it is in the file."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 3] ^= 1
    (folder / name).write_bytes(content)
    found = flaws(folder)
    assert found[0] == (name, "changed")
    assert {file for file, _ in found} == {name}


@pytest.mark.parametrize("name", ["quotes.parquet", "entries.parquet"])
def test_a_truncated_file_is_named(folder: Path, name: str) -> None:
    """Its size says so at once; it is not opened for reading."""
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-20])
    report = verify_day(folder)
    first = report.flaws[0]
    assert (first.file, first.kind) == (name, "truncated")
    assert first.detail == f"it has {len(content) - 20:,} bytes, {len(content):,} were sealed"
    with pytest.raises(ArchiveDamaged, match=rf"{name} is damaged: it has"):
        SealedDay.open(folder)


@pytest.mark.parametrize("name", ["bars.parquet", "entries.parquet"])
def test_a_missing_file_is_named_and_nothing_else_is_blamed(folder: Path, name: str) -> None:
    """One sentence for one loss."""
    (folder / name).unlink()
    assert flaws(folder) == [(name, "missing")]


def test_a_foreign_file_is_named(folder: Path) -> None:
    """What was not sealed does not belong there."""
    (folder / "notes.txt").write_text("x")
    assert flaws(folder) == [("notes.txt", "unexpected")]


def test_a_missing_row_is_named_with_its_entry(folder: Path) -> None:
    """A quote that somebody removed, even with a manifest that says it was never there."""
    gone = pl.read_parquet(folder / "quotes.parquet")["sequence"][3]
    rewrite(folder / "quotes.parquet", lambda rows: rows.filter(pl.col("sequence") != gone))
    report = verify_day(folder)
    assert [(flaw.file, flaw.kind) for flaw in report.flaws] == [
        ("quotes.parquet", "truncated"),
        ("quotes.parquet", "row"),
        ("quotes.parquet", "count"),
    ]
    assert report.flaws[1].detail == f"it has no row for entry {gone}"
    admit(folder)
    assert flaws(folder) == [("quotes.parquet", "row")]


def test_a_changed_value_is_named_with_its_entry(folder: Path) -> None:
    """One price in one row, in a file that is sound otherwise."""
    bent = pl.col("sequence") == pl.read_parquet(folder / "trades.parquet")["sequence"][4]
    price = pl.when(bent).then(pl.col("price") + 100).otherwise(pl.col("price"))
    sequence = pl.read_parquet(folder / "trades.parquet")["sequence"][4]
    rewrite(folder / "trades.parquet", lambda rows: rows.with_columns(price.alias("price")))
    admit(folder)
    (flaw,) = verify_day(folder).flaws
    assert (flaw.file, flaw.kind) == ("trades.parquet", "row")
    assert flaw.detail == f"entry {sequence} is not what was sealed"


def test_a_row_too_many_is_named(folder: Path) -> None:
    """An invented trade has no entry; the count says that it is there."""
    rewrite(
        folder / "trades.parquet",
        lambda rows: pl.concat([rows, rows.tail(1).with_columns(sequence=pl.lit(2, pl.Int64))]),
    )
    assert ("trades.parquet", "count") in flaws(folder)


@pytest.mark.parametrize("column", ["subject", "identity", "stored_at", "checksum"])
def test_a_changed_entry_is_found_by_the_chain_or_its_checksum(folder: Path, column: str) -> None:
    """What stands in no other file is covered too."""

    def bend(rows: pl.DataFrame) -> pl.DataFrame:
        value = rows[column][7]
        other = value + 1 if isinstance(value, int) else f"{value}x"
        return rows.with_columns(
            pl.when(pl.col("sequence") == rows["sequence"][7])
            .then(pl.lit(other, rows.schema[column]))
            .otherwise(pl.col(column))
            .alias(column)
        )

    rewrite(folder / "entries.parquet", bend)
    admit(folder)
    (flaw,) = verify_day(folder).flaws
    assert flaw.kind == ("row" if column == "checksum" else "chain")


def test_a_changed_count_in_the_manifest_is_named(folder: Path) -> None:
    """Counts are counted again."""
    families = manifests.read(folder).families
    admit(folder, families=families | {"trades": 1})
    (flaw,) = verify_day(folder).flaws
    assert (flaw.file, flaw.kind) == ("manifest.json", "count")
    assert flaw.detail == "of families, trades is counted 1, 40 are there"


@pytest.mark.parametrize("content", [b"", b"{}", b'{"schema": 2}', b"\xff", b"[1]"])
def test_a_manifest_that_is_none_is_named(folder: Path, content: bytes) -> None:
    """Verification goes on to the next day all the same."""
    (folder / "manifest.json").write_bytes(content)
    assert flaws(folder) == [("manifest.json", "unreadable")]


def test_a_day_at_anothers_place_is_named(folder: Path) -> None:
    """A folder's name is part of what is proved."""
    folder.rename(folder.parent / "20250101")
    assert flaws(folder.parent / "20250101") == [("manifest.json", "manifest")]


async def test_days_that_do_not_follow_each_other_are_named(tmp_path: Path) -> None:
    """A day lost in the middle, or sealed from another history."""
    log, _ = await a_sealed_log(tmp_path)
    await fill(log, NEXT)
    await sealed(log, tmp_path, NEXT)
    assert all(report.sound for report in verify_days(tmp_path, ACCOUNT))
    admit(tmp_path / "demo" / NEXT, chain_start="00" * 32)
    first, second = verify_days(tmp_path, ACCOUNT)
    assert first.sound
    assert [flaw.kind for flaw in second.flaws] == ["chain", "chain"]


async def test_a_damaged_day_is_never_read_as_another(folder: Path) -> None:
    """Readers stop at the first entry that is not what was sealed."""
    rewrite(folder / "trades.parquet", lambda rows: rows.with_columns(price=pl.col("price") + 100))
    admit(folder)
    archive = ArchiveLog.open(folder.parent.parent, ACCOUNT)
    with pytest.raises(ArchiveDamaged, match=r"trades\.parquet is damaged: entry 3 is not"):
        await everything(archive)


def test_a_thousand_flaws_are_a_handful_of_lines(folder: Path) -> None:
    """The first few of a kind are named, the rest counted."""
    rewrite(folder / "trades.parquet", lambda rows: rows.with_columns(price=pl.lit(1)))
    admit(folder)
    found = verify_day(folder).flaws
    assert [flaw.detail for flaw in found[:2]] == [
        "entry 3 is not what was sealed",
        "entry 4 is not what was sealed",
    ]
    assert found[-1].detail == "and 35 more of the kind"
