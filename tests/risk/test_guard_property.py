"""Any sequence of events: every stop is carried out, every flatten too, and nothing is sold twice.

The machine plays strategies, gate, router, broker, exchange and operator, and keeps a book of its
own, simpler than the guard's: who owns how many shares, who has a stop, and what may still sell.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bus.derivation import Derivation
from bus.log import Recorded
from events import EXTERNAL, UNKNOWN, AccountId, Event, StrategyId, Symbol, codec, subjects
from events.control import HaltMode
from events.market import Phase
from events.trading import IntentExpired, IntentKind, IntentSubmitted
from risk.guard import guard_from_session
from tests.risk.guard_day import KMP, KPR, A, B, GuardDay, carried

pytestmark = [pytest.mark.invariant(7), pytest.mark.invariant(8)]

OWNERS = st.sampled_from([(KMP, A), (KPR, A), (KMP, B)])
SHARES = st.integers(1, 50)
PRICES = st.integers(95, 105).map(lambda hundreds: hundreds * 100)
SALES = (IntentKind.EXIT, IntentKind.REDUCE, IntentKind.FLATTEN)
_PATIENCE = 31
"""Seconds: longer than the longest pause between two attempts."""

Owner = tuple[StrategyId, Symbol]


class Guarded(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.day = GuardDay(
            carried(30, 9_900),
            carried(20, 9_700, strategy=KPR),
            carried(40, None, strategy=EXTERNAL),
        )
        self.owned: dict[Owner, int] = {(KMP, A): 30, (KPR, A): 20, (EXTERNAL, A): 40}
        self.stopped = {(KMP, A), (KPR, A)}
        self.entries: list[IntentSubmitted] = []
        self.sales: dict[str, tuple[IntentSubmitted, int | None]] = {}
        self.flattening = self.suspended = False
        self.phase = Phase.CONTINUOUS
        self.limited: dict[str, int] = {}
        self.read = len(self.day.intents)

    def see(self) -> None:
        """Judge and book what the guard has asked for since."""
        for intent in self.day.intents[self.read :]:
            if intent.kind is IntentKind.CANCEL_ORDERS:
                continue
            owner = (intent.strategy, intent.symbol)
            assert owner[0] != EXTERNAL
            assert self.phase in (Phase.CONTINUOUS, Phase.CLOSING_AUCTION)
            assert not (self.suspended and owner[1] == A)
            assert intent.quantity == self.owned[owner] > 0
            assert not self.sold(owner)
            self.sales[intent.intent_id] = (intent, None)
        self.read = len(self.day.intents)

    def sold(self, owner: Owner) -> bool:
        """Return whether everything of an owner is being sold or asked to be."""
        selling = 0
        for intent, allowed in self.sales.values():
            if (intent.strategy, intent.symbol) == owner:
                asked = self.owned.get(owner, 0) if intent.quantity is None else intent.quantity
                selling += asked if allowed is None else allowed
        return selling >= self.owned.get(owner, 0)

    def move(self, owner: Owner, shares: int) -> None:
        """Book shares."""
        self.owned[owner] = self.owned.get(owner, 0) + shares
        if self.owned[owner] < 1:
            self.stopped.discard(owner)

    def logged(self, data: st.DataObject, *, decided: bool) -> IntentSubmitted | None:
        """Draw a sale that stands on the log, decided or not."""
        missing = {id(event) for event in self.day.missing}
        found = [
            intent
            for intent, allowed in self.sales.values()
            if (allowed is not None) is decided and id(intent) not in missing
        ]
        return data.draw(st.sampled_from(found)) if found else None

    @rule(symbol=st.sampled_from([A, B]), prices=st.lists(PRICES, min_size=1, max_size=3))
    def trade(self, symbol: Symbol, prices: list[int]) -> None:
        self.day.trade(*prices, symbol=symbol)
        if symbol == A and self.suspended and self.suspended_before:
            self.suspended = False
        self.see()

    @rule(seconds=st.integers(1, 40), phase=st.sampled_from([*Phase, *[Phase.CONTINUOUS] * 6]))
    def tick(self, seconds: int, phase: Phase) -> None:
        self.phase = phase
        self.suspended_before = True
        self.day.tick(seconds, phase)
        self.see()

    @rule(owner=OWNERS, shares=SHARES, stop=PRICES)
    def enter(self, owner: Owner, shares: int, stop: int) -> None:
        entry = self.day.buying(shares, stop=stop, strategy=owner[0], symbol=owner[1])
        self.entries.append(entry)
        self.see()

    @precondition(lambda self: self.entries)
    @rule(data=st.data())
    def buy(self, data: st.DataObject) -> None:
        entry = self.entries[data.draw(st.integers(0, len(self.entries) - 1))]
        self.stopped.add((entry.strategy, entry.symbol))
        self.move((entry.strategy, entry.symbol), 5)
        self.day.fill(entry, 5)
        self.see()

    def makes_way(self, owner: Owner) -> bool:
        """Return whether every sale of an owner at a limit was asked to be withdrawn."""
        return all(
            any(
                (request.strategy, request.symbol) == owner and request.facts.get("sells") is True
                for request in self.day.intents[self.limited[name] :]
            )
            for name, (intent, _) in self.sales.items()
            if (intent.strategy, intent.symbol) == owner and name in self.limited
        )

    @rule(owner=OWNERS, shares=st.none() | SHARES, limit=st.none() | PRICES)
    def leave(self, owner: Owner, shares: int | None, limit: int | None) -> None:
        kind = IntentKind.EXIT if shares is None else IntentKind.REDUCE
        intent = self.day.submit(kind, shares, strategy=owner[0], symbol=owner[1], limit=limit)
        if limit is not None:
            self.limited[intent.intent_id] = len(self.day.intents)
        self.sales[intent.intent_id] = (intent, None)
        self.see()

    @rule(data=st.data())
    def decide(self, data: st.DataObject) -> None:
        intent = self.logged(data, decided=False)
        if intent is None:
            return
        owner = (intent.strategy, intent.symbol)
        free = self.owned.get(owner, 0) - sum(
            allowed or 0
            for other, allowed in self.sales.values()
            if (other.strategy, other.symbol) == owner
        )
        quantity = min(free, free if intent.quantity is None else intent.quantity)
        if quantity > 0 and data.draw(st.booleans()):
            self.sales[intent.intent_id] = (intent, quantity)
            self.day.approve(intent, quantity)
            self.day.order(intent, quantity)
        else:
            del self.sales[intent.intent_id]
            self.day.refuse(intent)
        self.see()

    @rule(data=st.data())
    def sell(self, data: st.DataObject) -> None:
        intent = self.logged(data, decided=True)
        if intent is None:
            return
        owner, allowed = (intent.strategy, intent.symbol), self.sales[intent.intent_id][1] or 0
        shares = data.draw(st.integers(0, max(0, min(allowed, self.owned.get(owner, 0)))))
        if shares:
            self.sales[intent.intent_id] = (intent, allowed - shares)
            self.move(owner, -shares)
            self.day.fill(intent, shares)
            self.see()

    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        intent = self.logged(data, decided=True)
        if intent is not None:
            del self.sales[intent.intent_id]
            self.day.end(intent)
            self.see()

    @rule(owner=OWNERS, stop=PRICES)
    def change_stop(self, owner: Owner, stop: int) -> None:
        if self.owned.get(owner, 0) > 0:
            self.stopped.add(owner)
        change = self.day.submit(
            IntentKind.MODIFY_RISK, None, strategy=owner[0], symbol=owner[1], stop=stop
        )
        self.day.approve(change)
        self.see()

    @rule(mode=st.sampled_from(HaltMode))
    def halt(self, mode: HaltMode) -> None:
        self.flattening = mode is HaltMode.FLATTEN
        self.day.halt(mode)
        self.see()

    @rule()
    def release(self) -> None:
        self.flattening = False
        self.day.release()
        self.see()

    @rule(halted=st.booleans())
    def suspend(self, halted: bool) -> None:
        self.suspended_before = self.suspended and halted and self.suspended_before
        self.suspended = halted
        self.day.halt_trading(halted=halted)
        self.see()

    suspended_before = False
    """Whether a second has passed since the suspension: a trade then proves that it is over."""

    @rule(shares=st.integers(-20, 20))
    def drift(self, shares: int) -> None:
        self.owned[UNKNOWN, A] = shares
        self.day.drift(100 + shares, 100)
        self.see()

    @rule(adopted=st.booleans(), shares=SHARES)
    def reallocate(self, adopted: bool, shares: int) -> None:
        source, target = (UNKNOWN, KMP) if adopted else (KMP, UNKNOWN)
        self.move((source, A), -shares)
        self.move((target, A), shares)
        if adopted and self.owned[KMP, A] > 0:
            self.stopped.add((KMP, A))
        self.day.reallocate(source, target, shares, stop=9_900 if adopted else None)
        self.see()

    @rule()
    def go_down(self) -> None:
        self.day.down = True

    @rule()
    def come_back(self) -> None:
        for said in self.day.come_back():
            if isinstance(said, IntentExpired):
                self.sales.pop(said.intent.intent_id, None)
        self.see()

    @rule()
    def crash(self) -> None:
        """After a pause everything falls to one won: all that has a stop is being sold."""
        self.phase, self.suspended = Phase.CONTINUOUS, False
        self.day.halt_trading(halted=False)
        self.see()
        self.day.tick(_PATIENCE)
        self.see()
        for symbol in (A, B):
            self.day.trade(1, symbol=symbol)
            self.see()
        for owner in self.stopped:
            assert self.sold(owner), owner
            assert self.makes_way(owner), owner

    @rule()
    def wait(self) -> None:
        """After a pause, without any trade: all that is to be flattened is being sold."""
        self.phase, self.suspended = Phase.CONTINUOUS, False
        self.day.halt_trading(halted=False)
        self.day.tick(_PATIENCE)
        self.see()
        if self.flattening:
            for owner in self.owned:
                assert owner[0] == EXTERNAL or self.sold(owner), owner

    @invariant()
    def stops_of_shares_are_known(self) -> None:
        newest = {(stop.strategy, stop.symbol): stop for stop in self.day.stops}
        for owner, shares in self.owned.items():
            if owner[0] in (UNKNOWN, EXTERNAL):
                assert owner not in newest
            elif shares > 0:
                assert (newest[owner].state == "missing") is (owner not in self.stopped)
            elif owner in newest:
                assert newest[owner].state == "done"

    def teardown(self) -> None:
        """Deriving the log again gives the same bytes, and lacks what the log lacks."""
        derivation = Derivation(guard_from_session(self.day.opened), AccountId("test"))
        for sequence, event in enumerate(self.day.log, 1):
            _, disagreement = derivation.feed(_recorded(sequence, event), event)
            assert disagreement is None, disagreement
        assert [item.event for item in derivation.missing] == self.day.missing


def _recorded(sequence: int, event: Event) -> Recorded:
    return Recorded(
        sequence=sequence,
        subject=subjects.subject(AccountId("test"), event.topic),
        payload=codec.encode(event),
        identity=event.identity or str(sequence),
        stored_at=sequence,
    )


Guarded.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGuarded = Guarded.TestCase
