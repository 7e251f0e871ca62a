"""Access token and approval key: asked for rarely, shared by every process of an app key.

KIS gives one access token per app key and day, sends the account holder a message for each issue,
and refuses a second request within a minute with HTTP 403 ``EGW00133``; repeated requests prolong
the lock. So the token lives in a file (mode 0600, replaced atomically, named after environment and
hash of the key) next to a lock file. The file also remembers when anybody last asked, therefore no
two requests of any processes are less than 61 s apart.

What always holds: while a token is valid it is used, whatever happens to its renewal; an invalid
token is replaced once per refusal, never in a loop; no secret is part of an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
import msgspec
import structlog

from bus import TimeSource
from kis_gateway.answer import UNREADABLE
from kis_gateway.errors import AuthenticationFailed
from kis_gateway.settings import KisSettings, Secret

_SECOND: Final = 1_000_000_000
_RENEW_BEFORE: Final = 300 * _SECOND
_REQUEST_SPACING: Final = 61 * _SECOND
_LOCK_MARGIN: Final = 65 * _SECOND
_MOST_REFUSALS: Final = 5
_APPROVAL_LIFE: Final = 23 * 3_600 * _SECOND
_LOCK_POLL_SECONDS: Final = 0.5
_TIMEOUT_SECONDS: Final = 10.0

_log = structlog.get_logger()


class StoredToken(msgspec.Struct, frozen=True, kw_only=True):
    """The cache file. Times are ns UTC of the run's clock; ``token`` is empty before the first.

    ``not_before`` is when the next request for a token may leave this machine.
    """

    token: str
    expires_at: int
    requested_at: int
    not_before: int


_NOTHING: Final = StoredToken(token="", expires_at=0, requested_at=0, not_before=0)


class _TokenReply(msgspec.Struct):
    access_token: str = ""
    expires_in: int = 0
    approval_key: str = ""
    error_code: str = ""
    error_description: str = ""


class Credentials:
    """Gives the access token and the approval key of one app key."""

    def __init__(self, settings: KisSettings, http: httpx.AsyncClient, time: TimeSource) -> None:
        self._settings = settings
        self._http = http
        self._time = time
        self._stored = _NOTHING
        self._refused = ""
        self._renew_after = 0
        self._single_flight = asyncio.Lock()
        self._approval = Secret("")
        self._approval_until = 0

    async def token(self, *, wait: bool = True) -> Secret:
        """Return a valid access token, from memory, from the shared file or from KIS.

        With ``wait`` false it does not wait for the minute between two requests to pass.

        Raises:
            AuthenticationFailed: KIS refuses for good, cannot be reached, or (``wait`` false) the
                next request is not allowed yet.
        """
        refusals = 0
        while True:
            if self._usable_without_renewal():
                return Secret(self._stored.token)
            async with self._single_flight:
                if not self._usable_without_renewal():
                    refusals += await self._renew_or_keep()
            if self._valid(self._stored):
                return Secret(self._stored.token)
            pause = (self._stored.not_before - self._time.now()) / _SECOND
            if not wait or refusals >= _MOST_REFUSALS:
                raise AuthenticationFailed(
                    f"no access token: KIS issues one a minute and the next request is allowed in "
                    f"{pause:.0f} s; another program may be using this app key"
                )
            _log.warning("kis_token_awaited", seconds=round(pause))
            await self._time.sleep_until(self._stored.not_before)

    def invalidate(self, token: Secret) -> None:
        """Stop using a token that KIS refused (``EGW00121``, ``EGW00122``, ``EGW00123``)."""
        self._refused = token.reveal()

    async def approval_key(self) -> Secret:
        """Return the key that opens a WebSocket session, asked for again after 23 hours.

        Raises:
            AuthenticationFailed: KIS refuses or cannot be reached.
        """
        async with self._single_flight:
            if not self._approval or self._time.now() >= self._approval_until:
                reply = await self._ask(
                    "/oauth2/Approval",
                    {
                        "grant_type": "client_credentials",
                        "appkey": self._settings.app_key.reveal(),
                        "secretkey": self._settings.app_secret.reveal(),
                    },
                )
                if not reply.approval_key:
                    raise AuthenticationFailed(_refusal("approval key", reply))
                self._approval = Secret(reply.approval_key)
                self._approval_until = self._time.now() + _APPROVAL_LIFE
            return self._approval

    def forget_approval_key(self) -> None:
        """Ask for a new approval key next time (``OPSP0011``: KIS does not know the old one)."""
        self._approval = Secret("")

    def _valid(self, stored: StoredToken) -> bool:
        now = self._time.now()
        return (
            bool(stored.token)
            and stored.token != self._refused
            # A token from the future was written under another clock: a run of another day.
            and stored.requested_at <= now < stored.expires_at
        )

    def _usable_without_renewal(self) -> bool:
        if not self._valid(self._stored):
            return False
        now = self._time.now()
        return now < self._renew_after or now < self._stored.expires_at - _RENEW_BEFORE

    async def _renew_or_keep(self) -> int:
        """Renew; when that fails and the token still lives, keep it and try again in a minute."""
        try:
            refusals = await self._renew()
        except AuthenticationFailed as error:
            if not self._valid(self._stored):
                raise
            _log.warning("kis_token_renewal_failed", reason=str(error))
            refusals = 0
        self._renew_after = self._time.now() + _REQUEST_SPACING
        return refusals

    async def _renew(self) -> int:
        """Adopt the shared token or ask for a new one; return how many refusals that met."""
        path = self._settings.token_cache
        async with self._locked(path):
            stored = _read(path)
            now = self._time.now()
            locked = stored.requested_at <= now < stored.not_before
            fresh = self._valid(stored) and now < stored.expires_at - _RENEW_BEFORE
            if locked or fresh:
                self._stored = stored
                return 0
            # Written ahead: a request that gets lost has still started KIS's minute.
            _write(
                path,
                msgspec.structs.replace(
                    stored, requested_at=now, not_before=now + _REQUEST_SPACING
                ),
            )
            try:
                reply = await self._ask(
                    "/oauth2/tokenP",
                    {
                        "grant_type": "client_credentials",
                        "appkey": self._settings.app_key.reveal(),
                        "appsecret": self._settings.app_secret.reveal(),
                    },
                )
            except AuthenticationFailed as error:
                if isinstance(error.__cause__, httpx.ConnectError):
                    _write(path, stored)  # nothing was asked
                raise
            self._stored, refusals = self._judge(reply, stored)
            _write(path, self._stored)
            return refusals

    def _judge(self, reply: _TokenReply, before: StoredToken) -> tuple[StoredToken, int]:
        now = self._time.now()
        if reply.access_token and reply.expires_in > 0:
            _log.info("kis_token_issued", key=self._settings.key_fingerprint)
            # Life counts from our receipt by our clock: the broker's clock need not agree.
            issued = StoredToken(
                token=reply.access_token,
                expires_at=now + reply.expires_in * _SECOND,
                requested_at=now,
                not_before=now + _REQUEST_SPACING,
            )
            if issued.token == self._refused:
                # KIS repeats the same token for six hours; it may know it again by now.
                self._refused = ""
            return issued, 0
        if reply.error_code == "EGW00133":
            _log.warning("kis_token_locked", key=self._settings.key_fingerprint)
            kept = before if before.requested_at <= now else _NOTHING
            return msgspec.structs.replace(kept, requested_at=now, not_before=now + _LOCK_MARGIN), 1
        raise AuthenticationFailed(_refusal("access token", reply))

    async def _ask(self, path: str, body: dict[str, str]) -> _TokenReply:
        try:
            async with asyncio.timeout(self._time.timeout(_TIMEOUT_SECONDS)):
                response = await self._http.post(self._settings.rest + path, json=body)
            return msgspec.json.decode(response.content, type=_TokenReply)
        except (httpx.HTTPError, TimeoutError) as error:
            raise AuthenticationFailed(
                f"{path}: no answer from {self._settings.rest} ({type(error).__name__}): check the "
                "network and the service"
            ) from error
        except UNREADABLE as error:
            raise AuthenticationFailed(
                f"{path}: HTTP {response.status_code} with a body that is no answer of KIS"
            ) from error

    @contextlib.asynccontextmanager
    async def _locked(self, path: Path) -> AsyncIterator[None]:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            while not _try_lock(handle):
                await self._time.sleep(_LOCK_POLL_SECONDS)
            yield
        finally:
            os.close(handle)  # closing the file gives the lock back


def _try_lock(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> StoredToken:
    try:
        return msgspec.json.decode(path.read_bytes(), type=StoredToken)
    except FileNotFoundError:
        return _NOTHING
    except UNREADABLE:
        # Written by hand or by another version; a new token costs one request.
        _log.warning("kis_token_cache_unreadable", path=str(path))
        return _NOTHING


def _write(path: Path, stored: StoredToken) -> None:
    # mkstemp creates the file for its owner only.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.encode(stored))
        file.flush()
        os.fsync(handle)
    Path(name).replace(path)


def _refusal(what: str, reply: _TokenReply) -> str:
    return (
        f"KIS gave no {what} ({reply.error_code or 'no code'}: "
        f"{reply.error_description or 'no reason given'}): check app key, secret and environment"
    )
