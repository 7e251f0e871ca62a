"""Refuses limits that contradict each other or switch a check off.

A limit of zero lets nothing through, one past its ceiling never refuses anything: both are mistakes
of the configuration and are refused before the session opens, with the key and the remedy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from events.market import Phase
from events.signal import Regime
from risk.errors import CheckDisabled, SettingsContradiction

if TYPE_CHECKING:
    from risk.settings import RiskSettings

_CEILINGS: Final[dict[str, tuple[float, str]]] = {
    "daily_loss_warn_pct": (0.99, "no cash account loses more in a day"),
    "daily_loss_halt_pct": (0.99, "no cash account loses more in a day"),
    "max_positions_count": (100, "the broker's feed carries 41 registrations"),
    "max_gross_exposure_pct": (1.0, "a cash account cannot hold more than its equity"),
    "max_net_exposure_pct": (1.0, "a cash account cannot hold more than its equity"),
    "max_position_pct": (1.0, "a cash account cannot hold more than its equity"),
    "max_sector_pct": (1.0, "a cash account cannot hold more than its equity"),
    "max_five_minute_share_pct": (1.0, "an entry larger than the market's turnover is not filled"),
    "min_daily_value_won": (10**13, "no issue trades as much on an ordinary day"),
    # ±30 % daily limits: the widest possible spread is 60 % of the base price.
    "max_spread_bps": (6_000, "the day's price limits keep every spread below it"),
    "max_price_age_sec": (60, "a quote or trade a minute old is no price of now"),
    "vi_cooldown_sec": (23_400, "a session is 23,400 s long"),
    # KIS Open API: 20 calls per second and application key.
    "max_orders_per_second": (20, "the broker takes no more than 20 calls per second"),
    "max_orders_per_symbol_minute": (1_200, "the broker takes no more than 1,200 calls a minute"),
    "unknown_order_stop_sec": (23_400, "a session is 23,400 s long"),
}
"""Largest value of each account limit that can still refuse something, and why."""

STRICTER_WHEN_LARGER: Final = frozenset({"vi_cooldown_sec", "min_daily_value_won"})
"""Account limits that refuse more when they are larger; all others when they are smaller."""

_REGIMES: Final = (Regime.CRISIS, Regime.WEAK, Regime.NORMAL, Regime.STRONG)


def require_consistent(settings: RiskSettings) -> None:
    """Return only when every check can refuse something and something can pass all of them.

    Raises:
        SettingsContradiction: values exclude each other or nothing could pass.
        CheckDisabled: a value switches a check off.
    """
    _require_account(settings)
    _require_flatten(settings)
    _require_order(settings)
    _require_regimes(settings)
    _require_budgets(settings)
    _require_sectors(settings)
    _require_phases(settings)


def _require_within(key: str, value: float, ceiling: float, why: str) -> None:
    if value <= 0:
        raise SettingsContradiction(
            key, f"{value} lets no entry pass", "set a value above 0, or halt entries by a control"
        )
    # Negated so that a not-a-number, which compares false with everything, is refused as well.
    if not value <= ceiling:
        raise CheckDisabled(
            key, f"{value} can never be exceeded ({why})", f"set at most {ceiling:g}"
        )


def _require_tighter(
    key: str, standard: float, conservative: float, *, stricter: str = "smaller"
) -> None:
    looser = conservative > standard if stricter == "smaller" else conservative < standard
    if looser:
        raise SettingsContradiction(
            f"{key}.conservative",
            f"{conservative} is looser than the standard value {standard}",
            f"set at {'most' if stricter == 'smaller' else 'least'} {standard}",
        )


def _require_account(settings: RiskSettings) -> None:
    account = settings.risk
    for name, (ceiling, why) in _CEILINGS.items():
        dial = getattr(account, name)
        key = f"risk.{name}"
        _require_within(f"{key}.standard", dial.standard, ceiling, why)
        _require_within(f"{key}.conservative", dial.conservative, ceiling, why)
        stricter = "larger" if name in STRICTER_WHEN_LARGER else "smaller"
        _require_tighter(key, dial.standard, dial.conservative, stricter=stricter)


def _require_flatten(settings: RiskSettings) -> None:
    """The third level of loss may be off; where it is on it lies beyond the second."""
    key = "risk.daily_loss_flatten_pct"
    level = settings.risk.daily_loss_flatten_pct
    if level.conservative is None and level.standard is not None:
        raise SettingsContradiction(
            f"{key}.conservative",
            f"off is looser than the standard value {level.standard}",
            f"set at most {level.standard}, or switch both off",
        )
    for profile in ("standard", "conservative"):
        value = getattr(level, profile)
        halt = getattr(settings.risk.daily_loss_halt_pct, profile)
        if value is None:
            continue
        _require_within(f"{key}.{profile}", value, 0.99, "no cash account loses more in a day")
        if value <= halt:
            raise SettingsContradiction(
                f"{key}.{profile}",
                f"{value} does not lie beyond risk.daily_loss_halt_pct {halt}",
                "raise it or lower the halt (halt before selling everything)",
            )
    if level.standard is not None and level.conservative is not None:
        _require_tighter(key, level.standard, level.conservative)


_ORDER: Final = (
    ("daily_loss_warn_pct", "daily_loss_halt_pct", True, "warn before the halt"),
    ("max_position_pct", "max_sector_pct", False, "one symbol fits into its sector"),
    ("max_sector_pct", "max_gross_exposure_pct", False, "one sector fits into the whole"),
)


def _require_order(settings: RiskSettings) -> None:
    """Limits that contain each other do so in both profiles, not only in the one in force."""
    for smaller, larger, strictly, meaning in _ORDER:
        low, high = getattr(settings.risk, smaller), getattr(settings.risk, larger)
        for profile in ("standard", "conservative"):
            first, second = getattr(low, profile), getattr(high, profile)
            if first > second or (strictly and first == second):
                raise SettingsContradiction(
                    f"risk.{smaller}.{profile}",
                    f"{first} does not stay {'below' if strictly else 'within'} "
                    f"risk.{larger} {second}",
                    f"lower the first or raise the second ({meaning})",
                )


def _require_regimes(settings: RiskSettings) -> None:
    caps = settings.regime_exposure_caps
    previous = 0.0
    for regime in _REGIMES:
        key = f"regime_exposure_caps.{regime}"
        if regime not in caps:
            raise CheckDisabled(key, "this regime has no cap", "set a fraction of equity")
        cap = caps[regime]
        _require_within(key, cap, 1.0, "a cash account cannot hold more than its equity")
        if cap < previous:
            raise SettingsContradiction(
                key,
                f"{cap} is below the cap {previous} of a weaker regime",
                "let the caps rise from crisis over weak and normal to strong",
            )
        previous = cap


def _require_budgets(settings: RiskSettings) -> None:
    if not settings.strategy_budgets:
        raise SettingsContradiction(
            "strategy_budgets", "no strategy has a budget", "give each strategy that trades one"
        )
    account = settings.risk
    for strategy, budget in settings.strategy_budgets.items():
        key = f"strategy_budgets.{strategy}"
        for profile in ("standard", "conservative"):
            _require_within(
                f"{key}.max_positions.{profile}",
                getattr(budget.max_positions, profile),
                getattr(account.max_positions_count, profile),
                "risk.max_positions_count refuses before it",
            )
            _require_within(
                f"{key}.max_risk_pct.{profile}",
                getattr(budget.max_risk_pct, profile),
                getattr(account.max_position_pct, profile),
                "a position cannot lose more than risk.max_position_pct allows it to be",
            )
        for name in ("max_positions", "max_risk_pct"):
            dial = getattr(budget, name)
            _require_tighter(f"{key}.{name}", dial.standard, dial.conservative)
        if budget.entry_lock_sec < 1:
            raise CheckDisabled(
                f"{key}.entry_lock_sec",
                f"{budget.entry_lock_sec} s locks nothing",
                "set the seconds for which an entry keeps other strategies off its symbol",
            )


def _require_sectors(settings: RiskSettings) -> None:
    policy = settings.sectors
    if policy is None:
        raise CheckDisabled(
            "sectors",
            "risk.max_sector_pct is set, but nothing says what happens without a sector",
            "add `sectors: {unknown: block}`",
        )
    if policy.unknown != "block":
        raise CheckDisabled(
            "sectors.unknown",
            f"{policy.unknown!r} would let every symbol without a sector past the sector limit",
            "set it to block and name single symbols in sectors.allow_list",
        )


def _require_phases(settings: RiskSettings) -> None:
    phases = settings.entry_phases
    if not phases:
        raise SettingsContradiction(
            "entry_phases", "no phase of the session takes entries", "name at least `continuous`"
        )
    if Phase.CLOSED in phases:
        raise CheckDisabled(
            "entry_phases", "`closed` takes no orders at the exchange", "remove it from the list"
        )
