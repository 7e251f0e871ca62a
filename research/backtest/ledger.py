"""The result of a run, folded from its events while it goes on.

``take`` is called for every derived event and must cost next to nothing, so it only appends plain
tuples; rows and round trips are made at the end. What always holds: the ledger decides nothing and
knows nothing but what it is handed; every won of a fill is in the trades and in the strategies'
results; carried shares are those that the next session opens with, or ``BooksDisagree`` is raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from events import IntentId, OrderId, StrategyId, Symbol, TradingDate, trading
from events.event import Event
from events.market import SessionOpened
from events.trading import OrderState, Side
from research.backtest.errors import BooksDisagree
from research.backtest.market_day import CorporateAction
from research.backtest.results import (
    BacktestResult,
    DecisionRow,
    EquityRow,
    FillRow,
    OrderRow,
    Provenance,
    SessionRow,
    StrategyEquityRow,
)
from research.backtest.round_trips import OpeningLot, PlacedAction, round_trips

_Row = tuple[Any, ...]
_Handler = Callable[[int, Any, int, int], None]

# Places in a decision's and an order's list: what later events change.
_ALLOWED, _OUTCOME, _CHECK, _MARKET_PRICE = 9, 10, 11, 12
_QUANTITY, _ACCEPTED_AT, _ENDED_AT, _STATE, _FILLED, _AMOUNT, _REASON = 7, 10, 11, 12, 13, 14, 15

_DECISION_FIELDS: Final = DecisionRow.__struct_fields__
_ORDER_FIELDS: Final = OrderRow.__struct_fields__
_FILL_FIELDS: Final = FillRow.__struct_fields__
_EQUITY_FIELDS: Final = EquityRow.__struct_fields__


class Ledger:
    """Folds a run into a ``BacktestResult``.

    Per session: ``adjust`` for each corporate action, ``open_session``, any number of ``take`` and
    ``mark``, a last ``mark`` with ``closing``, ``close_session``. ``owners`` are strategies that
    have a row each session even when they do nothing.
    """

    def __init__(self, opening_cash: int, owners: Sequence[StrategyId] = ()) -> None:
        self._opening_cash = opening_cash
        self._session = TradingDate("")
        self._warm_up = False
        self._problems: tuple[str, ...] = ()
        self._opening_equity = opening_cash
        self._derived = 0
        self._decisions: dict[IntentId, list[Any]] = {}
        self._reasons: dict[IntentId, str] = {}
        self._orders: dict[OrderId, list[Any]] = {}
        self._fills: list[_Row] = []
        self._equity: list[_Row] = []
        self._sessions: list[SessionRow] = []
        self._strategies: list[StrategyEquityRow] = []
        self._gained: dict[StrategyId, int] = dict.fromkeys(owners, 0)
        self._held: dict[tuple[StrategyId, Symbol], int] = {}
        self._last: dict[Symbol, int] = {}
        self._opening: list[OpeningLot] = []
        self._actions: list[PlacedAction] = []
        self._handlers: dict[type, _Handler] = {
            trading.IntentSubmitted: self._submitted,
            trading.IntentExpired: self._expired,
            trading.IntentApproved: self._approved,
            trading.IntentModified: self._modified,
            trading.IntentRejected: self._refused,
            trading.IntentDeferred: self._deferred,
            trading.OrderSubmitting: self._submitting,
            trading.OrderAccepted: self._accepted,
            trading.OrderRejected: self._rejected,
            trading.OrderUnknown: self._unknown,
            trading.OrderFilled: self._filled,
            trading.FillCorrected: self._corrected,
            trading.OrderClosed: self._closed,
            trading.CancelSubmitting: self._withdrawn,
        }

    def adjust(self, action: CorporateAction) -> None:
        """Convert carried shares; what is no whole share of a strategy's position is gone."""
        self._actions.append(PlacedAction(len(self._fills), action))
        for owner, quantity in self._held.items():
            if owner[1] == action.symbol:
                self._held[owner] = quantity * action.new // action.old
        if action.symbol in self._last:
            self._last[action.symbol] = self._last[action.symbol] * action.old // action.new

    def open_session(
        self, session: SessionOpened, *, warm_up: bool = False, problems: tuple[str, ...] = ()
    ) -> None:
        """Begin a session. What the first one opens with is where round trips begin.

        Raises:
            BooksDisagree: a later session opens with other shares than this ledger carried.
        """
        listed = {(each.strategy, each.symbol): each.quantity for each in session.allocations}
        if not self._sessions:
            for each in session.allocations:
                self._opening.append(
                    OpeningLot(each.strategy, each.symbol, each.quantity, each.cost, session.at)
                )
                gained = self._gained.get(each.strategy, 0)
                self._gained[each.strategy] = gained - each.cost
            self._held = dict(listed)
        for owner in self._held.keys() | listed.keys():
            if (carried := self._held.get(owner, 0)) != (opened := listed.get(owner, 0)):
                raise BooksDisagree(
                    *owner,
                    f"{carried} shares were carried, {session.trading_date} opens with {opened}",
                )
        self._session, self._warm_up, self._problems = session.trading_date, warm_up, problems
        self._opening_equity = session.equity
        self._derived = 0

    def take(
        self, sequence: int, event: Event, *, market_price: int = 0, executed_at: int = 0
    ) -> None:
        """Fold a derived event. ``sequence`` is its place on the log.

        ``market_price`` is the last price in won for an ``IntentSubmitted``, ``executed_at`` the
        exchange's time (ns UTC) for an ``OrderFilled``; by default it is when the fill was known.
        """
        self._derived += 1
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(sequence, event, market_price, executed_at)

    def mark(self, at: int, cash: int, holdings: int, *, closing: bool = False) -> None:
        """Note what the account is worth: cash and shares at last price, won."""
        self._equity.append((self._session, at, cash, holdings, closing))

    def close_session(self, prices: Mapping[Symbol, int], market_events: int) -> None:
        """End the session; ``prices`` are the last ones in won of what is held (others may be).

        A share without a price is worth what it last was here: its last fill or close.
        """
        self._last.update(prices)
        holdings: dict[StrategyId, int] = dict.fromkeys(self._gained, 0)
        for (strategy, symbol), quantity in self._held.items():
            value = quantity * self._last.get(symbol, 0)
            holdings[strategy] = holdings.get(strategy, 0) + value
        for strategy, value in holdings.items():
            self._strategies.append(
                StrategyEquityRow(
                    session=self._session,
                    strategy=strategy,
                    result=self._gained[strategy] + value,
                    holdings=value,
                )
            )
        marked = self._equity[-1] if self._equity else None
        closing = marked[2] + marked[3] if marked and marked[4] else self._opening_equity
        self._sessions.append(
            SessionRow(
                session=self._session,
                market_events=market_events,
                derived_events=self._derived,
                opening_equity=self._opening_equity,
                closing_equity=closing,
                warm_up=self._warm_up,
                problems=self._problems,
            )
        )

    def result(self, provenance: Provenance, wall_seconds: float = 0.0) -> BacktestResult:
        """Return everything folded so far.

        Raises:
            BooksDisagree: more shares were sold than bought.
        """
        fills = tuple(FillRow(**dict(zip(_FILL_FIELDS, row, strict=True))) for row in self._fills)
        return BacktestResult(
            provenance=provenance,
            opening_cash=self._opening_cash,
            sessions=tuple(self._sessions),
            decisions=tuple(
                DecisionRow(**dict(zip(_DECISION_FIELDS, row, strict=True)))
                for row in self._decisions.values()
            ),
            orders=tuple(
                OrderRow(**dict(zip(_ORDER_FIELDS, row, strict=True)))
                for row in self._orders.values()
            ),
            fills=fills,
            trades=round_trips(
                fills,
                opening=self._opening,
                actions=self._actions,
                reasons=self._reasons,
                last_prices=self._last,
            ),
            equity=tuple(
                EquityRow(**dict(zip(_EQUITY_FIELDS, row, strict=True))) for row in self._equity
            ),
            strategies=tuple(self._strategies),
            wall_seconds=wall_seconds,
        )

    # Intents and decisions

    def _submitted(
        self, sequence: int, event: trading.IntentSubmitted, market_price: int, _: int
    ) -> None:
        self._reasons[event.intent_id] = event.reason
        # Without an answer by the end of the run it lapsed.
        self._decisions[event.intent_id] = [
            sequence, self._session, event.at, event.intent_id, event.strategy, event.symbol,
            event.kind, event.reason, event.quantity, 0, "expired", "", market_price,
        ]  # fmt: skip

    def _expired(
        self, sequence: int, event: trading.IntentExpired, market_price: int, _: int
    ) -> None:
        self._submitted(sequence, event.intent, market_price, 0)

    def _approved(self, _: int, event: trading.IntentApproved, __: int, ___: int) -> None:
        row = self._decisions[event.intent_id]
        row[_ALLOWED], row[_OUTCOME] = event.quantity, "approved"

    def _modified(self, _: int, event: trading.IntentModified, __: int, ___: int) -> None:
        row = self._decisions[event.intent_id]
        row[_ALLOWED], row[_OUTCOME], row[_CHECK] = event.quantity, "modified", event.binding_check

    def _refused(self, _: int, event: trading.IntentRejected, __: int, ___: int) -> None:
        row = self._decisions[event.intent_id]
        row[_OUTCOME], row[_CHECK] = "rejected", event.rejected_by

    def _deferred(self, _: int, event: trading.IntentDeferred, __: int, ___: int) -> None:
        row = self._decisions[event.intent_id]
        row[_OUTCOME], row[_CHECK] = "deferred", event.deferred_by

    # Orders. An order that was only ever held never was at the exchange and has no row.

    def _submitting(self, sequence: int, event: trading.OrderSubmitting, _: int, __: int) -> None:
        self._orders[event.order_id] = [
            sequence, self._session, event.order_id, event.intent_id, event.strategy, event.symbol,
            event.side, event.quantity, event.limit_price, event.at, 0, 0, OrderState.SUBMITTING,
            0, 0, "",
        ]  # fmt: skip

    def _accepted(self, _: int, event: trading.OrderAccepted, __: int, ___: int) -> None:
        row = self._orders[event.order_id]
        row[_ACCEPTED_AT] = event.at
        # Its executions may have been known first. One that was taken for refused is found again.
        if not row[_FILLED]:
            row[_STATE], row[_ENDED_AT], row[_REASON] = OrderState.ACCEPTED, 0, ""

    def _rejected(self, _: int, event: trading.OrderRejected, __: int, ___: int) -> None:
        row = self._orders.get(event.order_id)
        if row is None:
            return  # Refused before it was sent.
        row[_STATE], row[_ENDED_AT] = OrderState.REJECTED, event.at
        row[_REASON] = f"{event.code}: {event.message}"

    def _unknown(self, _: int, event: trading.OrderUnknown, __: int, ___: int) -> None:
        self._orders[event.order_id][_STATE] = OrderState.UNKNOWN

    def _withdrawn(self, _: int, event: trading.CancelSubmitting, __: int, ___: int) -> None:
        self._orders[event.order_id][_REASON] = event.reason

    def _closed(self, _: int, event: trading.OrderClosed, __: int, ___: int) -> None:
        row = self._orders.get(event.order_id)
        if row is None:
            return
        row[_STATE], row[_ENDED_AT] = event.state, event.at
        # Why we withdrew it says more than that it was withdrawn.
        row[_REASON] = "" if event.state is OrderState.FILLED else row[_REASON] or event.reason

    # Shares and money

    def _filled(self, sequence: int, event: trading.OrderFilled, _: int, executed_at: int) -> None:
        row = self._orders[event.order_id]
        quantity, amount = event.quantity, event.amount
        row[_FILLED] += quantity
        row[_AMOUNT] += amount
        if row[_FILLED] >= row[_QUANTITY]:
            row[_STATE], row[_REASON] = OrderState.FILLED, ""
            row[_ENDED_AT] = row[_ENDED_AT] or event.at
        elif not row[_ENDED_AT]:
            row[_STATE] = OrderState.PARTIALLY_FILLED
        intent = row[3]
        decision = self._decisions.get(intent)
        self._fills.append((
            sequence, self._session, event.at, executed_at or event.at, event.order_id, intent,
            event.strategy, event.symbol, event.side, quantity, event.price, amount,
            event.fee, event.tax, decision[_MARKET_PRICE] if decision is not None else 0,
        ))  # fmt: skip
        bought = event.side is Side.BUY
        strategy = event.strategy
        costs = event.fee + event.tax
        moved = -amount - costs if bought else amount - costs
        self._gained[strategy] = self._gained.get(strategy, 0) + moved
        owner = (strategy, event.symbol)
        self._held[owner] = self._held.get(owner, 0) + (quantity if bought else -quantity)
        self._last[event.symbol] = event.price

    def _corrected(self, sequence: int, event: trading.FillCorrected, _: int, __: int) -> None:
        row = self._orders[event.order_id]
        row[_AMOUNT] += event.amount
        self._fills.append((
            sequence, self._session, event.at, event.at, event.order_id, row[3], event.strategy,
            event.symbol, event.side, 0, 0, event.amount, event.fee, event.tax, 0,
        ))  # fmt: skip
        moved = -event.amount if event.side is Side.BUY else event.amount
        moved -= event.fee + event.tax
        self._gained[event.strategy] = self._gained.get(event.strategy, 0) + moved
