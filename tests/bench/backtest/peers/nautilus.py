"""nautilus_trader: its low-level ``BacktestEngine``, bars or trades as its own objects.

Its fastest: no logging, no checks of its risk engine, no analysis after the run, and running sums
in the strategies. Variants for bars:

``close``: bars alone. An order of a bar's close is filled at that close, at once; it has no order
for the next open, and a delayed order meets the next bar's close.
``open``: bars decide and do not move its market, a trade at each bar's open does, and orders take
a nanosecond: exactly the fills of the rule, for twice the events. Each symbol has an engine of its
own, because a delayed order is carried out at the next event of any symbol.

Trades move the market of its first level: an order is filled at the price of the next one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import nautilus_trader  # type: ignore[import-not-found] # lives in this peer's own environment
import numpy as np
from nautilus_trader.backtest.config import (  # type: ignore[import-not-found] # same
    BacktestEngineConfig,
)
from nautilus_trader.backtest.engine import (  # type: ignore[import-not-found] # same
    BacktestEngine,
)
from nautilus_trader.backtest.models import (  # type: ignore[import-not-found] # same
    LatencyModel,
)
from nautilus_trader.config import (  # type: ignore[import-not-found] # same
    LoggingConfig,
    RiskEngineConfig,
)
from nautilus_trader.model.currencies import KRW  # type: ignore[import-not-found] # same
from nautilus_trader.model.data import (  # type: ignore[import-not-found] # same
    Bar,
    BarType,
    TradeTick,
)
from nautilus_trader.model.enums import (  # type: ignore[import-not-found] # same
    AccountType,
    OmsType,
    OrderSide,
    OrderStatus,
)
from nautilus_trader.model.identifiers import (  # type: ignore[import-not-found] # same
    InstrumentId,
    Symbol,
    Venue,
)
from nautilus_trader.model.instruments import Equity  # type: ignore[import-not-found] # same
from nautilus_trader.model.objects import (  # type: ignore[import-not-found] # same
    Money,
    Price,
    Quantity,
)

from tests.bench.backtest.peers.contract import BUY, SELL, Fill, Report, Workload, main
from tests.bench.backtest.peers.nautilus_strategies import Costs, Crossover, Imbalance

_MINUTE = 60_000_000_000
_KRX = Venue("KRX")


class Loaded(NamedTuple):
    """Engines with their data and symbols; every run is of the same ones, reset in between."""

    workload: Workload
    engines: list[tuple[Any, list[str]]]


def prepare(workload: Workload) -> Loaded:
    """Make the objects and load them."""
    symbols = list(workload.symbols)
    groups = [[each] for each in symbols] if workload.variant == "open" else [symbols]
    engines = [(_engine(workload, group, len(groups)), group) for group in groups]
    return Loaded(workload, engines)


def _engine(workload: Workload, symbols: list[str], groups: int) -> Any:
    delayed = workload.name == "B" or workload.variant == "open"
    engine = BacktestEngine(
        config=BacktestEngineConfig(
            logging=LoggingConfig(bypass_logging=True),
            risk_engine=RiskEngineConfig(bypass=True),
            run_analysis=False,
        )
    )
    engine.add_venue(
        venue=_KRX,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        starting_balances=[Money(workload.settings["cash"] // groups, KRW)],
        base_currency=KRW,
        fee_model=Costs(workload),
        latency_model=LatencyModel(base_latency_nanos=1) if delayed else None,
        bar_execution=workload.variant == "close",
        trade_execution=False,
    )
    rows_of = _rows_of(workload)
    data: list[Any] = []
    for symbol in symbols:
        rows = rows_of[symbol]
        instrument_id = InstrumentId(Symbol(symbol), _KRX)
        engine.add_instrument(_equity(instrument_id))
        if workload.name == "A":
            bar_type = BarType.from_str(f"{instrument_id}-1-MINUTE-LAST-EXTERNAL")
            data += _bars(workload, rows, bar_type)
            if workload.variant == "open":
                data += _opens(workload, rows, instrument_id)
            may_order = workload.columns["may_order"][rows].tolist()
            strategy: Any = Crossover(bar_type, may_order, workload.settings)
        else:
            data += _trades(workload, instrument_id)
            lengths = np.diff(workload.columns["first"]).tolist()
            strategy = Imbalance(instrument_id, lengths, workload.settings)
        engine.add_strategy(strategy)
    engine.add_data(data, validate=False, sort=True)
    return engine


def _rows_of(workload: Workload) -> dict[str, slice]:
    if workload.name == "A":
        return dict(zip(workload.symbols, workload.slices(), strict=True))
    return {workload.symbols[0]: slice(0, len(workload.columns["time"]))}


def _equity(instrument_id: Any) -> Any:
    return Equity(
        instrument_id=instrument_id,
        raw_symbol=instrument_id.symbol,
        currency=KRW,
        price_precision=0,
        price_increment=Price(1, 0),
        lot_size=Quantity.from_int(1),
        ts_event=0,
        ts_init=0,
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )


def _bars(workload: Workload, rows: slice, bar_type: Any) -> Any:
    columns = workload.columns
    ends = (columns["time"][rows] + _MINUTE).astype(np.uint64)
    values = [columns[name][rows].astype(np.float64) for name in _NAMES]
    return Bar.from_raw_arrays_to_list(bar_type, 0, 0, *values, ends, ends)


_NAMES = ("open", "high", "low", "close", "volume")


def _opens(workload: Workload, rows: slice, instrument_id: Any) -> Any:
    # A nanosecond after the bar before has ended, of a size that any order finds room in.
    times = (workload.columns["time"][rows] + 1).astype(np.uint64)
    return TradeTick.from_raw_arrays_to_list(
        instrument_id,
        0,
        0,
        workload.columns["open"][rows].astype(np.float64),
        np.full(len(times), 1_000_000.0),
        np.ones(len(times), np.uint8),
        [str(number) for number in range(len(times))],
        times,
        times,
    )


def _trades(workload: Workload, instrument_id: Any) -> Any:
    columns = workload.columns
    times = columns["time"].astype(np.uint64)
    return TradeTick.from_raw_arrays_to_list(
        instrument_id,
        0,
        0,
        columns["price"].astype(np.float64),
        columns["quantity"].astype(np.float64),
        np.where(columns["aggressor"] > 0, 1, 2).astype(np.uint8),
        [str(number) for number in range(len(times))],
        times,
        times,
    )


def arrange(loaded: Loaded) -> Callable[[], None]:
    """Return the run of the engines, made empty again."""
    for engine, _ in loaded.engines:
        engine.reset()

    def go() -> None:
        for engine, _ in loaded.engines:
            engine.run()

    return go


def report(loaded: Loaded, _: None) -> Report:
    """Return the fills and what the accounts are worth, shares at the last price."""
    workload = loaded.workload
    columns = workload.columns
    late = _MINUTE if workload.variant == "close" else 1 if workload.name == "A" else 0
    # A fill at a bar's close is put down at the next bar, where the rule has it.
    next_bar = int(workload.variant == "close")
    last_prices = columns["close" if workload.name == "A" else "price"]
    rows_of = _rows_of(workload)
    equity, unfilled = 0.0, 0
    fills = []
    for engine, symbols in loaded.engines:
        equity += engine.portfolio.account(_KRX).balance_total(KRW).as_double()
        for symbol in symbols:
            rows = rows_of[symbol]
            times = columns["time"][rows] + late
            held = 0.0
            for order in engine.cache.orders(instrument_id=InstrumentId(Symbol(symbol), _KRX)):
                if order.status != OrderStatus.FILLED:
                    unfilled += 1
                    continue
                side = BUY if order.side == OrderSide.BUY else SELL
                quantity = round(order.filled_qty.as_double())
                row = rows.start + int(np.searchsorted(times, order.ts_last)) + next_bar
                fills.append(Fill(row, side, round(float(order.avg_px), 6), quantity))
                held += side * quantity
            equity += held * float(last_prices[rows][-1])
    notes = [f"{unfilled} orders not filled"] if unfilled else []
    if workload.variant == "close":
        notes.append("fills at the close of the bar that decided, not at the next open")
    if workload.name == "B":
        notes.append("fills at the price of the next trade, on whichever side it was")
    return Report(fills, equity, notes)


if __name__ == "__main__":
    main(nautilus_trader.__version__, prepare, arrange, report)
