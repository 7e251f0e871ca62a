"""KMP until it holds shares: scan, gates in the running strategy, break, acceptance, entry."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise

import msgspec
import pytest

from events.event import Event
from events.identifiers import StrategyId, Symbol
from events.market import Bar, Phase, QuoteFrame, TradeFrame, VolatilityInterruption
from events.ops import GatesReported, SetupChanged
from events.signal import Feed, SlotPriority, SlotsRequested, UniverseSelected
from events.trading import (
    IntentExpired,
    IntentKind,
    OrderAccepted,
    OrderHeld,
    OrderState,
    Side,
    Urgency,
)
from strategies.errors import IllegalTransition
from strategies.kmp.desk import Desk
from strategies.kmp.setup import Setup
from strategies.kmp.states import TRANSITIONS, State
from strategies.kmp.tape import Tape
from tests.strategies.days import (
    HYNIX,
    NAVER,
    SAMSUNG,
    SECOND,
    TODAY,
    Day,
    at,
    breathe,
    broken_day,
    daily_bars,
    intent_of,
    is_now,
    mapping,
    opened_day,
    scanned_day,
    session,
    settings,
    submitted_day,
)

WATCHING = ["CANDIDATE", "WATCH_BREAK"]
WAITING = [*WATCHING, "WAIT_ACCEPTANCE"]


def gate(day: Day, name: str) -> tuple[int, int, int]:
    """Return how often a gate passed, blocked and lacked its input, closing the session."""
    found = day.report().gates[name]
    return found.passed, found.blocked, found.missing


# --- scan ---


def test_scan_runs_with_the_clock_and_watches_the_range_high() -> None:
    """Three symbols with trades since the open become candidates at 09:15:00."""
    day = opened_day()
    assert day.path() == []
    day.tick("09:14:59")
    assert day.path() == []
    day.tick("09:15:00")
    assert day.path() == WATCHING
    scan, lock = (change for change in day.of(SetupChanged) if change.symbol == SAMSUNG)
    assert scan.facts["surge"] == 7.425
    assert scan.facts["baseline_source"] == "recorded"
    assert (lock.facts["range_high"], lock.facts["range_low"]) == (50_000, 49_000)


def test_scan_waits_for_back_fill_of_symbols_without_trades() -> None:
    """The last back-fill starts it; its range comes from the bars."""
    day = Day()
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.tick("09:15:00")
    day.tick("09:15:20")
    assert day.path() == []
    day.minutes("09:15:21", bars=())
    assert day.path() == []
    day.minutes("09:15:22")
    assert day.path() == WATCHING
    day.minutes("09:15:30")
    assert day.path() == WATCHING


def test_scan_leaves_out_what_is_missing_at_its_deadline() -> None:
    """At 09:15:50 the scan runs with the symbols it has."""
    day = opened_day()
    lost = Symbol("000270")
    day.universe([SAMSUNG, lost])
    day.reference(lost)
    day.history(lost)
    day.tick("09:15:00")
    day.tick("09:15:49")
    assert day.path() == []
    day.tick("09:15:50")
    assert day.path() == WATCHING
    assert day.path(lost) == []
    assert gate(day, "opening_bars") == (3, 0, 1)


def test_symbol_streamed_too_late_needs_back_fill() -> None:
    """Trades from 09:05 alone are no opening range; a later back-fill completes it."""
    day = Day()
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.traded_before(SAMSUNG, 1_000_000, 49_500_000_000)
    day.print("09:05:00", 60_000, 10)
    day.tick("09:15:00")
    assert day.path() == []
    day.minutes("09:15:10")
    assert day.path() == WATCHING
    lock = day.of(SetupChanged)[-1]
    assert lock.facts["range_high"] == 50_000


def test_back_fill_read_before_the_lock_is_not_a_whole_range() -> None:
    """It is used, but the scan still waits for the rest."""
    day = Day()
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.minutes("09:14:00")
    day.tick("09:15:00")
    assert day.path() == []


def test_hole_in_the_trades_needs_back_fill_after_the_lock() -> None:
    """A feed restarted at 09:14 lost trades: the scan waits, the back-fill makes the candidate."""
    day = opened_day()
    day.traded_before(SAMSUNG, 190_000, 9_500_000_000)
    day.print("09:14:50", 49_500)
    day.minutes("09:14:55", bars=day.opening_bars()[:10])
    day.tick("09:15:00")
    assert day.path() == []
    high = day.opening_bars()
    wider = Bar(high[12].start, 49_500, 50_500, 49_400, 49_500, 10_000)
    day.minutes("09:15:20", bars=(*high[:12], wider, *high[13:]))
    assert day.path() == WATCHING
    assert day.of(SetupChanged)[-1].symbol != SAMSUNG
    lock = [change for change in day.of(SetupChanged) if change.symbol == SAMSUNG][-1]
    assert lock.facts["range_high"] == 50_500


def test_back_fill_before_the_lock_changes_nothing_where_trades_are_whole() -> None:
    """The stream knows more than a chart read early."""
    day = opened_day()
    day.minutes("09:10:00", bars=day.opening_bars()[:3])
    day.tick("09:15:00")
    lock = [change for change in day.of(SetupChanged) if change.symbol == SAMSUNG][-1]
    assert (lock.facts["range_high"], lock.facts["range_low"]) == (50_000, 49_000)


def test_hole_in_the_trades_without_back_fill_leaves_the_symbol_out() -> None:
    """At 09:15:50 the scan runs without it; a range with a hole is missing, not small."""
    day = opened_day()
    day.traded_before(SAMSUNG, 190_000, 9_500_000_000)
    day.print("09:14:50", 49_500)
    day.tick("09:15:00")
    day.tick("09:15:50")
    assert (day.path(), day.path(HYNIX)) == ([], WATCHING)
    assert gate(day, "opening_bars") == (2, 0, 1)


def test_a_late_print_does_not_move_a_locked_range() -> None:
    """A trade of 09:14:59 that arrives after the clock's 09:15:00 is outside the range."""
    day = opened_day()
    day.universe([SAMSUNG, Symbol("000270")])
    day.history(Symbol("000270"))
    day.tick("09:15:00")
    seen = next(
        event
        for event in reversed(day.log)
        if isinstance(event, TradeFrame) and event.symbol == SAMSUNG
    )
    last = seen.trades[0]
    late = msgspec.structs.replace(
        last,
        time=at("09:14:59"),
        price=51_000,
        cumulative_volume=last.cumulative_volume + last.quantity,
    )
    day.send(TradeFrame(at=at("09:15:01"), symbol=SAMSUNG, trades=(late,)))
    day.tick("09:15:50")
    lock = [each for each in day.of(SetupChanged) if each.symbol == SAMSUNG][-1]
    assert lock.facts["range_high"] == 50_000


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda day: day.baseline(value=2_475_000_001), "surge"),
        (lambda day: day.history(bars=daily_bars(last_close=47_142)), "gap"),
        (lambda day: day.reference(status="51"), "reference"),
        (lambda day: day.history(bars=daily_bars(step=-100)), "trend_anchor"),
    ],
)
def test_scan_drops_a_symbol_that_fails_a_gate(spoil: Callable[[Day], None], name: str) -> None:
    """Surge under 3, a gap of 5 %, an excluded designation, no trend: no candidate, and counted."""
    day = opened_day()
    spoil(day)
    day.tick("09:15:00")
    assert day.path() == []
    assert day.path(HYNIX) == WATCHING
    assert gate(day, name)[1] == 1


