"""Work on the partitions of a cluster's table, where they live.

A partition's summaries come back as bytes, merged a few at a time on the workers; an
error comes back in their place, so that it is the user's to read and no engine tries
again what cannot succeed. The work itself is a shared function, which a worker unpickles
once (:mod:`skfme._engine.sharing`).
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, Self, TypeVar

from skfme._engine.sharing import Shared, call_shared
from skfme._streaming.sources.local import Batches, LazyTable

__all__ = [
    "AT_ONCE",
    "PARTS",
    "Partitions",
    "merged",
    "naming_engine",
    "read_parts",
    "summarized",
    "total_over",
]

AT_ONCE = 16  # parts that are merged at once
PARTS = "part"  # the column that carries them


class Partitions(Protocol):
    """A cluster's table.

    Attributes
    ----------
    names : tuple of str
        Of the columns.
    """

    names: tuple[str, ...]

    def parts(self, work: Shared, columns: Sequence[str] | None) -> Iterator[bytes]:
        """What `summarized` returns for the partitions, merged or not."""

    def mapped(self, work: Shared, names: Sequence[str], texts: Sequence[str]) -> Any:
        """The engine's own lazy table with further columns of numbers and of texts."""


class Mergeable(Protocol):
    """A total that others are added to."""

    def merge(self, other: Any) -> Self: ...


AnyTotal = TypeVar("AnyTotal", bound=Mergeable)


class Work(Protocol):
    """What is done with tables that come one after another; its totals merge."""

    def __call__(self, tables: Iterable[Any]) -> Any: ...

    def on_a_worker(self) -> Callable[..., Any]:
        """The same for one of many processes."""


class Failure:
    """An error on a worker, on its way to the user."""

    def __init__(self, error: Exception) -> None:
        # Where in the caller's model it arose is at the end.
        self._text = "".join(traceback.format_tb(error.__traceback__)[-2:])
        try:
            self._pickled = pickle.dumps(error)
            pickle.loads(self._pickled)
        except Exception:  # a class that this process alone knows, or none that returns
            said = f"{type(error).__name__}: {error}"
            self._pickled = pickle.dumps(RuntimeError(said))

    def error(self) -> Exception:
        """The error itself, with what was called on the worker as a note."""
        error: Exception = pickle.loads(self._pickled)
        error.add_note(f"on a worker, at:\n{self._text}")
        return error


def summarized(work: Shared, tables: Iterable[Any], within: str) -> bytes | None:
    """One partition's summaries as bytes; None where it has no rows."""
    try:
        summaries = call_shared(work, tables, within)
    except Exception as error:
        return pickle.dumps(Failure(error))
    return pickle.dumps(summaries) if summaries.n_rows else None


def merged(parts: Iterable[bytes | None]) -> bytes | None:
    """Several partitions' summaries as one, or the first failure among them."""
    total: Any = None
    for part in parts:
        if part is None:
            continue
        summaries = pickle.loads(part)
        if isinstance(summaries, Failure):
            return part
        total = summaries if total is None else total.merge(summaries)
    return None if total is None else pickle.dumps(total)


def read_parts(parts: Iterable[bytes | None]) -> Iterator[Any]:
    """The partitions' summaries.

    Raises
    ------
    Exception
        What a partition raised.
    """
    for part in parts:
        if part is None:
            continue
        summaries = pickle.loads(part)
        if isinstance(summaries, Failure):
            raise summaries.error()
        yield summaries


def total_over(
    source: Batches | LazyTable | Partitions,
    columns: Sequence[str] | None,
    work: Work,
    empty: AnyTotal,
) -> AnyTotal:
    """What work makes of a source's tables, here or merged from the workers.

    Parameters
    ----------
    source : Batches, LazyTable or Partitions
    columns : list of str or None
        Those to be read; None is all.
    work : Work
    empty : total
        What a cluster's parts are merged into.
    """
    total = empty
    if isinstance(source, Batches | LazyTable):
        total = work(source.read(columns))
    else:
        for part in read_parts(source.parts(Shared(work.on_a_worker()), columns)):
            total = total.merge(part)
    return total


@contextmanager
def naming_engine(engine: str, advice: str) -> Iterator[None]:
    """An engine's own failure in words: nothing was summarized, and what helps."""
    try:
        yield
    except Exception as error:
        said = " ".join(str(error).split())[:300]
        raise RuntimeError(
            f"{engine} did not finish, so that nothing is summarized: "
            f"{type(error).__name__}: {said}. If a worker died, it mostly ran out of "
            f"memory: {advice}"
        ) from error
