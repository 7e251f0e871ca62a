"""What halts mean for what is already there: buys are withdrawn, and shares sold.

What always holds: REDUCE_ONLY and FLATTEN withdraw every working buy in their scope and ask again
while it works; FLATTEN sells every share in its scope, attempt after attempt, until none is left.
``_UNKNOWN_`` shares are sold, ``_EXTERNAL_`` ones never: they are the account holder's.
"""

from __future__ import annotations

from events import EXTERNAL
from events.control import Halt, HaltMode
from risk.guard.desk import Desk, Facts, Sale
from risk.guard.executions import Owner
from risk.guard.intents import LIQUIDATE
from risk.guard.withdrawals import WaitingSales, Withdrawals
from risk.halts import Halts, reaches


class Liquidation:
    """Acts on the halts in force, owner by owner."""

    def __init__(self, desk: Desk, halts: Halts, waiting: WaitingSales) -> None:
        self._desk = desk
        self._halts = halts
        self._waiting = waiting
        self._buys = Withdrawals(desk)
        self._sales: dict[Owner, Sale] = {}

    def withdraw(self, owner: Owner) -> None:
        """Withdraw an owner's working buys if a halt asks for it, each again after a pause."""
        if not self._halts.any:
            self._buys.forget(owner)
            return
        buys = self._desk.executions.buys(owner)
        halt = self._concerning(owner, HaltMode.REDUCE_ONLY) if buys else None
        if halt is None:
            self._buys.forget(owner)
            return
        self._buys.ask(owner, buys, _reason(halt), {**_facts(halt), "buys": len(buys)})

    def flatten(self, owner: Owner) -> None:
        """Sell all of an owner's shares if a halt asks for it, until none is left."""
        desk = self._desk
        if not self._halts.any:
            self._sales.pop(owner, None)
            return
        if owner[0] == EXTERNAL or desk.allocations.of(owner).quantity < 1:
            self._sales.pop(owner, None)
            return
        halt = self._concerning(owner, HaltMode.FLATTEN)
        if halt is None:
            self._sales.pop(owner, None)
            return
        self._waiting.withdraw(owner, _reason(halt), _facts(halt))
        sale = self._sales.setdefault(owner, Sale())
        if desk.sold_already(owner):
            return
        desk.lapsed(sale)
        if desk.may_sell(owner, sale):
            desk.sell(LIQUIDATE, owner, sale, _reason(halt), _facts(halt))

    def _concerning(self, owner: Owner, least: HaltMode) -> Halt | None:
        """Return the first halt in force that concerns an owner and goes far enough."""
        for halt in self._halts.concerning(*owner):
            if reaches(halt.mode, least):
                return halt
        return None


def _reason(halt: Halt) -> str:
    return f"halt_{halt.trigger}"


def _facts(halt: Halt) -> Facts:
    return {
        "scope": str(halt.scope),
        "target": halt.target,
        "mode": str(halt.mode),
        "issued_by": halt.issued_by,
        "why": halt.reason,
    }
