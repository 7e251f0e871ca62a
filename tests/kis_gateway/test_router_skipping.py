"""The router's book-keeping is spared symbols without an execution, and wants the same."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import Delivery, Event
from events.market import QuoteFrame
from events.trading import OrderAccepted
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import End, RouterCore, Submit
from kis_gateway.orders.turnover import Turnover
from tests.kis_gateway.fakes import (
    HYNIX,
    OPEN,
    SAMSUNG,
    SECOND,
    SESSION,
    approved,
    intent,
    reference,
    session_opened,
    tick,
    trade,
)
from tests.sparing import columns, require_same_day, state_of

NOW = OPEN + SECOND


def core(*events: Event) -> RouterCore:
    """Return the core after a session's beginning and ``events``."""
    subject = RouterCore(session_opened(), PlanSettings())
    for sequence, event in enumerate((reference(), tick(OPEN), trade(70_000, at=OPEN), *events)):
        subject.handle(Delivery(sequence + 1, event))
    return subject


@given(seed=st.sampled_from((1, 2, 5)), lot=st.integers(0, 2**32), bars=st.booleans())
@settings(max_examples=5)
def test_it_wants_and_knows_the_same_whatever_it_is_spared(
    seed: int, lot: int, *, bars: bool
) -> None:
    """Orders, cancels and the whole state, over a day in which much happens."""
    require_same_day("router", seed, lot, bars=bars)


def test_it_is_concerned_with_a_symbol_while_an_intent_of_it_is_executed() -> None:
    """From the decision to the end."""
    wish = intent(at=NOW, limit_price=70_500)
    subject = core(wish)
    assert not subject.concerned(SAMSUNG)
    subject.handle(Delivery(10, approved(wish)))
    assert subject.concerned(SAMSUNG)
    assert not subject.concerned(HYNIX)
    late = tick(SESSION.close_at + SECOND)
    (refused,) = subject.handle(Delivery(11, late))
    (end,) = subject.handle(Delivery(12, refused.event))  # type: ignore[union-attr]
    assert isinstance(end, End)
    subject.handle(Delivery(13, end.event))
    assert not subject.concerned(SAMSUNG)


def test_ticks_are_spared_up_to_the_next_phase_or_to_what_is_due() -> None:
    """A working buy is looked at again when its lifetime is over."""
    assert core().spared_until() == SESSION.closing_auction_at
    wish = intent(at=NOW, limit_price=70_500)
    subject = core(wish, approved(wish))
    (submit,) = subject.outstanding()
    assert isinstance(submit, Submit)
    order = submit.event.order_id
    subject.handle(Delivery(10, submit.event))
    subject.handle(Delivery(11, OrderAccepted(at=NOW, order_id=order, broker_order="1", branch="")))
    assert subject.spared_until() == min(submit.event.cancel_at, wish.expires_at)


def test_a_book_taken_in_late_does_not_undo_what_a_later_trade_named() -> None:
    """Stretches come by kind, not in the order of the day."""
    frame = trade(70_000, at=NOW)
    (one,) = frame.trades
    named = msgspec.structs.replace(
        frame, trades=(msgspec.structs.replace(one, best_bid=69_900, best_ask=0),)
    )
    book = QuoteFrame(
        at=NOW - 1,
        symbol=SAMSUNG,
        time=NOW,
        ask_prices=(71_000,),
        ask_quantities=(1,),
        bid_prices=(70_900,),
        bid_quantities=(1,),
    )
    subject = core()
    subject.absorb_trades(columns([named]))
    subject.absorb_quote(book)
    view = subject._watch.view(SAMSUNG)
    assert (view.best_bid, view.best_ask) == (69_900, 71_000)


@given(
    gaps=st.lists(st.integers(0, 3 * SECOND) | st.integers(0, SECOND), min_size=1, max_size=200),
    cuts=st.lists(st.integers(1, 50), max_size=6),
    window=st.sampled_from((2, 10, 60)),
)
def test_a_turnover_taken_in_by_the_stretch_is_the_turnover(
    gaps: list[int], cuts: list[int], window: int
) -> None:
    """Second for second, however it is cut."""
    frames, at, value = [], OPEN, 0
    for gap in gaps:
        at, value = at + gap, value + 1_000
        (one,) = trade(70_000, at=at).trades
        told = msgspec.structs.replace(one, cumulative_value=value)
        frames.append(msgspec.structs.replace(trade(70_000, at=at), trades=(told,)))
    single, stretched = Turnover(window * SECOND), Turnover(window * SECOND)
    for frame in frames:
        single.add(frame.at, frame.trades[0].cumulative_value)
    rest = list(frames)
    for cut in [*cuts, len(frames)]:
        if rest:
            taken = columns(rest[:cut])
            stretched.absorb(taken.at, taken.cumulative_value)
            rest = rest[cut:]
    assert stretched.total == single.total
    assert state_of(stretched) == state_of(single)
    for now in range(at, at + 90 * SECOND, 3 * SECOND):
        assert stretched.recent(now) == single.recent(now)


@pytest.mark.parametrize("busy", [200, 400, 700, 1_000, 1_300])
def test_a_second_of_a_busy_symbol_begins_where_the_one_before_ended(busy: int) -> None:
    """Also where a long stretch is looked through only from a pause in trading on."""
    chance = random.Random(busy)
    single, stretched = Turnover(5 * SECOND), Turnover(5 * SECOND)
    at, value = OPEN, 0
    for _ in range(20):
        instants, totals = [], []
        for _ in range(100):
            at, value = at + chance.randint(0, busy) * SECOND // 1_000, value + 1_000
            single.add(at, value)
            instants.append(at)
            totals.append(value)
        stretched.absorb(np.array(instants), np.array(totals))
        assert state_of(stretched) == state_of(single)


def test_prices_matter_only_while_an_entry_waits_for_its_stop() -> None:
    """What works is looked at by the clock."""
    working, held = intent(at=NOW, limit_price=70_500), intent(at=NOW, stop_price=71_000)
    assert core(working, approved(working)).matters_at_or_below(SAMSUNG) == 0
    assert core(held, approved(held)).matters_at_or_below(SAMSUNG) is None
