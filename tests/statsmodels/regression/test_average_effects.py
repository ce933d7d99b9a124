"""AMEs of several effects, with their joint covariance."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from statsmodels.stats.multivariate import test_mvmean as hotelling

from skfme import FMEExplainer, ame, fme
from skfme._given_model import GivenModel
from skfme.statsmodels import ConditionalEffects, average_effects, cross_fit_effects
from skfme.statsmodels._regression.sandwich import without_negative_variance
from tests.statsmodels.effects import effect_of, effects_of, sample


@pytest.fixture
def pair():
    """Two effects of the same rows, each with rows of its own that do not count."""
    X, first, weights = sample()
    rng = np.random.default_rng(1)
    second = 0.7 * first + rng.normal(size=len(first))
    first, second = first.copy(), second.copy()
    first[:15] = np.nan
    second[10:40] = np.nan
    return X, first, second, weights


def test_standard_errors_are_sd_over_root_n(pair):
    X, first, second, _ = pair
    effects = effects_of({"a +1": first, "b +1": second}, X)
    results = average_effects(effects)
    for name, values in (("a +1", first), ("b +1", second)):
        known = pd.Series(values)
        assert results.params[name] == pytest.approx(known.mean(), rel=1e-13)
        assert results.bse[name] == pytest.approx(known.sem(), rel=1e-12)
        assert results.params[name] == pytest.approx(effects[name].ame, rel=1e-13)
        n = known.notna().sum()
        assert effects[name].sd / np.sqrt(n) == pytest.approx(results.bse[name])
    assert list(results.df) == [104, 89]
    assert list(results.nobs) == [105, 90]
    assert list(results.to_frame().columns[:3]) == ["effect", "n", "estimate"]
    assert list(results.to_frame()["n"]) == [105, 90]


@pytest.mark.parametrize("clustered", [False, True])
def test_the_joint_test_is_hotellings_over_rows_or_clusters(clustered):
    village = np.repeat(np.arange(8), 5)
    rng = np.random.default_rng(0)
    values = rng.normal(0.3, 1, (8, 3))[village] + rng.normal(size=(40, 3))
    X = pd.DataFrame({"village": village})
    effects = effects_of({name: values[:, k] for k, name in enumerate("abc")}, X)
    found = average_effects(effects, groups="village" if clustered else None)
    units = pd.DataFrame(values).groupby(village).mean().to_numpy()
    known = hotelling(units if clustered else values)
    assert float(found.wald_test().pvalue) == pytest.approx(known.pvalue, rel=1e-8)


def test_covariance_is_over_the_rows_that_count_for_both(pair):
    X, first, second, _ = pair
    results = average_effects(effects_of({"a": first, "b": second}, X), cov_type="HC0")
    a, b = first - np.nanmean(first), second - np.nanmean(second)
    known = np.nansum(a * b) / (105 * 90)
    assert results.cov_params().loc["a", "b"] == pytest.approx(known, rel=1e-11)


@pytest.mark.parametrize("n_resamples", [4000])
def test_covariance_is_that_of_averages_of_resampled_rows(pair, n_resamples):
    X, first, second, _ = pair
    results = average_effects(effects_of({"a": first, "b": second}, X))
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(X), (n_resamples, len(X)))
    means = np.nanmean([first[rows], second[rows]], axis=2)
    known = np.cov(means)
    np.testing.assert_allclose(results.cov_params(), known, rtol=0.12)


KINDS = [
    (cov_type, weights_type)
    for cov_type in ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster")
    for weights_type in ("frequency", "sampling", "importance", None)
    if (cov_type, weights_type) != ("nonrobust", "sampling")  # refused
]


@pytest.mark.parametrize(("cov_type", "weights_type"), KINDS)
def test_an_average_is_a_regression_on_a_constant(pair, cov_type, weights_type):
    X, first, _, weights = pair
    effect = effect_of(first, X, None if weights_type is None else weights)
    kind = weights_type or "sampling"
    clustered = cov_type == "cluster"
    average = average_effects(
        effect,
        cov_type=cov_type,
        groups="patient" if clustered else None,
        weights_type=kind,
    )
    kwds = {"groups": "patient"} if clustered else None
    model = ConditionalEffects.from_formula(effect, "1", weights_type=kind)
    regression = model.fit(cov_type, kwds)
    assert average.params.iloc[0] == pytest.approx(regression.params.iloc[0], rel=1e-12)
    assert average.bse.iloc[0] == pytest.approx(regression.bse.iloc[0], rel=1e-11)
    assert average.df[0] == pytest.approx(np.ravel(regression.df)[0])


def test_the_cluster_covariance_of_a_mean_follows_its_formula(pair):
    # V = G / (G − 1) Σ_g (Σ_{i in g} ω_i (e_i − ē))² / (Σ ω)²
    X, first, _, weights = pair
    known = ~np.isnan(first)
    e, w, g = first[known], weights[known], X["patient"].to_numpy()[known]
    deviations = w * (e - w @ e / w.sum())
    sums = pd.Series(deviations).groupby(g).sum()
    G = len(sums)
    variance = G / (G - 1) * np.sum(sums**2) / w.sum() ** 2
    results = average_effects(effect_of(first, X, weights), groups="patient")
    assert results.bse.iloc[0] == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert results.df[0] == G - 1


def test_frequency_weights_equal_repeated_rows(pair):
    X, first, second, weights = pair
    copies = np.repeat(np.arange(len(X)), weights.astype(int))
    columns = {"a": first, "b": second}
    repeated = {name: values[copies] for name, values in columns.items()}
    for options in (
        *({"cov_type": kind} for kind in ("nonrobust", "HC0", "HC1", "HC2", "HC3")),
        {"groups": "patient"},
        {"groups": ["patient", "ward"]},
    ):
        one = average_effects(
            effects_of(columns, X, weights), weights_type="frequency", **options
        )
        other = average_effects(effects_of(repeated, X.iloc[copies]), **options)
        np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-12)
        np.testing.assert_array_equal(one.df, other.df)


def test_two_way_clusters_of_averages_agree_with_a_regression(pair):
    X, first, second, _ = pair
    both = effects_of({"a": first, "b": second}, X)
    results = average_effects(both, groups=["patient", "ward"])
    for name in ("a", "b"):
        values = both[name].counted_data().fme
        rows = np.flatnonzero(both[name].counted)
        codes = np.column_stack(
            [pd.factorize(X[c].to_numpy()[rows])[0] for c in ("patient", "ward")]
        )
        known = sm.OLS(values, np.ones(len(values))).fit(
            cov_type="cluster", cov_kwds={"groups": codes}
        )
        assert results.bse[name] == pytest.approx(known.bse[0], rel=1e-10)


def test_batches_of_rows_give_what_all_rows_give(monkeypatch, pair):
    X, first, second, weights = pair
    effects = effects_of({"a": first, "b": second}, X, weights)
    whole = [average_effects(effects, groups=g) for g in (None, "patient")]
    monkeypatch.setattr("skfme.statsmodels._regression.sandwich.N_NUMBERS", 14)
    parts = [average_effects(effects, groups=g) for g in (None, "patient")]
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one.cov_params(), other.cov_params(), rtol=1e-12)


def test_all_effects_of_a_classifier_have_one_covariance():
    X, y = load_iris(return_X_y=True, as_frame=True)
    effects = ame(LogisticRegression(max_iter=1000).fit(X, y), X)
    results = average_effects(effects)
    frame = results.to_frame()
    assert list(frame.columns[:2]) == ["effect", "output"]
    known = effects.to_frame()
    np.testing.assert_allclose(frame["estimate"], known["ame"], rtol=1e-10)
    np.testing.assert_allclose(frame["std_error"], known["sd"] / np.sqrt(known["n"]))
    for k in range(0, 12, 3):  # the effects on three probabilities cancel
        R = np.zeros(12)
        R[k : k + 3] = 1
        assert results.t_test(R).sd[0] == 0
    joint = results.conf_int(simultaneous=True)
    assert (
        (joint[1] - joint[0]) > (results.conf_int()[1] - results.conf_int()[0])
    ).all()
    one = average_effects(effects, output="1")
    np.testing.assert_allclose(one.bse, results.bse.iloc[1::3], rtol=1e-12)


def test_what_no_row_counts_for_has_no_standard_error(pair):
    X, _, second, _ = pair
    single = np.where(np.arange(len(X)) == 3, 1.5, np.nan)
    columns = {"a": second, "none": np.full(len(X), np.nan), "one": single}
    for groups in (None, "patient"):
        with pytest.warns(RuntimeWarning, match="'none', 'one': fewer than two"):
            results = average_effects(effects_of(columns, X), groups=groups)
        assert results.bse.isna().tolist() == [False, True, True]
        assert results.params["one"] == 1.5
    with pytest.warns(RuntimeWarning):
        two_way = average_effects(effects_of(columns, X), groups=["patient", "ward"])
    assert two_way.bse.isna().tolist() == [False, True, True]


def test_effects_without_spread_have_no_error():
    values = np.full(50, 0.1) + np.arange(50) * 1e-17
    results = average_effects(effect_of(values))
    assert results.bse.iloc[0] == 0
    assert results.conf_int().iloc[0].tolist() == [results.params.iloc[0]] * 2


REFUSED = {
    "sampling weights without a robust covariance": (
        {"cov_type": "nonrobust", "weights": True},
        "wrong for sampling weights",
    ),
    "unknown cov_type": ({"cov_type": "HC9"}, "cov_type='HC9' is not known"),
    "clusters with another cov_type": (
        {"cov_type": "HC1", "groups": "patient"},
        "does not take",
    ),
    "no clusters": ({"cov_type": "cluster"}, "needs cov_kwds"),
    "too few labels": (
        {"groups": [1, 2, 3]},
        r"groups has shape \(3,\), expected \(120,\)",
    ),
    "a misspelt column": ({"groups": "pat"}, "groups names 'pat'"),
    "unknown output": ({"output": "z"}, "'z' is no output"),
    "unknown weights_type": (
        {"weights_type": "no"},
        "weights_type='no' is not known",
    ),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_options_that_do_not_fit_the_effects_are_refused(pair, options, message):
    X, first, second, weights = pair
    options = dict(options)
    given = weights if options.pop("weights", False) else None
    effects = effects_of({"a": first, "b": second}, X, given)
    with pytest.raises(ValueError, match=message):
        average_effects(effects, **options)


def test_sampling_weights_need_a_robust_covariance_though_no_row_counts(pair):
    X, first, _, weights = pair
    columns = {"none": np.full(len(X), np.nan), "a": first}
    with pytest.raises(ValueError, match="wrong for sampling weights"):
        average_effects(effects_of(columns, X, weights), cov_type="nonrobust")


def test_no_effects_are_refused():
    with pytest.raises(ValueError, match="no effects"):
        average_effects({})


def test_an_effect_without_rows_is_refused():
    with pytest.raises(ValueError, match="No row counts for the effect 'x .1'"):
        average_effects(effect_of(np.full(5, np.nan)))


def test_effects_of_other_rows_are_refused(pair):
    X, first, _, _ = pair
    shorter = effect_of(first[:50], X.iloc[:50], name="b")
    with pytest.raises(ValueError, match="50 and 120 rows"):
        average_effects({"a": effect_of(first, X), "b": shorter})


def test_numbers_are_no_effects(pair):
    with pytest.raises(TypeError, match="got ndarray"):
        average_effects(pair[1])


@pytest.mark.parametrize("order", [["many", "few"], ["few", "many"]])
def test_degrees_of_freedom_are_those_of_the_way_with_fewer_clusters(pair, order):
    X, first, _, _ = pair
    rows = X.assign(many=np.arange(len(X)) // 3, few=np.arange(len(X)) % 5)
    results = average_effects(effects_of({"a": first}, rows), groups=order)
    assert results.df.tolist() == [4]


def test_a_negative_variance_of_two_ways_is_set_to_zero_and_no_other_changes():
    direction = np.array([1.0, 1.0]) / np.sqrt(2)
    cov = np.array([[1.0, 2.0], [2.0, 1.0]])  # eigenvalues 3 along it, and −1 across
    fixed, negative = without_negative_variance(cov)
    assert negative
    np.testing.assert_allclose(fixed, 3 * np.outer(direction, direction), rtol=1e-12)


def test_averages_by_group_are_those_of_each_group_alone(pair):
    X, first, second, _ = pair
    effects = effects_of({"a +1": first, "b +1": second}, X)
    labels = np.where(np.arange(len(effects["a +1"].fme)) % 3 == 0, "third", "rest")
    results = average_effects(effects, by=labels, cov_type="HC1")
    frame = results.to_frame()
    for name, effect in effects.items():
        own = ConditionalEffects.from_groups(effect, labels).fit(cov_type="HC2")
        mine = frame[frame["effect"] == name]
        np.testing.assert_allclose(mine["estimate"], own.params, rtol=1e-12)
        np.testing.assert_allclose(mine["std_error"], own.bse, rtol=1e-12)
        assert mine["n"].tolist() == own.to_frame()["n"].tolist()
    # Different groups share no row.
    cov = results.cov_params().to_numpy()
    other = frame["group"].to_numpy()[:, None] != frame["group"].to_numpy()
    assert (cov[other] == 0).all()


def test_clusters_may_be_given_as_statsmodels_has_them(pair):
    X, first, second, _ = pair
    effects = effects_of({"a +1": first, "b +1": second}, X)
    clusters = np.arange(len(effects["a +1"].fme)) // 5
    short = average_effects(effects, groups=clusters)
    kwds = {"groups": clusters}
    whole = average_effects(effects, cov_type="cluster", cov_kwds=kwds)
    np.testing.assert_array_equal(short.cov_params(), whole.cov_params())
    with pytest.raises(ValueError, match="groups and cov_kwds both name clusters"):
        average_effects(effects, groups=clusters, cov_kwds=kwds)


def test_weights_are_what_the_explainer_was_told():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=80), "g": list("uv") * 40})
    copies = rng.integers(1, 4, 80)
    repeated = X.loc[X.index.repeat(copies)].reset_index(drop=True)

    def square(T):
        return T["a"] ** 2

    options = {"steps": {"a": 1}, "extrapolation": None}
    told = FMEExplainer(
        FrozenEstimator(GivenModel(square)), weights_type="frequency", **options
    )
    effect = told.fit(X).explain(X, copies)["a +1"]
    alone = fme(square, repeated, {"a": 1}, extrapolation=None)
    for by in (None, "g"):
        ours, theirs = average_effects(effect, by=by), average_effects(alone, by=by)
        np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-12)
    batches = told.explain_batches(
        [X.assign(w=copies)[:30], X.assign(w=copies)[30:]], "w"
    )
    assert batches["a +1"].std_error == pytest.approx(
        average_effects(alone).bse.iloc[0]
    )
    untold = fme(square, X, {"a": 1}, sample_weight=copies, extrapolation=None)
    sampled = average_effects(effect, weights_type="sampling")
    assert average_effects(untold).bse.iloc[0] == sampled.bse.iloc[0]


def test_cross_fitted_effects_are_averaged_by_their_own_results():
    X = pd.DataFrame({"a": np.arange(30.0)})
    explainer = FMEExplainer(LinearRegression(), {"a": 1}, extrapolation=None)
    effects = cross_fit_effects(explainer, X, X["a"] ** 2)
    with pytest.raises(TypeError, match=r"effects\.results\(\) has the averages"):
        average_effects(effects)


@pytest.mark.parametrize(
    ("weights_type", "said"),
    [("auto", True), ("sampling", False), ("frequency", False)],
)
def test_whole_weights_taken_for_sampling_weights_are_said_to_be_so_and_why(
    weights_type, said
):
    X = np.arange(12.0)[:, None]
    effect = fme(
        lambda X: X[:, 0] ** 2,
        X,
        {0: 1},
        sample_weight=np.arange(12) % 3 + 1,
        weights_type=weights_type,
        extrapolation=None,
    )
    averages = average_effects(effect)
    regression = ConditionalEffects.from_formula(effect, "x0").fit()
    for results in (averages, regression):
        text = str(results)
        assert ("The effect calls these weights frequency" in text) is said
        used = "frequency" if weights_type == "frequency" else "sampling"
        assert f"Weights of type {used}" in text
    # as the note says: the same weights as counts have smaller standard errors
    counts = average_effects(effect, weights_type="frequency")
    assert (counts.bse <= averages.bse).all()
