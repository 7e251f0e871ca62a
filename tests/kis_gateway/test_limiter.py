"""The call budget: no window above the rate, the stronger class first, nothing refused."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime
from kis_gateway.limiter import Bucket, Grant, Limiter, LimiterCore, Priority
from kis_gateway.settings import Limits

SECOND = 1_000_000_000
START = 1_757_894_400 * SECOND
ONE_A_SECOND = Limits(calls_per_second=1.0, ledger_calls_per_second=1.0)

arrivals = st.lists(
    st.tuples(
        st.integers(0, 5 * SECOND),  # pause before this call arrives
        st.sampled_from(Priority),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def answered(core: LimiterCore, grant: Grant, now: int) -> None:
    core.calls.answered(grant.at, now)
    if grant.ledger:
        core.ledger.answered(grant.at, now)


@given(
    st.lists(st.integers(0, 5 * SECOND), min_size=1, max_size=40),
    st.sampled_from([(0.9, 1), (1.0, 1), (3.0, 3), (10.0, 10)]),
)
def test_no_second_at_kis_sees_more_than_the_rate_however_long_calls_travel(
    travels: list[int], rate: tuple[float, int]
) -> None:
    """A call arrives somewhere between its grant and its answer; even the worst case keeps it."""
    per_second, allowed = rate
    core = LimiterCore(Limits(calls_per_second=per_second, ledger_calls_per_second=1.0))
    for _ in travels:
        core.enqueue(Priority.QUOTE, ledger=False)
    now, out, calls = START, list[tuple[int, int]](), list[tuple[int, int]]()
    while (due := core.due()) is not None:
        if out and min(out)[0] <= due:
            answer, granted_at = min(out)
            out.remove((answer, granted_at))
            now = max(now, answer)
            core.calls.answered(granted_at, now)
            continue
        now = max(now, due)
        outcome = core.grant(now)
        assert outcome is not None
        travel = travels[len(calls)]
        # A call that is out for longer than three seconds has arrived by then.
        calls.append((now, now + min(travel, 3 * SECOND)))
        out.append((now + travel, now))
    latest_arrivals = [latest for _, latest in calls]
    for n in range(allowed, len(calls)):
        assert calls[n][0] - latest_arrivals[n - allowed] >= SECOND


def test_a_call_that_hangs_delays_the_next_by_four_seconds_at_most() -> None:
    """Without an answer a call counts as arrived after three seconds."""
    core = LimiterCore(ONE_A_SECOND)
    core.enqueue(Priority.BUY, ledger=False)
    assert core.grant(START) is not None
    core.enqueue(Priority.SELL, ledger=False)
    assert core.due() == START + 4 * SECOND
    core.calls.answered(START, START + SECOND // 2)
    assert core.due() == START + SECOND * 3 // 2


@given(arrivals, st.sampled_from([0.5, 0.9, 3.0, 10.0]), st.sets(st.integers(0, 39)))
def test_no_window_ever_exceeds_the_rate(
    calls: list[tuple[int, Priority, bool]], rate: float, refused: set[int]
) -> None:
    """Whatever arrives and is refused, grants of a bucket keep at least one interval apart."""
    core = LimiterCore(Limits(calls_per_second=rate, ledger_calls_per_second=0.7))
    now, granted = START, list[Grant]()
    for pause, priority, ledger in calls:
        core.enqueue(priority, ledger=ledger)
        end = now + pause
        while (due := core.due()) is not None and due <= end:
            now = max(now, due)
            outcome = core.grant(now)
            assert outcome is not None, "something was due and nothing was granted"
            granted.append(outcome[1])
            answered(core, outcome[1], now)
            if len(granted) in refused:
                core.calls.slow_down(now, outcome[1].at)
        now = end
    while (due := core.due()) is not None:
        now = max(now, due)
        outcome = core.grant(now)
        assert outcome is not None
        granted.append(outcome[1])
        answered(core, outcome[1], now)
    assert len(granted) == len(calls), "a call was lost"
    times = [grant.at for grant in granted]
    assert all(later - earlier >= SECOND / rate for earlier, later in pairwise(times))
    ledger_times = [grant.at for grant in granted if grant.ledger]
    assert all(later - earlier >= SECOND / 0.7 for earlier, later in pairwise(ledger_times))


@given(st.lists(st.tuples(st.sampled_from(Priority), st.booleans()), min_size=1, max_size=30))
def test_of_all_that_could_go_the_strongest_goes_first_come_first_served(
    calls: list[tuple[Priority, bool]],
) -> None:
    """At every grant nobody eligible with a stronger class, or earlier in it, is left behind."""
    core = LimiterCore(ONE_A_SECOND)
    waiting = {
        core.enqueue(priority, ledger=ledger): (priority, ledger) for priority, ledger in calls
    }
    now = START
    while waiting:
        due = core.due()
        assert due is not None
        now = max(now, due)
        ledger_free = now >= core.ledger.free_at
        outcome = core.grant(now)
        assert outcome is not None
        ticket = outcome[0]
        answered(core, outcome[1], now)
        eligible = [
            (priority, number)
            for number, (priority, ledger) in waiting.items()
            if ledger_free or not ledger
        ]
        assert (waiting[ticket][0], ticket) == min(eligible)
        del waiting[ticket]


def test_a_busy_ledger_does_not_hold_back_orders() -> None:
    """A balance that waits for the ledger leaves the way to weaker classes free."""
    core = LimiterCore(Limits(calls_per_second=10.0, ledger_calls_per_second=1.0))
    first = core.enqueue(Priority.BALANCE, ledger=True)
    second = core.enqueue(Priority.BALANCE, ledger=True)
    chart = core.enqueue(Priority.CHART, ledger=False)
    tenth = SECOND // 10
    order = []
    for step in range(11):
        now = START + step * tenth
        outcome = core.grant(now)
        order.append(None if outcome is None else outcome[0])
        if outcome is not None:
            answered(core, outcome[1], now)
    assert order == [first, chart, *[None] * 8, second]


def test_refusals_widen_the_spacing_and_clean_minutes_narrow_it_again() -> None:
    """One step per refusal of what was sent since the last, back one step per 60 s."""
    bucket = Bucket(1.0, 60.0)
    bucket.take(START)
    bucket.slow_down(START, START)
    assert bucket.interval(START) == 2 * SECOND
    bucket.slow_down(START + 1, START - 5)  # sent before the change: same crowd
    assert bucket.interval(START + 1) == 2 * SECOND
    bucket.slow_down(START + 2 * SECOND, START + 2 * SECOND)
    assert bucket.interval(START + 2 * SECOND) == 4 * SECOND
    assert bucket.free_at == START + 6 * SECOND
    assert bucket.interval(START + 61 * SECOND) == 4 * SECOND
    assert bucket.interval(START + 62 * SECOND) == 2 * SECOND
    assert bucket.interval(START + 122 * SECOND) == SECOND


def test_the_spacing_never_grows_beyond_eight_times() -> None:
    """A long bad phase slows down but never stops trading."""
    bucket = Bucket(1.0, 60.0)
    for second in range(1, 10):
        bucket.slow_down(START + second * SECOND, START + second * SECOND)
    assert bucket.interval(START + 10 * SECOND) == 8 * SECOND


async def test_a_cancel_overtakes_everything_that_waits() -> None:
    """What arrives last and matters most goes next."""
    time = ManualTime(START)
    limiter = Limiter(ONE_A_SECOND, time)
    done: list[Priority] = []

    async def call(priority: Priority) -> None:
        limiter.answered(await limiter.acquire(priority))
        done.append(priority)

    async with asyncio.TaskGroup() as group:
        for priority in (Priority.CHART, Priority.CHART, Priority.QUOTE, Priority.BUY):
            group.create_task(call(priority))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for priority in (Priority.SELL, Priority.CANCEL):
            group.create_task(call(priority))
        await asyncio.sleep(0)
        for _ in range(6):
            await time.advance(1.0)
    await limiter.aclose()
    assert done == [
        Priority.CHART,
        Priority.CANCEL,
        Priority.SELL,
        Priority.BUY,
        Priority.QUOTE,
        Priority.CHART,
    ]


async def test_a_cancelled_wait_gives_its_place_up() -> None:
    """A caller that dies in the queue neither blocks nor uses the budget."""
    time = ManualTime(START)
    limiter = Limiter(ONE_A_SECOND, time)
    limiter.answered(await limiter.acquire(Priority.QUOTE))
    dead = asyncio.create_task(limiter.acquire(Priority.CANCEL))
    alive = asyncio.create_task(limiter.acquire(Priority.CHART))
    await asyncio.sleep(0)
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)
    await time.advance(1.0)
    assert (await alive).at == START + SECOND
    await limiter.aclose()


async def test_a_plain_call_does_not_wait_until_the_ledger_is_free() -> None:
    """The waiter for the ledger is overtaken by what becomes due before."""
    time = ManualTime(START)
    limiter = Limiter(Limits(calls_per_second=10.0, ledger_calls_per_second=0.1), time)
    limiter.answered(await limiter.acquire(Priority.BALANCE, ledger=True))
    late = asyncio.create_task(limiter.acquire(Priority.BALANCE, ledger=True))
    await asyncio.sleep(0)
    soon = asyncio.create_task(limiter.acquire(Priority.CHART))
    await asyncio.sleep(0)
    await time.advance(0.1)
    assert (await soon).at == START + SECOND // 10
    assert not late.done()
    await time.advance(10.0)
    assert (await late).at == START + 10 * SECOND
    await limiter.aclose()


async def test_closing_cancels_who_still_waits() -> None:
    """No task outlives the limiter."""
    limiter = Limiter(ONE_A_SECOND, ManualTime(START))
    await limiter.acquire(Priority.QUOTE)
    waiting = asyncio.create_task(limiter.acquire(Priority.QUOTE))
    await asyncio.sleep(0)
    await limiter.aclose()
    outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
    assert isinstance(outcome, asyncio.CancelledError)
