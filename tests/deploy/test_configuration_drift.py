"""Settings that differ are named with both values."""

from __future__ import annotations

from deploy.configuration_drift import drifts


def test_equal_settings_have_no_drift() -> None:
    """The order of keys does not matter."""
    assert drifts({"kmp": '{"a":1,"b":{"c":[1,2]}}'}, {"kmp": '{"b":{"c":[1,2]},"a":1}'}, 1) == []


def test_a_changed_setting_is_named_with_both_values() -> None:
    """Nested keys are written as a path."""
    (found,) = drifts(
        {"kmp": '{"a":1,"b":{"c":2}}', "oms": "{}"}, {"kmp": '{"a":1,"b":{"c":3}}', "oms": "{}"}, 7
    )
    assert (found.key, found.logged, found.file, found.sequence) == ("kmp.b.c", 2, 3, 7)


def test_a_key_that_only_one_side_has_is_a_drift() -> None:
    """Added, removed, and a whole service that was not there."""
    found = drifts({"kmp": '{"a":1}'}, {"kmp": '{"b":1}', "oms": '{"x":true}'}, 1)
    assert [(drift.key, drift.logged, drift.file) for drift in found] == [
        ("kmp.a", 1, None),
        ("kmp.b", None, 1),
        ("oms.x", None, True),
    ]
