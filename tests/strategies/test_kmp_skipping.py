"""KMP is spared what only builds tapes, and ticks that nobody waits for, and decides the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import Symbol
from events.market import NEVER, Aggressor, Phase, QuoteFrame, Trade, TradeFrame
from strategies.indicators import MINUTE, MinuteBars, TickImbalance
from strategies.kmp.tape import Tape
from tests.sparing import columns, require_same_day, state_of
from tests.strategies.days import HYNIX, SAMSUNG, SECOND, Day, at, opened_day, scanned_day
from tests.strategies.days import settings as kmp_settings

OPEN = at("09:00:00")
LOCK = at("09:15:00")


@given(seed=st.sampled_from((1, 2, 5)), lot=st.integers(0, 2**32))
@settings(max_examples=5)
def test_it_decides_and_knows_the_same_whatever_it_is_spared(seed: int, lot: int) -> None:
    """Intents, reports with every gate's count, and the whole state."""
    require_same_day("kmp", seed, lot, bars=False)


def test_until_the_scan_nothing_concerns_it_and_no_tick_is_wanted() -> None:
    """Trades only build tapes, and nobody reads them before 09:15."""
    day = opened_day()
    day.tick("09:14:59")
    kmp = day.processor
    assert not kmp.concerned(SAMSUNG)
    assert kmp.spared_until() == LOCK


def test_a_wish_for_subscriptions_wants_every_tick() -> None:
    """It is written with the next one that is due."""
    day = opened_day()
    day.tick("09:14:59")
    day.reference(HYNIX, status="51")
    assert day.processor.spared_until() == 0
    assert day.processor.concerned(SAMSUNG)


def test_a_scan_that_waits_reads_every_tape_with_every_tick() -> None:
    """One symbol's range has a hole: the others are looked at again each second."""
    day = Day()
    day.universe((SAMSUNG,))
    day.tick("09:15:00")
    assert day.processor.spared_until() == 0


def test_between_scan_and_cutoff_candidates_concern_it_and_every_tick_counts_gates() -> None:
    """A symbol that is no candidate does not."""
    kmp = scanned_day().processor
    assert kmp.concerned(SAMSUNG)
    assert not kmp.concerned(Symbol("999999"))
    assert kmp.spared_until() == 0


def test_after_the_cutoff_with_nothing_held_only_the_close_is_waited_for() -> None:
    """The report of the session's end."""
    day = scanned_day()
    day.tick("10:00:00")
    day.tick("10:00:10")
    assert not day.processor.concerned(SAMSUNG)
    assert day.processor.spared_until() == day.session.close_at
    day.tick_at(day.session.close_at, Phase.CLOSED)
    assert day.processor.spared_until() == NEVER


_PRINTS = st.lists(
    st.tuples(
        st.integers(0, 40 * SECOND),  # after the one before
        st.sampled_from((49_000, 49_100, 49_500, 50_000, 50_100)),
        st.integers(1, 50),
        st.sampled_from(tuple(Aggressor)),
        st.sampled_from((0, 0, 0, 0, 7)),  # shares that nobody saw
        st.sampled_from(((0, 0), (49_400, 49_500), (0, 49_500))),  # bid and ask beside it
    ),
    min_size=1,
    max_size=90,
)


def _frames(
    prints: list[tuple[int, int, int, Aggressor, int, tuple[int, int]]],
) -> list[TradeFrame]:
    frames, when, volume, value = [], OPEN - 30 * SECOND, 0, 0
    for gap, price, quantity, aggressor, unseen, (bid, ask) in prints:
        when, volume, value = when + gap, volume + unseen + quantity, value + quantity * price
        trade = Trade(
            time=when // SECOND * SECOND,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            cumulative_volume=volume,
            cumulative_value=value,
            best_ask=ask,
            best_bid=bid,
            vi_reference=50_000,
            auction=False,
        )
        frames.append(TradeFrame(at=when, symbol=SAMSUNG, trades=(trade,)))
    return frames


@pytest.mark.parametrize("source", ["tick_rule", "flag"])
@given(prints=_PRINTS, cuts=st.lists(st.integers(1, 30), max_size=5))
@settings(max_examples=60)
def test_a_tape_taken_in_by_the_stretch_is_the_tape(
    source: str,
    prints: list[tuple[int, int, int, Aggressor, int, tuple[int, int]]],
    cuts: list[int],
) -> None:
    """Bars, VWAP, imbalance, opening range, holes and best prices, however it is cut."""
    figures = kmp_settings(imbalance_source=source, imbalance_window_sec=60)
    frames = _frames(prints)
    single, stretched = (Tape(OPEN, LOCK, figures) for _ in range(2))
    for frame in frames:
        single.add(frame.trades[0], frame.at)
    rest = frames
    for cut in [*cuts, len(frames)]:
        if rest:
            stretched.absorb(columns(rest[:cut]))
            rest = rest[cut:]
    if source == "flag":  # what left the window is dropped when somebody asks
        second = frames[-1].at // SECOND
        assert stretched.imbalance.value(second) == single.imbalance.value(second)
    assert state_of(stretched) == state_of(single)


def test_a_book_taken_in_late_does_not_undo_what_a_later_trade_named() -> None:
    """Stretches come by kind, not in the order of the day; an unnamed trade is beside the book."""
    book = QuoteFrame(
        at=OPEN + SECOND,
        symbol=SAMSUNG,
        time=OPEN,
        ask_prices=(50_100,),
        ask_quantities=(1,),
        bid_prices=(50_000,),
        bid_quantities=(1,),
    )
    (named,) = _frames([(32 * SECOND, 49_500, 1, Aggressor.BUY, 0, (49_400, 49_500))])
    (trade,) = named.trades
    unnamed = msgspec.structs.replace(trade, best_ask=0, best_bid=0)
    for last, best in ((trade, (49_400, 49_500)), (unnamed, (50_000, 50_100))):
        tape = Tape(OPEN, LOCK, kmp_settings())
        tape.absorb(columns([msgspec.structs.replace(named, trades=(last,))]))
        tape.absorb_quote(book)
        assert (tape.bid, tape.ask) == best


def test_minutes_taken_in_together_complete_their_bars() -> None:
    """The last one stays open."""
    bars = MinuteBars(OPEN, 3)
    times = [OPEN + seconds * SECOND for seconds in (0, 30, 60, 150)]
    first, second = bars.absorb(times, [10, 12, 11, 9], [1, 2, 3, 4])
    assert (first.open, first.high, first.low, first.close) == (10, 12, 10, 12)
    assert (first.volume, first.value) == (3, 34)
    assert (second.start, second.volume) == (OPEN + MINUTE, 3)
    assert bars.last_minute_volume(3) == 4


def test_an_imbalance_taken_in_together_remembers_the_direction_before_its_window() -> None:
    """A zero tick goes on in it."""
    imbalance = TickImbalance(10, use_flag=False)
    times = [OPEN + seconds * SECOND for seconds in (0, 1, 100)]
    imbalance.absorb(times, [10, 11, 11], [1, 1, 5], [0, 0, 0])
    assert imbalance.value(times[-1] // SECOND) == 1.0
