"""Tests of walk-forward: choose on the past, judge on what came after."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from research.backtest.errors import ClusterUnreachable, InvalidSettings
from research.backtest.walk_forward import WalkForward
from research.backtest.windows import Spans, windows
from tests.research.backtest.toy_engine import SETTINGS, ToyDays, open_toys, toy_run

EDGE = "strategies.kmp.set.edge"
DATES = [date(2025, 1, 1) + timedelta(days=n) for n in range(40)]


def walk(*edges: int, objective: str = "total_return", train: int = 5) -> WalkForward:
    return WalkForward(
        SETTINGS,
        {EDGE: list(edges)},
        spans=Spans(train=train, test=5),
        objective=objective,
        execute=toy_run,
        open_days=open_toys,
    )


def test_windows_move_on_by_the_test_and_the_last_may_be_shorter() -> None:
    found = windows(DATES[:12], Spans(train=4, test=3))
    assert [(each.train[0].day, each.train[-1].day) for each in found] == [(1, 4), (4, 7), (7, 10)]
    assert [[on.day for on in each.test] for each in found] == [[5, 6, 7], [8, 9, 10], [11, 12]]


def test_purge_shortens_the_train_and_embargo_moves_the_test() -> None:
    (first, *_) = windows(DATES, Spans(train=6, test=3, step=10, purge=2, embargo=4), warm_up=2)
    assert [on.day for on in first.before_train] == [1, 2]
    assert [on.day for on in first.train] == [3, 4, 5, 6]
    assert [on.day for on in first.before_test] == [11, 12]
    assert [on.day for on in first.test] == [13, 14, 15]


@pytest.mark.parametrize(
    ("spans", "problem"),
    [
        (Spans(train=0, test=1), "need at least one session"),
        (Spans(train=3, test=1, purge=3), "leaves nothing of the train"),
        (Spans(train=3, test=4, step=3), "tests would overlap"),
        (Spans(train=40, test=4), "the first window needs 41"),
    ],
)
def test_spans_that_make_no_window_are_refused(spans: Spans, problem: str) -> None:
    with pytest.raises(InvalidSettings, match=problem):
        windows(DATES, spans)


spans_of_any_length = st.builds(
    lambda train, test, more, purge, embargo: Spans(
        train=train, test=test, step=test + more, purge=purge % train, embargo=embargo
    ),
    st.integers(1, 12),
    st.integers(1, 8),
    st.integers(0, 5),
    st.integers(0, 11),
    st.integers(0, 4),
)


@given(spans=spans_of_any_length, count=st.integers(1, 40), warm_up=st.integers(0, 4))
def test_no_train_session_is_after_its_test_and_none_is_tested_twice(
    spans: Spans, count: int, warm_up: int
) -> None:
    try:
        found = windows(DATES[:count], spans, warm_up)
    except InvalidSettings:
        assert count < warm_up + spans.train + spans.embargo + 1
        return
    tested = [on for each in found for on in each.test]
    assert tested == sorted(set(tested))
    for each in found:
        assert len(each.train) == spans.train - spans.purge
        assert len(each.before_train) == len(each.before_test) == warm_up
        assert (each.test[0] - each.train[-1]).days == 1 + spans.embargo + spans.purge


def test_the_best_of_the_past_is_traded_afterwards() -> None:
    result = walk(1, 3, 2).run(workers=1)
    assert result.table().select("chosen", "test_trades").rows() == [(f"{EDGE}=3", 5)] * 2
    # The second test is in the sessions that turned around: the choice was wrong and it shows.
    assert result.curve()["return"].to_list() == pytest.approx(
        [6e-6, 3e-6, 6e-6, 3e-6, 6e-6, -3e-6, -6e-6, -3e-6, -6e-6, -3e-6], rel=1e-4
    )
    assert result.curve()["equity"][-1] == pytest.approx(1_000_000 + 24 - 21, abs=0.01)
    figures = result.figures()
    assert figures is not None
    assert figures.total == pytest.approx(3e-6, rel=1e-3)
    assert figures.drawdown == pytest.approx(21e-6, rel=1e-3)


def test_what_held_out_of_sample_is_compared_with_what_was_chosen_on() -> None:
    result = walk(3).run(workers=1)
    # Trained 21 + 24 won in ten sessions, tested 24 - 21.
    assert result.efficiency() == pytest.approx(3 / 45, rel=1e-3)


def test_a_run_sees_its_own_sessions_and_no_other() -> None:
    result = walk(1).run(workers=1)
    dates = [each.isoformat() for each in ToyDays().dates]
    assert [each.train[0].result_hash for each in result.windows] == [
        f"1:{','.join(dates[:5])}",
        f"1:{','.join(dates[5:10])}",
    ]
    assert [each.test.result_hash for each in result.windows if each.test] == [
        f"1:{','.join(dates[5:10])}",
        f"1:{','.join(dates[10:15])}",
    ]


def test_without_any_value_to_choose_by_nothing_is_traded() -> None:
    result = walk(13).run(workers=1)
    assert [each.chosen for each in result.windows] == [None, None]
    assert len(result.failed) == 2
    assert result.table()["failed"].to_list() == [1, 1]
    assert result.curve()["return"].to_list() == [0.0] * 10
    assert result.efficiency() is None


def test_a_failure_on_the_train_span_leaves_the_others_to_choose_from() -> None:
    result = walk(13, 2, objective="expectancy").run(workers=1)
    assert result.table()["chosen"].to_list() == [f"{EDGE}=2", f"{EDGE}=2"]


def test_two_workers_choose_and_earn_what_one_does() -> None:
    done: list[tuple[int, int]] = []
    two = walk(1, 2, 13).run(workers=2, on_progress=lambda *counts: done.append(counts))
    one = walk(1, 2, 13).run(workers=1)
    assert two.digest == one.digest
    assert two.curve().equals(one.curve())
    assert done[-1] == (8, 8)
    assert one.digest != walk(1, 2).run(workers=1).digest


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")  # of Ray's own threads and files
def test_a_cluster_gives_what_this_machine_gives(capfd: pytest.CaptureFixture[str]) -> None:
    here = walk(1, 2, 3).run(workers=1)
    cluster = walk(1, 2, 3).run(workers=2, cluster="local")
    assert cluster.digest == here.digest
    assert cluster.curve().equals(here.curve())
    assert cluster.table().equals(here.table())
    assert capfd.readouterr().out == ""  # stdout is for results


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_cannot_be_joined_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def refuse(**_: object) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ClusterUnreachable, match="cannot be joined: nobody answers"):
        walk(1).run(cluster="10.0.0.1:6379")
