"""Copies: folder to folder, to a bucket and back; nothing overwritten, everything read back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bus.archive import (
    ArchiveDamaged,
    CopyConflict,
    DayNotSealed,
    StoreUnreachable,
    copy_days,
    verify_days,
)
from events import AccountId, TradingDate
from tests.bus.archive.a_day import DAY, NEXT, a_sealed_log, fill, sealed
from tests.bus.archive.bucket import Bucket

ACCOUNT = AccountId("demo")


@pytest.fixture
async def recordings(tmp_path: Path) -> Path:
    """Return a folder of two sealed days."""
    log, _ = await a_sealed_log(tmp_path / "recordings", seconds=3)
    await fill(log, NEXT, seconds=3)
    await sealed(log, tmp_path / "recordings", NEXT)
    return tmp_path / "recordings"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Return a bucket, with its address and keys in the environment."""
    with Bucket() as made:
        monkeypatch.setenv("AWS_ENDPOINT", made.url)
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_REGION", "ap-northeast-2")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield made


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.name != ".lock"
    }


def test_a_copy_is_the_same_and_sound(recordings: Path, tmp_path: Path) -> None:
    """All days of all accounts; the bytes done end at the bytes in all."""
    told: list[tuple[int, int]] = []
    copied = copy_days(
        str(recordings),
        str(tmp_path / "copy"),
        on_bytes=lambda _, done, total: told.append((done, total)),
    )
    assert [(day.trading_date, day.present) for day in copied] == [(DAY, 0), (NEXT, 0)]
    assert content(tmp_path / "copy") == content(recordings)
    assert all(report.sound for report in verify_days(tmp_path / "copy", ACCOUNT))
    assert told[-1][0] == told[-1][1]


def test_a_second_copy_writes_nothing(recordings: Path, tmp_path: Path) -> None:
    """What is there is compared instead."""
    copy_days(str(recordings), str(tmp_path / "copy"))
    again = copy_days(str(recordings), str(tmp_path / "copy"))
    assert [(day.written, day.bytes) for day in again] == [(0, 0), (0, 0)]
    assert all(day.present == 13 for day in again)


def test_only_what_is_named_is_copied(recordings: Path, tmp_path: Path) -> None:
    """A date that the source lacks is an error."""
    copy_days(str(recordings), str(tmp_path / "copy"), accounts=[ACCOUNT], dates=[NEXT])
    assert [each.name for each in (tmp_path / "copy" / "demo").iterdir()] == [NEXT]
    with pytest.raises(DayNotSealed, match="20250920"):
        copy_days(str(recordings), str(tmp_path / "copy"), dates=[TradingDate("20250920")])


def test_other_bytes_at_the_target_are_a_conflict(recordings: Path, tmp_path: Path) -> None:
    """Neither side is changed."""
    copy_days(str(recordings), str(tmp_path / "copy"))
    other = tmp_path / "copy" / "demo" / DAY / "ops.parquet"
    other.write_bytes(b"other")
    with pytest.raises(CopyConflict, match=rf"already has demo/{DAY}/ops\.parquet"):
        copy_days(str(recordings), str(tmp_path / "copy"))
    assert other.read_bytes() == b"other"


def test_a_damaged_source_is_named_and_not_spread(recordings: Path, tmp_path: Path) -> None:
    """The target has no manifest, so no day."""
    damaged = recordings / "demo" / DAY / "quotes.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    with pytest.raises(ArchiveDamaged, match=r"quotes\.parquet is damaged: its hash is"):
        copy_days(str(recordings), str(tmp_path / "copy"))
    assert not list((tmp_path / "copy").rglob("manifest.json"))
    assert not list((tmp_path / "copy").rglob("quotes.parquet"))


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says where it looked."""
    with pytest.raises(StoreUnreachable, match="nowhere"):
        copy_days(str(tmp_path / "nowhere"), str(tmp_path / "copy"))
    with pytest.raises(StoreUnreachable, match="ftp://x"):
        copy_days("ftp://x", str(tmp_path / "copy"))


def test_to_a_bucket_and_back_is_the_same(recordings: Path, tmp_path: Path, bucket: Bucket) -> None:
    """Under a prefix; the manifest of each day is the last to be written."""
    copy_days(str(recordings), "s3://days/a/prefix")
    for date in (DAY, NEXT):
        of_day = [key for key in bucket.puts if date in key]
        assert len(of_day) == 13
        assert of_day[-1] == f"a/prefix/demo/{date}/manifest.json"
    copy_days("s3://days/a/prefix", str(tmp_path / "back"))
    assert content(tmp_path / "back") == content(recordings)


def test_a_copy_that_was_cut_off_goes_on(recordings: Path, bucket: Bucket) -> None:
    """What arrived is not sent again."""
    bucket.refuse_after = 15
    with pytest.raises(StoreUnreachable, match="s3://days cannot be used"):
        copy_days(str(recordings), "s3://days")
    assert len(bucket.objects) == 15
    bucket.refuse_after = None
    copied = copy_days(str(recordings), "s3://days")
    assert [(day.written, day.present) for day in copied] == [(0, 13), (11, 2)]
    assert len(bucket.puts) == 26


def test_what_arrives_otherwise_than_it_was_sent_is_named(recordings: Path, bucket: Bucket) -> None:
    """Read back after writing."""
    bucket.spoil = "trades"
    with pytest.raises(ArchiveDamaged, match=r"trades\.parquet is damaged"):
        copy_days(str(recordings), "s3://days")
    assert not any("manifest" in key for key in bucket.objects)
