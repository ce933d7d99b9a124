"""The envelope: the Cartesian product of the training ranges.

Löwe et al. (2024), section on extrapolation. Outlier detectors live beside this.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skfme._decorators import fit_context
from skfme._frames.checks import check_columns_as_in_fit, rows_of_positive_weight
from skfme._frames.columns import ColumnData, category_codes, missing_in, numbers_in
from skfme._frames.schema import Column, converted, describe_columns
from skfme._frames.tables import Table, as_table
from skfme._summaries.weighted import weighted_quantiles
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._groups import GroupRanges, grouping_columns

__all__ = ["Envelope", "EnvelopeSupport"]


class Envelope(OutlierMixin, BaseEstimator):
    """The box of training ranges.

    A row is inside if every numeric and datetime feature lies between the smallest
    and the largest value seen in `fit`, bounds included. Missing values are inside.

    Parameters
    ----------
    quantiles : (float, float) or None, default=None
        Training quantiles that bound each feature instead of its range, such as
        ``(0.01, 0.99)``.
    combinations : bool, default=False
        Whether the row's combination of categories must also have been seen. Integers of
        two values, such as 0 and 1, are categories here.
    within : bool, default=False
        Whether a row that a step moves into another category, or to another of two
        integers, must also lie within the ranges of the training rows that are there:
        common support, as of treated and untreated. A joint step must lie within those of
        each group that it moves into. Only of steps; `predict` knows none.
    categorical_features : "auto" or list, default="auto"
        As in :class:`skfme.FMEExplainer`, which passes its own.

    Attributes
    ----------
    bounds_ : dict
        Column position -> (lowest, highest) value inside.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only where the table's columns have text names.

    References
    ----------
    Löwe, Scholbeck, Heumann, Bischl, Casalicchio (2024). fmeffects: An R Package for
    Forward Marginal Effects. The R Journal 16(3), 67-89.

    Examples
    --------
    >>> import numpy as np
    >>> from skfme import Envelope
    >>> box = Envelope().fit(np.array([[0.0, 1.0], [2.0, 5.0]]))
    >>> box.predict(np.array([[1.0, 5.0], [2.1, 3.0]]))
    array([ 1, -1])
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "quantiles": [None, tuple, list],
        "combinations": ["boolean"],
        "within": ["boolean"],
        "categorical_features": ["array-like", str],
    }

    def __init__(
        self,
        quantiles: tuple[float, float] | None = None,
        combinations: bool = False,
        *,
        within: bool = False,
        categorical_features: Any = "auto",
    ) -> None:
        self.quantiles = quantiles
        self.combinations = combinations
        self.within = within
        self.categorical_features = categorical_features

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Envelope:
        """Learn the ranges.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : None
            Ignored.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of weight 0 widen nothing; weighted quantiles use the rest.

        Returns
        -------
        self : Envelope

        Raises
        ------
        ValueError
            If `quantiles` are not two increasing numbers between 0 and 1.
        """
        table = as_table(X)
        validate_data(self, table.native, skip_check_array=True)
        weights = Weighting(None, len(table))
        if sample_weight is not None:
            array = _check_sample_weight(
                sample_weight, np.empty((len(table), 1)), ensure_non_negative=True
            )
            weights = Weighting.of(array, "auto", len(table))
        table, weights = rows_of_positive_weight(table, weights)
        columns = describe_columns(table, self.categorical_features)
        return self._learn(table, columns, weights)

    def _learn(
        self, table: Table, columns: Sequence[Column], weights: Weighting
    ) -> Envelope:
        quantiles = self._checked_quantiles()
        self.bounds_ = {}
        for column in columns:
            if column.kind not in ("numeric", "datetime"):
                continue
            values = numbers_in(table.column(column.position))
            observed = ~np.isnan(values) if values.dtype.kind in "fMm" else slice(None)
            values = values[observed]
            if not len(values):
                continue
            low, high = values.min(), values.max()
            if quantiles is not None and column.kind == "numeric":
                low, high = weighted_quantiles(
                    values.astype(float), quantiles, weights.take(observed)
                )
            self.bounds_[column.position] = (low, high)
        self._columns = tuple(columns)
        self._kind = table.kind
        self._combinations: np.ndarray | None = None
        self._group_ranges: dict[int, GroupRanges] = {}
        self._levels = {}
        if self.combinations or self.within:
            self._levels = grouping_columns(table, columns)
            self._warn_of_no_groups()
        if self.combinations:
            self._combinations = np.unique(self._combination_codes(table, {}))
        if self.within:
            self._group_ranges = {
                position: GroupRanges.learn(
                    table, position, levels, self.bounds_, quantiles, weights
                )
                for position, levels in self._levels.items()
            }
        return self

    def _warn_of_no_groups(self) -> None:
        if not self._levels:
            name = "combinations" if self.combinations else "within"
            warnings.warn(
                f"Envelope({name}=True) checks nothing here: no column holds categories, "
                "or integers of two values. List columns of categories that are coded as "
                "numbers in categorical_features.",
                UserWarning,
                stacklevel=3,
            )

    def _checked_quantiles(self) -> np.ndarray | None:
        """The quantiles that bound features; None for their ranges."""
        if self.quantiles is None:
            return None
        values = np.asarray(self.quantiles, dtype=float)
        if values.shape != (2,) or not 0 <= values[0] < values[1] <= 1:
            raise ValueError(
                "quantiles must be two increasing numbers between 0 and 1, such as "
                f"(0.01, 0.99); got {self.quantiles!r}."
            )
        return None if values.tolist() == [0, 1] else values

    def predict(self, X: Any) -> np.ndarray:
        """Find the rows that are inside.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        inside : ndarray of shape (n_samples,)
            1 inside, −1 outside.
        """
        check_is_fitted(self)
        table = as_table(X)
        check_columns_as_in_fit(self, table.native)
        table = converted(table, self._kind, self._columns)
        outside, _ = EnvelopeSupport(self).before(table)
        return np.where(outside, -1, 1)

    def _outside_column(self, position: int, column: ColumnData) -> np.ndarray:
        low, high = self.bounds_[position]
        values = numbers_in(column)
        outside: np.ndarray = (values < low) | (values > high)
        return outside

    def _combination_codes(
        self, table: Table, changed: Mapping[int, ColumnData]
    ) -> np.ndarray:
        """One comparable key per row for its combination of categories."""
        codes = [np.zeros(len(table), dtype=np.int32)]
        for position, categories in self._levels.items():
            entries = changed.get(position)
            if entries is None:
                entries = table.column(position)
            levels = category_codes(entries, categories).astype(np.int32)
            # A missing category combines as a level of its own.
            levels[missing_in(entries)] = -2
            codes.append(levels)
        keys = np.ascontiguousarray(np.stack(codes, axis=1))
        return keys.view(np.dtype((np.void, keys.itemsize * keys.shape[1]))).ravel()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Those of scikit-learn find outliers among their training rows; a box holds all.
        tags.estimator_type = None
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


