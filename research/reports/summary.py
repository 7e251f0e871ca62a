"""The figures at the head of a report and what a reader must know before believing them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from events.trading import OrderState
from research.backtest.figures import Performance
from research.backtest.performance import daily_returns
from research.backtest.results import BacktestResult
from research.reports.attribution import Problem
from research.reports.curves import AccountCurve
from research.reports.notation import NOTHING, count, duration, many, percent, session, won

FEW_SESSIONS: Final = 60
"""With fewer sessions annualised figures are said to mean little."""

FEW_TRADES: Final = 30
"""With fewer closed trades their shares and averages are said to mean little."""

_SHOWN_PROBLEMS: Final = 6


class Figure(NamedTuple):
    """One figure: a ``key`` that names it in the page, what stands there, and in which tone.

    ``tone`` is gain, loss or empty.
    """

    key: str
    label: str
    value: str
    detail: str = ""
    tone: str = ""


class FigureGroup(NamedTuple):
    """Figures under one heading."""

    title: str
    figures: tuple[Figure, ...]


def headline(figures: Performance) -> tuple[Figure, ...]:
    """Return the four figures that a reader looks for first."""
    returns, trades = figures.returns, figures.trades
    return (
        Figure(
            "result",
            "Net result",
            won(figures.result, signed=True),
            f"{percent(returns.total, signed=True)} on {won(figures.opening_equity)}",
            _tone(figures.result),
        ),
        Figure(
            "drawdown",
            "Maximum drawdown",
            percent(-returns.drawdown),
            _fall(figures),
            "loss" if returns.drawdown else "",
        ),
        Figure(
            "sharpe",
            "Sharpe ratio",
            count(returns.sharpe, 2),
            f"{percent(returns.annual, 1, signed=True)} a year at {percent(returns.volatility, 1)} "
            "volatility",
        ),
        Figure(
            "trades",
            "Trades",
            count(trades.closed),
            f"{percent(trades.hit_rate, 1)} of them gained, "
            f"profit factor {count(trades.profit_factor, 2)}"
            if trades.closed
            else "none was closed",
        ),
    )


def _fall(figures: Performance) -> str:
    returns = figures.returns
    if not returns.drawdown:
        return "equity never fell"
    end = returns.drawdown_recovered
    until = f"recovered {session(end)}" if end else "not recovered"
    fell = f"{session(returns.drawdown_peak)} to {session(returns.drawdown_trough)}"
    return f"at closes, {fell}, {until}"


def groups(result: BacktestResult, figures: Performance, curve: AccountCurve) -> list[FigureGroup]:
    """Return the other figures, by subject."""
    found = [_return_group(result, figures), _risk_group(figures, curve), _trade_group(figures)]
    if figures.benchmark is not None:
        other = figures.benchmark
        found.append(
            FigureGroup("Against the benchmark", (
                Figure("benchmark-total", "Benchmark", percent(other.total, signed=True)),
                Figure("excess", "Account less benchmark",
                       percent(figures.returns.total - other.total, signed=True)),
                Figure("alpha", "Annual alpha", percent(other.alpha, signed=True)),
                Figure("beta", "Beta", count(other.beta, 2)),
                Figure("correlation", "Correlation", count(other.correlation, 2)),
                Figure("benchmark-sessions", "Sessions compared", count(other.sessions)),
            ))
        )  # fmt: skip
    return found


def _return_group(result: BacktestResult, figures: Performance) -> FigureGroup:
    changes = daily_returns(result).tolist()
    returns = figures.returns
    return FigureGroup("Return", (
        Figure("closing-equity", "Equity at the end", won(figures.closing_equity)),
        Figure("total", "Total return", percent(returns.total, signed=True)),
        Figure("annual", "Annual return, compounded", percent(returns.annual, signed=True)),
        Figure("best-session", "Best session", percent(max(changes, default=None), signed=True)),
        Figure("worst-session", "Worst session", percent(min(changes, default=None), signed=True)),
        Figure("winning-sessions", "Sessions with a gain",
               percent(sum(each > 0 for each in changes) / len(changes), 1)),
    ))  # fmt: skip


def _risk_group(figures: Performance, curve: AccountCurve) -> FigureGroup:
    returns = figures.returns
    return FigureGroup("Risk", (
        Figure("volatility", "Annual volatility", percent(returns.volatility)),
        Figure("sortino", "Sortino ratio", count(returns.sortino, 2)),
        Figure("calmar", "Calmar ratio", count(returns.calmar, 2)),
        Figure("drawdown-minutes", "Maximum drawdown, by the minute", percent(-curve.deepest)),
        Figure("under-water", "Longest drawdown",
               f"{count(returns.longest_under_water)} sessions"),
        Figure("exposure", "Average exposure", percent(figures.exposure, 1)),
        Figure("time-in-market", "Time in the market", percent(figures.time_in_market, 1)),
    ))  # fmt: skip


def _trade_group(figures: Performance) -> FigureGroup:
    trades, costs = figures.trades, figures.costs
    held = None if trades.held_seconds is None else trades.held_seconds * 1e9
    return FigureGroup("Trading", (
        Figure("average-win", "Average gain", won(trades.average_win, signed=True)),
        Figure("average-loss", "Average loss", won(trades.average_loss, signed=True)),
        Figure("expectancy", "Average trade", won(trades.expectancy, signed=True)),
        Figure("held", "Held, median", duration(held)),
        Figure("turnover", "Annual turnover of equity", f"{count(figures.turnover, 1)} ×"
               if figures.turnover is not None else NOTHING),
        Figure("fees-and-tax", "Fees and tax", won(costs.fees + costs.tax)),
        Figure("slippage", "Slippage", won(costs.slippage)),
    ))  # fmt: skip


def _tone(value: float) -> str:
    return "gain" if value > 0 else "loss" if value < 0 else ""


def cautions(
    result: BacktestResult, figures: Performance | None, problems: Sequence[Problem]
) -> list[str]:
    """Return what to keep in mind while reading, the data's own warnings first."""
    found = [_said(each) for each in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        found.append(
            f"{len(problems) - _SHOWN_PROBLEMS} further kinds of remarks on the data are listed "
            "under Data."
        )
    return [*found, *_doubts(result, figures)]


def _said(problem: Problem) -> str:
    more = f" (and {problem.times - 1:,} like it)" if problem.times > 1 else ""
    if problem.sessions == 1:
        return f"Data, {session(problem.first)}: {problem.example}{more}"
    return (
        f"Data, {problem.sessions:,} sessions from {session(problem.first)} to "
        f"{session(problem.last)}: {problem.example}{more}"
    )


def _doubts(result: BacktestResult, figures: Performance | None) -> Iterator[str]:
    if figures is None:
        yield "No session counts: there is nothing to judge by."
        return
    warm_up = len(result.sessions) - figures.sessions
    if warm_up:
        yield f"Warm-up: the first {many(warm_up, 'session')} had no entries and are not counted."
    if figures.sessions < FEW_SESSIONS:
        yield (
            f"Only {many(figures.sessions, 'session')}: annual figures and ratios are drawn from "
            "too few to mean much."
        )
    if not figures.trades.closed:
        yield "No trade was closed."
    elif figures.trades.closed < FEW_TRADES:
        yield f"Only {many(figures.trades.closed, 'closed trade')}: averages may be luck."
    if figures.trades.still_open:
        yield (
            f"{many(figures.trades.still_open, 'trade')} still open at the end, valued at the last "
            "price: what selling costs is not in the result."
        )
    unknown = sum(each.state is OrderState.UNKNOWN for each in result.orders)
    if unknown:
        yield f"{many(unknown, 'order')} whose end nobody knows."
    unpriced = sum(1 for each in result.fills if each.quantity and not each.market_price)
    if unpriced:
        yield (
            f"{unpriced:,} of {len(result.fills):,} fills have no price at submission: slippage "
            "is measured without them."
        )


def period(figures: Performance) -> str:
    """Return the first and last session that count, and how many there are."""
    sessions = many(figures.sessions, "session")
    if figures.first == figures.last:
        return f"{session(figures.first)}, {sessions}"
    return f"{session(figures.first)} to {session(figures.last)}, {sessions}"
