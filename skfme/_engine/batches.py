"""Memory-bounded batches of rows, run in order or through joblib.

A batch is as many rows as scikit-learn's ``working_memory`` lets its temporary
copies take; joblib's backends decide where batches run. What is computed of a batch is
passed in.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import parent_process
from typing import Any

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from skfme._engine.sharing import Shared, call_shared
from skfme._frames.tables import Table

__all__ = ["Schedule", "in_order", "plan_rows", "run_batches", "with_progress"]

# Copies of a batch that are alive at once: the batch, its stepped version, the
# array that a model's own validation makes of a dataframe, and the predictions.
_COPIES = 4

# More rows win nothing on most models (benchmarks/overhead.py), and a network's
# activations leave the processor's cache. A forest visits its trees one by one: a call
# costs it as much as some 3,000 rows, whatever their number.
_MOST_ROWS = 32768
_MOST_ROWS_AT_ONCE = 8 * _MOST_ROWS

# Batches per worker in one list, so that few workers wait for the last one.
_LISTED = 4


@dataclass(frozen=True)
class Schedule:
    """How batches are run, as the user set it on :class:`skfme.FMEExplainer`."""

    batch_size: int | str
    n_jobs: int | None
    verbose: int
    here: bool = False  # whether no backend is asked

    def of_engine(self, name: str) -> Schedule:
        """The schedule for an engine, which may gain nothing from a cluster.

        Trees are walked faster than a batch of rows travels to another machine.
        """
        backend, _ = get_active_backend()
        away = type(backend).__name__ in _CLUSTERS
        if name != "trees" or self.n_jobs is not None or not away:
            return self
        warnings.warn(
            "The tree engine walks rows faster than joblib's cluster backends send them, "
            "so that it stays in this process. n_jobs=… on the explainer insists; "
            "explain_batches takes a table that lives on the cluster.",
            UserWarning,
            stacklevel=2,
        )
        return replace(self, here=True)


# joblib's backends that send rows to other machines.
_CLUSTERS = ("DaskDistributedBackend", "RayBackend", "SparkDistributedBackend")


def plan_rows(
    n_rows: int,
    row_bytes: int,
    batch_size: int | str,
    n_jobs: int | None,
    *,
    large: bool = False,
) -> int:
    """Rows per predict call.

    Parameters
    ----------
    n_rows : int
        Rows of the table.
    row_bytes : int
        Bytes of one row of the table and of its predictions.
    batch_size : int or "auto"
        "auto" lets a batch and its copies fill ``working_memory``, up to 32,768 rows.
    n_jobs : int or None
        Each job gets a batch.
    large : bool
        Whether a call costs much whatever its rows, as of a model that visits many trees
        one by one, or of a formula; up to 262,144 rows then.
    """
    if batch_size != "auto":
        return max(1, int(batch_size))
    budget = get_config()["working_memory"] * 2**20
    rows = int(budget // (_COPIES * max(row_bytes, 1)))
    rows = min(max(rows, 1), _MOST_ROWS_AT_ONCE if large else _MOST_ROWS)
    jobs = effective_n_jobs(n_jobs)
    if jobs == 1:
        return rows
    # As many batches as keep every job busy to the end.
    rounds = -(-n_rows // (rows * jobs))
    return max(1, -(-n_rows // (rounds * jobs)))


def run_batches(
    function: Callable[[Table, slice], Any],
    table: Table,
    rows_per_batch: int,
    schedule: Schedule,
) -> Iterator[tuple[slice, Any]]:
    """Yield each batch's slice with the function's result for it, in order."""
    slices = list(gen_batches(len(table), rows_per_batch))
    results: Iterator[Any]
    if schedule.here:
        results = (function(table.take(rows), rows) for rows in slices)
    else:
        shared = Shared(function)
        results = in_order(
            (delayed(call_shared)(shared, table.take(rows), rows) for rows in slices),
            schedule.n_jobs,
            prefer="threads",
        )
    if schedule.verbose:
        results = with_progress(results, len(slices), "effects", "batch")
    yield from zip(slices, results, strict=True)


def in_order(
    calls: Iterable[Any], n_jobs: int | None, *, prefer: str | None = None
) -> Iterator[Any]:
    """Results of delayed calls in their order, at hand as soon as the backend allows."""
    try:
        parallel = Parallel(n_jobs=n_jobs, prefer=prefer, return_as="generator")
    except ValueError:  # multiprocessing, Ray and Spark return lists alone
        return _in_lists(iter(calls), n_jobs, prefer)
    return iter(parallel(calls))


def _in_lists(
    calls: Iterator[Any], n_jobs: int | None, prefer: str | None
) -> Iterator[Any]:
    with Parallel(n_jobs=n_jobs, prefer=prefer) as parallel:
        jobs = effective_n_jobs(n_jobs)
        n_threads = max(1, cpu_count() // jobs)
        while listed := list(islice(calls, _LISTED * jobs)):
            yield from parallel(
                (delayed(_limited)(n_threads, call) for call in listed)
                if jobs > 1
                else listed
            )


def _limited(n_threads: int, call: tuple[Callable, tuple, dict]) -> Any:
    """Make a delayed call, with its share of the cores where it is a process of a pool."""
    delayed_function, args, options = call
    # Its wrapper of scikit-learn's is around this function now.
    function = getattr(delayed_function, "function", delayed_function)
    if parent_process() is None:
        return function(*args, **options)
    # Ctrl-C reaches the parent, which ends its workers: one that it reached as well could
    # be ended while it holds a lock that the parent waits for.
    with suppress(ValueError):  # in a thread, which gets no signals
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with threadpool_limits(n_threads):
        return function(*args, **options)


def with_progress(
    results: Iterator[Any], total: int | None, what: str, unit: str
) -> Iterator[Any]:
    """The same results, with a bar of tqdm where it is installed, else lines."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _with_lines(results, total, what, unit)
    return iter(tqdm(results, total=total, desc=what, unit=unit))


def _with_lines(
    results: Iterator[Any], total: int | None, what: str, unit: str
) -> Iterator[Any]:
    of = "" if total is None else f" of {total}"
    for done, result in enumerate(results, start=1):
        print(f"{what}: {unit} {done}{of}", file=sys.stderr)
        yield result
