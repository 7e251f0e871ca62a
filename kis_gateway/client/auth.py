"""Access token and approval key: asked for rarely, shared by every process of an app key.

KIS gives one access token per app key and day, sends the account holder a message for each issue,
and refuses a second request within a minute with HTTP 403 ``EGW00133``; repeated requests prolong
the lock. So the token lives in a file (mode 0600, replaced atomically, named after environment and
hash of the key) next to a lock file. The file also remembers when anybody last asked and how often
KIS refused, therefore no two requests of any processes are less than 61 s apart.

A token lives 24 hours, and within six hours of its issue KIS hands out the same one. One that was
first issued while the market was open would end while it is open on the next day, so a token is
renewed between 07:00 and 08:00 KST once it is older than six hours, at a minute of the app key's
own.

What always holds: while a token is valid it is used, whatever happens to its renewal; an invalid
token is replaced once, and when KIS refuses its replacement too, that is reported as an error of
configuration and not repeated for ten minutes; no secret is part of an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, time
from typing import Final

import httpx
import msgspec
import structlog

from bus import TimeSource
from events.calendar import KST, instant, kst
from kis_gateway.client.answer import UNREADABLE
from kis_gateway.client.token_cache import NOTHING, StoredToken, locked, read, write
from kis_gateway.errors import AuthenticationFailed
from kis_gateway.settings import KisSettings, Secret

_SECOND: Final = 1_000_000_000
_RENEW_BEFORE: Final = 300 * _SECOND
_REQUEST_SPACING: Final = 61 * _SECOND
_MOST_REFUSALS: Final = 5
_REFUSALS_FORGOTTEN: Final = 3_600 * _SECOND
_SAME_TOKEN_FOR: Final = 6 * 3_600 * _SECOND
_QUIET_FROM: Final = time(7, 0)
_QUIET_UNTIL: Final = time(8, 0)
"""The next day's token exists before the first market opens at 08:00."""

_KEYS_SPREAD_OVER: Final = 30 * 60
"""App keys of one machine do not all ask in the same second (seconds)."""

_JITTER_SECONDS: Final = 20
_INCIDENT: Final = 600 * _SECOND
"""Two refusals of tokens within this time are one incident."""

_APPROVAL_LIFE: Final = 23 * 3_600 * _SECOND
_TIMEOUT_SECONDS: Final = 10.0
_DAY: Final = 86_400 * _SECOND
_STAMP: Final = "%Y-%m-%d %H:%M:%S"

_MISCONFIGURED: Final = (
    "KIS refuses the access token that it gave in place of a refused one: check that app key, "
    "secret and host belong to the same environment, and that no other program revokes tokens of "
    "this app key"
)

_log = structlog.get_logger()


class _TokenReply(msgspec.Struct):
    access_token: str = ""
    expires_in: int = 0
    access_token_token_expired: str = ""
    approval_key: str = ""
    error_code: str = ""
    error_description: str = ""


