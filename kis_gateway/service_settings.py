"""The figures of the gateway service, from ``deploy/config/gateway.yaml``. Frozen, checked once."""

from __future__ import annotations

from typing import Final

import msgspec

from kis_gateway.errors import SettingsError
from kis_gateway.feeds.staleness import StalenessSettings
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.reconciliation import ReconciliationSettings
from kis_gateway.orders.settlement import SettlementSettings

_MOST_REGISTRATIONS: Final = 41
"""Real-time registrations one session may hold (KIS Open API)."""

_FILL_NOTICE: Final = 1


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about the gateway that may differ between hosts; the file explains each key.

    Raises ``SettingsError`` when made from contradictions.
    """

    registrations: int = 40
    index_poll_s: float = 10.0
    program_poll_s: float = 60.0
    heartbeat_s: float = 30.0
    daily_bars: int = 90
    backfill_after_open_s: int = 900
    clock_tail_s: int = 60
    opening_concurrency: int = 8
    publisher_capacity: int = 20_000
    snapshot_poll_s: float = 3.0
    staleness: StalenessSettings = msgspec.field(default_factory=StalenessSettings)
    orders: PlanSettings = msgspec.field(default_factory=PlanSettings)
    inquiries: SettlementSettings = msgspec.field(default_factory=SettlementSettings)
    reconciliation: ReconciliationSettings = msgspec.field(default_factory=ReconciliationSettings)

    def __post_init__(self) -> None:
        if not _FILL_NOTICE < self.registrations <= _MOST_REGISTRATIONS:
            raise SettingsError(
                f"registrations is {self.registrations}: the broker allows "
                f"{_MOST_REGISTRATIONS}, one of them is the fill notice; choose 2 to 41"
            )
        for name in (
            "index_poll_s",
            "program_poll_s",
            "heartbeat_s",
            "daily_bars",
            "backfill_after_open_s",
            "opening_concurrency",
            "publisher_capacity",
            "snapshot_poll_s",
        ):
            value = getattr(self, name)
            if value <= 0:
                raise SettingsError(f"{name} is {value}: it must be above 0")
        if self.clock_tail_s < 10:
            raise SettingsError(
                f"clock_tail_s is {self.clock_tail_s}: the last executions are listed some seconds "
                "after the closing match; choose at least 10"
            )

    @property
    def slot_budget(self) -> int:
        """Subscriptions that strategies may share."""
        return self.registrations - _FILL_NOTICE


def gateway_settings(document: object) -> GatewaySettings:
    """Return the settings in a parsed YAML or JSON document.

    Raises:
        SettingsError: an unknown key, a value of the wrong type, or a contradiction.
    """
    try:
        return msgspec.convert(document, GatewaySettings)
    except msgspec.ValidationError as error:
        raise SettingsError(
            f"gateway settings: {error}; compare with deploy/config/gateway.yaml"
        ) from error
