"""Many independent computations over the cores of this machine or the hosts of a cluster.

Results come in the order of their tasks, whatever order they were computed in. joblib spreads them:
processes of its own (loky) by default, workers of a Ray cluster on request. Each worker computes
one task at a time, so libraries in it get one thread: two cores then do two tasks.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import Any, Final, TypeVar

from research.backtest.errors import ClusterUnreachable

T = TypeVar("T")
R = TypeVar("R")

OnProgress = Callable[[int, int], None]
"""Told how many tasks are done and how many there are."""

LOCAL_CLUSTER: Final = "local"
"""Address for a Ray cluster that is started on this machine and ends with the computation."""

ONE_THREAD: Final[Mapping[str, str]] = {
    # joblib limits the libraries it knows; these are ours besides.
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
}


def spread(
    function: Callable[[T], R],
    tasks: Sequence[T],
    *,
    workers: int | None = None,
    cluster: str | None = None,
    on_progress: OnProgress = lambda done, total: None,
) -> list[R]:
    """Return what ``function`` makes of each task, in order.

    ``workers`` is how many compute at once: by default one a core, and with 1 everything happens in
    this process. ``cluster`` is the address of a Ray cluster (``auto`` for the one that this host
    belongs to) or ``LOCAL_CLUSTER``. Every host of a cluster needs this package and, as Ray asks
    for it by default, the same token in ``~/.ray/auth_token``.

    Raises:
        ClusterUnreachable: there is no such cluster, or it does not let us in.
    """
    import joblib

    if not tasks:
        return []
    if cluster is not None:
        with joined(cluster, workers), joblib.parallel_config(backend="ray"):
            return _parallel(function, tasks, -1 if workers is None else workers, on_progress)
    count = joblib.cpu_count() if workers is None else workers
    with _environment(ONE_THREAD), joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        return _parallel(function, tasks, min(count, len(tasks)), on_progress)


@contextmanager
def joined(cluster: str | None, workers: int | None) -> Iterator[None]:
    """Be part of a Ray cluster meanwhile: several computations then join (or start) it once.

    ``cluster`` and ``workers`` as for ``spread``; ``None`` is no cluster. A connection that is
    there already is used and left open.

    Raises:
        ClusterUnreachable: there is no such cluster, or it does not let us in.
    """
    if cluster is None:
        yield
        return
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ClusterUnreachable(cluster, f"{error}; install the extra `cluster`") from error
    register_ray()  # type: ignore[no-untyped-call]
    # Ray's threads say what they have to say on stdout, which is for results.
    with redirect_stdout(sys.stderr):
        if ray.is_initialized():
            yield
            return
        _start(cluster, workers)
        try:
            yield
        finally:
            ray.shutdown()


def _start(cluster: str, workers: int | None) -> None:
    import ray

    options: dict[str, Any] = {"runtime_env": {"env_vars": dict(ONE_THREAD)}}
    if cluster == LOCAL_CLUSTER:
        options |= {"num_cpus": workers, "include_dashboard": False}
    else:
        options["address"] = cluster
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # when a node does not start in time, Ray raises just that
        raise ClusterUnreachable(cluster, str(error)) from error


def _parallel(
    function: Callable[[T], R], tasks: Sequence[T], workers: int, on_progress: OnProgress
) -> list[R]:
    import joblib

    class Reporting(joblib.Parallel):  # type: ignore[misc]
        def print_progress(self) -> None:
            on_progress(self.n_completed_tasks, len(tasks))

    done: list[Any] = Reporting(n_jobs=workers)(joblib.delayed(function)(task) for task in tasks)
    return done


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started meanwhile see variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
