"""Records are read whole or not at all: units, signs, blanks, spellings, unknown fields."""

from __future__ import annotations

from datetime import date, time
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.calendar import instant
from kis_gateway.api.reading import Reader, Record
from kis_gateway.api.records.account import BalanceHolding, ExecutedOrder, ModifiableOrder
from kis_gateway.api.records.charts import MinuteBar
from kis_gateway.api.records.flows import CreditDay, InvestorDay
from kis_gateway.api.records.indices import IndexNow
from kis_gateway.api.records.prices import LastPrice, OrderBook
from kis_gateway.api.records.reference import VolatilityInterruption
from kis_gateway.api.units import Centipoints, Percent, Shares, Text, Won
from kis_gateway.client.answer import Fields
from kis_gateway.errors import FieldMissing, FieldUnreadable
from kis_gateway.protocol import call_form

from .protocol_answers import row_of

DAY = date(2026, 11, 20)
PRICE = Reader(LastPrice, "inquire-price", "output")
PRICE_ROW = row_of(call_form("inquire-price").blocks["output"])


def price(**values: Any) -> LastPrice:
    return PRICE.read(Fields("inquire-price", {**PRICE_ROW, **values}), DAY)


def read(record: type[Any], call: str, block: str = "output", **values: Any) -> Any:
    row = {**row_of(call_form(call).blocks[block]), **values}
    return Reader(record, call, block).read(Fields(call, row), DAY)


def test_won_shares_and_percent_are_read_in_their_units() -> None:
    """Won and shares are whole, rates are percent, capitalisation comes in hundred millions."""
    found = price(
        stck_prpr="71900",
        acml_vol="11234567",
        prdy_ctrt="1.27",
        hts_avls="4292273",
        wghn_avrg_stck_prc="71834.62",
        per="13.05",
    )
    assert found.price == 71_900
    assert found.volume == 11_234_567
    assert found.change_rate == 1.27
    assert found.market_cap == 429_227_300_000_000
    assert found.average_price_centiwon == 7_183_462
    assert found.price_earnings == 13.05


@pytest.mark.parametrize(
    ("number", "sign", "expected"),
    [
        ("500", "5", -500),
        ("500", "4", -500),
        ("-500", "5", -500),
        ("500", "2", 500),
        ("500", "1", 500),
        ("0", "3", 0),
        ("-500", "", -500),
    ],
)
def test_an_unsigned_change_takes_its_sign_from_the_field_beside_it(
    number: str, sign: str, expected: int
) -> None:
    """1 upper limit, 2 up, 3 unchanged, 4 lower limit, 5 down; signed numbers keep theirs."""
    assert price(prdy_vrss=number, prdy_vrss_sign=sign).change == expected


def test_large_units_become_won_and_shares() -> None:
    """Million won, ten thousand won and thousand shares are counted out."""
    day = read(
        InvestorDay,
        "inquire-investor",
        frgn_ntby_qty="-12345",
        frgn_ntby_tr_pbmn="-886",
        stck_clpr="71900",
    )
    assert (day.foreigners.net_bought, day.foreigners.net_value) == (-12_345, -886_000_000)
    credit = read(CreditDay, "daily-credit-balance", whol_loan_rmnd_amt="25")
    assert credit.margin_loans.outstanding_amount == 250_000
    index = read(
        IndexNow,
        "inquire-index-price",
        bstp_nmix_prpr="2731.46",
        bstp_nmix_prdy_vrss="12.05",
        prdy_vrss_sign="5",
        acml_vol="412345",
        acml_tr_pbmn="8123456",
    )
    assert (index.centipoints, index.change_centipoints) == (273_146, -1_205)
    assert (index.volume, index.value) == (412_345_000, 8_123_456_000_000)


def test_times_are_instants_of_their_own_day_or_of_the_inquiry() -> None:
    """A bar has its date beside it, a quote has the date it was asked on."""
    bar = read(
        MinuteBar,
        "inquire-time-itemchartprice",
        "output2",
        stck_bsop_date="20261119",
        stck_cntg_hour="152900",
    )
    assert bar.trading_date == "20261119"
    assert bar.start == instant(date(2026, 11, 19), time(15, 29))
    order = read(ModifiableOrder, "inquire-psbl-rvsecncl", ord_tmd="090501")
    assert order.ordered_at == instant(DAY, time(9, 5, 1))


def test_order_numbers_stay_exactly_as_received() -> None:
    """They are sent back verbatim, blanks and zeros included; names lose their blanks."""
    order = read(
        ModifiableOrder, "inquire-psbl-rvsecncl", odno=" 0000117057", prdt_name="삼성전자   "
    )
    assert order.broker_order == " 0000117057"
    assert order.name == "삼성전자"


def test_a_book_has_ten_levels_a_side_best_first() -> None:
    """Numbered fields become levels in order."""
    book = read(
        OrderBook,
        "inquire-asking-price-exp-ccn",
        "output1",
        askp1="70100",
        askp_rsqn1="512",
        askp_rsqn_icdc1="-3",
        askp10="71000",
    )
    assert (len(book.asks), len(book.bids)) == (10, 10)
    assert (book.asks[0].price, book.asks[0].quantity, book.asks[0].change) == (70_100, 512, -3)
    assert book.asks[9].price == 71_000


def test_either_spelling_of_a_field_is_read() -> None:
    """The documentation and the wire disagree about the cancelled quantity of an order."""
    call = "inquire-daily-ccld"
    row = row_of(call_form(call).blocks["output1"])
    del row["cnc_cfrm_qty"]
    row["cncl_cfrm_qty"] = "7"
    order = Reader(ExecutedOrder, call, "output1").read(Fields(call, row), DAY)
    assert order.cancelled_quantity == 7
    assert "cncl_cfrm_qty" not in order.extra


