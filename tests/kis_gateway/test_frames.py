"""Frames decode by position, whatever their width; nothing but a frame error ever escapes."""

from __future__ import annotations

import contextlib
from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import Symbol
from events.market import Aggressor, QuoteFrame, Trade, TradeFrame
from events.trading import Side
from kis_gateway.broker import FeedMessage, FillNotice, OrderNotice, WidthChanged
from kis_gateway.errors import (
    DecryptionFailed,
    FrameError,
    FrameNotRead,
    MalformedFrame,
    ShortFrame,
)
from kis_gateway.frames import FrameDecoder

ACCOUNT = "1234567801"
KST = timezone(timedelta(hours=9))


def at(day: str, clock: str) -> int:
    moment = datetime.strptime(day + clock, "%Y%m%d%H%M%S").replace(tzinfo=KST)
    return int(moment.timestamp()) * 1_000_000_000


RECEIVED = at("20260915", "100001") + 123_456_789

# One print of 005930, written as KIS sends it since 2026-09-14 (47 columns).
SAMSUNG = (
    "005930^093015^71500^2^500^0.70^71432.18^71200^71600^71100^71500^71400^37^1204518^86040219400"
    "^8123^9045^922^111.34^560112^644406^1^0.53^41.20^090012^2^300^091722^5^-100^090233^2^400"
    "^20260915^20^N^12034^8820^180233^201188^0.02^2923810^41.20^0^^71200^2"
)

# A book of 000660 as of 2026-06-08 (62 columns), with an empty tenth level on both sides.
BOOK = "^".join(
    ["000660", "093016", "0"]
    + [str(price) for price in range(232_500, 237_000, 500)]
    + ["0"]
    + [str(price) for price in range(232_000, 227_500, -500)]
    + ["0"]
    + [str(quantity) for quantity in range(10, 100, 10)]
    + ["0"]
    + [str(quantity) for quantity in range(11, 101, 10)]
    + ["0"]
    + ["450", "459", "0", "0", "231000", "77", "77", "-1500", "5", "-0.65", "912345"]
    + ["-3", "5", "0", "0", "", "232250", "0", "0"]
)

FILL = (
    f"login^{ACCOUNT}^0000012345^0000000000^02^0^00^0^005930^0000000003^000071400^093018^0^2^2"
    "^00950^000000010^홍길동^0^1^N^^10^^삼성전자^000071500"
)


def frame(record: str, tr_id: str = "H0STCNT0", count: int = 1) -> str:
    return f"0|{tr_id}|{count:03d}|{record}"


def decode(text: str) -> tuple[FeedMessage, ...]:
    return FrameDecoder(ACCOUNT).decode(text, RECEIVED)


def records_of(text: str) -> tuple[FeedMessage, ...]:
    return tuple(message for message in decode(text) if not isinstance(message, WidthChanged))


def test_a_trade_is_read_by_position() -> None:
    """Every column the gateway uses, from a frame of the shape on the wire."""
    assert decode(frame(SAMSUNG)) == (
        TradeFrame(
            at=RECEIVED,
            symbol=Symbol("005930"),
            trades=(
                Trade(
                    at("20260915", "093015"),
                    71_500,
                    37,
                    Aggressor.BUY,
                    1_204_518,
                    86_040_219_400,
                    71_500,
                    71_400,
                    71_200,
                    False,
                ),
            ),
        ),
    )


def test_a_book_is_read_by_position_and_empty_levels_are_left_out() -> None:
    """Nine levels a side; the stale expected match of the regular session is not passed on."""
    assert decode(frame(BOOK, "H0STASP0")) == (
        QuoteFrame(
            at=RECEIVED,
            symbol=Symbol("000660"),
            time=at("20260915", "093016"),
            ask_prices=tuple(range(232_500, 237_000, 500)),
            ask_quantities=(10, 20, 30, 40, 50, 60, 70, 80, 90),
            bid_prices=tuple(range(232_000, 227_500, -500)),
            bid_quantities=(11, 21, 31, 41, 51, 61, 71, 81, 91),
            expected_price=0,
            expected_quantity=0,
        ),
    )


