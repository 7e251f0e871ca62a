"""What is varied, and how it is judged: the YAML file of a sweep or a walk-forward.

    backtest: kmp.yaml                       # or the settings themselves
    grid:                                    # every combination
      strategies.kmp.set.rvol.min: [1.5, 2.0]
    configurations:                          # and these besides
      - {cash: 50000000}
    objective: sharpe
    windows: {train: 60, test: 20}           # walk-forward only; lengths in sessions

Unknown keys are refused. Paths are relative to the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import yaml

from research.backtest.errors import InvalidSettings
from research.backtest.settings import BacktestSettings, load_settings, parse_settings
from research.backtest.windows import Spans


class PlanFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file as it stands; see the module's docstring."""

    backtest: str | dict[str, Any]
    grid: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    configurations: tuple[dict[str, Any], ...] = ()
    objective: str = "sharpe"
    windows: Spans | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is varied of which backtest; ``windows`` is ``None`` where the file has none."""

    settings: BacktestSettings
    grid: dict[str, list[Any]]
    configurations: tuple[dict[str, Any], ...]
    objective: str
    windows: Spans | None


def load_plan(path: Path) -> Plan:
    """Return the plan in a YAML file.

    Raises:
        InvalidSettings: the file, or that of the backtest, cannot be read or makes no sense.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidSettings(str(path), str(error.strerror or error)) from error
    except yaml.YAMLError as error:
        raise InvalidSettings(str(path), f"it is no YAML: {error}") from error
    try:
        plan = msgspec.convert(raw, PlanFile, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidSettings(str(path), str(error)) from error
    settings = (
        load_settings(path.parent / plan.backtest)
        if isinstance(plan.backtest, str)
        else parse_settings(plan.backtest, folder=path.parent, origin=str(path))
    )
    return Plan(
        settings=settings,
        grid=plan.grid,
        configurations=plan.configurations,
        objective=plan.objective,
        windows=plan.windows,
    )
