"""The gate is spared what sets nothing off, and decides the same."""

from __future__ import annotations

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from events import UNKNOWN
from events.control import OperatorPresent
from events.market import OpeningAllocation, Phase
from events.trading import IntentApproved, Side
from risk import gate_from_session
from risk.liquidity import Tape
from tests.risk.scenario import KMP, SECOND, START, A, B, Day, session, trades
from tests.sparing import columns, require_same_day, state_of


@given(seed=st.sampled_from((1, 2, 5)), lot=st.integers(0, 2**32), bars=st.booleans())
@settings(max_examples=5)
def test_it_decides_and_knows_the_same_whatever_it_is_spared(
    seed: int, lot: int, *, bars: bool
) -> None:
    """Decisions, halts and the whole state, over a day in which much happens."""
    require_same_day("gate", seed, lot, bars=bars)


def test_it_is_concerned_with_what_is_held_and_with_what_nobody_explains() -> None:
    """Their prices are the day's result and the exposure that other symbols are judged by."""
    allocations = (OpeningAllocation(KMP, A, 10, 100_000), OpeningAllocation(UNKNOWN, B, 5, 0))
    day = Day(session(allocations=allocations))
    assert [day.gate.concerned(symbol) for symbol in (A, B)] == [True, True]
    assert not Day().gate.concerned(A)


def test_a_buy_concerns_it_once_it_has_shares() -> None:
    """What merely works is valued at its own limit."""
    day = Day()
    decision = day.enter(100)
    day.order(decision, Side.BUY, 100)
    assert not day.gate.concerned(A)
    day.fill(decision, Side.BUY, 100)
    assert day.gate.concerned(A)


def test_everything_concerns_it_while_time_alone_may_set_a_halt_off() -> None:
    """Each price brings the time along."""
    day = Day()
    there = OperatorPresent(at=day.now, issued_by="hub", reason="test", link="hub", timeout_s=30)
    day.feed(there)
    assert day.gate.concerned(B)
    assert day.gate.spared_until() == day.now + 30 * SECOND


def test_before_its_first_entry_it_is_spared_nothing() -> None:
    """That one may bring halts about what was carried into the session."""
    gate = gate_from_session(session())
    assert gate.concerned(A)
    assert gate.spared_until() == 0


def test_ticks_are_spared_up_to_the_next_phase() -> None:
    """The phase is what a tick says."""
    day = Day()
    assert day.gate.spared_until() == day.opened.closing_auction_at
    day.now = day.opened.closing_auction_at
    day.feed(msgspec.structs.replace(trades(A, 10_000), at=day.now - SECOND))
    day.tick(Phase.CLOSING_AUCTION)
    assert day.gate.spared_until() == day.opened.close_at


def test_ticks_are_spared_up_to_when_an_approved_entry_lapses() -> None:
    """Five seconds after its expiry, with no order of it in sight."""
    day = Day()
    decision = day.enter(100, expires_at=day.now + 20 * SECOND)
    assert isinstance(decision, IntentApproved)
    assert day.gate.spared_until() == day.now + 25 * SECOND


@given(
    gaps=st.lists(st.integers(0, 9 * SECOND), min_size=1, max_size=120),
    cuts=st.lists(st.integers(1, 30), max_size=6),
)
def test_a_tape_taken_in_by_the_stretch_is_the_tape(gaps: list[int], cuts: list[int]) -> None:
    """Mark for mark, however it is cut."""
    frames, at = [], START
    for number, gap in enumerate(gaps, start=1):
        at += gap
        (trade,) = trades(A, 10_000, at=at).trades
        told = msgspec.structs.replace(trade, cumulative_value=number * 1_000_000)
        frames.append(msgspec.structs.replace(trades(A, 10_000, at=at), trades=(told,)))
    single, stretched = Tape(START, 0), Tape(START, 0)
    for frame in frames:
        single.add(frame.at, frame.trades[0].cumulative_value)
    rest = list(frames)
    for cut in [*cuts, len(frames)]:
        if rest:
            taken = columns(rest[:cut])
            stretched.absorb(taken.at, taken.cumulative_value)
            rest = rest[cut:]
    assert state_of(stretched) == state_of(single)
    for now in range(at, at + 400 * SECOND, 7 * SECOND):
        assert stretched.recent(now) == single.recent(now)


def test_a_long_stretch_leaves_as_many_marks_as_single_trades() -> None:
    single, stretched = Tape(START, 0), Tape(START, 0)
    instants = [START + number * SECOND for number in range(1_000)]
    totals = [number * 1_000_000 for number in range(1_000)]
    for at, total in zip(instants, totals, strict=True):
        single.add(at, total)
    stretched.absorb(np.array(instants), np.array(totals))
    assert state_of(stretched) == state_of(single)


def test_a_holding_matters_only_where_the_days_loss_nears_its_next_level() -> None:
    """3 % of 100 million: 500 shares of each of two symbols share the 3,000,000 won evenly."""
    allocations = tuple(OpeningAllocation(KMP, symbol, 500, 5_000_000) for symbol in (A, B))
    day = Day(session(cash=90_000_000, allocations=allocations))
    assert [day.gate.matters_at_or_below(symbol) for symbol in (A, B)] == [7_000, 7_000]
    day.feed(trades(A, 7_001, at=day.now), trades(B, 7_001, at=day.now))
    assert day.trips() == []
    day.feed(trades(A, 7_000, at=day.now), trades(B, 7_000, at=day.now))
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]


def test_each_price_matters_while_time_alone_may_set_a_halt_off() -> None:
    """Whichever symbol brings the time along."""
    day = Day(session(allocations=(OpeningAllocation(KMP, A, 10, 100_000),)))
    assert day.gate.matters_at_or_below(A) is not None
    day.feed(OperatorPresent(at=day.now, issued_by="hub", reason="test", link="hub", timeout_s=30))
    assert day.gate.matters_at_or_below(A) is None
