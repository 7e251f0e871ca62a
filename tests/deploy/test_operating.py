"""The operator's commands on a running day: halts, shares bought by hand, flattening, limits.

One day runs for the whole module, every service a process of its own. The tests follow each other
as an operator's morning does.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from events import StrategyId, TradingDate
from events.control import OperatorPresent
from events.identifiers import intent_id, order_id
from events.market import SymbolReference
from events.prices import round_down
from events.signal import UniverseSelected
from events.trading import (
    ExecutionEnded,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderAccepted,
    Urgency,
)
from tests.deploy.running_day import RunningDay

SPEED = 120
PCIM = StrategyId("PCIM")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDay]:
    """A generated market after its open."""
    running = RunningDay(tmp_path_factory.mktemp("operating"), symbols=8, speed=SPEED)
    try:
        running.until_clock("09:01")
        yield running
    finally:
        running.end()


def _symbol(day: RunningDay, place: int = -1) -> str:
    (universe,) = day.events("signal.universe")
    assert isinstance(universe, UniverseSelected)
    return str(universe.symbols[place])


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
        return list(day.kst("adopt")[1]["drifts"])

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
@pytest.mark.invariant(3)
def test_shares_sold_by_hand_are_taken_off_their_owner(day: RunningDay) -> None:
    """Missing shares are negative drift; named, they leave the only owner there is."""
    symbol = _symbol(day, -2)
    order = {"account": day.account, "symbol": symbol, "side": "buy", "quantity": 9}
    day.at_exchange("order", order)
    day.until(lambda: _unknown(day, symbol) == 9)
    status, answer = day.kst("adopt", symbol, "--owner", "external", "--reason", "my own")
    assert status == 0, answer
    day.at_exchange("order", order | {"side": "sell", "quantity": 2})
    day.until(lambda: _unknown(day, symbol) == -2)
    _, state = day.kst("status")
    assert state["drift"] == {symbol: "broker 7, owners 9"}
    status, answer = day.kst("adopt", symbol, "--reason", "sold in the app")
    assert status == 0, answer
    assert (answer["source"], answer["target"], answer["quantity"]) == (
        "_EXTERNAL_",
        "_UNKNOWN_",
        2,
    )
    assert (answer["cost"], answer["remaining"], answer["cleared"]) == (0, 0, True)
    _, state = day.kst("status")
    assert (state["holdings"][symbol], day.held()[symbol]) == (7, 7)
    assert (state["drift"], state["halts"]) == ({}, {})


def _unknown(day: RunningDay, symbol: str) -> int:
    drifts = day.kst("adopt")[1]["drifts"]
    return sum(drift["unknown"] for drift in drifts if drift["symbol"] == symbol)


@pytest.mark.timeout(240)
def test_a_working_order_is_withdrawn_by_hand(day: RunningDay) -> None:
    """The command returns when the broker has shown that the order is over, and none follows."""
    wish = _approved_entry(day)
    order = order_id(wish.intent_id, 1)
    day.until(
        lambda: any(isinstance(e, OrderAccepted) for e in day.events(f"trading.order.{order}"))
    )
    status, answer = day.kst(
        "cancel", f"{wish.intent_id}-O9", "--reason", "mistyped", "--wait", "1"
    )
    assert (status, answer["concerned"]) == (1, [])
    assert order in answer["others"]
    status, answer = day.kst("cancel", order, "--reason", "changed my mind", "--by", "ann")
    assert status == 0, answer
    assert (answer["concerned"], answer["working"]) == ([order], [])
    (ended,) = day.events(f"trading.execution.{wish.intent_id}")
    assert isinstance(ended, ExecutionEnded)
    assert (ended.reason, ended.filled_quantity, ended.orders) == ("withdrawn", 0, 1)


def _approved_entry(day: RunningDay) -> IntentSubmitted:
    """Submit entries until one is allowed: the gate defers them while a quote is not fresh."""
    references = [
        each for each in day.events("market.status.*") if isinstance(each, SymbolReference)
    ]
    for attempt in range(1, 100):
        wish = _entry_below_the_market(day, references[attempt % len(references)], attempt)
        day.append(wish)
        topic = f"trading.decision.{wish.intent_id}"
        day.until(lambda topic=topic: bool(day.events(topic)))  # type: ignore[misc]  # bound now
        (decision,) = day.events(topic)
        if isinstance(decision, IntentApproved | IntentModified):
            return wish
        assert isinstance(decision, IntentDeferred), decision
    pytest.fail("no quote was fresh")


def _entry_below_the_market(
    day: RunningDay, reference: SymbolReference, attempt: int
) -> IntentSubmitted:
    """Return an entry of a strategy that does not run, at a price that nobody sells at."""
    limit = round_down(reference.base_price * 0.85)
    date, now = TradingDate(day.directory.manifest.trading_date), day.clock.now()
    return IntentSubmitted(
        at=now,
        cause=1,
        intent_id=intent_id(date, PCIM, reference.symbol, "E", attempt),
        strategy=PCIM,
        symbol=reference.symbol,
        kind=IntentKind.ENTER,
        quantity=1,
        urgency=Urgency.LOW,
        horizon=Horizon.INTRADAY,
        reason="test",
        attempt=1,
        expires_at=now + 600 * 1_000_000_000,
        limit_price=limit,
        protective_stop=round_down(limit * 0.9),
        signal="by hand",
    )


@pytest.mark.timeout(240)
def test_a_silent_operator_closes_entries_until_the_next_sign_of_life(day: RunningDay) -> None:
    """Killed, the link is missed; back, it is not; and an orderly leave is no silence."""
    command = ("presence", "--link", "desk", "--timeout", "600", "--every", "60", "--by", "ann")

    def missed() -> bool:
        return any("operator link" in name for name in day.kst("status")[1]["halts"])

    def signs() -> list[OperatorPresent]:
        return [each for each in day.events("trading.control") if isinstance(each, OperatorPresent)]

    link = day.process(*command)
    day.until(lambda: len(signs()) >= 2)
    assert not missed()
    link.kill()
    link.communicate(timeout=30)
    day.until(missed)
    link = day.process(*command)
    day.until(lambda: not missed())
    link.send_signal(signal.SIGINT)
    _, shown = link.communicate(timeout=30)
    assert link.returncode == 0, shown.decode()
    last = signs()[-1]
    assert (last.timeout_s, last.link, last.issued_by) == (0, "desk", "ann")
    day.until(lambda: day.clock.now() > last.at + 630 * 1_000_000_000)
    assert not missed()


@pytest.mark.timeout(240)
def test_flattening_sells_everything_while_the_feed_is_down(day: RunningDay) -> None:
    """No price arrives any more; what is held is sold all the same, and entries stay closed."""
    symbol = _symbol(day)
    day.at_exchange(
        "order", {"account": day.account, "symbol": symbol, "side": "buy", "quantity": 11}
    )
    day.until(lambda: day.held().get(symbol, 0) >= 11)
    day.until(lambda: any(drift["symbol"] == symbol for drift in day.kst("adopt")[1]["drifts"]))
    day.at_exchange("fault", {"kind": "stall", "seconds": 3600})
    status, answer = day.kst("flatten", "--reason", "leave the market", "--wait", "90")
    (left,) = answer["runs"].values()
    assert (left["left"], left["working"]) == ({}, [])
    assert status == 0
    assert day.held() == {_symbol(day, -2): 7}, "the account holder's own shares are never sold"
    _, state = day.kst("status")
    assert any(name.startswith("account") for name in state["halts"]), state["halts"]


@pytest.mark.timeout(240)
@pytest.mark.invariant(9)
def test_a_day_of_commands_is_derived_again_and_rebuilt(day: RunningDay) -> None:
    """Everything that gate and guard made of the commands follows from the log alone."""
    # What was written a moment ago may not have been decided yet.
    day.until(lambda: day.kst("verify")[0] == 0)
    day.end()
    status, answer = day.kst("rebuild")
    assert status == 0, answer
    assert answer["live_checksum"] == answer["checksum"]
