"""The manifest of a sealed day: what it holds, and the hashes by which that is proved.

A folder is a sealed day when it holds a manifest, and the manifest is the last thing to come into
being. This module reads no columns, so that what is sealed can be told without any library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from bus.archive.errors import ManifestUnreadable
from bus.archive.families import Layout
from events import AccountId, TradingDate
from events.errors import EventError
from events.identifiers import require_token

SCHEMA: Final = 1
"""Version of files and columns. It changes when older code could misread a day."""

MANIFEST: Final = "manifest.json"


class FileFacts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of a day: its rows, its size, and its BLAKE2b-256 (hex)."""

    rows: int
    bytes: int
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a sealed day is.

    It holds the log entries ``first``..``last`` without a hole; ``opening`` is the sequence of the
    session's ``SessionOpened``, which others may precede. ``stream`` and ``created`` name the log,
    ``stored_from`` and ``stored_until`` are the server's times of the first and last entry (ns
    UTC). ``families`` and ``types`` count entries; ``layouts`` says how each type is laid out in
    columns. The chain goes from ``chain_start``, which is the day before's ``chain_end``.
    """

    schema: int
    account: AccountId
    trading_date: TradingDate
    stream: str
    created: str
    first: int
    opening: int
    last: int
    stored_from: int
    stored_until: int
    families: dict[str, int]
    types: dict[str, int]
    layouts: dict[str, Layout]
    files: dict[str, FileFacts]
    chain_start: str
    chain_end: str
    code_version: str

    @property
    def entries(self) -> int:
        """How many log entries the day holds."""
        return self.last - self.first + 1

    @property
    def bytes(self) -> int:
        """The size of its files, without the manifest's."""
        return sum(file.bytes for file in self.files.values())


class _SchemaOnly(msgspec.Struct):
    schema: int


def encode(manifest: Manifest) -> bytes:
    """Return the bytes of a manifest file."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(content: bytes, file: Path) -> Manifest:
    """Return the manifest in the bytes of ``file``.

    Raises:
        ManifestUnreadable: no manifest, or one of another schema.
    """
    try:
        schema = msgspec.json.decode(content, type=_SchemaOnly).schema
        if schema != SCHEMA:
            raise ManifestUnreadable(file, f"it has schema {schema}, this version reads {SCHEMA}")
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, EventError) as error:
        raise ManifestUnreadable(file, str(error)) from error


def read(folder: Path) -> Manifest:
    """Return the manifest of the sealed day in ``folder``.

    Raises:
        ManifestUnreadable: there is none, or it cannot be read.
    """
    file = folder / MANIFEST
    try:
        return decode(file.read_bytes(), file)
    except OSError as error:
        raise ManifestUnreadable(file, error.strerror or str(error)) from error


def account_folder(recordings: Path, account: AccountId) -> Path:
    """Return ``<recordings>/<account>``.

    Raises:
        InvalidIdentifier: the account is no token.
    """
    return recordings / require_token("account", account)


def sealed_dates(recordings: Path, account: AccountId) -> list[TradingDate]:
    """Return the dates of an account's sealed days, oldest first; nothing of them is read."""
    folder = account_folder(recordings, account)
    if not folder.is_dir():
        return []
    return sorted(
        TradingDate(day.name)
        for day in folder.iterdir()
        if day.name.isdecimal() and (day / MANIFEST).exists()
    )


def sealed_days(recordings: Path, account: AccountId) -> list[Manifest]:
    """Return the manifests of an account's sealed days, in the order of the log.

    Raises:
        ManifestUnreadable: one of them cannot be read.
    """
    folder = account_folder(recordings, account)
    found = [read(folder / date) for date in sealed_dates(recordings, account)]
    return sorted(found, key=lambda manifest: manifest.first)
