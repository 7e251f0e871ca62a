"""Small trading days for strategy tests: events in log order, with the strategy's outputs between.

A ``Day`` owns one processor. ``send`` appends an event, hands it over when the processor listens to
its topic, and appends what comes out, so ``day.log`` is a log that another processor can replay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, time
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

from events import codec
from events.calendar import instant
from events.control import SharesReallocated
from events.event import Delivery, Event
from events.identifiers import (
    IntentId,
    OrderId,
    StrategyId,
    Symbol,
    TradingDate,
    fill_id,
    order_id,
)
from events.market import (
    Aggressor,
    Bar,
    ClockTick,
    DailyHistory,
    IndexLevel,
    MinuteHistory,
    OpeningAllocation,
    Phase,
    PhaseChanged,
    ProgramFlow,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.ops import GatesReported, SetupChanged, WouldBlock
from events.signal import OpeningBaseline, SlotsRequested, UniverseSelected
from events.trading import (
    AccountSnapshot,
    Check,
    CheckOutcome,
    ExecutionEnded,
    FillSource,
    Horizon,
    IntentApproved,
    IntentDeferred,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderRejected,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from strategies.kmp import KmpProcessor, KmpSettings, kmp_from_session, load_settings

SECOND = 1_000_000_000
DATE = date(2025, 9, 15)
TODAY = TradingDate("20250915")
KMP = StrategyId("KMP")
SAMSUNG = Symbol("005930")
HYNIX = Symbol("000660")
NAVER = Symbol("035420")
CONFIG = Path(__file__).resolve().parents[2] / "deploy" / "config" / "kmp.yaml"

_Event = TypeVar("_Event", bound=Event)


@cache
def _shipped() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return loaded


def mapping(**overrides: Any) -> dict[str, Any]:
    """Return the shipped configuration as a mapping, with some keys replaced."""
    return {**_shipped(), **overrides}


def settings(**overrides: Any) -> KmpSettings:
    """Return the shipped settings with some keys replaced."""
    return load_settings(mapping(**overrides))


def at(text: str, day: date = DATE) -> int:
    """Return the instant (ns UTC) of a KST wall time such as ``09:16:05`` or ``09:16:05.5``."""
    clock, _, fraction = text.partition(".")
    return instant(day, time.fromisoformat(clock)) + int(float(f"0.{fraction or 0}") * SECOND)


def session(
    *,
    equity: int = 200_000_000,
    allocations: tuple[OpeningAllocation, ...] = (),
    open_text: str = "09:00:00",
    auction_text: str = "15:20:00",
    close_text: str = "15:30:00",
    day: date = DATE,
    **overrides: Any,
) -> SessionOpened:
    """Return a session's opening books with the shipped configuration and ``overrides``."""
    return SessionOpened(
        at=at("08:20:00", day),
        trading_date=TradingDate(f"{day:%Y%m%d}"),
        open_at=at(open_text, day),
        closing_auction_at=at(auction_text, day),
        close_at=at(close_text, day),
        cash=equity,
        equity=equity,
        allocations=allocations,
        configuration={"kmp": msgspec.json.encode(mapping(**overrides)).decode()},
        code_version="test",
    )


def daily_bars(
    count: int = 60,
    *,
    last_close: int = 48_500,
    step: int = 100,
    volume: int = 1_000_000,
    day: date = DATE,
) -> tuple[Bar, ...]:
    """Return daily bars that rise by ``step`` to ``last_close`` on the day before ``day``."""
    midnight = at("00:00:00", day)
    bars = []
    for index in range(count):
        close = last_close - step * (count - 1 - index)
        start = midnight - (count - index) * 86_400 * SECOND
        bars.append(Bar(start, close, close + 50, close - 50, close, volume))
    return tuple(bars)


