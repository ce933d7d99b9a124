"""A learner fitted again on other rows, and the effects by the new model.

FME*(x) = f*(x + h) − f*(x), f* the learner fitted on rows drawn. Steps, ranges and what
counts as extrapolation are those learned from all rows: only the model is new, so that
every refit estimates the same thing, for the same rows. How errors of single refits
are counted is here too; which rows are drawn, and what is made of the effects, is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from skfme._attribution.questions import Question
from skfme._engine.batches import in_order, with_progress
from skfme._engine.prediction import model_name
from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.fitting import (
    over_model,
    params_of_fit,
    refuse_no_estimator,
)
from skfme._frames.checks import one_target
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffects
from skfme.quadrature import Rule
from skfme.steps._changes import NamedStep

__all__ = ["Refitting", "last_step", "prepared", "replicated"]

# More failures than this share would condition the results on the fits that work.
MOST_FAILED = 0.1


@dataclass(frozen=True)
class Refitting:
    """What a refit needs, without the model that was fitted on all rows.

    Attributes
    ----------
    explainer : FMEExplainer
        With steps, ranges and extrapolation fitted on all rows, and no model.
    steps : tuple of NamedStep
        The effects that are computed with each model.
    table : Table of n rows
    y : array-like of shape (n,) or (n, n_targets)
    fit_params : dict
        Passed to the model's fit; arrays of n entries are taken row by row.
    classes : list of ndarray
        The classes that every refit has to have seen; empty for a regressor.
    seeded : tuple of str
        The model's parameters that each refit sets to a seed of its own.
    split : (NamedStep, Question) or None
        A joint step whose parts are computed instead of the effects.
    """

    explainer: FMEExplainer
    steps: tuple[NamedStep, ...]
    table: Table
    y: Any
    fit_params: dict[str, Any]
    classes: list[np.ndarray]
    seeded: tuple[str, ...]
    split: tuple[NamedStep, Question] | None = None

    def effects(
        self,
        rows: np.ndarray,
        seed: np.random.SeedSequence,
        table: Table,
        rule: Rule | None = None,
    ) -> ForwardEffects:
        """Effects by a model of some rows, repeated ones included, on a checked table.

        Parameters
        ----------
        rows : ndarray of int
            Positions of the training rows in the refitting's own table.
        seed : SeedSequence
            Of the model.
        table : Table
            The rows to explain.
        rule : Rule or None
            Of the NLM; None computes none.
        """
        explainer = self._over(rows, seed)
        if self.split is not None:
            return explainer._attribution(table, *self.split, None)
        return explainer._effects(table, self.steps, rule, None)

    def _over(self, rows: np.ndarray, seed: np.random.SeedSequence) -> FMEExplainer:
        """The explainer over a model fitted on some rows."""
        estimator = _seeded(clone(self.explainer.estimator), self.seeded, seed)
        fit_params = _check_method_params(self.table.native, self.fit_params, rows)
        X, y = self.table.take(rows).native, _safe_indexing(self.y, rows)
        estimator.fit(X, y, **fit_params)
        for classes, learned in zip(self.classes, _classes(estimator), strict=True):
            lost = np.setdiff1d(classes, learned)
            if len(lost):
                raise ValueError(
                    f"these rows hold no y of class {', '.join(map(str, lost))}; draw "
                    "within classes, with stratify=y"
                )
        return over_model(self.explainer, estimator)


def _check_refittable(explainer: Any, table: Table, y: Any) -> None:
    """Refuse what no model could be fitted again from, before any is fitted."""
    if not isinstance(explainer, FMEExplainer):
        raise TypeError(
            "explainer must be an FMEExplainer over a model that can be fitted, got "
            f"{type(explainer).__name__}."
        )
    refuse_no_estimator(explainer.estimator)
    last = last_step(explainer.estimator)
    if isinstance(last, FrozenEstimator):
        raise TypeError(
            f"The model is a FrozenEstimator over {model_name(last)}: it cannot be "
            "fitted again, so that nothing is learned about other training data. Give "
            "the explainer the estimator itself."
        )
    if y is None:
        raise ValueError(
            f"y is None, but {model_name(last)} has to be fitted again. Give the target "
            "it was trained on."
        )
    if _num_samples(y) != len(table):
        raise ValueError(f"y has {_num_samples(y)} entries; X has {len(table)} rows.")


def prepared(
    explainer: FMEExplainer,
    table: Table,
    y: Any,
    fit_params: dict[str, Any] | None,
    seed: np.random.SeedSequence,
    *,
    rows: np.ndarray | None = None,
    every_seed: bool = False,
) -> tuple[FMEExplainer, Refitting]:
    """Fit a clone of the explainer, and ready it for refits on the same rows.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not.
    table : Table of n_samples rows
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    fit_params : dict or None
        As FMEExplainer.fit takes them.
    seed : SeedSequence
    rows : ndarray of int or None
        The training rows; None is all.
    every_seed : bool
        Whether refits set every ``random_state`` of the model, or those that are None.

    Returns
    -------
    fitted : FMEExplainer
    refitting : Refitting

    Raises
    ------
    TypeError
        If `explainer` is no FMEExplainer, or its model is frozen.
    ValueError
        If y is missing or not as long as the table.
    """
    _check_refittable(explainer, table, y)
    params = dict(fit_params or {})
    if rows is not None:
        params = _check_method_params(table.native, params, rows)
        table, y = table.take(rows), _safe_indexing(y, rows)
    if explainer._wants_one_target():
        y = one_target(y, model_name(explainer.estimator))
    fitted = clone(explainer).set_params(verbose=0)
    seeded = _random_states(fitted.estimator, every_seed)
    fitted.estimator = _seeded(fitted.estimator, seeded, seed)
    fitted.fit(table, y, **params)
    refitting = Refitting(
        over_model(fitted, None),
        fitted.steps_,
        fitted._table(table),
        y,
        params_of_fit(fitted, params.pop("sample_weight", None), params),
        _classes(fitted.estimator_),
        seeded,
    )
    return fitted, refitting


def last_step(estimator: Any) -> Any:
    """The model itself, at the end of whatever pipelines it is in."""
    # A frozen pipeline shows the steps of what is inside it.
    while not isinstance(estimator, FrozenEstimator) and getattr(
        estimator, "steps", None
    ):
        estimator = estimator.steps[-1][1]
    return estimator


def replicated(
    work: Callable[..., np.ndarray],
    tasks: Iterable[tuple[Any, ...]],
    n_tasks: int,
    n_jobs: int | None,
    verbose: int,
    what: str = "refit",
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Run the tasks, in order whatever the number of jobs, and count those that fail.

    Parameters
    ----------
    work : callable
        ``work(*task)`` is an array of numbers, of the same shape for each task.
    tasks : iterable of tuple
    n_tasks : int
    n_jobs, verbose
        As in :class:`skfme.FMEExplainer`; processes unless a backend is set.
    what : str
        One task, in a word.

    Returns
    -------
    results : ndarray of shape (n_succeeded, …)
    failures : tuple of str
        The error of each failed task, after its number.

    Raises
    ------
    RuntimeError
        If more than a tenth of the tasks fail.
    """
    running = in_order((delayed(_attempt)(work, task) for task in tasks), n_jobs)
    outcomes = with_progress(running, n_tasks, "refits", what) if verbose else running
    results, failures = [], []
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, str):
            results.append(outcome)
            continue
        failures.append(f"{what} {number}: {outcome}")
        if len(failures) > MOST_FAILED * n_tasks:
            _abandon(running)
            raise RuntimeError(
                f"{len(failures)} {what}s failed, more than a tenth of {n_tasks}: what "
                "the others say would hold for the rows only that the learner can be "
                f"fitted to. The first said: {failures[0]}."
            )
    if failures:
        warnings.warn(
            f"{len(failures)} of {n_tasks} {what}s failed and are left out. The first "
            f"said: {failures[0]}.",
            UserWarning,
            stacklevel=3,
        )
    return np.array(results), tuple(failures)


def _attempt(
    work: Callable[..., np.ndarray], task: tuple[Any, ...]
) -> np.ndarray | str:
    # Whatever a learner raises on unlucky rows is a failure of that refit, and counted.
    try:
        return work(*task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _abandon(running: Any) -> None:
    """Stop the jobs that run; joblib would warn of results that nothing reads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running.close()


def _classes(estimator: Any) -> list[np.ndarray]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return []
    return classes if isinstance(classes, list) else [classes]


def _random_states(estimator: Any, every: bool) -> tuple[str, ...]:
    """Names of the model's random_state parameters that are None, or of all."""
    names = [
        name
        for name, value in estimator.get_params(deep=True).items()
        if name.split("__")[-1] == "random_state" and (every or value is None)
    ]
    return tuple(sorted(names))


def _seeded(
    estimator: Any, names: tuple[str, ...], seed: np.random.SeedSequence
) -> Any:
    # The range of the legacy generators, which most learners still seed.
    seeds = (seed.generate_state(len(names)) >> 1).tolist()
    return estimator.set_params(**dict(zip(names, seeds, strict=True)))
