"""FMEDisplay: the effects of one step, row by row.

Which picture depends on what the step changes: one number (effects against the
feature), two numbers (a plane, coloured by the effect), else the effects' distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighting import Weighting
from skfme._text.labels import (
    predicted_phrases,
    read_labels,
    response_words,
)
from skfme._text.outputs import output_columns
from skfme._text.parts import effect_title
from skfme._text.reasons import no_row_counts
from skfme.plotting._parts.canvas import Display, check_matplotlib
from skfme.plotting._parts.features import FeatureAxis, feature_axis, moves_along_axis
from skfme.plotting._parts.fme_panels import (
    Panel,
    draw_against,
    draw_ecdf,
    draw_histogram,
    draw_nlm_against,
    draw_nlm_histogram,
)
from skfme.plotting._parts.fme_plane import draw_plane
from skfme.plotting._parts.intervals import IntervalsAlong, intervals_along
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.rows import rows_under
from skfme.plotting._parts.texts import draw_title
from skfme.plotting._sources import Effect

__all__ = ["FMEDisplay"]

_KINDS = ("auto", "histogram", "ecdf")


@dataclass(eq=False, repr=False)
class FMEDisplay(Display):
    """Forward marginal effects of one step: where they are large, small or reversed.

    Make it with :meth:`from_effect`, or from arrays.

    Parameters
    ----------
    fme : ndarray of shape (n_counted,) or (n_counted, n_outputs)
        Effects of the rows that count.
    features : sequence of FeatureAxis, default=()
        One: effects are drawn against it. Two: as the colour of points in a plane.
        None: their distribution.
    nlm : ndarray shaped as `fme`, default=None
        Drawn beside the effects; NaN where it is undefined.
    sample_weight : ndarray of shape (n_counted,), default=None
    n_left_out : int, default=0
        Rows that do not count.
    title : str, default=""
        The step in words.
    response : sequence of str, default=("prediction",)
        What is predicted, one for each output.
    ends : sequence of (float, float), default=()
        Average predictions before and after the step, one pair for each output.
    comparison : Comparison, default=difference
        What the effects are: ``effect.comparison``.
    intervals : sequence of IntervalsAlong, default=()
        What statistics say of the effects along the one feature, for each output.

    Attributes
    ----------
    ax_ : Axes
        The first.
    axes_ : ndarray of Axes of shape (n_outputs, 1 or 2), or as drawn on
    figure_ : Figure
    artists_ : ndarray shaped as `axes_`
        What shows the rows: a scatter, hexagons, a mesh or a histogram.

    See Also
    --------
    skfme.ForwardEffect.plot : The same from an effect.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import fme
    >>> from skfme.plotting import FMEDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> effect = fme(LinearRegression().fit(X, y), X, {"bmi": -2})
    >>> display = FMEDisplay.from_effect(
    ...     effect,
    ...     labels={"bmi": "Body mass index (kg/m²)"},
    ...     response_label="disease progression",
    ... )
    >>> display.ax_.get_xlabel()
    'Body mass index (kg/m²)'
    """

    fme: np.ndarray
    _: KW_ONLY
    features: Sequence[FeatureAxis] = ()
    nlm: np.ndarray | None = None
    sample_weight: np.ndarray | None = None
    n_left_out: int = 0
    title: str = ""
    response: Sequence[str] = ("prediction",)
    ends: Sequence[tuple[float, float]] = ()
    comparison: Comparison = DIFFERENCE
    intervals: Sequence[IntervalsAlong] = ()

    @classmethod
    def from_effect(
        cls,
        effect: Effect,
        *,
        features: Any = None,
        against: Hashable | None = None,
        inference: Any = None,
        output: str | None = None,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        kind: str = "auto",
        ax: Any = None,
        **options: Any,
    ) -> FMEDisplay:
        """Draw an effect.

        Parameters
        ----------
        effect : ForwardEffect
        features : column, or list of at most two, default=None
            What to draw effects against; None takes what the step moves.
        against : column, default=None
            Instead: the one column, such as a moderator, that effects are drawn against,
            with their local mean.
        inference : results, default=None
            What carries intervals along that column: estimates by its values
            (``average_effects(effect, by="age")``), a regression of the effect on it
            (``ConditionalEffects.from_formula(effect, "age").fit()``), whose other
            covariates stand at typical values, or one average, drawn across.
        output : str, default=None
            Which output; None draws each on axes of its own.
        labels : dict of column -> str, default=None
            What columns are called in the picture; a unit stands in parentheses at
            the end, as in ``"Body mass index (kg/m²)"``.
        response_label : str, default=None
            What is predicted, such as ``"disease progression"``.
        kind : {"auto", "histogram", "ecdf"}, default="auto"
            "auto" draws effects against one or two numeric features, and a histogram
            where the step changes more, or categories.
        ax : Axes, sequence of Axes or None, default=None
            One is divided where several are needed.
        **options
            Passed to the artist that shows the rows.

        Returns
        -------
        display : FMEDisplay

        Raises
        ------
        ValueError
            If no row counts, `kind`, `output`, `features`, `against` or `labels` name
            something unknown, or `inference` says nothing along one column.
        """
        check_matplotlib(f"{cls.__name__}.from_effect")
        _check_request(effect, kind)
        context, counted = effect.context, effect.counted
        outputs = output_columns(context.outputs, output)
        texts = read_labels(labels, context.table)
        phrases = predicted_phrases(
            context.response,
            context.outputs,
            response_words(response_label, context.response_label),
        )
        columns = _columns_drawn(effect, _one_choice(features, against), kind)
        axes = [feature_axis(effect, column, texts) for column in columns]
        display = cls(
            _counted_effects(effect.fme_2d, counted, outputs),
            features=axes,
            nlm=_defined_nlm(effect.nlm_2d, counted, outputs),
            sample_weight=context.weights.take(counted).array,
            n_left_out=len(counted) - effect.n,
            title=effect_title(effect, texts),
            response=[phrases[k] for k in outputs],
            ends=[] if effect.ends is None else [effect.ends[k] for k in outputs],
            comparison=effect.comparison,
            intervals=_intervals(effect, inference, columns, axes, outputs),
        )
        return display.plot(ax=ax, kind=kind, **options)

    @names_options
    def plot(self, ax: Any = None, *, kind: str = "auto", **options: Any) -> FMEDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of Axes or None, default=None
        kind : {"auto", "histogram", "ecdf"}, default="auto"
        **options
            Passed to the artist that shows the rows.

        Returns
        -------
        display : FMEDisplay
            Itself.
        """
        draw, draw_nlm = self._drawers(kind)
        panels = self._panels()
        n = len(panels)
        if self.nlm is None:
            height = 4.4 if n <= 3 else 3.6  # of one row, or of each of several
            self._open_panels(ax, n, (6.4, 4.8), height, self.title)
            self.axes_ = self.axes_.reshape(-1, 1)
        else:
            self._open(ax, n, 2, (9.6, 4.4 if n == 1 else 3.6 * n))
            draw_title(self.ax_, self.title, 2)
        self.artists_ = np.empty(self.axes_.shape, dtype=object)
        for i, panel in enumerate(panels):
            axes, artists = self.axes_[i], self.artists_[i]
            artists[0] = draw(axes[0], panel, **options)
            if panel.nlm is not None:
                artists[1] = draw_nlm(axes[1], panel, artists[0])
        return self

    def _panels(self) -> list[Panel]:
        """One for each output."""
        fme = self.fme.reshape(len(self.fme), -1)
        nlm = [None] * len(self.response)
        if self.nlm is not None:
            nlm = list(self.nlm.reshape(fme.shape).T)
        weights = Weighting(self.sample_weight, len(fme))
        ends: Sequence[Any] = self.ends or [None] * len(self.response)
        return [
            Panel(
                fme[:, k],
                nlm[k],
                weights,
                self.features,
                response,
                ends[k],
                self.comparison,
                self.intervals[k] if self.intervals else None,
            )
            for k, response in enumerate(self.response)
        ]

    def _drawers(self, kind: str) -> tuple[Callable, Callable]:
        """What draws the effects, and what the NLMs."""
        if kind == "ecdf":
            return draw_ecdf, draw_nlm_histogram
        if kind == "histogram" or not self.features:
            return draw_histogram, draw_nlm_histogram
        if len(self.features) == 1:
            return draw_against, draw_nlm_against
        return draw_plane, draw_nlm_histogram


