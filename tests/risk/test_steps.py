"""Every row of the table of entry checks, just inside its limit, just outside, and without data."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any, Final, NamedTuple

import msgspec
import pytest

from events import StrategyId, Symbol
from events.control import HaltMode, HaltScope, HaltTrigger
from events.market import Aggressor, OpeningAllocation, Phase, Trade, TradeFrame
from events.trading import CheckOutcome, Decision, Side
from risk import entries
from risk.entries import STEPS, Step
from tests.risk.scenario import (
    CONFIGURATION,
    KMP,
    KPR,
    A,
    B,
    Day,
    configuration,
    history,
    made,
    operation,
    outcome,
    quote,
    reference,
    session,
    stopped_by,
)
from tests.risk.test_checks import losing, many_held
from tests.risk.test_sizing import invested

FAR: Final = Symbol("111111")
"""A symbol of which nothing is known."""


class Case(NamedTuple):
    """A day, and what a strategy asks for on it."""

    day: Day
    quantity: int | None = 1
    fields: dict[str, Any] = {}  # noqa: RUF012 - only ever read


def on(day: Day, quantity: int | None = 1, **fields: Any) -> Case:
    """Return the case of an entry asked for on a day."""
    return Case(day, quantity, fields)


def after(*steps: Callable[[Day], object], day: Day | None = None) -> Day:
    """Return a day on which something has happened."""
    day = day or Day()
    for step in steps:
        step(day)
    return day


def holds(owner: StrategyId, *symbols: Symbol, shares: int = 10, **settings: Any) -> Day:
    """Return a day on which a strategy holds ten shares of each symbol."""
    held = tuple(OpeningAllocation(owner, s, shares, shares * 10_000) for s in symbols)
    return Day(session(allocations=held, settings=settings.get("settings")))


def four_positions() -> dict[str, Any]:
    """Return a configuration by which KMP may hold four symbols."""
    settings = deepcopy(CONFIGURATION)
    settings["strategy_budgets"]["KMP"]["max_positions"] = {"standard": 4, "conservative": 4}
    return settings


def turnover(won: int) -> Callable[[Day], object]:
    """Let the session's first trade of a symbol be one of ``won``, and nothing follow."""
    shares = won // 10_000
    trade = Trade(0, 10_000, shares, Aggressor.BUY, shares, won, 0, 0, 0, False)
    return lambda day: day.feed(TradeFrame(at=day.now, symbol=FAR, trades=(trade,)))


def unknown_for(seconds: int) -> Day:
    """Return a day on which an order of another symbol has been of unknown fate for a while."""
    day = Day()
    day.lose(day.order(day.enter(1, symbol=B), Side.BUY, 1))
    day.tick(seconds=seconds)
    return day


def ordered(count: int, **limits: int) -> Day:
    """Return a day on which ``count`` sales of A have just been let through."""
    day = holds(KPR, A, settings=configuration(**limits))
    for _ in range(count):
        day.leave(1, strategy=KPR, limit_price=20_000)
    return day


def sells_at(limit: int) -> Day:
    """Return a day on which another strategy sells A."""
    return after(lambda day: day.leave(strategy=KPR, limit_price=limit), day=holds(KPR, A))


OTHERS: Final = [Symbol(f"{200_000 + number}") for number in range(4)]