@pytest.mark.parametrize("session", ["A", "B", "C"])
def test_an_auction_book_carries_the_expected_match(session: str) -> None:
    """Session codes A, B and C mark the phases in which a match is only indicated."""
    (quote,) = decode(frame(BOOK.replace("^0^", f"^{session}^", 1), "H0STASP0"))
    assert isinstance(quote, QuoteFrame)
    assert (quote.expected_price, quote.expected_quantity) == (231_000, 77)


def test_a_fill_takes_its_quantity_from_field_nine() -> None:
    """Field 16 is the whole order; taking it for the fill once sold shares nobody had."""
    assert decode(frame(FILL, "H0STCNI0")) == (
        FillNotice(
            broker_order="0000012345",
            symbol=Symbol("005930"),
            side=Side.BUY,
            quantity=3,
            price=71_400,
            order_quantity=10,
            time=at("20260915", "093018"),
        ),
    )


def test_the_notice_of_before_2025_has_the_same_front() -> None:
    """23 columns: what is used stands at the same places."""
    columns = FILL.split("^")
    old = "^".join([*columns[:18], columns[24], *columns[22:26]])
    assert old.count("^") == 22
    assert decode(frame(old, "H0STCNI9")) == decode(frame(FILL, "H0STCNI9"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({13: "1"}, ("0000012345", None, False, False)),
        ({13: "1", 12: "1", 14: "1"}, ("0000012345", None, True, False)),
        ({13: "1", 5: "2", 3: "0000012300"}, ("0000012345", "0000012300", False, True)),
        ({13: "1", 5: "2", 3: "0000012300", 14: "1"}, ("0000012345", "0000012300", False, False)),
        ({13: "1", 5: "2", 12: "1", 14: "1"}, ("0000012345", None, True, False)),
        ({13: "1", 14: "3"}, ("0000012345", None, False, True)),
    ],
)
def test_acknowledgements_are_told_from_fills(
    changes: dict[int, str], expected: tuple[str, str | None, bool, bool]
) -> None:
    """CNTG_YN 1: received, refused, cancel confirmed, cancel received, cancel refused, IOC rest."""
    columns = FILL.split("^")
    for place, value in changes.items():
        columns[place] = value
    (notice,) = decode(frame("^".join(columns), "H0STCNI0"))
    assert isinstance(notice, OrderNotice)
    assert expected == (
        notice.broker_order,
        notice.original,
        notice.rejected,
        notice.cancelled,
    )
    assert notice.quantity == 3


def test_notices_of_other_accounts_of_the_login_are_left_out() -> None:
    """The stream carries every account of the HTS id; only ours moves our books."""
    theirs = FILL.replace(ACCOUNT, "8765432101")
    assert decode(frame(f"{theirs}^{FILL}", "H0STCNI0", 2)) == decode(frame(FILL, "H0STCNI0"))


def test_several_records_of_a_symbol_become_one_frame_in_order() -> None:
    """The order inside a frame is the only order trades of one second have."""
    second = SAMSUNG.replace("^37^1204518^", "^3^1204521^").replace("^1^0.53", "^5^0.53")
    (trades,) = decode(frame(f"{SAMSUNG}^{second}", count=2))
    assert isinstance(trades, TradeFrame)
    assert [(t.quantity, t.cumulative_volume, t.aggressor) for t in trades.trades] == [
        (37, 1_204_518, Aggressor.BUY),
        (3, 1_204_521, Aggressor.SELL),
    ]


