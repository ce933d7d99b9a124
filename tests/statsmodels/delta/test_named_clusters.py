"""Clusters by the name of a column of the table that a model was fitted on."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from skfme.statsmodels import delta_effects


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=120)}, index=np.arange(120)[::-1])
    data["village"] = [f"v{i}" for i in np.arange(120) // 8]
    data["y"] = data["x"] + np.repeat(rng.normal(size=15), 8) + rng.normal(size=120)
    data.loc[[7, 50], "x"] = np.nan
    return data


@pytest.mark.parametrize("fit", [smf.ols, smf.glm], ids=["OLS", "GLM"])
def test_named_clusters_are_those_given_for_each_row_of_the_fit(data, fit):
    fitted = fit("y ~ x", data).fit()
    used = data.dropna()
    codes = pd.factorize(used["village"])[0]
    named, given = (
        delta_effects(
            fitted, used, {"x": 1}, cov_type="cluster", cov_kwds={"groups": groups}
        ).bse
        for groups in ("village", codes)
    )
    np.testing.assert_allclose(named, given, rtol=1e-14)
    refitted = fit("y ~ x", data).fit(cov_type="cluster", cov_kwds={"groups": codes})
    assert named.iloc[0] == pytest.approx(refitted.bse["x"])


def test_named_clusters_do_not_need_labels_of_rows(data):
    unlabelled = data.set_axis([0] * len(data))
    named, given = (
        delta_effects(
            smf.ols("y ~ x", table).fit(),
            table.dropna(),
            {"x": 1},
            cov_type="cluster",
            cov_kwds={"groups": "village"},
        ).bse
        for table in (unlabelled, data)
    )
    np.testing.assert_array_equal(named, given)


@pytest.mark.parametrize(
    ("change", "groups", "message"),
    [
        (lambda d: d, "vilage", "Did you mean 'village'"),
        (
            lambda d: d.assign(village=d["village"].where(d["x"] > -1)),
            "village",
            "missing",
        ),
    ],
)
def test_names_that_say_no_cluster_are_refused(data, change, groups, message):
    data = change(data)
    fitted = smf.ols("y ~ x", data).fit()
    with pytest.raises(ValueError, match=message):
        delta_effects(
            fitted,
            data.dropna(subset="x"),
            {"x": 1},
            cov_type="cluster",
            cov_kwds={"groups": groups},
        )


def test_a_model_without_a_table_is_given_labels(data):
    used = data.dropna()
    fitted = sm.OLS(used["y"], used[["x"]]).fit()
    with pytest.raises(ValueError, match="names no column of the data"):
        delta_effects(
            fitted,
            used[["x"]],
            {"x": 1},
            cov_type="cluster",
            cov_kwds={"groups": "village"},
        )
