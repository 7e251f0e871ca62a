"""Copies sealed days between folders and buckets.

A day's files go first and its manifest last, so a day that has a manifest is complete wherever it
is. Nothing is ever overwritten; what the target has already is compared instead, so a copy that was
cut off goes on where it was. Every file is read back from the target and held against its hash.
Needs obstore; credentials of a bucket come from the environment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from bus.archive import manifest as manifests
from bus.archive.errors import (
    ArchiveDamaged,
    ArchiveFlaw,
    CopyConflict,
    DayNotSealed,
    StoreUnreachable,
)
from bus.archive.libraries import require_obstore
from bus.archive.manifest import MANIFEST, Manifest
from events import AccountId, TradingDate

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_CHUNK: Final = 4 * 1024 * 1024
_RETRY_FOR: Final = timedelta(seconds=30)


class Copied(msgspec.Struct, frozen=True, kw_only=True):
    """One day that is in the target now: how many of its files were written, how many stood there.

    ``bytes`` counts what was written.
    """

    account: AccountId
    trading_date: TradingDate
    written: int
    present: int
    bytes: int


OnBytes = Callable[[str, int, int], None]
"""Told (what, bytes done, bytes in all) while days are copied; bytes count each file once."""


def copy_days(
    source: str,
    target: str,
    *,
    accounts: Sequence[AccountId] | None = None,
    dates: Sequence[TradingDate] | None = None,
    on_bytes: OnBytes = lambda what, done, total: None,
) -> list[Copied]:
    """Copy sealed days from ``source`` to ``target``: folders, or URLs as ``s3://bucket/prefix``.

    All accounts and dates that the source has, unless some are named.

    Raises:
        ColumnsUnavailable: obstore is not installed.
        DayNotSealed: the source lacks a date that is named.
        ArchiveDamaged: a file of the source, or one just written, is not what was sealed.
        CopyConflict: the target has other bytes under the same name; the rest was not copied.
        StoreUnreachable: source or target cannot be read or written.
    """
    require_obstore()
    reading, writing = _Place(source, create=False), _Place(target, create=True)
    days = [
        day
        for account in accounts or reading.accounts()
        for day in _chosen(reading, account, dates)
    ]
    progress = _Progress(on_bytes, sum(day.bytes for _, day in days))
    return [_copy_day(reading, writing, folder, day, progress) for folder, day in days]


def _chosen(
    place: _Place, account: AccountId, dates: Sequence[TradingDate] | None
) -> Iterator[tuple[str, Manifest]]:
    sealed = place.dates(account)
    for date in dates or sealed:
        if date not in sealed:
            raise DayNotSealed(account, date, sealed)
        folder = f"{account}/{date}"
        content = place.read(f"{folder}/{MANIFEST}")
        yield folder, manifests.decode(content, Path(place.name, folder, MANIFEST))


class _Progress:
    def __init__(self, on_bytes: OnBytes, total: int) -> None:
        self._on_bytes = on_bytes
        self._total = total
        self._done = 0

    def add(self, what: str, count: int) -> None:
        self._done += count
        self._on_bytes(what, self._done, self._total)


def _copy_day(
    source: _Place, target: _Place, folder: str, day: Manifest, progress: _Progress
) -> Copied:
    written = total = 0
    for name, facts in day.files.items():
        path = f"{folder}/{name}"
        if not target.has(path):
            content = source.read(path)
            _require(source, folder, name, _digest([content]), facts.digest)
            target.create(path, content)
            written, total = written + 1, total + len(content)
            _require(target, folder, name, target.digest(path), facts.digest)
        elif target.digest(path) != facts.digest:
            raise CopyConflict(target.name, path)
        progress.add(path, facts.bytes)
    path = f"{folder}/{MANIFEST}"
    content = source.read(path)
    if not target.has(path):
        target.create(path, content)
        written, total = written + 1, total + len(content)
    if target.read(path) != content:
        raise CopyConflict(target.name, path)
    return Copied(
        account=day.account,
        trading_date=day.trading_date,
        written=written,
        present=len(day.files) + 1 - written,
        bytes=total,
    )


def _require(place: _Place, folder: str, name: str, found: str, sealed: str) -> None:
    if found != sealed:
        detail = f"its hash is {found[:16]}…, {sealed[:16]}… was sealed"
        flaw = ArchiveFlaw(file=name, kind="changed", detail=detail)
        raise ArchiveDamaged(Path(place.name, folder), [flaw])


class _Place:
    """A folder or bucket that holds ``<account>/<date>/…``."""

    def __init__(self, name: str, *, create: bool) -> None:
        self.name = name
        with self._reachable():
            self._store = _open(name, create=create)

    def accounts(self) -> list[AccountId]:
        return [AccountId(name) for name in self._folders("")]

    def dates(self, account: AccountId) -> list[TradingDate]:
        """Return the dates of the account's sealed days; folders without a manifest are none."""
        return [
            TradingDate(name)
            for name in self._folders(f"{account}/")
            if name.isdecimal() and self.has(f"{account}/{name}/{MANIFEST}")
        ]

    def _folders(self, prefix: str) -> list[str]:
        import obstore

        with self._reachable():
            listed = obstore.list_with_delimiter(self._store, prefix=prefix)
        return sorted(path.rstrip("/").rpartition("/")[2] for path in listed["common_prefixes"])

    def has(self, path: str) -> bool:
        import obstore

        with self._reachable():
            try:
                obstore.head(self._store, path)
            except FileNotFoundError:
                return False
            return True

    def read(self, path: str) -> bytes:
        import obstore

        with self._reachable():
            return bytes(obstore.get(self._store, path).bytes())

    def digest(self, path: str) -> str:
        import obstore

        with self._reachable():
            return _digest(obstore.get(self._store, path).stream(min_chunk_size=_CHUNK))

    def create(self, path: str, content: bytes) -> None:
        """Write a file that must not exist.

        Raises:
            CopyConflict: somebody wrote it in the meantime.
        """
        import obstore

        with self._reachable():
            try:
                # In one request: a conditional write cannot be made of parts.
                obstore.put(self._store, path, content, mode="create")
            except obstore.exceptions.AlreadyExistsError as error:
                raise CopyConflict(self.name, path) from error

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise StoreUnreachable(self.name, reason) from error


def _open(name: str, *, create: bool) -> ObjectStore:
    from obstore.store import LocalStore, from_url

    if "://" in name:
        return from_url(
            name,
            client_options={
                "connect_timeout": "10s",
                "timeout": "10m",
                # Options given here take the place of those from the environment.
                "allow_http": os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true",
            },
            retry_config={"max_retries": 4, "retry_timeout": _RETRY_FOR},
        )
    return LocalStore(Path(name).resolve(), mkdir=create)


def _digest(chunks: Iterator[bytes] | Sequence[bytes]) -> str:
    found = blake2b(digest_size=32)
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()
