"""The rows a fold works on: known rows by key, and which of them changed since the last write.

Memory is a cache of the tables. Rows that a fold looks at on its own (open trades, allocations,
days, halts) are resident; intents and orders are fetched when an event names one that is not
here (``unknown_intents``/``unknown_orders``) and forgotten after the write. So a fold sees the same
rows whether it ran straight through, was cut into batches, or was restarted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from events import AccountId, Event, calendar, trading
from projections import rows
from projections.rows import Key, Table

R = TypeVar("R", bound=msgspec.Struct)


class Rows(Generic[R]):
    """The known rows of one table, by key without the account."""

    def __init__(self, table: Table[R]) -> None:
        self.table = table
        self.known: dict[Key, R] = {}
        self._changed: dict[Key, R] = {}

    def get(self, *key: object) -> R | None:
        """Return the row of a key, ``None`` when there is none."""
        return self.known.get(key)

    def put(self, row: R) -> R:
        """Add a row, or note that one was changed; return it."""
        key = self.table.key(row)
        self.known[key] = row
        self._changed[key] = row
        return row

    def load(self, found: Iterable[R]) -> None:
        """Take in rows as the table holds them."""
        for row in found:
            self.known[self.table.key(row)] = row

    @property
    def changed(self) -> Sequence[R]:
        """Rows added or changed since ``written``, in the order of their first change."""
        return tuple(self._changed.values())

    def written(self) -> None:
        """Note that the table now holds every change."""
        self._changed.clear()

    def __iter__(self) -> Iterator[R]:
        return iter(self.known.values())


class ReadModel:
    """All rows of one account as far as the fold needs them, and the log's clock.

    ``clock`` is the latest event time folded (ns UTC). ``trading_date`` is that of the newest
    opened session; before the first one it is the KST date of the clock.
    """

    def __init__(self, account: AccountId) -> None:
        self.account = account
        self.clock = 0
        self.intents = Rows(rows.INTENTS)
        self.decisions = Rows(rows.DECISIONS)
        self.orders = Rows(rows.ORDERS)
        self.order_events = Rows(rows.ORDER_EVENTS)
        self.fills = Rows(rows.FILLS)
        self.trades = Rows(rows.TRADES)
        self.positions = Rows(rows.POSITIONS)
        self.allocations = Rows(rows.ALLOCATIONS)
        self.portfolio_days = Rows(rows.PORTFOLIO_DAYS)
        self.strategy_days = Rows(rows.STRATEGY_DAYS)
        self.halts = Rows(rows.HALTS)
        self.limit_changes = Rows(rows.LIMIT_CHANGES)
        self.operator_actions = Rows(rows.OPERATOR_ACTIONS)
        self.operator_links = Rows(rows.OPERATOR_LINKS)
        self.leases = Rows(rows.LEASES)
        self.stops = Rows(rows.STOPS)
        self.services = Rows(rows.SERVICES)
        self.conditions = Rows(rows.CONDITIONS)
        self.set_aside = Rows(rows.SET_ASIDE)
        self.tables: tuple[Rows[Any], ...] = (
            self.intents,
            self.decisions,
            self.orders,
            self.order_events,
            self.fills,
            self.trades,
            self.positions,
            self.allocations,
            self.portfolio_days,
            self.strategy_days,
            self.halts,
            self.limit_changes,
            self.operator_actions,
            self.operator_links,
            self.leases,
            self.stops,
            self.services,
            self.conditions,
            self.set_aside,
        )
        self._session: str | None = None

    def changes(self) -> int:
        """Return how many rows differ from the tables."""
        return sum(len(table.changed) for table in self.tables)

    @property
    def trading_date(self) -> str:
        """Trading date to which what happens now belongs, ``yyyymmdd``."""
        if self._session is None:
            opened = [day.trading_date for day in self.portfolio_days if day.open_at is not None]
            if not opened:
                return f"{calendar.kst(self.clock):%Y%m%d}"
            self._session = max(opened)
        return self._session

    def session_opened(self) -> None:
        """Look again which session is the newest."""
        self._session = None

    def portfolio_day(self, trading_date: str | None = None) -> rows.PortfolioDayRow:
        """Return the account's row of a session (default: the current one), marked as changed."""
        date = self.trading_date if trading_date is None else trading_date
        row = self.portfolio_days.get(date)
        if row is None:
            row = rows.PortfolioDayRow(
                account=self.account, trading_date=date, updated_at=self.clock
            )
        row.updated_at = self.clock
        return self.portfolio_days.put(row)

    def strategy_day(self, strategy: str) -> rows.StrategyDayRow:
        """Return a strategy's row of the current session, marked as changed."""
        row = self.strategy_days.get(self.trading_date, strategy)
        if row is None:
            row = rows.StrategyDayRow(
                account=self.account,
                trading_date=self.trading_date,
                strategy=strategy,
                updated_at=self.clock,
            )
        row.updated_at = self.clock
        return self.strategy_days.put(row)

    def allocation(self, symbol: str, strategy: str) -> rows.AllocationRow:
        """Return what a strategy owns of a symbol, marked as changed."""
        row = self.allocations.get(symbol, strategy)
        if row is None:
            row = rows.AllocationRow(
                account=self.account, symbol=symbol, strategy=strategy, updated_at=self.clock
            )
        row.updated_at = self.clock
        return self.allocations.put(row)

    def unknown_orders(self, events: Iterable[Event]) -> set[str]:
        """Return the orders that these events name and that are not in memory."""
        return {
            event.order_id
            for event in events
            if isinstance(event, trading.OrderEvent) and self.orders.get(event.order_id) is None
        }

    def unknown_intents(self, events: Iterable[Event]) -> set[str]:
        """Return the intents that these events name and that are not in memory."""
        return {
            event.intent_id
            for event in events
            if isinstance(
                event,
                trading.Decision
                | trading.OrderHeld
                | trading.OrderSubmitting
                | trading.ExecutionEnded,
            )
            and self.intents.get(event.intent_id) is None
        }

    def unknown_trades(self, events: Iterable[Event]) -> set[str]:
        """Return the round trips that these events correct and that are not in memory.

        Their orders must be in memory, as far as the tables have them.
        """
        corrected = {event.order_id for event in events if isinstance(event, trading.FillCorrected)}
        found = {order.trade_id for order in self.orders if order.order_id in corrected}
        return {trade for trade in found if trade is not None and self.trades.get(trade) is None}

    def written(self) -> None:
        """Note that the tables hold every change, and forget what can be fetched again."""
        for table in self.tables:
            table.written()
        for fetched in (
            self.intents,
            self.decisions,
            self.orders,
            self.order_events,
            self.fills,
            self.operator_actions,
            self.set_aside,
        ):
            fetched.known.clear()
        for key in [key for key, trade in self.trades.known.items() if trade.status != "open"]:
            del self.trades.known[key]