def test_scan_takes_a_symbol_on_the_good_side_of_its_gates() -> None:
    """Surge of exactly 3, a gap just under 5 %, the designation 'caution'."""
    day = opened_day()
    day.baseline(value=2_475_000_000)
    day.history(bars=daily_bars(last_close=47_143))
    day.reference(status="54")
    day.tick("09:15:00")
    assert day.path() == WATCHING


def test_scan_counts_missing_inputs_as_missing() -> None:
    """No reference, no or stale history, no baseline: never a candidate, never 'blocked'."""
    day = opened_day()
    symbols = [Symbol(f"10000{number}") for number in range(4)]
    day.universe(symbols)
    day.history(symbols[0])
    day.reference(symbols[1])
    day.reference(symbols[2])
    day.history(symbols[2], daily_bars(61)[:-1])
    day.reference(symbols[3])
    day.history(symbols[3], daily_bars(volume=0))
    for symbol in symbols:
        day.minutes("09:15:00", symbol)
    day.tick("09:15:00")
    assert [day.path(symbol) for symbol in symbols] == [[], [], [], []]
    assert gate(day, "reference")[2] == 1
    assert gate(day, "daily_history")[2] == 2
    assert gate(day, "baseline")[2] == 1


def test_daily_history_of_another_session_or_of_today_is_refused() -> None:
    """Neither yesterday's event nor a bar of today may feed the anchor."""
    day = opened_day()
    other = Symbol("100000")
    day.universe([other])
    day.reference(other)
    day.history(other, daily_bars(day=date(2025, 9, 16)))
    stale = Day(session(day=date(2025, 9, 12)))
    stale.history(other)
    day.send(stale.log[-1])
    day.send(_foreign_reference())
    day.minutes("09:14:59", other)
    for text in ("09:15:00", "09:15:50"):
        day.tick(text)
    assert day.path(other) == []
    assert gate(day, "daily_history")[2] == 1


def _foreign_reference() -> Event:
    other = Day(session(day=date(2025, 9, 12)))
    other.reference(Symbol("100000"), status="51")
    return other.log[-1]


def test_approximate_baseline_is_used_and_named_without_enough_sessions() -> None:
    """Nine recorded sessions are too few; the record says which baseline was used."""
    day = opened_day()
    day.universe([Symbol("100000")])
    other = Symbol("100000")
    day.reference(other)
    day.history(other, daily_bars(volume=300_000))
    day.baseline(other, value=1, sessions=9)
    day.minutes("09:15:00", other)
    day.tick("09:15:00")
    scan = next(change for change in day.of(SetupChanged) if change.symbol == other)
    assert scan.facts["baseline_source"] == "daily_approximation"


def test_only_the_top_candidates_are_kept() -> None:
    """With two places the third by value (then symbol) is left out."""
    day = opened_day(scan_top_n=2)
    day.tick("09:15:00")
    assert (day.path(HYNIX), day.path(SAMSUNG), day.path(NAVER)) == (WATCHING, WATCHING, [])


def test_universe_of_another_strategy_or_day_is_ignored() -> None:
    """Only KMP's own selection of today counts, and a repeated one adds nothing twice."""
    day = opened_day()
    other = Symbol("100000")
    for strategy, trading_date in (("KPR", TODAY), ("KMP", "20250912")):
        day.send(
            UniverseSelected(
                at=1,
                strategy=strategy,  # type: ignore[arg-type]  # plain text of a test
                trading_date=trading_date,  # type: ignore[arg-type]  # plain text of a test
                symbols=(other,),
                sectors={},
                source="test",
            )
        )
    day.universe([SAMSUNG])
    day.tick("09:15:00")
    assert day.path() == WATCHING
    assert day.path(other) == []


@pytest.mark.parametrize(
    ("high", "state", "recorded"),
    [
        (49_200, "DONE", 0),
        (51_700, "WATCH_BREAK", 0),
        (52_000, "WATCH_BREAK", 1),
        (53_000, "DONE", 0),
    ],
)
def test_opening_range_must_be_neither_narrow_nor_wide(
    high: int, state: str, recorded: int
) -> None:
    """Under 1.2 % or over 7 % ends the setup; between 5.5 % and 7 % the strict profile would."""
    day = opened_day()
    other = Symbol("100000")
    day.universe([other])
    day.reference(other)
    day.history(other)
    day.baseline(other)
    bars = tuple(
        Bar(bar.start, 49_100, high if index == 5 else 49_100, 49_000, 49_100, 10_000)
        for index, bar in enumerate(day.opening_bars())
    )
    day.minutes("09:15:00", other, bars)
    day.tick("09:15:00")
    assert day.path(other) == ["CANDIDATE", state]
    assert len(day.would_block("OR_RANGE_MAX")) == recorded


