"""Tells when the broker's books cannot be compared with ours for too long.

What always holds: one failed question is a condition of that question only; five of a kind in a row
mean that fills, drift and what became of orders are no longer seen, which is one condition of the
account. It is over when every kind of question has been answered three times in a row.
"""

from __future__ import annotations

from typing import Final

from kis_gateway.conditions import Conditions

RECONCILIATION_FAILING: Final = "reconciliation_failing"
"""Condition that halts entries while it holds."""

ORDERS: Final = "orders"
BALANCE: Final = "balance"
_KINDS: Final = (ORDERS, BALANCE)
_FAILURES: Final = 5
_CLEAN: Final = 3


class InquiryHealth:
    """Counts failures and answers of the account's inquiries."""

    def __init__(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._failures: dict[str, int] = {}
        self._answers: dict[str, int] = {}

    @property
    def failing(self) -> bool:
        """Whether the condition holds."""
        return RECONCILIATION_FAILING in self._conditions.present

    async def failed(self, inquiry: str, detail: str) -> None:
        """Take in that a question was not answered; ``inquiry`` is ``ORDERS`` or ``BALANCE``."""
        await self._conditions.degraded(_condition(inquiry), detail)
        self._answers[inquiry] = 0
        self._failures[inquiry] = self._failures.get(inquiry, 0) + 1
        if self._failures[inquiry] >= _FAILURES:
            await self._conditions.degraded(
                RECONCILIATION_FAILING,
                f"{self._failures[inquiry]} questions for the {inquiry} failed in a row: {detail}",
            )

    async def answered(self, inquiry: str) -> None:
        """Take in that a question was answered completely."""
        await self._conditions.recovered(_condition(inquiry), f"the broker told the {inquiry}")
        self._failures[inquiry] = 0
        self._answers[inquiry] = self._answers.get(inquiry, 0) + 1
        if self.failing and min(self._answers.get(kind, 0) for kind in _KINDS) >= _CLEAN:
            await self._conditions.recovered(
                RECONCILIATION_FAILING, f"every inquiry was answered {_CLEAN} times in a row"
            )


def _condition(inquiry: str) -> str:
    return f"{inquiry}_inquiry"
