"""How figures are written in a report, in one place so that a figure reads the same everywhere.

Won with thousands separated, percent, KST. What always holds: a minus is a minus sign (U+2212), a
figure that does not exist is an en dash and never a zero.
"""

from __future__ import annotations

from typing import Final

from events import TradingDate
from events.calendar import kst

NOTHING: Final = "–"
_MINUS: Final = "\N{MINUS SIGN}"
_SECOND: Final = 1_000_000_000


def won(amount: float | None, *, signed: bool = False) -> str:
    """Return an amount in won: ``₩1,234,567``, with ``signed`` also ``+₩1,234,567``."""
    if amount is None:
        return NOTHING
    whole = round(amount)
    return f"{_sign(whole, signed)}₩{abs(whole):,}"


def count(number: float | None, digits: int = 0, *, signed: bool = False) -> str:
    """Return a number with thousands separated and so many decimals."""
    if number is None or number != number:  # noqa: PLR0124 - not a number
        return NOTHING
    if abs(number) == float("inf"):
        return f"{_sign(number, signed)}∞"
    shown = f"{abs(number):,.{digits}f}"
    return f"{_sign(number if shown.strip('0.,') else 0, signed)}{shown}"


def percent(fraction: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """Return a fraction as percent: ``0.1234`` is ``12.34%``."""
    if fraction is None or fraction != fraction:  # noqa: PLR0124 - not a number
        return NOTHING
    return f"{count(fraction * 100, digits, signed=signed)}%"


def instant(at: int) -> str:
    """Return the KST date and time of an instant (ns UTC), en dash for 0."""
    return f"{kst(at):%Y-%m-%d %H:%M:%S}" if at else NOTHING


def session(on: TradingDate) -> str:
    """Return a session's date as ``2025-09-15``."""
    return f"{on[:4]}-{on[4:6]}-{on[6:]}"


def many(number: int, what: str) -> str:
    """Return how many of what, in the plural where it is not one: ``3 sessions``, ``1 trade``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def duration(nanoseconds: float | None) -> str:
    """Return a length of time in the two largest units that it has: ``3 d 4 h``, ``12 min 5 s``."""
    if nanoseconds is None:
        return NOTHING
    left = round(nanoseconds / _SECOND)
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"


def _sign(number: float, signed: bool) -> str:
    if number < 0:
        return _MINUS
    return "+" if signed and number > 0 else ""
