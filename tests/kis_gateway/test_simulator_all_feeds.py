"""Every real-time feed: what it carries, its width in each era, the kind of every field."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec
import pytest

from events import Symbol
from events.market import Aggressor, Bar, Phase, Venue
from events.prices import Board
from events.trading import Side
from kis_gateway.protocol import Era, Field, feed_form, feed_forms
from kis_gateway.protocol.calls import Kind
from kis_gateway.simulator import Environment
from kis_gateway.simulator.exchange.commands import (
    CloseSession,
    EnterPhase,
    HaltIssue,
    MarketBook,
    MarketIndication,
    MarketTrade,
    OpenSession,
    TriggerInterruption,
    TriggerSidecar,
)
from kis_gateway.simulator.exchange.listing import Listing, Session
from kis_gateway.simulator.exchange.outcomes import ExpectedShown
from kis_gateway.simulator.feeds.expected_records import expected_record
from kis_gateway.simulator.feeds.trade_records import IssueRecords
from kis_gateway.simulator.market import IndexPrint, MarketItem, ProgramPrint
from tests.kis_gateway.simulator_bench import (
    HYNIX,
    LISTINGS,
    OPEN,
    SAMSUNG,
    SECOND,
    HandMarket,
    Socket,
    running,
    settings,
    socket_of,
)

FUND = Symbol("069500")
MINUTE = 60 * SECOND


class TwoExchanges(HandMarket):
    """Samsung trades at both exchanges, Hynix at KRX only, and there is a fund."""

    @property
    def listings(self) -> Sequence[Listing]:
        fund = msgspec.structs.replace(LISTINGS[0], symbol=FUND, board=Board.FUND, name="KODEX 200")
        return (msgspec.structs.replace(LISTINGS[0], nxt=True), *LISTINGS[1:], fund)

    def daily_history(self, symbol: Symbol) -> tuple[Bar, ...]:
        return super().daily_history(SAMSUNG if symbol == FUND else symbol)


def traded(at: int, symbol: Symbol, price: int, session: Session = Session.REGULAR) -> MarketTrade:
    return MarketTrade(
        at=at,
        symbol=symbol,
        price=price,
        quantity=10,
        aggressor=Aggressor.BUY,
        auction=session is Session.AFTER_HOURS_SINGLE_PRICE,
        session=session,
    )


def shown(at: int, symbol: Symbol, session: Session = Session.REGULAR) -> MarketBook:
    return MarketBook(
        at=at,
        symbol=symbol,
        asks=((70_100, 500), (70_200, 700)),
        bids=((70_000, 300),),
        session=session,
    )


def eventful_day() -> list[MarketItem]:
    """Something for every feed."""
    nxt, late = Session.NXT_MAIN_MARKET, Session.AFTER_HOURS_SINGLE_PRICE
    evening = OPEN + 7 * 60 * MINUTE + 10 * MINUTE
    return [
        EnterPhase(at=OPEN - 30 * MINUTE, phase=Phase.OPENING_AUCTION),
        MarketIndication(at=OPEN - 9 * MINUTE, symbol=SAMSUNG, price=70_300, quantity=120),
        IndexPrint(at=OPEN - 9 * MINUTE + SECOND, index="KOSPI", centipoints=250_000),
        EnterPhase(at=OPEN, phase=Phase.CONTINUOUS),
        OpenSession(at=OPEN + 30 * SECOND, session=nxt),
        *(shown(OPEN + 31 * SECOND, symbol) for symbol in (SAMSUNG, HYNIX, FUND)),
        shown(OPEN + 31 * SECOND, SAMSUNG, nxt),
        traded(OPEN + 32 * SECOND, SAMSUNG, 70_100),
        traded(OPEN + 33 * SECOND, SAMSUNG, 70_100, nxt),
        traded(OPEN + 33 * SECOND, FUND, 70_100),
        IndexPrint(at=OPEN + 34 * SECOND, index="KOSPI", centipoints=251_000),
        ProgramPrint(at=OPEN + 35 * SECOND, market="KOSPI", cumulative_net_value=-12_345_678_901),
        TriggerSidecar(at=OPEN + 40 * SECOND, board=Board.KOSPI, side=Side.SELL),
        traded(OPEN + 70 * SECOND, SAMSUNG, 70_100),
        TriggerInterruption(at=OPEN + 80 * SECOND, symbol=SAMSUNG),
        HaltIssue(at=OPEN + 400 * SECOND, symbol=HYNIX, reason=""),
        CloseSession(at=OPEN + 500 * SECOND, session=nxt),
        EnterPhase(at=OPEN + 380 * MINUTE, phase=Phase.CLOSING_AUCTION),
        EnterPhase(at=OPEN + 390 * MINUTE, phase=Phase.CLOSED),
        OpenSession(at=OPEN + 420 * MINUTE, session=late),
        shown(OPEN + 420 * MINUTE, SAMSUNG, late),
        MarketIndication(
            at=OPEN + 425 * MINUTE, symbol=SAMSUNG, price=70_000, quantity=9, session=late
        ),
        traded(evening, SAMSUNG, 70_000, late),
        CloseSession(at=evening + MINUTE, session=late),
    ]


KEYS = {"H0UPCNT0": "0001", "H0UPANC0": "0001", "H0UPPGM0": "0001", "H0STNAV0": FUND}


def right(field: Field, text: str) -> bool:
    """Whether a text is of its column's kind."""
    match field.kind:
        case Kind.INT:
            return re.fullmatch(r"-?\d+", text) is not None
        case Kind.DECIMAL:
            return re.fullmatch(rf"-?\d+\.\d{{{field.scale}}}", text) is not None
        case Kind.TIME:
            return re.fullmatch(r"\d{6}", text) is not None
        case Kind.DATE:
            return re.fullmatch(r"\d{8}", text) is not None
        case Kind.FLAG:
            return text in ("Y", "N")
        case _:
            return text.strip() == text


