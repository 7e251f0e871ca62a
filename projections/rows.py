"""The rows of every read model, and which table each belongs to.

A row is a mutable struct whose fields are the stored columns of its table in order (generated
columns are computed by PostgreSQL). A test compares both. Columns of JSON hold JSON text here.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec

from projections.control_rows import (
    HaltRow,
    LeaseRow,
    LimitChangeRow,
    OperatorActionRow,
    OperatorLinkRow,
    StopRow,
)


class IntentRow(msgspec.Struct, kw_only=True):
    """One strategy's wish and its fate."""

    account: str
    intent_id: str
    sequence: int
    cause: int
    trading_date: str
    strategy: str
    symbol: str
    kind: str
    quantity: int | None
    urgency: str
    horizon: str
    reason: str
    attempt: int
    signal: str | None
    reference_price: int | None
    limit_price: int | None
    stop_price: int | None
    protective_stop: int | None
    hard_stop: int | None
    facts: str
    status: str
    approved_quantity: int | None = None
    decided_by: str | None = None
    message: str | None = None
    orders: int = 0
    order_id: str | None = None
    execution: str | None = None
    executed_quantity: int | None = None
    execution_reason: str | None = None
    submitted_at: int
    expires_at: int
    decided_at: int | None = None
    execution_ended_at: int | None = None


class DecisionRow(msgspec.Struct, kw_only=True):
    """The risk gate's answer to one intent."""

    account: str
    intent_id: str
    sequence: int
    cause: int
    strategy: str
    symbol: str
    outcome: str
    quantity: int | None
    requested_quantity: int | None
    decided_by: str | None
    reason: str | None
    checks: str
    decided_at: int


class OrderRow(msgspec.Struct, kw_only=True):
    """One order."""

    account: str
    order_id: str
    sequence: int
    intent_id: str
    trading_date: str
    strategy: str
    symbol: str
    side: str
    kind: str | None = None
    quantity: int | None = None
    limit_price: int | None = None
    stop_price: int | None = None
    reference_price: int | None = None
    protective_stop: int | None = None
    hard_stop: int | None = None
    reason: str | None = None
    state: str
    filled_quantity: int = 0
    filled_amount: int = 0
    fee: int = 0
    tax: int = 0
    broker_order: str | None = None
    branch: str | None = None
    adopted: bool = False
    route: str | None = None
    epoch: int | None = None
    replaces: str | None = None
    trade_id: str | None = None
    corrections: int = 0
    cancel_attempts: int = 0
    cancel_state: str | None = None
    message: str | None = None
    cancel_at: int | None = None
    held_at: int | None = None
    submitted_at: int | None = None
    accepted_at: int | None = None
    closed_at: int | None = None
    updated_at: int


class OrderEventRow(msgspec.Struct, kw_only=True):
    """One step of an order."""

    account: str
    sequence: int
    order_id: str
    intent_id: str | None
    strategy: str | None
    symbol: str | None
    event: str
    state_before: str | None
    state_after: str | None
    payload: str
    at: int


class FillRow(msgspec.Struct, kw_only=True):
    """One execution."""

    account: str
    fill_id: str
    sequence: int
    order_id: str
    trading_date: str
    strategy: str
    symbol: str
    side: str
    quantity: int
    price: int
    amount: int
    cumulative_quantity: int
    fee: int
    tax: int
    source: str
    trade_id: str | None
    filled_at: int


class TradeRow(msgspec.Struct, kw_only=True):
    """One round trip."""

    account: str
    trade_id: str
    strategy: str
    symbol: str
    trading_date: str
    status: str = "open"
    entry_intent_id: str | None = None
    exit_intent_id: str | None = None
    entry_reason: str | None = None
    exit_reason: str | None = None
    initial_stop: int | None = None
    entry_fills: int = 0
    entry_quantity: int = 0
    entry_amount: int = 0
    entry_fee: int = 0
    exit_fills: int = 0
    exit_quantity: int = 0
    exit_amount: int = 0
    exit_cost: int = 0
    exit_fee: int = 0
    exit_tax: int = 0
    moved_quantity: int = 0
    moved_cost: int = 0
    lowest_price: int | None = None
    highest_price: int | None = None
    entered_at: int
    closed_at: int | None = None
    updated_at: int


class PositionRow(msgspec.Struct, kw_only=True):
    """What the broker holds of one symbol.

    ``quantity`` is its last word, ``moved`` what fills bought less what they sold since.
    """

    account: str
    symbol: str
    quantity: int = 0
    moved: int = 0
    sellable: int = 0
    cost: int = 0
    last_price: int | None = None
    frozen: bool = False
    drift: int = 0
    synced_at: int


class AllocationRow(msgspec.Struct, kw_only=True):
    """What one strategy owns of one symbol."""

    account: str
    symbol: str
    strategy: str
    quantity: int = 0
    cost: int = 0
    protective_stop: int | None = None
    hard_stop: int | None = None
    entry_intent_id: str | None = None
    trade_id: str | None = None
    entered_at: int | None = None
    updated_at: int


class PortfolioDayRow(msgspec.Struct, kw_only=True):
    """One session of the account."""

    account: str
    trading_date: str
    phase: str | None = None
    open_at: int | None = None
    close_at: int | None = None
    opening_equity: int | None = None
    opening_cash: int | None = None
    equity: int | None = None
    cash: int | None = None
    deposit_today: int | None = None
    deposit_next: int | None = None
    deposit_second_next: int | None = None
    bought_amount: int = 0
    sold_amount: int = 0
    realized_gross: int = 0
    fees: int = 0
    tax: int = 0
    unrealized: int = 0
    gross_exposure: int = 0
    peak_exposure: int = 0
    peak_equity: int | None = None
    max_drawdown: int = 0
    positions: int = 0
    halted: bool = False
    halt_reason: str | None = None
    halt_at: int | None = None
    flattened: bool = False
    regime: str | None = None
    regime_at: int | None = None
    code_version: str | None = None
    updated_at: int


