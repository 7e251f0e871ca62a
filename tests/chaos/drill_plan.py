"""What happens in one drill: a pure function of its seed, so that a seed is all one must note."""

from __future__ import annotations

from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple

from events.control import HaltMode
from tests.chaos.drill_trader import TRADING_SECONDS
from tests.chaos.steps import STEPS, Step

GATEWAY: Final = "gateway"
KILLED: Final = ("gateway", "gateway", "risk", "guard", "drill", "projector", "auditor")
"""Services that a strike may kill, the router twice as often."""


class What(StrEnum):
    """What strikes."""

    KILL = "kill"
    """SIGKILL of a service."""
    PAUSE = "pause"
    """SIGSTOP of the gateway, SIGCONT some time later."""
    LOG_KILL = "log killed"
    """SIGKILL of nats-server and a new one on its store."""
    LOG_PAUSE = "log paused"
    """SIGSTOP of nats-server, SIGCONT some time later."""
    DATABASE_CRASH = "database crash"
    """PostgreSQL is shut down without a checkpoint and started again."""
    HOST = "host"
    """The power fails: every process of ours dies at once, servers included; all start again."""
    CUT = "line cut"
    """The line between gateway and exchange is cut for some time."""
    TWIN = "twin"
    """A second gateway runs beside the first for some time."""
    TAKEOVER = "takeover"
    """The gateway is paused until its twin has taken over, and goes on then."""
    HALT = "halt"
    """An operator halts the account, in the mode of ``target``, until all is healed."""
    WITHDRAW = "withdraw"
    """An operator withdraws all working orders."""
    BY_HAND = "order by hand"
    """Shares are bought past everything here; an operator acknowledges them afterwards."""
    FAULT = "fault"
    """The simulator is asked for trouble."""


class Strike(NamedTuple):
    """Something goes wrong, so many seconds of the market's clock after the order to trade.

    ``seconds`` are wall seconds that it lasts. ``fault`` is for the simulator.
    """

    after: float
    what: What
    target: str = ""
    seconds: float = 0.0
    fault: dict[str, Any] = {}  # noqa: RUF012 - never changed

    @property
    def name(self) -> str:
        """What it counts as in the figures."""
        if self.what in (What.KILL, What.HALT):
            return f"{self.what} {self.target}"
        return str(self.fault["kind"]) if self.what is What.FAULT else str(self.what)


class Plan(NamedTuple):
    """One drill. ``passage`` is the passage of ``step`` (from 1) at which a process dies."""

    seed: int
    wishes: int
    first: str
    step: int
    passage: int
    strikes: tuple[Strike, ...]

    @property
    def marked(self) -> Step:
        """The step that is armed."""
        return STEPS[self.step]


_WEIGHTS: Final[dict[What, int]] = {
    What.KILL: 16,
    What.FAULT: 20,
    What.PAUSE: 6,
    What.CUT: 5,
    What.TWIN: 4,
    What.LOG_PAUSE: 4,
    What.LOG_KILL: 2,
    What.DATABASE_CRASH: 1,
    What.HOST: 2,
    What.TAKEOVER: 1,
    What.HALT: 3,
    What.WITHDRAW: 2,
    What.BY_HAND: 2,
}
_ORDER_CALL: Final = "order-cash"
_CANCEL_CALL: Final = "order-rvsecncl"
_FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "drop_reply_after_accept", "call": _ORDER_CALL},
    {"kind": "drop_reply_after_accept", "call": _ORDER_CALL, "count": 2},
    {"kind": "drop_reply_after_accept", "call": _CANCEL_CALL},
    {"kind": "reset_before_accept", "call": _ORDER_CALL},
    {"kind": "uncertain_reply", "call": _ORDER_CALL},
    {"kind": "http_error_after_accept", "call": _ORDER_CALL, "status": 502, "body": False},
    {"kind": "http_error", "call": _ORDER_CALL, "status": 503, "body": False},
    {"kind": "delay", "call": _ORDER_CALL, "seconds": 6},
    {"kind": "notice_first"},
    {"kind": "throttle", "count": 4},
    {"kind": "ledger_throttle", "count": 3},
    {"kind": "duplicate_notice", "count": 3},
    {"kind": "late_notice", "count": 3, "seconds": 6},
    {"kind": "swapped_notice", "count": 2, "seconds": 5},
    {"kind": "lost_notice", "count": 3},
    {"kind": "unreadable_notice"},
    {"kind": "key_change"},
    {"kind": "disconnect"},
    {"kind": "tokens_expired"},
)
_PROVOKED: Final[dict[str, dict[str, Any]]] = {
    "lost_reply": {"kind": "drop_reply_after_accept", "call": _ORDER_CALL},
    "never_arrived": {"kind": "reset_before_accept", "call": _ORDER_CALL},
    "lost_cancel_reply": {"kind": "drop_reply_after_accept", "call": _CANCEL_CALL},
}
"""The trouble at the broker that a step needs, see ``Step.trouble``."""

_FREQUENT: Final = frozenset(
    {"IntentSubmitted", "IntentApproved", "OrderSubmitting", "submit", "OrderAccepted", "commit"}
)
"""Passages made several times in most drills."""


def plan(seed: int) -> Plan:
    """Return the drill of a seed. Consecutive seeds go through all steps."""
    chance = Random(f"plan-{seed}")
    index = seed % len(STEPS)
    step = STEPS[index]
    strikes = [_strike(chance) for _ in range(chance.choice((0, 1, 1, 2, 2, 3)))]
    if step.trouble in _PROVOKED:
        strikes.append(Strike(0.0, What.FAULT, fault=_PROVOKED[step.trouble]))
    if step.trouble == "restart":
        strikes.append(Strike(6.0, What.KILL, GATEWAY))
    first = step.trouble if step.trouble in ("resting", "breakout") else ""
    if step.trouble == "lost_cancel_reply":
        first = "resting"
    return Plan(
        seed=seed,
        wishes=chance.randint(5, 10),
        first=first,
        step=index,
        passage=chance.choice((1, 1, 2, 3)) if step.passage in _FREQUENT else 1,
        strikes=tuple(sorted(strikes, key=lambda strike: strike.after)),
    )


def _strike(chance: Random) -> Strike:
    (what,) = chance.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))
    after = chance.uniform(0, TRADING_SECONDS)
    match what:
        case What.KILL:
            return Strike(after, what, chance.choice(KILLED))
        case What.FAULT:
            return Strike(after, what, fault=chance.choice(_FAULTS))
        case What.PAUSE | What.LOG_PAUSE | What.CUT:
            return Strike(after, what, GATEWAY, chance.choice((0.05, 0.2, 0.5)))
        case What.TWIN:
            return Strike(after, what, GATEWAY, chance.choice((0.4, 0.8)))
        case What.TAKEOVER:
            return Strike(after, what, GATEWAY, 2.5)
        case What.HALT:
            return Strike(after, what, chance.choice(tuple(HaltMode)))
    return Strike(after, what)
