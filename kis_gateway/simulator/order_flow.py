"""What the exchange says about clients' orders, entered in the broker's books and told by notices.

Ledger, notices and balances change in the same step, so an inquiry never knows less than its delay
explains.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from events import Symbol
from kis_gateway.simulator.exchange import Exchange
from kis_gateway.simulator.exchange.messages import (
    Acknowledged,
    BookSet,
    Executed,
    Listing,
    Outcome,
    Refused,
    TimeInForce,
    Withdrawn,
)
from kis_gateway.simulator.exchange.views import AccountView
from kis_gateway.simulator.feeds.distribution import Distribution
from kis_gateway.simulator.feeds.notices import Receipt
from kis_gateway.simulator.ledger import Action, Delay, Lagged, OrderLedger, OrderRecord

_CONFIRMED: Final = "2"
_REMAINDER_CANCELLED: Final = "3"


class OrderFlow:
    """Keeps the ledger and the lagging balances."""

    def __init__(
        self,
        exchange: Exchange,
        distribution: Distribution,
        listings: Mapping[Symbol, Listing],
        delay: Delay,
    ) -> None:
        self._exchange = exchange
        self._distribution = distribution
        self._listings = listings
        self._delay = delay
        self.orders = OrderLedger(delay)
        self._statements: dict[str, Lagged[AccountView]] = {}
        self._changed: dict[str, tuple[str, int]] = {}

    def begin(self, account: str) -> None:
        """Begin the statements of an account that has just been opened."""
        self._statements[account] = Lagged(self._exchange.account(account))

    def statement(self, account: str, now: int) -> AccountView:
        """Return the account as balance inquiries see it."""
        return self._statements[account].get(now)

    def take(self, outcome: Outcome) -> None:
        """Enter an outcome; those that are about no order do nothing."""
        if isinstance(outcome, Executed):
            self._executed(outcome)
        elif isinstance(outcome, Acknowledged):
            self._acknowledged(outcome)
        elif isinstance(outcome, Withdrawn):
            self._withdrawn(outcome)
        elif isinstance(outcome, Refused):
            self._refused(outcome)
        elif isinstance(outcome, BookSet):
            view = self._exchange.account(outcome.account)
            self._statements[outcome.account].put(view, outcome.at)

    def close_step(self) -> None:
        """Put what a step changed in the balances that inquiries will see."""
        if not self._changed:
            return
        for account, (number, at) in self._changed.items():
            seen = at + self._delay.of(number, 1)
            self._statements[account].put(self._exchange.account(account), seen)
        self._changed.clear()

    def notify(self, record: OrderRecord, receipt: Receipt) -> None:
        """Send a notice about an order."""
        self._distribution.notice(record, receipt, self._listings[record.symbol].name)

    def _acknowledged(self, outcome: Acknowledged) -> None:
        record = self.orders.get(outcome.order_number)
        assert record is not None
        record.venue = outcome.venue
        if record.action is not Action.CANCEL:
            record.price = outcome.price or 0
        # Amends and cancels are told when they are confirmed, by what they withdrew.
        if record.action is Action.NEW:
            self.notify(record, Receipt(outcome.at, record.quantity))
        self._changed[outcome.account] = (outcome.order_number, outcome.at)

    def _executed(self, outcome: Executed) -> None:
        self.orders.fill(outcome)
        record = self.orders.get(outcome.order_number)
        assert record is not None
        receipt = Receipt(
            outcome.at, outcome.quantity, outcome.price, fill=True, accepted_as=_CONFIRMED
        )
        self.notify(record, receipt)
        self._changed[outcome.account] = (outcome.order_number, outcome.at)

    def _withdrawn(self, outcome: Withdrawn) -> None:
        record = self.orders.get(outcome.order_number)
        assert record is not None
        self.orders.withdraw(record, outcome.quantity, outcome.at)
        by = self.orders.get(outcome.by) if outcome.by is not None else None
        if by is not None:
            by.quantity = outcome.quantity
            receipt = Receipt(outcome.at, outcome.quantity, accepted_as=_CONFIRMED)
            self.notify(by, receipt)
        elif record.order_type.time_in_force is not TimeInForce.DAY:
            receipt = Receipt(outcome.at, outcome.quantity, accepted_as=_REMAINDER_CANCELLED)
            self.notify(record, receipt)
        self._changed[outcome.account] = (outcome.order_number, outcome.at)

    def _refused(self, outcome: Refused) -> None:
        """Enter a refusal of something that was answered as accepted."""
        record = self.orders.get(outcome.order_number)
        assert record is not None
        self.orders.reject(record, outcome.at)
        self.notify(record, Receipt(outcome.at, record.quantity, refused=True))
        self._changed[outcome.account] = (outcome.order_number, outcome.at)
