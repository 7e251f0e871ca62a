"""The model of the order protocol: it holds, and each known mistake breaks it."""

from __future__ import annotations

import pytest

from tests.model.checker import MISTAKES, Mistake, SpinMissing, check


@pytest.fixture(scope="module", autouse=True)
def _spin() -> None:
    try:
        check(("BUG_RETRY",), crashes=0, pauses=0)
    except SpinMissing as error:
        pytest.skip(str(error))


@pytest.mark.invariant(2)
def test_no_interleaving_of_two_routers_doubles_or_forgets_an_order() -> None:
    """Every state with one kill and one pause past the lease is visited; no assertion fails."""
    verdict = check(crashes=1, pauses=1)
    assert verdict.failed == ""
    assert verdict.states > 100_000


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.name for mistake in MISTAKES])
def test_a_known_mistake_put_back_is_found(mistake: Mistake) -> None:
    """The assertion that the mistake must break fails."""
    assert check(mistake.switches, crashes=2, pauses=2).failed == mistake.assertion
