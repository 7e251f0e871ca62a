"""The states of a KMP setup and every step between them.

    IDLE ─▶ CANDIDATE ─▶ WATCH_BREAK ─▶ WAIT_ACCEPTANCE ─▶ ARMED ─▶ IN_POSITION ─▶ PENDING_EXIT
                │             │               │              │           │              │
                └─────────────┴───────────────┴──────────────┴───────────┴──▶ DONE ◀────┘

One attempt per symbol and day: ``DONE`` is final for entries. It is left only when shares arrive
after all, because a late fill is always adopted and managed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where one symbol stands today."""

    IDLE = "IDLE"
    CANDIDATE = "CANDIDATE"
    WATCH_BREAK = "WATCH_BREAK"
    WAIT_ACCEPTANCE = "WAIT_ACCEPTANCE"
    ARMED = "ARMED"
    IN_POSITION = "IN_POSITION"
    PENDING_EXIT = "PENDING_EXIT"
    DONE = "DONE"


TRANSITIONS: Final[dict[State, frozenset[State]]] = {
    State.IDLE: frozenset({State.CANDIDATE, State.IN_POSITION}),
    State.CANDIDATE: frozenset({State.WATCH_BREAK, State.DONE, State.IN_POSITION}),
    State.WATCH_BREAK: frozenset({State.WAIT_ACCEPTANCE, State.DONE, State.IN_POSITION}),
    State.WAIT_ACCEPTANCE: frozenset({State.ARMED, State.DONE, State.IN_POSITION}),
    State.ARMED: frozenset({State.IN_POSITION, State.DONE}),
    State.IN_POSITION: frozenset({State.PENDING_EXIT, State.DONE}),
    State.PENDING_EXIT: frozenset({State.DONE}),
    State.DONE: frozenset({State.IN_POSITION}),
}
"""State → the states it may be followed by."""

HELD: Final = frozenset({State.IN_POSITION, State.PENDING_EXIT})
"""States with shares."""
