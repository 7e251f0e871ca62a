"""The ``kst`` command. Each command lives in a module of its own and is imported when it runs.

Exit status: 0 when all is well, 1 when something is wrong and was said, 2 for a wrong use of the
command, 130 after Ctrl-C.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.controls import cli as controls
from deploy.recordings import cli as recordings
from deploy.terminal import AsJson, Debug, reported

DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Directory of the run. Default: ./kst-data/latest."),
]

ReportFile = Annotated[
    Path | None, typer.Option(help="Write the report to this HTML file as well.")
]

ResultsDir = Annotated[
    Path | None, typer.Option("--store", help="Folder of results. Default: ./kst-data/backtests.")
]
Objective = Annotated[
    str | None,
    typer.Option(help="What the best is chosen by. Default: as the file says, or sharpe."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="How many run at once. Default: one a core.")
]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="Run on a Ray cluster: its address, auto, or local to start one here.",
        metavar="ADDRESS",
    ),
]

app: Final = typer.Typer(
    name="kst",
    help="Event-sourced trading engine for Korean stocks: every event on one log, everything else "
    "a function of it.",
    epilog="Example: kst demo --symbols 20",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command(epilog="Example: kst demo --date 2025-09-15 --symbols 20 --speed 100")
@reported
def demo(
    *,
    bars: Annotated[
        Path | None,
        typer.Option(
            help="Folder of recorded KRX bars (krx_minute/, krx_daily/). Default: a synthetic day."
        ),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="KRX trading day. Default: 2025-09-15.", metavar="DATE")
    ] = None,
    symbols: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=200,
            help="How many symbols trade. Default: 20 of a synthetic day, 40 of recorded bars.",
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Strategies to run, separated by commas.", metavar="NAMES")
    ] = "kmp",
    speed: Annotated[
        float, typer.Option(min=1, max=2_000, help="Simulated seconds per second, at most.")
    ] = 200.0,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir", help="New directory for the run. Default: a new one in ./kst-data."
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run a whole trading day against the simulator on embedded servers.

    Nothing leaves this machine and no account is needed. The day runs as fast as asked and as this
    machine can; the summary at the end says what happened and where it is recorded.
    """
    from deploy.demo import demo_command
    from deploy.demo_setup import DemoRequest

    request = DemoRequest(
        bars=bars,
        date=date,
        symbols=symbols,
        strategies=tuple(name.strip().lower() for name in strategies.split(",") if name.strip()),
        speed=speed,
        data_dir=data_dir,
    )
    return demo_command(request, as_json=as_json)


