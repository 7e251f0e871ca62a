"""``kst kis check`` against a simulated broker: what a new user does first with their keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def broker() -> Iterator[dict[str, Any]]:
    """Return the ready line of ``kst simulator`` running as a process of its own."""
    command = [sys.executable, "-m", "deploy", "simulator", "--json", "--symbols", "4"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home whose token all checks share: the broker issues one a minute."""
    return tmp_path_factory.mktemp("home")


def check(broker: dict[str, Any], home: Path, **changed: str) -> tuple[int, dict[str, Any], str]:
    (account,) = broker["accounts"]
    environment = os.environ | {
        "HOME": str(home),
        "KST_KIS_APP_KEY": account["app_key"],
        "KST_KIS_APP_SECRET": account["app_secret"],
        "KST_KIS_ACCOUNT": account["account"],
        "KST_KIS_HTS_ID": account["hts_id"],
        **changed,
    }
    command = [sys.executable, "-m", "deploy", "kis", "check", "--json"]
    command += ["--rest-url", broker["rest"], "--ws-url", broker["ws"]]
    command += ["--symbol", "900010", "--seconds", "1"]
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    return result.returncode, json.loads(result.stdout), result.stderr


def test_keys_that_belong_together_are_proved(broker: dict[str, Any], home: Path) -> None:
    """Balance, price and subscription; the token file is its owner's alone; no secret is shown."""
    status, found, noise = check(broker, home)
    assert status == 0
    assert (found["environment"], found["cash"], found["subscribed"]) == (
        "paper",
        100_000_000,
        True,
    )
    assert found["price"] > 0
    tokens = [file for file in home.rglob("token-*") if file.suffix == ".json"]
    assert [file.stat().st_mode & 0o777 for file in tokens] == [0o600]
    (account,) = broker["accounts"]
    for secret in ("app_key", "app_secret", "account", "hts_id"):
        assert account[secret] not in noise + json.dumps(found)


def test_another_account_is_named_with_what_to_do(broker: dict[str, Any], home: Path) -> None:
    """The broker's code and the remedy, not a traceback."""
    status, found, noise = check(broker, home, KST_KIS_ACCOUNT="1234567801")
    assert status == 1
    assert found["error"]["kind"] == "AccountRefused"
    assert "KST_KIS_ACCOUNT" in found["error"]["what"]
    assert "Traceback" not in noise


def test_a_missing_variable_is_named(broker: dict[str, Any], home: Path) -> None:
    """Nothing is sent before the settings are complete."""
    status, found, _ = check(broker, home, KST_KIS_HTS_ID="")
    assert status == 1
    assert "KST_KIS_HTS_ID" in found["error"]["what"]
