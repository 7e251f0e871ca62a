"""Turnover of the last minutes and of ordinary days, and the exchange's word on a symbol."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import TradingDate
from events.market import Bar, Venue
from events.signal import UniverseSelected
from events.trading import IntentDeferred, IntentModified
from risk.liquidity import Tape, ordinary_value
from risk.market import Market
from tests.risk.scenario import (
    DATE,
    KMP,
    SECOND,
    START,
    A,
    B,
    Day,
    history,
    made,
    operation,
    quote,
    reference,
    stopped_by,
    trades,
)


def test_the_turnover_is_that_of_the_last_five_minutes() -> None:
    """Known as a whole once the tape is five minutes old, and nothing when nothing traded."""
    tape = Tape(START, 1_000)
    tape.add(START, 1_500)
    assert tape.recent(START) == (500, False)
    tape.add(START + 100 * SECOND, 2_500)
    assert tape.recent(START + 299 * SECOND) == (1_500, False)
    assert tape.recent(START + 300 * SECOND) == (1_500, True)
    assert tape.recent(START + 301 * SECOND) == (0, True)
    tape.add(START + 390 * SECOND, 9_500)
    assert tape.recent(START + 400 * SECOND) == (7_000, True)


def test_a_tape_that_began_with_the_session_is_whole_from_its_first_trade() -> None:
    """Nothing was traded before it."""
    tape = Tape(START, 0)
    tape.add(START, 700)
    assert tape.recent(START) == (700, True)


def test_a_turnover_that_goes_back_is_not_believed() -> None:
    """The session's total only grows; a record out of order adds nothing."""
    tape = Tape(START, 0)
    tape.add(START, 700)
    tape.add(START + SECOND, 300)
    assert tape.recent(START + SECOND) == (700, True)


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 1_000)), min_size=1, max_size=200),
    st.integers(0, 900),
)
def test_the_turnover_is_never_put_too_high(trading: list[tuple[int, int]], before: int) -> None:
    """Against the sum over the trades themselves, at every trade and after it."""
    now, total = START, before
    tape = Tape(now, before)
    seen: list[tuple[int, int]] = []
    for pause, value in trading:
        now += pause * SECOND
        total += value
        seen.append((now, value))
        tape.add(now, total)
        for later in (now, now + 120 * SECOND):
            exact = sum(won for at, won in seen if at >= later - 300 * SECOND)
            recent, whole = tape.recent(later)
            assert 0 <= recent <= exact
            assert whole == (before == 0 or later - 300 * SECOND >= START)


def test_an_ordinary_day_is_the_mean_of_the_newest_twenty_sessions() -> None:
    """A bar without a value counts its volume at the close; no bars are no ordinary day."""
    bars = tuple(Bar(0, 1, 1, 1, 10, 7, value) for value in (10**12, *[100] * 18, 0, 130))
    assert ordinary_value(bars) == (18 * 100 + 70 + 130) // 20
    assert ordinary_value(()) is None


def test_another_days_history_says_nothing_of_today() -> None:
    """Nor does one without bars."""
    market = Market(DATE)
    market.daily(msgspec.structs.replace(history(A), trading_date=TradingDate("20250912")))
    market.daily(msgspec.structs.replace(history(A), bars=()))
    assert market.ordinary_values == {}


def test_an_entry_waits_while_too_little_is_traded() -> None:
    """100 million won a second are plenty; in five quiet minutes nothing fits."""
    day = Day()
    assert made(day.enter(100), "recent_liquidity").limit == 7_500_025_000
    day = Day()
    day.now += 301 * SECOND
    day.feed(quote(A, 9_990, 10_010, at=day.now))
    decision = day.enter(1)
    assert stopped_by(decision) == "recent_liquidity"
    assert isinstance(decision, IntentDeferred)
    assert made(decision, "recent_liquidity").note == "too little is traded"


def test_a_part_of_the_window_may_be_enough_to_pass_and_never_to_refuse() -> None:
    """A symbol followed for a minute: what was seen allows some entries, and the rest waits."""
    market = Market(DATE)
    market.trade(trades(A, 10_000, at=START))
    market.trade(trades(A, 10_000, at=START + 60 * SECOND))
    assert market.recent_value(A, START + 60 * SECOND) == (6_000_100_000, False)
    assert market.recent_value(B, START) is None


def test_the_exchanges_halt_defers_entries_until_it_is_lifted() -> None:
    """Of its symbol only, and at KRX only."""
    day = Day()
    day.feed(operation(A, halted=True))
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "trading_halt"
    assert made(decision, "trading_halt").note == "test"
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.feed(operation(A), msgspec.structs.replace(operation(A, halted=True), venue=Venue.NXT))
    assert stopped_by(day.enter(1)) is None


@pytest.mark.parametrize("venue", [Venue.KRX, Venue.NXT])
def test_an_interruption_by_the_operation_feed_is_one(venue: Venue) -> None:
    """From where the flag is raised; repeating it or the all-clear moves nothing."""
    day = Day()
    raised = msgspec.structs.replace(operation(A, interrupted=True, at=day.now), venue=venue)
    day.feed(raised)
    decision = day.enter(1)
    if venue is Venue.NXT:
        assert stopped_by(decision) is None
        return
    assert stopped_by(decision) == "vi_cooldown"
    day.tick(seconds=100)
    day.feed(msgspec.structs.replace(raised, at=day.now))
    assert made(day.enter(1), "vi_cooldown").value == 100
    day.feed(operation(A, at=day.now))
    assert made(day.enter(1), "vi_cooldown").value == 0
    day.tick(seconds=600)
    day.feed(operation(A, at=day.now))
    assert stopped_by(day.enter(1)) is None


def test_records_of_no_symbol_say_nothing_of_any() -> None:
    """The unified feed does not name it."""
    market = Market(DATE)
    market.operation(msgspec.structs.replace(operation(A, halted=True), symbol=""))
    assert market.operations == {}


def test_an_entry_is_cut_to_the_shares_that_the_turnover_pays_for() -> None:
    """40 million won were traded since the open; a quarter of it buys 1,000 shares."""
    day = Day(prepared=False)
    day.tick()
    frame = trades(A, 10_000, at=day.now, bid=9_990, ask=10_010, vi=10_000)
    first = msgspec.structs.replace(frame.trades[0], quantity=4_000, cumulative_value=40_000_000)
    day.feed(
        UniverseSelected(
            at=day.now,
            strategy=KMP,
            trading_date=DATE,
            symbols=(A,),
            sectors={A: "chips"},
            source="test",
        ),
        reference(A),
        msgspec.structs.replace(frame, trades=(first,)),
    )
    decision = day.enter(1_200)
    assert isinstance(decision, IntentModified)
    assert (decision.quantity, decision.binding_check) == (1_000, "recent_liquidity")
    assert made(decision, "recent_liquidity").headroom == -2_000_000
