"""What stops and liquidation share: the account as folded so far, and the pen.

What always holds: whatever is asked is counted at once, before it stands on the log, so that two
reasons to sell never ask for the same shares from one entry.
"""

from __future__ import annotations

from typing import Final

import msgspec

from events import Delivery, Event, IntentId
from events.control import (
    HaltCleared,
    HaltReleased,
    HaltSet,
    HaltTripped,
    SharesReallocated,
)
from events.market import SessionOpened
from risk.guard.allocations import Allocations
from risk.guard.executions import Executions, Owner
from risk.guard.intents import Asking
from risk.guard.market import Market
from risk.guard.settings import GuardSettings

SECOND: Final = 1_000_000_000
_CONTROLLED: Final = frozenset({HaltSet, HaltReleased, HaltTripped, HaltCleared, SharesReallocated})
"""What stands on ``trading.control`` and matters here."""

Facts = dict[str, int | float | str | bool | None]


class Sale(msgspec.Struct):
    """The attempts to sell all of one owner's shares, until none is left.

    ``attempts`` were made so far, the next one is due at ``due_at`` (ns UTC), ``pending`` is the
    newest.
    """

    attempts: int = 0
    due_at: int = 0
    pending: IntentId | None = None


class Desk:
    """Folded state of one session and the outputs of the entry that is being handled."""

    def __init__(self, session: SessionOpened, settings: GuardSettings) -> None:
        """Begin with the opening books."""
        self.settings = settings
        self.market = Market(session, settings.price_max_age_sec * SECOND)
        self.allocations = Allocations(session.allocations)
        self.executions = Executions()
        self.at = self._latest = session.at
        self.cause = 0
        self._asking = Asking(session.trading_date, settings.intent_lifetime_sec * SECOND)
        self._outputs: list[Event] = []

    def begin(self, delivery: Delivery) -> None:
        """Let what follows be caused by an entry, and be dated by it.

        What an operator orders is dated by the market instead: the other clock may be wrong, and
        gate and router take over what an intent says.
        """
        self.cause = delivery.sequence
        event = delivery.event
        controlled = type(event) in _CONTROLLED
        self.at = self.market.now if controlled else event.at
        self.advance(self.at)
        self._outputs = []

    def advance(self, at: int) -> None:
        """Take in that an entry dated ``at`` (ns UTC) was seen."""
        if at > self._latest:  # noqa: PLR1730 - twice as fast as max, for every trade
            self._latest = at

    def finish(self) -> list[Event]:
        """Return what followed, in order."""
        return self._outputs

    def write(self, event: Event) -> None:
        """Add an output."""
        self._outputs.append(event)

    def ask(
        self,
        purpose: str,
        owner: Owner,
        *,
        quantity: int | None,
        attempt: int,
        reason: str,
        facts: Facts,
    ) -> IntentId:
        """Submit an intent on an owner's behalf and return its id."""
        last = self.market.last(owner[1])
        intent = self._asking.ask(
            purpose,
            *owner,
            at=self.at,
            cause=self.cause,
            latest=self._latest,
            quantity=quantity,
            attempt=attempt,
            reason=reason,
            price=None if last is None else last.price,
            facts=facts,
        )
        self.executions.submit(intent)
        self.write(intent)
        return intent.intent_id

    def sell(self, purpose: str, owner: Owner, sale: Sale, reason: str, facts: Facts) -> IntentId:
        """Ask to sell all of an owner's shares: the next attempt of a sale.

        The gate takes off what is being sold already. Should shares come in meanwhile, the attempt
        that asks for them waits at least the first pause.
        """
        sale.attempts += 1
        sale.due_at = self.market.now + self.settings.exit_backoff_sec[0] * SECOND
        sale.pending = self.ask(
            purpose,
            owner,
            quantity=self.allocations.of(owner).quantity,
            attempt=sale.attempts,
            reason=reason,
            facts=facts,
        )
        return sale.pending

    def lapsed(self, sale: Sale) -> str | None:
        """Return how the newest attempt ended, once, and let the next one wait; else ``None``."""
        if sale.pending is None or self.executions.alive(sale.pending):
            return None
        ended, sale.pending = sale.pending, None
        sale.due_at = self.market.now + pause(self.settings.exit_backoff_sec, sale.attempts)
        return self.executions.fate(ended)

    def may_sell(self, owner: Owner, sale: Sale) -> bool:
        """Return whether the market executes and the next attempt is due."""
        return self.market.executes(owner[1]) and self.market.now >= sale.due_at

    def sold_already(self, owner: Owner) -> bool:
        """Return whether whoever asked for it, all of an owner's shares are being sold."""
        return self.executions.covers(owner, self.allocations.of(owner).quantity)


def pause(seconds: tuple[int, ...], attempts: int) -> int:
    """Return the wait after the ``attempts``-th attempt (from 1) in ns; the last one repeats."""
    return seconds[min(attempts, len(seconds)) - 1] * SECOND
