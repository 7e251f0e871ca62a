"""``kst compare``: a recorded day, traded again, held against itself.

Twice: with the latencies of the day, which must give the same intents and the same executions, and
as an ordinary backtest, which tells how much a backtest of any other day can be trusted.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from rich.table import Table

from bus import code_version
from deploy.calendar_input import parse_day
from deploy.data_directory import DataDirectory, find_run
from deploy.log_access import open_history
from deploy.processors import factories
from deploy.terminal import console, print_json
from events import TradingDate
from events.calendar import trading_date
from research.fidelity.comparison import Comparison, compare
from research.fidelity.day import RecordedDay, recorded_day
from research.fidelity.drawn import drawn_run
from research.fidelity.reasons import Reasons
from research.fidelity.recording import RecordedSession, read_session
from research.fidelity.replay import Replayed, replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from research.fidelity.comparison import Count
    from research.fidelity.money import Money

_SHOWN: Final = 25
"""Differences shown to people; the rest is counted. JSON has them all."""

_USUAL_WAY: Final = 1_000_000_000
"""How long an order takes to the exchange (ns) on a day that had none."""

_OF_ORDERS: Final = (
    "OrderRejected",
    "OrderUnknown",
    "CancelAccepted",
    "CancelRejected",
    "CancelUnknown",
    "FillCorrected",
)


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """Where orders arrived: how many are explained, and how many without a look at their fills.

    ``places`` is how many places of the tape the record leaves open for one order, on average.
    ``own_shown`` says that the recorded books hold our own orders, as those of a real account do.
    """

    orders: int
    explained: int
    explained_by_split: int
    split: float
    places: float
    own_shown: bool


class CompareResult(msgspec.Struct, frozen=True, kw_only=True):
    """A compared day. ``given`` counts what no model derives and was taken from the record."""

    trading_date: TradingDate
    matched: bool
    recorded_latencies: Comparison
    arrivals: Arrivals
    given: dict[str, int]
    drawn_latencies: Comparison


def compare_command(date: str | None, data_dir: Path | None, *, as_json: bool) -> int:
    """Compare one day of a run, show the result and return the exit status."""
    directory = find_run(data_dir)
    on = directory.manifest.trading_date if date is None else trading_date(parse_day(date))
    session = asyncio.run(_read(directory, on))
    result = compare_session(session, directory.manifest.strategies)
    if as_json:
        print_json(result)
    else:
        _show(result)
    return 0 if result.matched else 1


def compare_session(session: RecordedSession, strategies: Sequence[str]) -> CompareResult:
    """Trade a recorded session again, both ways, and compare."""
    first = recorded_day(session)
    measured = first.latencies()
    day = recorded_day(session, split=measured.split)
    usual = measured.order[len(measured.order) // 2] if measured.order else _USUAL_WAY
    again = replay(day, factories(strategies), way=usual)
    exact = compare(
        session, again.recorded, again.derived, Reasons(day, code_version=code_version())
    )
    drawn = drawn_run(session, strategies, measured.settings())
    return CompareResult(
        trading_date=session.trading_date,
        # A day on which nothing was derived proves nothing.
        matched=exact.all_match and exact.recorded_events > 0,
        recorded_latencies=exact,
        arrivals=_arrivals(day, measured.split),
        given=_given(again),
        drawn_latencies=compare(
            session,
            again.recorded,
            drawn.derived,
            Reasons(day, code_version=code_version(), drawn=True),
        ),
    )


async def _read(directory: DataDirectory, on: TradingDate) -> RecordedSession:
    async with open_history(directory) as log:
        return await read_session(log, on)


def _arrivals(day: RecordedDay, split: float) -> Arrivals:
    found = day.places.values()
    open_places = sum(place.latest - place.earliest + 1 for place in found)
    return Arrivals(
        orders=len(found),
        explained=sum(place.explained for place in found),
        explained_by_split=sum(place.assumed_fits for place in found),
        split=split,
        places=round(open_places / len(found), 2) if found else 0.0,
        own_shown=day.own_shown,
    )


def _given(again: Replayed) -> dict[str, int]:
    return {name: count for name, count in again.given.items() if name in _OF_ORDERS}


def _show(result: CompareResult) -> None:
    out = console()
    exact, drawn = result.recorded_latencies, result.drawn_latencies
    day = result.trading_date
    table = Table(
        "", "recorded", "again", "the same", title=f"{day}, traded again with its own latencies"
    )
    for count in exact.counts:
        color = "green" if count.all_match else "red"
        table.add_row(
            count.kind,
            f"{count.recorded:,}",
            f"{count.again:,}",
            f"[{color}]{count.matched:,} of {count.recorded:,}{_percent(count)}[/]",
        )
    out.print(table)
    out.print(
        f"{exact.identical:,} of {exact.recorded_events:,} derived events are the same to the byte"
    )
    arrivals = result.arrivals
    if arrivals.orders:
        out.print(
            f"{arrivals.orders} orders reached the exchange, each at one of "
            f"{arrivals.places:.1f} places of the tape that the record leaves open; "
            f"{arrivals.explained} are explained there, {arrivals.explained_by_split} of them by "
            f"one rule for all: {arrivals.split:.0%} of the way to the answer is the way there"
        )
        if not arrivals.own_shown:
            out.print("the recorded books do not hold our own orders, as on a paper account")
    for name, times in result.given.items():
        out.print(f"{times} × {name} was taken from the record: no model derives it")
    _show_differences(exact)
    _show_drawn(drawn)
    _show_money(exact.money_recorded, exact.money_again, drawn.money_again)
    if result.matched:
        out.print("[green]every intent, decision, order and execution is the same[/]")
    else:
        out.print("[red]the day is not the same when it is traded again[/]")


def _percent(count: Count) -> str:
    return f" ({count.matched / count.recorded:.0%})" if count.recorded else ""


def _show_differences(compared: Comparison) -> None:
    if not compared.differences:
        return
    table = Table("what", "field", "recorded", "again", "why", title="what differs")
    for each in compared.differences[:_SHOWN]:
        table.add_row(each.identity, each.field, _cut(each.recorded), _cut(each.again), each.why)
    out = console()
    out.print(table)
    hidden = len(compared.differences) - _SHOWN
    if hidden > 0:
        out.print(f"and {hidden} more: --json has them all")


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _show_drawn(drawn: Comparison) -> None:
    out = console()
    table = Table(
        "",
        "recorded",
        "again",
        "in both",
        "the same",
        title="the same day as an ordinary backtest: latencies drawn, deciding takes no time",
    )
    for count in drawn.counts:
        table.add_row(
            count.kind,
            f"{count.recorded:,}",
            f"{count.again:,}",
            f"{count.found:,}",
            f"{count.matched:,}",
        )
    out.print(table)
    firsts = [each for each in drawn.differences if not each.why.startswith("follows from")]
    fills = [each for each in drawn.differences if each.kind == "fills"]
    if firsts:
        why = Table("first difference", "field", "recorded", "again", "why")
        for each in firsts[:_SHOWN]:
            why.add_row(each.identity, each.field, _cut(each.recorded), _cut(each.again), each.why)
        out.print(why)
    if fills:
        prices = Table("execution", "field", "recorded", "again")
        for each in fills[:_SHOWN]:
            prices.add_row(each.identity, each.field, each.recorded, each.again)
        out.print(prices)


def _show_money(recorded: Money, again: Money, drawn: Money) -> None:
    table = Table("won", "recorded", "recorded latencies", "drawn latencies", title="money")
    for field in ("fills", "bought", "sold", "fees", "tax", "slippage", "result"):
        table.add_row(field, *(f"{getattr(each, field):,}" for each in (recorded, again, drawn)))
    table.add_row(
        "slippage, bps", *(f"{each.slippage_bps:.1f}" for each in (recorded, again, drawn))
    )
    console().print(table)
