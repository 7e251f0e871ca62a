"""Control events: what operators and automatic rules told the system to do, and why.

A halt closes entries in its scope, and by its mode also withdraws buys or sells everything. No halt
and no limit ever stops an exit, a reduction or a cancel. Operators (and shells that found something
wrong) write ``HaltSet`` and ``HaltReleased``; the risk gate derives ``HaltTripped`` and
``HaltCleared`` from what it sees on the log. Halts of one scope and target are kept apart by their
trigger: a cause that is over lifts its own halt and no other.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events.event import Derived, Event
from events.identifiers import OrderId, StrategyId, Symbol

EVERYTHING: Final = "*"
"""Target of a halt whose scope is an account or all hosts."""


class HaltScope(StrEnum):
    """What a halt concerns.

    ``ALL_HOSTS`` is written to the log of every account and holds there as ``ACCOUNT`` does.
    """

    SYMBOL = "symbol"
    STRATEGY = "strategy"
    ACCOUNT = "account"
    ALL_HOSTS = "all_hosts"


class HaltMode(StrEnum):
    """How far a halt goes; each mode includes the one before it.

    ``NO_ENTRIES`` refuses entries; ``REDUCE_ONLY`` also withdraws working buys; ``FLATTEN`` also
    sells what the strategies own until nothing is left.
    """

    NO_ENTRIES = "no_entries"
    REDUCE_ONLY = "reduce_only"
    FLATTEN = "flatten"


class HaltTrigger(StrEnum):
    """What set a halt off."""

    OPERATOR = "operator"
    DAILY_LOSS = "daily_loss"
    DRIFT = "drift"
    DIVERGENCE = "divergence"
    FEED_GAP = "feed_gap"
    UNKNOWN_ORDER = "unknown_order"
    LOG_REGRESSED = "log_regressed"
    RECONCILIATION = "reconciliation"
    OPERATOR_LINK = "operator_link"


class Halt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A halt in force. ``target`` is the symbol or strategy, ``EVERYTHING`` for wider scopes."""

    scope: HaltScope
    target: str
    mode: HaltMode
    trigger: HaltTrigger
    since: int
    issued_by: str
    reason: str


class ControlEvent(Event, frozen=True, kw_only=True):
    """Something an operator or a service ordered. ``reason`` is never empty.

    ``issued_by`` names the person, or the service for an automatic rule.
    """

    issued_by: str
    reason: str

    @property
    def topic(self) -> str:
        """``trading.control``."""
        return "trading.control"


class HaltSet(ControlEvent, frozen=True, kw_only=True, tag="HaltSet.1"):
    """A halt begins, or changes its mode when scope, target and trigger are those of one in force.

    It holds, over sessions too, until it is released.
    """

    scope: HaltScope
    target: str
    mode: HaltMode
    trigger: HaltTrigger = HaltTrigger.OPERATOR

    @property
    def identity(self) -> str:
        """One per scope, target, trigger and instant."""
        return f"halt-{self.at}-{self.scope}-{self.target}-{self.trigger}-{self.mode}"


class HaltReleased(ControlEvent, frozen=True, kw_only=True, tag="HaltReleased.1"):
    """Halts of a scope and target end: those of one ``trigger``, or with ``None`` all of them.

    What set off an automatic halt does not set it off again before it has been over once.
    """

    scope: HaltScope
    target: str
    trigger: HaltTrigger | None = None

    @property
    def identity(self) -> str:
        """One per scope, target, trigger and instant."""
        return f"resume-{self.at}-{self.scope}-{self.target}-{self.trigger or 'all'}"


class HaltTripped(Derived, frozen=True, kw_only=True, tag="HaltTripped.1"):
    """The risk gate set a halt by rule. ``rule`` names it, ``reason`` gives the figures."""

    scope: HaltScope
    target: str
    mode: HaltMode
    trigger: HaltTrigger
    rule: str
    reason: str

    @property
    def topic(self) -> str:
        """``trading.control``."""
        return "trading.control"

    @property
    def identity(self) -> str:
        """One per cause, scope, target and trigger."""
        return f"tripped-{self.cause}-{self.scope}-{self.target}-{self.trigger}-{self.mode}"


class HaltCleared(Derived, frozen=True, kw_only=True, tag="HaltCleared.1"):
    """What had set an automatic halt off is over, and with it the halt."""

    scope: HaltScope
    target: str
    trigger: HaltTrigger
    reason: str

    @property
    def topic(self) -> str:
        """``trading.control``."""
        return "trading.control"

    @property
    def identity(self) -> str:
        """One per cause, scope, target and trigger."""
        return f"cleared-{self.cause}-{self.scope}-{self.target}-{self.trigger}"


