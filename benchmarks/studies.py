"""Simulated studies at full size: what tests reject and intervals cover, by seed.

Every figure stands beside what it should be and its Monte-Carlo error; it holds if it
lies within 4 of these errors of the stated range. Run from the top folder:

    python -m benchmarks.studies [STUDY ...] [--share S] [--jobs J]

where S is the share of the runs to make (tests make few). Exits with 1 if a figure
does not hold.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks import readers, ring, scores
from skfme.statsmodels import (
    ClusterPairExperiment,
    ConditionalEffects,
    MultiWaveExperiment,
    compare_models,
)

CHUNK = 50  # runs of one seed
WITHIN = 4  # Monte-Carlo errors


@dataclass(frozen=True)
class Figure:
    """A simulated mean, and the range that it should lie in."""

    name: str
    value: float
    error: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        room = WITHIN * self.error
        return self.low - room <= self.value <= self.high + room

    def __str__(self) -> str:
        wanted = f"{self.low:.4g} … {self.high:.4g}"
        verdict = "" if self.holds else "  MISSED"
        return (
            f"{self.name:<44} {self.value:9.4g} ± {self.error:.2g}   {wanted}{verdict}"
        )


@dataclass(frozen=True)
class Study:
    """A simulation: what one run yields, how many there are, and what should come out.

    Attributes
    ----------
    simulate : rng -> sequence of float
        One number per name of `wanted`.
    wanted : dict of str -> pair of float
    runs : int
    seed : int
    """

    simulate: Callable[[np.random.Generator], list[float]]
    wanted: dict[str, tuple[float, float]]
    runs: int
    seed: int

    def figures(self, share: float = 1.0, jobs: int = 1) -> list[Figure]:
        n_chunks = max(1, round(share * self.runs / CHUNK))
        seeds = np.random.SeedSequence(self.seed).spawn(n_chunks)
        parts = Parallel(n_jobs=jobs)(delayed(_chunk)(self.simulate, s) for s in seeds)
        values = np.concatenate(parts)
        return [
            Figure(name, column.mean(), _error(column, (low + high) / 2), low, high)
            for (name, (low, high)), column in zip(
                self.wanted.items(), values.T, strict=True
            )
        ]


def _error(values: np.ndarray, wanted: float) -> float:
    """Monte-Carlo error of a mean; of a share, that of the share that is wanted."""
    share = np.isin(values, (0.0, 1.0)).all()
    spread = np.sqrt(wanted * (1 - wanted)) if share else values.std(ddof=1)
    return float(spread / np.sqrt(len(values)))


def _chunk(simulate: Callable, seed: np.random.SeedSequence) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.array([simulate(rng) for _ in range(CHUNK)], dtype=float)


# Policy under interference: 200 units in a cluster, eta 0.1

SIZE, COVERS = (0.04, 0.06), (0.94, 0.96)
PARTS = ("marginal policy effect", "direct effect", "spillover effect")
AT_03 = np.array([1.10, 0.90, 0.20])


def fitted(frame: pd.DataFrame, eta: float = 0.1, **options):
    return ClusterPairExperiment(
        "outcome", "pair", "side", "wave", eta=eta, data=frame, **options
    ).fit()


class OneWave:
    """Rejections at the best policy, then coverage of the parts and the joint test at 0.3."""

    def __init__(self, n_pairs: int) -> None:
        self.n_pairs = n_pairs

    def __call__(self, rng: np.random.Generator) -> list[float]:
        best = fitted(ring.experiment(self.n_pairs, ring.BEST, 0.1, 200, rng))
        test = best.optimality_test()
        frame = ring.experiment(self.n_pairs, 0.3, 0.1, 200, rng)
        parts = fitted(frame, treatment="treatment")
        ends = parts.conf_int().to_numpy()
        covered = (ends[:, 0] <= AT_03) & (ends[:, 1] >= AT_03)
        joint = parts.wald_test((np.eye(3), AT_03)).pvalue
        return [test.pvalue < 0.05, *covered, joint < 0.05]


# With e = −2 in the ring's outcomes W‴ is −4.5: a step of eta has a bias of η²W‴/6.
CUBIC, BENT = -2.0, 2.15 - 3.5 * 0.3 + -2.0 * (72 * 0.3**2 + 72 * 0.3 + 4) / 64


class BentWave:
    """Bias at 0.3 of an outcome with a third derivative, and coverage, by the step."""

    def __init__(self, eta: float) -> None:
        self.eta = eta

    def __call__(self, rng: np.random.Generator) -> list[float]:
        frame = ring.experiment(10, 0.3, self.eta, 200, rng, cubic=CUBIC)
        results = fitted(frame, eta=self.eta)
        low, high = results.conf_int().iloc[0]
        return [results.params.iloc[0] - BENT, low <= BENT <= high]


class Waves:
    """Regret of the proposed policy, and whether the last wave's interval covers.

    With shocks of clusters that persist, an AR(1) of 0.8 whose SD is given, also the
    mean product of a pair's error and its own probability: 0 where unconfounded.
    """

    def __init__(self, n_waves: int, shocks: float = 0.0) -> None:
        self.n_waves, self.shocks = n_waves, shocks

    def __call__(self, rng: np.random.Generator) -> list[float]:
        experiment = MultiWaveExperiment(
            8, self.n_waves, beta=0.2, eta=0.1, curvature=ring.CURVATURE
        )
        effects = rng.normal(0, 0.5, (8, 2))
        shock = self.shocks * rng.normal(size=(8, 2))
        for _ in range(self.n_waves + 1):
            chance = experiment.probabilities.to_numpy()
            outcomes = ring.outcomes(chance, effects + shock, 200, rng)[1]
            experiment.record(outcomes.mean(axis=-1))
            shock = 0.8 * shock + 0.6 * self.shocks * rng.normal(size=(8, 2))
        betas = experiment.betas[-2]
        truths = 2.15 - 3.5 * betas
        low, high = experiment.results().conf_int().iloc[0]
        covers = low <= truths.mean() <= high
        if self.shocks:
            errors = experiment.estimates[-1] - truths
            return [np.mean(errors * (betas - ring.BEST)), covers]
        regret = ring.mean_outcome(ring.BEST) - ring.mean_outcome(experiment.policy)
        return [regret, covers]


# Linguistic cues: 42 readers × 40 articles

CUES = ("fake", "cue", "fake:cue")
METHODS = ("plain", "by article, CR3", "two ways", "two ways, CR3", "crossed REML")


def crossed_intervals(rng: np.random.Generator) -> list[float]:
    """Whether intervals of each method cover the articles' terms."""
    frame, y = readers.trials(rng)
    ols = ConditionalEffects.from_response(y, frame, "fake * cue + w")
    both = {"groups": ["subject", "article"]}
    results = [
        ols.fit(),
        ols.fit("CR3", {"groups": "article"}),
        ols.fit("cluster", both),
        ols.fit("CR3", both),
        ConditionalEffects.mixed(
            y,
            "fake * cue + w",
            groups={"subject": "subject", "article": "article"},
            table=frame,
        ).fit(),
    ]
    truth = np.array([readers.TRUTH[name] for name in CUES])
    covered = []
    for fit in results:
        ends = fit.conf_int().loc[list(CUES)].to_numpy()
        covered += list((ends[:, 0] <= truth) & (truth <= ends[:, 1]))
    return covered