def test_conservative_profile_takes_the_strict_range() -> None:
    """6 % is too wide then, and nothing is recorded as would-block."""
    day = opened_day(or_range_max={"permissive": 0.07, "strict": 0.02}, profile="conservative")
    day.tick("09:15:00")
    assert day.path() == ["CANDIDATE", "DONE"]
    assert day.would_block("OR_RANGE_MAX") == []


# --- market gates and time ---


def test_break_needs_an_open_market() -> None:
    """Without any index level entries stay closed; the gates say that it is missing."""
    day = Day()
    day.universe()
    for symbol in (SAMSUNG, HYNIX, NAVER):
        day.reference(symbol)
        day.history(symbol)
        day.baseline(symbol)
        day.minutes("09:15:00", symbol)
    for text in ("09:15:00", "09:15:15", "09:15:30", "09:16:00"):
        day.tick(text)
    day.print("09:16:05", 50_200)
    assert day.path() == WATCHING
    assert gate(day, "risk_off") == (0, 0, 4)
    assert gate(day, "chop")[2] == 4


def test_risk_off_blocks_the_break_until_the_index_recovers() -> None:
    """−1 % closes entries with the next clock second, a recovery opens them."""
    day = scanned_day()
    day.index("09:16:01", 267_300)
    day.tick("09:16:02")
    day.print("09:16:05", 50_200)
    assert day.path() == WATCHING
    day.index("09:16:06", 267_400)
    day.tick("09:16:07")
    day.print("09:16:08", 50_200)
    assert day.path() == WAITING


def test_thin_breadth_blocks_and_is_recorded_when_only_the_strict_value_would() -> None:
    """Two leading candidates of the permissive profile are under the strict eight."""
    day = scanned_day()
    assert [(r.symbol, r.value, r.strict_limit) for r in day.would_block("REGIME_BREADTH")] == [
        ("GLOBAL", 3, 8)
    ]
    strict = scanned_day(profile="conservative")
    strict.print("09:16:05", 50_200)
    assert strict.path() == WATCHING
    assert gate(strict, "breadth")[1] == 4


def test_nothing_breaks_before_the_first_entry_time() -> None:
    """A price past the high at 09:15:59 is not yet a break."""
    day = opened_day()
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.print("09:15:59", 50_200, 10_000)
    assert day.path() == WATCHING
    day.tick("09:16:00")
    day.print("09:16:00", 50_200)
    assert day.path() == WAITING


def test_break_needs_more_than_one_tick_over_the_high() -> None:
    """50,100 is one tick over 50,000 and no break; 50,200 is one."""
    day = scanned_day()
    day.print("09:16:05", 50_100)
    assert day.path() == WATCHING
    day.print("09:16:06", 50_200)
    assert day.path() == WAITING
    broken = day.of(SetupChanged)[-1]
    assert broken.facts["price"] == 50_200


def test_break_needs_a_price_above_the_vwap() -> None:
    """Past the high but at the VWAP is no strength; the gate shows both answers."""
    day = scanned_day()
    day.traded_before(SAMSUNG, 999_900, 999_900 * 50_200)
    day.print("09:16:05", 50_200)
    assert day.path() == WATCHING
    day.print("09:16:06", 50_300)
    assert day.path() == WAITING
    assert gate(day, "vwap") == (1, 1, 0)


def test_break_needs_a_recent_index() -> None:
    """After 60 s without a poll entries are closed and the gates say that the index is missing."""
    day = scanned_day()
    day.polls_index = False
    day.index("09:16:00", 271_500)
    day.tick("09:17:01")
    breathe(day, 17)
    day.print("09:17:51", 50_200)
    assert day.path() == WATCHING
    day.index("09:18:00", 271_500)
    day.tick("09:18:00")
    day.print("09:18:01", 50_200)
    assert day.path() == WAITING
    day.polls_index = True
    assert gate(day, "risk_off")[2] == 1
    assert gate(day, "chop")[2] == 3, "two readings were missing before, the index once"


def test_surge_decays_with_time() -> None:
    """A surge of 3.09 lasts three minutes at 0.03; the strict slope stops it after two."""
    day = opened_day()
    day.baseline(value=2_400_000_000)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    for minute in range(15, 20):
        breathe(day, minute)
        day.tick(f"09:{minute + 1}:00")
    day.print("09:20:01", 50_200)
    assert day.path() == WATCHING
    assert day.would_block("MIN_SURGE")[0].symbol == SAMSUNG
    assert gate(day, "surge_decay")[1] > 0


@pytest.mark.parametrize(("ask", "path"), [(50_400, WAITING), (50_401, WATCHING)])
def test_wide_spread_blocks(ask: int, path: list[str]) -> None:
    """(ask − bid) ÷ mid of at most 0.4 %."""
    day = scanned_day(spread_max_pct=200 * 2 / 100_600)
    day.print("09:16:05", 50_250, bid=50_200, ask=ask)
    assert day.path() == path


def test_unknown_spread_passes_and_is_counted() -> None:
    """A frame without bid and ask does not block."""
    day = scanned_day()
    day.print("09:16:05", 50_200, bid=0, ask=0)
    assert day.path() == WAITING
    assert gate(day, "spread")[2] == 1


def test_quotes_update_the_spread() -> None:
    """A wide book blocks a break on a trade without bid and ask; a quote alone is no price."""
    for ask, path in ((51_000, WATCHING), (50_100, WAITING)):
        day = scanned_day()
        day.send(
            QuoteFrame(
                at=at("09:16:04"),
                symbol=SAMSUNG,
                time=at("09:16:04"),
                ask_prices=(ask,),
                ask_quantities=(1,),
                bid_prices=(50_000,),
                bid_quantities=(1,),
            )
        )
        assert day.path() == WATCHING
        day.print("09:16:05", 50_200, bid=0, ask=0)
        assert day.path() == path
        assert gate(day, "spread")[1:] == (int(path is WATCHING), 0)


