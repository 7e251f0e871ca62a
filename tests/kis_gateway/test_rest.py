"""Orders leave once; inquiries repeat a little; every answer is yes, no or unknown."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import SystemTime, TimeSource
from kis_gateway.broker import Refused, Unknown
from kis_gateway.client import calls
from kis_gateway.client.answer import rows, single
from kis_gateway.client.auth import Credentials
from kis_gateway.client.limiter import Limiter, Priority
from kis_gateway.client.rest import Call, Envelope, RestClient, judge, open_http
from kis_gateway.errors import InquiryFailed
from kis_gateway.settings import Environment

from .kis_double import (
    APP_KEY,
    APP_SECRET,
    FAST,
    TOKEN,
    KisDouble,
    Reply,
    Request,
    kis_double,
    ok,
    refused,
    settings_for,
)


class Hasty:
    """The system's clock without pauses; ``slept`` tells which were asked for."""

    def __init__(self) -> None:
        self._clock = SystemTime()
        self.slept: list[float] = []

    def now(self) -> int:
        return self._clock.now()

    async def sleep_until(self, at: int) -> None:
        await self._clock.sleep_until(at)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(0)

    def timeout(self, seconds: float) -> float:
        return seconds


class Impatient(Hasty):
    """Gives a server that never answers a tenth of a second."""

    def timeout(self, seconds: float) -> float:
        return 0.1 if seconds == 20.0 else seconds


@asynccontextmanager
async def client(
    double: KisDouble, folder: Path, time: TimeSource | None = None
) -> AsyncIterator[RestClient]:
    clock = time or Hasty()
    settings = settings_for(double.url, folder)
    limiter = Limiter(FAST, clock)
    async with open_http() as http:
        yield RestClient(settings, http, Credentials(settings, http, clock), limiter, clock)
    await limiter.aclose()


ORDER = {"PDNO": "005930", "ORD_QTY": "10"}
CASES = [
    (500, refused("EGW00201", "초당 거래건수를 초과하였습니다."), "throttled"),
    (500, refused("EGW00215"), "throttled"),
    (500, refused("EGW00123", "기간이 만료된 token 입니다."), "refused"),
    (500, refused("EGW00121"), "refused"),
    (500, refused("EGW00122"), "refused"),
    (200, refused("APBK0952", "주문가능금액을 초과했습니다", rt_cd="7"), "refused"),
    (200, refused("", "모의투자 장시작전 입니다"), "refused"),
    (400, refused("OPSQ0002"), "refused"),
    (500, refused("EGW00301", "연결시간이 초과하였습니다. 직전 거래를 확인하세요"), "unknown"),
    (500, refused("EGW00302"), "unknown"),
    (200, refused("EGW00302"), "unknown"),
    (200, refused("EGW00316"), "unknown"),
    (400, refused("EGW00399"), "unknown"),
    (500, refused("EGW02004"), "unknown"),
    (500, ok(), "unknown"),
    (502, {}, "unknown"),
    (403, {"error_code": "EGW00103"}, "unknown"),
    (200, {}, "unknown"),
    (302, ok(), "unknown"),
    (200, ok(), "yes"),
]


@pytest.mark.parametrize(("status", "body", "expected"), CASES)
def test_each_answer_to_an_order_proves_what_the_table_says(
    status: int, body: dict[str, str], expected: str
) -> None:
    """Only the two throttle codes, three token codes and a business no mean not taken in."""
    outcome = judge("order", status, json.dumps(body).encode())
    if isinstance(outcome, Refused):
        found = "throttled" if outcome.throttled else "refused"
    else:
        found = "unknown" if isinstance(outcome, Unknown) else "yes"
    assert found == expected


@given(st.integers(100, 599), st.binary(max_size=80))
def test_a_body_that_cannot_be_read_is_never_a_yes_or_a_no(status: int, body: bytes) -> None:
    """Noise proves nothing about an order."""
    if not body.lstrip().startswith(b"{"):
        assert isinstance(judge("order", status, body), Unknown)


EUC_KR = '{"rt_cd":"1","msg_cd":"X","msg1":"주문거부"}'.encode("euc-kr")


async def test_bytes_that_are_no_utf_8_are_no_answer(tmp_path: Path) -> None:
    """An order stays unknown after one POST; an inquiry fails with its own error, repeated."""
    assert isinstance(judge("order", 200, EUC_KR), Unknown)
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(EUC_KR)
        assert isinstance(await rest.post_once(calls.BUY, ORDER), Unknown)
        assert double.count("order-cash") == 1
        with pytest.raises(InquiryFailed, match="UNREADABLE"):
            await rest.inquire(calls.PRICE, {})


