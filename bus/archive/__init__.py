"""The archive: sealed days of a log as columns, for ever.

``seal_day`` turns a session's entries into files (docs/recordings.md), ``verify_day`` proves that
they are what was sealed, ``ArchiveLog`` and ``HistoryLog`` read them as a log: same sequences, same
bytes. ``SealedDay`` is the way to read one day fast: ``blocks`` (entries), ``deliveries`` (events)
and ``frame`` (columns of a family). Needs the ``archive`` extra.
"""

from bus.archive.archive_log import ArchiveLog
from bus.archive.copying import Copied, copy_days
from bus.archive.errors import (
    ArchiveDamaged,
    ArchiveError,
    ArchiveFlaw,
    ArchiveGap,
    ColumnsUnavailable,
    CopyConflict,
    DayNotSealed,
    EntriesLost,
    ManifestUnreadable,
    PruneRefused,
    ReadOnlyLog,
    RetentionLowered,
    SealInProgress,
    SealMismatch,
    SealOutOfOrder,
    SessionNotOver,
    SessionUnknown,
    StoreUnreachable,
)
from bus.archive.families import COLUMNS, ENTRIES, EXPLODED, OTHER, Kind
from bus.archive.history_log import HistoryLog
from bus.archive.manifest import Manifest, account_folder, sealed_dates, sealed_days
from bus.archive.pruning import Pruned, prune, restore_retention
from bus.archive.sealed_day import SealedDay
from bus.archive.sealing import seal_day
from bus.archive.sessions import UnsealedSession, unsealed_sessions
from bus.archive.verification import DayReport, verify_day, verify_days

__all__ = [
    "COLUMNS",
    "ENTRIES",
    "EXPLODED",
    "OTHER",
    "ArchiveDamaged",
    "ArchiveError",
    "ArchiveFlaw",
    "ArchiveGap",
    "ArchiveLog",
    "ColumnsUnavailable",
    "Copied",
    "CopyConflict",
    "DayNotSealed",
    "DayReport",
    "EntriesLost",
    "HistoryLog",
    "Kind",
    "Manifest",
    "ManifestUnreadable",
    "PruneRefused",
    "Pruned",
    "ReadOnlyLog",
    "RetentionLowered",
    "SealInProgress",
    "SealMismatch",
    "SealOutOfOrder",
    "SealedDay",
    "SessionNotOver",
    "SessionUnknown",
    "StoreUnreachable",
    "UnsealedSession",
    "account_folder",
    "copy_days",
    "prune",
    "restore_retention",
    "seal_day",
    "sealed_dates",
    "sealed_days",
    "unsealed_sessions",
    "verify_day",
    "verify_days",
]