def test_records_of_two_symbols_become_two_frames() -> None:
    """A frame belongs to a TR, not to a symbol."""
    other = SAMSUNG.replace("005930", "000660")
    symbols = [
        message.symbol
        for message in decode(frame(f"{SAMSUNG}^{other}^{SAMSUNG}", count=3))
        if isinstance(message, TradeFrame)
    ]
    assert symbols == ["005930", "000660", "005930"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("^0^^71200^2", "^A^^71200^2"),  # HOUR_CLS_CODE: not the regular session
        ("^1^0.53", "^3^0.53"),  # no aggressor
        ("^37^1204518^", "^37^37^"),  # the first trade of the day
        ("^20^N^", "^21^N^"),  # the closing price
    ],
)
def test_single_price_matches_are_marked(old: str, new: str) -> None:
    """Each of the four signs is enough."""
    (trades,) = decode(frame(SAMSUNG.replace(old, new)))
    assert isinstance(trades, TradeFrame)
    assert trades.trades[0].auction


def test_an_indication_without_quantity_is_no_trade() -> None:
    """Expected prices come on the trade channel and must not make bars."""
    assert decode(frame(SAMSUNG.replace("^37^", "^0^"))) == ()


@pytest.mark.parametrize(
    ("record", "tr_id"), [(SAMSUNG, "H0STCNT0"), (BOOK, "H0STASP0"), (FILL, "H0STCNI0")]
)
def test_three_more_columns_change_nothing_and_are_reported_once(record: str, tr_id: str) -> None:
    """KIS appends columns without notice."""
    decoder = FrameDecoder(ACCOUNT)
    wider = f"{record}^x^^9"
    reported, *messages = decoder.decode(frame(wider, tr_id), RECEIVED)
    assert reported == WidthChanged(
        at=RECEIVED,
        feed=tr_id,
        width=wider.count("^") + 1,
        known={"H0STCNT0": (46, 47), "H0STASP0": (59, 62, 63), "H0STCNI0": (23, 26)}[tr_id],
        own_notices=tr_id == "H0STCNI0",
    )
    assert tuple(messages) == decode(frame(record, tr_id))
    again = decoder.decode(frame(f"{wider}^{wider}", tr_id, 2), RECEIVED)
    assert [type(message) for message in again] in (
        [TradeFrame],
        [QuoteFrame] * 2,
        [FillNotice] * 2,
    )


def test_a_width_is_reported_with_the_first_records_that_could_be_read() -> None:
    """A wide frame that fails otherwise is set aside; the width is still news afterwards."""
    decoder = FrameDecoder(ACCOUNT)
    with pytest.raises(MalformedFrame):
        decoder.decode(frame(SAMSUNG.replace("^37^", "^x^") + "^new"), RECEIVED)
    assert isinstance(decoder.decode(frame(SAMSUNG + "^new"), RECEIVED)[0], WidthChanged)


@pytest.mark.parametrize(
    ("record", "tr_id", "least"),
    [(SAMSUNG, "H0STCNT0", 46), (BOOK, "H0STASP0", 59), (FILL, "H0STCNI0", 23)],
)
def test_one_column_too_few_is_refused(record: str, tr_id: str, least: int) -> None:
    """Fewer columns than ever: the layout is another one."""
    columns = record.split("^")
    assert decode(frame("^".join(columns[:least]), tr_id)) == decode(frame(record, tr_id))
    with pytest.raises(ShortFrame, match=f"{least - 1} columns in a record"):
        decode(frame("^".join(columns[: least - 1]), tr_id))


