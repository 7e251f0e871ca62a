"""A strategy that trades by the seed of a drill: entries of three kinds, exits, cuts, withdrawals.

It is told what to do by an entry on the log (``order_of``), so that after its death it derives the
same wishes again, as every strategy must.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, NamedTuple

from events import Delivery, Event, StrategyId, Symbol, identifiers, prices
from events.market import ClockTick, SessionOpened, TradeFrame
from events.ops import Heartbeat
from events.signal import UniverseSelected
from events.trading import (
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderFilled,
    Side,
    Urgency,
)

SECOND: Final = 1_000_000_000
STRATEGIES: Final = (StrategyId("KMP"), StrategyId("KPR"))
"""Two strategies in the same symbols, that the shipped limits give a budget."""

COMMANDER: Final = "drill-master"
TRADING_SECONDS: Final = 24
"""Seconds of the market's clock in which a drill's wishes fall due."""

_ENTRY_LIFETIMES: Final = (6, 12, 20)
_EXIT_LIFETIME: Final = 15


def order_of(at: int, seed: int, wishes: int, first: str) -> Heartbeat:
    """Return the entry that makes the trader trade by ``seed``; ``first`` is its first's style."""
    return Heartbeat(
        at=at,
        service=COMMANDER,
        run=f"drill-{seed}",
        position=seed,
        figures={"wishes": wishes, "first": first},
    )


class Act(NamedTuple):
    """One thing to do, so many seconds after the order."""

    after: float
    kind: IntentKind
    style: str
    strategy: StrategyId
    symbol: int
    quantity: int
    lifetime: int


def acts_of(seed: int, wishes: int, first: str, symbols: int) -> list[Act]:
    """Return what the trader does in a drill, by time: a pure function of the seed."""
    chance = Random(f"acts-{seed}")
    kinds = [IntentKind.ENTER] * 5 + [IntentKind.EXIT] * 3 + [IntentKind.REDUCE]
    kinds += [IntentKind.CANCEL_ORDERS]
    acts = []
    for number in range(wishes):
        # The first two are an entry and an exit, so that every drill trades.
        kind = (IntentKind.ENTER, IntentKind.EXIT)[number] if number < 2 else chance.choice(kinds)
        style = chance.choice(("urgent", "urgent", "patient", "resting", "breakout"))
        acts.append(
            Act(
                after=0.0 if number < 2 else chance.uniform(0, TRADING_SECONDS),
                kind=kind,
                style=first if first and not number else style,
                strategy=chance.choice(STRATEGIES),
                symbol=chance.randrange(symbols),
                # Few different numbers, so that orders that look alike come about.
                quantity=chance.choice((1, 2, 2, 3, 5, 7)),
                lifetime=chance.choice(_ENTRY_LIFETIMES),
            )
        )
    return sorted(acts, key=lambda act: act.after)


