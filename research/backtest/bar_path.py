"""The compiled path for strategies on bars: the same fills as event by event, sessions at a time.

A strategy whose wanted position is a function of completed bars (``BarTargets``) is run by one
compiled loop over whole sessions: targets, wishes at bar closes, fills at the next open, costs,
cash. The loop trades a session only if the gate lets every wish through whole, the router makes it
one order, and the exchange fills it whole at the next open; everything else is found out before it
can matter, and the session is handed back to the deciders themselves (``Replay``), which is always
right and slow. Sessions are self-contained through their opening books, so both kinds follow each
other freely.

What always holds, and is property-tested: fills, fees, taxes, cash and shares are those of the
event path. What this path does not make are the events in between: who wants decisions, orders or
a ``result_hash`` runs the event path.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from events import StrategyId, Symbol, TradingDate, costs
from events.identifiers import intent_id, order_id
from events.market import OpeningAllocation, Phase
from events.signal import Regime
from events.trading import Side
from kis_gateway.day.carried import Carried
from kis_gateway.orders.plan_settings import PlanSettings
from research.backtest.bar_path_columns import BarTargets, Columns, columns_of, with_targets
from research.backtest.bar_path_kernel import (
    CASH,
    COST,
    EQUITY,
    FILL_COLUMNS,
    HELD,
    REASONS,
    STOP,
    Rules,
    trade_session,
)
from research.backtest.carry import Books
from research.backtest.deciders import GATE, configuration, plan_settings
from research.backtest.results import FillRow
from research.backtest.samples.long_only import Terms
from research.backtest.settings import BacktestSettings
from risk.settings import Limits, limits_in_force, load_settings

__all__ = [
    "BarRun",
    "BarTargets",
    "Columns",
    "Replay",
    "Replayed",
    "columns_of",
    "gate_limits",
    "rules_of",
    "run_bars",
    "why_not",
    "with_targets",
]

_Column = NDArray[np.int64]

_MINUTE_S: Final = 60
_CARRIED: Final = "it begins with books that the compiled loop does not know"


class Replayed(NamedTuple):
    """What a session left that was run by the deciders: its books at the end and its fills."""

    books: Books
    fills: Sequence[FillRow]


Replay = Callable[[int, Books], Replayed]
"""Run the session with this number (from 0) by the deciders, from these books."""


class BarRun(NamedTuple):
    """What a run left.

    ``columns`` and ``filled`` hold the compiled fills (``FILL_COLUMNS``), ``replayed`` the fills of
    the sessions that were handed back, with ``reasons``, by number of the session. ``closing`` is
    (cash, equity) in won at the end of each session.
    """

    strategy: StrategyId
    columns: Columns
    filled: NDArray[np.int64]
    replayed: dict[int, Sequence[FillRow]]
    reasons: dict[int, str]
    closing: NDArray[np.int64]
    books: Books

    @property
    def fill_count(self) -> int:
        """Fills of all sessions."""
        return len(self.filled) + sum(map(len, self.replayed.values()))

    def fills(self) -> tuple[FillRow, ...]:
        """Return all fills in order, as the event path writes them down.

        ``sequence`` counts the fills: there is no log in which they had another place.
        """
        compiled = self.filled.tolist()
        begins = np.searchsorted(self.filled[:, 0], self.columns.first).tolist()
        rows: list[FillRow] = []
        for session in range(len(self.columns.dates)):
            if session in self.replayed:
                rows += self.replayed[session]
            else:
                rows += self._session(session, compiled[begins[session] : begins[session + 1]])
        return tuple(
            msgspec.structs.replace(row, sequence=place) for place, row in enumerate(rows, start=1)
        )

    def _session(self, session: int, fills: list[list[int]]) -> list[FillRow]:
        day = TradingDate(f"{self.columns.dates[session]:%Y%m%d}")
        asked: dict[tuple[int, int], int] = {}
        rows = []
        for _, code, sign, quantity, price, fee, tax, decided_at, known_at, close in fills:
            ordinal = asked[code, sign] = asked.get((code, sign), 0) + 1
            symbol = self.columns.symbols[code]
            intent = intent_id(day, self.strategy, symbol, "E" if sign > 0 else "X", ordinal)
            rows.append(
                FillRow(
                    sequence=0,
                    session=day,
                    at=known_at,
                    executed_at=decided_at,
                    order_id=order_id(intent, 1),
                    intent_id=intent,
                    strategy=self.strategy,
                    symbol=symbol,
                    side=Side.BUY if sign > 0 else Side.SELL,
                    quantity=quantity,
                    price=price,
                    amount=quantity * price,
                    fee=fee,
                    tax=tax,
                    market_price=close,
                )
            )
        return rows


def why_not(settings: BacktestSettings, terms: Terms) -> str:
    """Return what keeps a backtest from this path, for people; empty when nothing does."""
    latency, plans = settings.latency, plan_settings(settings)
    limits = gate_limits(settings)
    longer = min(plans.patient_buy_lifetime_s, terms.lifetime_s) > _MINUTE_S
    for possible, problem in (
        (len(settings.strategies) == 1, "several strategies share the account"),
        (not any(map(any, msgspec.structs.astuple(latency))), "messages take time"),
        (settings.account_s in {0, _MINUTE_S}, "account_s is neither 0 nor 60"),
        (not settings.fills.interruptions, "the tape's prices may interrupt an issue"),
        (not settings.warm_up, "there are sessions of warm-up"),
        (
            plans.market_sell_from_attempt == 1 or settings.data.tick_s == _MINUTE_S,
            "an exit may be sent anew within a bar: set orders.market_sell_from_attempt or "
            "data.tick_s",
        ),
        (longer, "an entry may be withdrawn before the next bar is over"),
        (not plans.nxt_allowed, "orders may go to NXT"),
        (Phase.CONTINUOUS in limits.entry_phases, "the gate takes no entries while bars trade"),
        (settings.owners[0] in limits.budgets, "the strategy has no budget"),
    ):
        if not possible:
            return problem
    return ""


def gate_limits(settings: BacktestSettings) -> Limits:
    """Return the limits that the gate of a backtest puts in force."""
    texts = configuration(settings)
    return limits_in_force(load_settings(msgspec.json.decode(texts[GATE], type=dict[str, object])))


def rules_of(settings: BacktestSettings, terms: Terms) -> Rules:
    """Return what the compiled loop goes by, from a strategy's terms and the gate's limits."""
    limits, plans = gate_limits(settings), plan_settings(settings)
    budget, fills = limits.budgets[settings.owners[0]], settings.fills
    sell_fee = fills.sell_fee_per_million
    return Rules(
        shares=terms.shares,
        won=terms.won,
        reach=terms.reach_per_mille,
        stop=terms.stop_per_mille,
        sell_reach=_sell_reach(plans),
        loss=min(limits.daily_loss_warn, limits.daily_loss_halt),
        exposure=min(
            limits.max_gross_exposure, limits.max_net_exposure, limits.regime_caps[Regime.NORMAL]
        ),
        position=limits.max_position,
        sector=limits.max_sector,
        risk=budget.max_risk,
        turnover=limits.max_five_minute_share,
        positions=min(limits.max_positions, budget.max_positions),
        orders_per_second=limits.max_orders_per_second,
        slice_least=_slice_least(plans),
        gate_fee=costs.DEFAULT_FEE_PER_MILLION,
        buy_fee=fills.fee_per_million,
        sell_fee=fills.fee_per_million if sell_fee is None else sell_fee,
        stated=settings.account_s > 0,
    )


def run_bars(
    settings: BacktestSettings, columns: Columns, rules: Rules, replay: Replay, books: Books
) -> BarRun:
    """Run all sessions of ``columns``, compiled or by ``replay``, beginning with ``books``.

    ``columns`` have their targets (``with_targets``). The caller has asked ``why_not`` before.
    """
    strategy, count = settings.owners[0], len(columns.dates)
    codes = {symbol: code for code, symbol in enumerate(columns.symbols)}
    money, account = np.zeros(2, np.int64), np.zeros((4, len(codes)), np.int64)
    fills = np.empty((columns.rows.shape[1], len(FILL_COLUMNS)), np.int64)
    closing = np.zeros((count, 2), np.int64)
    replayed: dict[int, Sequence[FillRow]] = {}
    reasons: dict[int, str] = {}
    session = filled = 0
    while session < count:
        why = _CARRIED
        if _take_over(money, account, books, strategy, codes):
            session, filled, why = _compiled(
                columns, rules, money, account, session, fills, filled, closing
            )
            books = _books(money, account, strategy, columns.symbols)
        if session < count:
            books, replayed[session] = replay(session, books)
            reasons[session] = why
            closing[session] = books.cash, books.equity
            session += 1
    return BarRun(strategy, columns, fills[:filled], replayed, reasons, closing, books)


def _compiled(  # noqa: PLR0917 - the loop's parts in order
    columns: Columns,
    rules: Rules,
    money: _Column,
    account: _Column,
    session: int,
    fills: _Column,
    filled: int,
    closing: _Column,
) -> tuple[int, int, str]:
    """Trade sessions from one on; return the first that is handed back, the fills so far and why.

    Without one to hand back the first number is the count of sessions.
    """
    first = columns.first.tolist()
    for place in range(session, len(columns.dates)):
        money_before, account_before = money.copy(), account.copy()
        reason, known = trade_session(
            columns.rows, columns.targets, first[place], first[place + 1], columns.hours[place],
            columns.issues[place], columns.ticks, rules, money, account, fills, filled,
        )  # fmt: skip
        if reason:
            money[:], account[:] = money_before, account_before
            return place, filled, REASONS[reason]
        closing[place], filled = money, known
    return len(columns.dates), filled, ""


def _take_over(
    money: _Column, account: _Column, books: Books, strategy: StrategyId, codes: dict[Symbol, int]
) -> bool:
    """Let the loop's account be what books say; return whether it can hold all of it."""
    carried = books.carried
    account[:] = 0
    money[CASH], money[EQUITY] = books.cash, books.equity
    if carried.halts or carried.limits:
        return False
    for each in carried.allocations:
        code = codes.get(each.symbol)
        if each.strategy != strategy or code is None or each.hard_stop is not None:
            return False
        account[HELD, code], account[COST, code] = each.quantity, each.cost
        account[STOP, code] = each.protective_stop or 0
    return True


def _books(
    money: _Column, account: _Column, strategy: StrategyId, symbols: Sequence[Symbol]
) -> Books:
    held: list[int] = np.flatnonzero(account[HELD]).tolist()
    return Books(
        cash=int(money[CASH]),
        equity=int(money[EQUITY]),
        carried=Carried(
            allocations=tuple(
                OpeningAllocation(
                    strategy,
                    symbols[code],
                    int(account[HELD, code]),
                    int(account[COST, code]),
                    int(account[STOP, code]) or None,
                )
                for code in held
            )
        ),
    )


def _sell_reach(plans: PlanSettings) -> int:
    return -1 if plans.market_sell_from_attempt == 1 else plans.urgent_sell_reach_per_mille


def _slice_least(plans: PlanSettings) -> int:
    return plans.slice_least_won if plans.slice_percent else 0