class EnvelopeSupport:
    """Checks against an envelope; after a step, of the columns that it changes alone."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope

    def before(self, table: Table) -> tuple[np.ndarray, np.ndarray]:
        """Rows outside before any step, and what `outside` needs of them.

        Returns
        -------
        outside : ndarray of shape (n,), bool
        count : ndarray of shape (n,), int
            Number of features that lie outside.
        """
        count = np.zeros(len(table), dtype=np.int32)
        for position in self._envelope.bounds_:
            count += self._envelope._outside_column(position, table.column(position))
        return (count > 0) | self._unknown(table, {}), count

    def outside(
        self,
        table: Table,
        count: np.ndarray,
        changed: Mapping[int, ColumnData],
        judged: np.ndarray,
    ) -> np.ndarray:
        """Rows that are outside with some columns changed."""
        envelope = self._envelope
        for position, column in changed.items():
            if position in envelope.bounds_:
                before = envelope._outside_column(position, table.column(position))
                after = envelope._outside_column(position, column)
                count = count - before + after.astype(np.int32)
        outside = (count > 0) | self._unknown(table, changed)
        for position, ranges in envelope._group_ranges.items():
            if position in changed:
                outside |= ranges.outside(table, changed, changed[position])
        return outside

    def _unknown(
        self, table: Table, changed: Mapping[int, ColumnData]
    ) -> np.ndarray | bool:
        """Rows whose combination of categories was never seen."""
        if self._envelope._combinations is None:
            return False
        codes = self._envelope._combination_codes(table, changed)
        return ~np.isin(codes, self._envelope._combinations)
