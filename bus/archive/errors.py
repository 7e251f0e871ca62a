"""The errors of the archive.

BusError
└── ArchiveError
    ├── ColumnsUnavailable   polars or obstore is not installed
    ├── DayNotSealed         there is no sealed day of that date
    ├── ManifestUnreadable   a manifest that cannot be read, or of another schema
    ├── SessionUnknown       the log has no session of that date
    ├── SessionNotOver       a session that is still going cannot be sealed
    ├── SealOutOfOrder       an earlier session is to be sealed first
    ├── EntriesLost          entries that were never sealed are gone from the log
    ├── SealInProgress       another process seals days of this account
    ├── SealMismatch         what was written does not read back as what stood on the log
    ├── ArchiveDamaged       a file of a sealed day is not what was sealed
    ├── ArchiveGap           sealed days, or archive and stream, do not continue each other
    ├── ReadOnlyLog          an append to what can only be read
    ├── PruneRefused         something that is not safe elsewhere would expire
    ├── RetentionLowered     the stream's age limit could not be put back
    ├── StoreUnreachable     a folder or bucket that cannot be read or written
    └── CopyConflict         the target holds another day, or other bytes, under the same name
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bus.errors import BusError
from events import AccountId, TradingDate


class ArchiveFlaw(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a sealed day.

    ``kind`` is ``missing``, ``unexpected``, ``truncated``, ``changed``, ``unreadable``, ``row``,
    ``count``, ``chain`` or ``manifest``; ``file`` is relative to the folder of the day.
    """

    file: str
    kind: str
    detail: str


class ArchiveError(BusError):
    """Base of every error of the archive."""


class ColumnsUnavailable(ArchiveError):
    """A library of the ``archive`` extra is missing."""

    def __init__(self, library: str) -> None:
        super().__init__(
            f"{library} is not installed, and sealed days cannot be read or written without it: "
            "pip install 'k-stock-trader[archive]'"
        )
        self.library = library


class DayNotSealed(ArchiveError):
    """There is no sealed day where one was asked for."""

    def __init__(self, account: str, trading_date: str, sealed: Sequence[str]) -> None:
        super().__init__(
            f"the session {trading_date} of account {account} is not sealed; "
            f"sealed: {', '.join(sealed) or 'none'}. Seal it with `kst recordings seal`"
        )
        self.trading_date = trading_date


class ManifestUnreadable(ArchiveError):
    """The manifest of a day is damaged or of another schema."""

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(
            f"{file} is no manifest of a sealed day ({reason}): fetch the day again from a copy, "
            "or use the version of kst that wrote it"
        )
        self.file = file


class SessionUnknown(ArchiveError):
    """The log has no such session."""

    def __init__(self, account: AccountId, trading_date: TradingDate, known: Sequence[str]) -> None:
        super().__init__(
            f"the log of account {account} has no session {trading_date}; "
            f"it has: {', '.join(known) or 'none'}"
        )


class SessionNotOver(ArchiveError):
    """What is sealed never changes; a session that is going does."""

    def __init__(self, trading_date: TradingDate) -> None:
        super().__init__(
            f"the session {trading_date} is not over: seal it after its close, or after its run "
            "has ended"
        )


class SealOutOfOrder(ArchiveError):
    """Archives have no holes: sessions are sealed in their order."""

    def __init__(self, trading_date: TradingDate, before: Sequence[TradingDate]) -> None:
        super().__init__(
            f"{trading_date} cannot be sealed before {', '.join(before)}: seal without a date, "
            "and all sessions that are over are sealed in order"
        )


class EntriesLost(ArchiveError):
    """Entries between the archive and the log are gone."""

    def __init__(self, account: AccountId, first: int, last: int) -> None:
        super().__init__(
            f"entries {first:,}..{last:,} of account {account} are neither sealed nor on the log: "
            "fetch the days that hold them from a copy (`kst recordings copy`), or restore the log"
        )
        self.first = first
        self.last = last


class SealInProgress(ArchiveError):
    """Two processes must not write one archive."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"another process seals days in {folder}: wait until it has ended")


class SealMismatch(ArchiveError):
    """The columns do not give the log's bytes back; nothing was sealed."""

    def __init__(self, trading_date: TradingDate, detail: str) -> None:
        super().__init__(
            f"{trading_date} was not sealed, because what was written does not read back as what "
            f"stands on the log ({detail}): check the disk and try again"
        )


class ArchiveDamaged(ArchiveError):
    """A sealed day is not what was sealed; ``flaws`` says in which file and how."""

    def __init__(self, folder: Path, flaws: Sequence[ArchiveFlaw]) -> None:
        first = flaws[0]
        more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
        super().__init__(
            f"{folder / first.file} is damaged: {first.detail}{more}. Fetch the day again from a "
            "copy; `kst recordings verify` lists everything that is wrong"
        )
        self.folder = folder
        self.flaws = tuple(flaws)


class ArchiveGap(ArchiveError):
    """Two parts of one history do not join."""

    def __init__(self, account: AccountId, detail: str) -> None:
        super().__init__(f"the history of account {account} does not join: {detail}")


class ReadOnlyLog(ArchiveError):
    """The past takes no entries."""

    def __init__(self, account: AccountId) -> None:
        super().__init__(
            f"the archived log of account {account} is read-only: append to its stream instead"
        )


class PruneRefused(ArchiveError):
    """Nothing was deleted."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"nothing was pruned: {reason}")


class RetentionLowered(ArchiveError):
    """The stream expires entries earlier than it should."""

    def __init__(self, stream: str, detail: str) -> None:
        super().__init__(
            f"stream {stream} still has its lowered age limit ({detail}): run `kst recordings "
            "prune` again at once, it puts the limit back before anything else"
        )


class StoreUnreachable(ArchiveError):
    """A place for recordings that does not answer."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place} cannot be used: {reason}. A bucket needs its credentials in the environment "
            "(AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT)"
        )
        self.place = place


class CopyConflict(ArchiveError):
    """A sealed day is never overwritten."""

    def __init__(self, place: str, path: str) -> None:
        super().__init__(
            f"{place} already has {path} with other bytes; nothing there was changed. Verify both "
            "sides and remove the one that is wrong"
        )
        self.path = path
