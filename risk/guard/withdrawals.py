"""Requests to withdraw what still works, and the sales that stand in the way of the guard's own.

What always holds: each request is repeated after a growing pause while what it names still works;
a sale is withdrawn only because its limit keeps it waiting while the shares have to go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from risk.guard.desk import Desk, Facts, pause
from risk.guard.executions import Owner
from risk.guard.intents import WITHDRAW

SELLS: Final = "sells"
"""Fact of a request to withdraw: it concerns sales with a limit of their own as well."""


class _Request(msgspec.Struct):
    """How often something was asked to be withdrawn, and when to ask again (ns UTC)."""

    attempts: int = 0
    due_at: int = 0


class Withdrawals:
    """What each owner's working intents or orders were asked to do: leave."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._requests: dict[Owner, dict[str, _Request]] = {}

    def ask(self, owner: Owner, working: Sequence[str], reason: str, facts: Facts) -> None:
        """Ask for everything in ``working`` if a request for any of it is due, else nothing.

        Nothing working forgets the requests made so far.
        """
        known = self.forget(owner)
        if not working:
            return
        desk = self._desk
        requests = self._requests[owner] = {name: known.get(name) or _Request() for name in working}
        if all(request.due_at > desk.market.now for request in requests.values()):
            return
        for request in requests.values():
            request.attempts += 1
            wait = pause(desk.settings.withdraw_backoff_sec, request.attempts)
            request.due_at = desk.market.now + wait
        desk.ask(
            WITHDRAW,
            owner,
            quantity=None,
            attempt=max(request.attempts for request in requests.values()),
            reason=reason,
            facts=facts,
        )

    def forget(self, owner: Owner) -> dict[str, _Request]:
        """Forget the requests made of an owner so far; return them."""
        return self._requests.pop(owner, {})


class WaitingSales:
    """Sales that hold shares at a limit which the market does not reach."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._withdrawals = Withdrawals(desk)

    def any(self, owner: Owner) -> bool:
        """Return whether a sale of an owner's shares waits for a better price."""
        return bool(self._waiting(owner))

    def withdraw(self, owner: Owner, reason: str, facts: Facts) -> None:
        """Withdraw the sales that wait, once the market executes what takes their place."""
        if self._desk.market.executes(owner[1]):
            self._withdrawals.ask(owner, self._waiting(owner), reason, {**facts, SELLS: True})

    def _waiting(self, owner: Owner) -> list[str]:
        last = self._desk.market.last(owner[1])
        return self._desk.executions.waiting(owner, None if last is None else last.price)
