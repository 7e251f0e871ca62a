"""Everything that makes a position smaller or safer. No brake, limit or rate is asked here.

What always holds: a strategy never sells more than it owns and is not selling already, and the only
refusal is the fact that there is nothing to sell. This module takes the book and nothing else, so
no brake can reach a decision made here.
"""

from __future__ import annotations

from typing import Final

from events import Delivery
from events.trading import (
    Check,
    CheckOutcome,
    Decision,
    IntentApproved,
    IntentKind,
    IntentModified,
    IntentRejected,
    IntentSubmitted,
    Side,
)
from risk.book import Book
from risk.entry import verdict

_PASS: Final = CheckOutcome.PASS

OWN_SHARES: Final = "own_shares"
"""The check that caps every sale by what the strategy owns and is not selling yet."""

_CLOSING: Final = (IntentKind.EXIT, IntentKind.FLATTEN)


def approve(
    cause: int, intent: IntentSubmitted, quantity: int, checks: tuple[Check, ...]
) -> IntentApproved:
    """Return the approval of an intent for ``quantity`` shares."""
    return IntentApproved(
        at=intent.at,
        cause=cause,
        intent_id=intent.intent_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        checks=checks,
        quantity=quantity,
    )


def reject(
    cause: int, intent: IntentSubmitted, checks: tuple[Check, ...], reason: str
) -> IntentRejected:
    """Return the refusal of an intent by the last of its checks."""
    return IntentRejected(
        at=intent.at,
        cause=cause,
        intent_id=intent.intent_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        checks=checks,
        rejected_by=checks[-1].name,
        reason=reason,
    )


def sell(delivery: Delivery, intent: IntentSubmitted, asked: int | None, book: Book) -> Decision:
    """Decide a sale of ``asked`` shares (``None``: all) as far as the strategy owns them.

    An exit without shares but with own working buys is let through with quantity 0: the router
    withdraws those buys, which is what getting out means then.
    """
    sellable = book.sellable(intent.strategy, intent.symbol)
    wanted = sellable if asked is None else asked
    quantity = min(wanted, sellable)
    if quantity >= 1:
        outcome = _PASS if quantity == wanted else CheckOutcome.MODIFY
        checks = (verdict(OWN_SHARES, outcome, wanted, sellable),)
        if outcome is _PASS:
            return approve(delivery.sequence, intent, quantity, checks)
        return IntentModified(
            at=intent.at,
            cause=delivery.sequence,
            intent_id=intent.intent_id,
            strategy=intent.strategy,
            symbol=intent.symbol,
            checks=checks,
            quantity=quantity,
            requested_quantity=wanted,
            binding_check=OWN_SHARES,
        )
    buying = book.working.quantity(intent.strategy, intent.symbol, Side.BUY)
    if intent.kind in _CLOSING and buying:
        note = f"no shares; own working buys of {buying} are to be withdrawn"
        checks = (verdict(OWN_SHARES, _PASS, 0, sellable, note),)
        return approve(delivery.sequence, intent, 0, checks)
    checks = (verdict(OWN_SHARES, CheckOutcome.REJECT, wanted, sellable),)
    owned = book.owned(intent.strategy, intent.symbol)
    return reject(
        delivery.sequence,
        intent,
        checks,
        f"nothing to sell: {intent.strategy} owns {owned} and {owned - sellable} are being sold",
    )


def cancel(delivery: Delivery, intent: IntentSubmitted, book: Book) -> Decision:
    """Let a cancel of the strategy's working orders in the symbol through, always."""
    working = sum(
        1 for order in book.working.in_symbol(intent.symbol) if order.strategy == intent.strategy
    )
    return approve(delivery.sequence, intent, 0, (verdict("working_orders", _PASS, working, None),))


def modify_risk(delivery: Delivery, intent: IntentSubmitted, book: Book) -> Decision:
    """Let new stops through for shares that the strategy owns."""
    owned = book.owned(intent.strategy, intent.symbol)
    if owned < 1:
        checks = (verdict(OWN_SHARES, CheckOutcome.REJECT, owned, 1),)
        return reject(delivery.sequence, intent, checks, "no shares to guard with a stop")
    return approve(delivery.sequence, intent, 0, (verdict(OWN_SHARES, _PASS, owned, 1),))
