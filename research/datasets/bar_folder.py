"""Where the files of a recording of bars lie, and the digest of what is in them.

Two layouts are read. A folder of monthly files, ``2025-09.parquet`` (or one that holds such a
folder as ``krx_minute/``), with ``krx_daily/`` beside it. And what ``kst recordings import``
writes: ``minutes/month=2025-09/*.parquet`` and optionally ``daily/``. The tables of days are
``ohlcv``, ``index`` and ``sectors`` (see ``kis_gateway.simulator.market.recorded_bars``); a table
``corporate_actions`` (``.parquet`` or ``.csv``) lies beside the folder of minutes or in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final, NamedTuple

from research.backtest.errors import NoMarketData

MINUTES: Final = "minutes"
"""Folder of imported minutes in a store."""

TICKS: Final = "ticks"
"""Folder of imported ticks in a store."""

DAILY: Final = "daily"
"""Folder of tables of days in a store."""

ACTIONS: Final = "corporate_actions"

_MONTHLY: Final = "[0-9][0-9][0-9][0-9]-[0-9][0-9].parquet"
_PARTITIONS: Final = "month=[0-9][0-9][0-9][0-9]-[0-9][0-9]"
_NESTED: Final = "krx_minute"
_NESTED_DAILY: Final = "krx_daily"


class BarFolder(NamedTuple):
    """The files of a recording: months (``2025-09``) to files, and tables, absent ones ``None``."""

    root: Path
    months: dict[str, tuple[Path, ...]]
    daily: Path | None
    indices: Path | None
    sectors: Path | None
    actions: Path | None

    @property
    def tables(self) -> tuple[Path, ...]:
        """The tables that there are."""
        tables = (self.daily, self.indices, self.sectors, self.actions)
        return tuple(each for each in tables if each is not None)

    def digest(self, months: Iterable[str]) -> str:
        """Return the digest (hex) of the content of some months and of all tables."""
        files = [file for month in sorted(months) for file in self.months[month]]
        return digest_of(self.root, [*files, *self.tables])


def bar_folder(folder: Path) -> BarFolder:
    """Return the files of a recording of bars.

    Raises:
        NoMarketData: there are no minute bars in the folder.
    """
    candidates = (folder / MINUTES, folder / _NESTED, folder)
    for minutes in candidates:
        months = _months(minutes)
        if months:
            return _located(minutes, months)
    raise NoMarketData(
        f"minute bars in {folder}",
        "expected monthly files like 2025-09.parquet or imported ones in minutes/; name the "
        "folder that holds them, or import some with kst recordings import",
    )


def digest_of(root: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 (hex) over names and contents of files; names are relative to ``root``."""
    whole = sha256()
    for file in files:
        name = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        whole.update(f"{name.as_posix()}\0{content_digest(file)}\n".encode())
    return whole.hexdigest()


def content_digest(file: Path) -> str:
    """Return the SHA-256 (hex) of a file's content, read again only when the file has changed."""
    status = file.stat()
    return _digest(file, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _digest(file: Path, size: int, modified: int) -> str:
    del size, modified  # they are the key: another size or time is another content
    with file.open("rb") as content:
        return file_digest(content, "sha256").hexdigest()


def _months(minutes: Path) -> dict[str, tuple[Path, ...]]:
    if not minutes.is_dir():
        return {}
    months: dict[str, tuple[Path, ...]] = {
        file.stem: (file,) for file in sorted(minutes.glob(_MONTHLY))
    }
    for partition in sorted(minutes.glob(_PARTITIONS)):
        files = tuple(sorted(partition.glob("*.parquet")))
        if files:
            months[partition.name.removeprefix("month=")] = files
    return dict(sorted(months.items()))


def _located(minutes: Path, months: dict[str, tuple[Path, ...]]) -> BarFolder:
    root = minutes.parent
    daily = next((each for each in (root / DAILY, root / _NESTED_DAILY) if each.is_dir()), None)
    actions = (folder / f"{ACTIONS}{suffix}" for folder in (minutes, root)
               for suffix in (".parquet", ".csv"))  # fmt: skip
    return BarFolder(
        root=root,
        months=months,
        daily=_table(daily, "ohlcv"),
        indices=_table(daily, "index"),
        sectors=_table(daily, "sectors"),
        actions=next((each for each in actions if each.is_file()), None),
    )


def _table(folder: Path | None, name: str) -> Path | None:
    table = None if folder is None else folder / f"{name}.parquet"
    return table if table is not None and table.is_file() else None
