"""KMP's rules one by one, each on both sides of its threshold, without a processor."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.identifiers import Symbol
from events.market import Aggressor as Side
from events.market import Bar, IndexLevel, ProgramFlow, QuoteFrame, Trade
from strategies.indicators import MINUTE
from strategies.kmp import acceptance, gates, scan, sizing
from strategies.kmp.daily import Baseline, daily_facts, day_number
from strategies.kmp.exits import ExitReason, kept_share, price_exit, raised_trail
from strategies.kmp.opening_range import OpeningRange, range_accepted
from strategies.kmp.regime import MarketRegime, ProgramRegime, program_multiplier
from strategies.kmp.tape import Tape
from tests.strategies.days import SAMSUNG, SECOND, at, daily_bars, is_now, settings

RULES = settings()
OPEN = at("09:00:00")
LOCK = at("09:15:00")


# --- daily facts ---


def test_trend_anchor_needs_sixty_bars_and_an_uptrend() -> None:
    """Rising closes are a trend, 59 of them are unknown, falling ones are none."""
    rising = daily_facts(daily_bars(60), RULES)
    assert rising is not None
    assert rising.trend_ok
    assert rising.previous_close == 48_500
    assert rising.last_day == day_number(OPEN) - 1
    assert daily_facts(daily_bars(59), RULES) is None
    falling = daily_facts(daily_bars(60, step=-100), RULES)
    assert falling is not None
    assert not falling.trend_ok


def test_trend_anchor_wants_the_close_above_the_fast_average() -> None:
    """A last close under SMA20 breaks the trend although the averages still rise."""
    bars = daily_bars(61)
    weak = (*bars[:-1], Bar(bars[-1].start, 1, 1, 1, 47_000, 1_000_000))
    facts = daily_facts(weak, RULES)
    assert facts is not None
    assert not facts.trend_ok


def test_approximate_baselines_are_medians_over_the_last_days() -> None:
    """Volume × 0.08 at the close for the opening value, volume × 0.20 ÷ 60 for the minute."""
    facts = daily_facts(daily_bars(60, last_close=10_000, step=0, volume=600_000), RULES)
    assert facts is not None
    assert facts.opening_value == pytest.approx(10_000 * 600_000 * 0.08)
    assert facts.minute_volume == pytest.approx(2_000)


# --- opening range and scan ---


def bars(*ranges: tuple[int, int, int, int]) -> list[Bar]:
    """Return bars (minute, high, low, volume) that close at their low."""
    return [
        Bar(OPEN + minute * MINUTE, low, high, low, low, volume)
        for minute, high, low, volume in ranges
    ]


def opening(*ranges: tuple[int, int, int, int]) -> OpeningRange:
    """Return an opening range of such bars."""
    found = OpeningRange(OPEN, LOCK)
    for bar in bars(*ranges):
        found.add(bar)
    return found


def test_opening_range_ends_with_the_lock() -> None:
    """The minute 09:14 belongs to it, 09:15 and anything before the open do not."""
    found = opening((-1, 9_999, 1, 1), (0, 110, 100, 5), (14, 120, 105, 7), (15, 999, 1, 1))
    assert (found.open, found.high, found.low) == (100, 120, 100)
    assert found.value == 100 * 5 + 105 * 7
    assert found.width == pytest.approx(20 / 110)
    assert OpeningRange(OPEN, LOCK).width is None


def test_back_fill_replaces_the_opening_range_up_to_its_last_bar() -> None:
    """Earlier minutes are forgotten; a minute completed after the back-filled ones stays."""
    found = opening((0, 500, 400, 1), (3, 112, 99, 2))
    found.rebuild(bars((0, 110, 100, 5), (1, 108, 95, 5)))
    assert (found.open, found.high, found.low) == (100, 112, 95)
    assert found.value == 100 * 5 + 95 * 5 + 99 * 2
    found.rebuild(bars((0, 110, 100, 5), (3, 109, 98, 5)))
    assert (found.high, found.low) == (110, 98)


def test_range_width_bounds_are_inclusive() -> None:
    """1.2 % and 7 % are just inside."""
    assert range_accepted(0.012, 0.012, 0.07)
    assert range_accepted(0.07, 0.012, 0.07)
    assert not range_accepted(0.0119, 0.012, 0.07)
    assert not range_accepted(0.0701, 0.012, 0.07)


def test_surge_is_value_over_baseline_and_unknown_without_either() -> None:
    """Three times the usual value is exactly enough."""
    found = opening((0, 110, 100, 30))
    surge = scan.surge_of(found, Baseline(1_000, 1, "recorded"))
    assert surge == 3.0
    assert scan.surge_passes(3.0, RULES)
    assert not scan.surge_passes(2.999, RULES)
    assert scan.surge_of(found, None) is None
    assert scan.surge_of(found, Baseline(0, 1, "recorded")) is None
    assert scan.surge_of(OpeningRange(OPEN, LOCK), Baseline(1_000, 1, "recorded")) is None


def test_gap_counts_up_and_down() -> None:
    """Five per cent either way is too much, a little less is not."""
    facts = daily_facts(daily_bars(60, last_close=10_000, step=10), RULES)
    assert facts is not None
    assert scan.gap_of(opening((0, 10_100, 10_050, 1)), facts) == pytest.approx(0.005)
    assert scan.gap_of(OpeningRange(OPEN, LOCK), facts) is None
    assert not scan.gap_passes(0.05, RULES)
    assert not scan.gap_passes(-0.05, RULES)
    assert scan.gap_passes(0.0499, RULES)
    assert scan.gap_passes(-0.0499, RULES)


def test_ranking_is_by_value_then_symbol_and_keeps_the_top() -> None:
    """Ties never depend on the order of arrival."""
    found = [
        scan.Candidate(Symbol(name), 3.0, 0.0, value)
        for name, value in (("000003", 5), ("000002", 9), ("000001", 5), ("000004", 1))
    ]
    assert [each.symbol for each in scan.ranked(found, 3)] == ["000002", "000001", "000003"]


# --- gates of an entry ---


def test_minutes_since_the_first_entry_are_clamped() -> None:
    """0 before 09:17, 44 at most."""
    start = at("09:16:00")
    assert gates.minutes_since(start, at("09:15:30"), RULES) == 0
    assert gates.minutes_since(start, at("09:16:59"), RULES) == 0
    assert gates.minutes_since(start, at("09:26:00"), RULES) == 10
    assert gates.minutes_since(start, at("10:30:00"), RULES) == 44


def test_required_surge_rises_with_time() -> None:
    """A surge of 3.3 lasts ten minutes at the permissive slope."""
    assert gates.required_surge(0.03, 10, RULES) == pytest.approx(3.3)
    assert gates.required_surge(0.04, 10, RULES) == pytest.approx(3.4)


def test_relative_volume_is_unknown_without_a_minute_or_a_baseline() -> None:
    """A quiet minute is zero, an unseen one is unknown."""
    assert gates.relative_volume(2_000, 1_000) == 2.0
    assert gates.relative_volume(0, 1_000) == 0.0
    assert gates.relative_volume(None, 1_000) is None
    assert gates.relative_volume(2_000, 0) is None


def test_vi_wall_stands_ten_ticks_under_the_band() -> None:
    """Reference 50,000: band 55,000, wall 54,000 with ticks of 100."""
    assert gates.inside_vi_wall(54_000, 50_000, 100, RULES)
    assert not gates.inside_vi_wall(53_900, 50_000, 100, RULES)


def test_acceptance_is_a_pullback_and_a_reclaim() -> None:
    """Both are strict: touching the range high is neither."""
    assert acceptance.accepted(50_100, 50_000, 49_950)
    assert not acceptance.accepted(50_100, 50_000, 50_000)
    assert not acceptance.accepted(50_000, 50_000, 49_900)


def test_support_is_the_lower_of_vwap_and_range_high() -> None:
    """Less 0.2 %."""
    assert acceptance.support_level(49_500, 50_000, 0.998) == pytest.approx(49_401)
    assert acceptance.support_level(51_000, 50_000, 0.998) == pytest.approx(49_900)


# --- market ---


def level(text: str, value: int, index: str = "KOSPI") -> IndexLevel:
    """Return an index level; the previous close is 2,700.00."""
    return IndexLevel(
        at=at(text),
        index=index,
        time=at(text),
        centipoints=value,
        previous_close_centipoints=270_000,
    )


def test_risk_off_begins_one_per_cent_down_and_stays_known() -> None:
    """Exactly −1 % is risk-off; without any level it is unknown, not false."""
    regime = MarketRegime(RULES, OPEN)
    assert is_now(regime.risk_off, None)
    assert is_now(regime.index_change, None)
    regime.observe_index(level("09:01:00", 267_301))
    assert is_now(regime.risk_off, False)
    regime.observe_index(level("09:02:00", 267_300))
    assert is_now(regime.risk_off, True)
    assert regime.index_change == pytest.approx(-0.01)


def test_other_indices_and_levels_before_the_open_do_not_count() -> None:
    """The first level that counts is the first after the open."""
    regime = MarketRegime(RULES, OPEN)
    regime.observe_index(level("08:59:59", 200_000))
    regime.observe_index(level("09:01:00", 200_000, "KOSDAQ"))
    assert is_now(regime.risk_off, None)


def read(regime: MarketRegime, *counts: int) -> None:
    """Give breadth readings 15 seconds apart from 09:15."""
    for number, count in enumerate(counts):
        regime.read_breadth(count, LOCK + number * 15 * SECOND)


def test_chop_needs_three_readings_and_both_conditions() -> None:
    """A still index with all readings under eight is chop; one of eight, or movement, is not."""
    regime = MarketRegime(RULES, OPEN)
    regime.observe_index(level("09:01:00", 270_000))
    regime.observe_index(level("09:02:00", 271_079))
    read(regime, 7, 7)
    assert is_now(regime.chop, None)
    read(regime, 7, 7, 7)
    assert is_now(regime.chop, True)
    regime.read_breadth(8, LOCK + 60 * SECOND)
    assert is_now(regime.chop, False)
    moving = MarketRegime(RULES, OPEN)
    moving.observe_index(level("09:01:00", 270_000))
    moving.observe_index(level("09:02:00", 271_080))
    read(moving, 7, 7, 7)
    assert moving.index_range == pytest.approx(0.004)
    assert is_now(moving.chop, False)


def test_an_index_that_begins_to_move_is_chop_no_more() -> None:
    """At once, without another breadth reading."""
    regime = MarketRegime(RULES, OPEN)
    regime.observe_index(level("09:01:00", 270_000))
    read(regime, 7, 7, 7)
    assert is_now(regime.chop, True)
    regime.observe_index(level("09:16:00", 271_080))
    assert is_now(regime.chop, False)


def test_breadth_readings_keep_their_distance() -> None:
    """Readings of every second are one reading per 15 seconds; the count itself is current."""
    regime = MarketRegime(RULES, OPEN)
    regime.observe_index(level("09:01:00", 270_000))
    for second in range(30):
        regime.read_breadth(second, LOCK + second * SECOND)
    assert regime.breadth == 29
    assert is_now(regime.chop, None)
    regime.read_breadth(3, LOCK + 30 * SECOND)
    assert is_now(regime.chop, False), "readings 0, 15 and 3: one of them is eight or more"


def test_market_opens_entries_only_when_everything_is_known_and_good() -> None:
    """Two leading candidates are enough, one is not; unknown is closed."""
    regime = MarketRegime(RULES, OPEN)
    now = LOCK + 45 * SECOND
    assert is_now(regime.breadth_ok, None)
    assert not regime.judge(now)
    regime.observe_index(level("09:01:00", 270_000))
    regime.observe_index(level("09:15:00", 272_000))
    read(regime, 2, 2, 2)
    assert regime.judge(now)
    regime.read_breadth(1, LOCK + 40 * SECOND)
    assert is_now(regime.breadth_ok, False)
    assert not regime.judge(now)
    strict = MarketRegime(settings(profile="conservative"), OPEN)
    read(strict, 7)
    assert is_now(strict.breadth_ok, False)
    read(strict, 8)
    assert is_now(strict.breadth_ok, True)


def test_index_of_more_than_a_minute_ago_closes_entries_and_still_serves_exits() -> None:
    """Sixty seconds are recent, one nanosecond more is not; risk-off keeps its last answer."""
    regime = MarketRegime(RULES, OPEN)
    regime.observe_index(level("09:01:00", 270_000))
    regime.observe_index(level("09:15:00", 272_000))
    read(regime, 2, 2, 2)
    assert regime.judge(LOCK + 60 * SECOND)
    assert not regime.judge(LOCK + 60 * SECOND + 1)
    assert is_now(regime.risk_off, False)


def flow(text: str, market: str, value: int) -> ProgramFlow:
    """Return a market's cumulative net program buying."""
    return ProgramFlow(at=at(text), market=market, time=at(text), cumulative_net_value=value)


