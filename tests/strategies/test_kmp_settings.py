"""KMP's configuration: complete, typed, free of contradictions, both profiles side by side."""

from __future__ import annotations

import json

import msgspec
import pytest

from events.trading import Horizon
from strategies import ConfigurationMissing, InvalidSettings, kmp_from_session
from strategies.kmp import KmpSettings, Profile, load_settings, parse_settings
from strategies.kmp.bounds import BOUNDS, QUALITY_BOUNDS
from strategies.kmp.settings import Switch
from tests.strategies.days import CONFIG, mapping, session, settings

SWITCHES = {
    "or_range_max": (0.07, 0.055),
    "min_surge_slope": (0.03, 0.04),
    "enable_rvol_hard_gate": (False, True),
    "require_held_support": (False, True),
    "regime_breadth_min": (2, 8),
    "quality_min_threshold": (30.0, 40.0),
}


def test_shipped_configuration_loads_and_round_trips_through_the_session() -> None:
    """The YAML becomes settings, the settings become JSON, the JSON the same settings."""
    loaded = settings()
    assert (loaded.id, loaded.horizon) == ("KMP", Horizon.INTRADAY)
    assert loaded.capital_allocation_pct == 0.5
    assert parse_settings(msgspec.json.encode(loaded).decode()) == loaded
    assert parse_settings(json.dumps(mapping())) == loaded


def test_every_switch_has_its_strict_value_and_the_profile_chooses() -> None:
    """No switch can be declared with one value; conservative mode puts all strict ones in force."""
    permissive, strict = settings(), settings(profile="conservative")
    found = {
        field.name: getattr(permissive, field.name)
        for field in msgspec.structs.fields(KmpSettings)
        if isinstance(getattr(permissive, field.name), Switch)
    }
    assert {name: (switch.permissive, switch.strict) for name, switch in found.items()} == SWITCHES
    for switch in found.values():
        assert permissive.of(switch) == switch.permissive
        assert strict.of(switch) == switch.strict
        assert switch.permissive != switch.strict
    assert strict.profile is Profile.CONSERVATIVE


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_switch_without_strict_value_is_refused(name: str) -> None:
    """A switch that conservative mode would not restore cannot be configured."""
    with pytest.raises(InvalidSettings) as refused:
        settings(**{name: {"permissive": SWITCHES[name][0]}})
    assert refused.value.key == name
    assert "strict" in str(refused.value)


def test_every_key_of_the_file_is_explained() -> None:
    """Each line with a key carries a comment, or its parent key does."""
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    keys = [line for line in lines if line and not line.startswith(("#", " "))]
    assert [line for line in keys if "#" not in line] == []
    assert {line.partition(":")[0] for line in keys} == {
        field.name for field in msgspec.structs.fields(KmpSettings)
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scan_time", "09:14:00"),
        ("entry_start", "09:15:10"),
        ("flat_deadline", "14:00:00"),
        ("or_range_max", {"permissive": 0.01, "strict": 0.055}),
        ("or_range_max", {"permissive": 0.07, "strict": 0.012}),
        ("capital_allocation_pct", 1.5),
        ("nav_cap_pct", 0),
        ("base_risk_pct", 0.5),
        ("structure_stop_factor", 1.0),
        ("size_decay_floor", 0),
        ("ewma_alpha", 0),
        ("scan_top_n", 0),
        ("max_per_sector", 0),
        ("trend_bars_min", 59),
        ("program_markets", []),
        ("exit_backoff_sec", []),
        ("exit_backoff_sec", [3, 0]),
        ("trail_keep_extra_max", 0.5),
        ("focus_max", "ten"),
        ("id", "K M P"),
        ("id", ""),
        ("entry_expiry_sec", 0),
        ("exit_expiry_sec", -1),
        ("entry_expiry_sec", 3_601),
        ("atr_bars", 0),
        ("hard_stop_atr_mult", 0),
        ("program_inflow_multiplier", 0),
        ("breadth_readings", 0),
        ("index_stale_sec", 0),
        ("index_name", ""),
        ("spread_max_pct", 0.4),
        ("spread_max_pct", float("nan")),
        ("limit_spread_mult", float("inf")),
        ("gap_skip", 5.0),
        ("risk_off_pct", 0),
        ("risk_off_pct", 1.0),
        ("excluded_status_codes", []),
        ("excluded_status_codes", [""]),
        ("trend_slow_days", 19),
        ("or_range_max", {"permissive": 0.05, "strict": 0.055}),
        ("min_surge_slope", {"permissive": 0.04, "strict": 0.03}),
        ("regime_breadth_min", {"permissive": 8, "strict": 2}),
        ("quality_min_threshold", {"permissive": 40, "strict": 30}),
        ("enable_rvol_hard_gate", {"permissive": True, "strict": False}),
        ("require_held_support", {"permissive": True, "strict": False}),
        ("or_lock_time", 33_300),
    ],
)
def test_contradiction_names_its_key(key: str, value: object) -> None:
    """Times out of order, impossible ratios and wrong types are refused by key."""
    with pytest.raises(InvalidSettings) as refused:
        settings(**{key: value})
    assert refused.value.key == key
    assert str(refused.value).startswith(f"configuration key {key}: ")


