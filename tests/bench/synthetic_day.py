"""A synthetic day in every shape it takes on its way: commands, outcomes, frames, log entries.

The log entries include what a strategy and the risk gate said on that day; every order they let
through is filled at once at its last price, so that positions come and go.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import yaml

from events import Delivery, Event, StrategyId, Symbol, calendar, identifiers
from events.market import (
    ClockTick,
    DailyHistory,
    IndexLevel,
    ProgramFlow,
    SessionOpened,
    SymbolReference,
    TradeFrame,
)
from events.signal import UniverseSelected
from events.trading import (
    FillSource,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentSubmitted,
    OrderAccepted,
    OrderClosed,
    OrderFilled,
    OrderKind,
    OrderState,
    OrderSubmitting,
    Side,
)
from kis_gateway.frames import FrameDecoder
from kis_gateway.simulator import Era
from kis_gateway.simulator.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    BookShown,
    EnterPhase,
    Outcome,
    Printed,
)
from kis_gateway.simulator.feeds.book_records import book_record
from kis_gateway.simulator.feeds.trade_records import IssueRecords, frames_of
from kis_gateway.simulator.market import IndexPrint, MarketItem, ProgramPrint, SyntheticMarket
from risk import gate_from_session
from strategies import kmp_from_session

DAY: Final = date(2025, 9, 15)
SECOND: Final = 1_000_000_000
CONFIGURATION: Final = Path(__file__).parents[2] / "deploy" / "config"


class Handled(NamedTuple):
    """An item of the market and what the exchange said to it."""

    item: MarketItem
    outcomes: Sequence[Outcome]


class Frame(NamedTuple):
    """A frame of the wire and when it was sent."""

    at: int
    text: str


def market(symbols: int) -> SyntheticMarket:
    """Return the day."""
    return SyntheticMarket(DAY, symbols, seed=7)


def exchange(day: SyntheticMarket) -> Exchange:
    """Return an exchange that has not opened yet."""
    return Exchange(day.listings, settled_on=calendar.next_session(DAY, 2))


def frames(day: SyntheticMarket, handled: Sequence[Handled]) -> list[Frame]:
    """Return every trade and every book as the broker sends them, one record in each frame."""
    date_text = calendar.trading_date(DAY)
    records = {
        each.symbol: IssueRecords(each, 1_000_000, date_text, Era.C) for each in day.listings
    }
    texts = []
    place = exchange(day)
    for item, outcomes in handled:
        if isinstance(item, EnterPhase):
            place.handle(item)
        for outcome in outcomes:
            if isinstance(outcome, Printed):
                issue = records[outcome.symbol]
                issue.count(outcome)
                (text,) = frames_of("H0STCNT0", [issue.trade_record(outcome, place.phase)])
                texts.append(Frame(outcome.at, text.decode()))
            elif isinstance(outcome, BookShown):
                issue = records[outcome.symbol]
                issue.show(outcome)
                record = book_record(issue, outcome, place.phase, Era.C)
                texts.append(Frame(outcome.at, f"0|H0STASP0|001|{record}"))
    return texts


def market_events(
    day: SyntheticMarket, handled: Sequence[Handled], sent: Sequence[Frame]
) -> Iterator[Event]:
    """Yield what the gateway would put on the log, a clock tick for every second of the session."""
    session = day.session
    decoder = FrameDecoder("5000000101")
    arriving: list[tuple[int, Event]] = [
        (frame.at, event)
        for frame in sent
        for event in decoder.decode(frame.text, frame.at)
        if isinstance(event, Event)
    ]
    for item, _ in handled:
        if isinstance(item, IndexPrint):
            previous = day.index_history(item.index)[-1].close
            arriving.append(
                (
                    item.at,
                    IndexLevel(
                        at=item.at,
                        index=item.index,
                        time=item.at,
                        centipoints=item.centipoints,
                        previous_close_centipoints=previous,
                    ),
                )
            )
        elif isinstance(item, ProgramPrint):
            arriving.append(
                (
                    item.at,
                    ProgramFlow(
                        at=item.at,
                        market=item.market,
                        time=item.at,
                        cumulative_net_value=item.cumulative_net_value,
                    ),
                )
            )
    arriving += [
        (at, ClockTick(at=at, phase=session.phase(at)))
        for at in range(session.auction_from, session.close_at + 60 * SECOND, SECOND)
    ]
    arriving.sort(key=lambda pair: pair[0])
    yield from (event for _, event in arriving)


def opening(day: SyntheticMarket) -> list[Event]:
    """Return what stands on the log before the market opens."""
    session, at = day.session, day.session.auction_from - SECOND
    shipped = {
        name: yaml.safe_load((CONFIGURATION / f"{name}.yaml").read_text("utf-8"))
        for name in ("kmp", "oms")
    }
    symbols = tuple(listing.symbol for listing in day.listings)
    events: list[Event] = [
        SessionOpened(
            at=at,
            trading_date=session.trading_date,
            open_at=session.open_at,
            closing_auction_at=session.closing_auction_at,
            close_at=session.close_at,
            cash=100_000_000,
            equity=100_000_000,
            allocations=(),
            configuration={
                name: msgspec.json.encode(content).decode() for name, content in shipped.items()
            },
            code_version="bench",
        ),
        UniverseSelected(
            at=at,
            strategy=StrategyId("KMP"),
            trading_date=session.trading_date,
            symbols=symbols,
            sectors=dict(day.sectors),
            source="bench",
        ),
    ]
    for listing in day.listings:
        events.append(
            SymbolReference(
                at=at,
                symbol=listing.symbol,
                trading_date=session.trading_date,
                name=listing.name,
                market=listing.board.value,
                base_price=listing.base_price,
                lower_limit=listing.lower_limit,
                upper_limit=listing.upper_limit,
                status_code="00",
            )
        )
        events.append(
            DailyHistory(
                at=at,
                symbol=listing.symbol,
                trading_date=session.trading_date,
                bars=day.daily_history(listing.symbol),
            )
        )
    return events


def whole_log(day: SyntheticMarket, from_market: Sequence[Event]) -> list[Delivery]:
    """Return the day's log: the market's events with the strategy's and the gate's among them."""
    before = opening(day)
    session = before[0]
    assert isinstance(session, SessionOpened)
    strategy, gate = kmp_from_session(session), gate_from_session(session)
    log: list[Delivery] = []
    intents: dict[str, IntentSubmitted] = {}
    last: dict[Symbol, int] = {}
    for arriving in (*before, *from_market):
        waiting: deque[Event] = deque((arriving,))
        while waiting:
            event = waiting.popleft()
            delivery = Delivery(len(log) + 1, event)
            log.append(delivery)
            if isinstance(event, TradeFrame):
                last[event.symbol] = event.trades[-1].price
            elif isinstance(event, IntentSubmitted):
                intents[event.intent_id] = event
            elif isinstance(event, IntentApproved | IntentModified) and event.quantity:
                waiting += _filled(intents[event.intent_id], event, last[event.symbol], delivery)
            waiting += strategy.handle(delivery)
            waiting += gate.handle(delivery)
    return log


def _filled(
    intent: IntentSubmitted, decision: IntentApproved | IntentModified, price: int, at: Delivery
) -> list[Event]:
    """Return the life of an order that is filled whole at once."""
    order, now = identifiers.order_id(intent.intent_id, 1), decision.at
    side = Side.BUY if intent.kind is IntentKind.ENTER else Side.SELL
    quantity, amount = decision.quantity, decision.quantity * price
    return [
        OrderSubmitting(
            at=now,
            order_id=order,
            cause=at.sequence,
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=side,
            kind=OrderKind.LIMIT,
            quantity=quantity,
            limit_price=price,
            cancel_at=now + 60 * SECOND,
        ),
        OrderAccepted(at=now, order_id=order, broker_order="0000000001", branch="91252"),
        OrderFilled(
            at=now,
            order_id=order,
            fill_id=identifiers.fill_id(order, quantity),
            strategy=intent.strategy,
            symbol=intent.symbol,
            side=side,
            quantity=quantity,
            price=price,
            amount=amount,
            cumulative_quantity=quantity,
            fee=0,
            tax=0,
            source=FillSource.NOTICE,
        ),
        OrderClosed(
            at=now,
            order_id=order,
            state=OrderState.FILLED,
            filled_quantity=quantity,
            reason="filled",
        ),
    ]