def programs(kospi: tuple[int, ...], kosdaq: tuple[int, ...]) -> MarketRegime:
    """Return a regime with one reading a minute from 09:01 of both markets."""
    regime = MarketRegime(RULES, OPEN)
    for minute, values in enumerate(zip(kospi, kosdaq, strict=True), start=1):
        for market, value in zip(("KOSPI", "KOSDAQ"), values, strict=True):
            regime.observe_program(
                flow(f"09:{minute:02}:00", market, value), at(f"09:{minute:02}:00")
            )
    return regime


def test_program_regime_is_the_agreement_of_both_markets() -> None:
    """Both buying is inflow, both selling is outflow - a fall is no reset - else mixed."""
    now = at("09:03:00")
    assert programs((0, 5, 9), (0, 1, 2)).program(now) is ProgramRegime.STRONG_INFLOW
    assert programs((9, 5, 1), (3, 2, -7)).program(now) is ProgramRegime.OUTFLOW
    assert programs((9, 5, 1), (0, 1, 2)).program(now) is ProgramRegime.MIXED
    # EWMA: -10 first, then 0.35 × 100 + 0.65 × −10 = 28.5.
    assert programs((0, -10, 90), (0, 1, 2)).program(now) is ProgramRegime.STRONG_INFLOW


def test_program_regime_is_unknown_without_two_readings_or_when_stale() -> None:
    """One reading has no change; three polls without news are too old; others do not count."""
    assert programs((1,), (1,)).program(at("09:01:00")) is None
    regime = programs((0, 5), (0, 5))
    assert regime.program(at("09:05:00")) is ProgramRegime.STRONG_INFLOW
    assert regime.program(at("09:05:00") + 1) is None
    regime.observe_program(flow("09:05:01", "NXT", 7), at("09:05:01"))
    assert regime.program(at("09:05:01")) is None


