"""What a backtest leaves: who ran on what, what happened, what the account was worth.

Everything is folded from the events of the run, so a result is a projection like any other. Money
is won, quantities shares, times ns UTC. Rows of each table are in log order.
"""

from __future__ import annotations

import msgspec

from events import IntentId, OrderId, StrategyId, Symbol, TradingDate
from events.trading import IntentKind, OrderState, Side


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a run repeatable: equal provenance gives an equal ``result_hash``.

    ``settings`` is the whole configuration as JSON text, ``data_hash`` a digest of the recording,
    ``result_hash`` one of every derived event in order. ``path`` says how the run was computed and
    has no influence on either.
    """

    name: str
    settings: str
    settings_hash: str
    code_version: str
    data_hash: str
    result_hash: str
    path: str


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """An intent and what the risk gate said to it.

    ``outcome`` is approved, modified, rejected, deferred or expired (no answer came); ``check``
    names the one that cut, refused or deferred, empty for none. ``market_price`` is the last price
    in won when the intent was submitted, 0 before the first.
    """

    sequence: int
    session: TradingDate
    at: int
    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    kind: IntentKind
    reason: str
    requested: int | None
    allowed: int
    outcome: str
    check: str
    market_price: int


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order with its end. ``limit_price`` is ``None`` for a market order.

    ``accepted_at`` and ``ended_at`` are 0 for what did not happen. ``reason`` is why it was refused
    or withdrawn.
    """

    sequence: int
    session: TradingDate
    order_id: OrderId
    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: int
    limit_price: int | None
    submitted_at: int
    accepted_at: int
    ended_at: int
    state: OrderState
    filled_quantity: int
    filled_amount: int
    reason: str


class FillRow(msgspec.Struct, frozen=True, kw_only=True):
    """Shares that changed hands. ``executed_at`` is the exchange's time, ``at`` when it was known.

    ``market_price`` is the last price when the order's intent was submitted: what slippage is
    measured from. What the broker's books correct later is a row of its own without shares: its
    money is added to that of the order.
    """

    sequence: int
    session: TradingDate
    at: int
    executed_at: int
    order_id: OrderId
    intent_id: IntentId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    quantity: int
    price: int
    amount: int
    fee: int
    tax: int
    market_price: int


class TradeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A round trip, or the open part of one: shares bought and what became of them.

    First in, first out within a strategy and symbol; one row for each pairing of a buy's shares
    with a sell's. ``closed_at`` is 0 and ``proceeds`` the last value while still held. ``fees`` and
    ``tax`` are those of both sides in proportion to the shares, ``result`` is
    ``proceeds - cost - fees - tax``.
    """

    strategy: StrategyId
    symbol: Symbol
    quantity: int
    opened_at: int
    closed_at: int
    cost: int
    proceeds: int
    fees: int
    tax: int
    result: int
    entry_intent: IntentId
    exit_intent: IntentId | None
    exit_reason: str


class EquityRow(msgspec.Struct, frozen=True, kw_only=True):
    """What the account was worth at an instant: ``cash`` plus shares at last price (``holdings``).

    One row a minute of the session and one at its end, which ``closing`` marks.
    """

    session: TradingDate
    at: int
    cash: int
    holdings: int
    closing: bool = False

    @property
    def equity(self) -> int:
        """Cash plus holdings, won."""
        return self.cash + self.holdings


class StrategyEquityRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy has gained by the end of a session, net of costs, open positions at last."""

    session: TradingDate
    strategy: StrategyId
    result: int
    holdings: int


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One session in figures; ``problems`` are what is odd about its data."""

    session: TradingDate
    market_events: int
    derived_events: int
    opening_equity: int
    closing_equity: int
    warm_up: bool
    problems: tuple[str, ...] = ()


class BacktestResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finished backtest. ``wall_seconds`` is the only field that two equal runs may differ in."""

    provenance: Provenance
    opening_cash: int
    sessions: tuple[SessionRow, ...]
    decisions: tuple[DecisionRow, ...]
    orders: tuple[OrderRow, ...]
    fills: tuple[FillRow, ...]
    trades: tuple[TradeRow, ...]
    equity: tuple[EquityRow, ...]
    strategies: tuple[StrategyEquityRow, ...]
    wall_seconds: float = 0.0

    @property
    def market_events(self) -> int:
        """Market events of all sessions."""
        return sum(each.market_events for each in self.sessions)

    @property
    def closing_equity(self) -> int:
        """Won that the account was worth at the end, the opening cash without a session."""
        return self.sessions[-1].closing_equity if self.sessions else self.opening_cash
