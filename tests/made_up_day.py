"""A made-up session in which much happens, traded to its end by the real deciders.

Prices wander tick by tick from a seed; a strategy that knows nothing buys and sells beside KMP; a
broker fills orders at the prices printed. The session is short: open from 09:00 to 09:40 with its
closing auction until 09:50, and KMP's afternoon moved accordingly. ``Lived.log`` is the whole log,
``Lived.derived`` what each decider made of each entry.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec

from events import Delivery, Event, StrategyId, Symbol, identifiers
from events.control import HaltMode, HaltReleased, HaltScope, HaltSet, HaltTrigger
from events.market import (
    Aggressor,
    Bar,
    BarClosed,
    ClockTick,
    DailyHistory,
    IndexLevel,
    MarketOperation,
    OpeningAllocation,
    Phase,
    PhaseChanged,
    ProgramFlow,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.prices import Board, tick_size
from events.signal import UniverseSelected
from events.trading import (
    CancelAccepted,
    CancelSubmitting,
    FillSource,
    Horizon,
    IntentKind,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from kis_gateway.orders.planner import PlanSettings
from kis_gateway.orders.router_core import Cancel, End, Hold, Refuse, RouterCore, Submit
from risk import gate_from_session
from risk.guard import guard_from_session
from strategies import kmp_from_session
from tests.risk.scenario import CONFIGURATION
from tests.strategies import days

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
OPEN = days.at("09:00:00")
AUCTION = OPEN + 40 * MINUTE
CLOSE = OPEN + 50 * MINUTE
SYMBOLS = tuple(Symbol(f"{number:06d}") for number in (20, 660, 5930, 35420))
CHANCER = StrategyId("KPR")
"""The strategy that knows nothing."""

Handle = Callable[[Delivery], Sequence[Any]]


class Lived(msgspec.Struct, frozen=True):
    """A day that is over: its opening books, its log, and by name of a decider its outputs."""

    opened: SessionOpened
    log: tuple[Delivery, ...]
    derived: dict[str, dict[int, tuple[Any, ...]]]
    """Decider → sequence of an entry → what followed, entries without any left out."""


def opening_books(*, carried: bool = False) -> SessionOpened:
    """Return the books of the short session; ``carried`` shares have stops."""
    kmp = days.mapping(
        min_surge_base=0.2,
        min_surge_slope={"permissive": 0, "strict": 0.1},
        or_range_min=0.001,
        or_range_max={"permissive": 0.3, "strict": 0.04},
        spread_max_pct=0.01,
        regime_breadth_min={"permissive": 1, "strict": 8},
        breadth_surge_min=0,
        breadth_rvol_min=0,
        chop_range_min=0.0001,
        entry_start="09:16:00",
        entry_cutoff="09:25:00",
        flatten_time="15:12:00",
        accept_timeout_min=8,
        require_held_support={"permissive": False, "strict": True},
        rvol_min=0.1,
        quality_min_threshold={"permissive": 0, "strict": 40},
    )
    oms = msgspec.json.decode(msgspec.json.encode(CONFIGURATION))
    oms["risk"]["daily_loss_warn_pct"] = {"standard": 0.004, "conservative": 0.004}
    oms["risk"]["daily_loss_halt_pct"] = {"standard": 0.012, "conservative": 0.012}
    oms["risk"]["daily_loss_flatten_pct"] = {"standard": 0.03, "conservative": 0.03}
    oms["risk"]["max_orders_per_symbol_minute"] = {"standard": 60, "conservative": 60}
    oms["risk"]["max_price_age_sec"] = {"standard": 60, "conservative": 60}
    oms["risk"]["max_spread_bps"] = {"standard": 500, "conservative": 500}
    shares = (OpeningAllocation(CHANCER, SYMBOLS[0], 30, 30 * 50_000, 49_000, None),)
    return SessionOpened(
        at=OPEN - 2 * MINUTE,
        trading_date=days.TODAY,
        open_at=OPEN,
        closing_auction_at=AUCTION,
        close_at=CLOSE,
        cash=100_000_000,
        equity=100_000_000 + (1_500_000 if carried else 0),
        allocations=shares if carried else (),
        configuration={
            "kmp": msgspec.json.encode(kmp).decode(),
            "oms": msgspec.json.encode(oms).decode(),
        },
        code_version="test",
    )


def before_the_open(opened: SessionOpened) -> list[Event]:
    """Return what is known before the first tick."""
    at = opened.at
    events: list[Event] = [
        opened,
        UniverseSelected(
            at=at,
            strategy=days.KMP,
            trading_date=opened.trading_date,
            symbols=SYMBOLS[:3],
            sectors={symbol: f"sector {symbol}" for symbol in SYMBOLS},
            source="test",
        ),
    ]
    for symbol in SYMBOLS:
        events.append(
            SymbolReference(
                at=at,
                symbol=symbol,
                trading_date=opened.trading_date,
                name=symbol,
                market="KOSPI",
                base_price=50_000,
                lower_limit=35_000,
                upper_limit=65_000,
                status_code="00",
            )
        )
        bars = days.daily_bars(last_close=49_900)
        events.append(
            DailyHistory(at=at, symbol=symbol, trading_date=opened.trading_date, bars=bars)
        )
    return events


def market(seed: int, *, bars: bool = False) -> list[Event]:
    """Return everybody else's session in order of time: prints and books, or bars, and the clock.

    One symbol seldom trades; books are sometimes empty on one side.
    """
    chance = random.Random(seed)
    events: list[Event] = []
    for place, symbol in enumerate(SYMBOLS):
        rows = list(_prints(symbol, chance, pace=40 * SECOND if place == 3 else 4 * SECOND))
        events += _bars(rows) if bars else rows
    for second in range((OPEN - MINUTE) // SECOND, CLOSE // SECOND + 30):
        at = second * SECOND
        events.append(ClockTick(at=at, phase=_phase(at)))
        if at in (OPEN, AUCTION, CLOSE):
            events.append(PhaseChanged(at=at, trading_date=days.TODAY, phase=_phase(at)))
        if second % 5 == 0 and at >= OPEN:
            level = 270_000 + chance.randint(-1_500, 1_500)
            events.append(
                IndexLevel(
                    at=at + 1,
                    index="KOSPI",
                    time=at,
                    centipoints=level,
                    previous_close_centipoints=270_000,
                )
            )
            events += [
                ProgramFlow(
                    at=at + 2, market=name, time=at, cumulative_net_value=chance.randint(-9, 9)
                )
                for name in ("KOSPI", "KOSDAQ")
            ]
    events += _odd_things(chance)
    events.sort(key=lambda event: event.at)
    return events


def _phase(at: int) -> Phase:
    if at < OPEN:
        return Phase.OPENING_AUCTION
    if at < AUCTION:
        return Phase.CONTINUOUS
    return Phase.CLOSING_AUCTION if at < CLOSE else Phase.CLOSED


def _odd_things(chance: random.Random) -> list[Event]:
    """Return halts by the exchange and by an operator, and their ends."""
    began = OPEN + chance.randrange(300, 1_800) * SECOND + 7
    symbol = chance.choice(SYMBOLS)
    words: list[Event] = [
        MarketOperation(
            at=at,
            symbol=symbol,
            halted=halted,
            reason="",
            code="",
            expected_code="",
            designation="00",
            interrupted=interrupted,
            interrupted_after_hours=False,
        )
        for at, halted, interrupted in (
            (OPEN - 30 * SECOND, False, False),
            (began, chance.random() < 0.5, True),
        )
    ]
    if chance.random() < 0.5:
        at = OPEN + chance.randrange(600, 2_200) * SECOND + 11
        order = {"scope": HaltScope.ACCOUNT, "target": "*", "issued_by": "test", "reason": "test"}
        mode = chance.choice((HaltMode.REDUCE_ONLY, HaltMode.FLATTEN))
        words.append(HaltSet(at=at, mode=mode, trigger=HaltTrigger.OPERATOR, **order))  # type: ignore[arg-type]
        words.append(HaltReleased(at=at + 120 * SECOND, trigger=None, **order))  # type: ignore[arg-type]
    return words


_WEIGHTS = {-1: (1, 4, 5, 3, 0), 0: (1, 3, 5, 3, 1), 1: (0, 2, 4, 4, 2), 15: (0, 2, 9, 2, 0)}
"""How likely steps of -2 to 2 ticks are while prices fall, wander, rise, and hardly move."""


def _lean(minute: int) -> int:
    """Let prices rise after the opening range, fall back and rise again, as KMP waits for."""
    if minute in (16, 17, 20, 21):
        return 1
    if minute < 15:
        return 15
    return -1 if minute in (18, 19, 26) else 0


def _prints(symbol: Symbol, chance: random.Random, pace: int) -> list[Event]:
    rows: list[Event] = []
    price, volume, value, at = 50_000, 0, 0, OPEN + chance.randrange(SECOND)
    vi_reference = 50_000 if chance.random() < 0.5 else 0
    # When trades begin to be lost: of all symbols but one after the opening range.
    lost_from = OPEN + (0 if symbol == SYMBOLS[2] else 16 * MINUTE)
    while at < CLOSE:
        tick = tick_size(price, Board.KOSPI, days.DATE)
        moved = chance.choices((-2, -1, 0, 1, 2), _WEIGHTS[_lean((at - OPEN) // MINUTE)])[0]
        price = min(64_000, max(36_000, price + moved * tick))
        price -= price % tick_size(price, Board.KOSPI, days.DATE)
        quantity = chance.randrange(1, 4_000)
        volume += quantity
        value += quantity * price
        bid, ask = price - tick, price
        named = chance.random()
        empty = chance.random() < 0.02
        trade = Trade(
            time=at // SECOND * SECOND,
            price=price,
            quantity=quantity,
            aggressor=chance.choice((Aggressor.BUY, Aggressor.SELL)),
            cumulative_volume=volume,
            cumulative_value=value,
            best_ask=0 if named < 0.05 else ask,
            best_bid=0 if named < 0.1 else bid,
            vi_reference=vi_reference,
            auction=at >= AUCTION,
        )
        rows.append(TradeFrame(at=at, symbol=symbol, trades=(trade,)))
        if chance.random() < 0.6:
            rows.append(
                QuoteFrame(
                    at=at + chance.choice((0, 50_000_000)),
                    symbol=symbol,
                    time=at,
                    ask_prices=(ask,),
                    ask_quantities=(10,),
                    bid_prices=() if empty else (bid,),
                    bid_quantities=() if empty else (10,),
                )
            )
        if chance.random() < 0.01 and at >= lost_from:
            volume += 5  # trades that nobody saw
        at += max(1, round(chance.expovariate(1 / pace)))
    return sorted(rows, key=lambda event: event.at)


def _bars(rows: Sequence[Event]) -> list[Event]:
    """Return the minute bars of prints."""
    minutes: dict[int, list[Trade]] = {}
    for row in rows:
        if isinstance(row, TradeFrame):
            minutes.setdefault(row.at // MINUTE * MINUTE, []).append(row.trades[0])
    symbol = rows[0].symbol  # type: ignore[attr-defined]
    return [
        BarClosed(
            at=start + MINUTE + 5,
            symbol=symbol,
            bar=Bar(
                start,
                trades[0].price,
                max(each.price for each in trades),
                min(each.price for each in trades),
                trades[-1].price,
                sum(each.quantity for each in trades),
                sum(each.quantity * each.price for each in trades),
            ),
        )
        for start, trades in minutes.items()
    ]


class Chancer:
    """Buys and sells by lot, in all ways that there are."""

    def __init__(self, seed: int, symbols: Sequence[Symbol]) -> None:
        self._chance = random.Random(seed)
        self._symbols = symbols
        self._last: dict[Symbol, int] = {}
        self._attempts = 0

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        event, chance = delivery.event, self._chance
        if isinstance(event, TradeFrame):
            self._last[event.symbol] = event.trades[-1].price
        elif isinstance(event, BarClosed):
            self._last[event.symbol] = event.bar.close
        if not isinstance(event, ClockTick) or chance.random() > 0.05:
            return ()
        symbol = chance.choice(self._symbols)
        price = self._last.get(symbol)
        if price is None:
            return ()
        kinds = (IntentKind.ENTER, IntentKind.EXIT, IntentKind.CANCEL_ORDERS)
        kind = chance.choices((*kinds, IntentKind.MODIFY_RISK), (6, 2, 1, 1))[0]
        self._attempts += 1
        enters = kind is IntentKind.ENTER
        stop = price + 100 if enters and chance.random() < 0.4 else None
        return (
            IntentSubmitted(
                at=event.at,
                cause=delivery.sequence,
                intent_id=identifiers.intent_id(
                    days.TODAY, CHANCER, symbol, kind.name[0], self._attempts
                ),
                strategy=CHANCER,
                symbol=symbol,
                kind=kind,
                quantity=chance.randrange(1, 200) if enters else None,
                urgency=chance.choice(tuple(Urgency)),
                horizon=Horizon.INTRADAY,
                reason="test",
                attempt=1,
                expires_at=event.at + chance.randrange(2, 90) * SECOND,
                stop_price=stop,
                limit_price=price + 200 if enters and chance.random() < 0.7 else None,
                protective_stop=price - 500 if kind in (kinds[0], IntentKind.MODIFY_RISK) else None,
                hard_stop=price - 1_000 if enters and chance.random() < 0.5 else None,
            ),
        )


class Broker:
    """Does what the router wants, and fills orders at what is printed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._working: dict[str, OrderSubmitting] = {}
        self._filled: dict[str, int] = {}

    def act(self, action: Any, at: int) -> list[Event]:
        """Return what an action leads to."""
        if isinstance(action, Submit):
            event = action.event
            if self._chance.random() < 0.1:
                return [event]  # its answer takes until the next print
            self._working[event.order_id] = event
            number = f"{len(self._filled):010d}"
            self._filled[event.order_id] = 0
            accepted = OrderAccepted(
                at=at, order_id=event.order_id, broker_order=number, branch="91252"
            )
            return [event, accepted]
        if isinstance(action, Cancel):
            order = action.order_id
            said: list[Event] = [
                CancelSubmitting(
                    at=at, order_id=order, attempt=action.attempt, reason=action.reason
                ),
                CancelAccepted(at=at, order_id=order, attempt=action.attempt, broker_order="1"),
            ]
            if self._working.pop(order, None) is not None:
                said.append(self._closed(order, OrderState.CANCELLED, at))
            return said
        assert isinstance(action, Hold | Refuse | End)
        return [action.event]

    def print(self, symbol: Symbol, price: int, quantity: int, at: int) -> list[Event]:
        """Return what a print does to the orders that work."""
        said: list[Event] = []
        for order in [each for each in self._working.values() if each.symbol == symbol]:
            buys, limit = order.side is Side.BUY, order.limit_price
            reached = limit is None or (price <= limit if buys else price >= limit)
            if not reached or self._chance.random() < 0.3:
                continue
            done = self._filled[order.order_id]
            shares = min(order.quantity - done, quantity)
            done = self._filled[order.order_id] = done + shares
            said.append(
                OrderFilled(
                    at=at,
                    order_id=order.order_id,
                    fill_id=identifiers.fill_id(order.order_id, done),
                    strategy=order.strategy,
                    symbol=symbol,
                    side=order.side,
                    quantity=shares,
                    price=price,
                    amount=shares * price,
                    cumulative_quantity=done,
                    fee=shares * price // 5_000,
                    tax=0,
                    source=FillSource.NOTICE,
                )
            )
            if done == order.quantity:
                del self._working[order.order_id]
                said.append(self._closed(order.order_id, OrderState.FILLED, at))
        return said

    def _closed(self, order: str, state: OrderState, at: int) -> Event:
        return OrderClosed(
            at=at,
            order_id=identifiers.OrderId(order),
            state=state,
            filled_quantity=self._filled[order],
            reason="test",
        )