def test_program_readings_inside_one_poll_period_count_once() -> None:
    """A streamed value is sampled per minute, so the trend has one time scale."""
    regime = programs((0, 5), (0, 5))
    for market in ("KOSPI", "KOSDAQ"):
        regime.observe_program(flow("09:02:30", market, -1_000), at("09:02:30"))
    assert regime.program(at("09:02:30")) is ProgramRegime.STRONG_INFLOW


def test_program_multipliers() -> None:
    """1.10, 1.00 and 0.85; unknown counts as mixed."""
    found = [program_multiplier(each, RULES) for each in (*ProgramRegime, None)]
    assert found == [1.10, 1.00, 0.85, 1.00]


# --- size ---


def test_size_of_the_worked_example() -> None:
    """E 100,000,000, range high 50,000, pullback 49,800, ten minutes: base 1,111, NAV cap 399."""
    found = sizing.size(
        RULES,
        equity=100_000_000,
        trigger=50_100,
        structure_stop=49_650,
        quality=1.0,
        minutes=10,
        program=1.0,
        recent_value=1e12,
    )
    assert found.base == 1_111
    assert found.time_multiplier == pytest.approx(0.88)
    assert found.nav_cap == 399
    assert found.quantity == 399
    uncapped = sizing.size(
        settings(nav_cap_pct=1.0),
        equity=100_000_000,
        trigger=50_100,
        structure_stop=49_650,
        quality=1.0,
        minutes=10,
        program=1.0,
        recent_value=1e12,
    )
    assert uncapped.quantity == 977


