"""Rankings of issues by volume, size and change, and issues at a price limit. Real accounts only.

KIS gives the top 30 of each; the conditions narrow what is ranked.
"""

from __future__ import annotations

from typing import Final, Literal

from events.market import Venue
from kis_gateway.api.caller import Caller, Many
from kis_gateway.api.markets import VENUES, index_or_all
from kis_gateway.api.records.rankings import ChangeRank, LimitPriceIssue, MarketCapRank, VolumeRank
from kis_gateway.errors import InquiryFailed

_VOLUME: Final = Many("volume-rank", VolumeRank)
_MARKET_CAP: Final = Many("market-cap", MarketCapRank)
_CHANGE: Final = Many("fluctuation", ChangeRank)
_AT_LIMIT: Final = Many("capture-uplowprice", LimitPriceIssue)

_SHARES: Final = {"all": "0", "common": "1", "preferred": "2"}
_BY: Final = {
    "volume": "0",
    "volume growth": "1",
    "turnover": "2",
    "value": "3",
    "value turnover": "4",
}
_CHANGES: Final = {
    "rising": "0",
    "falling": "1",
    "rising from open": "2",
    "falling from open": "3",
}
_DISTANCES: Final = {0: "0", 8: "6", 10: "5", 15: "1", 20: "2", 25: "3"}
_EVERY_MARGIN: Final = "1" * 9
_NO_EXCLUSION: Final = "0" * 10
_LIMIT_SCREEN: Final = "11300"

Shares = Literal["all", "common", "preferred"]


class Rankings:
    """Inquiries for rankings. All raise ``InquiryFailed``.

    ``lowest_price`` and ``highest_price`` (won) and ``least_volume`` (shares) are conditions.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def by_volume(
        self,
        by: Literal["volume", "volume growth", "turnover", "value", "value turnover"] = "volume",
        *,
        index: str | None = None,
        shares: Shares = "all",
        lowest_price: int | None = None,
        highest_price: int | None = None,
        least_volume: int | None = None,
        venue: Venue = Venue.KRX,
    ) -> tuple[VolumeRank, ...]:
        """Return the issues with the most volume, or its growth, turnover or value."""
        return await self._caller.many(
            _VOLUME,
            {
                "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                "FID_INPUT_ISCD": index_or_all(_VOLUME.form.name, index),
                "FID_DIV_CLS_CODE": _SHARES[shares],
                "FID_BLNG_CLS_CODE": _BY[by],
                "FID_TRGT_CLS_CODE": _EVERY_MARGIN,
                "FID_TRGT_EXLS_CLS_CODE": _NO_EXCLUSION,
                **_conditions(lowest_price, highest_price, least_volume),
            },
        )

    async def by_market_cap(
        self,
        *,
        index: str | None = None,
        shares: Shares = "all",
        lowest_price: int | None = None,
        highest_price: int | None = None,
        least_volume: int | None = None,
        venue: Venue = Venue.KRX,
    ) -> tuple[MarketCapRank, ...]:
        """Return the largest issues."""
        return await self._caller.many(
            _MARKET_CAP,
            {
                "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                "FID_INPUT_ISCD": index_or_all(_MARKET_CAP.form.name, index),
                "FID_DIV_CLS_CODE": _SHARES[shares],
                "FID_TRGT_CLS_CODE": "0",
                "FID_TRGT_EXLS_CLS_CODE": "0",
                **_conditions(lowest_price, highest_price, least_volume),
            },
        )

    async def by_change(
        self,
        change: Literal["rising", "falling", "rising from open", "falling from open"] = "rising",
        *,
        lowest_price: int | None = None,
        highest_price: int | None = None,
        least_volume: int | None = None,
        venue: Venue = Venue.KRX,
    ) -> tuple[ChangeRank, ...]:
        """Return the issues that have risen or fallen most."""
        return await self._caller.many(
            _CHANGE,
            {
                "FID_COND_MRKT_DIV_CODE": VENUES[venue],
                "FID_INPUT_ISCD": index_or_all(_CHANGE.form.name, None),
                "FID_RANK_SORT_CLS_CODE": _CHANGES[change],
                "FID_INPUT_CNT_1": "0",
                "FID_PRC_CLS_CODE": "0",
                "FID_TRGT_CLS_CODE": "0",
                "FID_TRGT_EXLS_CLS_CODE": "0",
                "FID_DIV_CLS_CODE": "0",
                "FID_RSFL_RATE1": "",
                "FID_RSFL_RATE2": "",
                **_conditions(lowest_price, highest_price, least_volume),
            },
        )

    async def at_limit(
        self, *, upper: bool = True, within: int = 0, index: str | None = None
    ) -> tuple[LimitPriceIssue, ...]:
        """Return the issues at their upper or lower limit, or within 8, 10, 15, 20, 25 % of it."""
        if within not in _DISTANCES:
            raise InquiryFailed(
                _AT_LIMIT.form.name, "UNKNOWN", f"{within} % is none of {list(_DISTANCES)}"
            )
        return await self._caller.many(
            _AT_LIMIT,
            {
                "FID_COND_SCR_DIV_CODE": _LIMIT_SCREEN,
                "FID_PRC_CLS_CODE": "0" if upper else "1",
                "FID_DIV_CLS_CODE": _DISTANCES[within],
                "FID_INPUT_ISCD": index_or_all(_AT_LIMIT.form.name, index),
            },
        )


def _conditions(
    lowest_price: int | None, highest_price: int | None, least_volume: int | None
) -> dict[str, str]:
    limits = {
        "FID_INPUT_PRICE_1": lowest_price,
        "FID_INPUT_PRICE_2": highest_price,
        "FID_VOL_CNT": least_volume,
    }
    return {name: "" if value is None else str(value) for name, value in limits.items()}
