"""The request budget: who asks how often, and no start with more than there is."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import ManualTime, MemoryLog
from events import AccountId
from kis_gateway.budget import (
    HIGHEST_LOAD,
    Bucket,
    BudgetExceeded,
    request_budget,
    require_room,
)
from kis_gateway.orders.reconciliation import ReconciliationSettings
from kis_gateway.orders.settlement import SettlementSettings
from kis_gateway.service import run_gateway
from kis_gateway.service_settings import GatewaySettings
from kis_gateway.settings import DEFAULT_LIMITS, Environment

from .fakes import FakeBroker, FakeFeed

PAPER = DEFAULT_LIMITS[Environment.PAPER]
REAL = DEFAULT_LIMITS[Environment.REAL]


def test_the_defaults_fit_a_paper_account() -> None:
    """0.2 orders + 0.017 balance + 0.1 index + 0.033 program flow, of 0.9 a second."""
    budget = request_budget(GatewaySettings(), PAPER, symbols=20)
    require_room(budget)
    assert budget.demand(Bucket.DATA) == pytest.approx(0.35, abs=0.001)
    assert budget.demand(Bucket.LEDGER) == pytest.approx(0.2167, abs=0.001)
    assert budget.load(Bucket.DATA) == pytest.approx(0.389, abs=0.001)
    assert budget.allowed[Bucket.DATA] == pytest.approx(0.9)


def test_on_the_real_host_the_reserve_of_orders_is_not_counted_on() -> None:
    """Ten calls a second, six of them for data."""
    assert request_budget(GatewaySettings(), REAL, symbols=20).allowed == {
        Bucket.DATA: 6.0,
        Bucket.LEDGER: 0.9,
    }


def test_the_table_says_who_asks_how_often_and_what_has_no_cadence() -> None:
    """As printed for an operator."""
    table = request_budget(GatewaySettings(), PAPER, symbols=20).table()
    assert table.splitlines() == [
        "consumer                      calls/s  counted on    key",
        "orders of the day               0.200  data, ledger  inquiries.working_s",
        "balance                         0.017  data, ledger  reconciliation.balance_s",
        "index levels (1)                0.100  data          index_poll_s",
        "program trading (2)             0.033  data          program_poll_s",
        "sum on data                     0.350  39% of 0.90, 70% allowed",
        "sum on ledger                   0.217  24% of 0.90, 70% allowed",
        "opening                            40  73 s or more  universe, daily_bars",
        "back-fill of minutes               20  36 s or more  universe, backfill_after_open_s",
        "prices while feed is down          20  36 s or more  registrations",
    ]


def test_too_many_polls_are_refused_with_every_consumer_and_its_key() -> None:
    """Index levels twice a second do not fit a paper account."""
    settings = GatewaySettings(index_poll_s=0.5)
    with pytest.raises(BudgetExceeded) as caught:
        require_room(request_budget(settings, PAPER, symbols=20))
    message = str(caught.value)
    assert "data 250%" in message
    assert "ledger" not in message.splitlines()[0]
    for key in ("index_poll_s", "program_poll_s", "inquiries.working_s"):
        assert key in message
    assert caught.value.budget.errands[0].seconds == float("inf")


def test_a_ledger_that_is_asked_too_often_is_refused_alone() -> None:
    """Data have room on the real host; the ledger allows less than one call a second."""
    settings = GatewaySettings(
        inquiries=SettlementSettings(working_s=1.0),
        reconciliation=ReconciliationSettings(balance_s=60.0),
    )
    with pytest.raises(BudgetExceeded, match=r"\(ledger 113%\)"):
        require_room(request_budget(settings, REAL, symbols=20))


async def test_a_gateway_that_asks_too_much_does_not_start() -> None:
    """Refused before anything is sent or written."""
    time, log = ManualTime(1_757_894_400_000_000_000), MemoryLog(AccountId("test"))
    with pytest.raises(BudgetExceeded, match="index_poll_s"):
        await run_gateway(
            log=log,
            time=time,
            broker=FakeBroker(time),
            feed=FakeFeed(time),
            settings=GatewaySettings(index_poll_s=0.5),
            configuration={},
            universe=[],
            code_version="test",
            run="r1",
            stop=asyncio.Event(),
            limits=PAPER,
        )
    assert (await log.info()).last_sequence == 0


@given(index=st.floats(0.1, 100), program=st.floats(0.1, 100), balance=st.floats(2, 100))
def test_whatever_starts_leaves_three_tenths_of_every_bucket(
    index: float, program: float, balance: float
) -> None:
    """Accepted means that the sum of the consumers stays below; refused that it does not."""
    settings = GatewaySettings(
        index_poll_s=index,
        program_poll_s=program,
        reconciliation=ReconciliationSettings(balance_s=balance),
    )
    budget = request_budget(settings, PAPER, symbols=1)
    demand = 1 / index + 2 / program + 1 / balance + 0.2
    try:
        require_room(budget)
    except BudgetExceeded:
        assert demand > 0.63 - 1e-9
    else:
        assert demand <= HIGHEST_LOAD * 0.9 + 1e-9
