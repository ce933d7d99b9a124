"""How often a tree over noise keeps one partition, which alpha=0.05 should give in 95 %.

2,000 data sets of 500 rows and 5 continuous columns that have nothing to do with the
response; the columns independent, then correlated.

    python benchmarks/tree_size.py [--datasets N]
"""

from __future__ import annotations

import argparse

import numpy as np

from skfme.statsmodels import EffectTree


def share_of_one(n_datasets: int, correlation: float) -> float:
    """Share of the data sets that are left whole."""
    covariance = np.full((5, 5), correlation)
    np.fill_diagonal(covariance, 1.0)
    root = np.linalg.cholesky(covariance)
    whole = 0
    for seed in range(n_datasets):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(500, 5)) @ root.T
        tree = EffectTree(alpha=0.05)
        whole += tree.fit(X, rng.normal(size=500)).n_partitions_ == 1
    return whole / n_datasets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", type=int, default=2000)
    options = parser.parse_args()
    for correlation in (0.0, 0.5, 0.9):
        share = share_of_one(options.datasets, correlation)
        print(f"correlation {correlation:.1f}: {100 * share:.2f} % of one partition")


if __name__ == "__main__":
    main()