def test_a_block_that_is_no_utf_8_is_malformed() -> None:
    """Blocks stay raw until they are read, and their bytes may be wrong as well."""
    raw = msgspec.Raw('[{"name":"삼성전자"}]'.encode("euc-kr"))
    with pytest.raises(InquiryFailed, match="no list of objects"):
        rows("call", "output1", raw)
    with pytest.raises(InquiryFailed, match="no object"):
        single("call", "output", msgspec.Raw('{"name":"삼성전자"}'.encode("euc-kr")))


async def test_an_order_that_may_not_leave_any_more_is_refused_and_not_sent(tmp_path: Path) -> None:
    """Asked after every queue, right before the first byte."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(ok())
        outcome = await rest.post_once(calls.BUY, ORDER, may_leave=lambda: False)
        assert isinstance(outcome, Refused)
        assert outcome.code == "NOT_SENT"
        assert double.count("/order-cash") == 0


async def test_an_order_whose_reply_is_lost_is_unknown_and_was_sent_once(tmp_path: Path) -> None:
    """The server took it in and cut the line; exactly one POST arrived, and none after."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: None
        outcome = await rest.post_once(calls.BUY, ORDER)
        assert isinstance(outcome, Unknown)
        assert "connection lost" in outcome.reason
        double.script = lambda _: Reply(ok())
        await rest.inquire(calls.PRICE, {})
        assert double.count("/order-cash") == 1


async def test_an_order_without_an_answer_in_time_is_unknown_and_was_sent_once(
    tmp_path: Path,
) -> None:
    """A slow service may still execute it."""
    released = asyncio.Event()

    async def slow(_: Request) -> Reply:
        await released.wait()
        return Reply(ok())

    async with kis_double() as double, client(double, tmp_path, Impatient()) as rest:
        double.script = slow
        outcome = await rest.post_once(calls.SELL, ORDER)
        released.set()
        assert outcome == Unknown(reason="order-cash sell: no answer within 20 s")
        assert double.count("/order-cash") == 1


@pytest.mark.parametrize(
    "reply",
    [
        Reply(refused("EGW00123"), 500),
        Reply(refused("EGW00201"), 500),
        Reply(refused("EGW00301"), 500),
        Reply(b"", 503),
        Reply(b"", 307),
    ],
)
async def test_no_answer_makes_an_order_leave_twice(tmp_path: Path, reply: Reply) -> None:
    """Neither a new token, nor back-off, nor a redirect repeats an order."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: reply
        outcome = await rest.post_once(calls.CANCEL, ORDER)
        assert isinstance(outcome, Refused | Unknown)
        assert double.count("/order-rvsecncl") == 1


async def test_an_order_that_meets_no_server_was_certainly_not_taken_in(tmp_path: Path) -> None:
    """Without a connection nothing can have been sent."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        await rest.inquire(calls.PRICE, {})  # fetches the token
        port = double.url
        double.url = "http://127.0.0.1:1"
        async with client(double, tmp_path) as elsewhere:
            outcome = await elsewhere.post_once(calls.BUY, ORDER)
        assert outcome == Refused(code="UNREACHABLE", message="no connection (ConnectError)")
        double.url = port


async def test_an_order_does_not_wait_for_a_token(tmp_path: Path) -> None:
    """What would leave a minute late is refused instead, and never reaches the order path."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.tokens = [Reply({"error_code": "EGW00133", "error_description": "1분당 1회"}, 403)]
        outcome = await rest.post_once(calls.BUY, ORDER)
        assert isinstance(outcome, Refused)
        assert outcome.code == "NO_TOKEN"
        assert double.count("/order-cash") == 0


async def test_headers_carry_what_kis_asks_for_and_paper_ids_begin_with_v(tmp_path: Path) -> None:
    """Trading ids change on paper, quotation ids do not."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        await rest.post_once(calls.BUY, ORDER)
        await rest.inquire(calls.PRICE, {"FID_INPUT_ISCD": "005930"})
        order, price = double.requests[-2:]
    assert order.headers["tr_id"] == "VTTC0012U"
    assert price.headers["tr_id"] == "FHKST01010100"
    assert calls.BUY.tr_id_for(Environment.REAL) == "TTTC0012U"
    assert price.query == {"FID_INPUT_ISCD": "005930"}
    assert order.body == ORDER
    for request in (order, price):
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["appkey"] == APP_KEY
        assert request.headers["appsecret"] == APP_SECRET
        assert request.headers["custtype"] == "P"
        assert request.headers["tr_cont"] == ""
        assert request.headers["content-type"] == "application/json; charset=utf-8"


