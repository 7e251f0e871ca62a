"""Scenarios: when what goes wrong, as a pure function of what is written and of time."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kis_gateway.simulator.trouble import scenario as scenarios
from kis_gateway.simulator.trouble.fault_board import CausedFault, FaultBoard, drawn
from kis_gateway.simulator.trouble.faults import Fault, FaultKind
from kis_gateway.simulator.trouble.scenario import (
    Scenario,
    ScenarioError,
    load_scenario,
    read_scenario,
    span,
)

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
NINE = 9 * 60 * MINUTE
"""Nine o'clock of a day whose midnight is 0."""


def times(text: str, start: int = NINE, most: int = 20) -> list[tuple[int, str, bool]]:
    """Return (seconds after the start, kind, ends) of a scenario's first actions."""
    steps = read_scenario(f"steps:\n{text}")
    return [
        ((action.at - start) // SECOND, str(action.fault.kind), action.ends)
        for action in islice(steps.actions(start, 0), most)
    ]


def test_a_step_happens_at_a_clock_time_or_so_long_after_the_start() -> None:
    """In order of time, whatever the order in the file."""
    assert times(
        """
        - {after: 90s, fault: {kind: disconnect}}
        - {at: 09:00:30, fault: {kind: key_change}}
        - {at: 10:05, fault: {kind: tokens_expired}}
        """
    ) == [(30, "key_change", False), (90, "disconnect", False), (3_900, "tokens_expired", False)]


def test_a_step_repeats_so_many_times_or_until_an_instant() -> None:
    """Without a beginning the first turn is one period after the start."""
    disconnect = "fault: {kind: disconnect}"
    assert [at for at, _, _ in times(f"- {{every: 30s, times: 3, {disconnect}}}")] == [30, 60, 90]
    assert [at for at, _, _ in times(f"- {{every: 5m, until: 12m, {disconnect}}}")] == [300, 600]
    aimed = f'- {{at: "09:01", every: 1m, until: "09:03", {disconnect}}}'
    assert [at for at, _, _ in times(aimed)] == [60, 120, 180]
    assert len(times(f"- {{every: 1s, {disconnect}}}", most=50)) == 50


def test_what_has_passed_at_the_start_is_left_out() -> None:
    """A repeating step goes on with its next turn and keeps its count of turns."""
    assert times('- {at: "08:59", fault: {kind: disconnect}}') == []
    late = '- {at: "08:59", every: 30s, times: 4, fault: {kind: disconnect}}'
    assert [at for at, _, _ in times(late)] == [0, 30]


def test_a_rate_begins_and_ends() -> None:
    """It is armed for its window, with the scenario's seed and the step's number."""
    text = """
        seed: 5
        steps:
          - {at: "13:00", fault: {kind: disconnect}}
          - {rate: 2 %, after: 10m, until: "10:00", fault: {kind: throttle, call: order-cash}}
    """
    begin, end, _ = read_scenario(text).actions(NINE, 0)
    assert (begin.at, end.at) == (NINE + 10 * MINUTE, NINE + 60 * MINUTE)
    assert (begin.ends, end.ends) == (False, True)
    assert (begin.fault.rate, begin.fault.seed, begin.fault.call) == (0.02, 5_001, "order-cash")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("steps: [{after: 1s, fault: {kind: earthquake}}]", "earthquake"),
        ("steps: [{after: 1s, fault: {kind: stall, secnds: 5}}]", "secnds"),
        ("steps: [{afterwards: 1s, fault: {kind: stall}}]", "afterwards"),
        ("stps: []", "stps"),
        ("steps: [{fault: {kind: stall}}]", "when"),
        ('steps: [{after: 1s, at: "09:00", fault: {kind: stall}}]', "`at` and `after`"),
        ("steps: [{every: soon, fault: {kind: stall}}]", "`every` is 'soon'"),
        ('steps: [{at: "25:00", fault: {kind: stall}}]', "`at` is '25:00'"),
        ("steps: [{rate: 200 %, fault: {kind: throttle}}]", "`rate`"),
        ("steps: [{rate: 2 %, fault: {kind: disconnect}}]", "disconnect"),
        ("steps: [{after: 1s, fault: {kind: disconnect, columns: 3}}]", "columns"),
        ("steps: [{after: 1s, fault: {kind: halt}}]", "symbol"),
        ("steps: [{after: 1s, times: 2, fault: {kind: stall}}]", "`times`"),
        ("steps: {", "YAML"),
    ],
)
def test_a_mistake_is_named(text: str, complaint: str) -> None:
    """The message carries the key or value that is wrong, and where it stands."""
    with pytest.raises(ScenarioError, match=complaint):
        read_scenario(text, "day.yaml")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """And one that is there is read."""
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")
    path = tmp_path / "day.yaml"
    path.write_text("name: short\nsteps: [{after: 1s, fault: {kind: disconnect}}]")
    assert load_scenario(path).name == "short"


