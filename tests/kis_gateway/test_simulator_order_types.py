"""Order types, exchanges, partial changes and late effects on the wire of the order calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from events.market import Phase
from kis_gateway.errors import SettingsError
from kis_gateway.simulator import Environment
from kis_gateway.simulator.exchange.messages import (
    CloseSession,
    EnterPhase,
    HaltIssue,
    Listing,
    MarketBook,
    OpenSession,
    Session,
    TriggerInterruption,
)
from kis_gateway.simulator.market import MarketItem, WholeDayMarket
from tests.kis_gateway.simulator_bench import (
    HTS_ID,
    HYNIX,
    LISTINGS,
    OPEN,
    SAMSUNG,
    SECOND,
    Bench,
    HandMarket,
    book,
    opening,
    running,
    settings,
    socket_of,
    trade,
)

REAL = {"environment": Environment.REAL}


class NxtMarket(HandMarket):
    """The hand-made day with every issue at NXT too."""

    @property
    def listings(self) -> Sequence[Listing]:
        return tuple(msgspec.structs.replace(each, nxt=True) for each in LISTINGS)


def calm(*more: MarketItem) -> list[MarketItem]:
    """One book of Samsung at 09:00 and what a test adds."""
    first: list[MarketItem] = [
        EnterPhase(at=OPEN - 60 * SECOND, phase=Phase.OPENING_AUCTION),
        EnterPhase(at=OPEN, phase=Phase.CONTINUOUS),
        book(OPEN, SAMSUNG, 70_200, 70_000),
    ]
    return sorted([*first, *more], key=lambda item: item.at)


async def place(bench: Bench, side: str = "buy", **terms: str) -> dict[str, Any]:
    """Send a cash order to the real service."""
    asked = {"PDNO": SAMSUNG, "ORD_DVSN": "00", "ORD_QTY": "10", "ORD_UNPR": "70000", **terms}
    tr_id = {"buy": "TTTC0012U", "sell": "TTTC0011U"}[side]
    return dict((await bench.trading("order-cash", tr_id, **asked)).json())


async def change(bench: Bench, number: str, kind: str, **terms: str) -> dict[str, Any]:
    """Amend (01) or cancel (02) an order of the real service."""
    asked = {
        "KRX_FWDG_ORD_ORGNO": "",
        "ORGN_ODNO": number,
        "ORD_DVSN": "00",
        "RVSE_CNCL_DVSN_CD": kind,
        "ORD_QTY": "0",
        "ORD_UNPR": "0",
        "QTY_ALL_ORD_YN": "Y",
        **terms,
    }
    return dict((await bench.trading("order-rvsecncl", "TTTC0013U", **asked)).json())


async def orders(bench: Bench) -> list[dict[str, Any]]:
    """Return every order as the test bench sees it."""
    rows: list[dict[str, Any]] = (await bench.state())["orders"]
    return rows


async def test_a_stop_limit_order_waits_for_its_trigger() -> None:
    """CNDT_PRIC 70,300 trades after ten seconds; the limit then takes the ask."""
    market = HandMarket(calm(trade(OPEN + 10 * SECOND, SAMSUNG, 70_300)))
    async with running(settings(**REAL), market) as bench:
        answer = await place(bench, ORD_DVSN="22", ORD_UNPR="70300", CNDT_PRIC="70300")
        assert answer["msg_cd"] == "APBK0013"
        await bench.clock.advance(5)
        assert (await orders(bench))[0]["filled"] == 0
        await bench.clock.advance(6)
        assert (await orders(bench))[0]["filled"] == 10


async def test_a_stop_limit_order_needs_its_trigger() -> None:
    """Without CNDT_PRIC it is incomplete."""
    async with running(settings(**REAL), HandMarket(calm())) as bench:
        answer = await place(bench, ORD_DVSN="22")
        assert answer["msg_cd"] == "APMP0001"
        assert "CNDT_PRIC" in answer["msg1"]


@pytest.mark.parametrize(
    ("kind", "exchange", "taken"),
    [
        ("01", "KRX", True),
        ("01", "SOR", True),
        ("01", "NXT", False),
        ("02", "KRX", True),
        ("02", "SOR", False),
        ("21", "KRX", True),
        ("21", "SOR", False),
        ("27", "KRX", False),
        ("41", "NXT", False),
        ("07", "KRX", False),
        ("99", "KRX", False),
        ("00", "XYZ", False),
    ],
)
async def test_every_exchange_takes_its_own_types(kind: str, exchange: str, *, taken: bool) -> None:
    """By the table of ORD_DVSN on 2026-11-20; type 07 ended in September."""
    items = calm(OpenSession(at=OPEN, session=Session.NXT_MAIN_MARKET))
    async with running(settings(**REAL), NxtMarket(items)) as bench:
        answer = await place(bench, ORD_DVSN=kind, EXCG_ID_DVSN_CD=exchange)
        assert (answer["rt_cd"] == "0") is taken, answer


async def test_paper_has_krx_only() -> None:
    """NXT and SOR are refused by text."""
    async with running(market=NxtMarket()) as bench:
        for exchange in ("NXT", "SOR"):
            answer = await bench.trading(
                "order-cash",
                "VTTC0012U",
                PDNO=SAMSUNG,
                ORD_DVSN="00",
                ORD_QTY="1",
                ORD_UNPR="70000",
                EXCG_ID_DVSN_CD=exchange,
            )
            assert (answer.json()["rt_cd"], answer.json()["msg_cd"]) == ("1", "")


async def test_an_issue_outside_the_list_is_not_traded_at_nxt() -> None:
    """The hand-made listings are KRX only."""
    async with running(settings(**REAL), HandMarket(calm())) as bench:
        assert (await place(bench, EXCG_ID_DVSN_CD="NXT"))["rt_cd"] == "1"


async def test_a_smart_order_tells_where_it_went_and_stays_there() -> None:
    """NXT asks 70,100, KRX 70,200: notice field 19 says 4; a type of KRX alone is refused."""
    nxt = MarketBook(
        at=OPEN,
        symbol=SAMSUNG,
        asks=((70_100, 5),),
        bids=((69_900, 5),),
        session=Session.NXT_MAIN_MARKET,
    )
    items = calm(OpenSession(at=OPEN, session=Session.NXT_MAIN_MARKET), nxt)
    async with running(settings(**REAL), NxtMarket(items)) as bench:
        answer = await place(bench, ORD_UNPR="70100", EXCG_ID_DVSN_CD="SOR")
        number = answer["output"]["ODNO"]
        (order,) = await orders(bench)
        assert (order["filled"], order["remaining"]) == (5, 5)
        wrong = await change(bench, number, "01", EXCG_ID_DVSN_CD="KRX")
        assert "거래소" in wrong["msg1"]
        market = await change(bench, number, "01", ORD_DVSN="01", EXCG_ID_DVSN_CD="SOR")
        assert "주문구분" in market["msg1"]
        moved = await change(bench, number, "01", ORD_UNPR="70000", EXCG_ID_DVSN_CD="SOR")
        assert moved["rt_cd"] == "0"
        assert [each["remaining"] for each in await orders(bench)] == [0, 5]


async def test_the_after_market_is_a_market_of_its_own() -> None:
    """At 16:00 type 00 is refused as closed, 41 is taken, also in an issue without a book."""
    at = OPEN + 7 * 3_600 * SECOND
    items = calm(
        EnterPhase(at=at - 1_800 * SECOND, phase=Phase.CLOSED),
        OpenSession(at=at, session=Session.KRX_AFTER_MARKET),
        CloseSession(at=at + 60 * SECOND, session=Session.KRX_AFTER_MARKET),
    )
    async with running(settings(**REAL), HandMarket(items)) as bench:
        early = await place(bench, ORD_DVSN="41")
        assert early["msg_cd"] == "APBK0918"
        await bench.clock.advance(7 * 3_600)
        assert (await place(bench))["msg_cd"] == "APBK0918"
        assert (await place(bench, ORD_DVSN="41", PDNO=HYNIX, ORD_UNPR="200000"))["rt_cd"] == "0"
        assert "호가가 없어" in (await place(bench, ORD_DVSN="44"))["msg1"]
        await bench.clock.advance(61)
        assert (await orders(bench))[0]["withdrawn"] == 10


async def test_a_partial_cancel_and_a_partial_amend_leave_the_rest() -> None:
    """Of 10 three are cancelled, four amended; three stay under the first number."""
    async with running(settings(**REAL), HandMarket(calm())) as bench:
        number = (await place(bench))["output"]["ODNO"]
        part = {"QTY_ALL_ORD_YN": "N"}
        assert (await change(bench, number, "02", ORD_QTY="3", **part))["rt_cd"] == "0"
        amended = await change(bench, number, "01", ORD_QTY="4", ORD_UNPR="69900", **part)
        assert amended["rt_cd"] == "0"
        too_many = await change(bench, number, "02", ORD_QTY="4", **part)
        assert too_many["msg1"] == "정정/취소 가능수량이 없습니다."
        first, cancel, moved = await orders(bench)
        assert (first["remaining"], first["withdrawn"]) == (3, 7)
        assert (cancel["quantity"], moved["quantity"], moved["remaining"]) == (3, 4, 4)


async def test_a_cancel_is_answered_before_it_takes_effect() -> None:
    """Four shares trade in the three seconds between; the confirmation says six."""
    config = settings(**REAL, cancel_effect_seconds=(3.0, 3.0))
    seller = trade(OPEN + 3 * SECOND, SAMSUNG, 70_000, 1_004)
    sold = msgspec.structs.replace(seller, aggressor=-1)
    async with running(config, HandMarket(calm(sold))) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI0", HTS_ID)
        number = (await place(bench))["output"]["ODNO"]
        assert (await socket.notice(registered))[13] == "1"
        answer = await change(bench, number, "02")
        assert answer["rt_cd"] == "0"
        again = await change(bench, number, "02")
        assert again["msg1"] == "정정/취소 가능수량이 없습니다."
        await bench.clock.advance(2)
        filled = await socket.notice(registered)
        assert (filled[2], filled[9], filled[13]) == (number, "0000000004", "2")
        await bench.clock.advance(2)
        confirmed = await socket.notice(registered)
        assert (confirmed[3], confirmed[5], confirmed[9]) == (number, "2", "0000000006")


async def test_a_cancel_that_comes_too_late_is_refused_by_a_notice() -> None:
    """Everything trades before it takes effect: RFUS_YN is 1 under the cancel's number."""
    config = settings(**REAL, cancel_effect_seconds=(3.0, 3.0))
    through = msgspec.structs.replace(trade(OPEN + 3 * SECOND, SAMSUNG, 69_900), aggressor=-1)
    async with running(config, HandMarket(calm(through))) as bench, socket_of(bench) as socket:
        registered = await socket.ask("H0STCNI0", HTS_ID)
        number = (await place(bench))["output"]["ODNO"]
        await socket.notice(registered)
        cancel = (await change(bench, number, "02"))["output"]["ODNO"]
        await bench.clock.advance(5)
        assert (await socket.notice(registered))[13] == "2"
        refused = await socket.notice(registered)
        assert (refused[2], refused[12], refused[13]) == (cancel, "1", "1")


