"""Average effects of a table that was only summarized, with their joint covariance.

The same estimates as :mod:`skfme.statsmodels._regression.average_effects` has of rows:
two effects share the rows that count for both, of which the summaries keep products.
What needs single rows, such as clusters and leverages, needs a table in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skfme._results.averages import described
from skfme._streaming.effect_summaries import MOST_JOINT, EffectSummaries
from skfme._streaming.effect_summary import EffectSummary
from skfme._text.compared import null_notes
from skfme._text.outputs import outcome_notes, output_columns
from skfme.statsmodels._inference.results import EffectResults

__all__ = ["averages_of_summaries"]

# By how much the covariance is scaled, for n rows.
_SCALES = {"HC0": lambda n: np.ones_like(n), "HC1": lambda n: np.sqrt(n / (n - 1))}


def averages_of_summaries(
    summaries: EffectSummaries,
    by: Any,
    cov_type: str | None,
    output: str | None,
    *,
    use_t: bool,
) -> EffectResults:
    """One estimate per effect, group and output.

    Raises
    ------
    ValueError
        If what is asked for needs the rows, or groups that were not summarized.
    """
    kind = _covariance_kind(summaries, cov_type)
    by_group = _asks_groups(summaries, by)
    listed, columns = (
        list(summaries.values()),
        output_columns(summaries.outputs, output),
    )
    cells = _Cells.of(summaries, listed, columns, by_group=by_group)
    with np.errstate(invalid="ignore", divide="ignore"):
        scales = _SCALES[kind](np.where(cells.n > 1, cells.n, np.nan))
    comparison = listed[0].comparison
    outputs = [summaries.outputs[k] for k in columns]
    notes = outcome_notes(summaries.about, outputs, comparison)
    notes += [*null_notes(comparison), f"Covariance {kind}."]
    if summaries.about.weighted:
        notes.append(f"Weights of type {summaries.weights_type}.")
    labels, more = cells.tables(listed, summaries, by_group=by_group)
    return EffectResults(
        cells.means,
        cells.covariance(scales),
        labels=labels,
        df=np.maximum(cells.n - 1, 1) if use_t else None,
        covers="sample",
        nobs=cells.rows,
        title="Average marginal effects",
        notes=notes,
        null=comparison.null,
        more=more,
        why_missing="fewer than two rows count for it",
        sample_cov=not by_group,
    )


def _covariance_kind(summaries: EffectSummaries, cov_type: str | None) -> str:
    kind = cov_type or "HC1"
    if kind not in _SCALES:
        raise ValueError(
            f"cov_type={kind!r} needs the rows, which summaries do not hold. Of them there "
            "are HC0 and HC1; explain a table in memory, or a sample of it, for others."
        )
    if any(effect.comparison.of_means for effect in summaries.values()):
        raise ValueError(
            'Standard errors of average="of_means" need the rows, which summaries do not '
            "hold. Explain a table in memory, or a sample of it."
        )
    return kind


def _asks_groups(summaries: EffectSummaries, by: Any) -> bool:
    if by is None:
        return False
    asked = tuple(map(str, by if isinstance(by, list) else [by]))
    if asked != summaries.about.by:
        there = list(summaries.about.by) or "none"
        raise ValueError(
            f"by={by!r} is not what these summaries are grouped by ({there}). Name the "
            "columns in explain_batches(…, by=…)."
        )
    n_averages = len(summaries.about.effects) * len(summaries.outputs)
    if n_averages > MOST_JOINT:
        raise ValueError(
            f"Summaries keep what effects have in common in each group for up to "
            f"{MOST_JOINT} effects and outputs, and these are {n_averages}. Summarize "
            "fewer at once; summary.average() has each group's own standard errors."
        )
    return True


class _Cells:
    """Averages in the order of the results: by effect, group and output.

    Attributes
    ----------
    means, n, rows : ndarray of shape (m,)
        The averages, what they rest on, and the rows that count.
    """

    def __init__(
        self,
        groups: np.ndarray,
        columns: np.ndarray,
        parts: Sequence[np.ndarray],
        still: Any,
    ) -> None:
        self._groups, self._columns = groups, columns
        self.means, self.n, self.rows, self._weight, self._products = parts
        self._still = still

    @classmethod
    def of(
        cls,
        summaries: EffectSummaries,
        effects: Sequence[EffectSummary],
        outputs: Sequence[int],
        *,
        by_group: bool,
    ) -> _Cells:
        tallies, joint = [e._tally for e in effects], summaries._joint
        moments = [t.fme.moments for t in tallies]
        squared = [t.fme.moments if t.squared is None else t.squared for t in tallies]
        counting = effects[0]._counting
        if not by_group:
            joint = joint.total()
            moments = [_as_one_group(m.total()) for m in moments]
            squared = [_as_one_group(m.total()) for m in squared]
        n_outputs = len(summaries.outputs)

        def stacked(name: str, of: Sequence[Any]) -> np.ndarray:
            return np.hstack([getattr(m, name) for m in of])  # (G, K)

        means = stacked("mean", moments)
        weight = stacked("weight", moments)
        rows = stacked("n", squared)
        order = _order_of_groups(summaries, effects[0]) if by_group else np.array([0])
        places = [
            (g, e * n_outputs + k)
            for e in range(len(effects))
            for g in order
            if not by_group or moments[e].n[g].any()
            for k in outputs
        ]
        groups, columns = (np.array(part) for part in zip(*places, strict=True))
        still = stacked("minimum", moments) == stacked("maximum", moments)
        n = weight if counting else rows.astype(float)
        here = groups, columns
        known = np.where(weight > 0, means, np.nan)
        parts = known[here], n[here], rows[here], weight[here], joint.products(means)
        return cls(groups, columns, parts, still[here])

    def covariance(self, scales: np.ndarray) -> np.ndarray:
        """Joint covariance; averages of different groups share no row."""
        same = self._groups[:, None] == self._groups[None, :]
        a, b = np.meshgrid(self._columns, self._columns, indexing="ij")
        products = self._products[self._groups[:, None], a, b]
        with np.errstate(invalid="ignore", divide="ignore"):
            factors = np.where(self._still, 0.0, scales) / self._weight
            cov = np.where(same, products, 0.0) * factors[:, None] * factors[None, :]
        few = self.n < 2
        cov[few] = cov[:, few] = np.nan
        return cov

    def tables(
        self,
        effects: Sequence[EffectSummary],
        summaries: EffectSummaries,
        *,
        by_group: bool,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Labels of the averages, and their ends."""
        n_outputs = len(summaries.outputs)
        which = self._columns // n_outputs
        labels = pd.DataFrame({"effect": [effects[e].name for e in which]})
        if n_outputs > 1:
            names = [str(summaries.outputs[c % n_outputs]) for c in self._columns]
            labels["output"] = names
        if by_group:
            for i, key in enumerate(summaries.about.by):
                labels[key] = [summaries._groups[g][i] for g in self._groups]
        sums = []
        for name in ("before", "after"):
            array = np.hstack([getattr(e._tally, name) for e in effects])
            array = array if by_group else array.sum(axis=0, keepdims=True)
            sums.append(array[self._groups, self._columns])
        with np.errstate(invalid="ignore", divide="ignore"):
            more = pd.DataFrame(
                {
                    name: array / np.where(self._weight > 0, self._weight, np.nan)
                    for name, array in zip(("before", "after"), sums, strict=True)
                }
            )
        return labels, more.assign(**described(effects[0].comparison))


def _as_one_group(moments: Any) -> Any:
    return moments._map(lambda array: array[None])


def _order_of_groups(summaries: EffectSummaries, effect: EffectSummary) -> np.ndarray:
    keys = summaries.about.by
    frame = pd.DataFrame(
        {key: [group[i] for group in summaries._groups] for i, key in enumerate(keys)}
    )
    return effect._order_of(frame.infer_objects())
