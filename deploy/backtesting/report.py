"""``kst report``: a stored backtest as a page for people, and on paper if asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from deploy.backtesting.backtest import STORE
from deploy.errors import DeployError
from deploy.terminal import console, print_json

if TYPE_CHECKING:
    from research.backtest.results import BacktestResult

_FOLDER: Final = "run_id="


class NothingToReport(DeployError):
    """There is no stored run to choose."""

    def __init__(self, store: Path) -> None:
        super().__init__(
            f"no run is kept in {store}",
            "Run one with `kst backtest`, or name another place with --store.",
        )
        self.store = store


class NotPrinted(DeployError):
    """The page is written; what was to be made of it is not."""


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line.

    ``run`` is a run's id, its folder in a store, or empty for the newest run.
    """

    run: str = ""
    store: Path | None = None
    out: Path | None = None
    title: str | None = None
    pdf: bool = False
    png: bool = False


class ReportFiles(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, for ``--json``; empty for what was not asked for."""

    run: str
    result_hash: str
    html: str
    pdf: str = ""
    png: str = ""


def report_command(request: ReportRequest, *, as_json: bool) -> int:
    """Write the report of a stored run, say where it is and return the exit status.

    Raises:
        NothingToReport: the newest run is wanted and there is none.
        NotPrinted: a PDF or picture is wanted and no browser makes one; the page is there.
        BacktestError: there is no such run.
    """
    from research.reports import write_report

    run, result = stored_run(request)
    page = write_report(result, request.out or Path(f"{run}.html"), title=request.title)
    printed = _printed(page, request)
    files = ReportFiles(
        run=run,
        result_hash=result.provenance.result_hash,
        html=str(page),
        pdf=printed.get("pdf", ""),
        png=printed.get("png", ""),
    )
    if as_json:
        print_json(files)
    else:
        out = console()
        for each in filter(None, (files.html, files.pdf, files.png)):
            out.print(f"{each}  ({Path(each).stat().st_size / 1e6:.1f} MB)", soft_wrap=True)
    return 0


def stored_run(request: ReportRequest) -> tuple[str, BacktestResult]:
    """Return the id and the result of the run that is meant; errors as for ``report_command``."""
    from research.backtest.store import ResultStore

    folder = Path(request.run)
    if folder.name.startswith(_FOLDER) and folder.is_dir():
        name = folder.name.removeprefix(_FOLDER)
        return name, ResultStore(folder.parent).load(name)
    store = ResultStore(request.store or STORE)
    name = request.run or _newest(store.path)
    return name, store.load(name)


def _newest(path: Path) -> str:
    from research.backtest.store import ResultStore

    runs = ResultStore(path).runs()
    if runs.is_empty():
        raise NothingToReport(path)
    return str(runs["run_id"][0])


def _printed(page: Path, request: ReportRequest) -> dict[str, str]:
    from research.reports import ReportError, print_pdf, print_png

    printed = {}
    try:
        if request.pdf:
            printed["pdf"] = str(print_pdf(page, page.with_suffix(".pdf")))
        if request.png:
            printed["png"] = str(print_png(page, page.with_suffix(".png")))
    except ReportError as error:
        raise NotPrinted(f"{page} is written, but {error.what}", error.remedy) from error
    return printed
