"""The compiled bridge writes what the bridge of the simulated market yields, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from time import process_time

import hypothesis.strategies as st
import msgspec
import numpy as np
import pytest
from hypothesis import example, given

from events.calendar import TradingSession, session
from events.market import Aggressor, Bar
from events.prices import Board, daily_limits
from kis_gateway.simulator.exchange import Listing, MarketBook, MarketTrade
from kis_gateway.simulator.market import RecordedMarket, UnusableBars, bridge
from research.backtest.tape import Kind
from research.datasets.bridging import BridgedRows, bridged, impossible
from research.datasets.session_bars import session_bars
from tests.kis_gateway.exchange_setup import DAY, LISTING, SESSION
from tests.kis_gateway.test_bar_bridge import bar, days, shapes

BEFORE_2023 = date(2022, 11, 16)


def items(found: BridgedRows, listings: Sequence[Listing]) -> list[MarketBook | MarketTrade]:
    """Return compiled rows as the commands that they stand for."""
    commands: list[MarketBook | MarketTrade] = []
    for row in range(len(found.at)):
        at, symbol = int(found.at[row]), listings[found.symbol[row]].symbol
        if found.kind[row] == Kind.BOOK:
            place = found.book[row]
            asks, bids = (
                tuple(
                    (price, quantity)
                    for price, quantity in zip(
                        prices[place].tolist(), quantities[place].tolist(), strict=True
                    )
                    if price
                )
                for prices, quantities in (found.books[:2], found.books[2:])
            )
            commands.append(MarketBook(at=at, symbol=symbol, asks=asks, bids=bids))
        else:
            commands.append(
                MarketTrade(
                    at=at,
                    symbol=symbol,
                    price=int(found.price[row]),
                    quantity=int(found.quantity[row]),
                    aggressor=Aggressor(int(found.aggressor[row])),
                    auction=bool(found.auction[row]),
                )
            )
    return commands


def listed(base: int, board: Board, day: date) -> Listing:
    lower, upper = daily_limits(base, board, day)
    return msgspec.structs.replace(
        LISTING, base_price=base, lower_limit=lower, upper_limit=upper, board=board
    )


def both(
    listing: Listing, bars: Sequence[Bar], hours: TradingSession, trades: int
) -> tuple[list[MarketBook | MarketTrade], list[MarketBook | MarketTrade]]:
    columns = session_bars({listing.symbol: bars})
    found = bridged([listing], columns, hours, trades_per_bar=trades)
    return items(found, [listing]), list(bridge(listing, bars, hours, trades_per_bar=trades))


@given(
    bars=days(),
    trades_per_bar=st.integers(1, 40),
    base=st.sampled_from([1, 7, 2_000, 9_990, 10_000, 49_950, 500_000]),
    board=st.sampled_from(Board),
)
@example(
    bars=[bar(0, (10_003, 12_999, 7_001, 10_002), 4)],
    trades_per_bar=6,
    base=10_000,
    board=Board.KOSPI,
)
def test_rows_are_the_bridges_items(
    bars: list[Bar], trades_per_bar: int, base: int, board: Board
) -> None:
    """Times, prices, quantities, sides and every level, for any bars, ticks and limits."""
    compiled, defined = both(listed(base, board, DAY), bars, SESSION, trades_per_bar)
    assert compiled == defined


@given(shape=shapes(), minute=st.integers(0, 390), board=st.sampled_from(Board))
def test_ticks_of_another_year_are_that_years(
    shape: tuple[int, int, int, int, int], minute: int, board: Board
) -> None:
    """KOSPI, KOSDAQ and funds had tables of their own until 2023."""
    hours = session(BEFORE_2023)
    bars = [Bar(hours.open_at + minute * 60_000_000_000, *shape)]
    compiled, defined = both(listed(10_000, board, BEFORE_2023), bars, hours, 6)
    assert compiled == defined


@pytest.mark.market_data
@pytest.mark.parametrize("day", [date(2025, 9, 15), date(2025, 7, 10), date(2025, 11, 13)], ids=str)
def test_a_recorded_day_is_bridged_the_same(krx_data: Path, day: date) -> None:
    """An ordinary day, one with closing auctions missing, one that opens late."""
    market = RecordedMarket(krx_data / "krx_minute", day, 4)
    bars = session_bars({each.symbol: market.minute_bars(each.symbol) for each in market.listings})
    found = bridged(market.listings, bars, market.session, trades_per_bar=6)
    defined = [
        item
        for each in market.listings
        for item in bridge(each, market.minute_bars(each.symbol), market.session)
    ]
    assert len(defined) > 10_000
    assert items(found, market.listings) == defined


def test_totals_count_the_session_up_to_each_trade() -> None:
    """Shares and won, the row's own trade included; books have none."""
    bars = [
        bar(0, (10_000, 10_000, 10_000, 10_000), 30),
        bar(1, (10_010, 10_010, 10_010, 10_010), 12),
    ]
    found = bridged([LISTING], session_bars({LISTING.symbol: bars}), SESSION, trades_per_bar=3)
    trades = found.kind == Kind.TRADE
    assert found.volume[trades].tolist() == np.cumsum(found.quantity[trades]).tolist()
    assert int(found.volume[trades][-1]) == 42
    assert int(found.value[trades][-1]) == 30 * 10_000 + 12 * 10_010
    assert not found.volume[~trades].any()


