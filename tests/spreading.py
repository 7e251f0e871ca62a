"""How ``just check`` spreads the suite over two processes, so that no core waits for the other.

Tests against the clock (kills, storms, days at speed, leases) form a row: one worker runs them one
after another, because two of them at a time would take each other's cores and miss their limits.
The row starts first. The other worker takes the remaining files, the long ones first so that both
end together. A file stays whole, since what its module set up serves all its tests, and the row is
the only one to start PostgreSQL: the package behind it makes its system user without asking whether
another process is about to.

Without ``-n`` nothing here has a say.
"""

from __future__ import annotations

from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

IN_A_ROW: Final = (
    "tests/deploy/test_services.py",
    "tests/deploy/test_supervisor.py",
    "tests/deploy/test_simulator_command.py",
    "tests/deploy/test_kis_check.py",
    "tests/deploy/test_recordings.py",
    "tests/projections/",
    "tests/bus/test_jetstream_faults.py",
    "tests/bus/test_lease.py",
    "tests/bus/test_time_source.py",
    "tests/bus/archive/test_a_recorded_day.py",
    "tests/kis_gateway/test_limiter_load.py",
    "tests/research/datasets/test_bridging.py",
    "tests/chaos/",
    "tests/deploy/test_operating.py",
)
"""Files and folders that measure time, or kill and start processes; in the order they run. The days
at speed come last: lint, which takes much of a core in the first minutes, is over by then."""

LONG: Final = (
    "tests/kis_gateway/test_order_protocol.py",
    "tests/kis_gateway/test_feed_records.py",
    "tests/strategies/test_kmp_executions.py",
    "tests/research/backtest/test_deliveries.py",
    "tests/model/",
    "tests/strategies/test_skipping_on_real_days.py",
    "tests/research/fidelity/",
)
"""Files that take a quarter of a minute or more: the last to begin would be waited for alone."""

TOGETHER: Final = (("tests/research/fidelity/", "tests/deploy/test_compare.py"),)
"""Places whose tests share something that is made once per process and takes long."""


class Spread(LoadScopeScheduling):  # type: ignore[misc]  # xdist comes without types
    """Gives out the row as one piece of work, and every other file as one."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        # More tests do not mean more minutes: the order stays that of ``in_order``.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(IN_A_ROW):
            return "the row"
        shared = (places[0] for places in TOGETHER if nodeid.startswith(places))
        return next(shared, nodeid.partition("::")[0])


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Return tests in the order in which they are given out: the row, the long files, the rest."""
    places = (*IN_A_ROW, *LONG)

    def rank(item: pytest.Item) -> int:
        found = (at for at, place in enumerate(places) if item.nodeid.startswith(place))
        return next(found, len(places))

    return sorted(items, key=rank)
