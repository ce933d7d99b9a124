"""How often nominal 95 % intervals hold what they are about, over simulated data.

Each row of the table is a kind of interval and what it is meant to cover. Rows marked
"claim" have to lie within their limits; rows marked "warning" show what goes wrong
where intervals are read as something that they are not.

    python benchmarks/coverage.py [--rows NAME ...] [--simulations N] [--resamples B]
                                  [--jobs J] [--seed S] [--record FILE] [--rst FILE]

The table of the docs is made, at once or some rows at a time, by

    python benchmarks/coverage.py --record benchmarks/coverage.json \\
                                  --rst docs/coverage_table.inc

All of it takes about half an hour on two idle cores; bootstrap and forests most of it.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import scipy
import sklearn
import statsmodels
import statsmodels.formula.api as smf
from joblib import Parallel, delayed
from scipy import special, stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, SplineTransformer

import skfme
from skfme import FMEExplainer, fme
from skfme.statsmodels import (
    ConditionalEffects,
    ConditionalEffectsResults,
    EffectResults,
    EffectTree,
    average_effects,
    bootstrap_effects,
    delta_effects,
    honest_regions,
)

# Estimate, lower end, upper end and truth of each interval of one simulation.
Intervals = np.ndarray  # of shape (n_intervals, 4)
Simulation = Callable[[np.random.Generator, int], Intervals]

if __name__ == "coverage":
    # numba, in another script of this folder, looks for the package of that name.
    raise ImportError("benchmarks/coverage.py is a script, not the package coverage")

LEVEL = 0.95


@dataclass(frozen=True)
class Study:
    """One row of the table.

    Attributes
    ----------
    name : str
    interval, target : str
        What is simulated, and what it is asked to cover, in words.
    simulate : callable
        (generator, number of resamples) -> intervals.
    n_simulations, n_resamples : int
    claim : bool
        Whether coverage has to lie within `limits`.
    own_expectation : bool
        Whether the truth is the mean of the estimates over all simulations.
    """

    name: str
    interval: str
    target: str
    simulate: Simulation
    n_simulations: int = 2000
    n_resamples: int = 0
    claim: bool = True
    own_expectation: bool = False


@dataclass(frozen=True)
class Coverage:
    """What came of a study, and how it was made."""

    name: str
    coverage: float
    error: float
    n_simulations: int
    n_resamples: int
    seed: int
    seconds: float
    versions: str

    @property
    def study(self) -> Study:
        return next(study for study in STUDIES if study.name == self.name)

    @property
    def limits(self) -> tuple[float, float]:
        """93.5 to 96.5 %; of bootstraps 95 % and three Monte-Carlo errors."""
        if not self.n_resamples:
            return 0.935, 0.965
        binomial = np.sqrt(LEVEL * (1 - LEVEL) / self.n_simulations)
        return LEVEL - 3 * binomial, min(LEVEL + 3 * binomial, 1.0)

    @property
    def verdict(self) -> str:
        if not self.study.claim:
            return "warning"
        low, high = self.limits
        kept = low <= self.coverage <= high
        return f"{100 * low:.1f} to {100 * high:.1f}: {'kept' if kept else 'MISSED'}"


def intervals_of(results: EffectResults, truth: np.ndarray | float) -> Intervals:
    ends = results.conf_int(1 - LEVEL).to_numpy()
    truth = np.broadcast_to(truth, len(ends))
    return np.column_stack([results.params, ends, truth])


# Parametric models


def ols_sample(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows, and the true effect of a step of 1 in x on each."""
    data = pd.DataFrame(rng.normal(size=(200, 2)), columns=["x", "z"])
    mean = 1 + data["x"] + 0.5 * data["z"] + 0.7 * data["x"] * data["z"]
    data["y"] = mean + rng.normal(size=200)
    return data, (1 + 0.7 * data["z"]).to_numpy()


def ols(rng: np.random.Generator, _: int) -> Intervals:
    data, effect = ols_sample(rng)
    fit = smf.ols("y ~ x * z", data).fit()
    return intervals_of(delta_effects(fit, data, {"x": 1}), effect.mean())


def ols_rows(rng: np.random.Generator, _: int) -> Intervals:
    data, _effect = ols_sample(rng)
    fit = smf.ols("y ~ x * z", data).fit()
    effects = delta_effects(fit, data, {"x": 1}, covers="sample + parameters")
    return intervals_of(effects, 1.0)


