"""KIS real-time frames in, typed records out. Pure; the hot path of the gateway.

A frame is ``<encrypted 0|1>|<TR>|<count>|<payload>``; the payload is ``count`` records of fields
joined by ``^`` with nothing else between them. KIS appends columns without notice (trades 46 → 47,
book 59 → 62 → 63, notices 23 → 26), so the width of a record is fields ÷ count and fields are read
by position from the front: wider records are accepted and reported once, narrower ones refused.

What always holds: whatever comes in, either a complete list of records comes out or a
``FrameError`` with the frame is raised. Won, shares, ns UTC; KIS stamps have one second.

Layouts: KIS Open API documentation of H0STCNT0, H0STASP0, H0STCNI0 (paper: H0STCNI9).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date as calendar_date
from typing import Final

from events import Symbol
from events.market import Aggressor, QuoteFrame, Trade, TradeFrame
from events.trading import Side
from kis_gateway.broker import FeedMessage, FillNotice, OrderNotice
from kis_gateway.errors import MalformedFrame, ShortFrame

TRADES: Final = "H0STCNT0"
QUOTES: Final = "H0STASP0"
NOTICES: Final = "H0STCNI0"
PAPER_NOTICES: Final = "H0STCNI9"

KNOWN_WIDTHS: Final = {
    TRADES: (46, 47),
    QUOTES: (59, 62, 63),
    NOTICES: (23, 26),
    PAPER_NOTICES: (23, 26),
}
"""Record widths seen so far, oldest first; the first is the least that is accepted."""

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_KST: Final = 9 * 3_600 * _SECOND  # no daylight saving in Korea since 1988
_EPOCH: Final = calendar_date(1970, 1, 1).toordinal()
_LARGEST: Final = 1 << 60
_LEVELS: Final = 10
_AGGRESSORS: Final = {
    "": Aggressor.NONE,
    "1": Aggressor.BUY,
    "5": Aggressor.SELL,
    "3": Aggressor.NONE,
}
_SIDES: Final = {"01": Side.SELL, "1": Side.SELL, "02": Side.BUY, "2": Side.BUY}
_AUCTION_BOOKS: Final = frozenset("ABC")
_PERSONAL: Final = (0, 1, 17)  # HTS id, account, holder's name


class FrameDecoder:
    """Decodes the frames of one account's session; remembers only the last day and time it read."""

    __slots__ = ("_account", "_date", "_midnight", "_text", "_time", "_widths", "new_widths")

    def __init__(self, account: str) -> None:
        """``account`` is the ten digits whose notices are wanted; others are left out."""
        self._account = account
        self._date = ""
        self._midnight = 0
        self._text = ""
        self._time = 0
        self._widths = {name: set(widths) for name, widths in KNOWN_WIDTHS.items()}
        self.new_widths: list[tuple[str, int]] = []
        """(TR, width) of records of a width never seen before, each once; the reader empties it."""

    def decode(
        self, frame: str, received: int, decrypt: Callable[[str, str], str] | None = None
    ) -> tuple[FeedMessage, ...]:
        """Return the records of one data frame in order; trades of one symbol come as one frame.

        ``received`` is ns UTC. ``decrypt(tr, payload)`` opens encrypted payloads.

        Empty when the frame holds nothing of ours: a notice of another account, or trade records
        without a traded quantity (indications of an expected price).

        Raises:
            ShortFrame: fewer columns than the feed has ever had.
            MalformedFrame: another shape, an unknown TR, a value of the wrong type.
            DecryptionFailed: from ``decrypt``.
        """
        parts = frame.split("|", 3)
        if len(parts) != 4:
            raise MalformedFrame(f"the frame has {len(parts)} parts instead of 4", frame)
        flag, name, count_text, payload = parts
        try:
            count = int(count_text)
        except ValueError:
            count = 0
        if not 0 < count < 1_000 or flag not in ("0", "1") or name not in KNOWN_WIDTHS:
            raise MalformedFrame(
                f"flag {flag!r}, TR {name[:16]!r}, count {count_text[:8]!r}: not a feed of ours",
                frame,
            )
        if flag == "1":
            if decrypt is None:
                raise MalformedFrame("the payload is encrypted and no key is known", frame)
            payload = decrypt(name, payload)
        fields = payload.split("^")
        try:
            width = self._width(name, fields, count, frame)
            if name == TRADES:
                return self._trades(fields, width, received)
            if name == QUOTES:
                return self._quotes(fields, width, received)
            return self._notices(fields, width, received)
        except ShortFrame as error:
            raise ShortFrame(str(error), self._shown(name, fields, count, frame)) from None
        except (ValueError, KeyError) as error:
            raise MalformedFrame(
                f"{name}: {type(error).__name__} {error}", self._shown(name, fields, count, frame)
            ) from None

    def _width(self, name: str, fields: list[str], count: int, frame: str) -> int:
        width, rest = divmod(len(fields), count)
        if rest:
            if rest != 1 or fields[-1]:
                raise ValueError(f"{len(fields)} fields are not {count} records of one width")
            fields.pop()  # a trailing separator
        if width not in self._widths[name]:
            if width < KNOWN_WIDTHS[name][0]:
                raise ShortFrame(
                    f"{name}: {width} columns in a record, never fewer than "
                    f"{KNOWN_WIDTHS[name][0]} until now: the layout has changed, compare it with "
                    "the documentation",
                    frame,
                )
            self._widths[name].add(width)
            self.new_widths.append((name, width))
        return width

    def _trades(self, fields: list[str], width: int, received: int) -> tuple[FeedMessage, ...]:
        frames: list[FeedMessage] = []
        trades: list[Trade] = []
        symbol = _symbol(fields[0])
        for start in range(0, len(fields), width):
            if fields[start] != symbol:
                if trades:
                    frames.append(TradeFrame(at=received, symbol=symbol, trades=tuple(trades)))
                    trades = []
                symbol = _symbol(fields[start])
            quantity = int(fields[start + 12])
            if quantity == 0:
                continue
            side = fields[start + 21]
            volume = int(fields[start + 13])
            trade = Trade(
                self._instant(fields[start + 33], fields[start + 1]),
                int(fields[start + 2]),
                quantity,
                _AGGRESSORS[side],
                volume,
                int(fields[start + 14]),
                int(fields[start + 10] or 0),
                int(fields[start + 11] or 0),
                int(fields[start + 45] or 0),
                # A single-price match, as far as the fields tell: a session code other than
                # regular, no aggressor, the first trade of the day (the opening match), or the
                # "closing price" digit of the operation code (the closing match).
                fields[start + 43] not in ("0", "")
                or side == "3"
                or volume == quantity
                or fields[start + 34][1:] == "1",
            )
            if not (
                0 < trade.price < _LARGEST
                and 0 < quantity <= volume < _LARGEST
                and 0 <= trade.cumulative_value < _LARGEST
                and 0 <= trade.best_ask < _LARGEST
                and 0 <= trade.best_bid < _LARGEST
                and 0 <= trade.vi_reference < _LARGEST
            ):
                raise ValueError(f"a trade of {quantity} at {trade.price}, {volume} so far")
            trades.append(trade)
        if trades:
            frames.append(TradeFrame(at=received, symbol=symbol, trades=tuple(trades)))
        return tuple(frames)

    def _quotes(self, fields: list[str], width: int, received: int) -> tuple[FeedMessage, ...]:
        return tuple(self._quote(fields, start, received) for start in range(0, len(fields), width))

    def _quote(self, fields: list[str], start: int, received: int) -> QuoteFrame:
        symbol = _symbol(fields[start])
        columns = fields[start + 3 : start + 43]
        if "" in columns:
            columns = [column or "0" for column in columns]
        book = list(map(int, columns))
        if min(book) < 0 or max(book) >= _LARGEST:
            raise ValueError("a negative or absurd price or quantity in the book")
        ask_prices, ask_quantities = _side(book[0:10], book[20:30])
        bid_prices, bid_quantities = _side(book[10:20], book[30:40])
        expected_price = expected_quantity = 0
        # Outside auctions the indicative match keeps its last value: stale, so left out.
        if fields[start + 2] in _AUCTION_BOOKS:
            expected_price = _amount(fields[start + 47] or "0")
            expected_quantity = _amount(fields[start + 48] or "0")
        return QuoteFrame(
            at=received,
            symbol=symbol,
            time=self._instant_today(fields[start + 1], received),
            ask_prices=ask_prices,
            ask_quantities=ask_quantities,
            bid_prices=bid_prices,
            bid_quantities=bid_quantities,
            expected_price=expected_price,
            expected_quantity=expected_quantity,
        )

    def _notices(self, fields: list[str], width: int, received: int) -> tuple[FeedMessage, ...]:
        notices: list[FeedMessage] = []
        for start in range(0, len(fields), width):
            record = fields[start : start + width]
            # The stream carries every account of the HTS id, in eight or ten digits.
            if record[1].strip() in (self._account, self._account[:8]):
                notices.append(self._notice(record, received))
        return tuple(notices)

    def _notice(self, record: list[str], received: int) -> FillNotice | OrderNotice:
        number = record[2].strip()
        if not number.strip("0"):
            raise ValueError("a notice without an order number")
        symbol = _symbol(record[8].strip())
        side = _SIDES[record[4]]
        quantity = _amount(record[9])
        time = self._instant_today(record[11], received)
        if record[13] == "2":
            # Field 9 is this execution, field 16 the whole order: never the other way round.
            price = _amount(record[10])
            if not quantity or not price:
                raise ValueError(f"an execution of {quantity} at {price}")
            return FillNotice(
                broker_order=number,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                order_quantity=_amount(record[16]),
                time=time,
            )
        if record[13] != "1":
            raise ValueError(f"CNTG_YN {record[13]!r} is neither 1 nor 2")
        original = record[3].strip()
        rejected = record[12] == "1"
        withdrawn = (record[5] == "2" and record[14] == "2") or record[14] == "3"
        return OrderNotice(
            broker_order=number,
            original=original if original.strip("0") else None,
            symbol=symbol,
            side=side,
            quantity=quantity,
            rejected=rejected,
            cancelled=withdrawn and not rejected,
            time=time,
        )

    def _instant(self, date: str, clock: str) -> int:
        """Return ns UTC of a KST business date and HHMMSS."""
        if date != self._date:
            self._midnight = _midnight(date)
            self._date = date
            self._text = ""
        if clock != self._text:
            self._time = self._midnight + _since_midnight(clock)
            self._text = clock
        return self._time

    def _instant_today(self, clock: str, received: int) -> int:
        """Return ns UTC of HHMMSS on the KST date of receipt; these records carry no date."""
        return received - (received + _KST) % _DAY + _since_midnight(clock)

    def _shown(self, name: str, fields: list[str], count: int, frame: str) -> str:
        """Return the frame's text for the record; notices opened, the person's data masked.

        Cipher text would be useless to whoever has to find the fault. Names are the only text
        beyond ASCII besides the issue's; the account is found wherever a new column has moved it.
        """
        if name not in (NOTICES, PAPER_NOTICES):
            return frame
        width = -(-len(fields) // count)
        masked = (
            "***"
            if place % width in _PERSONAL or not field.isascii() or self._account[:8] in field
            else field
            for place, field in enumerate(fields)
        )
        return f"0|{name}|{count:03d}|{'^'.join(masked)}"


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
    day = calendar_date(int(date[:4]), int(date[4:6]), int(date[6:]))
    return (day.toordinal() - _EPOCH) * _DAY - _KST


def _symbol(text: str) -> Symbol:
    """Return the code when it can be one: six characters, ETN seven."""
    if len(text) not in (6, 7) or not (text.isascii() and text.isalnum()):
        raise ValueError(f"{text[:12]!r} stands where an issue code belongs")
    return Symbol(text)


def _amount(text: str) -> int:
    value = int(text)
    if not 0 <= value < _LARGEST:
        raise ValueError(f"{value} is no price or quantity")
    return value


def _side(prices: list[int], quantities: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if 0 not in prices and 0 not in quantities:
        return tuple(prices), tuple(quantities)
    levels = [
        (price, quantity)
        for price, quantity in zip(prices, quantities, strict=True)
        if price and quantity
    ]
    return tuple(price for price, _ in levels), tuple(quantity for _, quantity in levels)
