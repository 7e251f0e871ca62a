"""Limits at run time: a change holds as a whole or not at all, over sessions, until put back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.control import HaltTripped, LimitsChanged, LimitsRefused
from events.trading import IntentRejected, Side
from risk import SettingsError, limits_listed, load_settings, validate_change
from risk.limit_changes import settings_with
from risk.settings import limits_in_force
from tests.risk.scenario import (
    CONFIGURATION,
    KMP,
    KPR,
    SECOND,
    A,
    B,
    C,
    Day,
    configuration,
    made,
    session,
    stopped_by,
)

SHIPPED = load_settings(CONFIGURATION)


def refusal(day: Day) -> str:
    """Return why the newest change of limits was refused."""
    refused = day.controls[-1]
    assert isinstance(refused, LimitsRefused)
    assert isinstance(day.log[refused.cause - 1], LimitsChanged)
    return refused.reason


def test_a_changed_limit_holds_for_the_next_entry() -> None:
    """15 % of 100 million won in one symbol become 5 %, and 15 % again when it is put back."""
    day = Day()
    day.change_limits(risk__max_position_pct=0.05)
    assert getattr(day.enter(900), "quantity", None) == 500
    day.change_limits(risk__max_position_pct=None)
    assert getattr(day.enter(1_600, symbol=C), "quantity", None) == 1_500
    assert day.controls == []


def test_changes_add_up_and_the_newest_value_of_a_limit_holds() -> None:
    """Each change leaves the other limits as they are in force."""
    day = Day()
    day.change_limits(risk__max_position_pct=0.05)
    day.change_limits(risk__max_spread_bps=10, risk__max_position_pct=0.10)
    decision = day.enter(1_200)
    assert made(decision, "symbol_exposure").limit == 0.10
    assert made(decision, "spread").limit == 10


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"risk.max_position_pct": 0.5}, "does not stay within risk.max_sector_pct 0.3"),
        ({"risk.max_position_pct": 0}, "0.0 lets no entry pass"),
        ({"risk.max_position_pct": "many"}, "risk.max_position_pct.standard: Expected `float`"),
        ({"risk.max_positions_count": 101}, "can never be exceeded"),
        ({"risk.surprise": 1}, "risk.surprise: is no limit"),
        ({"risk.surprise": None}, "risk.surprise: is no limit"),
        ({"risk.max_position_pct.standard": 0.1}, "is no limit; name a key"),
        ({"risk": 1}, "risk: is a section or a list"),
        ({"entry_phases": "closed"}, "entry_phases: is a section or a list"),
        ({"profile": "reckless"}, "'reckless' is no profile; use one of standard, conservative"),
        ({"risk.max_spread_bps": 20, "risk.max_sector_pct": 0.95}, "risk.max_gross_exposure_pct"),
        ({"risk.daily_loss_flatten_pct": 0.05}, "does not lie beyond risk.daily_loss_halt_pct"),
        ({}, "no limit is named"),
    ],
)
def test_a_change_that_cannot_hold_is_refused_whole_with_its_reason(
    changes: dict[str, Any], says: str
) -> None:
    """What was in force goes on, the sound part of the change included."""
    day = Day()
    day.change_limits(risk__max_position_pct=0.10)
    day.change_limits(**changes)
    assert says in refusal(day)
    decision = day.enter(1_200)
    assert made(decision, "symbol_exposure").limit == 0.10
    assert made(decision, "spread").limit == 50
    with pytest.raises(SettingsError) as refused:
        validate_change(SHIPPED, {"risk.max_position_pct": 0.10}, changes)
    assert str(refused.value) == refusal(day)


def test_one_word_switches_the_profile_while_the_session_runs() -> None:
    """Every limit takes its stricter column, but for those that were changed."""
    day = Day()
    day.change_limits(risk__max_spread_bps=20, profile="conservative")
    decision = day.enter(1)
    assert made(decision, "gross_exposure").limit == 0.8
    assert made(decision, "strategy_positions").limit == 4
    assert made(decision, "spread").limit == 20
    day.change_limits(profile=None)
    assert made(day.enter(1, symbol=B), "gross_exposure").limit == 0.9


def test_a_limit_loosened_under_the_standard_profile_is_no_conservative_one() -> None:
    """The switch is refused until the limit is put back, which one change can do."""
    day = Day()
    day.change_limits(risk__max_position_pct=0.20)
    day.change_limits(profile="conservative")
    assert "risk.max_position_pct.conservative: 0.2 is looser than the standard" in refusal(day)
    day.change_limits(profile="conservative", risk__max_position_pct=None)
    assert made(day.enter(1), "symbol_exposure").limit == 0.15


def test_a_tighter_standard_value_takes_the_conservative_one_along() -> None:
    """The conservative column may not be looser, and the operator named the one in force."""
    changed = settings_with(SHIPPED, {"risk.max_position_pct": 0.05, "risk.vi_cooldown_sec": 900})
    assert changed.risk.max_position_pct.conservative == 0.05
    assert changed.risk.vi_cooldown_sec.conservative == 900


def test_a_lower_level_of_loss_trips_at_once() -> None:
    """The loss is measured when the limit changes, not with the next price."""
    day = Day()
    entry = day.enter(100)
    day.fill(entry, Side.BUY, 100, fee=2_000_000)
    assert day.trips() == []
    day.change_limits(risk__daily_loss_warn_pct=0.01)
    assert day.trips() == [("daily_loss_warn", "*", "no_entries")]


def test_the_third_level_of_loss_can_be_switched_on_for_the_session() -> None:
    """It is off in the shipped file."""
    day = Day()
    day.change_limits(risk__daily_loss_flatten_pct=0.06)
    entry = day.enter(100)
    day.fill(entry, Side.BUY, 100, fee=6_000_000)
    assert day.trips() == [("daily_loss_flatten", "*", "flatten")]


def test_a_changed_rate_counts_the_orders_of_before() -> None:
    """Three orders in the last second are too many for a limit of three, not for one of four."""
    day = Day()
    for symbol in (A, B, C):
        assert stopped_by(day.enter(1, symbol=symbol)) is None
    day.change_limits(risk__max_orders_per_second=3)
    assert made(day.enter(1, strategy=KPR), "order_rate").value == 3
    assert stopped_by(day.decisions[-1]) == "order_rate"
    day.change_limits(risk__max_orders_per_second=4)
    assert made(day.enter(1, strategy=KPR), "order_rate").value == 3
    assert stopped_by(day.decisions[-1]) != "order_rate"


def test_how_long_an_order_may_be_unknown_can_be_changed_while_it_is() -> None:
    """The clock asks with the limit in force."""
    day = Day()
    day.lose(day.order(day.enter(1), Side.BUY, 1))
    day.change_limits(risk__unknown_order_stop_sec=5)
    day.tick(seconds=5)
    assert day.trips()[-1] == ("unknown_order_stop", "*", "no_entries")


def test_an_opening_carries_changed_limits_into_the_session() -> None:
    """They hold from the first entry on and can be put back to the file's."""
    day = Day(session(limits={"risk.max_position_pct": 0.05}))
    assert made(day.enter(900), "symbol_exposure").limit == 0.05
    day.change_limits(risk__max_position_pct=None)
    assert made(day.enter(1, symbol=B), "symbol_exposure").limit == 0.15


