"""Tests of the result store."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from joblib import Parallel, delayed

from events import StrategyId
from events.trading import Side
from research.backtest.errors import NotRepeatable, QueryRefused, UnknownRun
from research.backtest.results import BacktestResult
from research.backtest.store import TABLES, ResultStore, run_id
from tests.research.backtest.runs import KMP, SAMSUNG, Desk, provenance


def a_run(**changes: str) -> BacktestResult:
    desk = Desk(owners=(KMP, StrategyId("PCIM")))
    desk.open("20250915", problems=("005930: a gap", "000660: none"))
    desk.trade(Side.BUY, 10, 70_000, fee=105)
    desk.mark({SAMSUNG: 70_100})
    desk.intent(Side.BUY, 5)
    desk.close({SAMSUNG: 70_200}, market_events=12)
    desk.open("20250916")
    desk.trade(Side.SELL, 4, 71_000, fee=42, tax=426, reason="it's over")
    desk.close({SAMSUNG: 71_000}, market_events=9)
    return desk.result(**changes)


def test_a_stored_run_is_loaded_as_it_was(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "results")
    result = a_run()
    assert store.load(store.save(result)) == result


def test_a_run_without_sessions_can_be_stored(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    result = Desk().result()
    assert store.load(store.save(result)) == result
    assert store.runs()["sharpe"].to_list() == [None]


def test_the_id_names_settings_code_and_data_but_not_how_it_was_computed() -> None:
    one = run_id(provenance("KMP, faster!"))
    assert one.startswith("kmp-faster-")
    assert run_id(provenance("KMP, faster!", path="every", result_hash="x")) == one
    for field in ("settings_hash", "code_version", "data_hash"):
        assert run_id(provenance("KMP, faster!", **{field: "other"})) != one


def test_the_same_run_is_kept_once(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    assert store.save(a_run(path="block")) == store.save(a_run(path="reference"))
    assert store.runs().height == 1


def test_another_result_of_the_same_run_is_refused_loudly(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.save(a_run(result_hash="a" * 64))
    with pytest.raises(NotRepeatable, match=f"NOT REPEATABLE.*{'a' * 64}.*{'b' * 64}"):
        store.save(a_run(result_hash="b" * 64))
    assert store.runs()["result_hash"].to_list() == ["a" * 64]


def test_questions_are_asked_in_sql_across_runs(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    first = store.save(a_run())
    second = store.save(a_run(settings_hash="other"))
    answer = store.query(
        "SELECT run_id, sum(quantity) AS shares, max(exit_reason) AS why FROM trades "
        "JOIN runs USING (run_id) WHERE closed_at > 0 GROUP BY run_id ORDER BY run_id"
    )
    assert answer.schema == {"run_id": pl.String, "shares": pl.Int64, "why": pl.String}
    assert answer.rows() == sorted([(first, 4, "it's over"), (second, 4, "it's over")])


def test_the_runs_are_listed_with_what_they_came_to(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    name = store.save(a_run())
    (row,) = store.runs().to_dicts()
    assert row["run_id"] == name
    assert (row["name"], row["data_hash"], row["code_version"]) == ("run", "d" * 64, "0.1.0+abc")
    assert (row["opening_cash"], row["closing_equity"]) == (1_000_000, 1_009_427)
    assert (row["trades"], row["costs"], row["market_events"]) == (0, 573, 21)
    assert row["total_return"] == pytest.approx(0.009427)


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_store_has_empty_tables_with_the_same_columns(tmp_path: Path, table: str) -> None:
    empty = ResultStore(tmp_path / "none").query(f"SELECT * FROM {table}")
    filled = ResultStore(tmp_path / "some")
    filled.save(a_run())
    assert empty.height == 0
    assert empty.columns == filled.query(f"SELECT * FROM {table}").columns


def test_a_wrong_query_says_what_there_is(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    with pytest.raises(QueryRefused, match="Tables: runs, sessions, decisions"):
        store.query("SELECT * FROM bananas")
    with pytest.raises(QueryRefused, match="selects nothing"):
        store.query("")


def test_an_unknown_run_is_said_to_be_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownRun, match="kmp-1"):
        ResultStore(tmp_path).load("kmp-1")


def test_a_half_written_run_is_not_seen(tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    store.save(a_run())
    (tmp_path / ".other-1-abc").mkdir()
    (tmp_path / ".other-1-abc" / "runs.parquet").write_bytes(b"PAR1")
    assert store.runs().height == 1


def test_polars_reads_the_folder_without_the_store(tmp_path: Path) -> None:
    name = ResultStore(tmp_path).save(a_run())
    fills = pl.read_parquet(tmp_path / "run_id=*" / "fills.parquet", hive_partitioning=True)
    assert fills["run_id"].unique().to_list() == [name]
    assert fills["amount"].sum() == 984_000


def save_all(folder: Path, ordinals: range) -> None:
    for ordinal in ordinals:
        ResultStore(folder).save(a_run(settings_hash=str(ordinal)))


def test_several_threads_may_save_the_same_runs_at_once(tmp_path: Path) -> None:
    Parallel(n_jobs=4, backend="threading")(
        delayed(save_all)(tmp_path, range(10)) for _ in range(4)
    )
    assert ResultStore(tmp_path).runs().height == 10
    assert [each for each in tmp_path.iterdir() if each.name.startswith(".")] == []
