"""The workloads' plain loops, the arithmetic of the comparison, and our engine beside them."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from events import calendar
from research.backtest.settings import Delivery
from tests.bench.backtest import ours, ticks
from tests.bench.backtest.cross_check import Difference, difference, equity_of
from tests.bench.backtest.engines import ENGINES, TRUTH
from tests.bench.backtest.peers import plain
from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, load
from tests.bench.backtest.processes import Fills, Measured, Task

MINUTE = 60_000_000_000
SETTINGS = {
    "symbols": ["005930"],
    "cash": 1_000_000,
    "quantity": 10,
    "fast": 1,
    "slow": 2,
    "fee_per_million": 150,
}
OPENS = [1_000, 1_010, 1_020, 1_030, 1_040, 1_050]
CLOSES = [1_000, 1_010, 1_005, 990, 1_000, 995]


def bars(closes: list[int], opens: list[int], last: tuple[int, ...] = ()) -> Workload:
    """Return bars of one symbol; ``last`` are rows after which no order may be given."""
    count = len(closes)
    columns = {
        "open": np.array(opens, np.int64),
        "close": np.array(closes, np.int64),
        "may_order": np.array([row not in last for row in range(count)]),
        "tax": np.full(count, 1_500, np.int64),
        "first": np.array([0, count], np.int64),
    }
    return Workload("A", "python", SETTINGS, columns)


def traded(workload: Workload) -> Report:
    """Return what the plain loop makes of a workload."""
    prepared = plain.prepare(workload)
    return plain.report(prepared, prepared[1]())


def measured(report: Report, folder: Path) -> Measured:
    """Return a report as a finished measurement of a workload in a folder."""
    fills = Fills(
        np.array([each.row for each in report.fills], np.int64),
        np.array([each.side for each in report.fills], np.int64),
        np.array([each.price for each in report.fills], np.float64),
        np.array([each.quantity for each in report.fills], np.float64),
    )
    task = Task("A", "A", folder, folder, len(OPENS), 1, 1.0)
    return Measured(TRUTH, task, equity=report.equity, fills=fills)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the example bars as a folder of arrays."""
    for name, column in bars(CLOSES, OPENS).columns.items():
        np.save(tmp_path / f"{name}.npy", column)
    (tmp_path / "meta.json").write_text(json.dumps(SETTINGS))
    return tmp_path


def test_an_order_of_one_close_trades_at_the_next_open() -> None:
    """Above the mean at 1,010 and at 1,000: two buys, two sells, each at the open that follows."""
    report = traded(bars(CLOSES, OPENS))
    assert report.fills == [
        Fill(2, BUY, 1_020, 10),
        Fill(3, SELL, 1_030, 10),
        Fill(5, BUY, 1_050, 10),
    ]
    # 10,200 and 1 of fee out; 10,300 less 1 of fee and 15 of tax in; 10,500 and 1 out; 9,950 held.
    assert report.equity == 1_000_000 - 10_201 + 10_284 - 10_501 + 9_950


def test_nothing_is_asked_after_a_row_that_allows_no_order() -> None:
    """The close at 1,010 would buy, but it is its session's last; the next one does not want to."""
    assert traded(bars(CLOSES, OPENS, last=(1,))).fills == [Fill(5, BUY, 1_050, 10)]


def test_the_compiled_loop_is_the_plain_one(small_ticks: Workload) -> None:
    """Both variants of the loop leave the same fills and the same won."""
    assert traded(small_ticks._replace(variant="numba")) == traded(small_ticks)


def test_the_same_fills_cost_the_same(folder: Path) -> None:
    """Fills counted again at the workload's costs give the equity of the loop that made them."""
    report = traded(load(str(folder), "A", "python"))
    truth = measured(report, folder)
    assert truth.fills is not None
    assert equity_of(truth.fills, folder) == report.equity
    assert difference(truth, truth) == Difference(3, 0, 0, 0, 0.0, 0.0)


