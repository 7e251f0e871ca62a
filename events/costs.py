"""What a trade costs: broker fee and, for sells, transaction tax, by date and market. Won.

Tax rates include the 0.15 % rural tax of KOSPI and follow the settlement date, which is two
business days after the trade: trades of a year's last two sessions carry the next year's rate. The
caller passes that date. Sources: Securities Transaction Tax Act and its decrees, 2019-06-03 on.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from events.prices import Board

DEFAULT_FEE_PER_MILLION: Final = 150
"""Broker fee in won per million won traded, each side (0.015 %)."""

# (from settlement date, won of tax per million won of proceeds); KOSPI and KOSDAQ are alike.
_TAX_PER_MILLION: Final[tuple[tuple[date, int], ...]] = (
    (date.min, 3_000),
    (date(2019, 6, 3), 2_500),
    (date(2021, 1, 1), 2_300),
    (date(2023, 1, 1), 2_000),
    (date(2024, 1, 1), 1_800),
    (date(2025, 1, 1), 1_500),
    (date(2026, 1, 1), 2_000),
)


def fee(amount: int, per_million: int = DEFAULT_FEE_PER_MILLION) -> int:
    """Return the broker fee for a traded ``amount``, both won, fractions of a won cut off."""
    return amount * per_million // 1_000_000


def sell_tax(amount: int, board: Board, settled_on: date) -> int:
    """Return the transaction tax on sale proceeds ``amount``, both won, fractions cut off.

    ETF and ETN pay none.
    """
    if board is Board.FUND:
        return 0
    rate = next(rate for start, rate in reversed(_TAX_PER_MILLION) if settled_on >= start)
    return amount * rate // 1_000_000
