"""Several effects without their rows, and how their parts merge.

Summaries of batches, files or machines merge to those of all rows. What users read of
one effect lives beside this, what is kept of it in its tally.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from skfme._frames.groups import in_joint_order
from skfme._results.effects import ForwardEffects
from skfme._results.printed import PrintedEffects
from skfme._streaming.effect_summary import PRECISION, EffectSummary, MergeContext
from skfme._streaming.tallies import RowKeys, Tally
from skfme._summaries.joint import JointMoments
from skfme._summaries.weighting import Weighting

__all__ = ["MOST_JOINT", "EffectSummaries"]

# Pairs of more effects and outputs than these are not kept for each group.
MOST_JOINT = 10


@dataclass(eq=False, repr=False)
class EffectSummaries(PrintedEffects[EffectSummary]):
    """The summaries of several effects: a mapping of name -> EffectSummary.

    Made by :meth:`FMEExplainer.explain_batches`. Summaries of other rows merge, with
    ``merge``, ``+`` or ``sum``: those of parts computed on several machines are those
    of all rows, to rounding. They can be pickled, and hold neither rows nor model.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    n_batches : int
        Batches that held rows.
    n_outside_before : int or None
        Rows outside the training data before any step; None if not judged.
    total_weight : float or None
        Sum of the row weights; None where there are none.
    whole_weights : bool
        Whether each weight was a whole number.
    about : MergeContext
        Model, response, outputs, steps: what merged summaries have in common.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import FMEExplainer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
    >>> one = explainer.explain_batches([X[:200], X[200:300]])
    >>> other = explainer.explain_batches([X[300:]])
    >>> whole = one + other
    >>> whole["bmi -2"]
    EffectSummary('bmi -2', n=422, ame=-11.2059)
    >>> whole.n_rows, whole.n_batches
    (442, 3)
    """

    notes: ClassVar[tuple[str, ...]] = (PRECISION,)

    about: MergeContext
    _groups: tuple[tuple[Any, ...], ...]
    _tallies: tuple[Tally, ...]
    _joint: JointMoments  # of all effects and outputs
    n_rows: int
    n_batches: int
    n_outside_before: int | None
    total_weight: float | None
    whole_weights: bool = True
    _orders: tuple[tuple[Any, ...], ...] = ()  # of categories, for each column of `by`

    @classmethod
    def empty(cls, about: MergeContext) -> EffectSummaries:
        """Summaries of no rows."""
        groups: tuple[tuple[Any, ...], ...] = () if about.by else ((),)
        tally = Tally.empty(
            len(groups),
            len(about.outputs),
            weighted=about.weighted,
            has_nlm=bool(about.nlm),
        )
        return cls(
            about,
            groups,
            (tally,) * len(about.effects),
            JointMoments.empty(
                len(groups) if _has_joint_groups(about) else 1,
                len(about.effects) * len(about.outputs),
            ),
            n_rows=0,
            n_batches=0,
            n_outside_before=0 if about.extrapolation else None,
            total_weight=0.0 if about.weighted else None,
        )

    @classmethod
    def of(
        cls,
        about: MergeContext,
        effects: ForwardEffects,
        weights: Weighting,
        groups: RowKeys,
        n_batches: int,
    ) -> EffectSummaries:
        """Summaries of one batch's effects, or of a part of it."""
        return cls(
            about,
            groups.keys,
            tuple(Tally.of(effect, weights, groups) for effect in effects.values()),
            _joint_moments(about, effects, weights, groups),
            n_rows=len(groups.codes),
            n_batches=n_batches,
            n_outside_before=effects.context.n_outside_before,
            total_weight=weights.sum if weights.given else None,
            whole_weights=weights.is_whole,
            _orders=groups.orders,
        )

    @cached_property
    def _effects(self) -> dict[str, EffectSummary]:
        about = self.about
        return {
            name: EffectSummary(
                name,
                sizes,
                about,
                self.n_outside_before,
                self.total_weight,
                self.weights_type,
                self._groups,
                tally,
                self._orders,
                comparison,
            )
            for name, sizes, tally, comparison in zip(
                about.effects,
                about.sizes,
                self._tallies,
                about.comparisons,
                strict=True,
            )
        }

    @property
    def weights_type(self) -> str:
        """What the weights stand for, decided over all rows."""
        if self.about.weights_type == "auto":
            return "frequency" if self.whole_weights else "sampling"
        return self.about.weights_type

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs."""
        return self.about.outputs

    def merge(self, other: EffectSummaries) -> EffectSummaries:
        """The summaries of both parts' rows; neither part is changed.

        Parameters
        ----------
        other : EffectSummaries
            Of the same model, steps and groups.

        Returns
        -------
        whole : EffectSummaries

        Raises
        ------
        TypeError
            If `other` is something else.
        ValueError
            If the two differ in what they summarize.
        """
        if not isinstance(other, EffectSummaries):
            raise TypeError(
                f"EffectSummaries merge with EffectSummaries, not {type(other).__name__}."
            )
        self._refuse_another_context(other)
        keys = (*self._groups, *other._groups)
        position = {key: i for i, key in enumerate(dict.fromkeys(keys))}
        codes = np.array([position[key] for key in keys], dtype=np.intp)
        pairs = zip(self._tallies, other._tallies, strict=True)
        return EffectSummaries(
            self.about,
            tuple(position),
            tuple(one.merged(two, codes, len(position)) for one, two in pairs),
            self._joint_with(other, codes, len(position)),
            n_rows=self.n_rows + other.n_rows,
            n_batches=self.n_batches + other.n_batches,
            n_outside_before=_added(self.n_outside_before, other.n_outside_before),
            total_weight=_added(self.total_weight, other.total_weight),
            whole_weights=self.whole_weights and other.whole_weights,
            _orders=tuple(
                tuple(in_joint_order(pair))
                for pair in zip_longest(self._orders, other._orders, fillvalue=())
            ),
        )

    def _joint_with(
        self, other: EffectSummaries, codes: np.ndarray, n_groups: int
    ) -> JointMoments:
        if not _has_joint_groups(self.about):
            codes, n_groups = np.zeros(2, dtype=np.intp), 1
        return self._joint.merged(other._joint, codes, n_groups)

    def _refuse_another_context(self, other: EffectSummaries) -> None:
        for name, value in vars(self.about).items():
            other_value = getattr(other.about, name)
            if name == "trial":
                self._refuse_another_explainer(value.difference(other_value))
            elif value != other_value:
                raise ValueError(
                    f"Summaries differ in {name}: {value!r} and {other_value!r}. Merge "
                    "those of one fitted explainer, with equal weights and groups."
                )

    def _refuse_another_explainer(self, what: str | None) -> None:
        if what is not None:
            raise ValueError(
                f"Summaries of other explainers do not add up: on a few training rows, their "
                f"{what} differ, of the model {self.about.model}. Merge those of one fitted "
                "explainer, which can be pickled and sent to other machines."
            )

    def __add__(self, other: object) -> EffectSummaries:
        if not isinstance(other, EffectSummaries):
            return NotImplemented
        return self.merge(other)

    def __radd__(self, other: object) -> EffectSummaries:
        # sum() starts at 0.
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def average(self) -> pd.DataFrame:
        """AMEs by group, as :meth:`EffectSummary.average` has them for each effect.

        Returns
        -------
        frame : DataFrame
            One row per effect, group and output.
        """
        frames = [effect.average() for effect in self.values()]
        return pd.concat(frames, ignore_index=True)

    def to_frame(self) -> pd.DataFrame:
        """One row per effect and output.

        Returns
        -------
        frame : DataFrame
            The columns of :meth:`ForwardEffects.to_frame`, then ``min``, ``max`` and
            ``std_error``. Quartiles, and the median NLM, are within 0.1 % of their
            values.
        """
        effects = list(self.values())
        columns = {
            name: np.concatenate([np.atleast_1d(getattr(e, name)) for e in effects])
            for name in ("min", "max", "std_error")
        }
        return super().to_frame().assign(**columns)


def _joint_moments(
    about: MergeContext, effects: ForwardEffects, weights: Weighting, groups: RowKeys
) -> JointMoments:
    """What the effects have in common, over the rows of positive weight."""
    fme, codes, array = (
        np.hstack([effect.fme_2d for effect in effects.values()]),
        groups.codes,
        weights.array,
    )
    if array is not None:
        positive = np.flatnonzero(array)
        fme, codes, array = fme[positive], codes[positive], array[positive]
        if about.weights_type != "frequency":  # inverse probabilities of selection
            array = array**2
    if not _has_joint_groups(about):
        return JointMoments.of(fme, array, np.zeros_like(codes), 1)
    return JointMoments.of(fme, array, codes, len(groups.keys))


def _has_joint_groups(about: MergeContext) -> bool:
    """Whether pairs of effects are kept by group, and not over all rows alone."""
    return len(about.effects) * len(about.outputs) <= MOST_JOINT


def _added(one: Any, other: Any) -> Any:
    return None if one is None or other is None else one + other
