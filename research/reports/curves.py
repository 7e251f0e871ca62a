"""Series of a result that a chart can hold: equity, its falls from a peak, what was in shares.

A year has a hundred thousand minutes and a chart a thousand pixels. What always holds: of each
stretch the first, last, highest and lowest equity, the deepest fall and the largest exposure are
kept, and each close, so thinning never hides an extreme.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from events import StrategyId, TradingDate
from events.calendar import kst
from events.trading import Side
from research.backtest.figures import Performance
from research.backtest.metrics import sharpe
from research.backtest.performance import daily_returns
from research.backtest.results import BacktestResult, EquityRow, FillRow, SessionRow

STRETCHES: Final = 600
"""Stretches that a longer series is cut into."""


class AccountCurve(NamedTuple):
    """The account at instants (ns UTC): ``equity`` in won, ``fall`` and ``exposure`` fractions.

    ``fall`` is 0 or negative, from the highest equity so far. ``of`` is how many instants there
    are in the result.
    """

    at: list[int]
    equity: list[int]
    fall: list[float]
    exposure: list[float]
    of: int

    @property
    def deepest(self) -> float:
        """The deepest fall, positive; exact, since extremes are kept."""
        return -min(self.fall, default=0.0)


def counted(result: BacktestResult) -> list[SessionRow]:
    """Return the sessions that count: all but those of the warm-up."""
    return [each for each in result.sessions if not each.warm_up]


def account_curve(result: BacktestResult) -> AccountCurve:
    """Return the account over all minutes of the sessions that count."""
    sessions = counted(result)
    since = {each.session for each in sessions}
    rows = [each for each in result.equity if each.session in since]
    peak = sessions[0].opening_equity if sessions else 0
    falls, exposures = [], []
    for row in rows:
        equity = row.cash + row.holdings
        peak = max(peak, equity)
        falls.append(equity / peak - 1.0 if peak > 0 else 0.0)
        exposures.append(row.holdings / equity if equity > 0 else 0.0)
    kept = _kept(rows, falls, exposures)
    return AccountCurve(
        at=[rows[place].at for place in kept],
        equity=[rows[place].equity for place in kept],
        fall=[falls[place] for place in kept],
        exposure=[exposures[place] for place in kept],
        of=len(rows),
    )


def _kept(rows: Sequence[EquityRow], falls: list[float], exposures: list[float]) -> list[int]:
    if len(rows) <= STRETCHES * 4:
        return list(range(len(rows)))
    equity = [each.equity for each in rows]
    # A benchmark is drawn at closes.
    kept = {
        place for place, (row, after) in enumerate(pairwise(rows)) if row.session != after.session
    }
    for stretch in range(STRETCHES):
        places = range(len(rows) * stretch // STRETCHES, len(rows) * (stretch + 1) // STRETCHES)
        kept |= {
            places[0],
            places[-1],
            max(places, key=equity.__getitem__),
            min(places, key=equity.__getitem__),
            min(places, key=falls.__getitem__),
            max(places, key=exposures.__getitem__),
        }
    return sorted(kept)


def closing_times(result: BacktestResult) -> dict[TradingDate, int]:
    """Return the instant of the last row of equity of each session."""
    return {each.session: each.at for each in result.equity}


def strategy_curves(
    result: BacktestResult, performance: Performance
) -> Mapping[StrategyId, list[int]]:
    """Return what each strategy had gained at the close of each session that counts, in won.

    Counted from the first of them, as the performance is.
    """
    by_owner: dict[StrategyId, dict[TradingDate, int]] = {}
    for row in result.strategies:
        by_owner.setdefault(row.strategy, {})[row.session] = row.result
    curves = {}
    for each in performance.strategies:
        own = by_owner[each.strategy]
        earlier = [date for date in own if date < performance.first]
        before = value = own[max(earlier)] if earlier else 0
        curve = []
        for session in counted(result):
            value = own.get(session.session, value)
            curve.append(value - before)
        curves[each.strategy] = curve
    return curves


def slippage(fill: FillRow) -> int:
    """Return the won that a fill cost beyond the price when its intent was submitted.

    Negative for a better price; 0 where that price is not known.
    """
    if not fill.market_price or not fill.quantity:
        return 0
    beyond = fill.amount - fill.market_price * fill.quantity
    return beyond if fill.side is Side.BUY else -beyond


class CostCurve(NamedTuple):
    """Won gained by the close of each session: after all costs, before them, before slippage."""

    net: list[int]
    before_costs: list[int]
    before_slippage: list[int]


def cost_curve(result: BacktestResult) -> CostCurve:
    """Return what the account gained with and without what trading cost.

    Slippage is known of fills whose price at submission is; the others count none.
    """
    paid: dict[TradingDate, tuple[int, int]] = {}
    for fill in result.fills:
        costs, slipped = paid.get(fill.session, (0, 0))
        paid[fill.session] = (costs + fill.fee + fill.tax, slipped + slippage(fill))
    curve = CostCurve([], [], [])
    costs = slipped = 0
    sessions = counted(result)
    for each in sessions:
        of_day = paid.get(each.session, (0, 0))
        costs, slipped = costs + of_day[0], slipped + of_day[1]
        net = each.closing_equity - sessions[0].opening_equity
        curve.net.append(net)
        curve.before_costs.append(net + costs)
        curve.before_slippage.append(net + costs + slipped)
    return curve


def axis_time(at: int) -> str:
    """Return an instant as a chart's axis takes it: KST without a zone."""
    return f"{kst(at):%Y-%m-%d %H:%M:%S}"


def rolling_sharpe(result: BacktestResult, window: int) -> list[float | None]:
    """Return the Sharpe ratio of each ``window`` successive sessions, in order of their last."""
    daily = daily_returns(result)
    return [sharpe(daily[end - window : end]) for end in range(window, len(daily) + 1)]
