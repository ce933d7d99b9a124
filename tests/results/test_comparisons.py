"""Ratios, percent, log odds and functions: by hand from the model's own predictions."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

import skfme
from skfme import Contrast, FMEExplainer, StdDev, ame, came, fme, write_report
from skfme._report.sentences import Wording, finding, question
from skfme._summaries.comparisons import KINDS, Comparison
from skfme.metrics import effect_stability, make_monotonicity_scorer
from skfme.statsmodels import (
    ConditionalEffects,
    average_effects,
    bootstrap_effects,
    cross_fit_effects,
    honest_regions,
)

N = 300
RNG = np.random.default_rng(2)
X = pd.DataFrame(
    {
        "bmi": RNG.uniform(18, 40, N),
        "age": RNG.uniform(20, 70, N),
        "sex": np.tile([0.0, 1.0, 1.0], N // 3),
    }
)
RATE = np.exp(0.04 * X["bmi"] + 0.01 * X["age"] * X["sex"])
Y = RNG.poisson(RATE) + 1.0
Z = RNG.uniform(size=N) < 1 / (1 + np.exp(4 - 0.12 * X["bmi"]))
WEIGHTS = RNG.uniform(0.5, 2, N)


def excess(before, after):
    """A comparison of one's own."""
    return (after - before) / (1 + before)


BY_HAND = {
    "difference": lambda b, a: a - b,
    "ratio": lambda b, a: a / b,
    "percent": lambda b, a: 100 * (a / b - 1),
    "log_ratio": lambda b, a: np.log(a / b),
    "log_odds_ratio": lambda b, a: np.log(a / (1 - a) / (b / (1 - b))),
    "per_unit": lambda b, a: (a - b) / -2,
    excess: excess,
}
MODELS = {
    "linear": (LogisticRegression(C=10, max_iter=2000), Z, "linear"),
    "trees": (GradientBoostingClassifier(n_estimators=8, random_state=0), Z, "trees"),
    "log": (PoissonRegressor(alpha=0, max_iter=5000), Y / 1000, "linear"),
    "forest": (RandomForestRegressor(8, random_state=0), Y / 1000, "trees"),
}


def predicted(model, table):
    if hasattr(model, "predict_proba"):
        return model.predict_proba(table)[:, 1]
    return model.predict(table)


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize("comparison", BY_HAND)
@pytest.mark.parametrize("kind", MODELS)
def test_comparisons_are_those_of_the_models_predictions(kind, comparison, average):
    model, y, exact = MODELS[kind]
    explainer = FMEExplainer(
        FrozenEstimator(clone(model).fit(X, y)),
        {"bmi": -2},
        comparison=comparison,
        average=average,
        engine=exact,
    )
    effect = explainer.fit(X).explain(X, sample_weight=WEIGHTS)["bmi -2"]
    assert effect.engine == exact
    rows, by_hand = effect.counted, BY_HAND[comparison]
    table = X[rows]
    before = predicted(explainer.estimator_, table)
    after = predicted(explainer.estimator_, table.assign(bmi=table["bmi"] - 2))
    values = by_hand(before, after)
    np.testing.assert_allclose(effect.fme[rows], values, rtol=1e-8, atol=1e-11)
    assert np.isnan(effect.fme[~rows]).all()
    w = WEIGHTS[rows]
    means = [np.average(end, weights=w) for end in (before, after)]
    assert (effect.before, effect.after) == pytest.approx(means, rel=1e-10)
    linear = comparison in ("difference", "per_unit")
    of_means = average == "of_means" and not linear
    expected = by_hand(*means) if of_means else np.average(values, weights=w)
    assert effect.ame == pytest.approx(expected, rel=1e-8)
    whole = effect.average(by=np.zeros(N))
    assert whole["ame"].item() == pytest.approx(expected, rel=1e-8)
    if comparison != "difference":
        name = getattr(comparison, "__name__", comparison)
        described = whole[["comparison", "average"]].iloc[0].tolist()
        assert described == [name, average]


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize("comparison", BY_HAND)
def test_batches_sum_up_to_the_same(comparison, average):
    model, y, _ = MODELS["log"]
    options = {"comparison": comparison, "average": average}
    explainer = FMEExplainer(clone(model), {"bmi": -2}, **options).fit(X, y)
    table = X.assign(w=WEIGHTS)
    parts = [
        explainer.explain_batches([part], "w", by="sex")
        for part in (table[:100], table[100:])
    ]
    summary = pickle.loads(pickle.dumps(parts[0] + parts[1]))["bmi -2"]
    effect = explainer.explain(X, WEIGHTS)["bmi -2"]
    assert summary.ame == pytest.approx(effect.ame, rel=1e-12)
    assert (summary.before, summary.after) == pytest.approx(
        (effect.before, effect.after), rel=1e-12
    )
    groups = summary.average().drop(columns="std_error")
    pd.testing.assert_frame_equal(groups, effect.average(by="sex"), rtol=1e-10)
    ours = str(summary).split("\n\n")[0]
    assert ours == str(effect).split("\n\n")[0]