class Day:
    """One trading day in the making; see the module's docstring."""

    def __init__(self, opened: SessionOpened | None = None) -> None:
        self.session = opened or session()
        self.day = date.fromisoformat(
            f"{self.session.trading_date[:4]}-{self.session.trading_date[4:6]}"
            f"-{self.session.trading_date[6:]}"
        )
        self.processor: KmpProcessor = kmp_from_session(self.session)
        self.log: list[Event] = []
        self.outputs: list[Event] = []
        self._volume: dict[Symbol, int] = {}
        self._value: dict[Symbol, int] = {}
        self._index: IndexLevel | None = None
        self.polls_index = True
        """Whether the last index level comes again before a clock tick, as the gateway's poll."""
        self.send(self.session)

    def send(self, event: Event) -> list[Event]:
        """Append an event and everything the processor derives from it; return the latter."""
        self.log.append(event)
        derived = list(self.processor.handle(Delivery(len(self.log), event)))
        self.outputs += derived
        for output in derived:
            self.log.append(output)
            assert not self.processor.handle(Delivery(len(self.log), output))
        return derived

    def at(self, text: str) -> int:
        """Return the instant of a wall time on this day."""
        return at(text, self.day)

    # --- what came out ---

    def of(self, kind: type[_Event]) -> list[_Event]:
        """Return all outputs of one type."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def path(self, symbol: Symbol = SAMSUNG) -> list[str]:
        """Return the states a symbol went through."""
        return [change.state for change in self.of(SetupChanged) if change.symbol == symbol]

    def reason(self, symbol: Symbol = SAMSUNG) -> str:
        """Return the reason of a symbol's last change."""
        return [change for change in self.of(SetupChanged) if change.symbol == symbol][-1].reason

    def intents(self, kind: IntentKind, symbol: Symbol = SAMSUNG) -> list[IntentSubmitted]:
        """Return the intents of one kind in a symbol."""
        return [
            intent
            for intent in self.of(IntentSubmitted)
            if intent.kind is kind and intent.symbol == symbol
        ]

    def would_block(self, reason: str) -> list[WouldBlock]:
        """Return the would-block records of one reason."""
        return [record for record in self.of(WouldBlock) if record.reason == reason]

    def slots(self) -> SlotsRequested:
        """Return the last subscription request."""
        return self.of(SlotsRequested)[-1]

    def report(self) -> GatesReported:
        """Return the report of the session's end, closing the session if that is to come."""
        if not self.of(GatesReported):
            self.tick_at(self.session.close_at, Phase.CLOSED)
        return self.of(GatesReported)[-1]

    # --- what goes in ---

    def tick(self, text: str, phase: Phase = Phase.CONTINUOUS) -> list[Event]:
        """Send one clock tick."""
        return self.tick_at(self.at(text), phase)

    def tick_at(self, when: int, phase: Phase = Phase.CONTINUOUS) -> list[Event]:
        """Send one clock tick at an instant, after the poll of the index if one was ever sent."""
        if self._index is not None and self.polls_index and when - self._index.at > 10 * SECOND:
            self._index = msgspec.structs.replace(self._index, at=when, time=when)
            self.send(self._index)
        return self.send(ClockTick(at=when, phase=phase))

    def phase(self, text: str, phase: Phase) -> list[Event]:
        """Send a change of phase."""
        return self.send(
            PhaseChanged(at=self.at(text), trading_date=self.session.trading_date, phase=phase)
        )

    def print(
        self,
        text: str,
        price: int,
        quantity: int = 100,
        symbol: Symbol = SAMSUNG,
        *,
        bid: int | None = None,
        ask: int | None = None,
        vi_reference: int = 0,
        aggressor: Aggressor = Aggressor.NONE,
        auction: bool = False,
    ) -> list[Event]:
        """Send one trade; bid and ask default to the price and one 100-won tick above."""
        self._volume[symbol] = self._volume.get(symbol, 0) + quantity
        self._value[symbol] = self._value.get(symbol, 0) + quantity * price
        when = self.at(text)
        trade = Trade(
            time=when // SECOND * SECOND,
            price=price,
            quantity=quantity,
            aggressor=aggressor,
            cumulative_volume=self._volume[symbol],
            cumulative_value=self._value[symbol],
            best_ask=price + 100 if ask is None else ask,
            best_bid=price if bid is None else bid,
            vi_reference=vi_reference,
            auction=auction,
        )
        return self.send(TradeFrame(at=when, symbol=symbol, trades=(trade,)))

    def traded_before(self, symbol: Symbol, volume: int, value: int) -> None:
        """Let the session's cumulative figures of a symbol begin with trades nobody saw."""
        self._volume[symbol] = volume
        self._value[symbol] = value

    def index(self, text: str, centipoints: int, previous: int = 270_000) -> list[Event]:
        """Send a level of the KOSPI."""
        when = self.at(text)
        self._index = IndexLevel(
            at=when,
            index="KOSPI",
            time=when,
            centipoints=centipoints,
            previous_close_centipoints=previous,
        )
        return self.send(self._index)

    def program(self, text: str, market: str, value: int) -> list[Event]:
        """Send a market's cumulative net program buying."""
        when = self.at(text)
        return self.send(ProgramFlow(at=when, market=market, time=when, cumulative_net_value=value))

    def universe(
        self,
        symbols: Sequence[Symbol] = (SAMSUNG, HYNIX, NAVER),
        sectors: dict[Symbol, str] | None = None,
    ) -> None:
        """Send the universe; each symbol has a sector of its own unless told otherwise."""
        chosen = {symbol: f"sector {symbol}" for symbol in symbols}
        self.send(
            UniverseSelected(
                at=self.at("08:21:00"),
                strategy=KMP,
                trading_date=self.session.trading_date,
                symbols=tuple(symbols),
                sectors=chosen if sectors is None else sectors,
                source="test",
            )
        )

    def reference(self, symbol: Symbol = SAMSUNG, status: str = "00", upper: int = 63_000) -> None:
        """Send a symbol's trading terms."""
        self.send(
            SymbolReference(
                at=self.at("08:22:00"),
                symbol=symbol,
                trading_date=self.session.trading_date,
                name=f"name of {symbol}",
                market="KOSPI",
                base_price=48_500,
                lower_limit=34_000,
                upper_limit=upper,
                status_code=status,
            )
        )

    def history(self, symbol: Symbol = SAMSUNG, bars: tuple[Bar, ...] | None = None) -> None:
        """Send a symbol's daily bars."""
        self.send(
            DailyHistory(
                at=self.at("08:23:00"),
                symbol=symbol,
                trading_date=self.session.trading_date,
                bars=daily_bars(day=self.day) if bars is None else bars,
            )
        )

    def baseline(
        self,
        symbol: Symbol = SAMSUNG,
        value: int = 1_000_000_000,
        volume: int = 1_000,
        sessions: int = 14,
    ) -> None:
        """Send a symbol's measured baseline."""
        self.send(
            OpeningBaseline(
                at=self.at("08:24:00"),
                trading_date=self.session.trading_date,
                symbol=symbol,
                sessions=sessions,
                opening_value=value,
                minute_volume=volume,
            )
        )

    def minutes(
        self, text: str, symbol: Symbol = SAMSUNG, bars: tuple[Bar, ...] | None = None
    ) -> list[Event]:
        """Send a back-fill, by default of a full opening range 49,000–50,000.

        The session's cumulative figures count at least what its bars did.
        """
        chosen = self.opening_bars() if bars is None else bars
        volume = sum(bar.volume for bar in chosen)
        if volume > self._volume.get(symbol, 0):
            self.traded_before(symbol, volume, sum(bar.volume * bar.close for bar in chosen))
        return self.send(
            MinuteHistory(
                at=self.at(text),
                symbol=symbol,
                trading_date=self.session.trading_date,
                bars=chosen,
            )
        )

    def opening_bars(self, quantity: int = 10_000) -> tuple[Bar, ...]:
        """Return fifteen minute bars whose range is 49,000–50,000."""
        return tuple(
            Bar(
                self.session.open_at + minute * 60 * SECOND,
                49_500,
                50_000 if minute == 7 else 49_600,
                49_000 if minute == 3 else 49_400,
                49_500,
                quantity,
            )
            for minute in range(15)
        )

    def account(self, text: str, equity: int) -> None:
        """Send what the broker says the account is worth."""
        self.send(
            AccountSnapshot(
                at=self.at(text),
                trading_date=self.session.trading_date,
                cash=equity,
                equity=equity,
                holdings=(),
            )
        )

    # --- what the risk gate and the router say ---

    def approve(self, text: str, intent: IntentSubmitted, quantity: int | None = None) -> None:
        """Let an intent pass."""
        self.send(
            IntentApproved(
                at=self.at(text),
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=KMP,
                symbol=intent.symbol,
                checks=(_check(CheckOutcome.PASS),),
                quantity=(intent.quantity or 0) if quantity is None else quantity,
            )
        )

    def reject(self, text: str, intent: IntentSubmitted, by: str = "sector") -> None:
        """Refuse an intent."""
        self.send(
            IntentRejected(
                at=self.at(text),
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=KMP,
                symbol=intent.symbol,
                checks=(_check(CheckOutcome.REJECT),),
                rejected_by=by,
                reason="test",
            )
        )

    def defer(self, text: str, intent: IntentSubmitted, by: str = "safe_mode") -> None:
        """Put an intent off."""
        self.send(
            IntentDeferred(
                at=self.at(text),
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=KMP,
                symbol=intent.symbol,
                checks=(_check(CheckOutcome.DEFER),),
                deferred_by=by,
                reason="test",
            )
        )

    def order(
        self, text: str, intent: IntentSubmitted, ordinal: int = 1, *, quantity: int | None = None
    ) -> OrderId:
        """Place an order for an intent, by default of all it asks for; return its id."""
        identity = order_id(intent.intent_id, ordinal)
        when = self.at(text)
        self.send(
            OrderSubmitting(
                at=when,
                order_id=identity,
                cause=len(self.log),
                intent_id=intent.intent_id,
                strategy=KMP,
                symbol=intent.symbol,
                side=Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL,
                kind=OrderKind.LIMIT,
                quantity=(intent.quantity or 0) if quantity is None else quantity,
                limit_price=intent.limit_price,
                cancel_at=when + 30 * SECOND,
            )
        )
        self.send(OrderAccepted(at=when, order_id=identity, broker_order="1", branch="91252"))
        return identity

    def fill(
        self,
        text: str,
        order: OrderId,
        side: Side,
        quantity: int,
        price: int,
        *,
        symbol: Symbol = SAMSUNG,
        cumulative: int | None = None,
        strategy: StrategyId = KMP,
    ) -> list[Event]:
        """Fill an order; ``cumulative`` defaults to ``quantity``."""
        total = quantity if cumulative is None else cumulative
        return self.send(
            OrderFilled(
                at=self.at(text),
                order_id=order,
                fill_id=fill_id(order, total),
                strategy=strategy,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                amount=quantity * price,
                cumulative_quantity=total,
                fee=0,
                tax=0,
                source=FillSource.NOTICE,
            )
        )

    def close(
        self,
        text: str,
        order: OrderId,
        filled: int,
        state: OrderState = OrderState.CANCELLED,
        *,
        last: bool = True,
    ) -> list[Event]:
        """End an order and, unless the router goes on with another, its intent's execution."""
        derived = self.send(
            OrderClosed(
                at=self.at(text),
                order_id=order,
                state=state,
                filled_quantity=filled,
                reason="test",
            )
        )
        if last:
            reason = "complete" if state is OrderState.FILLED else "lifetime"
            derived += self.end(text, IntentId(order.rpartition("-O")[0]), filled, reason)
        return derived

    def refuse(self, text: str, order: OrderId, code: str = "1") -> list[Event]:
        """Have the broker refuse an order, which ends the execution."""
        when = self.at(text)
        derived = self.send(OrderRejected(at=when, order_id=order, code=code, message="no"))
        return derived + self.end(text, IntentId(order.rpartition("-O")[0]), 0, "refused")

    def end(self, text: str, intent: IntentId, filled: int, reason: str) -> list[Event]:
        """Have the router be done with an intent after ``filled`` shares, with one order or none.

        An execution ends once: saying so again changes nothing here.
        """
        if any(isinstance(e, ExecutionEnded) and e.intent_id == intent for e in self.log):
            return []
        submitted = next(
            e for e in self.log if isinstance(e, IntentSubmitted) and e.intent_id == intent
        )
        return self.send(
            ExecutionEnded(
                at=self.at(text),
                cause=len(self.log),
                intent_id=intent,
                strategy=KMP,
                symbol=submitted.symbol,
                side=Side.BUY if submitted.kind is IntentKind.ENTER else Side.SELL,
                quantity=submitted.quantity or 0,
                filled_quantity=filled,
                orders=sum(
                    isinstance(e, OrderSubmitting) and e.intent_id == intent for e in self.log
                ),
                reason=reason,
            )
        )

    def guard(
        self,
        text: str,
        purpose: str,
        quantity: int,
        symbol: Symbol = SAMSUNG,
        kind: IntentKind = IntentKind.EXIT,
    ) -> IntentSubmitted:
        """Have the guard submit an intent on the strategy's behalf, for example ``S1``."""
        when = self.at(text)
        intent = IntentSubmitted(
            at=when,
            cause=len(self.log),
            intent_id=intent_of(f"{symbol}-{purpose}"),
            strategy=KMP,
            symbol=symbol,
            kind=kind,
            quantity=quantity,
            urgency=Urgency.HIGH,
            horizon=Horizon.INTRADAY,
            reason="test",
            attempt=int(purpose[1:]),
            expires_at=when + 60 * SECOND,
        )
        self.send(intent)
        return intent

    def reallocate(
        self,
        text: str,
        source: StrategyId,
        target: StrategyId,
        quantity: int,
        *,
        cost: int = 0,
        symbol: Symbol = SAMSUNG,
        off: int = 0,
    ) -> list[Event]:
        """Have the operator move shares to another owner, by a clock ``off`` seconds ahead."""
        return self.send(
            SharesReallocated(
                at=self.at(text) + off * 1_000_000_000,
                issued_by="operator",
                reason="test",
                symbol=symbol,
                source=source,
                target=target,
                quantity=quantity,
                cost=cost,
            )
        )