def test_a_trailing_separator_is_no_column() -> None:
    """Some frames end with one, also those of a single record of the widest known layout."""
    two = f"{SAMSUNG}^{SAMSUNG}"
    assert decode(frame(two + "^", count=2)) == decode(frame(two, count=2))
    assert decode(frame(SAMSUNG + "^")) == decode(frame(SAMSUNG))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("^71500^2^", "^seventy^2^"),
        ("^71500^2^", "^-71500^2^"),
        ("^71500^2^", "^0^2^"),
        ("^093015^", "^256000^"),
        ("^093015^", "^9:30^"),
        ("^20260915^", "^20261315^"),
        ("^20260915^", "^00260915^"),  # an instant that no log entry can hold
        ("^1^0.53", "^7^0.53"),
        ("005930", "71500"),
        ("^37^1204518^", f"^37^{10**30}^"),
        ("^37^1204518^", "^37^36^"),
    ],
)
def test_a_wrong_value_spoils_the_frame(old: str, new: str) -> None:
    """Better no trade than a wrong one; the frame is kept for the record."""
    text = frame(SAMSUNG.replace(old, new, 1))
    with pytest.raises(MalformedFrame) as caught:
        decode(text)
    assert caught.value.frame == text


@pytest.mark.parametrize("column", [1, 33])
def test_a_blank_time_or_date_is_refused_in_the_first_record_too(column: int) -> None:
    """It must not pass for the one that the decoder remembers when it remembers none yet."""
    fields = SAMSUNG.split("^")
    fields[column] = ""
    with pytest.raises(MalformedFrame):
        decode(frame("^".join(fields)))
    fields[1] = fields[33] = ""
    with pytest.raises(MalformedFrame):
        decode(frame("^".join(fields)))


def test_shifted_columns_are_noticed() -> None:
    """With a column in front, prices would stand where the symbol belongs."""
    with pytest.raises(MalformedFrame):
        decode(frame("1^" + SAMSUNG))
    with pytest.raises(MalformedFrame):
        decode(frame(f"{SAMSUNG}^{SAMSUNG}", count=1).replace("|001|", "|003|"))


@pytest.mark.parametrize(
    "text", ["", "|", "0|H0STCNT0|001", "2|H0STCNT0|001|x", "0|H0STXXX0|001|x", "0|H0STCNT0|000|x"]
)
def test_what_is_no_frame_is_said_to_be_none(text: str) -> None:
    """The four parts, a known TR and a count are needed."""
    with pytest.raises(MalformedFrame):
        decode(text)


def test_a_broken_notice_is_shown_without_the_person() -> None:
    """The event holds the layout for whoever has to fix it, not account, login or name."""
    with pytest.raises(ShortFrame) as short:
        decode(frame("^".join(FILL.split("^")[:20]), "H0STCNI0"))
    with pytest.raises(MalformedFrame) as wrong_side:
        decode(frame(FILL.replace("^02^", "^07^"), "H0STCNI0"))
    for error in (short.value, wrong_side.value):
        assert error.own_notice
        assert "0000012345" in error.frame
        for personal in (ACCOUNT, "홍길동", "login^"):
            assert personal not in error.frame


def test_a_notice_whose_account_column_has_moved_is_not_taken_for_somebody_elses() -> None:
    """Passed over, moved columns would hide every fill; set aside, they raise the alarm."""
    with pytest.raises(MalformedFrame) as caught:
        decode(frame(FILL.replace(f"^{ACCOUNT}^", f"^new^{ACCOUNT}^"), "H0STCNI0"))
    assert caught.value.own_notice
    assert ACCOUNT not in caught.value.frame


def test_an_error_about_a_notice_does_not_repeat_its_values() -> None:
    """With moved columns the value that does not fit may be the account or the name."""
    columns = FILL.split("^")
    columns[8], columns[17] = columns[17], columns[8]
    with pytest.raises(MalformedFrame) as caught:
        decode(frame("^".join(columns), "H0STCNI0"))
    assert "홍길동" not in str(caught.value)
    assert "홍길동" not in caught.value.frame


def test_an_opened_notice_can_be_kept_without_the_person() -> None:
    """What is recorded of a notice shows the layout; other frames are recorded as they came."""
    decoder = FrameDecoder(ACCOUNT)
    opened = decoder.opened("1|H0STCNI0|001|c2VjcmV0", lambda _tr_id, _payload: FILL)
    assert opened == "0|H0STCNI0|001|" + FILL.replace("login", "***", 1).replace(
        ACCOUNT, "***"
    ).replace("홍길동", "***").replace("삼성전자", "***")
    assert decoder.opened(frame(SAMSUNG), None) == frame(SAMSUNG)


