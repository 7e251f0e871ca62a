"""Every yes-or-no check of an entry on both sides of its limit."""

from __future__ import annotations

from copy import deepcopy

import msgspec
import pytest

from events import UNKNOWN, OrderId, StrategyId, Symbol, TradingDate
from events.control import HaltScope
from events.market import OpeningAllocation, Phase, PhaseChanged, PriceSnapshot
from events.signal import UniverseSelected
from events.trading import (
    CheckOutcome,
    IntentDeferred,
    IntentKind,
    IntentRejected,
    OrderAccepted,
    OrderState,
    Side,
)
from tests.risk.scenario import (
    CONFIGURATION,
    DATE,
    KMP,
    KPR,
    NULRIMOK,
    OPEN_AT,
    SECOND,
    A,
    B,
    C,
    Day,
    configuration,
    made,
    outcome,
    quote,
    reference,
    session,
    stopped_by,
    trades,
)


def looked_at(day: Day, symbol: Symbol) -> None:
    """Let a symbol have terms and be looked at, but not be followed: neither trades nor quotes."""
    day.feed(reference(symbol))
    for ago in (300, 100, 0):
        at = day.now - ago * SECOND
        value = (at - OPEN_AT) // 10
        day.feed(
            PriceSnapshot(
                at=at,
                symbol=symbol,
                time=at,
                price=10_000,
                cumulative_volume=value // 10_000,
                cumulative_value=value,
            )
        )


def test_a_plain_entry_passes_and_shows_every_check() -> None:
    """An approval carries all checks, none of them refusing."""
    decision = Day().enter(100)
    assert outcome(decision) == "IntentApproved"
    assert len(decision.checks) == 38
    assert {check.outcome for check in decision.checks} <= {
        CheckOutcome.PASS,
        CheckOutcome.NOT_APPLICABLE,
    }
    assert len({check.name for check in decision.checks}) == 38


def test_a_decision_names_its_intent_cause_and_instant() -> None:
    """Ids, cause and time come from the intent, so deriving it again gives the same bytes."""
    day = Day()
    decision = day.enter(100)
    assert decision.identity == f"{decision.intent_id}-D"
    assert decision.cause == len(day.log)
    assert decision.at == day.now
    assert (decision.strategy, decision.symbol) == (KMP, A)


@pytest.mark.parametrize("quantity", [None, 0, -5])
def test_an_entry_without_shares_is_rejected(quantity: int | None) -> None:
    """At least one share must be asked for."""
    decision = Day().enter(quantity)
    assert stopped_by(decision) == "quantity"
    assert isinstance(decision, IntentRejected)


def test_an_entry_for_one_share_passes() -> None:
    """One is enough."""
    assert outcome(Day().enter(1)) == "IntentApproved"


def test_an_entry_lapses_after_its_expiry_and_not_at_it() -> None:
    """The last nanosecond still counts."""
    day = Day()
    assert stopped_by(day.enter(1, expires_at=day.now)) is None
    assert stopped_by(day.enter(1, symbol=B, expires_at=day.now - 1)) == "expiry"


def test_an_intent_handled_late_is_judged_by_the_newest_time_seen() -> None:
    """Time is that of the newest event, not of the intent."""
    day = Day()
    day.tick(seconds=10)
    late = day.enter(1, at=day.now - 10 * SECOND, expires_at=day.now - SECOND)
    assert stopped_by(late) == "expiry"


@pytest.mark.parametrize(("left", "waits"), [(1, False), (0, True), (-1, True)])
def test_entries_wait_while_there_is_no_equity(left: int, waits: bool) -> None:
    """Equity of zero or less is no equity to measure against; one won is one."""
    day = Day()
    entry = day.enter(1)
    day.fill(entry, Side.BUY, 1, fee=100_000_000 - left)
    decision = day.enter(1, symbol=B)
    assert isinstance(decision, IntentDeferred) is waits
    assert (stopped_by(decision) == "equity_known") is waits
    assert made(decision, "equity_known").value == left


