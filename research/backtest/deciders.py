"""The deciders of a session, built from its opening books as live, and their configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from bus import Processor, ProcessorFactory
from events.market import SessionOpened
from kis_gateway.orders.plan_settings import PlanSettings
from research.backtest.errors import InvalidSettings, UnknownStrategy
from research.backtest.settings import BacktestSettings, StrategySettings

SHIPPED: Final = Path(__file__).resolve().parents[2] / "deploy" / "config"
"""Where the configuration that comes with the project lies."""

GATE: Final = "oms"
ROUTER: Final = "gateway"

_STRATEGIES: Final = {
    "kmp": ("strategies.kmp", "kmp_from_session"),
    "sma": ("research.backtest.samples.sma_crossover", "sma_from_session"),
    "vwap": ("research.backtest.samples.vwap_imbalance", "vwap_from_session"),
}
"""Name → module and function that builds the strategy from a session's opening books."""

_PLUGGED: Final[dict[str, ProcessorFactory]] = {}


def register(name: str, factory: ProcessorFactory) -> None:
    """Make a strategy of one's own known by a name, for backtests in this process."""
    _PLUGGED[name.lower()] = factory


def registered() -> dict[str, ProcessorFactory]:
    """Return the strategies registered in this process, for processes that work for it."""
    return dict(_PLUGGED)


def strategy_factory(name: str) -> ProcessorFactory:
    """Return what builds a strategy from a session's opening books.

    Raises:
        UnknownStrategy: there is none of that name.
    """
    known = _PLUGGED.get(name.lower())
    if known is not None:
        return known
    home = _STRATEGIES.get(name.lower())
    if home is None:
        raise UnknownStrategy(name, sorted((*_STRATEGIES, *_PLUGGED)))
    factory: ProcessorFactory = getattr(import_module(home[0]), home[1])
    return factory


def deciders(settings: BacktestSettings) -> Callable[[SessionOpened], list[Processor]]:
    """Return what builds a session's strategies, then the guard, then the gate."""
    from risk import gate_from_session
    from risk.guard import guard_from_session

    factories = [strategy_factory(each.name) for each in settings.strategies]
    factories += [guard_from_session, gate_from_session]
    return lambda session: [factory(session) for factory in factories]


def plan_settings(settings: BacktestSettings) -> PlanSettings:
    """Return the router's settings: the shipped ones and what differs from them.

    Raises:
        InvalidSettings: a key that does not exist, or a value that cannot be.
    """
    orders = {**_shipped(ROUTER).get("orders", {}), **settings.orders}
    try:
        return msgspec.convert(orders, PlanSettings)
    except (msgspec.ValidationError, ValueError) as error:
        raise InvalidSettings("orders", str(error)) from error


def configuration(settings: BacktestSettings) -> dict[str, str]:
    """Return every decider's settings as JSON text by name, as opening books carry them.

    Raises:
        InvalidSettings: a configuration file cannot be read, or a key to be set is not in it.
    """
    texts = {
        each.name.lower(): _text(_strategy(each), each.set, f"strategies.{each.name}")
        for each in settings.strategies
    }
    risk = settings.risk
    gate = _read(Path(risk.config)) if risk.config else _shipped(GATE)
    texts[GATE] = _text(gate, risk.set, "risk")
    return texts


def _strategy(wanted: StrategySettings) -> dict[str, Any]:
    if wanted.config:
        return _read(Path(wanted.config))
    name = wanted.name.lower()
    return _shipped(name) if (SHIPPED / f"{name}.yaml").is_file() else {}


def _shipped(name: str) -> dict[str, Any]:
    return deepcopy(_shipped_once(name))


@cache
def _shipped_once(name: str) -> dict[str, Any]:
    # Part of the package, so it cannot change; the runs of a sweep ask for it again and again.
    return _read(SHIPPED / f"{name}.yaml")


def _read(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(str(file), str(error.strerror or error)) from error
    except yaml.YAMLError as error:
        raise InvalidSettings(str(file), f"it is no YAML: {error}") from error
    if not isinstance(content, dict | None):
        raise InvalidSettings(str(file), "it holds no keys: write it as key: value lines")
    return content or {}


def _text(content: dict[str, Any], changes: Mapping[str, Any], origin: str) -> str:
    for path, value in changes.items():
        place: Any = content
        *parents, last = path.split(".")
        for key in parents:
            place = place.setdefault(key, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InvalidSettings(origin, f"set.{path}: there are no keys below {parents[-1]}")
        place[last] = value
    return msgspec.json.encode(content, order="deterministic").decode()
