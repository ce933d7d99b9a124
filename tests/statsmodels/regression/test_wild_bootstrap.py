"""The wild cluster bootstrap against refits, row by row."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from skfme.statsmodels import ConditionalEffects
from tests.statsmodels.effects import effect_of


def clustered(G, seed=0, size=7, effect=0.0):
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(G), rng.integers(2, size, G))
    X = pd.DataFrame(
        {
            "g": g,
            "x": rng.normal(size=len(g)) + 0.5 * g % 3,
            "z": rng.normal(size=len(g)),
        }
    )
    values = effect * X["x"] + rng.normal(size=G)[g] + rng.normal(size=len(g))
    return X, values.to_numpy()


def wald(exog, y, weights, g, R, q):
    """Wald statistic with the cluster-robust covariance, by plain sums."""
    W = np.diag(weights)
    bread = np.linalg.inv(exog.T @ W @ exog)
    coef = bread @ exog.T @ W @ y
    scores = exog * (weights * (y - exog @ coef))[:, None]
    sums = np.array([scores[g == c].sum(axis=0) for c in np.unique(g)])
    G, n, k = len(sums), len(y), exog.shape[1]
    cov = G / (G - 1) * (n - 1) / (n - k) * bread @ sums.T @ sums @ bread
    distance = R @ coef - q
    return distance @ np.linalg.inv(R @ cov @ R.T) @ distance, coef, bread


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("R", "q"),
    [
        ([[0.0, 1, 0]], [0.0]),
        ([[0.0, 1, 0]], [0.4]),
        ([[0.0, 1, 0], [0, 0, 1]], [0.0, 0.1]),
    ],
)
def test_all_signs_of_few_clusters_equal_enumerated_refits(R, q, weighted):
    X, values = clustered(6)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(X)) if weighted else None
    results = ConditionalEffects.from_formula(
        effect_of(values, X, weights), "x + z"
    ).fit("cluster", {"groups": "g"})
    R, q = np.array(R), np.array(q)
    test = results.wild_bootstrap((R, q), weights="rademacher")
    exog = np.column_stack([np.ones(len(X)), X["x"], X["z"]])
    w = np.ones(len(X)) if weights is None else weights
    observed, coef, bread = wald(exog, values, w, X["g"], R, q)
    spread = bread @ R.T
    null = coef - spread @ np.linalg.solve(R @ spread, R @ coef - q)
    np.testing.assert_allclose(R @ null, q, atol=1e-12)
    resid = values - exog @ null
    drawn = []
    for signs in itertools.product((1, -1), repeat=6):
        y = exog @ null + np.array(signs)[X["g"]] * resid
        drawn.append(wald(exog, y, w, X["g"], R, q)[0])
    assert test.enumerated
    assert test.statistic == pytest.approx(observed, rel=1e-9)
    assert test.statistic == pytest.approx(
        float(np.squeeze(results.wald_test((R, q)).statistic)) * len(R), rel=1e-9
    )
    np.testing.assert_allclose(np.sort(test.resampled), np.sort(drawn), rtol=1e-7)
    share = np.mean(np.array(drawn) >= observed * (1 - 1e-9))
    assert test.pvalue == pytest.approx(share)


def test_a_test_is_the_same_for_a_seed_and_near_the_enumeration():
    X, values = clustered(13, effect=0.2)
    results = ConditionalEffects.from_formula(effect_of(values, X), "x").fit(
        "cluster", {"groups": "g"}
    )
    one, other = (
        results.wild_bootstrap("x", n_resamples=2000, random_state=3) for _ in range(2)
    )
    np.testing.assert_array_equal(one.resampled, other.resampled)
    assert one.weights == "rademacher"
    assert not one.enumerated
    every = results.wild_bootstrap("x", n_resamples=2**13)
    assert every.enumerated
    assert len(every.resampled) == 2**13
    sd = np.sqrt(every.pvalue * (1 - every.pvalue) / 2000)
    assert abs(one.pvalue - every.pvalue) < 4 * sd + 1 / 2000


def test_the_smallest_p_value_of_resamples_is_printed_as_a_bound():
    X, values = clustered(13, effect=50.0)
    results = ConditionalEffects.from_formula(effect_of(values, X), "x").fit(
        "cluster", {"groups": "g"}
    )
    test = results.wild_bootstrap("x", n_resamples=499, random_state=0)
    assert test.pvalue == 1 / 500
    assert "p-value<0.002," in repr(test)
    assert "p-value=" in repr(
        results.wild_bootstrap("x", n_resamples=2**13)
    )  # of all there are


def test_few_clusters_take_webbs_weights():
    X, values = clustered(7)
    results = ConditionalEffects.from_formula(effect_of(values, X), "x").fit(
        "cluster", {"groups": "g"}
    )
    test = results.wild_bootstrap("x", n_resamples=500, random_state=0)
    assert test.weights == "webb"
    points = np.unique(test._draws)
    np.testing.assert_allclose(points**2, [1.5, 1, 0.5, 0.5, 1, 1.5])
    assert "7 clusters, 500 webb resamples" in repr(test)


@pytest.mark.parametrize("weights", ["rademacher", "webb"])
def test_intervals_hold_the_values_that_are_not_rejected(weights):
    X, values = clustered(10, effect=0.5)
    results = ConditionalEffects.from_formula(effect_of(values, X), "x").fit(
        "cluster", {"groups": "g"}
    )
    test = results.wild_bootstrap(
        "x", n_resamples=1024, weights=weights, random_state=0
    )
    low, high = test.conf_int(0.1)
    assert low < results.params["x"] < high
    for value, inside in (
        (low + 1e-3, True),
        (high - 1e-3, True),
        (low - 1e-3, False),
        (high + 1e-3, False),
    ):
        p = results.wild_bootstrap(
            ([[0.0, 1]], [value]), n_resamples=1024, weights=weights, random_state=0
        ).pvalue
        assert (p > 0.1) is inside
    ends = results.conf_int(0.1).loc["x"]
    assert (high - low) == pytest.approx(ends[1] - ends[0], rel=0.5)
    shifted = results.wild_bootstrap(
        ([[0.0, 1]], [2.0]), n_resamples=1024, weights=weights, random_state=0
    )
    np.testing.assert_allclose(shifted.conf_int(0.1), (low, high), rtol=1e-5)


def test_too_few_clusters_reject_nothing():
    X, values = clustered(4)
    results = ConditionalEffects.from_formula(effect_of(values, X), "1").fit(
        "cluster", {"groups": "g"}
    )
    test = results.wild_bootstrap("Intercept", weights="rademacher")
    assert test.pvalue >= 2 / 2**4
    with pytest.warns(RuntimeWarning, match="4 clusters.*no end"):
        assert test.conf_int(0.05) == (-np.inf, np.inf)


def test_eight_clusters_reject_a_true_hypothesis_at_the_level():
    # A covariate of clusters, where the t test with G − 1 degrees of freedom rejects
    # about twice too often.
    rejected, robust = 0, 0
    rng = np.random.default_rng(5)
    n_runs = 150
    for _ in range(n_runs):
        g = np.repeat(np.arange(8), 6)
        X = pd.DataFrame({"g": g, "x": (rng.normal(size=8) ** 3)[g]})
        effect = effect_of(rng.normal(size=8)[g] + rng.normal(size=48), X)
        results = ConditionalEffects.from_formula(effect, "x").fit(
            "cluster", {"groups": "g"}
        )
        robust += results.pvalues["x"] < 0.05
        rejected += (
            results.wild_bootstrap(
                "x", n_resamples=199, random_state=rng.integers(2**31)
            ).pvalue
            <= 0.05
        )
    low, high = stats.binom.ppf([0.0005, 0.9995], n_runs, 0.05)
    assert low <= rejected <= high
    assert robust > rejected


def by_cluster(formula="x + z", cov_type="cluster", groups="g"):
    X, values = clustered(6)
    if callable(groups):
        groups = groups(X)
    kwds = {"groups": groups} if cov_type == "cluster" else None
    return ConditionalEffects.from_formula(effect_of(values, X), formula).fit(
        cov_type, kwds
    )


def two_ways(X):
    return X[["g"]].assign(h=np.arange(len(X)) % 5)


REFUSED = {
    "no clusters": (
        lambda: by_cluster(cov_type="HC1").wild_bootstrap("x"),
        "needs clusters in one way",
    ),
    "clusters in two ways": (
        lambda: by_cluster(groups=two_ways).wild_bootstrap("x"),
        "needs clusters in one way",
    ),
    "unknown weights": (
        lambda: by_cluster().wild_bootstrap("x", weights="mammen"),
        "'mammen' is not known",
    ),
    "no resamples": (
        lambda: by_cluster().wild_bootstrap("x", n_resamples=0),
        "at least 1, got 0",
    ),
    "an unknown estimate": (
        lambda: by_cluster().wild_bootstrap("y"),
        "cannot be read at 'y'",
    ),
    "an interval of three restrictions": (
        lambda: by_cluster().wild_bootstrap(np.eye(3)).conf_int(),
        "one restriction",
    ),
    "as many restrictions as clusters": (
        lambda: by_cluster(groups=lambda X: X["g"] % 3).wild_bootstrap(np.eye(3)),
        "3 restrictions cannot be tested with 3 clusters",
    ),
}


@pytest.mark.filterwarnings("ignore:The two-way cluster covariance")
@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_tests_that_clusters_cannot_decide_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_an_estimate_that_a_single_cluster_determines_is_refused():
    with pytest.warns(RuntimeWarning, match="single cluster"):
        lone = by_cluster("I(g == 1)")
    with pytest.raises(ValueError, match="no standard error"):
        lone.wild_bootstrap("b2")
