"""Every feed of every era: what an encoder writes by column names, the decoder gives back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import Symbol
from events.market import (
    Aggressor,
    ExpectedIndexLevel,
    ExpectedMatch,
    IndexLevel,
    MarketOperation,
    NetAssetValue,
    ProgramFlow,
    QuoteFrame,
    SymbolProgramFlow,
    Trade,
    TradeFrame,
    Venue,
    VenueQuoteFrame,
    VenueTradeFrame,
)
from events.trading import Side
from kis_gateway.broker import FeedMessage, FillNotice, OrderNotice, WidthChanged
from kis_gateway.errors import MalformedFrame, ShortFrame
from kis_gateway.frames import KNOWN_WIDTHS, FrameDecoder
from kis_gateway.protocol import Era, feed_form
from tests.kis_gateway.feed_records import ACCOUNT, Record, at, records

DAY = "20261120"
RECEIVED = at(DAY, "140000") + 5
VENUES = {"ST": Venue.KRX, "NX": Venue.NXT, "UN": Venue.UNIFIED}
INDICES = {"0001": "KOSPI", "1001": "KOSDAQ", "2001": "KOSPI200", "0013": "0013"}

CASES: Final = [
    (tr_id, era)
    for tr_id in sorted(KNOWN_WIDTHS)
    for era in Era
    if era in feed_form(tr_id).widths
    and (era is Era.A or feed_form(tr_id).widths.get(Era.A) != feed_form(tr_id).widths[era])
]
every_feed = pytest.mark.parametrize(("tr_id", "era"), CASES)
every_feed_with_codes = pytest.mark.parametrize(
    ("tr_id", "era"), [case for case in CASES if case[0] != "H0UNMKO0"]
)


def venue_of(tr_id: str) -> Venue:
    return VENUES[tr_id[2:4]]


def trades_of(tr_id: str, drawn: list[Record]) -> tuple[FeedMessage, ...]:
    frames: list[tuple[str, list[Trade]]] = []
    for record in drawn:
        symbol = record["MKSC_SHRN_ISCD"]
        if not frames or frames[-1][0] != symbol:
            frames.append((symbol, []))
        frames[-1][1].append(trade_of(tr_id, record))
    venue = venue_of(tr_id)
    return tuple(
        TradeFrame(at=RECEIVED, symbol=Symbol(symbol), trades=tuple(trades))
        if venue is Venue.KRX
        else VenueTradeFrame(at=RECEIVED, venue=venue, symbol=Symbol(symbol), trades=tuple(trades))
        for symbol, trades in frames
    )


def trade_of(tr_id: str, record: Record) -> Trade:
    side = record.get("CCLD_DVSN") or record["CNTG_CLS_CODE"]
    return Trade(
        time=at(record["BSOP_DATE"], record["STCK_CNTG_HOUR"]),
        price=int(record["STCK_PRPR"]),
        quantity=int(record["CNTG_VOL"]),
        aggressor={"1": Aggressor.BUY, "5": Aggressor.SELL, "3": Aggressor.NONE}[side],
        cumulative_volume=int(record["ACML_VOL"]),
        cumulative_value=int(record["ACML_TR_PBMN"]),
        best_ask=int(record["ASKP1"]),
        best_bid=int(record["BIDP1"]),
        vi_reference=int(record.get("VI_STND_PRC", "0")),
        auction=tr_id == "H0STOUP0"
        or record["HOUR_CLS_CODE"] != "0"
        or side == "3"
        or record["NEW_MKOP_CLS_CODE"] == "21",
    )


def book_of(tr_id: str, record: Record) -> FeedMessage:
    levels = range(1, 10 if tr_id == "H0STOAA0" else 11)
    sides = {
        "ask_prices": tuple(int(record[f"ASKP{level}"]) for level in levels),
        "ask_quantities": tuple(int(record[f"ASKP_RSQN{level}"]) for level in levels),
        "bid_prices": tuple(int(record[f"BIDP{level}"]) for level in levels),
        "bid_quantities": tuple(int(record[f"BIDP_RSQN{level}"]) for level in levels),
    }
    symbol = Symbol(record["MKSC_SHRN_ISCD"])
    time = at(DAY, record["BSOP_HOUR"])
    if venue_of(tr_id) is not Venue.KRX:
        return VenueQuoteFrame(
            at=RECEIVED, venue=venue_of(tr_id), symbol=symbol, time=time, **sides
        )
    auction = record["HOUR_CLS_CODE"] in ("D" if tr_id == "H0STOAA0" else "ABC")
    return QuoteFrame(
        at=RECEIVED,
        symbol=symbol,
        time=time,
        expected_price=int(record["ANTC_CNPR"]) if auction else 0,
        expected_quantity=int(record["ANTC_CNQN"]) if auction else 0,
        **sides,
    )


def expected_of(tr_id: str, record: Record) -> ExpectedMatch:
    return ExpectedMatch(
        at=RECEIVED,
        symbol=Symbol(record["MKSC_SHRN_ISCD"]),
        time=at(record["BSOP_DATE"], record["STCK_CNTG_HOUR"]),
        price=int(record["STCK_PRPR"]),
        quantity=int(record["CNTG_VOL"]),
        cumulative_volume=int(record["ACML_VOL"]),
        cumulative_value=int(record["ACML_TR_PBMN"]),
        venue=venue_of(tr_id),
    )


def symbol_program_of(tr_id: str, record: Record) -> SymbolProgramFlow:
    return SymbolProgramFlow(
        at=RECEIVED,
        symbol=Symbol(record["MKSC_SHRN_ISCD"]),
        time=at(DAY, record["STCK_CNTG_HOUR"]),
        sold_quantity=int(record["SELN_CNQN"]),
        sold_value=int(record["SELN_TR_PBMN"]),
        bought_quantity=int(record["SHNU_CNQN"]),
        bought_value=int(record["SHNU_TR_PBMN"]),
        waiting_sell_quantity=int(record["SELN_RSQN"]),
        waiting_buy_quantity=int(record["SHNU_RSQN"]),
        venue=venue_of(tr_id),
    )


def operation_of(tr_id: str, record: Record) -> MarketOperation:
    reason = record["TR_SUSP_REAS_CNTT"]
    return MarketOperation(
        at=RECEIVED,
        symbol=Symbol(record.get("MKSC_SHRN_ISCD", "")),
        halted=record["TRHT_YN"] == "Y",
        reason="" if reason == "(null)" else reason,
        code=record["MKOP_CLS_CODE"],
        expected_code=record["ANTC_MKOP_CLS_CODE"],
        designation=record["ISCD_STAT_CLS_CODE"],
        interrupted=record["VI_CLS_CODE"] == "Y",
        interrupted_after_hours=record["OVTM_VI_CLS_CODE"] == "Y",
        venue=venue_of(tr_id),
    )


def centi(text: str) -> int:
    return int(text.replace(".", ""))


def change_of(sign: str, text: str) -> int:
    return -centi(text) if sign in ("4", "5") else centi(text)


def nav_of(_tr_id: str, record: Record) -> NetAssetValue:
    return NetAssetValue(
        at=RECEIVED,
        symbol=Symbol(record["MKSC_SHRN_ISCD"]),
        centiwon=centi(record["NAV"]),
        change_centiwon=change_of(record["NAV_PRDY_VRSS_SIGN"], record["NAV_PRDY_VRSS"]),
        open_centiwon=centi(record["OPRC_NAV"]),
        high_centiwon=centi(record["HPRC_NAV"]),
        low_centiwon=centi(record["LPRC_NAV"]),
    )


def index_of(tr_id: str, record: Record) -> FeedMessage:
    level = centi(record["PRPR_NMIX"])
    moved = change_of(record["PRDY_VRSS_SIGN"], record["BSTP_NMIX_PRDY_VRSS"])
    return (IndexLevel if tr_id == "H0UPCNT0" else ExpectedIndexLevel)(
        at=RECEIVED,
        index=INDICES[record["BSTP_CLS_CODE"]],
        time=at(DAY, record["BSOP_HOUR"]),
        centipoints=level,
        previous_close_centipoints=level - moved,
    )


def program_of(_tr_id: str, record: Record) -> ProgramFlow:
    return ProgramFlow(
        at=RECEIVED,
        market=INDICES[record["BSTP_CLS_CODE"]],
        time=at(DAY, record["BSOP_HOUR"]),
        cumulative_net_value=int(record["WHOL_NTBY_TR_PBMN"]) * 1_000_000,
    )


def notice_of(_tr_id: str, record: Record) -> FeedMessage:
    side = Side.BUY if record["SELN_BYOV_CLS"] == "02" else Side.SELL
    time = at(DAY, record["STCK_CNTG_HOUR"])
    symbol = Symbol(record["STCK_SHRN_ISCD"])
    if record["CNTG_YN"] == "2":
        return FillNotice(
            broker_order=record["ODER_NO"],
            symbol=symbol,
            side=side,
            quantity=int(record["CNTG_QTY"]),
            price=int(record["CNTG_UNPR"]),
            order_quantity=int(record["ODER_QTY"]),
            time=time,
        )
    rejected = record["RFUS_YN"] == "1"
    cancelled = record["ACPT_YN"] == "3" or (record["RCTF_CLS"], record["ACPT_YN"]) == ("2", "2")
    original = record["OODER_NO"]
    return OrderNotice(
        broker_order=record["ODER_NO"],
        original=original if int(original) else None,
        symbol=symbol,
        side=side,
        quantity=int(record["CNTG_QTY"]),
        rejected=rejected,
        cancelled=cancelled and not rejected,
        time=time,
    )


EXPECTED: Final[dict[str, Callable[[str, Record], FeedMessage]]] = {
    "ASP0": book_of,
    "OAA0": book_of,
    "ANC0": expected_of,
    "OAC0": expected_of,
    "PGM0": symbol_program_of,
    "MKO0": operation_of,
    "NAV0": nav_of,
    "CNI0": notice_of,
    "CNI9": notice_of,
}


def messages_of(tr_id: str, drawn: list[Record]) -> tuple[FeedMessage, ...]:
    if tr_id == "H0UPPGM0":
        return tuple(program_of(tr_id, record) for record in drawn)
    if tr_id.startswith("H0UP"):
        return tuple(index_of(tr_id, record) for record in drawn)
    if tr_id.endswith(("CNT0", "OUP0")):
        return trades_of(tr_id, drawn)
    return tuple(EXPECTED[tr_id[4:]](tr_id, record) for record in drawn)


def text_of(tr_id: str, rows: list[list[str]], end: str = "") -> str:
    payload = "^".join("^".join(row) for row in rows)
    return f"0|{tr_id}|{len(rows):03d}|{payload}{end}"


def rows_of(drawn: list[Record]) -> list[list[str]]:
    return [list(record.values()) for record in drawn]


def decode(text: str) -> tuple[FeedMessage, ...]:
    return FrameDecoder(ACCOUNT).decode(text, RECEIVED)


@every_feed
@settings(max_examples=20)
@given(data=st.data())
def test_what_is_encoded_comes_back(tr_id: str, era: Era, data: st.DataObject) -> None:
    """One to three records; a trailing separator changes nothing, nor does a second reading."""
    drawn = data.draw(st.lists(records(feed_form(tr_id), era), min_size=1, max_size=3))
    expected = messages_of(tr_id, drawn)
    decoder = FrameDecoder(ACCOUNT)
    text = text_of(tr_id, rows_of(drawn))
    assert decoder.decode(text, RECEIVED) == expected
    assert decoder.decode(text, RECEIVED) == expected
    assert decoder.decode(text + "^", RECEIVED) == expected


@every_feed
@settings(max_examples=10)
@given(data=st.data())
def test_three_more_columns_are_reported_once_and_read_over(
    tr_id: str, era: Era, data: st.DataObject
) -> None:
    """KIS appends columns without notice."""
    drawn = data.draw(st.lists(records(feed_form(tr_id), Era.C), min_size=1, max_size=3))
    rows = [[*row, "new", "", "7"] for row in rows_of(drawn)]
    decoder = FrameDecoder(ACCOUNT)
    reported, *messages = decoder.decode(text_of(tr_id, rows), RECEIVED)
    assert reported == WidthChanged(
        at=RECEIVED,
        feed=tr_id,
        width=len(rows[0]),
        known=KNOWN_WIDTHS[tr_id],
        own_notices=tr_id in ("H0STCNI0", "H0STCNI9"),
    )
    assert tuple(messages) == messages_of(tr_id, drawn)
    assert decoder.decode(text_of(tr_id, rows), RECEIVED) == tuple(messages)


@every_feed
@settings(max_examples=5)
@given(data=st.data())
def test_a_column_fewer_than_ever_is_refused(tr_id: str, era: Era, data: st.DataObject) -> None:
    """Whatever stands where, it is not what it was."""
    record = data.draw(records(feed_form(tr_id), era))
    row = list(record.values())[: KNOWN_WIDTHS[tr_id][0] - 1]
    with pytest.raises(ShortFrame, match=f"{len(row)} columns") as caught:
        decode(text_of(tr_id, [row, row]))
    assert caught.value.frame.startswith(f"0|{tr_id}|002|")


USED: Final = {
    "CNT0": ("STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN", "ASKP1", "BIDP1", "VI_STND_PRC"),
    "OUP0": ("STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN", "ASKP1", "BIDP1", "BSOP_DATE"),
    "ASP0": ("BSOP_HOUR", "ASKP1", "ASKP10", "BIDP1", "BIDP10", "ASKP_RSQN1", "BIDP_RSQN10"),
    "OAA0": ("BSOP_HOUR", "ASKP1", "ASKP9", "BIDP1", "BIDP9", "ASKP_RSQN1", "BIDP_RSQN9"),
    "ANC0": ("STCK_CNTG_HOUR", "STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN", "BSOP_DATE"),
    "OAC0": ("STCK_CNTG_HOUR", "STCK_PRPR", "CNTG_VOL", "ACML_VOL", "ACML_TR_PBMN", "BSOP_DATE"),
    "PGM0": ("STCK_CNTG_HOUR", "SELN_CNQN", "SELN_TR_PBMN", "SHNU_CNQN", "SHNU_RSQN"),
    "MKO0": ("TRHT_YN", "VI_CLS_CODE", "OVTM_VI_CLS_CODE"),
    "NAV0": ("NAV", "NAV_PRDY_VRSS", "OPRC_NAV", "HPRC_NAV", "LPRC_NAV"),
    "CNI0": ("ACNT_NO", "SELN_BYOV_CLS", "STCK_SHRN_ISCD", "CNTG_QTY", "STCK_CNTG_HOUR", "CNTG_YN"),
    "CNI9": ("ACNT_NO", "SELN_BYOV_CLS", "STCK_SHRN_ISCD", "CNTG_QTY", "STCK_CNTG_HOUR", "CNTG_YN"),
}


def used_columns(tr_id: str) -> tuple[str, ...]:
    if tr_id == "H0UPPGM0":
        return ("BSTP_CLS_CODE", "BSOP_HOUR", "WHOL_NTBY_TR_PBMN")
    if tr_id.startswith("H0UP"):
        return ("BSTP_CLS_CODE", "BSOP_HOUR", "PRPR_NMIX", "BSTP_NMIX_PRDY_VRSS")
    return USED[tr_id[4:]]


@every_feed
@settings(max_examples=20)
@given(data=st.data())
def test_a_value_of_the_wrong_type_spoils_the_frame(
    tr_id: str, era: Era, data: st.DataObject
) -> None:
    """In whichever record and used column it stands; the frame is kept whole."""
    drawn = data.draw(st.lists(records(feed_form(tr_id), era), min_size=1, max_size=3))
    bad = drawn[data.draw(st.integers(0, len(drawn) - 1))]
    bad[data.draw(st.sampled_from(used_columns(tr_id)))] = data.draw(
        st.sampled_from(["seven", "1.5.5", "-", "0x1F", "12 30", "y", "9" * 40])
    )
    text = text_of(tr_id, rows_of(drawn))
    with pytest.raises(MalformedFrame) as caught:
        decode(text)
    if not tr_id.startswith("H0STCNI"):
        assert caught.value.frame == text


@every_feed_with_codes
@settings(max_examples=10)
@given(data=st.data())
def test_a_record_that_starts_with_no_code_spoils_the_frame(
    tr_id: str, era: Era, data: st.DataObject
) -> None:
    """With columns shifted, a price or a name would stand where the code belongs."""
    drawn = data.draw(st.lists(records(feed_form(tr_id), era), min_size=1, max_size=3))
    bad = drawn[data.draw(st.integers(0, len(drawn) - 1))]
    bad[next(iter(bad))] = data.draw(st.sampled_from(["71500", "", "삼성전자우선", "-12345", "N^"]))
    rows = rows_of(drawn)
    if tr_id.startswith("H0STCNI"):  # begins with the login; its code is column 8
        rows[0][8], rows[0][0] = "71500", "login"
    with pytest.raises((MalformedFrame, ShortFrame)):
        decode(text_of(tr_id, rows))


def test_an_operation_record_may_end_before_the_exchange() -> None:
    """The documentation's sample has ten columns and the literal (null)."""
    (operation,) = decode("0|H0STMKO0|001|005930^N^(null)^112^^0^0^55^N^N")
    assert operation == MarketOperation(
        at=RECEIVED,
        symbol=Symbol("005930"),
        halted=False,
        reason="",
        code="112",
        expected_code="",
        designation="55",
        interrupted=False,
        interrupted_after_hours=False,
    )


