"""``kst report``: the page of a stored run, of the one that is named or of the newest."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from deploy.backtesting.report import (
    NothingToReport,
    NotPrinted,
    ReportRequest,
    report_command,
    stored_run,
)
from research.backtest.errors import UnknownRun
from research.backtest.store import ResultStore
from tests.research.reports import hand_made


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def run(store: Path) -> str:
    return ResultStore(store).save(hand_made.result())


def test_a_run_is_named_by_its_id(
    store: Path, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    request = ReportRequest(run=run, store=store, out=out, title="Pencil and paper")
    assert report_command(request, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": run,
        "result_hash": "4e50",
        "html": str(out),
        "pdf": "",
        "png": "",
    }
    page = out.read_text(encoding="utf-8")
    assert "<h1>Pencil and paper</h1>" in page
    assert "−₩20,000" in page


def test_a_run_is_named_by_its_folder(store: Path, run: str) -> None:
    name, result = stored_run(ReportRequest(run=str(store / f"run_id={run}")))
    assert name == run
    assert result == hand_made.result()


def test_without_a_name_the_newest_run_is_meant(store: Path, run: str) -> None:
    result = hand_made.result()
    newer = msgspec.structs.replace(
        result, provenance=msgspec.structs.replace(result.provenance, name="Newer")
    )
    name = ResultStore(store).save(newer)
    assert stored_run(ReportRequest(store=store))[0] == name != run


def test_the_page_is_named_after_the_run(
    store: Path, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert report_command(ReportRequest(store=store), as_json=False) == 0
    assert (tmp_path / f"{run}.html").exists()


def test_an_unknown_run_is_an_error(store: Path, run: str) -> None:
    with pytest.raises(UnknownRun, match="another"):
        stored_run(ReportRequest(run="another", store=store))


def test_an_empty_store_has_nothing_to_report(store: Path) -> None:
    with pytest.raises(NothingToReport, match="kst backtest"):
        stored_run(ReportRequest(store=store))


def test_without_a_browser_the_page_is_there_and_the_pdf_is_not(
    store: Path, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KST_BROWSER", "/nowhere/chrome")
    out = tmp_path / "page.html"
    with pytest.raises(NotPrinted, match="is written, but no browser was found"):
        report_command(ReportRequest(run=run, store=store, out=out, pdf=True), as_json=False)
    assert out.exists()
    assert not (tmp_path / "page.pdf").exists()
