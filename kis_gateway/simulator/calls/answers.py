"""Answers of the REST side: the envelope, the documented error codes and their HTTP status.

Business errors come with HTTP 200 and ``rt_cd`` other than "0", gateway errors (EGW) with HTTP 500,
errors of the OAuth calls with HTTP 403 and another envelope. Texts and codes are those of the KIS
Open API documentation and of published traffic; where paper trading refuses with a text alone,
``msg_cd`` is empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

Body = Mapping[str, object]
Rows = Sequence[Mapping[str, str]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer; ``tr_cont`` is ``M``/``F`` while more pages follow and ``D`` on the last."""

    body: Body
    status: int = 200
    tr_cont: str = ""


class CallRefused(Exception):
    """The call is refused; carries the answer that says so."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"HTTP {answer.status} {answer.body}")
        self.answer = answer


# Code → (HTTP status, rt_cd, text).
_REFUSALS: Final[dict[str, tuple[int, str, str]]] = {
    "EGW00102": (500, "1", "AppKey는 필수입니다."),
    "EGW00103": (500, "1", "유효하지 않은 AppKey입니다."),
    "EGW00104": (500, "1", "AppSecret은 필수입니다."),
    "EGW00105": (500, "1", "유효하지 않은 AppSecret입니다."),
    "EGW00121": (500, "1", "유효하지 않은 token 입니다."),
    "EGW00123": (500, "1", "기간이 만료된 token 입니다."),
    "EGW00201": (500, "1", "초당 거래건수를 초과하였습니다."),
    "EGW00205": (500, "1", "credentials_type이 유효하지 않습니다.(Bearer)"),
    "EGW02004": (500, "1", "실전투자 도메인은 모의투자 앱키로 호출하실 수 없습니다."),
    "EGW00213": (500, "1", "모의투자 TR 이 아닙니다."),
    "EGW00215": (500, "1", "원장에서 허용 가능한 초당 거래건수를 초과하였습니다."),
    "OPSQ0002": (200, "1", "없는 서비스 코드 입니다"),
    "OPSQ2000": (200, "2", "ERROR : INPUT INVALID_CHECK_ACNO"),
    "OPSQ2001": (200, "2", "ERROR : INPUT FIELD NOT FOUND"),
    "OPSQ2002": (200, "2", "ERROR : INPUT INVALID_FIELD_LENGTH"),
    "OPSQ9997": (200, "1", "JSON PARSING ERROR : invalid json"),
    "OPSQ9999": (200, "1", "JSON PARSING ERROR : tr_id not found"),
    "KIOK0530": (200, "7", "조회할 자료가 없습니다."),
    "MCA00124": (200, "1", "모의투자에서는 해당업무가 제공되지 않습니다."),
    "APMP0001": (200, "7", "필수입력 항목이 누락되었습니다."),
    "APBK0400": (200, "1", "주문 가능한 수량을 초과했습니다."),
    "APBK0656": (200, "1", "해당종목정보가 없습니다."),
    "APBK0918": (200, "1", "장운영시간이 아닙니다."),
    "APBK0952": (200, "7", "주문가능금액을 초과 했습니다"),
    "APBK1663": (200, "1", "원주문정보가 존재하지 않습니다."),
    "APBK1943": (200, "1", "시장가 주문이 불가합니다."),
    "40580000": (200, "1", "모의투자 장종료 입니다."),
}


def refused(code: str, text: str | None = None) -> CallRefused:
    """Return the refusal for a documented code, with another text when given."""
    status, rt_cd, standard = _REFUSALS[code]
    return CallRefused(
        Answer(
            status=status,
            body={"rt_cd": rt_cd, "msg_cd": code, "msg1": standard if text is None else text},
        )
    )


def refused_by_text(text: str) -> CallRefused:
    """Return a refusal that carries only a text, as paper trading does."""
    return CallRefused(Answer(body={"rt_cd": "1", "msg_cd": "", "msg1": text}))


def oauth_refused(code: str, text: str) -> CallRefused:
    """Return a refusal in the envelope of the OAuth calls (HTTP 403)."""
    return CallRefused(Answer(status=403, body={"error_code": code, "error_description": text}))


def succeeded(msg_cd: str, text: str, **blocks: object) -> Answer:
    """Return a single-page success with its output blocks."""
    return Answer(body={"rt_cd": "0", "msg_cd": msg_cd, "msg1": text, **blocks})


def quoted(**blocks: object) -> Answer:
    """Return a successful quotation."""
    return succeeded("MCA00000", "정상처리 되었습니다.", **blocks)


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page of rows; ``next_key`` continues after its last row, ``None`` on the last page."""

    rows: Rows
    next_key: str | None


def paged(
    page: Page,
    *,
    condition: str,
    first: bool,
    paper: bool,
    width: int = 100,
    **blocks: object,
) -> Answer:
    """Return a page with its cursors, blank padded to their width (100 or 200 characters).

    The real service fills the condition cursor even on the last page, paper leaves both blank:
    whether more follows is told by ``tr_cont`` alone. Nothing found at all is KIOK0560.
    """
    more = page.next_key is not None
    shown = condition if more or not paper else ""
    if more:
        code, text = "KIOK0490", "조회가 계속됩니다..다음버튼을 Click 하십시오."
    elif page.rows or not first:
        code, text = "KIOK0460", "조회 되었습니다. (마지막 자료)"
    else:
        code, text = "KIOK0560", "조회할 내용이 없습니다"
    return Answer(
        tr_cont=("F" if first else "M") if more else "D",
        body={
            f"ctx_area_fk{width}": shown.ljust(width),
            f"ctx_area_nk{width}": (page.next_key or "").ljust(width),
            **blocks,
            "rt_cd": "0",
            "msg_cd": code,
            "msg1": text.ljust(80),
        },
    )
