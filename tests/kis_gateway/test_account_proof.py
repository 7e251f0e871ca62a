"""One balance inquiry proves that host, app key and account fit, or says which does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from bus import SystemTime
from kis_gateway.client.account_proof import prove_account
from kis_gateway.errors import AccountRefused
from kis_gateway.kis_broker import KisBroker

from .kis_double import (
    ACCOUNT,
    APP_KEY,
    APP_SECRET,
    KisDouble,
    Reply,
    kis_double,
    refused,
    settings_for,
)

BOUND = "인증 시점의 계좌번호와 요청 계좌번호가 일치하지 않습니다."
LAPSED = "모의투자 주문이 불가한 계좌입니다."


async def prove(double: KisDouble, folder: Path) -> None:
    settings = settings_for(double.url, folder)
    async with KisBroker(settings, SystemTime()) as broker:
        await prove_account(broker, settings)


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (Reply(refused("EGW02004"), 500), "set environment to paper"),
        (Reply(refused("OPSQ2000", "INVALID ACCOUNT", rt_cd="2"), 200), "check KST_KIS_ACCOUNT"),
        (Reply(refused("", BOUND), 200), "apply for a new app key"),
        (Reply(refused("", LAPSED), 200), "renew it at KIS"),
        (Reply(refused("EGW00213"), 500), "check rest_url and environment"),
        (Reply(refused("EGW00105"), 500), "check KST_KIS_APP_SECRET"),
    ],
)
async def test_a_mismatch_is_refused_with_what_to_do_and_no_secret(
    tmp_path: Path, reply: Reply, advice: str
) -> None:
    """The operator reads which variable to check; one inquiry, no repetition."""
    async with kis_double() as double:
        double.script = lambda _: reply
        with pytest.raises(AccountRefused, match=advice) as caught:
            await prove(double, tmp_path)
        assert len([each for each in double.requests if each.method == "GET"]) == 1
    shown = f"{caught.value} {caught.value.__cause__}"
    for secret in (APP_KEY, APP_SECRET, ACCOUNT, ACCOUNT[:8]):
        assert secret not in shown


async def test_an_app_key_that_is_unknown_is_named_when_no_token_can_be_had(
    tmp_path: Path,
) -> None:
    """The token is the first thing that fails; its text tells as much."""
    async with kis_double() as double:
        double.tokens = [
            Reply(
                {"error_code": "EGW00103", "error_description": "유효하지 않은 AppKey입니다."}, 403
            )
        ]
        with pytest.raises(AccountRefused, match="check KST_KIS_APP_KEY"):
            await prove(double, tmp_path)


@pytest.mark.parametrize(
    "reply", [Reply(refused("MCA99999"), 200), Reply(refused("EGW00300"), 500)]
)
async def test_an_answer_that_proves_nothing_stops_nothing(
    tmp_path: Path, reply: Reply, capsys: pytest.CaptureFixture[str]
) -> None:
    """Maintenance is no mix-up: the opening asks again; what happened is in the log."""
    async with kis_double() as double:
        double.script = lambda _: reply
        await prove(double, tmp_path)
    assert "kis_account_not_proved" in capsys.readouterr().out
