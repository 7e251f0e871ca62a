"""The real server under fire: killed, frozen, restarted. Acknowledged entries are never lost."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from bus import AppendUnknown, Entry, JetStreamLog, LogUnavailable, NatsServer, StreamMismatch
from bus.errors import DataDirectoryError, ServerTooOld
from bus.stream import api, require_version
from events import AccountId

ACCOUNT = AccountId("faults")


def an_entry(n: int, topic: str = "ops.a") -> Entry:
    return Entry(f"kst.faults.{topic}", b"%d" % n, f"{topic}-{n}")


async def payloads(log: JetStreamLog, count: int, wait: float = 10) -> list[bytes]:
    found: list[bytes] = []
    async with log.read() as reader:
        while len(found) < count and (batch := await reader.batch(wait)):
            found += [entry.payload for entry in batch]
    return found


async def test_a_burst_survives_kill_9_of_the_server(tmp_path: Path) -> None:
    """Every append returns, everything acknowledged is there once, nothing hangs."""
    server = NatsServer(tmp_path)
    await server.start()
    log = await JetStreamLog.connect(server.url, ACCOUNT)

    async def crash() -> None:
        await asyncio.sleep(0.15)
        await server.kill()
        await asyncio.sleep(0.3)
        await server.start()

    async def burst(writer: int) -> None:
        for n in range(300):
            await log.append([an_entry(writer * 1000 + n, f"ops.w{writer}")])

    async with asyncio.TaskGroup() as group:
        group.create_task(crash())
        for writer in range(4):
            group.create_task(burst(writer))
    found = await payloads(log, 1200)
    expected = {b"%d" % (writer * 1000 + n) for writer in range(4) for n in range(300)}
    assert len(found) == 1200
    assert set(found) == expected
    await log.close()
    await server.stop()


async def test_a_batch_in_flight_during_kill_9_is_stored_once(tmp_path: Path) -> None:
    """The retry of a batch with an unknown outcome neither doubles nor loses entries."""
    server = NatsServer(tmp_path)
    await server.start()
    log = await JetStreamLog.connect(server.url, ACCOUNT)

    async def crash() -> None:
        await asyncio.sleep(0.1)
        await server.kill()
        await server.start()

    async def batches() -> None:
        for n in range(0, 2000, 100):
            await log.append([an_entry(k) for k in range(n, n + 100)])

    async with asyncio.TaskGroup() as group:
        group.create_task(crash())
        group.create_task(batches())
    assert await payloads(log, 2000) == [b"%d" % n for n in range(2000)]
    await log.close()
    await server.stop()


async def test_a_frozen_server_means_unknown_then_once(tmp_path: Path) -> None:
    """An append that times out while the server is stopped is sent again and stored once."""
    server = NatsServer(tmp_path)
    await server.start()
    log = await JetStreamLog.connect(server.url, ACCOUNT)
    await log.append([an_entry(1)])
    os.kill(server.pid, signal.SIGSTOP)
    waiting = asyncio.ensure_future(log.append([an_entry(2)]))
    await asyncio.sleep(2.5)
    assert not waiting.done()
    os.kill(server.pid, signal.SIGCONT)
    assert await waiting == (2,)
    assert await payloads(log, 2) == [b"1", b"2"]
    assert (await log.info()).last_sequence == 2
    await log.close()
    await server.stop()


async def test_a_reader_resumes_without_a_gap_after_the_server_died(tmp_path: Path) -> None:
    """Entries written before and after a crash arrive in order, each once."""
    server = NatsServer(tmp_path)
    await server.start()
    log = await JetStreamLog.connect(server.url, ACCOUNT)
    await log.append([an_entry(n) for n in range(100)])
    async with log.read() as reader:
        found = [entry.sequence for entry in await reader.batch(5)]
        await server.kill()
        await server.start()
        await log.append([an_entry(n) for n in range(100, 200)])
        while len(found) < 200:
            batch = await reader.batch(10)
            assert batch
            found += [entry.sequence for entry in batch]
    assert found == list(range(1, 201))
    await log.close()
    await server.stop()


async def test_a_slow_reader_misses_nothing(stream_log: JetStreamLog) -> None:
    """A backlog far beyond the reader's window is handed out whole and in bounded pieces."""
    account = stream_log.account
    for start in range(0, 12_000, 1_000):
        await stream_log.append(
            [Entry(f"kst.{account}.ops.a", b"%d" % n, f"s{n}") for n in range(start, start + 1_000)]
        )
    found: list[int] = []
    async with stream_log.read() as reader:
        while len(found) < 12_000:
            batch = await reader.batch(5)
            assert 0 < len(batch) <= 2_000
            found += [entry.sequence for entry in batch]
            await asyncio.sleep(0.002)
    assert found == list(range(1, 12_001))