def test_size_is_capped_by_recent_value() -> None:
    """Five per cent of 100 million won in five minutes are 99 shares of 50,100."""
    found = sizing.size(
        RULES,
        equity=100_000_000,
        trigger=50_100,
        structure_stop=49_650,
        quality=1.0,
        minutes=0,
        program=1.0,
        recent_value=100_000_000,
    )
    assert (found.liquidity_cap, found.quantity) == (99, 99)


def test_size_decays_to_its_floor() -> None:
    """1 − 0.012 × minutes, never below 0.45."""
    assert sizing.time_multiplier(0, RULES) == 1.0
    assert sizing.time_multiplier(10, RULES) == pytest.approx(0.88)
    assert sizing.time_multiplier(44, RULES) == pytest.approx(0.472)
    assert sizing.time_multiplier(46, RULES) == 0.45


def score(**changes: object) -> sizing.Score:
    """Return the score of a middling setup with some inputs changed."""
    inputs: dict[str, object] = {
        "excess_surge": 1.0,
        "excess_rvol": 1.0,
        "imbalance": 0.1,
        "spread_pct": 0.002,
        "pullback": 0.004,
        "breadth": 7,
        "chop": False,
    }
    return sizing.quality_score(RULES.quality, **(inputs | changes))  # type: ignore[arg-type]  # built from a mapping