@app.command(epilog="Example: kst backtest kmp.yaml --set data.symbols=20 --report kmp.html")
@reported
def backtest(
    config: Annotated[
        Path | None, typer.Argument(help="YAML file. Default: KMP on five generated days.")
    ] = None,
    *,
    delivery: Annotated[
        str | None,
        typer.Option(
            help="How it is computed: block (fastest), reference (event by event) or every "
            "(the definition). The result is the same.",
            metavar="block|reference|every",
        ),
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A value that differs from the file. May be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Where results are kept. Default: ./kst-data/backtests.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the report to this HTML file as well.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run strategies, risk gate, router and exchange over recorded or generated sessions.

    The same code as live, over one queue with the latencies of the file. Equal settings, data and
    code give an equal result hash.
    """
    from deploy.backtesting.backtest import BacktestRequest, backtest_command

    request = BacktestRequest(
        config=config,
        delivery=delivery,
        changes=tuple(changes or ()),
        store=store,
        report=report,
    )
    return backtest_command(request, as_json=as_json)


@app.command(epilog="Example: kst sweep kmp-sweep.yaml --workers 4 --objective calmar")
@reported
def sweep(
    config: Annotated[Path, typer.Argument(help="YAML file: the backtest and what is varied.")],
    *,
    objective: Objective = None,
    workers: Workers = None,
    cluster: Cluster = None,
    store: ResultsDir = None,
    report: ReportFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Run many configurations of a backtest and say how much of the best one is luck.

    Results do not depend on how many run at once, nor where. A configuration that fails costs only
    itself.
    """
    from deploy.backtesting.sweep import SweepRequest, sweep_command

    request = SweepRequest(
        config=config,
        objective=objective,
        workers=workers,
        cluster=cluster,
        store=store,
        report=report,
    )
    return sweep_command(request, as_json=as_json)


@app.command("walk-forward", epilog="Example: kst walk-forward kmp-sweep.yaml --cluster local")
@reported
def walk_forward(
    config: Annotated[
        Path, typer.Argument(help="YAML file: the backtest, what is varied, and the windows.")
    ],
    *,
    objective: Objective = None,
    workers: Workers = None,
    cluster: Cluster = None,
    store: ResultsDir = None,
    report: ReportFile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Choose the best configuration on past sessions, trade the ones after, and move on."""
    from deploy.backtesting.sweep import SweepRequest
    from deploy.backtesting.walk_forward import walk_forward_command

    request = SweepRequest(
        config=config,
        objective=objective,
        workers=workers,
        cluster=cluster,
        store=store,
        report=report,
    )
    return walk_forward_command(request, as_json=as_json)


@app.command(epilog='Example: kst runs "SELECT strategy, sum(result) FROM trades GROUP BY ALL"')
@reported
def runs(
    sql: Annotated[
        str | None, typer.Argument(help="A question in SQL. Default: the runs, newest first.")
    ] = None,
    *,
    store: ResultsDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """List the results of backtests that were kept, or ask them something."""
    from deploy.backtesting.runs import runs_command

    return runs_command(sql, store, as_json=as_json)


@app.command(epilog="Example: kst report kmp-20d-1f3a9c2b44de --out kmp.html --pdf")
@reported
def report(
    *,
    run: Annotated[
        str,
        typer.Argument(
            help="Run as `kst backtest` calls it, or its folder. Default: the newest one kept.",
            metavar="[RUN]",
            show_default=False,
        ),
    ] = "",
    store: Annotated[
        Path | None, typer.Option(help="Where results are kept. Default: ./kst-data/backtests.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="HTML file to write. Default: RUN.html in this folder.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading. Default: the run's name.")] = None,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print it on A4 as well; needs Chromium or Chrome.")
    ] = False,
    png: Annotated[
        bool, typer.Option("--png", help="Draw a picture of it as well; needs Chromium or Chrome.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Write the report of a backtest: one HTML file that opens anywhere, also without a network."""
    from deploy.backtesting.report import ReportRequest, report_command

    request = ReportRequest(run=run, store=store, out=out, title=title, pdf=pdf, png=png)
    return report_command(request, as_json=as_json)


@app.command(
    "look-ahead",
    epilog="Example: kst look-ahead kmp.yaml --cut 2025-10-21T09:31 --cut 2025-10-21T13:00",
)
@reported
def look_ahead(
    config: Annotated[Path, typer.Argument(help="YAML file of a backtest on recorded bars.")],
    *,
    cuts: Annotated[
        list[str],
        typer.Option("--cut", help="KST time in a session. May be repeated.", metavar="TIME"),
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A value that differs from the file.", metavar="KEY=VALUE"),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Change all data after an instant and see whether anything before it is decided otherwise."""
    from deploy.backtesting.look_ahead import look_ahead_command

    return look_ahead_command(config, cuts, tuple(changes or ()), as_json=as_json)


@app.command(
    epilog="Example: kst simulator --environment real --scenario bad-morning.yaml --admin-port 0"
)
@reported
def simulator(
    *,
    environment: Annotated[
        str, typer.Option(help="Which service is imitated: paper or real.", metavar="paper|real")
    ] = "paper",
    era: Annotated[
        str | None,
        typer.Option(
            help="Widths of real-time records: A before 2025-03-04, B, C from 2026-09-14. "
            "Default: by the date.",
            metavar="A|B|C",
        ),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=2_000, help="Simulated seconds per second.")
    ] = 1.0,
    bars: Annotated[
        Path | None,
        typer.Option(
            help="Folder of recorded KRX bars (krx_minute/, krx_daily/). Default: a made-up day."
        ),
    ] = None,
    date: Annotated[
        str | None,
        typer.Option(help="KRX trading day. Default: today or the session before.", metavar="DATE"),
    ] = None,
    symbols: Annotated[
        int | None,
        typer.Option(min=1, max=2_000, help="How many symbols trade. Default: 20, recorded 40."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of a made-up day.")] = 7,
    trades_per_minute: Annotated[
        int, typer.Option(min=1, max=2_000, help="Trades a symbol and minute, at least.")
    ] = 30,
    rest_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the REST side, 0 for a free one.")
    ] = 0,
    ws_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the WebSocket, 0 for a free one.")
    ] = 0,
    admin_port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Port of the test bench, 0 for a free one. Default: no test bench.",
        ),
    ] = None,
    accounts: Annotated[
        Path | None,
        typer.Option(help="YAML list of accounts with their keys. Default: keys are made up."),
    ] = None,
    generated_accounts: Annotated[
        int, typer.Option("--generated-accounts", min=1, max=100, help="How many to make up.")
    ] = 1,
    scenario: Annotated[
        Path | None, typer.Option(help="YAML file of what goes wrong, when and how often.")
    ] = None,
    start_at: Annotated[
        str | None,
        typer.Option(
            help="KST time at which the day begins. Default: ten seconds before the open.",
            metavar="HH:MM",
        ),
    ] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Go on with the next day instead of ending.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--everything", help="Paper also serves what KIS has on the real host only."),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Serve the KIS Open API on this machine: REST, WebSocket and an exchange that matches orders.

    Any client can be pointed at it; nothing leaves this machine. Accounts and keys are made up and
    printed once, unless --accounts gives them. A day begins shortly before the open, so trades come
    at once. --json prints one object when the service is ready: addresses and keys.

    Further examples: `kst simulator --start-at 08:50 --speed 10`,
    `kst simulator --era A --rest-port 29443 --ws-port 31000`,
    `kst simulator --bars data --date 2025-09-15 --loop`.
    """
    from deploy.simulator_command import simulator_command
    from deploy.simulator_setup import SimulatorRequest, chosen
    from kis_gateway.simulator import Environment, Era

    request = SimulatorRequest(
        environment=chosen(Environment, environment.lower(), "--environment"),
        era=None if era is None else chosen(Era, era.upper(), "--era"),
        speed=speed,
        bars=bars,
        date=date,
        symbols=symbols,
        seed=seed,
        trades_per_minute=trades_per_minute,
        rest_port=rest_port,
        ws_port=ws_port,
        admin_port=admin_port,
        accounts=accounts,
        generated_accounts=generated_accounts,
        scenario=scenario,
        start_at=start_at,
        loop=loop,
        everything=everything,
    )
    return simulator_command(request, as_json=as_json)


kis: Final = typer.Typer(
    name="kis", help="The connection to the broker.", no_args_is_help=True, add_completion=False
)
app.add_typer(kis)


@kis.command(epilog="Example: kst kis check --symbol 005930 --seconds 10")
@reported
def check(
    *,
    symbol: Annotated[str, typer.Option(help="Issue whose price and trades are asked for.")] = (
        "005930"
    ),
    seconds: Annotated[
        float, typer.Option(min=0, max=3_600, help="How long to listen to live trades.")
    ] = 5.0,
    real: Annotated[
        bool,
        typer.Option("--real-account", help="The keys are those of an account with real money."),
    ] = False,
    rest_url: Annotated[
        str, typer.Option(help="REST address, of `kst simulator` for example.")
    ] = "",
    ws_url: Annotated[str, typer.Option(help="WebSocket address.")] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Log in with the keys in the environment and look: account, price, live trades.

    Reads KST_KIS_APP_KEY, KST_KIS_APP_SECRET, KST_KIS_ACCOUNT and KST_KIS_HTS_ID; places nothing.
    The keys are taken for those of a paper account unless --real-account is given.
    """
    from deploy.kis_check import CheckRequest, check_command
    from events import Symbol

    request = CheckRequest(
        real=real,
        symbol=Symbol(symbol),
        seconds=seconds,
        rest_url=rest_url,
        websocket_url=ws_url,
    )
    return check_command(request, as_json=as_json)


@app.command(epilog="Example: kst verify 2025-09-15 --data-dir kst-data/2025-09-15-1")
@reported
def verify(
    *,
    date: Annotated[
        str | None,
        typer.Argument(help="Trading day. Default: the day of the run.", metavar="[DATE]"),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Derive every decision of a day again from its log and compare, byte for byte.

    Also checks the log's seals, so that a changed or lost entry is found and named.
    """
    from deploy.verify import verify_command

    return verify_command(date, data_dir, as_json=as_json)


@app.command(epilog="Example: kst compare 2025-09-15 --data-dir kst-data/2025-09-15-1")
@reported
def compare(
    *,
    date: Annotated[
        str | None,
        typer.Argument(help="Recorded trading day. Default: the day of the run.", metavar="[DATE]"),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Trade a recorded day again and hold it against the record, order by order.

    With the day's own latencies everything must be the same; as an ordinary backtest it shows how
    far fills, slippage and profit are off, and why. Exit status 0 only if all is the same.
    """
    from deploy.backtesting.compare import compare_command

    return compare_command(date, data_dir, as_json=as_json)


@app.command(epilog="Example: kst calibrate 2025-09-15 --output latency.yaml")
@reported
def calibrate(
    *,
    date: Annotated[
        str | None,
        typer.Argument(help="Recorded trading day. Default: the day of the run.", metavar="[DATE]"),
    ] = None,
    data_dir: DataDir = None,
    output: Annotated[
        Path | None, typer.Option(help="Write the YAML block here instead of showing it.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Measure how long orders, answers, notices and the feed took on a recorded day.

    The result is the latency block of a backtest's configuration, as YAML on stdout.
    """
    from deploy.backtesting.calibrate import calibrate_command

    return calibrate_command(date, data_dir, output, as_json=as_json)


@app.command(epilog="Example: kst rebuild --data-dir kst-data/2025-09-15-1")
@reported
def rebuild(*, data_dir: DataDir = None, as_json: AsJson = False, debug: Debug = False) -> int:
    """Fold the read models from the log into fresh tables and compare with those of the run."""
    from deploy.rebuild import rebuild_command

    return rebuild_command(data_dir, as_json=as_json)


@app.command(epilog="Example: kst status --json")
@reported
def status(*, data_dir: DataDir = None, as_json: AsJson = False, debug: Debug = False) -> int:
    """Show how a run is doing, or how it ended: services, halts, degradations, slots, figures."""
    from deploy.status import status_command

    return status_command(data_dir, as_json=as_json)


controls.register(app)
recordings.register(app)

raw: Final = typer.Typer(
    help="Undecoded frames of a run: what the broker sent, byte for byte.", no_args_is_help=True
)
app.add_typer(raw, name="raw")


@raw.command("replay", epilog="Example: kst raw replay --data-dir kst-data/2025-09-15-1")
@reported
def raw_replay(
    *,
    date: Annotated[
        str | None, typer.Option(help="Trading day. Default: the day of the run.", metavar="DATE")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> int:
    """Decode the recorded frames of a day again with this code and compare with its log.

    Says which market events are missing on the log, stand only there, or differ; the exit status is
    1 when any does, or when nothing was recorded.
    """
    from deploy.raw_replay import replay_command

    return replay_command(date, data_dir, as_json=as_json)


@app.command(hidden=True, epilog="Example: kst service risk --data-dir kst-data/latest")
@reported
def service(
    *,
    name: Annotated[str, typer.Argument(help="Which service.")],
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Directory of the run.")],
    debug: Debug = False,
) -> int:
    """Run one service of a run in this process; the supervisor calls this."""
    from deploy.services import run_service

    return run_service(name, data_dir)


def main() -> None:
    """Run the command line."""
    app()
