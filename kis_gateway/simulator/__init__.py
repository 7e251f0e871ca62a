"""A server that speaks KIS: REST, WebSocket and a matching exchange behind them.

For tests, demonstrations and drills: any client of the KIS Open API can be pointed at it. It
imitates the paper or the real service on loopback ports, runs on the clock it is given, and answers
to a test bench for faults and inspection.

    simulator = Simulator(settings, market, time)
    await simulator.start()
    ...  # simulator.rest_url, simulator.ws_url, simulator.admin_url
    await simulator.stop()

The names are imported on first use: the exchange and the markets inside this package are pure and
must be importable, by a backtest for example, without loading a web server.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kis_gateway.simulator.admin_state import Counters, SimulatorSummary
    from kis_gateway.simulator.server import Simulator, serve
    from kis_gateway.simulator.settings import (
        Credentials,
        Environment,
        Era,
        OpeningBook,
        OpeningHolding,
        SimulatorSettings,
    )
    from kis_gateway.simulator.trouble.faults import Fault, FaultKind
    from kis_gateway.simulator.trouble.scenario import Scenario, ScenarioError, load_scenario

__all__ = [
    "Counters",
    "Credentials",
    "Environment",
    "Era",
    "Fault",
    "FaultKind",
    "OpeningBook",
    "OpeningHolding",
    "Scenario",
    "ScenarioError",
    "Simulator",
    "SimulatorSettings",
    "SimulatorSummary",
    "load_scenario",
    "serve",
]

_HOMES = {
    "Counters": "admin_state",
    "Credentials": "settings",
    "Environment": "settings",
    "Era": "settings",
    "Fault": "trouble.faults",
    "FaultKind": "trouble.faults",
    "OpeningBook": "settings",
    "OpeningHolding": "settings",
    "Scenario": "trouble.scenario",
    "ScenarioError": "trouble.scenario",
    "Simulator": "server",
    "SimulatorSettings": "settings",
    "SimulatorSummary": "admin_state",
    "load_scenario": "trouble.scenario",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