def test_quality_score_adds_its_components() -> None:
    """10 + 10 + 10 + 9 + 8.4 + 0 + 15 = 62.4."""
    found = score()
    assert found.value == pytest.approx(62.4)
    assert found.components == pytest.approx(
        {
            "surge": 10,
            "rvol": 10,
            "imbalance": 10,
            "spread": 9,
            "cleanliness": 8.4,
            "breadth": 0,
            "chop": 15,
        }
    )


@pytest.mark.parametrize(
    ("changes", "total"),
    [
        ({"excess_surge": 9.0}, 72.4),
        ({"excess_surge": -1.0}, 52.4),
        ({"excess_rvol": 5.0}, 67.4),
        ({"imbalance": 1.0}, 67.4),
        ({"imbalance": -0.2}, 52.4),
        ({"spread_pct": 0.03}, 53.4),
        ({"pullback": 0.05}, 54.0),
        ({"breadth": 8}, 77.4),
        ({"chop": True}, 47.4),
    ],
)
def test_each_quality_component_is_clamped(changes: dict[str, object], total: float) -> None:
    """A component gives at most its points and never less than none."""
    assert score(**changes).value == pytest.approx(total)


def test_quality_without_some_inputs_is_scaled_and_without_many_undefined() -> None:
    """Missing spread: 53.4 of 90. Missing 40 points still count, 45 do not."""
    assert score(spread_pct=None).value == pytest.approx(53.4 / 90 * 100)
    assert score(spread_pct=None, breadth=None, chop=None).value is not None
    found = score(excess_rvol=None, breadth=None, chop=None)
    assert found.value is None
    assert found.components["rvol"] is None


def test_quality_multiplier_steps() -> None:
    """Below 30 nothing (conservative: 40), below 60 half, below 80 full, else one and a half."""
    quality = RULES.quality
    steps = [29.9, 30, 59.9, 60, 79.9, 80]
    assert [sizing.quality_multiplier(value, 30, quality) for value in steps] == [
        0.0, 0.5, 0.5, 1.0, 1.0, 1.5,
    ]  # fmt: skip
    assert sizing.quality_multiplier(39.9, 40, quality) == 0.0


