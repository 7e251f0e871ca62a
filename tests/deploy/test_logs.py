"""Log lines: what stands in a line, and what counts as an error afterwards."""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager
from pathlib import Path

import structlog

from bus import ManualTime
from deploy import logs


def writing_to(file: Path) -> AbstractContextManager[None]:
    return logs.writing_to(
        file,
        account="demo",
        service="gateway",
        run="7",
        time=ManualTime(1_757_894_400_000_000_000),
    )


def test_a_line_is_one_json_object_bound_to_account_service_and_run(tmp_path: Path) -> None:
    """Event name, level, both times and every bound id stand in the line."""
    with writing_to(tmp_path / "gateway.jsonl"):
        structlog.get_logger().info("order_sent", order="20250915-KMP-005930-E1-O1")
    (line,) = (tmp_path / "gateway.jsonl").read_text().splitlines()
    fields = json.loads(line)
    assert fields.pop("timestamp")
    assert fields == {
        "event": "order_sent",
        "level": "info",
        "account": "demo",
        "service": "gateway",
        "run": "7",
        "order": "20250915-KMP-005930-E1-O1",
        "market_time": "2025-09-15T09:00:00.000+09:00",
    }


def test_warnings_of_libraries_end_up_in_the_same_file(tmp_path: Path) -> None:
    """What a library logs is not lost, its chatter is."""
    with writing_to(tmp_path / "gateway.jsonl"):
        logging.getLogger("nats").warning("slow consumer")
        logging.getLogger("nats").info("chatter")
    (line,) = (tmp_path / "gateway.jsonl").read_text().splitlines()
    fields = json.loads(line)
    assert (fields["event"], fields["library"], fields["message"], fields["level"]) == (
        "library_message",
        "nats",
        "slow consumer",
        "warning",
    )


def test_an_exception_is_logged_with_its_traceback(tmp_path: Path) -> None:
    """One line, the traceback inside."""
    with writing_to(tmp_path / "gateway.jsonl"):
        try:
            raise LookupError("no such order")
        except LookupError:
            structlog.get_logger().exception("service_failed")
    (line,) = (tmp_path / "gateway.jsonl").read_text().splitlines()
    assert "LookupError: no such order" in json.loads(line)["exception"]


def test_errors_are_counted_by_service_and_name_and_last_words_too(tmp_path: Path) -> None:
    """Error lines, and text that the interpreter wrote past the logger."""
    with writing_to(tmp_path / "gateway.jsonl"):
        log = structlog.get_logger()
        log.info("fine")
        log.warning("degraded")
        log.error("append_failed")
        log.error("append_failed")
    (tmp_path / "risk.jsonl").write_text("Fatal Python error: Segmentation fault\n")
    assert logs.errors_in(tmp_path) == logs.LogErrors(
        3, {"gateway: append_failed": 2, "risk: unreadable line": 1}
    )
