"""Rows about who steers: halts, changed limits, orders of operators, links, leases, stops.

They follow the same rule as all rows (see ``rows``): fields are the stored columns in order.
"""

from __future__ import annotations

import msgspec


class HaltRow(msgspec.Struct, kw_only=True):
    """One place of a halt: the one in force there, or the last one that was."""

    account: str
    scope: str
    target: str
    trigger: str
    mode: str
    active: bool
    rule: str | None = None
    issued_by: str
    reason: str
    since_at: int
    times: int = 0
    ended_by: str | None = None
    end_reason: str | None = None
    ended_at: int | None = None
    updated_at: int


class LimitChangeRow(msgspec.Struct, kw_only=True):
    """One change of limits at run time; ``complete`` for what a session's opening brings."""

    account: str
    sequence: int
    complete: bool
    changes: str
    refused: bool = False
    refusal: str | None = None
    issued_by: str
    reason: str
    changed_at: int


class OperatorActionRow(msgspec.Struct, kw_only=True):
    """One thing that an operator, or a service that found something wrong, ordered."""

    account: str
    sequence: int
    action: str
    issued_by: str
    reason: str
    payload: str
    at: int


class OperatorLinkRow(msgspec.Struct, kw_only=True):
    """The newest sign of an operator's host."""

    account: str
    link: str
    issued_by: str
    timeout_s: int
    present_at: int


class LeaseRow(msgspec.Struct, kw_only=True):
    """Who may act on the account, or who did last."""

    account: str
    name: str
    epoch: int
    holder: str
    run: str
    state: str
    ttl_ms: int | None = None
    previous: str | None = None
    renewals: int = 0
    taken_at: int | None = None
    renewed_at: int | None = None
    released_at: int | None = None


class StopRow(msgspec.Struct, kw_only=True):
    """Where the protection of one allocation stands, as the guard says."""

    account: str
    symbol: str
    strategy: str
    generation: int
    state: str
    quantity: int
    stop_price: int | None
    price: int | None
    intent_id: str | None
    reason: str
    changed_at: int
