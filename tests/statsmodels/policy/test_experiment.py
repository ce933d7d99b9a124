"""One wave of cluster pairs against closed forms, t tests by SciPy, and simulation."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multivariate import test_mvmean as hotelling

from benchmarks import ring
from skfme.statsmodels import ClusterPairExperiment


def fitted(frame, **options):
    arguments = {"outcome": "outcome", "pair": "pair", "side": "side", "wave": "wave"}
    arguments |= {"eta": 0.1, "data": frame} | options
    return ClusterPairExperiment(**arguments).fit()


def changes(P=6, seed=0):
    """Clusters' means, and the pairs' estimates by hand."""
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(2, P, 2))  # wave, pair, side
    wave, pair, side = (a.ravel() for a in np.mgrid[:2, :P, :2])
    columns = {"outcome": means.ravel(), "pair": pair, "side": 2 * side - 1}
    change = means[1] - means[0]
    return pd.DataFrame({**columns, "wave": wave}), (change[:, 1] - change[:, 0]) / 0.2


def test_the_parts_of_the_ring_are_those_of_its_closed_form():
    # M(0.3) = 1.10 = 0.90 + 0.20: a quadratic W has no bias.
    frame = ring.population((2, 4), n_pairs=4)
    results = fitted(frame, wave=None, treatment="treatment", beta=0.3)
    np.testing.assert_allclose(results.params, [1.10, 0.90, 0.20], atol=1e-12)
    assert list(results.params.index) == [
        "marginal policy effect",
        "direct effect",
        "spillover effect",
    ]


def test_known_unequal_probabilities_are_weighted_away():
    # Half of the units are treated rarely and gain more: plain means would mix them.
    rows = [
        (pair, side, base, d, 1 / share, base + gain * d)
        for pair in range(4)
        for side in (-1, 1)
        for base, gain, share in [(0.0, 3.0, 5), (10.0, 1.0, 2)]
        for d in [1] * (10 // share) + [0] * (10 - 10 // share)
    ]
    names = ["pair", "side", "base", "treatment", "probability", "outcome"]
    frame = pd.DataFrame(rows, columns=names)
    options = {"wave": None, "treatment": "treatment"}
    weighted = fitted(frame, probability="probability", **options)
    assert weighted.params["direct effect"] == pytest.approx(2.0)
    assert fitted(frame, **options).params["direct effect"] > 3


def test_the_estimate_is_a_t_test_over_pairs():
    frame, values = changes()
    results = fitted(frame)
    known = stats.ttest_1samp(values, 0)
    np.testing.assert_allclose(results.pair_values.iloc[:, 0], values)
    assert results.params.iloc[0] == pytest.approx(values.mean())
    assert results.tvalues.iloc[0] == pytest.approx(known.statistic)
    assert results.pvalues.iloc[0] == pytest.approx(known.pvalue)
    ends = known.confidence_interval(0.95)
    np.testing.assert_allclose(results.conf_int().iloc[0], [ends.low, ends.high])
    assert results.optimality_test().pvalue == pytest.approx(known.pvalue)


def test_arrays_and_columns_are_the_same_experiment():
    frame, _ = changes()
    arrays = {name: frame[name].to_numpy() for name in frame}
    results = fitted(None, **arrays)
    pd.testing.assert_frame_equal(results.to_frame(), fitted(frame).to_frame())


def test_rows_may_come_in_any_order_and_pairs_have_any_label():
    frame, _ = changes()
    shuffled = frame.sample(frac=1, random_state=0)
    shuffled["pair"] = shuffled["pair"].map("district {}".format)
    np.testing.assert_allclose(fitted(shuffled).params, fitted(frame).params)


def test_lasting_differences_of_clusters_cancel_only_with_a_baseline():
    frame, _ = changes()
    moved = frame.assign(outcome=frame["outcome"] + 100 * frame["pair"] * frame["side"])
    np.testing.assert_allclose(fitted(moved).bse, fitted(frame).bse)
    after = moved[moved["wave"] == 1]
    results = fitted(after, wave=None)
    assert results.bse.iloc[0] > 100 * fitted(frame).bse.iloc[0]
    assert "Without a baseline" in results.summary()


def test_the_error_of_a_part_is_not_the_sum_of_the_others():
    rng = np.random.default_rng(3)
    frame = ring.experiment(10, 0.3, 0.1, 100, rng)
    results = fitted(frame, treatment="treatment")
    spillover = results.pair_values["spillover effect"]
    assert results.bse["spillover effect"] == pytest.approx(stats.sem(spillover))
    both = results.t_test("direct effect + spillover effect = marginal policy effect")
    assert both.effect[0] == pytest.approx(0, abs=1e-12)
    assert list(results.df) == [9] * 3


@pytest.mark.parametrize("P", [4, 10])
def test_the_joint_test_of_the_parts_is_hotellings_over_pairs(P):
    frame = ring.experiment(P, 0.3, 0.1, 100, np.random.default_rng(P))
    results = fitted(frame, treatment="treatment")
    known = hotelling(results.pair_values.iloc[:, :2].to_numpy() - [1.1, 0.9])
    # The spillover effect is redundant: two hypotheses over P pairs.
    joint = results.wald_test((np.eye(3), np.array([1.1, 0.9, 0.2])))
    assert (joint.df_num, joint.df_denom) == (2, P - 2)
    assert float(joint.pvalue) == pytest.approx(known.pvalue, rel=1e-8)


@pytest.mark.parametrize("P", [4, 6, 14])
def test_sign_flips_are_counted_one_by_one(P):
    frame, values = changes(P, seed=P)
    test = fitted(frame).optimality_test()
    flips = [
        abs(sum(v if i >> k & 1 else -v for k, v in enumerate(values)))
        for i in range(2**P)
    ]
    observed = abs(values.sum())
    assert test.n_flips == 2**P
    assert test.pvalue_flips == np.mean(np.array(flips) >= observed - 1e-9)
    assert test.pvalue_flips >= 2.0 ** (1 - P)
    assert ("never show less than 0.125" in str(test)) == (P == 4)


def test_flips_of_many_pairs_are_sampled_and_never_reach_zero():
    frame, values = changes(20)
    moved = frame.assign(outcome=frame["outcome"] + frame["side"] * frame["wave"])
    test = fitted(moved).optimality_test(n_resamples=999, random_state=0)
    assert not test.enumerated
    assert test.pvalue_flips >= 1 / 1000
    plain = fitted(frame).optimality_test(random_state=1)
    signs = np.random.default_rng(0).choice([-1, 1], (9999, len(values)))
    known = np.mean(np.abs(signs @ values) >= abs(values.sum()))
    assert plain.pvalue_flips == pytest.approx(known, abs=0.03)


def test_the_policy_effect_says_what_it_is_and_is_kept():
    frame, _ = changes()
    results = fitted(frame, beta=0.3)
    text = str(results)
    assert "6 pairs of clusters" in text
    assert "central difference" in text
    assert "at a probability of 0.3" in text
    assert "Intervals cover: the choice of pairs of clusters" in text
    assert str(pickle.loads(pickle.dumps(results))) == text


def test_size_and_coverage_hold_in_a_small_simulation():
    # 4 Monte-Carlo errors; benchmarks/studies.py has the large one.
    rng = np.random.default_rng(20110817)
    runs, P = 200, 6
    names = ["marginal policy effect", "direct effect", "spillover effect"]
    covered, rejected = np.zeros((runs, 3)), np.zeros(runs)
    for run in range(runs):
        results = fitted(
            ring.experiment(P, 0.3, 0.1, 50, rng), treatment="treatment"
        ).conf_int()
        truth = np.array([1.10, 0.90, 0.20])
        covered[run] = (results[0] <= truth) & (truth <= results[1])
        best = fitted(ring.experiment(P, ring.BEST, 0.1, 50, rng))
        rejected[run] = best.optimality_test().pvalue < 0.05
    error = np.sqrt(0.95 * 0.05 / runs)
    assert list(results.index) == names
    assert (np.abs(covered.mean(axis=0) - 0.95) < 4 * error).all()
    assert abs(rejected.mean() - 0.05) < 4 * error


FRAME, _ = changes()
REFUSED = {
    "unpaired": (
        {"data": FRAME.drop(index=[0, 12])},
        "1 of 6 pairs lack one: 0. Leave",
    ),
    "a cluster without a baseline": (
        {"data": FRAME.drop(index=3)},
        "units in every wave; 1 of 6 pairs lack one: 1",
    ),
    "three pairs": ({"data": FRAME[FRAME["pair"] < 3]}, "There are 3 pairs"),
    "beyond one": ({"beta": 0.95}, "0.85 and 1.05.*outside"),
    "below zero": ({"beta": 0.05}, r"-0.05 and 0.15.*outside"),
    "a step that is none": ({"eta": None}, "eta must be a number.*got None"),
    "a policy that is none": ({"beta": "half"}, "beta must be a number.*got 'half'"),
    "no step": ({"eta": 0.0}, "eta must be a number above 0"),
    "sides": ({"side": "pair"}, "side must be 1"),
    "three waves": ({"wave": "pair"}, "wave has 6 values"),
    "a missing outcome": (
        {"data": FRAME.assign(outcome=FRAME["outcome"].where(FRAME.index != 4))},
        "outcome is missing.*1 of 24 units.*first is 4",
    ),
    "a missing pair": (
        {"data": FRAME.assign(pair=FRAME["pair"].where(FRAME.index != 5))},
        "pair is missing in 1 of 24",
    ),
    "an infinite outcome": (
        {"data": FRAME.assign(outcome=np.inf)},
        "outcome is no finite number in 24 of 24 units .the first, 0, has inf",
    ),
    "waves in words": (
        {"data": FRAME.assign(wave=np.where(FRAME["wave"] > 0, "after", "before"))},
        "wave is no finite number in 24 .* has 'before'.. Give numbers",
    ),
    "a misspelt column": ({"pair": "pairs"}, "Did you mean 'pair'"),
    "treatments": ({"treatment": "side"}, "treatment must be 0 or 1"),
    "nobody treated": (
        {"treatment": np.zeros(24)},
        "no treated, or no untreated, units",
    ),
    "no treatment": ({"probability": np.full(24, 0.5)}, "belongs to treatment"),
    "a sure treatment": (
        {"treatment": np.arange(24) % 2, "probability": np.ones(24)},
        "between 0 and 1",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_experiments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fitted(options.get("data", FRAME), **options)


def test_a_name_needs_a_table():
    with pytest.raises(TypeError, match="Give data="):
        ClusterPairExperiment("outcome", [1], [1], eta=0.1)
