"""Scenarios: what goes wrong in a day, when, and how often, written down in YAML.

A scenario is a list of steps. Each step says when, and which fault (see ``faults``):

    name: a bad morning
    seed: 7
    steps:
      - at: "09:05:00"                      # a KST clock time ...
        fault: {kind: disconnect}
      - after: 90s                          # ... or so long after the start
        fault: {kind: stall, symbol: "005930", seconds: 20}
      - every: 30s                          # again and again, ten times
        times: 10
        fault: {kind: throttle, call: inquire-balance}
      - every: 5m                           # from an instant until another
        at: "10:00"
        until: "11:00"
        fault: {kind: lost_notice, account: "5000000101", fills: true}
      - rate: 2 %                           # of the order calls, for the whole run
        fault: {kind: drop_reply_after_accept, call: order-cash}
      - rate: 10 %                          # of the notices, within a window
        after: 10m
        until: "14:50"
        fault: {kind: late_notice, seconds: 3}
      - at: "13:00"
        fault: {kind: volatility_interruption, symbol: "005930"}
      - at: "14:00"
        fault: {kind: clock_skew, seconds: -2}

Times are ``HH:MM`` or ``HH:MM:SS`` of the trading day, spans ``500ms``, ``30s``, ``5m``, ``1h`` or
plain seconds. A step whose time has passed when the scenario starts is left out; one that repeats
goes on with its next turn. Which calls a rate hits depends on the seed, the step and the ordinal of
the matching call alone.

Apart from reading a file everything here is a pure function of the scenario and the instants given;
``director`` acts on it.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from kis_gateway.errors import SettingsError
from kis_gateway.simulator.trouble.faults import WAITING_FAULTS, Fault

_SECOND: Final = 1_000_000_000
_CLOCK: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(%)?")
_UNITS: Final = {
    "ms": 1_000_000,
    "s": _SECOND,
    "m": 60 * _SECOND,
    "h": 3_600 * _SECOND,
    None: _SECOND,
}


class ScenarioError(SettingsError):
    """A scenario that cannot be read; says which key of which step is wrong, and why."""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault and its times, as written (see the module). Empty means not given."""

    fault: Fault
    at: str = ""
    after: str = ""
    every: str = ""
    times: int | None = None
    until: str = ""
    rate: str = ""

    def __post_init__(self) -> None:
        """Refuse times that cannot be read or contradict each other."""
        if self.at and self.after:
            raise ValueError("`at` and `after` are both given; a step begins once")
        if self.every and self.rate:
            raise ValueError("`every` and `rate` are both given; choose one")
        if not (self.at or self.after or self.every or self.rate):
            raise ValueError("when? give one of `at`, `after`, `every`, `rate`")
        if self.times is not None and (not self.every or self.times < 1):
            raise ValueError("`times` is a number above 0 and belongs to `every`")
        if self.until and not (self.every or self.rate):
            raise ValueError("`until` belongs to `every` or `rate`")
        if self.at:
            clock_time(self.at, "at")
        if self.after:
            span(self.after, "after")
        if self.every and not span(self.every, "every"):
            raise ValueError(f"`every` is {self.every!r}: expected more than nothing")
        if self.until and ":" in self.until:
            clock_time(self.until, "until")
        elif self.until:
            span(self.until, "until")
        if self.rate:
            share(self.rate)
            if self.fault.kind not in WAITING_FAULTS:
                raise ValueError(
                    f"{self.fault.kind} happens at once and can have no `rate`; use `every`"
                )


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """Cause a step's fault at an instant (ns UTC), or end the one that it caused."""

    at: int
    step: int
    fault: Fault
    ends: bool = False


class Scenario(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A named list of steps. ``seed`` decides which calls a rate hits."""

    steps: tuple[Step, ...]
    name: str = "scenario"
    seed: int = 0

    def actions(self, start: int, midnight: int) -> Iterator[Action]:
        """Yield what is to be done, in order of time; may be endless.

        ``start`` is when the scenario starts, ``midnight`` 00:00 KST of the trading day; ns UTC.
        """
        return heapq.merge(
            *(self._of(number, start, midnight) for number in range(len(self.steps))),
            key=lambda action: (action.at, action.step),
        )

    def _of(self, number: int, start: int, midnight: int) -> Iterator[Action]:
        step = self.steps[number]
        first = start
        if step.at:
            first = midnight + clock_time(step.at, "at")
        elif step.after:
            first = start + span(step.after, "after")
        until = _end(step, start, midnight)
        if step.rate:
            yield from self._window(number, max(first, start), until)
        elif step.every:
            period = span(step.every, "every")
            if not (step.at or step.after):
                first += period
            turn = max(0, -(-(start - first) // period))
            while step.times is None or turn < step.times:
                at = first + turn * period
                if until is not None and at > until:
                    return
                yield Action(at=at, step=number, fault=step.fault)
                turn += 1
        elif first >= start:
            yield Action(at=first, step=number, fault=step.fault)

    def _window(self, number: int, first: int, until: int | None) -> Iterator[Action]:
        step = self.steps[number]
        if until is not None and until <= first:
            return
        fault = msgspec.structs.replace(
            step.fault, rate=share(step.rate), seed=self.seed * 1_000 + number
        )
        yield Action(at=first, step=number, fault=fault)
        if until is not None:
            yield Action(at=until, step=number, fault=fault, ends=True)


def read_scenario(text: str | bytes, source: str = "scenario") -> Scenario:
    """Return the scenario written in YAML (or JSON); ``source`` names it in errors.

    Raises:
        ScenarioError: no YAML, an unknown key, a value of the wrong type or a contradiction.
    """
    try:
        # Plain text for every value: YAML would make a number of minutes of an unquoted 10:05.
        raw: Any = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - makes only text
    except yaml.YAMLError as error:
        raise ScenarioError(f"{source} is no YAML: {error}") from error
    except RecursionError:
        raise ScenarioError(f"{source} is no scenario: it is nested too deeply") from None
    try:
        return msgspec.convert(raw, Scenario, strict=False)
    except msgspec.ValidationError as error:
        raise ScenarioError(f"{source}: {error}") from error


def load_scenario(path: Path) -> Scenario:
    """Return the scenario of a file.

    Raises:
        ScenarioError: it cannot be read.
    """
    try:
        return read_scenario(path.read_bytes(), str(path))
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror}") from error


def clock_time(text: str, key: str) -> int:
    """Return ns since midnight of ``HH:MM`` or ``HH:MM:SS``. Raises ``ValueError``."""
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{key}` is {text!r}: expected a clock time such as 09:05:30")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (hours * 3_600 + minutes * 60 + seconds) * _SECOND


def span(text: str, key: str) -> int:
    """Return ns of ``500ms``, ``30s``, ``5m``, ``1h`` or seconds. Raises ``ValueError``."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"`{key}` is {text!r}: expected a span such as 30s, 5m or 500ms")
    number, unit = found.groups()
    return round(float(number) * _UNITS[unit])


def share(text: str) -> float:
    """Return the share written as ``2 %`` or ``0.02``. Raises ``ValueError``."""
    found = _RATE.fullmatch(text.strip())
    value = float(found[1]) / (100 if found[2] else 1) if found is not None else 0.0
    if not 0 < value <= 1:
        raise ValueError(f"`rate` is {text!r}: expected a share such as 2 % or 0.02")
    return value


def _end(step: Step, start: int, midnight: int) -> int | None:
    if not step.until:
        return None
    if ":" in step.until:
        return midnight + clock_time(step.until, "until")
    return start + span(step.until, "until")
