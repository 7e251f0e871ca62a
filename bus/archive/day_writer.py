"""Writes the columns of one day, block by block, so that memory does not grow with the day.

Each block's rows are spooled to files of their own; when the day is complete they are streamed into
one Parquet file per family. ``entries.parquet`` has one row per entry whatever its family: it holds
the order of the log.
"""

from __future__ import annotations

import zlib
from collections import Counter
from hashlib import blake2b, file_digest
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bus.archive.chain import Chain
from bus.archive.columns import place
from bus.archive.families import ENTRIES
from bus.archive.manifest import FileFacts
from bus.log import Recorded

if TYPE_CHECKING:
    import polars as pl

BLOCK: Final = 32_768
"""Entries of a block, and rows of a row group: what is in memory at one time."""


class DayWriter:
    """Takes the entries of one day in order with ``add``; ``finish`` writes the files."""

    def __init__(self, spool: Path, chain_start: str) -> None:
        """Write parts into ``spool``, an empty folder; the chain goes on from ``chain_start``."""
        self._spool = spool
        self._chain = Chain(chain_start)
        self._block: list[Recorded] = []
        self._parts: dict[str, list[Path]] = {}
        self._rows: Counter[str] = Counter()
        self.families: Counter[str] = Counter()
        self.types: Counter[str] = Counter()

    @property
    def digest(self) -> str:
        """The chain's hash over everything added."""
        return self._chain.digest

    def add(self, recorded: Recorded) -> None:
        """Take the next entry."""
        self._chain.add(recorded)
        self._block.append(recorded)
        if len(self._block) >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        block, self._block = self._block, []
        if not block:
            return
        placed = place(block)
        self.families.update(placed.families)
        self.types.update(tag for tag in placed.types if tag is not None)
        self._spool_part(ENTRIES, _spine(block, placed.families, placed.types))
        for family, frame in placed.frames.items():
            self._spool_part(family, frame)

    def _spool_part(self, name: str, frame: pl.DataFrame) -> None:
        parts = self._parts.setdefault(name, [])
        part = self._spool / f"{name}-{len(parts):06}.arrow"
        frame.write_ipc(part)
        parts.append(part)
        self._rows[name] += frame.height

    def finish(self, folder: Path) -> dict[str, FileFacts]:
        """Write one file per family into ``folder`` and return what they are, by name."""
        import polars as pl

        self._flush()
        facts: dict[str, FileFacts] = {}
        for name, parts in sorted(self._parts.items()):
            file = folder / f"{name}.parquet"
            pl.scan_ipc(parts).sink_parquet(
                file,
                compression="zstd",
                statistics=True,
                row_group_size=BLOCK,
                maintain_order=True,
                sync_on_close="all",
            )
            facts[file.name] = FileFacts(
                rows=self._rows[name], bytes=file.stat().st_size, digest=digest_of(file)
            )
            for part in parts:
                part.unlink()
        return facts


def spine_schema() -> dict[str, pl.DataType]:
    """Return the columns of ``entries.parquet`` and their types."""
    import polars as pl

    return {
        "sequence": pl.Int64(),
        "stored_at": pl.Int64(),
        "family": pl.String(),
        "type": pl.String(),
        "subject": pl.String(),
        "identity": pl.String(),
        "checksum": pl.UInt32(),
    }


def _spine(block: list[Recorded], families: list[str], types: list[str | None]) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {
            "sequence": [recorded.sequence for recorded in block],
            "stored_at": [recorded.stored_at for recorded in block],
            "family": families,
            "type": types,
            "subject": [recorded.subject for recorded in block],
            "identity": [recorded.identity for recorded in block],
            "checksum": [zlib.crc32(recorded.payload) for recorded in block],
        },
        schema=spine_schema(),
    )


def digest_of(file: Path) -> str:
    """Return the BLAKE2b-256 of a file in hex."""
    with file.open("rb") as content:
        return file_digest(content, lambda: blake2b(digest_size=32)).hexdigest()
