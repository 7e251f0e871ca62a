"""Records, the lagging ledger and the formats they share, without a server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from events.market import Aggressor, Phase
from events.trading import Side
from kis_gateway.simulator import Era
from kis_gateway.simulator.exchange.messages import BookShown, Executed, Printed, TimeInForce
from kis_gateway.simulator.feeds.book_records import book_record
from kis_gateway.simulator.feeds.notices import Receipt, Registration, notice_record
from kis_gateway.simulator.feeds.trade_records import IssueRecords, frames_of
from kis_gateway.simulator.ledger import Action, Delay, Lagged, OrderLedger, OrderRecord
from kis_gateway.simulator.wire_formats import ORDER_TYPES, change_sign, clock
from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    ERAS,
    HTS_ID,
    LISTINGS,
    OPEN,
    SAMSUNG,
    SECOND,
    decrypt,
)

LISTING = LISTINGS[0]
LEVELS = st.lists(st.tuples(st.integers(1, 10_000_000), st.integers(1, 10**9)), max_size=12).map(
    tuple
)


def _printed(price: int, quantity: int, aggressor: Aggressor, *, auction: bool) -> Printed:
    return Printed(
        at=OPEN,
        symbol=SAMSUNG,
        price=price,
        quantity=quantity,
        aggressor=aggressor,
        auction=auction,
        cumulative_volume=quantity,
        cumulative_value=quantity * price,
        open=price,
        high=price,
        low=price,
        best_ask=0,
        best_bid=0,
    )


PRINTS = st.builds(
    _printed,
    st.integers(49_000, 91_000),
    st.integers(1, 10**9),
    st.sampled_from(list(Aggressor)),
    auction=st.booleans(),
)
BOOKS = st.builds(BookShown, at=st.just(OPEN), symbol=st.just(SAMSUNG), asks=LEVELS, bids=LEVELS)


@given(
    era=st.sampled_from(list(Era)),
    phase=st.sampled_from(list(Phase)),
    printed=PRINTS,
    book=BOOKS,
)
def test_every_record_has_the_width_of_its_era(
    era: Era, phase: Phase, printed: Printed, book: BookShown
) -> None:
    """Whatever the trade and the book, empty sides and more than ten levels included."""
    records = IssueRecords(LISTING, 0, "20261120", era)
    records.show(book)
    records.count(printed)
    trade_width, book_width, _ = ERAS[era]
    assert len(records.trade_record(printed, phase).split("^")) == trade_width
    assert len(book_record(records, book, phase, era).split("^")) == book_width


def test_auction_prints_are_marked_and_move_the_interruption_reference() -> None:
    """Side 3; the closing match has operation class 21; the reference is the match price."""
    records = IssueRecords(LISTING, 0, "20261120", Era.C)
    opened = _printed(71_000, 500, Aggressor.NONE, auction=True)
    records.count(opened)
    fields = records.trade_record(opened, Phase.CONTINUOUS).split("^")
    assert (fields[21], fields[34], fields[45]) == ("3", "20", "71000")
    closed = _printed(72_000, 500, Aggressor.NONE, auction=True)
    records.count(closed)
    fields = records.trade_record(closed, Phase.CLOSING_AUCTION).split("^")
    assert (fields[21], fields[34], fields[45]) == ("3", "21", "72000")


def test_signs_follow_the_base_price_and_the_limits() -> None:
    """1 upper limit, 2 up, 3 flat, 4 lower limit, 5 down."""
    prices = (91_000, 70_100, 70_000, 49_000, 69_900)
    assert [change_sign(price, LISTING) for price in prices] == ["1", "2", "3", "4", "5"]
    assert clock(OPEN + 3_661 * SECOND) == "100101"


@given(count=st.integers(0, 100))
def test_frames_hold_up_to_twenty_records_and_lose_none(count: int) -> None:
    """The announced count is the number of records, in order."""
    records = [f"{place}^x" for place in range(count)]
    seen = []
    for frame in frames_of("H0STCNT0", records):
        flag, tr_id, announced, payload = frame.decode().split("|")
        fields = payload.split("^")
        assert (flag, tr_id, len(announced)) == ("0", "H0STCNT0", 3)
        assert 1 <= int(announced) <= 20
        assert len(fields) == 2 * int(announced)
        seen += fields[::2]
    assert seen == [str(place) for place in range(count)]


@given(text=st.text(max_size=300))
def test_a_notice_decrypts_with_its_own_pair(text: str) -> None:
    """Korean names included; another connection has another pair."""
    pair = Registration.derive("secret", 1, "H0STCNI9", HTS_ID)
    assert decrypt(pair.encrypt(text), key=pair.key, iv=pair.iv) == text
    assert pair != Registration.derive("secret", 2, "H0STCNI9", HTS_ID)


def test_a_notice_of_the_first_era_has_its_columns_in_other_places() -> None:
    """23 fields: short name, credit class and order price without the exchange columns."""
    record = notice_record(
        _order(), Receipt(OPEN, 10), hts_id=HTS_ID, name="삼성전자", era=Era.A
    ).split("^")
    assert len(record) == 23
    assert record[18:] == ["삼성전자", "10", "", "삼성전자", "000070100"]


def test_inquiries_see_changes_late_and_in_order() -> None:
    """A fill is not visible before its order, nor a second fill before the first."""
    ledger = OrderLedger(Delay((1.0, 5.0)))
    order = _order()
    order.visible_at = ledger.visible_at(order.number, OPEN)
    ledger.add(order)
    for quantity in (4, 6):
        ledger.fill(
            Executed(
                at=OPEN,
                order_number=order.number,
                account=ACCOUNT,
                symbol=SAMSUNG,
                side=Side.BUY,
                quantity=quantity,
                price=70_100,
                remaining=0,
                fee=1,
                tax=0,
            )
        )
    assert order.status(OPEN).filled == 0
    assert order.status().filled == 10
    seen = [change.visible_at for change in order.changes]
    assert OPEN + SECOND <= order.visible_at <= seen[0] <= seen[1] <= OPEN + 5 * SECOND
    assert order.status(seen[1]).remaining == 0
    assert ledger.of_account(ACCOUNT, order.visible_at - 1) == []
    assert ledger.of_account(ACCOUNT, order.visible_at) == [order]


def test_order_numbers_are_compared_without_zeros_and_blanks() -> None:
    """Clients send them back as received, cut or padded."""
    ledger = OrderLedger(Delay((0.0, 0.0)))
    order = _order()
    ledger.add(order)
    assert [ledger.get(text) for text in ("0000000007", "7", "   7 ")] == [order] * 3
    assert [ledger.get(text) for text in ("8", "", "x")] == [None] * 3


@given(
    number=st.integers(1, 10**10 - 1),
    ordinal=st.integers(0, 100),
    low=st.floats(0, 5),
    span=st.floats(0, 5),
)
def test_delays_stay_within_their_bounds_and_repeat(
    number: int, ordinal: int, low: float, span: float
) -> None:
    """The same order number has the same delay in every run."""
    first = Delay((low, low + span)).of(f"{number:010d}", ordinal)
    assert round(low * SECOND) <= first <= round((low + span) * SECOND) + 1
    assert first == Delay((low, low + span)).of(f"{number:010d}", ordinal)


def test_a_lagged_value_never_goes_back() -> None:
    """A snapshot with a shorter delay waits for the one before it."""
    value = Lagged("opening")
    value.put("first", visible_at=10)
    value.put("second", visible_at=5)
    assert [value.get(now) for now in (4, 5, 10)] == ["opening", "opening", "second"]


def _order() -> OrderRecord:
    order_type = ORDER_TYPES["00"]
    assert order_type.time_in_force is TimeInForce.DAY
    return OrderRecord(
        number="0000000007",
        account=ACCOUNT,
        symbol=SAMSUNG,
        side=Side.BUY,
        order_type=order_type,
        quantity=10,
        price=70_100,
        at=OPEN,
        visible_at=OPEN,
        action=Action.NEW,
    )
