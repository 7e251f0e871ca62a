"""Sessions of bars as columns over a whole run, with the positions that a strategy wants at each.

What always holds: rows stand in the order in which they are told; what a strategy is shown before
each open (``BarHistory``) is what its targets continue from. A session in which anything but
ordinary bars happens is not ``plain``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from events import Symbol, TradingDate, costs
from events.calendar import next_session
from events.market import (
    BarHistory,
    DailyHistory,
    ExpectedIndexLevel,
    IndexLevel,
    InstrumentKind,
    ProgramFlow,
    SymbolReference,
)
from events.prices import Board, tick_size
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import EnterPhase, Listing
from research.backtest.bar_path_kernel import (
    CLOSE,
    ENTERABLE,
    ENTRY,
    NEVER,
    NO_SECTOR,
    SECTOR,
    SYMBOL,
    UNSURE,
)
from research.backtest.market_day import MarketDay, MarketDays
from research.backtest.samples.long_only import Terms
from research.backtest.tape import Kind
from risk.checks import BLOCKED_DESIGNATIONS
from risk.liquidity import ordinary_value
from risk.settings import Limits

_Column = NDArray[np.int64]

_ORDINARY: Final = (IndexLevel, ExpectedIndexLevel, ProgramFlow)
_USUAL: Final = (EnterPhase, *_ORDINARY)
_OPENING: Final = (*_ORDINARY, UniverseSelected, SymbolReference, DailyHistory, BarHistory)
_SETTLEMENT_SESSIONS: Final = 2
_MILLION: Final = 1_000_000
_NOTHING: Final = np.zeros(0, np.int64)
_HIGHEST: Final = 1 << 62
_TABLE_BOUNDS: Final = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000)
"""Won at which the tick of any table of ``events.prices`` may change."""


class BarTargets(Protocol):
    """A strategy on bars that can say which position it wants after each of a block of them.

    What always holds, and is property-tested for each implementation: its processor, shown the same
    bars one after the other, wants the same.
    """

    terms: Terms
    """How it asks for entries (``long_only``)."""
    needed: int
    """Closes, the newest included, on which a target depends at most."""

    def targets(self, closes: _Column, begins: _Column) -> NDArray[np.int8]:
        """Return 1 (long), 0 (none) or -1 (not known) after each close (won) of one symbol.

        ``begins`` are the places, rising from 0, at which it begins anew without a past.
        """
        ...


class Columns(NamedTuple):
    """What the compiled loop needs of the sessions of a run.

    ``histories`` are the closes that are shown before each session, by number of the symbol, and
    ``first`` the row that each begins with, one more for the end. ``of_symbols`` are the rows of
    each symbol. ``rows`` and ``ticks``, and ``hours`` and ``issues`` of each session, have their
    columns in front, named in ``bar_path_kernel``; ``targets`` are the positions wanted after each
    row (``BarTargets``).
    """

    dates: tuple[date, ...]
    symbols: tuple[Symbol, ...]
    histories: tuple[dict[int, _Column], ...]
    of_symbols: tuple[_Column, ...]
    first: _Column
    rows: _Column
    targets: NDArray[np.int8]
    hours: _Column
    issues: _Column
    ticks: _Column


def columns_of(days: MarketDays, limits: Limits) -> Columns:
    """Return the sessions of ``days`` as columns, without targets; ``limits`` are the gate's.

    Raises:
        NoMarketData: a session is not there.
    """
    builder = _Builder(limits)
    for on in days.dates:
        builder.add(days.day(on))
    return builder.columns(tuple(days.dates))


def with_targets(columns: Columns, targets: BarTargets) -> Columns:
    """Return columns with the positions that a strategy wants after each bar."""
    close = columns.rows[CLOSE]
    wanted = np.full(len(close), -1, np.int8)
    for code, rows in enumerate(columns.of_symbols):
        marks = np.searchsorted(rows, columns.first).tolist()
        histories = [each.get(code, _NOTHING) for each in columns.histories]
        closes, begins, shown = _continued(close[rows], marks, histories, targets.needed)
        wanted[rows] = targets.targets(closes, begins)[shown]
    return columns._replace(targets=wanted)


class _Builder:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._codes: dict[Symbol, int] = {}
        self._pieces: list[tuple[_Column, ...]] = []
        self._hours: list[tuple[int, int, int, bool]] = []
        self._first = [0]
        self._terms: list[dict[int, tuple[int, ...]]] = []
        self._histories: list[dict[int, _Column]] = []
        self._sectors: dict[str, int] = {}
        self._tables = _Tables()

    def add(self, day: MarketDay) -> None:
        """Take in a session."""
        tape, hours = day.tape, day.session
        rows = np.flatnonzero(tape.kind == Kind.BAR)
        codes = np.array([self._code(symbol) for symbol in tape.symbols], np.int64)
        bar = tape.bar[rows]
        bars = tape.bars
        value = np.where(bars.value > 0, bars.value, bars.close * bars.volume)[bar]
        self._pieces.append(
            (
                tape.at[rows], bars.start[bar], bars.open[bar], bars.high[bar], bars.low[bar],
                bars.close[bar], bars.volume[bar], value, codes[tape.symbol[rows]],
            )
        )  # fmt: skip
        self._first.append(self._first[-1] + len(rows))
        plain = _plain(day) and bool((bars.volume[bar] > 0).all())
        self._hours.append((hours.open_at, hours.closing_auction_at, hours.close_at, plain))
        self._terms.append(self._terms_of(day))
        self._histories.append(
            {
                self._code(event.symbol): np.array([each.close for each in event.bars], np.int64)
                for event in day.opening
                if isinstance(event, BarHistory)
            }
        )

    def columns(self, dates: tuple[date, ...]) -> Columns:
        """Return what was taken in."""
        first = np.array(self._first, np.int64)
        columns = [np.concatenate(parts) for parts in zip(*self._pieces, strict=True)]
        of_symbols = tuple(_of_symbols(columns[SYMBOL], len(self._codes)))
        before = np.full(first[-1], -1, np.int64)
        for rows in of_symbols:
            marks = np.searchsorted(rows, first)
            before[rows[1:]] = rows[:-1]
            before[rows[marks[:-1][marks[:-1] < marks[1:]]]] = -1
        return Columns(
            dates,
            tuple(self._codes),
            tuple(self._histories),
            of_symbols,
            first,
            np.array([*columns, before], np.int64),
            np.full(first[-1], -1, np.int8),
            np.array(self._hours, np.int64).reshape(-1, 4),
            self._issues(),
            self._tables.columns(),
        )

    def _code(self, symbol: Symbol) -> int:
        return self._codes.setdefault(symbol, len(self._codes))

    def _terms_of(self, day: MarketDay) -> dict[int, tuple[int, ...]]:
        references: dict[Symbol, SymbolReference] = {}
        ordinary: dict[Symbol, int | None] = {}
        sectors: dict[Symbol, str] = {}
        for event in day.opening:
            if isinstance(event, SymbolReference):
                references[event.symbol] = event
            elif isinstance(event, DailyHistory):
                ordinary[event.symbol] = ordinary_value(event.bars)
            elif isinstance(event, UniverseSelected):
                sectors |= event.sectors
        settled = next_session(day.session.day, _SETTLEMENT_SESSIONS)
        found: dict[int, tuple[int, ...]] = {}
        for each in day.listings:
            sector = self._sector(sectors.get(each.symbol, ""))
            placed = sector != NO_SECTOR or each.symbol in self._limits.sector_allow_list
            value = ordinary.get(each.symbol)
            entry = _entry(each, references.get(each.symbol), day.session.trading_date)
            if not placed or (value is not None and value < self._limits.min_daily_value):
                entry = NEVER
            found[self._code(each.symbol)] = (
                each.base_price,
                each.lower_limit,
                each.upper_limit,
                self._tables.row(each.board, day.session.day),
                sector,
                costs.sell_tax(_MILLION, each.board, settled),
                entry,
            )
        return found

    def _sector(self, name: str) -> int:
        return NO_SECTOR if not name else self._sectors.setdefault(name, len(self._sectors))

    def _issues(self) -> _Column:
        numbers = np.zeros((len(self._terms), 7, len(self._codes)), np.int64)
        numbers[:, SECTOR], numbers[:, ENTRY] = NO_SECTOR, UNSURE
        for session, terms in enumerate(self._terms):
            for code, each in terms.items():
                numbers[session, :, code] = each
        return numbers


class _Tables:
    """The tick tables that the sessions of a run follow."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, ...], int] = {}
        self._known: dict[tuple[Board, date], int] = {}

    def row(self, board: Board, on: date) -> int:
        """Return the row of the table that a board follows on a date."""
        known = self._known.get((board, on))
        if known is None:
            ticks = tuple(tick_size(price, board, on) for price in (0, *_TABLE_BOUNDS))
            known = self._known[board, on] = self._rows.setdefault(ticks, len(self._rows))
        return known

    def columns(self) -> _Column:
        """Return the tables as columns."""
        ticks = np.array(list(self._rows), np.int64).reshape(len(self._rows), -1)
        bounds = np.tile(np.array((*_TABLE_BOUNDS, _HIGHEST), np.int64), (len(self._rows), 1))
        return np.stack((bounds, ticks))


