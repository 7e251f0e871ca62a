"""What one decision of the risk gate costs in process: an entry that every check lets pass.

    python -m tests.bench.bench_gate

40 symbols followed, 4 strategies, 200 orders working. Each intent is decided by the gate as the log
would deliver it; its execution ends before the next one is asked, so the book stays as it is. An
exit is timed beside it, which asks two checks only. The median of an entry stays below 60 µs in the
quietest of five rounds: whatever else the machine does only adds to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, islice
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from events import Delivery, Event, IntentId, StrategyId, Symbol
from events.identifiers import order_id
from events.market import OpeningAllocation
from events.signal import UniverseSelected
from events.trading import (
    Decision,
    ExecutionEnded,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentSubmitted,
    OrderKind,
    OrderSubmitting,
    Side,
    Urgency,
)
from tests.bench.timing import microseconds, percentile
from tests.risk.scenario import (
    DATE,
    KMP,
    KPR,
    NULRIMOK,
    OPEN_AT,
    PCIM,
    SECOND,
    Day,
    configuration,
    history,
    operation,
    quote,
    reference,
    session,
    trades,
)

BOUND = 60.0
"""Microseconds that the median of an entry's decision stays below."""

SYMBOLS = tuple(Symbol(f"{300_000 + number}") for number in range(40))
STRATEGIES = (KMP, KPR, NULRIMOK, PCIM)
WORKING = 200
ROUNDS = 5
DECISIONS = 380
"""Decisions of one round."""

APART = 11 * SECOND
"""Nanoseconds between two decisions: no more than six orders of a symbol a minute pass."""


def main() -> None:
    """Print the latency of both kinds of decision.

    Raises:
        SystemExit: an entry did not pass every check, or its median is above the bound.
    """
    day = busy_day()
    rounds = {
        kind: [list(decided(day, kind)) for _ in range(ROUNDS)]
        for kind in (IntentKind.ENTER, IntentKind.EXIT)
    }
    table = Table(
        title=f"{len(SYMBOLS)} symbols, {WORKING} working orders, {ROUNDS * DECISIONS} decisions"
    )
    for column in ("decision", "median µs", "p99 µs", "quietest round: median µs"):
        table.add_column(column, justify="right")
    for kind, spent in rounds.items():
        together = list(chain.from_iterable(spent))
        figures = (median(together), percentile(together, 99), min(map(median, spent)))
        table.add_row(kind.value, *(f"{figure:.1f}" for figure in figures))
    Console().print(table)
    if min(map(median, rounds[IntentKind.ENTER])) > BOUND:
        raise SystemExit(f"the median of an entry is above {BOUND:.0f} µs")


def busy_day() -> Day:
    """Return a day with every symbol followed, half of them held, and 200 orders working."""
    held = tuple(
        OpeningAllocation(STRATEGIES[number % 4], symbol, 10, 100_000)
        for number, symbol in enumerate(SYMBOLS[20:])
    )
    settings = configuration(max_positions_count=100)
    for budget in settings["strategy_budgets"].values():
        budget["max_positions"] = {"standard": 100, "conservative": 100}
    day = Day(session(cash=1_000_000_000, allocations=held, settings=settings))
    sectors = {symbol: f"sector{number % 8}" for number, symbol in enumerate(SYMBOLS)}
    day.feed(
        UniverseSelected(
            at=OPEN_AT,
            strategy=KMP,
            trading_date=DATE,
            symbols=SYMBOLS,
            sectors=sectors,
            source="bench",
        )
    )
    for symbol in SYMBOLS:
        day.feed(reference(symbol), history(symbol), operation(symbol))
        for ago in range(300, -1, -5):
            at = day.now - ago * SECOND
            day.feed(trades(symbol, 10_000, at=at, bid=9_990, ask=10_010, vi=10_000))
        day.feed(quote(symbol, 9_990, 10_010, at=day.now))
    _fill_the_book(day)
    return day


def _fill_the_book(day: Day) -> None:
    """Let 200 buys of the symbols after the first work, five each, of all strategies."""
    targets = [(symbol, number) for number in range(6) for symbol in SYMBOLS[1:]][:WORKING]
    for symbol, number in targets:
        intent = IntentId(f"{DATE}-{STRATEGIES[number % 4]}-{symbol}-E{900 + number}")
        day.feed(
            OrderSubmitting(
                at=day.now,
                order_id=order_id(intent, 1),
                cause=1,
                intent_id=intent,
                strategy=STRATEGIES[number % 4],
                symbol=symbol,
                side=Side.BUY,
                kind=OrderKind.LIMIT,
                quantity=5,
                limit_price=9_900,
                cancel_at=day.now,
            )
        )


def decided(day: Day, kind: IntentKind) -> Iterator[float]:
    """Yield the microseconds of each decision, all of which let their intent through."""
    made: list[Decision] = []

    def decide(delivery: Delivery) -> None:
        (decision,) = day.gate.handle(delivery)
        assert isinstance(decision, IntentApproved)
        made.append(decision)

    yield from microseconds(_asked(day, kind, made), decide)


def _asked(day: Day, kind: IntentKind, made: list[Decision]) -> Iterator[Delivery]:
    """Yield intents one after the other; the execution of each ends before the next."""
    entering = kind is IntentKind.ENTER
    strategy, symbol = (KMP, SYMBOLS[0]) if entering else (KMP, SYMBOLS[20])
    for number in islice(_NUMBERS, DECISIONS):
        day.now += APART
        day.feed(quote(symbol, 9_990, 10_010, at=day.now))
        day.feed(trades(symbol, 10_000, at=day.now, bid=9_990, ask=10_010, vi=10_000))
        sequence = len(day.log) + number
        yield Delivery(sequence, _intent(day.now, kind, strategy, symbol, number))
        day.feed(_ended(day.now, made[-1], Side.BUY if entering else Side.SELL))


_NUMBERS: Final = count()
"""Of the intents: none has the name of an earlier one."""


def _intent(
    now: int, kind: IntentKind, strategy: StrategyId, symbol: Symbol, number: int
) -> IntentSubmitted:
    entering = kind is IntentKind.ENTER
    fields: dict[str, Any] = {"limit_price": 10_000, "protective_stop": 9_900} if entering else {}
    return IntentSubmitted(
        at=now,
        cause=1,
        intent_id=IntentId(f"{DATE}-{strategy}-{symbol}-{kind.name[1]}{number}"),
        strategy=strategy,
        symbol=symbol,
        kind=kind,
        quantity=10,
        urgency=Urgency.NORMAL,
        horizon=Horizon.INTRADAY,
        reason="bench",
        attempt=1,
        expires_at=now + 60 * SECOND,
        signal=f"signal{number}",
        **fields,
    )


def _ended(now: int, decision: Decision, side: Side) -> Event:
    return ExecutionEnded(
        at=now,
        cause=1,
        intent_id=decision.intent_id,
        strategy=decision.strategy,
        symbol=decision.symbol,
        side=side,
        quantity=10,
        filled_quantity=0,
        orders=0,
        reason="withdrawn",
    )


if __name__ == "__main__":
    main()
