"""What a backtest is asked to do: one YAML file, every key checked, nothing silently ignored."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from events import StrategyId, Symbol
from events.costs import DEFAULT_FEE_PER_MILLION
from research.backtest.errors import InvalidSettings


class Source(StrEnum):
    """Where sessions come from."""

    BARS = "bars"
    """Minute bars in Parquet, handed on as bars: the exchange trades inside them."""
    TICKS = "ticks"
    """Minute bars in Parquet, bridged into trades and books that give exactly these bars again."""
    RECORDINGS = "recordings"
    """Sealed days of a log."""
    SYNTHETIC = "synthetic"
    """Generated days; ``path`` is not used."""


class Delivery(StrEnum):
    """How the run is computed. All three give the same events, byte for byte."""

    EVERY = "every"
    """Every market event to every decider that wants its kind: the definition, and the slowest."""
    REFERENCE = "reference"
    """Every market event to strategies and exchange; others take prices when they matter."""
    BLOCK = "block"
    """Strategies too are handed only what they wait for; the rest is taken in by the block."""


class DataSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which recording, and which part of it. Dates are YYYY-MM-DD and both included.

    ``symbols`` are codes, or how many: those with the largest traded value before each session.
    ``daily_bars`` is how many completed daily bars deciders are shown, ``bar_history`` how many
    minute bars of earlier sessions they begin with where sessions come as bars. ``tick_s`` seconds
    lie between two ticks of the session clock (bars need no more than 60). ``registrations`` are
    the broker's real-time registrations, the fill notice among them, as live; 0 shows every
    symbol's trades and quotes. ``sessions`` and ``seed`` are for generated days.
    """

    source: Source = Source.SYNTHETIC
    path: str = ""
    start: str = ""
    end: str = ""
    symbols: int | tuple[Symbol, ...] = 40
    trades_per_bar: int = 6
    daily_bars: int = 90
    bar_history: int = 0
    sessions: int = 5
    seed: int = 7
    tick_s: int = 1
    registrations: int = 40


class LatencySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Milliseconds from one end to the other, each way by itself.

    ``feed``: exchange → decider. ``order``/``cancel``: decider → exchange. ``answer``: exchange →
    the router's knowledge that an order was taken in. ``notice``: execution → decider. A figure is
    a constant, or quantiles at equal steps from the least to the most, of which each message draws
    one by its order of departure (seeded); messages of one way never overtake each other.
    """

    feed: tuple[float, ...] = (20.0,)
    order: tuple[float, ...] = (40.0,)
    cancel: tuple[float, ...] = (40.0,)
    answer: tuple[float, ...] = (20.0,)
    notice: tuple[float, ...] = (30.0,)


class FillSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the simulated exchange treats our orders.

    ``interruptions`` lets the tape's own prices trigger volatility interruptions; a recorded day
    holds its interruptions already.
    """

    fee_per_million: int = DEFAULT_FEE_PER_MILLION
    sell_fee_per_million: int | None = None
    interruptions: bool = False


class StrategySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A strategy by the name it is known by, its configuration file and what differs from it.

    ``set`` holds values by key, keys of nested settings joined by dots (``rvol.min``).
    """

    name: str
    config: str = ""
    set: dict[str, Any] = msgspec.field(default_factory=dict)


class RiskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gate's configuration file (default: the shipped one) and what differs from it."""

    config: str = ""
    set: dict[str, Any] = msgspec.field(default_factory=dict)


class BacktestSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole backtest.

    ``orders`` holds the router's settings that differ from their defaults. While shares are held
    the broker's word on the account comes every ``account_s`` seconds (0: at the open only).
    ``warm_up`` sessions are run without entries before the first one that counts.
    """

    name: str
    strategies: tuple[StrategySettings, ...]
    data: DataSettings = msgspec.field(default_factory=DataSettings)
    cash: int = 100_000_000
    account_s: int = 60
    risk: RiskSettings = msgspec.field(default_factory=RiskSettings)
    orders: dict[str, Any] = msgspec.field(default_factory=dict)
    latency: LatencySettings = msgspec.field(default_factory=LatencySettings)
    fills: FillSettings = msgspec.field(default_factory=FillSettings)
    delivery: Delivery = Delivery.BLOCK
    warm_up: int = 0
    seed: int = 1

    @property
    def owners(self) -> tuple[StrategyId, ...]:
        """Ids of the strategies as they stand on the log."""
        return tuple(StrategyId(each.name.upper()) for each in self.strategies)


def load_settings(path: Path) -> BacktestSettings:
    """Return the settings in a YAML file; relative paths in it are relative to the file.

    Raises:
        InvalidSettings: the file cannot be read, or says something that cannot be.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(str(path), str(error.strerror or error)) from error
    except yaml.YAMLError as error:
        raise InvalidSettings(str(path), f"it is no YAML: {error}") from error
    return parse_settings(raw, folder=path.parent, origin=str(path))


def parse_settings(raw: object, *, folder: Path, origin: str = "settings") -> BacktestSettings:
    """Return the settings in plain data; relative paths are taken from ``folder``.

    Raises:
        InvalidSettings: an unknown key, a value of the wrong kind, or values that contradict.
    """
    try:
        # YAML takes 2025-10-20 for a date; here dates are text.
        plain = msgspec.to_builtins(raw)
        settings = msgspec.convert(plain, BacktestSettings, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSettings(origin, str(error)) from error
    _require_possible(settings, origin)
    data = settings.data
    if data.path:
        data = msgspec.structs.replace(data, path=str((folder / data.path).resolve()))
    return msgspec.structs.replace(
        settings,
        data=data,
        strategies=tuple(
            msgspec.structs.replace(each, config=_located(each.config, folder))
            for each in settings.strategies
        ),
        risk=msgspec.structs.replace(settings.risk, config=_located(settings.risk.config, folder)),
    )


def _located(path: str, folder: Path) -> str:
    return str((folder / path).resolve()) if path else ""


def _require_possible(settings: BacktestSettings, origin: str) -> None:
    if not settings.strategies:
        raise InvalidSettings(origin, "strategies is empty: name at least one")
    if settings.cash <= 0:
        raise InvalidSettings(origin, f"cash is {settings.cash}: it must be positive won")
    if settings.warm_up < 0:
        raise InvalidSettings(origin, f"warm_up is {settings.warm_up}: it must not be negative")
    if settings.data.source is not Source.SYNTHETIC and not settings.data.path:
        raise InvalidSettings(origin, f"data.path is empty: {settings.data.source} need a folder")
    for way in LatencySettings.__struct_fields__:
        values: tuple[float, ...] = getattr(settings.latency, way)
        if not values or min(values) < 0 or list(values) != sorted(values):
            raise InvalidSettings(
                origin, f"latency.{way} is {values}: give milliseconds from the least to the most"
            )
