"""The call budget: no window above the rate, orders find a place, nothing is ever refused."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime
from kis_gateway.client.limiter import Limiter
from kis_gateway.client.limiter_core import Grant, LimiterCore, Priority, Window
from kis_gateway.errors import SettingsError
from kis_gateway.settings import DEFAULT_LIMITS, Environment, Limits
from kis_gateway.simulator.limits import WindowLimiter

SECOND = 1_000_000_000
START = 1_757_894_400 * SECOND
ONE_A_SECOND = Limits(calls_per_second=1.0, ledger_calls_per_second=1.0)
TEN_A_SECOND = Limits(calls_per_second=10.0)
HANGS = 3 * SECOND


class Asked(NamedTuple):
    """One call of a generated crowd: when it is asked for, how long it and its answer travel."""

    pause: int
    priority: Priority
    ledger: bool
    there: int
    back: int


class Sent(NamedTuple):
    """A granted call with what became of it."""

    asked: Asked
    grant: Grant
    arrived_at: int


crowds = st.lists(
    st.builds(
        Asked,
        pause=st.one_of(st.just(0), st.integers(0, 2 * SECOND)),
        priority=st.sampled_from(Priority),
        ledger=st.booleans(),
        # A call arrives within three seconds, or the limiter knows nothing about it.
        there=st.integers(0, HANGS),
        back=st.integers(0, 9 * SECOND),
    ),
    min_size=1,
    max_size=60,
)
budgets = st.builds(
    Limits,
    calls_per_second=st.sampled_from([0.5, 0.9, 1.0, 2.5, 3.0, 10.0]),
    ledger_calls_per_second=st.sampled_from([0.7, 0.9, 2.0]),
    order_share=st.sampled_from([0.0, 0.3, 0.5, 0.9]),
    order_interval_seconds=st.sampled_from([0.0, 1.3]),
)


def send_all(core: LimiterCore, crowd: list[Asked], refused: frozenset[int]) -> list[Sent]:
    """Drive the core through a crowd, at every instant at which anything happens."""
    waiting: dict[int, Asked] = {}
    answers: list[tuple[int, Grant]] = []
    sent: list[Sent] = []
    now, coming = START, list(crowd)
    arrives = now + coming[0].pause
    while coming or waiting or answers:
        due = core.due()
        instants = [at for at, _ in answers]
        if coming:
            instants.append(arrives)
        if due is not None:
            instants.append(due)
        now = max(now, min(instants))
        for at, grant in [item for item in answers if item[0] <= now]:
            answers.remove((at, grant))
            core.answered(grant, now)
            if len(sent) in refused:
                core.slow_down(grant, now, ledger=False)
        while coming and arrives <= now:
            asked = coming.pop(0)
            waiting[core.enqueue(asked.priority, ledger=asked.ledger)] = asked
            arrives = now + coming[0].pause if coming else arrives
        while (granted := core.grant(now)) is not None:
            ticket, grant = granted
            asked = waiting.pop(ticket)
            sent.append(Sent(asked, grant, now + asked.there))
            answers.append((now + asked.there + asked.back, grant))
    return sent


@given(crowds, budgets, st.frozensets(st.integers(1, 60), max_size=5))
def test_no_second_at_kis_sees_more_than_the_rate_however_long_calls_travel(
    crowd: list[Asked], limits: Limits, refused: frozenset[int]
) -> None:
    """A window that slides over the arrivals admits every call, of the key and of the ledger."""
    sent = send_all(LimiterCore(limits), crowd, refused)
    assert len(sent) == len(crowd), "a call was lost"
    key = WindowLimiter(limits.places)
    assert all(key.admit("key", at) for at in sorted(item.arrived_at for item in sent))
    ledger = WindowLimiter(2 if limits.ledger_calls_per_second > 1 else 1)
    asked = sorted(item.arrived_at for item in sent if item.grant.ledger)
    assert all(ledger.admit("account", at) for at in asked)


@given(crowds, budgets)
def test_data_leave_the_reserve_alone_and_keep_their_distance(
    crowd: list[Asked], limits: Limits
) -> None:
    """The places that data hold never exceed their part; two data calls are evenly spaced."""
    sent = [s for s in send_all(LimiterCore(limits), crowd, frozenset()) if not s.grant.order]
    for item in sent:
        at = item.grant.at
        held = [
            other
            for other in sent
            if other.grant.at
            <= at
            < min(other.arrived_at + other.asked.back, other.grant.at + HANGS) + limits.period
        ]
        assert len(held) <= limits.data_places
    times = [item.grant.at for item in sent]
    spacing = limits.period // limits.data_places
    assert all(later - earlier >= spacing for earlier, later in pairwise(times))


@given(crowds, budgets)
def test_one_ledger_call_is_out_at_a_time(crowd: list[Asked], limits: Limits) -> None:
    """The next leaves a while after the answer to the last, however long that took."""
    sent = [s for s in send_all(LimiterCore(limits), crowd, frozenset()) if s.grant.ledger]
    for earlier, later in pairwise(sent):
        answered = earlier.arrived_at + earlier.asked.back
        assert (later.grant.at - answered) * limits.ledger_calls_per_second >= SECOND


@given(crowds)
def test_order_calls_keep_their_own_distance(crowd: list[Asked]) -> None:
    """On paper two order calls arrive at least 1.3 s apart."""
    limits = Limits(calls_per_second=5.0, order_interval_seconds=1.3)
    sent = [s for s in send_all(LimiterCore(limits), crowd, frozenset()) if s.grant.order]
    arrivals = [item.arrived_at for item in sent]
    assert all(later - earlier >= 1_300_000_000 for earlier, later in pairwise(arrivals))


@given(crowds, budgets)
def test_waiting_data_get_every_fifth_call(crowd: list[Asked], limits: Limits) -> None:
    """A flood of orders does not starve data that could go: at most four orders in a row."""
    core = LimiterCore(limits)
    for asked in crowd:
        core.enqueue(Priority.CANCEL if asked.pause else Priority.SELL, ledger=False)
    plain = [core.enqueue(Priority.CHART, ledger=False) for _ in crowd]
    now, row, served = START, 0, 0
    for _ in range(2 * len(crowd)):
        due = core.due()
        assert due is not None
        now = max(now, due)
        data_could_go = core.data.free_at() <= now
        granted = core.grant(now)
        assert granted is not None
        core.answered(granted[1], now)
        if granted[1].order:
            row += 1
            assert served == len(plain) or row <= 4 or not data_could_go
        else:
            row, served = 0, served + 1


@given(st.lists(st.tuples(st.sampled_from(Priority), st.booleans()), min_size=1, max_size=30))
def test_within_a_class_the_strongest_goes_first_come_first_served(
    calls: list[tuple[Priority, bool]],
) -> None:
    """At every grant nobody of the class who could go and is stronger is left behind."""
    core = LimiterCore(ONE_A_SECOND)
    waiting = {
        core.enqueue(priority, ledger=ledger): (priority, ledger) for priority, ledger in calls
    }
    now = START
    while waiting:
        due = core.due()
        assert due is not None
        now = max(now, due)
        ledger_free = now >= core.ledger.free_at()
        outcome = core.grant(now)
        assert outcome is not None
        ticket, grant = outcome
        core.answered(grant, now)
        eligible = [
            (priority, number)
            for number, (priority, ledger) in waiting.items()
            if (ledger_free or not ledger) and (priority.is_order and not ledger) == grant.order
        ]
        assert (waiting[ticket][0], ticket) == min(eligible)
        del waiting[ticket]


def test_a_burst_of_orders_leaves_at_once_while_data_wait() -> None:
    """Ten a second, four kept free: four orders go in the instant in which they come."""
    core = LimiterCore(TEN_A_SECOND)
    for _ in range(30):
        core.enqueue(Priority.QUOTE, ledger=False)
    data = []
    for step in range(10):
        if granted := core.grant(START + step * SECOND // 10):
            data.append(granted)
    assert len(data) == 5  # evenly spaced over the second
    now = START + 999_999_999
    assert core.grant(now) is not None
    assert core.grant(now) is None
    orders = [core.enqueue(Priority.SELL, ledger=False) for _ in range(5)]
    burst = [core.grant(now) for _ in range(5)]
    assert [item[0] for item in burst if item] == orders[:4]


def test_data_leave_the_reserve_free_beside_working_orders() -> None:
    """Three orders are counted and four places are kept: data have the other three."""
    core = LimiterCore(TEN_A_SECOND)
    for _ in range(3):
        core.enqueue(Priority.BUY, ledger=False)
        assert core.grant(START) is not None
    for _ in range(9):
        core.enqueue(Priority.QUOTE, ledger=False)
    granted = [core.grant(START + step * 170_000_000) for step in range(6)]
    assert [item is not None for item in granted] == [True, True, True, False, False, False]


def test_an_order_that_waits_for_its_own_spacing_keeps_the_last_place() -> None:
    """On paper the one place is free after 1.11 s; the second cancel needs it at 1.3 s."""
    core = LimiterCore(DEFAULT_LIMITS[Environment.PAPER])
    first = core.enqueue(Priority.CANCEL, ledger=False)
    second = core.enqueue(Priority.CANCEL, ledger=False)
    core.enqueue(Priority.QUOTE, ledger=False)
    granted = core.grant(START)
    assert granted is not None
    assert granted[0] == first
    core.answered(granted[1], START)
    assert core.due() == START + 1_300_000_000
    assert core.grant(START + 1_200_000_000) is None
    assert (core.grant(START + 1_300_000_000) or (0,))[0] == second


def test_a_call_that_hangs_delays_the_next_by_four_seconds_at_most() -> None:
    """Without an answer a call counts as arrived after three seconds."""
    core = LimiterCore(ONE_A_SECOND)
    core.enqueue(Priority.BUY, ledger=False)
    granted = core.grant(START)
    assert granted is not None
    core.enqueue(Priority.SELL, ledger=False)
    assert core.due() == START + 4 * SECOND
    core.answered(granted[1], START + SECOND // 2)
    assert core.due() == START + SECOND * 3 // 2


def test_a_busy_ledger_does_not_hold_back_others() -> None:
    """A balance that waits for the ledger leaves the way to weaker classes free."""
    core = LimiterCore(Limits(calls_per_second=10.0, ledger_calls_per_second=1.0, order_share=0.0))
    first = core.enqueue(Priority.BALANCE, ledger=True)
    second = core.enqueue(Priority.BALANCE, ledger=True)
    chart = core.enqueue(Priority.CHART, ledger=False)
    order = []
    for step in range(11):
        now = START + step * SECOND // 10
        outcome = core.grant(now)
        order.append(None if outcome is None else outcome[0])
        if outcome is not None:
            core.answered(outcome[1], now)
    assert order == [first, chart, *[None] * 8, second]


def test_refusals_widen_the_spacing_and_clean_minutes_narrow_it_again() -> None:
    """One step per refusal of what was sent since the last, back one step per 60 s."""
    window = Window(1, SECOND, 60.0)
    window.take(1, START)
    window.slow_down(START, START)
    assert window.interval(START) == 2 * SECOND
    window.slow_down(START + 1, START - 5)  # sent before the change: same crowd
    assert window.interval(START + 1) == 2 * SECOND
    window.answered(1, START + 1)
    window.slow_down(START + 2 * SECOND, START + 2 * SECOND)
    assert window.interval(START + 2 * SECOND) == 4 * SECOND
    assert window.free_at() == START + 6 * SECOND
    assert window.interval(START + 61 * SECOND) == 4 * SECOND
    assert window.interval(START + 62 * SECOND) == 2 * SECOND
    assert window.interval(START + 122 * SECOND) == SECOND


def test_the_spacing_never_grows_beyond_eight_times() -> None:
    """A long bad phase slows down but never stops trading."""
    window = Window(1, SECOND, 60.0)
    for second in range(1, 10):
        window.slow_down(START + second * SECOND, START + second * SECOND)
    assert window.interval(START + 10 * SECOND) == 8 * SECOND


@pytest.mark.parametrize(
    ("ledger", "interval", "plain_due"), [(False, 200_000_000, 200), (True, 2_222_222_224, 0)]
)
async def test_a_refusal_for_the_rate_is_reported_and_narrows_its_own_budget(
    ledger: bool, interval: int, plain_due: int
) -> None:
    """EGW00201 halves the calls of the key, EGW00215 those of the ledger alone."""
    limiter = Limiter(TEN_A_SECOND, ManualTime(START))
    reports: list[tuple[str, str, int]] = []
    limiter.on_throttled = lambda *report: reports.append(report)
    grant = await limiter.acquire(Priority.BALANCE, ledger=True)
    limiter.answered(grant)
    code = "EGW00215" if ledger else "EGW00201"
    limiter.throttled(grant, call="inquire-balance", code=code, ledger=ledger)
    assert reports == [("inquire-balance", code, interval)]
    assert limiter._core.calls.free_at() == START + plain_due * 1_000_000
    await limiter.aclose()


@pytest.mark.parametrize(
    "wrong",
    [{"order_share": 1.0}, {"order_share": -0.1}, {"order_interval_seconds": 61.0}],
)
def test_a_budget_that_leaves_nothing_to_data_is_refused(wrong: dict[str, float]) -> None:
    """The message names the key and the value."""
    ((name, value),) = wrong.items()
    with pytest.raises(SettingsError, match=f"{name} is {value}"):
        Limits(calls_per_second=10.0, **wrong)


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


async def test_a_turn_given_to_a_dead_caller_does_not_block_the_ledger() -> None:
    """Its call never leaves, so the next need not wait for an answer that will not come."""
    time = ManualTime(START)
    limiter = Limiter(ONE_A_SECOND, time)
    limiter.answered(await limiter.acquire(Priority.BALANCE, ledger=True))
    dead = asyncio.create_task(limiter.acquire(Priority.EXECUTIONS, ledger=True))
    await asyncio.sleep(0)
    time._now += SECOND
    limiter._hand_out()
    dead.cancel()  # after its turn has come, before it could notice
    await asyncio.gather(dead, return_exceptions=True)
    alive = asyncio.create_task(limiter.acquire(Priority.BALANCE, ledger=True))
    await asyncio.sleep(0)
    await time.advance(1.0)
    assert (await alive).at == START + 2 * SECOND
    await limiter.aclose()


async def test_a_plain_call_does_not_wait_until_the_ledger_is_free() -> None:
    """The waiter for the ledger is overtaken by what becomes due before."""
    time = ManualTime(START)
    limits = Limits(calls_per_second=10.0, ledger_calls_per_second=0.1, order_share=0.0)
    limiter = Limiter(limits, time)
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


async def test_a_turn_given_to_a_caller_just_cancelled_does_not_block_the_ledger() -> None:
    """Cancelled, but not yet woken up to notice: nobody will report an answer for that turn."""
    time = ManualTime(START)
    limiter = Limiter(ONE_A_SECOND, time)
    limiter.answered(await limiter.acquire(Priority.BALANCE, ledger=True))
    dead = asyncio.create_task(limiter.acquire(Priority.EXECUTIONS, ledger=True))
    await asyncio.sleep(0)
    time._now += SECOND
    dead.cancel()
    limiter._hand_out()  # before the cancelled task runs
    await asyncio.gather(dead, return_exceptions=True)
    alive = asyncio.create_task(limiter.acquire(Priority.BALANCE, ledger=True))
    await asyncio.sleep(0)
    await time.advance(1.0)
    assert (await asyncio.wait_for(alive, 5)).at == START + 2 * SECOND
    await limiter.aclose()
