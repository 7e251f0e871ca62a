"""The edge to the broker: Korea Investment & Securities (KIS) Open API.

One gateway process owns an app key. KIS field names stop in this room; what leaves it are events.

- ``protocol``   what KIS looks like on the wire, shared by both ends
- ``client``     REST: tokens, budget, one call and its outcome; ``api`` the typed calls over it
- ``feeds``      live data: session, subscriptions, gaps; ``frames`` the records it carries
- ``orders``     from decisions to orders and to what became of them
- ``day``        sessions and clock, opening, instruments, polled figures
- ``simulator``  a KIS server with a matching exchange inside

``service`` ties them together; ``broker`` holds the ports between them, ``kis_broker`` fills one.

    async with KisBroker(settings, time) as broker:
        feed = KisFeed(settings, broker.credentials, time)
        await run_gateway(log=log, time=time, broker=broker, feed=feed, …)

The names are imported on first use: the simulated exchange inside this room is pure and must be
importable, by a backtest for example, without loading a network client.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kis_gateway.api import KisApi
    from kis_gateway.day.opening import StrategyUniverse
    from kis_gateway.errors import GatewayError, SettingsError
    from kis_gateway.feeds.feed import KisFeed
    from kis_gateway.kis_broker import KisBroker
    from kis_gateway.service import run_gateway
    from kis_gateway.service_settings import GatewaySettings
    from kis_gateway.settings import KisSettings, from_environment

__all__ = [
    "GatewayError",
    "GatewaySettings",
    "KisApi",
    "KisBroker",
    "KisFeed",
    "KisSettings",
    "SettingsError",
    "StrategyUniverse",
    "from_environment",
    "run_gateway",
]

_HOMES = {
    "GatewayError": "errors",
    "GatewaySettings": "service_settings",
    "KisApi": "api",
    "KisBroker": "kis_broker",
    "KisFeed": "feeds.feed",
    "KisSettings": "settings",
    "SettingsError": "errors",
    "StrategyUniverse": "day.opening",
    "from_environment": "settings",
    "run_gateway": "service",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
