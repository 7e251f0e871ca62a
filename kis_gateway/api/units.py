"""The units in which KIS writes its fields, as annotations of the records that are read from them.

    price: Annotated[int, Won("stck_prpr")]

says: our ``price`` is KIS's ``stck_prpr``, in won. Which multiple of the unit KIS uses there
(won, million won, thousand shares) is in the protocol tables and not repeated: a ``Won`` is always
counted in won, a ``Shares`` in shares. A field whose unit in the protocol is another one than
declared is refused when the record is compiled, that is at import.

In a name ``@`` stands for the name given to ``Named`` and ``#`` for the place in a list; spellings
parted by ``|`` are alternatives, of which an answer has one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar, Final

import msgspec

from events import TradingDate

Parse = Callable[[str], Any]
"""Turns a text that is not blank into its value; ``ValueError`` when it cannot be one."""

NEGATIVE_SIGNS: Final = frozenset({"4", "5"})
"""Lower limit and falling; 1, 2 and 3 are upper limit, rising and unchanged (``*_sign``)."""

_LARGEST: Final = 1 << 62
_MOST_DIGITS: Final = 20


class Unit(msgspec.Struct, frozen=True):
    """What a field holds. ``times`` makes it a list whose places are counted from 1."""

    name: str
    times: int = 0

    protocol_units: ClassVar[Mapping[str, int]] = {}
    """Units of the protocol tables that this unit covers, with their factor."""
    python: ClassVar[type] = str
    wanted: ClassVar[str] = "a text"

    def parser(self, factor: int) -> Parse:
        """Return what reads a text."""
        raise NotImplementedError


class Amount(Unit, frozen=True):
    """A number. Unsigned ones have their ``sign`` in a field of its own (1-5)."""

    sign: str = ""

    python: ClassVar[type] = int
    wanted: ClassVar[str] = "a whole number"

    def parser(self, factor: int) -> Parse:
        """Return what reads a number that is whole after multiplication by ``factor``."""

        def parse(text: str) -> int:
            value = _decimal(text) * factor
            if value != value.to_integral_value():
                raise ValueError(text)
            return int(value)

        return parse


class Won(Amount, frozen=True):
    """Won."""

    protocol_units: ClassVar[Mapping[str, int]] = {
        "won": 1,
        "ten_thousand_won": 10_000,
        "million_won": 1_000_000,
        "hundred_million_won": 100_000_000,
    }


class Shares(Amount, frozen=True):
    """Shares."""

    protocol_units: ClassVar[Mapping[str, int]] = {"shares": 1, "thousand_shares": 1_000}


class Count(Amount, frozen=True):
    """A number of things, or a place in a ranking."""

    protocol_units: ClassVar[Mapping[str, int]] = {"count": 1, "rank": 1, "": 1}


class Hundredths(Amount, frozen=True):
    """Hundredths of what KIS writes with decimals; finer ones are rounded, halves to even."""

    wanted: ClassVar[str] = "a number"

    def parser(self, factor: int) -> Parse:
        """Return what reads a number as hundredths."""
        return lambda text: round(_decimal(text) * factor * 100)


class Centiwon(Hundredths, frozen=True):
    """Hundredths of a won: average prices and net asset values (10,251.37 → 1025137)."""

    protocol_units: ClassVar[Mapping[str, int]] = {"won": 1}


class Centipoints(Hundredths, frozen=True):
    """Hundredths of an index point (2,731.46 → 273146)."""

    protocol_units: ClassVar[Mapping[str, int]] = {"points": 1}


class Percent(Amount, frozen=True):
    """Percent: 1.25 is 1.25 %."""

    protocol_units: ClassVar[Mapping[str, int]] = {"percent": 1}
    python: ClassVar[type] = float
    wanted: ClassVar[str] = "a number"

    def parser(self, factor: int) -> Parse:
        """Return what reads a number."""
        return lambda text: float(_decimal(text))


class Multiple(Percent, frozen=True):
    """How many times one number is another: price to earnings, price to book."""

    protocol_units: ClassVar[Mapping[str, int]] = {"times": 1}


class Text(Unit, frozen=True):
    """A text or code, without the blanks around it; empty when KIS leaves it blank."""

    protocol_units: ClassVar[Mapping[str, int]] = {"": 1}

    def parser(self, factor: int) -> Parse:
        """Return what takes the blanks away."""
        return str.strip


class Verbatim(Text, frozen=True):
    """A number or code that is sent back to KIS exactly as it came."""

    def parser(self, factor: int) -> Parse:
        """Return the identity."""
        return str


class Flag(Unit, frozen=True):
    """Yes or no."""

    protocol_units: ClassVar[Mapping[str, int]] = {"": 1}
    python: ClassVar[type] = bool
    wanted: ClassVar[str] = "Y or N"

    def parser(self, factor: int) -> Parse:
        """Return what reads ``Y`` and ``N``."""

        def parse(text: str) -> bool:
            if (letter := text.strip().upper()) not in ("Y", "N"):
                raise ValueError(text)
            return letter == "Y"

        return parse


class Choice(Unit, frozen=True):
    """One of several codes, given as what they mean."""

    choices: Mapping[str, object] = {}

    protocol_units: ClassVar[Mapping[str, int]] = {"": 1}
    wanted: ClassVar[str] = "one of its codes"

    def parser(self, factor: int) -> Parse:
        """Return what looks a code up."""

        def parse(text: str) -> object:
            if (code := text.strip()) not in self.choices:
                raise ValueError(text)
            return self.choices[code]

        return parse


class Day(Unit, frozen=True):
    """A date in Korea, ``yyyymmdd``."""

    protocol_units: ClassVar[Mapping[str, int]] = {"": 1}
    wanted: ClassVar[str] = "a date YYYYMMDD"

    def parser(self, factor: int) -> Parse:
        """Return what reads a date."""

        def parse(text: str) -> TradingDate:
            label = text.strip()
            if len(label) != 8:
                raise ValueError(text)
            datetime.strptime(label, "%Y%m%d")  # noqa: DTZ007 - a KST date
            return TradingDate(label)

        return parse


class At(Unit, frozen=True):
    """An instant, ns UTC, from a KST time of day and a date.

    ``day`` names the field of the date; without one it is the date of the inquiry.
    """

    day: str = ""

    protocol_units: ClassVar[Mapping[str, int]] = {"": 1}
    python: ClassVar[type] = int
    wanted: ClassVar[str] = "a time of day HHMMSS"


class Named(Unit, frozen=True):
    """A record inside a record whose field names contain this ``name`` in place of ``@``."""


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text.strip())
    except InvalidOperation as error:
        raise ValueError(text) from error
    # The exponent first: arithmetic on a number like 1e999999 is an error of its own.
    if not value.is_finite() or value.adjusted() > _MOST_DIGITS or abs(value) >= _LARGEST:
        raise ValueError(text)
    return value