def test_member_firms_are_known_and_not_read() -> None:
    """No event type carries them; the error says so instead of calling the feed unknown."""
    with pytest.raises(FrameNotRead, match="member firm"):
        decode(frame("^".join(["005930"] + ["0"] * 77), "H0STMBC0"))


def test_prices_that_change_between_books_are_read_again() -> None:
    """The prices of a symbol's last book are kept; a changed one must not be missed."""
    decoder = FrameDecoder(ACCOUNT)
    decoder.decode(frame(BOOK, "H0STASP0"), RECEIVED)
    moved = BOOK.replace("^236500^0^", "^236500^237000^", 1).replace("^90^0^", "^90^5^", 1)
    assert decoder.decode(frame(moved, "H0STASP0"), RECEIVED) == decode(frame(moved, "H0STASP0"))
    (book,) = decode(frame(moved, "H0STASP0"))
    assert isinstance(book, QuoteFrame)
    assert (book.ask_prices[-1], book.ask_quantities[-1]) == (237_000, 5)


def test_an_encrypted_payload_is_opened_by_the_given_key() -> None:
    """The leading 1 decides, not what the acknowledgement said."""
    opened: list[tuple[str, str]] = []

    def decrypt(tr_id: str, payload: str) -> str:
        opened.append((tr_id, payload))
        return FILL

    messages = FrameDecoder(ACCOUNT).decode("1|H0STCNI9|001|c2VjcmV0", RECEIVED, decrypt)
    assert messages == decode(frame(FILL, "H0STCNI0"))
    assert opened == [("H0STCNI9", "c2VjcmV0")]


def test_without_a_key_an_encrypted_frame_is_refused() -> None:
    """It is rejected and kept, not guessed at."""
    with pytest.raises(MalformedFrame, match="no key"):
        decode("1|H0STCNI9|001|c2VjcmV0")


def _fail(tr_id: str, payload: str) -> str:
    raise DecryptionFailed("wrong key", payload)


@given(
    st.one_of(
        st.text(max_size=300),
        st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "replace")),
        st.builds(
            "{}|{}|{}|{}".format,
            st.sampled_from("01"),
            st.sampled_from(["H0STCNT0", "H0STASP0", "H0STCNI0", "H0STCNI9"]),
            st.integers(-1, 4),
            st.lists(st.text("0123456789-.^ABN", max_size=9), max_size=70).map("^".join),
        ),
    )
)
def test_whatever_comes_only_frame_errors_escape(text: str) -> None:
    """A hostile or broken line can cost frames, never the reader."""
    with contextlib.suppress(FrameError):
        FrameDecoder(ACCOUNT).decode(text, RECEIVED, _fail)


@given(
    st.sampled_from([SAMSUNG, BOOK, FILL]),
    st.integers(0, 61),
    st.text(max_size=20),
)
def test_a_broken_column_is_either_unused_or_a_frame_error(
    record: str, place: int, value: str
) -> None:
    """Real frames with one column replaced: what decodes can also be written to the log."""
    columns = record.split("^")
    columns[place % len(columns)] = value
    tr_id = {SAMSUNG: "H0STCNT0", BOOK: "H0STASP0", FILL: "H0STCNI0"}[record]
    try:
        messages = decode(frame("^".join(columns), tr_id))
    except FrameError:
        return
    for message in messages:
        for number in _numbers(message):
            assert 0 <= number < 2**63


def _numbers(message: FeedMessage) -> list[int]:
    if isinstance(message, TradeFrame):
        return [
            value
            for trade in message.trades
            for value in (trade.price, trade.quantity, trade.cumulative_volume, trade.time)
        ]
    if isinstance(message, QuoteFrame):
        return [*message.ask_prices, *message.bid_quantities, message.time, message.expected_price]
    if isinstance(message, FillNotice):
        return [message.quantity, message.price, message.order_quantity, message.time]
    return []


