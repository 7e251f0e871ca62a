"""One account's day as the guard sees it: what its tests are written in.

It starts on 2025-09-15 at 09:30 KST in continuous trading. Whatever the guard derives goes onto the
log behind the entry it follows from, as the runner would put it there. Gate, router and broker are
the test's own words: ``approve``, ``refuse``, ``fill``, ``end``.
"""

from __future__ import annotations

from collections.abc import Iterator

from events import Delivery, Event, FillId, IntentId, OrderId, StrategyId, Symbol, TradingDate
from events.control import (
    EVERYTHING,
    Halt,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    SharesReallocated,
)
from events.market import (
    Aggressor,
    ClockTick,
    MarketOperation,
    OpeningAllocation,
    Phase,
    SessionOpened,
    Trade,
    TradeFrame,
    Venue,
)
from events.trading import (
    DriftCleared,
    DriftDetected,
    ExecutionEnded,
    FillSource,
    Horizon,
    IntentApproved,
    IntentExpired,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
    StopChanged,
    StopState,
    Urgency,
)
from risk.guard import guard_from_session

SECOND = 1_000_000_000
DATE = TradingDate("20250915")
OPEN_AT = 1_757_894_400 * SECOND  # 2025-09-15 09:00 KST
START = OPEN_AT + 1_800 * SECOND
KMP, KPR = StrategyId("KMP"), StrategyId("KPR")
A, B = Symbol("005930"), Symbol("000660")


def carried(
    quantity: int,
    stop: int | None = 9_900,
    *,
    hard: int | None = None,
    strategy: StrategyId = KMP,
    symbol: Symbol = A,
) -> OpeningAllocation:
    """Return shares that an owner brings into the session, at 10,000 won each."""
    return OpeningAllocation(strategy, symbol, quantity, quantity * 10_000, stop, hard)


def session(
    *allocations: OpeningAllocation, halts: tuple[Halt, ...] = (), settings: str | None = None
) -> SessionOpened:
    """Return opening books."""
    return SessionOpened(
        at=OPEN_AT - 3_600 * SECOND,
        trading_date=DATE,
        open_at=OPEN_AT,
        closing_auction_at=OPEN_AT + 22_800 * SECOND,
        close_at=OPEN_AT + 23_400 * SECOND,
        cash=100_000_000,
        equity=100_000_000,
        allocations=allocations,
        configuration={} if settings is None else {"guard": settings},
        code_version="test",
        halts=halts,
    )


