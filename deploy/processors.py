"""The pure deciders that can run: the risk gate, the guard and the strategies, by service name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from bus import ProcessorFactory
from deploy.errors import UnknownStrategy

GATE: Final = "risk"
GUARD: Final = "guard"


def _kmp() -> ProcessorFactory:
    from strategies.kmp import kmp_from_session

    return kmp_from_session


def _gate() -> ProcessorFactory:
    from risk import gate_from_session

    return gate_from_session


def _guard() -> ProcessorFactory:
    from risk.guard import guard_from_session

    return guard_from_session


_STRATEGIES: Final[dict[str, Callable[[], ProcessorFactory]]] = {"kmp": _kmp}

STRATEGIES: Final = tuple(sorted(_STRATEGIES))
"""Names of the strategies that can be asked for."""


def require_known(strategies: Sequence[str]) -> None:
    """Check the names of strategies.

    Raises:
        UnknownStrategy: one of them does not exist.
    """
    for name in strategies:
        if name not in _STRATEGIES:
            raise UnknownStrategy(name, STRATEGIES)


def factory(service: str) -> ProcessorFactory:
    """Return what builds the processor of a service from the opening books.

    Raises:
        UnknownStrategy: there is no such processor.
    """
    if service == GATE:
        return _gate()
    if service == GUARD:
        return _guard()
    require_known((service,))
    return _STRATEGIES[service]()


def factories(strategies: Sequence[str]) -> dict[str, ProcessorFactory]:
    """Return the processors of a run by service name: its strategies, the guard and the gate."""
    return {name: factory(name) for name in (*strategies, GUARD, GATE)}
