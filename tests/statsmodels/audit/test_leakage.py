"""Distances of predictions against scipy and scikit-learn, and what each is blind to."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from skfme.statsmodels._audit.leakage import cross_fitted_auc, leakage_of


def found(f, member, n_resamples=99, **options):
    rows, one = np.arange(len(f)), np.zeros(len(f), dtype=int)
    permuted = options.get("permuted", (rows, one))
    units = options.get("units", rows)
    rng = np.random.default_rng(0)
    return leakage_of(f, member, permuted, units, n_resamples, 0.05, rng)


@pytest.mark.parametrize("decimals", [1, 12], ids=["ties", "none"])
def test_distances_equal_other_implementations(decimals):
    rng = np.random.default_rng(0)
    f, member = rng.normal(size=300).round(decimals), rng.uniform(size=300) < 0.3
    f[member] += 0.4
    leak = found(f, member).estimates
    a, b = f[~member], f[member]
    assert leak["mean_difference"] == pytest.approx(b.mean() - a.mean())
    assert leak["ks"] == pytest.approx(stats.ks_2samp(a, b).statistic)
    distance = stats.wasserstein_distance(a, b) / f.std(ddof=1)
    assert leak["w1"] == pytest.approx(distance)
    assert leak["auc"] == pytest.approx(roc_auc_score(member, f))


def test_mean_and_auc_are_blind_to_a_leak_of_scale():
    rng = np.random.default_rng(1)
    member = np.arange(800) % 2 == 1
    leak = found(rng.normal(size=800) * np.where(member, 2, 1), member)
    assert leak.pvalues["mean_difference"] > 0.05
    assert abs(leak.estimates["auc"] - 0.5) < 0.05
    assert leak.pvalues["w1"] == leak.pvalues["cross_fitted_auc"] == 1 / 100
    assert leak.estimates["cross_fitted_auc"] > 0.6


def test_the_cross_fitted_auc_of_noise_is_a_half():
    rng = np.random.default_rng(2)
    values = []
    for _ in range(60):
        member, folds = rng.permutation(200) % 2 == 1, rng.permutation(200) % 5
        values.append(cross_fitted_auc(rng.normal(size=200), member, folds))
    assert np.mean(values) == pytest.approx(0.5, abs=4 * np.std(values) / np.sqrt(60))


def test_permutations_of_whole_clusters_ask_for_more_than_those_of_rows():
    rng = np.random.default_rng(3)
    units = np.repeat(np.arange(20), 20)
    member = units % 2 == 1
    f = np.repeat(rng.normal(size=20), 20) + 0.1 * rng.normal(size=400)
    by_row = found(f, member).pvalues["w1"]
    one = np.zeros(400, dtype=int)
    by_cluster = found(f, member, permuted=(units, one), units=units)
    assert by_row == 0.01
    assert by_cluster.pvalues["w1"] > 0.05
    width = by_cluster.high["w1"] - by_cluster.low["w1"]
    assert width > 2 * (found(f, member).high["w1"] - found(f, member).low["w1"])


def test_labels_are_permuted_within_strata_alone():
    # The group is the stratum's, so that no permutation changes anything.
    f = np.arange(40.0)
    member = f >= 20
    leak = found(f, member, permuted=(np.arange(40), member.astype(int)))
    assert leak.pvalues["w1"] == 1


def test_tests_of_equal_predictions_hold_their_level():
    rng = np.random.default_rng(4)
    rejected = {"w1": 0, "ks": 0, "mean_difference": 0, "cross_fitted_auc": 0}
    for _ in range(100):
        member = rng.permutation(100) % 2 == 1
        leak = found(rng.normal(size=100), member, n_resamples=39)
        for name in rejected:
            rejected[name] += leak.pvalues[name] <= 0.05
    assert max(rejected.values()) <= 5 + 4 * np.sqrt(100 * 0.05 * 0.95)


@pytest.mark.parametrize(
    ("scale", "truth"),
    [
        (1.0, {"ks": 0.0, "w1": 0.0}),
        # Of N(0, 1) and N(0, 4): F_b − F_a at its crossing, and ∫ |F_b − F_a| / SD.
        (2.0, {"ks": 0.1613, "w1": 0.5046}),
    ],
)
def test_intervals_of_distances_hold_them_whether_groups_are_alike_or_not(scale, truth):
    rng = np.random.default_rng(5)
    missed = dict.fromkeys(truth, 0)
    for _ in range(100):
        member = np.arange(200) % 2 == 1
        f = rng.normal(size=200) * np.where(member, scale, 1)
        leak = found(f, member, n_resamples=39)
        for name, value in truth.items():
            missed[name] += not leak.low[name] <= value <= leak.high[name]
            assert leak.low[name] <= leak.estimates[name] <= leak.high[name]
    assert max(missed.values()) <= 5 + 4 * np.sqrt(100 * 0.05 * 0.95)
