"""Inference of clustered covariances: that of statsmodels' own fits."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.base.covtype import descriptions

from skfme import fme
from skfme.statsmodels import (
    ConditionalEffects,
    StatsmodelsEstimator,
    average_effects,
    delta_effects,
)

STEPS = {"x": 1}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=200)})
    data["firm"] = [f"f{i}" for i in np.arange(200) % 11]
    data["year"] = 2001 + np.arange(200) // 25
    firms, years, noise = (rng.normal(size=n) for n in (11, 8, 200))
    firms, years = firms[np.arange(200) % 11], years[np.arange(200) // 25]
    data["y"] = 0.3 * data["x"] * (1 + firms) + firms + years + noise
    return data


def codes(data, *names):
    labels = [pd.factorize(data[name])[0] for name in names]
    return np.squeeze(np.transpose(labels))


def asked(fit, data, **cov_kwds):
    return delta_effects(fit, data, STEPS, cov_type="cluster", cov_kwds=cov_kwds)


@pytest.mark.parametrize("model", [smf.ols, smf.glm], ids=["OLS", "GLM"])
@pytest.mark.parametrize("ways", [("firm",), ("firm", "year")])
def test_clusters_asked_for_have_the_inference_of_a_clustered_fit(data, model, ways):
    groups = {"groups": codes(data, *ways)}
    own = model("y ~ x", data).fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    plain = model("y ~ x", data).fit(use_t=True)
    for effects in (asked(plain, data, **groups), delta_effects(own, data, STEPS)):
        assert effects.df[0] == own.df_resid_inference == (10 if len(ways) == 1 else 7)
        assert effects.pvalues.iloc[0] == pytest.approx(own.pvalues["x"], rel=1e-8)
        np.testing.assert_allclose(effects.conf_int(), own.conf_int().loc[["x"]])
        test = own.wald_test("x", scalar=True)
        assert effects.wald_test().pvalue == pytest.approx(test.pvalue, rel=1e-8)
        assert effects.wald_test().df_denom == own.df_resid_inference


@pytest.mark.parametrize("use_t", [True, False])
def test_use_t_asked_for_decides_between_t_and_the_normal(data, use_t):
    groups = codes(data, "firm")
    own = smf.ols("y ~ x", data).fit(
        cov_type="cluster", cov_kwds={"groups": groups}, use_t=use_t
    )
    for fit in (smf.ols("y ~ x", data).fit(), smf.glm("y ~ x", data).fit()):
        effects = asked(fit, data, groups=groups, use_t=use_t)
        assert effects.use_t is use_t
        assert effects.pvalues.iloc[0] == pytest.approx(own.pvalues["x"], rel=1e-6)


def test_another_type_does_not_keep_the_degrees_of_freedom_of_clusters(data):
    groups = {"groups": codes(data, "firm")}
    clustered = smf.ols("y ~ x", data).fit(
        cov_type="cluster", cov_kwds=groups, use_t=True
    )
    effects = delta_effects(clustered, data, STEPS, cov_type="HC1")
    own = smf.ols("y ~ x", data).fit(cov_type="HC1", use_t=True)
    assert effects.df[0] == 198
    assert effects.pvalues.iloc[0] == pytest.approx(own.pvalues["x"])


def test_uncorrected_degrees_of_freedom_are_those_of_statsmodels(data):
    fit = smf.ols("y ~ x", data).fit()
    assert asked(fit, data, groups="firm", df_correction=False).df[0] == fit.df_resid


def test_an_estimator_has_the_degrees_of_freedom_of_its_clustered_fit(data):
    fit_kwds = {"cov_type": "cluster", "cov_kwds": {"groups": codes(data, "firm")}}
    estimator = StatsmodelsEstimator(sm.OLS, fit_kwds={**fit_kwds, "use_t": True})
    estimator.fit(data[["x"]], data["y"])
    assert delta_effects(estimator, data[["x"]], STEPS).df[0] == 10


@pytest.mark.parametrize(
    "groups",
    [
        lambda d: ["firm", "year"],
        lambda d: d[["firm", "year"]],
        lambda d: [d["firm"], d["year"]],
    ],
    ids=["names", "table", "two columns"],
)
def test_two_ways_of_clusters_are_given_by_names_or_columns(data, groups):
    fit = smf.ols("y ~ x", data).fit()
    expected = asked(fit, data, groups=codes(data, "firm", "year"))
    effects = asked(fit, data, groups=groups(data))
    np.testing.assert_allclose(effects.bse, expected.bse, rtol=1e-12)


def test_time_of_panels_is_the_column_of_that_name(data):
    fit = smf.ols("y ~ x", data).fit()
    named, given = (
        delta_effects(
            fit,
            data,
            STEPS,
            cov_type="hac-panel",
            cov_kwds={"time": t, "maxlags": 1},
        )
        for t in ("x", data["x"].to_numpy())
    )
    assert named.bse.iloc[0] == given.bse.iloc[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cov_kwds": {"use_t": True}}, "goes with a cov_type"),
        (
            {"cov_type": "cluster", "cov_kwds": {"groups": "firm", "use_t": "yes"}},
            "must be True or False",
        ),
        (
            {"cov_type": "cluster", "cov_kwds": {"groups": "firm", "use_corection": 0}},
            "Did you mean 'use_correction'",
        ),
        ({"cov_type": "HC1", "cov_kwds": {"groups": "firm"}}, "does not take"),
        ({"cov_type": "nonrobust", "cov_kwds": {"maxlags": 1}}, "does not take"),
        (
            {"cov_type": "cluster", "cov_kwds": {"groups": np.zeros(200)}},
            "all rows in one cluster",
        ),
    ],
)
def test_options_of_a_covariance_that_would_have_no_effect_are_refused(
    data, options, message
):
    with pytest.raises(ValueError, match=message):
        delta_effects(smf.ols("y ~ x", data).fit(), data, STEPS, **options)


def few(results):
    return [note for note in results.notes if "fewer than 40 clusters" in note]


def test_few_clusters_are_counted_and_warned_of_in_the_words_of_regressions(data):
    groups = {"groups": codes(data, "firm")}
    own = smf.ols("y ~ x", data).fit(cov_type="cluster", cov_kwds=groups)
    effect = fme(lambda X: X["x"] ** 2, data[["x", "firm"]], {"x": 1})
    regression = ConditionalEffects.from_formula(effect, "x")
    by_firm = regression.fit("cluster", {"groups": "firm"})
    for results in (
        delta_effects(own, data, STEPS),
        asked(smf.ols("y ~ x", data).fit(), data, groups="firm"),
        average_effects(effect, groups="firm"),
    ):
        assert "11 clusters." in results.notes
        said, words = few(results)[0], few(by_firm)[0]
        assert said.split(";")[0] == words.split(";")[0]


def test_forty_clusters_and_covariances_for_few_are_not_warned_of(data):
    fit = smf.ols("y ~ x", data).fit()
    forty = np.arange(200) % 40
    assert "40 clusters." in asked(fit, data, groups=forty).notes
    assert not few(asked(fit, data, groups=forty))
    assert few(asked(fit, data, groups=np.arange(200) % 39))
    assert not few(
        average_effects(fme(fit, data, STEPS), groups="firm", cov_type="CR3")
    )


def test_both_ways_of_clusters_are_counted(data):
    fit = smf.ols("y ~ x", data).fit()
    assert "11 and 8 clusters." in asked(fit, data, groups=["firm", "year"]).notes


def test_the_clusters_of_gee_are_its_groups(data):
    fit = smf.gee("y ~ x", "firm", data).fit()
    effects = delta_effects(fit, data, STEPS)
    assert "11 clusters." in effects.notes
    assert "bias_reduced" in few(effects)[0]
    reduced = smf.gee("y ~ x", "firm", data).fit(cov_type="bias_reduced")
    assert not few(delta_effects(reduced, data, STEPS))


@pytest.mark.skipif(
    "cluster-crv3" not in descriptions, reason="statsmodels before 0.15"
)
def test_the_covariance_advised_for_few_clusters_is_one_that_can_be_asked_for(data):
    fit = smf.ols("y ~ x", data).fit()
    assert "cluster-crv3" in few(asked(fit, data, groups="firm"))[0]
    options = {"cov_type": "cluster-crv3", "cov_kwds": {"groups": "firm"}}
    effects = delta_effects(fit, data, STEPS, **options)
    assert effects.df[0] == 10
    assert not few(effects)


def test_a_negative_variance_of_two_ways_of_clustering_is_refused_with_a_way_out():
    rng = np.random.default_rng(0)
    ways = np.column_stack([rng.integers(0, 4, 60), rng.integers(0, 4, 60)])
    data = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60)})
    data["y"] = data["x"] + rng.normal(size=60)
    results = smf.ols("y ~ x + z", data).fit(
        cov_type="cluster", cov_kwds={"groups": ways}
    )
    assert np.diag(results.cov_params())[0] < 0
    with pytest.raises(ValueError, match="in the one way that has the fewer clusters"):
        delta_effects(results, data, {"x": 1})
