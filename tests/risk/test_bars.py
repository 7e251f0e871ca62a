"""Where a recording has bars and no trades: what gate and guard make of a completed bar."""

from __future__ import annotations

from events import Delivery, Symbol
from events.market import Bar, BarClosed, BarHistory, OpeningAllocation, SessionOpened
from events.trading import CheckOutcome, IntentKind, StopState
from risk import RiskGate, gate_from_session
from tests.risk import guard_day, scenario
from tests.risk.scenario import DATE, KMP, SECOND, START, A, Day, made, stopped_by

MINUTE = 60 * SECOND


def bar(
    close: int,
    *,
    low: int | None = None,
    high: int | None = None,
    until: int = START,
    volume: int = 1_000,
    value: int = 0,
    symbol: Symbol = A,
) -> BarClosed:
    """Return a minute's bar that is complete at ``until``, flat unless told otherwise."""
    low, high = close if low is None else low, close if high is None else high
    made_of = Bar(until - MINUTE, close, high, low, close, volume, value)
    return BarClosed(at=until, symbol=symbol, bar=made_of)


def quiet_day(opened: SessionOpened | None = None) -> Day:
    """Return a day with terms, sectors and a clock, and neither trades nor books."""
    day = Day(opened, prepared=False)
    day.feed(
        *(
            event
            for event in Day().log
            if type(event).__name__
            in ("UniverseSelected", "ClockTick", "SymbolReference", "DailyHistory")
        )
    )
    return day


def five_bars(day: Day, close: int = 10_000, value: int = 0) -> None:
    """Let five minutes pass in bars; the last is complete now."""
    for minute in (4, 3, 2, 1, 0):
        day.feed(bar(close, until=START - minute * MINUTE, value=value))


def test_the_gate_lets_an_entry_through_that_it_knows_from_bars_alone() -> None:
    """A bar is the newest price, and its end the time of the last trade; no quote is no spread."""
    day = quiet_day()
    five_bars(day, value=10_000_000_000)
    decision = day.enter(100, limit_price=None, reference_price=10_000)
    assert stopped_by(decision) is None
    assert made(decision, "price_known").note == "last trade 0.0 s ago"
    assert made(decision, "recent_liquidity").limit == 12_500_000_000
    assert made(decision, "spread").outcome is CheckOutcome.NOT_APPLICABLE


def test_the_turnover_of_five_minutes_is_that_of_the_bars_in_them() -> None:
    """A bar without a value counts its volume at its close; older ones leave the window."""
    day = quiet_day()
    for minute in (6, 5):
        day.feed(bar(10_000, until=START - minute * MINUTE, value=50_000_000_000))
    five_bars(day)
    decision = day.enter(100)
    assert made(decision, "recent_liquidity").limit == 5 * 1_000 * 10_000 // 4


def test_a_bar_grows_old_as_a_trade_does() -> None:
    """Three seconds later it is no price to buy at without a limit."""
    day = quiet_day()
    five_bars(day, value=10_000_000_000)
    day.now += 4 * SECOND
    assert stopped_by(day.enter(100, limit_price=None, reference_price=10_000)) == "price_known"


def test_a_bar_in_which_nothing_was_traded_is_no_price() -> None:
    """Vendors repeat the last close in it."""
    day = quiet_day()
    day.feed(bar(10_000, volume=0))
    assert day.gate._known.market.traded_at(A) is None
    assert day.gate._known.book.last_price(A) is None


def test_bars_of_earlier_sessions_are_no_price_of_now() -> None:
    """They come before the open, for whoever wants a past."""
    day = quiet_day()
    past = BarHistory(at=START, symbol=A, trading_date=DATE, bars=(bar(10_000).bar,))
    assert day.feed(past) == []
    assert day.gate._known.book.last_price(A) is None


def test_a_bar_marks_what_is_held_and_sets_the_halt_of_the_days_loss() -> None:
    """3 % of 100 million: 1,000 shares that close 3,000 won lower."""
    opened = scenario.session(
        cash=90_000_000, allocations=(OpeningAllocation(KMP, A, 1_000, 10_000_000),)
    )
    day = quiet_day(opened)
    day.feed(bar(7_001, high=10_000, low=7_000))
    assert day.trips() == []
    day.feed(bar(7_000, until=START + MINUTE))
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]


def test_bars_taken_in_together_are_the_bars_one_by_one() -> None:
    """A gate that holds nothing is not concerned with them."""
    single, together = quiet_day(), quiet_day()
    bars = [bar(10_000 + minute, until=START + minute * MINUTE) for minute in range(8)]
    bars.append(bar(1, until=START + 8 * MINUTE, volume=0))
    single.feed(*bars)
    assert not together.gate.concerned(A)
    together.gate.absorb_bars(bars)
    together.log += bars
    for day in (single, together):
        day.now = START + 8 * MINUTE
    assert single.enter(100) == together.enter(100)


def test_a_gate_listens_to_bars() -> None:
    """Their topic is among its inputs."""
    assert scenario.topic_is_covered(quiet_day().gate, bar(10_000))


def stops_after(*bars: BarClosed) -> list[tuple[StopState, int | None]]:
    """Return what became of a stop at 9,900 won, with the price each step names."""
    day = guard_day.GuardDay(guard_day.carried(10, stop=9_900))
    day.now = bars[-1].at
    day.tick()
    day.feed(*bars)
    return [(stop.state, stop.price) for stop in day.stops]


def test_a_stop_is_held_against_the_low_of_a_bar() -> None:
    """It closed above, but nobody would have waited for that."""
    states = stops_after(bar(10_000, low=9_900))
    assert [state for state, _ in states] == [
        StopState.ACTIVE,
        StopState.TRIGGERED,
        StopState.SUBMITTED,
    ]
    assert states[-1][1] == 9_900


def test_a_stop_below_the_low_of_a_bar_stays() -> None:
    """By one won."""
    assert [state for state, _ in stops_after(bar(10_000, low=9_901))] == [StopState.ACTIVE]


def test_a_bar_without_a_trade_sets_no_stop_off() -> None:
    """Its prices are repetitions."""
    assert [state for state, _ in stops_after(bar(9_000, volume=0))] == [StopState.ACTIVE]


def test_only_a_bar_that_began_after_a_halt_proves_it_over() -> None:
    """The trades of the one in which it came may all have been before it."""
    day = guard_day.GuardDay(guard_day.carried(10, stop=9_900))
    day.halt_trading()
    day.now += 30 * SECOND
    day.tick()
    day.feed(bar(9_900, until=day.now))
    assert day.states[-1].value == "waiting"
    day.now += 61 * SECOND
    day.tick()
    day.feed(bar(9_900, until=day.now))
    assert day.states[-1].value == "submitted"


def test_the_price_of_now_is_the_close_of_the_newest_bar() -> None:
    """The guard's intents name it."""
    day = guard_day.GuardDay(guard_day.carried(10, stop=9_900))
    day.feed(bar(9_950, low=9_890, until=day.now))
    assert day.intents[-1].kind is IntentKind.EXIT
    assert day.intents[-1].reference_price == 9_950


def test_a_gate_replays_bars_as_it_decided_on_them() -> None:
    """The same bytes again."""
    day = quiet_day()
    five_bars(day, value=10_000_000_000)
    day.enter(100)
    again: RiskGate = gate_from_session(day.opened)
    derived = [
        output
        for sequence, event in enumerate(day.log, start=1)
        for output in again.handle(Delivery(sequence, event))
    ]
    assert derived == day.derived
