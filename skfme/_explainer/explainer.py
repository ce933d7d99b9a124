"""FMEExplainer: forward marginal effects, f(x + h) − f(x), as a scikit-learn estimator.

Fitting, explaining and exploring start here. How effects are computed, and what results
are, lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skfme._decorators import VersionedPickle, fit_context
from skfme._engine.batches import Schedule
from skfme._engine.choice import ENGINES, EngineChoice
from skfme._engine.comparing import read_comparisons, refuse_nlm
from skfme._engine.forward import forward_differences
from skfme._engine.row_checks import sample_rows
from skfme._explainer.attributing import StepSplitting
from skfme._explainer.callbacks import CallbackSupport
from skfme._explainer.delegation import DelegatedPredictions
from skfme._explainer.exploration import StepExploration
from skfme._explainer.fitting import (
    columns_read,
    fitted,
    read_input,
    refuse_no_estimator,
    response_of,
)
from skfme._explainer.streams import StreamedEffects
from skfme._frames.checks import (
    check_columns_as_in_fit,
    checked_weights,
    naming_missing_values,
    table_as_in_fit,
)
from skfme._frames.tables import Table, as_table, has_no_rows
from skfme._frames.transit import in_categories_of_fit
from skfme._results.context import Context
from skfme._results.effect_tables import warn_of_empty
from skfme._results.effects import ForwardEffects
from skfme._summaries.comparisons import AVERAGES
from skfme._summaries.weighting import WEIGHTS_TYPES, Weighting
from skfme._text.outputs import names_by_output
from skfme.extrapolation._support import fit_support
from skfme.quadrature import Rule, as_rule
from skfme.steps._changes import NamedStep
from skfme.steps._kept_training import KeptTraining
from skfme.steps._parsing import parse_steps

__all__ = ["FMEExplainer"]


class FMEExplainer(
    CallbackSupport,
    DelegatedPredictions,
    StepExploration,
    StepSplitting,
    StreamedEffects,
    VersionedPickle,
    MetaEstimatorMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Forward marginal effects of any model: f(x + h) − f(x).

    Parameters
    ----------
    estimator : estimator
        The model. `fit` clones and fits it; a ``FrozenEstimator`` is used as it is.
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None, default=None
        What is changed:

        - ``{"bmi": -2}``: one effect; ``{"bmi": -2, "bp": -10}``: one joint effect,
          numeric and categorical changes mixed as wanted;
        - a list of those: several effects; a mapping of name -> mapping: several
          effects under names of your own;
        - None or "unit": one effect per feature, +1 (+0.01 where the training range
          is at most 1), each category of a categorical feature; a numeric feature of
          only two values is contrasted, low -> high, over all rows; "sd", "iqr": one
          training SD or IQR instead of one unit.

        Keys are column names, or positions for arrays (whose columns are then
        called x0, x1, …). A number on a numeric column is added; any plain value on
        a categorical column is the category to move to; a timedelta moves a
        datetime column; objects of :mod:`skfme.steps` and functions
        column -> column say anything else. A column has one type before the step and
        after it: integers become floats at both ends of a fractional step, and float32
        becomes float64 where it does not hold x + h to a millionth of h.
    response_method : "auto", str or callable, default="auto"
        What is differenced. "auto" is ``predict`` for regressors and
        ``predict_proba`` for classifiers (two classes: the second one only). A name
        of a method, or a callable ``(estimator, X) -> array``, sets another.
    extrapolation : None, "envelope", Envelope or outlier detector, default="envelope"
        Which stepped rows do not count, because they leave the training data.
        "envelope" is the range of each numeric feature. Any scikit-learn outlier
        detector is cloned and fitted on the training rows.
    nlm : bool, str or Rule, default=False
        Whether to measure, for each row, how far the prediction along the step is
        from a straight line: False, True (exactly for tree ensembles and linear
        models, else by ``GaussLegendre(8)``), "simpson38",
        "gauss-legendre", "adaptive", or a rule of :mod:`skfme.quadrature`. Only
        numeric features move along the path; categories and dates stand at their
        new values, and where nothing else is changed the NLM is NaN.
    comparison : str or callable, default="difference"
        How the prediction after the step is compared with the one before it:
        "difference", "ratio", "percent" (change), "log_ratio", "log_odds_ratio",
        "per_unit" (the difference over the amount that one numeric feature is raised by),
        or a function of two arrays (before, after). Effects then hold the comparison;
        NLMs are measured of differences only.
    average : {"of_rows", "of_means"}, default="of_rows"
        The average of rows' comparisons, or the comparison of average predictions.
    categorical_features : "auto" or list, default="auto"
        "auto" takes boolean, category and text columns, objects that are no numbers, and
        columns that the model itself takes for categories, as CatBoost's `cat_features`;
        a list of names or positions adds others, such as categories coded as integers.
    engine : {"auto", "predict", "trees", "linear"}, default="auto"
        "predict" differences the model's own predictions. "trees" walks the trees of an
        ensemble once for all effects (extra ``fast``), "linear" takes closed forms of
        linear models; both insist. "auto" takes one of these where it equals the model's
        predictions on a sample of rows. Each effect names its ``engine``.
    batch_size : int or "auto", default="auto"
        Rows per batch of predictions; "auto" follows scikit-learn's
        ``working_memory``.
    n_jobs : int or None, default=None
        Batches at once, through joblib (threads unless a backend is set).
    verbose : int, default=0
        1 shows progress.
    weights_type : {"auto", "frequency", "sampling", "importance"}, default="auto"
        What `sample_weight` is in SDs and quantiles: frequencies equal repeated rows, the
        scale of others does not matter. "auto": "frequency" if all are whole.
    check_rows : bool, default=True
        Whether `fit` tries on a few rows that the prediction of a row depends on no other,
        and else refuses the model. False is for models that mean it, such as ranks among
        peers; `batch_size` should then be the number of rows.
    response_label : str or None, default=None
        What is predicted, such as ``"risk of diabetes (%)"``, for texts and pictures.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.
    columns_ : tuple
        What each column of the training rows holds.
    steps_ : tuple
        The effects, resolved against the training rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only where the table's columns have text names.

    See Also
    --------
    skfme.fme : The same in one call, for a fitted model.

    References
    ----------
    Scholbeck et al. (2024). Marginal effects for non-linear prediction functions. Data
    Mining and Knowledge Discovery 38, 2997-3042, definition of the FME.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import FMEExplainer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(LinearRegression(), steps={"bmi": -2}).fit(X, y)
    >>> effect = explainer.explain(X)["bmi -2"]
    >>> effect.n, round(effect.ame, 3)
    (422, -11.206)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [HasMethods(["fit"])],
        "steps": "no_validation",
        "response_method": [str, callable],
        "extrapolation": "no_validation",
        "nlm": "no_validation",
        "comparison": [str, callable],
        "average": [StrOptions(set(AVERAGES))],
        "categorical_features": "no_validation",
        "engine": [StrOptions(set(ENGINES))],
        "batch_size": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
        ],
        "n_jobs": [None, Integral],
        "verbose": ["verbose"],
        "weights_type": [StrOptions({"auto", *WEIGHTS_TYPES})],
        "check_rows": ["boolean"],
        "response_label": [str, None],
    }

    def __init__(
        self,
        estimator: Any,
        steps: Any = None,
        *,
        response_method: str | Callable[..., Any] = "auto",
        extrapolation: Any = "envelope",
        nlm: Any = False,
        comparison: str | Callable[..., Any] = "difference",
        average: str = "of_rows",
        categorical_features: str | Iterable[Hashable] = "auto",
        engine: str = "auto",
        batch_size: int | str = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
        weights_type: str = "auto",
        check_rows: bool = True,
        response_label: str | None = None,
    ) -> None:
        self.estimator = estimator
        self.steps = steps
        self.response_method = response_method
        self.extrapolation = extrapolation
        self.nlm = nlm
        self.comparison = comparison
        self.average = average
        self.categorical_features = categorical_features
        self.engine = engine
        self.batch_size = batch_size
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.weights_type = weights_type
        self.check_rows = check_rows
        self.response_label = response_label

    _keeps_training = True  # so that steps may follow; one call has all of them

    def _validate_params(self) -> None:
        refuse_no_estimator(self.estimator)
        super()._validate_params()

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> FMEExplainer:
        """Fit the model, and learn the training data's columns and ranges.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Training rows.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target; may be omitted for a ``FrozenEstimator``.
        sample_weight : column of X, or array-like of shape (n_samples,), default=None
            Passed to the model; rows of weight 0 widen no range, category or SD.
        **params : dict
            Passed to the model's fit, or routed to it.

        Returns
        -------
        self : FMEExplainer

        Raises
        ------
        ValueError
            If a step names an unknown column or category or takes two values to a third,
            the model is fitted and y is missing, or weights are negative or all zero.
        TypeError
            If X is sparse or lazy, or a step does not fit its column.
        """
        table, y, training, params = read_input(self, X, y, sample_weight, params)
        steps = parse_steps(self.steps, training)
        comparisons = read_comparisons(self.comparison, self.average, steps)
        refuse_nlm(comparisons, as_rule(self.nlm))
        estimator = clone(self.estimator)
        # Never the user's memory: a model may write into it, here as in predictions.
        X_model = table.private()
        with self._task_of_model(estimator, X_model, y):
            self.estimator_ = fitted(estimator, X_model, y, params)
        self.columns_ = training.schema
        self.steps_ = steps
        self._spreads = training.spreads()
        self._kind = table.kind
        self._support = fit_support(
            self.extrapolation, training.table, training.schema, training.weights
        )
        self._sample = sample_rows(training.table)
        if self._keeps_training:
            self._training = KeptTraining(training, self._sample)
        self._response = response_of(self, self._sample, y)
        self._choice = EngineChoice(self._response, self.engine, self._sample)
        self._choice.check()
        return self

    def _table(self, X: Any) -> Table:
        """Check X against fit, and give it the kind of table the model was fitted on."""
        check_is_fitted(self, "estimator_")
        table = columns_read(self.estimator_, as_table(X))
        table = table_as_in_fit(self, table, self._kind, self.columns_)
        return in_categories_of_fit(table, self._sample)

    def explain(self, X: Any, sample_weight: Any = None) -> ForwardEffects:
        """Compute the effects on every row of X.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Rows to explain, with the columns seen in fit.
        sample_weight : column of X, or array-like of shape (n_samples,), default=None
            Weights of the averages; see `weights_type`.

        Returns
        -------
        effects : ForwardEffects
            One ForwardEffect per step, by name.

        Raises
        ------
        ValueError
            If X differs from fit's columns, or predictions are not finite numbers.
        """
        effects = self._explain(X, sample_weight)
        warn_of_empty(effects)
        return effects

    def _explain(self, X: Any, sample_weight: Any = None) -> ForwardEffects:
        table = self._table(X)
        return self._effects(table, self.steps_, as_rule(self.nlm), sample_weight)

    def _effects(
        self,
        table: Table,
        steps: tuple[NamedStep, ...],
        rule: Rule | None,
        sample_weight: Any,
    ) -> ForwardEffects:
        weights = checked_weights(sample_weight, table, self.weights_type)
        schedule = Schedule(self.batch_size, self.n_jobs, self.verbose)
        comparisons = read_comparisons(self.comparison, self.average, steps)
        with naming_missing_values(table):
            differences, n_outside_before = forward_differences(
                self._choice,
                table,
                steps,
                self._support,
                rule,
                schedule,
                comparisons,
            )
        context = self._context(table, weights, n_outside_before)
        return ForwardEffects.of(context, steps, differences, comparisons)

    def _context(
        self, table: Table, weights: Weighting, n_outside_before: int | None
    ) -> Context:
        """What results of the rows have in common."""
        return Context.of(
            table,
            weights,
            self._response,
            self.columns_,
            n_outside_before,
            self.response_label,
        )

    def transform(self, X: Any) -> np.ndarray:
        """FMEs as columns.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        fme : ndarray of shape (n_samples, n_effects * n_outputs)
            In the order of `get_feature_names_out`; NaN where a row does not count,
            so that a pipeline that goes on needs an imputer after it. A table without
            rows, such as an empty partition, gives an array without rows.
        """
        if has_no_rows(X):
            check_columns_as_in_fit(self, X)
            return np.empty((0, len(self.get_feature_names_out())))
        return np.hstack([effect.fme_2d for effect in self._explain(X).values()])

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the effects, with the output in brackets where there are several.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked against the names seen in fit.

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self, "estimator_")
        _check_feature_names_in(self, input_features)
        outputs = self._response.outputs
        names = [n for step in self.steps_ for n in names_by_output(step.name, outputs)]
        return np.array(names, dtype=object)