prices = st.integers(1, 10_000_000)
quantities = st.integers(1, 10**9)
clocks = st.builds(
    "{:02d}{:02d}{:02d}".format, st.integers(0, 23), st.integers(0, 59), st.integers(0, 59)
)
days = st.dates(date(2000, 1, 1), date(2099, 12, 31)).map("{:%Y%m%d}".format)


@st.composite
def trades(draw: st.DrawFn) -> tuple[dict[int, str], Trade]:
    """A trade and the columns that carry it, by their documented numbers."""
    day, clock, quantity = draw(days), draw(clocks), draw(quantities)
    side = draw(st.sampled_from(["1", "5", "3"]))
    session = draw(st.sampled_from(["0", "A", "B", "C", "D"]))
    trade = Trade(
        at(day, clock),
        draw(prices),
        quantity,
        {"1": Aggressor.BUY, "5": Aggressor.SELL, "3": Aggressor.NONE}[side],
        quantity + draw(st.integers(1, 10**12)),
        draw(st.integers(0, 10**15)),
        draw(prices),
        draw(prices),
        draw(prices),
        side == "3" or session != "0",
    )
    columns = {
        1: clock,
        2: str(trade.price),
        10: str(trade.best_ask),
        11: str(trade.best_bid),
        12: str(quantity),
        13: str(trade.cumulative_volume),
        14: str(trade.cumulative_value),
        21: side,
        33: day,
        34: "20",
        43: session,
        45: str(trade.vi_reference),
    }
    return columns, trade


@given(
    st.lists(trades(), min_size=1, max_size=20),
    st.integers(46, 52),
    st.sampled_from(["005930", "Q500001", "0001A0"]),
)
def test_encoded_trades_come_back_whatever_the_width(
    drawn: list[tuple[dict[int, str], Trade]], width: int, symbol: str
) -> None:
    """An encoder of its own, written from the documented column numbers."""
    records = [
        "^".join(columns.get(place, symbol if place == 0 else "x") for place in range(width))
        for columns, _ in drawn
    ]
    assert records_of(frame("^".join(records), count=len(records))) == (
        TradeFrame(at=RECEIVED, symbol=Symbol(symbol), trades=tuple(trade for _, trade in drawn)),
    )


levels = st.lists(st.tuples(prices, quantities), max_size=10)


@given(levels, levels, clocks, st.sampled_from([59, 62, 63, 70]))
def test_encoded_books_come_back_whatever_the_width(
    asks: list[tuple[int, int]], bids: list[tuple[int, int]], clock: str, width: int
) -> None:
    """Any number of levels a side."""
    columns = ["000660", clock, "0"]
    for side, part in ((asks, 0), (bids, 0), (asks, 1), (bids, 1)):
        shown = [str(level[part]) for level in side]
        columns += shown + ["0"] * (10 - len(shown))
    columns += [""] * (width - len(columns))
    assert records_of(frame("^".join(columns), "H0STASP0")) == (
        QuoteFrame(
            at=RECEIVED,
            symbol=Symbol("000660"),
            time=at("20260915", clock),
            ask_prices=tuple(price for price, _ in asks),
            ask_quantities=tuple(quantity for _, quantity in asks),
            bid_prices=tuple(price for price, _ in bids),
            bid_quantities=tuple(quantity for _, quantity in bids),
        ),
    )


def test_an_own_notice_with_a_head_that_cannot_be_is_known_as_one_and_shows_nobody() -> None:
    """Orders must be asked for; login and account stay out of the report."""
    with pytest.raises(MalformedFrame) as caught:
        FrameDecoder("1234567801").decode("0|H0STCNI0|000|login^1234567801^0000012345", 1)
    assert caught.value.own_notice
    assert caught.value.frame == "0|H0STCNI0|000|***"
