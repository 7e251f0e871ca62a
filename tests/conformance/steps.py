"""What every client is asked to do, and how its script reports.

One JSON line per step on standard output: the step, an outcome and what was seen or the client's
own traceback. A step that the client itself does not offer is reported as such, never as passed.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any, Final

STEPS: Final = (
    "login",
    "price",
    "order book",
    "daily chart",
    "minute chart",
    "balance",
    "buying power",
    "subscribe trades",
    "subscribe book",
    "place",
    "open orders",
    "amend",
    "cancel",
    "fill",
    "fill notice",
    "daily orders",
    "reconnect",
)

OK: Final = "ok"
FAILED: Final = "failed"
NOT_OFFERED: Final = "not offered"


class Unmet(Exception):
    """The client went through but what came back is not what was expected."""


class Report:
    """Runs steps and prints their outcomes; a failed step never ends the script."""

    def __init__(self, pause: float) -> None:
        """Wait ``pause`` seconds before each step, as a caller with a rate limit must."""
        self._pause = pause
        self.values: dict[str, Any] = {}

    def step(self, name: str, action: Callable[[], Any]) -> Any:
        """Run one step; return what it returned, ``None`` when it failed."""
        if name not in STEPS:
            raise ValueError(f"unknown step {name!r}; steps are {', '.join(STEPS)}")
        time.sleep(self._pause)
        try:
            value = action()
        except Exception as error:  # noqa: BLE001 - whatever a foreign client raises is the finding
            _say(name, FAILED, f"{type(error).__name__}: {error}", traceback.format_exc())
            return None
        _say(name, OK, str(value))
        self.values[name] = value
        return value

    def not_offered(self, name: str, reason: str) -> None:
        """Report a step that the client has no call for."""
        _say(name, NOT_OFFERED, reason)


def expect(condition: object, message: str) -> None:
    """Raise ``Unmet`` unless ``condition`` holds."""
    if not condition:
        raise Unmet(message)


def wait_for(look: Callable[[], Any], what: str, seconds: float = 20.0, every: float = 0.1) -> Any:
    """Return the first true result of ``look``; raise ``Unmet`` after ``seconds``."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(every)
    raise Unmet(f"no {what} within {seconds:g} s")


def _say(step: str, outcome: str, detail: str, trace: str = "") -> None:
    line = {"step": step, "outcome": outcome, "detail": detail[:300], "traceback": trace}
    sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
    sys.stdout.flush()