@pytest.mark.parametrize(("opening", "waits"), [(0, True), (1, False)])
def test_entries_wait_when_the_day_began_without_equity(opening: int, waits: bool) -> None:
    """There is nothing to measure the day's result against."""
    held = (OpeningAllocation(KPR, C, 10, 0),)
    day = Day(session(cash=opening, equity=opening, allocations=held))
    decision = day.enter(1)
    assert (stopped_by(decision) == "equity_known") is waits
    assert made(decision, "equity_known").value == opening


@pytest.mark.parametrize(("equity", "waits"), [(1, False), (0, True), (-5, True)])
def test_entries_wait_while_the_broker_shows_no_equity(equity: int, waits: bool) -> None:
    """The newest statement counts as well as the log."""
    day = Day()
    day.snapshot(cash=100_000_000, equity=equity)
    decision = day.enter(1)
    assert (stopped_by(decision) == "equity_known") is waits
    assert isinstance(decision, IntentDeferred) is waits
    assert made(decision, "equity_known").value == equity


@pytest.mark.parametrize("status", ["51", "52", "53", "58", "59"])
def test_a_blocked_designation_closes_entries(status: str) -> None:
    """Administrative, danger, warning, halted and overheated issues are not entered."""
    day = Day()
    day.feed(reference(A, status))
    decision = day.enter(1)
    assert stopped_by(decision) == "designation"
    assert made(decision, "designation").value == status


@pytest.mark.parametrize(("status", "note"), [("00", ""), ("54", "caution"), ("57", "")])
def test_other_designations_leave_entries_open(status: str, note: str) -> None:
    """Caution is noted and does not block."""
    day = Day()
    day.feed(reference(A, status))
    decision = day.enter(1)
    assert stopped_by(decision) is None
    assert made(decision, "designation").note == note


def test_a_symbol_without_terms_of_today_is_deferred() -> None:
    """No data closes the entry, and terms of another day are no data."""
    day = Day()
    other = Symbol("111111")
    stale = msgspec.structs.replace(reference(other), trading_date=TradingDate("20250912"))
    day.feed(stale)
    decision = day.enter(1, symbol=other)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "designation"
    assert made(decision, "designation").outcome is CheckOutcome.MISSING


