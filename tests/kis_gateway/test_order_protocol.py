"""The protocol of orders in every state that an exchange, a network and dying processes can reach.

A machine of states decides what happens next: an intent, a fill, a lost answer, a call stopped at a
gate, a process killed or paused there, another one started beside it. After every step nothing may
have happened that must never happen; whenever the trouble ends, everything must have been learned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterator
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from events import Event, Symbol
from events.control import CancelRequested
from events.trading import IntentKind, IntentSubmitted, OrderEvent, Urgency
from kis_gateway.broker import OrderTicket, Outcome, Refused, Unknown
from kis_gateway.orders.actions import Submit
from kis_gateway.orders.order_sender import OrderSender
from kis_gateway.orders.order_state import Order
from tests.kis_gateway.fakes import HYNIX, SAMSUNG, approved, intent, put
from tests.kis_gateway.protocol_world import GATES, Process, World, differences, is_buy

_SYMBOLS = st.sampled_from((SAMSUNG, HYNIX))
_INDEX = st.integers(0, 50)
_CALM_S = 100
"""Longer than an entry lives, an unknown order is looked for and a paused holder is waited for."""


class OrderProtocol(RuleBasedStateMachine):
    """One session of one account."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self.world = self._run(self._made())
        self._attempts = 0
        self._runs = 0

    @staticmethod
    async def _made() -> World:
        return World()

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._runner.run(work)

    async def _then_settle(self, work: Coroutine[Any, Any, Any]) -> None:
        await work
        await self.world.settle()

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        self._run(self._then_settle(work))

    # -- decisions -------------------------------------------------------------------------------

    @initialize(symbols=st.lists(_SYMBOLS, max_size=3), quantity=st.integers(1, 4))
    def begin(self, symbols: list[Symbol], quantity: int) -> None:
        """Open the session; some shares have been bought when the trouble begins."""
        self._run(self.world.open())
        self.start()
        for symbol in symbols:
            self.enter(symbol, [quantity], Urgency.HIGH)
        for listed in self.world.exchange.values():
            self.world.fill(listed, listed.remaining)
        if symbols:
            self.notice(0, at_once=True)

    def _made_intent(
        self,
        kind: IntentKind,
        symbol: Symbol,
        quantity: int,
        urgency: Urgency,
        limit_price: int | None = None,
    ) -> IntentSubmitted:
        self._attempts += 1
        return intent(
            kind,
            at=self.world.time.now(),
            attempt=self._attempts,
            symbol=symbol,
            quantity=quantity,
            urgency=urgency,
            limit_price=limit_price,
        )

    def _allow(self, wish: IntentSubmitted) -> None:
        self._do(put(self.world.log, wish, approved(wish)))

    @rule(
        symbol=_SYMBOLS,
        quantities=st.lists(st.integers(1, 4), min_size=1, max_size=3),
        urgency=st.sampled_from((Urgency.NORMAL, Urgency.HIGH)),
    )
    def enter(self, symbol: Symbol, quantities: list[int], urgency: Urgency) -> None:
        for quantity in quantities:
            self._allow(self._made_intent(IntentKind.ENTER, symbol, quantity, urgency, 70_500))

    def _sellable(self, symbol: Symbol) -> int:
        return self.world.view.owned(symbol) - self.world.view.selling(symbol)

    @precondition(lambda self: self._sellable(SAMSUNG) + self._sellable(HYNIX) > 0)
    @rule(
        first=st.booleans(),
        parts=st.lists(st.integers(1, 4), min_size=1, max_size=3),
        urgency=st.sampled_from(Urgency),
        limit=st.sampled_from((None, None, 70_800)),
    )
    def leave(self, first: bool, parts: list[int], urgency: Urgency, limit: int | None) -> None:
        symbol = SAMSUNG if self._sellable(SAMSUNG) and first else HYNIX
        for part in parts:
            quantity = min(part, self._sellable(symbol))
            if quantity > 0:
                self._allow(self._made_intent(IntentKind.EXIT, symbol, quantity, urgency, limit))

    @rule(symbols=st.sampled_from(((SAMSUNG,), (HYNIX,), (HYNIX, SAMSUNG))), sells=st.booleans())
    def withdraw(self, symbols: tuple[Symbol, ...], sells: bool) -> None:
        """A strategy takes its orders back, or a halt makes the guard withdraw everything."""
        entries: list[Event] = []
        for symbol in symbols:
            wish = self._made_intent(IntentKind.CANCEL_ORDERS, symbol, 1, Urgency.HIGH)
            if sells:
                wish = msgspec.structs.replace(wish, facts={"sells": True})
            entries += (wish, approved(wish, 0))
        self._do(put(self.world.log, *entries))

    @rule(symbol=st.none() | _SYMBOLS)
    def operator_cancels(self, symbol: Symbol | None) -> None:
        self._attempts += 1
        request = CancelRequested(
            at=self.world.time.now() + self._attempts,
            issued_by="operator",
            reason="test",
            symbol=symbol,
        )
        self._do(put(self.world.log, request))

    # -- exchange and network --------------------------------------------------------------------

    @precondition(lambda self: any(each.remaining for each in self.world.exchange.values()))
    @rule(index=_INDEX, quantity=st.sampled_from((4, 1, 2)), notices=st.integers(0, 2))
    def fill(self, index: int, quantity: int, notices: int) -> None:
        working = [each for each in self.world.exchange.values() if each.remaining]
        listed = working[index % len(working)]
        self.world.fill(listed, min(quantity, listed.remaining))
        notice = self.world.notices.pop()
        self.world.notices.extend([notice] * notices)

    @precondition(lambda self: self.world.notices)
    @rule(index=_INDEX, at_once=st.booleans())
    def notice(self, index: int, at_once: bool) -> None:
        """Deliver one notice, or all of them, to whoever listens."""
        chosen = [self.world.notices.pop(index % len(self.world.notices))]
        if at_once:
            chosen += self.world.notices
            self.world.notices.clear()
        for process in self._living():
            if process.rig is not None and process.awake.is_set():
                for each in chosen:
                    self._do(process.rig.settlement.on_notice(each))

    @rule(
        fates=st.lists(
            st.sampled_from(("fine", "answer_lost", "late", "lost", "refused")), min_size=1
        )
    )
    def decide_fates(self, fates: list[str]) -> None:
        self.world.fates = fates

    @precondition(lambda self: self.world.in_flight)
    @rule(index=_INDEX)
    def deliver(self, index: int) -> None:
        self.world.deliver(index % len(self.world.in_flight))

    @rule(fails=st.booleans(), lag=st.sampled_from((0, 1, 4)))
    def inquiries(self, fails: bool, lag: int) -> None:
        self.world.inquiries_fail, self.world.lagging_s = fails, lag

    # -- gates, time, processes ------------------------------------------------------------------

    @rule(gates=st.lists(st.sampled_from(GATES), min_size=1, max_size=2))
    def arm(self, gates: list[str]) -> None:
        self.world.armed.extend(gates)

    @precondition(lambda self: self.world.held)
    @rule(index=_INDEX)
    def release(self, index: int) -> None:
        self.world.release(self.world.held[index % len(self.world.held)])
        self._run(self.world.settle())

    @rule(seconds=st.sampled_from((1, 1, 3, 6, 11, 16, 31)))
    def wait(self, seconds: int) -> None:
        self._run(self.world.pass_time(seconds))

    def _living(self) -> list[Process]:
        return [process for process in self.world.processes if process.alive]

    @precondition(lambda self: len(self._living()) < 2)
    @rule()
    def start(self) -> None:
        self._runs += 1
        self._do(self._started(f"r{self._runs}"))

    async def _started(self, run: str) -> None:
        self.world.processes.append(Process(self.world, run))

    @precondition(lambda self: self._living())
    @rule(index=_INDEX, lands=st.booleans(), again=st.booleans())
    def kill(self, index: int, lands: bool, again: bool) -> None:
        """Most deaths worth a look happen where a call waits at a gate."""
        living = self._living()
        victim = living[index % len(living)]
        if self.world.held:
            victim = self.world.held[index % len(self.world.held)].process
        if victim.alive:
            self._do(victim.kill(lands=lands))
        if again and len(self._living()) < 2:
            self.start()

    @precondition(lambda self: self._living())
    @rule(index=_INDEX)
    def pause(self, index: int) -> None:
        living = self._living()
        living[index % len(living)].awake.clear()

    @precondition(lambda self: any(not process.awake.is_set() for process in self._living()))
    @rule()
    def resume(self) -> None:
        for process in self._living():
            process.awake.set()
        self._run(self.world.settle())

    # -- what must hold --------------------------------------------------------------------------

    @invariant()
    def nothing_forbidden_has_happened(self) -> None:
        assert self.world.failures == []

    @invariant()
    def nothing_is_booked_that_was_not_executed(self) -> None:
        for order_id, listed in self.world.exchange.items():
            order = self.world.view.orders.order(order_id)
            booked = 0 if order is None else order.filled_quantity
            assert booked <= listed.filled, order_id
        booked = sum(fill.quantity for fill in self.world.view.fills)
        assert booked <= sum(each.filled for each in self.world.exchange.values())

    @rule()
    def calm(self) -> None:
        """The trouble ends: log and exchange must agree, and nothing unwanted may be left over."""
        world = self.world
        world.armed.clear()
        world.fates.clear()
        world.in_flight.clear()
        world.inquiries_fail, world.lagging_s = False, 0
        while world.held:
            world.release(world.held[0])
            self._run(world.settle())
        self.resume()
        for _ in range(_CALM_S // 10):
            if not self._living():
                self.start()
            self._run(world.pass_time(10))
        assert world.failures == []
        assert differences(world) == []
        for wish, allowed in world.view.allowed.items():
            unwanted = is_buy(world.view.intents[wish]) or wish in world.view.cancelled
            if unwanted and allowed:
                assert wish in world.view.ended, wish

    def teardown(self) -> None:
        try:
            if self.world.failures == []:
                self.calm()
        finally:
            self._run(self._ended())
            self._runner.close()

    async def _ended(self) -> None:
        for process in self._living():
            await process.kill(lands=False)


_HEALTH = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of days would be told line by line."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.invariant(2)
@pytest.mark.invariant(3)
@pytest.mark.invariant(6)
def test_one_order_per_id_and_nothing_forgotten_whatever_happens() -> None:
    """Some dozens of days in which everything goes wrong."""
    run_state_machine_as_test(
        OrderProtocol,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=_HEALTH,
        ),
    )


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_one_order_per_id_and_nothing_forgotten_in_many_days() -> None:
    """The same with thousands of days."""
    run_state_machine_as_test(
        OrderProtocol,
        settings=settings(
            max_examples=2_000,
            stateful_step_count=60,
            deadline=None,
            suppress_health_check=_HEALTH,
        ),
    )


