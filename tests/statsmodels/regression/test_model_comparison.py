"""compare_models: identities with regressions, common examples, size, bad input."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.multivariate import test_mvmean as hotelling

from benchmarks.scores import evaluation, over_data_sets
from skfme import Contrast
from skfme.statsmodels import ConditionalEffects, compare_models, delta_effects


@pytest.fixture(scope="module")
def table():
    return evaluation(np.random.default_rng(1))


@pytest.fixture(scope="module")
def comparison(table):
    return compare_models("right", table, model="model", example="example")


def test_a_contrast_is_the_paired_t_test_over_examples(table, comparison):
    wide = table.pivot_table(index="example", columns="model", values="right")
    paired = stats.ttest_rel(wide["b"], wide["a"])
    assert comparison.pvalues.iloc[0] == pytest.approx(paired.pvalue, rel=1e-10)
    low, high = 100 * np.array(paired.confidence_interval())
    np.testing.assert_allclose(comparison.conf_int().iloc[0], [low, high])
    d = wide["b"] - wide["a"]
    assert comparison.dz.iloc[0] == pytest.approx(d.mean() / d.std())
    t = paired.statistic
    assert comparison.partial_eta_sq.iloc[0] == pytest.approx(t**2 / (t**2 + 299))
    assert comparison.n_common.tolist() == [300] * 3


def test_it_is_the_contrast_of_a_regression_clustered_by_example(table, comparison):
    # The CR1 factor for 900 rows and 4 coefficients: √(899 / 896).
    fit = smf.ols("right ~ model + hard", table).fit(
        cov_type="cluster", cov_kwds={"groups": table["example"]}
    )
    estimates = comparison.params.to_numpy()[:2] / 100
    np.testing.assert_allclose(fit.params[["model[T.b]", "model[T.c]"]], estimates)
    ratio = fit.bse[["model[T.b]", "model[T.c]"]] / (
        comparison.bse.to_numpy()[:2] / 100
    )
    np.testing.assert_allclose(ratio, 1.0016727, rtol=1e-7)


def test_the_logit_ame_of_the_contrast_is_the_same_number(table, comparison):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = smf.logit("right ~ model + hard", table).fit(disp=0)
    effect = delta_effects(fit, table, {"model": Contrast("a", "b")})
    assert effect.params.iloc[0] == pytest.approx(
        comparison.params.iloc[0] / 100, abs=1e-8
    )
    # Of this table, as computed elsewhere.
    assert effect.params.iloc[0] == pytest.approx(0.10667, abs=5e-6)
    assert comparison.bse.iloc[0] == pytest.approx(3.415, abs=5e-4)
    clustered = delta_effects(
        fit,
        table,
        {"model": Contrast("a", "b")},
        cov_type="cluster",
        cov_kwds={"groups": "example"},
    )
    assert clustered.bse.iloc[0] == pytest.approx(0.03419, abs=5e-6)


def test_switching_one_dummy_and_leaving_the_others_is_another_number(table):
    # statsmodels has rows with two models at once.
    fit = smf.logit("right ~ model + hard", table).fit(disp=0)
    margins = fit.get_margeff(dummy=True).margeff
    assert margins[0] == pytest.approx(0.10269, abs=5e-6)


def test_a_mixed_model_has_the_error_of_the_two_way_residuals(table):
    # √(2s²/n), s² with (n − 1)(K − 1) degrees of freedom; one variance for all pairs.
    mixed = ConditionalEffects.mixed(
        table["right"], "model + hard", groups="example", table=table
    ).fit()
    wide = table.pivot_table(index="example", columns="model", values="right")
    residuals = wide.sub(wide.mean(axis=1), axis=0) - wide.mean() + wide.mean().mean()
    s2 = (residuals**2).to_numpy().sum() / (299 * 2)
    assert np.sqrt(2 * s2 / 300) == pytest.approx(0.0343628, abs=5e-8)
    assert mixed.bse["model[T.b]"] == pytest.approx(0.0343628, abs=5e-6)
    assert mixed.params["model[T.b]"] == pytest.approx(0.10667, abs=5e-6)


def test_a_balanced_design_has_the_same_sums_of_squares_of_all_types(table):
    regression = ConditionalEffects.from_response(
        table["right"], table, "C(model, Sum) + C(hard, Sum)"
    ).fit()
    tables = [regression.anova(typ).drop(index="Residual") for typ in (1, 2, 3)]
    terms = [name for name in tables[0].index if "C(" in name]
    for other in tables[1:]:
        np.testing.assert_allclose(
            other.loc[terms, "sum_sq"], tables[0].loc[terms, "sum_sq"], rtol=1e-9
        )


def test_the_joint_test_of_several_models_is_hotellings(table):
    sets = over_data_sets(np.random.default_rng(3), n_models=4)
    result = compare_models(
        "score", sets, model="model", example="run", dataset="set", units="datasets"
    )
    means = sets.pivot_table(index="set", columns="model", values="score").to_numpy()
    known = hotelling(means[:, 1:] - means[:, :1])
    joint = result.wald_test()  # of six differences, which three determine
    assert joint.df_num == 3
    assert joint.pvalue == pytest.approx(known.pvalue, rel=1e-8)
    again = result.contrasts(np.eye(6)[:3]).wald_test()
    assert again.pvalue == pytest.approx(known.pvalue, rel=1e-8)


def test_the_joint_covariance_is_that_of_differences(table, comparison):
    wide = 100 * table.pivot_table(index="example", columns="model", values="right")
    d = np.column_stack([wide["b"] - wide["a"], wide["c"] - wide["a"]])
    d = np.column_stack([d, d[:, 1] - d[:, 0]])
    np.testing.assert_allclose(comparison.cov_params(), np.cov(d.T) / 300)
    with_baseline = compare_models(
        "right", table, model="model", example="example", baseline="a"
    )
    assert with_baseline.names == ["model a -> b", "model a -> c"]
    frame = comparison.to_frame()
    assert (frame["p_adjusted"] >= frame["p_value"]).all()
    assert "in percentage points" in str(comparison)


def test_a_model_scored_on_easy_examples_is_compared_on_common_ones(table):
    full = compare_models("right", table, model="model", example="example").params
    easy = table[(table["model"] != "b") | (table["hard"] == 0)]
    options = {"model": "model", "example": "example"}
    shared = compare_models("right", easy, **options)
    n_easy = int((easy["model"] == "b").sum())
    assert shared.n_common.tolist() == [n_easy, 300, n_easy]
    assert f"{n_easy} to 300 of 300" in str(shared)
    with pytest.warns(UserWarning, match="scored on different examples"):
        raw = compare_models("right", easy, common=False, **options)
    wide = easy.pivot_table(index="example", columns="model", values="right")
    naive = 100 * (wide["b"].mean() - wide["a"].mean())
    assert raw.params.iloc[0] == pytest.approx(naive)
    assert abs(shared.params.iloc[0] - full.iloc[0]) < abs(naive - full.iloc[0])


def test_repeats_are_averaged_and_missing_scores_told():
    table = pd.DataFrame(
        {"e": [0, 0, 1, 2, 0, 1, 2, 2], "m": list("aaaabbbb"), "s": np.arange(8.0)}
    )
    comparison = compare_models("s", table, model="m", example="e")
    np.testing.assert_allclose(comparison.params, [((4 - 0.5) + 3 + 3.5) / 3])
    assert not comparison.in_points
    table.loc[1, "s"] = np.nan
    comparison = compare_models("s", table, model="m", example="e")
    np.testing.assert_allclose(comparison.params, [(4 + 3 + 3.5) / 3])
    assert "1 rows without a score" in str(comparison)


def test_weights_are_those_of_a_weighted_regression_on_a_constant(table):
    weight = 1.0 + table["hard"]
    weighted = compare_models(
        "right", table, model="model", example="example", sample_weight=weight
    )
    wide = 100 * table.pivot_table(index="example", columns="model", values="right")
    d, w = wide["b"] - wide["a"], weight.groupby(table["example"]).first()
    known = sm.WLS(d, np.ones(len(d)), w).fit(cov_type="HC0")
    assert weighted.params.iloc[0] == pytest.approx(known.params.iloc[0])
    assert weighted.bse.iloc[0] == pytest.approx(known.bse.iloc[0] * np.sqrt(300 / 299))
    assert "weights of type sampling" in str(weighted)


def test_their_scale_does_not_matter_and_a_weight_of_zero_leaves_an_example_out(table):
    options = {"model": "model", "example": "example"}
    plain = compare_models("right", table, **options)
    same = compare_models("right", table, sample_weight=np.full(900, 7.0), **options)
    pd.testing.assert_frame_equal(same.to_frame(), plain.to_frame())
    hard = table["hard"].to_numpy()
    some = compare_models("right", table[hard == 1], **options)
    zero = compare_models("right", table, sample_weight="hard", **options)
    pd.testing.assert_frame_equal(zero.to_frame(), some.to_frame())


def test_data_sets_as_units_hold_their_level_where_examples_do_not():
    rng = np.random.default_rng(10)
    options = {"model": "model", "example": "run", "dataset": "set"}
    rejected = {"examples": 0, "datasets": 0}
    for _ in range(200):
        table = over_data_sets(rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for units in rejected:
                result = compare_models("score", table, units=units, **options)
                rejected[units] += result.pvalues.iloc[0] < 0.05
    assert abs(rejected["datasets"] / 200 - 0.05) <= 4 * np.sqrt(0.05 * 0.95 / 200)
    assert rejected["examples"] / 200 > 0.3


def test_data_sets_as_units_are_the_paired_t_over_them_and_examples_are_warned_of():
    table = over_data_sets(np.random.default_rng(11))
    options = {"model": "model", "example": "run", "dataset": "set"}
    with pytest.warns(UserWarning, match="far too sure of new data sets"):
        compare_models("score", table, **options)
    result = compare_models("score", table, units="datasets", **options)
    means = table.pivot_table(index="set", columns="model", values="score")
    paired = stats.ttest_rel(means[1], means[0])
    assert result.tvalues.iloc[0] == pytest.approx(paired.statistic, rel=1e-10)
    assert result.df.tolist() == [7]


def test_labels_may_lie_beside_the_table_and_polars_is_taken(table):
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(table)
    given = compare_models(
        table["right"].to_numpy() == 1,
        frame,
        model=table["model"].to_numpy(),
        example="example",
    )
    named = compare_models("right", table, model="model", example="example")
    np.testing.assert_allclose(given.params, named.params)


BAD = {
    "one model": ({"model": "one"}, "one model, 1, and nothing to compare"),
    "no pair": ({"example": "row"}, "share 0 examples"),
    "units": ({"units": "rows"}, "units must be"),
    "no data set": ({"units": "datasets"}, "needs the data set"),
    "baseline": ({"baseline": "z"}, "baseline 'z' is no model"),
    "two sets": ({"dataset": "row"}, "lies in several data sets"),
    "one set": ({"dataset": "one", "units": "datasets"}, "share one data set"),
    "text": ({"score": "model"}, "score must be numbers"),
    "no column": ({"score": "wrong"}, "not a column"),
    "infinite": ({"score": np.full(900, np.inf)}, "infinite in 900 rows"),
    "weights": ({"sample_weight": np.arange(900) + 1.0}, "example 0 have several"),
    "no weight": ({"sample_weight": np.zeros(900)}, "zero in every row"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_reason(table, case):
    table = table.assign(one=1, row=np.arange(len(table)))
    options, message = BAD[case]
    options = {"score": "right", "model": "model", "example": "example", **options}
    with pytest.raises(ValueError, match=message):
        compare_models(options.pop("score"), table, **options)
