"""One account's day, told event by event: what the tests of the gate are written in.

It starts on 2025-09-15 at 09:30 KST with 100 million won and nothing held, in continuous trading,
with three symbols that have terms, sectors, a price of 10,000 won and a narrow quote.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import yaml

from events import (
    AccountId,
    Delivery,
    Event,
    FillId,
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
    subjects,
)
from events.control import (
    EVERYTHING,
    Halt,
    HaltCleared,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    HaltTripped,
    LimitsChanged,
    LimitsRefused,
)
from events.market import (
    Aggressor,
    Bar,
    ClockTick,
    DailyHistory,
    MarketOperation,
    OpeningAllocation,
    Phase,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
    VolatilityInterruption,
)
from events.signal import UniverseSelected
from events.trading import (
    AccountSnapshot,
    Check,
    Decision,
    DriftDetected,
    ExecutionEnded,
    FillSource,
    Holding,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    OrderUnknown,
    Side,
    Urgency,
)
from risk import RiskGate, gate_from_session

SECOND = 1_000_000_000
DATE = TradingDate("20250915")
OPEN_AT = 1_757_894_400 * SECOND  # 2025-09-15 09:00 KST
START = OPEN_AT + 1_800 * SECOND

KMP, KPR, NULRIMOK, PCIM = (StrategyId(name) for name in ("KMP", "KPR", "NULRIMOK", "PCIM"))
A, B, C = Symbol("005930"), Symbol("000660"), Symbol("035720")
SECTORS = {A: "chips", B: "chips", C: "internet"}

CONFIGURATION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "config" / "oms.yaml").read_text("utf-8")
)
"""The shipped configuration; tests change copies of it."""


def configuration(**risk: float) -> dict[str, Any]:
    """Return the shipped configuration with both values of some account limits replaced."""
    changed = deepcopy(CONFIGURATION)
    for key, value in risk.items():
        changed["risk"][key] = {"standard": value, "conservative": value}
    return changed


def session(
    *,
    cash: int = 100_000_000,
    equity: int | None = None,
    allocations: tuple[OpeningAllocation, ...] = (),
    settings: dict[str, Any] | None = None,
    date: TradingDate = DATE,
    at: int = OPEN_AT - 3_600 * SECOND,
    halts: tuple[Halt, ...] = (),
    limits: dict[str, int | float | str | None] | None = None,
) -> SessionOpened:
    """Return opening books; equity defaults to cash plus the cost of all shares."""
    text = msgspec.json.encode(settings or CONFIGURATION).decode()
    return SessionOpened(
        at=at,
        trading_date=date,
        open_at=OPEN_AT,
        closing_auction_at=OPEN_AT + 22_800 * SECOND,
        close_at=OPEN_AT + 23_400 * SECOND,
        cash=cash,
        equity=cash + sum(a.cost for a in allocations) if equity is None else equity,
        allocations=allocations,
        configuration={"oms": text},
        code_version="test",
        halts=halts,
        limits=limits or {},
    )


def reference(symbol: Symbol, status: str = "00", base: int = 10_000) -> SymbolReference:
    """Return a symbol's trading terms of the day, limits ±30 %."""
    return SymbolReference(
        at=OPEN_AT - 1_800 * SECOND,
        symbol=symbol,
        trading_date=DATE,
        name=symbol,
        market="KOSPI",
        base_price=base,
        lower_limit=base * 7 // 10,
        upper_limit=base * 13 // 10,
        status_code=status,
    )


def history(symbol: Symbol, value: int = 5_000_000_000) -> DailyHistory:
    """Return daily bars of a symbol that trades ``value`` won on an ordinary day."""
    bars = (Bar(OPEN_AT - 86_400 * SECOND, 10_000, 10_000, 10_000, 10_000, 1, value),)
    return DailyHistory(at=OPEN_AT - 1_800 * SECOND, symbol=symbol, trading_date=DATE, bars=bars)


