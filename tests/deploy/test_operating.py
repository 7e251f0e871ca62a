"""The operator's commands on a running day: halts, shares bought by hand, flattening, limits.

One day runs for the whole module, every service a process of its own. The tests follow each other
as an operator's morning does.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.running_day import RunningDay

SPEED = 60


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDay]:
    """A generated market after its open."""
    running = RunningDay(tmp_path_factory.mktemp("operating"), symbols=8, speed=SPEED)
    try:
        running.until_clock("09:01")
        yield running
    finally:
        running.end()


def _symbol(day: RunningDay) -> str:
    return str(day.exchange()["executions"][-1]["symbol"])


@pytest.mark.timeout(180)
def test_a_halt_is_obeyed_and_released(day: RunningDay) -> None:
    """The gate has read the halt when the command returns; resuming ends it, once."""
    status, answer = day.kst("halt", "--scope", "account", "--reason", "odd fills", "--by", "ann")
    assert status == 0
    (halt,) = next(iter(answer["in_force"].values()))
    assert (halt["scope"], halt["mode"], halt["trigger"]) == ("account", "no_entries", "operator")
    assert (halt["issued_by"], halt["reason"]) == ("ann", "odd fills")
    status, answer = day.kst("resume", "--scope", "account", "--reason", "checked")
    assert status == 0
    assert list(answer["in_force"].values()) == [[]]
    status, answer = day.kst("resume", "--scope", "account", "--reason", "again")
    assert status == 1
    assert answer["error"]["kind"] == "NoSuchHalt"


def test_a_command_without_a_reason_is_refused(day: RunningDay) -> None:
    """Nothing is appended without saying why."""
    status, answer = day.kst("halt", "--reason", " ")
    assert status == 1
    assert answer["error"]["kind"] == "ReasonMissing"


def test_a_limit_changes_at_run_time_and_a_senseless_one_does_not(day: RunningDay) -> None:
    """A change passes the rules of the file; it can be put back."""
    status, answer = day.kst("limits", "risk.max_position_pct=0.05", "--reason", "careful")
    assert status == 0
    listed = {limit["key"]: limit for limit in answer["limits"]}
    assert listed["risk.max_position_pct"]["value"] == 0.05
    assert listed["risk.max_position_pct"]["source"] == "override"
    status, answer = day.kst("limits", "risk.max_position_pct=7", "--reason", "wild")
    assert status == 1
    status, answer = day.kst("limits", "--reset", "risk.max_position_pct", "--reason", "over")
    assert status == 0
    listed = {limit["key"]: limit for limit in answer["limits"]}
    assert listed["risk.max_position_pct"]["value"] == 0.15


@pytest.mark.timeout(240)
@pytest.mark.invariant(3)
def test_shares_bought_by_hand_freeze_their_symbol_until_they_are_adopted(day: RunningDay) -> None:
    """Drift is found within one period, freezes the symbol, and ends when an owner is named."""
    symbol = _symbol(day)
    day.at_exchange(
        "order", {"account": day.account, "symbol": symbol, "side": "buy", "quantity": 7}
    )
    day.until(lambda: day.held().get(symbol, 0) >= 7)

    def listed() -> list[dict[str, object]]:
        _, drifts = day.kst("adopt")
        return list(drifts)

    day.until(lambda: any(drift["symbol"] == symbol for drift in listed()))
    (drift,) = [each for each in listed() if each["symbol"] == symbol]
    assert drift["unknown"] == 7
    _, state = day.kst("status")
    assert any("drift" in name and symbol in name for name in state["halts"]), state["halts"]
    arguments = ("adopt", symbol, "--owner", "KMP", "--stop", "100", "--reason", "by phone")
    status, answer = day.kst(*arguments)
    assert status == 0, answer
    assert (answer["source"], answer["target"], answer["quantity"]) == ("_UNKNOWN_", "KMP", 7)
    assert answer["cleared"]
    assert listed() == []
    _, state = day.kst("status")
    assert not any("drift" in name for name in state["halts"]), state["halts"]


@pytest.mark.timeout(240)
def test_flattening_sells_everything_while_the_feed_is_down(day: RunningDay) -> None:
    """No price arrives any more; what is held is sold all the same, and entries stay closed."""
    symbol = _symbol(day)
    day.at_exchange(
        "order", {"account": day.account, "symbol": symbol, "side": "buy", "quantity": 11}
    )
    day.until(lambda: day.held().get(symbol, 0) >= 11)
    day.until(lambda: any(drift["symbol"] == symbol for drift in day.kst("adopt")[1]))
    day.at_exchange("fault", {"kind": "stall", "seconds": 3600})
    status, answer = day.kst("flatten", "--reason", "leave the market", "--wait", "90")
    assert answer["left"] == {}
    assert status == 0
    assert day.held() == {}
    _, state = day.kst("status")
    assert any(name.startswith("account") for name in state["halts"]), state["halts"]