def losing(won: int) -> Day:
    """Return a day that began with 100 million won, 10 million of it in one symbol, and lost."""
    held = (OpeningAllocation(NULRIMOK, C, 1_000, 10_000_000),)
    day = Day(session(cash=90_000_000, equity=100_000_000, allocations=held))
    day.feed(trades(C, 10_000 - won // 1_000, at=day.now))
    return day


@pytest.mark.parametrize(
    ("won", "name"), [(2_999_000, None), (3_000_000, "daily_warn"), (4_999_000, "daily_warn")]
)
def test_a_day_loss_that_no_halt_stands_for_closes_entries_by_itself(
    won: int, name: str | None
) -> None:
    """3 % warns, inclusive, measured against opening equity; the halt it trips comes first."""
    decision = losing(won).enter(1)
    assert stopped_by(decision) == ("entries_halted" if name else None)
    if name is None:
        assert made(decision, "daily_warn").value == -won / 100_000_000
        assert made(decision, "daily_warn").headroom == pytest.approx(0.00001)


def many_held(count: int) -> Day:
    """Return a day with one share of each of ``count`` symbols held by NULRIMOK."""
    held = tuple(
        OpeningAllocation(NULRIMOK, Symbol(f"{100_000 + n}"), 1, 10_000) for n in range(count)
    )
    return Day(session(allocations=held))


@pytest.mark.parametrize(("held", "name"), [(14, None), (15, "account_positions")])
def test_the_account_holds_no_more_symbols_than_allowed(held: int, name: str | None) -> None:
    """Fifteen symbols are full."""
    assert stopped_by(many_held(held).enter(1)) == name


def test_working_buys_and_unexplained_shares_are_positions_too() -> None:
    """A symbol counts once, from approval on."""
    day = many_held(13)
    day.enter(1, symbol=B)
    day.drift(C, broker=1, allocated=0)
    decision = day.enter(1)
    assert stopped_by(decision) == "account_positions"
    assert made(decision, "account_positions").value == 15


@pytest.mark.parametrize(("positions", "name"), [(5, None), (4, "strategy_positions")])
def test_a_strategy_holds_no_more_symbols_than_its_budget(positions: int, name: str | None) -> None:
    """Own shares and own working buys count, those of others do not."""

    settings = deepcopy(CONFIGURATION)
    both = {"standard": positions, "conservative": positions}
    settings["strategy_budgets"]["KMP"]["max_positions"] = both
    own = (OpeningAllocation(KMP, Symbol(f"{100_000 + n}"), 1, 10_000) for n in range(3))
    held = (*own, OpeningAllocation(KPR, C, 1, 10_000))
    day = Day(session(allocations=held, settings=settings))
    day.enter(1, symbol=B)
    decision = day.enter(1)
    assert made(decision, "strategy_positions").value == 4
    assert stopped_by(decision) == name


def test_a_strategy_without_budget_may_not_buy() -> None:
    """Unlisted is refused, not unlimited."""
    decision = Day().enter(1, strategy=StrategyId("NEWCOMER"))
    assert isinstance(decision, IntentRejected)
    assert stopped_by(decision) == "strategy_positions"
    assert made(decision, "strategy_positions").outcome is CheckOutcome.MISSING


def test_an_entry_without_any_price_is_deferred() -> None:
    """Without limit, reference and last price there is nothing to judge by."""
    day = Day()
    other = Symbol("111111")
    day.feed(reference(other))
    decision = day.enter(1, symbol=other, limit_price=None)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "price_known"


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ({"limit_price": 9_950, "reference_price": 11_000}, 9_950),
        ({"limit_price": None, "reference_price": 10_100}, 10_100),
        ({"limit_price": None, "reference_price": 9_990, "stop_price": 10_200}, 10_230),
        ({"limit_price": None, "reference_price": 9_990}, 10_020),
        ({"limit_price": None, "stop_price": 12_990}, 13_000),
        ({"limit_price": None, "stop_price": 13_010}, 13_010),
    ],
)
def test_an_entry_is_judged_at_the_worst_price_it_may_pay(
    prices: dict[str, int | None], price: int
) -> None:
    """Its limit, else the highest of reference, trigger × 1.003, last × 1.002, in the limits."""
    decision = Day().enter(1, **prices)
    assert made(decision, "price_known").value == price


def test_a_price_of_zero_is_rejected() -> None:
    """Zero is a mistake, not a missing value."""
    assert stopped_by(Day().enter(1, limit_price=0)) == "price_known"


@pytest.mark.parametrize(
    ("stop", "name"),
    [
        (None, "protective_stop"),
        (0, "protective_stop"),
        (10_000, "protective_stop"),
        (9_990, None),
    ],
)
def test_an_entry_needs_a_stop_below_its_price(stop: int | None, name: str | None) -> None:
    """Every position is protected from its first share on."""
    decision = Day().enter(1, protective_stop=stop)
    assert stopped_by(decision) == name
    assert name is None or isinstance(decision, IntentRejected)


def test_a_volatility_interruption_closes_its_symbol_and_the_cooldown_after_it() -> None:
    """Closed while it lasts and for 600 s after its end."""
    day = Day()
    day.interrupt(A, active=True)
    assert stopped_by(day.enter(1)) == "vi_cooldown"
    day.tick(seconds=120)
    day.interrupt(A, active=False)
    day.tick(seconds=599)
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert (made(decision, "vi_cooldown").value, made(decision, "vi_cooldown").limit) == (599, 600)
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.tick(seconds=1)
    assert stopped_by(day.enter(1)) is None


def test_an_interruption_without_an_end_lapses_after_its_two_minutes_and_the_cooldown() -> None:
    """A lost message closes a symbol for 720 s, not for the day."""
    day = Day()
    day.interrupt(A, active=True)
    day.tick(seconds=719)
    assert stopped_by(day.enter(1)) == "vi_cooldown"
    day.tick(seconds=1)
    decision = day.enter(1)
    assert stopped_by(decision) is None
    assert made(decision, "vi_cooldown").note == "its end was not seen"


