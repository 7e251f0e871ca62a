"""One drill after the other: an order to trade, strikes meanwhile, healing, and the account of it.

A drill is over when every wish has been decided, every order has an end and every service has read
everything. Then exchange, log, database and allocations must agree; they are given some seconds for
it, because a balance is asked for a little after the last fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time as wall
from collections import Counter
from typing import Final

import httpx
import msgspec
import psycopg

from events import IntentId
from events.trading import (
    Decision,
    ExecutionEnded,
    IntentApproved,
    IntentExpired,
    IntentKind,
    IntentModified,
    IntentSubmitted,
)
from tests.chaos.drill_plan import Plan, Strike, What
from tests.chaos.drill_trader import TRADING_SECONDS, order_of
from tests.chaos.ground import Ground
from tests.chaos.operator import Operator
from tests.chaos.truth import Finding, HaltWatch, Kind, Story, check
from tests.chaos.zygote import TWIN

SECOND: Final = 1_000_000_000
PATIENCE: Final = 30.0
"""Wall seconds in which everything must have an end once all is healed."""

_LOOK_EVERY: Final = 0.03
_TWIN_STARTS: Final = 0.5
"""Wall seconds in which a second gateway has begun to wait."""

_HASTE: Final = 2.0
"""How much faster the market's clock runs while everything settles: little happens by then."""

_QUIET: Final = 2 * SECOND
_MOVING: Final = (
    "trading.intent",
    "trading.decision",
    "trading.order",
    "trading.execution",
    "trading.control",
)
_BOOKKEEPING: Final = (IntentKind.CANCEL_ORDERS, IntentKind.MODIFY_RISK, IntentKind.SET_TARGET)


class Report(msgspec.Struct, kw_only=True):
    """How a drill went. Seconds are wall seconds."""

    seed: int
    step: str
    struck: bool
    strikes: list[str]
    seconds: float
    settling: float
    findings: list[Finding]


