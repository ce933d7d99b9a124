"""StepAttribution: the parts of a joint step's effect, one for each changed feature.

Each part is an effect of its own, with the rows, weights and statuses of the joint step,
so that whatever takes effects takes parts. How they are computed lives beside this.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._attribution.questions import Question
from skfme._attribution.splitting import Split
from skfme._attribution.tables import Told, attribution_html, attribution_text
from skfme._attribution.wording import sentences_of
from skfme._engine.stepping import COUNTED
from skfme._results.context import Context
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.parts import JointStep
from skfme._text.printing import Text
from skfme.steps._changes import NamedStep

if TYPE_CHECKING:
    from skfme.plotting import AttributionDisplay

__all__ = ["StepAttribution"]

_SETTLED = 0.1  # a row's standard error ÷ its parts, as root mean squares


@dataclass(frozen=True, eq=False)
class _Found:
    """What a split found beside the parts, in the order of the features."""

    question: Question
    changes: tuple[str, ...]
    how: str
    n_not_converged: int
    errors: np.ndarray | None
    lowest: np.ndarray | None
    highest: np.ndarray | None
    pair_means: np.ndarray | None
    pair_sds: np.ndarray | None
    pairs: np.ndarray | None


class StepAttribution(ForwardEffects):
    """The parts of a joint step's effect: a mapping of feature -> ForwardEffect.

    Made by :meth:`skfme.FMEExplainer.attribute` and :func:`skfme.attribute`. In every row
    the parts add up to the effect of the joint step, and so do their averages. A row
    counts, or does not, for all parts at once.

    Parameters
    ----------
    parts : list of ForwardEffect
        One for each feature, in the order of the step.
    total : ForwardEffect
        The effect of the joint step, which the parts add up to.
    found : object
        What was found beside the parts.

    Attributes
    ----------
    name : str
        Of the joint step, such as ``bmi -2, bp -10``.
    changes : tuple of str
        What is done to each feature, such as ``("bmi -2", "bp -10")``.
    method : {"shapley", "path", "sequential"}
        How the effect is split.
    how : str
        How that was computed, such as ``exact, leaf by leaf``.
    order : tuple of str
        Features in the order in which they change; for ``method="sequential"`` alone.
    interactions : DataFrame or None
        For each pair of features: ``first``, ``second``, ``output`` (for several),
        ``mean`` and ``sd`` of their Shapley interaction over the rows that count. They
        say how much of the parts is interplay, and do not add up with them.
    n_not_converged : int
        Rows whose integration along the path did not settle.

    See Also
    --------
    skfme.FMEExplainer.attribute : The methods.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import attribute
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> parts = attribute(LinearRegression().fit(X, y), X, {"bmi": -2, "bp": -10})
    >>> {feature: round(part.ame, 2) for feature, part in parts.items()}
    {'bmi': -11.21, 'bp': -11.17}
    >>> round(parts.total.ame, 2)
    -22.37
    """

    def __init__(
        self, parts: list[ForwardEffect], total: ForwardEffect, found: _Found
    ) -> None:
        super().__init__(parts, parts[0].context)
        self.total = total
        self._found = found

    @classmethod
    def of_split(
        cls, context: Context, step: NamedStep, question: Question, split: Split
    ) -> StepAttribution:
        """The parts of a step, as they were computed."""
        shared = (split.status, None, 0, split.engine)
        joint = JointStep(step.name, step.by_feature)
        of_parts = replace(context, joint=joint)
        parts = [
            ForwardEffect(
                change.feature,
                {change.feature: change.step},
                (change.size,) if change.size else (),
                of_parts,
                split.parts[:, k].copy(),
                *shared,
            )
            for k, change in enumerate(step.changes)
        ]
        total = ForwardEffect(
            step.name, step.by_feature, step.sizes, context, split.total, *shared
        )
        changes = tuple(f"{c.feature} {c.label}" for c in step.changes)
        attribution = cls(parts, total, _found(context, question, changes, split))
        attribution._warn_of_sampling()
        return attribution

    @property
    def name(self) -> str:
        """Of the joint step, such as ``bmi -2, bp -10``."""
        return self.total.name

    @property
    def changes(self) -> tuple[str, ...]:
        """What is done to each feature, such as ``("bmi -2", "bp -10")``."""
        return self._found.changes

    @property
    def method(self) -> str:
        """How the effect is split."""
        return self._found.question.method

    @property
    def how(self) -> str:
        """How that was computed, such as ``exact, leaf by leaf``."""
        return self._found.how

    @property
    def n_not_converged(self) -> int:
        """Rows whose integration along the path did not settle."""
        return self._found.n_not_converged

    @property
    def order(self) -> tuple[str, ...]:
        """Features in the order in which they change; of ``method="sequential"`` alone."""
        features, question = tuple(self), self._found.question
        if question.method != "sequential":
            return ()
        places = range(len(features)) if question.order is None else question.order
        return tuple(features[k] for k in places)

    def sampling_errors(self, feature: str) -> np.ndarray:
        """Standard errors of a feature's part from sampling orders, for each row.

        Parameters
        ----------
        feature : str

        Returns
        -------
        errors : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            0 where the parts are exact.
        """
        errors, fme = self._found.errors, self[feature].fme
        if errors is None:
            return np.where(np.isnan(fme), np.nan, 0.0)
        return self._by_row(errors, self._place(feature))

    def order_range(self, feature: str) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that a feature brings in any order, for each row.

        Parameters
        ----------
        feature : str

        Returns
        -------
        lowest, highest : ndarray of shape (n_samples,) or (n_samples, n_outputs)

        Raises
        ------
        AttributeError
            Unless ``method="sequential"`` was asked for without an order.
        """
        lowest, highest = self._found.lowest, self._found.highest
        if lowest is None or highest is None:
            raise AttributeError(
                "The range over all orders is found by method='sequential' without order=."
            )
        k = self._place(feature)
        return self._by_row(lowest, k), self._by_row(highest, k)

    @property
    def interactions(self) -> pd.DataFrame | None:
        """Mean and SD of the Shapley interaction of each pair; None if not asked for."""
        means, sds = self._found.pair_means, self._found.pair_sds
        if means is None or sds is None:
            return None
        records = []
        for pair, (first, second) in enumerate(combinations(self, 2)):
            for k, output in enumerate(self.outputs):
                several = {"output": output} if len(self.outputs) > 1 else {}
                figures = {"mean": means[pair, k], "sd": sds[pair, k]}
                records.append({"first": first, "second": second, **several, **figures})
        return pd.DataFrame(records)

    def interaction(self, first: str, second: str) -> np.ndarray:
        """The Shapley interaction of two features, for each row.

        Parameters
        ----------
        first, second : str

        Returns
        -------
        interaction : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            NaN where a row does not count.

        Raises
        ------
        AttributeError
            Unless ``interactions="rows"`` was asked for.
        ValueError
            If both are the same.
        """
        if self._found.pairs is None:
            raise AttributeError(
                "Interactions of each row are kept with interactions='rows'."
            )
        if first == second:
            raise ValueError(
                f"An interaction is one of two features, and both are {first!r}."
            )
        i, j = sorted((self._place(first), self._place(second)))
        pair = list(combinations(range(len(self)), 2)).index((i, j))
        return self._by_row(self._found.pairs, pair)

    def _place(self, feature: str) -> int:
        self[feature]  # a KeyError names the features
        return list(self).index(feature)

    def _by_row(self, values: np.ndarray, k: int) -> np.ndarray:
        column = values[:, k]
        return column[:, 0] if len(self.outputs) == 1 else column

    def to_frame(self) -> pd.DataFrame:
        """One row per feature and output.

        Returns
        -------
        frame : DataFrame
            As :meth:`ForwardEffects.to_frame`, with the feature as ``effect``. Where
            orders were sampled ``sampling_error``, the standard error that sampling
            gives to ``ame``; with the range over all orders ``lowest`` and ``highest``,
            the averages of the least and the most that a feature brings.
        """
        frame = super().to_frame()
        for name, values in self._averages().items():
            frame[name] = values.ravel()
        return frame

    def _averages(self) -> dict[str, np.ndarray]:
        """Averages of shape (n_features, n_outputs) of what else is known of each row."""
        rows = np.flatnonzero(self.total.counted)
        weights = self.context.weights.take(rows)
        found, averages = self._found, {}
        if not len(rows):
            return {}
        if found.errors is not None:
            w = weights.times(np.ones((len(rows), 1)))[:, 0]
            squares = np.einsum("r,rfo->fo", w**2, found.errors[rows] ** 2)
            averages["sampling_error"] = np.sqrt(squares) / weights.sum
        for name, values in (("lowest", found.lowest), ("highest", found.highest)):
            if values is not None:
                flat = values[rows].reshape(len(rows), -1)
                means = (
                    np.array([weights.dot(column) for column in flat.T]) / weights.sum
                )
                averages[name] = means.reshape(values.shape[1:])
        return averages

    def sentences(self) -> list[str]:
        """What each feature brings, in words.

        Returns
        -------
        sentences : list of str
            One for each feature and output.
        """
        return sentences_of(list(self.values()), self.total)

    def summary(self) -> Text:
        """A table that reads well in a terminal, at most 80 columns wide.

        Returns
        -------
        text : str
            The parts with the total at the foot, how they were computed, interactions
            and ranges where they were asked for, and why rows were left out.
        """
        return attribution_text(self._told())

    def _repr_html_(self) -> str:
        return attribution_html(self._told())

    def _told(self) -> Told:
        return Told(
            list(self.values()),
            self.total,
            self.changes,
            self.method,
            self.how,
            self.order,
            self.interactions,
            self._averages(),
            self.n_not_converged,
        )

    def __repr__(self) -> str:
        parts = ", ".join(map(repr, self.values()))
        return f"StepAttribution({self.name!r}, [{parts}])"

    def _with_response_label(self, label: str) -> StepAttribution:
        return self._in(replace(self.context, response_label=label))

    def _noting(self, note: str) -> StepAttribution:
        """The same, with a sentence more under the summary."""
        return self._in(replace(self.context, notes=(*self.context.notes, note)))

    def _in(self, context: Context) -> StepAttribution:
        parts = [replace(part, context=context) for part in self.values()]
        total = replace(self.total, context=replace(context, joint=None))
        return StepAttribution(parts, total, self._found)

    def plot(self, **options: Any) -> AttributionDisplay:  # type: ignore[override]
        """Draw the parts; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.AttributionDisplay.from_attribution`.

        Returns
        -------
        display : AttributionDisplay
        """
        from skfme.plotting import AttributionDisplay

        return AttributionDisplay.from_attribution(self, **options)

    def _warn_of_sampling(self) -> None:
        errors, question = self._found.errors, self._found.question
        if errors is None or question.n_permutations is None:
            return
        parts = np.stack([part.fme_2d for part in self.values()], axis=1)
        size = float(np.sqrt(np.nanmean(parts**2)))
        error = float(np.sqrt(np.nanmean(errors**2)))
        if error > _SETTLED * size:
            wanted = question.n_permutations * (error / (_SETTLED * size)) ** 2
            warnings.warn(
                f"The sampled parts of {self.name!r} have not settled: a row's part has a "
                f"standard error of {error / size:.0%} of its size. About "
                f"n_permutations={int(np.ceil(wanted / 10) * 10):,} would bring that to "
                f"{_SETTLED:.0%}; averages over rows are surer, see "
                "to_frame()['sampling_error'].",
                UserWarning,
                stacklevel=5,
            )


def _found(
    context: Context, question: Question, changes: tuple[str, ...], split: Split
) -> _Found:
    means = sds = None
    if split.pair_sums is not None:
        counted = np.flatnonzero(split.status == COUNTED)
        means = split.pair_sums.mean
        sds = split.pair_sums.sd(context.weights.take(counted))
    found = (split.lowest, split.highest, means, sds, split.interactions)
    arrays: Sequence[np.ndarray | None] = (split.errors, *found)
    if not (split.status == COUNTED).any():
        arrays = (None, *_unknown(question, split.parts))
    return _Found(question, changes, split.how, split.n_not_converged, *arrays)


def _unknown(question: Question, parts: np.ndarray) -> list[np.ndarray | None]:
    """What was asked for where no row counts: ranges, means, SDs and pairs of NaN."""
    n, n_features, n_outputs = parts.shape
    ranged = question.method == "sequential" and question.order is None
    pairs = (comb(n_features, 2), n_outputs)
    asked = [
        *2 * [(ranged, parts.shape)],
        *2 * [(question.pairs, pairs)],
        (question.keep_pairs, (n, *pairs)),
    ]
    return [np.full(shape, np.nan) if wanted else None for wanted, shape in asked]