def _check(outcome: CheckOutcome) -> Check:
    return Check(name="test", value=1, limit=1, outcome=outcome)


def opened_day(opened: SessionOpened | None = None, **overrides: Any) -> Day:
    """Return a day up to 09:14:59: three trending symbols, a moving index, ranges 49,000–50,000.

    Surge 7.425 by measured baselines (value 1,000,000,000, volume 1,000 a minute).
    """
    day = Day(opened or session(**overrides))
    day.universe()
    symbols = (SAMSUNG, HYNIX, NAVER)
    for symbol in symbols:
        day.reference(symbol)
        day.history(symbol)
        day.baseline(symbol)
    day.tick("08:59:59", Phase.OPENING_AUCTION)
    day.phase("09:00:00", Phase.CONTINUOUS)
    day.index("09:00:01", 270_000)
    day.index("09:10:00", 271_500)
    for minute in range(15):
        for symbol in symbols:
            price = {3: 49_000, 7: 50_000}.get(minute, 49_500)
            day.print(f"09:{minute:02}:30", price, 10_000, symbol, auction=minute == 0)
    return day


def scanned_day(**overrides: Any) -> Day:
    """Return a day at 09:16:00: three candidates watch their range high, entries are open."""
    day = opened_day(**overrides)
    for text in ("09:15:00", "09:15:15", "09:15:30"):
        day.tick(text)
    breathe(day, 15)
    day.tick("09:16:00")
    return day


