"""Mixed models of effects against statsmodels' MixedLM on the same data."""

import pickle

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.mixed_linear_model import MixedLM

from skfme.statsmodels import ConditionalEffects
from tests.statsmodels.effects import effect_of


@pytest.fixture
def repeated():
    """Twelve rows of each of 40 subjects, under two cues."""
    rng = np.random.default_rng(0)
    subject = np.repeat(np.arange(40), 12)
    X = pd.DataFrame(
        {
            "subject": np.array([f"s{i:02}" for i in range(40)])[subject],
            "cue": np.tile(["no", "yes"], 240),
            "age": rng.integers(20, 60, 480).astype(float),
            "item": rng.integers(0, 6, 480).astype(str),
        }
    )
    slope = rng.normal(0, 0.7, 40)[subject]
    yes = (X["cue"] == "yes").to_numpy()
    values = 1 + (0.8 + slope) * yes + rng.normal(0, 1, 40)[subject]
    return X, values + 0.02 * X["age"].to_numpy() + rng.normal(size=480)


@pytest.mark.parametrize("re_formula", [None, "~ cue"])
@pytest.mark.parametrize("reml", [True, False])
def test_mixed_models_are_statsmodels(repeated, re_formula, reml):
    X, values = repeated
    values = values.copy()
    values[5:9] = np.nan
    X = X.assign(age=X["age"].where(X.index != 30))
    model = ConditionalEffects.mixed(
        effect_of(values, X), "cue + age", groups="subject", re_formula=re_formula
    )
    results = model.fit(reml=reml)
    frame = X.assign(y=values).dropna()
    known = MixedLM.from_formula(
        "y ~ cue + age", frame, groups="subject", re_formula=re_formula
    ).fit(reml=reml)
    np.testing.assert_allclose(results.params, known.fe_params, rtol=1e-7)
    np.testing.assert_allclose(results.bse, known.bse_fe, rtol=1e-6)
    np.testing.assert_allclose(results.pvalues, known.pvalues[:3], rtol=1e-4)
    assert list(results.params.index) == list(known.fe_params.index)
    assert list(results.nobs) == [475] * 3
    intercept = np.asarray(known.cov_re)[0, 0]
    assert results.icc == pytest.approx(intercept / (intercept + known.scale), rel=1e-5)
    assert results.variance_components["Residual"] == pytest.approx(
        known.scale, rel=1e-6
    )
    effects = results.random_effects
    assert list(effects.index[:2]) == ["s00", "s01"]
    first = known.random_effects["s01"].to_numpy()
    np.testing.assert_allclose(effects.loc["s01"], first, rtol=1e-4, atol=1e-7)


def test_the_intraclass_correlation_of_balanced_data_is_that_of_anova(repeated):
    # REML of a balanced design with a random intercept is the ANOVA estimator.
    X, values = repeated
    results = ConditionalEffects.mixed(
        effect_of(values, X), "1", groups="subject"
    ).fit()
    table = values.reshape(40, 12)
    between = 12 * table.mean(axis=1).var(ddof=1)
    within = table.var(axis=1, ddof=1).mean()
    icc = (between - within) / (between + 11 * within)
    assert results.icc == pytest.approx(icc, rel=1e-4)
    assert results.design_effect == pytest.approx(1 + 11 * icc, rel=1e-4)
    # The simplest valid alternative: a t test over subjects' means.
    known = table.mean(axis=1).std(ddof=1) / np.sqrt(40)
    assert results.bse.iloc[0] == pytest.approx(known, rel=1e-4)
    assert "Intraclass correlation" in results.summary()


def test_other_groupings_are_variance_components(repeated):
    X, values = repeated
    vc = {"item": "0 + C(item)"}
    results = ConditionalEffects.mixed(
        effect_of(values, X), "cue", groups="subject", vc_formula=vc
    ).fit()
    known = MixedLM.from_formula(
        "y ~ cue", X.assign(y=values), groups="subject", re_formula="1", vc_formula=vc
    ).fit()
    np.testing.assert_allclose(results.bse, known.bse_fe, rtol=1e-5)
    assert results.variance_components["item"] == pytest.approx(
        known.vcomp[0], abs=1e-6
    )


