"""What is neither a trade nor a book: expected matches, program trading, market operation, NAV,
indices. A few records a second at most; read record by record.
"""

from __future__ import annotations

from typing import Final

from events import Symbol
from events.market import (
    ExpectedIndexLevel,
    ExpectedMatch,
    IndexLevel,
    MarketOperation,
    NetAssetValue,
    ProgramFlow,
    SymbolProgramFlow,
    Venue,
)
from kis_gateway.broker import FeedMessage
from kis_gateway.feed_names import index_name
from kis_gateway.frames.layouts import Layout
from kis_gateway.frames.reading import Kept, records
from kis_gateway.frames.values import amount, change, hundredths, index_code, signed, unset, yes

_MILLION: Final = 1_000_000


class ExpectedMatchReader:
    """Reads H0STANC0, its twins and H0STOAC0: laid out like trades, about what would trade."""

    __slots__ = ("_kept", "_venue")

    def __init__(self, kept: Kept, venue: Venue) -> None:
        self._kept = kept
        self._venue = venue

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the expected matches of one frame."""
        return tuple(
            ExpectedMatch(
                at=received,
                symbol=self._kept.codes[record[0]],
                time=self._kept.clock.on_date(record[33], record[1]),
                price=amount(record[2]),
                quantity=amount(record[12]),
                cumulative_volume=amount(record[13]),
                cumulative_value=amount(record[14]),
                venue=self._venue,
            )
            for record in records(payload, layout)
        )


class SymbolProgramReader:
    """Reads H0STPGM0 and its twins; shares and won so far today."""

    __slots__ = ("_kept", "_venue")

    def __init__(self, kept: Kept, venue: Venue) -> None:
        self._kept = kept
        self._venue = venue

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the program trading of one frame."""
        return tuple(
            SymbolProgramFlow(
                at=received,
                symbol=self._kept.codes[record[0]],
                time=self._kept.clock.today(record[1], received),
                sold_quantity=amount(record[2]),
                sold_value=amount(record[3]),
                bought_quantity=amount(record[4]),
                bought_value=amount(record[5]),
                waiting_sell_quantity=amount(record[8]),
                waiting_buy_quantity=amount(record[9]),
                venue=self._venue,
            )
            for record in records(payload, layout)
        )


class OperationReader:
    """Reads H0STMKO0 and its twins. The unified record does not name its issue."""

    __slots__ = ("_kept", "_venue")

    def __init__(self, kept: Kept, venue: Venue) -> None:
        self._kept = kept
        self._venue = venue

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the words on the market of one frame."""
        named = self._venue is not Venue.UNIFIED
        return tuple(
            self._operation(
                self._kept.codes[record[0]] if named else Symbol(""),
                record[1:] if named else record,
                received,
            )
            for record in records(payload, layout)
        )

    def _operation(self, symbol: Symbol, record: list[str], received: int) -> MarketOperation:
        halted, reason, code, expected, _, _, designation, interrupted, after_hours = record[:9]
        return MarketOperation(
            at=received,
            symbol=symbol,
            halted=yes(halted),
            reason=unset(reason),
            code=unset(code),
            expected_code=unset(expected),
            designation=unset(designation),
            interrupted=yes(interrupted),
            interrupted_after_hours=yes(after_hours),
            venue=self._venue,
        )


class NavReader:
    """Reads H0STNAV0: hundredths of a won."""

    __slots__ = ("_kept",)

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the net asset values of one frame."""
        return tuple(
            NetAssetValue(
                at=received,
                symbol=self._kept.codes[record[0]],
                centiwon=_positive(record[1]),
                change_centiwon=change(record[2], record[3]),
                open_centiwon=_positive(record[5]),
                high_centiwon=_positive(record[6]),
                low_centiwon=_positive(record[7]),
            )
            for record in records(payload, layout)
        )


class IndexReader:
    """Reads H0UPCNT0 and H0UPANC0: hundredths of a point; yesterday's close from the change."""

    __slots__ = ("_kept", "_type")

    def __init__(self, kept: Kept, *, expected: bool) -> None:
        self._kept = kept
        self._type = ExpectedIndexLevel if expected else IndexLevel

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the levels of one frame."""
        messages: list[FeedMessage] = []
        for record in records(payload, layout):
            level = _positive(record[2])
            messages.append(
                self._type(
                    at=received,
                    index=index_name(index_code(record[0])),
                    time=self._kept.clock.today(record[1], received),
                    centipoints=level,
                    previous_close_centipoints=level - change(record[3], record[4]),
                )
            )
        return tuple(messages)


class ProgramReader:
    """Reads H0UPPGM0: net buying of all programs in a market, million won made won."""

    __slots__ = ("_kept",)

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def read(self, payload: str, layout: Layout, received: int) -> tuple[FeedMessage, ...]:
        """Return the program trading of one frame."""
        return tuple(
            ProgramFlow(
                at=received,
                market=index_name(index_code(record[0])),
                time=self._kept.clock.today(record[1], received),
                cumulative_net_value=signed(f"{signed(record[76]) * _MILLION}"),
            )
            for record in records(payload, layout)
        )


def _positive(text: str) -> int:
    value = hundredths(text)
    if value < 0:
        raise ValueError(f"{text[:24]!r} is negative")
    return value