def deciders(opened: SessionOpened) -> dict[str, Any]:
    """Return fresh deciders of a session by name."""
    return {
        "kmp": kmp_from_session(opened),
        "guard": guard_from_session(opened),
        "gate": gate_from_session(opened),
        "router": RouterCore(opened, PlanSettings()),
    }


@cache
def lived(seed: int, *, bars: bool = False) -> Lived:
    """Return the day of a seed."""
    opened = opening_books(carried=seed % 2 == 1)
    subjects = deciders(opened)
    handles: dict[str, Handle] = {name: each.handle for name, each in subjects.items()}
    handles["chancer"] = Chancer(seed, SYMBOLS).handle
    broker = Broker(seed)
    log: list[Delivery] = []
    derived: dict[str, dict[int, tuple[Any, ...]]] = {name: {} for name in subjects}
    for arriving in (*before_the_open(opened), *market(seed, bars=bars)):
        waiting: deque[Event] = deque((arriving,))
        if isinstance(arriving, TradeFrame):
            trade = arriving.trades[-1]
            waiting += broker.print(arriving.symbol, trade.price, trade.quantity, arriving.at)
        elif isinstance(arriving, BarClosed):
            bar = arriving.bar
            waiting += broker.print(arriving.symbol, bar.close, bar.volume, arriving.at)
        while waiting:
            delivery = Delivery(len(log) + 1, waiting.popleft())
            log.append(delivery)
            for name, handle in handles.items():
                outputs = tuple(handle(delivery))
                if outputs and name in derived:
                    derived[name][delivery.sequence] = outputs
                for output in outputs:
                    acts = not isinstance(output, Event)
                    waiting += broker.act(output, arriving.at) if acts else [output]
    return Lived(opened, tuple(log), derived)
