"""``kst recordings`` on the command line; the work is done in the modules beside this."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.recordings.coverage import show_coverage
from deploy.recordings.importing import import_files
from deploy.terminal import AsJson, Debug, reported

recordings: Final = typer.Typer(
    name="recordings",
    help="Sealed days: the log's entries as columns that anything can read, for ever.",
    no_args_is_help=True,
    add_completion=False,
)

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of the run. Default: ./kst-data/latest."),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--recordings",
        help="A folder of recordings to look at, all accounts of it. Default: that of the run.",
    ),
]
Dates = Annotated[
    list[str] | None,
    typer.Argument(help="Trading days. Default: all.", metavar="[DATE]..."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the ``kst`` command."""
    recordings.command(
        "import",
        epilog="Example: kst recordings import bars.csv --columns time=datetime,open=o",
    )(import_files)
    recordings.command("coverage", epilog="Example: kst recordings coverage market-data --json")(
        show_coverage
    )
    app.add_typer(recordings)


@recordings.command(epilog="Example: kst recordings seal 2025-09-15")
@reported
def seal(
    *,
    date: Annotated[
        str | None,
        typer.Argument(help="Trading day. Default: all that are over.", metavar="[DATE]"),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Seal sessions that are over: columns, read back and compared with the log.

    A sealed day never changes. That it is sealed stands on the log.
    """
    from deploy.recordings.sealing import seal_command

    return seal_command(date, data_dir, as_json=as_json)


@recordings.command("list", epilog="Example: kst recordings list --json")
@reported
def list_(
    *,
    data_dir: DataDir = None,
    folder: Folder = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List sealed days and sessions that wait to be sealed.

    The exit status is 1 when a session has been waiting for a week: it leaves the stream one day.
    """
    from deploy.recordings.listing import list_command

    return list_command(data_dir, folder, as_json=as_json)


@recordings.command(epilog="Example: kst recordings verify 2025-09-15")
@reported
def verify(
    *,
    dates: Dates = None,
    data_dir: DataDir = None,
    folder: Folder = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Prove that sealed days are what was sealed: hashes, counts, every entry, the chain of days.

    Names each file that is not, and what is wrong with it; the exit status is 1 then.
    """
    from deploy.recordings.verifying import verify_command

    return verify_command(dates or (), data_dir, folder, as_json=as_json)


@recordings.command(epilog="Example: kst recordings prune 2025-09-15")
@reported
def prune(
    *,
    date: Annotated[
        str, typer.Argument(help="The last trading day that may leave.", metavar="DATE")
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Let sealed days up to DATE leave the stream before their time; they stay in the recordings.

    Refuses unless each of them has just been verified and is the same as on the stream. Programs
    that look back (`kst verify`, `kst status`, `kst rebuild`) read those days from the recordings.
    """
    from deploy.recordings.pruning import prune_command

    return prune_command(date, data_dir, as_json=as_json)


@recordings.command(
    epilog="Example: kst recordings copy kst-data/latest/recordings s3://bucket/recordings"
)
@reported
def copy(
    *,
    source: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix to read.")],
    target: Annotated[str, typer.Argument(help="Folder or s3://bucket/prefix to write.")],
    account: Annotated[
        list[str] | None,
        typer.Option(help="Account to copy, may be repeated. Default: all.", metavar="NAME"),
    ] = None,
    date: Annotated[
        list[str] | None,
        typer.Option(help="Trading day to copy, may be repeated. Default: all.", metavar="DATE"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Copy sealed days to or from another folder or a bucket; each file is read back and compared.

    Nothing is overwritten; a copy that was cut off goes on where it was. Credentials of a bucket
    come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT.
    """
    from deploy.recordings.copying import copy_command

    return copy_command(source, target, account or (), date or (), as_json=as_json)
