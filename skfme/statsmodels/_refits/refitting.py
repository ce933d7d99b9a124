"""A learner fitted again on other rows, explained over all of them.

Steps, ranges and what counts as extrapolation are those learned from all rows: only
the model is new, so that every refit answers the same question, for the same rows.
How an error of a single refit is counted is here too; which rows are drawn, and what
is made of the effects, is not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import _safe_indexing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params, _num_samples

from skfme._engine.batches import with_progress
from skfme._engine.prediction import model_name
from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.fitting import params_of_fit
from skfme._frames.checks import one_target
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffects

__all__ = [
    "Refitting",
    "check_refittable",
    "fme_of",
    "last_step",
    "prepared",
    "replicated",
]

# More failures than this share would condition the results on the fits that work.
MOST_FAILED = 0.1


@dataclass(frozen=True)
class Refitting:
    """What a refit needs, without the model that was fitted on all rows.

    Attributes
    ----------
    explainer : FMEExplainer
        With steps, ranges and extrapolation fitted on all rows, and no model.
    table : Table of n rows
    y : array-like of shape (n,) or (n, n_targets)
    fit_params : dict
        Passed to the model's fit; arrays of n entries are taken row by row.
    classes : list of ndarray
        The classes that every refit has to know; empty for a regressor.
    seeded : tuple of str
        The model's parameters that each refit sets to a seed of its own.
    explained : Table of n_explained rows
        The rows whose effects are asked of every model: those of `table`, or others.
    """

    explainer: FMEExplainer
    table: Table
    y: Any
    fit_params: dict[str, Any]
    classes: list[np.ndarray]
    seeded: tuple[str, ...]
    explained: Table

    def model(self, rows: np.ndarray, seed: np.random.SeedSequence) -> FMEExplainer:
        """The explainer over a model fitted on some rows, repeated ones included."""
        estimator = _seeded(clone(self.explainer.estimator), self.seeded, seed)
        fit_params = _check_method_params(self.table.native, self.fit_params, rows)
        estimator.fit(
            self.table.take(rows).native, _safe_indexing(self.y, rows), **fit_params
        )
        self._refuse_lost_classes(estimator)
        return self.explainer._over(estimator)

    def fme(self, rows: np.ndarray, seed: np.random.SeedSequence) -> list[np.ndarray]:
        """FMEs by that model, of shape (n_explained, n_outputs) for each effect."""
        explainer, table = self.model(rows, seed), self.explained
        # Checked once, and without NLMs.
        return fme_of(explainer._effects(table, explainer.steps_, None, None))

    def _refuse_lost_classes(self, estimator: Any) -> None:
        for known, found in zip(self.classes, _classes(estimator), strict=True):
            lost = np.setdiff1d(known, found)
            if len(lost):
                raise ValueError(
                    f"these rows hold no y of class {', '.join(map(str, lost))}; draw "
                    "within classes, with stratify=y"
                )


def check_refittable(explainer: Any, X: Any, y: Any) -> None:
    """Refuse what no model could be fitted again from, before any is fitted."""
    if not isinstance(explainer, FMEExplainer):
        raise TypeError(
            "explainer must be an FMEExplainer over a model that can be fitted, got "
            f"{type(explainer).__name__}."
        )
    last = last_step(explainer.estimator)
    if isinstance(last, FrozenEstimator):
        raise TypeError(
            f"The model is a FrozenEstimator over {model_name(last)}: it cannot be "
            "fitted again, so that nothing is learned about other training data. Give "
            "the explainer the estimator itself."
        )
    n_rows = len(as_table(X))
    if y is None:
        raise ValueError(
            f"y is None, but {model_name(last)} has to be fitted again. Give the target "
            "it was trained on."
        )
    if _num_samples(y) != n_rows:
        raise ValueError(f"y has {_num_samples(y)} entries; X has {n_rows} rows.")


def prepared(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    fit_params: dict[str, Any] | None,
    seed: np.random.SeedSequence,
    *,
    every_seed: bool = False,
) -> tuple[FMEExplainer, Refitting]:
    """Fit a clone of the explainer on all rows, and ready it for refits.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not.
    X : array-like or dataframe of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    fit_params : dict or None
        As FMEExplainer.fit takes them.
    seed : SeedSequence
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
        If y is missing or not as long as X.
    """
    check_refittable(explainer, X, y)
    if explainer._wants_one_target():
        y = one_target(y, model_name(explainer.estimator))
    fitted = clone(explainer).set_params(verbose=0)
    seeded = _random_states(fitted.estimator, every_seed)
    fitted.estimator = _seeded(fitted.estimator, seeded, seed)
    fitted.fit(X, y, **(fit_params or {}))
    given = dict(fit_params or {})
    known = fitted._table(X)
    refitting = Refitting(
        fitted._over(None),
        known,
        y,
        params_of_fit(fitted, given.pop("sample_weight", None), given),
        _classes(fitted.estimator_),
        seeded,
        known,
    )
    return fitted, refitting


def last_step(estimator: Any) -> Any:
    """The model itself, at the end of whatever pipelines it is in."""
    while getattr(estimator, "steps", None):
        estimator = estimator.steps[-1][1]
    return estimator


def fme_of(effects: ForwardEffects) -> list[np.ndarray]:
    """FMEs of shape (n_samples, n_outputs), one array per effect."""
    return [effect.fme_2d for effect in effects.values()]


def replicated(
    work: Callable[[Any], np.ndarray],
    tasks: Sequence[Any],
    *,
    n_jobs: int | None,
    verbose: int,
    what: str = "refit",
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Run the tasks, in order whatever the number of jobs, and count those that fail.

    Parameters
    ----------
    work : callable
        task -> array of numbers, of the same shape for each.
    tasks : sequence
    n_jobs, verbose
        As in :class:`skfme.FMEExplainer`; processes unless a backend is set.
    what : str
        One task, in a word.

    Returns
    -------
    results : ndarray of shape (n_succeeded, …)
    failures : tuple of str
        What each failed task said, by its number.

    Raises
    ------
    RuntimeError
        If more than a tenth of the tasks fail.
    """
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    running = parallel(delayed(_attempt)(work, task) for task in tasks)
    outcomes = running
    if verbose:
        outcomes = with_progress(running, len(tasks), "refits", what)
    results, failures = [], []
    for number, outcome in enumerate(outcomes):
        if not isinstance(outcome, str):
            results.append(outcome)
            continue
        failures.append(f"{what} {number}: {outcome}")
        if len(failures) > MOST_FAILED * len(tasks):
            _abandon(running)
            raise _too_many(failures, len(tasks), what)
    if failures:
        warnings.warn(
            f"{len(failures)} of {len(tasks)} {what}s failed and are left out. The first "
            f"said: {failures[0]}.",
            UserWarning,
            stacklevel=3,
        )
    return np.array(results), tuple(failures)


