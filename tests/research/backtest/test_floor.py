"""An exchange that is handed most of the tape late does what one does that is handed each row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings

from events import Symbol
from events.market import Aggressor, Phase
from events.prices import Board, move_ticks
from events.trading import Side
from kis_gateway.protocol import Pricing
from kis_gateway.simulator.exchange import (
    CancelOrder,
    Command,
    EnterPhase,
    Exchange,
    Executed,
    HaltIssue,
    Listing,
    Outcome,
    PlaceOrder,
    Reach,
    Refused,
    ResumeIssue,
    TriggerInterruption,
    Withdrawn,
)
from research.backtest import floor as module
from research.backtest.floor import ACCOUNT, Floor
from research.backtest.issue_rows import by_issue
from research.backtest.nearest_row import first_in_reach
from research.backtest.tape import LEVELS, Bars, Books, Kind, Tape

SECOND = 1_000_000_000
OPEN = 1_757_894_400 * SECOND
SYMBOLS = (Symbol("900010"), Symbol("900020"))
NEAR = (-9, -1, 0, 0, 0, 1, 1, 1, 2, 10)
# A calm market, so that orders rest for a while.
BESTS = st.sampled_from([9_990, *[10_000] * 12, 10_010])
PRICES = st.sampled_from([9_990, *[10_000] * 8, *[10_010] * 8, 10_020])
SPREADS = st.sampled_from([*[1] * 8, 2, 3])
STEP = st.integers(0, 2)
"""Seconds between a row and the one before it."""


class Trade(NamedTuple):
    after: int
    symbol: int
    price: int
    quantity: int
    aggressor: Aggressor
    auction: bool


class Book(NamedTuple):
    after: int
    symbol: int
    best_bid: int
    spread: int
    asks: Sequence[int]
    bids: Sequence[int]


class Bar(NamedTuple):
    after: int
    symbol: int
    prices: tuple[int, int, int, int]
    volume: int


class Note(NamedTuple):
    after: int
    kind: type[Command]
    fields: dict[str, Any]


class Placing(NamedTuple):
    """An order that reaches the exchange within a second that has rows of the tape."""

    after: int
    symbol: int
    side: Side
    market: bool
    quantity: int
    price: int


class Cancelling(NamedTuple):
    after: int
    target: int


WHICH = st.sampled_from([*[0] * 6, 1])
LEVEL_SIZES = st.lists(st.integers(1, 60), min_size=8, max_size=LEVELS)
AUCTIONS = st.sampled_from([*[False] * 15, True])
TRADES = st.builds(
    Trade, STEP, WHICH, PRICES, st.integers(1, 30), st.sampled_from(Aggressor), AUCTIONS
)
BOOKS = st.builds(Book, STEP, WHICH, BESTS, SPREADS, LEVEL_SIZES, LEVEL_SIZES)
BARS = st.builds(Bar, STEP, WHICH, st.tuples(PRICES, PRICES, PRICES, PRICES), st.integers(0, 60))
NOTES = st.builds(
    lambda after, said: Note(after, *said),
    STEP,
    st.sampled_from(
        [
            *[(EnterPhase, {"phase": Phase.CONTINUOUS})] * 4,
            (EnterPhase, {"phase": Phase.CLOSING_AUCTION}),
            (TriggerInterruption, {"symbol": SYMBOLS[0], "seconds": 3}),
            (HaltIssue, {"symbol": SYMBOLS[0], "reason": "news"}),
            (ResumeIssue, {"symbol": SYMBOLS[0], "auction_seconds": 3}),
        ]
    ),
)
ROWS = st.lists(st.one_of(*[TRADES] * 8, *[BOOKS] * 3, NOTES), min_size=5, max_size=60) | st.lists(
    st.one_of(*[BARS] * 8, NOTES), min_size=5, max_size=20
)
ACTIONS = st.lists(
    st.one_of(
        st.builds(
            Placing,
            st.integers(0, 8),
            WHICH,
            st.sampled_from(Side),
            st.sampled_from([*[False] * 9, True]),
            st.integers(1, 60),
            st.sampled_from([move_ticks(10_000, step) for step in NEAR]),
        ),
        st.builds(Cancelling, st.integers(0, 8), st.integers(0, 5)),
    ),
    min_size=3,
    max_size=12,
)


def tape_of(rows: Sequence[Trade | Book | Bar | Note]) -> Tape:
    count = len(rows)
    at = OPEN + np.cumsum([each.after for each in rows]).astype(np.int64) * SECOND
    columns: dict[str, Any] = {
        name: np.zeros(count, np.int64) for name in ("price", "quantity", "volume", "value")
    }
    kind, symbol = np.zeros(count, np.uint8), np.full(count, -1, np.int16)
    aggressor, auction = np.zeros(count, np.int8), np.zeros(count, np.bool_)
    book, bar, note = (np.full(count, -1, np.int32) for _ in range(3))
    books: list[list[list[int]]] = []
    bars: list[list[int]] = []
    notes: list[Command] = []
    for row, each in enumerate(rows):
        if not isinstance(each, Note):
            symbol[row] = each.symbol
        match each:
            case Trade():
                kind[row] = Kind.TRADE
                columns["price"][row], columns["quantity"][row] = each.price, each.quantity
                aggressor[row], auction[row] = each.aggressor, each.auction
            case Book():
                kind[row], book[row] = Kind.BOOK, len(books)
                best_ask = move_ticks(each.best_bid, each.spread)
                books.append(
                    [
                        _filled([move_ticks(best_ask, i) for i in range(len(each.asks))]),
                        _filled(each.asks),
                        _filled([move_ticks(each.best_bid, -i) for i in range(len(each.bids))]),
                        _filled(each.bids),
                    ]
                )
            case Bar(_, _, prices, volume):
                kind[row], bar[row] = Kind.BAR, len(bars)
                first, _, _, last = prices
                value = volume * first
                bars.append([at[row], first, max(prices), min(prices), last, volume, value])
            case Note():
                kind[row], note[row] = Kind.COMMAND, len(notes)
                notes.append(each.kind(at=int(at[row]), **each.fields))
    held = np.array(books, np.int64).reshape(-1, 4, LEVELS)
    listed = np.array(bars, np.int64).reshape(-1, 7)
    return Tape(
        symbols=SYMBOLS, at=at, kind=kind, symbol=symbol, aggressor=aggressor, auction=auction,
        book=book, bar=bar, note=note, books=Books(*(held[:, side] for side in range(4))),
        bars=Bars(*(listed[:, column] for column in range(7))), notes=tuple(notes), **columns,
    )  # fmt: skip


def _filled(numbers: Sequence[int]) -> list[int]:
    return [*numbers, *[0] * (LEVELS - len(numbers))]


def new_exchange() -> Exchange:
    listing = Listing(
        symbol=SYMBOLS[0],
        name="Alpha",
        board=Board.KOSPI,
        sector="Test",
        base_price=10_000,
        lower_limit=7_000,
        upper_limit=13_000,
        listed_shares=1_000_000,
    )
    listings = [msgspec.structs.replace(listing, symbol=each) for each in SYMBOLS]
    exchange = Exchange(listings, settled_on=date(2025, 9, 17))
    exchange.open_account(ACCOUNT, 100_000_000, dict.fromkeys(SYMBOLS, (1000, 9000000)))
    exchange.handle(EnterPhase(at=OPEN - SECOND, phase=Phase.OPENING_AUCTION))
    return exchange


class Driven:
    """A floor as the kernel and the broker drive it."""

    def __init__(self, tape: Tape, *, lazily: bool) -> None:
        self.said: list[Outcome] = []
        self.exchange = new_exchange()
        self.floor = Floor(self.exchange, tape, by_issue(tape), self.hear, lazily=lazily)
        self.working: dict[str, Symbol] = {}

    def hear(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what a broker listens to, and leave an issue where nothing works any more."""
        for each in outcomes:
            if isinstance(each, Executed | Withdrawn | Refused):
                self.said.append(each)
                over = not isinstance(each, Executed) or each.remaining == 0
                symbol = self.working.pop(each.order_number, None) if over else None
                if symbol is not None and symbol not in self.working.values():
                    self.leaving.append(symbol)

    leaving: list[Symbol]

    def run(self, actions: Sequence[Placing | Cancelling], end: int) -> None:
        self.leaving, at = [], OPEN
        for number, action in enumerate(actions):
            at += action.after * SECOND
            self.until(at)
            if isinstance(action, Placing):
                self.working[str(number)] = SYMBOLS[action.symbol]
                self.hear(self.floor.place(_order(action, at, number)))
            else:
                target = str(action.target)
                cancel = CancelOrder(
                    at=at, order_number=str(number), account=ACCOUNT, target=target
                )
                if target in self.working:
                    self.hear(self.floor.cancel(cancel))
            self.leave()
        self.until(max(end, at) + 9 * SECOND)

    def until(self, at: int) -> None:
        while self.floor.due <= at:
            self.floor.advance()
            self.leave()

    def leave(self) -> None:
        for symbol in self.leaving:
            if symbol not in self.working.values():
                self.floor.leave(symbol)
        self.leaving.clear()


