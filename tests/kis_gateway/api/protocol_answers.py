"""A KIS that answers every call with one row, each field filled by what the protocol says it is.

It knows no rules of the market; it proves that a client reads every field it declares.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import date, time
from pathlib import Path
from typing import Any

from events.calendar import instant
from kis_gateway.api import KisApi
from kis_gateway.client.auth import Credentials
from kis_gateway.client.limiter import Limiter
from kis_gateway.client.rest import Record, RestClient, open_http
from kis_gateway.protocol import Block, CallForm, Field, Kind, call_forms
from kis_gateway.settings import Environment, KisSettings, Secret
from tests.kis_gateway.kis_double import (
    ACCOUNT,
    APP_KEY,
    APP_SECRET,
    FAST,
    HTS_ID,
    KisDouble,
    Reply,
    Request,
    kis_double,
    ok,
)
from tests.kis_gateway.test_rest import Hasty

DAY = "20261120"
HALF_PAST_NINE = instant(date(2026, 11, 20), time(9, 30))
TEN = instant(date(2026, 11, 20), time(10))
SYMBOL = "005930"

_CODES = {
    "sll_buy_dvsn_cd": "02",
    "vi_cls_code": "N",
    "ovtm_vi_cls_code": "N",
    "mang_issu_cls_code": "N",
    "mod_yn": "N",
}


class TenOClock(Hasty):
    """A clock whose calendar begins at 10:00:00 KST on 2026-11-20 while waiting works."""

    def __init__(self) -> None:
        super().__init__()
        self._start = self._clock.now()

    def now(self) -> int:
        return TEN + self._clock.now() - self._start

    async def sleep_until(self, at: int) -> None:
        await self._clock.sleep_until(at - TEN + self._start)


def value_of(field: Field) -> str:
    """Return a value a field of this kind may have: a symbol, 1234, Y, 2026-11-20, 09:30:00."""
    name = field.name.lower()
    if name in _CODES:
        return _CODES[name]
    if name.endswith("sign"):
        return "2"
    if "iscd" in name or "pdno" in name:
        return SYMBOL
    return {
        Kind.TEXT: "text",
        Kind.CODE: "01",
        Kind.INT: "1234",
        Kind.DECIMAL: "1234." + "0" * max(field.scale, 1),
        Kind.DATE: DAY,
        Kind.TIME: "093000",
        Kind.FLAG: "Y",
    }[field.kind]


def row_of(block: Block) -> dict[str, str]:
    """Return an object with every field of a block."""
    return {field.name: value_of(field) for field in block.fields}


def blocks_of(form: CallForm) -> dict[str, Any]:
    """Return every block of a call, lists with one row."""
    return {
        name: [row_of(block)] if block.is_list else row_of(block)
        for name, block in form.blocks.items()
    }


def answer(request: Request) -> Reply:
    """Answer any call of the protocol; lists are empty when what ends before 09:30 is asked for."""
    form = next(
        form
        for form in call_forms().values()
        if form.path == request.path and form.method == request.method
    )
    blocks = blocks_of(form)
    hour = request.query.get("FID_INPUT_HOUR_1", "")
    if len(hour) == 6 and hour < "093000":
        blocks = {name: [] if form.blocks[name].is_list else blocks[name] for name in blocks}
    return Reply(ok(ctx_area_fk100=" " * 100, ctx_area_nk100=" " * 100, **blocks))


@asynccontextmanager
async def api_over(
    folder: Path,
    environment: Environment = Environment.REAL,
    record: Record | None = None,
    **changes: Any,
) -> AsyncIterator[tuple[KisDouble, KisApi]]:
    """Serve the double and yield it with an API that asks it; its script may be changed."""
    async with kis_double() as double, open_http() as http:
        double.script = answer
        clock = TenOClock()
        settings = KisSettings(
            app_key=Secret(APP_KEY),
            app_secret=Secret(APP_SECRET),
            account=Secret(ACCOUNT),
            hts_id=Secret(HTS_ID),
            token_folder=folder,
            environment=environment,
            real_account_enabled=environment is Environment.REAL,
            rest_url=double.url,
            limits=FAST,
            **changes,
        )
        limiter = Limiter(FAST, clock)
        credentials = Credentials(settings, http, clock)
        rest = RestClient(settings, http, credentials, limiter, clock, record=record)
        yield double, KisApi(rest, settings, clock)
        await limiter.aclose()


def queries(double: KisDouble, name: str) -> list[Mapping[str, str]]:
    """Return the parameters of every request of a call."""
    path = call_forms()[name].path
    return [request.query for request in double.requests if request.path == path]