PAIRS: Final[dict[str, tuple[Callable[[], Case], Callable[[], Case]]]] = {
    "quantity": (lambda: on(Day(), 1), lambda: on(Day(), 0)),
    "expiry": (
        lambda: on((day := Day()), expires_at=day.now),
        lambda: on((day := Day()), expires_at=day.now - 1),
    ),
    "equity_known": (
        lambda: on(after(lambda day: day.snapshot(equity=1))),
        lambda: on(after(lambda day: day.snapshot(equity=0))),
    ),
    "safe_mode": (
        lambda: on(after(lambda day: day.halt())),
        lambda: on(after(lambda day: day.halt(trigger=HaltTrigger.FEED_GAP))),
    ),
    "flatten": (
        lambda: on(after(lambda day: day.halt(mode=HaltMode.REDUCE_ONLY))),
        lambda: on(after(lambda day: day.halt(mode=HaltMode.FLATTEN))),
    ),
    "entries_halted": (
        lambda: on(after(lambda day: day.halt(), lambda day: day.release())),
        lambda: on(after(lambda day: day.halt())),
    ),
    "strategy_paused": (
        lambda: on(after(lambda day: day.halt(HaltScope.STRATEGY, KPR))),
        lambda: on(after(lambda day: day.halt(HaltScope.STRATEGY, KMP))),
    ),
    "symbol_frozen": (
        lambda: on(after(lambda day: day.halt(HaltScope.SYMBOL, B))),
        lambda: on(after(lambda day: day.halt(HaltScope.SYMBOL, A))),
    ),
    "designation": (
        lambda: on(after(lambda day: day.feed(reference(A, "54")))),
        lambda: on(after(lambda day: day.feed(reference(A, "53")))),
    ),
    "trading_halt": (
        lambda: on(after(lambda day: day.feed(operation(A, halted=True), operation(A)))),
        lambda: on(after(lambda day: day.feed(operation(A, halted=True)))),
    ),
    "daily_halt": (lambda: on(losing(4_999_000)), lambda: on(losing(5_000_000))),
    "daily_warn": (lambda: on(losing(2_999_000)), lambda: on(losing(3_000_000))),
    "orders_known": (lambda: on(unknown_for(29)), lambda: on(unknown_for(30))),
    "account_positions": (lambda: on(many_held(14)), lambda: on(many_held(15))),
    "price_known": (
        lambda: on(after(lambda day: day.tick(seconds=3)), limit_price=None),
        lambda: on(Day(), limit_price=0),
    ),
    "gross_exposure": (lambda: on(invested(8_000), 1_000), lambda: on(invested(8_000), 1_001)),
    "net_exposure": (lambda: on(invested(6_000), 1_000), lambda: on(invested(6_000), 1_001)),
    "regime_cap": (lambda: on(invested(7_000), 1_000), lambda: on(invested(7_000), 1_001)),
    "symbol_exposure": (lambda: on(Day(), 1_500), lambda: on(Day(), 1_501)),
    "sector_exposure": (lambda: on(invested(2_000, B), 999), lambda: on(invested(2_000, B), 1_000)),
    "strategy_positions": (
        lambda: on(holds(KMP, *OTHERS[:3], settings=four_positions())),
        lambda: on(holds(KMP, *OTHERS, settings=four_positions())),
    ),
    "protective_stop": (
        lambda: on(Day(), protective_stop=9_999),
        lambda: on(Day(), protective_stop=10_000),
    ),
    "trade_risk": (
        lambda: on(Day(), 1_250, protective_stop=8_000),
        lambda: on(Day(), 1_251, protective_stop=8_000),
    ),
    "recent_liquidity": (
        lambda: on(after(turnover(40_000_000)), 1_000, symbol=FAR),
        lambda: on(after(turnover(40_000_000)), 1_001, symbol=FAR),
    ),
    "daily_liquidity": (
        lambda: on(after(lambda day: day.feed(history(A, 3_000_000_000)))),
        lambda: on(after(lambda day: day.feed(history(A, 2_999_999_999)))),
    ),
    "vi_cooldown": (
        lambda: on(
            after(lambda day: day.interrupt(A, active=False), lambda d: d.tick(seconds=600))
        ),
        lambda: on(
            after(lambda day: day.interrupt(A, active=False), lambda d: d.tick(seconds=599))
        ),
    ),
    "orderable_cash": (
        lambda: on(Day(session(cash=1_000_150, equity=100_000_000)), 100),
        lambda: on(Day(session(cash=1_000_149, equity=100_000_000)), 100),
    ),
    "price_on_tick": (lambda: on(Day(), limit_price=10_010), lambda: on(Day(), limit_price=10_005)),
    "price_within_limits": (
        lambda: on(Day(), limit_price=13_000),
        lambda: on(Day(), limit_price=13_010),
    ),
    "session_phase": (
        lambda: on(after(lambda day: day.tick(Phase.CLOSING_AUCTION))),
        lambda: on(after(lambda day: day.tick(Phase.OPENING_AUCTION))),
    ),
    "order_rate": (
        lambda: on(ordered(1, max_orders_per_second=2)),
        lambda: on(ordered(2, max_orders_per_second=2)),
    ),
    "symbol_order_rate": (
        lambda: on(ordered(1, max_orders_per_symbol_minute=2)),
        lambda: on(ordered(2, max_orders_per_symbol_minute=2)),
    ),
    "spread": (
        lambda: on(after(lambda day: day.feed(quote(A, 9_975, 10_025, at=day.now)))),
        lambda: on(after(lambda day: day.feed(quote(A, 9_974, 10_025, at=day.now)))),
    ),
    "not_held": (lambda: on(holds(KPR, A, shares=1)), lambda: on(holds(KMP, A, shares=1))),
    "not_entering": (
        lambda: on(after(lambda day: day.enter(1, strategy=KPR))),
        lambda: on(after(lambda day: day.enter(1))),
    ),
    "signal_fresh": (
        lambda: on(after(lambda day: day.enter(1, signal="one")), signal="two"),
        lambda: on(after(lambda day: day.enter(1, signal="one")), signal="one"),
    ),
    "entry_lock": (
        lambda: on(after(lambda day: day.enter(1), lambda day: day.tick(seconds=90)), strategy=KPR),
        lambda: on(after(lambda day: day.enter(1), lambda day: day.tick(seconds=4)), strategy=KPR),
    ),
    "opposite_order": (lambda: on(sells_at(10_010)), lambda: on(sells_at(10_000))),
}
"""For each check an entry just inside its limit and one just outside."""