def test_a_moved_static_reference_is_an_interruption() -> None:
    """The price of an interrupting auction becomes the reference: the cool-down starts there."""
    day = Day()
    day.tick(seconds=60)
    day.feed(trades(A, 11_000, at=day.now, bid=10_990, ask=11_000, vi=11_000))
    assert stopped_by(day.enter(1)) == "vi_cooldown"
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.tick(seconds=599)
    day.feed(trades(A, 11_000, at=day.now, bid=10_990, ask=11_000, vi=11_000))
    assert stopped_by(day.enter(1)) == "vi_cooldown"
    day.tick(seconds=1)
    assert stopped_by(day.enter(1)) is None
    day.feed(trades(A, 10_000, at=day.now, bid=9_990, ask=10_000, vi=10_000))
    assert stopped_by(day.enter(1)) == "vi_cooldown"


def test_a_moved_reference_ends_an_interruption_that_was_announced() -> None:
    """The reference moves with the auction's trade, so the cool-down starts there."""
    day = Day()
    day.interrupt(A, active=True)
    day.tick(seconds=120)
    day.feed(trades(A, 11_000, at=day.now, bid=10_990, ask=11_000, vi=11_000))
    day.tick(seconds=600)
    assert stopped_by(day.enter(1)) is None


@pytest.mark.parametrize(("second", "name"), [(10_200, None), (10_300, "vi_cooldown")])
def test_the_step_from_base_to_opening_price_is_no_interruption(
    second: int, name: str | None
) -> None:
    """Before the open the reference is the base price; the opening price replaces it."""
    other = Symbol("111111")
    settings = configuration()
    settings["sectors"]["allow_list"] = [other]
    day = Day(settings=settings)
    day.feed(reference(other))
    day.feed(trades(other, 10_200, at=day.now, bid=9_990, ask=10_010, vi=10_000))
    day.feed(trades(other, 10_210, at=day.now, bid=9_990, ask=10_010, vi=0))
    day.feed(trades(other, 10_210, at=day.now, bid=9_990, ask=10_010, vi=second))
    assert stopped_by(day.enter(1, symbol=other)) == name


def test_a_reference_of_the_opening_auction_is_no_reference_of_trading() -> None:
    """What moves before continuous trading is no interruption."""
    day = Day(prepared=False)
    day.tick(Phase.OPENING_AUCTION)
    day.feed(trades(A, 10_100, at=day.now, vi=9_900))
    day.prepare()
    assert stopped_by(day.enter(1)) is None


def test_interruptions_that_could_not_be_noticed_are_missing_and_block_nothing() -> None:
    """Without interruption events and static references nobody would know."""
    other = Symbol("111111")
    settings = configuration()
    settings["sectors"]["allow_list"] = [other]
    day = Day(settings=settings)
    looked_at(day, other)
    decision = day.enter(1, symbol=other)
    assert stopped_by(decision) is None
    assert made(decision, "vi_cooldown").outcome is CheckOutcome.MISSING


@pytest.mark.parametrize(("limit", "name"), [(10_010, None), (10_005, "price_on_tick")])
def test_a_limit_between_ticks_is_rejected(limit: int, name: str | None) -> None:
    """The tick at 10,000 won is 10 won."""
    assert stopped_by(Day().enter(1, limit_price=limit)) == name


def test_without_a_limit_the_router_sets_the_price() -> None:
    """There is no price to be on a tick yet."""
    decision = Day().enter(1, limit_price=None)
    assert made(decision, "price_on_tick").outcome is CheckOutcome.NOT_APPLICABLE