def test_formulas_see_the_callers_functions(repeated):
    X, values = repeated

    def decades(column):
        return column / 10

    def centred(column):
        return column - 40

    results = ConditionalEffects.mixed(
        effect_of(values, X),
        "decades(age)",
        groups="subject",
        re_formula="centred(age)",
    ).fit(reml=False)
    frame = X.assign(y=values, a=X["age"] / 10, b=X["age"] - 40)
    known = MixedLM.from_formula("y ~ a", frame, groups="subject", re_formula="~ b")
    np.testing.assert_allclose(results.bse, known.fit(reml=False).bse_fe, rtol=1e-4)


def test_subjects_may_be_labels_that_the_model_never_saw(repeated):
    X, values = repeated
    known = ConditionalEffects.mixed(
        effect_of(values, X), "cue", groups="subject"
    ).fit()
    bare = X.drop(columns="subject")
    results = ConditionalEffects.mixed(
        effect_of(values, bare), "cue", groups=X["subject"].to_numpy()
    ).fit()
    np.testing.assert_array_equal(results.bse, known.bse)
    again = pickle.loads(pickle.dumps(results))
    assert again.icc == results.icc
    assert str(again) == str(results)


@pytest.mark.parametrize("scale", [1e-6, 1e5])
def test_units_do_not_matter(repeated, scale):
    X, values = repeated
    one = ConditionalEffects.mixed(effect_of(values, X), "cue", groups="subject").fit()
    other = ConditionalEffects.mixed(
        effect_of(scale * values, X), "cue", groups="subject"
    ).fit()
    np.testing.assert_allclose(other.tvalues, one.tvalues, rtol=1e-4)
    assert other.icc == pytest.approx(one.icc, rel=1e-3)


def test_a_fit_that_does_not_converge_is_reported(repeated):
    X, values = repeated
    model = ConditionalEffects.mixed(
        effect_of(values, X), "cue", groups="subject", re_formula="~ cue"
    )
    with pytest.warns(RuntimeWarning, match="did not converge"):
        results = model.fit(method="bfgs", maxiter=1)
    assert "did not converge" in results.summary()


REFUSED = {
    "a misspelt column": (
        {"groups": "sub"},
        "groups names 'sub'.*Did you mean 'subject'",
    ),
    "one subject": ({"groups": np.ones(480)}, "has 1 subject"),
    "as many subjects as rows": ({"groups": np.arange(480)}, "every row a subject"),
    "two grouping factors": ({"groups": ["subject", "item"]}, "2 columns"),
    "a misspelt covariate": ({"formula": "cues"}, "'cues' is not a column"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_groups_and_covariates_that_do_not_fit_are_refused(repeated, options, message):
    X, values = repeated
    arguments = {"formula": "cue", "groups": "subject"} | options
    with pytest.raises(ValueError, match=message):
        ConditionalEffects.mixed(effect=effect_of(values, X), **arguments)


def test_a_missing_subject_is_refused(repeated):
    X, values = repeated
    with pytest.raises(ValueError, match="groups is missing in 1 of 480"):
        ConditionalEffects.mixed(
            effect_of(values, X), "cue", groups=[None, *X["subject"][1:]]
        )


def test_several_outputs_are_refused(repeated):
    X, values = repeated
    two = effect_of(np.column_stack([values, values]), X)
    with pytest.raises(ValueError, match="2 outputs.*output='y1'"):
        ConditionalEffects.mixed(two, "cue", groups="subject")


def test_weights_are_refused_unless_all_are_equal(repeated):
    X, values = repeated
    with pytest.raises(ValueError, match="takes no weights"):
        ConditionalEffects.mixed(
            effect_of(values, X, np.arange(1, 481)), "cue", groups="subject"
        )
    same = effect_of(values, X, np.full(480, 2.0))
    results = ConditionalEffects.mixed(same, "cue", groups="subject").fit()
    assert results.bse.notna().all()