def test_a_difference_falls_into_trades_and_costs(folder: Path) -> None:
    """One fill repriced by 5 won a share and one missing; 7 won of costs left out."""
    report = traded(load(str(folder), "A", "python"))
    first, second, third = report.fills
    # The missing buy is worth 9,950 less 10,501 paid.
    other = Report(
        [first._replace(price=1_025), second],
        report.equity - 50 + 551 + 7,
    )
    found = difference(measured(other, folder), measured(report, folder))
    assert third.row == 5
    assert found == Difference(2, 1, 0, 1, 501.0, 7.0)
    assert found.words() == [
        "0 of 2 trades elsewhere, 1 missing, 1 at another price: +501 won",
        "costs -7.0 won",
    ]


@pytest.fixture
def small_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """Return two short sessions of workload B."""
    monkeypatch.setattr(ticks, "PLACE", tmp_path)
    monkeypatch.setattr(ticks, "TRADES_PER_SESSION", 5_000)
    return load(str(ticks.prepare_ticks(2).folder), "B", "python")


def walk(sessions: int) -> Workload:
    """Return bars of two symbols over some sessions, as workload A has them."""
    random = np.random.default_rng(5)
    days = [date(2025, 12, 22) + timedelta(n) for n in range(30)]
    chosen = [day for day in days if calendar.is_session(day)][:sessions]
    starts = np.array(
        [
            calendar.session(day).open_at + minute * MINUTE
            for day in chosen
            for minute in (*range(380), 390)
        ]
    )
    time = np.concatenate([starts, starts])
    path = 50_000 + 50 * np.cumsum(random.integers(-3, 4, 2 * len(time)))
    opens, closes = path[::2], path[1::2]
    late = np.tile(np.arange(len(starts)) % 381 >= 379, 2)
    columns = {
        "time": time,
        "open": opens,
        "high": np.maximum(opens, closes),
        "low": np.minimum(opens, closes),
        "close": closes,
        "volume": np.full(len(time), 10_000),
        "may_order": ~late,
        "tax": np.where(time >= calendar.session(date(2025, 12, 29)).auction_from, 2_000, 1_500),
        "first": np.array([0, len(starts), 2 * len(starts)]),
    }
    settings = SETTINGS | {
        "symbols": ["005930", "000660"],
        "cash": 200_000_000,
        "fast": 10,
        "slow": 50,
        "quantity": 1,
    }
    return Workload("A", "python", settings, columns)


@pytest.mark.parametrize("delivery", [Delivery.REFERENCE, Delivery.BLOCK])
def test_our_engine_trades_bars_like_the_plain_loop(delivery: Delivery) -> None:
    """Six sessions over the turn of the year: the same fills at the same prices, the same won."""
    workload = walk(6)._replace(variant=delivery.value)
    prepared = ours.prepare(workload)
    report = ours.report(prepared, ours.arrange(prepared)())
    expected = traded(workload._replace(variant="python"))
    assert len(expected.fills) > 50
    assert (sorted(report.fills), report.equity) == (sorted(expected.fills), expected.equity)


@pytest.mark.parametrize("delivery", [Delivery.REFERENCE, Delivery.BLOCK])
def test_our_engine_trades_ticks_like_the_plain_loop(
    delivery: Delivery, small_ticks: Workload
) -> None:
    """Every order meets the book beside the trade that follows."""
    workload = small_ticks._replace(variant=delivery.value)
    prepared = ours.prepare(workload)
    report = ours.report(prepared, ours.arrange(prepared)())
    expected = traded(small_ticks)
    assert expected.fills
    assert (sorted(report.fills), report.equity) == (sorted(expected.fills), expected.equity)


def test_every_engine_has_its_requirements() -> None:
    """Each environment is one that ``just`` makes."""
    here = Path(ours.HERE)
    made = {each.stem.removeprefix("requirements-") for each in here.glob("requirements-*.txt")}
    assert {each.environment for each in ENGINES} - {"ours"} == made