class Drills:
    """Runs drills on one ground."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.story = Story()
        self._taken = 0
        self._wishes: dict[IntentId, IntentSubmitted] = {}
        self._decided: set[IntentId] = set()
        self._allowed: set[IntentId] = set()
        self._ended: set[IntentId] = set()
        self._halts = HaltWatch()
        self._operator = Operator(ground)
        self._last_event_at = 0
        self.strikes: Counter[str] = Counter()

    async def run(self, plan: Plan) -> Report:
        """Run one drill and say what was wrong afterwards."""
        ground, began = self._ground, wall.monotonic()
        board = ground.board
        before = board.struck()[plan.marked]
        board.arm(plan.step, passage=plan.passage)
        start = ground.clock.now()
        await ground.say(order_of(start, plan.seed, plan.wishes, plan.first))
        async with asyncio.TaskGroup() as group:
            for strike in plan.strikes:
                group.create_task(self._strike(start, strike))
            group.create_task(ground.clock.sleep_until(start + TRADING_SECONDS * SECOND))
        await self._heal()
        healed = wall.monotonic()
        ground.clock.set_rate(ground.clock.speed * _HASTE)
        findings = await self._account()
        ground.clock.set_rate(ground.clock.speed)
        board.disarm()
        return Report(
            seed=plan.seed,
            step=plan.marked.name,
            struck=board.struck()[plan.marked] > before,
            strikes=[strike.name for strike in plan.strikes],
            seconds=wall.monotonic() - began,
            settling=wall.monotonic() - healed,
            findings=findings,
        )

    async def _strike(self, start: int, strike: Strike) -> None:
        ground, processes = self._ground, self._ground.processes
        await ground.clock.sleep_until(start + round(strike.after * SECOND))
        self.strikes[strike.name] += 1
        match strike.what:
            case What.KILL:
                processes.send(strike.target, signal.SIGKILL)
            case What.PAUSE:
                processes.send(strike.target, signal.SIGSTOP)
                await asyncio.sleep(strike.seconds)
                processes.send(strike.target, signal.SIGCONT)
            case What.LOG_KILL:
                await ground.restart_log()
            case What.LOG_PAUSE:
                await ground.pause_log(strike.seconds)
            case What.DATABASE_CRASH:
                ground.crash_database()
            case What.HOST:
                await ground.power_cut()
            case What.CUT:
                for line in ground.lines:
                    line.cut()
                await asyncio.sleep(strike.seconds)
                for line in ground.lines:
                    line.mend()
            case What.TWIN:
                processes.start(TWIN)
                await asyncio.sleep(strike.seconds)
                processes.let_go(TWIN)
                processes.send(TWIN, signal.SIGKILL)
            case What.TAKEOVER:
                await self._take_over(strike)
            case What.FAULT:
                await ground.cause(strike.fault)
            case _:
                await self._operator.act(strike)

    async def _take_over(self, strike: Strike) -> None:
        """Pause the gateway for longer than its lease, with a twin that waits for it."""
        processes = self._ground.processes
        processes.start(TWIN)
        await asyncio.sleep(_TWIN_STARTS)
        processes.send(strike.target, signal.SIGSTOP)
        await asyncio.sleep(strike.seconds)
        processes.send(strike.target, signal.SIGCONT)
        await asyncio.sleep(_TWIN_STARTS)
        processes.let_go(TWIN)
        processes.send(TWIN, signal.SIGKILL)

    async def _heal(self) -> None:
        ground = self._ground
        for line in ground.lines:
            line.mend()
        await ground.end_faults()

    # -- the account -----------------------------------------------------------------------------

    async def _account(self) -> list[Finding]:
        """Wait for the end of everything and compare; return what is still wrong at the end."""
        deadline = wall.monotonic() + PATIENCE
        findings: list[Finding] = []
        while wall.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY)
            if self._ground.processes.fatal:
                break
            self._take()
            await self._operator.acknowledge(self.story)
            if not self._settled():
                continue
            if self._operator.halted:
                await self._operator.release(self.story)
                continue
            try:
                findings = await self._compare()
            except (psycopg.Error, httpx.HTTPError, OSError) as error:
                findings = [Finding(Kind.DATABASE, f"no answer: {error}")]
                continue
            if not findings:
                return []
        self._take()
        if not self._settled():
            with contextlib.suppress(psycopg.Error, httpx.HTTPError, OSError):
                findings = await self._compare()
        return sorted({*findings, *self._unsettled()})

    async def _compare(self) -> list[Finding]:
        exchange = await self._ground.exchange()
        database = await self._ground.database()
        self._take()
        return [
            *check(exchange, self.story, database, foreign=self._operator.orders),
            *self._halts.findings,
        ]

    def _take(self) -> None:
        events = self._ground.events
        for _, event in events[self._taken :]:
            self.story.take(event)
            self._halts.take(event)
            match event:
                case IntentSubmitted():
                    self._wishes[event.intent_id] = event
                case IntentExpired():
                    self._decided.add(event.intent.intent_id)
                case Decision():
                    self._decided.add(event.intent_id)
                    if isinstance(event, IntentApproved | IntentModified):
                        self._allowed.add(event.intent_id)
                case ExecutionEnded():
                    self._ended.add(event.intent_id)
            if event.topic.startswith(_MOVING):
                self._last_event_at = max(self._last_event_at, event.at)
        self._taken = len(events)

    def _settled(self) -> bool:
        quiet = self._ground.clock.now() > self._last_event_at + _QUIET
        return quiet and not self._unsettled() and self._ground.quiet()

    def _unsettled(self) -> list[Finding]:
        """Return what has no end yet."""
        found = [
            Finding(Kind.UNSETTLED, f"{order.order_id} is {order.state}")
            for order in self.story.live
        ]
        for intent_id, wish in self._wishes.items():
            if intent_id not in self._decided:
                found.append(Finding(Kind.UNSETTLED, f"{intent_id} was never decided"))
            elif intent_id in self._allowed - self._ended and wish.kind not in _BOOKKEEPING:
                found.append(Finding(Kind.UNSETTLED, f"{intent_id} was allowed and never ended"))
        found += [
            Finding(Kind.UNSETTLED, f"{name} says that a restart does not help")
            for name in self._ground.processes.fatal
        ]
        return found
