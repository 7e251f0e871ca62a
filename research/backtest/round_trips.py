"""Round trips: which shares bought became which shares sold, and what was left of the money.

First in, first out within a strategy and symbol, over nights and splits. What always holds: the
amounts, fees and taxes of all fills (corrections included) are found again in the trades, to the
won: a part of a lot takes its share rounded down, the last part takes what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from typing import NamedTuple

from events import IntentId, StrategyId, Symbol, calendar
from events.trading import Side
from research.backtest.errors import BooksDisagree
from research.backtest.market_day import CorporateAction
from research.backtest.results import FillRow, TradeRow


class OpeningLot(NamedTuple):
    """Shares that a strategy owned before the first fill: total ``cost`` in won, ns UTC."""

    strategy: StrategyId
    symbol: Symbol
    quantity: int
    cost: int
    at: int


class PlacedAction(NamedTuple):
    """A corporate action and how many fills there were before it."""

    fills_before: int
    action: CorporateAction


class Money(NamedTuple):
    """Won that belong to some shares: traded value, fee and tax."""

    amount: int
    fee: int
    tax: int

    def plus(self, other: Money) -> Money:
        """Return the sum."""
        return Money(self.amount + other.amount, self.fee + other.fee, self.tax + other.tax)

    def part(self, quantity: int, of: int) -> Money:
        """Return what ``quantity`` of ``of`` shares come to, rounded down, all of it for all."""
        return Money(
            self.amount * quantity // of, self.fee * quantity // of, self.tax * quantity // of
        )

    def minus(self, other: Money) -> Money:
        """Return the difference."""
        return Money(self.amount - other.amount, self.fee - other.fee, self.tax - other.tax)


class _Lot:
    """Shares of one buy that are still held, with what is left of their money."""

    __slots__ = ("at", "intent", "money", "quantity")

    def __init__(self, quantity: int, money: Money, at: int, intent: IntentId) -> None:
        self.quantity = quantity
        self.money = money
        self.at = at
        self.intent = intent

    def take(self, quantity: int) -> Money:
        """Remove shares and return the money that goes with them."""
        part = self.money.part(quantity, self.quantity)
        self.money = self.money.minus(part)
        self.quantity -= quantity
        return part


_Owner = tuple[StrategyId, Symbol]


def round_trips(
    fills: Sequence[FillRow],
    *,
    opening: Iterable[OpeningLot] = (),
    actions: Iterable[PlacedAction] = (),
    reasons: Mapping[IntentId, str],
    last_prices: Mapping[Symbol, int],
) -> tuple[TradeRow, ...]:
    """Return the trades that fills add up to: closed parts in order of the sale, then open ones.

    ``reasons`` gives the reason of an intent, ``last_prices`` won a share for what is still held.
    A fill without shares corrects the money of its order.

    Raises:
        BooksDisagree: more shares were sold than bought.
    """
    pairing = _Pairing(opening, reasons)
    money = corrected(fills)
    pending = deque(actions)
    for index, fill in enumerate(fills):
        while pending and pending[0].fills_before <= index:
            pairing.convert(pending.popleft().action)
        if fill.quantity:
            pairing.fill(fill, money[index])
    for each in pending:
        pairing.convert(each.action)
    return (*pairing.closed, *pairing.still_open(last_prices))


def corrected(fills: Sequence[FillRow]) -> list[Money]:
    """Return the money of each fill with its share of later corrections of its order, in won.

    A correction is spread over the order's fills by their shares. The correction's own row, which
    has no shares, has none of it left.
    """
    money = [
        Money(each.amount, each.fee, each.tax) if each.quantity else Money(0, 0, 0)
        for each in fills
    ]
    for row in (each for each in fills if not each.quantity):
        of_order = [
            index
            for index, each in enumerate(fills)
            if each.quantity and each.order_id == row.order_id
        ]
        if not of_order:
            raise BooksDisagree(
                row.strategy, row.symbol, f"a correction of order {row.order_id}, which has no fill"
            )
        rest, shares = Money(row.amount, row.fee, row.tax), sum(fills[i].quantity for i in of_order)
        for index in of_order:
            part = rest.part(fills[index].quantity, shares)
            money[index] = money[index].plus(part)
            rest, shares = rest.minus(part), shares - fills[index].quantity
    return money


class _Pairing:
    """Open lots by owner, and the trades closed so far."""

    def __init__(self, opening: Iterable[OpeningLot], reasons: Mapping[IntentId, str]) -> None:
        self._lots: dict[_Owner, deque[_Lot]] = {}
        self._reasons = reasons
        self.closed: list[TradeRow] = []
        for each in opening:
            lot = _Lot(each.quantity, Money(each.cost, 0, 0), each.at, IntentId(""))
            self._lots.setdefault((each.strategy, each.symbol), deque()).append(lot)

    def fill(self, fill: FillRow, money: Money) -> None:
        lots = self._lots.setdefault((fill.strategy, fill.symbol), deque())
        if fill.side is Side.BUY:
            lots.append(_Lot(fill.quantity, money, fill.executed_at, fill.intent_id))
            return
        left = fill.quantity
        while left:
            if not lots:
                raise BooksDisagree(
                    fill.strategy, fill.symbol, f"{left} shares sold that were never bought"
                )
            lot = lots[0]
            quantity = min(left, lot.quantity)
            received = money.part(quantity, left)
            money, left = money.minus(received), left - quantity
            self._close(fill, lot, quantity, received)
            if not lot.quantity:
                lots.popleft()

    def _close(self, sale: FillRow, lot: _Lot, quantity: int, received: Money) -> None:
        paid = lot.take(quantity)
        self.closed.append(
            _trade(
                (sale.strategy, sale.symbol), lot, quantity, paid, received,
                closed_at=sale.executed_at,
                exit_intent=sale.intent_id,
                exit_reason=self._reasons.get(sale.intent_id, ""),
            )
        )  # fmt: skip

    def convert(self, action: CorporateAction) -> None:
        """Turn ``old`` shares into ``new`` ones; what is no whole share of an owner is gone."""
        for owner, lots in self._lots.items():
            if owner[1] != action.symbol or not lots:
                continue
            kept, lost = _converted(lots, action)
            if not kept:
                self.closed.append(_vanished(owner, lots[0], lost, action))
            lots.clear()
            lots.extend(kept)

    def still_open(self, last_prices: Mapping[Symbol, int]) -> Iterator[TradeRow]:
        for owner, lots in self._lots.items():
            for lot in lots:
                value = Money(lot.quantity * last_prices.get(owner[1], 0), 0, 0)
                yield _trade(
                    owner, lot, lot.quantity, lot.money, value,
                    closed_at=0, exit_intent=None, exit_reason="",
                )  # fmt: skip


def _converted(lots: Iterable[_Lot], action: CorporateAction) -> tuple[list[_Lot], Money]:
    """Return the lots with shares left, and the money of a position of which none are left."""
    # Whole shares are counted over the owner's position, as the books are, not lot by lot.
    kept: list[_Lot] = []
    carried = Money(0, 0, 0)
    before = after = 0
    for lot in lots:
        before += lot.quantity
        upper = before * action.new // action.old
        lot.quantity, after = upper - after, upper
        carried = carried.plus(lot.money)
        if lot.quantity:
            lot.money, carried = carried, Money(0, 0, 0)
            kept.append(lot)
    if kept:
        kept[-1].money = kept[-1].money.plus(carried)
    return kept, carried


def _vanished(owner: _Owner, oldest: _Lot, lost: Money, action: CorporateAction) -> TradeRow:
    return _trade(
        owner, oldest, 0, lost, Money(0, 0, 0),
        closed_at=_opening_of(action.date),
        exit_intent=None,
        exit_reason=action.kind,
    )  # fmt: skip


def _opening_of(day: str) -> int:
    return calendar.instant(date.fromisoformat(day), time(9))


def _trade(
    owner: _Owner,
    lot: _Lot,
    quantity: int,
    paid: Money,
    received: Money,
    *,
    closed_at: int,
    exit_intent: IntentId | None,
    exit_reason: str,
) -> TradeRow:
    fees, tax = paid.fee + received.fee, paid.tax + received.tax
    return TradeRow(
        strategy=owner[0],
        symbol=owner[1],
        quantity=quantity,
        opened_at=lot.at,
        closed_at=closed_at,
        cost=paid.amount,
        proceeds=received.amount,
        fees=fees,
        tax=tax,
        result=received.amount - paid.amount - fees - tax,
        entry_intent=lot.intent,
        exit_intent=exit_intent,
        exit_reason=exit_reason,
    )
