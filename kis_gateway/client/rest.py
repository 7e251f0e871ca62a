"""One KIS REST call: headers, TR id, budget, time limit, paging, and what the answer means.

KIS answers business refusals with HTTP 200 and ``rt_cd`` other than 0, and its gateway's refusals
with HTTP 500 and an ``EGW…`` code; the body is read whatever the status is. Orders know no client
id and no idempotency, therefore two doors:

* ``post_once`` sends an order or a cancel exactly one time: no repeat by transport, redirect,
  renewed token or back-off. Its outcome is accepted, refused (certainly not taken in) or unknown.
* ``inquire`` reads, so it may repeat: a few times with back-off, then ``InquiryFailed``. Pages are
  followed to the end; a part of an answer is never returned.

What always holds: a refusal is only called one when KIS's text proves that nothing was executed:
too fast (``EGW00201``, ``EGW00215``), token invalid (``EGW00121/122/123``), or a business
``rt_cd``. Time-outs, resets, other 5xx and unreadable bodies leave an order unknown.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import httpx
import msgspec
import structlog

from bus import TimeSource
from kis_gateway.broker import (
    LEDGER_TOO_FAST,
    NO_TOKEN,
    NOT_SENT,
    TOKEN_REFUSALS,
    TOO_FAST,
    UNREACHABLE,
    Refused,
    Unknown,
)
from kis_gateway.client.answer import UNREADABLE
from kis_gateway.client.auth import Credentials
from kis_gateway.client.limiter import Grant, Limiter, Priority
from kis_gateway.errors import AuthenticationFailed, InquiryFailed
from kis_gateway.settings import Environment, KisSettings, Secret

CHECK_PREVIOUS: Final = frozenset({"EGW00301", "EGW00302"})
QUERY_AGAIN: Final = frozenset({"EGW00316"})

_GATEWAY: Final = "EGW"
"""Codes of KIS's gateway, which stands before the system that takes orders in."""

EXPIRED: Final = "EXPIRED"

_ORDER_TIMEOUT: Final = 20.0  # paper answers after 5-8 s under load
_INQUIRY_TIMEOUT: Final = 10.0
_ATTEMPTS: Final = 4
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 5.0
_MOST_PAGES: Final = 200

_IDLE_CONNECTIONS: Final = 20
_IDLE_SECONDS: Final = 20.0

