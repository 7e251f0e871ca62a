"""What deciders are told before the open, as the gateway tells it: universes, terms, histories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from events import StrategyId, Symbol
from events.calendar import TradingSession
from events.event import Event
from events.market import Bar, DailyHistory, IndexLevel, SymbolReference
from events.signal import UniverseSelected
from kis_gateway.simulator.exchange import Listing

UNDESIGNATED = "00"
"""Status code of an issue without an exchange designation."""


def opening_events(
    *,
    session: TradingSession,
    listings: Sequence[Listing],
    daily: Mapping[Symbol, tuple[Bar, ...]],
    previous_closes: Mapping[str, int],
    strategies: Sequence[StrategyId],
    universe: Sequence[Symbol],
    source: str,
) -> tuple[Event, ...]:
    """Return the events in the gateway's order, all at the beginning of the opening auction.

    Every strategy may trade all of ``universe``; ``listings`` may hold more (what is carried from
    another day). ``daily`` holds the bars by symbol, ``previous_closes`` hundredths of a point by
    index.
    """
    at, day = session.auction_from, session.trading_date
    sectors = {each.symbol: each.sector for each in listings if each.symbol in set(universe)}
    events: list[Event] = [
        UniverseSelected(
            at=at,
            strategy=strategy,
            trading_date=day,
            symbols=tuple(universe),
            sectors=sectors,
            source=source,
        )
        for strategy in strategies
    ]
    events += [
        SymbolReference(
            at=at,
            symbol=each.symbol,
            trading_date=day,
            name=each.name,
            market=each.board.value,
            base_price=each.base_price,
            lower_limit=each.lower_limit,
            upper_limit=each.upper_limit,
            status_code=UNDESIGNATED,
            nxt=each.nxt,
        )
        for each in listings
    ]
    events += [
        DailyHistory(at=at, symbol=each.symbol, trading_date=day, bars=daily[each.symbol])
        for each in listings
    ]
    events += [
        IndexLevel(
            at=at,
            index=index,
            time=at,
            centipoints=close,
            previous_close_centipoints=close,
        )
        for index, close in previous_closes.items()
    ]
    return tuple(events)
