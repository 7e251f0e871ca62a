"""Master files, calendar, drawn minutes, the limits of the service and the lengths of keys."""

from __future__ import annotations

import io
import zipfile
from datetime import date, time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.calendar import instant
from events.market import Bar
from kis_gateway.protocol import master_form
from kis_gateway.simulator import Credentials, Environment, OpeningBook
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.calls.answers import CallRefused
from kis_gateway.simulator.calls.chart_calls import drawn_minutes
from kis_gateway.simulator.facts.masters import standard_code
from tests.kis_gateway.simulator_bench import ACCOUNT, LISTINGS, Bench, running, settings


async def lines(bench: Bench, name: str) -> list[bytes]:
    """Fetch a master file and return its records."""
    answer = await bench.http.get(f"/common/master/{name}.mst.zip")
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == [f"{name}.mst"]
        return archive.read(f"{name}.mst").split(b"\r\n")[:-1]


async def test_master_files_have_records_of_the_documented_width() -> None:
    """Bytes, not characters: the Korean names take two each."""
    async with running() as bench:
        found = {}
        names = ("kospi_code", "kosdaq_code", "konex_code", "idxcode", "theme_code", "memcode")
        for name in names:
            records = found[name] = await lines(bench, name)
            assert {len(record) for record in records} <= {master_form(name).record_bytes}
        counts = [len(found[name]) for name in names[:3]]
        assert counts == [2, 1, 0]
        samsung = found["kospi_code"][1]
        assert samsung[:9] == b"005930   "
        assert samsung[9:21] == b"KR7005930003"
        assert samsung[21:61].decode("cp949").strip() == "삼성전자"
        assert samsung[102:111] == b"000070000"
        assert samsung[174:189] == b"000000005969782"
        assert found["idxcode"][0][:5] == b"00001"


async def test_a_master_file_that_is_none_is_not_found() -> None:
    """HTTP 404 and no KIS envelope: files have a host of their own."""
    async with running() as bench:
        for path in ("/common/master/nothing.mst.zip", "/common/master/kospi_code.zip"):
            assert (await bench.http.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("symbol", "code"), [("005930", "KR7005930003"), ("000660", "KR7000660001")]
)
def test_standard_codes_have_their_check_digit(symbol: str, code: str) -> None:
    """Published codes of Samsung Electronics and SK hynix."""
    assert standard_code(symbol) == code


async def test_the_calendar_knows_weekends() -> None:
    """Friday is a session, Saturday is not; weekdays count from Sunday."""
    async with running(settings(environment=Environment.REAL)) as bench:
        answer = await bench.quote("chk-holiday", "CTCA0903R", BASS_DT="20261120")
        found = [
            (row["bass_dt"], row["wday_dvsn_cd"], row["opnd_yn"]) for row in answer["output"][:3]
        ]
        assert found == [
            ("20261120", "06", "Y"),
            ("20261121", "07", "N"),
            ("20261122", "01", "N"),
        ]


prices = st.integers(100, 2_000).map(lambda ticks: ticks * 100)


@given(
    low=prices,
    edges=st.lists(st.integers(0, 40), min_size=3, max_size=3),
    volume=st.integers(0, 10**7),
)
def test_drawn_minutes_add_up_to_their_day(low: int, edges: list[int], volume: int) -> None:
    """Open, close and volume are met, and no minute leaves the day's range."""
    first, last, top = (low + edge * 100 for edge in edges)
    high = max(first, last, top)
    start = instant(date(2026, 11, 19), time())
    minutes = drawn_minutes(LISTINGS[0], Bar(start, first, high, low, last, volume))
    assert sum(bar.volume for bar in minutes) == volume
    assert [bar.start for bar in minutes] == sorted({bar.start for bar in minutes})
    for bar in minutes:
        assert low <= bar.low <= min(bar.open, bar.close)
        assert max(bar.open, bar.close) <= bar.high <= high
    if volume > 1_000:
        assert (minutes[0].open, minutes[-1].close) == (first, last)
        assert (max(bar.high for bar in minutes), min(bar.low for bar in minutes)) == (high, low)


async def test_orders_can_have_a_tighter_limit_than_queries() -> None:
    """Two seconds between two orders; a quotation in between is admitted."""
    async with running(settings(order_interval_seconds=2.0)) as bench:
        assert (await bench.order())["rt_cd"] == "0"
        await bench.clock.advance(1)
        assert (await bench.order())["msg_cd"] == "EGW00201"
        assert (await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD="005930"))[
            "rt_cd"
        ] == "0"
        await bench.clock.advance(1)
        assert (await bench.order())["rt_cd"] == "0"


async def test_a_part_of_the_calls_is_refused_for_no_reason() -> None:
    """About three in ten of 200, the same ones in every run."""

    async def refusals() -> list[int]:
        async with running(settings(refusal_permille=300)) as bench:
            answers = [
                await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD="005930")
                for _ in range(200)
            ]
        return [number for number, each in enumerate(answers) if each["msg_cd"] == "EGW00201"]

    first = await refusals()
    assert 40 <= len(first) <= 80
    assert await refusals() == first


def test_keys_of_another_length_are_refused_when_lengths_are_checked() -> None:
    """36 characters and 180; without the check the service accepts what it was told to."""
    short = Credentials(app_key="short", app_secret="s", account=ACCOUNT, hts_id="t")
    books = (OpeningBook(account=ACCOUNT, cash=0),)
    config = settings(credentials=(short,), accounts=books)
    assert Access(config).issue_token("short", "s", 0)["token_type"] == "Bearer"
    strict = Access(msgspec.structs.replace(config, check_key_lengths=True))
    with pytest.raises(CallRefused) as refusal:
        strict.issue_token("short", "s", 0)
    assert refusal.value.answer.status == 403
    assert refusal.value.answer.body["error_code"] == "EGW00103"
