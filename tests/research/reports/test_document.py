"""The page of one backtest: every figure is the one a pencil gives, and text stays text."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from events import TradingDate
from research.reports import Index, Robustness, write_report
from research.reports.document import report
from tests.research.reports import hand_made
from tests.research.reports.hand_made import FIRST, SECOND, THIRD
from tests.research.reports.pages import Page

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(report(hand_made.result()))


def test_the_headline_says_what_the_account_came_to(page: Page) -> None:
    # 9,980,000 from 10,000,000; deepest at closes 10,020,000 → 9,950,000; 2 trades, the first
    # 28,871 - 4,713 = 24,158 and the second -51,717.
    assert page.figures["result"] == "−₩20,000"
    assert page.figures["drawdown"] == "−0.70%"
    assert page.figures["trades"] == "2"
    assert "50.0% of them gained, profit factor 0.47" in page.text
    assert "−0.20% on ₩10,000,000" in page.text
    assert "at closes, 2025-01-31 to 2025-02-03, not recovered" in page.text


def test_the_other_figures_are_those_of_a_pencil(page: Page) -> None:
    shown = {name: page.figures[name] for name in (
        "closing-equity", "total", "best-session", "worst-session", "winning-sessions",
        "average-win", "average-loss", "expectancy", "fees-and-tax", "slippage",
        "drawdown-minutes", "under-water", "exposure", "time-in-market", "held",
    )}  # fmt: skip
    assert shown == {
        "closing-equity": "₩9,980,000",
        "total": "−0.20%",
        "best-session": "+0.30%",  # 9,980,000 / 9,950,000
        "worst-session": "−0.70%",  # 9,950,000 / 10,020,000
        "winning-sessions": "66.7%",
        "average-win": "+₩24,158",
        "average-loss": "−₩51,717",
        "expectancy": "−₩13,780",  # -27,559 / 2, half to even
        "fees-and-tax": "₩3,604",  # 640 + 2,964
        # Bought 10 above 9,990 for 100, sold 10 below 10,510 for 60, the others at the price.
        "slippage": "₩1,600",
        "drawdown-minutes": "−1.49%",  # from 10,050,000 to 9,900,000
        "under-water": "2 sessions",
        # 0, 1.05/10.05, 0, 0.9/9.9, 0.3/9.95, 0.31/9.98, over six minutes
        "exposure": "4.3%",
        "time-in-market": "66.7%",
        "held": "1 h 30 min",  # median of 90, 270 and 60 minutes
    }


def test_months_are_close_to_close_and_a_year_compounds_them(page: Page) -> None:
    assert page.months == {
        "2025-01": "+0.2%",  # 10,020,000 / 10,000,000
        "2025-02": "−0.4%",  # 9,980,000 / 10,020,000
        "2025": "−0.2%",
    }


def test_strategies_and_account_stand_in_one_table(page: Page) -> None:
    rows = {row[0]: row[1:] for row in page.tables["strategy-table"]}
    assert rows["KMP"][0] == "−₩30,000"
    assert rows["KMP"][4:8] == ["2", "50.0%", "0.47", "−₩13,780"]
    assert rows["NULRIMOK"][0] == "+₩10,000"
    assert rows["NULRIMOK"][4:] == ["0", "–", "–", "–", "1"]
    assert rows["Account"][0] == "−₩20,000"
    assert "unattributed" not in page.figures


def test_won_that_belongs_to_no_strategy_is_shown() -> None:
    result = hand_made.result()
    kept = tuple(each for each in result.strategies if each.strategy != hand_made.NULRIMOK)
    shown = Page(report(msgspec.structs.replace(result, strategies=kept)))
    assert shown.figures["unattributed"] == "+₩10,000"


def test_costs_are_those_of_the_fills(page: Page) -> None:
    rows = {row[0]: row[1:] for row in page.tables["cost-table"]}
    # KMP: 1,000,000 + 630,000 + 396,000 + 1,000,000 + 950,000; 595 fees, 2,964 tax.
    assert rows["KMP"][:4] == ["₩3,976,000", "₩595", "₩2,964", "₩3,559"]
    assert rows["KMP"][4] == "9.0"  # 3,559 / 3,976,000
    assert rows["KMP"][5] == "₩1,600"
    # The fill of NULRIMOK has no price at submission.
    assert rows["NULRIMOK"] == ["₩300,000", "₩45", "₩0", "₩45", "1.5", "₩0", "–"]
    assert rows["Account"][:4] == ["₩4,276,000", "₩640", "₩2,964", "₩3,604"]


def test_the_gate_says_which_check_bound_what(page: Page) -> None:
    counts = ("intents", "approved", "cut", "refused", "deferred")
    assert [page.figures[name] for name in counts] == ["9", "5", "1", "2", "1"]
    rows = [[row[0], *row[2:]] for row in page.tables["gate-table"][1:]]
    assert rows == [
        ["account_positions", "2", "0", "0", "22.2%", "50", "KMP, enter"],
        ["symbol_exposure", "0", "0", "1", "11.1%", "50", "KMP, enter"],
        ["vi_cooldown", "0", "1", "0", "11.1%", "10", "KMP, enter"],
    ]


def test_a_reader_is_warned_of_the_data_and_of_too_little_of_it(page: Page) -> None:
    for warning in (
        "Data, 2025-01-31: prices are adjusted for splits",
        "000002: 3 minutes have no bar (and 1 like it)",
        "Only 3 sessions",
        "Only 2 closed trades",
        "1 trade still open at the end",
        "1 of 6 fills have no price at submission",
    ):
        assert warning in page.text
    assert page.tables["problem-table"][1:] == [
        ["prices are adjusted for splits", "1", "1", "2025-01-31", "2025-01-31"],
        ["000002: 3 minutes have no bar", "2", "2", "2025-02-03", "2025-02-04"],
    ]


def test_what_made_the_run_is_shown(page: Page) -> None:
    made = ("result-hash", "data-hash", "code-version", "delivery", "market-events")
    shown = [page.figures[name] for name in made]
    assert shown == ["4e50", "da7a", "0.1.0+abc", "reference", "3,000"]
    assert '"cash": 10000000' in page.text
    assert "5 filled, 1 expired. 96.9% of the ordered shares were filled" in page.text


def test_charts_carry_the_series(page: Page) -> None:
    charts = page.payload["charts"]
    equity, fall, exposure = charts["account"]["traces"]
    assert equity["x"][:2] == ["2025-01-31 09:00:00", "2025-01-31 10:00:00"]
    assert equity["y"] == [10_000_000, 10_050_000, 10_020_000, 9_900_000, 9_950_000, 9_980_000]
    assert fall["y"][3] == pytest.approx(9_900_000 / 10_050_000 - 1)
    assert exposure["y"][1] == pytest.approx(1_050_000 / 10_050_000)
    assert [each["y"] for each in charts["strategies"]["traces"]] == [
        [20_000, -50_000, -30_000],
        [0, 0, 10_000],
    ]
    before_slippage, before_costs, net = (each["y"] for each in charts["costs"]["traces"])
    assert net == [20_000, -50_000, -20_000]
    # 150 + 1,039 + 653 on the first session, 150 + 1,567 + 45 on the second.
    assert before_costs == [21_842, -46_396, -16_396]
    assert before_slippage == [23_442, -44_796, -14_796]
    assert {f"chart-{name}" for name in charts} <= page.ids


def test_a_benchmark_starts_where_the_account_does() -> None:
    levels = {TradingDate("20250124"): 2_500.0, FIRST: 2_525.0, SECOND: 2_475.0, THIRD: 2_550.0}
    shown = Page(report(hand_made.result(), benchmark=Index(name="KOSPI", levels=levels)))
    _, line, *_ = shown.payload["charts"]["account"]["traces"]
    assert line["name"] == "KOSPI"
    assert line["y"] == [10_100_000, 9_900_000, 10_200_000]
    assert shown.figures["benchmark-total"] == "+2.00%"
    assert shown.figures["excess"] == "−2.20%"


def test_what_is_not_known_about_the_search_is_said(page: Page) -> None:
    assert page.figures["deflated-sharpe"] == "–"
    assert "is not corrected for the choice" in page.text
    known = Robustness(deflated_sharpe=0.8712, trials=64, overfitting=0.125)
    shown = Page(report(hand_made.result(), robustness=known))
    assert shown.figures["deflated-sharpe"] == "87.1%"
    assert shown.figures["overfitting"] == "12.5%"
    assert "64 configurations tried" in shown.text
    assert "is not corrected for the choice" not in shown.text


def test_a_run_without_a_trade_is_shown_as_such() -> None:
    result = hand_made.result()
    quiet = msgspec.structs.replace(
        result, decisions=(), orders=(), fills=(), trades=(), sessions=result.sessions[:1],
        equity=result.equity[:1], strategies=result.strategies[:2],
    )  # fmt: skip
    shown = Page(report(quiet))
    assert "no-trades" in shown.ids
    assert "No strategy asked for anything" in shown.text
    assert shown.figures["trades"] == "0"
    assert shown.figures["sharpe"] == "–"
    assert "nan" not in shown.text
    assert "trade-returns" not in shown.payload["charts"]


@pytest.mark.parametrize("warm_up", [True, False])
def test_a_run_without_a_session_that_counts_has_a_page(warm_up: bool) -> None:
    result = hand_made.result()
    sessions = tuple(msgspec.structs.replace(each, warm_up=True) for each in result.sessions)
    empty = msgspec.structs.replace(
        result, sessions=sessions if warm_up else (), trades=(), fills=(), orders=()
    )
    shown = Page(report(empty))
    assert "No session counts" in shown.text
    assert shown.payload["charts"] == {}


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    result = hand_made.result()
    renamed = msgspec.structs.replace
    hostile = renamed(
        result,
        provenance=renamed(
            result.provenance, name=HOSTILE, settings=HOSTILE, code_version=HOSTILE, path=HOSTILE
        ),
        sessions=tuple(renamed(each, problems=(HOSTILE,)) for each in result.sessions),
        decisions=tuple(renamed(each, reason=HOSTILE, check=HOSTILE) for each in result.decisions),
        orders=tuple(renamed(each, reason=HOSTILE) for each in result.orders),
        trades=tuple(
            renamed(each, exit_reason=HOSTILE, strategy=HOSTILE) for each in result.trades
        ),
        strategies=tuple(renamed(each, strategy=HOSTILE) for each in result.strategies),
    )
    index = Index(name=HOSTILE, levels={FIRST: 1.0, SECOND: 1.0, THIRD: 1.0})
    path = write_report(hostile, tmp_path / "page.html", benchmark=index)
    shown = Page(path.read_text(encoding="utf-8"))
    clean = Page(report(result, benchmark=Index(name="KOSPI", levels=index.levels)))
    assert shown.tags.count("script") == clean.tags.count("script") == 3
    assert "img" not in shown.tags
    assert shown.handlers == []
    assert HOSTILE in shown.text
    assert shown.payload["records"]["trades"]["reason"] == [HOSTILE] * 4


def test_names_in_charts_hold_no_markup() -> None:
    levels = {FIRST: 1.0, SECOND: 1.0, THIRD: 1.0}
    shown = Page(report(hand_made.result(), benchmark=Index(name="<a>%{x}", levels=levels)))
    line = shown.payload["charts"]["account"]["traces"][1]
    assert line["name"] == "&lt;a>% {x}"


def test_the_page_needs_nothing_but_itself(page: Page) -> None:
    assert [each for each in page.links if not each.startswith(("#", "data:,"))] == []
    assert not {"iframe", "img", "object", "embed", "base"} & set(page.tags)
    assert page.policy.startswith("default-src 'none'; script-src 'unsafe-inline'; ")
    assert "@import" not in page.scripts["style-0"]
    assert "url(" not in page.scripts["style-0"]
    own = next(text for name, text in page.scripts.items() if name.startswith("script-"))
    assert "showSendToCloud: false" in own
    for way in ("fetch(", "XMLHttpRequest", "import(", "http:", "https:", "WebSocket", "innerHTML"):
        assert way not in own


def test_equal_results_give_equal_files(tmp_path: Path) -> None:
    first = write_report(hand_made.result(), tmp_path / "a" / "one.html")
    second = write_report(hand_made.result(), tmp_path / "two.html")
    assert first.read_bytes() == second.read_bytes()
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["one.html"]


def test_a_title_replaces_the_name() -> None:
    text = report(hand_made.result(), title="Summer 2025")
    assert "<title>Summer 2025</title>" in text
    assert "<h1>Summer 2025</h1>" in text


def test_settings_that_are_no_json_are_shown_as_they_are() -> None:
    result = hand_made.result()
    provenance = msgspec.structs.replace(result.provenance, settings="name: pencil")
    shown = Page(report(msgspec.structs.replace(result, provenance=provenance)))
    assert "name: pencil" in shown.text