def test_a_symbol_of_an_unknown_market_has_no_tick_table() -> None:
    """An unknown table defers."""
    day = Day()
    day.feed(msgspec.structs.replace(reference(A), market="KONEX"))
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "price_on_tick"


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (13_000, None),
        (13_010, "price_within_limits"),
        (7_000, None),
        (6_990, "price_within_limits"),
    ],
)
def test_a_price_outside_the_days_limits_is_rejected(limit: int, name: str | None) -> None:
    """Both limits are themselves allowed."""
    decision = Day().enter(1, limit_price=limit, protective_stop=limit - 10)
    assert stopped_by(decision) == name


@pytest.mark.parametrize(
    ("phase", "name"),
    [
        (Phase.CLOSED, "session_phase"),
        (Phase.OPENING_AUCTION, "session_phase"),
        (Phase.CONTINUOUS, None),
        (Phase.CLOSING_AUCTION, None),
    ],
)
def test_entries_leave_in_the_configured_phases_only(phase: Phase, name: str | None) -> None:
    """Other phases defer."""
    day = Day()
    day.tick(phase)
    assert stopped_by(day.enter(1)) == name


def test_a_change_of_phase_counts_before_the_next_tick() -> None:
    """The phase comes with its own event as well."""
    day = Day()
    day.feed(PhaseChanged(at=day.now, trading_date=DATE, phase=Phase.CLOSED))
    assert stopped_by(day.enter(1)) == "session_phase"


def test_before_the_first_clock_event_the_phase_is_missing() -> None:
    """No clock, no entry."""
    day = Day(prepared=False)
    looked_at(day, A)
    day.feed(
        UniverseSelected(
            at=day.now,
            strategy=KMP,
            trading_date=DATE,
            symbols=(A,),
            sectors={A: "chips"},
            source="test",
        ),
    )
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert made(decision, "session_phase").outcome is CheckOutcome.MISSING


def test_the_account_sends_only_so_many_orders_per_second() -> None:
    """The third of two per second waits; a second later it may go."""
    day = Day(settings=configuration(max_orders_per_second=2))
    for symbol in (A, B):
        assert stopped_by(day.enter(1, symbol=symbol)) is None
    day.now += SECOND - 1
    decision = day.enter(1, symbol=C)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "order_rate"
    day.now += 1
    assert stopped_by(day.enter(1, symbol=C)) is None


def test_a_symbol_sees_only_so_many_orders_per_minute() -> None:
    """Sells count, and are not held back by it."""
    settings = configuration(max_orders_per_symbol_minute=2)
    day = Day(settings=settings)
    day.buy(10)
    leaving = day.leave()
    order = day.order(leaving, Side.SELL, 10, None)
    day.fill(leaving, Side.SELL, 10)
    day.close(order, OrderState.FILLED, 10)
    day.tick(seconds=59)
    assert stopped_by(day.enter(1)) == "symbol_order_rate"
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.tick(seconds=1)
    assert stopped_by(day.enter(1)) is None


@pytest.mark.parametrize(
    ("bid", "ask", "name"),
    [(9_975, 10_025, None), (9_975, 10_026, "spread")],
)
def test_a_wide_spread_defers(bid: int, ask: int, name: str | None) -> None:
    """50 won at a mid of 10,000 are exactly 50 basis points, one won more is too much."""
    day = Day()
    day.feed(quote(A, bid, ask, at=day.now))
    decision = day.enter(1)
    assert stopped_by(decision) == name
    assert name is None or isinstance(decision, IntentDeferred)


@pytest.mark.parametrize(("bid", "ask"), [(None, 10_010), (9_990, None)])
def test_a_one_sided_book_has_no_spread_and_defers(bid: int | None, ask: int | None) -> None:
    """A known quote without a side is missing data, not a spread of zero."""
    day = Day()
    day.feed(quote(A, bid, ask, at=day.now))
    decision = day.enter(1)
    assert stopped_by(decision) == "spread"
    assert made(decision, "spread").outcome is CheckOutcome.MISSING