def logit(rng: np.random.Generator, _: int) -> Intervals:
    data = pd.DataFrame(rng.normal(size=(500, 2)), columns=["x", "z"])

    def probability(x: pd.Series) -> np.ndarray:
        return special.expit(-0.5 + 0.8 * x + 0.5 * data["z"] + 0.4 * x * data["z"])

    data["y"] = (rng.uniform(size=500) < probability(data["x"])).astype(int)
    fit = smf.logit("y ~ x * z", data).fit(disp=0)
    truth = np.mean(probability(data["x"] + 1) - probability(data["x"]))
    return intervals_of(delta_effects(fit, data, {"x": 1}), truth)


def risk_ratio(rng: np.random.Generator, _: int) -> Intervals:
    data = pd.DataFrame(rng.normal(size=(500, 2)), columns=["x", "z"])

    def probability(x: pd.Series) -> np.ndarray:
        return special.expit(-0.5 + 0.8 * x + 0.5 * data["z"] + 0.4 * x * data["z"])

    data["y"] = (rng.uniform(size=500) < probability(data["x"])).astype(int)
    fit = smf.logit("y ~ x * z", data).fit(disp=0)
    truth = np.mean(probability(data["x"] + 1) / probability(data["x"]))
    effects = delta_effects(fit, data, {"x": 1}, comparison="ratio")
    return intervals_of(effects, truth)


# Effects of a given model as data


def times(X: pd.DataFrame) -> np.ndarray:
    """A model in which a step of 1 in x has the effect that column e holds."""
    return (X["x"] * X["e"]).to_numpy()


def hc3(rng: np.random.Generator, _: int) -> Intervals:
    X = pd.DataFrame({"x": rng.normal(size=150), "z": rng.normal(size=150)})
    X["e"] = 1 + 0.5 * X["z"] + (0.3 + X["z"].abs()) * rng.normal(size=150)
    effect = fme(times, X, {"x": 1}, extrapolation=None)
    fit = ConditionalEffects.from_formula(effect, "z").fit(cov_type="HC3")
    return intervals_of(fit, np.array([1, 0.5]))[1:]