def _check_request(effect: Effect, kind: str) -> None:
    """Refuse an unknown kind of picture, and an effect without rows."""
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {_KINDS}, got {kind!r}.")
    if not effect.n:
        raise ValueError(
            f"{no_row_counts(effect.full_name, effect.n_left_out)}, so that there is "
            "nothing to draw."
        )


def _one_choice(features: Any, against: Hashable | None) -> Any:
    if against is None:
        return features
    if features is not None:
        raise ValueError(
            "features and against both name what to draw effects against; give one."
        )
    if isinstance(against, (list, tuple)):
        raise ValueError(
            f"against takes one column, got {against}. features takes two."
        )
    return [against]


def _intervals(
    effect: Effect,
    inference: Any,
    columns: list[Hashable],
    axes: list[FeatureAxis],
    outputs: list[int],
) -> list[IntervalsAlong]:
    """What results say along the one feature, for each output."""
    if inference is None:
        return []
    if len(columns) != 1:
        raise ValueError(
            "inference is drawn along one column; name it, as in "
            "effect.plot(against='age', inference=results)."
        )
    along = (effect, inference, columns[0], axes[0])
    return [intervals_along(*along, k) for k in outputs]


def _columns_drawn(effect: Effect, features: Any, kind: str) -> list[Hashable]:
    """The user's choice, or the one or two numeric features that the step moves."""
    if kind != "auto":
        return []
    if features is None:
        labels = {str(label): label for label in effect.context.table.names}
        moved = [labels[name] for name in effect.step]
        drawable = len(moved) <= 2 and all(moves_along_axis(effect, m) for m in moved)
        return moved if drawable else []
    columns = list(features) if isinstance(features, (list, tuple)) else [features]
    if len(columns) > 2:
        raise ValueError(f"features takes one or two columns, got {columns}.")
    return columns


def _defined_nlm(
    nlm: np.ndarray | None, counted: np.ndarray, outputs: list[int]
) -> np.ndarray | None:
    """NLMs of rows that count; None where none is defined."""
    if nlm is None:
        return None
    nlm = _counted_effects(nlm, counted, outputs)
    return None if np.isnan(nlm).all() else nlm


def _counted_effects(
    values: np.ndarray, counted: np.ndarray, outputs: list[int]
) -> np.ndarray:
    """Rows that count, of one output or of all."""
    rows = rows_under(counted)
    if len(outputs) == 1:  # a mask over one dimension is three times as fast
        return values[:, outputs[0]][rows][:, None]
    return values[rows]
