"""Minute bars of a whole session into trades and books at once, compiled.

What always holds: the rows are exactly what ``kis_gateway.simulator.market.bridge`` yields for the
same bars, item by item: times, prices, quantities, who crossed, every level of every book. That
function is the definition and says why the day looks as it does; this is the same arithmetic on
columns, and the two are held together by tests. An issue's rows come in its order of time, issues
one after another; who wants one order of time sorts them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from events.calendar import TradingSession
from events.prices import Board, tick_table
from kis_gateway.simulator.exchange import Listing
from kis_gateway.simulator.market import UnusableBars
from research.backtest.compiled import compiled
from research.backtest.tape import LEVELS, Books, Kind
from research.datasets.session_bars import BarColumns, SessionBars

_Whole = NDArray[np.int64]

_MINUTE: Final = 60_000_000_000
_OPENING_MATCH: Final = 900_000_000
_CLOSING_MATCH: Final = 25_000_000_000
_AUCTION_SHARE: Final = 4
_BANDS: Final = 8
_RUNGS: Final = 96
_NO_BOUND: Final = 1 << 62
_TRADE: Final = int(Kind.TRADE)
_BOOK: Final = int(Kind.BOOK)

# Sizes of 64 bits throughout: an unsigned with a signed integer makes a float in numba.
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_OFFSET: Final = np.uint64(0x632BE59BD9B4E019)
_FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
_SECOND: Final = np.uint64(0x94D049BB133111EB)
_U27: Final = np.uint64(27)
_U30: Final = np.uint64(30)
_U31: Final = np.uint64(31)
_U32: Final = np.uint64(32)
_U60: Final = np.uint64(60)


class BridgedRows(NamedTuple):
    """Trades and books of a session, issue after issue; columns as in ``Tape``."""

    at: _Whole
    kind: NDArray[np.uint8]
    symbol: NDArray[np.int16]
    price: _Whole
    quantity: _Whole
    aggressor: NDArray[np.int8]
    auction: NDArray[np.bool_]
    volume: _Whole
    value: _Whole
    book: NDArray[np.int32]
    books: Books


class _Ticks(NamedTuple):
    """A tick table: the tick of a price is that of the first band whose bound is above it."""

    bounds: _Whole
    ticks: _Whole


class _Issues(NamedTuple):
    """What the writer knows of each issue, one a row."""

    base: _Whole
    lower: _Whole
    upper: _Whole
    seed: _Whole
    bounds: _Whole
    ticks: _Whole


class _Day(NamedTuple):
    """The session's times (ns UTC), and trades a bar becomes at least."""

    open_at: int
    close_at: int
    least: int


class _Shape(NamedTuple):
    """A bar's extremes and the prices at which its path turns."""

    turns: _Whole
    low: int
    high: int


class _Level(NamedTuple):
    """What makes the levels around a price: limits, typical size, what varies it."""

    lower: int
    upper: int
    typical: int
    key: np.uint64


class _Ladder(NamedTuple):
    """Ticks around the prices of a minute, rising, and the quantity that each shows in it."""

    prices: _Whole
    quantities: _Whole


def bridged(
    listings: Sequence[Listing],
    bars: SessionBars,
    session: TradingSession,
    *,
    trades_per_bar: int,
) -> BridgedRows:
    """Return the trades and books of a session; ``bars`` are in the order of ``listings``.

    Raises:
        UnusableBars: a bar that no sequence of trades could have produced, see ``bridge``.
    """
    day = _Day(session.open_at, session.close_at, trades_per_bar)
    bad, trades, shown = _count(bars.columns, day)
    if bad >= 0:
        raise _unusable(bars, bad)
    rows = trades + shown
    found = BridgedRows(
        at=np.empty(rows, np.int64),
        kind=np.empty(rows, np.uint8),
        symbol=np.empty(rows, np.int16),
        price=np.zeros(rows, np.int64),
        quantity=np.zeros(rows, np.int64),
        aggressor=np.zeros(rows, np.int8),
        auction=np.zeros(rows, np.bool_),
        volume=np.zeros(rows, np.int64),
        value=np.zeros(rows, np.int64),
        book=np.full(rows, -1, np.int32),
        books=Books(*(np.zeros((shown, LEVELS), np.int64) for _ in range(4))),
    )
    _write(bars.columns, _issues(listings, session.day), day, found)
    return found


def impossible(bars: SessionBars) -> NDArray[np.bool_]:
    """Return which bars ``bridged`` would refuse, those out of order apart."""
    return _judge(bars.columns)


