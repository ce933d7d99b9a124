"""Effects and their gradients, batch by batch, added up by effect and group.

Both ends of each step are put through the mean, μ(x) and μ(x⁺), and compared by g, whose
derivative is ∂g/∂b ∂μ(x)/∂θ + ∂g/∂a ∂μ(x⁺)/∂θ; of a difference, ∂μ(x⁺)/∂θ − ∂μ(x)/∂θ.
Nothing of the size of the rows is kept beyond a batch; what is kept is in `sums.py`.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.batches import plan_rows
from skfme._engine.stepping import STATUSES, Stepped, selected, step_rows
from skfme._frames.columns import ColumnData
from skfme._summaries.comparisons import Comparison
from skfme.statsmodels._delta.mean import EstimatedMean
from skfme.statsmodels._delta.plan import Plan
from skfme.statsmodels._delta.sums import EffectMoments, Sums
from skfme.statsmodels._models.designs import compare_designs, probe_rows
from skfme.statsmodels._models.fitted import FittedResults
from skfme.statsmodels._models.gradients import Index, Point, group_sums, weighted_sums
from skfme.statsmodels._models.inputs import MeanInputs, TableInputs, inputs_of
from skfme.statsmodels._models.offsets import missing_offset
from skfme.statsmodels._models.parametric import compare_with_own
from skfme.steps._changes import BoundChange

__all__ = ["sums_of_effects"]


def sums_of_effects(
    mean: EstimatedMean, plan: Plan, batch_size: int | str, *, with_moments: bool
) -> Sums:
    """Sums over all rows.

    Parameters
    ----------
    mean, plan, batch_size
    with_moments : bool
        Whether the choice of rows is to be covered.

    Raises
    ------
    ValueError
        If what is rebuilt for a batch differs from what the model itself has.
    """
    table, n_groups = plan.rows.table, len(plan.rows.groups.keys)
    n_effects, n_outputs = len(plan.steps), len(mean.fitted.outputs)
    n_parts = 2 if plan.comparisons[0].of_means else 1
    sums = Sums(n_effects, n_groups, n_outputs, len(mean.fitted.params), n_parts)
    if with_moments:
        sums.moments = EffectMoments(n_groups, n_effects * n_outputs * n_parts)
    bound = [tuple(c.bind(table) for c in step.changes) for step in plan.steps]
    numbers = 3 * mean.fitted.design.k + n_outputs * (n_outputs + 2)
    row_bytes = table.row_bytes + 8 * numbers
    size = plan_rows(len(table), row_bytes, batch_size, None, large=True)
    for span in gen_batches(len(table), size):
        batch = RowBatch(mean, plan, span)
        batch.check()
        effects = [batch.add(sums, i, changes) for i, changes in enumerate(bound)]
        if sums.moments is not None:
            sums.moments.add(effects, batch.weights, batch.codes)
    return sums


_PLACES = range(len(STATUSES))


def _at(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Entries of some rows, in their order; no copy where these are all."""
    return values if len(rows) == len(values) else values[rows]


