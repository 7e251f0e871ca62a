"""Runs spin over the model of the order protocol, as it is and with each known mistake put back.

spin turns the model into a C program that visits every reachable state; gcc builds it. The model is
proved when no assertion fails; a mistake is caught when the named assertion does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

MODEL: Final = Path(__file__).with_name("order_protocol.pml")

_ONE_PER_ID: Final = "((placed[0]<=1)&&(placed[1]<=1))"
_NO_RESEND: Final = "((placed[0]+placed[1])<=1)"
_BOOKED_ONCE: Final = "((booked[0]<=executed[0])&&(booked[1]<=executed[1]))"

_LIMIT_S: Final = 900
_FAILED: Final = re.compile(r"assertion violated (.+) \(at depth (\d+)\)")
_STATES: Final = re.compile(r"(\d+) states, stored")
_ERRORS: Final = re.compile(r"errors: (\d+)")


class Mistake(NamedTuple):
    """A mistake put back into the protocol: its switches and the assertion that must fail."""

    name: str
    switches: tuple[str, ...]
    assertion: str


MISTAKES: Final = (
    Mistake(
        "the call leaves before the write-ahead", ("BUG_SEND_FIRST", "DOUBLES_ONLY"), _ONE_PER_ID
    ),
    Mistake(
        "neither optimistic concurrency nor a lease",
        ("BUG_NO_OCC", "BUG_NO_LEASE", "DOUBLES_ONLY"),
        _ONE_PER_ID,
    ),
    Mistake("a call without answer is made again", ("BUG_RETRY", "DOUBLES_ONLY"), _ONE_PER_ID),
    Mistake("an order without answer is released unasked", ("BUG_BLIND",), _NO_RESEND),
    Mistake("a paused router calls after a takeover", ("BUG_NO_LEASE",), _NO_RESEND),
    Mistake("notice and inquiry are both booked", ("BUG_COUNT_TWICE",), _BOOKED_ONCE),
)
"""Each must be found."""


class Verdict(NamedTuple):
    """What the search found: ``failed`` is the assertion, empty when every state was visited."""

    states: int
    failed: str
    depth: int


class SpinMissing(Exception):
    """spin or a C compiler is not installed."""

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not installed; on Debian: apt-get install spin gcc")


def check(switches: tuple[str, ...] = (), *, crashes: int, pauses: int) -> Verdict:
    """Return the verdict on the protocol with ``switches`` defined.

    ``crashes`` kills of a router process and ``pauses`` past its lease may happen in all.

    Raises:
        SpinMissing: spin or gcc is not there.
        CalledProcessError: spin or gcc refuse the model.
    """
    for program in ("spin", "gcc"):
        if shutil.which(program) is None:
            raise SpinMissing(program)
    defines = [f"-D{name}" for name in (*switches, f"CRASHES={crashes}", f"PAUSES={pauses}")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _run(["spin", *defines, "-a", str(MODEL)], folder)
        _run(["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c"], folder)
        report = _run(["./pan", "-m1000000", "-w25"], folder)
    return _verdict(report)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True, timeout=_LIMIT_S
    )
    return done.stdout


def _verdict(report: str) -> Verdict:
    states, errors = _STATES.search(report), _ERRORS.search(report)
    assert states is not None, report
    assert errors is not None, report
    if "error: max search depth too small" in report or "out of memory" in report:
        raise AssertionError(f"the search was cut short:\n{report}")
    failed = _FAILED.search(report)
    if failed is None:
        assert errors[1] == "0", report
        return Verdict(int(states[1]), "", 0)
    return Verdict(int(states[1]), failed[1], int(failed[2]))
