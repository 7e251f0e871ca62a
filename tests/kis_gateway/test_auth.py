"""Tokens are asked for rarely, shared by all, and survive refusals of their renewal."""

from __future__ import annotations

import asyncio
import hashlib
import json
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from bus import ManualTime
from kis_gateway.client.auth import Credentials
from kis_gateway.client.rest import open_http
from kis_gateway.errors import AuthenticationFailed

from .kis_double import (
    ACCOUNT,
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
"""09:00 KST on 2025-09-15."""

SECOND = 1_000_000_000
OWN = int(hashlib.sha256(APP_KEY.encode()).hexdigest()[:12], 16)
JITTER = OWN % 20
QUIET = START - 2 * 3_600 * SECOND + OWN % 1_800 * SECOND
"""When the app key's own quiet minute begins on that day: 07:00 and up to half an hour."""

DAY = 86_400 * SECOND
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
        await time.advance(61 + JITTER)
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
        with pytest.raises(AuthenticationFailed, match=f"allowed in {61 + JITTER} s"):
            await credentials.token(wait=False)


async def test_five_refusals_are_enough(tmp_path: Path) -> None:
    """Asking on would only prolong the lock."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [LOCKED] * 6
        task = asyncio.create_task(text(credentials))
        asked_at: list[int] = []
        while not task.done():
            await asyncio.wait({task}, timeout=0.005)
            if double.count("/oauth2/tokenP") > len(asked_at):
                asked_at.append((time.now() - START) // 1_000_000_000)
            await time.advance(5.0)
        with pytest.raises(AuthenticationFailed, match="another program"):
            await task
        assert double.count("/oauth2/tokenP") == 5
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert all(
        61 * nth + JITTER <= pause <= 61 * nth + JITTER + 10 for nth, pause in enumerate(pauses, 1)
    )


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


async def test_a_token_older_than_six_hours_is_renewed_in_the_quiet_hour(tmp_path: Path) -> None:
    """Issued at 11:00, renewed the next morning by 07:30 instead of at 10:55 in the market."""
    time = ManualTime(START + 2 * 3_600 * SECOND)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("of yesterday"), issued("of today")]
        assert await text(credentials) == "of yesterday"
        await time.advance((QUIET + DAY - time.now()) / SECOND - 1)
        assert await text(credentials) == "of yesterday"
        await time.advance(1)
        assert await text(credentials) == "of today"
        await time.advance(3_600)
        assert await text(credentials) == "of today"
        assert double.count("/oauth2/tokenP") == 2


async def test_a_young_token_is_left_alone_in_the_quiet_hour(tmp_path: Path) -> None:
    """KIS would only hand out the same one again."""
    time = ManualTime(QUIET - 5 * 3_600 * SECOND)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("of the night")]
        await credentials.token()
        await time.advance(5 * 3_600 + 60)
        assert await text(credentials) == "of the night"
        assert double.count("/oauth2/tokenP") == 1


async def test_the_next_days_token_is_there_before_eight_though_nobody_calls(
    tmp_path: Path,
) -> None:
    """keep_fresh asks in the quiet hour by itself, again after a refusal, and then not any more."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("of yesterday"), LOCKED, issued("of today")]
        await credentials.token()
        task = asyncio.create_task(credentials.keep_fresh())
        await asyncio.sleep(0)
        await time.advance((QUIET + DAY - time.now()) / SECOND)
        for _ in range(120):
            await asyncio.sleep(0.005)
            await time.advance(30.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert double.count("/oauth2/tokenP") == 3
        assert await text(credentials) == "of today"


async def test_a_token_handed_out_again_keeps_its_old_end(tmp_path: Path) -> None:
    """``expires_in`` speaks of a whole day; the end in words is sooner and counts."""
    time = ManualTime(START)
    again = {
        "access_token": "same",
        "expires_in": 86_400,
        "access_token_token_expired": "2025-09-15 15:00:00",
    }
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [Reply(again), issued("next")]
        assert await text(credentials) == "same"
        await time.advance(6 * 3_600 - 310)
        assert await text(credentials) == "same"
        await time.advance(20)
        assert await text(credentials) == "next"


async def test_a_refused_replacement_is_reported_once_and_not_replaced(tmp_path: Path) -> None:
    """One renewal per incident; then an error of configuration, and silence for ten minutes."""
    time = ManualTime(START)
    reports: list[str] = []
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued("first"), issued("second"), issued("third")]
        credentials.on_refused = reports.append
        first = await credentials.token()
        await time.advance(120)
        for _ in range(3):  # a crowd of calls meets the same refusal
            credentials.invalidate(first)
        second = await credentials.token()
        credentials.invalidate(first)  # the last of the crowd, late
        assert second.reveal() == "second"
        assert reports == []
        await time.advance(120)
        credentials.invalidate(second)
        credentials.invalidate(second)
        assert len(reports) == 1
        assert "same environment" in reports[0]
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="in place of a refused one"):
                await credentials.token()
        assert double.count("/oauth2/tokenP") == 2
        await time.advance(600)
        assert await text(credentials) == "third"


async def test_a_later_refusal_is_a_new_incident(tmp_path: Path) -> None:
    """A token that worked for ten minutes may be replaced once more."""
    time = ManualTime(START)
    async with kis_double() as double, client(double, tmp_path, time) as credentials:
        double.tokens = [issued(name) for name in ("first", "second", "third")]
        for expected in ("second", "third"):
            credentials.invalidate(await credentials.token())
            await time.advance(61)
            assert await text(credentials) == expected
            await time.advance(601)


async def test_two_processes_that_start_together_cause_one_issue(tmp_path: Path) -> None:
    """Real processes, one cache: the service is asked once and both have its answer."""
    code = """
import asyncio, json, pathlib, sys
from bus import SystemTime
from kis_gateway.client.auth import Credentials
from kis_gateway.client.rest import open_http
from kis_gateway.settings import KisSettings, Secret

async def main() -> None:
    key, secret, account, hts_id, url, folder = json.loads(sys.stdin.read())
    settings = KisSettings(
        app_key=Secret(key), app_secret=Secret(secret), account=Secret(account),
        hts_id=Secret(hts_id), token_folder=pathlib.Path(folder), rest_url=url,
    )
    async with open_http() as http:
        token = await Credentials(settings, http, SystemTime()).token()
    print(token.reveal())

asyncio.run(main())
"""
    async with kis_double() as double:
        what = json.dumps([APP_KEY, APP_SECRET, ACCOUNT, "tester01", double.url, str(tmp_path)])
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                code,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(2)
        ]
        outputs = await asyncio.gather(*(each.communicate(what.encode()) for each in processes))
        assert [each.returncode for each in processes] == [0, 0], outputs
        assert [out.decode().splitlines()[-1] for out, _ in outputs] == [TOKEN, TOKEN]
        assert double.count("/oauth2/tokenP") == 1


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
