"""The log: append, read, run processors, keep time. The only room that knows NATS.

Other rooms see the ``Log`` port, the ``Processor`` protocol with its runner, and ``TimeSource``.
"""

from bus.errors import (
    AppendConflict,
    AppendUnknown,
    BusError,
    DataDirectoryError,
    Divergence,
    IdentityReused,
    LogRegressed,
    LogUnavailable,
    ServerTooOld,
    StreamMismatch,
)
from bus.log import Entry, Log, LogIdentity, Reader, Recorded, entry
from bus.processor import Processor
from bus.time_source import ManualTime, SharedTime, SystemTime, TimeSource

__all__ = [
    "AppendConflict",
    "AppendUnknown",
    "BusError",
    "DataDirectoryError",
    "Divergence",
    "Entry",
    "IdentityReused",
    "Log",
    "LogIdentity",
    "LogRegressed",
    "LogUnavailable",
    "ManualTime",
    "Processor",
    "Reader",
    "Recorded",
    "ServerTooOld",
    "SharedTime",
    "StreamMismatch",
    "SystemTime",
    "TimeSource",
    "entry",
]
