"""Splitting a joint step among its features: an explainer's own attribute().

How a step is split, and what comes of it, lives in :mod:`skfme._attribution`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from skfme._attribution.questions import Question
from skfme._attribution.splitting import split_step
from skfme._attribution.step_attribution import StepAttribution
from skfme._engine.batches import Schedule
from skfme._engine.choice import EngineChoice
from skfme._engine.comparing import read_comparisons
from skfme._engine.prediction import Response
from skfme._explainer.attribution_questions import check_memory, question_of
from skfme._explainer.exploration import step_named
from skfme._frames.checks import checked_weights, naming_missing_values
from skfme._frames.tables import Table
from skfme._results.context import Context
from skfme._results.effect_tables import warn_of_empty
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._support import Support
from skfme.steps._changes import NamedStep
from skfme.steps._kept_training import KeptTraining
from skfme.steps._parsing import parse_steps

__all__ = ["StepSplitting"]


class StepSplitting:
    """What a fitted explainer says of a joint step: which of its changes did it."""

    steps_: tuple[NamedStep, ...]
    weights_type: str
    comparison: Any
    average: str
    batch_size: int | str
    n_jobs: int | None
    verbose: int
    _training: KeptTraining
    _response: Response
    _choice: EngineChoice
    _support: Support | None
    _table: Callable[[Any], Table]
    _context: Callable[[Table, Weighting, int | None], Context]

    def attribute(
        self,
        X: Any,
        step: str | Mapping[Hashable, Any] | None = None,
        *,
        method: str = "shapley",
        order: Sequence[Hashable] | None = None,
        interactions: bool | str = False,
        n_permutations: int | None = None,
        random_state: Any = None,
        sample_weight: Any = None,
    ) -> StepAttribution:
        """Split the effect of a joint step among the features that it changes.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Rows to explain, with the columns seen in fit.
        step : str, mapping or None, default=None
            The name of one of the explainer's effects, or a mapping of feature -> change
            as in :class:`FMEExplainer`, sized by what fit learned of the training rows.
            None is its only effect.
        method : {"shapley", "path", "sequential"}, default="shapley"
            How interplay is shared:

            - "shapley": what a feature brings, averaged over all orders of the changes;
            - "path": what it brings along the straight way from x to x + h, on which all
              features move at once (integrated gradients); numeric changes alone;
            - "sequential": what it adds to those before it.
        order : sequence of features or None, default=None
            For "sequential". None takes them as the step names them, and finds the range
            over all orders besides.
        interactions : bool or "rows", default=False
            Whether to find the Shapley interaction of every two features, on average;
            "rows" keeps that of each row.
        n_permutations : int or None, default=None
            Orders to sample for each row where exact Shapley values would take more
            predictions: half of them with their reverses, so that parts add up to the
            effect however few there are; an odd number is taken as one more. None samples
            none.
        random_state : int, RandomState instance or None, default=None
            For sampled orders.
        sample_weight : column of X, or array-like of shape (n_samples,), default=None
            Weights of the averages.

        Returns
        -------
        attribution : StepAttribution

        Raises
        ------
        ValueError
            If the step changes one feature alone, or more than 12 where neither trees nor
            a linear model are read and no orders may be sampled; if a category or date is
            to move along a path; or if interactions of each row take more than
            scikit-learn's ``working_memory``.

        Notes
        -----
        Exact Shapley values of tree ensembles whose trees add up to the prediction take
        about three predictions, whatever the number of features; behind a link, and for
        any other model, all coalitions of up to 12 features are evaluated.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.svm import SVR
        >>> from skfme import FMEExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> explainer = FMEExplainer(SVR(C=100), {"bmi": -2, "bp": -10}).fit(X, y)
        >>> parts = explainer.attribute(X)
        >>> round(sum(part.ame for part in parts.values()) - parts.total.ame, 9)
        0.0
        """
        table = self._table(X)
        joint, question = self._asked(
            step, method, order, interactions, n_permutations, random_state
        )
        attribution = self._attribution(table, joint, question, sample_weight)
        warn_of_empty({attribution.name: attribution.total})
        return attribution

    def _asked(
        self,
        step: str | Mapping[Hashable, Any] | None = None,
        method: str = "shapley",
        order: Sequence[Hashable] | None = None,
        interactions: bool | str = False,
        n_permutations: int | None = None,
        random_state: Any = None,
    ) -> tuple[NamedStep, Question]:
        """The one step that is meant, and what is asked of it."""
        (comparison,) = read_comparisons(self.comparison, self.average, self.steps_[:1])
        if not comparison.is_difference:
            raise ValueError(
                "A difference of predictions is split into parts that add up, and "
                f"comparison={comparison.name!r} has none. Set comparison='difference'."
            )
        joint = self._joint_step(step)
        options = (method, order, interactions, n_permutations, random_state)
        return joint, question_of(joint, *options)

    def _attribution(
        self,
        table: Table,
        joint: NamedStep,
        question: Question,
        sample_weight: Any,
        unused: np.ndarray | None = None,
    ) -> StepAttribution:
        """The attribution over a checked table; rows in the mask `unused` do not count."""
        if question.keep_pairs:
            check_memory(len(table), len(joint.changes), len(self._response.outputs))
        weights = checked_weights(sample_weight, table, self.weights_type)
        schedule = Schedule(self.batch_size, self.n_jobs, self.verbose)
        with naming_missing_values(table):
            split, n_outside_before = split_step(
                self._choice,
                table,
                joint,
                self._support,
                question,
                weights,
                schedule,
                unused,
            )
        context = self._context(table, weights, n_outside_before)
        return StepAttribution.of_split(context, joint, question, split)

    def _joint_step(self, step: Any) -> NamedStep:
        """The one step that is meant."""
        if isinstance(step, NamedStep):
            return step
        if isinstance(step, Mapping):
            steps = parse_steps(step, self._training)
        elif isinstance(step, str):
            steps = (step_named(self.steps_, step),)
        elif step is None:
            steps = self.steps_
        else:
            raise TypeError(
                "step must be an effect's name or a mapping such as {'bmi': -2, 'bp': "
                f"-10}}; got {step!r}."
            )
        if len(steps) > 1:
            names = ", ".join(repr(one.name) for one in steps[:5])
            raise ValueError(
                f"One joint step is split at a time, and there are {len(steps)}: "
                f"{names}{', …' * (len(steps) > 5)}. Name one of them."
            )
        return steps[0]