WITHOUT_DATA: Final[dict[str, Callable[[], Case]]] = {
    "quantity": lambda: on(Day(), None),
    "designation": lambda: on(Day(), symbol=FAR),
    "trading_halt": lambda: on(Day(), symbol=FAR),
    "price_known": lambda: on(after(lambda day: day.tick(seconds=3.1)), limit_price=None),
    "sector_exposure": lambda: on(Day(), symbol=FAR),
    "strategy_positions": lambda: on(Day(), strategy=StrategyId("NEWCOMER")),
    "protective_stop": lambda: on(Day(), protective_stop=None),
    "recent_liquidity": lambda: on(Day(), symbol=FAR),
    "daily_liquidity": lambda: on(Day(), symbol=FAR),
    "vi_cooldown": lambda: on(Day(), symbol=FAR),
    "price_on_tick": lambda: on(
        after(lambda day: day.feed(msgspec.structs.replace(reference(A), market="KONEX")))
    ),
    "session_phase": lambda: on(Day(prepared=False)),
    "spread": lambda: on(after(lambda day: day.feed(quote(A, None, 10_010, at=day.now)))),
}
"""For each check that may lack data an entry that it lacks them for."""

ALWAYS_KNOWN: Final = {
    "expiry",
    "equity_known",
    "safe_mode",
    "flatten",
    "entries_halted",
    "strategy_paused",
    "symbol_frozen",
    "daily_halt",
    "daily_warn",
    "orders_known",
    "account_positions",
    "gross_exposure",
    "net_exposure",
    "regime_cap",
    "symbol_exposure",
    "trade_risk",
    "orderable_cash",
    "price_within_limits",  # the check of the designation ends an entry without trading terms
    "order_rate",
    "symbol_order_rate",
    "not_held",
    "not_entering",
    "signal_fresh",
    "entry_lock",
    "opposite_order",
}
"""Checks of what the gate knows by itself: there is nothing to be missing."""


def judged_by(step: Step, case: Case, patch: pytest.MonkeyPatch) -> Decision:
    """Return the decision of the gate with one row only, on a day that all rows have made."""
    patch.setattr(entries, "STEPS", (step,))
    return case.day.enter(case.quantity, **case.fields)