def test_relative_volume_blocks_only_as_hard_gate() -> None:
    """Permissive: passes and is recorded. Strict: waits."""
    for gated, path, records in ((False, WAITING, 1), (True, WATCHING, 0)):
        switch = {"permissive": gated, "strict": True}
        day = scanned_day(enable_rvol_hard_gate=switch, breadth_rvol_min=0.0)
        day.tick("09:17:00")
        day.print("09:17:01", 50_200)
        assert day.path() == path
        assert len(day.would_block("RVOL_HARD_GATE")) == records


def test_unknown_relative_volume_closes_the_hard_gate() -> None:
    """A baseline volume of zero tells nothing: hard gate waits, else it is only counted."""
    for gated, path in ((False, WAITING), (True, WATCHING)):
        day = opened_day(enable_rvol_hard_gate={"permissive": gated, "strict": True})
        day.baseline(volume=0)
        for text in ("09:15:00", "09:15:15", "09:15:30"):
            day.tick(text)
        breathe(day, 15)
        day.tick("09:16:00")
        day.print("09:16:05", 50_200)
        assert day.path() == path
        assert gate(day, "rvol")[2] == 1
        records = [(each.value, each.strict_limit) for each in day.would_block("RVOL_HARD_GATE")]
        assert records == ([] if gated else [(None, 2.0)])


# --- acceptance ---


def test_acceptance_submits_one_marketable_limit_with_its_stops() -> None:
    """Trigger 50,100, stop 49,650, three ticks of limit, 30 seconds, NAV cap 399."""
    day, intent = submitted_day()
    assert intent.intent_id == intent_of("005930-E1")
    assert (intent.urgency, intent.reason) == (Urgency.HIGH, "or_break_acceptance")
    assert (intent.stop_price, intent.reference_price) == (50_100, 50_100)
    assert (intent.limit_price, intent.protective_stop) == (50_400, 49_650)
    assert intent.hard_stop == 49_850
    assert intent.quantity == 399
    assert intent.expires_at == at("09:17:00")
    assert intent.facts["base"] == 1_111
    assert intent.facts["retest_low"] == 49_800
    assert intent.facts["quality_chop"] == 15
    assert day.path() == WAITING, "a submission is not yet armed"
    day.print("09:16:31", 50_200)
    assert len(day.intents(IntentKind.ENTER)) == 1


def test_limit_follows_a_wide_spread_and_the_upper_limit() -> None:
    """Twice a spread of 200 is more than three ticks; the day's upper limit caps it."""
    day = broken_day()
    day.print("09:16:30", 50_100, bid=50_000, ask=50_200)
    assert day.intents(IntentKind.ENTER)[0].limit_price == 50_500
    capped = opened_day()
    capped.reference(upper=50_200)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        capped.tick(text)
    breathe(capped, 15)
    capped.tick("09:16:00")
    for text, price in (("09:16:05", 50_200), ("09:16:20", 49_800), ("09:16:30", 50_100)):
        capped.print(text, price)
    assert capped.intents(IntentKind.ENTER)[0].limit_price == 50_200


def test_pullback_is_remembered_while_gates_block() -> None:
    """The low of 49,700 during risk-off counts when entries open again."""
    day = broken_day()
    day.index("09:16:21", 267_300)
    day.tick("09:16:22")
    day.print("09:16:23", 49_700)
    day.print("09:16:24", 50_100)
    assert day.intents(IntentKind.ENTER) == []
    day.index("09:16:25", 270_000)
    day.tick("09:16:26")
    day.print("09:16:27", 50_100)
    assert day.intents(IntentKind.ENTER)[0].facts["retest_low"] == 49_700


def test_acceptance_times_out_with_the_clock() -> None:
    """Five minutes after the break is still in time, a second later is not, trades or none."""
    day = broken_day()
    day.tick("09:21:05")
    assert day.path() == WAITING
    day.tick("09:21:06")
    assert day.path() == [*WAITING, "DONE"]
    assert day.reason() == "acceptance_timeout"


def test_held_support_is_required_in_the_strict_profile_only() -> None:
    """A pullback to 48,900 breaks VWAP × 0.998: recorded, or waiting."""
    for required, entries, records in ((False, 1, 1), (True, 0, 0)):
        day = scanned_day(require_held_support={"permissive": required, "strict": True})
        day.print("09:16:05", 50_200)
        day.print("09:16:20", 48_900)
        day.print("09:16:30", 50_100)
        assert len(day.intents(IntentKind.ENTER)) == entries
        assert len(day.would_block("HELD_SUPPORT")) == records


def test_unknown_equity_blocks_entries_until_it_is_known() -> None:
    """Zero equity is unknown, not a size; the setup waits."""
    day = broken_day()
    day.account("09:16:25", 0)
    day.print("09:16:30", 50_100)
    assert day.intents(IntentKind.ENTER) == []
    day.account("09:16:31", 100_000_000)
    day.print("09:16:32", 50_100)
    assert day.intents(IntentKind.ENTER)[0].quantity == 199
    assert gate(day, "equity")[2] == 1


def test_vi_cooldown_keeps_the_setup_waiting() -> None:
    """A volatility interruption blocks for ten minutes but does not end the setup by itself."""
    day = broken_day(accept_timeout_min=20)
    day.send(
        VolatilityInterruption(
            at=at("09:16:25"), symbol=SAMSUNG, active=True, reference_price=50_000
        )
    )
    day.send(VolatilityInterruption(at=1, symbol=Symbol("999999"), active=True, reference_price=1))
    day.print("09:16:30", 50_100)
    assert day.path() == WAITING
    for minute in range(16, 26):
        breathe(day, minute)
        day.tick(f"09:{minute + 1}:00")
    day.print("09:26:24", 50_100)
    assert day.intents(IntentKind.ENTER) == []
    day.print("09:26:25", 50_100)
    assert len(day.intents(IntentKind.ENTER)) == 1


