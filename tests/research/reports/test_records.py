"""The list of a page: whole chains, links that hold, and a count of what is left out."""

from __future__ import annotations

import pytest

from research.backtest.results import BacktestResult
from research.reports.document import report
from research.reports.records import Columns, records
from tests.research.reports import hand_made
from tests.research.reports.made_up import made_up_result
from tests.research.reports.pages import Page


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return made_up_result(sessions=30, every=15)


def row(columns: Columns, place: int) -> dict[str, object]:
    return {name: values[place] for name, values in columns.items()}


def test_a_trade_leads_to_its_intents_orders_and_fills() -> None:
    tables = records(hand_made.result()).tables
    trades, decisions, orders, fills = (
        tables[name] for name in ("trades", "decisions", "orders", "fills")
    )
    assert trades["result"] == [28_871, -4_713, -51_717, 9_955]
    entry, leaving = trades["entry"][0], trades["exit"][0]
    assert decisions["id"][entry] == "20250131-KMP-000001-E1"
    assert decisions["id"][leaving] == "20250131-KMP-000001-X1"
    assert row(decisions, entry) == {
        "id": "20250131-KMP-000001-E1", "sequence": 11, "at": 1_738_283_400_000_000,
        "strategy": "KMP", "symbol": "000001", "kind": "enter", "reason": "breakout",
        "requested": 150, "allowed": 100, "outcome": "modified", "check": "symbol_exposure",
        "market": 9_990,
    }  # fmt: skip
    order = orders["decision"].index(leaving)
    assert (orders["id"][order], orders["limit"][order]) == ("20250131-KMP-000001-X1-O1", None)
    (fill,) = (place for place, of in enumerate(fills["order"]) if of == order)
    assert (fills["quantity"][fill], fills["price"][fill], fills["tax"][fill]) == (60, 10_500, 945)


def test_shares_still_held_have_no_exit() -> None:
    trades = records(hand_made.result()).tables["trades"]
    assert (trades["closed"][3], trades["exit"][3]) == (0, -1)


def test_nothing_is_left_out_of_an_ordinary_run(result: BacktestResult) -> None:
    kept = records(result)
    assert kept.left_out == ()
    assert len(kept.tables["trades"]["result"]) == len(result.trades)
    assert len(kept.tables["decisions"]["id"]) == len(result.decisions)
    assert len(kept.tables["orders"]["id"]) == len(result.orders)
    assert len(kept.tables["fills"]["order"]) == len(result.fills)


def test_of_too_many_the_newest_stay_with_their_whole_chains(result: BacktestResult) -> None:
    kept = records(result, trades=10, others=5)
    trades, decisions, orders, fills = (
        kept.tables[name] for name in ("trades", "decisions", "orders", "fills")
    )
    assert len(trades["result"]) == 10
    newest = sorted(each.closed_at for each in result.trades)[-10]
    assert all(not closed or closed * 1_000 >= newest - 1_000 for closed in trades["closed"])
    for place in range(10):
        for side in ("entry", "exit"):
            decision = trades[side][place]
            if decision < 0:
                assert side == "exit"
                assert not trades["closed"][place]
                continue
            order = orders["decision"].index(decision)
            assert order in fills["order"]
    chained = {*trades["entry"], *trades["exit"]} - {-1}
    assert len(decisions["id"]) == len(chained) + 5
    of = {each.what: (each.of, each.missing) for each in kept.left_out}
    assert of["trades"] == (len(result.trades), len(result.trades) - 10)
    assert of["decisions"] == (len(result.decisions), len(result.decisions) - len(decisions["id"]))


def test_the_page_says_what_is_left_out(
    result: BacktestResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = records(result, trades=3, others=0)
    monkeypatch.setattr("research.reports.document.records", lambda _: few)
    page = Page(report(result))
    assert page.left_out["trades"] == f"{len(result.trades) - 3} of {len(result.trades)} trades"
    assert len(page.payload["records"]["trades"]["result"]) == 3


@pytest.mark.slow
def test_twenty_thousand_trades_make_a_page_below_fifteen_megabytes() -> None:
    result = made_up_result(
        sessions=160, trades_per_session=160, every=2, symbols=100, cash=10_000_000_000
    )
    assert len(result.trades) > 20_000
    page = report(result)
    assert len(page.encode()) < 15_000_000
    assert len(Page(page).payload["records"]["trades"]["result"]) == len(result.trades)