def _unusable(bars: SessionBars, row: int) -> UnusableBars:
    symbol = bars.symbols[int(np.searchsorted(bars.offsets, row, side="right")) - 1]
    return UnusableBars(
        symbol,
        f"start {bars.start[row]} ns, open {bars.open[row]}, high {bars.high[row]}, "
        f"low {bars.low[row]}, close {bars.close[row]}, volume {bars.volume[row]}",
    )


def _issues(listings: Sequence[Listing], day: date) -> _Issues:
    terms = [
        (each.base_price, each.lower_limit, each.upper_limit, crc32(each.symbol.encode()))
        for each in listings
    ]
    base, lower, upper, seed = np.array(terms, np.int64).reshape(-1, 4).T.copy()
    tables = {board: _padded(*tick_table(board, day)) for board in Board}
    bounds = [tables[each.board][0] for each in listings]
    ticks = [tables[each.board][1] for each in listings]
    return _Issues(
        base,
        lower,
        upper,
        seed,
        np.array(bounds, np.int64).reshape(-1, _BANDS),
        np.array(ticks, np.int64).reshape(-1, _BANDS),
    )


def _padded(bounds: Sequence[int], ticks: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return a table of one width for all boards; the last bound is above every price."""
    return (
        [*bounds, *[_NO_BOUND] * (_BANDS - len(bounds))],
        [*ticks, *[ticks[-1]] * (_BANDS - len(ticks))],
    )


@compiled
def _mix(first: np.uint64, second: np.uint64) -> np.uint64:
    value = first * _GOLDEN + second + _OFFSET
    value = (value ^ (value >> _U30)) * _FIRST
    value = (value ^ (value >> _U27)) * _SECOND
    return value ^ (value >> _U31)


@compiled
def _part(bits: np.uint64, count: int) -> int:
    """Return bits modulo a positive count."""
    return np.int64(bits % np.uint64(count))  # type: ignore[return-value]  # an int once compiled


@compiled
def _band(price: int, ticks: _Ticks) -> int:
    band = 0
    while price >= ticks.bounds[band]:
        band += 1
    return band


@compiled
def _down(price: int, ticks: _Ticks) -> int:
    tick: int = ticks.ticks[_band(price, ticks)]
    return price - price % tick


@compiled
def _up(price: int, ticks: _Ticks) -> int:
    below = _down(price, ticks)
    tick: int = ticks.ticks[_band(below, ticks)]
    return below if below == price else below + tick


@compiled
def _rising(bars: BarColumns, row: int) -> int:
    """Return how many trades a path through the low first needs."""
    first, high, low, last = bars.open[row], bars.high[row], bars.low[row], bars.close[row]
    return 1 + int(low != first) + int(high != low) + int(last != high)


@compiled
def _falling(bars: BarColumns, row: int) -> int:
    """Return how many trades a path through the high first needs."""
    first, high, low, last = bars.open[row], bars.high[row], bars.low[row], bars.close[row]
    return 1 + int(high != first) + int(low != high) + int(last != low)


@compiled
def _turns(bars: BarColumns, row: int, turns: _Whole) -> int:
    """Write the prices at which a bar's path turns, the shorter way round; return how many."""
    first, high, low, last = bars.open[row], bars.high[row], bars.low[row], bars.close[row]
    rising, falling = _rising(bars, row), _falling(bars, row)
    up = last >= first if rising == falling else rising < falling
    turns[0] = first
    count = 1
    for price in (low, high, last) if up else (high, low, last):
        if price != turns[count - 1]:
            turns[count] = price
            count += 1
    return count


@compiled
def _refused(bars: BarColumns, row: int) -> bool:
    first, last = bars.open[row], bars.close[row]
    if bars.start[row] % _MINUTE or bars.volume[row] < 1 or bars.low[row] <= 0:
        return True
    if bars.low[row] > min(first, last) or bars.high[row] < max(first, last):
        return True
    return bool(min(_rising(bars, row), _falling(bars, row)) > bars.volume[row])


@compiled
def _judge(bars: BarColumns) -> NDArray[np.bool_]:
    found = np.zeros(len(bars.start), np.bool_)
    for row in range(len(bars.start)):
        found[row] = _refused(bars, row)
    return found


@compiled
def _count(bars: BarColumns, day: _Day) -> tuple[int, int, int]:
    """Return the first bar that cannot have been traded (or -1), trades and books in all."""
    trades, books = 0, 0
    for issue in range(len(bars.offsets) - 1):
        before = -1
        for row in range(bars.offsets[issue], bars.offsets[issue + 1]):
            if bars.start[row] <= before or _refused(bars, row):
                return row, 0, 0
            before = bars.start[row]
            needed = min(_rising(bars, row), _falling(bars, row))
            if before >= day.close_at:
                trades += needed
                continue
            count = min(bars.volume[row], max(day.least, needed))
            trades += count
            books += count - int(before == day.open_at)
    return -1, trades, books


@compiled
def _share(volume: int, count: int, key: np.uint64, quantities: _Whole) -> None:
    """Write ``count`` quantities that add up to a volume."""
    total = 0
    for index in range(count):
        weight = _part(_mix(key, np.uint64(index)), 100) + 20
        quantities[index] = weight
        total += weight
    spare, given = volume - count, 0
    for index in range(count):
        share = 1 + spare * quantities[index] // total
        quantities[index] = share
        given += share
    quantities[0] += volume - given


@compiled
def _enlarge_first(quantities: _Whole, count: int) -> None:
    for index in range(1, count):
        moved = (quantities[index] - 1) // _AUCTION_SHARE
        quantities[index] -= moved
        quantities[0] += moved


@compiled
def _walk(shape: _Shape, corners: int, count: int, ticks: _Ticks, path: _Whole) -> None:
    """Write ``count`` prices through the turns."""
    if corners == 1:
        path[:count] = shape.turns[0]
        return
    spans, place = corners - 1, 0
    for span in range(spans):
        begin, end = shape.turns[span], shape.turns[span + 1]
        steps = (span + 1) * (count - 1) // spans - span * (count - 1) // spans
        path[place] = begin
        place += 1
        for step in range(1, steps):
            between = int(np.floor(begin + (end - begin) * step / steps))
            path[place] = min(max(_down(between, ticks), shape.low), shape.high)
            place += 1
    path[place] = shape.turns[spans]


@compiled
def _shown(price: int, level: _Level) -> int:
    return 1 + level.typical * (40 + _part(_mix(level.key, np.uint64(price)), 160)) // 100


@compiled
def _climb(low: int, high: int, level: _Level, ticks: _Ticks, ladder: _Ladder) -> tuple[int, int]:
    """Write the ticks from eleven under a price to eleven over another, within the limits.

    Return how many there are, and up to which price eleven are above: ``high``, or less where the
    ladder is full.
    """
    least = max(1, level.lower)
    at = _down(min(low - 1, level.upper), ticks)
    band = _band(at - 1, ticks)
    for _ in range(LEVELS):
        # A level is a whole number of the ticks below it, because every tick divides the next one.
        if at - ticks.ticks[band] < least:
            break
        at -= ticks.ticks[band]
        while band > 0 and at <= ticks.bounds[band - 1]:
            band -= 1
    if at < least:
        at = _up(least, ticks)
    band = _band(at, ticks)
    count, over = 0, 0
    while count < _RUNGS and over <= LEVELS and at <= level.upper:
        ladder.prices[count] = at
        ladder.quantities[count] = _shown(at, level)
        count += 1
        over += int(at > high)
        at += ticks.ticks[band]
        while at >= ticks.bounds[band]:
            band += 1
    full = over <= LEVELS and at <= level.upper
    return count, ladder.prices[count - LEVELS - 1] - 1 if full else high


@compiled
def _copy(  # noqa: PLR0917 - a call of the hot loop, to be written into it
    ladder: _Ladder, first: int, step: int, count: int, prices: _Whole, quantities: _Whole, at: int
) -> None:
    """Write levels from a rung on, up (``step`` 1) or down (-1), from place ``at`` on."""
    for place in range(at, min(LEVELS, at + count)):
        rung = first + step * (place - at)
        prices[place] = ladder.prices[rung]
        quantities[place] = ladder.quantities[rung]


@compiled
def _closing(bars: BarColumns, row: int, key: np.uint64, turns: _Whole, times: _Whole) -> int:
    """Write when the trades of a closing match print; return how many there are."""
    corners = _turns(bars, row, turns)
    slot = _CLOSING_MATCH // corners
    for index in range(corners):
        late = _part(_mix(key, np.uint64(index)), _OPENING_MATCH)
        times[index] = bars.start[row] + slot * index + _OPENING_MATCH // 9 + late
    return corners


@compiled
def _write(  # noqa: PLR0915 - one hot loop; a call per trade would cost more than the trade
    bars: BarColumns, issues: _Issues, day: _Day, rows: BridgedRows
) -> None:
    longest = max(day.least, 4)
    turns, times = np.empty(4, np.int64), np.empty(4, np.int64)
    path, quantities = np.empty(longest, np.int64), np.empty(longest, np.int64)
    ladder = _Ladder(np.empty(_RUNGS, np.int64), np.empty(_RUNGS, np.int64))
    row, shown = 0, 0
    for issue in range(len(bars.offsets) - 1):
        ticks = _Ticks(issues.bounds[issue], issues.ticks[issue])
        before, side, volume, value = issues.base[issue], -1, 0, 0
        begin_row = row
        for bar in range(bars.offsets[issue], bars.offsets[issue + 1]):
            start = bars.start[bar]
            key = _mix(np.uint64(issues.seed[issue]), np.uint64(start // _MINUTE))
            if start >= day.close_at:
                count = _closing(bars, bar, key, turns, times)
                _share(bars.volume[bar], count, key, quantities)
                for index in range(count):
                    rows.at[row], rows.kind[row] = times[index], _TRADE
                    rows.price[row], rows.quantity[row] = turns[index], quantities[index]
                    rows.auction[row] = index == count - 1
                    row += 1
                before = turns[count - 1]
                continue
            corners = _turns(bars, bar, turns)
            count = min(bars.volume[bar], max(day.least, corners))
            _walk(_Shape(turns, bars.low[bar], bars.high[bar]), corners, count, ticks, path)
            _share(bars.volume[bar], count, key, quantities)
            slot, first = _MINUTE // (count + 1), 0
            if start == day.open_at:
                _enlarge_first(quantities, count)
                span, first = min(slot, _OPENING_MATCH), 1
                rows.at[row] = start + span // 9 + _part(key, span - span // 9)
                rows.kind[row], rows.auction[row] = _TRADE, True
                rows.price[row], rows.quantity[row] = path[0], quantities[0]
                row += 1
                before = path[0]
            half = slot // 2
            level = _Level(
                issues.lower[issue], issues.upper[issue], max(1, bars.volume[bar] // count), key
            )
            lowest = bars.low[bar]
            rungs, highest = _climb(lowest, bars.high[bar], level, ticks, ladder)
            above = 0
            for index in range(first, count):
                price, jitter = path[index], _mix(key, np.uint64(index))
                side = 1 if price > before or (price == before and side == -1) else -1
                if price < lowest or price > highest:
                    # A minute that spans more ticks than a ladder has: one around this price.
                    lowest, above = price, 0
                    rungs, highest = _climb(price, price, level, ticks, ladder)
                while above < rungs and ladder.prices[above] <= price:
                    above += 1
                while above > 0 and ladder.prices[above - 1] > price:
                    above -= 1
                on_rung = above > 0 and ladder.prices[above - 1] == price
                below = above - 2 if on_rung else above - 1
                touch = ladder.quantities[above - 1] if on_rung else _shown(price, level)
                touch += quantities[index]
                skip = _part(jitter >> _U60, 3) // 2
                asks, asked = rows.books.ask_prices[shown], rows.books.ask_quantities[shown]
                bids, bid = rows.books.bid_prices[shown], rows.books.bid_quantities[shown]
                if side == 1:
                    asks[0], asked[0] = price, touch
                    _copy(ladder, above, 1, rungs - above, asks, asked, 1)
                    _copy(ladder, below - skip, -1, below - skip + 1, bids, bid, 0)
                else:
                    bids[0], bid[0] = price, touch
                    _copy(ladder, above + skip, 1, rungs - above - skip, asks, asked, 0)
                    _copy(ladder, below, -1, below + 1, bids, bid, 1)
                rows.at[row] = start + slot * index + half + _part(jitter >> _U32, half)
                rows.kind[row], rows.book[row] = _BOOK, shown
                row += 1
                shown += 1
                rows.at[row] = start + slot * (index + 1) + _part(jitter, half)
                rows.kind[row], rows.aggressor[row] = _TRADE, side
                rows.price[row], rows.quantity[row] = price, quantities[index]
                row += 1
                before = price
        for each in range(begin_row, row):
            rows.symbol[each] = issue
            if rows.kind[each] == _TRADE:
                volume += rows.quantity[each]
                value += rows.price[each] * rows.quantity[each]
                rows.volume[each], rows.value[each] = volume, value
