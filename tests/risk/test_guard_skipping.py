"""The guard is spared symbols that nobody has anything of, and protects the same."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from events.market import Phase
from events.trading import IntentKind
from risk.guard import guard_from_session
from tests.risk.guard_day import SECOND, START, A, B, GuardDay, carried, session
from tests.risk.scenario import trades
from tests.sparing import columns, require_same_day


@given(seed=st.sampled_from((1, 2, 5)), lot=st.integers(0, 2**32), bars=st.booleans())
@settings(max_examples=5)
def test_it_asks_and_knows_the_same_whatever_it_is_spared(
    seed: int, lot: int, *, bars: bool
) -> None:
    """Intents, stops and the whole state, over a day in which much happens."""
    require_same_day("guard", seed, lot, bars=bars)


def test_it_is_concerned_with_shares_and_with_what_may_still_trade() -> None:
    """Prices of nothing else set anything off."""
    day = GuardDay(carried(10))
    assert day.guard.concerned(A)
    assert not day.guard.concerned(B)
    entry = day.submit(IntentKind.ENTER, 10, symbol=B)
    assert day.guard.concerned(B)
    day.refuse(entry)
    assert not day.guard.concerned(B)


def test_before_its_first_entry_it_is_spared_nothing() -> None:
    """The opening books may bring shares."""
    guard = guard_from_session(session())
    assert guard.concerned(A)
    assert guard.spared_until() == 0


def test_ticks_are_spared_up_to_the_next_phase_while_nothing_is_held() -> None:
    """The phase is what a tick says."""
    day = GuardDay(open_market=False)
    day.tick(phase=Phase.CONTINUOUS)
    assert day.guard.spared_until() == day.opened.closing_auction_at


def test_ticks_are_spared_up_to_when_a_stop_has_heard_no_trade_for_long() -> None:
    """Five minutes after the newest trade."""
    day = GuardDay(carried(10))
    day.trade(10_000)
    assert day.guard.spared_until() == day.now + 300 * SECOND


def test_every_tick_is_wanted_while_a_stop_is_being_carried_out() -> None:
    """Each may be the one at which the next attempt is due."""
    day = GuardDay(carried(10, stop=9_900))
    day.trade(9_900)
    assert day.guard.spared_until() == 0


def test_a_stretch_whose_last_trades_are_stale_was_fresh_when_its_fresh_trades_came() -> None:
    """A trade that arrives late is no price of now."""
    stretched, single = GuardDay(), GuardDay()
    frames = []
    for place, age in enumerate((0, 5, 60, 90)):
        at = START + place * SECOND
        (trade,) = trades(B, 10_000, at=at).trades
        late = msgspec.structs.replace(trade, time=at - age * SECOND)
        frames.append(msgspec.structs.replace(trades(B, 10_000, at=at), trades=(late,)))
    single.feed(*frames)
    stretched.guard.absorb_trades(columns(frames))
    for day in (single, stretched):
        assert day.guard._desk.market.fresh_at(B) == START + SECOND


def test_only_a_fall_to_the_stop_matters_until_it_was_hit() -> None:
    """After the hit each trade does; without a stop none."""
    day = GuardDay(carried(10, stop=9_900), carried(10, stop=None, symbol=B))
    assert day.guard.matters_at_or_below(A) == 9_900
    assert day.guard.matters_at_or_below(B) == 0
    day.trade(9_900)
    assert day.guard.matters_at_or_below(A) is None


def test_each_trade_matters_after_a_long_silence() -> None:
    """It says that the stop can work again."""
    day = GuardDay(carried(10, stop=9_900))
    day.trade(10_000)
    day.tick(301)
    assert day.guard.matters_at_or_below(A) is None