@pytest.mark.parametrize(("reference", "done"), [(46_400, True), (46_500, False)])
def test_vi_wall_ends_the_setup(reference: int, done: bool) -> None:
    """Trigger 50,100 against a reference × 1.1 less ten ticks of 100."""
    day = scanned_day()
    day.print("09:16:05", 50_200, vi_reference=reference)
    day.print("09:16:20", 49_800, vi_reference=reference)
    day.print("09:16:30", 50_100, vi_reference=reference)
    assert (day.reason() == "vi_wall") is done
    assert bool(day.intents(IntentKind.ENTER)) is not done


def test_missing_vi_reference_is_allowed_and_counted() -> None:
    """The frame of an older feed has none."""
    day, _ = submitted_day()
    assert gate(day, "vi_wall") == (0, 0, 1)


@pytest.mark.parametrize(("threshold", "outcome"), [(60, "entry"), (99, "done")])
def test_quality_below_the_threshold_ends_the_setup(threshold: float, outcome: str) -> None:
    """Between the profiles' thresholds the entry passes and is recorded."""
    day = broken_day(quality_min_threshold={"permissive": threshold, "strict": 99.5})
    day.print("09:16:30", 50_100)
    if outcome == "done":
        assert day.reason() == "quality_too_low"
        assert day.intents(IntentKind.ENTER) == []
    else:
        assert len(day.intents(IntentKind.ENTER)) == 1
        assert len(day.would_block("QUALITY_SCORE")) == 1


def test_undefined_quality_keeps_waiting() -> None:
    """With too many components missing there is no score and no entry."""
    day = broken_day(quality={**mapping()["quality"], "missing_max": 0.05})
    day.print("09:16:30", 50_100, bid=0, ask=0)
    assert day.path() == WAITING
    assert gate(day, "quality") == (0, 0, 1)


def test_size_of_zero_ends_the_setup() -> None:
    """Equity too small for one share."""
    day = broken_day(equity=200_000)
    day.print("09:16:30", 50_100)
    assert day.reason() == "size_zero"


def test_first_five_minutes_use_a_third_of_the_opening_value() -> None:
    """A back-filled symbol whose bars begin late has no five minutes yet."""
    day = opened_day()
    other = Symbol("100000")
    day.universe([other], {other: "alone"})
    day.reference(other)
    day.history(other)
    day.baseline(other)
    start = day.session.open_at + 12 * 60 * SECOND
    bars = (
        Bar(start, 49_500, 50_000, 49_400, 49_500, 10_000),
        Bar(start + 60 * SECOND, 49_500, 49_600, 49_000, 49_500, 10_000),
    )
    day.minutes("09:15:00", other, bars)
    day.baseline(other, value=100_000_000)
    day.traded_before(other, 20_000, 990_000_000)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.tick("09:16:00")
    for text, price in (("09:16:05", 50_200), ("09:16:20", 49_800), ("09:16:30", 50_100)):
        day.print(text, price, symbol=other)
    entry = day.intents(IntentKind.ENTER, other)[0]
    assert entry.facts["atr_bars_complete"] is False
    assert entry.hard_stop == 49_450, "50,100 − 1.2 × 1 %, rounded down to 50 won"
    assert entry.facts["liquidity_cap"] == 329, "5 % of 990,000,000 ÷ 3 at 50,100"


def test_sector_holds_two_and_no_more() -> None:
    """Two working entries fill the sector; the third ends, and a free sector is untouched."""
    sectors = {SAMSUNG: "chips", HYNIX: "chips", NAVER: "chips"}
    day = Day()
    day.universe(sectors=sectors)
    for symbol in sectors:
        day.reference(symbol)
        day.history(symbol)
        day.baseline(symbol)
        day.minutes("09:15:00", symbol)
    day.index("09:00:01", 270_000)
    day.index("09:10:00", 271_500)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.tick("09:16:00")
    for text, price in (("09:16:05", 50_200), ("09:16:20", 49_800), ("09:16:30", 50_100)):
        for symbol in sectors:
            day.print(text, price, symbol=symbol)
    assert [len(day.intents(IntentKind.ENTER, symbol)) for symbol in sectors] == [1, 1, 0]
    assert day.reason(NAVER) == "sector_full"


@pytest.mark.parametrize("allowed", [False, True])
def test_unknown_sector_blocks_unless_allowed(allowed: bool) -> None:
    """A symbol without a sector needs to be on the list."""
    day = Day(session(unknown_sector_allowed=[SAMSUNG] if allowed else []))
    day.universe(sectors={HYNIX: "a", NAVER: "b"})
    for symbol in (SAMSUNG, HYNIX, NAVER):
        day.reference(symbol)
        day.history(symbol)
        day.baseline(symbol)
        day.minutes("09:15:00", symbol)
    day.index("09:00:01", 270_000)
    day.index("09:10:00", 271_500)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.tick("09:16:00")
    for text, price in (("09:16:05", 50_200), ("09:16:20", 49_800), ("09:16:30", 50_100)):
        day.print(text, price)
    assert bool(day.intents(IntentKind.ENTER)) is allowed
    assert allowed or day.reason() == "unknown_sector"


# --- what the risk gate and the router make of it ---


