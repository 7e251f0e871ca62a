"""From an accepted setup to a submitted entry: prices, stops, quality, size, sector.

The trigger is one tick above the range high, the limit a few ticks above the trigger, the structure
stop just under the pullback low. An entry is asked for once; only a deferred one is asked again.
"""

from __future__ import annotations

from math import floor
from typing import Final

from events.trading import IntentKind
from strategies.kmp import gates, sizing
from strategies.kmp.desk import Desk, Facts
from strategies.kmp.regime import MarketRegime, ProgramRegime, program_multiplier
from strategies.kmp.setup import Setup
from strategies.kmp.states import HELD, State
from strategies.runtime.session_clock import SECOND

_RECENT_MINUTES: Final = 5


class _Order:
    """An entry in the making: its figures, and everything used on the way for the record."""

    __slots__ = ("equity", "facts", "hard_stop", "minutes", "rvol", "setup", "stop", "trigger")

    def __init__(
        self,
        setup: Setup,
        *,
        equity: int,
        trigger: int,
        stop: int,
        hard_stop: int,
        minutes: int,
        rvol: float | None,
    ) -> None:
        self.setup = setup
        self.equity = equity
        self.trigger = trigger
        self.stop = stop
        self.hard_stop = hard_stop
        self.minutes = minutes
        self.rvol = rvol
        self.facts: Facts = {"trigger": trigger, "minutes": minutes, "rvol": rvol}