async def day_of(era: Era) -> dict[str, list[list[str]]]:
    """Run the eventful day with every feed registered; return all records by feed."""
    config = settings(environment=Environment.REAL, era=era)
    market = TwoExchanges(eventful_day())
    start = OPEN - 31 * MINUTE
    async with running(config, market, start=start) as bench, socket_of(bench) as socket:
        feeds = [tr for tr, form in feed_forms().items() if era in form.widths]
        for tr_id in feeds:
            if not tr_id.startswith("H0STCNI"):
                reply = await socket.ask(tr_id, KEYS.get(tr_id, SAMSUNG))
                assert reply["body"]["msg_cd"] == "OPSP0000", tr_id
        await socket.ask("H0STMKO0", HYNIX)
        for step in eventful_day():
            await bench.clock.advance((step.at - bench.clock.now()) / SECOND)
            for _ in range(20):
                await bench.clock.advance(0)
        return await collect(socket)


async def collect(socket: Socket) -> dict[str, list[list[str]]]:
    """Return the records of each feed sent so far; the reply to a broken request ends them."""
    records: dict[str, list[list[str]]] = {}
    await socket.connection.send("{")
    while True:
        text = await socket.connection.recv()
        assert isinstance(text, str)
        if text[0] in "01":
            _, tr_id, count, payload = text.split("|", 3)
            fields = payload.split("^")
            width, rest = divmod(len(fields), int(count))
            assert not rest, text
            records.setdefault(tr_id, []).extend(
                fields[start : start + width] for start in range(0, len(fields), width)
            )
        elif "OPSP9999" in text:
            return records


@pytest.mark.parametrize("era", list(Era))
async def test_every_record_has_its_eras_width_and_every_field_its_kind(era: Era) -> None:
    """All feeds of the era send something in a day on which everything happens."""
    records = await day_of(era)
    expected = {
        tr
        for tr, form in feed_forms().items()
        if era in form.widths and not tr.startswith("H0STCNI")
    }
    # NXT itself holds no auction in this day; its record is checked apart.
    assert expected - set(records) <= {"H0NXANC0"}
    for tr_id, rows in records.items():
        columns = feed_form(tr_id).columns_in(era)
        for row in rows:
            assert len(row) == len(columns), (tr_id, row)
            for field, text in zip(columns, row, strict=True):
                assert right(field, text), (tr_id, field, text, row)


@pytest.mark.parametrize("venue", list(Venue))
def test_an_expected_match_has_the_columns_of_its_venue(venue: Venue) -> None:
    """NXT and unified records end with the reference price of the interruption."""
    tr_id = {Venue.KRX: "H0STANC0", Venue.NXT: "H0NXANC0", Venue.UNIFIED: "H0UNANC0"}[venue]
    records = IssueRecords(LISTINGS[0], 1_000, "20261120", Era.C, venue)
    match = ExpectedShown(at=OPEN, symbol=SAMSUNG, price=70_300, quantity=5)
    row = expected_record(records, match, Phase.OPENING_AUCTION).split("^")
    columns = feed_form(tr_id).columns_in(Era.C)
    assert len(row) == len(columns)
    assert all(right(field, text) for field, text in zip(columns, row, strict=True))
    assert row[45:] == ([] if venue is Venue.KRX else ["70000"])