def _order(placing: Placing, at: int, number: int) -> PlaceOrder:
    return PlaceOrder(
        at=at,
        order_number=str(number),
        account=ACCOUNT,
        symbol=SYMBOLS[placing.symbol],
        side=placing.side,
        pricing=Pricing.MARKET if placing.market else Pricing.LIMIT,
        quantity=placing.quantity,
        price=None if placing.market else placing.price,
    )


@pytest.mark.parametrize("look", [3, 64])
@given(rows=ROWS, actions=ACTIONS)
@settings(max_examples=250, deadline=None)
def test_whatever_is_handed_over_late_orders_fare_the_same(
    look: int, rows: Sequence[Any], actions: Sequence[Any]
) -> None:
    """However few rows are looked through together."""
    tape = tape_of(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_LOOK", look)
        each, late = (Driven(tape, lazily=lazily) for lazily in (False, True))
        for driven in (each, late):
            driven.run(actions, int(tape.at[-1]))
    assert late.said == each.said
    assert late.exchange.account(ACCOUNT) == each.exchange.account(ACCOUNT)
    assert late.exchange.orders(ACCOUNT) == each.exchange.orders(ACCOUNT)


def both(rows: Sequence[Any], actions: Sequence[Any]) -> list[tuple[int, int]]:
    """Return the quantities and prices that either way of handing over executes."""
    tape = tape_of(rows)
    each, late = (Driven(tape, lazily=lazily) for lazily in (False, True))
    for driven in (each, late):
        driven.run(actions, int(tape.at[-1]))
    assert late.said == each.said
    return [(done.quantity, done.price) for done in late.said if isinstance(done, Executed)]


def book(
    after: int, asks: tuple[int, ...], bids: tuple[int, ...], best: int = 10_000, spread: int = 1
) -> Book:
    return Book(after, 0, best, spread, asks, bids)


def traded(after: int, price: int, quantity: int, aggressor: Aggressor = Aggressor.SELL) -> Trade:
    return Trade(after, 0, price, quantity, aggressor, False)


CONTINUOUS = Note(0, EnterPhase, {"phase": Phase.CONTINUOUS})
INTERRUPTED = Note(1, TriggerInterruption, {"symbol": SYMBOLS[0], "seconds": 3})


def buys(after: int, quantity: int, price: int) -> Placing:
    return Placing(after, 0, Side.BUY, False, quantity, price)


def test_a_book_before_the_open_does_not_open_an_issue() -> None:
    """An order waits for the first trade or book after the open, however late it is told."""
    rows = [book(0, (50,), (50,)), Note(1, EnterPhase, {"phase": Phase.CONTINUOUS})]
    later = Trade(6, 0, 10_020, 5, Aggressor.BUY, False)
    assert both([*rows, later], [buys(3, 20, 10_010)]) == [(20, 10_010)]
    assert both(rows, [buys(3, 20, 10_010)]) == []


def test_what_is_withheld_in_an_interruption_never_traded() -> None:
    rows = [CONTINUOUS, book(0, (40,), (40,)), INTERRUPTED]
    withheld = traded(1, 10_010, 40, Aggressor.BUY)
    assert both([*rows, withheld], [buys(8, 40, 10_010)]) == [(40, 10_010)]


def test_a_queue_is_as_short_as_the_shortest_that_was_shown() -> None:
    rows = [CONTINUOUS, book(0, (40,), (40,)), book(3, (40,), (5,)), book(1, (40,), (40,))]
    assert both([*rows, traded(1, 10_000, 20)], [buys(1, 30, 10_000)]) == [(15, 10_000)]


def test_the_last_price_decides_an_auction_although_a_book_came_after_it() -> None:
    wide = book(1, (1,), (1,), best=9_900, spread=20)
    rows = [CONTINUOUS, wide, traded(0, 10_020, 1), wide, INTERRUPTED]
    orders = [buys(4, 10, 10_050), Placing(0, 0, Side.SELL, False, 10, 9_950)]
    assert both(rows, orders) == [(10, 10_020), (10, 10_020)]


def test_bars_without_trading_do_not_open_an_issue() -> None:
    bars = [Bar(0, 0, (10_000,) * 4, 52), CONTINUOUS, Bar(1, 0, (10_000,) * 4, 43)]
    rows = [*bars, Bar(1, 0, (10_000,) * 4, 0)]
    assert both(rows, [buys(4, 8, 9_910), Placing(1, 0, Side.SELL, False, 1, 9_910)]) == [
        (1, 9_910),
        (1, 9_910),
    ]


BUYER = Reach(10_000, 12, 1 << 62, 0)
SELLER = Reach(0, 0, 10_010, 7)
BOUGHT = traded(0, 10_010, 7, Aggressor.BUY)
ELSEWHERE = traded(0, 10_010, 99)


@pytest.mark.parametrize(
    ("near", "rows", "place"),
    [
        (BUYER, [traded(0, 10_000, 5), traded(0, 10_000, 7), traded(0, 10_000, 1)], 2),
        (BUYER, [traded(0, 10_000, 99, Aggressor.BUY), traded(0, 9_990, 1), ELSEWHERE], 1),
        (BUYER, [traded(0, 10_000, 13, Aggressor.NONE), ELSEWHERE], 0),
        (BUYER, [traded(0, 10_000, 5), book(0, (9,), (6,)), traded(0, 10_000, 6), ELSEWHERE], 3),
        (BUYER, [traded(0, 10_000, 5), book(0, (9,), (6,)), traded(0, 10_000, 7), ELSEWHERE], 2),
        (BUYER, [traded(0, 10_000, 5), book(0, (9,), (9,)), traded(0, 10_000, 8), ELSEWHERE], 2),
        (BUYER, [book(0, (9,), (9,) * 10, 10_100), traded(0, 10_000, 12), ELSEWHERE], 2),
        (BUYER, [book(0, (9,), (9,) * 9, 10_100), traded(0, 10_000, 12), ELSEWHERE], 1),
        (BUYER, [book(0, (9,), (9,)), book(0, (9,), (9,), best=9_990), ELSEWHERE], 1),
        (SELLER, [traded(0, 10_010, 7, Aggressor.BUY), traded(0, 10_010, 1, Aggressor.BUY)], 1),
        (SELLER, [traded(0, 10_010, 99), traded(0, 10_020, 1), ELSEWHERE], 1),
        (SELLER, [book(0, (9,), (9,)), book(0, (9,), (9,), best=10_010), ELSEWHERE], 1),
        (SELLER, [book(0, (9,) * 10, (9,), 9_800), traded(0, 10_010, 7), ELSEWHERE], 2),
        (SELLER, [book(0, (9,) * 10, (9,), 9_800), BOUGHT, BOUGHT, ELSEWHERE], 2),
        (BUYER, [Trade(0, 0, 10_010, 1, Aggressor.NONE, True), ELSEWHERE], 0),
        (BUYER, [Bar(0, 0, (10_010,) * 4, 9), ELSEWHERE], 0),
    ],
)  # fmt: skip
def test_the_first_row_in_reach_is_found(near: Reach, rows: Sequence[Any], place: int) -> None:
    """The last one where none is."""
    tape = tape_of(rows)
    assert first_in_reach(tape, np.arange(len(rows)), near) == place