def test_summaries_of_other_comparisons_do_not_merge():
    one, other = (
        FMEExplainer(LinearRegression(), {"bmi": -2}, comparison=comparison)
        .fit(X, Y)
        .explain_batches([X])
        for comparison in ("ratio", "percent")
    )
    with pytest.raises(ValueError, match="differ in comparisons"):
        one + other


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_jobs_and_batches_leave_comparisons_as_they_are(n_jobs):
    model, y, _ = MODELS["forest"]
    options = {"comparison": "ratio", "engine": "predict"}
    whole = FMEExplainer(model, {"bmi": -2}, **options).fit(X, y).explain(X)
    parted = FMEExplainer(model, {"bmi": -2}, batch_size=41, n_jobs=n_jobs, **options)
    np.testing.assert_array_equal(
        whole["bmi -2"].fme, parted.fit(X, y).explain(X)["bmi -2"].fme
    )


def test_outputs_are_compared_one_by_one():
    labels = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
    model = LogisticRegression(max_iter=5000).fit(X, labels)
    effect = fme(model, X, {"bmi": 2}, comparison=excess, average="of_means")
    rows = effect.counted
    before = model.predict_proba(X[rows])
    after = model.predict_proba(X[rows].assign(bmi=X["bmi"][rows] + 2))
    np.testing.assert_allclose(effect.fme[rows], excess(before, after), rtol=1e-9)
    expected = excess(before.mean(axis=0), after.mean(axis=0))
    np.testing.assert_allclose(effect.ame, expected, rtol=1e-9)


def test_a_training_sd_has_a_unit():
    model = LinearRegression().fit(X, Y)
    effect = fme(model, X, {"bmi": StdDev(1)}, comparison="per_unit")
    assert effect.ame == pytest.approx(model.coef_[0])


@pytest.mark.parametrize(
    "step", [{"bmi": Contrast(20, 30)}, {"bmi": 1, "age": 1}, {"bmi": lambda c: c + 1}]
)
def test_what_has_no_unit_is_refused(step):
    with pytest.raises(ValueError, match="per_unit.*not one number that is added"):
        fme(LinearRegression().fit(X, Y), X, step, comparison="per_unit")


@pytest.mark.parametrize("comparison", ["ratio", "percent"])
@pytest.mark.parametrize("average", ["of_rows", "of_means"])
def test_comparisons_beyond_the_largest_number_are_refused(comparison, average):
    def model(X):
        return np.where(X["bmi"] > 20, 1e120, 1e-200)

    with pytest.raises(ValueError, match="beyond the largest number"):
        fme(model, X, {"bmi": Contrast(19, 21)}, comparison=comparison, average=average)


@pytest.mark.parametrize(
    ("comparison", "function", "needs"),
    [
        ("ratio", lambda T: np.maximum(T["bmi"] - 25, 0), "before it that is not 0"),
        ("percent", lambda T: np.maximum(T["bmi"] - 25, 0), "before it that is not 0"),
        ("log_ratio", lambda T: T["bmi"] - 19, "predictions above 0"),
        ("log_odds_ratio", lambda T: T["bmi"] / 30, "between 0 and 1"),
    ],
)
@pytest.mark.parametrize("average", ["of_rows", "of_means"])
def test_undefined_comparisons_are_refused(comparison, function, needs, average):
    with pytest.raises(
        ValueError,
        match=f"{comparison}' of the effect 'bmi -2' needs .*{needs}.*rows have",
    ):
        fme(function, X, {"bmi": -2}, comparison=comparison, average=average)


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        ("lift", "comparison must be one of .* Did you mean 'percent'"),
        ("lnratioavg", "Did you mean 'log_ratio'"),
        ("ratoi", "Did you mean 'ratio'"),
        (3, "an instance of 'str' or a callable. Got 3"),
        (lambda b, a: a.mean() - b, "returned an array of shape|expected one number"),
        (lambda b, a: np.where(b > 0, np.inf, a), "returned inf .*finite"),
        (lambda b: b, "failed on predictions"),
    ],
)
def test_functions_and_names_are_checked(comparison, message):
    if message.startswith("returned an array"):
        comparison = lambda b, a: (a - b)[:5]  # noqa: E731
    error = (ValueError, TypeError)
    with pytest.raises(error, match=message):
        fme(LinearRegression().fit(X, Y), X, {"bmi": -2}, comparison=comparison)


