"""The results protocol: tests, intervals, many estimates at once, tables."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.multivariate import test_mvmean as hotelling
from statsmodels.stats.weightstats import DescrStatsW, ttost_paired

from skfme import fme
from skfme.statsmodels import EffectResults, average_effects
from tests.statsmodels.effects import effect_of


def results(params, cov, df=None, **options):
    labels = options.pop("labels", None)
    if labels is None:
        labels = pd.DataFrame({"effect": [f"x{i} +1" for i in range(len(params))]})
    return EffectResults(params, cov, labels=labels, df=df, covers="sample", **options)


def random_results(k=4, rank=None, df=None, seed=0):
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(k, k if rank is None else rank))
    return results(rng.normal(size=k), factor @ factor.T, df)


# Names


def test_names_are_made_of_labels():
    labels = pd.DataFrame(
        {
            "effect": ["bmi -2", "bmi -2", "sex = s2"],
            "output": ["a", "b", "a"],
            "site": ["n", "n", "s"],
            "age": [30.5, 30.5, 40.0],
        }
    )
    found = results([1.0, 2, 3], np.eye(3), labels=labels)
    assert list(found.params.index) == [
        "bmi -2[a] | site=n, age=30.5",
        "bmi -2[b] | site=n, age=30.5",
        "sex = s2[a] | site=s, age=40",
    ]
    columns = ["effect", "site", "age", "output", "estimate", "std_error", "statistic"]
    assert list(found.to_frame().columns) == [
        *columns,
        "p_value",
        "conf_low",
        "conf_high",
    ]
    names = list(found.pairwise(within=None).params.index)
    assert names[0] == "bmi -2[b - a] | site=n, age=30.5"
    assert names[1] == "sex = s2[a] | site=s, age=40 - bmi -2[a] | site=n, age=30.5"


def test_equal_names_are_refused():
    labels = pd.DataFrame({"effect": ["a", "a"]})
    with pytest.raises(ValueError, match="have the name 'a'"):
        results([1, 2], np.eye(2), labels=labels)


def test_a_covariance_of_another_shape_is_refused():
    with pytest.raises(
        ValueError, match=r"covariance of shape \(3, 3\); expected 2 and"
    ):
        results([1, 2], np.eye(3))


# Tests of hypotheses


def test_tests_of_single_estimates_are_t_or_normal():
    cov = np.array([[4.0, 1], [1, 9]])
    for df, distribution in ((None, stats.norm), (7, stats.t(7))):
        found = results([1.0, -6], cov, df)
        np.testing.assert_allclose(found.tvalues, [0.5, -2])
        np.testing.assert_allclose(found.pvalues, 2 * distribution.sf([0.5, 2]))
        ends = 1 + np.array([-2, 2]) * distribution.isf(0.05)
        np.testing.assert_allclose(found.conf_int(0.1).iloc[0], ends)
        assert found.use_t is (df is not None)


def test_small_p_values_do_not_underflow():
    found = results([30.0], np.eye(1))
    assert 0 < found.pvalues.iloc[0] < 1e-190
    assert found.pvalues.iloc[0] == pytest.approx(2 * stats.norm.sf(30))


@pytest.mark.parametrize(
    "text",
    [
        "bmi -2 = bp -10",
        "bmi -2 - bp -10 = 0",
        "bmi -2 - bp -10",
        "row 1 = row 2",
        "b1 = b2",
        "row 1 - bp -10 = 0",
        "2 * b1 = 2 * b2",
        "-b2 + b1",
        "(b1 - b2) / 2 = 0",
    ],
)
def test_hypotheses_are_read_as_they_are_written(text):
    labels = pd.DataFrame({"effect": ["bmi -2", "bp -10", "bmi -20", "sex = bmi -2"]})
    cov = np.diag([1.0, 2, 3, 4])
    found = results([1.0, 5, 7, 9], cov, 11, labels=labels)
    test, known = found.t_test(text), found.t_test([1.0, -1, 0, 0])
    np.testing.assert_allclose(test.tvalue, known.tvalue)
    assert test.pvalue == pytest.approx(2 * stats.t.sf(4 / np.sqrt(3), 11))


def test_names_within_names_are_not_mistaken():
    labels = pd.DataFrame({"effect": ["bmi -2", "bmi -20", "sex = bmi -2", "x, y"]})
    found = results([1.0, 5, 7, 9], np.eye(4), labels=labels)
    np.testing.assert_allclose(found.t_test("sex = bmi -2 = bmi -20").effect, [2])
    np.testing.assert_allclose(
        found.t_test("x, y = bmi -2, bmi -20 = 1").effect, [8, 4]
    )
    np.testing.assert_allclose(found.t_test(["b1 = 3", "b2"]).effect, [-2, 5])


@given(
    st.lists(st.integers(-9, 9), min_size=3, max_size=3).filter(any), st.integers(-5, 5)
)
def test_any_linear_text_is_its_matrix(weights, value):
    labels = pd.DataFrame({"effect": ["x +1", "x *1.1", "x = q0.9"]})
    found = results([0.5, 1.5, -2.0], np.diag([1.0, 4, 9]), labels=labels)
    text = " + ".join(f"{w} * {n}" for w, n in zip(weights, found.names, strict=True))
    test = found.t_test(f"{text} = {value}")
    known = found.t_test((weights, value))
    np.testing.assert_allclose(test.effect, known.effect)
    np.testing.assert_allclose(test.sd, known.sd)


@pytest.mark.parametrize(
    ("R", "message"),
    [
        ("bmi = 1", "cannot be read at 'bmi'.*Did you mean 'bmi -2'"),
        ("row 3", "asks for row 3; rows are 1 to 2"),
        ("b1 * b2", "not linear"),
        ("b1 / b2", "not linear"),
        ("b1 = b2 = 0", "2 equals signs"),
        ("1 = 1", "restricts no estimate"),
        ("b1 +", "cannot be read"),
        ("abs(b1)", "cannot be read"),
        ([1.0, 2, 3], r"R has shape \(3,\); expected one column for each of the 2"),
        (np.ones((2, 2, 2)), "R has shape"),
        ((np.eye(2), [1.0, 2, 3]), r"q has shape \(3,\)"),
        ((1, 2, 3), "is a pair"),
    ],
)
def test_hypotheses_that_mean_nothing_are_refused(R, message):
    labels = pd.DataFrame({"effect": ["bmi -2", "bp -10"]})
    with pytest.raises(ValueError, match=message):
        results([1.0, 2], np.eye(2), labels=labels).t_test(R)


def test_a_hypothesis_that_cannot_be_read_is_shown_with_the_users_names():
    labels = pd.DataFrame({"effect": ["bmi -2", "bp -10"]})
    with pytest.raises(ValueError, match=r"cannot be read at 'abs\(bp -10\)'"):
        results([1.0, 2], np.eye(2), labels=labels).t_test("abs(bp -10) = 1")


def test_the_wald_test_of_two_estimates_is_that_by_hand():
    cov = np.array([[2.0, 0.5], [0.5, 1]])
    statistic = np.array([1, -2]) @ np.linalg.inv(cov) @ np.array([1, -2])
    chi2 = results([1.0, -2], cov).wald_test()
    assert chi2.statistic == pytest.approx(statistic)
    assert chi2.pvalue == pytest.approx(stats.chi2.sf(statistic, 2))
    F = results([1.0, -2], cov, 9).wald_test()
    assert F.statistic == pytest.approx(statistic / 2)
    assert F.pvalue == pytest.approx(stats.f.sf(statistic / 2, 2, 9))


def test_redundant_hypotheses_count_once():
    found = random_results(4)
    once = found.wald_test("b1 = b2, b2 = b3")
    again = found.wald_test("b1 = b2, b2 = b3, b1 = b3")
    assert again.statistic == pytest.approx(once.statistic)
    assert again.df_denom == once.df_denom == 2


def test_the_joint_test_over_few_units_is_hotellings():
    values = np.random.default_rng(0).normal(0.4, 1, size=(7, 3))
    found = results(values.mean(axis=0), np.cov(values.T) / 7, 6, sample_cov=True)
    known = hotelling(values)
    test = found.wald_test()
    assert (test.df_num, test.df_denom) == (3, 4)
    assert float(test.pvalue) == pytest.approx(known.pvalue, rel=1e-9)
    # Which no linear map of the estimates changes.
    mapped = found.contrasts([[1, 1, 0], [0, 2, 1], [3, 0, 1]])
    assert float(mapped.wald_test().pvalue) == pytest.approx(known.pvalue, rel=1e-9)
    few = results(np.ones(3), np.eye(3), 2, sample_cov=True)
    with pytest.raises(ValueError, match="3 hypotheses cannot be.*over 3 units"):
        few.wald_test()


def test_wald_tests_do_not_depend_on_units():
    rng = np.random.default_rng(1)
    factor = rng.normal(size=(3, 3))
    units = np.array([1e-8, 1.0, 1e7])
    one = results(np.ones(3), factor @ factor.T).wald_test()
    other = results(units, units[:, None] * (factor @ factor.T) * units).wald_test()
    assert other.statistic == pytest.approx(one.statistic, rel=1e-6)


def test_what_is_bound_to_be_false_has_no_wald_test():
    # Two estimates that differ by a constant, whatever the sample.
    found = results([1.0, 2.0], np.ones((2, 2)))
    with pytest.raises(ValueError, match="no variance"):
        found.wald_test()
    assert found.wald_test("b1 = 0").pvalue == pytest.approx(2 * stats.norm.sf(1))


def test_combinations_of_independent_estimates_have_welchs_degrees_of_freedom():
    found = results([1.0, 2, 3], np.diag([4.0, 1, 0.25]), df=np.array([3, 8, 20]))
    difference = found.contrasts("b1 - b2")
    assert difference.df[0] == pytest.approx(25 / (16 / 3 + 1 / 8))
    mean = found.contrasts([1 / 3, 1 / 3, 1 / 3])
    assert mean.df[0] == pytest.approx(5.25**2 / (16 / 3 + 1 / 8 + 1 / 320))
    assert found.contrasts("b3").df[0] == 20


def test_combinations_of_dependent_estimates_have_the_smallest_degrees_of_freedom():
    cov = np.array([[4.0, 1, 0], [1, 1, 0], [0, 0, 1]])
    found = results([1.0, 2, 3], cov, df=np.array([3, 8, 20]))
    assert found.contrasts("b1 - b2").df[0] == 3
    assert found.contrasts("b2 - b3").df[0] == pytest.approx(4 / (1 / 8 + 1 / 20))
    shared = results([1.0, 2], np.eye(2), df=6)
    assert shared.contrasts("b1 - b2").df[0] == 6


def test_pairwise_differences_have_their_covariance():
    found = random_results(3)
    R = np.array([[-1.0, 1, 0], [-1, 0, 1], [0, -1, 1]])
    pairs = found.pairwise(over="effect")
    np.testing.assert_allclose(pairs.params, R @ found.params)
    np.testing.assert_allclose(pairs.cov_params(), R @ found.cov_params() @ R.T)
    again = pairs.t_test("b2 - b1 = b3")  # (3 − 1) − (2 − 1) = 3 − 2
    np.testing.assert_allclose(again.effect, 0, atol=1e-14)
    np.testing.assert_array_equal(again.sd, 0)
    with pytest.raises(ValueError, match="there is 1"):
        results([1.0], np.eye(1)).pairwise()


@pytest.mark.parametrize(
    ("within", "pairs"),
    [
        ("output", ["y - x[a]", "y - x[b]"]),
        ("effect", ["x[b - a]", "y[b - a]"]),
        (["effect"], ["x[b - a]", "y[b - a]"]),
        (
            None,
            [
                *("x[b - a]", "y - x[a]", "y[b] - x[a]"),
                *("y[a] - x[b]", "y - x[b]", "y[b - a]"),
            ],
        ),
    ],
)
def test_pairwise_compares_estimates_that_agree_in_what_within_names(within, pairs):
    labels = pd.DataFrame({"effect": list("xxyy"), "output": list("abab")})
    found = results([1.0, 2, 4, 8], np.eye(4), labels=labels)
    assert found.pairwise(within=within).names == pairs
    with pytest.raises(
        ValueError, match="within names 'outputs'.*Did you mean 'output'"
    ):
        found.pairwise(within="outputs")
    with pytest.raises(ValueError, match=r"agree in effect, output.*within=None"):
        found.pairwise()


def test_pairwise_compares_groups_of_one_effect_unless_told_otherwise():
    found = family()
    pairs = found.pairwise("bonferroni")
    assert pairs.names == [f"{effect} | sex=m - f" for effect in ("a", "b", "a, b")]
    expected = np.minimum(3 * pairs.pvalues, 1)  # not 15, of all pairs
    np.testing.assert_allclose(pairs.pvalues_adjusted("bonferroni"), expected)
    over = found.pairwise(over="effect")
    assert over.labels["sex"].tolist() == ["f", "f", "m", "m", "f", "m"]


def test_pairwise_of_single_effects_asks_whether_they_are_to_be_compared():
    with pytest.raises(ValueError, match="agree in effect.*over='effect' compares"):
        random_results(3).pairwise()


def test_differences_of_equal_estimates_are_zero_and_not_what_rounding_left():
    third = 1 / 3
    found = results([third * 3e5, 1e5 + 1e-11, 2e5], np.zeros((3, 3)))
    pairs = found.pairwise(over="effect")
    assert pairs.params.iloc[0] == 0
    np.testing.assert_allclose(pairs.params.iloc[1:], 1e5)
    assert (pairs.tvalues.iloc[0], pairs.pvalues.iloc[0]) == (0, 1)
    tests = found.t_test([[1, -1, 0]])
    assert (tests.effect[0], np.ravel(tests.tvalue)[0], tests.pvalue) == (0, 0, 1)


# Many at once


@pytest.mark.parametrize("method", ["holm", "fdr_bh", "bonferroni", "hommel"])
def test_adjusted_p_values_are_statsmodels(method):
    found = random_results(7, df=12)
    known = multipletests(found.pvalues, method=method)[1]
    np.testing.assert_allclose(found.pvalues_adjusted(method), known, rtol=1e-13)
    pairs = found.pairwise(method, over="effect")
    known = multipletests(pairs.pvalues, method=method)[1]
    np.testing.assert_allclose(pairs.to_frame()["p_adjusted"], known, rtol=1e-13)
    assert f"{method} P" in pairs.summary()
    with pytest.raises(ValueError, match="method='holmes' is not known"):
        found.pairwise("holmes", over="effect")


def test_intervals_beside_adjusted_p_values_are_said_to_be_pointwise():
    pairs = random_results(3, df=9).pairwise(over="effect")
    said = "P is adjusted for 3 tests; intervals are pointwise"
    for text in (str(pairs), pairs._repr_html_()):
        assert said in " ".join(text.split())
    together = pairs.conf_int(simultaneous=True)
    assert (together[1] - together[0] > pairs.conf_int()[1] - pairs.conf_int()[0]).all()
    for other in (
        random_results(3).pairwise(None, over="effect"),
        random_results(2).pairwise(over="effect"),
    ):
        assert "pointwise" not in str(other)


def test_missing_p_values_are_no_tests():
    cov = np.diag([1.0, np.nan, 4])
    with pytest.warns(RuntimeWarning, match="No standard error for 'x1 .1': no rows"):
        found = results([3.0, 1, 5], cov, why_missing="no rows")
    adjusted = found.pvalues_adjusted("holm")
    known = multipletests(found.pvalues.iloc[[0, 2]], method="holm")[1]
    np.testing.assert_allclose(adjusted.iloc[[0, 2]], known)
    assert np.isnan(adjusted.iloc[1])
    assert np.isnan(found.pvalues_adjusted("max-t").iloc[1])
    assert found.conf_int(simultaneous=True).notna().sum().tolist() == [2, 2]
    np.testing.assert_allclose(found.t_test("b1 = b3").sd, np.sqrt(5))
    with pytest.raises(ValueError, match="no standard error"):
        found.wald_test()
    assert found.wald_test("b1, b3").pvalue < 1


@pytest.mark.parametrize("k", [1, 2, 3, 6, 20])
def test_simultaneous_intervals_of_independent_estimates_are_sidaks(k):
    found = results(np.zeros(k), np.eye(k))
    ends = found.conf_int(0.05, simultaneous=True)[1]
    sidak = stats.norm.isf((1 - 0.95 ** (1 / k)) / 2)
    np.testing.assert_allclose(ends, sidak, rtol=1e-6 if k < 3 else 1e-3)
    t = results(np.full(k, 2.3), np.eye(k)).pvalues_adjusted("max-t")
    np.testing.assert_allclose(t, 1 - (1 - 2 * stats.norm.sf(2.3)) ** k, rtol=3e-3)


def critical_value(found, alpha):
    c = (found.conf_int(alpha, simultaneous=True)[1] - found.params) / found.bse
    assert np.ptp(c) < 1e-12
    return c.iloc[0]


def correlation(found):
    return found.cov_params().to_numpy() / np.outer(found.bse, found.bse)


@pytest.mark.parametrize("df", [None, 6, 40])
def test_simultaneous_intervals_cover_by_scipys_distribution_function(df):
    found = random_results(4, df=df, seed=3)
    c = critical_value(found, 0.1)
    joint = (
        stats.multivariate_t(shape=correlation(found), df=df, seed=0)
        if df
        else stats.multivariate_normal(cov=correlation(found), seed=0)
    )
    inside = joint.cdf(np.full(4, c), lower_limit=np.full(4, -c))
    assert inside == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize("df", [None, 6])
def test_simultaneous_intervals_cover_where_the_covariance_is_singular(df, rank):
    # By simulation: scipy's multivariate t is wrong for singular shapes.
    found = random_results(5, rank, df, seed=3)
    c = critical_value(found, 0.1)
    values, vectors = np.linalg.eigh(correlation(found))
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(200_000, rank))
    draws = draws @ (vectors[:, -rank:] * np.sqrt(values[-rank:])).T
    if df:
        draws /= np.sqrt(rng.chisquare(df, (len(draws), 1)) / df)
    share = (np.abs(draws).max(axis=1) <= c).mean()
    assert abs(share - 0.9) < 4 * np.sqrt(0.09 / len(draws))


def test_simultaneous_intervals_of_equal_estimates_are_single_ones():
    found = results([1.0, 1, 1], np.ones((3, 3)), df=5)
    np.testing.assert_allclose(
        found.conf_int(simultaneous=True), found.conf_int(), rtol=1e-12
    )


def test_simultaneous_intervals_lie_between_single_ones_and_bonferronis():
    for k in (2, 10, 60):
        found = random_results(k, df=15, seed=k)
        single = found.conf_int(0.05)[1] - found.params
        joint = found.conf_int(0.05, simultaneous=True)[1] - found.params
        bonferroni = found.conf_int(0.05 / k)[1] - found.params
        assert (single <= joint).all()
        assert (joint <= bonferroni * (1 + 2e-3)).all()


def test_max_t_p_values_invert_simultaneous_intervals():
    found = random_results(6, df=9, seed=5)
    for alpha in (0.05, 0.2, 0.4):
        ends = found.conf_int(alpha, simultaneous=True)
        outside = (ends[0] > 0) | (ends[1] < 0)
        np.testing.assert_array_equal(found.pvalues_adjusted("max-t") < alpha, outside)


def test_family_wise_error_of_max_t_is_its_level():
    rng = np.random.default_rng(2)
    factor = rng.normal(size=(4, 2)) + 1
    cov = factor @ factor.T
    draws = rng.normal(size=(4000, 2)) @ factor.T
    ends = results(np.zeros(4), cov).conf_int(0.1, simultaneous=True)[1].to_numpy()
    share = (np.abs(draws) > ends).any(axis=1).mean()
    assert abs(share - 0.1) < 3 * np.sqrt(0.09 / 4000)


# Equivalence


def test_equivalence_is_statsmodels_one_sample_tost():
    rng = np.random.default_rng(0)
    values = rng.normal(0.2, 1, 50)
    test = average_effects(effect_of(values)).equivalence_test(-0.5, 0.6, alpha=0.05)
    known = DescrStatsW(values).ttost_mean(-0.5, 0.6)
    assert test.pvalues.iloc[0] == pytest.approx(known[0], rel=1e-10)
    assert test.statistic_low.iloc[0] == pytest.approx(known[1][0], rel=1e-12)
    assert test.pvalue_low.iloc[0] == pytest.approx(known[1][1], rel=1e-10)
    assert test.statistic_high.iloc[0] == pytest.approx(known[2][0], rel=1e-12)
    assert test.pvalue_high.iloc[0] == pytest.approx(known[2][1], rel=1e-10)
    paired = ttost_paired(values, np.zeros(50), -0.5, 0.6)[0]
    assert test.pvalues.iloc[0] == pytest.approx(paired, rel=1e-10)


@given(
    st.floats(-3, 3),
    st.floats(0.05, 3),
    st.floats(0.01, 2),
    st.sampled_from([0.01, 0.05, 0.1]),
    st.sampled_from([None, 4, 30]),
)
def test_equivalence_holds_where_the_interval_lies_inside(
    estimate, se, bound, alpha, df
):
    found = results([estimate], np.array([[se**2]]), df)
    test = found.equivalence_test(-bound, bound, alpha=alpha)
    distribution = stats.norm if df is None else stats.t(df)
    low, high = (estimate + bound) / se, (estimate - bound) / se
    p = max(distribution.sf(low), distribution.cdf(high))
    assert test.pvalues.iloc[0] == pytest.approx(p, rel=1e-9)
    ends = test.conf_int().iloc[0]
    np.testing.assert_allclose(ends, found.conf_int(2 * alpha).iloc[0])
    if abs(p - alpha) > 1e-9:
        inside = -bound < ends[0] and ends[1] < bound
        assert test.equivalent.iloc[0] == inside


def test_each_estimate_may_have_bounds_of_its_own():
    found = results([0.0, 0.0], np.eye(2))
    test = found.equivalence_test([-5, -1], [5, 1])
    assert test.equivalent.tolist() == [True, False]
    frame = test.to_frame()
    assert frame["low"].tolist() == [-5, -1]
    assert "equivalent" in test.summary()
    for low, high, message in [(1, -1, "low < high"), ([1, 2, 3], 5, r"shape \(3,\)")]:
        with pytest.raises(ValueError, match=message):
            found.equivalence_test(low, high)
    with pytest.raises(ValueError, match="alpha must lie between"):
        found.equivalence_test(-1, 1, alpha=0.7)


def test_a_table_over_rows_says_first_what_it_lacks_and_which_call_has_it():
    found = results([1.0, 2.0], np.eye(2))
    notes = " ".join(found.summary().split("=" * 78)[-1].split())
    assert notes.startswith("Intervals cover the choice of rows (sample)")
    assert "bootstrap_effects()" in notes
    assert "uncertainty_ledger()" in notes
    of_refits = EffectResults([1.0], [[1.0]], labels=found.labels[:1], covers="refit")
    assert "uncertainty_ledger()" not in of_refits.summary()


# No spread


def test_what_surely_is_zero_is_not_significant():
    found = results([0.0, 2.0], np.zeros((2, 2)))
    assert found.pvalues.tolist() == [1.0, 0.0]
    assert "No spread at all" in found.summary()
    np.testing.assert_array_equal(found.conf_int(simultaneous=True), [[0, 0], [2, 2]])


def test_variances_that_rounding_made_negative_are_zero():
    found = results([1.0], np.array([[-1e-20]]))
    assert found.bse.iloc[0] == 0


# Tables


@given(
    st.lists(
        st.text(
            st.characters(codec="ascii", min_codepoint=33), min_size=1, max_size=60
        ),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    st.floats(-300, 300),
)
def test_summaries_are_at_most_78_columns_wide(names, power):
    k = len(names)
    labels = pd.DataFrame({"effect": names})
    found = results(
        np.full(k, -(10 ** (power / 2))), np.eye(k) * 10.0**power, 8, labels=labels
    )
    text = found.summary()
    assert max(map(len, text.splitlines())) <= 78


def test_summaries_keep_significant_digits():
    found = results([1.23456e-7, -98765.4], np.diag([1e-18, 1e-2]), 3)
    text = found.summary()
    assert "1.235e-07" in text
    assert "1.000e-09" in text
    assert "-98765" in text
    assert "0.0000 " not in text


def test_results_survive_pickling():
    found = random_results(3, df=5).pairwise("fdr_bh", over="effect")
    again = pickle.loads(pickle.dumps(found))
    pd.testing.assert_frame_equal(again.to_frame(), found.to_frame())
    assert str(again) == str(found)


def test_a_notebook_shows_the_table():
    html = random_results(2)._repr_html_()
    assert '<th scope="row">x1 +1</th>' in html
    assert html.count("<table") == html.count("</table>") == 1


def test_no_warning_where_nothing_is_missing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        random_results(3, df=4).pairwise(over="effect").summary()


def family():
    labels = pd.DataFrame(
        {
            "effect": ["a", "a", "b", "b", "a, b", "a, b"],
            "sex": ["f", "m"] * 3,
        }
    )
    rng = np.random.default_rng(0)
    root = rng.normal(size=(6, 6))
    estimates = [2.0, 3.0, 1.0, 4.0, 5.0, 9.0]
    return results(estimates, root @ root.T, labels=labels)


def test_a_ratio_has_the_error_of_the_delta_method():
    family_results = family()
    b, V = family_results.params.to_numpy(), family_results.cov_params().to_numpy()
    gradient = np.zeros(6)
    gradient[0], gradient[2] = 1 / b[2], -b[0] / b[2] ** 2
    expected = np.sqrt(gradient @ V @ gradient)
    for f in (
        "a | sex=f / b | sex=f = 1",
        "b1 / b3 = 1",
        ["row 1 / row 3 - 1"],
        lambda beta: beta[0] / beta[2] - 1,
    ):
        tested = family_results.nonlinear_test(f)
        assert tested.params.iloc[0] == pytest.approx(b[0] / b[2] - 1)
        assert tested.bse.iloc[0] == pytest.approx(expected, rel=1e-6)
    logs = family_results.nonlinear_test(["log(b1) - log(b2)", "exp(b1) / 2 = b2 ** 2"])
    assert logs.params.tolist() == pytest.approx(
        [np.log(2 / 3), np.exp(2) / 2 - 9], rel=1e-12
    )


def test_a_linear_function_has_the_error_of_its_t_test():
    family_results = family()
    tested = family_results.nonlinear_test("b1 - b2 = 0.5")
    linear = family_results.t_test("b1 - b2 = 0.5")
    assert tested.params.iloc[0] == pytest.approx(float(linear.effect[0]))
    assert tested.pvalues.iloc[0] == pytest.approx(float(linear.pvalue), rel=1e-6)


NONLINEAR = {
    "no estimate": ("1 / 2 = 1", "restricts no estimate"),
    "unknown name": ("c / b1", "cannot be read"),
    "another function": ("sin(b1)", "cannot be read"),
    "two equals signs": ("b1 = b2 = 1", "2 equals signs"),
    "a division by zero": ("b1 / (b2 - 3)", "not finite"),
}


@pytest.mark.parametrize(("f", "message"), NONLINEAR.values(), ids=NONLINEAR)
def test_functions_without_an_error_are_refused(f, message):
    with pytest.raises(ValueError, match=message):
        family().nonlinear_test(f)


def test_pairs_over_a_label_agree_in_all_else_and_second_differences_follow():
    by_sex = family().pairwise(over="sex")
    assert by_sex.params.tolist() == [1.0, 3.0, 4.0]
    second = by_sex.pairwise(over="effect")
    assert second.params.tolist() == [2.0, 3.0, 1.0]
    with pytest.raises(ValueError, match="over names 'sx'.*Did you mean 'sex'"):
        family().pairwise(over="sx")


def test_an_interaction_is_what_two_steps_do_beyond_their_sum():
    family_results = family()
    interaction = family_results.interaction("a", "b")
    assert interaction.params.tolist() == [2.0, 2.0]
    V, row = family_results.cov_params().to_numpy(), np.array([-1, 0, -1, 0, 1, 0])
    assert interaction.bse.iloc[0] == pytest.approx(np.sqrt(row @ V @ row))
    assert interaction.labels["sex"].tolist() == ["f", "m"]
    with pytest.raises(
        ValueError, match="needs the effect 'a, c'|needs the effect 'c'"
    ):
        family_results.interaction("a", "c")


def test_separate_fits_make_one_family_with_one_adjustment():
    one, other = family(), family()
    whole = EffectResults.concat({"water": one, "vermin": other})
    assert whole.params.tolist() == [*one.params, *other.params]
    cov = whole.cov_params().to_numpy()
    np.testing.assert_array_equal(cov[:6, :6], one.cov_params())
    assert not cov[:6, 6:].any()
    assert whole.names[0] == "a | sex=f, fit=water"
    assert len(whole.pvalues_adjusted("bonferroni")) == 12
    by_fit = whole.pairwise(over="fit")
    assert by_fit.params.tolist() == [0.0] * 6
    independent = np.sqrt(2 * np.diag(one.cov_params()))
    np.testing.assert_allclose(by_fit.bse, independent)
    assert "different fits are taken for independent" in str(by_fit)
    assert "taken for independent" not in str(whole.pairwise(over="sex"))


def test_the_label_of_separate_fits_has_a_name_of_its_own():
    whole = EffectResults.concat({"water": family(), "war": family()}, label="concept")
    assert list(whole.labels) == ["effect", "sex", "concept"]
    assert whole.names[-1] == "a, b | sex=m, concept=war"
    with pytest.raises(ValueError, match="label='sex' is a column"):
        EffectResults.concat({"water": family()}, label="sex")
    with pytest.raises(ValueError, match="label='estimate' is a column"):
        EffectResults.concat({"water": family()}, label="estimate")


@pytest.mark.parametrize("method", ["holm", "bonferroni", "fdr_bh", "max-t"])
def test_p_values_are_adjusted_within_each_effect_as_if_by_itself(method):
    concepts = {name: random_results(2, df=8, seed=i) for i, name in enumerate("abc")}
    whole = EffectResults.concat(concepts, label="concept")
    adjusted = whole.pvalues_adjusted(method, within="effect")
    for effect in ("x0 +1", "x1 +1"):
        rows = (whole.labels["effect"] == effect).to_numpy()
        alone = results(
            whole.params[rows], whole.cov_params().to_numpy()[np.ix_(rows, rows)], 8
        )
        np.testing.assert_allclose(
            adjusted[rows], alone.pvalues_adjusted(method), rtol=1e-12
        )
    with pytest.raises(ValueError, match="within names 'efect'.*Did you mean 'effect'"):
        whole.pvalues_adjusted(method, within="efect")


def test_a_family_is_of_results_alone():
    with pytest.raises(TypeError, match="'b' is 3"):
        EffectResults.concat({"b": 3})
    with pytest.raises(ValueError, match="of one or more"):
        EffectResults.concat({})


def test_a_family_has_one_kind_of_interval_and_one_null():
    one = results([1.0, 2], np.eye(2))
    for other, message in (("covers", "do not cover the same"), ("null", "are ratios")):
        unlike = results([1.0, 2], np.eye(2))
        setattr(unlike, other, {"covers": "parameters", "null": 1.0}[other])
        with pytest.raises(ValueError, match=message):
            EffectResults.concat({"one": one, "unlike": unlike})


def test_missing_labels_are_a_family():
    labels = pd.DataFrame({"effect": list("abcd"), "sex": ["f", np.nan, "f", np.nan]})
    found = results([1.0, 2, 3, 4], np.eye(4), labels=labels)
    adjusted = found.pvalues_adjusted("bonferroni", within="sex")
    np.testing.assert_allclose(adjusted, np.minimum(2 * found.pvalues, 1))
    assert found.pairwise(within="sex").params.tolist() == [2.0, 2.0]


# Averages over other rows


def effects_of_unlike_rows():
    X = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) % 7})
    steps = [{"a": 3}, {"b": 1}, {"a": 3, "b": 1}]
    return fme(lambda T: T["a"] * T["b"], X, steps)


def test_an_interaction_of_averages_over_other_rows_is_refused():
    unlike = average_effects(effects_of_unlike_rows())
    with pytest.raises(ValueError, match=r"these count 32, 35, 37 rows\. Explain with"):
        unlike.interaction("a +3", "b +1")


def test_differences_of_averages_over_other_rows_say_so():
    unlike = average_effects(effects_of_unlike_rows()).pairwise(over="effect")
    assert "over the rows that count for it, which differ" in str(unlike.summary())


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda r: r.pairwise(over=["s"]), "over names one label of the estimates"),
        (lambda r: r.nonlinear_test(1), "A hypothesis is a text such as 'b1 / b2 = 1'"),
    ],
)
def test_what_is_no_name_is_told_so(call, text):
    with pytest.raises(TypeError, match=text):
        call(random_results())
