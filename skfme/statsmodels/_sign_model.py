"""The sign of an effect: a logistic model of 1(FME > 0) on a design of ConditionalEffects.

Fits are another file's; here are what becomes of zeros, covariances and results.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import special

from skfme.statsmodels._counted import CountedRows, checked_cov_type, clusters_of
from skfme.statsmodels._effect_designs import CellDesign, Design
from skfme.statsmodels._labels import names_of
from skfme.statsmodels._least_squares import Weighting
from skfme.statsmodels._logistic import (
    LogisticFit,
    firth,
    maximum_likelihood,
    multinomial,
    of_cells,
)
from skfme.statsmodels._results import EffectResults
from skfme.statsmodels._sandwich import (
    Block,
    Clusters,
    cluster_gram,
    contributions,
    gram,
    without_negative_variance,
)

__all__ = ["SignModel", "SignResults"]

COV_TYPES = ("nonrobust", "HC0", "HC1", "cluster")
OUTCOMES = {-1: "negative", 0: "zero", 1: "positive"}


class SignModel:
    """A logistic model of whether an effect is positive.

    Made by :meth:`ConditionalEffects.sign_model`.

    Parameters
    ----------
    counted : CountedRows
        Of one output.
    design : Design
    zeros : {"exclude", "outcome"}
    """

    def __init__(self, counted: CountedRows, design: Design, zeros: str) -> None:
        if zeros not in ("exclude", "outcome"):
            raise ValueError(
                f"zeros={zeros!r} is not known; expected 'exclude' or 'outcome'."
            )
        if len(counted.outputs) > 1:
            raise ValueError(
                "A model of signs takes one output, and the effect has "
                f"{len(counted.outputs)}; choose it with output={counted.outputs[0]!r} "
                "where the model is made."
            )
        self.counted, self.design, self.zeros = counted, design, zeros
        signs = np.sign(counted.fme[:, 0]).astype(int)
        zero = signs == 0
        self.n_zero = int(zero.sum())
        self._kept = np.flatnonzero(~zero | (zeros == "outcome"))
        self._signs = signs[self._kept]
        found = [OUTCOMES[s] for s in np.unique(self._signs)]
        if len(found) < 2:
            raise ValueError(
                f"Every effect is {found[0] if found else 'zero'}, so that there is "
                "nothing for a model of signs to tell apart."
            )

    def fit(
        self,
        cov_type: str | None = None,
        cov_kwds: Mapping | None = None,
        *,
        penalty: str | None = None,
    ) -> SignResults:
        """Estimate log-odds.

        Parameters
        ----------
        cov_type : {"nonrobust", "HC0", "HC1", "cluster"}, default=None
            None is "nonrobust", for sampling weights "HC1".
        cov_kwds : dict, default=None
            As in :meth:`ConditionalEffects.fit`.
        penalty : {"firth"} or None, default=None
            "firth" gives finite estimates where signs are separated, and less biased
            ones in small samples.

        Returns
        -------
        results : SignResults

        Raises
        ------
        ValueError
            If the signs are separated and there is no penalty, or zeros are an outcome
            together with weights or a penalty.

        References
        ----------
        Firth (1993). Bias reduction of maximum likelihood estimates. Biometrika 80,
        27-38.
        Konis (2007). Linear programming algorithms for detecting separated data in
        binary logistic regression models. DPhil thesis, University of Oxford.
        """
        if penalty not in (None, "firth"):
            raise ValueError(
                f"penalty={penalty!r} is not known; expected None or 'firth'."
            )
        weights = self._weights()
        kind = checked_cov_type(cov_type, weights, COV_TYPES)
        rows = self.counted.rows[self._kept]
        clusters = clusters_of(self.counted.effect, kind, cov_kwds, rows)
        fit = self._fitted(weights, penalty)
        cov = _covariance(fit, self._block, weights, kind, clusters)
        return SignResults(self, fit, cov, kind, clusters, penalty)

    def _block(self, rows: slice) -> np.ndarray:
        return self.design.block(self._kept[rows])

    def _weights(self) -> Weighting:
        array = self.counted.weights.array
        kept = None if array is None else array[self._kept]
        return Weighting(kept, self.counted.weights.kind, len(self._kept))

    def _fitted(self, weights: Weighting, penalty: str | None) -> LogisticFit:
        positive = self._signs > 0
        w = np.ones(len(positive)) if weights.array is None else weights.array
        if self.zeros == "outcome":
            if weights.array is not None or penalty is not None:
                raise ValueError(
                    "zeros='outcome' takes neither weights nor a penalty; take "
                    "zeros='exclude'."
                )
            self._refuse_lacking_outcomes()
            codes = np.unique(self._signs, return_inverse=True)[1]
            return multinomial(self.design.block(self._kept), codes)
        if penalty is None:
            self._refuse_lacking_outcomes()
        if isinstance(self.design, CellDesign):
            prior = 0.0 if penalty is None else 0.5
            codes, k = self.design.codes[self._kept], self.design.shape[1]
            return of_cells(codes, k, positive, w, prior)
        exog = self.design.block(self._kept)
        if penalty == "firth":
            return firth(exog, positive, w)
        return maximum_likelihood(exog, positive, w, self.design.names)

    def _refuse_lacking_outcomes(self) -> None:
        """Groups that lack an outcome have no finite log-odds."""
        if not isinstance(self.design, CellDesign):
            return
        counts = pd.crosstab(self.design.codes[self._kept], self._signs)
        lacking = counts.index[(counts == 0).any(axis=1)]
        if len(lacking):
            shown = ", ".join(repr(self.design.names[i]) for i in lacking[:5])
            outcomes = " and ".join(OUTCOMES[int(s)] for s in counts.columns.tolist())
            raise ValueError(
                f"The signs are separated: {shown} ({self.design.title}) has not both, or "
                f"all, of {outcomes} effects, so that its log-odds are infinite. Take "
                "zeros='exclude' with fit(penalty='firth')."
            )

    @property
    def outcomes(self) -> list[str]:
        """What log-odds are of, against the first outcome."""
        return [OUTCOMES[s] for s in np.unique(self._signs)][1:]

    def __repr__(self) -> str:
        return (
            f"<SignModel of {self.counted.effect.name!r} {self.design.title}, "
            f"{len(self._kept)} rows>"
        )


class SignResults(EffectResults):
    """Log-odds that an effect is positive; speaks the results protocol.

    Attributes
    ----------
    model : SignModel
    cov_type : str
    """

    def __init__(
        self,
        model: SignModel,
        fit: LogisticFit,
        cov: np.ndarray,
        cov_type: str,
        clusters: Clusters | None,
        penalty: str | None,
    ) -> None:
        self.model, self.cov_type = model, cov_type
        self._coef = fit.coef
        labels = _labels(model)
        notes = [f"Covariance {cov_type}{', penalty Firth' if penalty else ''}."]
        if model.n_zero and model.zeros == "exclude":
            notes.append(f"{model.n_zero} effects are exactly zero and left out.")
        super().__init__(
            fit.coef,
            cov,
            labels=labels,
            df=None if clusters is None else min(clusters.numbers) - 1,
            covers="sample",
            nobs=len(model._kept),
            title=f"Log-odds of the sign of {model.counted.effect.name} {model.design.title}",
            notes=notes,
            names=_names(labels, model),
        )

    def predict(self, X: object) -> np.ndarray:
        """Probability that the effect of a row is positive.

        Parameters
        ----------
        X : array-like or dataframe of shape (m, n_features)
            As in :meth:`ConditionalEffectsResults.predict`.

        Returns
        -------
        probability : ndarray of shape (m,)
        """
        matrix, which = self.model.design.matrix_of(X)
        odds = matrix @ self._coef.reshape(matrix.shape[1], -1, order="F")
        shares = special.softmax(np.column_stack([np.zeros(len(odds)), odds]), axis=1)
        return shares[which, -1]

    def shares(self, alpha: float = 0.05) -> pd.DataFrame:
        """Share of positive effects by group, with intervals.

        Parameters
        ----------
        alpha : float, default=0.05

        Returns
        -------
        frame : DataFrame
            The labels, ``share``, ``conf_low``, ``conf_high``.

        Raises
        ------
        ValueError
            If the design has no groups, or zeros are an outcome.
        """
        if (
            not isinstance(self.model.design, CellDesign)
            or len(self.model.outcomes) > 1
        ):
            raise ValueError(
                "Shares by group need a model of groups or a partition, with "
                "zeros='exclude'; predict() gives probabilities of rows."
            )
        ends = self.conf_int(alpha)
        return self.labels.assign(
            share=special.expit(self.params.to_numpy()),
            conf_low=special.expit(ends[0].to_numpy()),
            conf_high=special.expit(ends[1].to_numpy()),
        )


def _labels(model: SignModel) -> pd.DataFrame:
    parts = []
    for outcome in model.outcomes:
        part = model.design.labels.copy()
        part.insert(0, "effect", model.counted.effect.name)
        parts.append(part.assign(outcome=outcome) if len(model.outcomes) > 1 else part)
    return pd.concat(parts, ignore_index=True)


def _names(labels: pd.DataFrame, model: SignModel) -> list[str]:
    if isinstance(model.design, CellDesign):
        return names_of(labels)
    if len(model.outcomes) == 1:
        return labels["term"].tolist()
    pairs = zip(labels["term"], labels["outcome"], strict=True)
    return [f"{term}[{outcome}]" for term, outcome in pairs]


def _covariance(
    fit: LogisticFit,
    design: Block,
    weights: Weighting,
    kind: str,
    clusters: Clusters | None,
) -> np.ndarray:
    """Inverse information, or the sandwich of the scores."""
    if kind == "nonrobust":
        return fit.bread
    p = len(fit.coef)
    k = p // fit.resid.shape[1]
    n = weights.total
    if clusters is None:
        scores = contributions(design, fit.resid, weights, weights.power)
        meat = gram(scores, len(fit.resid), p)
        meat *= n / (n - k) if kind == "HC1" else 1.0
    else:
        scores = contributions(design, fit.resid, weights, 1.0)
        meat = cluster_gram(scores, clusters, p) * (n - 1) / (n - k)
    cov = fit.bread @ meat @ fit.bread
    if clusters is not None and len(clusters.ways) > 1:
        return without_negative_variance(cov)
    return cov
