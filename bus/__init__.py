"""The log: append, read, run processors, keep time. The only room that knows NATS.

Other rooms see the ``Log`` port, the ``Processor`` protocol with its runner, and ``TimeSource``.
"""

from bus.audit import AuditReport, Flaw, audit_log, run_auditor
from bus.child_process import die_with_parent
from bus.code_version import code_version
from bus.derivation import Disagreement
from bus.errors import (
    AppendConflict,
    AppendUnknown,
    BusError,
    DataDirectoryError,
    Divergence,
    IdentityReused,
    LeaseLost,
    LogRegressed,
    LogUnavailable,
    RawBlockUnreadable,
    ServerTooOld,
    StreamMismatch,
)
from bus.jetstream_log import JetStreamLog
from bus.lease import BootTime, Holder, Lease, WallClock
from bus.log import MAX_BATCH, Entry, Log, LogIdentity, Reader, Recorded, entry
from bus.memory_log import MemoryLog
from bus.nats_server import NatsServer, free_port, free_ports
from bus.processor import Processor
from bus.progress import OnProgress, Progress, ServiceProgress, ignore_progress
from bus.raw_recorder import RawRecorder
from bus.raw_stream import (
    RawFrame,
    RawReader,
    RecordedFrame,
    Retention,
    decode_block,
    encode_block,
    raw_stream_name,
)
from bus.rederivation import Rederivation, logged_sessions, rederive
from bus.runner import ProcessorFactory, run_processor
from bus.time_source import ManualTime, SharedTime, SystemTime, TimeSource

__all__ = [
    "MAX_BATCH",
    "AppendConflict",
    "AppendUnknown",
    "AuditReport",
    "BootTime",
    "BusError",
    "DataDirectoryError",
    "Disagreement",
    "Divergence",
    "Entry",
    "Flaw",
    "Holder",
    "IdentityReused",
    "JetStreamLog",
    "Lease",
    "LeaseLost",
    "Log",
    "LogIdentity",
    "LogRegressed",
    "LogUnavailable",
    "ManualTime",
    "MemoryLog",
    "NatsServer",
    "OnProgress",
    "Processor",
    "ProcessorFactory",
    "Progress",
    "RawBlockUnreadable",
    "RawFrame",
    "RawReader",
    "RawRecorder",
    "Reader",
    "Recorded",
    "RecordedFrame",
    "Rederivation",
    "Retention",
    "ServerTooOld",
    "ServiceProgress",
    "SharedTime",
    "StreamMismatch",
    "SystemTime",
    "TimeSource",
    "WallClock",
    "audit_log",
    "code_version",
    "decode_block",
    "die_with_parent",
    "encode_block",
    "entry",
    "free_port",
    "free_ports",
    "ignore_progress",
    "logged_sessions",
    "raw_stream_name",
    "rederive",
    "run_auditor",
    "run_processor",
]
