"""What the pure parts cost in one process: strategy, risk gate, exchange, frame decoder.

    python -m tests.bench.bench_processors

A whole synthetic day of 40 symbols, every trade and every book, goes through all of them; the
strategy and the gate get the log of that day, positions included. Ratios are against decoding one
frame of trades from the log, the least that any reader of the log pays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean, median

import msgspec
from rich.console import Console
from rich.table import Table

from events import (
    Delivery,
    Event,
    IntentId,
    StrategyId,
    Symbol,
    TradingDate,
    calendar,
    codec,
)
from events.market import ClockTick, Phase, QuoteFrame, SessionOpened, TradeFrame
from events.trading import (
    ExecutionEnded,
    Horizon,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    Side,
    Urgency,
)
from kis_gateway.frames import QUOTES, TRADES, FrameDecoder
from kis_gateway.simulator.exchange.messages import Command
from risk import RiskGate, gate_from_session
from strategies import kmp_from_session
from tests.bench import synthetic_day
from tests.bench.synthetic_day import SECOND, Handled
from tests.bench.timing import microseconds

SYMBOLS = 40
ENTRIES = 2_000
TRADED_A_SECOND = 10_000_000
"""Won by which a symbol's turnover grows while entries are asked for."""

ENTRIES_AFTER = 90 * 60 * SECOND
"""Nanoseconds after the open: 10:30 KST, when positions are held."""

SCAN_AT = calendar.session(synthetic_day.DAY).open_at + 15 * 60 * SECOND
"""Until then the strategy follows every symbol, afterwards its candidates."""

KINDS: tuple[tuple[str, Callable[[Event], bool]], ...] = (
    ("trades to 09:15", lambda event: isinstance(event, TradeFrame) and event.at < SCAN_AT),
    ("trades afterwards", lambda event: isinstance(event, TradeFrame) and event.at >= SCAN_AT),
    ("books", lambda event: isinstance(event, QuoteFrame)),
    ("clock ticks", lambda event: isinstance(event, ClockTick)),
)

OTHER = StrategyId("NULRIMOK")
"""Whose entries are timed: a strategy with a budget that holds nothing yet."""


class Figures:
    """The table in the making."""

    def __init__(self, unit: Sequence[float]) -> None:
        self._unit = fmean(unit)
        self.table = Table(title=f"Pure parts in one process, a synthetic day of {SYMBOLS} symbols")
        self.table.add_column("what")
        for column in ("number", "median µs", "mean µs", "per second", "ratio"):
            self.table.add_column(column, justify="right")
        self.add("log: decode TradeFrame", unit)

    def add(self, name: str, costs: Sequence[float]) -> None:
        """Add a line from the microseconds of single calls; rate and ratio follow from the mean."""
        mean = fmean(costs)
        self.table.add_row(
            name,
            f"{len(costs):,}",
            f"{median(costs):,.2f}",
            f"{mean:,.2f}",
            f"{1_000_000 / mean:,.0f}",
            f"{mean / self._unit:.1f}",
        )


def entry_costs(session: SessionOpened, log: Sequence[Delivery]) -> list[float]:
    """Return the microseconds of deciding entries, when the gate let all of them through.

    The gate stands where the log stood ``ENTRIES_AFTER`` the open.
    """
    until = session.open_at + ENTRIES_AFTER
    gate = gate_from_session(session)
    last: dict[Symbol, TradeFrame] = {}
    for delivery in log:
        if delivery.event.at >= until:
            break
        gate.handle(delivery)
        if isinstance(delivery.event, TradeFrame):
            last[delivery.event.symbol] = delivery.event
    decided: list[Event] = []
    costs = microseconds(
        entries(gate, session.trading_date, last, until),
        lambda delivery: decided.extend(gate.handle(delivery)),
    )
    refused = [each for each in decided if not isinstance(each, IntentApproved | IntentModified)]
    if refused:
        raise SystemExit(f"{len(refused)} entries were not let through, the first: {refused[0]}")
    return costs


def entries(
    gate: RiskGate, date: TradingDate, last: Mapping[Symbol, TradeFrame], begun: int
) -> Iterator[Delivery]:
    """Yield entries one second apart, each after a trade of its symbol at the last price.

    The router sends none of them, so that all meet the same books.
    """
    symbols = sorted(last)
    for number in range(ENTRIES):
        symbol, now = symbols[number % len(symbols)], begun + number * SECOND
        before = last[symbol].trades[-1]
        value = before.cumulative_value + number * TRADED_A_SECOND
        trade = msgspec.structs.replace(before, time=now, cumulative_value=value)
        gate.handle(Delivery(1, ClockTick(at=now, phase=Phase.CONTINUOUS)))
        gate.handle(Delivery(2, TradeFrame(at=now, symbol=symbol, trades=(trade,))))
        intent = IntentSubmitted(
            at=now,
            cause=1,
            intent_id=IntentId(f"{date}-{OTHER}-{symbol}-E{number}"),
            strategy=OTHER,
            symbol=symbol,
            kind=IntentKind.ENTER,
            quantity=10,
            urgency=Urgency.NORMAL,
            horizon=Horizon.INTRADAY,
            reason="bench",
            attempt=1,
            expires_at=now + 60 * SECOND,
            reference_price=trade.price,
            limit_price=trade.price,
            protective_stop=trade.price * 99 // 100,
            signal=f"bench-{number}",
        )
        yield Delivery(3, intent)
        over = ExecutionEnded(
            at=now,
            cause=3,
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=symbol,
            side=Side.BUY,
            quantity=10,
            filled_quantity=0,
            orders=0,
            reason="refused",
        )
        gate.handle(Delivery(4, over))


def main() -> None:
    """Run all and print one table."""
    day = synthetic_day.market(SYMBOLS)
    items = list(day.commands())
    commands = [item for item in items if isinstance(item, Command)]
    place = synthetic_day.exchange(day)
    handled = [
        Handled(item, place.handle(item) if isinstance(item, Command) else ()) for item in items
    ]
    sent = synthetic_day.frames(day, handled)
    log = synthetic_day.whole_log(day, list(synthetic_day.market_events(day, handled, sent)))
    session = log[0].event
    assert isinstance(session, SessionOpened)
    payloads = [codec.encode(each.event) for each in log if isinstance(each.event, TradeFrame)]

    figures = Figures(microseconds(payloads, codec.decode))
    decoder = FrameDecoder("5000000101")
    for name, feed in (("trade", TRADES), ("book", QUOTES)):
        chosen = [frame for frame in sent if feed in frame.text[:16]]
        costs = microseconds(chosen, lambda frame: decoder.decode(frame.text, frame.at))
        figures.add(f"KIS: decode {name} frame", costs)
    figures.add("exchange: a command", microseconds(commands, synthetic_day.exchange(day).handle))
    for name, processor in (
        ("KMP", kmp_from_session(session)),
        ("gate", gate_from_session(session)),
    ):
        costs = microseconds(log, processor.handle)
        figures.add(f"{name}: every log event", costs)
        for part, wanted in KINDS:
            own = [cost for cost, each in zip(costs, log, strict=True) if wanted(each.event)]
            figures.add(f"{name}: {part}", own)
    figures.add("gate: entry let through", entry_costs(session, log))
    intents = sum(isinstance(each.event, IntentSubmitted) for each in log)
    figures.table.caption = (
        f"The log has {intents} intents of KMP and fills for them; ratio: mean against decoding a "
        "TradeFrame of the log."
    )
    Console().print(figures.table)


if __name__ == "__main__":
    main()