@pytest.mark.parametrize(("age", "name"), [(3 * SECOND, None), (3 * SECOND + 1, "spread")])
def test_an_old_quote_has_no_spread(age: int, name: str | None) -> None:
    """Three seconds are still now, one nanosecond more is missing data."""
    day = Day()
    day.now += age
    decision = day.enter(1)
    assert stopped_by(decision) == name
    if name:
        assert isinstance(decision, IntentDeferred)
        assert made(decision, "spread").outcome is CheckOutcome.MISSING


@pytest.mark.parametrize(("age", "name"), [(3 * SECOND, None), (3 * SECOND + 1, "price_known")])
def test_an_entry_without_a_limit_needs_a_price_of_now(age: int, name: str | None) -> None:
    """What it may pay follows from the last trade, which must be young."""
    day = Day()
    day.now += age
    day.feed(quote(A, 9_990, 10_010, at=day.now))
    decision = day.enter(1, limit_price=None)
    assert stopped_by(decision) == name
    if name:
        assert isinstance(decision, IntentDeferred)
        assert made(decision, "price_known").outcome is CheckOutcome.MISSING


def test_a_reference_does_not_stand_in_for_a_price_never_seen() -> None:
    """Without any trade nobody knows how far the reference is from the market."""
    day = Day()
    other = Symbol("111111")
    day.feed(reference(other))
    decision = day.enter(1, symbol=other, limit_price=None, reference_price=10_000)
    assert stopped_by(decision) == "price_known"


def test_the_age_of_the_last_trade_is_only_noted_for_an_entry_with_a_limit() -> None:
    """A thinly traded symbol may be bought at a limit."""
    day = Day()
    day.tick(seconds=40)
    decision = day.enter(1)
    assert stopped_by(decision) is None
    assert made(decision, "price_known").note == "last trade 20.0 s ago"


def test_without_any_quote_the_spread_is_not_judged() -> None:
    """Not every symbol has a quote feed."""
    other = Symbol("111111")
    settings = configuration()
    settings["sectors"]["allow_list"] = [other]
    day = Day(settings=settings)
    looked_at(day, other)
    decision = day.enter(1, symbol=other)
    assert stopped_by(decision) is None
    assert made(decision, "spread").outcome is CheckOutcome.NOT_APPLICABLE


def test_a_strategy_does_not_add_to_what_it_holds() -> None:
    """Another strategy may hold the symbol, the same may not enter twice."""
    day = Day()
    day.buy(10)
    assert stopped_by(day.enter(1)) == "not_held"
    assert stopped_by(day.enter(1, strategy=KPR)) is None


def test_a_strategy_does_not_enter_what_it_is_entering() -> None:
    """From the approval on, before any order."""
    day = Day()
    day.enter(1)
    assert stopped_by(day.enter(1)) == "not_entering"


def test_a_signal_is_used_once_even_if_the_order_died() -> None:
    """Another symbol, strategy or signal is another entry."""
    day = Day()
    first = day.enter(1, signal="breakout")
    day.refuse(day.order(first, Side.BUY, 1))
    assert stopped_by(day.enter(1, signal="breakout")) == "signal_fresh"
    assert stopped_by(day.enter(1, signal="other")) is None
    assert stopped_by(day.enter(1, signal="breakout", symbol=B)) is None


def test_a_refused_entry_does_not_use_its_signal_up() -> None:
    """What was rejected may be asked again."""
    day = Day()
    day.halt()
    day.enter(1, signal="breakout")
    day.release()
    assert stopped_by(day.enter(1, signal="breakout")) is None


def test_an_entry_under_way_keeps_other_strategies_off_for_its_time() -> None:
    """KMP locks for 90 s; the lock of a living order ends by time."""
    day = Day()
    first = day.enter(1, expires_at=day.now + 600 * SECOND)
    day.order(first, Side.BUY, 1)
    day.tick(seconds=89)
    decision = day.enter(1, strategy=KPR)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "entry_lock"
    assert (made(decision, "entry_lock").value, made(decision, "entry_lock").note) == (
        1,
        "held by KMP",
    )
    day.tick(seconds=1)
    assert stopped_by(day.enter(1, strategy=KPR)) is None


