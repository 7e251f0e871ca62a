"""Fidelity: how near a backtest comes to a day that was recorded, and why it comes no nearer.

``replay`` trades a recorded day again with its own latencies: every decider, the router's core and
the exchange's model, each output at the place where the day's own stands on the log. ``drawn_run``
does what any backtest does. ``compare`` holds either against the record; ``RecordedDay`` gives the
day's latencies for backtests of other days. ``RecordedDays`` hands recorded sessions to them.

    session = await read_session(log, date)
    day = recorded_day(session)
    again = replay(day, factories)
    result = compare(session, again.recorded, again.derived, Reasons(day, code_version=…))
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from research.fidelity.comparison import Comparison, compare
    from research.fidelity.day import RecordedDay, recorded_day
    from research.fidelity.drawn import drawn_run
    from research.fidelity.errors import FidelityError, NoSuchSession, UnusableRecord
    from research.fidelity.reasons import Reasons
    from research.fidelity.recorded_days import RecordedDays
    from research.fidelity.recording import RecordedSession, read_session
    from research.fidelity.replay import Replayed, replay

__all__ = [
    "Comparison",
    "FidelityError",
    "NoSuchSession",
    "Reasons",
    "RecordedDay",
    "RecordedDays",
    "RecordedSession",
    "Replayed",
    "UnusableRecord",
    "compare",
    "drawn_run",
    "read_session",
    "recorded_day",
    "replay",
]

_HOMES = {
    "Comparison": "comparison",
    "FidelityError": "errors",
    "NoSuchSession": "errors",
    "Reasons": "reasons",
    "RecordedDay": "day",
    "RecordedDays": "recorded_days",
    "RecordedSession": "recording",
    "Replayed": "replay",
    "UnusableRecord": "errors",
    "compare": "comparison",
    "drawn_run": "drawn",
    "read_session": "recording",
    "recorded_day": "day",
    "replay": "replay",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
