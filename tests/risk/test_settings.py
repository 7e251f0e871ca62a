"""Settings: what is read, what is refused and what is in force."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import msgspec
import pytest

from events.signal import Regime
from risk import (
    CheckDisabled,
    SessionWithoutSettings,
    SettingsContradiction,
    SettingsError,
    SettingsMalformed,
    gate_from_session,
    load_settings,
)
from risk.settings import limits_in_force
from tests.risk.scenario import CONFIGURATION, KMP, KPR, NULRIMOK, PCIM, session

SECOND = 1_000_000_000


FLATTEN_AT_HALT = {"standard": 0.05, "conservative": 0.04}
LOOSER = {"standard": 0.07, "conservative": 0.08}


def changed(path: str, value: object) -> dict[str, Any]:
    """Return the shipped configuration with one value replaced, or removed by ``...``."""
    copy = deepcopy(CONFIGURATION)
    *parents, last = path.split(".")
    section: dict[str, Any] = copy
    for parent in parents:
        section = section[parent]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return copy


def test_the_shipped_standard_profile_holds_the_documented_values() -> None:
    """The standard column is in force unless the profile says otherwise."""
    limits = limits_in_force(load_settings(CONFIGURATION))
    assert (limits.daily_loss_warn, limits.daily_loss_halt) == (0.03, 0.05)
    assert limits.daily_loss_flatten is None
    assert limits.max_positions == 15
    assert (limits.max_gross_exposure, limits.max_position, limits.max_sector) == (0.9, 0.15, 0.3)
    assert limits.max_spread_bps == 50
    assert limits.max_price_age == 3 * SECOND
    assert limits.vi_cooldown == 600 * SECOND
    assert limits.regime_caps == {
        Regime.CRISIS: 0.2,
        Regime.WEAK: 0.5,
        Regime.NORMAL: 0.8,
        Regime.STRONG: 1.0,
    }
    assert {name: budget.max_positions for name, budget in limits.budgets.items()} == {
        KMP: 8,
        KPR: 5,
        NULRIMOK: 5,
        PCIM: 8,
    }
    assert {budget.max_risk for budget in limits.budgets.values()} == {0.025}
    assert {name: budget.entry_lock for name, budget in limits.budgets.items()} == {
        KMP: 90 * SECOND,
        KPR: 180 * SECOND,
        NULRIMOK: 60 * SECOND,
        PCIM: 300 * SECOND,
    }


def test_the_conservative_profile_puts_the_stricter_column_in_force() -> None:
    """One word switches every limit that has two values."""
    limits = limits_in_force(load_settings(changed("profile", "conservative")))
    assert (limits.daily_loss_warn, limits.daily_loss_halt) == (0.02, 0.03)
    assert limits.max_positions == 10
    assert limits.max_price_age == 2 * SECOND
    assert limits.max_gross_exposure == 0.8
    assert limits.budgets[KMP].max_positions == 4
    assert limits.budgets[KPR].max_positions == 3
    assert limits.budgets[KPR].max_risk == 0.015


def test_settings_survive_being_written_to_the_log() -> None:
    """What the session carries as JSON is read back as the same settings."""
    settings = load_settings(CONFIGURATION)
    text = msgspec.json.encode(settings)
    assert load_settings(msgspec.json.decode(text)) == settings


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("risk.max_net_exposure_pct", 0.7, "risk"),
        ("risk.max_position_pct", ..., "risk"),
        ("risk.max_positions_count", {"standard": "many", "conservative": 1}, "risk"),
        ("strategy_budgets.KMP.capital_allocation_pct", 0.5, "strategy_budgets"),
        ("profile", "reckless", "profile"),
        ("surprise", 1, "(top level)"),
    ],
)
def test_a_malformed_configuration_is_refused_with_its_key(
    path: str, value: object, key: str
) -> None:
    """Unknown keys, missing keys and wrong types name where they stand and what to do."""
    with pytest.raises(SettingsMalformed, match=r"oms\.yaml") as refused:
        load_settings(changed(path, value))
    assert refused.value.key.startswith(key)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("risk.daily_loss_warn_pct.standard", 0.05, "risk.daily_loss_warn_pct.standard"),
        ("risk.daily_loss_warn_pct.conservative", 0.03, "risk.daily_loss_warn_pct.conservative"),
        ("risk.max_position_pct.standard", 0.31, "risk.max_position_pct.standard"),
        ("risk.max_sector_pct.standard", 0.91, "risk.max_sector_pct.standard"),
        ("risk.max_positions_count.standard", 0, "risk.max_positions_count.standard"),
        ("risk.max_positions_count.conservative", 16, "risk.max_positions_count.conservative"),
        ("risk.max_price_age_sec.standard", 0, "risk.max_price_age_sec.standard"),
        ("risk.max_price_age_sec.conservative", 3.5, "risk.max_price_age_sec.conservative"),
        ("risk.vi_cooldown_sec.conservative", 599, "risk.vi_cooldown_sec.conservative"),
        ("regime_exposure_caps.weak", 0.1, "regime_exposure_caps.weak"),
        ("regime_exposure_caps.crisis", 0.0, "regime_exposure_caps.crisis"),
        ("strategy_budgets.KMP.max_risk_pct.conservative", 0.03, "strategy_budgets.KMP"),
        ("strategy_budgets", {}, "strategy_budgets"),
        ("entry_phases", [], "entry_phases"),
        ("risk.daily_loss_flatten_pct", FLATTEN_AT_HALT, "risk.daily_loss_flatten_pct.standard"),
        ("risk.daily_loss_flatten_pct.standard", 0.07, "risk.daily_loss_flatten_pct.conservative"),
        ("risk.daily_loss_flatten_pct", LOOSER, "risk.daily_loss_flatten_pct.conservative"),
    ],
)
def test_contradictory_values_are_refused_with_the_key(path: str, value: object, key: str) -> None:
    """Two values that cannot both be meant, or one that nothing passes."""
    with pytest.raises(SettingsContradiction) as refused:
        load_settings(changed(path, value))
    assert refused.value.key.startswith(key)
    assert refused.value.remedy in str(refused.value)


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("risk.max_gross_exposure_pct.standard", 1.01, "risk.max_gross_exposure_pct.standard"),
        ("risk.daily_loss_halt_pct.standard", 1.0, "risk.daily_loss_halt_pct.standard"),
        ("risk.daily_loss_halt_pct.standard", float("nan"), "risk.daily_loss_halt_pct.standard"),
        ("risk.daily_loss_flatten_pct.conservative", 1.0, "risk.daily_loss_flatten_pct"),
        ("risk.max_spread_bps.standard", 6_001, "risk.max_spread_bps.standard"),
        ("risk.max_price_age_sec.standard", 61, "risk.max_price_age_sec.standard"),
        ("risk.max_orders_per_second.standard", 21, "risk.max_orders_per_second.standard"),
        ("strategy_budgets.KPR.max_positions.standard", 16, "strategy_budgets.KPR.max_positions"),
        ("strategy_budgets.KPR.max_risk_pct.standard", 0.16, "strategy_budgets.KPR.max_risk_pct"),
        ("strategy_budgets.KPR.entry_lock_sec", 0, "strategy_budgets.KPR.entry_lock_sec"),
        ("regime_exposure_caps.normal", ..., "regime_exposure_caps.normal"),
        ("entry_phases", ["continuous", "closed"], "entry_phases"),
        ("sectors", ..., "sectors"),
        ("sectors.unknown", "allow", "sectors.unknown"),
    ],
)
def test_a_value_that_switches_a_check_off_is_refused(path: str, value: object, key: str) -> None:
    """A limit that can never refuse is none, nor is a sector limit without a policy."""
    with pytest.raises(CheckDisabled) as refused:
        load_settings(changed(path, value))
    assert refused.value.key.startswith(key)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("risk.max_position_pct.standard", 0.3),
        ("risk.daily_loss_flatten_pct.conservative", 0.04),
        ("risk.daily_loss_flatten_pct", {"standard": 0.06, "conservative": 0.06}),
        ("risk.max_gross_exposure_pct.standard", 1.0),
        ("regime_exposure_caps.weak", 0.2),
        ("strategy_budgets.KPR.entry_lock_sec", 1),
        ("strategy_budgets.KPR.max_positions.standard", 15),
    ],
)
def test_values_at_their_bounds_are_accepted(path: str, value: object) -> None:
    """Equal limits, equal caps, one second: odd perhaps, but no contradiction."""
    load_settings(changed(path, value))


def test_an_inverted_order_in_the_other_profile_is_refused_too() -> None:
    """The profile not in force must be usable as well."""
    wrong = changed("risk.max_gross_exposure_pct.conservative", 0.2)
    with pytest.raises(SettingsContradiction, match=r"max_sector_pct\.conservative"):
        load_settings(wrong)


def test_a_session_without_the_gates_settings_is_refused() -> None:
    """No limits, no gate."""
    opened = msgspec.structs.replace(session(), configuration={"kmp": "{}"})
    with pytest.raises(SessionWithoutSettings, match="20250915"):
        gate_from_session(opened)


def test_settings_that_are_no_json_object_are_refused() -> None:
    """Broken text in the opening books is a typed error."""
    opened = msgspec.structs.replace(session(), configuration={"oms": "[1"})
    with pytest.raises(SettingsError, match="JSON object"):
        gate_from_session(opened)
