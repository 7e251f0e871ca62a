"""A whole day with the command that users run, and what it left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def kst(*arguments: str) -> tuple[int, Any]:
    """Run a command and return its exit status and its JSON object."""
    result = subprocess.run(
        [sys.executable, "-m", "deploy", *arguments, "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.returncode, json.loads(result.stdout)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_synthetic_day_trades_verifies_and_rebuilds(tmp_path: Path) -> None:
    """The three commands of the README, on one run: orders were made, and everything agrees."""
    run = str(tmp_path / "run")
    status, day = kst("demo", "--symbols", "12", "--speed", "400", "--data-dir", run)
    assert (status, day["problems"], day["errors"]) == (0, [], 0)
    assert day["intents"] == sum(day["decisions"].values()) > 0
    assert day["fills"] > 0
    assert day["exchange"]["orders"] == sum(
        count for state, count in day["orders"].items() if state not in {"held", "rejected"}
    )
    pnl = day["pnl"]
    assert pnl["net"] == pnl["gross"] - pnl["fees"] - pnl["tax"]

    status, verified = kst("verify", "--data-dir", run)
    assert (status, verified["divergences"], verified["first"]) == (0, 0, None)
    assert verified["rederived"] == verified["logged"] >= day["intents"]

    status, rebuilt = kst("rebuild", "--data-dir", run)
    assert (status, rebuilt["checksum"]) == (0, rebuilt["live_checksum"])
    assert rebuilt["rows"] > day["intents"]

    status, health = kst("status", "--data-dir", run)
    assert (status, health["running"], health["holdings"]) == (0, False, {})
