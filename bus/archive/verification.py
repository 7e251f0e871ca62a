"""Proves that a sealed day is what was sealed, or names what is wrong and where.

First every file against its size and hash, then the content: each entry is put together again and
held against its checksum, counts are counted, the chain is computed. The manifest itself is proved
by the days around it, whose chains start and end with its own, and by ``DaySealed`` on the log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from bus.archive import manifest as manifests
from bus.archive.chain import Chain
from bus.archive.day_writer import digest_of
from bus.archive.errors import ArchiveDamaged, ArchiveFlaw, ManifestUnreadable
from bus.archive.families import ENTRIES
from bus.archive.libraries import require_polars
from bus.archive.manifest import MANIFEST, Manifest
from bus.archive.sealed_day import SealedDay, size_flaws
from events import AccountId, TradingDate

_MOST_NAMED: Final = 5
"""Flaws named of one file and kind; what follows from one damaged block is of no more use."""

OnDay = Callable[[str, int, int], None]
"""Told (date, entries done, entries in all) while a day is verified."""


class DayReport(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying one day showed; ``manifest`` is ``None`` when it cannot be read."""

    trading_date: TradingDate
    manifest: Manifest | None
    flaws: tuple[ArchiveFlaw, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.flaws


def verify_days(
    recordings: Path,
    account: AccountId,
    dates: Sequence[TradingDate] | None = None,
    *,
    on_day: OnDay = lambda date, done, total: None,
) -> list[DayReport]:
    """Verify an account's sealed days, all of them or those of ``dates``, oldest first.

    Days that do not continue each other are a flaw of the later one's manifest.

    Raises:
        ColumnsUnavailable: polars is not installed.
    """
    folder = manifests.account_folder(recordings, account)
    chosen = manifests.sealed_dates(recordings, account) if dates is None else sorted(dates)
    reports = [verify_day(folder / date, on_day=on_day) for date in chosen]
    joined = reports[:1]
    for before, after in pairwise(reports):
        flaw = None if dates is not None else _break(before.manifest, after.manifest)
        joined.append(
            after if flaw is None else msgspec.structs.replace(after, flaws=(*after.flaws, flaw))
        )
    return joined


def verify_day(folder: Path, *, on_day: OnDay = lambda date, done, total: None) -> DayReport:
    """Verify the sealed day in ``folder``.

    Raises:
        ColumnsUnavailable: polars is not installed.
    """
    require_polars()
    date = TradingDate(folder.name)
    try:
        manifest = manifests.read(folder)
    except ManifestUnreadable as error:
        flaw = ArchiveFlaw(file=MANIFEST, kind="unreadable", detail=str(error))
        return DayReport(trading_date=date, manifest=None, flaws=(flaw,))
    flaws = [*_identity_flaws(folder, manifest), *_file_flaws(folder, manifest)]
    missing = {flaw.file for flaw in flaws if flaw.kind == "missing"}
    if f"{ENTRIES}.parquet" not in missing:
        found = _content_flaws(SealedDay(folder, manifest), missing, on_day)
        # Where a file is another one, that the manifest does not fit it says nothing more.
        flaws += [flaw for flaw in found if not flaws or flaw.file != MANIFEST]
    return DayReport(trading_date=date, manifest=manifest, flaws=tuple(flaws))


def _identity_flaws(folder: Path, manifest: Manifest) -> list[ArchiveFlaw]:
    place = (folder.parent.name, folder.name)
    if (manifest.account, manifest.trading_date) == place:
        return []
    detail = (
        f"it is of account {manifest.account} and date {manifest.trading_date}, not of "
        f"{'/'.join(place)}"
    )
    return [ArchiveFlaw(file=MANIFEST, kind="manifest", detail=detail)]


def _file_flaws(folder: Path, manifest: Manifest) -> list[ArchiveFlaw]:
    flaws = list(size_flaws(folder, manifest))
    odd = {flaw.file for flaw in flaws}
    for name, facts in manifest.files.items():
        if name not in odd and (found := digest_of(folder / name)) != facts.digest:
            detail = f"its hash is {found[:16]}…, {facts.digest[:16]}… was sealed"
            flaws.append(ArchiveFlaw(file=name, kind="changed", detail=detail))
    known = {*manifest.files, MANIFEST}
    for file in sorted(folder.iterdir()):
        if file.name not in known:
            detail = "it is no part of the day that was sealed"
            flaws.append(ArchiveFlaw(file=file.name, kind="unexpected", detail=detail))
    return flaws


def _content_flaws(day: SealedDay, missing: set[str], on_day: OnDay) -> list[ArchiveFlaw]:
    manifest = day.manifest
    chain = Chain(manifest.chain_start)
    flaws: list[ArchiveFlaw] = []
    for begin, end in day.ranges():
        try:
            for recorded in day.block(begin, end):
                chain.add(recorded)
        except ArchiveDamaged as error:
            flaws += error.flaws
        on_day(manifest.trading_date, end - manifest.first + 1, manifest.entries)
    flaws += _row_counts(day, missing)
    if not flaws:
        flaws += _entry_counts(day)
    if not flaws and chain.digest != manifest.chain_end:
        detail = (
            f"the chain over all entries ends with {chain.digest[:16]}…, the manifest says "
            f"{manifest.chain_end[:16]}…"
        )
        flaws.append(ArchiveFlaw(file=MANIFEST, kind="chain", detail=detail))
    # Of a file that is known to be missing, that says enough.
    return _fewer([flaw for flaw in flaws if flaw.file not in missing])


def _row_counts(day: SealedDay, missing: set[str]) -> list[ArchiveFlaw]:
    import polars as pl

    flaws = []
    for name, facts in day.manifest.files.items():
        if name in missing:
            continue
        try:
            rows = pl.scan_parquet(day.folder / name, glob=False).select(pl.len()).collect().item()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            detail = (str(error).splitlines() or [type(error).__name__])[0]
            flaws.append(ArchiveFlaw(file=name, kind="unreadable", detail=detail))
            continue
        if rows != facts.rows:
            detail = f"it has {rows:,} rows, {facts.rows:,} were sealed"
            flaws.append(ArchiveFlaw(file=name, kind="count", detail=detail))
    return flaws


def _entry_counts(day: SealedDay) -> list[ArchiveFlaw]:
    manifest = day.manifest
    counted = day.frame(ENTRIES).select("family", "type").collect()
    families = dict(sorted(Counter(counted["family"].to_list()).items()))
    types = dict(sorted(Counter(counted["type"].drop_nulls().to_list()).items()))
    flaws = []
    for what, found, said in (
        ("families", families, manifest.families),
        ("types", types, manifest.types),
    ):
        if found != said:
            differing = sorted(
                name for name in {*found, *said} if found.get(name, 0) != said.get(name, 0)
            )
            name = differing[0]
            detail = f"of {what}, {name} is counted {said.get(name, 0):,}, {found.get(name, 0):,} "
            detail += "are there"
            flaws.append(ArchiveFlaw(file=MANIFEST, kind="count", detail=detail))
    return flaws


def _break(before: Manifest | None, after: Manifest | None) -> ArchiveFlaw | None:
    if before is None or after is None:
        return None
    if after.first == before.last + 1 and after.chain_start == before.chain_end:
        return None
    detail = (
        f"it begins at entry {after.first:,} after hash {after.chain_start[:16]}…, but "
        f"{before.trading_date} ends at {before.last:,} with {before.chain_end[:16]}…"
    )
    return ArchiveFlaw(file=MANIFEST, kind="chain", detail=detail)


def _fewer(flaws: Sequence[ArchiveFlaw]) -> list[ArchiveFlaw]:
    """Return the first flaws of each file and kind, and how many more there are."""
    kept: list[ArchiveFlaw] = []
    seen: Counter[tuple[str, str]] = Counter()
    for flaw in flaws:
        seen[flaw.file, flaw.kind] += 1
        if seen[flaw.file, flaw.kind] <= _MOST_NAMED:
            kept.append(flaw)
    for (file, kind), count in seen.items():
        if count > _MOST_NAMED:
            detail = f"and {count - _MOST_NAMED:,} more of the kind"
            kept.append(ArchiveFlaw(file=file, kind=kind, detail=detail))
    return kept