async def test_an_append_without_a_server_ends_as_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last attempt the caller is told that the outcome is unknown."""
    monkeypatch.setattr("bus.jetstream_log._PATIENCE", 0.3)
    monkeypatch.setattr("bus.publishing._FIRST_TIMEOUT", 0.2)
    server = NatsServer(tmp_path)
    await server.start()
    log = await JetStreamLog.connect(server.url, ACCOUNT)
    await server.kill()
    with pytest.raises(AppendUnknown, match="may or may not be stored"):
        await log.append([an_entry(1)])
    await log.close()


async def test_a_log_that_must_exist_is_not_created(nats_server: NatsServer) -> None:
    """Opening the wrong account or directory is an error, not an empty log."""
    with pytest.raises(LogUnavailable, match="holds no log of account 'nobody'"):
        await JetStreamLog.connect(nats_server.url, AccountId("nobody"), create=False)


async def test_no_server_is_a_readable_error() -> None:
    """The address that did not answer is named."""
    with pytest.raises(LogUnavailable, match=r"no nats-server at nats://127\.0\.0\.1:1"):
        await JetStreamLog.connect("nats://127.0.0.1:1", ACCOUNT, patience=0.2)


async def test_a_stream_with_other_settings_is_refused(
    stream_log: JetStreamLog, nats_server: NatsServer
) -> None:
    """Drift of the stream's settings is reported by name and left as it is."""
    account = stream_log.account
    config = (await api(stream_log.client, f"STREAM.INFO.LOG_{account.upper()}"))["config"]
    config["duplicate_window"] = 1_000_000_000
    await api(stream_log.client, f"STREAM.UPDATE.LOG_{account.upper()}", config)
    with pytest.raises(StreamMismatch, match="duplicate_window is 1000000000 instead of"):
        await JetStreamLog.connect(nats_server.url, account)


async def test_nothing_on_the_log_can_be_deleted(stream_log: JetStreamLog) -> None:
    """The stream refuses deletion and purge."""
    await stream_log.append([Entry(f"kst.{stream_log.account}.ops.a", b"1", "a")])
    name = f"LOG_{stream_log.account.upper()}"
    deleted = await api(stream_log.client, f"STREAM.MSG.DELETE.{name}", {"seq": 1})
    purged = await api(stream_log.client, f"STREAM.PURGE.{name}")
    assert "error" in deleted
    assert "error" in purged
    assert (await stream_log.info()).last_sequence == 1


@pytest.mark.parametrize("version", ["2.9.10", "2.12.14", "2.14.4"])
def test_an_old_server_is_refused(version: str) -> None:
    """Servers that silently ignore the safety settings never get an order log."""
    with pytest.raises(ServerTooOld, match=version):
        require_version(version)


def test_a_recent_server_is_accepted() -> None:
    """The oldest allowed version and a pre-release of a newer one pass."""
    require_version("2.14.5")
    require_version("2.15.1-RC.1")


async def test_one_store_has_one_server(tmp_path: Path) -> None:
    """A second server on the same store is refused, and may follow the first."""
    async with NatsServer(tmp_path):
        with pytest.raises(DataDirectoryError, match="in use by another nats-server"):
            await NatsServer(tmp_path).start()
    async with NatsServer(tmp_path) as second:
        assert second.url.startswith("nats://127.0.0.1:")


async def test_a_taken_port_is_named(tmp_path: Path, nats_server: NatsServer) -> None:
    """The error says which port and what to do."""
    port = int(nats_server.url.rsplit(":", 1)[1])
    with pytest.raises(LogUnavailable, match=f"port {port} is in use"):
        await NatsServer(tmp_path, port=port).start()