def _attempt(work: Callable[[Any], np.ndarray], task: Any) -> np.ndarray | str:
    # Whatever a learner raises on unlucky rows is a failure of that refit, and counted.
    try:
        return work(task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _abandon(running: Generator) -> None:
    """Stop the jobs that run; joblib would warn of the results that no one wants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        running.close()


def _too_many(failures: list[str], n_tasks: int, what: str) -> RuntimeError:
    return RuntimeError(
        f"{len(failures)} {what}s failed, more than a tenth of {n_tasks}: what the "
        "others say would hold for the rows only that the learner can be fitted to. "
        f"The first said: {failures[0]}."
    )


def _classes(estimator: Any) -> list[np.ndarray]:
    classes = getattr(estimator, "classes_", None)
    if classes is None:
        return []
    return classes if isinstance(classes, list) else [classes]


def _random_states(estimator: Any, every: bool) -> tuple[str, ...]:
    """Names of the model's random_state parameters that are None, or of all."""
    return tuple(
        sorted(
            name
            for name, value in estimator.get_params(deep=True).items()
            if (name == "random_state" or name.endswith("__random_state"))
            and (every or value is None)
        )
    )


def _seeded(
    estimator: Any, names: tuple[str, ...], seed: np.random.SeedSequence
) -> Any:
    if not names:
        return estimator
    # The range of the legacy generators, which most learners still seed.
    words = seed.generate_state(len(names)) >> 1
    return estimator.set_params(
        **{name: int(word) for name, word in zip(names, words, strict=True)}
    )
