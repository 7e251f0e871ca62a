"""A strategy without sense: it trades often, in every way, and repeats itself exactly.

What it does follows from the log alone, so all deliveries must make it do the same. It reads prices
of symbols it is about to trade, which shows at once when somebody was not brought level.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from events import Delivery, Event, IntentId, StrategyId, Symbol
from events.identifiers import intent_id
from events.market import NEVER, ClockTick, Phase, QuoteFrame, SessionOpened, TradeFrame
from events.trading import (
    AccountSnapshot,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderFilled,
    Side,
    Urgency,
)
from research.backtest.skipping import Trades

ID = StrategyId("KPR")
_SECOND = 1_000_000_000
_URGENCIES = (Urgency.LOW, Urgency.NORMAL, Urgency.HIGH)


class Monkey:
    """Acts every ``pause`` seconds on a symbol drawn from the time."""

    name = "kpr"
    inputs: Sequence[str] = (
        "market.clock",
        "market.trade.*",
        "market.quote.*",
        "trading.order.*",
        "trading.account",
    )
    outputs: Sequence[str] = ("trading.intent.*",)

    def __init__(self, session: SessionOpened, *, pause: int = 61, salt: int = 0) -> None:
        self._session = session
        self._pause, self._salt = pause, salt
        self._symbols: list[Symbol] = []
        self._last: dict[Symbol, tuple[int, int]] = {}
        self._spread: dict[Symbol, int] = {}
        self._held: dict[Symbol, int] = {
            each.symbol: each.quantity for each in session.allocations if each.strategy == ID
        }
        self._count = 0
        self._equity = session.equity

    def owns(self, event: Event) -> bool:
        return isinstance(event, IntentSubmitted) and event.strategy == ID

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        event = delivery.event
        match event:
            case TradeFrame():
                self._trade(
                    event.symbol, event.trades[-1].price, event.trades[-1].cumulative_volume
                )
            case QuoteFrame():
                if event.ask_prices and event.bid_prices:
                    self._spread[event.symbol] = event.ask_prices[0] - event.bid_prices[0]
            case OrderFilled() if event.strategy == ID:
                sign = 1 if event.side is Side.BUY else -1
                self._held[event.symbol] = self._held.get(event.symbol, 0) + sign * event.quantity
            case AccountSnapshot():
                self._equity = event.equity
            case ClockTick() if self._acts(event):
                return self._act(delivery.sequence, event.at)
            case _:
                pass
        return ()

    def _trade(self, symbol: Symbol, price: int, volume: int) -> None:
        if symbol not in self._last:
            self._symbols.append(symbol)
        self._last[symbol] = price, volume

    def _acts(self, tick: ClockTick) -> bool:
        return tick.phase is Phase.CONTINUOUS and tick.at // _SECOND % self._pause == 0

    def _act(self, sequence: int, at: int) -> list[Event]:
        if not self._symbols:
            return []
        draw = crc32(b"%d %d" % (at, self._salt))
        symbol = sorted(self._symbols)[draw % len(self._symbols)]
        price, volume = self._last[symbol]
        held = self._held.get(symbol, 0)
        self._count += 1
        if held > 0 and draw % 3:
            kind, quantity = IntentKind.EXIT, held
        elif draw % 11 == 0:
            kind, quantity = IntentKind.CANCEL_ORDERS, None
        else:
            kind, quantity = IntentKind.ENTER, 1 + (draw >> 8) % 40
        purpose = {IntentKind.EXIT: "X", IntentKind.CANCEL_ORDERS: "C"}.get(kind, "E")
        enters = kind is IntentKind.ENTER
        urgency = _URGENCIES[(draw >> 4) % 3]
        return [
            IntentSubmitted(
                at=at,
                cause=sequence,
                intent_id=self._id(symbol, purpose),
                strategy=ID,
                symbol=symbol,
                kind=kind,
                quantity=quantity,
                urgency=urgency,
                horizon=Horizon.SWING,
                reason="monkey",
                attempt=1,
                expires_at=at + 60 * _SECOND,
                limit_price=price + (draw >> 6) % 3 * 50 - 50 if enters and draw % 2 else None,
                hard_stop=price * 97 // 100 if enters else None,
                protective_stop=price * 98 // 100 if enters else None,
                signal=f"{self._count}" if enters else None,
                facts={
                    "volume": volume,
                    "spread": self._spread.get(symbol),
                    "equity": self._equity,
                },
            )
        ]

    def _id(self, symbol: Symbol, purpose: str) -> IntentId:
        return intent_id(self._session.trading_date, ID, symbol, purpose, self._count)


class PatientMonkey(Monkey):
    """The same, spared everything but what it acts on: it wants no row and few ticks."""

    def concerned(self, symbol: Symbol) -> bool:
        return False

    def spared_until(self) -> int:
        return self._next

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        outputs = super().handle(delivery)
        if isinstance(delivery.event, ClockTick):
            step = self._pause * _SECOND
            self._next = (delivery.event.at // step + 1) * step
        return outputs

    _next = 0

    def absorb_trades(self, trades: Trades) -> None:
        self._trade(trades.symbol, int(trades.price[-1]), int(trades.cumulative_volume[-1]))

    def absorb_bars(self, bars: Sequence[object]) -> None:
        raise AssertionError("this tape has no bars")

    def absorb_quote(self, frame: QuoteFrame) -> None:
        if frame.ask_prices and frame.bid_prices:
            self._spread[frame.symbol] = frame.ask_prices[0] - frame.bid_prices[0]

    def absorb_tick(self, tick: Event) -> None:
        pass


class CountingMonkey(Monkey):
    """Buys at the seventh trade of a symbol after one well below its first.

    Until then it wants nothing above that price, from there on each trade.
    """

    _FALL, _AFTER = 999, 7

    def __init__(self, session: SessionOpened) -> None:
        super().__init__(session)
        self._first: dict[Symbol, int] = {}
        self._since: dict[Symbol, int] = {}

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        event = delivery.event
        if not isinstance(event, TradeFrame):
            return ()
        symbol, (newest,) = event.symbol, event.trades
        self._trade(symbol, newest.price, newest.cumulative_volume)
        if symbol in self._since:
            self._since[symbol] += 1
            if self._since[symbol] == self._AFTER:
                return [self._buy(delivery, symbol, newest.price)]
        elif newest.price <= self._line(symbol, newest.price):
            self._since[symbol] = 0
        return ()

    def _line(self, symbol: Symbol, price: int) -> int:
        return self._first.setdefault(symbol, price) * self._FALL // 1_000

    def _buy(self, delivery: Delivery, symbol: Symbol, price: int) -> IntentSubmitted:
        self._count += 1
        at = delivery.event.at
        return IntentSubmitted(
            at=at,
            cause=delivery.sequence,
            intent_id=self._id(symbol, "E"),
            strategy=ID,
            symbol=symbol,
            kind=IntentKind.ENTER,
            quantity=5,
            urgency=Urgency.NORMAL,
            horizon=Horizon.SWING,
            reason="fallen",
            attempt=1,
            expires_at=at + 60 * _SECOND,
            protective_stop=price * 90 // 100,
            facts={"volume": self._last[symbol][1]},
        )

    def concerned(self, symbol: Symbol) -> bool:
        return self._since.get(symbol, 0) < self._AFTER

    def matters_at_or_below(self, symbol: Symbol) -> int | None:
        first = self._first.get(symbol)
        return None if first is None or symbol in self._since else first * self._FALL // 1_000

    def spared_until(self) -> int:
        return NEVER

    def absorb_trades(self, trades: Trades) -> None:
        for price, volume in zip(
            trades.price.tolist(), trades.cumulative_volume.tolist(), strict=True
        ):
            self._trade(trades.symbol, price, volume)

    def absorb_bars(self, bars: Sequence[object]) -> None:
        raise AssertionError("this tape has no bars")

    def absorb_quote(self, frame: QuoteFrame) -> None:
        pass

    def absorb_tick(self, tick: Event) -> None:
        pass