def test_approval_arms_and_a_fill_takes_the_position() -> None:
    """WAIT_ACCEPTANCE → ARMED → IN_POSITION, the quantity from the fill."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent, quantity=300)
    assert day.path()[-1] == "ARMED"
    assert day.of(SetupChanged)[-1].facts["approved_quantity"] == 300
    order = day.order("09:16:31", intent)
    day.fill("09:16:32", order, Side.BUY, 100, 50_100)
    assert day.path()[-1] == "IN_POSITION"
    day.close("09:17:01", order, 100)
    assert day.path()[-1] == "IN_POSITION"


def test_rejection_ends_the_setup() -> None:
    """One attempt per symbol and day."""
    day, intent = submitted_day()
    day.reject("09:16:30.5", intent)
    assert day.path()[-1] == "DONE"
    assert day.reason() == "entry_rejected"
    day.print("09:16:40", 50_300)
    assert len(day.intents(IntentKind.ENTER)) == 1


def test_deferral_keeps_waiting_and_asks_again_with_the_next_attempt() -> None:
    """Not at once, and not after the acceptance time."""
    day, intent = submitted_day()
    day.defer("09:16:31", intent)
    assert day.path() == WAITING
    day.print("09:16:35.9", 50_100)
    assert len(day.intents(IntentKind.ENTER)) == 1
    day.print("09:16:36", 50_100)
    second = day.intents(IntentKind.ENTER)[1]
    assert (second.intent_id, second.attempt) == (intent_of("005930-E2"), 2)
    day.defer("09:16:37", second)
    day.tick("09:21:06")
    assert day.reason() == "acceptance_timeout"


def test_intent_too_old_at_a_restart_counts_as_never_submitted() -> None:
    """The setup still waits and the next price may ask again, under a new id."""
    day, intent = submitted_day()
    day.send(IntentExpired(at=at("09:16:40"), intent=intent))
    assert day.path() == WAITING
    day.print("09:16:41", 50_100)
    assert day.intents(IntentKind.ENTER)[1].intent_id == intent_of("005930-E2")


def test_unanswered_intent_lapses_and_a_late_answer_still_counts() -> None:
    """After 30 s without a decision the next attempt may follow; the first one's approval arms."""
    day, intent = submitted_day()
    day.print("09:16:59", 50_100)
    assert len(day.intents(IntentKind.ENTER)) == 1
    day.print("09:17:00", 50_100)
    second = day.intents(IntentKind.ENTER)[1]
    day.reject("09:17:00.5", intent)
    assert day.path() == WAITING, "the first attempt no longer matters"
    day.approve("09:17:01", intent)
    assert day.path()[-1] == "ARMED"
    day.reject("09:17:02", second)
    assert day.path()[-1] == "ARMED"
    order = day.order("09:17:03", second)
    day.close("09:17:04", order, 0)
    assert day.path()[-1] == "ARMED"


def test_undecided_entry_outlives_the_acceptance_time() -> None:
    """A submitted entry is not dropped by the clock before its decision."""
    day = broken_day()
    for minute in range(16, 21):
        breathe(day, minute)
        day.tick(f"09:{minute + 1}:00")
    day.print("09:21:05", 50_100)
    intent = day.intents(IntentKind.ENTER)
    day.tick("09:21:10")
    assert day.path() == WAITING
    day.approve("09:21:11", intent[0])
    assert day.path()[-1] == "ARMED"


def test_unfilled_order_is_a_missed_fill() -> None:
    """The order's end without a share ends the setup."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    order = day.order("09:16:31", intent)
    day.close("09:17:01", order, 0)
    assert day.path()[-1] == "DONE"
    assert day.reason() == "missed_fill"


def test_order_refused_by_the_broker_ends_the_setup() -> None:
    """A rejected order is terminal; a held one is not."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    held = OrderHeld(
        at=at("09:16:31"),
        order_id=day.order("09:16:31", intent),
        cause=1,
        intent_id=intent.intent_id,
        stop_price=50_100,
        expires_at=intent.expires_at,
    )
    day.send(held)
    assert day.path()[-1] == "ARMED"
    day.refuse("09:16:32", held.order_id)
    assert day.reason() == "order_rejected"


def test_filled_close_before_its_fill_waits_for_the_fill() -> None:
    """An order closed as filled is no missed fill even if its fill is seen after."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    order = day.order("09:16:31", intent)
    day.close("09:16:32", order, 399, OrderState.FILLED)
    assert day.path()[-1] == "ARMED"
    day.fill("09:16:33", order, Side.BUY, 399, 50_100)
    assert day.path()[-1] == "IN_POSITION"


def test_late_fill_is_adopted_and_managed() -> None:
    """Shares that arrive after DONE bring the setup back, with its planned stops."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    order = day.order("09:16:31", intent)
    day.close("09:16:40", order, 0)
    day.fill("09:16:41", order, Side.BUY, 100, 50_100)
    assert day.path()[-2:] == ["DONE", "IN_POSITION"]
    assert day.reason() == "late_fill_adopted"
    day.print("09:16:45", 49_850)
    assert day.intents(IntentKind.EXIT)[0].reason == "hard_stop"


def test_approved_entry_without_any_order_lapses_when_the_router_says_so() -> None:
    """While the router is down the entry is still allowed; it ends with its execution."""
    day, intent = submitted_day()
    day.approve("09:16:31", intent)
    day.tick("09:17:10")
    assert day.path()[-1] == "ARMED"
    day.end("09:17:11", intent.intent_id, 0, "expired")
    assert day.reason() == "lapsed_without_order"
    assert day.of(SetupChanged)[-1].facts == {"how": "expired"}


