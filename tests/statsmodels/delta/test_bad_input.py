"""delta_effects on input that does not fit: an error or a warning that says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from skfme import Contrast, profiles
from skfme.statsmodels import StatsmodelsEstimator, delta_effects
from skfme.statsmodels._delta.estimates import _refuse_too_many
from tests.statsmodels.models.fits import data, fit

STEP = {"x": 1}


def refused(kind, match, *args, **kwds):
    with pytest.raises(kind, match=match):
        delta_effects(*args, **kwds)


# The model


def test_an_unfitted_model_is_refused():
    model = smf.ols("y ~ x", data())
    refused(TypeError, r"OLS model is not fitted.*fit\(\)", model, data(), STEP)
    refused(
        TypeError,
        "StatsmodelsEstimator is not fitted",
        *(StatsmodelsEstimator(), data(), STEP),
    )


def test_a_predict_that_is_not_the_models_is_refused():
    results = smf.ols("y ~ x", data()).fit()
    results.predict = lambda X: 2 * X["x"]
    refused(ValueError, r"\.predict was replaced", results, data(), STEP)

    class Doubled(StatsmodelsEstimator):
        def predict(self, X):
            return 2 * super().predict(X)

    doubled = Doubled().fit(data()[["x"]], data()["y"])
    match = r"Doubled\.predict is none of a library's own"
    refused(ValueError, match, doubled, data()[["x"]], STEP)


def test_models_of_other_libraries_are_sent_elsewhere():
    other = DecisionTreeRegressor().fit(data()[["x"]], data()["y"])
    match = "DecisionTreeRegressor is no linear.*average_effects"
    refused(TypeError, match, other, data(), STEP)
    match = "function is not a fitted parametric model.*linearmodels.*average_effects"
    refused(TypeError, match, lambda X: X["x"], data(), STEP)
    refused(TypeError, "Expected the results of a fit", "a model", data(), STEP)


def test_a_fit_that_did_not_converge_is_named():
    with pytest.warns(ConvergenceWarning):
        results = smf.logit("b ~ x * z", data()).fit(maxiter=1, disp=0)
    with pytest.warns(ConvergenceWarning, match="The Logit fit did not converge") as w:
        delta_effects(results, data(), STEP)
    assert w[0].filename == __file__
    results = smf.glm("b ~ x", data(), family=sm.families.Binomial()).fit(maxiter=1)
    with pytest.warns(ConvergenceWarning, match="The GLM fit did not converge"):
        delta_effects(results, data(), STEP)


@pytest.mark.filterwarnings("ignore")  # statsmodels says a lot of such fits
def test_separated_classes_have_large_errors_and_no_nan():
    rows = data().assign(b=(data()["x"] > 0).astype(int))
    glm = smf.glm("b ~ x", rows, family=sm.families.Binomial())
    effects = delta_effects(glm.fit(maxiter=100), rows, [{"x": 1}, {"x": 1e4}])
    assert np.isfinite(effects.to_frame().drop(columns="effect")).all(axis=None)


def test_covariates_that_repeat_one_another_are_named():
    rows = data().assign(twice=2 * data()["x"])
    results = smf.ols("y ~ x + twice + z", rows).fit()
    with pytest.warns(UserWarning, match=r"rank 3 of 4.*'x \+1'.*fit alike") as w:
        effects = delta_effects(results, rows, [{"x": 1}, {"z": 1}])
    assert "'z +1'" not in str(w[0].message)  # which the data determine
    assert w[0].filename == __file__
    plain = smf.ols("y ~ x + z", rows).fit()
    assert effects.bse.iloc[1] == pytest.approx(plain.bse["z"], rel=1e-6)


def test_together_they_are_determined(recwarn):
    rows = data().assign(twice=2 * data()["x"])
    results = smf.ols("y ~ x + twice + z", rows).fit()
    recwarn.clear()
    joint = delta_effects(results, rows, {"x": 1, "twice": 2})
    assert not recwarn.list
    plain = delta_effects(smf.ols("y ~ x + z", rows).fit(), rows, {"x": 1})
    assert joint.bse.iloc[0] == pytest.approx(plain.bse.iloc[0], rel=1e-6)


def test_large_numbers_are_not_taken_for_repeated_covariates(recwarn):
    rows = data().assign(year=2000 + 10 * data()["z"])
    results = smf.ols("y ~ year + I(year**2) + x", rows).fit()
    recwarn.clear()
    delta_effects(results, rows, {"year": 1})
    assert not recwarn.list


@pytest.mark.parametrize(
    ("cov", "match"),
    [
        (np.eye(3), r"cov has shape \(3, 3\); expected \(7, 7\)"),
        (np.full((7, 7), np.nan), "cov has NaN or infinite entries"),
        (np.triu(np.ones((7, 7))), "cov is not a covariance: symmetric"),
        (-np.eye(7), "variances at least 0"),
        (
            "HC1",
            "cov must be a matrix of shape .* got 'HC1'. The name of a type goes to",
        ),
    ],
)
def test_a_matrix_that_is_no_covariance_is_refused(cov, match):
    refused(ValueError, match, fit("ols"), data(), STEP, cov=cov)


@pytest.mark.parametrize(
    ("name", "kwds", "match"),
    [
        ("ols", {"cov_type": "HC9"}, "cov_type='HC9'"),
        ("logit", {"cov_type": "cluster"}, "needs cov_kwds=.'groups'"),
        ("ols", {"cov": np.eye(7), "cov_type": "HC1"}, "either cov or cov_type"),
        ("ols", {"covers": "all"}, "covers must be one of"),
    ],
    ids=["unknown type", "cluster without groups", "matrix and type", "covers"],
)
def test_a_covariance_that_cannot_be_had_is_refused(name, kwds, match):
    refused(ValueError, match, fit(name), data(), STEP, **kwds)


@pytest.mark.parametrize("name", ["gee", "mixedlm", "ols"])
def test_dependent_rows_are_no_independent_draws(name):
    kwds = {"cov_type": "cluster", "cov_kwds": {"groups": data()["firm"]}}
    kwds = kwds if name == "ols" else {}
    refused(
        ValueError, "independent draws.*covers='parameters'", fit(name), data(), STEP,
        covers="sample + parameters", **kwds,
    )  # fmt: skip


# Steps and data


UNUSED = "change 'w', which the formula .* does not use.*Known: 'x', 'z'"


@pytest.mark.parametrize(
    ("steps", "match"),
    [
        ({"w": 1}, UNUSED),
        ([{"x": 1}, {"z": 1, "w": 1}], UNUSED),
        ({"xx": 1}, "'xx', which is not a column"),
    ],
    ids=["unused", "unused in a joint step", "unknown"],
)
def test_a_step_on_a_column_that_the_formula_lacks_is_refused(steps, match):
    refused(ValueError, match, fit("ols"), data(), steps)


def test_a_step_on_the_constant_of_an_array_is_refused():
    X = sm.add_constant(data()[["x", "z"]]).to_numpy()
    results = sm.OLS(data()["y"].to_numpy(), X).fit()
    refused(ValueError, "change 0, which the model", results, X, {0: 1})


RENAMED = data().rename(columns={"z": "zed"})


def test_a_column_of_the_formula_that_the_data_lack_is_named():
    match = "lack the column 'z', which the formula .*Known: 'x', 'zed'"
    refused(ValueError, match, fit("ols"), RENAMED, STEP)


@pytest.mark.parametrize(
    ("table", "steps", "match"),
    [
        (RENAMED, STEP, "lack the column 'z' of"),
        (
            data()[["x", "z", "d", "w"]].to_numpy(),
            {0: 1},
            "data have 4 columns; .* expects 2",
        ),
        (
            data()[["x", "c"]].rename(columns={"c": "z"}),
            STEP,
            "'z' is not numeric",
        ),
    ],
    ids=["another name", "too many columns", "text"],
)
def test_data_that_do_not_fit_the_design_of_arrays_are_refused(table, steps, match):
    results = sm.OLS(data()["y"], data()[["x", "z"]]).fit()
    refused(ValueError, match, results, table, steps)


def test_a_category_that_was_never_seen_is_refused():
    refused(ValueError, "'q' is not a category of 'c'", fit("ols"), data(), {"c": "q"})
    new = data().assign(c=data()["c"].astype(str).replace("a", "new"))
    refused(ValueError, "could not be built from the data", fit("ols"), new, STEP)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (-np.ones(240), "sample_weight is negative in 240 rows"),
        (np.zeros(240), "zero"),
        (np.ones(239), "sample_weight"),
        (np.full(240, np.nan), "NaN"),
    ],
    ids=["negative", "zero", "too few", "missing"],
)
def test_weights_that_are_none_are_refused(weights, match):
    refused(ValueError, match, fit("ols"), data(), STEP, sample_weight=weights)


@pytest.mark.parametrize(
    ("by", "match"),
    [
        (np.ones(3), r"by has shape \(3,\)"),
        ("cc", "by names 'cc'"),
        (
            pd.Series(np.ones(240), name="effect"),
            "by names 'effect', which is a column of the results",
        ),
    ],
    ids=["too few", "unknown", "a name that is taken"],
)
def test_groups_that_cannot_be_formed_are_refused(by, match):
    refused(ValueError, match, fit("ols"), data(), STEP, by=by)


def test_more_groups_than_memory_holds_are_refused():
    match, groups = "240 estimates have a joint covariance", np.arange(240)
    with config_context(working_memory=0.1):
        refused(ValueError, match, fit("ols"), data(), STEP, by=groups)


def test_an_output_that_the_model_lacks_is_refused():
    match = "output='9' is no output of the effect.*Known: '0'"
    refused(ValueError, match, fit("mnlogit"), data(), STEP, output="9")


def test_infinite_and_missing_data_are_refused():
    infinite = data().assign(x=np.inf)
    refused(ValueError, "X contains infinity in x", fit("ols"), infinite, STEP)
    missing = data().assign(x=np.nan)
    match = r"No row counts for the effect 'z \+1' \(missing: 240\)"
    refused(ValueError, match, fit("ols"), missing, {"z": 1})


def test_predictions_beyond_numbers_are_refused():
    with np.errstate(all="ignore"):
        match = r"Poisson predicts NaN or infinity in \d+ of .* 'x \+5000'"
        refused(ValueError, match, fit("poisson"), data(), {"x": 5000})


def test_groups_of_which_no_row_counts_are_named():
    rows = data().assign(x=data()["x"].where(data()["c"] != "b"))
    with pytest.warns(UserWarning, match=r"No row counts for 'z \+1' where c=b") as w:
        effects = delta_effects(fit("ols"), rows, {"z": 1}, by="c")
    assert w[0].filename == __file__
    assert effects.labels["c"].tolist() == ["a", "c"]


def test_regularised_fits_have_no_covariance():
    results = smf.ols("y ~ x + z", data()).fit_regularized(alpha=0.1, L1_wt=0.0)
    match = r"has no cov_params\(\), as regularised fits"
    refused(TypeError, match, results, data(), STEP)
    effects = delta_effects(results, data(), STEP, cov=np.eye(3))
    assert effects.bse.iloc[0] == pytest.approx(1.0)


def test_a_model_without_a_design_matrix_is_refused():
    series = sm.tsa.SARIMAX(data()["y"].to_numpy(), order=(1, 0, 0)).fit(disp=0)
    with pytest.raises((ValueError, TypeError), match="design matrix|not a fitted"):
        delta_effects(series, data(), {"d": Contrast(0, 1)})


def test_splines_say_where_they_end():
    results = smf.ols("y ~ bs(x, df=5)", data()).fit()
    refused(ValueError, "could not be built .*fall outside the outermost knots",
            results, data(), {"x": 5})  # fmt: skip
    inside = delta_effects(results, data(), {"x": 0.5}, extrapolation="envelope")
    assert inside.nobs[0] < len(data())


@pytest.mark.parametrize(
    ("rows", "by", "cell"),
    [
        (lambda table: table.iloc[[4]], None, "'x \\+1'"),
        (
            lambda table: profiles(table, x=[0, 1]),
            "x",
            "'x \\+1' where x=0.*; 'x \\+1' where x=1.*",
        ),
    ],
    ids=["one row", "profiles"],
)
def test_the_choice_of_one_row_cannot_be_covered(rows, by, cell):
    results, table = smf.ols("y ~ x", data()).fit(), rows(data())
    refused(
        ValueError,
        f"one row counts for {cell}: its variance .* profiles",
        *(results, table, STEP),
        by=by,
        covers="sample + parameters",
    )
    assert (delta_effects(results, table, STEP, by=by).bse > 0).all()


def test_the_memory_of_a_joint_covariance_is_8_bytes_a_pair():
    with config_context(working_memory=8):
        _refuse_too_many(1000)  # 7.6 MB
    with (
        config_context(working_memory=7),
        pytest.raises(ValueError, match="1,000 estimates .* of 8 MB, more"),
    ):
        _refuse_too_many(1000)
