"""A result in figures: the whole account, each strategy, each month, against an index.

Returns are taken from closing equity, one a session, warm-up sessions left out. A trade is all that
became of one entry intent, however many executions that took; it counts once no share of it is
held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from events import IntentId, StrategyId, Symbol, TradingDate, calendar
from events.trading import Side
from research.backtest import metrics
from research.backtest.figures import (
    Benchmark,
    Costs,
    Month,
    Performance,
    Returns,
    StrategyPerformance,
    Trades,
)
from research.backtest.results import BacktestResult, EquityRow, FillRow, SessionRow, TradeRow


def performance(
    result: BacktestResult, *, index: Mapping[TradingDate, float] | None = None
) -> Performance | None:
    """Return a result in figures, ``None`` without a session that counts.

    ``index`` gives closing levels of a benchmark by session; the newest level before the first
    session is its base, sessions without a level are left out of the comparison.
    """
    counted = [each for each in result.sessions if not each.warm_up]
    if not counted:
        return None
    levels = _levels(counted)
    dates = [each.session for each in counted]
    since = set(dates)
    fills = [each for each in result.fills if each.session in since]
    marks = [each for each in result.equity if each.session in since]
    traded = sum(each.amount for each in fills)
    mean_equity = sum(levels[1:]) / len(counted)
    return Performance(
        first=dates[0],
        last=dates[-1],
        sessions=len(counted),
        opening_equity=levels[0],
        closing_equity=levels[-1],
        result=levels[-1] - levels[0],
        returns=return_figures(levels, dates),
        trades=_trades(result.trades),
        costs=_costs(fills),
        exposure=_exposure(marks),
        time_in_market=(sum(each.holdings != 0 for each in marks) / len(marks) if marks else None),
        turnover=traded / 2 / mean_equity * metrics.SESSIONS_A_YEAR / len(counted)
        if mean_equity > 0
        else None,
        months=_months(counted, levels, result.trades),
        strategies=tuple(_strategies(result, dates, levels, fills)),
        benchmark=None if index is None else _benchmark(levels, dates, index),
    )


def daily_returns(result: BacktestResult) -> metrics.Returns:
    """Return the simple return of each session that counts, in order."""
    counted = [each for each in result.sessions if not each.warm_up]
    return metrics.returns(_levels(counted)) if counted else np.zeros(0)


def return_figures(levels: Sequence[float], dates: Sequence[TradingDate]) -> Returns:
    """Return closing values in figures: one level before the first date, then one a date."""
    series = metrics.returns(levels)
    fall = metrics.drawdown(levels)
    # Place 0 is the opening of the first session, place n the close of session n.
    at = [dates[0], *dates]
    return Returns(
        total=metrics.total_return(levels),
        annual=metrics.annual_return(levels),
        volatility=metrics.volatility(series),
        sharpe=metrics.sharpe(series),
        sortino=metrics.sortino(series),
        calmar=metrics.calmar(levels),
        drawdown=fall.depth,
        drawdown_sessions=fall.sessions,
        drawdown_peak=at[fall.peak],
        drawdown_trough=at[fall.trough],
        drawdown_recovered=None if fall.recovered is None else at[fall.recovered],
        longest_under_water=metrics.longest_under_water(levels),
    )


def whole_trades(rows: Iterable[TradeRow]) -> list[list[TradeRow]]:
    """Return the rows of each trade: those of one strategy, symbol and entry intent, in order."""
    trades: dict[tuple[StrategyId, Symbol, IntentId], list[TradeRow]] = {}
    for row in rows:
        trades.setdefault((row.strategy, row.symbol, row.entry_intent), []).append(row)
    return list(trades.values())


def closed_results(rows: Iterable[TradeRow]) -> list[int]:
    """Return the won that each closed trade came to, in order of its first sale."""
    return [
        sum(each.result for each in trade)
        for trade in whole_trades(rows)
        if all(each.closed_at for each in trade)
    ]


def _levels(counted: Sequence[SessionRow]) -> list[int]:
    return [counted[0].opening_equity, *(each.closing_equity for each in counted)]


def _trades(rows: Iterable[TradeRow]) -> Trades:
    trades = whole_trades(rows)
    closed = [trade for trade in trades if all(each.closed_at for each in trade)]
    results = [sum(each.result for each in trade) for trade in closed]
    held = [each.closed_at - each.opened_at for trade in closed for each in trade]
    return Trades(
        closed=len(closed),
        still_open=len(trades) - len(closed),
        result=sum(results),
        hit_rate=metrics.hit_rate(results),
        profit_factor=metrics.profit_factor(results),
        average_win=metrics.mean([each for each in results if each > 0]),
        average_loss=metrics.mean([each for each in results if each < 0]),
        expectancy=metrics.mean(results),
        held_seconds=float(np.median(held)) / 1e9 if held else None,
    )


def _costs(fills: Iterable[FillRow]) -> Costs:
    traded = fees = tax = slippage = expected = 0
    for fill in fills:
        traded += fill.amount
        fees += fill.fee
        tax += fill.tax
        if fill.market_price and fill.quantity:
            at_market = fill.market_price * fill.quantity
            expected += at_market
            worse = fill.amount - at_market
            slippage += worse if fill.side is Side.BUY else -worse
    return Costs(
        traded=traded,
        fees=fees,
        tax=tax,
        slippage=slippage,
        slippage_bp=slippage / expected * 10_000 if expected else None,
        cost_bp=(fees + tax) / traded * 10_000 if traded else None,
    )


def _exposure(marks: Sequence[EquityRow]) -> float | None:
    shares = [each.holdings / each.equity for each in marks if each.equity > 0]
    return sum(shares) / len(shares) if shares else None


def _months(
    counted: Sequence[SessionRow], levels: Sequence[int], rows: Iterable[TradeRow]
) -> tuple[Month, ...]:
    closed: dict[str, int] = {}
    for trade in whole_trades(rows):
        if all(each.closed_at for each in trade):
            month = _month_of(max(each.closed_at for each in trade))
            closed[month] = closed.get(month, 0) + 1
    places: dict[str, list[int]] = {}
    for place, each in enumerate(counted, start=1):
        places.setdefault(each.session[:6], []).append(place)
    return tuple(
        Month(
            month=month,
            sessions=len(within),
            result=levels[within[-1]] - levels[within[0] - 1],
            change=levels[within[-1]] / levels[within[0] - 1] - 1.0,
            trades=closed.get(month, 0),
        )
        for month, within in places.items()
    )


def _month_of(at: int) -> str:
    return calendar.kst(at).strftime("%Y%m")


def _strategies(
    result: BacktestResult,
    dates: Sequence[TradingDate],
    levels: Sequence[int],
    fills: Sequence[FillRow],
) -> Iterable[StrategyPerformance]:
    gained: dict[StrategyId, dict[TradingDate, int]] = {}
    for row in result.strategies:
        gained.setdefault(row.strategy, {})[row.session] = row.result
    for strategy, by_date in gained.items():
        before = _before(by_date, dates[0])
        own = [before, *(by_date.get(each, before) for each in dates)]
        level, curve = 1.0, [1.0]
        for place in range(1, len(own)):
            level *= 1.0 + (own[place] - own[place - 1]) / levels[place - 1]
            curve.append(level)
        yield StrategyPerformance(
            strategy=strategy,
            result=own[-1] - before,
            returns=return_figures(curve, dates),
            trades=_trades(each for each in result.trades if each.strategy == strategy),
            costs=_costs(each for each in fills if each.strategy == strategy),
        )


def _before(by_date: Mapping[TradingDate, int], first: TradingDate) -> int:
    earlier = [date for date in by_date if date < first]
    return by_date[max(earlier)] if earlier else 0


def _benchmark(
    levels: Sequence[int], dates: Sequence[TradingDate], index: Mapping[TradingDate, float]
) -> Benchmark | None:
    earlier = [date for date in index if date < dates[0]]
    known = [(0, index[max(earlier)])] if earlier else []
    known += [(place, index[date]) for place, date in enumerate(dates, start=1) if date in index]
    if len(known) < 2:
        return None
    own = metrics.returns([levels[place] for place, _ in known])
    other = metrics.returns([level for _, level in known])
    fit = metrics.regression(own, other)
    return Benchmark(
        total=known[-1][1] / known[0][1] - 1.0,
        alpha=None if fit is None else fit.alpha,
        beta=None if fit is None else fit.beta,
        correlation=None if fit is None else fit.correlation,
        sessions=len(known) - 1,
    )
