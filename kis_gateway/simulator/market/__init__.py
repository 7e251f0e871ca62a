"""What drives the simulated exchange: all other participants of one trading day.

A ``Market`` knows the day's listings, the history before it, and yields everything that happens in
it in order of time: ``RecordedMarket`` from recorded minute bars, ``SyntheticMarket`` from a seed
and no files at all. Both go through the same bridge from bars to trades and order books, so the
bars that come out of the exchange are exactly the bars that went in.

``WholeDayMarket`` puts around either what bars do not tell: indications in the auctions, NXT, and
the sessions before and after the regular one.

    market = SyntheticMarket(date(2025, 9, 15), symbols=30, seed=7)
    for item in market.commands():
        ...
"""

from kis_gateway.simulator.market.bridge import bridge
from kis_gateway.simulator.market.errors import (
    DataExtraMissing,
    MarketDataMissing,
    MarketError,
    NoDataOnDate,
    TooFewSymbols,
    UnknownInstrument,
    UnusableBars,
)
from kis_gateway.simulator.market.market import IndexPrint, Market, MarketItem, ProgramPrint
from kis_gateway.simulator.market.recorded_bars import RecordedMarket
from kis_gateway.simulator.market.synthetic import SyntheticMarket
from kis_gateway.simulator.market.whole_day import WholeDayMarket

__all__ = [
    "DataExtraMissing",
    "IndexPrint",
    "Market",
    "MarketDataMissing",
    "MarketError",
    "MarketItem",
    "NoDataOnDate",
    "ProgramPrint",
    "RecordedMarket",
    "SyntheticMarket",
    "TooFewSymbols",
    "UnknownInstrument",
    "UnusableBars",
    "WholeDayMarket",
    "bridge",
]
