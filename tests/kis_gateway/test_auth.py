"""Tokens are asked for rarely, shared by all, and survive refusals of their renewal."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bus import ManualTime
from kis_gateway.auth import Credentials
from kis_gateway.errors import AuthenticationFailed
from kis_gateway.rest import open_http

from .kis_double import (
    APP_KEY,
    APP_SECRET,
    APPROVAL,
    TOKEN,
    KisDouble,
    Reply,
    kis_double,
    settings_for,
)

START = 1_757_894_400_000_000_000
LOCKED = Reply(
    {"error_code": "EGW00133", "error_description": "접근토큰 발급 잠시 후 다시 시도하세요"}, 403
)


def issued(token: str, seconds: int = 86_400) -> Reply:
    return Reply({"access_token": token, "token_type": "Bearer", "expires_in": seconds})


@asynccontextmanager
async def client(double: KisDouble, folder: Path, time: ManualTime) -> AsyncIterator[Credentials]:
    async with open_http() as http:
        yield Credentials(settings_for(double.url, folder), http, time)


async def text(credentials: Credentials) -> str:
    return (await credentials.token()).reveal()


async def run(time: ManualTime, task: asyncio.Task[str], seconds: float) -> None:
    """Let a waiting task make its network calls while simulated time goes by."""
    for _ in range(round(seconds)):
        await asyncio.wait({task}, timeout=0.005)
        await time.advance(1.0)


async def finish(time: ManualTime, task: asyncio.Task[str]) -> str:
    """Let simulated time go by until a waiting task is done, and return its result."""
    while not task.done():
        await run(time, task, 1)
    return await task


async def test_two_instances_share_one_token(tmp_path: Path) -> None:
    """A second process of the key finds the file instead of asking KIS again."""
    time = ManualTime(START)
    async with kis_double() as double:
        async with client(double, tmp_path, time) as one, client(double, tmp_path, time) as two:
            assert await text(one) == TOKEN
            assert await text(two) == TOKEN
        assert double.count("/oauth2/tokenP") == 1
        assert double.requests[0].body == {
            "grant_type": "client_credentials",
            "appkey": APP_KEY,
            "appsecret": APP_SECRET,
        }


async def test_two_instances_that_ask_at_once_ask_once(tmp_path: Path) -> None:
    """The lock file makes the second wait for the first one's answer."""
    time = ManualTime(START)
    async with kis_double() as double:
        async with client(double, tmp_path, time) as one, client(double, tmp_path, time) as two:
            tasks = [asyncio.create_task(text(each)) for each in (one, one, two)]
            assert [await finish(time, task) for task in tasks] == [TOKEN] * 3
        assert double.count("/oauth2/tokenP") == 1


async def test_the_token_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """Mode 0600, and no half-written file is left behind."""
    folder = tmp_path / "deep" / "tokens"
    async with kis_double() as double, client(double, folder, ManualTime(START)) as credentials:
        await credentials.token()
        settings = settings_for(double.url, folder)
    assert stat.S_IMODE(settings.token_cache.stat().st_mode) == 0o600
    assert sorted(file.suffix for file in folder.iterdir()) == [".json", ".lock"]


async def test_a_token_is_renewed_five_minutes_early(tmp_path: Path) -> None:
    """23 h 54 min it is used, at 23 h 56 min there is a new one."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("first"), issued("second")]
        assert await text(credentials) == "first"
        await time.advance(86_400 - 360)
        assert await text(credentials) == "first"
        await time.advance(120)
        assert await text(credentials) == "second"


async def test_a_refused_renewal_keeps_the_old_token_and_the_peace(tmp_path: Path) -> None:
    """EGW00133: the token held works on, and nobody asks again for a minute."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("first"), LOCKED, issued("second")]
        await credentials.token()
        await time.advance(86_400 - 240)
        assert [await text(credentials) for _ in range(3)] == ["first"] * 3
        assert double.count("/oauth2/tokenP") == 2
        await time.advance(66)
        assert await text(credentials) == "second"


async def test_an_unreachable_service_does_not_take_a_living_token(tmp_path: Path) -> None:
    """Renewal fails, trading goes on."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("first"), Reply(b"<html>maintenance</html>", 503)]
        await credentials.token()
        await time.advance(86_400 - 240)
        assert await text(credentials) == "first"


async def test_without_a_token_a_lock_is_waited_out(tmp_path: Path) -> None:
    """At least 61 s between two requests, by the run's clock."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [LOCKED, issued("late")]
        task = asyncio.create_task(text(credentials))
        await run(time, task, 60)
        assert double.count("/oauth2/tokenP") == 1
        assert await finish(time, task) == "late"


