"""Models compared on the examples that they share: paired differences of scores.

Rows of one example depend on one another, so that a contrast of two models is the mean
of the differences d_i = y_ib − y_ia over examples that both scored, repeats averaged,
with Var = G/(G − 1) Σ_g (Σ_{i in g} w_i (d_i − d̄))² / (Σ w)² over G examples, or data sets
of them, and t of G − 1 degrees of freedom. With every model on every example that is the
contrast of a regression on model dummies, and the logit AME of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.checks import beside_rows, checked_weights
from skfme._frames.columns import as_vector
from skfme._frames.groups import columns_named, groups_in, labels_in, row_labels
from skfme._frames.hints import known_names, shown
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._inference.results import EffectResults

__all__ = ["ModelComparison", "compare_models"]

# Fewer data sets than these say little of new ones while examples are the units.
FEW_DATASETS = 30
UNITS = ("examples", "datasets")


class ModelComparison(EffectResults):
    """Differences of models' scores, with the examples that they rest on.

    Made by :func:`compare_models`.

    Attributes
    ----------
    scores : DataFrame of shape (n_examples, n_models)
        The mean score of each model on each example; NaN where it has none.
    n_common : Series
        Examples that each contrast rests on.
    dz : Series
        Cohen's d of paired differences, d̄ / SD(d).
    partial_eta_sq : Series
        Share of the variance, without that of examples, that the two models account for:
        t² / (t² + n − 1), t that of the paired test over examples.
    in_points : bool
        Whether estimates are in percentage points.
    """

    scores: pd.DataFrame
    n_common: pd.Series
    dz: pd.Series
    partial_eta_sq: pd.Series
    in_points: bool

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(
            n=self.n_common.to_numpy(),
            dz=self.dz.to_numpy(),
            partial_eta_sq=self.partial_eta_sq.to_numpy(),
        )


def compare_models(
    score: Any,
    table: Any,
    *,
    model: Any,
    example: Any,
    dataset: Any = None,
    units: str = "examples",
    baseline: Hashable | None = None,
    common: bool = True,
    sample_weight: Any = None,
    percentage_points: bool | str = "auto",
    adjust: str | None = "holm",
) -> ModelComparison:
    """Differences of models' scores on the examples that they share.

    Parameters
    ----------
    score : column of table, or array-like of shape (n_rows,)
        A loss or whether the model was right, one row per example and model; rows of a
        pair that is repeated, as over seeds, are averaged. Missing scores are left out.
    table : array-like or dataframe of shape (n_rows, n_columns)
    model, example : column of table, or array-like of shape (n_rows,)
    dataset : column of table, or array-like of shape (n_rows,), default=None
        The data set of each example.
    units : {"examples", "datasets"}, default="examples"
        What conclusions are about: new examples of the same data sets, or new data
        sets, of which there are as a rule few.
    baseline : object, default=None
        The model that all others are compared with; None compares all pairs.
    common : bool, default=True
        Whether a contrast rests on the examples that both models scored. False compares
        the models' means over whatever examples each has, and confounds models with
        examples where these differ.
    sample_weight : column of table, or array-like of shape (n_rows,), default=None
        The weight of each row's example, such as one over its probability of selection;
        all rows of an example have the same.
    percentage_points : bool or "auto", default="auto"
        Whether scores are multiplied by 100. "auto" does so where all are 0 or 1.
    adjust : str or None, default="holm"
        Adjustment of p-values for the number of contrasts.

    Returns
    -------
    comparison : ModelComparison

    Raises
    ------
    ValueError
        If there are fewer than two models, two of them share fewer than two examples,
        an example lies in two data sets or has several weights, or a parameter is unknown.

    Warns
    -----
    UserWarning
        If examples are the units and data sets are few, or models were scored on
        different examples and `common` is False.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfme.statsmodels import compare_models
    >>> rng = np.random.default_rng(0)
    >>> ease = rng.normal(size=200)
    >>> table = pd.DataFrame(
    ...     {
    ...         "example": np.tile(np.arange(200), 2),
    ...         "model": np.repeat(["a", "b"], 200),
    ...     }
    ... )
    >>> right = np.tile(ease, 2) + np.repeat([0.3, 0.9], 200) > rng.normal(size=400)
    >>> comparison = compare_models(right, table, model="model", example="example")
    >>> comparison.params.round(1).to_dict()
    {'model a -> b': 14.0}
    """
    if units not in UNITS:
        raise ValueError(f"units must be 'examples' or 'datasets', got {units!r}.")
    if units == "datasets" and dataset is None:
        raise ValueError("units='datasets' needs the data set of each row, dataset=…")
    table = as_table(table)
    values, weights = _numbers(score, table), checked_weights(sample_weight, table)
    counted = weights.whole() > 0
    scored = np.flatnonzero(~np.isnan(values) & counted)
    if not len(scored):
        raise ValueError("score is missing in all rows.")
    columns = {
        "model": _labels(table, model, "model").iloc[scored],
        "example": _labels(table, example, "example").iloc[scored],
    }
    rows = pd.DataFrame({**columns, "score": values[scored]})
    binary = np.isin(rows["score"], (0, 1)).all()
    in_points = bool(binary) if percentage_points == "auto" else bool(percentage_points)
    rows["score"] *= 100 if in_points else 1
    scores = rows.pivot_table("score", "example", "model", "mean", observed=True)
    clusters, n_sets = None, 0
    if dataset is not None:
        sets = _labels(table, dataset, "dataset").iloc[scored]
        clusters, n_sets = _clusters(rows["example"], sets, scores.index)
    weight = _by_example(weights.whole()[scored], rows["example"], scores.index)
    units_of = clusters if units == "datasets" else None
    contrasts = _Contrasts(scores, weight, units_of, common)
    pairs = _pairs(list(scores.columns), baseline)
    notes = [
        *_warned(scores, n_sets, units, common),
        *_dropped(int(np.isnan(values[counted]).sum())),
    ]
    if weights.given:
        notes.append("Examples are weighted, by weights of type sampling.")
    return contrasts.compared(pairs, in_points, adjust, notes)


def _numbers(score: Any, table: Table) -> np.ndarray:
    columns = columns_named(score, table)
    if columns is not None:
        values = labels_in(table, columns, "score").iloc[:, 0].to_numpy()
    else:
        values = as_vector(beside_rows(table, score, "score"), len(table), "score")
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            "score must be numbers, such as a loss, or whether a model was right; got "
            f"{values[0]!r}."
        ) from None
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        raise ValueError(
            f"score is infinite in {len(infinite)} rows (the first is {infinite[0]}): no "
            "mean is finite with them. Give a finite loss, or NaN where there is no score."
        )
    return numbers


def _labels(table: Table, key: Any, what: str) -> pd.Series:
    labels = row_labels(table, key, what)
    if labels.shape[1] != 1 or labels.isna().any(axis=None):
        raise ValueError(
            f"{what} must be one label for each row; got {labels.shape[1]} columns with "
            f"{int(labels.isna().sum().sum())} missing."
        )
    return labels.iloc[:, 0]


def _by_example(weights: np.ndarray, example: pd.Series, index: pd.Index) -> np.ndarray:
    """The weight of each example."""
    groups = pd.Series(weights).groupby(example.to_numpy())
    unlike = groups.max() != groups.min()
    if unlike.any():
        raise ValueError(
            f"The rows of example {shown(unlike.idxmax())} have several weights. A weight is "
            "one of the example, whichever model is scored on it."
        )
    return np.asarray(groups.first().loc[index], dtype=float)


def _clusters(
    example: pd.Series, dataset: pd.Series, index: pd.Index
) -> tuple[np.ndarray, int]:
    """The data set of each example, and their number."""
    codes, keys = groups_in(dataset.to_frame().reset_index(drop=True))
    by_example = pd.Series(codes).groupby(example.to_numpy())
    astray = by_example.max() != by_example.min()
    if astray.any():
        raise ValueError(
            f"The example {shown(astray.idxmax())} lies in several data sets. Give examples "
            "labels that no other data set has."
        )
    return by_example.first().loc[index].to_numpy(), len(keys)


def _pairs(models: list[Any], baseline: Hashable | None) -> list[tuple[Any, Any]]:
    if len(models) < 2:
        raise ValueError(
            f"There is one model, {shown(models[0])}, and nothing to compare."
        )
    if baseline is None:
        return list(combinations(models, 2))
    if baseline not in models:
        raise ValueError(
            f"baseline {baseline!r} is no model.{known_names(tuple(map(str, models)))}"
        )
    return [(baseline, other) for other in models if other != baseline]


def _warned(scores: pd.DataFrame, n_sets: int, units: str, common: bool) -> list[str]:
    """Warn of what the contrasts do not allow for, and say it in the summary."""
    notes = []
    if units == "examples" and 0 < n_sets < FEW_DATASETS:
        notes.append(
            f"Examples are the units, within {n_sets} data sets: intervals and tests "
            "hold for new examples of these, and are far too sure of new data sets. For "
            "those take units='datasets'."
        )
    if not common and scores.isna().any(axis=None):
        notes.append(
            "Models were scored on different examples, and their means differ by these "
            "too. common=True compares them on the examples that they share."
        )
    for note in notes:
        warnings.warn(note, UserWarning, stacklevel=3)
    return notes


def _dropped(n: int) -> list[str]:
    return [f"{n} rows without a score are left out."] if n else []


@dataclass(frozen=True)
class _Contrasts:
    """Contrasts of models, and what each example moves them by."""

    scores: pd.DataFrame
    weight: np.ndarray
    clusters: np.ndarray | None
    common: bool

    def compared(
        self,
        pairs: list[tuple[Any, Any]],
        in_points: bool,
        adjust: str | None,
        notes: list[str],
    ) -> ModelComparison:
        """All contrasts with their joint covariance."""
        parts = [self._one(*pair) for pair in pairs]
        estimates, influences, n, sizes, units = zip(*parts, strict=True)
        influence = np.column_stack(influences)
        labels = [f"model {first} -> {second}" for first, second in pairs]
        whole = np.asarray(n)
        least, most = whole.min(), whole.max()
        span = f"{least}" if least == most else f"{least} to {most}"
        shared = "shared by both models" if self.common else "of either model"
        unit = "data sets" if self.clusters is not None else "examples"
        results = ModelComparison(
            estimates,
            influence.T @ influence,
            labels=pd.DataFrame({"effect": labels}),
            df=np.array(units) - 1,
            covers=f"the choice of {unit}, with the models held fixed",
            nobs=whole,
            title="Models compared" + (", in percentage points" if in_points else ""),
            notes=[f"Examples {shared}: {span} of {len(self.scores)}.", *notes],
            sample_cov=True,
        )
        results.scores, results.in_points = self.scores, in_points
        dz, eta = np.transpose(sizes)
        results.n_common = results._series(whole, "n")
        results.dz = results._series(dz, "dz")
        results.partial_eta_sq = results._series(eta, "partial_eta_sq")
        results.adjustment = adjust
        return results

    def _one(self, first: Any, second: Any) -> tuple[float, np.ndarray, int, Any, int]:
        """Estimate, influence of each unit, examples, sizes, and number of units."""
        a, b = (self.scores[m].to_numpy(dtype=float) for m in (first, second))
        d = b - a
        both = ~np.isnan(d)
        n = int(both.sum())
        if n < 2:
            raise ValueError(
                f"The models {shown(first)} and {shown(second)} share {n} "
                f"example{'s' * (n != 1)}; two at least are needed. Check that examples "
                "have the same labels for all models."
            )
        if self.common:
            used = both
            estimate, own = self._mean(d)
        else:
            used = ~np.isnan(a) | ~np.isnan(b)
            (mean_a, own_a), (mean_b, own_b) = self._mean(a), self._mean(b)
            estimate, own = mean_b - mean_a, own_b - own_a
            n = int(used.sum())
        units = np.arange(len(d)) if self.clusters is None else self.clusters
        count = len(np.unique(units[used]))
        if count < 2:
            raise ValueError(
                f"The models {shown(first)} and {shown(second)} share one data set, which says "
                "nothing of new ones. Take units='examples'."
            )
        sums = np.bincount(units, own, int(units.max()) + 1)
        sizes = _sizes(d[both], self.weight[both])
        return estimate, np.sqrt(count / (count - 1)) * sums, n, sizes, count

    def _mean(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """The weighted mean of what is not missing, and what each example moves it by."""
        there = ~np.isnan(values)
        share = np.where(there, self.weight, 0.0)
        share /= share.sum()
        mean = float(share[there] @ values[there])
        return mean, np.where(there, share * (values - mean), 0.0)


def _sizes(d: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Cohen's d of paired differences, and partial η²."""
    n, mean = len(d), np.average(d, weights=weight)
    sd = np.sqrt(np.average((d - mean) ** 2, weights=weight) * n / (n - 1))
    if np.ptp(d) == 0:
        return (0.0, 0.0) if d[0] == 0 else (np.copysign(np.inf, d[0]), 1.0)
    dz = mean / sd
    return float(dz), float(n * dz**2 / (n * dz**2 + n - 1))