class StrategyDayRow(msgspec.Struct, kw_only=True):
    """One session of one strategy."""

    account: str
    trading_date: str
    strategy: str
    intents: int = 0
    approved: int = 0
    rejected: int = 0
    deferred: int = 0
    orders: int = 0
    fills: int = 0
    bought_amount: int = 0
    sold_amount: int = 0
    realized_gross: int = 0
    fees: int = 0
    tax: int = 0
    unrealized: int = 0
    exposure: int = 0
    peak_exposure: int = 0
    peak_pnl: int = 0
    max_drawdown: int = 0
    trades_opened: int = 0
    trades_closed: int = 0
    wins: int = 0
    losses: int = 0
    halted: bool = False
    halt_reason: str | None = None
    halt_at: int | None = None
    updated_at: int


class ServiceRow(msgspec.Struct, kw_only=True):
    """One service's last sign of life."""

    account: str
    service: str
    run: str
    mode: str = "running"
    code_version: str | None = None
    position: int | None = None
    figures: str = "{}"
    configuration: str | None = None
    stop_reason: str | None = None
    started_at: int | None = None
    heartbeat_at: int
    stopped_at: int | None = None


class ConditionRow(msgspec.Struct, kw_only=True):
    """One thing that works less well than it should."""

    account: str
    service: str
    condition: str
    active: bool
    detail: str
    times: int = 0
    begun_at: int
    ended_at: int | None = None


class SetAsideRow(msgspec.Struct, kw_only=True):
    """One log entry or broker frame that could not be decoded."""

    account: str
    service: str
    sequence: int
    subject: str
    error: str
    payload: bytes
    at: int


R = TypeVar("R", bound=msgspec.Struct)

Key = tuple[object, ...]
"""Values of a row's key columns after ``account``."""


class Table(Generic[R]):
    """A table: its row type, the key columns after ``account``, and what a restart reads back.

    ``resident`` is the SQL condition of the rows that the fold may look at without being asked for
    by id (open trades, allocations); ``None`` for tables whose rows are fetched by id or never.
    """

    def __init__(
        self,
        name: str,
        row: type[R],
        key: tuple[str, ...],
        *,
        resident: str | None = None,
        json: tuple[str, ...] = (),
    ) -> None:
        self.name = name
        self.row = row
        self.key_columns = key
        self.resident = resident
        self.json = json
        self.columns = row.__struct_fields__
        self._get = attrgetter(*key)

    def key(self, row: R) -> Key:
        """Return the key of a row, account left out."""
        value = self._get(row)
        return value if len(self.key_columns) > 1 else (value,)


INTENTS: Final = Table("intents", IntentRow, ("intent_id",), json=("facts",))
DECISIONS: Final = Table("decisions", DecisionRow, ("intent_id",), json=("checks",))
ORDERS: Final = Table("orders", OrderRow, ("order_id",))
ORDER_EVENTS: Final = Table("order_events", OrderEventRow, ("sequence",), json=("payload",))
FILLS: Final = Table("fills", FillRow, ("fill_id",))
TRADES: Final = Table("trades", TradeRow, ("trade_id",), resident="status = 'open'")
POSITIONS: Final = Table("positions", PositionRow, ("symbol",), resident="TRUE")
ALLOCATIONS: Final = Table("allocations", AllocationRow, ("symbol", "strategy"), resident="TRUE")
PORTFOLIO_DAYS: Final = Table(
    "risk_daily_portfolio", PortfolioDayRow, ("trading_date",), resident="TRUE"
)
STRATEGY_DAYS: Final = Table(
    "risk_daily_strategy", StrategyDayRow, ("trading_date", "strategy"), resident="TRUE"
)
HALTS: Final = Table("halts", HaltRow, ("scope", "target", "trigger"), resident="TRUE")
LIMIT_CHANGES: Final = Table(
    "limit_changes", LimitChangeRow, ("sequence",), resident="TRUE", json=("changes",)
)
OPERATOR_ACTIONS: Final = Table(
    "operator_actions", OperatorActionRow, ("sequence",), json=("payload",)
)
OPERATOR_LINKS: Final = Table("operator_links", OperatorLinkRow, ("link",), resident="TRUE")
LEASES: Final = Table("leases", LeaseRow, ("name",), resident="TRUE")
STOPS: Final = Table("stops", StopRow, ("symbol", "strategy"), resident="TRUE")
SERVICES: Final = Table(
    "service_state",
    ServiceRow,
    ("service",),
    resident="TRUE",
    json=("figures", "configuration"),
)
CONDITIONS: Final = Table("conditions", ConditionRow, ("service", "condition"), resident="TRUE")
SET_ASIDE: Final = Table("set_aside", SetAsideRow, ("service", "sequence"))

ALL: Final[tuple[Table[Any], ...]] = (
    INTENTS,
    DECISIONS,
    ORDERS,
    ORDER_EVENTS,
    FILLS,
    TRADES,
    POSITIONS,
    ALLOCATIONS,
    PORTFOLIO_DAYS,
    STRATEGY_DAYS,
    HALTS,
    LIMIT_CHANGES,
    OPERATOR_ACTIONS,
    OPERATOR_LINKS,
    LEASES,
    STOPS,
    SERVICES,
    CONDITIONS,
    SET_ASIDE,
)
"""Every table that is folded; ``checkpoint`` stands beside them."""
