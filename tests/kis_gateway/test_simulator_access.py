"""Tokens, approval keys, the hash key and the shape of HTTP answers."""

from __future__ import annotations

import asyncio
import hashlib
from urllib.parse import urlsplit

from tests.kis_gateway.simulator_bench import (
    ACCOUNT,
    HTS_ID,
    KEY,
    OPEN,
    SAMSUNG,
    SECRET,
    running,
    settings,
)

ASK = {"grant_type": "client_credentials", "appkey": KEY, "appsecret": SECRET}


async def test_a_token_is_refused_within_a_minute_and_then_the_same_for_six_hours() -> None:
    """403 with the OAuth envelope, then the same token, after six hours a new one."""
    async with running() as bench:
        refused = await bench.http.post("/oauth2/tokenP", json=ASK)
        assert refused.status_code == 403
        assert refused.json() == {
            "error_code": "EGW00133",
            "error_description": "접근토큰 발급 잠시 후 다시 시도하세요(1분당 1회)",
        }
        await bench.clock.advance(60)
        again = await bench.http.post("/oauth2/tokenP", json=ASK)
        assert again.json() == {
            "access_token": bench.token,
            "access_token_token_expired": "2026-11-21 09:00:00",
            "token_type": "Bearer",
            "expires_in": 86_400,
        }
        await bench.clock.advance(6 * 3_600 - 60)
        renewed = await bench.http.post("/oauth2/tokenP", json=ASK)
        assert renewed.json()["access_token"] != bench.token
        assert renewed.json()["access_token_token_expired"] == "2026-11-21 15:00:00"


async def test_a_token_expires_after_24_hours_with_http_500() -> None:
    """EGW00123 in the ordinary envelope, one second before it still works."""
    async with running() as bench:
        await bench.clock.advance(86_399)
        good = await bench.quote("inquire-price", "FHKST01010100", FID_INPUT_ISCD=SAMSUNG)
        assert good["rt_cd"] == "0"
        await bench.clock.advance(1)
        late = await bench.trading("inquire-balance", "VTTC8434R")
        assert late.status_code == 500
        assert late.json() == {
            "rt_cd": "1",
            "msg_cd": "EGW00123",
            "msg1": "기간이 만료된 token 입니다.",
        }


async def test_calls_without_valid_keys_and_tokens_are_refused_with_their_codes() -> None:
    """Each missing or wrong header has its gateway code and HTTP 500."""
    async with running() as bench:
        path = "/uapi/domestic-stock/v1/trading/inquire-balance"
        good = bench.headers("VTTC8434R")
        cases = {
            "EGW00102": good | {"appkey": ""},
            "EGW00103": good | {"appkey": "unknown"},
            "EGW00104": good | {"appsecret": ""},
            "EGW00105": good | {"appsecret": "wrong"},
            "EGW00205": good | {"authorization": "Basic abc"},
            "EGW00121": good | {"authorization": "Bearer nonsense"},
        }
        for code, headers in cases.items():
            answer = await bench.http.get(path, headers=headers)
            assert (answer.status_code, answer.json()["msg_cd"]) == (500, code)


async def test_a_revoked_token_is_invalid_and_a_new_one_is_issued() -> None:
    """After revocation the old token answers EGW00121."""
    async with running() as bench:
        old = bench.token
        body = {"appkey": KEY, "appsecret": SECRET, "token": old}
        answer = await bench.http.post("/oauth2/revokeP", json=body)
        assert (answer.status_code, answer.json()["code"]) == (200, 200)
        dead = await bench.trading("inquire-balance", "VTTC8434R")
        assert dead.json()["msg_cd"] == "EGW00121"
        await bench.clock.advance(60)
        await bench.log_in()
        assert bench.token != old
        assert (await bench.balance())["rt_cd"] == "0"


async def test_approval_keys_come_once_a_second_and_differ() -> None:
    """A second request within the second is refused; the wrong secret as well."""
    async with running() as bench:
        body = {"grant_type": "client_credentials", "appkey": KEY, "secretkey": SECRET}
        first = await bench.http.post("/oauth2/Approval", json=body)
        hasty = await bench.http.post("/oauth2/Approval", json=body)
        assert (hasty.status_code, hasty.json()["msg_cd"]) == (500, "EGW00201")
        await bench.clock.advance(1)
        second = await bench.http.post("/oauth2/Approval", json=body)
        assert len(first.json()["approval_key"]) == 36
        assert first.json() != second.json()
        wrong = await bench.http.post("/oauth2/Approval", json=body | {"secretkey": "x"})
        assert wrong.json()["error_code"] == "EGW00105"


async def test_the_hash_key_call_echoes_the_body_with_its_hash() -> None:
    """Older clients ask for it before every order."""
    async with running() as bench:
        answer = await bench.http.post(
            "/uapi/hashkey",
            content=b'{"PDNO":"005930"}',
            headers={"appkey": KEY, "appsecret": SECRET},
        )
        digest = hashlib.sha256(b'{"PDNO":"005930"}').hexdigest()
        assert answer.json() == {"BODY": {"PDNO": "005930"}, "HASH": digest}


async def test_kis_header_names_are_lower_case_and_all_others_capitalised() -> None:
    """The official helper fails when any other header is all lower case."""
    async with running() as bench:
        url = urlsplit(bench.simulator.rest_url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        lines = [
            "GET //uapi/domestic-stock//v1/quotations/inquire-price"
            f"?fid_cond_mrkt_div_code=J&fid_input_iscd={SAMSUNG} HTTP/1.1",
            "Host: localhost",
            "Connection: close",
            *(f"{name}: {value}" for name, value in bench.headers("FHKST01010100").items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        head, _, body = answer.partition("\r\n\r\n")
        status, *headers = head.split("\r\n")
        assert status == "HTTP/1.1 200 OK"
        assert '"rt_cd":"0"' in body
        names = [line.partition(":")[0] for line in headers]
        assert {name for name in names if name == name.lower()} == {"tr_id", "tr_cont", "gt_uid"}
        assert "tr_id: FHKST01010100" in headers
        assert "Content-Type: application/json; charset=utf-8" in headers


async def test_unknown_paths_and_tr_ids_get_the_documented_envelope() -> None:
    """No such service, not a paper TR, not on paper, no TR id, no JSON."""
    async with running() as bench:
        nowhere = await bench.http.get("/uapi/nowhere", headers=bench.headers("X"))
        assert nowhere.json()["msg_cd"] == "OPSQ0002"
        wrong = await bench.trading("inquire-balance", "FHKST01010100")
        assert wrong.json()["msg_cd"] == "OPSQ0002"
        real = await bench.trading("inquire-balance", "TTTC8434R")
        assert (real.status_code, real.json()["msg_cd"]) == (500, "EGW00213")
        absent = await bench.trading("inquire-balance", "")
        assert absent.json()["msg_cd"] == "OPSQ9999"
        index = await bench.quote("inquire-index-price", "FHPUP02100000", FID_INPUT_ISCD="0001")
        assert index["msg_cd"] == "MCA00124"
        path = "/uapi/domestic-stock/v1/trading/order-cash"
        broken = await bench.http.post(path, content=b"{", headers=bench.headers("VTTC0012U"))
        assert broken.json()["msg_cd"] == "OPSQ9997"


def test_secrets_never_print() -> None:
    """Neither key nor secret is in the text of the settings."""
    text = repr(settings())
    assert KEY not in text
    assert SECRET not in text
    assert ACCOUNT in text
    assert HTS_ID in text
    assert OPEN > 0