class RowBatch:
    """One slice of the rows, with its predictions before any step."""

    def __init__(self, mean: EstimatedMean, plan: Plan, span: slice) -> None:
        rows = plan.rows
        self._mean, self._plan, self._span = mean, plan, span
        self._offset, self._n_groups = rows.offset, len(rows.groups.keys)
        self.table = rows.table.take(span)
        self.weights = rows.weights.take(span).whole()
        self.codes = rows.groups.codes[span]
        self._unused = None if rows.unused is None else rows.unused[span]
        design = mean.fitted.design.matrix(self.table)
        self._inputs = inputs_of(design, rows.offset.at(self.table, span))
        self._complete = self._inputs.complete()
        self._position = np.cumsum(self._complete) - 1  # among the complete rows
        support = plan.support
        self._before = None if support is None else support.before(self.table)[1]

    @cached_property
    def _base(self) -> Point:
        """The complete rows as they are."""
        return self._mean.function.at(self._inputs.take(self._complete))

    @cached_property
    def _base_gradient(self) -> np.ndarray:
        return self._gradient(self._base, np.flatnonzero(self._complete))

    def _gradient(
        self, point: Point, rows: np.ndarray, slopes: np.ndarray | None = None
    ) -> np.ndarray:
        """Σ ω ∂μ/∂θ by group, of the mean at some rows of the batch.

        With `slopes` of shape (n_rows, n_outputs), of what has these in the mean.
        """
        weights = _at(self.weights, rows)
        if slopes is not None:
            weights = slopes.T * weights
        return self._mean.function.gradients(
            point, weights, _at(self.codes, rows), self._n_groups
        )

    def check(self) -> None:
        """Compare what is rebuilt with what the model has of its own.

        Raises
        ------
        ValueError
            If they differ.
        """
        if self._complete.any():
            self._check_rows_of_fit()
            fitted, function = self._mean.fitted, self._mean.function
            if isinstance(fitted, FittedResults) and isinstance(function, Index):
                self._check_mean()
            if self._span.start == 0 and not self._mean.compared:
                self._check_alone()

    def _check_rows_of_fit(self) -> None:
        """The rows must be the fit's where its own offset is theirs."""
        if self._offset.fit_rows is None:
            return
        fitted, fit_rows = self._mean.fitted, self._offset.fit_rows[self._span]
        used = np.flatnonzero(fit_rows >= 0)
        assert fitted.exog is not None
        expected = fitted.exog[fit_rows[used]]
        if not np.allclose(self._inputs.X[used], expected, rtol=1e-8):
            raise ValueError(missing_offset(fitted))

    def _check_mean(self) -> None:
        """The mean must be that of the model's own predict."""
        fitted, probe = self._mean.fitted, probe_rows(len(self._base.mean))
        rebuilt = self._base.mean[probe]
        predicted = fitted.mean(fitted.params, self._base.inputs.take(probe))
        scale = np.abs(predicted).max()
        if not np.allclose(rebuilt, predicted, rtol=1e-7, atol=1e-10 * scale):
            raise ValueError(
                f"The predictions rebuilt from the design of {fitted.design.wording} "
                f"differ from those of {fitted.name}.predict by up to "
                f"{np.abs(rebuilt - predicted).max():.3g}."
            )

    def _check_alone(self) -> None:
        """Build a few rows by themselves, which must make no difference."""
        if isinstance(self._inputs, TableInputs):
            return
        complete = np.flatnonzero(self._complete)
        rows = complete[probe_rows(len(complete))]
        alone, expected = self.table.take(rows), self._inputs.X[rows]
        compare_designs(self._mean.fitted.design, alone, expected, "by themselves")

    def add(
        self, sums: Sums, effect: int, changes: tuple[BoundChange, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the sums of one effect.

        Returns
        -------
        values : ndarray of shape (n_counted, n_outputs or 2 n_outputs)
            Effects, or the ends that means are compared of.
        rows : ndarray of shape (n_counted,), int
            Which rows of the batch count.
        """
        support, n_groups = self._plan.support, self._n_groups
        stepped = step_rows(self.table, self._span, changes, support, self._before)
        if self._unused is not None:
            stepped.status[stepped.counted & self._unused] = STATUSES.index("missing")
        asked = stepped.counted & (self.weights > 0)
        low, high, rows = self._ends(stepped, asked)
        self._check_ends(stepped, rows, low, high)
        weights, codes = _at(self.weights, rows), _at(self.codes, rows)
        ends = np.hstack([low.mean, high.mean])
        added = weighted_sums(ends, weights, codes, n_groups)
        if not np.isfinite(added).all():
            raise ValueError(self._not_finite(ends, effect))
        comparison = self._plan.comparisons[effect]
        values, gradient = ends, self._gradients(comparison, low, high, rows)
        if not np.isfinite(gradient).all():
            raise ValueError(self._not_finite(ends, effect))
        if not comparison.of_means:
            values = comparison(low.mean, high.mean)
            sums.total[effect] += weighted_sums(values, weights, codes, n_groups)
        if len(rows) < np.count_nonzero(asked):  # some designs miss a value
            stepped.status[asked] = STATUSES.index("missing")
            stepped.status[rows] = STATUSES.index("counted")
        if n_groups == 1:
            counts = np.array([np.count_nonzero(stepped.status == i) for i in _PLACES])
            sums.n[effect] += len(rows)
        else:
            cells = self.codes * len(STATUSES) + stepped.status
            counts = np.bincount(cells, minlength=sums.status[effect].size)
            sums.n[effect] += np.bincount(codes, minlength=n_groups)
        sums.weight[effect] += group_sums(weights[:, None], codes, n_groups)[:, 0]
        sums.ends[:, effect] += np.stack(np.split(added, 2, axis=1))
        sums.gradient[:, effect] += gradient
        sums.status[effect] += counts.reshape(n_groups, -1)
        return values, rows

    def _gradients(
        self, comparison: Comparison, low: Point, high: Point, rows: np.ndarray
    ) -> np.ndarray:
        """Σ ω ∂g/∂θ by group as one part; of comparisons of means, those of both ends."""
        if not (comparison.is_linear or comparison.of_means):
            by_low, by_high = comparison.slopes(low.mean, high.mean)
            before = self._gradient(low, rows, by_low)
            return (before + self._gradient(high, rows, by_high))[None]
        before = self._base_gradient if low is self._base else self._gradient(low, rows)
        after = self._gradient(high, rows)
        if comparison.of_means:
            return np.stack([before, after])
        return (after - before)[None] / comparison.size

    def _not_finite(self, ends: np.ndarray, effect: int) -> str:
        name, model = self._plan.steps[effect].name, self._mean.fitted.name
        n_rows = np.count_nonzero(~np.isfinite(ends).all(axis=1))
        numbers = f"NaN or infinity in {n_rows} of the rows"
        return (
            f"{model} predicts {numbers if n_rows else 'what has no slope there'} before or "
            f"after the step {name!r}. Make the step smaller, or set "
            "extrapolation='envelope'."
        )

    def _check_ends(
        self, stepped: Stepped, rows: np.ndarray, low: Point, high: Point
    ) -> None:
        """What the package itself predicts of a few rows, before and after the step."""
        probe = probe_rows(len(rows))
        if isinstance(self._mean.fitted, FittedResults) or not len(probe):
            return  # whose mean is compared as it is built
        own = []
        for columns in (stepped.before, stepped.end):
            table = self.table.take(rows[probe])
            changed = {i: column[rows[probe]] for i, column in columns.items()}
            table = table.with_columns(changed) if changed else table
            offset = self._offset.at(table, self._span.start + rows[probe])
            predicted = self._mean.fitted.own_predictions(table, offset)
            if predicted is None:
                return
            own.append(predicted)
        compare_with_own(self._mean.fitted, (low.mean[probe], high.mean[probe]), own)

    def _ends(
        self, stepped: Stepped, asked: np.ndarray
    ) -> tuple[Point, Point, np.ndarray]:
        """Both ends of a step for the rows that have both, and these rows."""
        rows, at = np.flatnonzero(asked), self._mean.function.at
        high = self._changed(rows, asked, stepped.end)
        if stepped.before:
            low = self._changed(rows, asked, stepped.before)
            both = high.complete() & low.complete()
            return at(low.take(both)), at(high.take(both)), rows[both]
        both = high.complete() & self._complete[asked]
        rows, base = rows[both], self._base
        if len(rows) < len(base.mean):
            base = base.take(self._position[rows])
        return base, at(high.take(both)), rows

    def _changed(
        self, rows: np.ndarray, mask: np.ndarray, columns: dict[int, ColumnData]
    ) -> MeanInputs:
        """The inputs of the rows in a mask, with columns changed."""
        design = self._mean.fitted.design
        X = design.stepped(self.table, self._inputs.X, mask, columns)
        table = selected(self.table, mask, columns) if self._offset.columns else None
        return inputs_of(X, self._offset.at(table, rows + self._span.start))
