"""Prints the reference of the risk gate with the shipped limits.

    python -m deploy.risk_reference > docs/risk.md

The gate's room writes the text and reads no file; this does.
"""

from __future__ import annotations

import sys

from deploy.configuration import SHIPPED, load
from risk import RiskSettings, SettingsError, load_settings, reference


def text() -> str:
    """Return the reference as it belongs into ``docs/risk.md``.

    Raises:
        ConfigurationError: the shipped limits cannot be put in force.
    """
    file = SHIPPED / "oms.yaml"
    return reference(load(file, RiskSettings, check=load_settings, refusals=(SettingsError,)))


if __name__ == "__main__":
    sys.stdout.write(text())