@given(
    equity=st.integers(1, 10**12),
    trigger=st.integers(1_000, 1_000_000),
    distance=st.integers(1, 900),
    quality=st.sampled_from([0.5, 1.0, 1.5]),
    minutes=st.integers(0, 44),
    recent=st.integers(0, 10**12),
)
def test_size_never_exceeds_a_cap_and_is_never_negative(
    *, equity: int, trigger: int, distance: int, quality: float, minutes: int, recent: int
) -> None:
    """Whatever the inputs, the position fits its share of equity and of the traded value."""
    found = sizing.size(
        RULES,
        equity=equity,
        trigger=trigger,
        structure_stop=trigger - distance,
        quality=quality,
        minutes=minutes,
        program=1.1,
        recent_value=recent,
    )
    assert found.quantity >= 0
    assert found.quantity * trigger <= equity * RULES.nav_cap_pct
    assert found.quantity * trigger <= recent * RULES.liq_cap_pct_5m_value


# --- exits ---


def exit_of(
    price: int, held: int = 0, trail: int | None = None, vwap: float | None = 49_000.0
) -> ExitReason | None:
    """Return the exit of a position entered at 50,100: hard stop 49,850, structure stop 49,650."""
    return price_exit(
        RULES,
        price=price,
        entry=50_100,
        held=held,
        hard_stop=49_600,
        structure_stop=49_650,
        range_high=50_000,
        vwap=vwap,
        trail=trail,
    )


def test_stops_include_their_own_price() -> None:
    """The hard stop is asked first; the structure stop protects from the first second."""
    assert exit_of(49_600) is ExitReason.HARD_STOP
    assert exit_of(49_601) is ExitReason.STRUCTURE_STOP
    assert exit_of(49_650) is ExitReason.STRUCTURE_STOP
    assert exit_of(49_651) is None


def test_acceptance_failure_is_below_range_high_and_vwap_early_on() -> None:
    """Strictly below both, within fifteen minutes; without a VWAP the rule is silent."""
    early, late = 15 * MINUTE - 1, 15 * MINUTE
    assert exit_of(49_999, vwap=50_000.0) is ExitReason.ACCEPTANCE_FAILURE
    assert exit_of(50_000, vwap=50_100.0) is None
    assert exit_of(49_999, vwap=49_999.0) is None
    assert exit_of(49_999, vwap=None) is None
    assert exit_of(49_999, early, vwap=50_000.0) is ExitReason.ACCEPTANCE_FAILURE
    assert exit_of(49_999, late, vwap=50_000.0) is ExitReason.STALL_SCRATCH


def test_stall_begins_after_eight_minutes_below_half_r() -> None:
    """r is 450 won: 50,325 is exactly half of it and not a stall."""
    assert exit_of(50_324, 8 * MINUTE) is ExitReason.STALL_SCRATCH
    assert exit_of(50_324, 8 * MINUTE - 1) is None
    assert exit_of(50_325, 8 * MINUTE) is None


def test_trailing_stop_includes_the_trail() -> None:
    """Price at the trail is out."""
    assert exit_of(50_600, trail=50_600) is ExitReason.TRAILING_STOP
    assert exit_of(50_601, trail=50_600) is None


def test_trail_keeps_half_the_gain_then_more() -> None:
    """0.5 for fifteen minutes, then up to 0.75; at least 0.7 while defensive."""
    assert kept_share(0, RULES, defensive=False) == 0.5
    assert kept_share(15 * MINUTE, RULES, defensive=False) == 0.5
    assert kept_share(25 * MINUTE, RULES, defensive=False) == pytest.approx(0.667)
    assert kept_share(60 * MINUTE, RULES, defensive=False) == 0.75
    assert kept_share(0, RULES, defensive=True) == 0.7
    assert kept_share(60 * MINUTE, RULES, defensive=True) == 0.75


def test_trail_begins_above_entry_and_never_falls() -> None:
    """It starts at the structure stop at least, and a smaller share later changes nothing."""

    def trail(old: int | None, best: int, keep: float) -> int | None:
        return raised_trail(old, entry=50_100, best=best, keep=keep, structure_stop=50_120)

    assert trail(None, 50_100, 0.5) is None
    assert trail(None, 50_110, 0.5) == 50_120
    assert trail(None, 51_100, 0.5) == 50_600
    assert trail(50_800, 51_100, 0.5) == 50_800