@pytest.mark.parametrize("end", ["filled", "closed", "refused", "lapsed"])
def test_the_lock_ends_with_the_entry(end: str) -> None:
    """Full fill, cancel, reject, and an intent that never became an order."""
    day = Day()
    first = day.enter(2)
    if end == "lapsed":
        day.tick(seconds=66)
    else:
        order = day.order(first, Side.BUY, 2)
        if end == "filled":
            day.fill(first, Side.BUY, 1)
            assert stopped_by(day.enter(1, strategy=KPR)) == "entry_lock"
            day.fill(first, Side.BUY, 1)
        elif end == "closed":
            day.close(order)
        else:
            day.refuse(order)
    assert stopped_by(day.enter(1, strategy=KPR)) is None


def test_an_own_working_sell_defers_the_strategys_entry() -> None:
    """A late fill of an ended sale leaves a second one working without shares: out first."""
    day = Day(session(allocations=(OpeningAllocation(KMP, A, 10, 100_000),)))
    first = day.leave(limit_price=12_000)
    day.close(day.order(first, Side.SELL, 10, 12_000))
    day.leave(limit_price=12_000)
    day.fill(first, Side.SELL, 10, 12_000)
    decision = day.enter(1)
    assert isinstance(decision, IntentDeferred)
    assert stopped_by(decision) == "opposite_order"
    assert made(decision, "opposite_order").note == "own sell is working"


@pytest.mark.parametrize(
    ("sell_limit", "name"),
    [(10_010, None), (10_000, "opposite_order"), (None, "opposite_order")],
)
def test_an_entry_never_crosses_a_sell_of_the_same_account(
    sell_limit: int | None, name: str | None
) -> None:
    """A buy at or above another strategy's sell would trade with it; a market sell always."""
    day = Day(session(allocations=(OpeningAllocation(KPR, A, 10, 100_000),)))
    day.leave(strategy=KPR, limit_price=sell_limit)
    decision = day.enter(1)
    assert stopped_by(decision) == name
    assert name is None or isinstance(decision, IntentDeferred)


def test_another_strategys_buy_is_no_opposite_order() -> None:
    """Buys do not cross each other."""
    day = Day()
    day.order(day.enter(1, strategy=NULRIMOK), Side.BUY, 1)
    day.tick(seconds=61)
    assert stopped_by(day.enter(1)) is None


def test_an_order_of_unknown_fate_closes_its_symbol_and_later_the_account() -> None:
    """At once for the symbol, after 30 s for everything, until the broker settles it."""
    day = Day()
    lost = day.order(day.enter(1), Side.BUY, 1)
    day.lose(lost)
    assert stopped_by(day.enter(1)) == "symbol_frozen"
    day.release(HaltScope.SYMBOL, A)
    decision = day.enter(1)
    assert stopped_by(decision) == "orders_known"
    assert made(decision, "orders_known").note == f"{lost}, a buy, is unknown"
    day.tick(seconds=29)
    assert stopped_by(day.enter(1, symbol=B)) is None
    day.tick(seconds=1)
    assert stopped_by(day.enter(1, symbol=C)) == "safe_mode"
    day.release()
    decision = day.enter(1, symbol=C)
    assert isinstance(decision, IntentDeferred)
    assert made(decision, "orders_known").value == 30
    day.feed(OrderAccepted(at=day.now, order_id=lost, broker_order="1", branch="1", adopted=True))
    assert stopped_by(day.enter(1, symbol=C)) is None


def test_an_unknown_order_that_nobody_here_sent_is_ignored() -> None:
    """There is no symbol to close."""
    day = Day()
    day.lose(OrderId("20250914-KMP-005930-E1-O1"))
    assert stopped_by(day.enter(1)) is None


def test_unexplained_shares_belong_to_nobodys_strategy() -> None:
    """They are exposure and can be sold under the reserved name only."""
    day = Day()
    day.drift(A, broker=7, allocated=0)
    assert stopped_by(day.leave()) == "own_shares"
    decision = day.submit(IntentKind.EXIT, strategy=UNKNOWN)
    assert getattr(decision, "quantity", None) == 7
