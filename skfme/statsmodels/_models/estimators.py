"""Models of statsmodels as scikit-learn estimators.

An estimator fits a model class of statsmodels on arrays or by a formula, and predicts
as scikit-learn expects. What the fit found (standard errors, tests, diagnostics) stays
in ``results_``, from which :func:`delta_effects` takes its covariance.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import _fit_context
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import (
    _check_sample_weight,
    _check_y,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)
from statsmodels.regression.linear_model import OLS, WLS

from skfme._frames.contents import pandas_frame
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.fitted import fitted_model, given_offsets
from skfme.statsmodels._models.formulas import categorical_in
from skfme.statsmodels._models.mean_estimator import MeanEstimator, mean_of_rows
from skfme.statsmodels._models.offsets import Offset

__all__ = ["StatsmodelsEstimator"]

# Models of classes, and those that take weights, by the name of their argument.
_OF_MANY_CLASSES = ("MNLogit", "OrderedModel")
_CLASSIFIERS = ("Logit", "Probit", "ConditionalLogit", *_OF_MANY_CLASSES)
_WEIGHTS = ("freq_weights", "weights")
_WITHOUT_CONSTANT = ("OrderedModel", "ConditionalLogit", "ConditionalPoisson")


class StatsmodelsEstimator(MeanEstimator):
    """Any model of statsmodels as a scikit-learn regressor or classifier.

    Parameters
    ----------
    model : model class of statsmodels or None, default=None
        Such as ``sm.GLM`` or ``sm.Logit``; None is OLS.
    formula : str or None, default=None
        None fits on the columns of X as they are. Otherwise the model's formula over
        them (x0, x1, … for arrays); its left side, a plain name or left out, is y. The
        names ``np`` and ``pd`` may be used in it. A column that it takes by ``C(…)``
        only is categorical for an explainer.
    model_kwds : dict or None, default=None
        For the model, such as ``{"family": sm.families.Poisson()}``.
    fit_kwds : dict or None, default=None
        For its fit, such as ``{"cov_type": "HC3"}``.
    fit_method : str, default="fit"
        Another method that fits, such as "fit_regularized".
    fit_intercept : bool, default=True
        Whether a constant is added to the columns of X. A formula says so itself, and
        an ordered model never has one.
    offset, exposure : column of X or None, default=None
        A column that enters the linear predictor with coefficient 1, as it is or by
        its logarithm, instead of being a covariate.
    weights : str, default="auto"
        The argument of the model that `sample_weight` is for: "auto" is
        ``freq_weights`` of GLM, where whole weights are repeated rows, and ``weights``
        of WLS; "var_weights" is GLM's other kind.
    estimator_type : {"auto", "regressor", "classifier"}, default="auto"
        "auto" is a classifier for Logit, Probit, MNLogit and OrderedModel, and a
        regressor for others. A classifier codes its classes from 0, so that a binomial
        GLM can be one as well.

    Attributes
    ----------
    results_ : statsmodels results
        ``results_.summary()`` is statsmodels' own account of the fit.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier; in the order of the categories where y is an ordered one.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only where the columns of X have text names.

    See Also
    --------
    skfme.statsmodels.delta_effects : Effects with the fit's own standard errors.

    Examples
    --------
    >>> import statsmodels.api as sm
    >>> from sklearn.datasets import load_diabetes
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import StatsmodelsEstimator
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> gamma = StatsmodelsEstimator(
    ...     sm.GLM,
    ...     formula="progression ~ bs(bmi, df=4) + bp + C(sex)",
    ...     model_kwds={"family": sm.families.Gamma(sm.families.links.Log())},
    ... )
    >>> explainer = FMEExplainer(gamma, steps={"bmi": -2}).fit(X, y)
    >>> round(explainer.explain(X)["bmi -2"].ame, 1)
    -15.5
    """

    _parameter_constraints: ClassVar[dict] = {
        "model": [None, callable],
        "formula": [None, str],
        "model_kwds": [None, Mapping],
        "fit_kwds": [None, Mapping],
        "fit_method": [str],
        "fit_intercept": ["boolean"],
        "offset": "no_validation",
        "exposure": "no_validation",
        "weights": [str],
        "estimator_type": [StrOptions({"auto", "regressor", "classifier"})],
    }

    def __init__(
        self,
        model: Any = None,
        *,
        formula: str | None = None,
        model_kwds: Mapping[str, Any] | None = None,
        fit_kwds: Mapping[str, Any] | None = None,
        fit_method: str = "fit",
        fit_intercept: bool = True,
        offset: Hashable | None = None,
        exposure: Hashable | None = None,
        weights: str = "auto",
        estimator_type: str = "auto",
    ) -> None:
        self.model = model
        self.formula = formula
        self.model_kwds = model_kwds
        self.fit_kwds = fit_kwds
        self.fit_method = fit_method
        self.fit_intercept = fit_intercept
        self.offset = offset
        self.exposure = exposure
        self.weights = weights
        self.estimator_type = estimator_type

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> StatsmodelsEstimator:
        """Fit the model.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Numbers, unless a formula codes them. Rows that miss a value which the
            formula needs are dropped, as statsmodels does.
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            For models that take weights: see `weights`.

        Returns
        -------
        self : StatsmodelsEstimator

        Raises
        ------
        ValueError
            If the model takes no weights and some are given, or X does not fit it.
        """
        table, y = self._checked(X, y)
        model_class, model_kwds = self._weighted(sample_weight, len(table))
        model_kwds |= self.model_kwds or {}
        model_kwds |= Offset(given_offsets(self.offset, self.exposure)).parts(table)
        endog = self._coded(y)
        if self.formula is None:
            model = model_class(endog, self._exog(table), **model_kwds)
        else:
            frame = pandas_frame(table, table.names)
            frame[endog.name] = endog
            right = self.formula.partition("~")[2] or self.formula
            model_kwds |= {"eval_env": _names_for_formulas()}
            model = model_class.from_formula(
                f"{endog.name} ~ {right}", frame, **model_kwds
            )
        fit = getattr(model, self.fit_method)
        quiet = {"disp": 0} if "disp" in inspect.signature(fit).parameters else {}
        self.results_ = fit(**{**quiet, **(self.fit_kwds or {})})
        return self

    @property
    def _model_class(self) -> Any:
        return OLS if self.model is None else self.model

    def categorical_columns(self) -> list[Hashable]:
        """Names of the columns that the formula takes for categories only.

        Returns
        -------
        names : list of label
            Those of ``C(…)`` that it uses in no other way.
        """
        return [] if self.formula is None else categorical_in(self.formula)

    def _classifies(self) -> bool:
        if self.estimator_type == "auto":
            return self._is(*_CLASSIFIERS)
        return self.estimator_type == "classifier"

    def _is(self, *names: str) -> bool:
        """Whether the model is of one of these classes."""
        bases = getattr(self._model_class, "__mro__", ())
        return any(base.__name__ in names for base in bases)

    def _checked(self, X: Any, y: Any) -> tuple[Table, np.ndarray]:
        if y is None:
            raise ValueError(
                "This StatsmodelsEstimator requires y to be passed, but the target y is "
                "None."
            )
        table = self._table(X, reset=True)
        target = _check_y(y, y_numeric=not self._classifies(), estimator=self)
        check_consistent_length(table.native, target)
        if not self._classifies():
            return table, target
        check_classification_targets(target)
        self.classes_ = _classes_in(y, target)
        if len(self.classes_) < 2:
            raise ValueError(
                "A classifier needs two classes, and y holds one class only: "
                f"{self.classes_[0]!r}."
            )
        if len(self.classes_) > 2 and not self._is(*_OF_MANY_CLASSES):
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(target)}; sm.MNLogit takes more classes than two."
            )
        return table, target

    def _table(self, X: Any, reset: bool) -> Table:
        """X checked, as a table; columns without text names are x0, x1, …"""
        if self.formula is None:
            options: dict[str, Any] = {"ensure_min_samples": 2 if reset else 1}
            X = validate_data(self, X, reset=reset, dtype=np.float64, **options)
            names = getattr(self, "feature_names_in_", None)
            return as_table(X if names is None else pd.DataFrame(X, columns=names))
        table = as_table(X)
        if table.kind == "numpy":
            return as_table(validate_data(self, X, dtype=None, reset=reset))
        validate_data(self, X, skip_check_array=True, reset=reset)
        if hasattr(self, "feature_names_in_"):
            return table
        names = [f"x{i}" for i in range(len(table.names))]
        return as_table(pandas_frame(table, table.names).set_axis(names, axis=1))

    def _coded(self, y: np.ndarray) -> pd.Series:
        """The target as statsmodels takes it; classes by their position."""
        if self._classifies():
            y = pd.Index(self.classes_).get_indexer(pd.Index(y))
        else:
            y = np.asarray(y, dtype=float)
        return pd.Series(y, name=self._target())

    def _target(self) -> str:
        """The name of the left side."""
        left, tilde, _ = (self.formula or "").partition("~")
        name = left.strip() if tilde else ""
        if name and not name.isidentifier():
            raise ValueError(
                f"The left side of the formula is {name!r}; expected a plain name, "
                "for which y stands. To model a transformed target, use "
                "sklearn.compose.TransformedTargetRegressor."
            )
        return name or "y"

    def _weighted(self, sample_weight: Any, n: int) -> tuple[Any, dict[str, Any]]:
        """The model's class, and its argument that takes the weights."""
        model_class = self._model_class
        if sample_weight is None:
            return model_class, {}
        weights = _check_sample_weight(
            sample_weight, np.empty((n, 1)), ensure_non_negative=True
        )
        if not weights.any():
            raise ValueError("sample_weight is zero in every row.")
        if model_class is OLS:  # which is WLS of equal weights
            return WLS, {"weights": weights}
        bases = getattr(model_class, "__mro__", (model_class,))
        parameters = [inspect.signature(base.__init__).parameters for base in bases]
        names = _WEIGHTS if self.weights == "auto" else (self.weights,)
        for name in names:
            if any(name in of_base for of_base in parameters):
                return model_class, {name: weights}
        raise ValueError(
            f"{model_class.__name__} takes no {' or '.join(names)}, so that sample_weight "
            "would be lost. OLS, WLS and GLM take weights; a binomial GLM is a Logit."
        )

    def _exog(self, table: Table) -> pd.DataFrame:
        """Covariates and the constant, under their own names."""
        offset = Offset(given_offsets(self.offset, self.exposure))
        added = offset.positions(table).values()
        names = [name for i, name in enumerate(table.names) if i not in added]
        exog = pandas_frame(table, names).set_axis(list(map(str, names)), axis=1)
        if self.fit_intercept and not self._is(*_WITHOUT_CONSTANT):
            exog.insert(0, "const", 1.0)
        return exog

    def _mean(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "results_")
        return mean_of_rows(fitted_model(self), self._table(X, reset=False))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of a regressor, accuracy of a classifier.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
        """
        score = accuracy_score if self._classifies() else r2_score
        return float(score(y, self.predict(X), sample_weight=sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.string = self.formula is not None
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_class = self._is(*_OF_MANY_CLASSES)
        return tags


def _classes_in(given: Any, y: np.ndarray) -> np.ndarray:
    """The classes, in the order of the categories where they are ordered."""
    dtype = getattr(given, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype) and dtype.ordered:
        return dtype.categories[dtype.categories.isin(y)].to_numpy()
    return np.unique(y)


def _names_for_formulas() -> Any:
    """What a formula may call beside its own functions."""
    import statsmodels.formula

    names = {"np": np, "pd": pd}
    if hasattr(statsmodels.formula, "options"):
        return names
    from patsy import EvalEnvironment  # statsmodels before 0.15 knows patsy only

    return EvalEnvironment([names])
