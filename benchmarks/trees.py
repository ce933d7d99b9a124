"""EffectTree's fit against scikit-learn's tree, grown to as many leaves.

Tables of 8 numeric columns and 2 factors of 4 levels; scikit-learn's tree gets the
factors as ordinal codes. The two are interleaved; what is printed are ratios of time,
and how the time grows with n.

    python benchmarks/trees.py [--rows 10000 100000 1000000] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeRegressor

from skfme.statsmodels import EffectTree


def data(n: int) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """The table, the same with ordinal codes, and effects."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"x{j}" for j in range(8)])
    X["f"] = pd.Categorical(rng.choice(list("abcd"), n))
    X["g"] = pd.Categorical(rng.choice(list("abcd"), n))
    codes = X.assign(f=X["f"].cat.codes, g=X["g"].cat.codes)
    effect = 2 * (X["x0"] > 0.3) * X["f"].isin(["a", "c"]) + np.sin(2 * X["x1"])
    effect = effect + 0.8 * X["x2"] * (X["g"] == "b") + rng.normal(size=n)
    return X, codes, effect.to_numpy()


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(tree: EffectTree, n: int, repeats: int) -> tuple[int, list[float], float]:
    """Leaves, ratios, and the median seconds of the tree."""
    X, codes, effect = data(n)
    leaves = tree.fit(X, effect).n_partitions_
    other = DecisionTreeRegressor(max_leaf_nodes=leaves, random_state=0)
    ratios, of_tree = [], []
    for repeat in range(repeats):
        pair = [lambda: tree.fit(X, effect), lambda: other.fit(codes, effect)]
        order = [0, 1] if repeat % 2 else [1, 0]
        taken = {k: seconds(pair[k]) for k in order}
        ratios.append(taken[0] / taken[1])
        of_tree.append(taken[0])
    return leaves, ratios, statistics.median(of_tree)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    for tree in (EffectTree(alpha=0.35), EffectTree("cart")):
        first = None
        for n in options.rows:
            leaves, ratios, taken = compare(tree, n, options.repeats)
            first = first or taken / n
            print(
                f"{tree.method} n={n:>9,} leaves={leaves:>3} "
                f"ratio={statistics.median(ratios):.3f} "
                f"(min {min(ratios):.3f}, max {max(ratios):.3f}) "
                f"time per row against the first size={taken / n / first:.2f}"
            )


if __name__ == "__main__":
    main()