@given(st.lists(st.tuples(st.integers(40_000, 60_000), st.booleans()), max_size=50))
def test_trail_is_monotonic(steps: list[tuple[int, bool]]) -> None:
    """Whatever prices and moods come, the trail only rises and stays under the best price."""
    trail: int | None = None
    best = 0
    for minute, (price, defensive) in enumerate(steps):
        best = max(best, price)
        keep = kept_share(minute * MINUTE, RULES, defensive=defensive)
        raised = raised_trail(trail, entry=50_000, best=best, keep=keep, structure_stop=49_000)
        if raised is not None:
            assert raised >= (trail or 0)
            assert raised <= best
        trail = raised


# --- tape ---


def tape() -> Tape:
    """Return an empty tape."""
    return Tape(OPEN, LOCK, RULES)


def tick(
    text: str,
    price: int = 50_000,
    cumulative: int = 0,
    reference: int = 0,
    *,
    auction: bool = False,
) -> Trade:
    """Return a trade of ten shares."""
    return Trade(
        time=at(text),
        price=price,
        quantity=10,
        aggressor=Side.NONE,
        cumulative_volume=cumulative,
        cumulative_value=cumulative * price,
        best_ask=0,
        best_bid=0,
        vi_reference=reference,
        auction=auction,
    )


def test_tape_ignores_prints_before_the_open() -> None:
    """They belong to another session."""
    found = tape()
    assert not found.add(tick("08:59:59"), OPEN)
    assert found.price == 0
    assert not found.streamed


@pytest.mark.parametrize(
    ("text", "cumulative", "auction", "covers"),
    [
        ("09:00:59", 99, True, True),
        ("09:00:59", 99, False, False),
        ("09:01:00", 99, True, False),
        ("09:05:00", 10, False, True),
        ("09:05:00", 0, False, False),
    ],
)
def test_tape_knows_whether_it_reaches_back_to_the_open(
    *, text: str, cumulative: int, auction: bool, covers: bool
) -> None:
    """First seen: the opening auction, or the first trade of the day by its cumulative volume."""
    found = tape()
    found.add(tick(text, cumulative=cumulative, auction=auction), at(text))
    assert found.covers_open is covers


def test_hole_in_the_trades_opens_the_range_again() -> None:
    """20 shares after 10 follow; 40 after 20 do not: ten shares were never seen."""
    found = tape()
    for text, cumulative in (("09:00:30", 10), ("09:03:00", 20)):
        found.add(tick(text, cumulative=cumulative), at(text))
    assert found.covers_open
    found.add(tick("09:08:00", cumulative=40), at("09:08:00"))
    assert not is_now(found.covers_open, True)
    found.add(tick("09:08:01", cumulative=50), at("09:08:01"))
    assert not is_now(found.covers_open, True)


def test_hole_that_spans_the_lock_counts_and_a_later_one_does_not() -> None:
    """Trades lost between 09:14:59 and 09:15:03 may belong to the range, later ones cannot."""
    for last, covers in (("09:14:59", False), ("09:15:00", True)):
        found = tape()
        found.add(tick("09:00:30", cumulative=10), at("09:00:30"))
        found.add(tick(last, cumulative=20), at(last))
        found.add(tick("09:15:03", cumulative=40), at("09:15:03"))
        assert found.covers_open is covers


def minute_bars(last: int, volume: int = 10) -> list[Bar]:
    """Return the bars of the minutes up to ``last``."""
    return bars(*((minute, 110, 100, volume) for minute in range(last + 1)))


def test_back_fill_before_the_lock_needs_trades_that_follow_it() -> None:
    """Bars to 09:03 and trades since 09:03:50 are whole; trades since 09:05:10 leave a minute."""
    for first, covers in (("09:03:50", True), ("09:05:10", False)):
        found = tape()
        found.add(tick(first, cumulative=500), at(first))
        found.backfill(minute_bars(3), complete=False)
        assert found.covers_open is covers


