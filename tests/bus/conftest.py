"""Real servers for the bus: one nats-server per session, one account per test."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from bus import JetStreamLog, Log, MemoryLog, NatsServer
from events import AccountId

_accounts = itertools.count(1)


@pytest.fixture(scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[NatsServer]:
    """Return a running nats-server with its own store and a free port."""
    async with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def stream_log(nats_server: NatsServer) -> AsyncIterator[JetStreamLog]:
    """Return an empty log on the real server."""
    log = await JetStreamLog.connect(nats_server.url, AccountId(f"t{next(_accounts)}"))
    yield log
    await log.close()


@pytest.fixture(params=["memory", "jetstream"])
async def log(request: pytest.FixtureRequest, nats_server: NatsServer) -> AsyncIterator[Log]:
    """Return an empty log of each backend: the conformance tests run on both."""
    account = AccountId(f"t{next(_accounts)}")
    if request.param == "memory":
        yield MemoryLog(account)
        return
    stream = await JetStreamLog.connect(nats_server.url, account)
    yield stream
    await stream.close()