async def test_who_cannot_wait_is_told_so_at_once(tmp_path: Path) -> None:
    """An order is refused rather than sent a minute late."""
    async with kis_double() as double, client(double, tmp_path, ManualTime(START)) as credentials:
        double.tokens = [LOCKED]
        with pytest.raises(AuthenticationFailed, match="allowed in 65 s"):
            await credentials.token(wait=False)


async def test_five_refusals_are_enough(tmp_path: Path) -> None:
    """Asking on would only prolong the lock."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [LOCKED] * 6
        task = asyncio.create_task(text(credentials))
        with pytest.raises(AuthenticationFailed, match="another program"):
            await finish(time, task)
        assert double.count("/oauth2/tokenP") == 5


async def test_an_invalid_token_is_replaced_once_for_all(tmp_path: Path) -> None:
    """Both users of the dead token end up with the same new one."""
    time = ManualTime(START)
    async with kis_double() as double:
        async with client(double, tmp_path, time) as one, client(double, tmp_path, time) as two:
            double.tokens = [issued("dead"), issued("alive")]
            dead = await one.token()
            assert await text(two) == "dead"
            await time.advance(120)
            one.invalidate(dead)
            assert await text(one) == "alive"
            two.invalidate(dead)
            assert await text(two) == "alive"
        assert double.count("/oauth2/tokenP") == 2


async def test_the_minute_between_two_requests_holds_for_all_processes(tmp_path: Path) -> None:
    """A token that dies early is asked for again 61 s after the last request, whoever made it."""
    time = ManualTime(START)
    async with (
        kis_double() as double,
        client(double, tmp_path, time) as one,
        client(double, tmp_path, time) as two,
    ):
        double.tokens = [issued("dead"), issued("alive")]
        dead = await one.token()
        await time.advance(5)
        two.invalidate(dead)
        with pytest.raises(AuthenticationFailed, match="allowed in 56 s"):
            await two.token(wait=False)
        task = asyncio.create_task(text(two))
        await run(time, task, 55)
        assert double.count("/oauth2/tokenP") == 1
        assert await finish(time, task) == "alive"


async def test_a_token_from_another_clock_is_not_used(tmp_path: Path) -> None:
    """A file written by a run of a later day says nothing about this one."""
    async with kis_double() as double:
        double.tokens = [issued("of tomorrow"), issued("of today")]
        async with client(double, tmp_path, ManualTime(START + 10**14)) as credentials:
            await credentials.token()
        async with client(double, tmp_path, ManualTime(START)) as credentials:
            assert await text(credentials) == "of today"


@pytest.mark.parametrize("content", [b"{broken", '{"token":"한"}'.encode("euc-kr")])
async def test_a_broken_cache_costs_one_request(tmp_path: Path, content: bytes) -> None:
    """Neither an exception nor a token made of rubbish."""
    async with kis_double() as double, client(double, tmp_path, ManualTime(START)) as credentials:
        settings_for(double.url, tmp_path).token_cache.write_bytes(content)
        assert await text(credentials) == TOKEN


async def test_the_approval_key_is_reused_until_forgotten_or_old(tmp_path: Path) -> None:
    """Reconnects do not cost a key each; the secret goes under its other name."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        for _ in range(2):
            assert (await credentials.approval_key()).reveal() == APPROVAL
        assert double.count("/oauth2/Approval") == 1
        assert double.requests[0].body["secretkey"] == APP_SECRET
        credentials.forget_approval_key()
        await credentials.approval_key()
        await time.advance(23 * 3_600)
        await credentials.approval_key()
        assert double.count("/oauth2/Approval") == 3


@pytest.mark.parametrize(
    "reply",
    [
        Reply({"error_code": "EGW00103", "error_description": "유효하지 않은 AppKey입니다."}, 403),
        Reply(b"not json"),
        Reply('{"error_description":"점검"}'.encode("euc-kr"), 503),
        Reply({"access_token": ""}),
    ],
)
async def test_a_refusal_says_why_without_secrets(
    tmp_path: Path, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    """Code and text of KIS, the place to look, and nothing that opens the account."""
    caplog.set_level("DEBUG")
    async with kis_double() as double, client(double, tmp_path, ManualTime(START)) as credentials:
        double.tokens = [reply]
        with pytest.raises(AuthenticationFailed) as caught:
            await credentials.token()
        shown = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text} {credentials!r}"
    assert APP_KEY not in shown
    assert APP_SECRET not in shown


async def test_no_server_is_an_authentication_failure(tmp_path: Path) -> None:
    """Nothing was asked, so the next request may follow at once."""
    async with open_http() as http:
        credentials = Credentials(
            settings_for("http://127.0.0.1:1", tmp_path), http, ManualTime(START)
        )
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="check the network") as caught:
                await credentials.token()
            assert isinstance(caught.value.__cause__, httpx.ConnectError)