def test_an_unknown_average_is_refused():
    with pytest.raises(ValueError, match="average"):
        fme(LinearRegression().fit(X, Y), X, {"bmi": -2}, average="of_medians")


def test_non_linearity_is_of_differences_only():
    model = LinearRegression().fit(X, Y)
    with pytest.raises(ValueError, match="nlm measures .*comparison='ratio'"):
        fme(model, X, {"bmi": -2}, comparison="ratio", nlm=True)
    effect = fme(model, X, {"bmi": -2}, comparison="per_unit", nlm=True)
    assert effect.anlm == pytest.approx(1)


def test_explainers_keep_their_parameters():
    explainer = FMEExplainer(LinearRegression(), comparison="ratio", average="of_means")
    params = clone(explainer).get_params()
    assert (params["comparison"], params["average"]) == ("ratio", "of_means")
    assert "comparison" in repr(explainer)


def test_shares_that_rise_are_above_a_ratio_of_one():
    model = lambda T: np.exp((T["bmi"] - 29) ** 2 / 100)  # noqa: E731
    ratio = fme(model, X, {"bmi": 1}, comparison="ratio").average(by="sex")
    difference = fme(model, X, {"bmi": 1}).average(by="sex")
    assert ratio["share_positive"].tolist() == difference["share_positive"].tolist()
    own = fme(model, X, {"bmi": 1}, comparison=lambda b, a: a / b).average(by="sex")
    assert own["share_positive"].tolist() == difference["share_positive"].tolist()


@pytest.mark.parametrize(
    ("function", "null"),
    [
        (lambda b, a: a / b, 1.0),
        (lambda b, a: 2 * a / (a + b), 1.0),
        (lambda b, a: np.sqrt(a) - np.sqrt(b), 0.0),
        (lambda b, a: np.log(a - 1) / np.log(b - 1), 1.0),  # of predictions above 1
        (lambda b, a: a, 0.0),  # has no one value where nothing changes
        (lambda b, a: a.mean() - b.mean(), 0.0),  # refused where it is used
    ],
)
def test_no_change_of_a_function_is_what_equal_predictions_give(function, null):
    assert Comparison("own", function=function).null == null


# Statistics of effects.


@pytest.fixture(scope="module")
def ratios():
    model = LinearRegression().fit(X, Y)
    steps = [{"bmi": -2}, {"age": 5}]
    return {
        average: fme(model, X, steps, comparison="ratio", average=average)
        for average in ("of_rows", "of_means")
    }


def test_standard_errors_of_means_are_those_of_a_ratio_estimator(ratios):
    results = average_effects(ratios["of_means"])
    effect = ratios["of_means"]["age +5"]
    frame = effect.to_frame()[effect.counted]
    ratio = frame["after"].mean() / frame["before"].mean()
    assert results.params["age +5"] == pytest.approx(ratio)
    # The textbook's: residuals a − R b over n − 1, and the mean before squared.
    residuals = frame["after"] - ratio * frame["before"]
    by_hand = np.sqrt(residuals.var(ddof=1) / len(frame)) / frame["before"].mean()
    assert results.bse["age +5"] == pytest.approx(by_hand)
    table = results.to_frame()
    assert table["average"].unique() == ["of_means"]
    assert table.loc[1, "before"] == pytest.approx(effect.before)


def test_tests_of_ratios_are_tests_of_one(ratios):
    results = average_effects(ratios["of_rows"])
    z = (results.params - 1) / results.bse
    np.testing.assert_allclose(results.tvalues, z)
    one = results.t_test((np.eye(2), np.ones(2)))
    np.testing.assert_allclose(results.pvalues, one.pvalue)
    every = results.wald_test((np.eye(2), np.ones(2)))
    np.testing.assert_allclose(results.wald_test().pvalue, every.pvalue)
    assert "an estimate is 1" in str(results)


def test_averages_by_group_compare_the_groups_means(ratios):
    results = average_effects(ratios["of_means"], by="sex").to_frame()
    expected = ratios["of_means"].average(by="sex")
    np.testing.assert_allclose(results["estimate"], expected["ame"])
    np.testing.assert_allclose(results["after"], expected["after"])


