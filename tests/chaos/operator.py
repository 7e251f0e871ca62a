"""What the operator of a drill does: halts, withdrawals, shares bought by hand."""

from __future__ import annotations

from typing import Final

from events import EXTERNAL, UNKNOWN, Symbol
from events.control import (
    EVERYTHING,
    CancelRequested,
    HaltMode,
    HaltReleased,
    HaltScope,
    HaltSet,
    HaltTrigger,
    SharesReallocated,
)
from tests.chaos.drill_plan import Strike, What
from tests.chaos.drill_trader import STRATEGIES
from tests.chaos.ground import Ground
from tests.chaos.truth import Story

_NAME: Final = "drill-master"
_REASON: Final = "drill"
_BY_HAND_SYMBOL: Final = Symbol("900080")
_BY_HAND_SHARES: Final = 11
"""Shares that no order of ours asks for, so that the list of orders shows whose it is."""


class Operator:
    """Acts on one ground, and undoes what it did."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._mode: HaltMode | None = None
        self._acknowledged: tuple[int, Symbol, int] | None = None
        self.orders: set[str] = set()
        """Numbers of orders placed by hand."""

    @property
    def halted(self) -> bool:
        """Whether the account is halted by this operator."""
        return self._mode is not None

    async def act(self, strike: Strike) -> None:
        """Do what a strike asks of an operator."""
        match strike.what:
            case What.HALT:
                await self._halt(HaltMode(strike.target))
            case What.WITHDRAW:
                await self._ground.say(
                    CancelRequested(at=self._ground.clock.now(), issued_by=_NAME, reason=_REASON)
                )
            case What.BY_HAND:
                place = self._ground.hand_order(_BY_HAND_SYMBOL, "buy", _BY_HAND_SHARES)
                self.orders.add(await place)
            case _:
                raise AssertionError(f"{strike.what} is nothing that an operator does")

    async def release(self, story: Story) -> None:
        """End the halt; one that sells everything once the strategies own nothing."""
        if self._mode is HaltMode.FLATTEN and any(
            quantity for (owner, _), quantity in story.owned.items() if owner in STRATEGIES
        ):
            return
        self._mode = None
        await self._ground.say(
            HaltReleased(
                at=self._ground.clock.now(),
                issued_by=_NAME,
                reason=_REASON,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                trigger=HaltTrigger.OPERATOR,
            )
        )

    async def acknowledge(self, story: Story) -> None:
        """Give shares that turned up to the account holder, once per finding."""
        for (owner, symbol), quantity in tuple(story.owned.items()):
            finding = len(self.orders), symbol, quantity
            if owner != UNKNOWN or quantity <= 0 or finding == self._acknowledged:
                continue
            self._acknowledged = finding
            await self._ground.say(
                SharesReallocated(
                    at=self._ground.clock.now(),
                    issued_by=_NAME,
                    reason=_REASON,
                    symbol=symbol,
                    source=UNKNOWN,
                    target=EXTERNAL,
                    quantity=quantity,
                    cost=0,
                )
            )

    async def _halt(self, mode: HaltMode) -> None:
        self._mode = mode
        await self._ground.say(
            HaltSet(
                at=self._ground.clock.now(),
                issued_by=_NAME,
                reason=_REASON,
                scope=HaltScope.ACCOUNT,
                target=EVERYTHING,
                mode=mode,
            )
        )
