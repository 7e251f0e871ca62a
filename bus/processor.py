"""A processor: ``handle(delivery) -> events``, the same object live, in replay and in backtest.

A processor is pure. It never sees a clock, a network or a random number; what it needs is in the
entries it is handed, in log order. Running it again over the same entries gives the same outputs,
byte for byte, and the runner relies on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from events import Delivery, Event


class Processor(Protocol):
    """A pure decider."""

    @property
    def name(self) -> str:
        """Return the service name: letters, digits, ``-`` and ``_``."""
        ...

    @property
    def inputs(self) -> Sequence[str]:
        """Return the topics it must see, wildcards allowed, in log order."""
        ...

    @property
    def outputs(self) -> Sequence[str]:
        """Return the topics, wildcards allowed, on which its outputs stand."""
        ...

    def owns(self, event: Event) -> bool:
        """Return whether a logged event on one of its output topics is an output of its own."""
        ...

    def handle(self, delivery: Delivery) -> Sequence[Event]:
        """Evolve by one entry and return what follows from it, with ``cause`` its sequence.

        An entry that is not an input of its kind is ignored, never an error. The processor's own
        outputs are not handed to it unless their topic is also among its inputs.
        """
        ...