def name_of(step: Step) -> str:
    """Return the name of a row's check."""
    return step.check.__name__


def ends(decision: Decision) -> CheckOutcome:
    """Return which outcome a decision stands for."""
    return {
        "IntentApproved": CheckOutcome.PASS,
        "IntentModified": CheckOutcome.MODIFY,
        "IntentRejected": CheckOutcome.REJECT,
        "IntentDeferred": CheckOutcome.DEFER,
    }[outcome(decision)]


def test_every_check_has_its_pair_and_says_whether_data_may_be_missing() -> None:
    """A new row of the table needs cases on both sides of its limit, and one without data."""
    names = [name_of(step) for step in STEPS]
    assert len(set(names)) == len(names)
    assert set(PAIRS) == set(names)
    assert set(WITHOUT_DATA) | ALWAYS_KNOWN == set(names)
    assert set(WITHOUT_DATA) & ALWAYS_KNOWN == set()


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_check_passes_what_is_just_inside_its_limit(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And shows how much room there is, where that is a number."""
    decision = judged_by(step, PAIRS[name_of(step)][0](), monkeypatch)
    check = made(decision, name_of(step))
    assert check.outcome is CheckOutcome.PASS
    assert stopped_by(decision) is None
    assert check.headroom is None or check.headroom >= 0


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_check_ends_as_its_row_says_what_is_just_outside(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that cuts cuts; all others reject or defer, and the decision names them."""
    decision = judged_by(step, PAIRS[name_of(step)][1](), monkeypatch)
    check = made(decision, name_of(step))
    expected = step.beyond if step.room is None else CheckOutcome.MODIFY
    assert check.outcome is expected
    assert ends(decision) is expected
    assert stopped_by(decision) == (name_of(step) if step.room is None else None)
    assert check.headroom is None or check.headroom <= 0


@pytest.mark.invariant(6)
@pytest.mark.parametrize("step", [s for s in STEPS if name_of(s) in WITHOUT_DATA], ids=name_of)
def test_a_check_without_data_says_so_and_ends_as_its_row_says(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is taken for a value: the check is shown as missing whatever follows."""
    decision = judged_by(step, WITHOUT_DATA[name_of(step)](), monkeypatch)
    assert made(decision, name_of(step)).outcome is CheckOutcome.MISSING
    assert ends(decision) is step.when_missing


@pytest.mark.parametrize(
    ("name", "most", "least"),
    [
        ("gross_exposure", 0.0, -0.0001),
        ("net_exposure", 0.0, -0.0001),
        ("regime_cap", 0.0, -0.0001),
        ("symbol_exposure", 0.0, -0.0001),
        ("sector_exposure", 0.0001, 0.0),
        ("trade_risk", 0.0, -0.00002),
        ("recent_liquidity", 0, -10_000),
        ("daily_liquidity", 0, -1),
        ("orderable_cash", 0, -1),
        ("daily_halt", 0.00001, 0.0),
        ("daily_warn", 0.00001, 0.0),
        ("account_positions", 1, 0),
        ("strategy_positions", 1, 0),
        ("orders_known", 1, 0),
        ("vi_cooldown", 0, -1),
        ("order_rate", 1, 0),
        ("symbol_order_rate", 1, 0),
        ("expiry", 0, -1),
        ("protective_stop", 1, 0),
        ("price_within_limits", 0, -10),
        ("price_on_tick", 0, -5),
        ("opposite_order", 9, -1),
        ("entry_lock", 0, -86),
    ],
)
def test_headroom_is_the_distance_to_the_limit_in_the_checks_unit(
    name: str, most: float, least: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the pair just inside and just outside."""
    step = next(step for step in STEPS if name_of(step) == name)
    inside, outside = PAIRS[name][0](), PAIRS[name][1]()
    for case, expected in ((inside, most), (outside, least)):
        check = made(judged_by(step, case, monkeypatch), name)
        assert check.headroom == pytest.approx(expected, abs=1e-9)
