"""The WebSocket side: connections, registrations, keep-alive.

Rules of the KIS Open API: any number of sockets may be opened, but only one per app key holds the
session, taken with its first registration and free again some time after it has gone; 41
registrations at most; every successful reply carries a key and initialisation vector of its own; a
code that is no issue is acknowledged and stays silent; PINGPONG texts come when the line is quiet
and are answered by the same text or by a pong frame.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import structlog
from aiohttp import WSMessage, WSMsgType
from aiohttp.web import BaseRequest, WebSocketResponse

from bus import TimeSource
from events.calendar import kst
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.feeds.connections import Connection, FeedKey
from kis_gateway.simulator.feeds.distribution import Distribution
from kis_gateway.simulator.feeds.feed_table import overseas_feed
from kis_gateway.simulator.feeds.notices import Registration
from kis_gateway.simulator.settings import Credentials, SimulatorSettings

_log = structlog.get_logger()

_SECOND: Final = 1_000_000_000
_UNANSWERED_PINGS: Final = 3
_SUBSCRIBE: Final = "1"
_UNSUBSCRIBE: Final = "2"

# Code → (rt_cd, text).
_REPLIES: Final = {
    "OPSP0000": ("0", "SUBSCRIBE SUCCESS"),
    "OPSP0001": ("0", "UNSUBSCRIBE SUCCESS"),
    "OPSP0002": ("1", "ALREADY IN SUBSCRIBE"),
    "OPSP0003": ("1", "UNSUBSCRIBE ERROR(not found!)"),
    "OPSP0007": ("1", "SUBSCRIBE INTERNAL ERROR"),
    "OPSP0008": ("1", "MAX SUBSCRIBE OVER"),
    "OPSP0011": ("1", "invalid approval : NOT FOUND"),
    "OPSP8991": ("1", "SUBSCRIBE ERROR : invalid tr_id"),
    "OPSP8996": ("9", "ALREADY IN USE appkey"),
    "OPSP8997": ("9", "JSON PARSING ERROR : invalid tr_type"),
    "OPSP9990": ("9", "JSON PARSING ERROR : tr_key not found"),
    "OPSP9991": ("9", "JSON PARSING ERROR : input not found"),
    "OPSP9992": ("9", "JSON PARSING ERROR : body not found"),
    "OPSP9998": ("9", "JSON PARSING ERROR : header not found"),
    "OPSP9999": ("9", "JSON PARSING ERROR : invalid json format"),
}


class _RequestRefused(Exception):
    """A request that cannot be served; carries the code and what it was about."""

    def __init__(self, code: str, wanted: FeedKey) -> None:
        super().__init__(code)
        self.code = code
        self.wanted = wanted


_NOTHING: Final = FeedKey("(null)", "")


class Registrations:
    """All WebSocket connections of a simulator."""

    def __init__(
        self,
        settings: SimulatorSettings,
        access: Access,
        distribution: Distribution,
        time: TimeSource,
    ) -> None:
        self._settings = settings
        self._access = access
        self._distribution = distribution
        self._time = time
        self._connections: dict[int, Connection] = {}
        self._holders: dict[str, Connection] = {}
        self._free_from: dict[str, int] = {}
        self._opened = 0
        self._overseas = overseas_feed(settings)
        self._taken_until: dict[str, int] = {}

    @property
    def sessions(self) -> int:
        """Connections that hold the session of their app key."""
        return len(self._holders)

    @property
    def opened(self) -> int:
        """Connections opened so far."""
        return self._opened

    async def serve(self, request: BaseRequest) -> WebSocketResponse:
        """Serve one connection until it ends."""
        self._opened += 1
        connection = Connection(self._opened, request)
        await connection.open()
        connection.sent_at = self._time.now()
        self._connections[connection.number] = connection
        try:
            async with asyncio.TaskGroup() as group:
                keep_alive = group.create_task(self._keep_alive(connection))
                async for message in connection.socket:
                    await self._receive(connection, message)
                keep_alive.cancel()
        finally:
            self._leave(connection)
        return connection.socket

    def cut(self, account: str = "", fault: int = 0) -> None:
        """Reset an account's connections, or all; what they miss counts as lost to the fault."""
        for connection in self._of(account):
            if fault and connection.registrations:
                self._distribution.cut_off(connection, fault)
                connection.registrations.clear()
            connection.cut()

    def take_session(self, account: str, seconds: float, fault: int) -> None:
        """Let somebody else hold the session of an account's app key, or of all, for a while."""
        until = self._time.now() + round(seconds * _SECOND)
        for held in self._access.holders(account):
            self._taken_until[held.app_key] = until
        self.cut(account, fault)

    def change_keys(self, account: str, fault: int) -> None:
        """Encrypt notices with other keys from now on, until the client registers again."""
        for connection in self._of(account):
            for wanted, pair in connection.registrations.items():
                if wanted.feed == self._settings.notice_feed:
                    changed = Registration.derive(pair.key, fault, *wanted)
                    connection.registrations[wanted] = changed
                    connection.changed_keys[wanted] = fault

    def listing(self) -> list[dict[str, object]]:
        """Return every connection with its account and its registrations in order."""
        return [
            {
                "connection": connection.number,
                "account": connection.account,
                "frames_sent": connection.frames_sent,
                "registrations": [f"{feed} {key}" for feed, key in connection.registrations],
            }
            for connection in self._connections.values()
        ]

    def _of(self, account: str) -> list[Connection]:
        return [each for each in self._connections.values() if account in ("", each.account)]

    async def close_all(self) -> None:
        """Close every connection with a handshake."""
        for connection in tuple(self._connections.values()):
            await connection.socket.close(code=1001)

    def _leave(self, connection: Connection) -> None:
        del self._connections[connection.number]
        for wanted in connection.registrations:
            self._distribution.forget(connection, wanted)
        connection.registrations.clear()
        held = connection.credentials
        if held is not None and self._holders.get(held.app_key) is connection:
            del self._holders[held.app_key]
            if connection.ended_here:
                return
            release = round(self._settings.session_release_seconds * _SECOND)
            self._free_from[held.app_key] = self._time.now() + release

    async def _keep_alive(self, connection: Connection) -> None:
        interval = round(self._settings.pingpong_seconds * _SECOND)
        patience = self._time.timeout(self._settings.pingpong_seconds * _UNANSWERED_PINGS)
        loop = asyncio.get_running_loop()
        while True:
            await self._time.sleep_until(connection.sent_at + interval)
            now = self._time.now()
            if now - connection.sent_at < interval:
                continue
            since = connection.unanswered_since
            if since is not None and loop.time() - since > patience:
                _log.info("simulator_pingpong_unanswered", connection=connection.number)
                connection.cut()
                return
            if since is None:
                connection.unanswered_since = loop.time()
            connection.sent_at = now
            faults = self._distribution.feed_faults
            faults.pass_time(now)
            if not faults.keeps_alive(connection.account):
                continue
            shown = kst(self._distribution.clock.now())
            text = f'{{"header":{{"tr_id":"PINGPONG","datetime":"{shown:%Y%m%d%H%M%S}"}}}}'
            await self._write(connection, text.encode())

    async def _receive(self, connection: Connection, message: WSMessage) -> None:
        if message.type is WSMsgType.PING:
            await connection.socket.pong(message.data)
        elif message.type is WSMsgType.PONG:
            connection.unanswered_since = None
        elif message.type is WSMsgType.TEXT:
            reply = self._answer(connection, message.data)
            if reply is not None:
                await self._write(connection, reply)

    async def _write(self, connection: Connection, frame: bytes) -> None:
        patience = self._time.timeout(self._settings.slow_client_seconds)
        await connection.send((frame,), patience)

    def _answer(self, connection: Connection, text: str) -> bytes | None:
        try:
            header, wanted = _parse(text)
            if header.get("tr_id") == "PINGPONG":
                connection.unanswered_since = None
                return None
            if header.get("tr_type") == _SUBSCRIBE:
                return self._subscribe(connection, header, wanted)
            if header.get("tr_type") == _UNSUBSCRIBE:
                return self._unsubscribe(connection, wanted)
            raise _RequestRefused("OPSP8997", wanted)
        except _RequestRefused as refusal:
            return _reply(refusal.code, refusal.wanted, "N")

    def _subscribe(self, connection: Connection, header: dict[str, Any], wanted: FeedKey) -> bytes:
        held = self._require_session(connection, str(header.get("approval_key", "")), wanted)
        if wanted.feed != self._overseas and not self._distribution.serves(wanted.feed):
            raise _RequestRefused("OPSP8991", wanted)
        if wanted.feed == self._settings.notice_feed and wanted.key != held.hts_id:
            raise _RequestRefused("OPSP0007", wanted)
        if wanted in connection.registrations:
            raise _RequestRefused("OPSP0002", wanted)
        if len(connection.registrations) >= self._settings.registrations:
            raise _RequestRefused("OPSP0008", wanted)
        pair = Registration.derive(held.app_secret, connection.number, *wanted)
        connection.registrations[wanted] = pair
        connection.changed_keys.pop(wanted, None)
        self._distribution.listen(connection, wanted)
        return _reply("OPSP0000", wanted, self._encrypted(wanted), pair)

    def _unsubscribe(self, connection: Connection, wanted: FeedKey) -> bytes:
        pair = connection.registrations.pop(wanted, None)
        if pair is None:
            raise _RequestRefused("OPSP0003", wanted)
        self._distribution.forget(connection, wanted)
        return _reply("OPSP0001", wanted, self._encrypted(wanted), pair)

    def _require_session(
        self, connection: Connection, approval_key: str, wanted: FeedKey
    ) -> Credentials:
        now = self._time.now()
        held = self._access.approved(approval_key, now)
        if held is None or connection.credentials not in (None, held):
            raise _RequestRefused("OPSP0011", wanted)
        if connection.credentials is None:
            free_from = max(
                self._free_from.get(held.app_key, 0), self._taken_until.get(held.app_key, 0)
            )
            if held.app_key in self._holders or now < free_from:
                raise _RequestRefused("OPSP8996", _NOTHING)
            self._holders[held.app_key] = connection
            connection.credentials = held
        return held

    def _encrypted(self, wanted: FeedKey) -> str:
        return "Y" if wanted.feed.startswith(("H0STCNI", "H0GSCNI")) else "N"