class EntryOrders:
    """The order checks after acceptance, and the entry that follows from them."""

    def __init__(self, desk: Desk, regime: MarketRegime, sectors: dict[str, list[Setup]]) -> None:
        """``sectors`` maps a sector's name to the setups of the universe in it."""
        self._desk = desk
        self._settings = desk.settings
        self._regime = regime
        self._sectors = sectors
        self._slope = desk.settings.of(desk.settings.min_surge_slope)

    def place(self, setup: Setup, minutes: int, rvol: float | None) -> None:
        """Run the order checks on an accepted setup and submit its entry if all of them pass.

        A failed check ends the setup, except those that time or price may still mend.
        """
        desk, settings = self._desk, self._settings
        equity = desk.equity.value
        if equity is None:
            desk.gates.missing("equity")
            return
        desk.gates.judge("equity", True, equity, desk.at)
        tick = desk.tick(setup, setup.range_high)
        trigger = desk.on_tick(setup, setup.range_high + tick)
        if not self._vi(setup, trigger):
            return
        stop = desk.on_tick(setup, setup.retest_low * settings.structure_stop_factor)
        assert stop < trigger, "accepted means that the pullback low is under the range high"
        atr = setup.tape.bars.atr.value
        used_atr = trigger * settings.atr_fallback_pct if atr is None else atr
        hard = desk.on_tick(setup, trigger - settings.hard_stop_atr_mult * used_atr)
        order = _Order(
            setup,
            equity=equity,
            trigger=trigger,
            stop=stop,
            hard_stop=hard,
            minutes=minutes,
            rvol=rvol,
        )
        order.facts |= {"atr": used_atr, "atr_bars_complete": atr is not None}
        quality = self._quality(order)
        if quality is None:
            return
        quantity = self._quantity(order, quality)
        if quantity == 0 or not self._sector_free(setup):
            return
        setup.structure_stop, setup.hard_stop = stop, hard
        self._submit(order, quantity)

    def _vi(self, setup: Setup, trigger: int) -> bool:
        desk = self._desk
        tape = setup.tape
        cooled = desk.clock.now >= tape.vi_until
        if not desk.gates.judge("vi_cooldown", cooled, tape.vi_until, desk.at):
            return False
        if tape.vi_reference == 0:
            desk.gates.missing("vi_wall")
            return True
        blocked = gates.inside_vi_wall(
            trigger, tape.vi_reference, desk.tick(setup, trigger), self._settings
        )
        if not desk.gates.judge("vi_wall", not blocked, tape.vi_reference, desk.at):
            desk.move(setup, State.DONE, "vi_wall", trigger=trigger, vi_reference=tape.vi_reference)
            return False
        return True

    def _quality(self, order: _Order) -> float | None:
        """Return the quality multiplier; ``None`` after saying why there is no entry."""
        desk, settings, regime = self._desk, self._settings, self._regime
        setup, tape = order.setup, order.setup.tape
        imbalance = tape.imbalance.value(desk.clock.now // SECOND)
        score = sizing.quality_score(
            settings.quality,
            excess_surge=setup.surge - gates.required_surge(self._slope, order.minutes, settings),
            excess_rvol=None if order.rvol is None else order.rvol - settings.rvol_min,
            imbalance=imbalance,
            spread_pct=tape.spread_pct,
            pullback=(setup.range_high - setup.retest_low) / setup.range_high,
            breadth=regime.breadth,
            chop=regime.chop,
        )
        if score.value is None:
            desk.gates.missing("quality")
            return None
        order.facts |= {
            "quality": score.value,
            "imbalance": imbalance,
            "spread_pct": tape.spread_pct,
            **{f"quality_{name}": points for name, points in score.components.items()},
        }
        threshold = settings.of(settings.quality_min_threshold)
        if not desk.gates.judge("quality", score.value >= threshold, score.value, desk.at):
            desk.move(setup, State.DONE, "quality_too_low", **order.facts)
            return None
        strict = settings.quality_min_threshold.strict
        if score.value < strict:
            desk.would_have_blocked(setup, "QUALITY_SCORE", score.value, strict)
        return sizing.quality_multiplier(score.value, threshold, settings.quality)

    def _quantity(self, order: _Order, quality: float) -> int:
        """Return the shares to ask for; 0 ends the setup."""
        desk, settings = self._desk, self._settings
        setup, bars = order.setup, order.setup.tape.bars
        now = desk.clock.now
        program = self._regime.program(now)
        recent = bars.recent_value(bars.minute(now), _RECENT_MINUTES)
        sized = sizing.size(
            settings,
            equity=order.equity,
            trigger=order.trigger,
            structure_stop=order.stop,
            quality=quality,
            minutes=order.minutes,
            program=program_multiplier(program, settings),
            # The opening value covers 15 minutes: a third of it stands in for five.
            recent_value=setup.value15 / 3 if recent is None else recent,
        )
        order.facts |= {
            "equity": order.equity,
            "base": sized.base,
            "quality_multiplier": quality,
            "time_multiplier": sized.time_multiplier,
            "program_regime": program or ProgramRegime.MIXED,
            "program_known": program is not None,
            "liquidity_cap": sized.liquidity_cap,
            "nav_cap": sized.nav_cap,
        }
        if not desk.gates.judge("size", sized.quantity > 0, sized.quantity, desk.at):
            desk.move(setup, State.DONE, "size_zero", **order.facts)
            return 0
        return sized.quantity

    def _sector_free(self, setup: Setup) -> bool:
        desk, settings = self._desk, self._settings
        if setup.sector is None:
            allowed = setup.symbol in settings.unknown_sector_allowed
            if not allowed:
                desk.gates.missing("sector")
                desk.move(setup, State.DONE, "unknown_sector")
            return allowed
        now = desk.clock.now
        taken = sum(
            other.state in HELD or (other.entry is not None and other.entry.alive(now))
            for other in self._sectors[setup.sector]
            if other is not setup
        )
        if desk.gates.judge("sector", taken < settings.max_per_sector, taken, desk.at):
            return True
        desk.move(setup, State.DONE, "sector_full", sector=setup.sector, taken=taken)
        return False

    def _submit(self, order: _Order, quantity: int) -> None:
        desk, settings = self._desk, self._settings
        setup, trigger = order.setup, order.trigger
        spread = setup.tape.spread or 0
        reach = max(
            settings.limit_ticks * desk.tick(setup, trigger),
            floor(settings.limit_spread_mult * spread),
        )
        limit = desk.on_tick(setup, trigger + reach)
        if setup.upper_limit:
            limit = min(limit, setup.upper_limit)
        setup.entry_attempts += 1
        baseline = setup.baseline
        setup.entry = desk.submit(
            setup,
            IntentKind.ENTER,
            attempt=setup.entry_attempts,
            quantity=quantity,
            reason="or_break_acceptance",
            lifetime=settings.entry_expiry_sec * SECOND,
            reference_price=trigger,
            limit_price=limit,
            stop_price=trigger,
            protective_stop=order.stop,
            hard_stop=order.hard_stop,
            signal="or_break_acceptance",
            facts={
                **order.facts,
                "range_high": setup.range_high,
                "range_low": setup.range_low,
                "retest_low": setup.retest_low,
                "price": setup.tape.price,
                "vwap": setup.tape.vwap.value,
                "surge": setup.surge,
                "gap": setup.gap,
                "value15": setup.value15,
                "rank": setup.rank,
                "breadth": self._regime.breadth,
                "baseline_source": baseline.source if baseline is not None else None,
                "sector": setup.sector,
            },
        )
