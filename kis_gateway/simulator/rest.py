"""The REST side: one handler that authenticates, limits, answers and writes KIS-style headers.

``tr_id``, ``tr_cont`` and ``gt_uid`` are sent in lower case and all other headers capitalised, and
``tr_cont`` is always there: public clients depend on both. Double slashes in paths are collapsed.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec
from aiohttp.web import BaseRequest, Response, StreamResponse

from bus import TimeSource
from kis_gateway.simulator.access import Access
from kis_gateway.simulator.calls.answers import Answer, CallRefused, refused
from kis_gateway.simulator.calls.call_table import CALLS, ServedCall, variant_of
from kis_gateway.simulator.calls.params import Call, read_params
from kis_gateway.simulator.facts.masters import MASTER_PATH, master_file
from kis_gateway.simulator.limits import CallLimits
from kis_gateway.simulator.trouble.call_faults import CallFaults, ConnectionLost, MetCall
from kis_gateway.simulator.trouble.fault_board import FaultBoard
from kis_gateway.simulator.trouble.order_bodies import OrderBodies
from kis_gateway.simulator.venue import Venue

_CONTENT_TYPE: Final = "application/json; charset=utf-8"


class RestService:
    """Everything KIS serves over HTTP."""

    def __init__(self, venue: Venue, access: Access, faults: FaultBoard, time: TimeSource) -> None:
        self._venue = venue
        self._settings = venue.settings
        self._access = access
        self._faults = CallFaults(faults, time)
        self._time = time
        self._limits = CallLimits(self._settings)
        self.order_bodies = OrderBodies()
        self.calls = 0
        self.throttled = 0

    async def serve(self, request: BaseRequest) -> StreamResponse:
        """Answer one HTTP request."""
        self.calls += 1
        path = request.path
        while "//" in path:
            path = path.replace("//", "/")
        if path.startswith(MASTER_PATH):
            return self._master(path, request)
        try:
            answer = await self._answer(path, request)
        except CallRefused as refusal:
            answer = refusal.answer
        except ConnectionLost:
            if request.transport is not None:
                request.transport.abort()
            answer = Answer(body={})
        return Response(
            status=answer.status,
            body=msgspec.json.encode(answer.body) if answer.body else b"",
            headers={
                "Content-Type": _CONTENT_TYPE,
                "Date": self._venue.distribution.clock.http_date(),
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
        if not served.quotation and self._foreign_key(held.app_key):
            raise refused("EGW02004")
        variant = variant_of(served, tr_id, self._settings)
        if "/trading/" in path and held.account not in self._venue.opening:
            # The other host's key: tokens and quotations work, trading does not.
            raise refused("EGW02004")
        name = path.rpartition("/")[2]
        params = read_params(request.query if served.method == "GET" else _body(raw))
        met = MetCall(name, served.order, held.account, str(params.get("PDNO", "")))
        self._limit(served, met, held.app_key, now)
        call = Call(
            credentials=held,
            tr_id=tr_id,
            variant=variant,
            continued=request.headers.get("tr_cont", "").strip() == "N",
            params=params,
        )
        if served.order:
            self.order_bodies.note(
                name, tr_id, raw, account=held.account, symbol=met.symbol, at=now
            )
        return await self._execute(served, met, call)

    async def _execute(self, served: ServedCall, met: MetCall, call: Call) -> Answer:
        instead = await self._faults.before(met)
        if instead is not None:
            return instead
        try:
            answer = served.answer(self._venue, call)
        except CallRefused as refusal:
            answer = refusal.answer
        if served.order and (
            self._settings.notices_overtake_replies or self._faults.notice_first(met)
        ):
            await self._venue.distribution.flush()
        return await self._faults.after(met, answer)

    def _limit(self, served: ServedCall, met: MetCall, app_key: str, now: int) -> None:
        try:
            self._faults.admit(met)
            self._limits.admit(
                app_key, met.account, ledger=served.ledger, order=served.order, now=now
            )
        except CallRefused:
            self.throttled += 1
            raise

    def _foreign_key(self, app_key: str) -> bool:
        """Whether a key of the paper service calls the real one: it may ask for quotations only."""
        return app_key in self._settings.paper_app_keys and not self._settings.paper

    def _master(self, path: str, request: BaseRequest) -> Response:
        # Served by a file host of its own: no token, no limits, no KIS headers.
        body = master_file(self._venue, path) if request.method == "GET" else None
        if body is None:
            return Response(status=404, text="Not Found")
        return Response(body=body, headers={"Content-Type": "application/zip"})

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
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # RecursionError is how the decoder refuses brackets nested by the thousand.
        raise refused("OPSQ9997") from None
