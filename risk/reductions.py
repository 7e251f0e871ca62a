"""Everything that makes a position smaller or safer. No halt, limit or rate is asked here.

What always holds: a strategy never sells more than it owns and is not selling already, nor more
than the broker is known to let go. A sale is refused only because there is nothing to sell, or
because a reduction does not say by how much. This module takes the book and the time and nothing
else, so no halt can reach a decision made here.
"""

from __future__ import annotations

from typing import Final

from events import Delivery, Symbol
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

BROKER_SHARES: Final = "broker_shares"
"""The check that caps every sale by what the broker is known to have ready for sale."""

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


def sell(delivery: Delivery, intent: IntentSubmitted, book: Book, now: int) -> Decision:
    """Decide a sale at ``now`` (ns UTC) as far as the strategy owns shares that can be sold.

    An exit without such shares but with own working buys is let through with quantity 0: the router
    withdraws those buys, which is what getting out means then.
    """
    if intent.kind is IntentKind.REDUCE and (intent.quantity is None or intent.quantity < 1):
        missing = intent.quantity is None
        outcome = CheckOutcome.MISSING if missing else CheckOutcome.REJECT
        checks = (verdict("quantity", outcome, intent.quantity, 1),)
        return reject(delivery.sequence, intent, checks, "a reduction must say how many shares")
    own = book.sellable(intent.strategy, intent.symbol)
    wanted = own if intent.quantity is None else intent.quantity
    quantity = min(wanted, own)
    made = [_cap(OWN_SHARES, wanted, own)]
    if quantity >= 1:
        check, room = _broker_cap(intent.symbol, quantity, book, now)
        made.append(check)
        quantity = min(quantity, room)
    if quantity < 1:
        return _nothing_to_sell(delivery, intent, made, book)
    if quantity == wanted:
        return approve(delivery.sequence, intent, quantity, tuple(made))
    binding = [check.name for check in made if check.outcome is CheckOutcome.MODIFY]
    return IntentModified(
        at=intent.at,
        cause=delivery.sequence,
        intent_id=intent.intent_id,
        strategy=intent.strategy,
        symbol=intent.symbol,
        checks=tuple(made),
        quantity=quantity,
        requested_quantity=wanted,
        binding_check=binding[-1],
    )


def _cap(name: str, wanted: int, room: int, note: str = "") -> Check:
    if min(wanted, room) < 1:
        return verdict(name, CheckOutcome.REJECT, wanted, room, note)
    outcome = _PASS if wanted <= room else CheckOutcome.MODIFY
    return verdict(name, outcome, wanted, room, note)


def _broker_cap(symbol: Symbol, quantity: int, book: Book, now: int) -> tuple[Check, int]:
    """Return the check against the broker's shares and how many of ``quantity`` they allow.

    Without a statement that can be believed the shares owned decide: missing data keep nobody in.
    """
    known = book.broker_sellable(symbol, now)
    if known is None:
        note = "no statement since the symbol last moved; own shares decide"
        return verdict(BROKER_SHARES, CheckOutcome.MISSING, quantity, "unknown", note), quantity
    reported, room = known
    note = f"the broker shows {reported.quantity} shares, {reported.sellable} of them sellable"
    return _cap(BROKER_SHARES, quantity, room, note), room


def _nothing_to_sell(
    delivery: Delivery, intent: IntentSubmitted, made: list[Check], book: Book
) -> Decision:
    owner = (intent.strategy, intent.symbol)
    last = made[-1]
    buying = book.working.quantity(*owner, Side.BUY)
    if intent.kind in _CLOSING and buying:
        note = f"no shares to sell; own working buys of {buying} are to be withdrawn"
        made[-1] = verdict(last.name, _PASS, last.value, last.limit, note)
        return approve(delivery.sequence, intent, 0, tuple(made))
    owned = book.owned(*owner)
    selling = book.working.quantity(*owner, Side.SELL)
    why = f"{intent.strategy} owns {owned} and {selling} are being sold"
    if last.name == BROKER_SHARES:
        why += f", but {last.note}"
    return reject(delivery.sequence, intent, tuple(made), f"nothing to sell: {why}")


def cancel(delivery: Delivery, intent: IntentSubmitted, book: Book) -> Decision:
    """Let a cancel of the strategy's working orders in the symbol through, always."""
    working = sum(
        1 for order in book.working.in_symbol(intent.symbol) if order.strategy == intent.strategy
    )
    return approve(delivery.sequence, intent, 0, (verdict("working_orders", _PASS, working, 0),))


def unsupported(delivery: Delivery, intent: IntentSubmitted) -> Decision:
    """Refuse a kind of intent that nothing behind the gate executes."""
    checks = (verdict("kind", CheckOutcome.REJECT, intent.kind.value, "one that is executed"),)
    return reject(delivery.sequence, intent, checks, f"{intent.kind.value} is not supported yet")


def modify_risk(delivery: Delivery, intent: IntentSubmitted, book: Book) -> Decision:
    """Let new stops through for shares that the strategy owns."""
    owned = book.owned(intent.strategy, intent.symbol)
    if owned < 1:
        checks = (verdict(OWN_SHARES, CheckOutcome.REJECT, owned, 1),)
        return reject(delivery.sequence, intent, checks, "no shares to guard with a stop")
    return approve(delivery.sequence, intent, 0, (verdict(OWN_SHARES, _PASS, owned, 1),))
