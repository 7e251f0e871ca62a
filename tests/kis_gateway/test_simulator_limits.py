"""Calls per second, over HTTP and as a window."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kis_gateway.simulator import Environment
from kis_gateway.simulator.limits import WindowLimiter
from tests.kis_gateway.simulator_bench import SAMSUNG, SECOND, running, settings


async def test_paper_admits_one_call_a_second_and_answers_http_500_beyond() -> None:
    """EGW00201, orders included; a refused call is not executed and does not count."""
    async with running(settings(calls_per_second=None)) as bench:
        assert (await bench.order())["rt_cd"] == "0"
        refused = await bench.trading("order-cash", "VTTC0012U")
        assert refused.status_code == 500
        assert refused.json() == {
            "rt_cd": "1",
            "msg_cd": "EGW00201",
            "msg1": "초당 거래건수를 초과하였습니다.",
        }
        await bench.clock.advance(1)
        assert (await bench.order())["rt_cd"] == "0"
        state = await bench.state()
        assert len(state["orders"]) == 2
        assert state["counters"]["throttled_calls"] == 1
        assert state["counters"]["orders_received"] == {"VTTC0012U": 2}


async def test_the_real_service_admits_eighteen() -> None:
    """The nineteenth call within a second is refused."""
    config = settings(environment=Environment.REAL, calls_per_second=None)
    async with running(config) as bench:
        codes = [
            (await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG))["msg_cd"]
            for _ in range(20)
        ]
        assert Counter(codes) == {"MCA00000": 18, "EGW00201": 2}


async def test_the_ledger_admits_one_call_a_second_per_account() -> None:
    """Balance and orders of the day share the bucket; quotations do not touch it."""
    async with running(settings(ledger_calls_per_second=1)) as bench:
        assert (await bench.balance())["rt_cd"] == "0"
        refused = await bench.orders_page()
        assert (refused.status_code, refused.json()["msg_cd"]) == (500, "EGW00215")
        quote = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        assert quote["rt_cd"] == "0"
        await bench.clock.advance(1)
        assert (await bench.orders_page()).json()["rt_cd"] == "0"


@given(
    gaps=st.lists(st.integers(0, SECOND), max_size=60),
    limit=st.integers(1, 5),
)
def test_no_second_ever_holds_more_than_the_limit(gaps: list[int], limit: int) -> None:
    """Whatever the pace, and a call after a full idle second is always admitted."""
    window, now, admitted = WindowLimiter(limit), 0, []
    for gap in gaps:
        now += gap
        if window.admit("key", now):
            admitted.append(now)
    for start in admitted:
        assert sum(start <= at < start + SECOND for at in admitted) <= limit
    assert window.admit("key", now + SECOND)
    assert window.admit("another key", now)


def test_a_limit_of_zero_admits_everything() -> None:
    """Switched off."""
    window = WindowLimiter(0)
    assert all(window.admit("key", 0) for _ in range(100))
