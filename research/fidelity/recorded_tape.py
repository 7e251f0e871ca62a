"""A recorded session as the columns of a tape."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Final, NamedTuple

import numpy as np

from events import Event, Symbol
from events.market import Phase, TradeFrame
from kis_gateway.simulator.exchange import Command, EnterPhase, MarketBook, MarketTrade
from research.backtest.tape import LEVELS, NO_SYMBOL, Bars, Books, Kind, Tape
from research.fidelity.exchange_tape import IssueTape, issue_tape
from research.fidelity.recording import RecordedSession

_SECOND: Final = 1_000_000_000


class _Row(NamedTuple):
    at: int
    seen: int
    sequence: int
    symbol: int
    content: Command | Event
    volume: int = 0
    value: int = 0


def recorded_tape(
    session: RecordedSession, symbols: Sequence[Symbol], told: Sequence[Event], late: int
) -> Tape:
    """Return everything that a session's record says of the others' trading, in order.

    ``told`` is what else deciders were told; ``late`` is how late frames usually were (ns). Rows
    are received when they were, except that none overtakes another.
    """
    rows = [_Row(max(0, event.at - late), event.at, 0, NO_SYMBOL, event) for event in told]
    phases: dict[Phase, EnterPhase] = {}
    for place, symbol in enumerate(symbols):
        tape = issue_tape(session, symbol)
        rows += _of_issue(session, tape, place, late)
        _take_phases(tape, phases)
    rows += [_Row(command.at, command.at, 0, NO_SYMBOL, command) for command in phases.values()]
    rows.sort(key=lambda row: (row.at, row.sequence))
    return _columns(symbols, rows)


def _of_issue(session: RecordedSession, tape: IssueTape, place: int, late: int) -> list[_Row]:
    symbol = tape.symbol
    received = {entry.sequence: entry.event.at for entry in session.frames.get(symbol, ())}
    totals = _totals(session, symbol)
    rows: list[_Row] = []
    newest = 0
    trades = 0
    for step in tape.steps:
        if isinstance(step.command, EnterPhase):
            continue
        begin = step.time
        seen = received[step.sequence]
        newest = max(newest, min(max(begin, seen - late), begin + _SECOND - 1))
        if isinstance(step.command, MarketTrade):
            volume, value = totals[trades]
            trades += 1
            rows.append(_Row(newest, seen, step.sequence, place, step.command, volume, value))
        else:
            rows.append(_Row(newest, seen, step.sequence, place, step.command))
    return rows


def _totals(session: RecordedSession, symbol: Symbol) -> list[tuple[int, int]]:
    """Return the session's volume and value after each trade, in the order of the tape."""
    found: list[tuple[int, int]] = []
    for entry in session.frames.get(symbol, ()):
        if isinstance(entry.event, TradeFrame):
            for trade in entry.event.trades:
                if not found or trade.cumulative_volume > found[-1][0]:
                    found.append((trade.cumulative_volume, trade.cumulative_value))
    return found


def _take_phases(tape: IssueTape, phases: dict[Phase, EnterPhase]) -> None:
    """Keep when each phase begins; the session's end is that of the issue which closes last."""
    for step in tape.steps:
        command = step.command
        if isinstance(command, EnterPhase):
            known = phases.get(command.phase)
            if known is None or command.at > known.at:
                phases[command.phase] = command


def _columns(symbols: Sequence[Symbol], rows: Sequence[_Row]) -> Tape:
    count = len(rows)
    kind, price = np.zeros(count, np.uint8), np.zeros(count, np.int64)
    aggressor, auction = np.zeros(count, np.int8), np.zeros(count, np.bool_)
    book, note = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    quantity = np.zeros(count, np.int64)
    books: list[MarketBook] = []
    notes: list[Event | Command] = []
    for place, row in enumerate(rows):
        content = row.content
        if isinstance(content, MarketTrade):
            kind[place] = Kind.TRADE
            price[place], quantity[place] = content.price, content.quantity
            aggressor[place], auction[place] = content.aggressor, content.auction
        elif isinstance(content, MarketBook):
            kind[place], book[place] = Kind.BOOK, len(books)
            books.append(content)
        else:
            kind[place] = Kind.COMMAND if isinstance(content, Command) else Kind.EVENT
            note[place] = len(notes)
            notes.append(content)
    return Tape(
        symbols=tuple(symbols),
        at=np.array([row.at for row in rows], np.int64),
        kind=kind,
        symbol=np.array([row.symbol for row in rows], np.int16),
        price=price,
        quantity=quantity,
        aggressor=aggressor,
        auction=auction,
        volume=np.array([row.volume for row in rows], np.int64),
        value=np.array([row.value for row in rows], np.int64),
        book=book,
        bar=np.full(count, -1, np.int32),
        note=note,
        books=_books(books),
        bars=Bars.none(),
        notes=tuple(notes),
        seen=np.maximum.accumulate(np.array([max(row.seen, row.at) for row in rows], np.int64)),
    )


def _books(books: Sequence[MarketBook]) -> Books:
    columns = []
    for side in ("asks", "bids"):
        padded = [
            chain(getattr(book, side)[:LEVELS], [(0, 0)] * (LEVELS - len(getattr(book, side))))
            for book in books
        ]
        table = np.array([list(levels) for levels in padded], np.int64).reshape(-1, LEVELS, 2)
        columns += [np.ascontiguousarray(table[:, :, 0]), np.ascontiguousarray(table[:, :, 1])]
    return Books(*columns)