class DrillTrader:
    """Carries out drills. Pure, like every strategy."""

    name = "drill"
    inputs: Sequence[str] = (
        "market.session.*",
        "market.clock",
        "market.trade.*",
        "signal.universe",
        "trading.order.*",
        f"ops.{COMMANDER}",
    )
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened) -> None:
        self._date = session.trading_date
        self._symbols: tuple[Symbol, ...] = ()
        self._last: dict[Symbol, int] = {}
        self._held: dict[tuple[StrategyId, Symbol], int] = {
            (each.strategy, each.symbol): each.quantity for each in session.allocations
        }
        self._attempts: dict[tuple[StrategyId, Symbol, str], int] = {}
        self._acts: list[tuple[int, Act]] = []

    def owns(self, event: Event) -> bool:
        """Own what its strategies submitted themselves, not what was done on their behalf."""
        return (
            isinstance(event, IntentSubmitted)
            and event.strategy in STRATEGIES
            and event.reason == "drill"
        )

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Follow prices and fills; act on the clock."""
        event = delivery.event
        match event:
            case TradeFrame() if event.trades:
                self._last[event.symbol] = event.trades[-1].price
            case UniverseSelected():
                self._symbols = tuple(sorted({*self._symbols, *event.symbols}))
            case OrderFilled():
                key = event.strategy, event.symbol
                signed = event.quantity if event.side is Side.BUY else -event.quantity
                self._held[key] = self._held.get(key, 0) + signed
            case Heartbeat() if event.service == COMMANDER:
                figures = event.figures
                wishes, first = int(figures["wishes"]), str(figures["first"])
                acts = acts_of(event.position, wishes, first, len(self._symbols))
                self._acts = [(event.at + round(act.after * SECOND), act) for act in acts]
            case ClockTick():
                return self._due(delivery.sequence, event.at)
        return ()

    def _due(self, cause: int, now: int) -> list[Event]:
        wishes: list[Event] = []
        while self._acts and self._acts[0][0] <= now:
            _, act = self._acts.pop(0)
            wish = self._wish(cause, now, act)
            if wish is not None:
                wishes.append(wish)
        return wishes

    def _wish(self, cause: int, now: int, act: Act) -> IntentSubmitted | None:
        symbol = self._symbols[act.symbol]
        strategy = act.strategy
        if act.kind in (IntentKind.EXIT, IntentKind.REDUCE):
            owner = self._owner(act)
            if owner is None:
                return None
            strategy, symbol = owner
        elif act.kind is IntentKind.ENTER and symbol not in self._last:
            return None
        purpose = {"enter": "E", "exit": "X", "reduce": "R", "cancel_orders": "C"}[act.kind]
        attempt = self._attempts[strategy, symbol, purpose] = (
            self._attempts.get((strategy, symbol, purpose), 0) + 1
        )
        enters = act.kind is IntentKind.ENTER
        at_prices = self._prices(act, symbol)
        return IntentSubmitted(
            at=now,
            cause=cause,
            intent_id=identifiers.intent_id(self._date, strategy, symbol, purpose, attempt),
            strategy=strategy,
            symbol=symbol,
            kind=act.kind,
            quantity=self._quantity(act, strategy, symbol),
            urgency=Urgency.NORMAL if act.style == "patient" else Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason="drill",
            attempt=attempt,
            expires_at=now + (act.lifetime if enters else _EXIT_LIFETIME) * SECOND,
            reference_price=at_prices.get("reference_price"),
            limit_price=at_prices.get("limit_price"),
            stop_price=at_prices.get("stop_price"),
            protective_stop=at_prices.get("protective_stop"),
        )

    def _owner(self, act: Act) -> tuple[StrategyId, Symbol] | None:
        """Return something that is owned, from the act's symbol on."""
        for step in range(len(self._symbols)):
            symbol = self._symbols[(act.symbol + step) % len(self._symbols)]
            for strategy in (act.strategy, *STRATEGIES):
                if self._held.get((strategy, symbol), 0) > 0:
                    return strategy, symbol
        return None

    def _quantity(self, act: Act, strategy: StrategyId, symbol: Symbol) -> int | None:
        match act.kind:
            case IntentKind.ENTER:
                return act.quantity
            case IntentKind.REDUCE:
                return max(1, self._held[strategy, symbol] // 2)
            case IntentKind.EXIT:
                return self._held[strategy, symbol]
            case _:
                return None

    def _prices(self, act: Act, symbol: Symbol) -> dict[str, int]:
        if act.kind is not IntentKind.ENTER:
            return {}
        last = self._last[symbol]
        stop = prices.round_down(last * 97 // 100)
        found: dict[str, int] = {"reference_price": last, "protective_stop": stop}
        if act.style == "resting":
            found["limit_price"] = prices.round_down(last * 985 // 1_000)
        elif act.style == "breakout":
            found["stop_price"] = prices.move_ticks(last, 1)
        elif act.style == "patient":
            found["limit_price"] = last
        else:
            found["limit_price"] = prices.move_ticks(last, 3)
        return found


def trader_from_session(session: SessionOpened) -> DrillTrader:
    """Build the trader for a session."""
    return DrillTrader(session)
