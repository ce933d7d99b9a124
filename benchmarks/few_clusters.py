"""Rejection rates of tests of a true null hypothesis with few clusters.

Effects share a term within clusters, and a covariate is constant within clusters: all in
one (a leaf or a treatment of whole clusters) or skewed. Nominal level 5 %; the
Monte-Carlo standard error stands beside each rate.

    python benchmarks/few_clusters.py [--runs N] [--resamples B]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd

from skfme._frames.tables import as_table
from skfme._results.effects import Context, ForwardEffect
from skfme._summaries.weighting import Weighting
from skfme.statsmodels import ConditionalEffects

ROWS = 10  # per cluster


def effect_of(fme: np.ndarray, X: pd.DataFrame) -> ForwardEffect:
    context = Context(
        as_table(X), Weighting(None, len(X)), ("y",), "model", "predict", None
    )
    status = np.zeros(len(fme), dtype=int)
    return ForwardEffect("x +1", {}, (), context, fme[:, None], status)


def rates(n_clusters: int, skewed: bool, runs: int, resamples: int) -> np.ndarray:
    """Share of rejections: normal HC1, t with G − 1, wild bootstrap."""
    rng = np.random.default_rng(n_clusters)
    g = np.repeat(np.arange(n_clusters), ROWS)
    rejected = np.zeros((runs, 3), dtype=bool)
    for run in range(runs):
        x = (
            np.exp(rng.normal(size=n_clusters))
            if skewed
            else rng.normal(size=n_clusters)
        )
        X = pd.DataFrame({"g": g, "x": x[g]})
        effect = effect_of(rng.normal(size=n_clusters)[g] + rng.normal(size=len(g)), X)
        model = ConditionalEffects.from_formula(effect, "x")
        results = model.fit("cluster", {"groups": "g"})
        test = results.wild_bootstrap("x", resamples, random_state=run)
        rejected[run] = [
            model.fit("HC1", use_t=False).pvalues["x"] < 0.05,
            results.pvalues["x"] < 0.05,
            test.pvalue < 0.05,
        ]
    return rejected.mean(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=399)
    options = parser.parse_args()
    print(
        f"{'clusters':>8}  {'covariate':<9}  {'HC1, z':>14}  {'cluster, t':>14}  wild"
    )
    for n_clusters in (6, 10, 20, 40):
        for skewed in (False, True):
            shares = rates(n_clusters, skewed, options.runs, options.resamples)
            cells = [
                f"{rate:.3f} ({np.sqrt(rate * (1 - rate) / options.runs):.3f})"
                for rate in shares
            ]
            kind = "skewed" if skewed else "normal"
            print(
                f"{n_clusters:>8}  {kind:<9}  " + "  ".join(f"{c:>14}" for c in cells)
            )


if __name__ == "__main__":
    main()
