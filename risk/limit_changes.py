"""Changes of limits at run time: what they make of the configuration, and what is in force then.

An override names a limit by its dotted key in ``oms.yaml`` and gives the value to be in force,
whichever profile is. What always holds: settings with overrides have passed the same rules as a
configuration file, or nothing of the change is in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from risk.errors import SettingsError, SettingsMalformed
from risk.settings import Profile, RiskSettings, limits_in_force, load_settings
from risk.validation import STRICTER_WHEN_LARGER

Override = int | float | str | None
"""A value of a limit; ``None`` stands for that of the file."""

_PROFILE: Final = "profile"
_BOTH: Final = {"standard", "conservative"}
_UNITS: Final = (
    ("five_minute_share_pct", "fraction of five minutes' turnover"),
    ("_pct", "fraction of equity"),
    ("_bps", "basis points"),
    ("_sec", "seconds"),
    ("_won", "won"),
    ("_per_second", "orders per second"),
    ("_symbol_minute", "orders per minute"),
    ("_positions_count", "symbols"),
    (".max_positions", "symbols"),
)
"""How the name of a limit ends, and in which unit it is."""


class LimitInForce(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: its dotted key, the value in force and where that is from.

    ``source`` is ``override``, or the column of the file: ``standard``, ``conservative`` or
    ``file`` for a value without columns.
    """

    key: str
    value: object
    unit: str
    source: str


class ChangingLimits:
    """The limits of one session: those of its configuration with the overrides that hold."""

    def __init__(self, settings: RiskSettings, carried: Mapping[str, Override]) -> None:
        """Put what an opening carries in force.

        When the configuration excludes it, the configuration alone is in force and ``problem`` says
        why: exits must be decided whatever became of the limits. The overrides stand all the same,
        and hold as soon as a change makes them sound.
        """
        self._settings = settings
        self.problem = ""
        self.overrides: dict[str, Override] = combined({}, carried)
        try:
            changed = settings_with(settings, self.overrides)
        except SettingsError as error:
            self.problem = f"limits carried into the session are not in force: {error}"
            changed = settings
        self.in_force = limits_in_force(changed)

    def change(self, changes: Mapping[str, Override]) -> None:
        """Put a change in force as a whole.

        Raises:
            SettingsError: it cannot be; what held before goes on.
        """
        overrides = validate_change(self._settings, self.overrides, changes)
        self.in_force = limits_in_force(settings_with(self._settings, overrides))
        self.overrides = overrides


def combined(
    overrides: Mapping[str, Override], changes: Mapping[str, Override]
) -> dict[str, Override]:
    """Return the overrides that hold after a change; ``None`` takes one away."""
    merged = {**overrides, **changes}
    return {key: merged[key] for key in sorted(merged) if merged[key] is not None}


def settings_with(settings: RiskSettings, overrides: Mapping[str, Override]) -> RiskSettings:
    """Return the settings of a file with overrides put in force, validated as a whole.

    Of a limit with two columns the one in force is replaced. A standard value that becomes the
    stricter one takes the conservative value along, which may not be looser; a conservative value
    looser than the standard one is refused.

    Raises:
        SettingsMalformed: a key that is not a limit, or a value of the wrong type.
        SettingsContradiction: values exclude each other or nothing could pass.
        CheckDisabled: a value switches a check off.
    """
    mapping = msgspec.to_builtins(settings)
    profile = overrides.get(_PROFILE, settings.profile.value)
    if profile not in tuple(Profile):
        raise SettingsMalformed(
            _PROFILE, f"{profile!r} is no profile", f"use one of {', '.join(Profile)}"
        )
    for key, value in overrides.items():
        if value is not None:
            _replace(mapping, key, value, str(profile))
    return load_settings(mapping)


def validate_change(
    settings: RiskSettings, overrides: Mapping[str, Override], changes: Mapping[str, Override]
) -> dict[str, Override]:
    """Return the overrides after a change that the gate will put in force.

    ``settings`` are those of the session's configuration, ``overrides`` what holds before.

    Raises:
        SettingsError: the gate would refuse the change; the message says why.
    """
    if not changes:
        raise SettingsMalformed("changes", "no limit is named", "name at least one dotted key")
    for key in changes:
        _place(msgspec.to_builtins(settings), key)
    after = combined(overrides, changes)
    settings_with(settings, after)
    return after


def limits_listed(
    settings: RiskSettings, overrides: Mapping[str, Override]
) -> tuple[LimitInForce, ...]:
    """Return every limit in force, in the order of the file.

    Raises:
        SettingsError: the overrides cannot be put in force.
    """
    changed = settings_with(settings, overrides)
    found: list[LimitInForce] = []
    _list(msgspec.to_builtins(changed), "", changed.profile.value, overrides, found)
    return tuple(found)


def _replace(mapping: dict[str, object], key: str, value: Override, profile: str) -> None:
    section, name = _place(mapping, key)
    node = section[name]
    if not _is_dial(node):
        section[name] = value
        return
    assert isinstance(node, dict)
    node[profile] = value
    if profile == Profile.STANDARD and _looser(name, node["conservative"], value):
        node["conservative"] = value


def _looser(name: str, conservative: object, standard: Override) -> bool:
    if not isinstance(standard, int | float):
        return False
    if conservative is None:
        return True
    if not isinstance(conservative, int | float):
        return False
    if name in STRICTER_WHEN_LARGER:
        return conservative < standard
    return conservative > standard


def _place(mapping: dict[str, object], key: str) -> tuple[dict[str, object], str]:
    """Return the section that holds a limit and the limit's name in it."""
    *parents, name = key.split(".")
    section: object = mapping
    for parent in parents:
        section = section.get(parent) if isinstance(section, dict) else None
    if not isinstance(section, dict) or name not in section or _is_dial(section):
        raise SettingsMalformed(
            key, "is no limit", "name a key of deploy/config/oms.yaml, without its column"
        )
    node = section[name]
    if isinstance(node, tuple) or (isinstance(node, dict) and not _is_dial(node)):
        raise SettingsMalformed(
            key, "is a section or a list", "name one limit; lists change in the file only"
        )
    return section, name


def _is_dial(node: object) -> bool:
    return isinstance(node, dict) and set(node) == _BOTH


def _list(
    section: Mapping[str, object],
    prefix: str,
    profile: str,
    overrides: Mapping[str, Override],
    found: list[LimitInForce],
) -> None:
    for name, node in section.items():
        key = f"{prefix}{name}"
        if isinstance(node, dict) and not _is_dial(node):
            _list(node, f"{key}.", profile, overrides, found)
            continue
        value, source = node, "file"
        if isinstance(node, dict):
            value, source = node[profile], profile
        if overrides.get(key) is not None:
            source = "override"
        found.append(LimitInForce(key=key, value=value, unit=_unit(key), source=source))


def _unit(key: str) -> str:
    if key.startswith("regime_exposure_caps."):
        return "fraction of equity"
    return next((unit for ending, unit in _UNITS if key.endswith(ending)), "")
