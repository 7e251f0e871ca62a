"""The REST side: one handler that authenticates, limits, answers and writes KIS-style headers.

``tr_id``, ``tr_cont`` and ``gt_uid`` are sent in lower case and all other headers capitalised, and
``tr_cont`` is always there: public clients depend on both. Double slashes in paths are collapsed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Final

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from bus import TimeSource
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.answers import Answer, CallRefused, refused
from kis_gateway.simulator.call_table import CALLS, ServedCall, variant_of
from kis_gateway.simulator.faults import FaultBoard, FaultKind
from kis_gateway.simulator.limits import WindowLimiter
from kis_gateway.simulator.params import Call, read_params
from kis_gateway.simulator.venue import Venue

_CONTENT_TYPE: Final = "application/json; charset=utf-8"


class _ConnectionReset(Exception):
    """The connection goes away without an answer."""


class RestService:
    """Everything KIS serves over HTTP."""

    def __init__(self, venue: Venue, access: Access, faults: FaultBoard, time: TimeSource) -> None:
        self._venue = venue
        self._settings = venue.settings
        self._access = access
        self._faults = faults
        self._time = time
        self._calls = WindowLimiter(self._settings.call_limit)
        self._ledger_calls = WindowLimiter(self._settings.ledger_calls_per_second)
        self._bodies_seen: set[bytes] = set()
        self.calls = 0
        self.throttled = 0
        self.duplicate_bodies = 0
        self.orders_received: Counter[str] = Counter()

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer one HTTP request."""
        self.calls += 1
        path = request.path
        while "//" in path:
            path = path.replace("//", "/")
        try:
            answer = await self._answer(path, request)
        except CallRefused as refusal:
            answer = refusal.answer
        except _ConnectionReset:
            if request.transport is not None:
                request.transport.abort()
            answer = Answer(body={})
        return Response(
            status=answer.status,
            body=msgspec.json.encode(answer.body),
            headers={
                "Content-Type": _CONTENT_TYPE,
                "tr_id": request.headers.get("tr_id", ""),
                "tr_cont": answer.tr_cont,
                "gt_uid": f"SIM{self.calls:029d}",
            },
        )

    async def _answer(self, path: str, request: BaseRequest) -> Answer:
        if path.startswith("/oauth2/"):
            return self._issue(path, _body(await request.read()))
        if path == "/uapi/hashkey":
            return self._hash(request, await request.read())
        served = CALLS.get(path)
        if served is None or served.method != request.method:
            raise refused("OPSQ0002")
        raw = await request.read()
        now = self._time.now()
        held = self._access.authenticate(request.headers, now)
        tr_id = request.headers.get("tr_id", "").strip()
        variant = variant_of(served, tr_id, self._settings)
        name = path.rpartition("/")[2]
        self._limit(served, name, held.app_key, held.account, now)
        params = read_params(request.query if served.method == "GET" else _body(raw))
        call = Call(
            credentials=held,
            tr_id=tr_id,
            variant=variant,
            continued=request.headers.get("tr_cont", "").strip() == "N",
            params=params,
        )
        if served.order:
            self._note_order(tr_id, raw)
        return await self._execute(served, name, call)

    async def _execute(self, served: ServedCall, name: str, call: Call) -> Answer:
        faults, order = self._faults, served.order
        if faults.meet(FaultKind.RESET_BEFORE_ACCEPT, name, order=order):
            raise _ConnectionReset
        try:
            answer = served.answer(self._venue, call)
        except CallRefused as refusal:
            answer = refusal.answer
        if order and self._settings.notices_overtake_replies:
            await self._venue.distribution.flush()
        delay = faults.meet(FaultKind.DELAY, name, order=order)
        if delay is not None:
            await self._time.sleep(delay.seconds)
        accepted = answer.body.get("rt_cd") == "0"
        if accepted and faults.meet(FaultKind.DROP_REPLY_AFTER_ACCEPT, name, order=order):
            raise _ConnectionReset
        return answer

    def _limit(self, served: ServedCall, name: str, app_key: str, account: str, now: int) -> None:
        faulty = self._faults.meet(FaultKind.THROTTLE, name, order=served.order)
        if faulty is not None or not self._calls.admit(app_key, now):
            self.throttled += 1
            raise refused("EGW00201")
        if served.ledger and not self._ledger_calls.admit(account, now):
            self.throttled += 1
            raise refused("EGW00215")

    def _note_order(self, tr_id: str, raw: bytes) -> None:
        self.orders_received[tr_id] += 1
        digest = hashlib.sha256(tr_id.encode() + raw).digest()
        if digest in self._bodies_seen:
            self.duplicate_bodies += 1
        self._bodies_seen.add(digest)

    def _issue(self, path: str, body: dict[str, Any]) -> Answer:
        app_key, now = str(body.get("appkey", "")), self._time.now()
        if path == "/oauth2/tokenP":
            secret = str(body.get("appsecret", ""))
            return Answer(body=self._access.issue_token(app_key, secret, now))
        if path == "/oauth2/revokeP":
            secret, token = str(body.get("appsecret", "")), str(body.get("token", ""))
            return Answer(body=self._access.revoke_token(app_key, secret, token))
        if path == "/oauth2/Approval":
            secret = str(body.get("secretkey", ""))
            return Answer(body=self._access.approve(app_key, secret, now))
        raise refused("OPSQ0002")

    def _hash(self, request: BaseRequest, raw: bytes) -> Answer:
        self._access.require_app_key(request.headers)
        return Answer(body={"BODY": _body(raw), "HASH": hashlib.sha256(raw).hexdigest()})


def _body(raw: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise refused("OPSQ9997") from None