def test_upper_case_names_are_the_same_fields() -> None:
    """KIS writes some answers in capitals."""
    row = {name.upper(): value for name, value in PRICE_ROW.items()}
    assert PRICE.read(Fields("inquire-price", row), DAY).price == 1_234


@pytest.mark.parametrize("blank", ["", "  ", "00000000"])
def test_a_blank_date_is_none_where_it_may_be_blank(blank: str) -> None:
    """A cash holding has no loan date."""
    holding = read(BalanceHolding, "inquire-balance", "output1", loan_dt=blank, loan_amt="")
    assert holding.loan_date is None
    assert holding.loan is None


def test_an_interruption_that_lasts_has_not_been_released() -> None:
    """KIS leaves the release time blank or at zero."""
    for blank in ("", "000000"):
        assert (
            read(VolatilityInterruption, "inquire-vi-status", vi_cncl_hour=blank).released_at
            is None
        )


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("stck_prpr", "", "a whole number"),
        ("stck_prpr", "71,900", "a whole number"),
        ("stck_prpr", "71900.5", "a whole number"),
        ("stck_prpr", "NaN", "a whole number"),
        ("stck_prpr", "9" * 30, "a whole number"),
        ("prdy_ctrt", "-", "a number"),
        ("prdy_ctrt", "Infinity", "a number"),
        ("temp_stop_yn", "1", "Y or N"),
        ("w52_hgpr_date", "20261332", "a date YYYYMMDD"),
        ("w52_hgpr_date", "2026-1-2", "a date YYYYMMDD"),
    ],
)
def test_an_unreadable_value_is_named_with_its_call_and_field(
    field: str, value: str, wanted: str
) -> None:
    """A trader must see which field of which call holds what."""
    with pytest.raises(FieldUnreadable) as raised:
        price(**{field: value})
    assert raised.value.field == field
    assert raised.value.value == value
    assert str(raised.value) == (
        f"inquire-price failed (MALFORMED): {field} is {value!r}, not {wanted}"
    )


@pytest.mark.parametrize("value", ["24:00:00", "246060", "9305", ""])
def test_an_impossible_time_of_day_is_unreadable(value: str) -> None:
    """Such a bar has no place on the day."""
    with pytest.raises(FieldUnreadable, match="stck_cntg_hour"):
        read(MinuteBar, "inquire-time-itemchartprice", "output2", stck_cntg_hour=value)


@given(lost=st.sampled_from(sorted(PRICE.names)))
def test_a_record_without_a_declared_field_is_not_made(lost: str) -> None:
    """Whichever field is missing, the error names it."""
    row = {name: value for name, value in PRICE_ROW.items() if name != lost}
    with pytest.raises(FieldMissing, match=f"lacks the field {lost}$"):
        PRICE.read(Fields("inquire-price", row), DAY)


@given(
    extra=st.dictionaries(
        st.text(min_size=1).filter(lambda name: name.lower() not in PRICE.names), st.text()
    )
)
def test_whatever_else_an_answer_says_is_kept(extra: dict[str, str]) -> None:
    """Names and values of undeclared fields come back verbatim."""
    assert price(**extra).extra.items() >= extra.items()


@given(st.text())
def test_any_text_is_a_whole_number_of_won_or_an_error_that_quotes_it(text: str) -> None:
    """No text makes the reader fail in another way."""
    number: object = None
    quoted = None
    try:
        number = price(stck_prpr=text).price
    except FieldUnreadable as error:
        quoted = error.value
    assert isinstance(number, int) or quoted == text


@given(st.integers(-(10**15), 10**15))
def test_every_whole_number_survives_the_wire(number: int) -> None:
    """Also as JSON number, and with decimals that are zero."""
    for wire in (str(number), number, f"{number}.00", f" {number} "):
        assert price(acml_tr_pbmn=wire).value == number


class WrongName(Record, frozen=True, kw_only=True):
    price: Annotated[int, Won("stck_prprr")]


class WrongUnit(Record, frozen=True, kw_only=True):
    price: Annotated[int, Shares("stck_prpr")]


class WrongType(Record, frozen=True, kw_only=True):
    price: Annotated[float, Won("stck_prpr")]


class PointsForPercent(Record, frozen=True, kw_only=True):
    change: Annotated[int, Centipoints("prdy_ctrt")]


class TextForWon(Record, frozen=True, kw_only=True):
    price: Annotated[str, Text("stck_prpr")]


class WholePercent(Record, frozen=True, kw_only=True):
    rate: Annotated[int, Percent("prdy_ctrt")]


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (WrongName, "WrongName.price: inquire-price has no field stck_prprr"),
        (WrongUnit, "stck_prpr of inquire-price is in won, which is not Shares"),
        (WrongType, "WrongType.price: Won is <class 'int'>, not <class 'float'>"),
        (PointsForPercent, "prdy_ctrt of inquire-price is in percent, which is not Centipoints"),
        (TextForWon, "stck_prpr of inquire-price is in won, which is not Text"),
        (WholePercent, "WholePercent.rate: Percent is <class 'float'>, not <class 'int'>"),
    ],
)
def test_a_declaration_that_contradicts_the_protocol_is_refused(
    record: type[Record], message: str
) -> None:
    """Names, units and types are checked when the reader is made, not when the market is open."""
    with pytest.raises(TypeError, match=message.replace(".", r"\.")):
        Reader(record, "inquire-price", "output")