def test_trades_may_follow_a_back_fill_without_a_hole() -> None:
    """After 40 back-filled shares the first trade counts 50: the range is whole to the open."""
    for cumulative, covers in ((50, True), (51, False)):
        found = tape()
        found.backfill(minute_bars(3), complete=False)
        assert not is_now(found.covers_open, True)
        found.add(tick("09:06:00", cumulative=cumulative), at("09:06:00"))
        assert found.covers_open is covers


def test_settled_range_is_not_opened_by_a_later_hole() -> None:
    """What the broker's chart said after the lock stands, whatever the stream misses next."""
    found = tape()
    found.backfill(minute_bars(14), complete=True)
    found.add(tick("09:15:20", cumulative=900), at("09:15:20"))
    assert found.covers_open


def test_minutes_around_a_hole_have_no_volume() -> None:
    """Relative volume is unknown in a minute of which trades were lost, not small."""
    found = tape()
    found.add(tick("09:00:30", cumulative=10), at("09:00:30"))
    found.add(tick("09:16:30", cumulative=900), at("09:16:30"))
    found.roll(17)
    assert found.bars.last_minute_volume(17) is None
    found.add(tick("09:17:30", cumulative=910), at("09:17:30"))
    found.roll(18)
    assert found.bars.last_minute_volume(18) == 10
    late = tape()
    late.add(tick("09:16:30", cumulative=900), at("09:16:30"))
    late.backfill(minute_bars(13), complete=True)
    late.roll(17)
    assert late.bars.last_minute_volume(16) is None
    assert late.bars.last_minute_volume(17) is None


def test_book_serves_where_a_trade_has_no_bid_and_ask() -> None:
    """A trade's own sides win; without them the last quote tells the spread."""
    found = tape()
    found.quote(
        QuoteFrame(
            at=OPEN,
            symbol=SAMSUNG,
            time=OPEN,
            ask_prices=(50_300,),
            ask_quantities=(1,),
            bid_prices=(50_000,),
            bid_quantities=(1,),
        )
    )
    found.add(tick("09:00:01", cumulative=10), at("09:00:01"))
    assert found.spread == 300
    with_sides = msgspec.structs.replace(
        tick("09:00:02", cumulative=20), best_bid=50_000, best_ask=50_100
    )
    found.add(with_sides, at("09:00:02"))
    assert found.spread == 100


def test_spread_needs_both_sides_uncrossed() -> None:
    """An empty side or a crossed book is unknown, a locked one has no width."""
    found = tape()
    assert is_now(found.spread, None)
    assert is_now(found.spread_pct, None)

    def quote(bids: tuple[int, ...], asks: tuple[int, ...]) -> None:
        found.quote(
            QuoteFrame(
                at=OPEN,
                symbol=SAMSUNG,
                time=OPEN,
                ask_prices=asks,
                ask_quantities=(1,) * len(asks),
                bid_prices=bids,
                bid_quantities=(1,) * len(bids),
            )
        )

    quote((49_900,), (50_100,))
    assert found.spread == 200
    assert found.spread_pct == pytest.approx(0.004)
    quote((), (50_100,))
    assert is_now(found.spread, None)
    quote((50_200,), (50_100,))
    assert is_now(found.spread, None)
    quote((50_100,), (50_100,))
    assert found.spread == 0
    quote((50_100,), ())
    assert is_now(found.spread, None)


def test_vi_event_is_a_change_of_reference_after_the_opening_price() -> None:
    """The first reference and the step to the opening price are none; a later change is."""
    found = tape()
    found.add(tick("09:00:00", 50_500, reference=50_000), at("09:00:00"))
    found.add(tick("09:01:00", 50_600, reference=50_500), at("09:01:00"))
    assert found.vi_until == 0
    found.add(tick("09:02:00", 50_600, reference=0), at("09:02:00"))
    assert found.vi_reference == 50_500
    found.add(tick("09:03:00", 55_000, reference=55_000), at("09:03:00"))
    assert found.vi_until == at("09:13:00")
