"""Settings of the guard. They have defaults: protection does not depend on being configured."""

from __future__ import annotations

from typing import Final

import msgspec

from events.market import SessionOpened
from risk.errors import SettingsContradiction, SettingsMalformed

SERVICE: Final = "guard"
"""Name of the guard as a service, and of its settings in the opening books."""


class GuardSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Times of the guard, all in seconds of the log's clock.

    ``exit_backoff_sec`` are the waits after the first, second … sale that left shares over, and
    ``withdraw_backoff_sec`` those between requests to withdraw an order that still works; the last
    one repeats. A trade older than ``price_max_age_sec`` when it arrives sets no stop off. A stop
    without a fresh trade for ``silent_after_sec`` is reported. ``intent_lifetime_sec`` is how
    late an intent may still be submitted after the guard was down.
    """

    exit_backoff_sec: tuple[int, ...] = (1, 2, 5, 10, 30)
    withdraw_backoff_sec: tuple[int, ...] = (5, 10, 30, 60)
    price_max_age_sec: int = 30
    silent_after_sec: int = 300
    intent_lifetime_sec: int = 30


def settings_of(session: SessionOpened) -> GuardSettings:
    """Return the guard's settings in the opening books, the defaults when the books have none.

    Raises:
        SettingsMalformed: no valid JSON, an unknown key or a wrong type.
        SettingsContradiction: a time below one second, or no wait at all.
    """
    text = session.configuration.get(SERVICE)
    if text is None:
        return GuardSettings()
    try:
        settings = msgspec.json.decode(text, type=GuardSettings)
    except msgspec.DecodeError as error:
        raise SettingsMalformed(SERVICE, str(error), "correct the key it names") from error
    _require_positive(settings)
    return settings


def _require_positive(settings: GuardSettings) -> None:
    for key, value in msgspec.structs.asdict(settings).items():
        times = value if isinstance(value, tuple) else (value,)
        if not times or min(times) < 1:
            raise SettingsContradiction(
                f"{SERVICE}.{key}",
                f"{value!r} leaves the guard without time between two steps",
                "set whole seconds from 1 on",
            )
