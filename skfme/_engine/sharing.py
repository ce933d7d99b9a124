"""A function that processes share: pickled once, and unpickled once in each of them.

A model may take long to pickle, and a batch of rows does not. Threads share memory
and call the function itself; what other backends of joblib, and clusters' engines, send
with every batch is bytes that are made once, which loky maps into its workers' memory
and dask.distributed scatters. Equal bytes are one function: what a process has read of
a model serves the next call too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np
from joblib import parallel_config

try:
    import cloudpickle
except ImportError:  # joblib brings its own before 1.6
    from joblib.externals import cloudpickle

__all__ = ["Shared", "call_shared"]

# Only the latest one is kept: a worker process outlives the call that it serves.
_unpickled: dict[str, Shared] = {}
_lock = Lock()


class Shared:
    """A function to be called in several processes.

    Parameters
    ----------
    function : callable
        Anything that cloudpickle pickles.

    Attributes
    ----------
    away : bool
        Whether it came here from another process.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.away = False  # whether this process has unpickled it
        self._packed: np.ndarray | None = None
        self._n_bytes: int | None = None
        self._token: str | None = None

    def packed(self) -> np.ndarray:
        """The function as bytes, in an array, which joblib and dask share."""
        with _lock:
            if self._packed is None:
                pickled = cloudpickle.dumps(self.function)
                self._packed = np.frombuffer(pickled, dtype=np.uint8)
                self._n_bytes = len(pickled)
            return self._packed

    def token(self) -> str:
        """What tells functions apart: the digest of their bytes."""
        packed = self.packed()
        if self._token is None:
            self._token = hashlib.sha256(packed.data).hexdigest()
        return self._token

    def __reduce__(self) -> tuple[Callable[..., Shared], tuple[str, np.ndarray]]:
        return _unpack, (self.token(), self.packed())

    def __dask_tokenize__(self) -> str:
        # Else dask pickles, and unpickles, what it makes a name for.
        return self.token()

    def __sizeof__(self) -> int:
        # joblib's dask backend calls this, and scatters what is large; so do dask's workers.
        n_bytes = self.packed().nbytes if self._n_bytes is None else self._n_bytes
        return object.__sizeof__(self) + n_bytes


def _unpack(token: str, packed: np.ndarray) -> Shared:
    with _lock:
        if token not in _unpickled:
            shared = Shared(cloudpickle.loads(packed.data))
            shared._token, shared._n_bytes = token, packed.nbytes
            shared.away = True
            _unpickled.clear()
            _unpickled[token] = shared
        return _unpickled[token]


def call_shared(shared: Shared, *args: Any) -> Any:
    """Call the function; a module's own function, so that any backend finds it.

    Where the model itself calls joblib, it does so in the process it is in: a worker
    of dask would else hand every column of a ColumnTransformer to the cluster.
    """
    if not shared.away:
        return shared.function(*args)
    with parallel_config("threading", n_jobs=1):
        return shared.function(*args)