class LimitsChanged(ControlEvent, frozen=True, kw_only=True, tag="LimitsChanged.1"):
    """Limits of the risk gate change at run time.

    ``changes`` maps dotted keys of ``oms.yaml`` (``risk.max_position_pct``, ``profile``) to values;
    for a limit with two profiles the value replaces the one in force. They hold, over sessions too,
    until changed again; ``None`` puts a key back to the file's value.
    """

    changes: dict[str, int | float | str | None]

    @property
    def identity(self) -> str:
        """One change per instant."""
        return f"limits-{self.at}"


class LimitsRefused(Derived, frozen=True, kw_only=True, tag="LimitsRefused.1"):
    """The risk gate cannot put a change of limits in force; those before it go on."""

    reason: str

    @property
    def topic(self) -> str:
        """``trading.control``."""
        return "trading.control"

    @property
    def identity(self) -> str:
        """One per change."""
        return f"limits-refused-{self.cause}"


class CancelRequested(ControlEvent, frozen=True, kw_only=True, tag="CancelRequested.1"):
    """Withdraw working orders: those that match everything given; ``None`` matches all.

    What is withdrawn is not ordered again by the router; a strategy may ask anew.
    """

    order_id: OrderId | None = None
    symbol: Symbol | None = None
    strategy: StrategyId | None = None

    @property
    def identity(self) -> str:
        """One request per instant."""
        return (
            f"cancel-{self.at}-{self.order_id or '*'}-{self.symbol or '*'}-{self.strategy or '*'}"
        )


class SharesReallocated(ControlEvent, frozen=True, kw_only=True, tag="SharesReallocated.1"):
    """Shares change owner without a trade: this is how drift is resolved.

    ``quantity`` (above 0) shares move from ``source`` to ``target``; their cost basis becomes
    ``cost`` won in total. With ``_UNKNOWN_`` as source a surplus is adopted by a strategy or, as
    ``_EXTERNAL_``, acknowledged; with ``_UNKNOWN_`` as target missing shares are taken off their
    owner. Shares given to a strategy bring their stop.
    """

    symbol: Symbol
    source: StrategyId
    target: StrategyId
    quantity: int
    cost: int
    protective_stop: int | None = None
    hard_stop: int | None = None

    @property
    def identity(self) -> str:
        """One per symbol, owners and instant."""
        return f"reallocated-{self.at}-{self.symbol}-{self.source}-{self.target}"


class OperatorPresent(ControlEvent, frozen=True, kw_only=True, tag="OperatorPresent.1"):
    """The operator's host is connected to this log.

    Entries are halted when none of these has come for ``timeout_s`` seconds since the newest, and
    again allowed with the next; 0 ends the watch (an announced leave).
    """

    link: str
    timeout_s: int

    @property
    def identity(self) -> str:
        """One per link and instant."""
        return f"present-{self.link}-{self.at}"


class LeaseEvent(Event, frozen=True, kw_only=True):
    """A step of the lease that lets one process at a time act on an account.

    ``holder`` says which process of which host it is, ``run`` is that process's run. ``epoch``
    grows by one with every change of holder: it is the fencing token.
    """

    name: str
    epoch: int
    holder: str
    run: str

    @property
    def topic(self) -> str:
        """``trading.lease.<name>``."""
        return f"trading.lease.{self.name}"


class LeaseTaken(LeaseEvent, frozen=True, kw_only=True, tag="LeaseTaken.1"):
    """A process holds the lease from here on, for ``ttl_ms`` wall milliseconds unless renewed."""

    ttl_ms: int
    previous: str

    @property
    def identity(self) -> str:
        """One per epoch and run: two processes never write equal entries."""
        return f"lease-{self.name}-{self.epoch}-{self.run}"


class LeaseRenewed(LeaseEvent, frozen=True, kw_only=True, tag="LeaseRenewed.1"):
    """The holder is alive; ``ordinal`` counts renewals of the epoch from 1."""

    ordinal: int

    @property
    def identity(self) -> str:
        """One per epoch, run and renewal."""
        return f"lease-{self.name}-{self.epoch}-{self.run}-{self.ordinal}"


class LeaseReleased(LeaseEvent, frozen=True, kw_only=True, tag="LeaseReleased.1"):
    """The holder ended in an orderly way; anybody may take the lease at once."""

    @property
    def identity(self) -> str:
        """Once per epoch and run."""
        return f"lease-{self.name}-{self.epoch}-{self.run}-released"
