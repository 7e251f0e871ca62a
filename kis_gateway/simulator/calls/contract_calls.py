"""Calls that need a contract a plain cash account does not have: credit orders, reservations.

They are refused in clear words, and nothing happens. Lists of such orders are empty. Rights are the
same: a simulated market has no corporate events.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.simulator.calls.answers import Answer, Page, refused_by_text
from kis_gateway.simulator.calls.paging import asked_account, page_answer
from kis_gateway.simulator.calls.params import Call
from kis_gateway.simulator.venue import Venue

NO_CREDIT: Final = "신용거래 약정이 등록되지 않은 계좌입니다."
NO_RESERVATION: Final = "예약주문 접수 가능 시간이 아닙니다."


def order_credit(venue: Venue, call: Call) -> Answer:
    """Refuse: the account has no credit contract."""
    asked_account(call)
    raise refused_by_text(NO_CREDIT)


def order_resv(venue: Venue, call: Call) -> Answer:
    """Refuse: reservations are taken at night, the simulated day ends before."""
    asked_account(call)
    raise refused_by_text(NO_RESERVATION)


def nothing_of_account(name: str) -> _NothingOfAccount:
    """Return the answer of a paged call that finds nothing in the account."""
    return _NothingOfAccount(name)


class _NothingOfAccount:
    """An empty last page."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, venue: Venue, call: Call) -> Answer:
        asked_account(call)
        page = Page(rows=(), next_key=None)
        return page_answer(venue, call, self._name, page, output=[])
