"""What the gateway will ask KIS for in the long run, held against what it may ask. Pure.

A configuration that demands more than the budget does not fail at once: queues grow, polls come
late, and inquiries about orders wait behind quotes. So it is refused before the start, with every
consumer's part and the key that changes it.

What always holds: steady demand of a gateway that runs is at most ``HIGHEST_LOAD`` of each budget.
The rest is for what has no rhythm: further pages of long lists, inquiries after fills, repeats, the
time that calls travel. Questions without a cadence (opening, back-fill, a round of prices while the
feed is down) are shown with the time that they take in what is left, and refuse nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from kis_gateway.day.polling import INDICES, MARKETS
from kis_gateway.errors import SettingsError
from kis_gateway.service_settings import GatewaySettings
from kis_gateway.settings import Limits

_SECOND: Final = 1_000_000_000
_MINUTE_S: Final = 60
_DAILY_ROWS: Final = 100
_MINUTE_ROWS: Final = 30

HIGHEST_LOAD: Final = 0.7
"""Part of a budget that steady demand may use."""


class Bucket(StrEnum):
    """What calls are counted on. Calls of the ledger count on both."""

    DATA = "data"
    LEDGER = "ledger"


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Something that asks again and again; ``key`` is the setting that makes it ask less."""

    name: str
    key: str
    calls_per_second: float
    ledger: bool = False


class Errand(msgspec.Struct, frozen=True, kw_only=True):
    """Questions asked as fast as they may be; ``seconds`` is what they take in what is left."""

    name: str
    key: str
    calls: int
    seconds: float


class RequestBudget(msgspec.Struct, frozen=True, kw_only=True):
    """The demand of a configuration, by consumer, and the calls a second each bucket allows."""

    consumers: tuple[Consumer, ...]
    errands: tuple[Errand, ...]
    allowed: dict[Bucket, float]

    def demand(self, bucket: Bucket) -> float:
        """Return the steady calls a second on a bucket."""
        return sum(
            item.calls_per_second for item in self.consumers if item.ledger or bucket is Bucket.DATA
        )

    def load(self, bucket: Bucket) -> float:
        """Return which part of a bucket the steady demand uses; 1 is all of it."""
        return self.demand(bucket) / self.allowed[bucket]

    def table(self) -> str:
        """Return the budget as lines of text: consumers, sums, and what has no cadence."""
        lines = [f"{'consumer':<28}{'calls/s':>9}  {'counted on':<14}key"]
        lines += [
            f"{item.name:<28}{item.calls_per_second:>9.3f}  "
            f"{'data, ledger' if item.ledger else 'data':<14}{item.key}"
            for item in self.consumers
        ]
        lines += [
            f"{f'sum on {bucket}':<28}{self.demand(bucket):>9.3f}  "
            f"{self.load(bucket):.0%} of {self.allowed[bucket]:.2f}, {HIGHEST_LOAD:.0%} allowed"
            for bucket in Bucket
        ]
        lines += [
            f"{item.name:<28}{item.calls:>9d}  {f'{item.seconds:.0f} s or more':<14}{item.key}"
            for item in self.errands
        ]
        return "\n".join(lines)


class BudgetExceeded(SettingsError):
    """The steady demand does not fit; ``budget`` has the figures."""

    def __init__(self, budget: RequestBudget, exceeded: Sequence[Bucket]) -> None:
        self.budget = budget
        named = ", ".join(f"{each} {budget.load(each):.0%}" for each in exceeded)
        super().__init__(
            f"steady calls use more than {HIGHEST_LOAD:.0%} of the call budget ({named}): change a "
            f"key of the table, or calls_per_second if KIS allows this app key more\n"
            f"{budget.table()}"
        )


def request_budget(settings: GatewaySettings, limits: Limits, *, symbols: int) -> RequestBudget:
    """Return the demand of a configuration while the market is open and orders work.

    ``symbols`` is how many are asked about before the open; the back-fill is counted as if the
    trades of none of them had been received from the open on.
    """
    allowed = {
        Bucket.DATA: limits.data_places * _SECOND / limits.period,
        Bucket.LEDGER: limits.ledger_calls_per_second,
    }
    consumers = _consumers(settings)
    left = allowed[Bucket.DATA] - sum(item.calls_per_second for item in consumers)

    def errand(name: str, key: str, calls: int) -> Errand:
        seconds = calls / left if left > 0 else math.inf
        return Errand(name=name, key=key, calls=calls, seconds=seconds)

    daily = 1 + math.ceil(settings.daily_bars / _DAILY_ROWS)
    minutes = math.ceil(settings.backfill_after_open_s / _MINUTE_S / _MINUTE_ROWS)
    return RequestBudget(
        consumers=consumers,
        errands=(
            errand("opening", "universe, daily_bars", symbols * daily),
            errand("back-fill of minutes", "universe, backfill_after_open_s", symbols * minutes),
            errand(
                "prices while feed is down", "registrations", min(symbols, settings.slot_budget)
            ),
        ),
        allowed=allowed,
    )


def require_room(budget: RequestBudget) -> None:
    """Refuse a demand that leaves too little room.

    Raises:
        BudgetExceeded: a bucket's load is above ``HIGHEST_LOAD``.
    """
    exceeded = [bucket for bucket in Bucket if budget.load(bucket) > HIGHEST_LOAD]
    if exceeded:
        raise BudgetExceeded(budget, exceeded)


def _consumers(settings: GatewaySettings) -> tuple[Consumer, ...]:
    return (
        Consumer(
            name="orders of the day",
            key="inquiries.working_s",
            calls_per_second=1 / settings.inquiries.working_s,
            ledger=True,
        ),
        Consumer(
            name="balance",
            key="reconciliation.balance_s",
            calls_per_second=1 / settings.reconciliation.balance_s,
            ledger=True,
        ),
        Consumer(
            name=f"index levels ({len(INDICES)})",
            key="index_poll_s",
            calls_per_second=len(INDICES) / settings.index_poll_s,
        ),
        Consumer(
            name=f"program trading ({len(MARKETS)})",
            key="program_poll_s",
            calls_per_second=len(MARKETS) / settings.program_poll_s,
        ),
    )