def breathe(day: Day, minute: int, symbols: Sequence[Symbol] = (SAMSUNG, HYNIX, NAVER)) -> None:
    """Trade every symbol above its VWAP and under its range high in a minute after the scan."""
    for symbol in symbols:
        day.print(f"09:{minute:02}:50", 49_900, 10_000, symbol)


def broken_day(**overrides: Any) -> Day:
    """Return a day at 09:16:20: the first symbol broke its range and fell back to 49,800."""
    day = scanned_day(**overrides)
    day.print("09:16:05", 50_200)
    day.print("09:16:20", 49_800)
    return day


def submitted_day(**overrides: Any) -> tuple[Day, IntentSubmitted]:
    """Return a day at 09:16:30 with the first symbol's entry submitted."""
    day = broken_day(**overrides)
    day.print("09:16:30", 50_100)
    return day, day.intents(IntentKind.ENTER)[-1]


def held_day(price: int = 50_100, **overrides: Any) -> Day:
    """Return a day at 09:16:31 with the first symbol's entry filled in full at ``price``."""
    day, intent = submitted_day(**overrides)
    day.approve("09:16:30.2", intent)
    order = day.order("09:16:30.3", intent)
    quantity = intent.quantity or 0
    day.fill("09:16:31", order, Side.BUY, quantity, price)
    day.close("09:16:31", order, quantity, OrderState.FILLED)
    return day


def replay(opened: SessionOpened, log: Sequence[Event]) -> Iterator[tuple[int, bytes]]:
    """Yield (sequence of the cause, bytes) of what a new processor derives from a log."""
    processor = kmp_from_session(opened)
    for sequence, event in enumerate(log, start=1):
        for output in processor.handle(Delivery(sequence, event)):
            yield sequence, codec.encode(output)


def is_now(value: object, expected: object) -> bool:
    """Return ``value is expected``; a function, so that checkers expect no lasting value."""
    return value is expected


def intent_of(text: str) -> IntentId:
    """Return an intent id of the day from its end, for example ``005930-E1``."""
    return IntentId(f"{TODAY}-KMP-{text}")
