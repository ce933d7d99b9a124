"""Closed forms for linear and generalised-linear models.

A step changes the linear predictor η by a sum over the columns changed (see
:mod:`skfme._engine.linear.additive`), so that no second prediction is needed:

    f(x + h) − f(x) = Δη                    identity link
                    = μ (exp(Δη) − 1)       log link, from μ = f(x)
                    = σ(η + Δη) − σ(η)      logistic and softmax links

Effects without a closed form are left to predictions.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, softmax

from skfme._engine.differences import PredictEngine
from skfme._engine.linear.additive import Additive, pulled_back
from skfme._engine.originals import check_original, links, looked_through
from skfme._engine.prediction import Response, model_name
from skfme._engine.refusals import ModelNotReadError, RowsNotReadError
from skfme._engine.stepping import Measured, Stepped, asked_for
from skfme._frames.columns import missing_in
from skfme._frames.tables import Table
from skfme.quadrature import Rule, rule_name

__all__ = ["LinearEngine", "LinearModel", "read_linear"]

_LOG = logging.getLogger(__name__)
_IDENTITY = (
    "ARDRegression",
    "BayesianRidge",
    "ElasticNet",
    "ElasticNetCV",
    "HuberRegressor",
    "Lars",
    "LarsCV",
    "Lasso",
    "LassoCV",
    "LassoLars",
    "LassoLarsCV",
    "LassoLarsIC",
    "LinearRegression",
    "LinearSVR",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "OrthogonalMatchingPursuit",
    "OrthogonalMatchingPursuitCV",
    "PassiveAggressiveRegressor",
    "QuantileRegressor",
    "Ridge",
    "RidgeCV",
    "SGDRegressor",
    "TheilSenRegressor",
)
_GENERALISED = ("GammaRegressor", "PoissonRegressor", "TweedieRegressor")
# Classifiers whose decision function is linear; of these, some with probabilities
# that are its logistic function, or its softmax.
_DECISIONS = (
    "LinearDiscriminantAnalysis",
    "LinearSVC",
    "LogisticRegression",
    "LogisticRegressionCV",
    "PassiveAggressiveClassifier",
    "Perceptron",
    "RidgeClassifier",
    "RidgeClassifierCV",
    "SGDClassifier",
)
_PROBABILITIES = (
    "LinearDiscriminantAnalysis",
    "LogisticRegression",
    "LogisticRegressionCV",
)


@dataclass(frozen=True)
class LinearModel:
    """A linear predictor and its link.

    Attributes
    ----------
    additive : Additive
    link : str
        "identity", "log", "logistic" or "softmax".
    base : Response or None
        What predicts the rows before the step: μ for the log link, η for logistic
        ones; None where it is the model's own prediction.
    tolerance : float
        To which the model itself is reproduced, relative to its largest prediction.
    """

    additive: Additive
    link: str
    base: Response | None
    tolerance: float = 1e-12

    def engine(self, predict: PredictEngine) -> LinearEngine:
        """The engine over this model."""
        return LinearEngine(self, predict)

    def respond(self, base: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Predictions where the margins have changed by `change`."""
        if self.link == "log":
            return base * np.exp(change)
        if self.link == "logistic":
            return expit(base + change)
        if self.link == "softmax":
            return softmax(base + change, axis=-1)
        return base + change

    def ends(
        self, base: np.ndarray, change: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Differences of predictions, and the predictions before and after."""
        after = self.respond(base, change)
        if self.link == "identity":
            return change, base, after
        if self.link == "log":
            return base * np.expm1(change), base, after
        before = self.respond(base, np.zeros_like(change))
        return after - before, before, after

    def effect(self, base: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Differences of predictions alone."""
        return self.ends(base, change)[0]


def read_linear(response: Response, table: Table) -> LinearModel:
    """The linear predictor behind a response.

    Parameters
    ----------
    response : Response
    table : Table
        With the columns that the model gets.

    Raises
    ------
    ModelNotReadError
        If the response is none of a linear model known by name; the message says why.
    """
    model, transformers, wrappers = looked_through(response.estimator)
    name = model_name(model)
    if type(model).__module__.split(".")[0] != "sklearn":
        raise ModelNotReadError(f"{name} is no linear model that it knows")
    if not isinstance(response.method, str):
        raise ModelNotReadError("response_method is a function, not a method")
    link, base = _link(model, name, response)
    check_original(*wrappers, model, *links(model))
    weights = np.asarray(model.coef_, dtype=np.float64)
    if np.asarray(model.coef_).dtype != np.float64:
        raise ModelNotReadError(f"{name} was fitted in single precision")
    weights = weights.reshape(-1, weights.shape[-1]).T
    if weights.shape[1] != len(response.outputs):
        raise ModelNotReadError(
            f"{name} has {weights.shape[1]} margins for {len(response.outputs)} outputs"
        )
    return LinearModel(pulled_back(transformers, weights, table.names), link, base)


def _link(model: Any, name: str, response: Response) -> tuple[str, Response | None]:
    """The link, and what predicts the rows before the step."""
    method = response.method
    if method == "predict" and name in _GENERALISED and not _is_identity(model, name):
        return "log", response
    if (method == "predict" and name in _IDENTITY + _GENERALISED) or (
        method == "decision_function" and name in _DECISIONS
    ):
        return "identity", None
    logistic = name in _PROBABILITIES or (
        name == "SGDClassifier" and model.loss == "log_loss"
    )
    if method != "predict_proba" or not logistic:
        raise ModelNotReadError(f"{name}.{method} is no linear predictor that it knows")
    eta = replace(response, method="decision_function", positive_only=False)
    if response.positive_only:
        return "logistic", eta
    if name == "SGDClassifier" or (
        getattr(model, "multi_class", None) == "ovr"
        or getattr(model, "solver", None) == "liblinear"
    ):
        raise ModelNotReadError(f"{name} combines one model for each class")
    return "softmax", eta


def _is_identity(model: Any, name: str) -> bool:
    """Whether a generalised linear model has no link; Tweedie's own up to a power of 0."""
    if name == "TweedieRegressor" and model.link == "auto":
        return model.power <= 0
    return getattr(model, "link", "log") == "identity"


@dataclass(frozen=True)
class _Changes:
    """What one effect changes of the margins of the rows that count.

    Attributes
    ----------
    start : ndarray of shape (n_counted, n_outputs)
        From the row's own values to where the step starts.
    fixed, moving : ndarray of shape (n_counted, n_outputs)
        From there: what categories change, and what numbers do.
    moves : bool
        Whether there are any numbers.
    """

    start: np.ndarray
    fixed: np.ndarray
    moving: np.ndarray
    moves: bool

    @property
    def change(self) -> np.ndarray:
        return self.fixed + self.moving


@dataclass(frozen=True)
class LinearEngine:
    """Effects of a linear predictor; a callable that joblib can ship.

    Attributes
    ----------
    model : LinearModel
    predict : PredictEngine
        For effects and batches without a closed form.
    """

    model: LinearModel
    predict: PredictEngine
    name = "linear"

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        batch, effects = asked_for(batch, effects)
        closed = self._closed(batch, effects)
        pairs = list(zip(effects, closed, strict=True))
        without = [effect for effect, changes in pairs if changes is None]
        predicted = iter(self.predict(batch, without, rule) if without else [])
        base = self._base(batch) if len(batch) and any(closed) else None
        return [
            next(predicted)
            if changes is None
            else self._measured(effect, changes, base, rule)
            for effect, changes in pairs
        ]

    def responses(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Predictions before and after each step; None where there is no closed form."""
        closed = self._closed(batch, effects)
        base = self._base(batch) if any(closed) else np.empty((0, 0))
        pairs: list[tuple[np.ndarray, np.ndarray] | None] = []
        for effect, changes in zip(effects, closed, strict=True):
            if changes is None:
                pairs.append(None)
                continue
            values, start = base[effect.counted], changes.start
            low = self.model.respond(values, start)
            pairs.append((low, self.model.respond(values, start + changes.change)))
        return pairs

    def _base(self, batch: Table) -> np.ndarray:
        """What the predictions after a step are computed from."""
        return (self.model.base or self.predict.response)(batch)

    def _closed(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> list[_Changes | None]:
        """The changes of the margins; None for effects left to predictions."""
        if _has_gaps(batch):
            return [None] * len(effects)
        return [self._changes(batch, effect) for effect in effects]

    def by_feature(
        self, batch: Table, effect: Stepped
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """What the predictions after a step are computed from, and each feature's change.

        Returns
        -------
        base : ndarray of shape (n_counted, n_outputs)
            Where the step starts; zeros where the effect does not depend on it.
        changes : ndarray of shape (n_counted, n_features, n_outputs)
            Of the margins. None of both where there is no closed form.
        """
        found = None if _has_gaps(batch) else self._by_feature(batch, effect)
        if found is None:
            return None
        start, changes = found
        if self.model.base is None:
            return np.zeros(start.shape), changes
        values = self._base(batch)[effect.counted]
        base = values * np.exp(start) if self.model.link == "log" else values + start
        return base, changes

    def _by_feature(
        self, batch: Table, effect: Stepped
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """How the margins change to where the step starts, and from there, by feature."""
        counted = effect.counted  # elsewhere values may be missing
        # A slice with an end, as a column of narwhals 2.0 takes no other.
        rows: Any = slice(0, len(batch)) if counted.all() else np.flatnonzero(counted)
        shape = (np.count_nonzero(counted), len(self.predict.response.outputs))
        start = np.zeros(shape)
        changes = np.zeros((shape[0], len(effect.changes), shape[1]))
        additive = self.model.additive
        try:
            for k, bound in enumerate(effect.changes):
                p = bound.change.position
                low, end = batch.column(p)[rows], effect.end[p][rows]
                if p in effect.start:
                    own, low = low, effect.start[p][rows]
                    start += additive.change(p, own, low)
                changes[:, k] = additive.change(p, low, end)
            if not np.isfinite(changes).all():
                raise RowsNotReadError("a step leads to infinity")
        except RowsNotReadError as reason:
            _LOG.debug("an effect is left to the model's own predictions: %s", reason)
            return None
        return start, changes

    def _changes(self, batch: Table, effect: Stepped) -> _Changes | None:
        found = self._by_feature(batch, effect)
        if found is None:
            return None
        start, changes = found
        numeric = np.array([bound.change.numeric for bound in effect.changes])
        fixed, moving = (changes[:, of].sum(axis=1) for of in (~numeric, numeric))
        return _Changes(start, fixed, moving, bool(numeric.any()))

    def _measured(
        self,
        effect: Stepped,
        changes: _Changes,
        base: np.ndarray | None,
        rule: Rule | None,
    ) -> Measured:
        model, start, change = self.model, changes.start, changes.change
        if base is None:
            return Measured(change, np.empty_like(change), engine=self.name)
        values = base[effect.counted]
        if model.link == "log":
            values, start = values * np.exp(start), np.zeros_like(start)
        else:
            values, start = values + start, np.zeros_like(start)
        fme, before, after = model.ends(values, change)
        if rule is None:
            return Measured(fme, before, after, engine=self.name)
        if not changes.moves or not len(fme):
            undefined = np.full(fme.shape, np.nan)
            return Measured(fme, before, after, undefined, engine=self.name)
        # Categories stand at their new value all along.
        held, moving = start + changes.fixed, changes.moving

        def line(rows: np.ndarray, t: np.ndarray) -> np.ndarray:
            moved = held[rows][:, None] + t[:, :, None] * moving[rows][:, None]
            return model.respond(values[rows][:, None], moved)

        low, high = model.respond(values, held), model.respond(values, held + moving)
        resolution = self.predict.response.resolution
        nlm, converged = rule._measure(line, low, high, resolution)
        lost = int(np.count_nonzero(~converged))
        return Measured(fme, before, after, nlm, lost, self.name, rule_name(rule))


def _has_gaps(batch: Table) -> bool:
    """Whether values are missing, which the model, or its imputer, has to see."""
    return any(missing_in(batch.column(p)).any() for p in range(len(batch.names)))