def clustered(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Effects of 40 clusters of 8 rows; clusters share traits, and half of the rest."""
    groups = np.repeat(np.arange(40), 8)
    X = pd.DataFrame({"x": rng.normal(size=320), "trait": rng.normal(size=40)[groups]})
    X["age"] = np.sqrt(0.5) * (rng.normal(size=40)[groups] + rng.normal(size=320))
    X["e"] = 1 + 0.5 * (X["age"] + X["trait"])
    X["e"] += rng.normal(size=40)[groups] + rng.normal(size=320)
    return X, groups


def cluster_mean(rng: np.random.Generator, _: int) -> Intervals:
    X, groups = clustered(rng)
    effect = fme(times, X, {"x": 1}, extrapolation=None)
    return intervals_of(average_effects(effect, groups=groups), 1.0)


def cluster_regression(rng: np.random.Generator) -> ConditionalEffectsResults:
    X, groups = clustered(rng)
    effect = fme(times, X, {"x": 1}, extrapolation=None)
    return ConditionalEffects.from_formula(effect, "age + trait").fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )


def cluster_slope(rng: np.random.Generator, _: int) -> Intervals:
    return intervals_of(cluster_regression(rng), 0.5)[1:2]


def cluster_trait(rng: np.random.Generator, _: int) -> Intervals:
    return intervals_of(cluster_regression(rng), 0.5)[2:]


def cluster_wild(rng: np.random.Generator, _: int) -> Intervals:
    fit = cluster_regression(rng)
    seed = int(rng.integers(2**31 - 1))
    test = fit.wild_bootstrap("trait", n_resamples=399, random_state=seed)
    return np.array([[fit.params["trait"], *test.conf_int(1 - LEVEL), 0.5]])


def cluster_ignored(rng: np.random.Generator, _: int) -> Intervals:
    X, _groups = clustered(rng)
    effect = fme(times, X, {"x": 1}, extrapolation=None)
    return intervals_of(average_effects(effect), 1.0)


# Regions


def honest(rng: np.random.Generator, _: int) -> Intervals:
    """Leaves of three-part splits, against the model's own means in a large sample."""

    def rows(n: int) -> np.ndarray:
        return rng.uniform(-1, 1, size=(n, 3))

    X = rows(600)
    y = X[:, 0] * X[:, 1] + X[:, 2] ** 2 + 0.5 * rng.normal(size=600)
    model = make_pipeline(PolynomialFeatures(3), LinearRegression())
    explainer = FMEExplainer(model, {0: 0.5}, extrapolation=None)
    tree = EffectTree(max_depth=2)
    seed = int(rng.integers(2**31 - 1))
    regions = honest_regions(explainer, X, y, tree=tree, random_state=seed)
    population = rows(20_000)
    effects = regions.explainer.explain(population)["x0 +0.5"].fme
    leaves = regions.tree.apply(population)
    means = pd.Series(effects).groupby(leaves).mean()
    return intervals_of(regions.sample, means.to_numpy())


def leaves_of_noise(rng: np.random.Generator, honest: bool) -> Intervals:
    """Two leaves of one best split of effects that no feature has to do with."""
    X, effects = rng.uniform(size=(1000, 5)), rng.normal(size=1000)
    tree = EffectTree(
        "cart",
        n_partitions=2,
        cp=0.0,
        min_samples_leaf=10,
        honest=honest,
        random_state=int(rng.integers(2**31 - 1)),
    )
    found = tree.fit(X, effects).partitions_
    se = found["sd"] / np.sqrt(found["n"])
    half = stats.t.ppf((1 + LEVEL) / 2, found["n"] - 1) * se
    mean = found["ame"]
    return np.column_stack([mean, mean - half, mean + half, np.zeros(len(mean))])


def honest_noise(rng: np.random.Generator, _: int) -> Intervals:
    return leaves_of_noise(rng, honest=True)


def naive_noise(rng: np.random.Generator, _: int) -> Intervals:
    return leaves_of_noise(rng, honest=False)


# Refits


def ridge(rng: np.random.Generator, n_resamples: int) -> Intervals:
    X = rng.normal(size=(150, 3))
    y = X[:, 0] + 0.5 * X[:, 1] + 0.5 * X[:, 0] * X[:, 1] + rng.normal(size=150)
    model = make_pipeline(PolynomialFeatures(2), Ridge(1.0))
    explainer = FMEExplainer(model, {0: 1}, extrapolation=None)
    results = bootstrap_effects(
        explainer,
        X,
        y,
        n_resamples=n_resamples,
        covers="sample + refit",
        random_state=int(rng.integers(2**31 - 1)),
    )
    return intervals_of(results, 1.0)


def spline(rng: np.random.Generator, n_resamples: int) -> Intervals:
    X = rng.uniform(size=(200, 2))

    def mean(X: np.ndarray) -> np.ndarray:
        return np.sin(4 * X[:, 0]) + X[:, 1]

    y = mean(X) + 0.3 * rng.normal(size=200)
    model = make_pipeline(SplineTransformer(6), LinearRegression())
    explainer = FMEExplainer(model, {0: 0.2})
    results = bootstrap_effects(
        explainer,
        X,
        y,
        n_resamples=n_resamples,
        random_state=int(rng.integers(2**31 - 1)),
    )
    inside = X[:, 0] + 0.2 <= X[:, 0].max()
    truth = mean(X[inside] + [0.2, 0]) - mean(X[inside])
    return intervals_of(results, truth.mean())


def compared(
    model: object,
    X: np.ndarray,
    y: np.ndarray,
    rng: np.random.Generator,
    n_resamples: int,
    **comparison: str,
) -> EffectResults:
    """Intervals over refits and rows of a comparison that is no difference."""
    explainer = FMEExplainer(model, {0: 1}, extrapolation=None, **comparison)
    seed = int(rng.integers(2**31 - 1))
    options = {"n_resamples": n_resamples, "random_state": seed}
    return bootstrap_effects(explainer, X, y, covers="sample + refit", **options)


def ratio_of_means(rng: np.random.Generator, n_resamples: int) -> Intervals:
    X = rng.normal(size=(150, 2))
    y = 5 + X[:, 0] + 0.5 * X[:, 1] + 0.5 * X[:, 0] * X[:, 1] + rng.normal(size=150)
    model = make_pipeline(PolynomialFeatures(2), LinearRegression())
    options = {"comparison": "ratio", "average": "of_means"}
    return intervals_of(compared(model, X, y, rng, n_resamples, **options), 6 / 5)


def percent(rng: np.random.Generator, n_resamples: int) -> Intervals:
    X = rng.normal(size=(200, 2))
    y = rng.poisson(np.exp(1 + 0.3 * X[:, 0] + 0.3 * X[:, 1]))
    model = PoissonRegressor(alpha=0, solver="newton-cholesky")
    results = compared(model, X, y, rng, n_resamples, comparison="percent")
    return intervals_of(results, 100 * np.expm1(0.3))


def log_odds(rng: np.random.Generator, n_resamples: int) -> Intervals:
    X = rng.normal(size=(400, 2))
    y = rng.uniform(size=400) < special.expit(0.5 * X[:, 0] - 0.5 * X[:, 1])
    model = LogisticRegression(C=np.inf, solver="newton-cholesky")
    results = compared(model, X, y, rng, n_resamples, comparison="log_odds_ratio")
    return intervals_of(results, 0.5)


def forest(rng: np.random.Generator, n_resamples: int) -> Intervals:
    """Features that go together, among which a forest shares an effect out."""
    common = rng.normal(size=(200, 1))
    X = np.sqrt(0.5) * (common + rng.normal(size=(200, 4)))
    y = X[:, 0] + 0.5 * X[:, 1] + 0.5 * rng.normal(size=200)
    model = RandomForestRegressor(20, max_features=1 / 3)
    results = bootstrap_effects(
        FMEExplainer(model, {0: 1}),
        X,
        y,
        n_resamples=n_resamples,
        covers="sample + refit",
        method="normal",
        random_state=int(rng.integers(2**31 - 1)),
    )
    return intervals_of(results, 1.0)


REFIT = {"n_simulations": 500, "n_resamples": 199}
FOREST = {"n_simulations": 200, "n_resamples": 59, "claim": False}
STUDIES = (
    Study("ols", "OLS, delta method", "the AME of these rows", ols),
    Study(
        "ols-rows",
        "OLS, delta method and rows",
        "the AME of the population",
        ols_rows,
    ),
    Study("logit", "logit, delta method", "the AME of these rows", logit),
    Study(
        "risk-ratio",
        "logit, ratios of probabilities, delta method",
        "the mean ratio of these rows",
        risk_ratio,
    ),
    Study(
        "hc3",
        "regression of effects, HC3, spread that grows",
        "the slope of the effect",
        hc3,
    ),
    Study(
        "cluster",
        "average of effects, 40 clusters",
        "the AME of the population",
        cluster_mean,
    ),
    Study(
        "cluster-slope",
        "regression of effects, 40 clusters",
        "the slope in a covariate of the row",
        cluster_slope,
    ),
    Study(
        "cluster-wild",
        "the same, wild cluster bootstrap",
        "the slope in a trait that a cluster shares",
        cluster_wild,
    ),
    Study(
        "honest",
        "honest regions in three parts",
        "the model's cAME in each region",
        honest,
    ),
    Study(
        "honest-noise",
        "two leaves, split on one half and estimated on the other",
        "the cAME of each leaf",
        honest_noise,
    ),
    Study(
        "ridge",
        "ridge regression, bootstrap with refits and rows drawn",
        "the AME of the population",
        ridge,
        **REFIT,
    ),
    Study(
        "spline",
        "spline regression, bootstrap with refits",
        "the AME of these rows",
        spline,
        **REFIT,
    ),
    Study(
        "ratio-of-means",
        "linear regression, ratio of average predictions, bootstrap",
        "the ratio in the population",
        ratio_of_means,
        **REFIT,
    ),
    Study(
        "percent",
        "Poisson regression, changes in percent, bootstrap",
        "the mean change in the population",
        percent,
        **REFIT,
    ),
    Study(
        "log-odds",
        "logistic regression, log odds ratios, bootstrap",
        "the log odds ratio in the population",
        log_odds,
        **REFIT,
    ),
    Study(
        "naive-noise",
        "two leaves, split and estimated on the same rows",
        "the cAME of each leaf",
        naive_noise,
        claim=False,
    ),
    Study(
        "cluster-trait",
        "regression of effects, 40 clusters, no wild bootstrap",
        "the slope in a trait that a cluster shares",
        cluster_trait,
        claim=False,
    ),
    Study(
        "cluster-ignored",
        "average of effects, 40 clusters taken for 320 rows",
        "the AME of the population",
        cluster_ignored,
        claim=False,
    ),
    Study(
        "forest",
        "random forest, bootstrap with refits and rows drawn",
        "the AME of the population",
        forest,
        **FOREST,
    ),
    Study(
        "forest-own",
        "the same",
        "the forest's own expectation",
        forest,
        own_expectation=True,
        **FOREST,
    ),
)


def simulated(study: Study, n: int, n_resamples: int, seed: int, jobs: int) -> list:
    """Intervals of each simulation; the same whatever the number of jobs."""
    seeds = np.random.SeedSequence(seed).spawn(n)
    run = delayed(_one)
    return Parallel(n_jobs=jobs)(run(study.simulate, s, n_resamples) for s in seeds)


def _one(
    simulate: Simulation, seed: np.random.SeedSequence, n_resamples: int
) -> Intervals:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return simulate(np.random.default_rng(seed), n_resamples)


def coverage_of(
    study: Study, runs: list[Intervals], n_resamples: int, seed: int, seconds: float
) -> Coverage:
    """The share covered; its error is over simulations, as their leaves go together."""
    if study.own_expectation:
        truth = np.mean([run[0, 0] for run in runs])
        runs = [np.column_stack([run[:, :3], np.full(len(run), truth)]) for run in runs]
    hits = np.array(
        [np.mean((r[:, 1] <= r[:, 3]) & (r[:, 3] <= r[:, 2])) for r in runs]
    )
    error = hits.std(ddof=1) / np.sqrt(len(hits))
    return Coverage(
        study.name,
        float(hits.mean()),
        float(error),
        len(runs),
        n_resamples,
        seed,
        round(seconds, 1),
        versions(),
    )


def versions() -> str:
    modules = (skfme, np, scipy, sklearn, statsmodels)
    found = [f"{module.__name__} {module.__version__}" for module in modules]
    return ", ".join([f"Python {platform.python_version()}", *found])


def table_line(row: Coverage) -> str:
    return (
        f"{row.name:16} {100 * row.coverage:5.1f} ± {100 * row.error:.1f} %  "
        f"{row.n_simulations:5d} simulations  {row.verdict:22} {row.seconds:6.0f} s  "
        f"{row.study.interval}: {row.study.target}"
    )


def as_rst(rows: list[Coverage]) -> str:
    """A table for the documentation, with what it was made with."""
    lines = [
        ".. list-table:: Coverage of nominal 95 % intervals",
        "   :header-rows: 1",
        "   :widths: 38 24 13 13 12",
        "",
        "   * - interval",
        "     - asked to cover",
        "     - covered, %",
        "     - limits, %",
        "     - simulations",
    ]
    for row in rows:
        resamples = f" of {row.n_resamples} resamples" if row.n_resamples else ""
        lines += [
            f"   * - {row.study.interval}",
            f"     - {row.study.target}",
            f"     - {100 * row.coverage:.1f} ± {100 * row.error:.1f}",
            f"     - {row.verdict}",
            f"     - {row.n_simulations}{resamples}",
        ]
    seeds = ", ".join(sorted({str(row.seed) for row in rows}))
    made_with = "; ".join(sorted({row.versions for row in rows}))
    lines += [
        "",
        "± is the Monte-Carlo standard error over simulations. Made by",
        f"``python benchmarks/coverage.py``, seed {seeds}, with {made_with}.",
        "",
    ]
    return "\n".join(lines)


def recorded(path: Path | None, new: list[Coverage]) -> list[Coverage]:
    """Rows of this run and of earlier ones, in the table's order; kept in the file."""
    rows = {}
    if path and path.exists():
        rows = {row["name"]: Coverage(**row) for row in json.loads(path.read_text())}
    rows |= {row.name: row for row in new}
    known = [rows[study.name] for study in STUDIES if study.name in rows]
    if path:
        path.write_text(json.dumps([asdict(row) for row in known], indent=1) + "\n")
    return known


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [study.name for study in STUDIES]
    parser.add_argument("--rows", nargs="+", choices=names, default=names)
    parser.add_argument("--simulations", type=int, help="instead of each row's own")
    parser.add_argument("--resamples", type=int, help="instead of each row's own")
    parser.add_argument("--jobs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=2024)
    parser.add_argument("--record", type=Path, help="file that keeps rows of all runs")
    parser.add_argument("--rst", type=Path, help="file for the table of the docs")
    options = parser.parse_args()
    rows, known = [], {}
    for study in STUDIES:
        if study.name not in options.rows:
            continue
        n = options.simulations or study.n_simulations
        n_resamples = study.n_resamples and (options.resamples or study.n_resamples)
        start = time.perf_counter()
        if study.simulate not in known:
            known[study.simulate] = simulated(
                study, n, n_resamples, options.seed, options.jobs
            )
        seconds = time.perf_counter() - start
        runs = known[study.simulate]
        rows.append(coverage_of(study, runs, n_resamples, options.seed, seconds))
        print(table_line(rows[-1]), flush=True)
        table = recorded(options.record, rows)
        if options.rst:
            options.rst.write_text(as_rst(table))


if __name__ == "__main__":
    main()
