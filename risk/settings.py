"""The limits of one account: read once, validated as a whole, frozen.

The configuration holds two values for every limit that has them: ``standard``, which runs, and
``conservative``, which may not be looser. ``profile`` chooses. What always holds for settings that
``load_settings`` returned: every check can refuse something and something can pass every check.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Generic, Literal, TypeVar

import msgspec

from events import StrategyId, Symbol
from events.market import Phase
from events.signal import Regime
from risk.errors import SettingsMalformed
from risk.validation import require_consistent

Number = TypeVar("Number", bound=float | None)

_SECOND: Final = 1_000_000_000


class Profile(StrEnum):
    """Which of two values of a limit is in force."""

    STANDARD = "standard"
    CONSERVATIVE = "conservative"


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Dial(_Section, Generic[Number], frozen=True, kw_only=True):
    """A limit with both its values side by side."""

    standard: Number
    conservative: Number

    def under(self, profile: Profile) -> Number:
        """Return the value in force under a profile."""
        return self.conservative if profile is Profile.CONSERVATIVE else self.standard


class AccountSettings(_Section, frozen=True, kw_only=True):
    """Limits of the account. ``*_pct`` are fractions of equity (0.15 = 15 %), see ``oms.yaml``."""

    daily_loss_warn_pct: Dial[float]
    daily_loss_halt_pct: Dial[float]
    daily_loss_flatten_pct: Dial[float | None]
    max_positions_count: Dial[int]
    max_gross_exposure_pct: Dial[float]
    max_net_exposure_pct: Dial[float]
    max_position_pct: Dial[float]
    max_sector_pct: Dial[float]
    max_five_minute_share_pct: Dial[float]
    min_daily_value_won: Dial[int]
    max_spread_bps: Dial[float]
    max_price_age_sec: Dial[float]
    vi_cooldown_sec: Dial[int]
    max_orders_per_second: Dial[int]
    max_orders_per_symbol_minute: Dial[int]
    unknown_order_stop_sec: Dial[int]


class StrategySettings(_Section, frozen=True, kw_only=True):
    """Budget of one strategy."""

    max_positions: Dial[int]
    max_risk_pct: Dial[float]
    entry_lock_sec: int


class SectorPolicy(_Section, frozen=True, kw_only=True):
    """What the sector limit does without a sector.

    ``unknown`` must be ``block``; ``allow_list`` names the symbols that may be entered without one.
    """

    unknown: Literal["block", "allow"]
    allow_list: tuple[Symbol, ...] = ()


class RiskSettings(_Section, frozen=True, kw_only=True):
    """Everything the gate is configured with, in the shape of ``oms.yaml``."""

    profile: Profile
    risk: AccountSettings
    regime_exposure_caps: dict[Regime, float]
    strategy_budgets: dict[StrategyId, StrategySettings]
    entry_phases: tuple[Phase, ...]
    sectors: SectorPolicy | None = None


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy's budget in force; ``entry_lock`` is nanoseconds."""

    max_positions: int
    max_risk: float
    entry_lock: int


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The values in force. Shares of equity are fractions, times nanoseconds, spreads bps."""

    daily_loss_warn: float
    daily_loss_halt: float
    daily_loss_flatten: float | None
    max_positions: int
    max_gross_exposure: float
    max_net_exposure: float
    max_position: float
    max_sector: float
    max_five_minute_share: float
    min_daily_value: int
    max_spread_bps: float
    max_price_age: int
    vi_cooldown: int
    max_orders_per_second: int
    max_orders_per_symbol_minute: int
    unknown_order_stop: int
    regime_caps: dict[Regime, float]
    budgets: dict[StrategyId, Budget]
    entry_phases: tuple[Phase, ...]
    sector_allow_list: tuple[Symbol, ...]


def load_settings(mapping: Mapping[str, object]) -> RiskSettings:
    """Return the validated settings in a parsed configuration file.

    Raises:
        SettingsMalformed: unknown or missing key, or a value of the wrong type.
        SettingsContradiction: values exclude each other or nothing could pass.
        CheckDisabled: a value switches a check off.
    """
    try:
        settings = msgspec.convert(mapping, RiskSettings)
    except msgspec.ValidationError as error:
        reason, _, place = str(error).partition(" - at `$")
        key = place.strip("`.") or "(top level)"
        raise SettingsMalformed(
            key, reason, "compare with deploy/config/oms.yaml, which lists every key"
        ) from error
    require_consistent(settings)
    return settings


def limits_in_force(settings: RiskSettings) -> Limits:
    """Return the values that the chosen profile puts in force."""
    account, profile = settings.risk, settings.profile
    policy = settings.sectors
    return Limits(
        daily_loss_warn=account.daily_loss_warn_pct.under(profile),
        daily_loss_halt=account.daily_loss_halt_pct.under(profile),
        daily_loss_flatten=account.daily_loss_flatten_pct.under(profile),
        max_positions=account.max_positions_count.under(profile),
        max_gross_exposure=account.max_gross_exposure_pct.under(profile),
        max_net_exposure=account.max_net_exposure_pct.under(profile),
        max_position=account.max_position_pct.under(profile),
        max_sector=account.max_sector_pct.under(profile),
        max_five_minute_share=account.max_five_minute_share_pct.under(profile),
        min_daily_value=account.min_daily_value_won.under(profile),
        max_spread_bps=account.max_spread_bps.under(profile),
        max_price_age=round(account.max_price_age_sec.under(profile) * _SECOND),
        vi_cooldown=account.vi_cooldown_sec.under(profile) * _SECOND,
        max_orders_per_second=account.max_orders_per_second.under(profile),
        max_orders_per_symbol_minute=account.max_orders_per_symbol_minute.under(profile),
        unknown_order_stop=account.unknown_order_stop_sec.under(profile) * _SECOND,
        regime_caps=settings.regime_exposure_caps,
        budgets={
            strategy: Budget(
                max_positions=budget.max_positions.under(profile),
                max_risk=budget.max_risk_pct.under(profile),
                entry_lock=budget.entry_lock_sec * _SECOND,
            )
            for strategy, budget in settings.strategy_budgets.items()
        },
        entry_phases=settings.entry_phases,
        sector_allow_list=policy.allow_list if policy is not None else (),
    )