def test_bad_value_in_a_switch_or_under_quality_is_named_with_its_place() -> None:
    """The message says which of the two values, what it is, and what it may be."""
    with pytest.raises(InvalidSettings) as switch:
        settings(quality_min_threshold={"permissive": 30, "strict": 101})
    assert str(switch.value) == (
        "configuration key quality_min_threshold.strict: 101 makes no sense, it must be "
        "at least 0 and at most 100; correct deploy/config/kmp.yaml"
    )
    with pytest.raises(InvalidSettings) as weight:
        settings(quality={**mapping()["quality"], "half_multiplier": 0})
    assert weight.value.key == "quality.half_multiplier"


def test_every_number_of_the_configuration_has_bounds() -> None:
    """A new figure cannot be added without saying what makes sense."""
    loaded = settings()

    def numbers(owner: msgspec.Struct) -> set[str]:
        found = set()
        for field in msgspec.structs.fields(owner):
            value = getattr(owner, field.name)
            value = value.strict if isinstance(value, Switch) else value
            if isinstance(value, int | float) and not isinstance(value, bool):
                found.add(field.name)
        return found

    assert numbers(loaded) == set(BOUNDS)
    assert numbers(loaded.quality) == set(QUALITY_BOUNDS)


def test_candidates_and_focus_must_fit_one_session() -> None:
    """39 registrations are all there are; one more is refused with both figures."""
    assert settings(scan_top_n=29).scan_top_n == 29
    with pytest.raises(InvalidSettings) as refused:
        settings(scan_top_n=30)
    assert str(refused.value) == (
        "configuration key scan_top_n: 30 candidates and focus_max 10 need 40 market-data "
        "registrations, a session has 39; lower scan_top_n or focus_max"
    )


def test_quality_points_must_sum_to_a_hundred() -> None:
    """The score is a percentage; its steps must rise."""
    quality = mapping()["quality"]
    with pytest.raises(InvalidSettings, match="sum to 100, not 105"):
        settings(quality={**quality, "rvol_points": 20})
    with pytest.raises(InvalidSettings) as refused:
        settings(quality={**quality, "half_below": 90})
    assert refused.value.key == "quality.full_below"


def test_unknown_and_missing_keys_are_refused_by_name() -> None:
    """A misspelt key is never silently ignored, and there is no default to fall back on."""
    with pytest.raises(InvalidSettings) as unknown:
        settings(scan_topn=40)
    assert unknown.value.key == "scan_topn"
    incomplete = mapping()
    del incomplete["rvol_min"]
    with pytest.raises(InvalidSettings) as missing:
        load_settings(incomplete)
    assert missing.value.key == "rvol_min"


def test_text_that_is_no_json_object_is_refused() -> None:
    """A broken configuration in the session stops the strategy before the first decision."""
    for text in ("[", "[]"):
        with pytest.raises(InvalidSettings) as refused:
            parse_settings(text)
        assert refused.value.key == "kmp"


def test_session_without_configuration_is_refused() -> None:
    """The error lists what the session has."""
    opened = session()
    other = msgspec.structs.replace(opened, configuration={"oms": "{}"})
    with pytest.raises(ConfigurationMissing, match="it has oms"):
        kmp_from_session(other)
    with pytest.raises(ConfigurationMissing, match="it has none"):
        kmp_from_session(msgspec.structs.replace(opened, configuration={}))