def test_limits_that_the_new_configuration_excludes_close_entries_and_never_exits() -> None:
    """The gate runs on its file, says so with its first words, and an operator has to decide."""
    settings = configuration(max_sector_pct=0.15)
    day = Day(session(settings=settings, limits={"risk.max_position_pct": 0.2}))
    refused, tripped = day.derived[:2]
    assert isinstance(refused, LimitsRefused)
    assert "limits carried into the session are not in force" in refused.reason
    assert isinstance(tripped, HaltTripped)
    assert tripped.rule == "carried_limits"
    assert isinstance(day.enter(1), IntentRejected)
    day.release()
    assert made(day.enter(1), "symbol_exposure").limit == 0.15


def test_limits_that_were_carried_in_vain_hold_once_a_change_makes_them_sound() -> None:
    """What the command line lists and what the gate holds are the same again."""
    settings = configuration(max_sector_pct=0.15)
    carried: dict[str, int | float | str | None] = {
        "risk.max_position_pct": 0.2,
        "risk.max_spread_bps": 20,
    }
    day = Day(session(settings=settings, limits=carried))
    day.release()
    day.change_limits(risk__max_price_age_sec=1)
    assert "risk.max_position_pct.standard: 0.2 does not stay within" in refusal(day)
    day.change_limits(risk__max_position_pct=None)
    decision = day.enter(1)
    assert made(decision, "symbol_exposure").limit == 0.15
    assert made(decision, "spread").limit == 20


