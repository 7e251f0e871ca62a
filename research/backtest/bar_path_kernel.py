"""Whole sessions of bars traded by compiled code, as far as nothing special happens in them.

The loop knows one course of things: a wish at a completed bar passes the gate whole, is one order,
and is filled whole at the next bar's open. Whatever could go otherwise is a reason to hand the
session back, and the test for it may see too much but never too little: limits are held against the
lowest equity and cash and the highest exposure that the gate could see. What always holds: a
session is either traded exactly as event by event or left exactly as it was found.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.backtest.compiled import compiled

_Column = NDArray[np.int64]

REASONS: Final = (
    "",
    "something but bars happens in it",
    "no bar follows an order at once",
    "the next open is beyond an order's limit or the day's limits",
    "an order is larger than the open's part of the volume",
    "an order would wait at the end of the session",
    "the day's loss nears a limit",
    "a stop is reached",
    "it is not sure whether a symbol may be entered",
    "too many positions",
    "too much exposure",
    "too much in one sector",
    "too much risk",
    "too little was traded lately",
    "too little cash",
    "a price off its tick or beyond the day's limits",
    "too many orders at once",
    "the router would slice the order",
)
"""Why a session is handed back, by code; 0 is no reason."""

(
    _DONE, NOT_PLAIN, _GAP, _OPEN, _VOLUME, _LATE, _LOSS, _STOP, _UNSURE, _POSITIONS, _EXPOSURE,
    _SECTOR, _RISK, _LIQUIDITY, _CASH, _PRICE, _RATE, _SLICE,
) = range(len(REASONS))  # fmt: skip

_MINUTE: Final = 60_000_000_000
_FIVE_MINUTES: Final = 300_000_000_000
_BURST: Final = 3_000_000_000
_PER_MILLE: Final = 1_000
_MILLION: Final = 1_000_000

# Places in the account's numbers.
CASH, EQUITY = 0, 1
# Places in the day's numbers.
_HELD_WORTH, _STATED_CASH, _STATED_EQUITY, _PLEDGED, _RESERVED, _WAITING, _APPROVED, _POSITIONS_OPEN, _LEAST, _BUYING = range(10)  # fmt: skip  # noqa: E501
# Places in what waits of a symbol.
_SIDE, _QUANTITY, _LIMIT, _SINCE, _ORDER_STOP = range(5)
FILL_COLUMNS: Final = (
    "row", "symbol", "side", "quantity", "price", "fee", "tax", "decided_at", "known_at", "close",
)  # fmt: skip
"""What a fill says: the bar at whose open it is, ``side`` 1 for a buy and -1 for a sell, won,
shares, ns UTC, and the ``close`` that it was decided at."""

NEVER, ENTERABLE, UNSURE = range(3)
"""What is known of entries in an issue: a wish that is always refused is the same as none."""
NO_SECTOR: Final = -1
"""Sector of an issue without a known one. Only one on the allow-list is enterable without."""


# Columns of the rows: bars of all sessions in order of time, ns UTC, won and shares. ``BEFORE`` is
# the symbol's bar before in the session, -1 for none.
AT, START, OPEN, HIGH, LOW, CLOSE, VOLUME, VALUE, SYMBOL, BEFORE = range(10)
# Of the sessions, ns UTC; ``PLAIN`` is 1 when nothing but ordinary bars happens in it.
TRADES_FROM, TRADES_UNTIL, CLOSE_AT, PLAIN = range(4)
# Of the terms by session and symbol, 0 where it is not listed; ``TABLE`` is its table of ticks,
# ``TAX`` won per million of a sale; ``ENTRY`` says whether the gate lets anybody enter it today.
BASE, LOWER, UPPER, TABLE, SECTOR, TAX, ENTRY = range(7)
# Of the tables of ticks: below ``BOUNDS`` won the tick is the one in the same place.
BOUNDS, TICKS = range(2)
# Of the account by symbol; the newest price is of no meaning between sessions.
HELD, COST, STOP, LAST = range(4)


class Rules(NamedTuple):
    """How orders are formed and what the gate lets through; fractions are of equity.

    Fees are won per million. ``slice_least`` is the won below which no order is sliced, 0 for no
    slicing. ``sell_reach`` is how far below the close an exit may sell, in thousandths, -1 for a
    market order. ``stated`` says that the account is asked for after each fill and every minute.
    """

    shares: int
    won: int
    reach: int
    stop: int
    sell_reach: int
    loss: float
    exposure: float
    position: float
    sector: float
    risk: float
    turnover: float
    positions: int
    orders_per_second: int
    slice_least: int
    gate_fee: int
    buy_fee: int
    sell_fee: int
    stated: bool


@compiled
def trade_session(  # noqa: C901, PLR0912, PLR0917 - what happens at every bar stands in one loop
    rows: _Column,
    targets: NDArray[np.int8],
    row: int,
    end: int,
    hours: _Column,
    terms: _Column,
    ticks: _Column,
    rules: Rules,
    money: _Column,
    account: _Column,
    fills: _Column,
    filled: int,
) -> tuple[int, int]:
    """Trade a session, the rows from ``row`` to ``end``; return why not (0: done), and the fills.

    ``targets`` are the positions wanted after each bar: 1 long, 0 none, -1 not known. The other
    arrays have their columns in front, named above. ``money`` (cash and equity at the last
    close, won), ``account`` and ``fills`` (``FILL_COLUMNS`` behind) are moved on from ``filled``
    fills; with a reason not to trade the session they are of no meaning.
    """
    if not hours[PLAIN]:
        return NOT_PLAIN, filled
    waiting = np.zeros((account.shape[1], 5), np.int64)
    day = np.zeros(10, np.int64)
    for symbol in range(account.shape[1]):
        account[LAST, symbol] = terms[BASE, symbol]
        if account[HELD, symbol]:
            if not account[LAST, symbol]:
                return NOT_PLAIN, filled
            day[_HELD_WORTH] += account[HELD, symbol] * account[LAST, symbol]
            day[_POSITIONS_OPEN] += 1
    day[_LEAST] = money[EQUITY] - int(rules.loss * money[EQUITY])
    _state(day, money)
    if money[CASH] + day[_HELD_WORTH] <= day[_LEAST]:
        return _LOSS, filled
    asking = False
    while row < end:
        at = rows[AT, row]
        until = row + 1
        while until < end and rows[AT, until] == at:
            until += 1
        moved = day[_WAITING] > 0
        if moved:
            reason, filled = _settle(
                row, until, rows, terms, rules, money, account, waiting, day, fills, filled
            )
            if reason:
                return reason, filled
        day[_APPROVED] = day[_PLEDGED] = day[_RESERVED] = day[_BUYING] = 0
        for each in range(row, until):
            symbol, close = rows[SYMBOL, each], rows[CLOSE, each]
            shares = account[HELD, symbol]
            if shares:
                day[_HELD_WORTH] += shares * (close - account[LAST, symbol])
                if rows[LOW, each] <= account[STOP, symbol]:
                    return _STOP, filled
                if money[CASH] + day[_HELD_WORTH] <= day[_LEAST]:
                    return _LOSS, filled
            account[LAST, symbol] = close
            target = targets[each]
            if target < 0 or (target > 0) == (shares > 0):
                continue
            if not hours[TRADES_FROM] <= at < hours[TRADES_UNTIL]:
                continue
            if shares:
                reason = _leave(each, shares, rows, terms, ticks, rules, waiting, day)
                if reason:
                    return reason, filled
            else:
                reason = _enter(each, rows, terms, ticks, rules, money, account, waiting, day)
                if reason:
                    return reason, filled
        if rules.stated and (moved or asking):
            _state(day, money)
            soon = at + _BURST + _MINUTE < hours[CLOSE_AT]
            asking = day[_POSITIONS_OPEN] > 0 and soon
        row = until
    if day[_WAITING]:
        return _LATE, filled
    money[EQUITY] = money[CASH] + day[_HELD_WORTH]
    return _DONE, filled


@compiled
def _state(day: _Column, money: _Column) -> None:
    """Let the broker state what the account holds."""
    day[_STATED_CASH] = money[CASH]
    day[_STATED_EQUITY] = money[CASH] + day[_HELD_WORTH]


@compiled
def _settle(  # noqa: PLR0917 - as above
    row: int,
    until: int,
    rows: _Column,
    terms: _Column,
    rules: Rules,
    money: _Column,
    account: _Column,
    waiting: _Column,
    day: _Column,
    fills: _Column,
    filled: int,
) -> tuple[int, int]:
    """Fill what waits at the opens of the bars that end now."""
    for each in range(row, until):
        symbol = rows[SYMBOL, each]
        side = waiting[symbol, _SIDE]
        if not side:
            continue
        since, quantity = waiting[symbol, _SINCE], waiting[symbol, _QUANTITY]
        if rows[START, each] != since or rows[AT, each] != since + _MINUTE:
            return _GAP, filled
        price = rows[OPEN, each]
        inside = terms[LOWER, symbol] <= price <= terms[UPPER, symbol]
        if not inside or (price - waiting[symbol, _LIMIT]) * side > 0:
            return _OPEN, filled
        if quantity > _at_open(rows, each):
            return _VOLUME, filled
        amount, tax, last = quantity * price, 0, account[LAST, symbol]
        if side > 0:
            fee = amount * rules.buy_fee // _MILLION
            money[CASH] -= amount + fee
            account[HELD, symbol], account[COST, symbol] = quantity, amount
            account[STOP, symbol] = waiting[symbol, _ORDER_STOP]
            day[_POSITIONS_OPEN] += 1
        else:
            fee = amount * rules.sell_fee // _MILLION
            tax = amount * terms[TAX, symbol] // _MILLION
            money[CASH] += amount - fee - tax
            account[HELD, symbol] = account[COST, symbol] = account[STOP, symbol] = 0
            day[_POSITIONS_OPEN] -= 1
        day[_HELD_WORTH] += side * quantity * last
        fills[filled, 0], fills[filled, 1], fills[filled, 2] = each, symbol, side
        fills[filled, 3], fills[filled, 4], fills[filled, 5] = quantity, price, fee
        fills[filled, 6], fills[filled, 7], fills[filled, 8] = tax, since, rows[AT, each]
        fills[filled, 9] = last
        filled += 1
        waiting[symbol, _SIDE] = 0
        day[_WAITING] -= 1
        if money[CASH] + day[_HELD_WORTH] <= day[_LEAST]:
            return _LOSS, filled
    return (_GAP if day[_WAITING] else _DONE), filled


@compiled
def _at_open(rows: _Column, row: int) -> int:
    """Return the shares that trade at a bar's open (``kis_gateway.simulator.exchange.bars``)."""
    first, high, low, last = rows[OPEN, row], rows[HIGH, row], rows[LOW, row], rows[CLOSE, row]
    rising = 1 + (low != first) + (high != low) + (last != high)
    falling = 1 + (high != first) + (low != high) + (last != low)
    count = min(rising, falling)
    return int(rows[VOLUME, row] - (count - 1) * (rows[VOLUME, row] // count))


@compiled
def _leave(  # noqa: PLR0917 - as above
    row: int,
    shares: int,
    rows: _Column,
    terms: _Column,
    ticks: _Column,
    rules: Rules,
    waiting: _Column,
    day: _Column,
) -> int:
    """Ask for an exit, which nothing refuses."""
    symbol, limit = rows[SYMBOL, row], 0
    if rules.sell_reach >= 0:
        known = min(rows[CLOSE, row], terms[UPPER, symbol])
        limit = known * (_PER_MILLE - rules.sell_reach) // _PER_MILLE
        limit -= limit % _tick(limit, terms[TABLE, symbol], ticks)
        if limit < terms[LOWER, symbol]:
            return _PRICE
    waiting[symbol, _SIDE], waiting[symbol, _QUANTITY] = -1, shares
    waiting[symbol, _LIMIT], waiting[symbol, _SINCE] = limit, rows[AT, row]
    day[_WAITING] += 1
    day[_APPROVED] += 1
    return _DONE


@compiled
def _enter(  # noqa: PLR0917 - as above
    row: int,
    rows: _Column,
    terms: _Column,
    ticks: _Column,
    rules: Rules,
    money: _Column,
    account: _Column,
    waiting: _Column,
    day: _Column,
) -> int:
    """Ask for an entry; return why it might not be let through whole."""
    symbol, close = rows[SYMBOL, row], rows[CLOSE, row]
    quantity = rules.shares or rules.won // close
    if not quantity:
        return _DONE
    if terms[ENTRY, symbol] != ENTERABLE:
        return _DONE if terms[ENTRY, symbol] == NEVER else _UNSURE
    table = terms[TABLE, symbol]
    reach = close * (_PER_MILLE + rules.reach) // _PER_MILLE
    price = min(reach - reach % _tick(reach, table, ticks), terms[UPPER, symbol])
    stop = close * (_PER_MILLE - rules.stop) // _PER_MILLE
    stop -= stop % _tick(stop, table, ticks)
    if price % _tick(price, table, ticks) or price < terms[LOWER, symbol]:
        return _PRICE
    cash, amount = money[CASH], quantity * price
    equity = min(cash + day[_HELD_WORTH], day[_STATED_EQUITY])
    if day[_POSITIONS_OPEN] + day[_BUYING] >= rules.positions:
        return _POSITIONS
    if day[_HELD_WORTH] + day[_PLEDGED] + amount > int(rules.exposure * equity):
        return _EXPOSURE
    if amount > int(rules.position * equity):
        return _EXPOSURE
    others = _in_sector(symbol, terms, account, waiting)
    if others >= 0 and others + amount >= int(rules.sector * equity):
        return _SECTOR
    if not 0 < stop < price or quantity * (price - stop) > int(rules.risk * equity):
        return _RISK
    if amount > int(rules.turnover * _turnover(rows, row)):
        return _LIQUIDITY
    needed = amount + amount * rules.gate_fee // _MILLION
    pledged = day[_PLEDGED] + day[_PLEDGED] * rules.gate_fee // _MILLION
    reserved = amount + amount * rules.buy_fee // _MILLION
    if needed > min(cash - pledged, day[_STATED_CASH]) or reserved > cash - day[_RESERVED]:
        return _CASH
    if day[_APPROVED] >= rules.orders_per_second:
        return _RATE
    if rules.slice_least and quantity > max(rules.slice_least // price, 1):
        return _SLICE
    waiting[symbol, _SIDE], waiting[symbol, _QUANTITY] = 1, quantity
    waiting[symbol, _LIMIT], waiting[symbol, _SINCE] = price, rows[AT, row]
    waiting[symbol, _ORDER_STOP] = stop
    day[_WAITING] += 1
    day[_BUYING] += 1
    day[_APPROVED] += 1
    day[_PLEDGED] += amount
    day[_RESERVED] += reserved
    day[_STATED_CASH] -= needed
    return _DONE


@compiled
def _tick(price: int, table: int, ticks: _Column) -> int:
    place = 0
    while price >= ticks[BOUNDS, table, place]:
        place += 1
    return int(ticks[TICKS, table, place])


@compiled
def _in_sector(symbol: int, terms: _Column, account: _Column, waiting: _Column) -> int:
    """Return the won held and wanted in an issue's sector, -1 where none is asked for.

    An issue without a sector counts in each.
    """
    sector, total = terms[SECTOR, symbol], 0
    if sector == NO_SECTOR:
        return -1
    for other in range(account.shape[1]):
        if other == symbol or (terms[SECTOR, other] not in (sector, NO_SECTOR)):
            continue
        total += account[HELD, other] * account[LAST, other]
        if waiting[other, _SIDE] > 0:
            total += waiting[other, _QUANTITY] * waiting[other, _LIMIT]
    return total


@compiled
def _turnover(rows: _Column, row: int) -> int:
    """Return the won that the gate knows to have been traded in the last five minutes."""
    since, total = rows[AT, row] - _FIVE_MINUTES, 0
    while True:
        before = rows[BEFORE, row]
        if before < 0:
            return total + rows[VALUE, row] if rows[START, row] >= since else total
        if rows[AT, before] < since:
            return total
        total += rows[VALUE, row]
        row = before