class CallsBeforeItWrites(OrderSender):
    """Sends first and writes afterwards."""

    async def _write_ahead(self, action: Submit) -> bool:
        # The last look would find that the order does not stand on the log.
        self._look.permission = lambda order_id, wanted: lambda: True  # type: ignore[method-assign]
        await self._call(action, self._look.begin())
        await super()._write_ahead(action)
        return False


class TriesAgain(OrderSender):
    """Takes no answer for a no."""

    async def _call(self, action: Submit, begun: int) -> None:
        submit = self._broker.submit

        async def persistent(ticket: OrderTicket) -> Outcome:
            outcome = await submit(ticket)
            return await submit(ticket) if isinstance(outcome, Unknown) else outcome

        with patch.object(self._broker, "submit", persistent):
            await super()._call(action, begun)


class Forgets(OrderSender):
    """Takes what it does not know for a no."""

    def _answer(self, order: Order | None, outcome: Outcome) -> OrderEvent | None:
        if isinstance(outcome, Unknown):
            outcome = Refused(code="TIME_OUT", message=outcome.reason)
        return super()._answer(order, outcome)


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (CallsBeforeItWrites, "left before its write-ahead"),
        (TriesAgain, "is at the exchange twice|at once"),
        (Forgets, "at once|not known|is taken for|booked"),
    ],
)
def test_the_machine_finds_a_sender_that_breaks_the_protocol(
    broken: type[OrderSender], found: str
) -> None:
    """A model that cannot fail proves nothing."""
    with (
        patch("kis_gateway.orders.router.OrderSender", broken),
        pytest.raises(AssertionError, match=found),
    ):
        run_state_machine_as_test(
            OrderProtocol,
            settings=settings(
                max_examples=200,
                stateful_step_count=40,
                deadline=None,
                database=None,
                derandomize=True,
                phases=(Phase.generate,),
                suppress_health_check=_HEALTH,
            ),
        )
