"""Compiled coding of values: the number of cuts of their column that lie below them.

Codes are made for a block of rows at a time, so that they stay in the processor's
nearest caches, and only there. Rows go down the trees on them, in
:mod:`skfme._engine.trees.compiled.descent`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inner, kernel
from skfme._engine.trees.compiled.row_words import ROWS_BITS, WORD_ROWS

__all__ = [
    "COARSE",
    "CODE",
    "CODE_AT",
    "CODE_BITS",
    "GUARDS",
    "HIGH_AT",
    "Coding",
    "Entries",
    "code_block",
    "code_words",
    "one_column_each",
]

CODE_BITS = 21
_U = np.uint64
CODE, COARSE = _U(2**CODE_BITS - 1), _U(2 ** (CODE_BITS - 1) - 1)
# One word: the lowest code that effects give a row in a column, its own, and the highest,
# each below a guard bit, which a subtraction clears where a threshold is not below the
# code. The lowest and the highest have a bit less: of many cuts they are coarse.
CODE_AT, HIGH_AT = _U(CODE_BITS), _U(2 * CODE_BITS + 1)
GUARDS = _U(1 << 20 | 1 << 42 | 1 << 63)


class Coding(NamedTuple):
    """How the values of each column become codes.

    Attributes
    ----------
    feature : ndarray of shape (n_columns,), int64
        What the column looks at; the first column's is −1, as only leaves have it.
    cuts : ndarray of shape (n_cuts + 1,)
        Sorted thresholds, one column after the other, and one that no value passes.
    cut_first : ndarray of shape (n_columns + 1,), int64
        Where each column's cuts start.
    passed : ndarray of shape (n_cuts,)
        Where a value in double precision passes each cut.
    grid : ndarray, int32
        Cuts below each of some evenly spaced buckets, one column after the other:
        where to look for a code.
    grid_first : ndarray of shape (n_columns + 1,), int64
        Where each column's buckets start.
    low, scale : ndarray of shape (n_columns,)
        A value's bucket is (value − low) · scale.
    halvings : ndarray of shape (n_columns,), int64
        Of the cuts in a bucket, until one is found: of the fullest of a column.
    missing_code : ndarray of shape (n_columns,), int64
        Missing values lie above or below all cuts.
    coarse : int
        By how many bits the lowest and highest codes are cut short.
    single : bool
        Whether the model compares values in single precision.
    """

    feature: np.ndarray
    cuts: np.ndarray
    cut_first: np.ndarray
    passed: np.ndarray
    grid: np.ndarray
    grid_first: np.ndarray
    low: np.ndarray
    scale: np.ndarray
    halvings: np.ndarray
    missing_code: np.ndarray
    coarse: int
    single: bool


class Entries(NamedTuple):
    """Which columns the effects change, ordered by column.

    Attributes
    ----------
    first : ndarray of shape (n_columns + 1,), int64
        n_columns + the first entry of each column.
    effect : ndarray of shape (n_columns + n_entries,), int64
        The effect of each entry, after n_columns that mean nothing.
    column, row : ndarray of shape (n_entries,), int64
        The column of each entry, and where its values are.
    place : ndarray of shape (n_effects, n_columns), uint32
        Where an effect's code of a column is: the column itself, or n_columns + entry.
    """

    first: np.ndarray
    effect: np.ndarray
    column: np.ndarray
    row: np.ndarray
    place: np.ndarray


def one_column_each(entries: Entries) -> bool:
    """Whether no effect changes several columns."""
    effect = entries.effect[entries.place.shape[1] :]
    return len(np.unique(effect)) == len(effect)


@inner
def _code(coding, column, values, codes):
    """Code some values of one column."""
    first, cut = coding.grid_first[column], coding.cut_first[column]
    low, scale = coding.low[column], coding.scale[column]
    single, grid, cuts = coding.single, coding.grid, coding.cuts
    missing = coding.missing_code[column]
    most = coding.grid_first[column + 1] - first - 2.0
    for r in range(len(values)):
        x = values[r]
        if single:
            x = np.float64(np.float32(x))
        along = (x - low) * scale
        # Not so for NaN, where a difference of huge values overflows, or one is missing.
        along = along if along > 0 else 0.0
        bucket = first + np.int64(along if along < most else most)
        lowest, highest = np.int64(grid[bucket]), np.int64(grid[bucket + 1])
        for _ in range(coding.halvings[column]):
            middle = (lowest + highest) >> 1
            below = (lowest < highest) & (cuts[cut + middle] < x)
            lowest = middle + 1 if below else lowest
            highest = highest if below else middle
        codes[r] = missing if np.isnan(x) else lowest


@kernel
def code_words(coding, entries, base, ends, rows, codes):
    """Code a block of rows, 64 side by side, before any step and after every one.

    Parameters
    ----------
    coding, entries, base, ends
        As :func:`code_block` takes them.
    rows : tuple of (int, int)
        How many the block has, and where it starts among all rows.
    codes : ndarray of shape (n_words, n_columns + n_entries, 64), uint8 or uint16
        Set.
    """
    n_columns, (n_rows, start) = len(coding.feature), rows
    for k in range(1, codes.shape[1]):
        entry = k - n_columns
        c = k if entry < 0 else entries.column[entry]
        values = base[coding.feature[c]] if entry < 0 else ends[entries.row[entry]]
        for word in range(0, n_rows, WORD_ROWS):
            end = min(n_rows, word + WORD_ROWS)
            _code(
                coding,
                c,
                values[start + word : start + end],
                codes[word >> ROWS_BITS, k],
            )


@kernel
def code_block(coding, entries, base, ends, start, ranges, codes):
    """Code a block of rows, before any step and after every one.

    Parameters
    ----------
    coding : Coding
    entries : Entries
    base : ndarray of shape (n_features, n_all_rows)
        Values before any step.
    ends : ndarray of shape (n_ends, n_all_rows)
        Those after the steps, in the rows that :attr:`Entries.row` names.
    start : int
        Where the block starts among all rows.
    ranges : ndarray of shape (n_rows, n_columns), uint64
        Set to a row's code, and the lowest and highest that any effect gives it.
    codes : ndarray of shape (n_rows, n_columns + n_entries), uint32
        Set to a row's codes, and those that effects give it.
    """
    n_rows, n_columns = ranges.shape
    coarse = _U(coding.coarse)
    for r in range(n_rows):
        codes[r, 0], ranges[r, 0] = 0, GUARDS
    for k in range(1, n_columns + len(entries.column)):
        entry = k - n_columns
        c = k if entry < 0 else entries.column[entry]
        values = base[coding.feature[c]] if entry < 0 else ends[entries.row[entry]]
        _code(coding, c, values[start : start + n_rows], codes[:, k])
        for r in range(n_rows):
            code = _U(codes[r, k])
            low = code >> coarse
            high = low + coarse if low < COARSE else low
            if entry < 0:
                word = GUARDS | (code << CODE_AT)
            else:
                word = ranges[r, c]
                before, last = word & COARSE, (word >> HIGH_AT) & COARSE
                low, high = min(low, before), max(high, last)
                word = word & ~(COARSE | (COARSE << HIGH_AT))
            ranges[r, c] = word | low | (high << HIGH_AT)