def test_the_example_of_the_documentation_can_be_read() -> None:
    """Every kind of step stands in the module's docstring."""
    text = scenarios.__doc__ or ""
    example = text[text.index("    name:") : text.index("Times are")]
    assert len(read_scenario(example).steps) == 8


SPANS = st.integers(1, 7_200).map(lambda seconds: f"{seconds}s")
STEPS = st.fixed_dictionaries(
    {"fault": st.just({"kind": "disconnect"}), "every": SPANS},
    optional={"times": st.integers(1, 5).map(str), "until": SPANS, "after": SPANS},
)


@given(steps=st.lists(STEPS, max_size=4), start=st.integers(0, 20 * 3_600 * SECOND))
def test_actions_come_in_order_never_before_the_start_and_repeat(
    steps: list[dict[str, object]], start: int
) -> None:
    """Equal scenarios give equal actions."""
    text = str({"steps": steps}).replace("'", '"')
    first, second = read_scenario(text), read_scenario(text)
    actions = list(islice(first.actions(start, 0), 60))
    assert actions == list(islice(second.actions(start, 0), 60))
    assert all(action.at >= start for action in actions)
    assert all(before.at <= after.at for before, after in pairwise(actions))


@given(seconds=st.integers(0, 10**6))
def test_spans_are_read_in_every_unit(seconds: int) -> None:
    """Plain numbers are seconds."""
    assert span(f"{seconds}", "after") == span(f"{seconds * 1000} ms", "after") == seconds * SECOND
    assert span(f"{seconds}m", "after") == 60 * span(f"{seconds} s", "after")
    assert span(f"{seconds}h", "after") == seconds * 3_600 * SECOND


@given(rate=st.floats(0.01, 0.99), seed=st.integers(0, 10**6), count=st.integers(0, 300))
def test_a_rate_hits_the_same_ordinals_every_time(rate: float, seed: int, count: int) -> None:
    """The board counts the matches and draws by them alone."""
    fault = Fault(kind=FaultKind.THROTTLE, rate=rate, seed=seed)
    board = FaultBoard()
    entry: CausedFault = board.enter(fault)
    hits = [board.meet(FaultKind.THROTTLE, "inquire-balance") is not None for _ in range(count)]
    assert hits == [drawn(rate, seed, ordinal) for ordinal in range(1, count + 1)]
    assert (entry.seen, entry.struck) == (count, sum(hits))


def test_a_rate_of_two_percent_hits_about_two_percent() -> None:
    """Of ten thousand, between 160 and 240 for any sensible draw."""
    for seed in range(5):
        assert 160 < sum(drawn(0.02, seed, ordinal) for ordinal in range(10_000)) < 240


def test_a_fault_waits_for_its_call_its_account_and_its_issue() -> None:
    """And is used up by them alone."""
    board = FaultBoard()
    board.enter(
        Fault(kind=FaultKind.DELAY, call="order-cash", account="1234567801", symbol="005930")
    )
    delay = FaultKind.DELAY
    assert not board.meet(delay, "inquire-price", account="1234567801", symbol="005930")
    assert not board.meet(delay, "order-cash", order=True, account="9" * 10, symbol="005930")
    assert not board.meet(delay, "order-cash", order=True, account="1234567801", symbol="000660")
    assert board.left == {"delay": 1}
    assert board.meet(delay, "order-cash", order=True, account="1234567801", symbol="005930")
    assert board.left == {}


def test_an_empty_scenario_does_nothing() -> None:
    """It is a scenario all the same."""
    assert list(Scenario(steps=()).actions(NINE, 0)) == []
