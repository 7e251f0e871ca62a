"""The configuration of a whole run: one file per service, read by the schema of its room.

The files of a run lie in its own directory with every default written out. What the deciders use is
not these files but the text that ``SessionOpened`` carries: changing a file while a run is going
changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from deploy.configuration import load, write
from deploy.data_directory import DataDirectory
from kis_gateway import GatewaySettings, StrategyUniverse
from kis_gateway.errors import SettingsError as GatewayRefusal
from risk import RiskSettings
from risk import load_settings as check_risk
from risk.errors import SettingsError as RiskRefusal
from strategies.errors import InvalidSettings
from strategies.kmp import KmpSettings
from strategies.kmp import load_settings as check_kmp


class Universe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What each strategy may trade on the day of the run."""

    strategies: tuple[StrategyUniverse, ...]


class RunConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of every service of a run. Nothing secret is among them."""

    kmp: KmpSettings
    oms: RiskSettings
    gateway: GatewaySettings

    def session_texts(self) -> dict[str, str]:
        """Return the settings as JSON text by service name, as ``SessionOpened`` carries them."""
        return {
            name: msgspec.json.encode(getattr(self, name), order="deterministic").decode()
            for name in self.__struct_fields__
        }


def read(folder: Path) -> RunConfiguration:
    """Return the configuration in a folder of YAML files.

    Raises:
        ConfigurationError: a file is missing or holds something its room refuses.
    """
    return RunConfiguration(
        kmp=load(folder / "kmp.yaml", KmpSettings, check=check_kmp, refusals=(InvalidSettings,)),
        oms=load(folder / "oms.yaml", RiskSettings, check=check_risk, refusals=(RiskRefusal,)),
        gateway=load(folder / "gateway.yaml", GatewaySettings, refusals=(GatewayRefusal,)),
    )


def read_universe(directory: DataDirectory) -> tuple[StrategyUniverse, ...]:
    """Return what each strategy of the run may trade.

    Raises:
        ConfigurationError: the file is missing or holds something else.
    """
    file = directory.configuration("universe")
    return load(file, Universe, refusals=(GatewayRefusal,)).strategies


def write_all(
    directory: DataDirectory,
    configuration: RunConfiguration,
    universes: Sequence[StrategyUniverse],
) -> None:
    """Write the configuration of a run into its directory, every default spelled out."""
    for name in configuration.__struct_fields__:
        write(directory.configuration(name), getattr(configuration, name))
    write(directory.configuration("universe"), Universe(strategies=tuple(universes)))
