"""An hour of market under a storm of faults: the books agree, and what was lost is known."""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from events import Symbol
from events.market import TradeFrame
from events.ops import FeedGap
from events.trading import OrderAccepted, OrderSubmitting
from kis_gateway.simulator.exchange.messages import MarketTrade
from tests.chaos.storm import SECOND, Storm, Times, market, run_storm

SYMBOLS = 12
SPEED = 20.0

SCENARIO = """
name: storm
seed: 7
steps:
  - {every: 30s, until: "%(until)s", fault: {kind: disconnect}}
  - {every: 97s, until: "%(until)s", fault: {kind: stall, symbol: "900010", seconds: 12}}
  - {every: 211s, until: "%(until)s", fault: {kind: stall, seconds: 8}}
  - {every: 7m, until: "%(until)s", fault: {kind: key_change}}
  - {every: 11m, until: "%(until)s", fault: {kind: tokens_expired}}
  - {rate: 5 %%, until: "%(until)s", fault: {kind: throttle}}
  - {rate: 5 %%, until: "%(until)s", fault: {kind: drop_reply_after_accept}}
  - {rate: 3 %%, until: "%(until)s", fault: {kind: uncertain_reply}}
  - {rate: 3 %%, until: "%(until)s", fault: {kind: reset_before_accept}}
  - {rate: 20 %%, until: "%(until)s", fault: {kind: duplicate_notice}}
  - {rate: 20 %%, until: "%(until)s", fault: {kind: late_notice, seconds: 4}}
  - {rate: 10 %%, until: "%(until)s", fault: {kind: swapped_notice, seconds: 5}}
  - {rate: 10 %%, until: "%(until)s", fault: {kind: lost_notice}}
"""


class Case:
    """One storm with its times."""

    def __init__(self, storm: Storm, times: Times) -> None:
        self.storm = storm
        self.times = times
        self.tape = _tape(times)

    def lost(self) -> dict[Symbol, list[int]]:
        """Return the exchange's times of trades that are not on the log, by symbol."""
        received = self.storm.received()
        return {
            symbol: [at for volume, at in trades.items() if volume not in received[symbol]]
            for symbol, trades in self.tape.items()
        }

    def gaps_of(self, symbol: Symbol) -> list[FeedGap]:
        """Return the gaps that name a symbol, or all symbols."""
        return [gap for gap in self.storm.gaps() if not gap.symbols or symbol in gap.symbols]


def _tape(times: Times) -> dict[Symbol, dict[int, int]]:
    """Return what the exchange printed in the storm: symbol → cumulative volume → time."""
    volumes: Counter[Symbol] = Counter()
    tape: dict[Symbol, dict[int, int]] = defaultdict(dict)
    for item in market(SYMBOLS).commands():
        if isinstance(item, MarketTrade):
            volumes[item.symbol] += item.quantity
            if times.begin <= item.at < times.calm:
                tape[item.symbol][volumes[item.symbol]] = item.at
    return tape


@pytest.fixture(scope="module", params=[pytest.param(60, marks=pytest.mark.slow, id="hour"), 4])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    """Return the whole hour, or the four minutes that belong to every change."""
    minutes: int = request.param
    until = f"{10 + minutes // 60:02d}:{minutes % 60:02d}"
    with tempfile.TemporaryDirectory() as folder:
        storm = run_storm(
            Path(folder),
            SCENARIO % {"until": until},
            symbols=SYMBOLS,
            universe=SYMBOLS,
            minutes=minutes,
            speed=SPEED,
        )
        yield Case(storm, Times.of(minutes=minutes))


pytestmark = pytest.mark.timeout(420)


def test_the_storm_was_one(case: Case) -> None:
    """Lines were cut, records and notices lost, calls refused, and there was trading meanwhile."""
    counters = case.storm.state["counters"]
    minutes = (case.times.calm - case.times.begin) // (60 * SECOND)
    assert counters["ws_connections_opened"] >= minutes
    assert counters["records_lost"] > 0
    assert counters["throttled_calls"] > 0
    assert len(case.storm.executed()) >= 2 * minutes
    assert sum(quantity for quantity, _ in case.storm.executed().values()) > 0


def test_executions_of_log_and_exchange_are_equal(case: Case) -> None:
    """Order by order, to the share and to the won."""
    assert case.storm.filled() == case.storm.executed()


def test_the_balance_of_log_and_exchange_is_equal(case: Case) -> None:
    """Cash and every holding after the storm."""
    (account,) = case.storm.state["accounts"].values()
    held = {
        symbol: holding["quantity"]
        for symbol, holding in account["holdings"].items()
        if holding["quantity"]
    }
    snapshot = case.storm.balance()
    assert {each.symbol: each.quantity for each in snapshot.holdings if each.quantity} == held
    assert snapshot.cash == account["available_cash"]


def test_no_order_call_was_repeated(case: Case) -> None:
    """Every order at the exchange is one of ours, and no call left without its event."""
    submitted = Counter(event.order_id for event in case.storm.of(OrderSubmitting))
    assert max(submitted.values()) == 1
    accepted = Counter(event.order_id for event in case.storm.of(OrderAccepted))
    assert max(accepted.values()) == 1
    assert len(case.storm.executed()) == len(accepted)
    assert sum(case.storm.state["counters"]["orders_received"].values()) <= case.storm.calls()


def test_every_lost_trade_lies_in_a_gap(case: Case) -> None:
    """Nothing is missing on the log that the log does not say is missing."""
    assert any(case.lost().values()), "nothing was lost: the test proves nothing"
    uncovered = []
    for symbol, instants in case.lost().items():
        gaps = case.gaps_of(symbol)
        uncovered += [
            (symbol, at)
            for at in instants
            if not any(gap.begun_at - SECOND <= at <= gap.ended_at for gap in gaps)
        ]
    assert uncovered == []


def test_no_gap_covers_what_was_received(case: Case) -> None:
    """Strictly between the bounds of a gap no frame of the symbol arrived."""
    arrived: dict[Symbol, list[int]] = defaultdict(list)
    for frame in case.storm.of(TradeFrame):
        arrived[frame.symbol].append(frame.at)
    wrong = [
        (symbol, gap.begun_at, gap.ended_at)
        for symbol, instants in arrived.items()
        for gap in case.gaps_of(symbol)
        if bisect_right(instants, gap.begun_at) < bisect_left(instants, gap.ended_at)
    ]
    assert wrong == []


def test_a_gap_that_a_volume_proves_holds_a_lost_trade(case: Case) -> None:
    """While the line is up nothing is called missing on suspicion."""
    lost = case.lost()
    proved = [gap for gap in case.storm.gaps() if "shares were traded" in gap.reason]
    assert proved, "no silent loss was found: the test proves nothing"
    empty = [
        (gap.symbols, gap.reason)
        for gap in proved
        if not any(gap.begun_at - SECOND <= at <= gap.ended_at for at in lost[gap.symbols[0]])
    ]
    assert empty == []


def test_all_subscriptions_are_restored(case: Case) -> None:
    """What the log says is held is registered at the exchange, and it is everything wanted."""
    slots = case.storm.slots()
    assert slots.waiting == ()
    registered = {
        key for connection in case.storm.connections for key in connection["registrations"]
    }
    trades = {f"H0STCNT0 {entry.partition(':')[2]}" for entry in slots.held}
    assert len(trades) == SYMBOLS
    assert trades <= registered
