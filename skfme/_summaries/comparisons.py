"""How a prediction after a step is compared with the one before it.

With b and a the predictions before and after,

    difference      a − b                       percent         100 (a / b − 1)
    ratio           a / b                       per_unit        (a − b) / h
    log_ratio       log a − log b               a function      g(b, a)
    log_odds_ratio  log(a / (1 − a)) − log(b / (1 − b))

and the average over rows of weights w is Σ w g(b, a) / Σ w ("of_rows"), or g of the
averages, g(Σ w b / Σ w, Σ w a / Σ w) ("of_means"). Slopes in b and a serve the delta
method. Numbers only: which steps can be compared how is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logit

__all__ = ["AVERAGES", "DIFFERENCE", "KINDS", "Comparison"]

AVERAGES = ("of_rows", "of_means")

Between = Callable[[np.ndarray, np.ndarray], Any]

# As probabilities may be, and other predictions.
_UNCHANGED = (np.array([0.2, 0.5, 0.7]), np.array([2.5, 4.0, 7.0]))


class _Kind(NamedTuple):
    """One way to compare.

    Attributes
    ----------
    between : callable
        (before, after) -> values.
    slopes : callable
        (before, after) -> slopes in before, and in after.
    undefined : callable or None
        (before, after) -> where there is no such comparison.
    needs : str
        What predictions it needs, in words.
    null : float
        Its value where the step changes nothing.
    """

    between: Between
    slopes: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
    undefined: Between | None = None
    needs: str = ""
    null: float = 0.0


def _difference(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return after - before


def _difference_slopes(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return np.full_like(before, -1.0), np.ones_like(after)


def _ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return after / before


def _ratio_slopes(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return -after / before**2, 1 / before


def _percent(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return 100 * (after - before) / before


def _percent_slopes(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return -100 * after / before**2, 100 / before


def _is_zero(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return before == 0


def _log_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.log(after) - np.log(before)


def _log_ratio_slopes(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return -1 / before, 1 / after


def _is_not_positive(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before <= 0) | (after <= 0)


def _log_odds_ratio(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.asarray(logit(after) - logit(before))


def _log_odds_slopes(
    before: np.ndarray, after: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    return -1 / (before * (1 - before)), 1 / (after * (1 - after))


def _is_no_probability(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before <= 0) | (before >= 1) | (after <= 0) | (after >= 1)


KINDS = {
    "difference": _Kind(_difference, _difference_slopes),
    "ratio": _Kind(
        _ratio, _ratio_slopes, _is_zero, "a prediction before it that is not 0", 1.0
    ),
    "percent": _Kind(
        _percent, _percent_slopes, _is_zero, "a prediction before it that is not 0"
    ),
    "log_ratio": _Kind(
        _log_ratio, _log_ratio_slopes, _is_not_positive, "predictions above 0"
    ),
    "log_odds_ratio": _Kind(
        _log_odds_ratio,
        _log_odds_slopes,
        _is_no_probability,
        "predictions between 0 and 1, without the ends",
    ),
    "per_unit": _Kind(_difference, _difference_slopes),
}


@dataclass(frozen=True)
class Comparison:
    """How predictions before and after one step are compared, and averaged.

    Attributes
    ----------
    name : str
        One of `KINDS`, or that of a function.
    average : {"of_rows", "of_means"}
    size : float
        What differences are divided by: the step, of "per_unit".
    step : str
        The effect's name, for errors.
    function : callable or None
        The user's own, (before, after) -> values, one output at a time.
    """

    name: str = "difference"
    average: str = "of_rows"
    size: float = 1.0
    step: str = ""
    # Two functions are compared by their names, as pickles have others.
    function: Between | None = field(default=None, compare=False, repr=False)

    @property
    def is_difference(self) -> bool:
        """Whether it is f(x + h) − f(x) itself."""
        return self.function is None and self.name == "difference"

    @property
    def is_linear(self) -> bool:
        """Whether both averages are the same, and an NLM says how it runs."""
        return self.function is None and self.name in ("difference", "per_unit")

    @property
    def of_means(self) -> bool:
        """Whether predictions are averaged before they are compared."""
        return self.average == "of_means" and not self.is_linear

    @property
    def words(self) -> str:
        """Its name, and how it is averaged where there are two ways."""
        return self.name if self.is_linear else f"{self.name}, averaged {self.average}"

    @property
    def null(self) -> float:
        """The value where a step changes nothing; 0 of a function that has several."""
        if self.function is None:
            return KINDS[self.name].null
        return _value_of_no_change(self.function)

    def __call__(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Compare predictions, of shape (n, n_outputs).

        Raises
        ------
        ValueError
            If one of them has no such comparison.
        """
        if not len(before):
            return np.empty_like(before)
        if self.function is not None:
            columns = zip(before.T, after.T, strict=True)
            return np.stack([self._of_function(*pair) for pair in columns], axis=1)
        kind = KINDS[self.name]
        if kind.undefined is not None:
            undefined = kind.undefined(before, after)
            if undefined.any():
                raise ValueError(self._refusal(before, after, undefined, kind.needs))
        with np.errstate(over="ignore", invalid="ignore"):
            values: np.ndarray = kind.between(before, after)
        if not np.isfinite(values).all():
            needs = "predictions whose comparison is not beyond the largest number"
            raise ValueError(self._refusal(before, after, ~np.isfinite(values), needs))
        return values if self.size == 1.0 else values / self.size

    def _refusal(
        self, before: np.ndarray, after: np.ndarray, undefined: np.ndarray, needs: str
    ) -> str:
        rows = np.flatnonzero(undefined.any(axis=1))
        at = (rows[0], np.flatnonzero(undefined[rows[0]])[0])
        return (
            f"{self._asked} needs {needs}; {len(rows)} of {len(before)} rows "
            f"have none, such as one from {before[at]:.6g} to {after[at]:.6g}. Take "
            "comparison='difference', whose `before` and `after` are averages, or leave "
            "these rows out."
        )

    @property
    def _asked(self) -> str:
        """What was asked for, in an error."""
        name = self.name if self.function is not None else repr(self.name)
        return f"comparison={name}" + (
            f" of the effect {self.step!r}" * bool(self.step)
        )

    def _of_function(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """What the user's function makes of one output, checked."""
        assert self.function is not None
        try:
            values = np.asarray(self.function(before, after), dtype=float)
        except (TypeError, ValueError) as error:
            raise type(error)(
                f"{self._asked} failed on predictions before and after the step, two "
                f"arrays of shape {before.shape}: {error}"
            ) from error
        if values.shape != before.shape:
            raise ValueError(
                f"{self._asked} returned an array of shape {values.shape}; "
                f"expected one number for each row, of shape {before.shape}."
            )
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ValueError(
                f"{self._asked} returned {values[row]} for a step from "
                f"{before[row]:.6g} to {after[row]:.6g}; expected finite numbers."
            )
        return values

    def slopes(
        self, before: np.ndarray, after: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives in the prediction before and in that after, shaped as these.

        Those of a function are central differences.
        """
        if self.function is None:
            low, high = KINDS[self.name].slopes(before, after)
            return (
                (low, high) if self.size == 1.0 else (low / self.size, high / self.size)
            )
        step = np.cbrt(np.finfo(float).eps)
        h_before, h_after = (
            step * np.where(values == 0, 1.0, np.abs(values))
            for values in (before, after)
        )
        by_before = self(before + h_before, after) - self(before - h_before, after)
        by_after = self(before, after + h_after) - self(before, after - h_after)
        return by_before / (2 * h_before), by_after / (2 * h_after)

    def of_averages(self, ends: Iterable[tuple[float, float]]) -> list[float]:
        """The comparison of each output's average predictions; NaN of none."""
        return [
            float("nan")
            if np.isnan(before) or np.isnan(after)
            else float(self(np.array([[before]]), np.array([[after]]))[0, 0])
            for before, after in ends
        ]

    def linearised(
        self,
        before: np.ndarray,
        after: np.ndarray,
        means: tuple[np.ndarray, np.ndarray],
    ) -> np.ndarray:
        """Values of rows whose mean is the comparison of means, to first order.

        Parameters
        ----------
        before, after : ndarray of shape (n, n_outputs)
        means : pair of ndarray of shape (n, n_outputs) or (1, n_outputs)
            Average predictions before and after, of each row's group.

        Returns
        -------
        values : ndarray of shape (n, n_outputs)
            g(b̄, ā) + ∂g/∂b (b − b̄) + ∂g/∂a (a − ā): deviations from their mean are the
            influences of the rows.
        """
        by_before, by_after = self.slopes(*means)
        moved = by_before * (before - means[0]) + by_after * (after - means[1])
        return self(*means) + moved


def _value_of_no_change(function: Between) -> float:
    """g(p, p), where it is the same for every prediction p; else 0."""
    for predictions in _UNCHANGED:
        with np.errstate(all="ignore"):
            try:
                values = np.asarray(function(predictions, predictions), dtype=float)
            except Exception:  # told where predictions are compared
                continue
        if values.shape == predictions.shape and np.isfinite(values).all():
            alike = np.ptp(values) <= 1e-12 * np.abs(values).max()
            return float(values[0]) if alike else 0.0
    return 0.0


DIFFERENCE = Comparison()