@pytest.mark.parametrize(
    "wrong",
    [
        bar(3, (10_000, 10_000, 10_000, 10_000), 0),
        bar(3, (10_000, 10_010, 10_000, 9_990), 50),
        bar(3, (10_000, 10_010, 9_990, 10_000), 2),
        Bar(SESSION.open_at + 5, 10_000, 10_000, 10_000, 10_000, 10),
    ],
    ids=["no volume", "close below low", "fewer shares than turns", "not on the minute"],
)
def test_bars_that_cannot_have_been_traded_are_refused(wrong: Bar) -> None:
    """By name of the issue, and told beforehand by ``impossible``."""
    columns = session_bars({LISTING.symbol: [bar(1, (10_000, 10_000, 10_000, 10_000), 1), wrong]})
    if wrong.start < columns.start[0]:
        columns = columns._replace(start=columns.start[::-1].copy())
    with pytest.raises(UnusableBars, match=LISTING.symbol):
        bridged([LISTING], columns, SESSION, trades_per_bar=6)
    assert impossible(session_bars({LISTING.symbol: [wrong]})).tolist() == [True]


def test_bars_out_of_order_are_refused() -> None:
    """As the bridge refuses them."""
    flat = (10_000, 10_000, 10_000, 10_000)
    columns = session_bars({LISTING.symbol: [bar(2, flat, 9), bar(1, flat, 9)]})
    with pytest.raises(UnusableBars):
        bridged([LISTING], columns, SESSION, trades_per_bar=6)


@pytest.mark.slow
@pytest.mark.market_data
def test_it_is_at_least_fifty_times_faster_than_the_bridge(krx_data: Path) -> None:
    """Both over the same 12 issues of a day, the best of five, in processor time."""
    market = RecordedMarket(krx_data / "krx_minute", date(2025, 9, 15), 12)
    minutes = {each.symbol: market.minute_bars(each.symbol) for each in market.listings}
    columns = session_bars(minutes)

    def defined() -> None:
        for each in market.listings:
            for _ in bridge(each, minutes[each.symbol], market.session):
                pass

    def compiled() -> None:
        bridged(market.listings, columns, market.session, trades_per_bar=6)

    def best(work: object) -> float:
        assert callable(work)
        times = []
        for _ in range(5):
            begun = process_time()
            work()
            times.append(process_time() - begun)
        return min(times)

    compiled()
    assert best(defined) > 50 * best(compiled)
