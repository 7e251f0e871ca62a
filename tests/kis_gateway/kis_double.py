"""A scripted KIS: real loopback servers that answer exactly what a test tells them to.

Unlike the simulator it knows no rules, so that a test states the whole conversation.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from kis_gateway.settings import KisSettings, Limits, Secret

APP_KEY = "PSappkeyNeverPrintThisText0123456789"
APP_SECRET = "appsecretNeverPrintThisTextEither" * 5
HTS_ID = "hts-login-name"
ACCOUNT = "1234567801"
TOKEN = "access-token-text-that-must-not-appear"
APPROVAL = "approval-key-text-that-must-not-appear"


class Request(NamedTuple):
    """One request as received; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]


class Reply(NamedTuple):
    """One scripted answer; ``tr_cont`` is the paging header."""

    body: dict[str, Any] | bytes
    status: int = 200
    tr_cont: str = ""


Script = Callable[[Request], Awaitable[Reply | None] | Reply | None]


def ok(**blocks: object) -> dict[str, Any]:
    """Return a successful envelope."""
    return {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다.   ", **blocks}


def refused(code: str, message: str = "text", rt_cd: str = "1") -> dict[str, Any]:
    """Return a refusing envelope."""
    return {"rt_cd": rt_cd, "msg_cd": code, "msg1": message}


class KisDouble:
    """A REST server. ``script`` answers every call but the two of authentication.

    A script that returns ``None`` makes the server cut the connection without an answer.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: Script = lambda _: Reply(ok())
        self.tokens: list[Reply] = []
        self.url = ""

    def count(self, path_end: str) -> int:
        """Return how many requests a path has received."""
        return sum(request.path.endswith(path_end) for request in self.requests)

    async def _handle(self, incoming: web.BaseRequest) -> web.StreamResponse:
        text = await incoming.text()
        request = Request(
            incoming.method,
            incoming.path,
            {name.lower(): value for name, value in incoming.headers.items()},
            dict(incoming.query),
            json.loads(text) if text else {},
        )
        self.requests.append(request)
        reply = await self._answer(request)
        if reply is None:
            assert incoming.transport is not None
            incoming.transport.close()
            raise asyncio.CancelledError
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        return web.Response(
            body=body,
            status=reply.status,
            headers={"Content-Type": "application/json", "tr_cont": reply.tr_cont},
        )

    async def _answer(self, request: Request) -> Reply | None:
        if request.path == "/oauth2/tokenP":
            if self.tokens:
                return self.tokens.pop(0)
            return Reply({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 86_400})
        if request.path == "/oauth2/Approval":
            return Reply({"approval_key": APPROVAL})
        answer = self.script(request)
        return await answer if isinstance(answer, Awaitable) else answer


@asynccontextmanager
async def kis_double() -> AsyncIterator[KisDouble]:
    """Serve a double on a free loopback port."""
    double = KisDouble()
    server = web.Server(double._handle, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # typed as AbstractServer
    double.url = f"http://127.0.0.1:{port}"
    try:
        yield double
    finally:
        await runner.cleanup()


FAST = Limits(calls_per_second=900.0, ledger_calls_per_second=900.0)


def settings_for(rest_url: str, folder: Path, *, websocket_url: str = "") -> KisSettings:
    """Return paper settings that point at a double, with a budget that never waits."""
    return KisSettings(
        app_key=Secret(APP_KEY),
        app_secret=Secret(APP_SECRET),
        account=Secret(ACCOUNT),
        hts_id=Secret(HTS_ID),
        token_folder=folder,
        rest_url=rest_url,
        websocket_url=websocket_url or "ws://127.0.0.1:1/",
        limits=FAST,
    )
