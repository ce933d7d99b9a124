"""Outlier detectors of scikit-learn's convention, which look at joint support.

Their labels are 1 inside and −1 outside; anything else is refused, wherever it turns up.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.validation import has_fit_parameter

from skfme._frames.columns import ColumnData, category_codes, in_order_of
from skfme._frames.contents import complete_rows
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._groups import grouping_columns

__all__ = ["DetectorSupport", "fit_detector"]


# How many training rows are judged to see that a detector finds some inside, and some of
# each group that has as many rows.
_FEW_ROWS, _ROWS_OF_GROUPS, _FEWEST_OF_GROUP = 200, 2000, 5

_CONVENTION = (
    "Expected predict to return 1 for a row inside and -1 for an outlier, as "
    "scikit-learn's outlier detectors do (IsolationForest, OneClassSVM). Clusterings, "
    "mixtures, classifiers and regressors judge no outliers; a detector whose 1 is an "
    "outlier and whose 0 is none (PyOD) needs a class around it whose predict returns "
    "1 - 2 * label."
)


class DetectorSupport:
    """The same checks by an outlier detector."""

    def __init__(self, detector: Any) -> None:
        self.detector = detector
        try:
            self._takes_missing = get_tags(detector).input_tags.allow_nan
        except (AttributeError, TypeError):
            self._takes_missing = False

    def before(self, table: Table) -> tuple[np.ndarray, None]:
        """Rows outside before any step; those it cannot judge are not."""
        return self._outliers(table, self.judgeable(table)), None

    def outside(
        self,
        table: Table,
        count: None,
        changed: Mapping[int, ColumnData],
        judged: np.ndarray,
    ) -> np.ndarray:
        """Rows, of those judged, that are outside with some columns changed."""
        return self._outliers(table.with_columns(changed), judged)

    def refuse_if_none_is_inside(self, table: Table) -> None:
        """Refuse what takes all training rows for outliers, as no step could stay inside."""
        rows = np.flatnonzero(self.judgeable(table))
        few = rows[:: max(1, len(rows) // _FEW_ROWS)]
        for some in (few, rows):  # all of them only where none of a few is inside
            if not len(some) or (self._labels(table.take(some)) == 1).any():
                return
        raise ValueError(
            f"extrapolation={self.detector!r} finds all {len(rows)} training rows outside, "
            f"so that no row would count. {_CONVENTION} Else let it find fewer outliers, "
            "such as by its contamination or nu."
        )

    def warn_of_whole_groups(self, table: Table, columns: Sequence[Column]) -> None:
        """Warn where no training row of a group is inside, so that none of it can count."""
        rows = np.flatnonzero(self.judgeable(table))
        few = rows[:: max(1, len(rows) // _ROWS_OF_GROUPS)]
        inside = (
            self._labels(table.take(few)) == 1 if len(few) else np.ones(0, dtype=bool)
        )
        lost = []
        for position, levels in grouping_columns(table, columns).items():
            codes = category_codes(table.column(position), levels)
            n_inside = np.bincount(codes[few][inside] + 1, minlength=len(levels) + 1)[
                1:
            ]
            n_few = np.bincount(codes[few] + 1, minlength=len(levels) + 1)[1:]
            for level in np.flatnonzero((n_inside == 0) & (n_few >= _FEWEST_OF_GROUP)):
                members = rows[codes[rows] == level]  # all of them, to be sure
                if not (self._labels(table.take(members)) == 1).any():
                    name = f"{table.names[position]} = {levels[level]}"
                    lost.append(f"{name} ({len(members):,} rows)")
        if lost:
            warnings.warn(
                f"extrapolation={self.detector!r} finds every training row outside of "
                f"{', '.join(lost)}: steps of these rows, and steps to these values, are "
                "left out whole. Fit the detector without these columns, or let it find "
                "fewer outliers.",
                UserWarning,
                stacklevel=2,
            )

    def judgeable(self, table: Table) -> np.ndarray:
        """Rows that the detector takes."""
        if self._takes_missing:
            return np.ones(len(table), dtype=bool)
        return complete_rows(table)

    def _outliers(self, table: Table, judged: np.ndarray) -> np.ndarray:
        outliers = np.zeros(len(table), dtype=bool)
        if judged.any():
            rows = table if judged.all() else table.take(np.flatnonzero(judged))
            outliers[judged] = self._labels(rows) == -1
        return outliers

    def _labels(self, table: Table) -> np.ndarray:
        """The detector's label of each row: 1 inside, −1 outside, and nothing else."""
        n_rows, index = len(table), table.index
        try:
            raw = self.detector.predict(table.private())
        except (ValueError, TypeError) as error:
            raise type(error)(
                f"extrapolation={self.detector!r} could not judge the rows: {error}"
            ) from error
        labels = np.asarray(in_order_of(index, raw, f"extrapolation={self.detector!r}"))
        if labels.shape not in ((n_rows,), (n_rows, 1)):
            raise ValueError(
                f"extrapolation={self.detector!r} is no outlier detector: it returned an "
                f"array of shape {labels.shape} for {n_rows} rows. {_CONVENTION}"
            )
        if labels.dtype.kind in "iuf":
            known = (labels.ravel() == 1) | (labels.ravel() == -1)
        else:
            known = np.array([_is_label(label) for label in labels.flat], dtype=bool)
        if not known.all():
            others = list(dict.fromkeys(map(str, labels.ravel()[~known])))
            raise ValueError(
                f"extrapolation={self.detector!r} is no outlier detector: it labels rows "
                f"{', '.join(others[:3])}{', …' if len(others) > 3 else ''}. {_CONVENTION}"
            )
        return labels.ravel()


