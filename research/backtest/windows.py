"""How a recording is cut for walk-forward: where to choose, where to be judged.

    |------- train -------|purge|embargo|-- test --|
              step ->  |------- train -------|purge|embargo|-- test --|

What always holds: a window's test comes after its train, and no session is tested twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

import msgspec

from research.backtest.errors import InvalidSettings


class Spans(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lengths in sessions.

    ``purge`` sessions at the end of each train span are left out (positions opened in them may
    still be open in the test), ``embargo`` sessions lie between the two. ``step`` is from one
    window to the next, 0 for the length of the test.
    """

    train: int
    test: int
    step: int = 0
    purge: int = 0
    embargo: int = 0


class Window(NamedTuple):
    """Sessions to choose on and to be judged on, each after its warm-up sessions."""

    train: tuple[date, ...]
    test: tuple[date, ...]
    before_train: tuple[date, ...] = ()
    before_test: tuple[date, ...] = ()


def windows(dates: Sequence[date], spans: Spans, warm_up: int = 0) -> tuple[Window, ...]:
    """Return the windows that fit into sessions; the last test may be shorter than the others.

    Each span is preceded by ``warm_up`` sessions, so the first train span begins after that many.

    Raises:
        InvalidSettings: lengths that make no window, or tests that would overlap.
    """
    step = spans.step or spans.test
    if min(spans.train, spans.test) < 1 or min(spans.purge, spans.embargo) < 0:
        raise InvalidSettings("spans", f"{spans}: train and test need at least one session")
    if spans.purge >= spans.train:
        raise InvalidSettings("spans", f"purge is {spans.purge}: it leaves nothing of the train")
    if step < spans.test:
        raise InvalidSettings("spans", f"step is {step}: below test, tests would overlap")
    found: list[Window] = []
    for begin in range(warm_up, len(dates), step):
        trained = begin + spans.train - spans.purge
        tested = begin + spans.train + spans.embargo
        test = tuple(dates[tested : tested + spans.test])
        if not test:
            break
        found.append(
            Window(
                train=tuple(dates[begin:trained]),
                test=test,
                before_train=tuple(dates[begin - warm_up : begin]),
                before_test=tuple(dates[tested - warm_up : tested]),
            )
        )
    if not found:
        needed = warm_up + spans.train + spans.embargo + 1
        raise InvalidSettings(
            "spans", f"there are {len(dates)} sessions: the first window needs {needed}"
        )
    return tuple(found)
