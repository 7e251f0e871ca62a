"""Where a result comes from and what held it back: checks of the risk gate, orders, odd data.

Counts are of intents; an exit is never refused by a control, so most rows are about entries.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from events import TradingDate
from events.trading import OrderState
from research.backtest.results import BacktestResult, DecisionRow, SessionRow

_NUMBER: Final = re.compile(r"\d[\d,.:]*")


class GateRow(NamedTuple):
    """What one check did: intents it refused, deferred and cut.

    ``shares`` are those that it took away, ``share`` is the part of all intents that it bound and
    ``most`` whose wish of which kind it bound most often.
    """

    check: str
    refused: int
    deferred: int
    cut: int
    shares: int
    share: float
    most: str

    @property
    def bound(self) -> int:
        """Intents that did not pass as they were."""
        return self.refused + self.deferred + self.cut


class Gate(NamedTuple):
    """All intents by what became of them, and each check that bound one, the busiest first."""

    intents: int
    approved: int
    cut: int
    refused: int
    deferred: int
    unanswered: int
    rows: tuple[GateRow, ...]


def gate(decisions: Sequence[DecisionRow]) -> Gate:
    """Return what the risk gate did to intents, check by check."""
    outcomes = Counter(each.outcome for each in decisions)
    bound: dict[str, list[DecisionRow]] = {}
    for each in decisions:
        if each.check:
            bound.setdefault(each.check, []).append(each)
    rows = [_gate_row(check, rows, len(decisions)) for check, rows in bound.items()]
    return Gate(
        intents=len(decisions),
        approved=outcomes["approved"],
        cut=outcomes["modified"],
        refused=outcomes["rejected"],
        deferred=outcomes["deferred"],
        unanswered=outcomes["expired"],
        rows=tuple(sorted(rows, key=lambda each: (-each.bound, each.check))),
    )


def _gate_row(check: str, rows: Sequence[DecisionRow], of: int) -> GateRow:
    outcomes = Counter(each.outcome for each in rows)
    return GateRow(
        check=check,
        refused=outcomes["rejected"],
        deferred=outcomes["deferred"],
        cut=outcomes["modified"],
        shares=sum((each.requested or 0) - each.allowed for each in rows),
        share=len(rows) / of,
        most=_most(rows),
    )


def _most(rows: Sequence[DecisionRow]) -> str:
    whose = Counter((each.strategy, each.kind) for each in rows)
    (strategy, kind), _ = whose.most_common(1)[0]
    return f"{strategy}, {kind.value.replace('_', ' ')}"


class OrderEnds(NamedTuple):
    """Orders by how they ended, and the part of their shares that was filled."""

    orders: int
    ends: tuple[tuple[str, int], ...]
    filled: float | None


def order_ends(result: BacktestResult) -> OrderEnds:
    """Return how the orders ended."""
    ends = Counter(each.state for each in result.orders)
    wanted = sum(each.quantity for each in result.orders)
    return OrderEnds(
        orders=len(result.orders),
        ends=tuple(
            (state.value.replace("_", " "), ends[state]) for state in OrderState if ends[state]
        ),
        filled=sum(each.filled_quantity for each in result.orders) / wanted if wanted else None,
    )


class Problem(NamedTuple):
    """Oddities of the data that differ in their numbers only: an example and how many ``times``."""

    example: str
    times: int
    sessions: int
    first: TradingDate
    last: TradingDate


def problems(sessions: Iterable[SessionRow]) -> list[Problem]:
    """Return what is odd about the data, alike ones together, in order of appearance."""
    alike: dict[str, list[tuple[TradingDate, str]]] = {}
    for each in sessions:
        for text in each.problems:
            alike.setdefault(_NUMBER.sub("0", text), []).append((each.session, text))
    return [
        Problem(
            example=group[0][1],
            times=len(group),
            sessions=len({date for date, _ in group}),
            first=group[0][0],
            last=group[-1][0],
        )
        for group in alike.values()
    ]