def test_the_limits_in_force_are_listed_with_unit_and_source() -> None:
    """In the order of the file, and for a changed one its value."""
    listed = limits_listed(SHIPPED, {"risk.max_position_pct": 0.1})
    found = {limit.key: (limit.value, limit.unit, limit.source) for limit in listed}
    assert listed[0].key == "profile"
    assert found["profile"] == ("standard", "", "file")
    assert found["risk.max_position_pct"] == (0.1, "fraction of equity", "override")
    assert found["risk.max_sector_pct"] == (0.3, "fraction of equity", "standard")
    assert found["risk.daily_loss_flatten_pct"] == (None, "fraction of equity", "standard")
    assert found["risk.max_orders_per_second"] == (10, "orders per second", "standard")
    assert found["regime_exposure_caps.crisis"] == (0.2, "fraction of equity", "file")
    assert found["strategy_budgets.KMP.max_positions"] == (8, "symbols", "standard")
    assert found["strategy_budgets.KMP.entry_lock_sec"] == (90, "seconds", "file")
    assert found["entry_phases"] == (("continuous", "closing_auction"), "", "file")


def test_a_sound_change_is_validated_to_what_holds_after_it() -> None:
    """The command line says beforehand what the gate will do."""
    before = {"risk.max_position_pct": 0.1, "risk.max_spread_bps": 20}
    assert validate_change(
        SHIPPED, before, {"risk.max_spread_bps": None, "profile": "standard"}
    ) == {
        "profile": "standard",
        "risk.max_position_pct": 0.1,
    }


KEYS = [limit.key for limit in limits_listed(SHIPPED, {})]
CHANGES = st.dictionaries(
    st.sampled_from([*KEYS, "risk", "nothing"]),
    st.none() | st.sampled_from([0.0, 0.05, 0.3, 1, 9, 100, 10**9, "standard", "conservative"]),
    max_size=3,
)


@given(st.lists(CHANGES, max_size=8))
def test_whatever_is_asked_the_limits_in_force_are_sound(
    changes: list[dict[str, int | float | str | None]],
) -> None:
    """A refused change leaves what was validated before, byte for byte."""
    day = Day()
    overrides: dict[str, int | float | str | None] = {}
    for change in changes:
        refused = len(day.controls)
        day.change_limits(**change)
        try:
            overrides = validate_change(SHIPPED, overrides, change)
        except SettingsError:
            refused += 1
        assert sum(isinstance(c, LimitsRefused) for c in day.controls) == refused
    expected = limits_in_force(settings_with(SHIPPED, overrides))
    decision = day.enter(1, strategy=KMP)
    if stopped_by(decision) is None:
        assert made(decision, "symbol_exposure").limit == expected.max_position
        assert made(decision, "account_positions").limit == expected.max_positions
        assert made(decision, "price_known").note == "last trade 0.0 s ago"


def test_time_and_rates_are_in_the_units_of_the_checks() -> None:
    """Seconds become nanoseconds."""
    changed = limits_in_force(settings_with(SHIPPED, {"risk.vi_cooldown_sec": 700}))
    assert changed.vi_cooldown == 700 * SECOND
