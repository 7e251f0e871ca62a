"""How the fields of real-time records are read: codes, amounts, decimals, times.

What always holds: a value that cannot be what its column says is a ``ValueError``. What repeats
from frame to frame (codes, prices, quantities, the second of the day) is read once and kept, in
bounded memory: a look-up costs half of reading a number.
"""

from __future__ import annotations

from datetime import date as calendar_date
from typing import Final

from events import Symbol

LARGEST: Final = 1 << 60
"""No price, quantity or value reaches this: 64-bit readers of the log must be able to hold it."""

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_KST: Final = 9 * 3_600 * _SECOND  # no daylight saving in Korea since 1988
_EPOCH: Final = calendar_date(1970, 1, 1).toordinal()
_FIRST_YEAR: Final = 1990
_LAST_YEAR: Final = 2200
"""Instants of years far off do not fit the log's 64 bits."""

_KEPT_AMOUNTS: Final = 50_000
_KEPT_CODES: Final = 10_000
_UNSET: Final = ("", "(null)")
_FALLING: Final = ("4", "5")


class Amounts(dict[str, int]):
    """Prices and quantities by their text; an empty one is 0, a negative one an error."""

    __slots__ = ()

    def __missing__(self, text: str) -> int:
        """Read a text not met before."""
        value = int(text) if text else 0
        if not 0 <= value < LARGEST:
            raise ValueError(f"{value} is no price or quantity")
        if len(self) >= _KEPT_AMOUNTS:
            self.clear()
        self[text] = value
        return value


class Codes(dict[str, Symbol]):
    """Issue codes that have been found plausible."""

    __slots__ = ()

    def __missing__(self, text: str) -> Symbol:
        """Check a code not met before: six characters, ETN seven."""
        if len(text) not in (6, 7) or not (text.isascii() and text.isalnum()):
            raise ValueError(f"{text[:12]!r} stands where an issue code belongs")
        if len(self) >= _KEPT_CODES:
            self.clear()
        symbol = self[text] = Symbol(text)
        return symbol


class Clock:
    """KST dates and times as ns UTC; remembers the last of each, which most records share."""

    __slots__ = ("_clock", "_date", "_day_ends", "_midnight", "_since", "_today")

    def __init__(self) -> None:
        # Not "": a blank field is no time, and must not pass for the one remembered.
        self._date: str | None = None
        self._clock: str | None = None
        self._midnight = self._since = 0
        self._today = self._day_ends = 0

    def on_date(self, date: str, clock: str) -> int:
        """Return ns UTC of a KST business date (YYYYMMDD) and HHMMSS."""
        if date != self._date:
            self._midnight = _midnight(date)
            self._date = date
        if clock != self._clock:
            self._since = _since_midnight(clock)
            self._clock = clock
        return self._midnight + self._since

    def today(self, clock: str, received: int) -> int:
        """Return ns UTC of HHMMSS on the KST date of receipt: most records carry no date."""
        if not self._today <= received < self._day_ends:
            self._today = received - (received + _KST) % _DAY
            self._day_ends = self._today + _DAY
        if clock != self._clock:
            self._since = _since_midnight(clock)
            self._clock = clock
        return self._today + self._since


def amount(text: str) -> int:
    """Return a price, quantity or value: an integer from 0."""
    value = int(text)
    if not 0 <= value < LARGEST:
        raise ValueError(f"{value} is no price or quantity")
    return value


def signed(text: str) -> int:
    """Return an integer of either sign."""
    value = int(text)
    if not -LARGEST < value < LARGEST:
        raise ValueError(f"{value} is out of range")
    return value


def hundredths(text: str) -> int:
    """Return a decimal of up to two places in hundredths: ``2731.46`` → 273146. Exact."""
    whole, _, places = text.strip().partition(".")
    kept = places.rstrip("0")
    digits = f"{whole.lstrip('+-')}{places}"
    if len(kept) > 2 or not (digits.isascii() and digits.isdigit()):
        raise ValueError(f"{text[:24]!r} is no decimal of two places")
    return signed(f"{whole}{kept:0<2}")


def change(sign: str, text: str) -> int:
    """Return a change in hundredths. Some of KIS's are signed, some rely on the sign code.

    Codes 4 (lower limit) and 5 (down) are falls.
    """
    value = hundredths(text)
    return -abs(value) if sign in _FALLING else value


def unset(text: str) -> str:
    """Return a text, empty when KIS writes ``(null)``."""
    return "" if text in _UNSET else text


def yes(text: str) -> bool:
    """Return a Y/N flag; not set is no."""
    if text == "Y":
        return True
    if text == "N" or text in _UNSET:
        return False
    raise ValueError(f"{text[:12]!r} is neither Y nor N")


def index_code(text: str) -> str:
    """Return an index code: four digits."""
    if len(text) != 4 or not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text[:12]!r} stands where an index code belongs")
    return text


def _since_midnight(clock: str) -> int:
    if len(clock) != 6:
        raise ValueError(f"{clock[:12]!r} is no HHMMSS")
    value = int(clock)
    hours, minutes, seconds = value // 10_000, value // 100 % 100, value % 100
    if not (0 <= hours < 24 and minutes < 60 and seconds < 60):
        raise ValueError(f"{clock!r} is no HHMMSS")
    return (hours * 3_600 + minutes * 60 + seconds) * _SECOND


def _midnight(date: str) -> int:
    """Return ns UTC of midnight KST of YYYYMMDD."""
    if len(date) != 8:
        raise ValueError(f"{date[:12]!r} is no YYYYMMDD")
    year = int(date[:4])
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise ValueError(f"{date!r} is no business date")
    day = calendar_date(year, int(date[4:6]), int(date[6:]))
    return (day.toordinal() - _EPOCH) * _DAY - _KST
