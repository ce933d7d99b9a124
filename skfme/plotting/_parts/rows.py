"""Very many rows in few numbers: which rows are drawn, and their sums in cells.

A cell is a bin, a hexagon or a category. Its total is Σ w over its rows, its sum Σ w·y.
Rows are read in blocks, which stay in the processor's cache. Nothing here draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skfme._summaries.weighting import Weighting

__all__ = ["cell_sums", "counts_between", "equal_bins", "rows_under"]

_BLOCK = 1 << 14  # rows


def rows_under(mask: np.ndarray) -> Any:
    """What takes the rows under a mask: a slice, which copies nothing, where all are."""
    return slice(None) if mask.all() else mask


def equal_bins(values: np.ndarray, low: float, high: float, n_bins: int) -> np.ndarray:
    """Number of each value's bin; values beyond an end are in the last bin there."""
    bins = ((values - low) * (n_bins / (high - low))).astype(np.intp)
    return np.clip(bins, 0, n_bins - 1, out=bins)


def cell_sums(
    cells: Callable[[slice], np.ndarray],
    n_cells: int,
    weights: Weighting,
    values: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Total weight of each cell, and the weighted sum of some values in it.

    Parameters
    ----------
    cells : callable
        Takes a block of rows, and returns the number of each row's cell.
    n_cells : int
    weights : Weighting
        Of all rows; without weights, totals are counts.
    values : ndarray of shape (n_rows,), default=None
        None leaves the sums at zero.

    Returns
    -------
    totals, sums : ndarray of shape (n_cells,)
    """
    totals, sums = np.zeros(n_cells), np.zeros(n_cells)
    for start in range(0, weights.n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        cell, weight = cells(rows), weights.take(rows)
        totals += np.bincount(cell, weight.array, n_cells)
        if values is not None:
            sums += np.bincount(cell, weight.times(values[rows]), n_cells)
    return totals, sums


def counts_between(
    values: np.ndarray, edges: np.ndarray, weights: Weighting
) -> np.ndarray:
    """Rows, or their weight, between equally spaced edges.

    Values beyond either end are counted in the last bin there.
    """
    low, high, n_bins = edges[0], edges[-1], len(edges) - 1
    counts, _ = cell_sums(
        lambda rows: equal_bins(values[rows], low, high, n_bins), n_bins, weights
    )
    return counts
