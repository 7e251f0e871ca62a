"""A restart changes nothing: outputs are a function of the log, byte for byte."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import codec
from events.event import Delivery, Event
from events.identifiers import OrderId, Symbol
from events.market import Phase, SessionOpened
from events.ops import SetupChanged
from events.trading import (
    IntentExpired,
    IntentKind,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderState,
    OrderSubmitting,
    Side,
)
from strategies.kmp import kmp_from_session
from tests.strategies.days import (
    HYNIX,
    NAVER,
    SAMSUNG,
    Day,
    breathe,
    broken_day,
    held_day,
    intent_of,
    opened_day,
    replay,
    submitted_day,
)

STRATEGIES = Path(__file__).resolve().parents[2] / "strategies"


def whole_day() -> Day:
    """Return a day with an entry, a trail, an exit, cancels and the report at its end."""
    day = held_day()
    day.program("09:16:35", "KOSPI", 5)
    day.print("09:16:40", 51_000)
    breathe(day, 16)
    day.tick("09:17:00")
    day.print("09:17:10", 50_200, symbol=HYNIX)
    day.print("09:17:20", 49_700, symbol=HYNIX)
    day.print("09:17:30", 50_300, symbol=HYNIX)
    day.defer("09:17:31", day.intents(IntentKind.ENTER, HYNIX)[0])
    day.print("09:18:00", 50_400)
    exit_ = day.intents(IntentKind.EXIT)[0]
    day.approve("09:18:01", exit_)
    order = day.order("09:18:02", exit_)
    day.fill("09:18:03", order, Side.SELL, 399, 50_400)
    for text in ("10:00:00", "14:30:00"):
        day.tick(text)
    day.tick("15:30:00", Phase.CLOSED)
    return day


@pytest.mark.invariant(8)
@pytest.mark.invariant(9)
def test_replaying_the_log_derives_the_same_bytes_at_the_same_places() -> None:
    """Two replays agree with each other and with what was derived live."""
    day = whole_day()
    first = list(replay(day.session, day.log))
    assert first == list(replay(day.session, day.log))
    assert [payload for _, payload in first] == [codec.encode(each) for each in day.outputs]
    assert {codec.event_name(each) for each in day.outputs} == {
        "SlotsRequested",
        "SetupChanged",
        "WouldBlock",
        "IntentSubmitted",
        "GatesReported",
    }
    identities = [each.identity for each in day.outputs]
    assert len(set(identities)) == len(identities)


@pytest.mark.invariant(8)
def test_a_beginning_of_the_log_derives_the_beginning_of_the_outputs() -> None:
    """No output depends on an entry that comes after its cause."""
    day = whole_day()
    whole = list(replay(day.session, day.log))
    for cut in range(0, len(day.log), 7):
        before = list(replay(day.session, day.log[:cut]))
        assert before == [each for each in whole if each[0] <= cut]


class _Service:
    """A processor and its log, with times in which the process is down and the log goes on."""

    def __init__(self, opened: SessionOpened) -> None:
        self._opened = opened
        self._processor = kmp_from_session(opened)
        self.log: list[Event] = []

    def live(self, event: Event) -> None:
        """Append an entry, and what follows from it."""
        self.log.append(event)
        for output in self._processor.handle(Delivery(len(self.log), event)):
            self.live(output)

    def down(self, event: Event) -> None:
        """Append an entry that nobody handles."""
        self.log.append(event)

    def restart(self) -> None:
        """Start anew over the whole log, then append what is missing on it.

        A missing intent that is too old is replaced by its expiry.
        """
        self._processor = kmp_from_session(self._opened)
        standing = {event.identity for event in self.log}
        missing = [
            output
            for sequence, event in enumerate(self.log, start=1)
            for output in self._processor.handle(Delivery(sequence, event))
            if output.identity not in standing
        ]
        now = max(event.at for event in self.log)
        for output in missing:
            late = isinstance(output, IntentSubmitted) and output.expires_at <= now
            self.live(IntentExpired(at=now, intent=output) if late else output)  # type: ignore[arg-type]  # late implies an intent


def _after_downtime(
    inputs: Sequence[Event], opened: SessionOpened, cut: int, until: int
) -> _Service:
    service = _Service(opened)
    for event in inputs[:cut]:
        service.live(event)
    for event in inputs[cut:until]:
        service.down(event)
    service.restart()
    for event in inputs[until:]:
        service.live(event)
    return service


def _market_of(day: Day) -> list[Event]:
    derived = {id(output) for output in day.outputs}
    return [event for event in day.log if id(event) not in derived]


@pytest.mark.invariant(8)
@pytest.mark.parametrize("length", [1, 5, 40])
def test_downtime_anywhere_leaves_a_log_that_explains_itself(length: int) -> None:
    """Outputs missing at the restart are derived late; intents too old stand as expired.

    Another process that replays the final log derives exactly what stands on it, and every intent
    stands on it once, as itself or as expired.
    """
    day = broken_day()
    for second in range(30, 60):
        day.print(f"09:16:{second}", 50_100)
    day.tick("09:17:10")
    day.print("09:17:11", 50_100)
    day.tick("09:17:50")
    inputs = _market_of(day)
    expired = 0
    for cut in range(60, len(inputs), 3):
        service = _after_downtime(inputs, day.session, cut, min(cut + length, len(inputs)))
        derived = sorted(payload for _, payload in replay(day.session, service.log))
        standing = [event.intent if isinstance(event, IntentExpired) else event
                    for event in service.log]  # fmt: skip
        outputs = [event for event in standing if day.processor.owns(event)]
        assert sorted(codec.encode(event) for event in outputs) == derived
        intents = [event.identity for event in outputs if isinstance(event, IntentSubmitted)]
        assert len(set(intents)) == len(intents) > 0
        expired += sum(isinstance(event, IntentExpired) for event in service.log)
    assert (expired > 0) is (length == 40)


def test_entry_missed_during_a_downtime_is_asked_for_again_under_a_new_id() -> None:
    """Due at 09:16:30 and found at 09:17:10: expired; the next price may ask again."""
    day = broken_day()
    inputs = _market_of(day)
    before = len(inputs)
    day.print("09:16:30", 50_100)
    breathe(day, 16)
    day.tick("09:17:10")
    back = len(_market_of(day))
    day.print("09:17:11", 50_100)
    service = _after_downtime(_market_of(day), day.session, before, back)
    (expired,) = [event for event in service.log if isinstance(event, IntentExpired)]
    (asked,) = [event for event in service.log if isinstance(event, IntentSubmitted)]
    assert expired.intent.intent_id == intent_of("005930-E1")
    assert (asked.intent_id, asked.at) == (intent_of("005930-E2"), day.at("09:17:11"))


def test_outputs_name_their_cause_and_take_its_time() -> None:
    """Each output stands on the log right after the entry it followed from."""
    day = whole_day()
    processor = kmp_from_session(day.session)
    for sequence, event in enumerate(day.log, start=1):
        for output in processor.handle(Delivery(sequence, event)):
            assert output.cause == sequence  # type: ignore[attr-defined]  # all outputs are derived
            assert output.at == event.at


_PRICES = st.integers(490, 512).map(lambda hundreds: hundreds * 100)
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["print", "tick", "index", "answer", "order", "fill", "close"]),
        st.sampled_from([SAMSUNG, HYNIX, NAVER]),
        _PRICES,
        st.integers(0, 3),
    ),
    max_size=60,
)


def _answer(day: Day, text: str, choice: int) -> None:
    for intent in reversed(day.of(IntentSubmitted)):
        match choice:
            case 0:
                day.reject(text, intent)
            case 1:
                day.defer(text, intent)
            case _:
                day.approve(text, intent)
        return


def _trades(day: Day, symbol: Symbol) -> list[IntentSubmitted]:
    """Return the intents of a symbol that ask for shares, newest first."""
    intents = reversed(day.of(IntentSubmitted))
    return [intent for intent in intents if intent.symbol == symbol and intent.quantity]


def _order(day: Day, text: str, symbol: Symbol, choice: int) -> None:
    """Place an order for one of the newest intents of a symbol, entries long over included."""
    for intent in _trades(day, symbol)[choice : choice + 1]:
        placed = sum(
            isinstance(event, OrderSubmitting) and event.intent_id == intent.intent_id
            for event in day.log
        )
        day.order(text, intent, ordinal=placed + 1)


def _open_orders(day: Day, symbol: Symbol) -> list[OrderSubmitting]:
    """Return the orders of a symbol that were not closed, newest first."""
    closed = {event.order_id for event in day.log if isinstance(event, OrderClosed)}
    return [
        event
        for event in reversed(day.log)
        if isinstance(event, OrderSubmitting)
        and event.symbol == symbol
        and event.order_id not in closed
    ]


def _filled(day: Day, order: OrderId) -> int:
    return max(
        (event.cumulative_quantity for event in day.log
         if isinstance(event, OrderFilled) and event.order_id == order),
        default=0,
    )  # fmt: skip


def _fill(day: Day, text: str, symbol: Symbol, price: int, part: int) -> None:
    """Fill what is left of an open order, or a part of it."""
    for order in _open_orders(day, symbol)[part // 2 : part // 2 + 1]:
        before = _filled(day, order.order_id)
        quantity = (order.quantity - before) // (part % 2 + 1)
        if quantity:
            day.fill(text, order.order_id, order.side, quantity, price,
                     symbol=symbol, cumulative=before + quantity)  # fmt: skip


def _close(day: Day, text: str, symbol: Symbol, choice: int) -> None:
    """Close an open order, with no fill beside it."""
    for order in _open_orders(day, symbol)[choice // 2 : choice // 2 + 1]:
        before = _filled(day, order.order_id)
        whole = before == order.quantity
        day.close(text, order.order_id, before,
                  OrderState.FILLED if whole else OrderState.CANCELLED)  # fmt: skip


@settings(max_examples=60)
@given(_STEPS)
def test_any_day_replays_to_the_same_bytes_and_never_sells_more_than_it_holds(
    steps: list[tuple[str, Symbol, int, int]],
) -> None:
    """Whatever the market, the gate and the router do: no error, no oversell, equal replay."""
    day = opened_day(stop_update_sec=1)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.tick("09:16:00")
    for number, (step, symbol, price, choice) in enumerate(steps):
        text = f"09:{16 + number // 12:02}:{number % 12 * 5:02}"
        match step:
            case "print":
                day.print(text, price, 5_000, symbol)
            case "tick":
                day.tick(text)
            case "index":
                day.index(text, 267_000 if choice == 0 else 271_000)
            case "answer":
                _answer(day, text, choice)
            case "order":
                _order(day, text, symbol, choice)
            case "fill":
                _fill(day, text, symbol, price, choice)
            case _:
                _close(day, text, symbol, choice)
    _check_stops(day)
    day.tick("15:30:00", Phase.CLOSED)
    assert [payload for _, payload in replay(day.session, day.log)] == [
        codec.encode(each) for each in day.outputs
    ]
    _check_exits(day)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["fill", "close", "order", "tick"]), _PRICES, st.integers(0, 3)),
        max_size=10,
    )
)
def test_entry_and_exit_orders_may_end_in_any_order(steps: list[tuple[str, int, int]]) -> None:
    """With a half-filled entry and an exit both working, whatever is left keeps its stops."""
    day, entry = submitted_day()
    day.approve("09:16:30.2", entry)
    bought = day.order("09:16:30.3", entry)
    day.fill("09:16:31", bought, Side.BUY, 100, 50_100)
    day.print("09:16:40", 49_850)
    (exit_,) = day.intents(IntentKind.EXIT)
    day.approve("09:16:40.2", exit_)
    day.order("09:16:40.3", exit_)
    for number, (step, price, choice) in enumerate(steps):
        text = f"09:16:{41 + number}"
        match step:
            case "fill":
                _fill(day, text, SAMSUNG, price, choice)
            case "close":
                _close(day, text, SAMSUNG, choice)
            case "order":
                _order(day, text, SAMSUNG, choice)
            case _:
                day.tick(text)
    _check_stops(day)
    _check_exits(day)


def _check_exits(day: Day) -> None:
    """Assert that every exit on the log asks for exactly what its symbol holds there.

    Shares sold beyond what was held are made up for first by those that come in later.
    """
    held: dict[Symbol, int] = {}
    filled: dict[str, int] = {}
    for event in day.log:
        if isinstance(event, OrderFilled) and event.cumulative_quantity > filled.get(
            event.order_id, 0
        ):
            filled[event.order_id] = event.cumulative_quantity
            change = event.quantity if event.side is Side.BUY else -event.quantity
            held[event.symbol] = held.get(event.symbol, 0) + change
        elif isinstance(event, IntentSubmitted) and event.kind in (
            IntentKind.EXIT,
            IntentKind.FLATTEN,
        ):
            assert event.quantity == held[event.symbol] > 0


def _check_stops(day: Day) -> None:
    """Assert that a fall below every stop sells whatever is held, and that steps have reasons.

    An order of an earlier exit that still works is selling it already.
    """
    for symbol in (SAMSUNG, HYNIX, NAVER):
        day.print("09:25:00", 40_000, 5_000, symbol)
    changes = [change for change in day.of(SetupChanged) if change.reason in ("", "None")]
    assert changes == []
    last = {change.symbol: change for change in day.of(SetupChanged)}
    for symbol, change in last.items():
        if change.state in ("IN_POSITION", "PENDING_EXIT"):
            began = max(
                number
                for number, output in enumerate(day.outputs)
                if isinstance(output, SetupChanged)
                and output.symbol == symbol
                and output.state == "IN_POSITION"
            )
            sold = [
                output
                for output in day.outputs[began:]
                if isinstance(output, IntentSubmitted)
                and output.symbol == symbol
                and output.kind is IntentKind.EXIT
            ]
            selling = [
                order
                for order in _open_orders(day, symbol)
                if order.side is Side.SELL and _filled(day, order.order_id) < order.quantity
            ]
            assert sold or selling, f"{symbol} is held below its stops without an exit"


_BANNED = {"asyncio", "datetime.datetime", "logging", "os", "random", "secrets", "time", "uuid"}
_CALLS = {"now", "utcnow", "today", "time_ns", "monotonic", "perf_counter", "getenv", "urandom"}
_ALLOWED = {
    "__future__", "bisect", "collections", "datetime", "enum", "events", "itertools", "math",
    "msgspec", "operator", "statistics", "strategies", "typing",
}  # fmt: skip


def impurities(source: str) -> list[str]:
    """Return what in a module would make a replay differ: imports and calls."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found += [
            name
            for name in names
            if name in _BANNED or name.split(".")[0] not in _ALLOWED or "*" in name
        ]
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("open", "input", "id", "hash") or called.split(".")[-1] in _CALLS:
                found.append(called)
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from datetime import datetime", ["datetime.datetime"]),
        ("import datetime\ndatetime.datetime.now()", ["datetime.datetime.now"]),
        ("from datetime import date\ndate.today()", ["date.today"]),
        ("import time", ["time"]),
        ("from os import environ", ["os.environ"]),
        ("from events import *", ["events.*"]),
        ("open('x')", ["open"]),
        ("from datetime import date, time\ndate(2025, 1, 1)", []),
    ],
)
def test_impurity_is_found(source: str, found: list[str]) -> None:
    """The check of the next test can fail."""
    assert impurities(source) == found


def test_strategies_know_no_clock_chance_or_outside_world() -> None:
    """No module of the room imports or calls what would make a replay differ."""
    modules = sorted(STRATEGIES.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        assert impurities(path.read_text(encoding="utf-8")) == [], path.name