def test_net_program_buying_is_in_won() -> None:
    """Field 76 counts millions; net selling is negative."""
    fields = ["1001", "100000", *["0"] * 86]
    fields[76] = "-12345"
    (flow,) = decode("0|H0UPPGM0|001|" + "^".join(fields))
    assert flow == ProgramFlow(
        at=RECEIVED,
        market="KOSDAQ",
        time=at(DAY, "100000"),
        cumulative_net_value=-12_345_000_000,
    )


@pytest.mark.parametrize(
    ("sign", "change", "yesterday"),
    [
        ("2", "12.34", 271_912),
        ("5", "12.34", 274_380),
        ("5", "-12.34", 274_380),
        ("3", "0", 273_146),
    ],
)
def test_a_falling_index_is_told_by_sign_or_code(sign: str, change: str, yesterday: int) -> None:
    """Some changes are signed already; codes 4 and 5 are falls either way."""
    fields = ["0001", "100000", "2731.46", sign, change, *["0"] * 25]
    (level,) = decode("0|H0UPCNT0|001|" + "^".join(fields))
    assert isinstance(level, IndexLevel)
    assert (level.centipoints, level.previous_close_centipoints) == (273_146, yesterday)


def test_the_first_trade_of_the_second_exchange_is_no_auction() -> None:
    """KRX opens with a single-price match; NXT and the unified feed start in continuous trading."""
    fields = ["x"] * 47
    places = {0: "005930", 1: "080003", 2: "71500", 10: "71600", 11: "71500", 12: "5", 13: "5"}
    places |= {14: "357500", 21: "1", 33: DAY, 34: "20", 43: "0", 45: ""}
    for place, value in places.items():
        fields[place] = value
    found = {}
    for tr_id in ("H0STCNT0", "H0NXCNT0", "H0UNCNT0"):
        (message,) = decode(text_of(tr_id, [fields]))
        assert isinstance(message, TradeFrame | VenueTradeFrame)
        found[tr_id] = message.trades[0].auction
    assert found == {"H0STCNT0": True, "H0NXCNT0": False, "H0UNCNT0": False}