def test_what_reads_rows_refuses_comparisons_of_means(ratios):
    effect = ratios["of_means"]["bmi -2"]
    for call in (
        lambda: ConditionalEffects.from_groups(effect, "sex"),
        lambda: ConditionalEffects.from_formula(effect, "age"),
        lambda: came(effect, 2),
    ):
        with pytest.raises(ValueError, match="reads the effect of each row"):
            call()
    assert came(ratios["of_rows"]["age +5"], 2).n_partitions_ == 2


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
def test_bootstrap_replicates_are_averages_of_refits(average):
    explainer = FMEExplainer(
        PoissonRegressor(alpha=0, max_iter=5000),
        {"bmi": -2},
        comparison="percent",
        average=average,
        extrapolation=None,
    )
    few = {"n_resamples": 4, "method": "normal", "random_state": 0}
    results = bootstrap_effects(explainer, X, Y, by="sex", **few)
    effect = explainer.fit(X, Y).explain(X)["bmi -2"]
    np.testing.assert_allclose(results.params, effect.average(by="sex")["ame"])
    # Of a log link, every row has the same percentage: that of its own refit.
    spread = np.ptp(results.replicates, axis=1)
    np.testing.assert_allclose(spread, 0, atol=1e-9)
    assert results.replicates[:, 0].std() > 0.01
    assert results.to_frame()["comparison"].tolist() == ["percent"] * 2


def test_cross_fitted_ratios_of_means_are_of_all_folds():
    explainer = FMEExplainer(
        RandomForestRegressor(5, random_state=0),
        {"bmi": -2},
        comparison="ratio",
        average="of_means",
    )
    effects = cross_fit_effects(explainer, X, Y, random_state=0)
    effect = effects["bmi -2"]
    assert effect.ame == pytest.approx(effect.after / effect.before)
    assert effects.results().params.iloc[0] == pytest.approx(effect.ame)


def test_monotonicity_of_ratios_is_about_one():
    model = FrozenEstimator(LinearRegression().fit(X, Y))
    for sign in (1, -1):
        score = make_monotonicity_scorer("bmi", sign)(model, X)
        ratio = make_monotonicity_scorer("bmi", sign, comparison="ratio")(model, X)
        assert ratio == score


# Words.

PHRASES = {
    "ratio": ("multiplies the prediction by", "Ratio of"),
    "percent": ("percent on average", "(percent)"),
    "per_unit": ("at a rate of", "per unit"),
    "log_ratio": ("(a ratio of", "Log ratio"),
    "log_odds_ratio": ("(an odds ratio of", "Log odds ratio"),
    excess: ("gives excess =", "excess of"),
}


@pytest.mark.parametrize("comparison", PHRASES)
def test_units_are_named_in_sentences_tables_and_axes(comparison, tmp_path):
    sentence, heading = PHRASES[comparison]
    model = lambda T: 1 / (1 + np.exp(-T["bmi"] / 20))  # noqa: E731
    effects = fme(model, X, [{"bmi": -2}], comparison=comparison)
    effect = effects["bmi -2"]
    (text,) = finding(effect, Wording())
    assert sentence in text
    assert question(effect, Wording()).endswith("?")
    summary = " ".join(str(effects).split())
    assert heading in summary
    assert ("average='of_rows'" in summary) == (comparison != "per_unit")
    pytest.importorskip("matplotlib")
    for axes in (effect.plot().ax_, effect.plot(kind="histogram").ax_):
        labels = " ".join(f"{axes.get_xlabel()} {axes.get_ylabel()}".split())
        assert heading in labels
    averages = " ".join(effects.plot().ax_.get_xlabel().split())
    assert heading.lower() in averages.lower()
    page = write_report(effects, tmp_path / "page.html").read_text("utf-8")
    assert sentence in page


def test_trees_over_comparisons_say_what_they_are_of(ratios):
    pytest.importorskip("matplotlib")
    tree = came(ratios["of_rows"]["age +5"], 2)
    labels = [" ".join(ax.get_ylabel().split()) for ax in tree.plot().axes_.ravel()]
    assert "Ratio of prediction, after over before" in labels


