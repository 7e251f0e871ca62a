"""Protective stops: every strategy's shares are sold when a trade prints at or below their stop.

    ACTIVE ──▶ TRIGGERED ──▶ SUBMITTED ──▶ DONE
      ▲            │           │    ▲
    MISSING        └─▶ WAITING ┴─▶ FAILED

What always holds: a stop works without its strategy; once triggered, the way out is gone to the
end, whatever the price does next; nothing is sold while somebody already sells everything, and a
sale that waits at a limit for a better price is withdrawn. WAITING lasts while the market does not
execute; from FAILED another attempt follows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from events import Symbol
from events.market import NEVER
from events.trading import StopChanged, StopState
from risk.guard.allocations import Allocation, is_strategy
from risk.guard.desk import SECOND, Desk, Facts, Sale
from risk.guard.executions import Owner
from risk.guard.intents import STOP
from risk.guard.withdrawals import WaitingSales

_SELLING: Final = (
    StopState.TRIGGERED,
    StopState.WAITING,
    StopState.SUBMITTED,
    StopState.FAILED,
)


class _Watch(msgspec.Struct):
    """The protection of one owner's shares.

    ``stop`` is the price of the present generation and ``kind`` which stop it is, ``hit`` the first
    price at or below it. Silence counts from ``since`` (ns UTC) on.
    """

    generation: int = 0
    state: StopState | None = None
    stop: int | None = None
    kind: str = ""
    hit: int | None = None
    since: int = 0
    silent: bool = False
    sale: Sale = msgspec.field(default_factory=Sale)


class Stops:
    """Watches the stops of all strategies' shares."""

    def __init__(self, desk: Desk, waiting: WaitingSales) -> None:
        self._desk = desk
        self._waiting = waiting
        self._watches: dict[Owner, _Watch] = {}

    def trades(self, symbol: Symbol, lowest: int | None) -> None:
        """Hold the stops of a symbol against the lowest fresh price of a frame or bar (won)."""
        for owner in self._desk.allocations.strategies_in(symbol):
            watch = self._watches.get(owner)
            if watch is None:
                continue
            if watch.silent and lowest is not None:
                watch.silent = False
                self._write(owner, watch, StopState.ACTIVE, "it trades again")
            if lowest is not None and watch.stop is not None and lowest <= watch.stop:
                watch.hit = lowest if watch.hit is None else watch.hit
            if watch.hit is not None:
                self.review(owner)

    def highest(self, symbol: Symbol) -> int | None:
        """Return the highest stop of a symbol in won, 0 without any.

        ``None`` when a trade at any price may change something: after a hit, or a long silence.
        """
        watches = [
            self._watches.get(owner) for owner in self._desk.allocations.strategies_in(symbol)
        ]
        found = 0
        for watch in watches:
            if watch is None:
                continue
            if watch.silent or watch.hit is not None:
                return None
            found = max(found, watch.stop or 0)
        return found

    def review(self, owner: Owner) -> None:
        """Do what an owner's shares and their stop call for now; nothing when all is done."""
        if not is_strategy(owner[0]):
            return
        allocation = self._desk.allocations.of(owner)
        watch = self._watches.get(owner)
        if allocation.quantity < 1:
            if watch is not None:
                self._end(owner, watch)
            return
        if watch is None:
            watch = self._watches[owner] = _Watch()
        if watch.state not in _SELLING:
            self._watch(owner, allocation, watch)
        if watch.state in _SELLING:
            self._sell(owner, watch)

    def listen(self, owners: Iterable[Owner]) -> None:
        """Report stops without a fresh trade for long: nothing can set them off."""
        market, limit = self._desk.market, self._desk.settings.silent_after_sec
        for owner in owners:
            watch = self._watches.get(owner)
            if watch is None or watch.state is not StopState.ACTIVE or watch.silent:
                continue
            if market.trading_since is None or not market.executes(owner[1]):
                continue
            heard = max(watch.since, market.trading_since, market.fresh_at(owner[1]))
            if market.now - heard >= limit * SECOND:
                watch.silent = True
                self._write(owner, watch, StopState.ACTIVE, f"no fresh trade for {limit} s")

    def due_at(self) -> int:
        """Return the instant (ns UTC) from which time may change something, 0 for any time.

        While a trade could come in meanwhile it is never put too late: trades only postpone it.
        """
        market, instants = self._desk.market, [NEVER]
        for owner in self._desk.allocations.owners():
            if not is_strategy(owner[0]) or self._desk.allocations.of(owner).quantity < 1:
                continue
            watch = self._watches.get(owner)
            if watch is None or watch.state in _SELLING or watch.hit is not None:
                return 0
            if watch.state is StopState.ACTIVE and not watch.silent and market.trading_since:
                heard = max(watch.since, market.trading_since, market.fresh_at(owner[1]))
                instants.append(heard + self._desk.settings.silent_after_sec * SECOND)
        return min(instants)

    def _watch(self, owner: Owner, allocation: Allocation, watch: _Watch) -> None:
        stop = allocation.stop
        if stop is None:
            if watch.state is not StopState.MISSING:
                self._write(owner, watch, StopState.MISSING, "these shares have no stop")
            return
        if watch.state is not StopState.ACTIVE or watch.stop != stop:
            watch.generation += 1
            watch.stop, watch.kind = stop, allocation.stop_kind
            watch.hit, watch.silent = None, False
            watch.since = self._desk.market.now
            self._write(owner, watch, StopState.ACTIVE, watch.kind)
        price = self._desk.market.price(owner[1])
        if watch.hit is None and price is not None and price <= stop:
            watch.hit = price
        if watch.hit is None:
            return
        if not self._desk.sold_already(owner) or self._waiting.any(owner):
            self._write(owner, watch, StopState.TRIGGERED, watch.kind)

    def _sell(self, owner: Owner, watch: _Watch) -> None:
        desk, sale = self._desk, watch.sale
        facts: Facts = {"stop": watch.stop, "hit": watch.hit, "generation": watch.generation}
        self._waiting.withdraw(owner, watch.kind, facts)
        if desk.sold_already(owner):
            return
        fate = desk.lapsed(sale)
        if fate is not None:
            self._write(owner, watch, StopState.FAILED, fate)
        if not desk.market.executes(owner[1]):
            if sale.pending is None and watch.state is not StopState.WAITING:
                self._write(owner, watch, StopState.WAITING, f"{desk.market.phase}: no execution")
            return
        if desk.may_sell(owner, sale):
            desk.sell(STOP, owner, sale, watch.kind, facts)
            self._write(owner, watch, StopState.SUBMITTED, watch.kind)

    def _end(self, owner: Owner, watch: _Watch) -> None:
        if watch.state in (None, StopState.DONE):
            return
        self._write(owner, watch, StopState.DONE, "no share is left")
        watch.stop = watch.hit = None
        watch.silent = False
        watch.sale = Sale()

    def _write(self, owner: Owner, watch: _Watch, state: StopState, reason: str) -> None:
        desk, watch.state = self._desk, state
        last = desk.market.last(owner[1])
        seen = None if last is None else last.price
        desk.write(
            StopChanged(
                at=desk.at,
                cause=desk.cause,
                strategy=owner[0],
                symbol=owner[1],
                generation=watch.generation,
                state=state,
                quantity=max(0, desk.allocations.of(owner).quantity),
                stop_price=watch.stop,
                price=seen if watch.hit is None else watch.hit,
                intent_id=watch.sale.pending if state is StopState.SUBMITTED else None,
                reason=reason,
            )
        )
