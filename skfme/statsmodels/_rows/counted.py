"""The rows of an effect that count for inference, with weights and clusters.

Rows of weight 0 are no rows: they would add to the degrees of freedom and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from skfme._results.effects import ForwardEffect
from skfme._summaries.weighting import Weighting
from skfme._text.outputs import output_columns
from skfme._text.reasons import no_row_counts
from skfme.statsmodels._rows.clusters import COV_TYPES, Clusters
from skfme.statsmodels._rows.labels import refuse_missing, row_labels

__all__ = [
    "CountedRows",
    "checked_cov_type",
    "clusters_of",
    "counted_rows",
    "refuse_other",
]


@dataclass(frozen=True, eq=False)
class CountedRows:
    """What inference needs of an effect.

    Attributes
    ----------
    effect : ForwardEffect
    outputs : tuple of str
        Of length K: all outputs, or the one chosen.
    rows : ndarray of int of shape (n,)
        Positions in the table that was explained.
    fme : ndarray of shape (n, K)
    weights : Weighting
    """

    effect: ForwardEffect
    outputs: tuple[str, ...]
    rows: np.ndarray
    fme: np.ndarray
    weights: Weighting

    def take(self, rows: np.ndarray) -> CountedRows:
        """The same for some of its rows, by their positions in the table."""
        if len(rows) == len(self.rows):
            return self
        kept = np.searchsorted(self.rows, rows)
        weights = self.weights.take(kept)
        return CountedRows(self.effect, self.outputs, rows, self.fme[kept], weights)


def counted_rows(
    effect: ForwardEffect, weights_type: str, output: str | None = None
) -> CountedRows:
    """Rows that have an effect and a positive weight.

    Raises
    ------
    TypeError
        If `effect` is not one ForwardEffect.
    ValueError
        If no row counts, `output` is unknown, or weights are not of their type.
    """
    refuse_other(effect)
    rows = np.flatnonzero(effect.counted & (effect.weights.whole() > 0))
    if not len(rows):
        raise ValueError(
            f"{no_row_counts(effect.name, effect.n_left_out)}, so that there is nothing "
            "to estimate. Take a smaller step, or extrapolation=None."
        )
    columns = output_columns(effect.outputs, output)
    weighting = Weighting.of(effect.weights.take(rows).array, weights_type, len(rows))
    outputs = tuple(str(effect.outputs[k]) for k in columns)
    return CountedRows(
        effect, outputs, rows, effect.fme_2d[rows][:, columns], weighting
    )


def refuse_other(effect: ForwardEffect) -> None:
    """Refuse what is not one effect."""
    if isinstance(effect, Mapping):
        raise TypeError(
            f"One effect is expected, and {len(effect)} were given; choose one, such as "
            f"effects[{next(iter(effect), 'bmi -2')!r}]. average_effects() takes several."
        )
    if not isinstance(effect, ForwardEffect):
        raise TypeError(
            f"effect must be a ForwardEffect, as fme() returns; got {type(effect).__name__}."
        )


def checked_cov_type(
    cov_type: str | None, weights: Weighting, known: tuple[str, ...] = COV_TYPES
) -> str:
    """The kind of covariance; None is statsmodels' default, robust for sampling weights."""
    if cov_type is None:
        return "HC1" if weights.sampling else "nonrobust"
    if cov_type not in known:
        raise ValueError(
            f"cov_type={cov_type!r} is not known; expected one of "
            f"{', '.join(map(repr, known))}."
        )
    if cov_type == "nonrobust" and weights.sampling:
        raise ValueError(
            "cov_type='nonrobust' is wrong for sampling weights, whose standard errors "
            "need a robust covariance, such as cov_type='HC1'. If the weights are "
            "precisions or counts, say weights_type='importance' or 'frequency'."
        )
    return cov_type


def clusters_of(
    effect: ForwardEffect, cov_type: str, cov_kwds: Mapping | None, rows: np.ndarray
) -> Clusters | None:
    """Clusters of some rows, where the covariance asks for them.

    Raises
    ------
    ValueError
        If groups are missing, not one label per row of X, or fewer than two.
    """
    given = dict(cov_kwds or {})
    groups = given.pop("groups", None)
    if given or (cov_type != "cluster" and groups is not None):
        names = sorted(given) or ["groups"]
        raise ValueError(
            f"cov_kwds has {', '.join(map(repr, names))}, which cov_type={cov_type!r} does "
            "not take; cov_type='cluster' takes 'groups'."
        )
    if cov_type != "cluster":
        return None
    if groups is None:
        raise ValueError(
            "cov_type='cluster' needs cov_kwds={'groups': …}: a column of X, or one label "
            "per row of X; two columns cluster in two ways."
        )
    labels = row_labels(effect, groups, "groups")
    if labels.shape[1] > 2:
        raise ValueError(
            f"groups has {labels.shape[1]} columns; rows can be clustered in one way or "
            "in two."
        )
    refuse_missing(labels, rows, "groups")
    clusters = Clusters.of(labels.iloc[rows])
    if min(clusters.numbers) < 2:
        raise ValueError(
            "groups puts all rows that count in one cluster; at least two are expected."
        )
    return clusters
