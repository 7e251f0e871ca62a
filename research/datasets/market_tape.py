"""The tape of any market of the simulator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from events.event import Event
from events.market import IndexLevel, ProgramFlow
from kis_gateway.simulator.exchange import Command, MarketBook, MarketTrade, Session
from kis_gateway.simulator.market import IndexPrint, Market, MarketItem, ProgramPrint
from research.backtest.tape import LEVELS, Books, Kind, Tape
from research.datasets.tape_rows import Note, empty_rows, in_order


def tape_of(market: Market) -> Tape:
    """Return everything that happens in a market, in its order.

    Trades and books of the regular session become rows of their own; those of other sessions, and
    all else that the exchange is told, become commands.
    """
    items = list(market.commands())
    places = {listing.symbol: place for place, listing in enumerate(market.listings)}
    closes = previous_closes(market)
    rows = empty_rows(len(items))
    rows.at[:] = [item.at for item in items]
    notes: list[Note] = []
    books: list[MarketBook] = []
    totals = {symbol: [0, 0] for symbol in places}
    for row, item in enumerate(items):
        if isinstance(item, MarketTrade) and item.session is Session.REGULAR:
            total = totals[item.symbol]
            total[0] += item.quantity
            total[1] += item.price * item.quantity
            rows.kind[row], rows.symbol[row] = Kind.TRADE, places[item.symbol]
            rows.price[row], rows.quantity[row] = item.price, item.quantity
            rows.aggressor[row], rows.auction[row] = item.aggressor, item.auction
            rows.volume[row], rows.value[row] = total
        elif isinstance(item, MarketBook) and item.session is Session.REGULAR:
            rows.kind[row], rows.symbol[row] = Kind.BOOK, places[item.symbol]
            rows.book[row] = len(books)
            books.append(item)
        else:
            note = as_note(item, closes)
            rows.kind[row] = Kind.COMMAND if isinstance(note, Command) else Kind.EVENT
            rows.note[row] = len(notes)
            notes.append(note)
    return in_order(list(places), (rows,), books=_books(books), notes=notes)


def as_note(item: MarketItem, previous_closes: Mapping[str, int]) -> Event | Command:
    """Return an item that is no trading as the event that deciders are told, commands as they are.

    ``previous_closes`` are hundredths of a point by index; without one a level stands for itself.
    """
    match item:
        case IndexPrint():
            return IndexLevel(
                at=item.at,
                index=item.index,
                time=item.at,
                centipoints=item.centipoints,
                previous_close_centipoints=previous_closes.get(item.index, item.centipoints),
            )
        case ProgramPrint():
            return ProgramFlow(
                at=item.at,
                market=item.market,
                time=item.at,
                cumulative_net_value=item.cumulative_net_value,
            )
        case _:
            return item


def previous_closes(market: Market) -> dict[str, int]:
    """Return the last close of each index that has a history, hundredths of a point."""
    histories = {index: market.index_history(index) for index in ("KOSPI", "KOSDAQ")}
    return {index: bars[-1].close for index, bars in histories.items() if bars}


def _books(books: Sequence[MarketBook]) -> Books:
    sides = [[book.asks for book in books], [book.bids for book in books]]
    columns = []
    for levels in sides:
        padded = [
            figure
            for side in levels
            for level in chain(side, [(0, 0)] * (LEVELS - len(side)))
            for figure in level
        ]
        table = np.array(padded, np.int64).reshape(-1, LEVELS, 2)
        columns += [np.ascontiguousarray(table[:, :, 0]), np.ascontiguousarray(table[:, :, 1])]
    return Books(*columns)