class Credentials:
    """Gives the access token and the approval key of one app key."""

    def __init__(self, settings: KisSettings, http: httpx.AsyncClient, time: TimeSource) -> None:
        self._settings = settings
        self._http = http
        self._time = time
        self.on_refused: Callable[[str], None] | None = None
        """Told when KIS refuses the replacement of a refused token: what an operator must check."""
        self.on_accepted: Callable[[], None] | None = None
        """Told of the first call that KIS accepts, and of the first after ``on_refused``."""
        self._acceptance_known = False
        self._stored = NOTHING
        self._refused = ""
        self._incident_until = 0
        self._barred_until = 0
        self._own_offset = int(settings.key_fingerprint, 16)
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
            if self._time.now() < self._barred_until:
                raise AuthenticationFailed(_MISCONFIGURED)
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
        """Stop using a token that KIS refused (``EGW00121``, ``EGW00122``, ``EGW00123``).

        The first refusal costs one renewal, shared by all callers. One of the replacement within
        ten minutes is an error of configuration: it is reported, and nothing is asked for as long.
        """
        text, now = token.reveal(), self._time.now()
        if text == self._refused or self._stored.token not in ("", text):
            return  # one of a crowd, or an answer to a call of before the renewal
        self._refused = text
        if now < self._incident_until:
            self._barred_until = now + _INCIDENT
            self._incident_until = 0
            self._acceptance_known = False
            _log.error("kis_token_refused_again", key=self._settings.key_fingerprint)
            if self.on_refused is not None:
                self.on_refused(_MISCONFIGURED)
        else:
            self._incident_until = now + _INCIDENT

    def accepted(self, token: Secret) -> None:
        """Take note that KIS carried out a call made with a token."""
        if not self._acceptance_known and token.reveal() != self._refused:
            self._acceptance_known = True
            if self.on_accepted is not None:
                self.on_accepted()

    async def keep_fresh(self) -> None:
        """Renew the token in the quiet hour of every day; runs until it is cancelled.

        Without it a token is renewed by the first call that meets the quiet hour, if any does.
        """
        while True:
            now = self._time.now()
            opens, closes = self._quiet_hour(now)
            if opens <= now < closes and self._renewal_due(self._stored, now):
                try:
                    await self.token()
                except AuthenticationFailed as error:
                    _log.warning("kis_token_renewal_failed", reason=str(error))
                await self._time.sleep_until(self._time.now() + _REQUEST_SPACING)
            else:
                following = self._quiet_hour(now + _DAY)[0]
                await self._time.sleep_until(opens if now < opens else following)

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
        return now < self._renew_after or not self._renewal_due(self._stored, now)

    def _renewal_due(self, stored: StoredToken, now: int) -> bool:
        if now >= stored.expires_at - _RENEW_BEFORE:
            return True
        opens, closes = self._quiet_hour(now)
        # A few attempts and no more: until its margin the token held is as good as a new one.
        tired = self._refusals(stored, now) >= _MOST_REFUSALS
        return opens <= now < closes and now - stored.given_at > _SAME_TOKEN_FOR and not tired

    def _quiet_hour(self, now: int) -> tuple[int, int]:
        """Return when the quiet hour of the day of ``now`` begins for this key, and ends."""
        day = kst(now).date()
        offset = self._own_offset % _KEYS_SPREAD_OVER * _SECOND
        return instant(day, _QUIET_FROM) + offset, instant(day, _QUIET_UNTIL)

    def _refusals(self, stored: StoredToken, now: int) -> int:
        return stored.refusals if now - stored.requested_at < _REFUSALS_FORGOTTEN else 0

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
        async with locked(path, self._time):
            stored = read(path)
            now = self._time.now()
            too_soon = stored.requested_at <= now < stored.not_before
            fresh = self._valid(stored) and not self._renewal_due(stored, now)
            if too_soon or fresh:
                self._stored = stored
                return 0
            # Written ahead: a request that gets lost has still started KIS's minute.
            write(
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
                    write(path, stored)  # nothing was asked
                raise
            self._stored, refusals = self._judge(reply, stored)
            write(path, self._stored)
            return refusals

    def _judge(self, reply: _TokenReply, before: StoredToken) -> tuple[StoredToken, int]:
        now = self._time.now()
        if reply.access_token and reply.expires_in > 0:
            _log.info("kis_token_issued", key=self._settings.key_fingerprint)
            issued = StoredToken(
                token=reply.access_token,
                expires_at=_end_of(reply, now),
                requested_at=now,
                not_before=now + _REQUEST_SPACING,
                given_at=now,
            )
            if issued.token == self._refused:
                # KIS repeats the same token for six hours; it may know it again by now.
                self._refused = ""
            return issued, 0
        if reply.error_code == "EGW00133":
            _log.warning("kis_token_locked", key=self._settings.key_fingerprint)
            kept = before if before.requested_at <= now else NOTHING
            refusals = self._refusals(kept, now) + 1
            pause = refusals * _REQUEST_SPACING + self._own_offset % _JITTER_SECONDS * _SECOND
            return msgspec.structs.replace(
                kept, requested_at=now, not_before=now + pause, refusals=refusals
            ), 1
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


def _end_of(reply: _TokenReply, now: int) -> int:
    """Return until when a token is used (ns UTC).

    Its life counts from our receipt by our clock, since the broker's clock need not agree. One that
    is handed out again keeps its old end, which only the text names; it counts when it is sooner.
    """
    end = now + reply.expires_in * _SECOND
    try:
        named = datetime.strptime(reply.access_token_token_expired, _STAMP).replace(tzinfo=KST)
    except ValueError:
        return end
    stated = int(named.timestamp()) * _SECOND
    return stated if now < stated < end else end


def _refusal(what: str, reply: _TokenReply) -> str:
    return (
        f"KIS gave no {what} ({reply.error_code or 'no code'}: "
        f"{reply.error_description or 'no reason given'}): check app key, secret and environment"
    )
