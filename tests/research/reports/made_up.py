"""A made-up backtest that looks like a real one: drawn once from a seed, its books always balance.

Trades come from ``round_trips`` and cash from the fills, so equity, trades and costs agree to the
won. Nothing here is market data.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import date, time
from typing import Any, NamedTuple

from events import IntentId, StrategyId, Symbol, TradingDate, calendar, identifiers
from events.costs import fee, sell_tax
from events.prices import Board
from events.trading import IntentKind, OrderState, Side
from research.backtest.configurations import grid
from research.backtest.evaluation import Outcome
from research.backtest.performance import performance
from research.backtest.results import (
    BacktestResult,
    DecisionRow,
    EquityRow,
    FillRow,
    OrderRow,
    Provenance,
    SessionRow,
    StrategyEquityRow,
)
from research.backtest.round_trips import round_trips
from research.backtest.sweep import SweepResult, best_of, label_of
from research.backtest.walk_forward import WalkForwardResult, WindowOutcome
from research.backtest.windows import Window

KMP = StrategyId("KMP")
NULRIMOK = StrategyId("NULRIMOK")
MINUTE = 60 * 1_000_000_000
REFUSALS = (
    ("account_positions", "rejected", 9),
    ("strategy_positions", "rejected", 8),
    ("daily_loss", "rejected", 2),
    ("vi_cooldown", "deferred", 5),
    ("price_known", "deferred", 2),
    ("recent_liquidity", "deferred", 3),
    ("order_rate", "deferred", 1),
)
CUTS = (("symbol_exposure", 5), ("trade_risk", 4), ("recent_liquidity", 3), ("orderable_cash", 1))
SETTINGS = (
    '{"name":"kmp-nulrimok-2025","strategies":[{"name":"kmp","config":"","set":{"rvol.min":2.0}},'
    '{"name":"nulrimok","config":"","set":{}}],"data":{"source":"bars","path":"data",'
    '"start":"2025-01-02","end":"2025-08-29","symbols":40},"cash":100000000,'
    '"latency":{"feed":[20.0],"order":[40.0],"cancel":[40.0],"answer":[20.0],"notice":[30.0]},'
    '"fills":{"fee_per_million":150,"sell_fee_per_million":null,"interruptions":false},'
    '"delivery":"block","warm_up":2,"seed":1}'
)


def sessions_from(day: date, count: int) -> Iterator[date]:
    """Yield ``count`` KRX sessions, the first on or after ``day``."""
    first = day if calendar.is_session(day) else calendar.next_session(day)
    for _ in range(count):
        yield first
        first = calendar.next_session(first)


def made_up_result(
    *,
    sessions: int = 160,
    trades_per_session: float = 2.0,
    every: int = 1,
    symbols: int = 8,
    seed: int = 11,
    cash: int = 100_000_000,
    name: str = "KMP and Nulrimok, 2025",
) -> BacktestResult:
    """Return a result; ``every`` is how many minutes lie between two rows of equity."""
    return _Market(seed, cash, trades_per_session, every, symbols).run(sessions, name)


class _Wish(NamedTuple):
    session: TradingDate
    at: int
    strategy: StrategyId
    symbol: Symbol
    kind: IntentKind
    reason: str


class _Market:
    def __init__(self, seed: int, cash: int, rate: float, every: int, symbols: int) -> None:
        self.random = random.Random(seed)
        self.cash = self.opening = cash
        self.rate, self.every = rate, every
        self.symbols = [Symbol(f"{1_970 * place + 5_930:06}") for place in range(symbols)]
        self.prices = {each: self.random.randrange(20_000, 120_000, 100) for each in self.symbols}
        self.held: dict[tuple[StrategyId, Symbol], tuple[int, date]] = {}
        self.decisions: list[DecisionRow] = []
        self.orders: list[OrderRow] = []
        self.fills: list[FillRow] = []
        self.equity: list[EquityRow] = []
        self.sessions: list[SessionRow] = []
        self.strategies: list[StrategyEquityRow] = []
        self.gained = {KMP: 0, NULRIMOK: 0}
        self.attempts: dict[str, int] = {}
        self.sequence = 1_000

    def run(self, count: int, name: str) -> BacktestResult:
        for number, day in enumerate(sessions_from(date(2025, 1, 2), count)):
            self.session(number, day)
        reasons = {each.intent_id: each.reason for each in self.decisions}
        trades = round_trips(self.fills, reasons=reasons, last_prices=self.prices)
        return BacktestResult(
            provenance=Provenance(
                name=name,
                settings=SETTINGS,
                settings_hash="5b0c1f6a90d27e44",
                code_version="0.1.0+3f9c2ab",
                data_hash="c41a77de02b95f18a6e3",
                result_hash="9e107d9d372bb6826bd81d3542a419d6",
                path="block",
            ),
            opening_cash=self.opening,
            sessions=tuple(self.sessions),
            decisions=tuple(self.decisions),
            orders=tuple(self.orders),
            fills=tuple(self.fills),
            trades=trades,
            equity=tuple(self.equity),
            strategies=tuple(self.strategies),
            wall_seconds=12.4,
        )

    def worth(self) -> int:
        return sum(count * self.prices[symbol] for (_, symbol), (count, _) in self.held.items())

    def session(self, number: int, day: date) -> None:
        on = calendar.trading_date(day)
        opened, before = calendar.instant(day, time(9)), self.cash + self.worth()
        rows_before = len(self.decisions)
        for symbol in self.symbols:
            self.move(symbol, 0.012)
        for minute in range(0, 391, self.every):
            at = opened + minute * MINUTE
            if minute % 5 == 0:
                for symbol in self.symbols:
                    self.move(symbol, 0.0016)
            if 3 <= minute < 385 and number >= 2:
                self.act(day, on, at, minute)
            last = minute + self.every > 390
            self.equity.append(
                EquityRow(session=on, at=at, cash=self.cash, holdings=self.worth(), closing=last)
            )
        for strategy in self.gained:
            own = sum(
                count * self.prices[symbol]
                for (owner, symbol), (count, _) in self.held.items()
                if owner == strategy
            )
            self.strategies.append(
                StrategyEquityRow(
                    session=on, strategy=strategy, result=self.gained[strategy] + own, holdings=own
                )
            )
        self.sessions.append(
            SessionRow(
                session=on,
                market_events=self.random.randrange(380_000, 420_000),
                derived_events=(len(self.decisions) - rows_before) * 7 + 12,
                opening_equity=before,
                closing_equity=self.cash + self.worth(),
                warm_up=number < 2,
                problems=self.problems(number),
            )
        )

    def problems(self, number: int) -> tuple[str, ...]:
        found = []
        if number == 0:
            found += [
                "prices are adjusted: levels before a split are not those that were traded",
                "survivorship: the universe holds only issues that are listed today",
            ]
        if number % 37 == 20:
            found.append("247540: 12 minutes between 10:04 and 10:16 have no bar")
        return tuple(found)

    def move(self, symbol: Symbol, spread: float) -> None:
        # What is held goes up a little more often than not: a report of a loser shows less.
        held = any(each == symbol for _, each in self.held)
        price = self.prices[symbol] * (1 + self.random.gauss(spread * 0.09 * held, spread))
        self.prices[symbol] = max(1_000, round(price / 100) * 100)

    def act(self, day: date, on: TradingDate, at: int, minute: int) -> None:
        chance = self.rate * self.every / 380
        for (owner, symbol), (count, since) in tuple(self.held.items()):
            old = owner == KMP or (day - since).days >= 2
            late = owner == KMP and minute >= 375
            if old and (late or self.random.random() < 0.03 * self.every):
                reason = "close_of_day" if late else self.random.choice(("stop", "trail", "target"))
                self.order(_Wish(on, at, owner, symbol, IntentKind.EXIT, reason), count)
                del self.held[owner, symbol]
        for _ in range(max(1, round(chance + 0.5))):
            if self.random.random() < min(1.0, chance * 1.5) and minute < 370:
                self.enter(day, on, at)

    def enter(self, day: date, on: TradingDate, at: int) -> None:
        owner = KMP if self.random.random() < 0.65 else NULRIMOK
        symbol = self.random.choice(self.symbols)
        wanted = 10_000_000 // self.prices[symbol]
        wish = _Wish(on, at, owner, symbol, IntentKind.ENTER, "breakout")
        if self.random.random() < 0.3 or (owner, symbol) in self.held:
            names = [(check, outcome) for check, outcome, _ in REFUSALS]
            weights = [weight for _, _, weight in REFUSALS]
            check, outcome = self.random.choices(names, weights)[0]
            self.decide(wish, wanted, 0, outcome, check)
            return
        if self.cash < 2 * wanted * self.prices[symbol]:
            self.decide(wish, wanted, 0, "rejected", "orderable_cash")
            return
        count = self.order(wish, wanted)
        if count:
            self.held[owner, symbol] = (count, day)

    def decide(
        self, wish: _Wish, requested: int, allowed: int, outcome: str, check: str
    ) -> IntentId:
        on, at, owner, symbol, kind, reason = wish
        self.sequence += self.random.randrange(40, 900)
        purpose = "E" if kind is IntentKind.ENTER else "X"
        key = f"{on}-{owner}-{symbol}-{purpose}"
        self.attempts[key] = self.attempts.get(key, 0) + 1
        intent = identifiers.intent_id(on, owner, symbol, purpose, self.attempts[key])
        self.decisions.append(
            DecisionRow(
                sequence=self.sequence,
                session=on,
                at=at,
                intent_id=intent,
                strategy=owner,
                symbol=symbol,
                kind=kind,
                reason=reason,
                requested=requested,
                allowed=allowed,
                outcome=outcome,
                check=check,
                market_price=self.prices[symbol],
            )
        )
        return intent

    def order(self, wish: _Wish, requested: int) -> int:
        on, at, owner, symbol, kind, _ = wish
        allowed, outcome, check = requested, "approved", ""
        buys = kind is IntentKind.ENTER
        if buys and self.random.random() < 0.2:
            check = self.random.choices([name for name, _ in CUTS], [w for _, w in CUTS])[0]
            allowed, outcome = max(1, requested * self.random.randrange(30, 90) // 100), "modified"
        intent = self.decide(wish, requested, allowed, outcome, check)
        market = self.prices[symbol]
        order = identifiers.order_id(intent, 1)
        unfilled = buys and self.random.random() < 0.05
        parts = [] if unfilled else self.parts(allowed)
        side = Side.BUY if buys else Side.SELL
        self.sequence += 3
        placed = self.sequence
        amount, known = 0, at
        for part in parts:
            slip = self.random.choice((0, 0, 100, 100, 200)) * (1 if buys else -1)
            amount += self.fill(wish, known, intent, part, slip)
            known += 800_000_000
        self.orders.append(
            OrderRow(
                sequence=placed,
                session=on,
                order_id=order,
                intent_id=intent,
                strategy=owner,
                symbol=symbol,
                side=side,
                quantity=allowed,
                limit_price=market + 200 if buys else None,
                submitted_at=at + 21_000_000,
                accepted_at=at + 82_000_000,
                ended_at=known + 120_000_000,
                state=OrderState.EXPIRED if unfilled else OrderState.FILLED,
                filled_quantity=sum(parts),
                filled_amount=amount,
                reason="entry not filled in time" if unfilled else "",
            )
        )
        return sum(parts)

    def parts(self, count: int) -> list[int]:
        if count > 3 and self.random.random() < 0.25:
            return [count // 3, count - count // 3]
        return [count]

    def fill(self, wish: _Wish, at: int, intent: IntentId, count: int, slip: int) -> int:
        on, _, owner, symbol, kind, _ = wish
        side = Side.BUY if kind is IntentKind.ENTER else Side.SELL
        order, market = identifiers.order_id(intent, 1), self.prices[symbol]
        price = market + slip
        amount = price * count
        buys = side is Side.BUY
        paid = fee(amount)
        tax = 0 if buys else sell_tax(amount, Board.KOSPI, date(2025, 6, 1))
        change = (-amount if buys else amount) - paid - tax
        self.cash += change
        self.gained[owner] += change
        self.sequence += 5
        self.fills.append(
            FillRow(
                sequence=self.sequence,
                session=on,
                at=at + 151_000_000,
                executed_at=at + 121_000_000,
                order_id=order,
                intent_id=intent,
                strategy=owner,
                symbol=symbol,
                side=side,
                quantity=count,
                price=price,
                amount=amount,
                fee=paid,
                tax=tax,
                market_price=market,
            )
        )
        return amount


AXES = {
    "strategies.kmp.set.rvol.min": (1.5, 2.0, 2.5, 3.0, 3.5),
    "strategies.kmp.set.breakout.buffer": (0.001, 0.002, 0.003, 0.004),
    "strategies.kmp.set.stop.atr": (1.0, 1.5, 2.0),
}


def made_up_sweep(*, sessions: int = 80, failing: int = 1, seed: int = 5) -> SweepResult:
    """Return a sweep over ``AXES``; its last ``failing`` configurations ended with an error."""
    drawn = random.Random(seed)
    market = [drawn.gauss(0.0, 0.006) for _ in range(sessions)]
    configurations = grid({key: list(values) for key, values in AXES.items()})
    outcomes = []
    for number, overrides in enumerate(configurations):
        if number >= len(configurations) - failing:
            error = "InvalidSettings: stop.atr is 2.0: it needs 90 daily bars"
            outcomes.append(Outcome(label=label_of(overrides), overrides=overrides, error=error))
            continue
        skill = 0.0012 - 0.0007 * abs(overrides["strategies.kmp.set.rvol.min"] - 2.2)
        skill -= 0.25 * abs(overrides["strategies.kmp.set.breakout.buffer"] - 0.002)
        changes = [skill + 0.6 * each + drawn.gauss(0, 0.004) for each in market]
        outcomes.append(made_up_outcome(overrides, changes))
    return SweepResult(tuple(outcomes), tuple(AXES))


def made_up_outcome(
    overrides: dict[str, Any], changes: Sequence[float], *, start: date = date(2025, 1, 2)
) -> Outcome:
    """Return the outcome of a configuration whose sessions return ``changes``."""
    level, rows = 100_000_000, []
    for day, change in zip(sessions_from(start, len(changes)), changes, strict=True):
        closing = round(level * (1 + change))
        rows.append(
            SessionRow(
                session=calendar.trading_date(day),
                market_events=400_000,
                derived_events=40,
                opening_equity=level,
                closing_equity=closing,
                warm_up=False,
            )
        )
        level = closing
    provenance = Provenance(
        name="made up",
        settings="{}",
        settings_hash="0",
        code_version="0.1.0",
        data_hash="0",
        result_hash=f"{level:032x}",
        path="block",
    )
    result = BacktestResult(
        provenance=provenance,
        opening_cash=100_000_000,
        sessions=tuple(rows),
        decisions=(),
        orders=(),
        fills=(),
        trades=(),
        equity=(),
        strategies=(),
    )
    return Outcome(
        label=label_of(overrides),
        overrides=overrides,
        result_hash=provenance.result_hash,
        figures=performance(result),
        sessions=tuple(rows),
    )


def made_up_walk(*, windows: int = 6, test: int = 20, seed: int = 9) -> WalkForwardResult:
    """Return a walk-forward with 60 sessions to choose on; the last window chose nothing."""
    drawn = random.Random(seed)
    days = list(sessions_from(date(2025, 1, 2), 60 + windows * test))
    found = []
    for number in range(windows):
        first = number * test
        train, tested = days[first : first + 60], days[first + 60 : first + 60 + test]
        runs = [
            made_up_outcome(
                {"strategies.kmp.set.rvol.min": value},
                [drawn.gauss(0.0004, 0.005) for _ in train],
                start=train[0],
            )
            for value in (1.5, 2.0, 2.5)
        ]
        chosen = best_of(runs, "sharpe") if number < windows - 1 else None
        outcome = chosen and made_up_outcome(
            chosen.overrides, [drawn.gauss(0.0008, 0.005) for _ in tested], start=tested[0]
        )
        window = Window(train=tuple(train), test=tuple(tested))
        found.append(WindowOutcome(window, tuple(runs), chosen, outcome))
    return WalkForwardResult(tuple(found), "sharpe", 100_000_000, ("strategies.kmp.set.rvol.min",))
