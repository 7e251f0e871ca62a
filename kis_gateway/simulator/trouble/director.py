"""Plays a scenario: waits for the clock and causes what is due. One scenario at a time."""

from __future__ import annotations

import asyncio

import structlog

from bus import TimeSource
from kis_gateway.errors import SettingsError
from kis_gateway.simulator.trouble.fault_control import FaultControl
from kis_gateway.simulator.trouble.scenario import Action, Scenario

_log = structlog.get_logger()


class Director:
    """Starts and stops scenarios; ``run`` is its task."""

    def __init__(self, control: FaultControl, time: TimeSource, midnight: int) -> None:
        """``midnight`` is 00:00 KST of the trading day, ns UTC."""
        self._control = control
        self._time = time
        self._midnight = midnight
        self._changed = asyncio.Event()
        self._started_at = 0
        self._open: dict[int, int] = {}
        self.scenario: Scenario | None = None
        """The scenario that plays, ``None`` when there is none or it has been played."""
        self.actions = 0
        """Actions carried out so far, of all scenarios."""
        self.refused: list[str] = []
        """Steps that could not be carried out, with the reason."""

    def start(self, scenario: Scenario) -> None:
        """Play a scenario from now on, in place of the one before."""
        self.stop()
        self._started_at = self._time.now()
        self.scenario = scenario
        self._changed.set()

    def stop(self) -> None:
        """Play no further and end what waits because of a rate."""
        for number in self._open.values():
            self._control.end(number)
        self._open.clear()
        self.scenario = None
        self._changed.set()

    async def run(self) -> None:
        """Play what is started until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self.scenario is None:
                continue
            playing = asyncio.create_task(self._play(self.scenario))
            changing = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait({playing, changing}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                playing.cancel()
                changing.cancel()
            if playing.done() and not playing.cancelled():
                playing.result()

    async def _play(self, scenario: Scenario) -> None:
        for action in scenario.actions(self._started_at, self._midnight):
            await self._time.sleep_until(action.at)
            self._carry_out(action)
        # Rates without an end go on until the scenario is stopped.
        if not self._open:
            self.scenario = None

    def _carry_out(self, action: Action) -> None:
        self.actions += 1
        if action.ends:
            number = self._open.pop(action.step, None)
            if number is not None:
                self._control.end(number)
            return
        try:
            entry = self._control.cause(action.fault)
        except SettingsError as error:
            # A step may name an issue that this market does not list; the rest still plays.
            _log.warning("scenario_step_refused", step=action.step, reason=str(error))
            self.refused.append(f"step {action.step}: {error}")
            return
        if action.fault.rate < 1:
            self._open[action.step] = entry.number
