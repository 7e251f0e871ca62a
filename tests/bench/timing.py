"""Percentiles and rates of what was timed, the same in every bench."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import TypeVar

Item = TypeVar("Item")


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least ``percent`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(percent * 100) // 10_000) - 1)]


def microseconds(items: Iterable[Item], work: Callable[[Item], object]) -> list[float]:
    """Do ``work`` on every item in order; return microseconds of each, the clock's own taken off.

    What a generator does between two items is not timed.
    Garbage collection falls on whatever call it meets, as it does in a service.
    """
    readings = [(time.perf_counter_ns(), time.perf_counter_ns()) for _ in range(10_001)]
    reading = median(after - before for before, after in readings)
    spent = []
    for item in items:
        begun = time.perf_counter_ns()
        work(item)
        ended = time.perf_counter_ns()
        spent.append((ended - begun - reading) / 1_000)
    return spent


def per_second(count: int, work: Callable[[], object]) -> float:
    """Return how many of ``count`` items one call of ``work`` does in a second."""
    begun = time.perf_counter()
    work()
    return count / (time.perf_counter() - begun)
