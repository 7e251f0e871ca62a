"""``kst recordings import``: bars and ticks that others recorded, into a store for backtests.

What always holds: what was left out, refused or revised is said; importing twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from deploy.errors import DeployError, UnknownChoice
from deploy.terminal import AsJson, Debug, console, print_json, reported

if TYPE_CHECKING:
    from research.datasets.bar_store import Import, Revision
    from research.datasets.incoming_files import FileShape

KINDS: Final = ("bars", "charts", "ticks", "actions")
DEFAULT_STORE: Final = Path("market-data")

_SHOWN: Final = 10
_SUFFIXES: Final = {
    "bars": (".parquet", ".csv"),
    "ticks": (".parquet", ".csv"),
    "charts": (".json", ".jsonl"),
    "actions": (".parquet", ".csv"),
}


class InvalidOption(DeployError):
    """An option that cannot be read."""

    def __init__(self, option: str, text: str, form: str) -> None:
        super().__init__(f"{option} {text} cannot be read", f"Write it as {form}.")
        self.option = option


class NothingToImport(DeployError):
    """No file of the kind where it was looked for."""

    def __init__(self, source: Path, kind: str) -> None:
        super().__init__(
            f"no {kind} in {source}",
            f"Name a file, or a folder with files that end in {' or '.join(_SUFFIXES[kind])}.",
        )


class ImportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; texts as they were written."""

    source: Path
    store: Path
    kind: str = "bars"
    columns: str = ""
    time_zone: str = "Asia/Seoul"
    time_format: str = ""
    time_unit: str = ""
    right_edge: bool = False
    symbol: str = ""
    taken: str = ""


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the import did. ``revisions`` are all bars that two downloads tell differently."""

    store: str
    imports: tuple[Import, ...]
    revisions: tuple[Revision, ...]
    actions: int


@reported
def import_files(
    *,
    source: Annotated[Path, typer.Argument(help="A file, or a folder of files.")],
    store: Annotated[
        Path, typer.Option(help="Folder of the store; made when it is not there.")
    ] = DEFAULT_STORE,
    kind: Annotated[
        str, typer.Option(help="What the files hold.", metavar="bars|charts|ticks|actions")
    ] = "bars",
    columns: Annotated[
        str,
        typer.Option(
            help="Our columns as the files name them: time=date+clock,symbol=code,open=o.",
            metavar="OURS=THEIRS,…",
        ),
    ] = "",
    time_zone: Annotated[
        str, typer.Option("--time-zone", help="Zone of times that name none.")
    ] = "Asia/Seoul",
    time_format: Annotated[
        str, typer.Option("--time-format", help="How times are written, as in strftime.")
    ] = "",
    time_unit: Annotated[
        str,
        typer.Option(
            "--time-unit",
            help="Times are numbers since 1970 UTC in this unit.",
            metavar="s|ms|us|ns",
        ),
    ] = "",
    right_edge: Annotated[
        bool, typer.Option("--right-edge", help="A bar's time is its end, not its beginning.")
    ] = False,
    symbol: Annotated[
        str, typer.Option(help="The issue of files that do not name it.", metavar="CODE")
    ] = "",
    taken: Annotated[
        str,
        typer.Option(
            help="When the download was made, KST. Without it the newest bar of each symbol is "
            "left out, because nobody knows whether it was final.",
            metavar="YYYY-MM-DDTHH:MM",
        ),
    ] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Take bars, KIS minute charts, ticks or corporate actions into a store.

    Of two downloads of a bar the one taken later stays; every bar that changed is reported.
    """
    request = ImportRequest(
        source=source,
        store=store,
        kind=kind,
        columns=columns,
        time_zone=time_zone,
        time_format=time_format,
        time_unit=time_unit,
        right_edge=right_edge,
        symbol=symbol,
        taken=taken,
    )
    return import_command(request, as_json=as_json)


def import_command(request: ImportRequest, *, as_json: bool) -> int:
    """Import what was asked for; 0 when it was taken in."""
    result = carry_out(request)
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 0


def carry_out(request: ImportRequest) -> ImportResult:
    """Import what was asked for and return what that did.

    Raises:
        DeployError: an option makes no sense, or there is nothing to import.
        UnusableData: a file cannot be read as it was described.
    """
    from research.datasets.action_table import add_actions
    from research.datasets.bar_store import BarStore
    from research.datasets.chart_downloads import read_charts
    from research.datasets.incoming_files import read_bars, read_ticks

    if request.kind not in KINDS:
        raise UnknownChoice("--kind", request.kind, KINDS)
    shape, files = _shape(request), _files(request)
    store = BarStore(request.store)
    imports: list[Import] = []
    revisions: list[Revision] = []
    actions = 0
    for file in files:
        if request.kind == "actions":
            actions += add_actions(request.store, file)
            continue
        if request.kind == "ticks":
            done, revised = store.add_ticks(read_ticks(file, shape))
        elif request.kind == "charts":
            download = read_charts(file, symbol=shape.symbol, taken=shape.taken)
            done, revised = store.add_bars(download)
        else:
            done, revised = store.add_bars(read_bars(file, shape))
        imports.append(done)
        revisions += revised
    return ImportResult(
        store=str(request.store),
        imports=tuple(imports),
        revisions=tuple(revisions),
        actions=actions,
    )


def _files(request: ImportRequest) -> Sequence[Path]:
    if request.source.is_file():
        return (request.source,)
    suffixes = _SUFFIXES[request.kind]
    files = sorted(each for each in request.source.rglob("*") if each.suffix in suffixes)
    if not files:
        raise NothingToImport(request.source, request.kind)
    return files


def _shape(request: ImportRequest) -> FileShape:
    from research.datasets.incoming_files import FileShape

    pairs = [each.partition("=") for each in request.columns.split(",") if each]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise InvalidOption("--columns", request.columns, "time=datetime,symbol=code")
    return FileShape(
        columns={ours.strip(): theirs.strip() for ours, _, theirs in pairs},
        time_zone=request.time_zone,
        time_format=request.time_format,
        time_unit=request.time_unit,
        right_edge=request.right_edge,
        symbol=request.symbol,
        taken=_taken(request.taken),
    )


def _taken(text: str) -> int | None:
    from events.calendar import KST

    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidOption("--taken", text, "2025-09-15T16:00, in KST") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=KST)
    return int(moment.timestamp()) * 1_000_000_000


def _show(result: ImportResult) -> None:
    out = console()
    for done in result.imports:
        out.print(
            f"{done.origin}: {done.added:,} bars added, {done.revised:,} revised, {done.refused:,} "
            f"kept as a later download has them (taken {done.vintage})"
        )
        for note in done.notes:
            out.print(f"  {note}", style="dim")
    if result.actions:
        out.print(f"{result.actions:,} corporate actions added")
    for revision in result.revisions[:_SHOWN]:
        out.print(
            f"  {revision.symbol} {revision.time}: kept {revision.kept}, dropped {revision.dropped}"
        )
    if len(result.revisions) > _SHOWN:
        more = len(result.revisions) - _SHOWN
        out.print(f"  and {more:,} more in {result.store}/revisions.jsonl", style="dim")
