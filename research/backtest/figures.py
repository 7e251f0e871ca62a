"""What a result comes to in figures: the shapes that ``performance`` fills.

Money is won, returns and shares of something are fractions, bp are ten-thousandths. ``None`` stands
for what cannot be computed.
"""

from __future__ import annotations

import msgspec

from events import StrategyId, TradingDate


class Trades(msgspec.Struct, frozen=True, kw_only=True):
    """Closed trades in figures. ``held_seconds`` is the median time that shares were held."""

    closed: int
    still_open: int
    result: int
    hit_rate: float | None
    profit_factor: float | None
    average_win: float | None
    average_loss: float | None
    expectancy: float | None
    held_seconds: float | None


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What trading cost. ``slippage`` is won paid beyond the price when the intent was submitted.

    Gains by a better price count against it. ``slippage_bp`` is of the value at those prices,
    ``cost_bp`` is fees and tax of the traded value. ``traded`` is purchases plus sales.
    """

    traded: int
    fees: int
    tax: int
    slippage: int
    slippage_bp: float | None
    cost_bp: float | None


class Returns(msgspec.Struct, frozen=True, kw_only=True):
    """A series of closing values in figures; see ``metrics`` for the formulas.

    The sessions of the drawdown say nothing where it is 0.
    """

    total: float
    annual: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    drawdown: float
    drawdown_sessions: int
    drawdown_peak: TradingDate
    drawdown_trough: TradingDate
    drawdown_recovered: TradingDate | None
    longest_under_water: int


class Benchmark(msgspec.Struct, frozen=True, kw_only=True):
    """The account against an index over the same sessions; ``alpha`` is a year's."""

    total: float
    alpha: float | None
    beta: float | None
    correlation: float | None
    sessions: int


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """One month: ``month`` is YYYYMM, ``result`` won of equity, ``change`` its fraction."""

    month: str
    sessions: int
    result: int
    change: float
    trades: int


class StrategyPerformance(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy. Its returns are its won a session over the account's equity the day before.

    So the strategies' returns of a session add up to the account's.
    """

    strategy: StrategyId
    result: int
    returns: Returns
    trades: Trades
    costs: Costs


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """A result in figures.

    ``exposure`` is the mean share of equity in shares over all minutes, ``time_in_market`` the
    share of minutes with any. ``turnover`` is half the traded value a year over mean equity.
    """

    first: TradingDate
    last: TradingDate
    sessions: int
    opening_equity: int
    closing_equity: int
    result: int
    returns: Returns
    trades: Trades
    costs: Costs
    exposure: float | None
    time_in_market: float | None
    turnover: float | None
    months: tuple[Month, ...]
    strategies: tuple[StrategyPerformance, ...]
    benchmark: Benchmark | None = None
