"""Log lines: one JSON object per line and service, bound to account, service and run.

A line has an event name, a level, wall time, simulated time and whatever ids the caller bound.
Lines of foreign libraries (warnings and worse) end up in the same file. A line is written with one
``write`` call, so that lines of a restarted service never mix with those of its earlier life.
"""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from structlog.typing import EventDict, Processor

from bus import TimeSource
from events.calendar import kst

_encoder: Final = msgspec.json.Encoder(enc_hook=repr)


@contextmanager
def writing_to(
    file: Path | None, *, account: str, service: str, run: str, time: TimeSource | None = None
) -> Iterator[None]:
    """Send all log lines of this process to ``file``, ``None`` for pretty lines on stderr.

    ``run`` tells the lives of a restarted service apart. ``time`` adds the simulated time.
    """
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp(time),
    ]
    with ExitStack() as stack:
        factory: Any
        if file is None:
            processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
            factory = structlog.WriteLoggerFactory(sys.stderr)
        else:
            processors += [structlog.processors.format_exc_info, _render]
            # Unbuffered: a killed process loses no line it has logged.
            output = stack.enter_context(file.open("ab", buffering=0))
            factory = structlog.BytesLoggerFactory(output)
        structlog.configure(
            processors=processors,
            wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
            logger_factory=factory,
        )
        bound = structlog.contextvars.bound_contextvars(account=account, service=service, run=run)
        stack.enter_context(bound)
        stack.callback(structlog.reset_defaults)
        stack.enter_context(_forwarding())
        yield


@contextmanager
def _forwarding() -> Iterator[None]:
    """Send warnings and worse of foreign libraries to structlog."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers[:] = [_Forward()]
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


class LogLine(msgspec.Struct):
    """What is read back from a log file; other fields of a line are ignored."""

    event: str
    level: str
    service: str = ""
    timestamp: str = ""


class LogErrors(NamedTuple):
    """How many lines of level error and above there are, by service and event name."""

    total: int
    by_name: dict[str, int]


def errors_in(folder: Path) -> LogErrors:
    """Count the error lines in all log files of a folder; a line that is no JSON counts as one."""
    names: Counter[str] = Counter()
    for file in sorted(folder.glob("*.jsonl")):
        for line in _lines(file):
            if line is None:
                names[f"{file.stem}: unreadable line"] += 1
            elif line.level in {"error", "critical"}:
                names[f"{file.stem}: {line.event}"] += 1
    return LogErrors(names.total(), dict(names))


def _lines(file: Path) -> Iterator[LogLine | None]:
    decoder = msgspec.json.Decoder(LogLine)
    with file.open("rb") as lines:
        for text in lines:
            try:
                yield decoder.decode(text)
            except msgspec.DecodeError:
                yield None


def _stamp(time: TimeSource | None) -> Processor:
    def stamp(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        if time is not None:
            event["market_time"] = kst(time.now()).isoformat(timespec="milliseconds")
        return event

    return stamp


def _render(_logger: object, _method: str, event: EventDict) -> bytes:
    return _encoder.encode(event)


class _Forward(logging.Handler):
    """Hands what foreign libraries log to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log = structlog.get_logger()
        exception = record.exc_info if record.exc_info and record.exc_info[0] else None
        log.log(
            record.levelno,
            "library_message",
            library=record.name,
            message=record.getMessage(),
            exc_info=exception,
        )