def test_replaced_entry_order_leaves_the_setup_armed() -> None:
    """Between two orders, and during the second, the entry is not over; its end is."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    first = day.order("09:16:31", intent)
    day.close("09:16:34", first, 0, last=False)
    day.tick("09:16:35")
    assert day.path()[-1] == "ARMED"
    second = day.order("09:16:36", intent, ordinal=2)
    day.close("09:16:40", second, 0, last=False)
    assert day.path()[-1] == "ARMED"
    day.end("09:16:41", intent.intent_id, 0, "reprices_used")
    assert day.reason() == "missed_fill"
    assert day.of(SetupChanged)[-1].facts == {"how": "reprices_used"}


def test_entry_order_found_after_its_end_counts_as_working_until_it_is_over() -> None:
    """Refused as not found, adopted late: its sector is taken again, its fill is managed."""
    day, intent = submitted_day()
    own = day.processor._universe.setups[SAMSUNG].entry
    assert own is not None
    day.approve("09:16:30.5", intent)
    order = day.order("09:16:31", intent)
    day.refuse("09:16:32", order, "NOT_FOUND")
    assert day.reason() == "order_rejected"
    assert not own.alive(at("09:16:33"))
    day.send(
        OrderAccepted(
            at=at("09:16:34"), order_id=order, broker_order="1", branch="91252", adopted=True
        )
    )
    assert is_now(own.alive(at("09:20:00")), True)
    day.fill("09:16:35", order, Side.BUY, 399, 50_100)
    day.close("09:16:36", order, 399, OrderState.FILLED)
    assert not own.alive(at("09:16:37"))
    assert day.reason() == "late_fill_adopted"


@pytest.mark.parametrize("answer", ["deferred", "rejected"])
def test_entries_refused_by_a_halt_are_bounded(answer: str) -> None:
    """A trade every half second for ten minutes: five seconds apart at least, five minutes long."""
    day, intent = submitted_day()
    asked = [intent]
    refuse = day.defer if answer == "deferred" else day.reject
    refuse("09:16:30.1", intent, by="halted")
    for half in range(1, 1_200):
        second = 30 + half // 2
        minute = 16 + second // 60
        text = f"09:{minute:02}:{second % 60:02}{'.5' if half % 2 else ''}"
        day.print(text, 50_100)
        if half % 2 == 0:
            day.tick(text)
            if second % 60 == 50:
                breathe(day, minute)
        if (newest := day.intents(IntentKind.ENTER)[-1]) is not asked[-1]:
            asked.append(newest)
            refuse(text, newest, by="halted")
    assert day.path()[-1] == "DONE"
    assert all(later.at - earlier.at >= 5 * SECOND for earlier, later in pairwise(asked))
    assert len(asked) == (1 if answer == "rejected" else 56)


def test_bad_market_cancels_an_armed_entry() -> None:
    """CANCEL_ORDERS, again after ten seconds while the order works, DONE when it ended."""
    day, intent = submitted_day()
    day.approve("09:16:30.5", intent)
    order = day.order("09:16:31", intent)
    day.index("09:16:32", 260_000)
    for text in ("09:16:33", "09:16:34", "09:16:42.9", "09:16:43"):
        day.tick(text)
    cancels = day.intents(IntentKind.CANCEL_ORDERS)
    assert [cancel.intent_id for cancel in cancels] == [
        intent_of("005930-C1"),
        intent_of("005930-C2"),
    ]
    assert cancels[0].reason == "market_closed_entries"
    day.approve("09:16:43.5", cancels[0])
    assert day.path()[-1] == "ARMED"
    day.close("09:16:44", order, 0)
    assert day.path()[-1] == "DONE"


def test_cutoff_ends_watching_and_cancels_before_it_ends_an_armed_setup() -> None:
    """At 10:00 watched setups are done; an armed one first loses its order."""
    day = scanned_day(entry_cutoff="09:16:40")
    for text, price in (("09:16:05", 50_200), ("09:16:20", 49_800), ("09:16:30", 50_100)):
        day.print(text, price)
    intent = day.intents(IntentKind.ENTER)[0]
    day.approve("09:16:31", intent)
    order = day.order("09:16:32", intent)
    day.tick("09:16:39")
    assert day.path(HYNIX) == WATCHING
    day.tick("09:16:40")
    assert day.path(HYNIX) == [*WATCHING, "DONE"]
    assert day.reason(HYNIX) == "entry_cutoff"
    assert day.path()[-1] == "ARMED"
    assert day.intents(IntentKind.CANCEL_ORDERS)[0].reason == "entry_cutoff"
    day.close("09:16:41", order, 0)
    assert day.path()[-1] == "DONE"
    day.print("09:16:42", 50_300, symbol=NAVER)
    assert day.intents(IntentKind.ENTER, NAVER) == []


def test_start_after_the_cutoff_scans_nothing() -> None:
    """A session first seen after 10:00 manages positions only."""
    day = opened_day()
    day.tick("10:00:00")
    assert day.path() == []
    assert day.slots().requests == ()


def test_start_after_the_scan_time_still_waits_for_back_fill() -> None:
    """First clock event at 09:30: the wait of the scan runs from there."""
    day = Day()
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.tick("09:30:00")
    day.tick("09:30:40")
    day.minutes("09:30:41")
    assert day.path() == WATCHING


def test_late_open_moves_the_whole_morning() -> None:
    """On an exam day the range locks at 10:15 and entries end at 11:00."""
    late = date(2025, 11, 13)
    day = Day(
        session(day=late, open_text="10:00:00", auction_text="16:20:00", close_text="16:30:00")
    )
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.tick("09:15:00")
    day.tick("10:14:59")
    day.minutes("10:15:00")
    assert day.path() == []
    day.tick("10:15:00")
    assert day.path() == WATCHING
    day.tick("10:59:59")
    assert day.path() == WATCHING
    day.tick("11:00:00")
    assert day.path() == [*WATCHING, "DONE"]
    day.tick("15:30:00")
    assert day.of(GatesReported) == []
    day.tick("16:30:00", Phase.CLOSED)
    assert len(day.of(GatesReported)) == 1


# --- subscriptions and reporting ---


def test_subscriptions_follow_the_day() -> None:
    """The universe, then candidates by rank, then quotes for the focus, then the working order."""
    day = opened_day()
    before = day.slots()
    assert [(slot.symbol, slot.priority) for slot in before.requests] == [
        (SAMSUNG, SlotPriority.WATCH),
        (HYNIX, SlotPriority.WATCH),
        (NAVER, SlotPriority.WATCH),
    ]
    day.tick("09:15:00")
    assert [(slot.feed, slot.symbol) for slot in day.slots().requests] == [
        (Feed.TRADES, HYNIX),
        (Feed.TRADES, SAMSUNG),
        (Feed.TRADES, NAVER),
    ]
    day.tick("09:15:15")
    day.tick("09:15:30")
    breathe(day, 15)
    day.tick("09:16:00")
    day.print("09:16:05", 50_200)
    day.tick("09:16:06")
    assert (Feed.QUOTES, SAMSUNG, SlotPriority.ARMED) in [
        (slot.feed, slot.symbol, slot.priority) for slot in day.slots().requests
    ]
    day.print("09:16:20", 49_800)
    day.print("09:16:30", 50_100)
    count = len(day.of(SlotsRequested))
    day.approve("09:16:30.1", day.intents(IntentKind.ENTER)[0])
    assert len(day.of(SlotsRequested)) == count + 1, "arming does not wait"
    assert day.slots().requests[0].priority is SlotPriority.WORKING_ORDER
    assert day.slots().ordinal == count + 1


def test_ordinary_subscription_requests_keep_five_seconds_apart() -> None:
    """Two breaks within five seconds are one request more."""
    day = scanned_day()
    day.print("09:16:05", 50_200)
    day.tick("09:16:06")
    count = len(day.of(SlotsRequested))
    day.print("09:16:07", 50_200, symbol=HYNIX)
    day.tick("09:16:08")
    assert len(day.of(SlotsRequested)) == count
    day.tick("09:16:11")
    assert len(day.of(SlotsRequested)) == count + 1


def test_focus_prefers_symbols_near_their_range_high() -> None:
    """With one place the waiting symbol near the high gets the quotes, not the one far below."""
    day = scanned_day(focus_max=1)
    day.print("09:16:05", 50_200)
    day.print("09:16:06", 50_200, symbol=HYNIX)
    day.print("09:16:07", 49_400, symbol=HYNIX)
    day.print("09:16:07", 49_600)
    day.tick("09:16:12")
    quotes = [slot.symbol for slot in day.slots().requests if slot.feed is Feed.QUOTES]
    assert quotes == [SAMSUNG]


def test_after_the_cutoff_only_working_setups_keep_their_slots() -> None:
    """Everything else was done and is released at once."""
    day = scanned_day()
    day.tick("10:00:00")
    assert day.slots().requests == ()


def test_gates_are_reported_once_at_the_close_with_all_intents() -> None:
    """Every gate of the strategy is there, the ones without data included."""
    day, intent = submitted_day()
    report = day.report()
    assert report.intents == (intent.intent_id,)
    assert report.gates["program"].missing > 0
    assert report.gates["size"].passed == 1
    assert report.gates["would_block_REGIME_BREADTH"].passed == 1
    day.tick("15:30:01", Phase.CLOSED)
    assert len(day.of(GatesReported)) == 1


def test_trades_of_symbols_outside_the_day_cost_nothing() -> None:
    """Unknown, rejected and finished symbols are passed over."""
    day = opened_day(scan_top_n=1)
    day.tick("09:15:00")
    assert day.print("09:15:01", 50_000, symbol=Symbol("999999")) == []
    assert day.print("09:15:01", 50_000, symbol=NAVER) == []
    assert day.minutes("09:15:02", Symbol("999999")) == []


def test_prints_before_the_open_are_not_part_of_the_range() -> None:
    """A pre-open print at another price leaves the range as it is."""
    day = Day()
    day.universe([SAMSUNG])
    day.reference()
    day.history()
    day.baseline()
    day.print("08:35:00", 60_000, 10)
    day.tick("09:15:00")
    assert day.path() == []
    day.minutes("09:15:01")
    assert day.of(SetupChanged)[-1].facts["range_high"] == 50_000


def test_news_of_foreign_symbols_and_intents_changes_nothing() -> None:
    """Quotes, references and decisions of others pass by."""
    day, intent = submitted_day()
    foreign = msgspec.structs.replace(intent, intent_id=intent_of("005930-E9"))
    count = len(day.outputs)
    day.approve("09:16:31", foreign)
    day.send(
        QuoteFrame(
            at=at("09:16:31"),
            symbol=Symbol("999999"),
            time=at("09:16:31"),
            ask_prices=(),
            ask_quantities=(),
            bid_prices=(),
            bid_quantities=(),
        )
    )
    assert len(day.outputs) == count
    assert day.path() == WAITING


def test_program_readings_are_counted_and_size_the_entry() -> None:
    """Inflow in both markets: 1.10 in the size, and the gate shows that it was computed."""
    day = broken_day(nav_cap_pct=1.0, entry_expiry_sec=31)
    for text, value in (("09:16:21", 0), ("09:17:01", 10)):
        for market in ("KOSPI", "KOSDAQ"):
            day.program(text, market, value)
    breathe(day, 16)
    day.tick("09:17:02")
    day.print("09:17:03", 50_100)
    entry = day.intents(IntentKind.ENTER)[0]
    assert entry.facts["program_regime"] == "strong_inflow"
    assert entry.facts["time_multiplier"] == 0.988
    base, quality = entry.facts["base"], entry.facts["quality_multiplier"]
    assert (base, quality) == (1_111, 1.5)
    assert entry.quantity == 1_811, "floor(1,111 × 1.5 × 0.988 × 1.10)"
    assert gate(day, "program")[0] > 0


def test_processor_owns_its_outputs_only() -> None:
    """Other strategies' events on the same topics are not its own."""
    day, intent = submitted_day()
    assert all(day.processor.owns(output) for output in day.outputs)
    assert not day.processor.owns(IntentExpired(at=1, intent=intent))
    foreign = msgspec.structs.replace(intent, strategy=StrategyId("KPR"))
    assert not day.processor.owns(foreign)
    for purpose in ("S1", "L2", "W1"):
        guards = msgspec.structs.replace(intent, intent_id=intent_of(f"005930-{purpose}"))
        assert not day.processor.owns(guards), "the guard's, on KMP's behalf"
    assert day.processor.name == "kmp"
    assert day.processor.outputs == ("trading.intent.*", "signal.slots", "ops.KMP")
    for topic in ("trading.order.*", "trading.execution.*", "trading.control"):
        assert topic in day.processor.inputs


def test_illegal_step_is_an_error() -> None:
    """The table of transitions is the whole machine."""
    assert set(TRANSITIONS) == set(State)
    error = IllegalTransition("005930", State.PENDING_EXIT, State.IN_POSITION)
    assert "PENDING_EXIT" in str(error)
    assert State.IN_POSITION not in TRANSITIONS[State.PENDING_EXIT]
    opened = session()
    desk = Desk(opened, settings())
    setup = Setup(SAMSUNG, Tape(opened.open_at, opened.open_at, desk.settings))
    with pytest.raises(IllegalTransition):
        desk.move(setup, State.ARMED, "never")
    assert desk.outputs == []
