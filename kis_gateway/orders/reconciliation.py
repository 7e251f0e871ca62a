"""Compares what the broker holds with what everybody owns, and says where they differ.

What always holds: the broker's quantity comes from a complete balance only, the owners' from fills
and reallocations on the log only, and neither is ever written over the other. While an order of a
symbol may still change it, or its last fill is young, a difference is no finding. What is found is
``_UNKNOWN_``'s until an operator gives it an owner; the next comparison, which is then made at
once, sees that nothing is left over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec

from bus import TimeSource
from events import Event, Symbol, TradingDate
from events.control import SharesReallocated
from events.trading import (
    AccountSnapshot,
    DriftCleared,
    DriftDetected,
    OrderEvent,
    OrderFilled,
)
from kis_gateway.broker import Balance, Broker
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed, SettingsError
from kis_gateway.orders.first_look import FirstLook
from kis_gateway.orders.inquiry_health import BALANCE, InquiryHealth
from kis_gateway.orders.order_state import Order
from kis_gateway.orders.order_writer import OrderWriter
from kis_gateway.publisher import Publisher
from kis_gateway.waiting import sleep_until_or

_SECOND: Final = 1_000_000_000


class ReconciliationSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to read the balance (seconds).

    Every ``balance_s``; ``burst_s`` after a fill, so that a burst of fills costs one inquiry; at
    the latest ``retry_s`` after a failure and while the inquiries count as failing; not more often
    than every ``spacing_s``. A symbol is compared ``settle_s`` after its last fill. ``exit_wait_s``
    is how long exits wait for the first comparison of a start; entries wait until it is made.
    """

    balance_s: float = 60.0
    burst_s: float = 3.0
    retry_s: float = 10.0
    spacing_s: float = 2.0
    settle_s: float = 10.0
    exit_wait_s: float = 10.0

    def __post_init__(self) -> None:
        if (
            not 0 < self.spacing_s <= min(self.retry_s, self.balance_s)
            or min(self.burst_s, self.settle_s, self.exit_wait_s) < 0
        ):
            raise SettingsError(
                "reconciliation must satisfy 0 < spacing_s <= balance_s, spacing_s <= retry_s, "
                "burst_s >= 0, settle_s >= 0 and exit_wait_s >= 0, got "
                f"{self.spacing_s}, {self.retry_s}, {self.balance_s}, {self.burst_s}, "
                f"{self.settle_s}, {self.exit_wait_s}"
            )


class Reconciliation:
    """Reads the balance and compares."""

    def __init__(
        self,
        *,
        broker: Broker,
        writer: OrderWriter,
        publisher: Publisher,
        conditions: Conditions,
        time: TimeSource,
        day: TradingDate,
        close_at: int,
        settings: ReconciliationSettings,
        drifts: Mapping[Symbol, tuple[int, int]],
        health: InquiryHealth | None = None,
        first_look: FirstLook | None = None,
    ) -> None:
        """``drifts`` are the findings on the log that still hold.

        ``health`` is shared with whoever else asks for the account; ``first_look`` is told when
        the balance has been compared.
        """
        self._broker = broker
        self._writer = writer
        self._publisher = publisher
        self._time = time
        self._day = day
        self._close_at = close_at
        self._settings = settings
        self._drifts = dict(drifts)
        self._health = health or InquiryHealth(conditions)
        self._first_look = first_look
        self._asked_at = 0
        self._due = time.now()
        self._alarm = asyncio.Event()
        writer.observe(self._observe)
        writer.observe_transfers(self._observe_transfer)

    def ask_now(self) -> None:
        """Read the balance as soon as the spacing allows."""
        self._bring_forward(self._time.now())

    async def run(self) -> None:
        """Reconcile for ever."""
        while True:
            while (due := self._next()) > self._time.now():
                self._alarm.clear()
                await sleep_until_or(self._time, due, self._alarm)
            asked_at = self._asked_at = self._time.now()
            self._due = self._after(asked_at, self._settings.balance_s)
            try:
                balance = await self._broker.balance()
            except InquiryFailed as error:
                await self._health.failed(BALANCE, str(error))
                self._bring_forward(self._after(asked_at, self._settings.retry_s))
                continue
            await self._health.answered(BALANCE)
            if self._health.failing:
                self._bring_forward(self._after(asked_at, self._settings.retry_s))
            await self._take(balance, asked_at)
            if self._first_look is not None:
                self._first_look.balance_read()

    def _observe(self, order: Order, event: OrderEvent) -> None:
        if isinstance(event, OrderFilled):
            self._bring_forward(event.at + round(self._settings.burst_s * _SECOND))

    def _observe_transfer(self, event: Event) -> None:
        if isinstance(event, SharesReallocated):
            self.ask_now()

    def _bring_forward(self, due: int) -> None:
        if due < self._due:
            self._due = due
            self._alarm.set()

    def _next(self) -> int:
        return max(self._due, self._asked_at + round(self._settings.spacing_s * _SECOND))

    def _after(self, asked_at: int, pause_s: float) -> int:
        due = asked_at + round(pause_s * _SECOND)
        # One balance right after the close: it is what the next session starts from.
        return min(due, self._close_at) if asked_at < self._close_at else due

    async def _take(self, balance: Balance, asked_at: int) -> None:
        await self._publisher.offer(
            AccountSnapshot(
                at=self._time.now(),
                trading_date=self._day,
                cash=balance.cash,
                equity=balance.equity,
                holdings=balance.holdings,
                deposits=balance.deposits,
            )
        )
        held = {holding.symbol: holding.quantity for holding in balance.holdings}
        for symbol in sorted({*held, *self._writer.allocations.symbols(), *self._drifts}):
            if not self._moving(symbol, asked_at):
                await self._compare(symbol, held.get(symbol, 0))

    async def _compare(self, symbol: Symbol, broker_quantity: int) -> None:
        """Report what is new about a symbol of which nothing moves."""
        allocations = self._writer.allocations
        figures = broker_quantity, allocations.quantity(symbol)
        known = self._drifts.get(symbol)
        if figures[0] == figures[1]:
            # Carried-over findings are none of this session's; they end here all the same.
            if known is not None or allocations.unknown(symbol):
                self._drifts.pop(symbol, None)
                await self._publisher.offer(
                    DriftCleared(at=self._time.now(), trading_date=self._day, symbol=symbol)
                )
        elif figures != known:
            self._drifts[symbol] = figures
            await self._publisher.offer(
                DriftDetected(
                    at=self._time.now(),
                    trading_date=self._day,
                    symbol=symbol,
                    broker_quantity=figures[0],
                    allocated_quantity=figures[1],
                )
            )

    def _moving(self, symbol: Symbol, asked_at: int) -> bool:
        if symbol in self._writer.orders.working_symbols():
            return True
        last_fill = self._writer.last_fill.get(symbol)
        return last_fill is not None and asked_at < last_fill + round(
            self._settings.settle_s * _SECOND
        )