_log = structlog.get_logger()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of call. ``ledger`` counts on the ledger budget.

    ``tr_id`` is the real account's; without a ``paper_tr_id`` the paper one follows from it. The
    ``old`` ids are those of before 2025-03-04, empty where nothing changed.
    """

    name: str
    path: str
    tr_id: str
    priority: Priority
    ledger: bool = False
    paper_tr_id: str = ""
    old_tr_id: str = ""
    old_paper_tr_id: str = ""

    def tr_id_for(self, environment: Environment, *, old: bool = False) -> str:
        """Return the TR id: on paper trading ids (T, J, C) begin with V, quotations are alike."""
        real = self.old_tr_id if old and self.old_tr_id else self.tr_id
        if environment is Environment.REAL:
            return real
        paper = self.old_paper_tr_id if old and self.old_paper_tr_id else self.paper_tr_id
        return paper or ("V" + real[1:] if real[0] in "TJC" else real)


Record = Callable[[str, int, bytes], None]
"""Takes each answer as received: name of the call, ns UTC of its arrival, the body."""


class Envelope(msgspec.Struct, frozen=True):
    """What every body has in common; the outputs stay raw until their call reads them."""

    rt_cd: str = ""
    msg_cd: str = ""
    msg1: str = ""
    error_code: str = ""
    error_description: str = ""
    ctx_area_fk100: str = ""
    ctx_area_nk100: str = ""
    output: msgspec.Raw = msgspec.Raw(b"")
    output1: msgspec.Raw = msgspec.Raw(b"")
    output2: msgspec.Raw = msgspec.Raw(b"")

    @property
    def code(self) -> str:
        """Return the code, from whichever of the two envelopes it came in."""
        return (self.msg_cd or self.error_code).strip()

    @property
    def message(self) -> str:
        """Return the text without the blanks KIS pads it with."""
        return (self.msg1 or self.error_description).strip()


_decode_envelope: Final = msgspec.json.Decoder(Envelope)


class _Reply(msgspec.Struct, frozen=True):
    status: int
    envelope: Envelope
    more: bool


class RestClient:
    """Speaks REST with KIS for one app key; share one object in a process.

    ``record`` is given every answer before anything is made of it, refusals included, its account
    number masked. Requests, headers and the answers of the token and approval calls never reach it.
    """

    def __init__(
        self,
        settings: KisSettings,
        http: httpx.AsyncClient,
        credentials: Credentials,
        limiter: Limiter,
        time: TimeSource,
        *,
        record: Record | None = None,
    ) -> None:
        self._settings = settings
        self._http = http
        self._credentials = credentials
        self._limiter = limiter
        self._time = time
        self._record = record

    async def post_once(
        self,
        call: Call,
        body: Mapping[str, str],
        *,
        expires_at: int | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Envelope | Refused | Unknown:
        """Send an order call one time and return KIS's yes, or what else became of it.

        Waits in the queue of the call budget, never for a token: an order that leaves a minute late
        is not the order that was decided. Past ``expires_at`` (ns UTC), or where ``may_leave`` says
        no, it does not leave at all.
        """
        grant = await self._limiter.acquire(call.priority, ledger=call.ledger)
        try:
            return await self._post(call, body, grant, expires_at, may_leave)
        finally:
            self._limiter.answered(grant)

    async def _post(
        self,
        call: Call,
        body: Mapping[str, str],
        grant: Grant,
        expires_at: int | None,
        may_leave: Callable[[], bool] | None,
    ) -> Envelope | Refused | Unknown:
        try:
            token = await self._credentials.token(wait=False)
        except AuthenticationFailed as error:
            return Refused(code=NO_TOKEN, message=str(error))
        # The last look at the clock: the budget and the token may both have taken their time.
        if expires_at is not None and self._time.now() > expires_at:
            return Refused(code=EXPIRED, message="its time passed while it waited to be sent")
        if may_leave is not None and not may_leave():
            return Refused(code=NOT_SENT, message="it might not leave any more")
        try:
            async with asyncio.timeout(self._time.timeout(_ORDER_TIMEOUT)):
                response = await self._http.post(
                    self._settings.rest + call.path, json=body, headers=self._headers(call, token)
                )
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
            # Raised before a connection exists, so nothing can have been sent on it.
            return Refused(code=UNREACHABLE, message=f"no connection ({type(error).__name__})")
        except TimeoutError:
            return Unknown(reason=f"{call.name}: no answer within {_ORDER_TIMEOUT:.0f} s")
        except httpx.HTTPError as error:
            return Unknown(reason=f"{call.name}: connection lost ({type(error).__name__})")
        self._keep(call, response)
        outcome = judge(call.name, response.status_code, response.content)
        if isinstance(outcome, Refused):
            self._note(call, outcome.code, grant, token)
        elif isinstance(outcome, Envelope):
            self._credentials.accepted(token)
        return outcome

    async def inquire(self, call: Call, parameters: Mapping[str, str]) -> Envelope:
        """Return the one answer of an inquiry without pages.

        Raises:
            InquiryFailed: refused, or still no answer after a few attempts.
        """
        return (await self._page(call, parameters, continued=False)).envelope

    async def inquire_pages(self, call: Call, parameters: Mapping[str, str]) -> Sequence[Envelope]:
        """Return all pages of an inquiry, at least one.

        The header ``tr_cont`` alone says whether more follows: cursors come filled on complete
        answers and empty on incomplete ones.

        Raises:
            InquiryFailed: a page is refused, missing, or the same over and over.
        """
        pages: list[Envelope] = []
        cursor = {"CTX_AREA_FK100": "", "CTX_AREA_NK100": ""}
        while True:
            reply = await self._page(call, {**parameters, **cursor}, continued=bool(pages))
            page = reply.envelope
            if pages and reply.more and page == pages[-1]:
                raise InquiryFailed(call.name, "PAGING", f"page {len(pages)} came twice")
            pages.append(page)
            if not reply.more:
                return pages
            if len(pages) == _MOST_PAGES:
                raise InquiryFailed(call.name, "PAGING", f"no end after {_MOST_PAGES} pages")
            # Sent back as they came: padded with blanks, with carets inside.
            cursor = {
                "CTX_AREA_FK100": page.ctx_area_fk100,
                "CTX_AREA_NK100": page.ctx_area_nk100,
            }

    async def _page(self, call: Call, parameters: Mapping[str, str], *, continued: bool) -> _Reply:
        healed = False
        failures = 0
        while True:
            try:
                return await self._ask(call, parameters, continued=continued)
            except _Repeatable as error:
                if error.code in TOKEN_REFUSALS and not healed:
                    healed = True
                    continue
                failures += 1
                if failures == _ATTEMPTS or error.code in TOKEN_REFUSALS:
                    raise InquiryFailed(call.name, error.code, error.message) from error
                _log.warning("kis_inquiry_repeated", call=call.name, code=error.code)
                await self._time.sleep(min(_FIRST_PAUSE * 2 ** (failures - 1), _LONGEST_PAUSE))

    async def _ask(self, call: Call, parameters: Mapping[str, str], *, continued: bool) -> _Reply:
        # Before the place in the budget: those who wait a minute for a token would all leave in the
        # same moment on places granted long ago, and one of them would hold up the ledger.
        await self._token(call)
        grant = await self._limiter.acquire(call.priority, ledger=call.ledger)
        try:
            return await self._get(call, parameters, grant, continued=continued)
        finally:
            self._limiter.answered(grant)

    async def _get(
        self, call: Call, parameters: Mapping[str, str], grant: Grant, *, continued: bool
    ) -> _Reply:
        token = await self._token(call)
        try:
            async with asyncio.timeout(self._time.timeout(_INQUIRY_TIMEOUT)):
                response = await self._http.get(
                    self._settings.rest + call.path,
                    params=parameters,
                    headers=self._headers(call, token, continued=continued),
                )
        except TimeoutError as error:
            raise _Repeatable("TIMEOUT", f"no answer within {_INQUIRY_TIMEOUT:.0f} s") from error
        except httpx.HTTPError as error:
            raise _Repeatable(UNREACHABLE, type(error).__name__) from error
        self._keep(call, response)
        status = response.status_code
        try:
            envelope = _decode_envelope.decode(response.content)
        except UNREADABLE as error:
            raise _Repeatable("UNREADABLE", f"HTTP {status}, no answer of KIS") from error
        code = envelope.code
        if envelope.rt_cd == "0" and status < 300:
            self._credentials.accepted(token)
            more = response.headers.get("tr_cont", "").strip() in ("F", "M")
            return _Reply(status, envelope, more)
        self._note(call, code, grant, token)
        temporary = {TOO_FAST, LEDGER_TOO_FAST} | TOKEN_REFUSALS | CHECK_PREVIOUS | QUERY_AGAIN
        if code in temporary or (status >= 500 and not code):
            raise _Repeatable(code or "UNREADABLE", envelope.message)
        raise InquiryFailed(call.name, code or f"HTTP {status}", envelope.message)

    async def _token(self, call: Call) -> Secret:
        try:
            return await self._credentials.token()
        except AuthenticationFailed as error:
            raise InquiryFailed(call.name, NO_TOKEN, str(error)) from error

    def _keep(self, call: Call, response: httpx.Response) -> None:
        if self._record is not None:
            # Cursors and some rows repeat the account; masked to its own length, the rest stays.
            number = self._settings.account_number.encode()
            body = response.content.replace(number, b"*" * len(number))
            self._record(call.name, self._time.now(), body)

    def _note(self, call: Call, code: str, grant: Grant, token: Secret) -> None:
        """Draw the consequence of a refusal for the calls that follow."""
        if code in (TOO_FAST, LEDGER_TOO_FAST):
            _log.warning("kis_throttled", call=call.name, code=code)
            self._limiter.throttled(
                grant, call=call.name, code=code, ledger=code == LEDGER_TOO_FAST
            )
        elif code in TOKEN_REFUSALS:
            _log.warning("kis_token_refused", code=code)
            self._credentials.invalidate(token)

    def _headers(self, call: Call, token: Secret, *, continued: bool = False) -> dict[str, str]:
        return {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token.reveal()}",
            "appkey": self._settings.app_key.reveal(),
            "appsecret": self._settings.app_secret.reveal(),
            "tr_id": call.tr_id_for(self._settings.environment, old=self._settings.old_tr_ids),
            "tr_cont": "N" if continued else "",
            "custtype": "P",
        }


class _Repeatable(Exception):
    """An inquiry that may be asked again."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def judge(call: str, status: int, body: bytes) -> Envelope | Refused | Unknown:
    """Return what an answer to an order call proves. Pure; the table of the module docstring."""
    try:
        envelope = _decode_envelope.decode(body)
    except UNREADABLE:
        return Unknown(reason=f"{call}: HTTP {status} with a body that cannot be read")
    code = envelope.code
    if code in (TOO_FAST, LEDGER_TOO_FAST):
        return Refused(code=code, message=envelope.message, throttled=True)
    if code in TOKEN_REFUSALS:
        return Refused(code=code, message=envelope.message)
    # Every other code of the gateway is no business refusal, whatever status it comes with.
    if code.startswith(_GATEWAY) or status >= 500 or not envelope.rt_cd:
        return Unknown(reason=f"{call}: HTTP {status} {code} {envelope.message}".strip())
    if envelope.rt_cd != "0":
        return Refused(code=code or f"rt_cd {envelope.rt_cd}", message=envelope.message)
    if status >= 300:
        return Unknown(reason=f"{call}: HTTP {status} although rt_cd is 0")
    return envelope


def open_http() -> httpx.AsyncClient:
    """Return the HTTP client of all KIS calls: it repeats nothing and follows no redirect.

    The only place where one is made; share it in a process, so that calls find an open connection:
    a new one costs a TLS handshake, which for an order is most of its way. KIS speaks HTTP/1.1, so
    a connection carries one call at a time; their number is bounded by the call budget alone, since
    an order that waited here for a free one would count as unknown without having left. Idle ones
    are given up early: KIS may close one in the moment in which an order is sent on it. Time limits
    are set around each call as a whole, so that a body that trickles in cannot outlast them.
    """
    # httpx logs every URL at INFO; the account number is one of its parameters.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx.AsyncClient(
        transport=httpx.AsyncHTTPTransport(
            retries=0,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=None,
                max_keepalive_connections=_IDLE_CONNECTIONS,
                keepalive_expiry=_IDLE_SECONDS,
            ),
        ),
        follow_redirects=False,
        trust_env=False,
        timeout=None,  # noqa: S113 - see the docstring
    )