def _of_symbols(symbol: _Column, count: int) -> Iterator[_Column]:
    """Yield the rows of each symbol, in order."""
    symbol = symbol.astype(np.int16)
    order = np.argsort(symbol, kind="stable")
    edges = np.searchsorted(symbol[order], np.arange(count + 1))
    for code in range(count):
        yield order[edges[code] : edges[code + 1]]


def _continued(
    closes: _Column, marks: Sequence[int], histories: Sequence[_Column], needed: int
) -> tuple[_Column, _Column, _Column]:
    """Return the closes a symbol's targets follow, where they begin anew, and where rows stand.

    A session goes on from the one before when the history it is shown says the same; otherwise the
    history stands before it, and the past is forgotten.
    """
    pieces: list[_Column] = []
    begins, shifts, lengths, shift = [], [], [], 0
    since, past = 0, _NOTHING
    for (begin, end), history in zip(pairwise(marks), histories, strict=True):
        if begin == end:
            continue
        told = history[-needed:]
        count, known = len(told), len(past) + begin - since
        goes_on = bool(pieces) and count == min(needed, known)
        if goes_on:
            newest = closes[begin - count : begin]
            if begin - since < count:
                newest = np.concatenate((past, closes[since:begin]))[-count:]
            goes_on = bool((newest == told).all())
        if not goes_on:
            begins.append(begin + shift)
            pieces += (closes[since:begin], told)
            since, past, shift = begin, told, shift + count
        shifts.append(shift)
        lengths.append(end - begin)
    pieces.append(closes[since:])
    shown = np.arange(len(closes)) + np.repeat(np.array(shifts, np.int64), lengths)
    return np.concatenate(pieces), np.array(begins, np.int64), shown


def _plain(day: MarketDay) -> bool:
    """Return whether nothing but ordinary bars happens in a session."""
    tape = day.tape
    noted = tape.note[tape.kind != Kind.BAR]
    return (
        not day.actions
        and bool((noted >= 0).all())
        and all(isinstance(tape.notes[note], _USUAL) for note in noted.tolist())
        and all(isinstance(event, _OPENING) for event in day.opening)
    )


def _entry(listing: Listing, reference: SymbolReference | None, day: TradingDate) -> int:
    """Return whether an issue's terms let it be entered, as far as all deciders agree on them."""
    if (
        reference is None
        or reference.trading_date != day
        or reference.kind in {InstrumentKind.ETF, InstrumentKind.ETN}
        or reference.market != listing.board.value
        or (reference.lower_limit, reference.upper_limit)
        != (listing.lower_limit, listing.upper_limit)
    ):
        return UNSURE
    return NEVER if reference.status_code in BLOCKED_DESIGNATIONS else ENTERABLE
