"""A whole run: repeatable, warm-up without entries, nights with shares, refusals that say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import Event
from events.trading import OrderFilled
from research.backtest import BacktestSettings, load_settings, parse_settings, register, run
from research.backtest.errors import InvalidSettings, UnknownStrategy
from tests.research.backtest.monkey import PatientMonkey

CONFIG = Path(__file__).parents[3] / "deploy" / "config" / "backtests" / "kmp.yaml"


def settings(**changes: Any) -> BacktestSettings:
    raw: dict[str, Any] = {
        "name": "engine",
        "strategies": [{"name": "kpr"}],
        "data": {"source": "synthetic", "sessions": 2, "symbols": 4, "trades_per_bar": 2},
    }
    register("kpr", PatientMonkey)
    return parse_settings(raw | changes, folder=Path())


def test_the_shipped_example_says_what_it_does_and_runs() -> None:
    wanted = load_settings(CONFIG)
    assert [each.name for each in wanted.strategies] == ["kmp"]
    data = msgspec.structs.replace(wanted.data, sessions=1, symbols=8, trades_per_bar=2)
    result = run(msgspec.structs.replace(wanted, data=data))
    assert [row.session for row in result.sessions] == ["20250915"]
    assert result.market_events > 25_000
    assert result.opening_cash == 100_000_000


def test_books_are_carried_from_night_to_night() -> None:
    fills: list[OrderFilled] = []

    def look(_: int, event: Event) -> None:
        if isinstance(event, OrderFilled):
            fills.append(event)

    result = run(settings(), observers=(look,))
    first, second = result.sessions
    assert second.opening_equity == first.closing_equity
    spent = sum(
        (-1 if fill.side == "buy" else 1) * fill.amount - fill.fee - fill.tax for fill in fills
    )
    assert result.equity[-1].cash == 100_000_000 + spent
    assert result.equity[-1].equity == second.closing_equity == result.closing_equity


def test_two_runs_are_equal_but_for_their_time() -> None:
    one, other = run(settings()), run(settings())
    assert one.provenance.result_hash == other.provenance.result_hash
    assert msgspec.structs.replace(one, wall_seconds=0) == msgspec.structs.replace(
        other, wall_seconds=0
    )
    assert len(one.fills) > 10


def test_a_warm_up_session_lets_nothing_in() -> None:
    result = run(settings(warm_up=1))
    first, second = result.sessions
    assert first.warm_up
    assert not second.warm_up
    during = [row for row in result.decisions if row.session == first.session]
    assert {row.check for row in during if row.kind == "enter"} == {"entries_halted"}
    assert {fill.session for fill in result.fills} == {second.session}


def test_observers_see_events_in_the_order_of_the_log() -> None:
    sequences: list[int] = []
    run(
        settings(data={"source": "synthetic", "sessions": 1, "symbols": 4, "trades_per_bar": 2}),
        observers=(lambda sequence, _: sequences.append(sequence),),
    )
    assert sequences == sorted(set(sequences))


def test_an_unknown_strategy_is_named_with_those_that_there_are() -> None:
    with pytest.raises(UnknownStrategy, match=r"'kmq'.*kmp"):
        run(settings(strategies=[{"name": "kmq"}]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"csah": 1}, "unknown field `csah`"),
        ({"cash": 0}, "must be positive"),
        ({"strategies": []}, "name at least one"),
        ({"latency": {"feed": [5, 1]}}, r"latency\.feed"),
        ({"data": {"source": "ticks"}}, r"data\.path is empty"),
        ({"orders": {"no_such": 1}}, "no_such"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        run(settings(**changes))
