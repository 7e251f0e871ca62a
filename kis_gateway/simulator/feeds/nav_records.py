"""Net asset value records of exchange-traded funds (H0STNAV0).

The simulated market knows prices, not baskets: a fund's value follows its trades at a premium that
swings slowly within a tenth of a percent, so that value and price are never the same figure.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.wire_formats import percent, sign_of

_PREMIUMS: Final = (0, 5, 9, 10, 8, 3, -3, -8, -10, -9, -5, -1)
"""Premium of the value over the price in hundredths of a percent, by minute."""

_MINUTE: Final = 60_000_000_000


def net_asset_value(price: int, at: int) -> float:
    """Return a fund's value per share at a price and an instant (ns UTC), won."""
    premium = _PREMIUMS[at // _MINUTE % len(_PREMIUMS)]
    return round(price * (1 + premium / 10_000), 2)


class NavRecords:
    """One fund's value of the day so far."""

    def __init__(self) -> None:
        self._open = self._high = self._low = 0.0

    def record(self, records: IssueRecords, at: int) -> str | None:
        """Return the record of the value at an instant; ``None`` before the first trade."""
        if records.last is None:
            return None
        value = net_asset_value(records.last.price, at)
        self._open = self._open or value
        self._high = max(self._high, value)
        self._low = min(self._low or value, value)
        base = records.listing.base_price
        change = value - base
        return (
            f"{records.listing.symbol}^{value:.2f}^{sign_of(round(change * 100))}^{change:.2f}"
            f"^{percent(change, base):.2f}^{self._open:.2f}^{self._high:.2f}^{self._low:.2f}"
        )