async def test_pages_are_followed_by_the_header_to_the_end(tmp_path: Path) -> None:
    """25 holdings came as 20 and 5; cursors are sent back as received, blanks and carets too."""
    cursor = "12345678^01^N^" + " " * 86
    pages = {
        "": Reply(ok(output1=[1], ctx_area_fk100=cursor, ctx_area_nk100="k1"), tr_cont="F"),
        "k1": Reply(ok(output1=[2], ctx_area_fk100=cursor, ctx_area_nk100="k2"), tr_cont="M"),
        "k2": Reply(ok(output1=[3], ctx_area_fk100=cursor, ctx_area_nk100="k3"), tr_cont="D"),
    }
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda request: pages[request.query["CTX_AREA_NK100"]]
        found = await rest.inquire_pages(calls.BALANCE, {"CANO": "12345678"})
        asked = [each for each in double.requests if each.path.endswith("inquire-balance")]
    assert [bytes(page.output1) for page in found] == [b"[1]", b"[2]", b"[3]"]
    assert [each.headers["tr_cont"] for each in asked] == ["", "N", "N"]
    assert [each.query["CTX_AREA_FK100"] for each in asked] == ["", cursor, cursor]


async def test_a_filled_cursor_on_a_last_page_is_no_further_page(tmp_path: Path) -> None:
    """An empty real account returns a cursor with ``tr_cont`` D."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(ok(ctx_area_nk100="k1"), tr_cont="D")
        assert len(await rest.inquire_pages(calls.BALANCE, {})) == 1


async def test_a_page_that_comes_again_ends_the_inquiry(tmp_path: Path) -> None:
    """Better no balance than one that counts a page twice or never ends."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(ok(output1=[1], ctx_area_nk100="k"), tr_cont="M")
        with pytest.raises(InquiryFailed, match="PAGING"):
            await rest.inquire_pages(calls.BALANCE, {})


async def test_a_failing_page_fails_the_whole_inquiry(tmp_path: Path) -> None:
    """A part of a balance would look like positions that were sold."""
    replies = [Reply(ok(output1=[1], ctx_area_nk100="k"), tr_cont="M"), *[Reply(b"", 503)] * 4]
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: replies.pop(0)
        with pytest.raises(InquiryFailed, match="UNREADABLE"):
            await rest.inquire_pages(calls.BALANCE, {})


@pytest.mark.parametrize(
    "trouble",
    [
        Reply(refused("EGW00201"), 500),
        Reply(refused("EGW00215"), 500),
        Reply(refused("EGW00316"), 500),
        Reply(refused("EGW00301"), 500),
        Reply(b"<html>", 502),
        None,
    ],
)
async def test_an_inquiry_gets_through_passing_trouble(
    tmp_path: Path, trouble: Reply | None
) -> None:
    """Three failures with growing pauses, then the answer."""
    replies = [trouble, trouble, trouble, Reply(ok(output={"x": "1"}))]
    time = Hasty()
    async with kis_double() as double, client(double, tmp_path, time) as rest:
        double.script = lambda _: replies.pop(0)
        envelope = await rest.inquire(calls.PRICE, {})
    assert bytes(envelope.output) == b'{"x": "1"}'
    assert time.slept == [0.5, 1.0, 2.0]


