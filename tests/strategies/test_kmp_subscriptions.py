"""KMP works out what to subscribe to only when that may have changed, and misses no change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from events.identifiers import Symbol
from events.signal import Feed, SlotPriority, SlotRequest, SlotsRequested
from events.trading import IntentKind
from tests.strategies.days import HYNIX, NAVER, SAMSUNG, Day, broken_day, scanned_day, submitted_day

_NOBODY = Symbol("999999")

_STEPS = st.lists(
    st.tuples(
        st.sampled_from((SAMSUNG, HYNIX, NAVER)),
        st.sampled_from((48_000, 49_400, 49_600, 49_900, 50_100, 50_200)),
        st.integers(0, 4),  # seconds from the trade before to this one
        st.sampled_from((None, None, None, "approve", "reject", "defer")),
    ),
    min_size=5,
    max_size=60,
)
_Steps = list[tuple[Symbol, int, int, str | None]]


def asked(steps: _Steps, *, each_second: bool) -> list[tuple[int, tuple[SlotRequest, ...]]]:
    """Return when what was asked for on a day of such trades, answers and ticks.

    ``each_second`` has an excluded symbol reported before each tick, after which the wish is worked
    out in any case.
    """
    day = scanned_day(
        focus_max=1, slot_request_interval_sec=2, entry_expiry_sec=6, accept_timeout_min=1
    )
    second = 0
    for symbol, price, seconds, answer in steps:
        day.print(_text(second), price, 100, symbol)
        _answer(day, symbol, _text(second), answer)
        for _ in range(seconds):
            second += 1
            if each_second:
                day.reference(_NOBODY, status="51")
            day.tick(_text(second))
    return [(request.at, request.requests) for request in day.of(SlotsRequested)]


def _text(second: int) -> str:
    minutes, seconds = divmod(second, 60)
    return f"09:{16 + minutes:02}:{seconds:02}"


def _answer(day: Day, symbol: Symbol, text: str, answer: str | None) -> None:
    intents = day.intents(IntentKind.ENTER, symbol)
    if intents and answer is not None:
        getattr(day, answer)(text, intents[-1])


@given(steps=_STEPS)
@hypothesis_settings(max_examples=60, deadline=None)
def test_it_asks_as_if_it_worked_its_wish_out_each_second(steps: _Steps) -> None:
    """One place for quotes, so that prices and entries of those who wait decide who gets it."""
    assert asked(steps, each_second=False) == asked(steps, each_second=True)


def _quoted(day: Day) -> list[Symbol]:
    return [slot.symbol for slot in day.slots().requests if slot.feed is Feed.QUOTES]


def test_a_price_alone_moves_the_quotes_to_who_comes_near_its_range_high() -> None:
    """Two wait far below; the second one then recovers, and nothing else happens."""
    day = broken_day(focus_max=1)
    day.print("09:16:21", 50_200, symbol=HYNIX)
    day.print("09:16:22", 49_000)
    day.print("09:16:22", 49_000, symbol=HYNIX)
    day.tick("09:16:30")
    first = HYNIX if _quoted(day) == [SAMSUNG] else SAMSUNG
    day.print("09:16:36", 49_900, symbol=first)
    day.tick("09:16:40")
    assert _quoted(day) == [first]


def test_time_alone_takes_the_priority_of_an_entry_that_nobody_answered() -> None:
    """It lapses, and its symbol waits as before."""
    day, intent = submitted_day(entry_expiry_sec=20)
    day.tick("09:16:36")
    assert SlotPriority.WORKING_ORDER in {slot.priority for slot in day.slots().requests}
    day.tick("09:16:51")
    assert intent.expires_at < day.at("09:16:51")
    assert SlotPriority.WORKING_ORDER not in {slot.priority for slot in day.slots().requests}
