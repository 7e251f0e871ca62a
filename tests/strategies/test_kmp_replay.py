"""A restart changes nothing: outputs are a function of the log, byte for byte."""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from events import codec
from events.event import Delivery
from events.identifiers import Symbol
from events.market import Phase
from events.trading import IntentKind, IntentSubmitted, OrderFilled, Side
from strategies.kmp import kmp_from_session
from tests.strategies.days import (
    HYNIX,
    NAVER,
    SAMSUNG,
    Day,
    breathe,
    held_day,
    opened_day,
    replay,
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


def test_restart_at_any_entry_changes_no_output() -> None:
    """A process that starts anew at each entry derives what the uninterrupted one derives."""
    day = whole_day()
    whole = list(replay(day.session, day.log))
    for cut in range(0, len(day.log), 7):
        before = list(replay(day.session, day.log[:cut]))
        assert before == [each for each in whole if each[0] <= cut]


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
        st.sampled_from(["print", "tick", "index", "answer", "fill", "close"]),
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


def _fill(day: Day, text: str, symbol: Symbol, price: int, part: int) -> None:
    for intent in reversed(day.of(IntentSubmitted)):
        if intent.symbol == symbol and intent.quantity:
            side = Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL
            order = day.order(text, intent, ordinal=part + 1)
            day.fill(text, order, side, max(1, intent.quantity // (part + 1)), price, symbol=symbol)
            if part:
                day.close(text, order, 1)
            return


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
            case "fill":
                _fill(day, text, symbol, price, choice)
            case _:
                pass
    day.tick("15:30:00", Phase.CLOSED)
    assert [payload for _, payload in replay(day.session, day.log)] == [
        codec.encode(each) for each in day.outputs
    ]
    _check_exits(day)


def _check_exits(day: Day) -> None:
    """Assert that every exit on the log asks for exactly what its symbol holds there."""
    held: dict[Symbol, int] = {}
    filled: dict[str, int] = {}
    for event in day.log:
        if isinstance(event, OrderFilled) and event.cumulative_quantity > filled.get(
            event.order_id, 0
        ):
            filled[event.order_id] = event.cumulative_quantity
            change = event.quantity if event.side is Side.BUY else -event.quantity
            held[event.symbol] = max(0, held.get(event.symbol, 0) + change)
        elif isinstance(event, IntentSubmitted) and event.kind in (
            IntentKind.EXIT,
            IntentKind.FLATTEN,
        ):
            assert event.quantity == held[event.symbol] > 0


def test_strategies_know_no_clock_chance_or_outside_world() -> None:
    """No module of the room imports what would make a replay differ."""
    banned = {"asyncio", "datetime.datetime", "logging", "os", "random", "secrets", "time", "uuid"}
    for path in sorted(STRATEGIES.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            assert not banned & set(names), f"{path.name} imports {names}"
            allowed = ("__future__", "collections", "events", "strategies", "msgspec", "typing",
                       "datetime", "enum", "itertools", "math", "statistics")  # fmt: skip
            assert all(name.split(".")[0] in allowed for name in names), f"{path.name}: {names}"
