"""A recorded day bridged into trades and books: spared deciders say what those say that see all."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events import Delivery, Event, StrategyId, calendar
from events.market import (
    ClockTick,
    DailyHistory,
    IndexLevel,
    PhaseChanged,
    ProgramFlow,
    QuoteFrame,
    SessionOpened,
    SymbolReference,
    Trade,
    TradeFrame,
)
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import MarketBook, MarketTrade
from kis_gateway.simulator.market import IndexPrint, ProgramPrint, RecordedMarket
from tests.made_up_day import deciders
from tests.risk.scenario import CONFIGURATION
from tests.sparing import Sparing, state_of
from tests.strategies import days

SECOND = 1_000_000_000
DAY = date(2025, 9, 15)


def recorded_day(folder: Path) -> list[Event]:
    """Return the opening of a real session and what six of its issues did."""
    market = RecordedMarket(folder, DAY, 6, trades_per_bar=4)
    session = market.session
    at = session.auction_from - 60 * SECOND
    configuration = {"kmp": days.mapping(), "oms": CONFIGURATION}
    opened = SessionOpened(
        at=at,
        trading_date=session.trading_date,
        open_at=session.open_at,
        closing_auction_at=session.closing_auction_at,
        close_at=session.close_at,
        cash=100_000_000,
        equity=100_000_000,
        allocations=(),
        configuration={
            name: msgspec.json.encode(each).decode() for name, each in configuration.items()
        },
        code_version="test",
    )
    before: list[Event] = [
        opened,
        UniverseSelected(
            at=at,
            trading_date=session.trading_date,
            strategy=StrategyId("KMP"),
            symbols=tuple(each.symbol for each in market.listings),
            sectors=dict(market.sectors),
            source="test",
        ),
    ]
    for each in market.listings:
        before.append(
            SymbolReference(
                at=at,
                symbol=each.symbol,
                trading_date=session.trading_date,
                name=each.name,
                market=each.board.value,
                base_price=each.base_price,
                lower_limit=each.lower_limit,
                upper_limit=each.upper_limit,
                status_code="00",
            )
        )
        bars = market.daily_history(each.symbol)[-90:]
        before.append(
            DailyHistory(at=at, symbol=each.symbol, trading_date=session.trading_date, bars=bars)
        )
    during = list(_market_events(market))
    for instant in range(session.auction_from, session.close_at + 60 * SECOND, SECOND):
        during.append(ClockTick(at=instant, phase=session.phase(instant)))
        if instant in (session.open_at, session.closing_auction_at, session.close_at):
            phase = session.phase(instant)
            during.append(PhaseChanged(at=instant, trading_date=session.trading_date, phase=phase))
    during.sort(key=lambda event: event.at)
    return before + during


def _market_events(market: RecordedMarket) -> Any:
    totals: dict[str, tuple[int, int]] = {}
    best: dict[str, tuple[int, int]] = {}
    for item in market.commands():
        if isinstance(item, MarketTrade):
            volume, value = totals.get(item.symbol, (0, 0))
            volume, value = volume + item.quantity, value + item.quantity * item.price
            totals[item.symbol] = volume, value
            ask, bid = best.get(item.symbol, (0, 0))
            trade = Trade(
                item.at // SECOND * SECOND,
                item.price,
                item.quantity,
                item.aggressor,
                volume,
                value,
                ask,
                bid,
                0,
                item.auction,
            )
            yield TradeFrame(at=item.at, symbol=item.symbol, trades=(trade,))
        elif isinstance(item, MarketBook):
            asks, bids = item.asks, item.bids
            best[item.symbol] = (asks[0][0] if asks else 0, bids[0][0] if bids else 0)
            yield QuoteFrame(
                at=item.at,
                symbol=item.symbol,
                time=item.at,
                ask_prices=tuple(price for price, _ in asks),
                ask_quantities=tuple(shares for _, shares in asks),
                bid_prices=tuple(price for price, _ in bids),
                bid_quantities=tuple(shares for _, shares in bids),
            )
        elif isinstance(item, IndexPrint):
            yield IndexLevel(
                at=item.at,
                index=item.index,
                time=item.at,
                centipoints=item.centipoints,
                previous_close_centipoints=market.index_history(item.index)[-1].close,
            )
        elif isinstance(item, ProgramPrint):
            yield ProgramFlow(
                at=item.at,
                market=item.market,
                time=item.at,
                cumulative_net_value=item.cumulative_net_value,
            )


@pytest.mark.market_data
def test_a_recorded_day_gives_the_same_whatever_is_spared(krx_data: Path) -> None:
    """By strategy, gate, guard and router; KMP's count of every gate included."""
    events = recorded_day(krx_data / "krx_minute")
    log = [Delivery(sequence, event) for sequence, event in enumerate(events, start=1)]
    opened = events[0]
    assert isinstance(opened, SessionOpened)
    symbols = sorted({event.symbol for event in events if isinstance(event, TradeFrame)})
    for name in ("kmp", "gate", "guard", "router"):
        whole, spared = deciders(opened)[name], deciders(opened)[name]
        said = {}
        for delivery in log:
            outputs = tuple(whole.handle(delivery))
            if outputs:
                said[delivery.sequence] = outputs
        sparing = Sparing(spared, symbols, random.Random(20250915))
        sparing.run(log)
        assert sparing.outputs == said
        assert state_of(spared) == state_of(whole)
        assert sparing.rows_spared > len(log) // 5
    assert calendar.trading_date(DAY) == opened.trading_date
