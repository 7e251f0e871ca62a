"""``kst recordings import`` and ``coverage`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from deploy.cli import app

BARS = """symbol,datetime,open,high,low,close,volume
005930,2025-09-15 09:00:00,70000,70100,69900,70000,12
005930,2025-09-15 09:01:00,70000,70100,70000,70100,7
"""


def kst(*words: object) -> tuple[int, str, str]:
    """Run ``kst recordings`` with some words; return status, stdout and stderr on one line."""
    result = CliRunner().invoke(app, ["recordings", *map(str, words)])
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


def test_bars_are_imported_and_covered(tmp_path: Path) -> None:
    """A table for people; one JSON object for programs; status 1 for a file that was changed."""
    source, store = tmp_path / "bars.csv", tmp_path / "store"
    source.write_text(BARS)
    words = ("import", source, "--store", store, "--columns", "time=datetime")
    status, _, said = kst(*words, "--taken", "2025-09-15T18:00")
    assert status == 0
    assert "bars.csv: 2 bars added, 0 revised" in said
    source.write_text(BARS.replace("70100,7\n", "70100,8\n"))
    status, out, _ = kst(*words, "--taken", "2025-09-16T18:00", "--json")
    assert status == 0
    told = json.loads(out)
    assert told["imports"][0]["revised"] == 1
    assert told["revisions"][0]["kept"] == [70000, 70100, 70000, 70100, 8]
    status, out, _ = kst("coverage", store, "--json")
    assert status == 0
    assert json.loads(out)["sessions"][0]["findings"] == {
        "early_end": "last bar at 09:01, the session closed at 15:30"
    }
    status, _, said = kst("coverage", store)
    assert "1 sessions from 2025-09-15 to 2025-09-15" in said
    pl.DataFrame({"symbol": ["1"]}).write_parquet(store / "spare.parquet")
    month = store / "minutes" / "month=2025-09" / "bars.parquet"
    pl.read_parquet(month).write_parquet(month, compression="uncompressed")
    status, _, said = kst("coverage", store)
    assert status == 1
    assert "is not the file that was imported" in said


def test_a_folder_of_charts_and_a_table_of_actions_are_imported(tmp_path: Path) -> None:
    """The symbol is in the file's name."""
    charts, store = tmp_path / "charts", tmp_path / "store"
    charts.mkdir()
    row = {"stck_bsop_date": "20250915", "stck_cntg_hour": "090000", "stck_prpr": "70000",
           "stck_oprc": "70000", "stck_hgpr": "70000", "stck_lwpr": "70000", "cntg_vol": "10",
           "acml_tr_pbmn": "700000"}  # fmt: skip
    for symbol in ("005930", "000660"):
        (charts / f"{symbol}.json").write_bytes(msgspec.json.encode({"output2": [row]}))
    words = ("--store", store, "--taken", "2025-09-15T18:00", "--json")
    status, out, _ = kst("import", charts, "--kind", "charts", *words)
    assert (status, [each["added"] for each in json.loads(out)["imports"]]) == (0, [1, 1])
    table = tmp_path / "splits.csv"
    table.write_text("symbol,date,kind,new,old\n005930,20180504,split,50,1\n")
    status, out, _ = kst("import", table, "--kind", "actions", *words)
    assert (status, json.loads(out)["actions"]) == (0, 1)
    assert (store / "corporate_actions.parquet").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--kind", "prices"), "prices is unknown"),
        (("--columns", "time"), "cannot be read"),
        (("--taken", "noon"), "cannot be read"),
        (("--kind", "charts"), "no charts in"),
        ((), "map it with --columns"),
    ],
    ids=["kind", "columns", "taken", "no files", "unmapped"],
)
def test_what_cannot_be_imported_is_said(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """One panel: what is wrong and what to do."""
    (tmp_path / "bars.csv").write_text(BARS)
    status, out, _ = kst("import", tmp_path, "--store", tmp_path / "store", "--json", *words)
    assert status == 1
    error = json.loads(out)["error"]
    assert said in f"{error['what']} {error['remedy']}"