def operation(
    symbol: Symbol, *, halted: bool = False, interrupted: bool = False, at: int = START
) -> MarketOperation:
    """Return the exchange's word on a symbol: trading, unless told otherwise."""
    return MarketOperation(
        at=at,
        symbol=symbol,
        halted=halted,
        reason="test" if halted else "",
        code="112",
        expected_code="",
        designation="00",
        interrupted=interrupted,
        interrupted_after_hours=False,
    )


def trades(
    symbol: Symbol, price: int, *, at: int = START, bid: int = 0, ask: int = 0, vi: int = 0
) -> TradeFrame:
    """Return one trade of ten shares; best prices and static reference default to none given.

    The session has traded 10,000 shares and 100 million won in each of its seconds.
    """
    seconds = max(1, (at - OPEN_AT) // SECOND)
    volume, value = 10_000 * seconds, 100_000_000 * seconds
    trade = Trade(at, price, 10, Aggressor.BUY, volume, value, ask, bid, vi, False)
    return TradeFrame(at=at, symbol=symbol, trades=(trade,))


def quote(symbol: Symbol, bid: int | None, ask: int | None, at: int = START) -> QuoteFrame:
    """Return a book with one level a side, or none."""
    return QuoteFrame(
        at=at,
        symbol=symbol,
        time=at,
        ask_prices=() if ask is None else (ask,),
        ask_quantities=() if ask is None else (100,),
        bid_prices=() if bid is None else (bid,),
        bid_quantities=() if bid is None else (100,),
    )


class Day:
    """A gate and the log so far."""

    def __init__(
        self,
        opened: SessionOpened | None = None,
        *,
        settings: dict[str, Any] | None = None,
        prepared: bool = True,
    ) -> None:
        self.opened = opened or session(settings=settings)
        self.gate: RiskGate = gate_from_session(self.opened)
        self.now = START
        self.log: list[Event] = []
        self.decisions: list[Decision] = []
        self.derived: list[Event] = []
        self.controls: list[HaltTripped | HaltCleared | LimitsRefused] = []
        """What the gate derived besides decisions; it stands on the log by itself."""
        self.prices = dict.fromkeys((A, B, C), 10_000)
        """The last price of each symbol."""
        self._intents = 0
        self.feed(self.opened)
        if prepared:
            self.prepare()

    def prepare(self) -> None:
        """Let the market be open and quiet."""
        sectors = UniverseSelected(
            at=OPEN_AT - 1_800 * SECOND,
            strategy=KMP,
            trading_date=DATE,
            symbols=(A, B, C),
            sectors=SECTORS,
            source="test",
        )
        self.feed(sectors)
        self.tick()
        for symbol in (A, B, C):
            self.feed(reference(symbol), history(symbol), operation(symbol))
            for before in (300, 100):
                self.feed(trades(symbol, 10_000, at=START - before * SECOND, vi=10_000))
            self.feed(trades(symbol, 10_000, bid=9_990, ask=10_010, vi=10_000))

    def feed(self, *events: Event) -> list[Decision]:
        """Append events, and what the gate controls by them; return the decisions they led to."""
        decided: list[Decision] = []
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            self.log.append(event)
            if isinstance(event, TradeFrame) and event.trades:
                self.prices[event.symbol] = event.trades[-1].price
            for output in self.gate.handle(Delivery(len(self.log), event)):
                assert self.gate.owns(output)
                self.derived.append(output)
                if isinstance(output, HaltTripped | HaltCleared | LimitsRefused):
                    self.controls.append(output)
                    waiting.append(output)
                else:
                    assert isinstance(output, Decision)
                    decided.append(output)
        self.decisions += decided
        return decided

    def tick(self, phase: Phase = Phase.CONTINUOUS, *, seconds: float = 0) -> None:
        """Let time pass; afterwards the three symbols are quoted as narrowly as before.

        They trade on at their last price meanwhile, most recently 20 s before.
        """
        before = self.now
        self.now += round(seconds * SECOND)
        for at in (self.now - 200 * SECOND, self.now - 20 * SECOND):
            if at > before:
                self.feed(*(trades(symbol, self.prices[symbol], at=at) for symbol in (A, B, C)))
        self.feed(ClockTick(at=self.now, phase=phase))
        if seconds:
            self.feed(*(quote(symbol, 9_990, 10_010, at=self.now) for symbol in (A, B, C)))

    def submit(
        self,
        kind: IntentKind,
        quantity: int | None = None,
        *,
        symbol: Symbol = A,
        strategy: StrategyId = KMP,
        **fields: Any,
    ) -> Decision:
        """Submit an intent and return the decision on it."""
        self._intents += 1
        values: dict[str, Any] = {
            "at": self.now,
            "cause": 1,
            "intent_id": IntentId(f"{DATE}-{strategy}-{symbol}-{kind.name[0]}{self._intents}"),
            "urgency": Urgency.NORMAL,
            "horizon": Horizon.INTRADAY,
            "reason": "test",
            "attempt": 1,
            "expires_at": self.now + 60 * SECOND,
        }
        values |= fields
        intent = IntentSubmitted(
            kind=kind, quantity=quantity, symbol=symbol, strategy=strategy, **values
        )
        (decision,) = self.feed(intent)
        assert decision.intent_id == intent.intent_id
        return decision

    def enter(self, quantity: int | None = 100, **fields: Any) -> Decision:
        """Ask to buy with a limit of 10,000 won and a stop at 9,900, unless told otherwise."""
        values: dict[str, Any] = {"limit_price": 10_000, "protective_stop": 9_900}
        return self.submit(IntentKind.ENTER, quantity, **(values | fields))

    def leave(self, quantity: int | None = None, **fields: Any) -> Decision:
        """Ask to get out."""
        return self.submit(IntentKind.EXIT, quantity, **fields)

    def halt(
        self,
        scope: HaltScope = HaltScope.ACCOUNT,
        target: str = EVERYTHING,
        mode: HaltMode = HaltMode.NO_ENTRIES,
        trigger: HaltTrigger = HaltTrigger.OPERATOR,
    ) -> None:
        """Let an operator set a halt."""
        self.feed(
            HaltSet(
                at=self.now,
                issued_by="operator",
                reason="test",
                scope=scope,
                target=target,
                mode=mode,
                trigger=trigger,
            )
        )

    def release(
        self,
        scope: HaltScope = HaltScope.ACCOUNT,
        target: str = EVERYTHING,
        trigger: HaltTrigger | None = None,
    ) -> None:
        """Let an operator release the halts of a scope and target, or one of them."""
        self.feed(
            HaltReleased(
                at=self.now,
                issued_by="operator",
                reason="test",
                scope=scope,
                target=target,
                trigger=trigger,
            )
        )

    def change_limits(self, **changes: int | float | str | None) -> None:
        """Let an operator change limits; a key's dots are written as two underscores."""
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        self.feed(LimitsChanged(at=self.now, issued_by="operator", reason="test", changes=dotted))

    def trips(self) -> list[tuple[str, str, str]]:
        """Return the halts set by rule so far: rule, target and mode."""
        return [
            (event.rule, event.target, event.mode.value)
            for event in self.controls
            if isinstance(event, HaltTripped)
        ]

    def order(
        self, decision: Decision, side: Side, quantity: int, limit: int | None = 10_000, n: int = 1
    ) -> OrderId:
        """Let the router send an order for a decision."""
        order = OrderId(f"{decision.intent_id}-O{n}")
        self.feed(
            OrderSubmitting(
                at=self.now,
                order_id=order,
                cause=len(self.log),
                intent_id=decision.intent_id,
                strategy=decision.strategy,
                symbol=decision.symbol,
                side=side,
                kind=OrderKind.MARKET if limit is None else OrderKind.LIMIT,
                quantity=quantity,
                limit_price=limit,
                cancel_at=self.now + 120 * SECOND,
            )
        )
        return order

    def fill(
        self,
        decision: Decision,
        side: Side,
        quantity: int,
        price: int = 10_000,
        *,
        n: int = 1,
        fee: int = 0,
        tax: int = 0,
    ) -> None:
        """Let an order trade."""
        self.feed(
            OrderFilled(
                at=self.now,
                order_id=OrderId(f"{decision.intent_id}-O{n}"),
                fill_id=FillId(f"{decision.intent_id}-O{n}-F{len(self.log)}"),
                strategy=decision.strategy,
                symbol=decision.symbol,
                side=side,
                quantity=quantity,
                price=price,
                amount=quantity * price,
                cumulative_quantity=quantity,
                fee=fee,
                tax=tax,
                source=FillSource.NOTICE,
            )
        )

    def close(
        self,
        order: OrderId,
        state: OrderState = OrderState.CANCELLED,
        filled: int = 0,
        *,
        last: bool = True,
    ) -> None:
        """Let an order end, and its execution with it unless another order is to follow."""
        self.feed(
            OrderClosed(
                at=self.now, order_id=order, state=state, filled_quantity=filled, reason="test"
            )
        )
        if last:
            self.end(order, filled)

    def refuse(self, order: OrderId, *, last: bool = True) -> None:
        """Let the broker refuse an order."""
        self.feed(OrderRejected(at=self.now, order_id=order, code="X", message="test"))
        if last:
            self.end(order)

    def end(self, order: OrderId, filled: int = 0) -> None:
        """Let the router be done with the intent of an order."""
        name = order.rpartition("-O")[0]
        intent = next(
            event
            for event in self.log
            if isinstance(event, IntentSubmitted) and event.intent_id == name
        )
        self.feed(
            ExecutionEnded(
                at=self.now,
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                side=Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL,
                quantity=intent.quantity or 0,
                filled_quantity=filled,
                orders=1,
                reason="complete",
            )
        )

    def lose(self, order: OrderId) -> None:
        """Let the answer to an order get lost."""
        self.feed(OrderUnknown(at=self.now, order_id=order, reason="no answer"))

    def buy(
        self,
        quantity: int,
        price: int = 10_000,
        *,
        symbol: Symbol = A,
        strategy: StrategyId = KMP,
    ) -> None:
        """Enter, be let through, be filled completely."""
        decision = self.enter(
            quantity,
            symbol=symbol,
            strategy=strategy,
            limit_price=price,
            protective_stop=price - price // 100,
        )
        assert outcome(decision) == "IntentApproved", decision
        order = self.order(decision, Side.BUY, quantity, price)
        self.fill(decision, Side.BUY, quantity, price)
        self.close(order, OrderState.FILLED, quantity)

    def snapshot(
        self, *, cash: int = 0, equity: int = 100_000_000, holdings: tuple[Holding, ...] = ()
    ) -> None:
        """Let the broker state the account."""
        self.feed(
            AccountSnapshot(
                at=self.now, trading_date=DATE, cash=cash, equity=equity, holdings=holdings
            )
        )

    def drift(self, symbol: Symbol, broker: int, allocated: int) -> None:
        """Let shares of a symbol not add up."""
        self.feed(
            DriftDetected(
                at=self.now,
                trading_date=DATE,
                symbol=symbol,
                broker_quantity=broker,
                allocated_quantity=allocated,
            )
        )

    def interrupt(self, symbol: Symbol, *, active: bool) -> None:
        """Let a volatility interruption begin or end."""
        self.feed(
            VolatilityInterruption(
                at=self.now, symbol=symbol, active=active, reference_price=10_000
            )
        )


def outcome(decision: Decision) -> str:
    """Return the kind of a decision."""
    return type(decision).__name__


def made(decision: Decision, name: str) -> Check:
    """Return a check of a decision by its name."""
    (found,) = (check for check in decision.checks if check.name == name)
    return found


def stopped_by(decision: Decision) -> str | None:
    """Return the check that refused or deferred, ``None`` when it was let through."""
    found: str | None = getattr(decision, "rejected_by", None) or getattr(
        decision, "deferred_by", None
    )
    return found


def topic_is_covered(gate: RiskGate, event: Event) -> bool:
    """Return whether the gate's inputs contain an event's topic."""
    parts = subjects.subject(AccountId("demo"), event.topic).split(".")[2:]
    return any(
        len(parts) == len(pattern.split("."))
        and all(want in ("*", part) for want, part in zip(pattern.split("."), parts, strict=True))
        for pattern in gate.inputs
    )