def test_relative_comparisons_have_no_unit_and_signs_are_of_predictions():
    options = {"response_label": "cost (euro)", "extrapolation": None}
    model = lambda T: 100 + T["bmi"] ** 2  # noqa: E731
    percent = fme(model, X, {"bmi": -2}, comparison="percent", **options)
    assert "Change in the predicted cost (percent)" in str(percent)
    rate = fme(model, X, {"bmi": -2}, comparison="per_unit", **options)
    assert rate.ame == pytest.approx(2 * X["bmi"].mean() - 2)
    (text,) = finding(rate, Wording())
    assert "raises" not in text
    assert "rises" not in text
    turning = fme(lambda T: (T["bmi"] - 29) ** 2, X, {"bmi": -2}, **options)
    other = fme(
        lambda T: (T["bmi"] - 29) ** 2, X, {"bmi": -2}, comparison="per_unit", **options
    )
    shares = [
        finding(e, Wording())[0].split("The prediction")[1] for e in (turning, other)
    ]
    assert shares[0] == shares[1]


def test_no_change_is_a_line_at_one_for_ratios():
    axes = fme(lambda T: T["bmi"], X, {"bmi": -2}, comparison="ratio").plot().ax_
    levels = [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2]
    assert 1.0 in levels
    assert 0.0 not in levels


def test_step_profiles_of_ratios_have_no_non_linearity():
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}, comparison="ratio")
    profile = explainer.fit(X, Y).step_profile(X, "bmi", sizes=[-2, 2])
    assert profile.to_frame()["anlm"].isna().all()
    assert profile.plot().axes_.shape == (3, 1)


def test_slopes_of_every_comparison_are_its_derivatives():
    before, after = RNG.uniform(0.1, 0.9, (2, 50, 2))
    h = 1e-6
    for kind in (*KINDS, "function"):
        comparison = Comparison(kind, size=-2.0 if kind == "per_unit" else 1.0)
        if kind == "function":
            comparison = Comparison("excess", function=excess)
        slopes = comparison.slopes(before, after)
        by_before = comparison(before + h, after) - comparison(before - h, after)
        by_after = comparison(before, after + h) - comparison(before, after - h)
        np.testing.assert_allclose(slopes[0], by_before / (2 * h), rtol=1e-6)
        np.testing.assert_allclose(slopes[1], by_after / (2 * h), rtol=1e-6)


def test_the_public_calls_take_comparisons():
    model = PoissonRegressor(alpha=0, max_iter=5000).fit(X, Y)
    effects = ame(model, X, [{"bmi": 1}], comparison="log_ratio")
    assert effects["bmi +1"].ame == pytest.approx(model.coef_[0])
    assert skfme.fme(model, X, {"bmi": 1}, comparison="ratio").ame == pytest.approx(
        np.exp(model.coef_[0])
    )


def test_only_differences_are_split_among_features():
    explainer = FMEExplainer(
        LinearRegression(), {"bmi": -2, "age": 5}, comparison="ratio"
    )
    with pytest.raises(ValueError, match="comparison='ratio' has none"):
        explainer.fit(X, Y).attribute(X)


def test_ratios_have_no_differences_of_differences():
    model = LinearRegression().fit(X, Y)
    steps = [{"bmi": -2}, {"age": 5}, {"bmi": -2, "age": 5}]
    every = {"extrapolation": None}  # so that all three are of the same rows
    results = average_effects(fme(model, X, steps, comparison="ratio", **every))
    with pytest.raises(ValueError, match="Ratios multiply"):
        results.interaction("bmi -2", "age +5")
    interplay = results.nonlinear_test("b3 / (b1 * b2) = 1")
    logs = average_effects(fme(model, X, steps, comparison="log_ratio", **every))
    assert abs(interplay.params.item()) < 0.01
    assert abs(logs.interaction("bmi -2", "age +5").params.item()) < 0.01


def test_stability_of_ratios_is_about_one():
    models = [
        LinearRegression().fit(X[rows], Y[rows])
        for rows in (X["sex"] > 0, X["age"] > 30)
    ]
    difference = effect_stability(models, X, {"bmi": 1}, comparison="percent")
    ratio = effect_stability(models, X, {"bmi": 1}, comparison="ratio")
    np.testing.assert_allclose(ratio["agreement"], difference["agreement"])
    np.testing.assert_allclose(100 * (ratio["ame"] - 1), difference["ame"])
    with pytest.raises(
        ValueError, match="effect_stability reads the effect of each row"
    ):
        effect_stability(models, X, {"bmi": 1}, comparison="ratio", average="of_means")


def test_honest_regions_are_of_rows():
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}, comparison="ratio")
    explainer.set_params(average="of_means")
    with pytest.raises(ValueError, match="a tree reads the effect of each row"):
        honest_regions(explainer, X, Y, random_state=0)
