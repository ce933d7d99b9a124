"""FMEDisplay: the effects of one step, row by row.

Which picture depends on what the step changes: one number (effects against the
feature), two numbers (a plane, coloured by the effect), else the effects' distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._frames.columns import kind_of
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme._text.labels import predicted_phrases, read_labels, step_title
from skfme._text.outputs import output_columns
from skfme._text.reasons import no_row_counts
from skfme.plotting._parts.canvas import axes_for, check_matplotlib, columns_of
from skfme.plotting._parts.features import FeatureAxis, feature_axis, moves_numbers
from skfme.plotting._parts.fme_panels import (
    Panel,
    draw_against,
    draw_ecdf,
    draw_histogram,
    draw_nlm_against,
    draw_nlm_histogram,
)
from skfme.plotting._parts.fme_plane import draw_plane
from skfme.plotting._parts.marks import draw_title
from skfme.plotting._sources import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["FMEDisplay"]

_KINDS = ("auto", "histogram", "ecdf")


class FMEDisplay:
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

    def __init__(
        self,
        fme: np.ndarray,
        *,
        features: Sequence[FeatureAxis] = (),
        nlm: np.ndarray | None = None,
        sample_weight: np.ndarray | None = None,
        n_left_out: int = 0,
        title: str = "",
        response: Sequence[str] = ("prediction",),
    ) -> None:
        self.fme = fme
        self.features = features
        self.nlm = nlm
        self.sample_weight = sample_weight
        self.n_left_out = n_left_out
        self.title = title
        self.response = response

    @classmethod
    def from_effect(
        cls,
        effect: Effect,
        *,
        features: Any = None,
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
            If no row counts, or `kind`, `output`, `features` or `labels` name
            something unknown.
        """
        check_matplotlib(f"{cls.__name__}.from_effect")
        if kind not in _KINDS:
            raise ValueError(f"kind must be one of {_KINDS}, got {kind!r}.")
        if not effect.n:
            raise ValueError(
                f"{no_row_counts(effect.name, effect.n_left_out)}, so that there is "
                "nothing to draw."
            )
        table = effect.table
        which = output_columns(effect.outputs, output)
        known = read_labels(labels, table)
        context, counted = effect.context, effect.counted
        phrases = predicted_phrases(
            context.response, effect.outputs, response_label or context.response_label
        )
        drawn = _features_drawn(effect, features, kind)
        display = cls(
            _kept(effect.fme_2d, counted, which),
            features=[
                feature_axis(
                    table,
                    column,
                    counted=counted,
                    left_out=effect.extrapolated,
                    step=effect.step.get(str(column)),
                    categorical=column in effect.categorical_features,
                    labels=known,
                )
                for column in drawn
            ],
            nlm=_measured(effect, counted, which),
            sample_weight=effect.weights.take(counted).array,
            n_left_out=len(counted) - effect.n,
            title=step_title(effect.name, effect.step, known),
            response=[phrases[k] for k in which],
        )
        return display.plot(ax=ax, kind=kind, **options)

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
        check_matplotlib(f"{type(self).__name__}.plot")
        panels = self._panels()
        n_rows, n_cols = (
            columns_of(len(panels)) if self.nlm is None else (len(panels), 2)
        )
        size = (
            6.4 if n_cols == 1 else 4.8 * n_cols,
            4.4 if n_rows == 1 else 3.6 * n_rows,
        )
        figure, grid = axes_for(ax, n_rows, n_cols, size)
        axes = grid if self.nlm is not None else grid.reshape(-1, 1)
        for unused in axes[len(panels) :].flat:
            unused.set_axis_off()
        artists = np.empty(axes.shape, dtype=object)
        draw, draw_nlm = self._drawers(kind)
        for i, panel in enumerate(panels):
            artists[i, 0] = draw(axes[i, 0], panel, **options)
            if panel.nlm is not None:
                artists[i, 1] = draw_nlm(axes[i, 1], panel, artists[i, 0])
        draw_title(axes[0, 0], self.title, n_cols)
        self.figure_: Figure = figure
        self.axes_: np.ndarray = axes
        self.ax_: Axes = axes[0, 0]
        self.artists_ = artists
        return self

    def _panels(self) -> list[Panel]:
        """One for each output."""
        fme = self.fme.reshape(len(self.fme), -1)
        nlm = None if self.nlm is None else self.nlm.reshape(fme.shape)
        weights = Weighting(self.sample_weight, len(fme))
        return [
            Panel(
                fme[:, k],
                None if nlm is None else nlm[:, k],
                weights,
                self.features,
                response,
                self.n_left_out,
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


def _features_drawn(effect: Effect, features: Any, kind: str) -> list[Hashable]:
    """The user's choice, or the one or two numeric features that the step moves."""
    if kind != "auto":
        return []
    if features is None:
        table = effect.table
        moved = list(effect.step)
        drawable = len(moved) <= 2 and all(
            moves_numbers(effect.step[name]) for name in moved
        )
        kinds = ("numeric", "datetime")
        for name in moved if drawable else []:
            column = _named(table, name)
            drawable &= (
                column not in effect.categorical_features
                and kind_of(table.column(table.position(column))) in kinds
            )
        return [_named(table, name) for name in moved] if drawable else []
    chosen = list(features) if isinstance(features, (list, tuple)) else [features]
    if len(chosen) > 2:
        raise ValueError(f"features takes one or two columns, got {chosen}.")
    return chosen


def _named(table: Table, name: str) -> Hashable:
    """The table's own label of a feature that a step names by its text."""
    return next(label for label in table.names if str(label) == name)


def _measured(
    effect: Effect, counted: np.ndarray, outputs: list[int]
) -> np.ndarray | None:
    """NLMs of rows that count; None where none is defined."""
    if effect.nlm_2d is None:
        return None
    nlm = _kept(effect.nlm_2d, counted, outputs)
    return None if np.isnan(nlm).all() else nlm


def _kept(values: np.ndarray, counted: np.ndarray, outputs: list[int]) -> np.ndarray:
    """Rows that count, of some outputs."""
    if len(outputs) < values.shape[1]:
        values = values[:, outputs]
    if counted.all():
        return values
    if values.shape[1] == 1:  # a mask over one dimension is three times as fast
        return values[:, 0][counted][:, None]
    return values[counted]
