"""Variations of a backtest: settings that differ from given ones in named places.

A place is a dotted key as in the YAML file: ``cash``, ``data.symbols``, ``latency.order``. A
strategy is named by its name, ``strategies.kmp.set.rvol.min``; what follows ``set`` or ``orders``
is one key of the file that it overrides. A key that does not exist is refused, as in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final

import msgspec

from research.backtest.errors import InvalidSettings
from research.backtest.settings import BacktestSettings, parse_settings

Overrides = dict[str, Any]
"""Dotted key → value."""

_FREE: Final = frozenset({"set", "orders"})
"""Parts whose keys are those of another file."""


def grid(axes: Mapping[str, Any]) -> list[Overrides]:
    """Return every combination of the axes' values; the last axis changes fastest.

    Raises:
        InvalidSettings: an axis has no values.
    """
    for key, values in axes.items():
        if not isinstance(values, list | tuple) or not values:
            raise InvalidSettings("grid", f"{key} is {values!r}: give a list of values")
    return [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]


def with_overrides(settings: BacktestSettings, overrides: Mapping[str, Any]) -> BacktestSettings:
    """Return the settings with some of them replaced.

    Raises:
        InvalidSettings: there is no such key, or a value that cannot be.
    """
    raw: dict[str, Any] = msgspec.to_builtins(settings)
    for key, value in overrides.items():
        _put(raw, key.split("."), value, key)
    origin = ", ".join(f"{key}={value}" for key, value in overrides.items())
    return parse_settings(raw, folder=Path(), origin=origin or "settings")


def _put(node: dict[str, Any], parts: Sequence[str], value: object, key: str) -> None:
    name, rest = parts[0], parts[1:]
    if name not in node:
        raise InvalidSettings(key, f"there is no {name!r}; there are {', '.join(sorted(node))}")
    if not rest:
        node[name] = value
    elif name in _FREE:
        node[name] = {**node[name], ".".join(rest): value}
    elif name == "latency" and len(rest) == 1 and not isinstance(value, Sequence):
        _put(node[name], rest, [value], key)  # one figure is a constant
    elif name == "strategies":
        _put(_strategy(node[name], rest[0], key), _required(rest[1:], key), value, key)
    elif isinstance(node[name], dict):
        _put(node[name], rest, value, key)
    else:
        raise InvalidSettings(key, f"{name!r} has no parts")


def _strategy(entries: Iterable[dict[str, Any]], name: str, key: str) -> dict[str, Any]:
    entries = list(entries)
    for entry in entries:
        if entry["name"].lower() == name.lower():
            return entry
    known = ", ".join(entry["name"] for entry in entries)
    raise InvalidSettings(key, f"no strategy of the backtest is called {name!r}; there are {known}")


def _required(parts: Sequence[str], key: str) -> Sequence[str]:
    if not parts:
        raise InvalidSettings(key, "it names a strategy; name one of its settings: .set.<key>")
    return parts
