"""Faults on request, for tests of a client's recovery. KIS has no such switches.

Some faults happen at once (a line is cut, a feed falls silent, an issue is halted), the others wait
for matching calls, notices or frames: for the next ``count`` of them, or, with a ``rate`` below 1,
for those that the seed picks by their ordinal, so that a run repeats itself.

``Fault`` is what ``POST /admin/fault`` takes as JSON and what a step of a scenario holds.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from events.prices import Board
from events.trading import Side

_WITHOUT_END: Final = 1 << 60


class FaultKind(StrEnum):
    """What goes wrong. Seconds are seconds of the run's clock."""

    THROTTLE = "throttle"
    """A call is answered EGW00201."""
    LEDGER_THROTTLE = "ledger_throttle"
    """A call is answered EGW00215."""
    HTTP_ERROR = "http_error"
    """A call is not carried out and answered with ``status``, with an EGW body or none."""
    HTTP_ERROR_AFTER_ACCEPT = "http_error_after_accept"
    """A call is carried out and answered with ``status``, with an EGW body or none."""
    DELAY = "delay"
    """A call is carried out and answered ``seconds`` later."""
    RESET_BEFORE_ACCEPT = "reset_before_accept"
    """A call is not carried out; the connection is reset."""
    DROP_REPLY_AFTER_ACCEPT = "drop_reply_after_accept"
    """A call is carried out; the connection is reset instead of an answer."""
    TIMEOUT_BEFORE_ACCEPT = "timeout_before_accept"
    """A call is not carried out; nothing comes for ``seconds``, then a reset."""
    TIMEOUT_AFTER_ACCEPT = "timeout_after_accept"
    """A call is carried out; nothing comes for ``seconds``, then a reset."""
    UNCERTAIN_REPLY = "uncertain_reply"
    """A call is carried out and answered EGW00301: check the previous transaction."""
    NOTICE_FIRST = "notice_first"
    """The notices of an order leave before the answer to its call."""

    DUPLICATE_NOTICE = "duplicate_notice"
    """A notice is sent twice."""
    LATE_NOTICE = "late_notice"
    """A notice is sent ``seconds`` late."""
    SWAPPED_NOTICE = "swapped_notice"
    """A notice waits for the next one of its account and follows it, at most ``seconds``."""
    LOST_NOTICE = "lost_notice"
    """A notice is not sent."""
    UNREADABLE_NOTICE = "unreadable_notice"
    """A notice is encrypted with a key that nobody was given."""
    KEY_CHANGE = "key_change"
    """At once: later notices use another key, until the client registers again."""

    STALL = "stall"
    """At once: real-time data is lost for ``seconds``, connections stay open."""
    DISCONNECT = "disconnect"
    """At once: WebSocket connections are reset."""
    SESSION_TAKEN = "session_taken"
    """At once: somebody else has the app key's session for ``seconds`` (OPSP8996)."""
    WIDER_RECORDS = "wider_records"
    """At once: ``columns`` more in every record, for ``seconds``, 0 for good."""
    NARROWER_RECORDS = "narrower_records"
    """At once: ``columns`` fewer in every record, for ``seconds``, 0 for good."""
    MALFORMED_FRAME = "malformed_frame"
    """A data frame is cut off in the middle of its payload."""

    TOKENS_REVOKED = "tokens_revoked"
    """At once: access tokens are unknown (EGW00121)."""
    TOKENS_EXPIRED = "tokens_expired"
    """At once: access tokens have expired (EGW00123)."""
    APPROVALS_LOST = "approvals_lost"
    """At once: WebSocket approval keys are unknown (OPSP0011)."""
    CLOCK_SKEW = "clock_skew"
    """At once: the service's clock is ``seconds`` ahead, negative behind, 0 right again."""

    HALT = "halt"
    """At once: an issue is halted, for ``reason``."""
    RESUME = "resume"
    """At once: a halted issue trades again."""
    VOLATILITY_INTERRUPTION = "volatility_interruption"
    """At once: an issue goes into an auction of ``seconds``, 0 for the usual two minutes."""
    CIRCUIT_BREAKER = "circuit_breaker"
    """At once: a whole market stops; ``level`` 3 ends its day."""
    SIDECAR = "sidecar"
    """At once: the program orders of a side are held."""


CALL_FAULTS: Final = frozenset(
    {
        FaultKind.THROTTLE,
        FaultKind.LEDGER_THROTTLE,
        FaultKind.HTTP_ERROR,
        FaultKind.HTTP_ERROR_AFTER_ACCEPT,
        FaultKind.DELAY,
        FaultKind.RESET_BEFORE_ACCEPT,
        FaultKind.DROP_REPLY_AFTER_ACCEPT,
        FaultKind.TIMEOUT_BEFORE_ACCEPT,
        FaultKind.TIMEOUT_AFTER_ACCEPT,
        FaultKind.UNCERTAIN_REPLY,
        FaultKind.NOTICE_FIRST,
    }
)
"""Faults that wait for REST calls."""