async def test_an_inquiry_gives_up_after_four_attempts(tmp_path: Path) -> None:
    """The caller knows nothing new and is told so."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(refused("EGW00201", "초당 거래건수 초과"), 500)
        with pytest.raises(InquiryFailed, match="EGW00201"):
            await rest.inquire(calls.PRICE, {})
        assert double.count("/inquire-price") == 4


async def test_a_business_refusal_of_an_inquiry_is_final(tmp_path: Path) -> None:
    """A wrong account does not get right by asking again."""
    async with kis_double() as double, client(double, tmp_path) as rest:
        double.script = lambda _: Reply(refused("OPSQ2000", "INVALID ACNO", rt_cd="2"))
        with pytest.raises(InquiryFailed, match="OPSQ2000") as caught:
            await rest.inquire(calls.BALANCE, {})
        assert caught.value.code == "OPSQ2000"
        assert double.count("/inquire-balance") == 1


async def test_a_dead_token_is_healed_once_for_an_inquiry(tmp_path: Path) -> None:
    """A new token, the same question again, without a pause."""
    time = Hasty()
    replies = [Reply(refused("EGW00123"), 500), Reply(ok())]
    async with kis_double() as double, client(double, tmp_path, time) as rest:
        # The dead one is short-lived, so that asking anew is allowed at once.
        settings = settings_for(double.url, tmp_path)
        settings.token_cache.write_text(
            json.dumps(
                {
                    "token": "dead",
                    "expires_at": time.now() + 10**15,
                    "requested_at": time.now() - 10**12,
                    "not_before": 0,
                }
            )
        )
        double.script = lambda _: replies.pop(0)
        await rest.inquire(calls.PRICE, {})
        used = [each.headers["authorization"] for each in double.requests if each.method == "GET"]
    assert used == ["Bearer dead", f"Bearer {TOKEN}"]
    assert time.slept == []


async def test_a_throttled_order_slows_the_next_call_down(tmp_path: Path) -> None:
    """The refusal is the limiter's lesson although the order itself is not repeated."""
    time = Hasty()
    call = Call(name="c", path="/c", tr_id="TTTC", priority=Priority.BUY)
    async with kis_double() as double, client(double, tmp_path, time) as rest:
        double.script = lambda _: Reply(refused("EGW00201"), 500)
        outcome = await rest.post_once(call, {})
        assert isinstance(outcome, Refused)
        assert outcome.throttled
        assert rest._limiter._core.calls.interval(time.now()) == 2 * 10**9 // 900


async def test_no_secret_appears_in_logs_or_errors(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither key, secret and token nor the account number, at any log level."""
    caplog.set_level("DEBUG")
    shown = ""
    async with kis_double() as double, client(double, tmp_path) as rest:
        shown += repr(await rest.post_once(calls.BUY, ORDER))
        await rest.inquire(calls.BALANCE, {"CANO": "12345678"})
        double.script = lambda _: None
        shown += repr(await rest.post_once(calls.BUY, {**ORDER, "CANO": "12345678"}))
        with pytest.raises(InquiryFailed) as caught:
            await rest.inquire(calls.BALANCE, {"CANO": "12345678"})
        error: BaseException | None = caught.value
        while error is not None:
            shown += f"{error!r} {error}"
            error = error.__cause__ or error.__context__
    shown += caplog.text + "".join(capsys.readouterr())
    assert "kis_inquiry_repeated" in shown
    for secret in (APP_KEY, APP_SECRET, TOKEN, "12345678"):
        assert secret not in shown


def test_both_envelopes_are_read() -> None:
    """Authentication errors come under other names than business errors."""
    assert Envelope(error_code="EGW00133", error_description=" x ").code == "EGW00133"
    assert Envelope(msg_cd="APBK0013", msg1="주문 전송 완료   ").message == "주문 전송 완료"


async def test_calls_share_an_open_connection() -> None:
    """A second call needs no new handshake; two at the same time need two connections."""

    async def local_port(http: httpx.AsyncClient, url: str) -> int:
        response = await http.get(url)
        return int(response.extensions["network_stream"].get_extra_info("client_addr")[1])

    async with kis_double() as double, open_http() as http:
        first = await local_port(http, double.url + "/a")
        second = await local_port(http, double.url + "/b")
        together = await asyncio.gather(
            local_port(http, double.url + "/c"), local_port(http, double.url + "/d")
        )
    assert first == second
    assert len(set(together)) == 2


class Held(Hasty):
    """Holds whoever waits for an instant until ``go``."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.waiting = asyncio.Event()
        self.ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead

    async def sleep_until(self, at: int) -> None:
        self.waiting.set()
        await self.go.wait()


async def test_who_waits_for_a_token_takes_no_place_in_the_budget(tmp_path: Path) -> None:
    """A minute later all of them would leave at once, and the ledger would have stood still."""
    time = Held()
    async with kis_double() as double, open_http() as http:
        settings = settings_for(double.url, tmp_path)
        limiter = Limiter(FAST, time)
        rest = RestClient(settings, http, Credentials(settings, http, time), limiter, time)
        double.tokens = [Reply({"error_code": "EGW00133", "error_description": "1분당 1회"}, 403)]
        asked = asyncio.create_task(rest.inquire(calls.BALANCE, {}))
        await time.waiting.wait()
        assert limiter._core.calls._seen_by == {}
        assert limiter._core.ledger._seen_by == {}
        time.ahead = 120_000_000_000
        time.go.set()
        assert (await asked).rt_cd == "0"
        await limiter.aclose()
