"""The sample strategies: what they ask for, and that scanning changes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from events import Delivery, Event, StrategyId, Symbol, TradingDate
from events.calendar import session
from events.identifiers import fill_id, order_id
from events.market import (
    Aggressor,
    Bar,
    BarClosed,
    BarHistory,
    OpeningAllocation,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.trading import (
    FillSource,
    IntentApproved,
    IntentKind,
    IntentRejected,
    IntentSubmitted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderState,
    OrderSubmitting,
    Side,
    Urgency,
)
from research.backtest.samples import (
    SmaCrossover,
    VwapImbalance,
    VwapSettings,
    sma_from_session,
    vwap_from_session,
)
from research.backtest.skipping import Scanning, Trades
from strategies.errors import ConfigurationMissing, InvalidSettings
from tests.research.backtest.bar_days_made import ALPHA, DATES, MINUTE

HOURS = session(DATES[0])
DAY = TradingDate("20250915")


def opened(
    allocations: tuple[OpeningAllocation, ...] = (), **settings: Mapping[str, object]
) -> SessionOpened:
    return SessionOpened(
        at=HOURS.auction_from,
        trading_date=DAY,
        open_at=HOURS.open_at,
        closing_auction_at=HOURS.closing_auction_at,
        close_at=HOURS.close_at,
        cash=100_000_000,
        equity=100_000_000,
        allocations=allocations,
        configuration={
            name: msgspec.json.encode(content).decode() for name, content in settings.items()
        },
        code_version="0",
    )


REFERENCE = SymbolReference(
    at=HOURS.auction_from,
    symbol=ALPHA,
    trading_date=DAY,
    name="Alpha",
    market="KOSPI",
    base_price=10_000,
    lower_limit=7_000,
    upper_limit=13_000,
    status_code="00",
)


class Told:
    """Hands a strategy one entry after the other."""

    def __init__(self, strategy: SmaCrossover | VwapImbalance) -> None:
        self.strategy = strategy
        self.sequence = 0
        self.tell(REFERENCE)

    def tell(self, event: Event) -> list[IntentSubmitted]:
        self.sequence += 1
        outputs = self.strategy.handle(Delivery(self.sequence, event))
        for each in outputs:
            assert isinstance(each, IntentSubmitted)
            assert self.strategy.owns(each)
            self.tell(each)
        return [each for each in outputs if isinstance(each, IntentSubmitted)]

    def bar(self, minute: int, close: int, *, at: int | None = None) -> list[IntentSubmitted]:
        start = HOURS.open_at + minute * MINUTE
        bar = Bar(start, close, close, close, close, 100)
        return self.tell(BarClosed(at=at or start + MINUTE, symbol=ALPHA, bar=bar))

    def filled(self, intent: IntentSubmitted, price: int) -> None:
        """Let an intent be allowed, ordered, filled and over."""
        quantity, at = intent.quantity or 0, intent.at + MINUTE
        order, strategy = order_id(intent.intent_id, 1), intent.strategy
        side = Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL
        self.tell(
            IntentApproved(
                at=at, cause=1, intent_id=intent.intent_id, strategy=strategy, symbol=ALPHA,
                checks=(), quantity=quantity,
            )
        )  # fmt: skip
        self.tell(
            OrderSubmitting(
                at=at, order_id=order, cause=1, intent_id=intent.intent_id, strategy=strategy,
                symbol=ALPHA, side=side, kind=OrderKind.LIMIT, quantity=quantity,
                limit_price=price, cancel_at=at,
            )
        )  # fmt: skip
        self.tell(
            OrderFilled(
                at=at, order_id=order, fill_id=fill_id(order, quantity), strategy=strategy,
                symbol=ALPHA, side=side, quantity=quantity, price=price, amount=price * quantity,
                cumulative_quantity=quantity, fee=0, tax=0, source=FillSource.NOTICE,
            )
        )  # fmt: skip
        self.tell(
            OrderClosed(
                at=at, order_id=order, state=OrderState.FILLED, filled_quantity=quantity,
                reason="filled",
            )
        )  # fmt: skip


def crossover(*allocations: OpeningAllocation, **entry: int) -> Told:
    settings = {"fast": 2, "slow": 3, "entry": entry or {"shares": 10}}
    return Told(sma_from_session(opened(allocations, sma=settings)))


def test_the_crossover_enters_above_and_leaves_when_no_longer_above() -> None:
    told = crossover()
    assert told.bar(0, 10_000) == told.bar(1, 10_010) == []
    (entry,) = told.bar(2, 10_020)
    assert (entry.kind, entry.quantity, entry.urgency) == (IntentKind.ENTER, 10, Urgency.NORMAL)
    assert (entry.reference_price, entry.limit_price, entry.protective_stop) == (
        10_020, 10_220, 8_010,
    )  # fmt: skip
    assert entry.intent_id == "20250915-SMA-900010-E1"
    told.filled(entry, 10_030)
    assert told.bar(3, 10_030) == []
    (leave,) = told.bar(4, 9_900)
    assert (leave.kind, leave.quantity, leave.urgency) == (IntentKind.EXIT, 10, Urgency.HIGH)
    assert (leave.intent_id, leave.attempt) == ("20250915-SMA-900010-X1", 1)
    told.filled(leave, 9_900)
    (again,) = [*told.bar(5, 9_950), *told.bar(6, 10_100)]
    assert again.intent_id == "20250915-SMA-900010-E2"


def test_the_crossover_asks_once_at_a_time_and_again_after_a_refusal() -> None:
    told = crossover()
    told.bar(0, 10_000)
    told.bar(1, 10_010)
    (entry,) = told.bar(2, 10_020)
    assert told.bar(3, 10_030) == []
    told.tell(
        IntentRejected(
            at=entry.at, cause=1, intent_id=entry.intent_id, strategy=entry.strategy, symbol=ALPHA,
            checks=(), rejected_by="orderable_cash", reason="no cash",
        )
    )  # fmt: skip
    assert [each.intent_id for each in told.bar(4, 10_040)] == ["20250915-SMA-900010-E2"]


def test_the_crossover_begins_with_the_bars_of_earlier_sessions_and_the_shares_it_holds() -> None:
    held = OpeningAllocation(StrategyId("SMA"), ALPHA, 7, 70_000, 8_000)
    told = crossover(held)
    bars = tuple(Bar(place, 10_000, 10_000, 10_000, 10_000, 1) for place in range(3))
    told.tell(BarHistory(at=HOURS.auction_from, symbol=ALPHA, trading_date=DAY, bars=bars))
    (leave,) = told.bar(0, 9_990)
    assert (leave.kind, leave.quantity) == (IntentKind.EXIT, 7)


def test_the_crossover_orders_nothing_from_the_closing_auction_on() -> None:
    told = crossover()
    told.bar(0, 10_000)
    told.bar(1, 10_010)
    assert told.bar(379, 10_020) == []
    assert told.bar(380, 10_040, at=HOURS.close_at) == []


def test_an_entry_by_won_buys_what_they_pay_for() -> None:
    told = crossover(won=1_000_000)
    told.bar(0, 10_000)
    told.bar(1, 10_010)
    assert [each.quantity for each in told.bar(2, 10_020)] == [99]


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationMissing):
        sma_from_session(opened())
    for settings in ({"fast": 3, "slow": 3}, {"fast": 1, "slow": 2, "typo": 1}):
        with pytest.raises(InvalidSettings):
            sma_from_session(opened(sma=settings))
    with pytest.raises(InvalidSettings):
        vwap_from_session(opened(vwap={"symbol": ALPHA, "window": 0}))
    with pytest.raises(InvalidSettings):
        vwap_from_session(opened(vwap={"symbol": ALPHA, "entry": {"shares": 1, "won": 1}}))


WINDOW, PAUSE = 4, 6
COLUMNS = st.lists(
    st.tuples(
        st.integers(9_990, 10_010),
        st.integers(1, 9),
        st.sampled_from([Aggressor.BUY, Aggressor.SELL, Aggressor.NONE]),
    ),
    min_size=1,
    max_size=60,
)


def imbalance(margin: int = 100, *held: OpeningAllocation) -> Told:
    settings = VwapSettings(symbol=ALPHA, window=WINDOW, pause=PAUSE, margin_per_mille=margin)
    return Told(VwapImbalance(opened(held), settings))


def frames(
    trades: Sequence[tuple[int, int, Aggressor]], begin: int = HOURS.open_at
) -> list[TradeFrame]:
    volume = value = 0
    found = []
    for place, (price, quantity, side) in enumerate(trades):
        volume += quantity
        value += price * quantity
        trade = Trade(begin + place, price, quantity, side, volume, value, 0, 0, 0, False)
        found.append(TradeFrame(at=begin + place, symbol=ALPHA, trades=(trade,)))
    return found


def columns(found: Sequence[TradeFrame]) -> Trades:
    trades = [frame.trades[0] for frame in found]

    def of(name: str) -> NDArray[np.int64]:
        return np.array([getattr(trade, name) for trade in trades], np.int64)

    return Trades(
        ALPHA, np.array([frame.at for frame in found], np.int64), of("time"), of("price"),
        of("quantity"), of("aggressor").astype(np.int8), of("auction").astype(np.bool_),
        of("cumulative_volume"), of("cumulative_value"), of("best_ask"), of("best_bid"), found[-1],
    )  # fmt: skip


def state(told: Told) -> tuple[object, ...]:
    strategy = told.strategy
    assert isinstance(strategy, VwapImbalance)
    return strategy._place, strategy._net, strategy._gross, strategy._until_next, strategy._signed


def test_the_imbalance_enters_when_buyers_prevail_above_the_vwap_and_waits_its_pause() -> None:
    told = imbalance()
    rising = [(10_000 + place, 5, Aggressor.BUY) for place in range(30)]
    asked = [told.tell(frame) for frame in frames(rising)]
    places = [place for place, each in enumerate(asked) if each]
    assert places == [WINDOW]
    (entry,) = asked[WINDOW]
    assert (entry.kind, entry.reference_price) == (IntentKind.ENTER, 10_004)
    told.filled(entry, 10_010)
    falling = [(10_030 - place, 5, Aggressor.SELL) for place in range(8)]
    asked = [told.tell(frame) for frame in frames(falling, HOURS.open_at + MINUTE)]
    assert [each[0].kind for each in asked if each] == [IntentKind.EXIT]


@given(
    trades=COLUMNS,
    margin=st.integers(0, 500),
    held=st.booleans(),
    begin=st.sampled_from([HOURS.open_at - 20, HOURS.open_at, HOURS.closing_auction_at - 20]),
)
def test_scanned_trades_leave_the_state_of_handled_ones_and_would_have_had_no_output(
    trades: list[tuple[int, int, Aggressor]], margin: int, held: bool, begin: int
) -> None:
    shares = OpeningAllocation(StrategyId("VWAP"), ALPHA, 5, 50_000)
    slow, fast = (imbalance(margin, *([shares] if held else [])) for _ in range(2))
    assert isinstance(fast.strategy, Scanning)
    assert fast.strategy.may_scan(ALPHA)
    assert not fast.strategy.may_scan(Symbol("000000"))
    told = frames(trades, begin)
    place = 0
    while place < len(told):
        taken = fast.strategy.scan(columns(told[place:]))
        for frame in told[place : place + taken]:
            assert slow.tell(frame) == []
            slow.sequence = fast.sequence
        place += taken
        assert state(slow) == state(fast)
        if place < len(told):
            assert slow.tell(told[place]) == fast.tell(told[place])
            assert state(slow) == state(fast)
            place += 1
