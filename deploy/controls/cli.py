"""The operator's commands on the command line; their work is done in the modules beside this."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.terminal import AsJson, Debug, reported

_SCOPES: Final = "account|strategy|symbol|all-hosts"

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of the run. Default: ./kst-data/latest."),
]
DataDirs = Annotated[
    list[Path] | None,
    typer.Option(
        "--data-dir",
        help="Directory of a run, may be repeated. Default: ./kst-data/latest; with --scope "
        "all-hosts every run that is going in ./kst-data.",
    ),
]
Reason = Annotated[str, typer.Option("--reason", help="Why. It stands on the log for ever.")]
By = Annotated[
    str | None, typer.Option("--by", help="Who. Default: the user of this machine.", metavar="NAME")
]
Scope = Annotated[str, typer.Option("--scope", help="What it concerns.", metavar=_SCOPES)]
Target = Annotated[
    str | None,
    typer.Option("--target", help="The strategy or symbol of such a scope.", metavar="NAME"),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the ``kst`` command."""
    app.command(epilog='Example: kst halt --scope strategy --target KMP --reason "odd entries"')(
        halt
    )
    app.command(epilog='Example: kst resume --scope account --reason "feed checked"')(resume)
    app.command(epilog='Example: kst flatten --scope account --reason "leave the market"')(flatten)
    app.command(epilog='Example: kst cancel --symbol 005930 --reason "wrong size"')(cancel)
    app.command(
        epilog='Example: kst adopt 005930 --owner KMP --stop 68000 --reason "bought by phone"'
    )(adopt)
    app.command(epilog='Example: kst limits risk.max_position_pct=0.10 --reason "earnings season"')(
        limits
    )
    app.command(epilog="Example: kst presence --link desk --timeout 60")(presence)


@reported
def halt(
    *,
    reason: Reason,
    scope: Scope = "account",
    target: Target = None,
    mode: Annotated[
        str,
        typer.Option(
            help="no-entries refuses entries, reduce-only also withdraws working buys, flatten "
            "also sells everything.",
            metavar="no-entries|reduce-only|flatten",
        ),
    ] = "no-entries",
    by: By = None,
    data_dir: DataDirs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Close entries. No halt ever stops an exit or a cancel; it holds until `kst resume`."""
    from deploy.controls.halting import HaltRequest, halt_command

    request = HaltRequest(
        scope=scope,
        target=target,
        mode=mode,
        reason=reason,
        by=by,
        data_dirs=tuple(data_dir or ()),
    )
    return halt_command(request, as_json=as_json)


@reported
def resume(
    *,
    reason: Reason,
    scope: Scope = "account",
    target: Target = None,
    trigger: Annotated[
        str | None,
        typer.Option(
            help="Release only the halt with this trigger. Default: all of the scope.",
            metavar="TRIGGER",
        ),
    ] = None,
    by: By = None,
    data_dir: DataDirs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Release halts, also automatic ones."""
    from deploy.controls.halting import HaltRequest, resume_command

    request = HaltRequest(
        scope=scope,
        target=target,
        mode="no-entries",
        reason=reason,
        by=by,
        data_dirs=tuple(data_dir or ()),
        trigger=trigger,
    )
    return resume_command(request, as_json=as_json)


@reported
def flatten(
    *,
    reason: Reason,
    scope: Scope = "account",
    target: Target = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Wall seconds to watch the positions being sold.")
    ] = 30.0,
    by: By = None,
    data_dir: DataDirs = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Withdraw all buys and sell everything the strategies own, again and again until it is gone.

    Shares of the account holder (`_EXTERNAL_`) are never sold.
    """
    from deploy.controls.flattening import flatten_command
    from deploy.controls.halting import HaltRequest

    request = HaltRequest(
        scope=scope,
        target=target,
        mode="flatten",
        reason=reason,
        by=by,
        data_dirs=tuple(data_dir or ()),
        wait_s=wait,
    )
    return flatten_command(request, as_json=as_json)


@reported
def cancel(
    *,
    order_id: Annotated[str | None, typer.Argument(help="One order.", metavar="[ORDER_ID]")] = None,
    reason: Reason,
    symbol: Annotated[str | None, typer.Option(help="Orders in this symbol.")] = None,
    strategy: Annotated[str | None, typer.Option(help="Orders of this strategy.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every working order.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Wall seconds to watch the orders being withdrawn.")
    ] = 10.0,
    by: By = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Withdraw working orders. Strategies and stops may order anew; `kst halt` stops entries."""
    from deploy.controls.cancelling import CancelRequest, cancel_command

    request = CancelRequest(
        order_id=order_id,
        symbol=symbol,
        strategy=strategy,
        everything=everything,
        reason=reason,
        by=by,
        data_dir=data_dir,
        wait_s=wait,
    )
    return cancel_command(request, as_json=as_json)


@reported
def adopt(
    *,
    symbol: Annotated[
        str | None,
        typer.Argument(help="Default: list what does not add up.", metavar="[SYMBOL]"),
    ] = None,
    owner: Annotated[
        str | None,
        typer.Option(
            help="Whose the shares are, or whose are missing: a strategy, or external for the "
            "account holder's own. Default: external; of missing shares their only owner.",
            metavar="STRATEGY|external",
        ),
    ] = None,
    stop: Annotated[
        int | None,
        typer.Option(min=1, help="Won: where the strategy's shares of the symbol are sold."),
    ] = None,
    quantity: Annotated[
        int | None, typer.Option(min=1, help="Shares. Default: all that do not add up.")
    ] = None,
    cost: Annotated[
        int | None, typer.Option(min=0, help="Won in total. Default: at the broker's mean price.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why. It stands on the log.")] = "",
    wait: Annotated[
        float, typer.Option(min=0, help="Wall seconds to wait for the next reconciliation.")
    ] = 15.0,
    by: By = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Say whose shares are that no order explains; the next reconciliation lifts the freeze."""
    from deploy.controls.adopting import AdoptRequest, adopt_command

    request = AdoptRequest(
        symbol=symbol,
        owner=owner,
        quantity=quantity,
        stop=stop,
        cost=cost,
        reason=reason,
        by=by,
        data_dir=data_dir,
        wait_s=wait,
    )
    return adopt_command(request, as_json=as_json)


@reported
def limits(
    *,
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="Changes. Default: list the limits.", metavar="[KEY=VALUE]..."),
    ] = None,
    reset: Annotated[
        list[str] | None,
        typer.Option(help="Put a limit back to the file's value; may be repeated.", metavar="KEY"),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why. It stands on the log.")] = "",
    by: By = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Show the limits in force, or change them for this and later sessions."""
    from deploy.controls.limiting import LimitsRequest, limits_command

    request = LimitsRequest(
        changes=tuple(changes or ()),
        resets=tuple(reset or ()),
        reason=reason,
        by=by,
        data_dir=data_dir,
    )
    return limits_command(request, as_json=as_json)


@reported
def presence(
    *,
    link: Annotated[str, typer.Option(help="Name of the watching host or desk.")] = "operator",
    timeout: Annotated[
        int, typer.Option(min=1, help="Seconds of silence after which entries are halted.")
    ] = 60,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between signs of life.")] = 15.0,
    by: By = None,
    data_dir: DataDir = None,
    debug: Debug = False,
) -> int:
    """Be the operator's link: when this dies entries are halted; Ctrl-C leaves properly."""
    from deploy.controls.presence import PresenceRequest, presence_command

    return presence_command(
        PresenceRequest(link=link, timeout_s=timeout, every_s=every, by=by, data_dir=data_dir)
    )
