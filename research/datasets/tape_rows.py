"""Puts the streams of a session into one tape.

What always holds: rows are in order of time, and of rows at the same instant those of the stream
given first come first, in the order they have there: the order of ``heapq.merge``, in which the
simulated market is played.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from events import Symbol
from events.event import Event
from kis_gateway.simulator.exchange import Command
from research.backtest.tape import NO_SYMBOL, Bars, Books, Kind, Tape
from research.datasets.bridging import BridgedRows

Note = Event | Command


class Rows(NamedTuple):
    """Columns of a tape before they are in order of time; see ``Tape`` for what they mean."""

    at: NDArray[np.int64]
    kind: NDArray[np.uint8]
    symbol: NDArray[np.int16]
    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    aggressor: NDArray[np.int8]
    auction: NDArray[np.bool_]
    volume: NDArray[np.int64]
    value: NDArray[np.int64]
    book: NDArray[np.int32]
    bar: NDArray[np.int32]
    note: NDArray[np.int32]


def empty_rows(count: int) -> Rows:
    """Return rows of nothing: no symbol, no figures, pointing nowhere."""
    return Rows(
        at=np.zeros(count, np.int64),
        kind=np.zeros(count, np.uint8),
        symbol=np.full(count, NO_SYMBOL, np.int16),
        price=np.zeros(count, np.int64),
        quantity=np.zeros(count, np.int64),
        aggressor=np.zeros(count, np.int8),
        auction=np.zeros(count, np.bool_),
        volume=np.zeros(count, np.int64),
        value=np.zeros(count, np.int64),
        book=np.full(count, -1, np.int32),
        bar=np.full(count, -1, np.int32),
        note=np.full(count, -1, np.int32),
    )


def note_rows(notes: Sequence[Note]) -> Rows:
    """Return rows for commands and events, ``note`` counting from 0."""
    rows = empty_rows(len(notes))
    rows.at[:] = [each.at for each in notes]
    rows.kind[:] = [Kind.COMMAND if isinstance(each, Command) else Kind.EVENT for each in notes]
    rows.note[:] = np.arange(len(notes))
    return rows


def bridged_rows(bridged: BridgedRows) -> Rows:
    """Return bridged trades and books as rows."""
    rows = len(bridged.at)
    nowhere = np.full(rows, -1, np.int32)
    return Rows(*bridged[:-1], bar=nowhere, note=nowhere)


def in_order(
    symbols: Sequence[Symbol],
    streams: Iterable[Rows],
    *,
    books: Books | None = None,
    bars: Bars | None = None,
    notes: Sequence[Note] = (),
) -> Tape:
    """Return the tape of some streams, each of which is in order of time by itself or made of
    streams that are, one after another."""
    whole = Rows(*map(np.concatenate, zip(*streams, strict=True)))
    order = np.argsort(whole.at, kind="stable")
    return Tape(
        symbols=tuple(symbols),
        books=Books.none() if books is None else books,
        bars=Bars.none() if bars is None else bars,
        notes=tuple(notes),
        **{name: column[order] for name, column in whole._asdict().items()},
    )
