"""A strategy without sense: it trades often, in every way, and repeats itself exactly.

What it does follows from the log alone, so all deliveries must make it do the same. It reads prices
of symbols it is about to trade, which shows at once when somebody was not brought level.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from events import Delivery, Event, IntentId, StrategyId, Symbol
from events.identifiers import intent_id
from events.market import ClockTick, Phase, QuoteFrame, SessionOpened, TradeFrame
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
