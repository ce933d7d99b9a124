"""Compiled response curves: the margins of rows at every value of one feature, in one pass.

With the feature free, a leaf is reached for one range of pieces, which lie between the
feature's cuts, by the rows that meet the other conditions of its path. So a curve is a sum
over leaves,

    Σ_i w_i f(x_i with x_ij := v) = Σ over leaves: value · 1{v in its range} · Σ w_i there

Rows go down a tree together: a split of the free feature sends all of them both ways, any
other split parts them. Each leaf adds where its range starts, and takes away behind its
end. These sums are compensated (Neumaier, 1974), so that many terms keep the precision of
one. No table, model or link is known here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.descent import (
    CHILD,
    branches,
    column_of,
    goes_right,
    is_inner,
    threshold_of,
)

__all__ = ["CurveRows", "CurveScratch", "add_curves", "scratch_for", "summed_up"]

_U = np.uint64


class CurveRows(NamedTuple):
    """Some rows, and the curve that each is part of.

    Attributes
    ----------
    codes : ndarray of shape (n_columns, n_rows), uint32
    weight : ndarray of shape (n_rows,)
        Positive.
    curve : ndarray of shape (n_rows,), int64
    free : ndarray of shape (n_columns,), bool
        The columns that look at the free feature.
    """

    codes: np.ndarray
    weight: np.ndarray
    curve: np.ndarray
    free: np.ndarray


class CurveScratch(NamedTuple):
    """What a walk writes to; made by :func:`scratch_for`.

    Attributes
    ----------
    row, passed : ndarray of shape (n_rows,), uint32
        The rows, those of a node side by side; and those that go right at it.
    stack : ndarray of shape (depth + 2, 5), int64
        A node, its first row and that behind its last, its first and last piece.
    total : ndarray of shape (n_curves,)
        Zero between leaves.
    """

    row: np.ndarray
    passed: np.ndarray
    stack: np.ndarray
    total: np.ndarray


def scratch_for(n_rows: int, n_curves: int, deepest: int) -> CurveScratch:
    """For so many rows and curves, and trees of at most that depth."""
    return CurveScratch(
        row=np.empty(n_rows, np.uint32),
        passed=np.empty(n_rows, np.uint32),
        stack=np.empty((deepest + 2, 5), np.int64),
        total=np.zeros(n_curves),
    )


@inlined
def _add(sums, place, value):
    """Add to a sum, and what is lost of it to its compensation."""
    before = sums[place, 0]
    after = before + value
    part = after - before
    sums[place, 0] = after
    sums[place, 1] += (before - (after - part)) + (value - part)


@inlined
def _part(column, test, categories, codes, scratch, first, end):
    """Put a node's rows that go left before those that go right; where these start."""
    row, passed = scratch.row, scratch.passed
    n_left, n_right = _U(first), _U(0)
    for k in range(first, end):
        r = row[_U(k)]
        right = _U(goes_right(_U(codes[_U(r)]), column, test, categories))
        row[n_left] = r
        passed[n_right] = r
        n_left += _U(1) - right
        n_right += right
    middle = np.int64(n_left)
    for k in range(end - middle):
        row[middle + k] = passed[k]
    return middle


@inlined
def _add_leaf(tree, node, rows, scratch, segment, changes):
    """Add a leaf to the curves of the rows that reach it."""
    first, end, low, high = segment
    total = scratch.total
    for k in range(first, end):
        r = _U(scratch.row[_U(k)])
        total[rows.curve[r]] += rows.weight[r]
    for k in range(first, end):
        curve = rows.curve[_U(scratch.row[_U(k)])]
        weight = total[curve]
        if weight == 0:
            continue
        total[curve] = 0
        for j in range(tree.leaves.shape[1]):
            value = weight * tree.leaves[node, j]
            _add(changes[curve, tree.output + j], low, value)
            _add(changes[curve, tree.output + j], high + 1, -value)


@kernel
def add_curves(forest, categories, rows, scratch, changes):
    """Add the leaves that rows reach to the changes of their curves from piece to piece.

    Parameters
    ----------
    forest : Forest
    categories : Categories or None
    rows : CurveRows
    scratch : CurveScratch
    changes : ndarray of shape (n_curves, n_outputs, n_pieces + 1, 2)
        Sums and their compensations, added to.
    """
    stack = scratch.stack
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        for r in range(len(rows.weight)):
            scratch.row[r] = r
        stack[0, 0], stack[0, 1], stack[0, 2] = 0, 0, len(rows.weight)
        stack[0, 3], stack[0, 4] = 0, changes.shape[2] - 2
        n_waiting = 1
        while n_waiting > 0:
            n_waiting -= 1
            node, first, end, low, high = stack[n_waiting]
            link = tree.links[_U(node)]
            while is_inner(link, _U(node)):
                column, test = column_of(link), tree.tests[_U(node)]
                cut, left = np.int64(threshold_of(test)), np.int64(link & CHILD)
                middle, split = end, high
                if rows.free[column]:
                    node = left if low <= cut else left + 1
                    split = min(high, cut) if low <= cut else high
                    if low <= cut < high:
                        stack[n_waiting, 0] = left + 1
                        stack[n_waiting, 1], stack[n_waiting, 2] = first, end
                        stack[n_waiting, 3], stack[n_waiting, 4] = cut + 1, high
                        n_waiting += 1
                else:
                    codes = rows.codes[column]
                    middle = _part(column, test, categories, codes, scratch, first, end)
                    node = left if middle > first else left + 1
                    if first < middle < end:
                        stack[n_waiting, 0] = left + 1
                        stack[n_waiting, 1], stack[n_waiting, 2] = middle, end
                        stack[n_waiting, 3], stack[n_waiting, 4] = low, high
                        n_waiting += 1
                    middle = middle if middle > first else end
                end, high = middle, split
                link = tree.links[_U(node)]
            _add_leaf(tree, node, rows, scratch, (first, end, low, high), changes)


@kernel
def summed_up(changes, curves):
    """Curves from their changes.

    Parameters
    ----------
    changes : ndarray of shape (n_curves, n_outputs, n_pieces + 1, 2)
        Overwritten.
    curves : ndarray of shape (n_curves, n_outputs, n_pieces)
        Set.
    """
    n_curves, n_outputs, n_pieces = curves.shape
    for c in range(n_curves):
        for o in range(n_outputs):
            total = changes[c, o]
            for k in range(n_pieces):
                if k > 0:
                    value, lost = total[k, 0], total[k, 1]
                    _add(total, 0, value)
                    total[0, 1] += lost
                curves[c, o, k] = total[0, 0] + total[0, 1]