def _is_label(value: Any) -> bool:
    """Whether an entry of an object array is 1 or −1; True is another convention."""
    return type(value) is not bool and isinstance(value, Real) and value in (-1, 1)


def fit_detector(
    extrapolation: Any,
    table: Table,
    columns: Sequence[Column],
    weights: Weighting,
) -> Any:
    # A user's own class need not be an estimator of scikit-learn's.
    known = hasattr(extrapolation, "get_params")
    detector = clone(extrapolation) if known else copy.deepcopy(extrapolation)
    if not hasattr(detector, "predict"):
        hint = "; set novelty=True" if hasattr(_innermost(detector), "novelty") else ""
        raise TypeError(
            f"extrapolation={extrapolation!r} has no predict to judge new rows{hint}. "
            f"{'' if hint else _CONVENTION}".strip()
        )
    params = {}
    if weights.given and has_fit_parameter(detector, "sample_weight"):
        params["sample_weight"] = weights.array
    try:
        if not isinstance(detector, FrozenEstimator):
            detector.fit(table.private(), **params)
        return detector
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"extrapolation={extrapolation!r} could not be fitted on the training rows: "
            f"{error}.{_hint_after(extrapolation, columns)}"
        ) from error


def _innermost(detector: Any) -> Any:
    """What predicts at the end of pipelines and inside searches."""
    while True:
        if hasattr(detector, "steps"):
            detector = detector.steps[-1][1]
        elif hasattr(detector, "estimator"):
            detector = detector.estimator
        else:
            return detector


def _hint_after(extrapolation: Any, columns: Sequence[Column]) -> str:
    """What to do about a detector that could not be fitted."""
    if is_classifier(extrapolation) or is_regressor(extrapolation):
        return f" It is no outlier detector. {_CONVENTION}"
    not_numeric = [str(c.name) for c in columns if c.kind != "numeric"]
    if not not_numeric:
        return ""
    return (
        f" The columns {', '.join(not_numeric)} are not numeric: put an encoder in front "
        "of the detector, in a pipeline, or use 'envelope'."
    )
