"""One sealed day, read in blocks: the entries as they stood on the log, byte for byte.

``entries.parquet`` gives order, subject, identity and time of a block of entries; the families'
files give their payloads. Every payload is held against the checksum it was sealed with, so a day
that is damaged is never read as another day.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bus.archive import manifest as manifests
from bus.archive.collection import without_collection
from bus.archive.columns import payloads
from bus.archive.day_writer import BLOCK
from bus.archive.errors import ArchiveDamaged, ArchiveFlaw
from bus.archive.families import ENTRIES, OTHER
from bus.archive.libraries import require_polars
from bus.archive.manifest import Manifest
from bus.log import Recorded
from bus.topics import matches
from events import Delivery, codec, subjects
from events.errors import CodecError

if TYPE_CHECKING:
    import polars as pl

_EVERYTHING: Final = (">",)


class SealedDay:
    """Reads one day's folder; build with ``open``."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Take a folder and its manifest; ``open`` does this."""
        self.folder = folder
        self.manifest = manifest
        self._cut = len(subjects.subject(manifest.account, ""))

    @classmethod
    def open(cls, folder: Path) -> SealedDay:
        """Open a sealed day; that all files are there in their size is checked, nothing else.

        Raises:
            ColumnsUnavailable: polars is not installed.
            ManifestUnreadable: no manifest, or one that cannot be read.
            ArchiveDamaged: a file is missing or of another size.
        """
        require_polars()
        manifest = manifests.read(folder)
        if flaws := list(size_flaws(folder, manifest)):
            raise ArchiveDamaged(folder, flaws)
        return cls(folder, manifest)

    def frame(self, family: str) -> pl.LazyFrame:
        """Return the rows of a family's file, in log order; without rows when the day has none.

        ``entries`` is the file of all entries. Columns: docs/recordings.md.
        """
        import polars as pl

        from bus.archive.columns import schema

        file = self.folder / f"{family}.parquet"
        if file.name in self.manifest.files:
            return pl.scan_parquet(file, glob=False)
        return pl.LazyFrame(schema=schema(family))

    def blocks(
        self, *, after: int = 0, topics: Sequence[str] = _EVERYTHING
    ) -> Iterator[list[Recorded]]:
        """Yield the entries past sequence ``after`` on ``topics``, in order, block by block.

        A block may be empty: that of a stretch without any of them.

        Raises:
            ArchiveDamaged: an entry does not give the bytes it was sealed with.
        """
        wanted = None if tuple(topics) == _EVERYTHING else _Wanted(topics, self._cut)
        for begin, end in self.ranges(after=after):
            yield self.block(begin, end, wanted)

    def ranges(self, *, after: int = 0) -> Iterator[tuple[int, int]]:
        """Yield first and last sequence of each block past sequence ``after``.

        Blocks are those of the row groups, whichever entry reading starts at.
        """
        first, last = self.manifest.first, self.manifest.last
        begin = max(after + 1, first)
        while begin <= last:
            end = min(first + ((begin - first) // BLOCK + 1) * BLOCK - 1, last)
            yield begin, end
            begin = end + 1

    def deliveries(
        self, *, after: int = 0, topics: Sequence[str] = _EVERYTHING
    ) -> Iterator[list[Delivery]]:
        """Yield the day's events with their sequences, in order, block by block.

        Entries that are no events are passed over; the runner sets them aside as well.

        Raises:
            ArchiveDamaged: an entry does not give the bytes it was sealed with.
        """
        for block in self.blocks(after=after, topics=topics):
            yield _decoded(block)

    def get(self, sequence: int) -> Recorded | None:
        """Return the entry at a sequence, ``None`` when it is of no concern to this day."""
        if not self.manifest.first <= sequence <= self.manifest.last:
            return None
        return self.block(sequence, sequence)[0]

    def last(self, topic: str) -> Recorded | None:
        """Return the day's last entry on a topic (no wildcards)."""
        import polars as pl

        subject = subjects.subject(self.manifest.account, topic)
        rows = self._read(
            self.frame(ENTRIES).filter(pl.col("subject") == subject).select(pl.max("sequence")),
            ENTRIES,
        )
        sequence = rows.item()
        return None if sequence is None else self.get(sequence)

    def block(
        self, begin: int, end: int, wanted: Callable[[str], bool] | None = None
    ) -> list[Recorded]:
        """Return the entries ``begin``..``end``, of which all are in the day; subjects ``wanted``.

        Raises:
            ArchiveDamaged: an entry does not give the bytes it was sealed with.
        """
        import polars as pl

        skipped, count = begin - self.manifest.first, end - begin + 1
        spine = self._read(self.frame(ENTRIES).slice(skipped, count), ENTRIES)
        if spine.height != count or spine["sequence"][0] != begin or spine["sequence"][-1] != end:
            raise self._damaged(ENTRIES, "row", f"entries {begin:,}..{end:,} are not all there")
        if wanted is not None:
            chosen = [name for name in spine["subject"].unique().to_list() if wanted(name)]
            spine = spine.filter(pl.col("subject").is_in(chosen))
        sequences = spine["sequence"].to_list()
        found: dict[int, bytes] = {}
        for family in spine["family"].unique().to_list():
            rows = spine.filter(pl.col("family") == family)["sequence"]
            found.update(self._payloads(family, rows))
        columns = (
            sequences,
            spine["subject"].to_list(),
            self._as_sealed(spine, sequences, found),
            spine["identity"].to_list(),
            spine["stored_at"].to_list(),
        )
        return list(map(Recorded, *columns))

    def _payloads(self, family: str, sequences: pl.Series) -> Iterator[tuple[int, bytes]]:
        import polars as pl

        begin, end = sequences[0], sequences[-1]
        rows = self._read(
            self.frame(family).filter(pl.col("sequence").is_between(begin, end)), family
        )
        if rows.height > len(sequences):
            rows = rows.filter(pl.col("sequence").is_in(sequences.implode()))
        if family == OTHER:
            yield from zip(rows["sequence"].to_list(), rows["payload"].to_list(), strict=True)
            return
        for tag in rows["type"].unique().to_list():
            layout = self.manifest.layouts.get(tag)
            if layout is None:
                raise self._damaged(family, "row", f"rows of type {tag!r}, which the day has not")
            part = rows.filter(pl.col("type") == tag)
            yield from zip(*payloads(tag, layout, part), strict=True)

    def _read(self, query: pl.LazyFrame, family: str) -> pl.DataFrame:
        import polars as pl

        try:
            return query.collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise self._damaged(family, "unreadable", _first_line(error)) from error

    def _as_sealed(
        self, spine: pl.DataFrame, sequences: Sequence[int], found: Mapping[int, bytes]
    ) -> list[bytes]:
        checksums = spine["checksum"].to_list()
        taken = [found[sequence] for sequence in sequences if sequence in found]
        if list(map(zlib.crc32, taken)) == checksums:
            return taken
        flaws = []
        for sequence, family, checksum in zip(
            sequences, spine["family"].to_list(), checksums, strict=True
        ):
            payload = found.get(sequence)
            if payload is None:
                flaws.append(_row_flaw(family, f"it has no row for entry {sequence:,}"))
            elif zlib.crc32(payload) != checksum:
                flaws.append(_row_flaw(family, f"entry {sequence:,} is not what was sealed"))
        raise ArchiveDamaged(self.folder, flaws)

    def _damaged(self, family: str, kind: str, detail: str) -> ArchiveDamaged:
        flaw = ArchiveFlaw(file=f"{family}.parquet", kind=kind, detail=detail)
        return ArchiveDamaged(self.folder, [flaw])


class _Wanted:
    """Whether a subject is on any of some topics; each subject is looked at once."""

    def __init__(self, topics: Sequence[str], cut: int) -> None:
        self._topics = tuple(topics)
        self._cut = cut
        self._known: dict[str, bool] = {}

    def __call__(self, subject: str) -> bool:
        known = self._known.get(subject)
        if known is None:
            topic = subject[self._cut :]
            known = any(matches(pattern, topic) for pattern in self._topics)
            self._known[subject] = known
        return known


def size_flaws(folder: Path, manifest: Manifest) -> Iterator[ArchiveFlaw]:
    """Yield the files of a day that are missing or of another size than was sealed."""
    for name, facts in manifest.files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            yield ArchiveFlaw(file=name, kind="missing", detail="the file is missing")
            continue
        if size != facts.bytes:
            kind = "truncated" if size < facts.bytes else "changed"
            detail = f"it has {size:,} bytes, {facts.bytes:,} were sealed"
            yield ArchiveFlaw(file=name, kind=kind, detail=detail)


def _row_flaw(family: str, detail: str) -> ArchiveFlaw:
    return ArchiveFlaw(file=f"{family}.parquet", kind="row", detail=detail)


@without_collection()
def _decoded(block: Sequence[Recorded]) -> list[Delivery]:
    try:
        return [Delivery(each.sequence, codec.decode(each.payload)) for each in block]
    except CodecError:
        return list(_decodable(block))


def _decodable(block: Sequence[Recorded]) -> Iterator[Delivery]:
    for recorded in block:
        try:
            yield Delivery(recorded.sequence, codec.decode(recorded.payload))
        except CodecError:
            continue


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
