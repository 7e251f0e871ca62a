"""The store of imported bars and ticks: Parquet by month or day, with a manifest of what is in it.

``minutes/month=2025-09/bars.parquet`` holds bars, ``ticks/date=2025-09-15/ticks.parquet`` ticks;
polars, duckdb and anybody else read them as a hive-partitioned data set. ``manifest.json`` holds
the hash and row count of every file, every symbol's sessions (bars, first, last, volume) and every
import. What always holds: of two downloads of a bar the one taken later stays, and each bar that
changed is written down in ``revisions.jsonl``; a file is replaced whole or not at all; importing
the same download again changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import polars as pl

from events.calendar import kst
from research.datasets.bar_folder import MINUTES, TICKS, content_digest
from research.datasets.errors import UnusableData
from research.datasets.incoming import Download, final

MANIFEST: Final = "manifest.json"
REVISIONS: Final = "revisions.jsonl"
FORMAT: Final = 1

_FIGURES: Final = ("open", "high", "low", "close", "volume")
_KEY: Final = ("symbol", "time")

Session = tuple[str, int, str, str, int]
"""Date, bars, first and last (HH:MM), volume in shares."""


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file of the store; ``sha256`` is that of its bytes (hex)."""

    path: str
    sha256: str
    rows: int


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """One import: what it came from, when that was taken (ISO, KST) and what it did."""

    origin: str
    sha256: str
    vintage: str
    known_final: bool
    added: int
    revised: int
    refused: int
    notes: tuple[str, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a store holds. ``sessions`` are by symbol, in order of date."""

    format: int = FORMAT
    files: tuple[StoredFile, ...] = ()
    sessions: dict[str, tuple[Session, ...]] = {}
    imports: tuple[Import, ...] = ()


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """A bar of which two downloads say different things: open, high, low, close, volume.

    ``kept`` is what stands in the store, the later download's; ``dropped`` is the other's.
    """

    origin: str
    symbol: str
    time: str
    kept: tuple[int, ...]
    dropped: tuple[int, ...]


class BarStore:
    """A store in a folder, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @property
    def manifest(self) -> Manifest:
        """What the store holds; an empty one where there is none yet.

        Raises:
            UnusableData: the manifest cannot be read.
        """
        path = self._root / MANIFEST
        if not path.is_file():
            return Manifest()
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except msgspec.MsgspecError as error:
            raise UnusableData(path, f"it is no manifest: {error}") from error
        if found.format != FORMAT:
            raise UnusableData(path, f"it is of format {found.format}, this reads {FORMAT}")
        return found

    def changed_files(self) -> tuple[str, ...]:
        """Return the files that are not what the manifest says, missing ones included."""
        return tuple(
            each.path
            for each in self.manifest.files
            if not (self._root / each.path).is_file()
            or content_digest(self._root / each.path) != each.sha256
        )

    def add_bars(self, download: Download) -> tuple[Import, tuple[Revision, ...]]:
        """Take in minute bars; return what that did, revised bars in order of symbol and time.

        Raises:
            UnusableData: a file of the store cannot be read.
        """
        manifest = self.manifest
        frame, notes = final(download)
        stamped = frame.with_columns(pl.lit(download.vintage).alias("vintage"))
        added = refused = 0
        revisions: list[Revision] = []
        written: dict[str, StoredFile] = {}
        sessions: dict[str, dict[str, Session]] = {}
        for month, part in _by(stamped, pl.col("time").dt.strftime("%Y-%m")):
            path = f"{MINUTES}/month={month}/bars.parquet"
            before = _stored(self._root / path, part)
            merged, differing = _merged(before, part)
            added += len(merged) - len(before)
            changed = list(_revisions(download.origin, differing))
            refused += sum(1 for each in differing["new_is_kept"].to_list() if not each)
            revisions += changed
            written[path] = self._write(path, merged)
            for symbol, session in _sessions(merged):
                sessions.setdefault(symbol, {})[session[0]] = session
        done = _import(download, notes, added, len(revisions) - refused, refused)
        self._note(revisions)
        self._save(manifest, written, sessions, done)
        return done, tuple(revisions)

    def add_ticks(self, download: Download) -> tuple[Import, tuple[Revision, ...]]:
        """Take in ticks, and the minute bars that they make.

        A later download's ticks of a symbol and day take the place of an earlier one's.
        """
        written: dict[str, StoredFile] = {}
        stamped = download.frame.with_columns(pl.lit(download.vintage).alias("vintage"))
        for day, part in _by(stamped, pl.col("time").dt.strftime("%Y-%m-%d")):
            path = f"{TICKS}/date={day}/ticks.parquet"
            before = _stored(self._root / path, part)
            newer = part.join(
                before.group_by("symbol").agg(pl.col("vintage").max().alias("known")),
                on="symbol",
                how="left",
            ).filter(pl.col("known").is_null() | (pl.col("known") <= pl.col("vintage")))
            kept = before.join(newer.select("symbol").unique(), on="symbol", how="anti")
            whole = pl.concat([kept, newer.select(part.columns)])
            whole = whole.sort("symbol", "time", maintain_order=True)
            written[path] = self._write(path, whole)
        self._save(self.manifest, written, {}, None)
        return self.add_bars(download._replace(frame=bars_of_ticks(download.frame)))

    def _write(self, path: str, frame: pl.DataFrame) -> StoredFile:
        file = self._root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_suffix(".partial")
        frame.write_parquet(partial, compression="zstd")
        os.replace(partial, file)
        return StoredFile(path=path, sha256=content_digest(file), rows=len(frame))

    def _note(self, revisions: list[Revision]) -> None:
        if revisions:
            self._root.mkdir(parents=True, exist_ok=True)
            with (self._root / REVISIONS).open("ab") as lines:
                lines.writelines(msgspec.json.encode(each) + b"\n" for each in revisions)

    def _save(
        self,
        before: Manifest,
        written: dict[str, StoredFile],
        sessions: dict[str, dict[str, Session]],
        done: Import | None,
    ) -> None:
        files = {each.path: each for each in before.files} | written
        known = {
            symbol: {each[0]: each for each in rows} for symbol, rows in before.sessions.items()
        }
        for symbol, rows in sessions.items():
            known[symbol] = known.get(symbol, {}) | rows
        manifest = Manifest(
            files=tuple(files[path] for path in sorted(files)),
            sessions={
                symbol: tuple(known[symbol][day] for day in sorted(known[symbol]))
                for symbol in sorted(known)
            },
            imports=before.imports if done is None else (*before.imports, done),
        )
        self._root.mkdir(parents=True, exist_ok=True)
        partial = self._root / f"{MANIFEST}.partial"
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        os.replace(partial, self._root / MANIFEST)


def bars_of_ticks(ticks: pl.DataFrame) -> pl.DataFrame:
    """Return the minute bars that ticks make; ticks are in order within each symbol."""
    return (
        ticks.with_columns(pl.col("time").dt.truncate("1m"))
        .group_by("symbol", "time", maintain_order=True)
        .agg(
            pl.col("price").first().alias("open"),
            pl.col("price").max().alias("high"),
            pl.col("price").min().alias("low"),
            pl.col("price").last().alias("close"),
            pl.col("quantity").sum().alias("volume"),
            (pl.col("price") * pl.col("quantity")).sum().alias("value"),
        )
    )


def _import(
    download: Download, notes: tuple[str, ...], added: int, revised: int, refused: int
) -> Import:
    return Import(
        origin=download.origin,
        sha256=download.digest,
        vintage=kst(download.vintage).isoformat(timespec="seconds"),
        known_final=download.taken is not None,
        added=added,
        revised=revised,
        refused=refused,
        notes=notes,
    )


def _by(frame: pl.DataFrame, key: pl.Expr) -> Iterator[tuple[str, pl.DataFrame]]:
    for (name,), part in sorted(frame.group_by(key, maintain_order=True), key=lambda each: each[0]):
        yield str(name), part


def _stored(file: Path, like: pl.DataFrame) -> pl.DataFrame:
    if not file.is_file():
        return like.clear()
    try:
        return pl.read_parquet(file, hive_partitioning=False).select(like.columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UnusableData(file, f"it cannot be read: {error}") from error


def _merged(before: pl.DataFrame, new: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return all bars, of each the later download's, and those on which the two differ."""
    both = before.join(new, on=_KEY, how="inner", suffix="_new").with_columns(
        (pl.col("vintage_new") >= pl.col("vintage")).alias("new_is_kept")
    )
    differing = both.filter(pl.any_horizontal(pl.col(name) != pl.col(f"{name}_new")
                                              for name in _FIGURES)).sort(_KEY)  # fmt: skip
    whole = pl.concat([before, new]).sort(*_KEY, "vintage", maintain_order=True)
    return whole.unique(_KEY, keep="last", maintain_order=True), differing


def _revisions(origin: str, differing: pl.DataFrame) -> Iterator[Revision]:
    for row in differing.iter_rows(named=True):
        old = tuple(row[name] for name in _FIGURES)
        new = tuple(row[f"{name}_new"] for name in _FIGURES)
        kept, dropped = (new, old) if row["new_is_kept"] else (old, new)
        yield Revision(
            origin=origin,
            symbol=row["symbol"],
            time=f"{row['time']:%Y-%m-%d %H:%M}",
            kept=kept,
            dropped=dropped,
        )


def _sessions(bars: pl.DataFrame) -> Iterator[tuple[str, Session]]:
    day = pl.col("time").dt.strftime("%Y-%m-%d").alias("day")
    grouped = bars.group_by("symbol", day, maintain_order=True).agg(
        pl.len(),
        pl.col("time").min().dt.strftime("%H:%M").alias("first"),
        pl.col("time").max().dt.strftime("%H:%M").alias("last"),
        pl.col("volume").sum(),
    )
    for symbol, *session in grouped.iter_rows():
        yield symbol, (session[0], session[1], session[2], session[3], session[4])