async def test_the_unified_feed_adds_both_exchanges_up_and_is_mute_for_the_others() -> None:
    """Samsung's ten shares at each exchange are twenty; Hynix is not on the list of NXT."""
    nxt = Session.NXT_MAIN_MARKET
    items: list[MarketItem] = [
        EnterPhase(at=OPEN, phase=Phase.CONTINUOUS),
        OpenSession(at=OPEN + SECOND, session=nxt),
        *(shown(OPEN + 2 * SECOND, symbol) for symbol in (SAMSUNG, HYNIX)),
        shown(OPEN + 2 * SECOND, SAMSUNG, nxt),
        traded(OPEN + 3 * SECOND, SAMSUNG, 70_000, nxt),
        traded(OPEN + 4 * SECOND, SAMSUNG, 70_100),
        traded(OPEN + 5 * SECOND, HYNIX, 70_100),
    ]
    config = settings(environment=Environment.REAL)
    async with running(config, TwoExchanges(items)) as bench, socket_of(bench) as socket:
        for tr_id in ("H0UNCNT0", "H0NXCNT0", "H0UNASP0"):
            for symbol in (SAMSUNG, HYNIX):
                assert (await socket.ask(tr_id, symbol))["body"]["msg_cd"] == "OPSP0000"
        while bench.clock.now() < OPEN + 6 * SECOND:
            await bench.clock.advance(1)
        records = await collect(socket)
    unified = [(row[0], row[2], row[12], row[13], row[7]) for row in records["H0UNCNT0"]]
    assert unified == [
        (SAMSUNG, "70000", "10", "10", "70000"),
        (SAMSUNG, "70100", "10", "20", "70000"),
    ]
    assert [(row[2], row[13]) for row in records["H0NXCNT0"]] == [("70000", "10")]
    book = records["H0UNASP0"][-1]
    assert {row[0] for row in records["H0UNASP0"]} == {SAMSUNG}
    assert (book[3], book[23], book[13], book[33]) == ("70100", "1000", "70000", "600")


async def test_paper_has_three_feeds_and_a_setting_opens_the_rest() -> None:
    """Trades, books and notices; the overseas notices are accepted and stay empty."""
    for config, code in (
        (settings(), "OPSP8991"),
        (settings(real_only_feeds=True), "OPSP0000"),
    ):
        async with running(config) as bench, socket_of(bench) as socket:
            for tr_id, key in (("H0STMKO0", SAMSUNG), ("H0UPCNT0", "0001"), ("H0UNCNT0", SAMSUNG)):
                assert (await socket.ask(tr_id, key))["body"]["msg_cd"] == code
            for tr_id in ("H0STCNT0", "H0STASP0", "H0GSCNI9"):
                assert (await socket.ask(tr_id, SAMSUNG))["body"]["msg_cd"] == "OPSP0000"
            assert (await socket.ask("H0STCNI0", SAMSUNG))["body"]["msg_cd"] == "OPSP8991"


async def test_an_auction_shows_its_expected_match_in_the_book_and_on_its_own_feed() -> None:
    """Price, quantity and change against the base price of 70,000."""
    config = settings(environment=Environment.REAL)
    market = TwoExchanges(eventful_day())
    async with (
        running(config, market, start=OPEN - 31 * MINUTE) as bench,
        socket_of(bench) as socket,
    ):
        await socket.ask("H0STANC0", SAMSUNG)
        await socket.ask("H0STASP0", SAMSUNG)
        await bench.clock.advance(23 * 60)
        records = await collect(socket)
    (expected,) = records["H0STANC0"]
    assert (expected[2:5], expected[12], expected[34], expected[43]) == (
        ["70300", "2", "300"],
        "120",
        "10",
        "B",
    )
    book = records["H0STASP0"][-1]
    assert (book[2], book[47:53]) == ("B", ["70300", "120", "120", "300", "2", "0.43"])


async def test_operations_are_told_when_something_changes_and_only_then() -> None:
    """A sidecar, an interruption and its end, with the literal (null) for no reason."""
    records = (await day_of(Era.C))["H0STMKO0"]
    samsung = [row for row in records if row[0] == SAMSUNG]
    halted = [row for row in records if row[0] == HYNIX and row[1] == "Y"]
    assert "387" in [row[3] for row in samsung]
    changes = [row[8] for row in samsung]
    assert changes[changes.index("Y") :].count("N") >= 1
    assert {(row[2], row[7]) for row in halted} == {("(null)", "58")}


async def test_member_firms_come_once_a_minute_and_a_fund_tells_its_value() -> None:
    """Ten firms with their shares of the volume; the value is not the price."""
    records = await day_of(Era.C)
    first = records["H0STMBC0"][0]
    assert len({*first[1:6]}) == 5
    assert first[68:] == [""] * 10
    minutes = len(records["H0STMBC0"])
    assert minutes <= 12
    (nav, *_) = records["H0STNAV0"]
    assert nav[0] == FUND
    assert 70_000 < float(nav[1]) < 70_200