def _parse(text: str) -> tuple[dict[str, Any], FeedKey]:
    try:
        message = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        # RecursionError is how the decoder refuses brackets nested by the thousand.
        raise _RequestRefused("OPSP9999", _NOTHING) from None
    header = message.get("header") if isinstance(message, dict) else None
    if not isinstance(header, dict):
        raise _RequestRefused("OPSP9998", _NOTHING)
    if header.get("tr_id") == "PINGPONG":
        return header, _NOTHING
    body = message.get("body")
    if not isinstance(body, dict):
        raise _RequestRefused("OPSP9992", _NOTHING)
    wanted = body.get("input")
    if not isinstance(wanted, dict):
        raise _RequestRefused("OPSP9991", _NOTHING)
    feed, key = wanted.get("tr_id"), wanted.get("tr_key")
    if not isinstance(feed, str) or not isinstance(key, str) or not key:
        named = FeedKey(feed, "") if isinstance(feed, str) else _NOTHING
        raise _RequestRefused("OPSP9990", named)
    return header, FeedKey(feed, key)


def _reply(code: str, wanted: FeedKey, encrypt: str, pair: Registration | None = None) -> bytes:
    rt_cd, text = _REPLIES[code]
    body: dict[str, Any] = {"rt_cd": rt_cd, "msg_cd": code, "msg1": text}
    if pair is not None:
        body["output"] = {"iv": pair.iv, "key": pair.key}
    header = {"tr_id": wanted.feed, "tr_key": wanted.key, "encrypt": encrypt}
    return msgspec.json.encode({"header": header, "body": body})