class GuardDay:
    """A guard and the log so far."""

    def __init__(
        self,
        *allocations: OpeningAllocation,
        opened: SessionOpened | None = None,
        open_market: bool = True,
    ) -> None:
        self.opened = opened or session(*allocations)
        self.guard = guard_from_session(self.opened)
        self.now = START
        self.log: list[Event] = []
        self.intents: list[IntentSubmitted] = []
        self.stops: list[StopChanged] = []
        self.down = False
        """While true, what the guard derives does not reach the log: it derives it at a restart."""
        self.missing: list[Event] = []
        self._asked = 0
        self._traded = 0
        self.feed(self.opened)
        if open_market:
            self.tick()

    def feed(self, *events: Event) -> list[Event]:
        """Append events with what follows from each; return what followed."""
        followed: list[Event] = []
        for event in events:
            self.log.append(event)
            outputs = self.guard.handle(Delivery(len(self.log), event))
            for output in outputs:
                assert self.guard.owns(output)
                self._keep(output)
            followed += outputs
            if self.down:
                self.missing += outputs
            else:
                for output in outputs:
                    self.log.append(output)
                    assert not self.guard.handle(Delivery(len(self.log), output))
        return followed

    def come_back(self) -> Iterator[Event]:
        """Yield what is missing on the log, then append it; intents that are too old are expired.

        What follows from an expiry is appended behind it, as everything live is.
        """
        self.down = False
        missing, self.missing = self.missing, []
        for output in missing:
            said = output
            if isinstance(output, IntentSubmitted) and output.expires_at <= self.now:
                said = IntentExpired(at=self.now, intent=output)
            yield said
            self.feed(said)

    def _keep(self, output: Event) -> None:
        if isinstance(output, IntentSubmitted):
            self.intents.append(output)
        else:
            assert isinstance(output, StopChanged)
            self.stops.append(output)

    @property
    def asked(self) -> list[str]:
        """The ids of the guard's intents so far, without their date."""
        return [intent.intent_id.removeprefix(f"{DATE}-") for intent in self.intents]

    @property
    def states(self) -> list[StopState]:
        """The states of all stops so far."""
        return [stop.state for stop in self.stops]

    def tick(self, seconds: float = 0, phase: Phase = Phase.CONTINUOUS) -> list[Event]:
        """Let time pass in one step."""
        self.now += round(seconds * SECOND)
        return self.feed(ClockTick(at=self.now, phase=phase))

    def trade(
        self, *prices: int, symbol: Symbol = A, age: float = 0, auction: bool = False
    ) -> list[Event]:
        """Let trades print that arrive in one frame, ``age`` seconds old."""
        time = self.now - round(age * SECOND)
        made = []
        for price in prices:
            self._traded += 1
            made.append(Trade(time, price, 1, Aggressor.SELL, self._traded, 0, 0, 0, 0, auction))
        return self.feed(TradeFrame(at=self.now, symbol=symbol, trades=tuple(made)))

    def halt_trading(self, *, halted: bool = True, venue: Venue = Venue.KRX) -> list[Event]:
        """Let the exchange suspend trading in A, or resume it."""
        return self.feed(
            MarketOperation(
                at=self.now,
                symbol=A,
                halted=halted,
                reason="test" if halted else "",
                code="",
                expected_code="",
                designation="00",
                interrupted=False,
                interrupted_after_hours=False,
                venue=venue,
            )
        )

    def submit(
        self,
        kind: IntentKind,
        quantity: int | None,
        *,
        strategy: StrategyId = KMP,
        symbol: Symbol = A,
        stop: int | None = None,
        hard: int | None = None,
        limit: int | None = None,
    ) -> IntentSubmitted:
        """Let a strategy ask for something."""
        self._asked += 1
        intent = IntentSubmitted(
            at=self.now,
            cause=1,
            intent_id=IntentId(f"{DATE}-{strategy}-{symbol}-{_LETTERS[kind]}{self._asked}"),
            strategy=strategy,
            symbol=symbol,
            kind=kind,
            quantity=quantity,
            urgency=Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason="test",
            attempt=1,
            expires_at=self.now + 60 * SECOND,
            protective_stop=stop,
            hard_stop=hard,
            limit_price=limit,
        )
        self.feed(intent)
        return intent

    def approve(self, intent: IntentSubmitted, quantity: int | None = None) -> list[Event]:
        """Let the gate allow an intent, with all its shares unless told otherwise."""
        return self.feed(
            IntentApproved(
                at=intent.at,
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                checks=(),
                quantity=(intent.quantity or 0) if quantity is None else quantity,
            )
        )

    def refuse(self, intent: IntentSubmitted) -> list[Event]:
        """Let the gate refuse an intent."""
        return self.feed(
            IntentRejected(
                at=intent.at,
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                checks=(),
                rejected_by="own_shares",
                reason="test",
            )
        )

    def order(self, intent: IntentSubmitted, quantity: int, n: int = 1) -> OrderId:
        """Let the router begin an order of an intent."""
        order = OrderId(f"{intent.intent_id}-O{n}")
        self.feed(
            OrderSubmitting(
                at=self.now,
                order_id=order,
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=intent.strategy,
                symbol=intent.symbol,
                side=_side(intent),
                kind=OrderKind.LIMIT,
                quantity=quantity,
                limit_price=10_000,
                cancel_at=self.now + 30 * SECOND,
            )
        )
        return order

    def fill(
        self, intent: IntentSubmitted, quantity: int, *, n: int = 1, price: int = 10_000
    ) -> list[Event]:
        """Let an order of an intent trade."""
        order = OrderId(f"{intent.intent_id}-O{n}")
        return self.feed(
            OrderFilled(
                at=self.now,
                order_id=order,
                fill_id=FillId(f"{order}-F{len(self.log)}"),
                strategy=intent.strategy,
                symbol=intent.symbol,
                side=_side(intent),
                quantity=quantity,
                price=price,
                amount=quantity * price,
                cumulative_quantity=quantity,
                fee=0,
                tax=0,
                source=FillSource.NOTICE,
            )
        )

    def end(
        self, intent: IntentSubmitted, filled: int = 0, *, reason: str = "lifetime", n: int = 1
    ) -> list[Event]:
        """Let an intent's order and its execution end."""
        self.close(OrderId(f"{intent.intent_id}-O{n}"), filled)
        return self.feed(self._ended(intent, filled, reason))

    def lose(self, intent: IntentSubmitted) -> OrderId:
        """Let an intent end because the broker does not list its order."""
        order = OrderId(f"{intent.intent_id}-O1")
        self.feed(
            OrderRejected(at=self.now, order_id=order, code="NOT_FOUND", message="test"),
            self._ended(intent, 0, "refused"),
        )
        return order

    def close(self, order: OrderId, filled: int = 0) -> None:
        """Let an order leave the exchange."""
        self.feed(
            OrderClosed(
                at=self.now,
                order_id=order,
                state=OrderState.CANCELLED,
                filled_quantity=filled,
                reason="test",
            )
        )

    def _ended(self, intent: IntentSubmitted, filled: int, reason: str) -> ExecutionEnded:
        return ExecutionEnded(
            at=self.now,
            cause=len(self.log),
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=_side(intent),
            quantity=intent.quantity or filled,
            filled_quantity=filled,
            orders=1,
            reason=reason,
        )

    def buying(
        self,
        quantity: int = 100,
        *,
        stop: int | None = 9_900,
        hard: int | None = None,
        strategy: StrategyId = KMP,
        symbol: Symbol = A,
    ) -> IntentSubmitted:
        """Let a strategy's buy work at the exchange."""
        intent = self.submit(
            IntentKind.ENTER, quantity, strategy=strategy, symbol=symbol, stop=stop, hard=hard
        )
        self.approve(intent)
        self.order(intent, quantity)
        return intent

    def bought(
        self,
        quantity: int = 100,
        *,
        stop: int | None = 9_900,
        hard: int | None = None,
        strategy: StrategyId = KMP,
        symbol: Symbol = A,
    ) -> IntentSubmitted:
        """Let a strategy buy, all of it."""
        intent = self.buying(quantity, stop=stop, hard=hard, strategy=strategy, symbol=symbol)
        self.fill(intent, quantity)
        self.end(intent, quantity, reason="complete")
        return intent

    def sold(self, intent: IntentSubmitted, quantity: int | None = None) -> list[Event]:
        """Let a sale be allowed, executed and over."""
        shares = (intent.quantity or 0) if quantity is None else quantity
        self.approve(intent, shares)
        self.order(intent, shares)
        followed = self.fill(intent, shares)
        return followed + self.end(intent, shares, reason="complete")

    def failed(self, intent: IntentSubmitted) -> list[Event]:
        """Let a sale be allowed and end without a fill."""
        followed = self.approve(intent)
        self.order(intent, intent.quantity or 0)
        return followed + self.end(intent)

    def halt(
        self,
        mode: HaltMode,
        scope: HaltScope = HaltScope.ACCOUNT,
        target: str = EVERYTHING,
        *,
        at: int | None = None,
    ) -> list[Event]:
        """Let the operator halt something, at ``at`` by a clock of its own."""
        return self.feed(
            HaltSet(
                at=self.now if at is None else at,
                issued_by="operator",
                reason="test",
                scope=scope,
                target=target,
                mode=mode,
            )
        )

    def release(self, scope: HaltScope = HaltScope.ACCOUNT, target: str = EVERYTHING) -> None:
        """Let the operator release a halt."""
        self.feed(
            HaltReleased(
                at=self.now, issued_by="operator", reason="test", scope=scope, target=target
            )
        )

    def drift(self, broker: int, allocated: int, symbol: Symbol = A) -> list[Event]:
        """Let the broker show other shares than the books."""
        return self.feed(
            DriftDetected(
                at=self.now,
                trading_date=DATE,
                symbol=symbol,
                broker_quantity=broker,
                allocated_quantity=allocated,
            )
        )

    def undrift(self, symbol: Symbol = A) -> None:
        """Let the broker agree with the books again."""
        self.feed(DriftCleared(at=self.now, trading_date=DATE, symbol=symbol))

    def reallocate(
        self, source: StrategyId, target: StrategyId, quantity: int, stop: int | None = None
    ) -> list[Event]:
        """Let the operator move shares of A."""
        return self.feed(
            SharesReallocated(
                at=self.now,
                issued_by="operator",
                reason="test",
                symbol=A,
                source=source,
                target=target,
                quantity=quantity,
                cost=quantity * 10_000,
                protective_stop=stop,
            )
        )


def operator_halt(mode: HaltMode) -> Halt:
    """Return a halt of the account as an opening carries it."""
    return Halt(
        scope=HaltScope.ACCOUNT,
        target=EVERYTHING,
        mode=mode,
        trigger=HaltTrigger.OPERATOR,
        since=OPEN_AT - 86_400 * SECOND,
        issued_by="operator",
        reason="test",
    )


_LETTERS = {
    IntentKind.ENTER: "E",
    IntentKind.EXIT: "X",
    IntentKind.REDUCE: "R",
    IntentKind.FLATTEN: "F",
    IntentKind.CANCEL_ORDERS: "C",
    IntentKind.MODIFY_RISK: "M",
    IntentKind.SET_TARGET: "T",
}


def _side(intent: IntentSubmitted) -> Side:
    return Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL
