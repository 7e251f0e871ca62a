"""Proof before the first order that host, app key and account belong together.

A mix-up is half silent at KIS: an app key of the paper service gets tokens and quotations on the
real host too and fails at the first trading call, and a key that is bound to another account fails
at the first inquiry about this one. One balance inquiry shows all of it. Codes and texts: KIS Open
API documentation and its gateway's answers.
"""

from __future__ import annotations

from typing import Final

import structlog

from kis_gateway.broker import Balance, Broker
from kis_gateway.errors import AccountRefused, InquiryFailed
from kis_gateway.settings import KisSettings

_BY_CODE: Final = {
    "EGW00103": "KIS does not know the app key: check KST_KIS_APP_KEY and the environment",
    "EGW00105": "the app secret does not belong to the app key: check KST_KIS_APP_SECRET",
    "EGW00206": "the app key may not use this API: apply for it at KIS",
    "EGW00213": "the paper host was asked as the real one: check rest_url and environment",
    "EGW02004": "the app key is one of the paper service and the host is the real one: set "
    "environment to paper, or use an app key of the real account",
    "OPSQ2000": "the account is not that of the app key: check KST_KIS_ACCOUNT; a paper account "
    "that was renewed has a new number while its app key stays bound to the old one for days, so "
    "apply for a new app key",
}

_BY_TEXT: Final = {
    "계좌번호와 요청 계좌번호가 일치하지": _BY_CODE["OPSQ2000"],
    "주문이 불가한 계좌": "the paper account may not trade any more: renew it at KIS, then apply "
    "for a new app key",
    "유효하지 않은 AppKey": _BY_CODE["EGW00103"],
    "유효하지 않은 AppSecret": _BY_CODE["EGW00105"],
}

_log = structlog.get_logger()


def mismatch(error: InquiryFailed) -> str | None:
    """Return what is wrong with host, app key or account; ``None`` if the answer proves nothing."""
    message = str(error)
    by_text = (advice for text, advice in _BY_TEXT.items() if text in message)
    return _BY_CODE.get(error.code) or next(by_text, None)


async def proved_balance(broker: Broker, settings: KisSettings) -> Balance:
    """Ask for the balance once and return it: its answer proves the settings.

    Raises:
        AccountRefused: KIS's answer says that host, app key and account do not belong together.
        InquiryFailed: no answer, which proves nothing.
    """
    try:
        return await broker.balance()
    except InquiryFailed as error:
        advice = mismatch(error)
        if advice is None:
            raise
        raise AccountRefused(
            str(settings.environment), settings.rest, error.code, advice
        ) from error


async def prove_account(broker: Broker, settings: KisSettings) -> None:
    """Ask for the balance once and return if nothing contradicts the settings.

    No answer proves nothing: it is logged, and the opening, which needs the balance, asks again.

    Raises:
        AccountRefused: KIS's answer says that host, app key and account do not belong together.
    """
    bound = _log.bind(environment=str(settings.environment), key=settings.key_fingerprint)
    try:
        balance = await proved_balance(broker, settings)
    except InquiryFailed as error:
        bound.warning("kis_account_not_proved", code=error.code, reason=str(error))
        return
    bound.info("kis_account_proved", holdings=len(balance.holdings))
