"""Fixtures every room shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.invariants import Recorder

settings.register_profile(
    "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")


@pytest.fixture(scope="session")
def krx_data() -> Path:
    """Return the folder of recorded KRX data: ``krx_minute/`` and ``krx_daily/``.

    Looked for at ``KST_TEST_DATA``, then beside the checkout. Under ``CI`` its absence fails.
    """
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KST_TEST_DATA", beside))
    if not (folder / "krx_minute").is_dir():
        message = f"no recorded KRX data at {folder}: set KST_TEST_DATA to its folder"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder


def pytest_configure(config: pytest.Config) -> None:
    """Keep how the tests of the invariants end."""
    config.pluginmanager.register(Recorder(config), "invariants")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a worker its tests in the order of the spreading; a single process keeps its own."""
    if hasattr(config, "workerinput"):
        from tests.spreading import in_order

        items[:] = in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread the tests over the workers, where there are any."""
    from tests.spreading import Spread

    return Spread(config, log)
