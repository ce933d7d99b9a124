"""Effects of tables that are large, or live elsewhere: summarized, or as columns.

How sources are read, and where what is computed, lives in :mod:`skfme._streaming`.
"""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from skfme._streaming.effect_summaries import EffectSummaries
from skfme._streaming.explain_batches import summarize_batches
from skfme._streaming.transform_batches import transformed_batches

__all__ = ["StreamedEffects"]


class StreamedEffects:
    """What a fitted explainer makes of a table that it never sees as a whole."""

    def explain_batches(
        self: Any, batches: Any, sample_weight: Any = None, *, by: Any = None
    ) -> EffectSummaries:
        """Summarize the effects of a table wherever it lives, in one pass.

        No row is kept, so that a table larger than memory can be explained, or one that
        lives on several machines. The computation is made here and now, by whatever
        holds the table.

        Parameters
        ----------
        batches : table, path or iterable of tables
            A path of a Parquet file or of a folder of them; a dataset, scanner, table or
            reader of pyarrow, and what else exports Arrow's stream; a LazyFrame of polars,
            a relation of DuckDB; a DataFrame of Spark or Dask, or a Dataset of Ray, whose
            workers do the work; or an iterable of tables as `explain` takes them, of
            record batches, or of dicts of arrays. A generator or reader is used up.
            Tables without rows are passed over.
        sample_weight : label of a column, callable or None, default=None
            Weights of the averages: a column of the batches, or a function
            batch -> array of shape (n_rows,).
        by : label of a column, list of labels or None, default=None
            Columns whose values are the groups, for `EffectSummary.average`.
            Memory grows with the number of groups.

        Returns
        -------
        summaries : EffectSummaries
            AME, SD, counts and ANLM as `explain` has them for the batches stacked;
            quartiles within 0.1 % of their values.

        Raises
        ------
        TypeError
            If `batches` is neither a table nor an iterable of tables.
        ValueError
            If the source lacks columns of fit, a batch differs from their kinds,
            predictions are not finite numbers, or a step's function looks at other rows;
            the message names the batch, counted from 0.
        RuntimeError
            If a cluster does not finish, as where a worker dies.

        Notes
        -----
        Columns are put in the order and types of fit: texts become its categories,
        decimals numbers, instants those of its time zone. Of an iterable of tables, each
        has the columns of fit and those that `sample_weight` and `by` name, which are
        taken out where fit did not see them; of an array, those are its last ones. Other
        sources may have more columns.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from skfme import FMEExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
        >>> batches = (X[start : start + 100] for start in range(0, len(X), 100))
        >>> summaries = explainer.explain_batches(batches)
        >>> summaries["bmi -2"]
        EffectSummary('bmi -2', n=422, ame=-11.2059)
        """
        check_is_fitted(self, "estimator_")
        return summarize_batches(self, batches, sample_weight, by)

    def transform_batches(self: Any, batches: Any, *, statuses: bool = False) -> Any:
        """A table wherever it lives, with the effects as further columns.

        Nothing is computed before the result is read: all effects at once, in one pass.

        Parameters
        ----------
        batches : table, path or iterable of tables
            As :meth:`explain_batches` takes them.
        statuses : bool, default=False
            Whether each effect has a second column, ``"bmi -2 status"``, which says why a
            row does not count: "counted", "missing", "at_target" or "extrapolation".

        Returns
        -------
        table : table of the source's kind
            Of Spark, Dask, Ray and polars the same kind of lazy table, which that engine
            computes when it is asked to; else a ``pyarrow.RecordBatchReader``, which
            computes what is read of it. An effect is null where a row does not count;
            NaN in Dask, whose tables are of pandas.

        Raises
        ------
        TypeError, ValueError
            As :meth:`explain_batches`, or if the table has a column of an effect's name.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from skfme import FMEExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
        >>> reader = explainer.transform_batches([X[:200], X[200:]], statuses=True)
        >>> reader.read_pandas().iloc[:2, -2:]
             bmi -2 bmi -2 status
        0 -11.205924       counted
        1 -11.205924       counted
        """
        check_is_fitted(self, "estimator_")
        return transformed_batches(self, batches, statuses=statuses)
