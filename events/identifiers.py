"""Identifiers: deterministic, readable, and safe as one token of a subject.

An identifier is built from facts (date, strategy, symbol, attempt), never drawn at random, so a
restarted or replayed process produces the same one and a duplicate is recognised as such.
"""

from __future__ import annotations

import re
from typing import NewType

from events.errors import InvalidIdentifier

AccountId = NewType("AccountId", str)
"""Short name of one broker account and its log, for example ``demo`` (never the account number)."""

Symbol = NewType("Symbol", str)
"""KRX short issue code, six characters (ETN: seven), for example ``005930``."""

StrategyId = NewType("StrategyId", str)
"""Upper-case strategy name, for example ``KMP``; ``_UNKNOWN_`` and ``_EXTERNAL_`` are reserved."""

IntentId = NewType("IntentId", str)
"""``<yyyymmdd>-<strategy>-<symbol>-<purpose><attempt>``, for example ``20250915-KMP-005930-E1``."""

OrderId = NewType("OrderId", str)
"""``<intent id>-O<n>``: the n-th order sent for an intent."""

FillId = NewType("FillId", str)
"""``<order id>-F<cumulative quantity after the fill>``."""

TradingDate = NewType("TradingDate", str)
"""KST date of the session, ``yyyymmdd``."""

UNKNOWN = StrategyId("_UNKNOWN_")
"""Owner of shares that nobody here ordered and nobody has explained yet."""

EXTERNAL = StrategyId("_EXTERNAL_")
"""Owner of shares that the account holder acknowledged as their own."""

_GUARD_PURPOSES = frozenset("SLW")

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,96}")


def require_token(kind: str, value: str) -> str:
    """Return ``value`` unchanged when it can stand as one subject token.

    Raises:
        InvalidIdentifier: empty, longer than 96 characters, or with other characters than
            letters, digits, ``-`` and ``_``.
    """
    if _TOKEN.fullmatch(value) is None:
        raise InvalidIdentifier(kind, value)
    return value


def intent_id(
    trading_date: TradingDate, strategy: StrategyId, symbol: Symbol, purpose: str, attempt: int
) -> IntentId:
    """Return the id of a strategy's ``attempt``-th intent of one purpose in a symbol on a day.

    ``purpose`` is a single upper-case letter: ``E`` enter, ``X`` exit, ``R`` reduce, ``F`` flatten,
    ``C`` cancel, ``M`` modify risk, ``T`` set target; by the guard, on a strategy's behalf: ``S``
    its stop was hit, ``L`` liquidate by a halt, ``W`` withdraw its buys. ``attempt`` counts from 1.
    """
    value = f"{trading_date}-{strategy}-{symbol}-{purpose}{attempt}"
    return IntentId(require_token("intent id", value))


def of_guard(intent: IntentId) -> bool:
    """Return whether the guard submitted an intent on its strategy's behalf, by its purpose."""
    return intent.rpartition("-")[2][:1] in _GUARD_PURPOSES


def order_id(intent: IntentId, ordinal: int) -> OrderId:
    """Return the id of the ``ordinal``-th order (from 1) placed for an intent."""
    return OrderId(f"{intent}-O{ordinal}")


def fill_id(order: OrderId, cumulative_quantity: int) -> FillId:
    """Return the id of the fill that brought an order to ``cumulative_quantity`` shares.

    KIS gives no execution id; the cumulative quantity is what notice and inquiry agree on.
    """
    return FillId(f"{order}-F{cumulative_quantity}")
