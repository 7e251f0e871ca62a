"""What the router knows of a symbol, and how old it is."""

from __future__ import annotations

import msgspec
import pytest

from events.market import (
    InstrumentKind,
    MarketOperation,
    Phase,
    PriceSnapshot,
    QuoteFrame,
    TradeFrame,
    Venue,
)
from events.prices import Board
from kis_gateway.orders.market_watch import MarketWatch
from kis_gateway.orders.planner import PlanSettings
from tests.kis_gateway.fakes import (
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    reference,
    session_opened,
    trade,
)

MINUTE = 60 * SECOND


def watch() -> MarketWatch:
    """Return a watch in continuous trading with the terms of one symbol."""
    subject = MarketWatch(session_opened(), PlanSettings())
    subject.terms(reference())
    subject.tick(OPEN, Phase.CONTINUOUS)
    return subject


def tape(value: int, *, at: int) -> TradeFrame:
    """Return a trade after which ``value`` won have been traded today."""
    frame = trade(70_000, at=at)
    (one,) = frame.trades
    return msgspec.structs.replace(
        frame, trades=(msgspec.structs.replace(one, cumulative_value=value),)
    )


def test_before_the_first_tick_the_phase_is_that_of_the_opening_books() -> None:
    """They are written as the opening auction begins."""
    assert MarketWatch(session_opened(), PlanSettings()).phase is Phase.OPENING_AUCTION


def test_a_price_is_fresh_for_ten_seconds_whatever_told_it() -> None:
    """A trade, an order book, or a look at the price while the feed is silent."""
    look = PriceSnapshot(
        at=OPEN,
        symbol=SAMSUNG,
        time=OPEN,
        price=70_500,
        cumulative_volume=1,
        cumulative_value=1,
        best_bid=70_400,
    )
    quote = QuoteFrame(
        at=OPEN,
        symbol=SAMSUNG,
        time=OPEN,
        ask_prices=(70_100,),
        ask_quantities=(1,),
        bid_prices=(70_000,),
        bid_quantities=(1,),
    )
    traded, asked, quoted = watch(), watch(), watch()
    traded.trades(trade(70_000, at=OPEN))
    asked.snapshot(look)
    quoted.quote(quote)
    for subject, bid in ((traded, 69_900), (asked, 70_400), (quoted, 70_000)):
        assert subject.view(SAMSUNG).best_bid == bid
        subject.tick(OPEN + 10 * SECOND, Phase.CONTINUOUS)
        assert subject.view(SAMSUNG).fresh
        subject.tick(OPEN + 11 * SECOND, Phase.CONTINUOUS)
        assert not subject.view(SAMSUNG).fresh
    assert not watch().view(HYNIX).fresh


def test_what_was_traded_lately_is_that_of_five_minutes() -> None:
    """In the first five minutes of the day: everything since the open."""
    subject = watch()
    subject.trades(tape(1_000_000, at=OPEN + MINUTE))
    assert subject.view(SAMSUNG).recent_value == 1_000_000
    subject.trades(tape(3_000_000, at=OPEN + 4 * MINUTE))
    subject.trades(tape(7_000_000, at=OPEN + 8 * MINUTE))
    assert subject.view(SAMSUNG).recent_value == 6_000_000  # after the trade of minute 1
    subject.tick(OPEN + 10 * MINUTE, Phase.CONTINUOUS)
    assert subject.view(SAMSUNG).recent_value == 4_000_000
    subject.tick(OPEN + 20 * MINUTE, Phase.CONTINUOUS)
    assert subject.view(SAMSUNG).recent_value == 0


@pytest.mark.parametrize(
    ("market", "kind", "board"),
    [
        ("KOSPI", InstrumentKind.STOCK, Board.KOSPI),
        ("KOSDAQ", InstrumentKind.STOCK, Board.KOSDAQ),
        ("KOSPI", InstrumentKind.ETF, Board.FUND),
        ("KOSPI", InstrumentKind.ETN, Board.FUND),
    ],
)
def test_the_tick_table_follows_from_market_and_kind(
    market: str, kind: InstrumentKind, board: Board
) -> None:
    """Funds have ticks of their own whatever market lists them."""
    subject = watch()
    subject.terms(msgspec.structs.replace(reference(), market=market, kind=kind))
    assert subject.board(SAMSUNG) is board


def test_only_the_word_of_krx_on_its_own_symbols_counts() -> None:
    """A record of the unified feed does not name its symbol."""
    subject = watch()
    halted = MarketOperation(
        at=OPEN,
        symbol=SAMSUNG,
        halted=True,
        reason="",
        code="112",
        expected_code="",
        designation="00",
        interrupted=False,
        interrupted_after_hours=False,
        venue=Venue.NXT,
    )
    subject.operation(halted)
    assert not subject.resting(SAMSUNG)
    subject.operation(msgspec.structs.replace(halted, venue=Venue.KRX))
    assert subject.resting(SAMSUNG)


def test_the_session_is_over_at_its_close_and_not_before_its_open() -> None:
    """Closed is not the same before and after."""
    subject = MarketWatch(
        msgspec.structs.replace(session_opened(), at=OPEN - 60 * MINUTE), PlanSettings()
    )
    assert (subject.phase, subject.session_over) == (Phase.CLOSED, False)
    subject.tick(SESSION.close_at, Phase.CLOSED)
    assert subject.session_over
