"""ResponseAuditDisplay: predictions by group, and responses of rows, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme.plotting._parts.canvas import COLOURS, GREY, PALE, Display, check_matplotlib
from skfme.plotting._parts.marks import draw_legend, frame, key
from skfme.plotting._sources import Audit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ResponseAuditDisplay"]

WHEN = ("before", "after")


@dataclass(eq=False, repr=False)
class ResponseAuditDisplay(Display):
    """What an audit compares: predictions by group above, responses of rows below.

    Make it with :meth:`from_audit`, or from arrays. Every curve is the share of rows up
    to a value.

    Parameters
    ----------
    predictions : pair of ndarray of shape (n,)
        Before and after.
    codes : ndarray of shape (n,), int
        The group of each row.
    groups : sequence of str
    responses : dict of str -> dict
        "direct" and "proxy": by contrast, the responses of rows before and after; NaN is
        left out.
    bound : float
        Responses within ± bound count as none.
    sensitive : str, default=""
    weights : ndarray of shape (n,), default=None
        Of rows, whose shares are drawn.

    Attributes
    ----------
    ax_ : Axes
        The first.
    axes_ : ndarray of Axes of shape (2, 2)
    figure_ : Figure

    See Also
    --------
    skfme.statsmodels.ResponseAudit.plot : The same from an audit.
    """

    predictions: Sequence[np.ndarray]
    codes: np.ndarray
    groups: Sequence[str]
    responses: Mapping[str, Mapping[str, Sequence[np.ndarray]]]
    bound: float
    _: KW_ONLY
    sensitive: str = ""
    weights: np.ndarray | None = None

    @classmethod
    def from_audit(cls, audit: Audit, *, ax: Any = None) -> ResponseAuditDisplay:
        """Draw an audit.

        Parameters
        ----------
        audit : ResponseAudit
        ax : Axes, sequence of four Axes, or None, default=None
            One is divided.

        Returns
        -------
        display : ResponseAuditDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_audit")
        parts = (audit.predictions, audit.codes, audit.groups, audit.responses)
        drawn = cls(
            *parts,
            audit.limits.bound,
            sensitive=audit.sensitive,
            weights=audit.weights,
        )
        return drawn.plot(ax=ax)

    def plot(self, ax: Any = None) -> ResponseAuditDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of four Axes, or None, default=None

        Returns
        -------
        display : ResponseAuditDisplay
            Itself.
        """
        grid = self._open(ax, 2, 2, (8.4, 6.4))
        for axes, values, when in zip(grid[0], self.predictions, WHEN, strict=True):
            self._draw_predictions(axes, values, when)
        for axes, kind in zip(grid[1], ("direct", "proxy"), strict=True):
            self._draw_responses(axes, kind)
        return self

    def _draw_predictions(self, axes: Axes, values: np.ndarray, when: str) -> None:
        frame(axes)
        entries = []
        for g, name in enumerate(self.groups):
            colour = COLOURS[g % len(COLOURS)]
            self._draw_shares(axes, values, self.codes == g, color=colour)
            entries.append((key("", "-", color=colour), f"{self.sensitive}={name}"))
        axes.set_xlabel(f"Prediction {when}", parse_math=False)
        axes.set_ylabel("share of rows")
        draw_legend(axes, entries)

    def _draw_responses(self, axes: Axes, kind: str) -> None:
        frame(axes)
        axes.axvspan(-self.bound, self.bound, color=PALE, alpha=0.6, linewidth=0)
        for i, pair in enumerate(self.responses[kind].values()):
            colour = COLOURS[i % len(COLOURS)]
            for values, style in zip(pair, ("--", "-"), strict=True):
                shown = ~np.isnan(values)
                self._draw_shares(axes, values, shown, color=colour, linestyle=style)
        words = {"direct": "itself", "proxy": "through other features"}
        axes.set_xlabel(f"Response to {self.sensitive} {words[kind]}", parse_math=False)
        axes.set_ylabel("share of rows")
        entries = [
            (key("", "--", color=GREY), "before"),
            (key("", "-", color=GREY), "after"),
            (key("s", color=PALE), "counts as none"),
        ]
        draw_legend(axes, entries)

    def _draw_shares(
        self, axes: Axes, values: np.ndarray, rows: np.ndarray, **style: Any
    ) -> None:
        """The share of some rows up to each value, at no more places than can be seen."""
        places = np.linspace(0, 1, min(int(np.count_nonzero(rows)), 400))
        if self.weights is None:
            levels = np.quantile(values[rows], places)
        else:
            order = np.flatnonzero(rows)[np.argsort(values[rows], kind="stable")]
            shares = np.cumsum(self.weights[order])
            at = np.searchsorted(shares / shares[-1], places)
            levels = values[order][np.minimum(at, len(order) - 1)]
        axes.step(levels, places, where="post", linewidth=1.8, **style)
