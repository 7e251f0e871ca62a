"""Venues, markets and indices as KIS codes them in the parameters of inquiries."""

from __future__ import annotations

from typing import Final

from events.market import Venue
from kis_gateway.errors import InquiryFailed

VENUES: Final = {Venue.KRX: "J", Venue.NXT: "NX", Venue.UNIFIED: "UN"}
"""``FID_COND_MRKT_DIV_CODE`` of an issue."""

INDICES: Final = {
    "KOSPI": "0001",
    "KOSDAQ": "1001",
    "KOSPI200": "2001",
    "KOSDAQ150": "3003",
    "KRX100": "4001",
}
"""Indices by name; sectors are given by their four digits."""

_LETTERS: Final = {"KOSPI": "K", "KOSDAQ": "Q"}
_SHORT_NAMES: Final = {"KOSPI": "KSP", "KOSDAQ": "KSQ"}
ALL_ISSUES: Final = "0000"


def index_code(call: str, index: str) -> str:
    """Return the code of an index by its name or of a sector by its four digits.

    Raises:
        InquiryFailed: it is neither.
    """
    if len(index) == 4 and index.isascii() and index.isdecimal():
        return index
    return _look_up(call, index, INDICES)


def index_or_all(call: str, index: str | None) -> str:
    """Return the code of an index whose issues are meant, that of all issues for ``None``."""
    return ALL_ISSUES if index is None else index_code(call, index)


def market_letter(call: str, market: str) -> str:
    """Return ``K`` for ``KOSPI`` and ``Q`` for ``KOSDAQ``.

    Raises:
        InquiryFailed: it is neither.
    """
    return _look_up(call, market, _LETTERS)


def market_short_name(call: str, market: str) -> str:
    """Return ``KSP`` for ``KOSPI`` and ``KSQ`` for ``KOSDAQ``.

    Raises:
        InquiryFailed: it is neither.
    """
    return _look_up(call, market, _SHORT_NAMES)


def _look_up(call: str, name: str, codes: dict[str, str]) -> str:
    if name not in codes:
        raise InquiryFailed(call, "UNKNOWN", f"{name!r} is none of {', '.join(codes)}")
    return codes[name]
