"""Sums over rows of effects and of their gradients, batch by batch.

For each effect and group: Σ ω, Σ ω [μ(x⁺) − μ(x)] and Σ ω [∂μ(x⁺)/∂θ − ∂μ(x)/∂θ], and
where the choice of rows is to be covered the second moments of the effects. Nothing of
the size of the rows is kept beyond a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.batches import plan_rows
from skfme._engine.stepping import STATUSES, Stepped, selected, step_rows
from skfme._frames.columns import ColumnData
from skfme._frames.tables import Table
from skfme.extrapolation import Support
from skfme.statsmodels._models.designs import compare_designs, probe_rows
from skfme.statsmodels._models.fitted import FittedModel
from skfme.statsmodels._models.gradients import Index, MeanFunction, Point, group_sums
from skfme.statsmodels._models.offsets import Offset, missing_offset
from skfme.steps._changes import BoundChange, NamedStep

__all__ = ["Rows", "Sums", "sums_of_effects"]


@dataclass(frozen=True)
class Rows:
    """The rows to average over.

    Attributes
    ----------
    table : Table of n rows
        The columns that the model reads.
    weights : ndarray of shape (n,)
    codes : ndarray of shape (n,), int
        Each row's group.
    n_groups : int
    offset : Offset or None
    """

    table: Table
    weights: np.ndarray
    codes: np.ndarray
    n_groups: int
    offset: Offset | None


class Sums:
    """Sums of each effect and group.

    Attributes
    ----------
    n : ndarray of shape (n_effects, n_groups), int
        Rows that count.
    weight : ndarray of shape (n_effects, n_groups)
    total : ndarray of shape (n_effects, n_groups, n_outputs)
        Σ ω [μ(x⁺) − μ(x)].
    gradient : ndarray of shape (n_effects, n_groups, n_outputs, p)
        Its derivative in the parameters.
    rows : ndarray of shape (n_effects, n_groups, n_statuses), int
        Rows by status.
    moments : Moments or None
        Where the choice of rows is to be covered.
    """

    def __init__(self, n_effects: int, n_groups: int, n_outputs: int, p: int) -> None:
        self.n = np.zeros((n_effects, n_groups), dtype=int)
        self.weight = np.zeros((n_effects, n_groups))
        self.total = np.zeros((n_effects, n_groups, n_outputs))
        self.gradient = np.zeros((n_effects, n_groups, n_outputs, p))
        self.rows = np.zeros((n_effects, n_groups, len(STATUSES)), dtype=int)
        self.moments: Moments | None = None


class Moments:
    """Second moments of weighted effects within groups, about a shift.

    With z the effects of a row in one vector, and m whether each counts, they are
    Σ ω² (z − s)(z − s)ᵀ, Σ ω² (z − s) mᵀ and Σ ω² m mᵀ. The shift s, a first guess of
    the means, spares the difference of large numbers.
    """

    def __init__(self, n_groups: int, n_estimates: int) -> None:
        shape = (n_groups, n_estimates, n_estimates)
        self._squares, self._sums = np.zeros(shape), np.zeros(shape)
        self._counts = np.zeros(shape)
        self._shift: np.ndarray | None = None

    def add(
        self,
        effects: Sequence[tuple[np.ndarray, np.ndarray]],
        weights: np.ndarray,
        codes: np.ndarray,
    ) -> None:
        """Add rows: for each step its effects, and which rows they are of."""
        width = sum(fme.shape[1] for fme, _ in effects)
        filled, counts = np.zeros((2, len(codes), width))
        start = 0
        for fme, rows in effects:
            stop = start + fme.shape[1]
            filled[rows, start:stop], counts[rows, start:stop] = fme, 1.0
            start = stop
        if self._shift is None:
            self._shift = filled.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        counting = weights[:, None] * counts
        deviations = counting * (filled - self._shift)
        for group in np.unique(codes):
            z, m = deviations[codes == group], counting[codes == group]
            self._squares[group] += z.T @ z
            self._sums[group] += z.T @ m
            self._counts[group] += m.T @ m

    def covariance(
        self, group: int, means: np.ndarray, weight: np.ndarray
    ) -> np.ndarray:
        """Σ ω² (z − A)(z − A)ᵀ / (Σω Σω) of one group."""
        assert self._shift is not None
        gap = means - self._shift
        crossed = self._sums[group] * gap
        central = (
            self._squares[group]
            - crossed
            - crossed.T
            + self._counts[group] * np.outer(gap, gap)
        )
        return central / np.outer(weight, weight)


def sums_of_effects(
    fitted: FittedModel,
    mean: MeanFunction,
    rows: Rows,
    steps: Sequence[NamedStep],
    support: Support | None,
    batch_size: int | str,
    *,
    verified: bool,
    with_moments: bool,
) -> Sums:
    """Sums over all rows.

    Parameters
    ----------
    fitted, mean, rows, steps, support, batch_size
    verified : bool
        Whether the design was compared with the model's own already.
    with_moments : bool
        Whether the choice of rows is to be covered.

    Raises
    ------
    ValueError
        If what is rebuilt for a batch differs from what the model itself has.
    """
    table, n_outputs = rows.table, len(fitted.outputs)
    bound = [tuple(change.bind(table) for change in step.changes) for step in steps]
    sums = Sums(len(steps), rows.n_groups, n_outputs, len(fitted.params))
    if with_moments:
        sums.moments = Moments(rows.n_groups, len(steps) * n_outputs)
    row_bytes = table.row_bytes + 8 * (
        3 * fitted.design.k + n_outputs * (n_outputs + 2)
    )
    size = plan_rows(len(table), row_bytes, batch_size, None)
    for part in gen_batches(len(table), size):
        batch = Batch(fitted, mean, rows, part)
        batch.check()
        if not verified and part.start == 0:
            batch.check_alone()
        before = None
        if support is not None:
            _, before = support.before(batch.table)
        found = [
            batch.add(i, step.name, changes, support, before, sums)
            for i, (step, changes) in enumerate(zip(steps, bound, strict=True))
        ]
        if sums.moments is not None:
            sums.moments.add(found, batch.weights, batch.codes)
    return sums


class Batch:
    """One slice of the rows, with its predictions before any step."""

    def __init__(
        self, fitted: FittedModel, mean: MeanFunction, rows: Rows, part: slice
    ) -> None:
        self._fitted, self._mean, self._rows, self._part = fitted, mean, rows, part
        self.table = rows.table.take(part)
        self.weights, self.codes = rows.weights[part], rows.codes[part]
        self._X = fitted.design.matrix(self.table)
        at = np.arange(len(self.table)) + part.start
        self._offset = None if rows.offset is None else rows.offset.at(self.table, at)
        self._complete = _complete(self._X, self._offset)
        self._position = np.cumsum(self._complete) - 1

    @cached_property
    def _base(self) -> Point:
        """The complete rows as they are."""
        return self._point(self._X, self._offset, self._complete)

    def _point(
        self, X: np.ndarray, offset: np.ndarray | None, chosen: np.ndarray
    ) -> Point:
        if not chosen.all():
            X, offset = X[chosen], None if offset is None else offset[chosen]
        return self._mean.at(X, offset)

    @cached_property
    def _base_gradient(self) -> np.ndarray:
        weights, codes = self.weights[self._complete], self.codes[self._complete]
        return self._mean.gradients(self._base, weights, codes, self._rows.n_groups)

    def check(self) -> None:
        """Compare what is rebuilt with what the model has of its own.

        Raises
        ------
        ValueError
            If they differ.
        """
        fitted, chosen = self._fitted, np.flatnonzero(self._complete)
        if not len(chosen):
            return
        if self._rows.offset is not None and self._rows.offset.own is not None:
            own = self._rows.offset.own[self._part]
            fit = np.flatnonzero(own >= 0)
            if not np.allclose(self._X[fit], fitted.model.exog[own[fit]], rtol=1e-8):
                raise ValueError(missing_offset(fitted))
        if isinstance(self._mean, Index):
            own = fitted.mean(fitted.params, self._base.X, self._base.offset)
            scale = np.abs(own).max()
            if not np.allclose(self._base.mean, own, rtol=1e-7, atol=1e-10 * scale):
                raise ValueError(
                    f"The predictions rebuilt from the design of {fitted.design.wording} "
                    f"differ from those of {fitted.name}.predict by up to "
                    f"{np.abs(self._base.mean - own).max():.3g}."
                )

    def check_alone(self) -> None:
        """Build a few rows by themselves, which must make no difference."""
        chosen = np.flatnonzero(self._complete)
        if len(chosen):
            some = chosen[probe_rows(len(chosen))]
            design = self._fitted.design
            alone = self.table.take(some)
            compare_designs(design, alone, self._X[some], "by themselves")

    def add(
        self,
        effect: int,
        name: str,
        changes: tuple[BoundChange, ...],
        support: Support | None,
        before: object,
        sums: Sums,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add one effect's sums.

        Returns
        -------
        fme : ndarray of shape (n_counted, n_outputs)
        rows : ndarray of shape (n_counted,), int
            Which rows of the batch count.
        """
        stepped = step_rows(self.table, self._part, changes, support, before)
        asked = stepped.counted & (self.weights > 0)
        low, high, rows = self._ends(stepped, asked)
        weights, codes = self.weights[rows], self.codes[rows]
        n_groups = self._rows.n_groups
        fme = high.mean - low.mean
        total = group_sums(fme * weights[:, None], codes, n_groups)
        gradient = self._mean.gradients(high, weights, codes, n_groups)
        if low is self._base:
            gradient -= self._base_gradient
        else:
            gradient -= self._mean.gradients(low, weights, codes, n_groups)
        if not (np.isfinite(total).all() and np.isfinite(gradient).all()):
            raise ValueError(_not_finite(fme, name, self._fitted.name))
        sums.n[effect] += np.bincount(codes, minlength=n_groups)
        sums.weight[effect] += np.bincount(codes, weights, n_groups)
        sums.total[effect] += total
        sums.gradient[effect] += gradient
        sums.rows[effect] += self._by_status(stepped.status, asked, rows)
        return fme, rows

    def _by_status(
        self, status: np.ndarray, asked: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """Counts of shape (n_groups, n_statuses); rows that were lost are missing."""
        if len(rows) < np.count_nonzero(asked):
            lost = asked.copy()
            lost[rows] = False
            status = np.where(lost, STATUSES.index("missing"), status)
        cells = self.codes * len(STATUSES) + status
        counts = np.bincount(cells, minlength=self._rows.n_groups * len(STATUSES))
        return counts.reshape(self._rows.n_groups, len(STATUSES))

    def _ends(
        self, stepped: Stepped, asked: np.ndarray
    ) -> tuple[Point, Point, np.ndarray]:
        """Both ends of a step for the rows that have both, and which these are."""
        high = self._changed(asked, stepped.end)
        among = np.flatnonzero(asked)
        if stepped.start:
            low = self._changed(asked, stepped.start)
            both = _complete(*high) & _complete(*low)
            return self._point(*low, both), self._point(*high, both), among[both]
        both = _complete(*high) & self._complete[asked]
        rows = among[both]
        base = self._base
        if len(rows) < len(base.mean):
            base = base.take(self._position[rows])
        return base, self._point(*high, both), rows

    def _changed(
        self, mask: np.ndarray, columns: dict[int, ColumnData]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Design and offset of some rows with columns changed."""
        X = self._fitted.design.stepped(self.table, self._X, mask, columns)
        offset = self._rows.offset
        if offset is None or not len(X):
            return X, None
        table = selected(self.table, mask, columns if offset.columns else {})
        assert table is not None
        return X, offset.at(table, np.flatnonzero(mask) + self._part.start)


def _complete(X: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Mask of the rows that miss nothing."""
    # A sum is one fast pass, and finite if every entry is.
    whole = np.isfinite(X.sum())
    complete = np.ones(len(X), bool) if whole else ~np.isnan(X).any(axis=1)
    return complete if offset is None else complete & ~np.isnan(offset)


def _not_finite(fme: np.ndarray, name: str, model: str) -> str:
    bad = np.count_nonzero(~np.isfinite(fme).all(axis=1))
    what = f"NaN or infinity in {bad} of the rows" if bad else "what has no slope there"
    return (
        f"{model} predicts {what} before or after the step {name!r}. Make the step "
        "smaller, or set extrapolation='envelope'."
    )
