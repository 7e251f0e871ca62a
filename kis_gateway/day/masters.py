"""The broker's master files: fetched once a day, kept as downloaded, read into typed records.

Zip archives of one fixed-width file each, served without login and renewed before each session.
What always holds: the file as downloaded is in the data folder, whole, before anything is made of
it, so that what was decided by it can be looked up; a second start of the day reads it from there;
a file that cannot be had or read is a typed error, never an empty universe.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Final

import httpx
import msgspec

from bus import TimeSource
from events import Symbol, TradingDate
from events.market import InstrumentKind
from events.signal import MasterFileRead
from kis_gateway.conditions import Conditions
from kis_gateway.day import master_records
from kis_gateway.day.instruments import Instrument
from kis_gateway.day.master_records import LISTINGS
from kis_gateway.errors import MasterFileError, MasterUnavailable
from kis_gateway.publisher import Publisher

MASTER_URL: Final = "https://new.real.download.dws.co.kr"
"""Where KIS serves them; the path is ``/common/master/<name>.mst.zip``."""

OTHER_FILES: Final = ("idxcode", "theme_code", "memcode")

_LARGEST: Final = 64 << 20
"""Bytes that one unpacked file may have; the largest has a few."""

_NO_ARCHIVE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    RuntimeError,
    OverflowError,
)
"""What zipfile raises over damaged archives: it trusts their offsets, sizes, flags and names."""

_TIMEOUT: Final = 30.0
_ATTEMPTS: Final = 3
_PAUSE: Final = 5.0


class MasterFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a day: its unpacked content, and the SHA-256 (hex) of it as downloaded."""

    name: str
    digest: str
    content: bytes


class MasterFiles:
    """Fetches and keeps master files. Shares the caller's HTTP client."""

    def __init__(
        self, http: httpx.AsyncClient, folder: Path, time: TimeSource, base_url: str = MASTER_URL
    ) -> None:
        """``folder`` gets one folder per date with the files as downloaded."""
        self._http = http
        self._folder = folder
        self._time = time
        self._base_url = base_url.rstrip("/")

    async def fetch(self, name: str, day: TradingDate) -> MasterFile:
        """Return a file of a day, from the folder when it is there, else from the broker.

        Raises:
            MasterUnavailable: it cannot be had, or what came is no archive of one file.
        """
        path = self._folder / day / f"{name}.mst.zip"
        if path.exists():
            return _unpacked(name, await asyncio.to_thread(path.read_bytes))
        archive = await self._download(name)
        file = _unpacked(name, archive)
        await asyncio.to_thread(_keep, path, archive)
        return file

    async def _download(self, name: str) -> bytes:
        url = f"{self._base_url}/common/master/{name}.mst.zip"
        reason = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._time.sleep(_PAUSE)
            try:
                answer = await self._http.get(url, timeout=self._time.timeout(_TIMEOUT))
            except httpx.HTTPError as error:
                reason = f"{type(error).__name__} {error}"
                continue
            if answer.status_code == httpx.codes.OK:
                return answer.content
            reason = f"HTTP {answer.status_code}"
        raise MasterUnavailable(name, f"{url}: {reason} ({_ATTEMPTS} attempts)")


def _unpacked(name: str, archive: bytes) -> MasterFile:
    try:
        with zipfile.ZipFile(BytesIO(archive)) as packed:
            members = packed.infolist()
            if len(members) != 1 or members[0].file_size > _LARGEST:
                raise MasterUnavailable(
                    name, f"an archive of {len(members)} files instead of one of a few megabytes"
                )
            content = packed.read(members[0])
    except _NO_ARCHIVE as error:
        raise MasterUnavailable(name, f"what came is no zip archive ({error})") from error
    return MasterFile(name=name, digest=hashlib.sha256(archive).hexdigest(), content=content)


def _keep(path: Path, archive: bytes) -> None:
    """Write whole or not at all: a crash in between leaves no half file under the final name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(archive)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class MasterReading:
    """Reads the day's master files onto the log and remembers what every issue is."""

    def __init__(
        self,
        files: MasterFiles,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        day: TradingDate,
    ) -> None:
        self._files = files
        self._publisher = publisher
        self._conditions = conditions
        self._time = time
        self._day = day
        self._instruments: dict[Symbol, Instrument] = {}

    @property
    def instruments(self) -> Mapping[Symbol, Instrument]:
        """Every listed security of the files read so far."""
        return self._instruments

    def kind(self, symbol: Symbol) -> InstrumentKind | None:
        """Return what an issue is, ``None`` when no file read names it."""
        found = self._instruments.get(symbol)
        return None if found is None else found.kind

    async def run(self, known: frozenset[str]) -> None:
        """Read every file; ``known`` ones are on the log already and are not reported again."""
        for name in (*LISTINGS, *OTHER_FILES):
            condition = f"master-{name}"
            try:
                file = await self._files.fetch(name, self._day)
                issues, tradable = self._read(file)
            except MasterFileError as error:
                await self._conditions.degraded(condition, str(error))
                continue
            if name not in known:
                await self._publisher.offer(
                    MasterFileRead(
                        at=self._time.now(),
                        trading_date=self._day,
                        file=name,
                        digest=file.digest,
                        issues=issues,
                        tradable=tradable,
                    )
                )
            await self._conditions.recovered(condition, "read")

    def _read(self, file: MasterFile) -> tuple[int, int]:
        """Return how many records a file has, and how many of them may be traded."""
        if file.name in LISTINGS:
            found = master_records.instruments(file.name, file.content)
            self._instruments.update((each.symbol, each) for each in found)
            return len(found), sum(each.is_tradable for each in found)
        readers = {
            "idxcode": master_records.index_names,
            "theme_code": master_records.theme_members,
            "memcode": master_records.member_firms,
        }
        return len(readers[file.name](file.content)), 0
