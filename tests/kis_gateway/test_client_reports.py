"""What the client learns about its own footing reaches the log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bus import ManualTime, MemoryLog, SystemTime
from events import AccountId
from events.ops import CallRefusedTooFast, Degraded, Recovered
from kis_gateway.client.client_reports import ClientReports
from kis_gateway.conditions import Conditions
from kis_gateway.errors import InquiryFailed
from kis_gateway.kis_broker import KisBroker
from kis_gateway.publisher import Publisher

from .fakes import of_type, until
from .kis_double import Reply, kis_double, refused, settings_for

START = 1_757_894_400_000_000_000
ACCOUNT = AccountId("test")


async def test_reports_reach_the_log_in_their_order() -> None:
    """A refused call with the spacing in ms; dead credentials as a condition, said once."""
    time, log = ManualTime(START), MemoryLog(ACCOUNT)
    publisher, reports = Publisher(log, "r1"), ClientReports(ManualTime(START))
    tasks = [
        asyncio.create_task(publisher.run()),
        asyncio.create_task(reports.run(publisher, Conditions(publisher, time))),
    ]
    reports.throttled("order-cash buy", "EGW00201", 200_000_000)
    reports.credentials_refused("check the app key")
    reports.credentials_refused("check the app key")
    reports.throttled("inquire-balance", "EGW00215", 2_222_222_224)
    await until(lambda: len(of_type(log, CallRefusedTooFast)) == 2)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    first, second = of_type(log, CallRefusedTooFast)
    assert (first.call, first.code, first.interval_ms, first.ordinal, first.at) == (
        "order-cash buy",
        "EGW00201",
        200,
        1,
        START,
    )
    assert (second.code, second.interval_ms, second.ordinal) == ("EGW00215", 2_222, 2)
    assert [event.condition for event in of_type(log, Degraded)] == ["credentials"]


async def test_a_call_that_kis_refuses_for_its_rate_is_reported_by_the_client(
    tmp_path: Path,
) -> None:
    """From the wire to the report: name, code, and twice the spacing of 900 calls a second."""
    time, log = SystemTime(), MemoryLog(ACCOUNT)
    publisher = Publisher(log, "r1")
    answers = [Reply(refused("EGW00201"), 500), Reply(refused("OPSQ2000"), 200)]
    async with kis_double() as double, KisBroker(settings_for(double.url, tmp_path), time) as kis:
        double.script = lambda _: answers.pop(0)
        tasks = [
            asyncio.create_task(publisher.run()),
            asyncio.create_task(kis.reports.run(publisher, Conditions(publisher, time))),
        ]
        with pytest.raises(InquiryFailed, match="OPSQ2000"):
            await kis.balance()
        await until(lambda: bool(of_type(log, CallRefusedTooFast)))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    (event,) = of_type(log, CallRefusedTooFast)
    assert (event.call, event.code, event.interval_ms) == ("inquire-balance", "EGW00201", 2)


async def test_credentials_that_are_accepted_again_are_no_condition_and_a_next_refusal_is_news(
    tmp_path: Path,
) -> None:
    """The first call that KIS carries out ends it, be it of this process or of the one before."""
    time, log = SystemTime(), MemoryLog(ACCOUNT)
    publisher = Publisher(log, "r1")
    conditions = Conditions(publisher, time)
    conditions.resume({"credentials"})
    async with kis_double() as double, KisBroker(settings_for(double.url, tmp_path), time) as kis:
        double.script = lambda _: Reply({"rt_cd": "0", "msg_cd": "MCA00000", "msg1": ""})
        tasks = [
            asyncio.create_task(publisher.run()),
            asyncio.create_task(kis.reports.run(publisher, conditions)),
        ]
        for _ in range(2):
            with pytest.raises(InquiryFailed, match="output2"):
                await kis.balance()
        await until(lambda: bool(of_type(log, Recovered)))
        for _ in range(2):
            token = await kis.credentials.token()
            kis.credentials.invalidate(token)
            kis.credentials._refused = ""  # KIS gives the same token out again
        await until(lambda: bool(of_type(log, Degraded)))
        kis.credentials._barred_until = 0
        with pytest.raises(InquiryFailed, match="output2"):
            await kis.balance()
        await until(lambda: len(of_type(log, Recovered)) == 2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert {event.condition for event in of_type(log, Recovered)} == {"credentials"}