CROSSED = {
    "plain": {"fake": (0.66, 0.69), "cue": (0.65, 0.68), "fake:cue": (0.64, 0.67)},
    "by article, CR3": {
        "fake": (0.955, 0.975),
        "cue": (0.93, 0.95),
        "fake:cue": (0.945, 0.965),
    },
    "two ways": {
        "fake": (0.925, 0.945),
        "cue": (0.875, 0.895),
        "fake:cue": (0.88, 0.9),
    },
    "two ways, CR3": {
        "fake": (0.955, 0.975),
        "cue": (0.93, 0.955),
        "fake:cue": (0.945, 0.965),
    },
    "crossed REML": {
        "fake": (0.94, 0.965),
        "cue": (0.94, 0.96),
        "fake:cue": (0.93, 0.96),
    },
}

# Evaluation of models: three on the same examples, or on few data sets


class Evaluations:
    """A contrast on common examples: its mean, coverage, power, and size."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, rng: np.random.Generator) -> list[float]:
        names = {"model": "model", "example": "example"}
        table = scores.evaluation(rng, self.n)
        found = compare_models("right", table, **names)
        low, high = found.conf_int().iloc[0]
        estimate, p_value = found.params.iloc[0], found.pvalues.iloc[0]
        none = found.pvalues.iloc[2]  # of b and c, which are equal
        return [estimate, low <= scores.CONTRAST <= high, p_value < 0.05, none < 0.05]


def over_data_sets(rng: np.random.Generator) -> list[float]:
    """Rejections of equal models over 8 data sets: of one contrast, and of all four."""
    table = scores.over_data_sets(rng, n_models=4)
    names = {"model": "model", "example": "run", "dataset": "set"}
    found = compare_models("score", table, units="datasets", **names)
    return [found.pvalues.iloc[0] < 0.05, found.wald_test().pvalue < 0.05]


# From s²/(2PκT) up to what 400 runs of another implementation gave, ± 7 %.
BENT_COVERAGE = {
    # By the noncentral t, ratios of bias to standard error of 0.03, 0.23, 0.43 and 0.75.
    0.1: (0.945, 0.955),
    0.2: (0.94, 0.951),
    0.25: (0.92, 0.94),
    0.3: (0.89, 0.912),
}
REGRET = {2: (0.00236, 0.0025), 4: (0.00118, 0.00127), 8: (0.00059, 0.00069)}

STUDIES = {
    **{
        f"policy, {P} pairs": Study(
            OneWave(P),
            {"size of the optimality test": SIZE}
            | {f"coverage of the {part}": COVERS for part in PARTS}
            | {"size of the joint test": SIZE},
            4000,
            20110817 + P,
        )
        for P in (4, 6, 10, 20)
    },
    **{
        f"policy, {T} waves": Study(
            Waves(T),
            {"regret": regret, "coverage of the last wave": (0.95, 1.0)},
            4000,
            11 + T,
        )
        for T, regret in REGRET.items()
    },
    **{
        f"policy, a bent outcome, eta {eta}": Study(
            BentWave(eta),
            {"bias": (-0.75 * eta**2,) * 2, "coverage": coverage},
            4000,
            4500 + round(100 * eta),
        )
        for eta, coverage in BENT_COVERAGE.items()
    },
    **{
        f"policy, {T} waves, lasting shocks": Study(
            Waves(T, shocks=0.1),
            {
                "error times own probability": (0.0, 0.0),
                "coverage of the last wave": (0.95, 1.0),
            },
            4000,
            21 + T,
        )
        for T in (2, 4, 8)
    },
    "models, 300 examples": Study(
        Evaluations(300),
        {
            "contrast": (scores.CONTRAST,) * 2,
            "coverage": (0.945, 0.955),
            "power": (0.406, 0.428),
            "size": (0.04, 0.055),
        },
        2000,
        1,
    ),
    "models, 60 examples": Study(
        Evaluations(60),
        {
            "contrast": (scores.CONTRAST,) * 2,
            "coverage": (0.935, 0.955),
            "power": (0.105, 0.13),
            "size": (0.03, 0.06),
        },
        2000,
        4,
    ),
    "models, 8 data sets": Study(
        over_data_sets,
        {"size of a contrast": (0.045, 0.055), "size of the joint test": SIZE},
        3000,
        10,
    ),
    "linguistic cues": Study(
        crossed_intervals,
        {
            f"{method}: {cue}": CROSSED[method][cue]
            for method in METHODS
            for cue in CUES
        },
        1000,
        7,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", help=", ".join(STUDIES))
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    missed = 0
    for name in options.studies or STUDIES:
        print(f"\n{name}", flush=True)
        for figure in STUDIES[name].figures(options.share, options.jobs):
            print(f"  {figure}", flush=True)
            missed += not figure.holds
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