NOTICE_FAULTS: Final = frozenset(
    {
        FaultKind.DUPLICATE_NOTICE,
        FaultKind.LATE_NOTICE,
        FaultKind.SWAPPED_NOTICE,
        FaultKind.LOST_NOTICE,
        FaultKind.UNREADABLE_NOTICE,
    }
)
"""Faults that wait for notices."""

WAITING_FAULTS: Final = CALL_FAULTS | NOTICE_FAULTS | {FaultKind.MALFORMED_FRAME}
"""Faults that wait for something; every other kind happens at once."""

ORDER_CALLS_ONLY: Final = frozenset(
    {
        FaultKind.RESET_BEFORE_ACCEPT,
        FaultKind.DROP_REPLY_AFTER_ACCEPT,
        FaultKind.UNCERTAIN_REPLY,
        FaultKind.NOTICE_FIRST,
    }
)
"""Faults that wait for order calls when they name no call."""

_OF_ONE_ISSUE: Final = frozenset(
    {FaultKind.HALT, FaultKind.RESUME, FaultKind.VOLATILITY_INTERRUPTION}
)
_WAITING: Final = {"count", "rate", "seed"}
_FIELDS: Final[dict[FaultKind, set[str]]] = {
    **{kind: _WAITING | {"call", "account", "symbol"} for kind in CALL_FAULTS},
    **{kind: _WAITING | {"account", "symbol", "fills"} for kind in NOTICE_FAULTS},
    FaultKind.KEY_CHANGE: {"account"},
    FaultKind.STALL: {"seconds", "account", "symbol", "feed", "keep_alive"},
    FaultKind.DISCONNECT: {"account"},
    FaultKind.SESSION_TAKEN: {"account", "seconds"},
    FaultKind.WIDER_RECORDS: {"feed", "columns", "seconds"},
    FaultKind.NARROWER_RECORDS: {"feed", "columns", "seconds"},
    FaultKind.MALFORMED_FRAME: _WAITING | {"feed", "symbol"},
    FaultKind.TOKENS_REVOKED: {"account"},
    FaultKind.TOKENS_EXPIRED: {"account"},
    FaultKind.APPROVALS_LOST: {"account"},
    FaultKind.CLOCK_SKEW: {"seconds"},
    FaultKind.HALT: {"symbol"} | {"reason"},
    FaultKind.RESUME: {"symbol"} | {"seconds"},
    FaultKind.VOLATILITY_INTERRUPTION: {"symbol"} | {"seconds"},
    FaultKind.CIRCUIT_BREAKER: {"board", "level"},
    FaultKind.SIDECAR: {"board", "side"},
}
for _kind in (
    FaultKind.DELAY,
    FaultKind.TIMEOUT_BEFORE_ACCEPT,
    FaultKind.TIMEOUT_AFTER_ACCEPT,
    FaultKind.LATE_NOTICE,
    FaultKind.SWAPPED_NOTICE,
):
    _FIELDS[_kind] = _FIELDS[_kind] | {"seconds"}
for _kind in (FaultKind.HTTP_ERROR, FaultKind.HTTP_ERROR_AFTER_ACCEPT):
    _FIELDS[_kind] = _FIELDS[_kind] | {"status", "body"}


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for trouble.

    ``call`` is the last part of the path that a call fault waits for (``order-cash``); empty means
    any call, for faults of a reply to an order any order call. ``account`` (ten digits), ``symbol``
    and ``feed`` (a TR id) narrow it down; empty means all. ``count`` is how many matches it lasts
    for: by default one, with a ``rate`` below 1 all that are drawn. ``fills`` aims at notices of
    executions alone; without ``keep_alive`` a stall swallows PINGPONG as well.

    A field that the kind has no use for is refused, so that a mistake is not silently ignored.
    """

    kind: FaultKind
    count: int | None = None
    rate: float = 1.0
    seed: int = 0
    seconds: float = 0.0
    call: str = ""
    account: str = ""
    symbol: str = ""
    feed: str = ""
    status: int = 500
    body: bool = True
    columns: int = 1
    keep_alive: bool = True
    fills: bool = False
    reason: str = ""
    board: Board = Board.KOSPI
    side: Side = Side.SELL
    level: int = 1

    def __post_init__(self) -> None:
        """Refuse fields without a meaning and figures out of range."""
        usable = _FIELDS[self.kind] | {"kind"}
        for field in msgspec.structs.fields(self):
            if field.name not in usable and getattr(self, field.name) != field.default:
                raise ValueError(
                    f"{self.kind} has no use for `{field.name}`; it takes "
                    f"{', '.join(sorted(_FIELDS[self.kind])) or 'nothing'}"
                )
        if not 0 < self.rate <= 1:
            raise ValueError(f"rate {self.rate}: expected more than 0 and at most 1")
        if self.columns < 1:
            raise ValueError(f"columns {self.columns}: expected at least 1")
        if not 400 <= self.status <= 599:
            raise ValueError(f"status {self.status}: expected an HTTP error, 400 to 599")
        if self.kind in _OF_ONE_ISSUE and not self.symbol:
            raise ValueError(f"{self.kind} needs a `symbol`")

    @property
    def lasts(self) -> int:
        """How many matches it is good for."""
        if self.count is not None:
            return self.count
        return 1 if self.rate == 1 else _WITHOUT_END
