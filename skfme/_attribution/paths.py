"""Parts along the straight way from x to x + h, of any model.

    φ_j = h_j ∫ ∂f/∂x_j (x + t h) dt

The way is cut into K pieces, and each piece is split by two orders of the features, one
the reverse of the other: complete whatever K, with an error in even powers of 1/K, which
Romberg's scheme takes out until two of its estimates agree.
"""

from __future__ import annotations

import numpy as np

from skfme._attribution.questions import Parts
from skfme._engine.differences import PredictEngine
from skfme._engine.nonlinearity import StepPath
from skfme._engine.stepping import Stepped
from skfme._frames.tables import Table

__all__ = ["parts_along_path"]

_PIECES = (1, 2, 4, 8, 16, 32, 64)
_TOLERANCE = 1e-9  # of the largest change along the way


def parts_along_path(predict: PredictEngine, batch: Table, effect: Stepped) -> Parts:
    """Parts of a batch whose rows all count; only numbers are changed."""
    path = StepPath.of_effect(predict.response, batch, effect, predict.rows_per_call)
    (low, high), *_ = predict.predictions(batch, [effect])
    parts = np.empty((len(batch), len(path.ends), low.shape[1]))
    rest = np.arange(len(batch))
    scheme: list[np.ndarray] = []
    for n_pieces in _PIECES:
        if not len(rest):
            break
        pieces = _by_pieces(path, rest, n_pieces, low[rest], high[rest])
        last, scheme = scheme, _extrapolated(scheme, pieces)
        parts[rest] = pieces  # where it does not settle, as it is
        if not last:
            continue
        gap = np.abs(scheme[-1] - last[-1]).max(axis=(1, 2))
        settled = gap <= _TOLERANCE * np.abs(pieces).max(axis=(1, 2))
        settled &= len(last) > 1
        parts[rest[settled]] = scheme[-1][settled]
        rest, scheme = rest[~settled], [level[~settled] for level in scheme]
    how = "by extrapolated pieces"
    return Parts(parts, high - low, "predict", how, n_not_converged=len(rest))


def _extrapolated(last: list[np.ndarray], pieces: np.ndarray) -> list[np.ndarray]:
    """The next row of Romberg's scheme."""
    row = [pieces]
    for k, coarser in enumerate(last, start=1):
        row.append(row[-1] + (row[-1] - coarser) / (4**k - 1))
    return row


def _by_pieces(
    path: StepPath, rows: np.ndarray, n_pieces: int, low: np.ndarray, high: np.ndarray
) -> np.ndarray:
    """Parts of some rows, piece by piece."""
    positions = list(path.ends)
    parts = np.zeros((len(rows), len(positions), low.shape[1]))
    start = low
    for piece in range(n_pieces):
        ends = piece / n_pieces, (piece + 1) / n_pieces
        is_last = piece == n_pieces - 1
        stop = (
            high
            if is_last
            else _predicted(path, rows, dict.fromkeys(positions, ends[1]))
        )
        for order in (positions, positions[::-1]):
            shares, before = dict.fromkeys(positions, ends[0]), start
            for position in order:
                shares[position] = ends[1]
                moved_all = position == order[-1]
                after = stop if moved_all else _predicted(path, rows, shares)
                parts[:, positions.index(position)] += (after - before) / 2
                before = after
        start = stop
    return parts


def _predicted(
    path: StepPath, rows: np.ndarray, shares: dict[int, float]
) -> np.ndarray:
    """Predictions in the batches that the model is asked in."""
    values = [
        path.response(path.at_shares(rows[start : start + path.rows_per_call], shares))
        for start in range(0, len(rows), path.rows_per_call)
    ]
    return np.concatenate(values)
