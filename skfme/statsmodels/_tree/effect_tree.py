"""EffectTree: regional effects, as a scikit-learn regressor.

Here options become a criterion, a table becomes a sample, and a grown tree tables.
Growing, pruning, sizing and wording have files of their own, and so has what users read
from a fitted tree.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skfme._decorators import VersionedPickle, fit_context
from skfme._frames.checks import refuse_infinite
from skfme._frames.groups import one_label
from skfme._frames.schema import describe_columns
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffect
from skfme._summaries.comparisons import DIFFERENCE
from skfme._summaries.weighting import WEIGHTS_TYPES
from skfme._text.outputs import one_output
from skfme.statsmodels._rows.counted import refuse_other
from skfme.statsmodels._tree.columns import split_positions
from skfme.statsmodels._tree.covariates import (
    Covariate,
    Sample,
    counted_rows,
    learned_covariates,
    measures_in,
)
from skfme.statsmodels._tree.criteria import (
    ConditionalInference,
    LeastSquaresCriterion,
    MethodNames,
)
from skfme.statsmodels._tree.fitted_tree import FittedTree, TreeRows
from skfme.statsmodels._tree.growing import Limits, grow, is_share, without_rounding
from skfme.statsmodels._tree.node_tables import measures_of
from skfme.statsmodels._tree.nodes import Node, leaf_of_rows
from skfme.statsmodels._tree.pruning import pruned
from skfme.statsmodels._tree.sizing import (
    cross_validated_size,
    honest_halves,
    reestimated,
)
from skfme.statsmodels._tree.stability import Stability, resampled

__all__ = ["EffectTree"]


class EffectTree(FittedTree, VersionedPickle, RegressorMixin, BaseEstimator):
    """Partition the feature space into regions in which an effect is nearly constant.

    A regression tree over effects (FMEs): conditional inference as in R's partykit, or
    CART as in rpart, then pruned to a number of partitions or a maximum SD as in
    fmeffects. ``predict`` is the cAME of a row's subspace.

    Parameters
    ----------
    method : {"ctree", "cart"}, default="ctree"
        "ctree" chooses the variable by a permutation test; "cart" takes the largest
        fall of the sum of squares. CART's missing values go to the child with more
        rows; rpart's surrogate splits are not copied.
    n_partitions : int >= 2, "auto" or None, default=None
        Exact number of partitions, by pruning; "auto" cross-validates it (5 folds,
        one-standard-error rule), up to `max_partitions`.
    max_sd : float, default=None
        The fewest partitions, at least two where the tree has a split, that all have
        an SD of effects below it.
    alpha : float, default=None
        Threshold of the tests' adjusted p-values, a stopping rule rather than an error
        rate. None is 0.35 where a size is asked for (grow large, then prune), else 0.05.
    min_samples_leaf : int or float, default=None
        Least weight of a partition; a float is a share of the total weight, truncated
        for "ctree" and rounded for "cart". None is 0.02 for "ctree", 0.04 for "cart".
    min_samples_split : int or float, default=None
        Least weight of a node that is split. None is 20 for "ctree",
        3 * `min_samples_leaf` for "cart".
    minprob : float, default=0.01
        Least share of a node in either child ("ctree").
    cp : float, default=0.001
        Least share of the root's sum of squares that a split must explain ("cart").
    max_depth : int, default=None
        None is no bound for "ctree", 30 for "cart".
    max_partitions : int >= 2 or None, default=8
        Most partitions that ``n_partitions="auto"`` takes, so that they can be read; None
        is no bound. A number of partitions that is asked for is not bounded by it.
    teststat : {"quadratic", "maximum"}, default="quadratic"
        Statistic of the tests. The two differ for unordered factors only.
    testtype : {"bonferroni", "univariate"}, default="bonferroni"
        Whether p-values are adjusted for the number of variables tested in a node.
    categorical_features : "auto" or list, default="auto"
        "auto" takes boolean, category and text columns, and objects that are no numbers;
        a list adds others.
    features : list of columns or None, default=None
        The columns that may be split, by name or, of an array, by position. None takes
        all but `drop`.
    drop : list of columns or None, default=None
        Instead: the columns that may not. X keeps them, in fit and in predict.
    honest : bool, default=False
        Grow on one half of the rows and take cAME, SD and counts from the other. A
        partition left with fewer than two of these merges upwards.
    random_state : int, RandomState instance or None, default=None
        Of the honest halves and the folds of "auto".
    weights_type : {"auto", "frequency", "sampling", "importance"}, default="auto"
        As in :class:`skfme.FMEExplainer`: weights that are no frequencies are rescaled to
        sum to the number of rows that count.

    Attributes
    ----------
    partitions_ : DataFrame
        One row per subspace, indexed by its node: ``rule``, ``n``, ``weight`` (if weights
        were given), ``ame``, ``sd``, and ``anlm``, ``sd_nlm`` (if NLMs were).
    nodes_ : DataFrame
        Every node in pre-order: its split, the test of the chosen variable, the numbers
        above, and ``drop``, the share of Var(FME) that the split accounts for.
    tests_ : DataFrame
        Statistic, adjusted p-value and log(1 − p) of each variable tested in each node.
    n_partitions_ : int
    variance_explained_ : float
        Share of Var(FME) that the partition accounts for; NaN if there is none.
    n_dropped_ : int
        Rows left out: without an effect, or of weight 0.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)

    See Also
    --------
    skfme.came : The same in one call, for an effect.
    came_batches : The same of a table larger than memory.

    Notes
    -----
    Numeric and ordered splits send values up to an observed one left ("ctree"), or
    below the middle between two ("cart"); unordered factors are split by the best
    admissible bipartition of their levels. Missing values, and levels that a node has
    not seen, go to the child with more rows, in fit and in predict; on a tie to the
    second. Dates, moments and durations are numbers of microseconds, moments compared as
    instants; the cut is shown as a date in the column's own time zone. Frequency weights
    equal repeated rows, except for that count of rows. Of other weights the scale does not
    matter: they sum to the number of rows.

    The tests treat effects as data. With enough rows, any structure of the model
    becomes significant; p-values here are a stopping rule and no evidence about the
    world.

    References
    ----------
    Hothorn, Hornik, Zeileis (2006). Unbiased recursive partitioning: a conditional
    inference framework. JCGS 15, 651-674.
    Breiman, Friedman, Olshen, Stone (1984). Classification and regression trees.
    Athey, Imbens (2016). Recursive partitioning for heterogeneous causal effects.
    PNAS 113, 7353-7360.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skfme.statsmodels import EffectTree
    >>> X = pd.DataFrame({"age": np.arange(20, 80), "sex": ["f", "m"] * 30})
    >>> effect = np.where(X["age"] < 45, -1.2, -4.0) + np.where(X["sex"] == "m", 0.5, 0)
    >>> tree = EffectTree(n_partitions=2).fit(X, effect)
    >>> tree.partitions_["rule"].tolist()
    ['age <= 44', 'age > 44']
    >>> tree.partitions_["ame"].round(2).tolist()
    [-0.96, -3.74]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "method": [MethodNames({"ctree", "cart"})],
        "n_partitions": [
            Interval(Integral, 2, None, closed="left"),
            StrOptions({"auto"}),
            None,
        ],
        "max_sd": [Interval(Real, 0, None, closed="neither"), None],
        "alpha": [Interval(Real, 0, 1, closed="neither"), None],
        "min_samples_leaf": [
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="neither"),
            None,
        ],
        "min_samples_split": [
            Interval(Integral, 2, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
            None,
        ],
        "minprob": [Interval(Real, 0, 1, closed="left")],
        "cp": [Interval(Real, 0, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left"), None],
        "max_partitions": [Interval(Integral, 2, None, closed="left"), None],
        "teststat": [StrOptions({"quadratic", "maximum"})],
        "testtype": [StrOptions({"bonferroni", "univariate"})],
        "categorical_features": "no_validation",
        "weights_type": [StrOptions({"auto", *WEIGHTS_TYPES})],
        "features": "no_validation",
        "drop": "no_validation",
        "honest": ["boolean"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        method: str = "ctree",
        n_partitions: int | str | None = None,
        max_sd: float | None = None,
        alpha: float | None = None,
        min_samples_leaf: float | None = None,
        min_samples_split: float | None = None,
        minprob: float = 0.01,
        cp: float = 0.001,
        max_depth: int | None = None,
        max_partitions: int | None = 8,
        teststat: str = "quadratic",
        testtype: str = "bonferroni",
        categorical_features: str | Iterable[Hashable] = "auto",
        features: Iterable[Hashable] | None = None,
        drop: Iterable[Hashable] | None = None,
        honest: bool = False,
        random_state: Any = None,
        weights_type: str = "auto",
    ) -> None:
        self.method = method
        self.n_partitions = n_partitions
        self.max_sd = max_sd
        self.alpha = alpha
        self.min_samples_leaf = min_samples_leaf
        self.min_samples_split = min_samples_split
        self.minprob = minprob
        self.cp = cp
        self.max_depth = max_depth
        self.max_partitions = max_partitions
        self.teststat = teststat
        self.testtype = testtype
        self.categorical_features = categorical_features
        self.features = features
        self.drop = drop
        self.honest = honest
        self.random_state = random_state
        self.weights_type = weights_type

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        nlm: Any = None,
        groups: Any = None,
    ) -> EffectTree:
        """Grow the tree, and prune it to the size asked for.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features), or ForwardEffect
            Numbers, booleans, categories and dates; missing values are allowed. Other
            columns are left out with `drop`. An effect of one output alone stands for its
            table, effects, weights, NLMs and categorical features.
        y : array-like of shape (n_samples,), default=None
            Effects, such as ``effect.fme``; rows where it is NaN are left out.
        sample_weight : column of X, or array-like of shape (n_samples,), default=None
        nlm : array-like of shape (n_samples,), default=None
            Non-linearity measures, averaged by subspace (cANLM).
        groups : column of X, or array-like of shape (n_samples,), default=None
            Kept together in honest halves and in the folds of "auto".

        Returns
        -------
        self : EffectTree

        Raises
        ------
        ValueError
            If the size asked for is out of reach, or y is infinite, of the wrong
            length, of several outputs, or NaN throughout; if the categories of a column
            name rows rather than groups.
        TypeError
            If a column holds neither numbers nor categories nor dates, or mixes them.
        """
        categorical, weights_type = self.categorical_features, self.weights_type
        self._comparison, self._about = DIFFERENCE, None
        if isinstance(X, Mapping) and y is None:
            refuse_other(X)
        if isinstance(X, ForwardEffect) and y is None:
            k = one_output(X.outputs, None, "a tree")
            X.refuse_of_means("a tree")
            self._comparison, self._about = X.comparison, (X.name, X.context.joint)
            if categorical == "auto":
                categorical = list(X.categorical_features)
            weights_type = X.weights_type if weights_type == "auto" else weights_type
            nlm = None if X.nlm_2d is None else X.nlm_2d[:, k]
            X, y, sample_weight = X.X, X.fme_2d[:, k], X.sample_weight
        self._check_arguments(y)
        table = as_table(X)
        validate_data(self, table.native, skip_check_array=True)
        rows, effects, weights = counted_rows(y, sample_weight, table, weights_type)
        measures = measures_in(nlm, table, rows)
        if groups is not None:
            groups = one_label(table, groups, "groups")[rows]
        self.n_dropped_ = len(table) - len(rows)
        read = split_positions(table, self.features, self.drop)
        if self.n_dropped_:
            refuse_infinite(table, read)
            table = table.take(rows)
        covariates = self._learned(table, read, categorical)
        sample = Sample(covariates, effects, weights, groups)
        if not sample.surely_finite:
            refuse_infinite(table, read)
        nodes = self._grown(sample)
        leaves = leaf_of_rows(nodes, len(sample))
        self._training = TreeRows(table.guarded(), effects, weights, leaves)
        self._tabulate(nodes, weights.given, measures_of(nodes, measures, weights))
        return self

    def stability(
        self, n_resamples: int = 100, *, random_state: Any = None
    ) -> Stability:
        """Grow the tree again on bootstrap rows, and count what recurs.

        Parameters
        ----------
        n_resamples : int, default=100
        random_state : int, RandomState instance or None, default=None
            None takes the tree's own.

        Returns
        -------
        stability : Stability
            Trees of the same size where one was asked for, or the largest that grew.
        """
        check_is_fitted(self, "partitions_")
        if self._training is None:
            raise ValueError(
                "stability needs the rows that the tree was grown on, which a tree that "
                "was pickled, grown over batches, or given the numbers of other rows does "
                "not carry. Fit the tree again."
            )
        if n_resamples < 1:
            raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
        table, effects, weights, leaves = self._training
        size = None if self.n_partitions is None else self.n_partitions_
        seed = self.random_state if random_state is None else random_state

        def grown(sample: Sample) -> list[Node]:
            nodes = grow(sample, self._criterion(sample.weights.sum))
            try:
                return pruned(nodes, size, self.max_sd)
            except ValueError:  # out of reach
                return nodes

        return resampled(
            grown,
            Sample(self._encoded(table), effects, weights),
            self._nodes[0].split,
            leaves,
            n_resamples,
            check_random_state(seed),
        )

    def _check_arguments(self, y: Any) -> None:
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the "
                "target y is None."
            )
        self._check_size()

    def _check_size(self) -> None:
        if self.n_partitions is not None and self.max_sd is not None:
            raise ValueError(
                f"n_partitions={self.n_partitions!r} and max_sd={self.max_sd!r} are both "
                "given; the size of a tree follows from one of them. Leave one None."
            )

    def _learned(
        self, table: Table, read: list[int], categorical: Any
    ) -> tuple[Covariate, ...]:
        """Learn what the columns are, and encode those that may be split."""
        self._kind = table.kind
        columns = describe_columns(table, categorical)
        self._split_columns = tuple(columns[i] for i in read)
        # Of the others, levels would only be carried along.
        self._columns = tuple(
            c if c.position in read else replace(c, categories=(), ranks=())
            for c in columns
        )
        covariates = learned_covariates(table, self._split_columns)
        self._covariates = tuple(c.without_values() for c in covariates)
        return covariates

    def _grown(self, sample: Sample) -> list[Node]:
        """Grow, prune and, if honest, estimate again; leaves keep their rows."""
        criterion = self._criterion(sample.weights.sum)
        random_state = check_random_state(self.random_state)
        grown_on = sample
        if self.honest:
            searched, estimated_from = honest_halves(sample, random_state)
            grown_on = sample.take(searched)
        size = self.n_partitions
        if isinstance(size, str):
            most = self.max_partitions
            size = cross_validated_size(grown_on, criterion, random_state, most)
        nodes = pruned(grow(grown_on, criterion), size, self.max_sd)
        return reestimated(nodes, sample, estimated_from) if self.honest else nodes

    def _criterion(self, total: float) -> partial[Any]:
        """What splits nodes, by the options and the total weight of the rows."""
        ctree, total = self.method == "ctree", without_rounding(total)
        leaf = self.min_samples_leaf or (0.02 if ctree else 0.04)
        if is_share(leaf):
            leaf = max(1, math.floor(leaf * total) if ctree else round(leaf * total))
        split = self.min_samples_split or (20 if ctree else 3 * leaf)
        if is_share(split):
            split = split * total
        depth = self.max_depth or (math.inf if ctree else 30)
        limits = Limits.of(leaf, split, self.minprob, depth)
        if not ctree:
            return partial(LeastSquaresCriterion, limits=limits, cp=self.cp)
        sized = self.n_partitions is not None or self.max_sd is not None
        return partial(
            ConditionalInference,
            limits=limits,
            alpha=self.alpha or (0.35 if sized else 0.05),
            teststat=self.teststat,
            testtype=self.testtype,
        )

    def __getstate__(self) -> dict[str, Any]:
        # Results are lean: a saved tree does not carry its rows.
        state = dict(super().__getstate__())
        state.pop("_training", None)
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        return tags