async def test_a_halted_issue_refuses_orders_and_takes_cancels() -> None:
    """The answer says that the issue is halted."""
    items = calm(HaltIssue(at=OPEN + 5 * SECOND, symbol=SAMSUNG, reason="공시"))
    async with running(settings(**REAL), HandMarket(items)) as bench:
        number = (await place(bench))["output"]["ODNO"]
        await bench.clock.advance(6)
        assert "거래정지" in (await place(bench))["msg1"]
        assert (await change(bench, number, "02"))["rt_cd"] == "0"


async def test_an_interruption_ends_on_time_without_any_trade() -> None:
    """Nobody sends anything for two minutes; the orders then meet at one price."""
    items = calm(TriggerInterruption(at=OPEN + SECOND, symbol=SAMSUNG))
    async with running(settings(**REAL), HandMarket(items)) as bench:
        await bench.clock.advance(2)
        await place(bench, ORD_UNPR="70200")
        await bench.clock.advance(117)
        assert (await orders(bench))[0]["filled"] == 0
        await bench.clock.advance(3)
        await bench.clock.advance(1)
        (order,) = await orders(bench)
        assert [each["price"] for each in order["fills"]] == [70_200]


async def test_a_pre_market_order_trades_at_nxt_and_ends_with_the_pre_market() -> None:
    """Type 27 at 08:00:40: one takes the ask of the thin market, one goes at 08:50 unfilled."""
    market = WholeDayMarket(HandMarket([]))
    async with running(settings(**REAL), market, start=OPEN - 3_560 * SECOND) as bench:
        terms = {"ORD_DVSN": "27", "EXCG_ID_DVSN_CD": "NXT"}
        await place(bench, ORD_QTY="1", ORD_UNPR="70400", **terms)
        await place(bench, ORD_QTY="10", ORD_UNPR="69000", **terms)
        filled, waiting = await orders(bench)
        assert (filled["filled"], waiting["remaining"]) == (1, 10)
        await bench.clock.advance(3_060)
        assert (await orders(bench))[1]["withdrawn"] == 10


async def test_the_range_of_late_effects_must_be_one() -> None:
    """Low above high is refused."""
    with pytest.raises(SettingsError, match="cancel_effect_seconds"):
        settings(cancel_effect_seconds=(3.0, 1.0))


async def test_the_regular_day_is_as_before() -> None:
    """Without sessions around it a market order trades at the touch."""
    async with running(settings(**REAL), HandMarket(opening())) as bench:
        await place(bench, ORD_DVSN="01", ORD_UNPR="0")
        (order,) = await orders(bench)
        assert [(each["quantity"], each["price"]) for each in order["fills"]] == [(10, 70_100)]
