"""Crossed random effects against statsmodels' MixedLM, and the article means' OLS."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM

from benchmarks.readers import trials
from skfme import fme
from skfme.statsmodels import ConditionalEffects
from skfme.statsmodels._regression.crossed_reml import _Sums
from tests.statsmodels.effects import effect_of

GROUPS = {"subject": "subject", "article": "article"}
FORMULA = "fake * cue + w"


@pytest.fixture(scope="module")
def study():
    return trials(np.random.default_rng(7))


def crossed(frame, y, formula=FORMULA, groups=GROUPS, **options):
    return ConditionalEffects.mixed(y, formula, groups=groups, table=frame, **options)


def known(frame, y, components, formula=FORMULA):
    """MixedLM by REML and Powell's method, taken up once where it stopped early."""
    model = MixedLM.from_formula(
        f"y ~ {formula}",
        frame.assign(y=y, one=1),
        groups="one",
        vc_formula=components,
        use_sparse=True,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = model.fit(method=["powell"])
        start = first.params_object
        return model.fit(start_params=start, method=["powell"], ftol=1e-12)


def given_variances(theirs):
    """MixedLM's errors with the variances held fixed, as (XᵀV⁻¹X)⁻¹ has them.

    Its own come from the joint Hessian of coefficients and variances: up to 0.2 % more.
    """
    p = len(theirs.fe_params)
    hessian = theirs.model.hessian(theirs.params_object)[0]
    return np.sqrt(np.diag(np.linalg.inv(-hessian[:p, :p])))


COMPONENTS = {"subject": "0 + C(subject)", "article": "0 + C(article)"}


@pytest.mark.parametrize("share", [1.0, 0.8])
def test_crossed_reml_is_that_of_mixedlm(study, share):
    frame, y = study
    rows = np.random.default_rng(1).random(len(y)) < share
    results = crossed(frame[rows], y[rows]).fit()
    theirs = known(frame[rows], y[rows], COMPONENTS)
    np.testing.assert_allclose(results.params, theirs.fe_params, atol=1e-5)
    np.testing.assert_allclose(results.bse, given_variances(theirs), atol=1e-7)
    variances = results.variance_components
    names = theirs.model.exog_vc.names
    np.testing.assert_allclose(variances[names], theirs.vcomp, atol=1e-5)
    assert variances["Residual"] == pytest.approx(theirs.scale, abs=1e-5)
    assert results.converged
    assert list(results.params.index) == list(theirs.fe_params.index)


def test_slopes_are_variance_components(study):
    frame, y = study
    slope = np.random.default_rng(2).normal(0, 0.3, 42)
    moved = y + slope[frame["subject"].str[1:].astype(int)] * frame["fake"]
    slopes = {"slope": "0 + C(subject):fake"}
    results = crossed(frame, moved, vc_formula=slopes).fit()
    theirs = known(frame, moved, COMPONENTS | slopes)
    np.testing.assert_allclose(results.bse, given_variances(theirs), atol=1e-6)
    assert results.variance_components["slope"] == pytest.approx(0.09, abs=0.05)
    assert results.bse["fake"] > 1.05 * crossed(frame, moved).fit().bse["fake"]


def test_the_slope_of_the_deviance_is_its_derivative(study):
    frame, y = study
    model = crossed(frame, y)
    exog = np.linalg.qr(model.design.exog)[0]
    values = y.to_numpy()
    loadings = [part.loadings for part in model.components.values()]
    sums = _Sums.of(exog, values - exog @ (exog.T @ values), loadings)
    at, h = np.array([-1.3, -2.4]), 1e-5
    for k, direction in enumerate(np.eye(2)):
        ends = [sums.deviance(at + s * h * direction)[0] for s in (1, -1)]
        assert sums.deviance(at)[1][k] == pytest.approx(
            (ends[0] - ends[1]) / (2 * h), rel=1e-6
        )


def test_balanced_articles_are_the_regression_of_their_means(study):
    # Exact, whatever the variance of subjects: t with 40 − 4 degrees of freedom.
    frame, y = study
    results = crossed(frame, y, "fake * cue").fit()
    means = frame.assign(y=y).groupby("article")[["y", "fake", "cue"]].mean()
    ols = OLS.from_formula("y ~ fake * cue", means).fit()
    np.testing.assert_allclose(results.params, ols.params, rtol=1e-8)
    np.testing.assert_allclose(results.bse[1:], ols.bse[1:], rtol=1e-6)
    np.testing.assert_allclose(results.pvalues[1:], ols.pvalues[1:], rtol=1e-6)
    np.testing.assert_allclose(
        results.conf_int().iloc[1:], ols.conf_int().iloc[1:], rtol=1e-5
    )


def test_degrees_of_freedom_are_those_of_the_level_of_a_term(study):
    frame, y = study
    results = crossed(frame, y).fit()
    # Four terms are constant within articles; w has rows, less the rank of all columns.
    w = 1680 - (1 + 41 + 39 + 1)
    assert dict(zip(results.names, results.df, strict=True)) == {
        "Intercept": 36,
        "fake": 36,
        "cue": 36,
        "fake:cue": 36,
        "w": w,
    }
    assert results.t_test("fake:cue = w").df_denom == 36
    age = np.random.default_rng(0).normal(size=42)
    aged = frame.assign(age=age[frame["subject"].str[1:].astype(int)])
    assert crossed(aged, y, "cue + age").fit().df.tolist() == [38, 38, 40]


def test_a_slope_of_subjects_leaves_the_term_their_number(study):
    frame, y = study
    slopes = {"slope": "0 + C(subject):w"}
    results = crossed(frame, y, vc_formula=slopes).fit()
    assert results.df[-1] == 42 - 1


def test_the_residuals_of_predicted_effects_are_those_of_mixedlm(study):
    frame, y = study
    results = crossed(frame, y).fit()
    theirs = known(frame, y, COMPONENTS).random_effects[1]
    for name, effects in results.random_effects.items():
        mine = [theirs[f"{name}[C({name})[{level}]]"] for level in effects.index]
        np.testing.assert_allclose(effects, mine, atol=1e-4)


def test_units_and_offsets_do_not_matter(study):
    frame, y = study
    one, other = crossed(frame, y).fit(), crossed(frame, 1e-6 * (y + 1000)).fit()
    np.testing.assert_allclose(other.tvalues[1:], one.tvalues[1:], rtol=1e-5)
    np.testing.assert_allclose(
        other.variance_components, 1e-12 * one.variance_components, rtol=1e-5
    )


def test_a_variance_of_zero_is_told(study):
    frame, _ = study
    y = np.random.default_rng(0).normal(size=1680)
    y -= pd.Series(y).groupby(frame["article"]).transform("mean").to_numpy()
    results = crossed(frame, y, "w").fit()
    assert results.variance_components["article"] == 0
    assert results.converged
    assert (results.random_effects["article"] == 0).all()
    assert "variance of article" in results.summary()
    # What is left is the model of subjects alone.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its variance of subjects is near zero
        alone = ConditionalEffects.mixed(y, "w", groups="subject", table=frame).fit()
    np.testing.assert_allclose(results.bse, alone.bse, rtol=1e-3)


def test_what_does_not_vary_around_its_fit_has_no_variance(study):
    frame, _ = study
    results = crossed(frame, 2 + 3 * frame["w"], "w").fit()
    np.testing.assert_allclose(results.params, [2, 3])
    assert (results.variance_components == 0).all()
    assert (results.bse == 0).all()


def test_a_fit_that_does_not_converge_is_told(study):
    frame, y = study
    with pytest.warns(RuntimeWarning, match="did not converge"):
        results = crossed(frame, y).fit(max_iter=1)
    assert not results.converged
    assert "did not converge" in results.summary()


def test_effects_are_taken_as_responses_are(study):
    frame, y = study
    told = frame.assign(y=y)
    effect = fme(lambda X: X["w"] * X["y"], told, {"w": 1}, extrapolation=None)
    results = ConditionalEffects.mixed(effect, FORMULA, groups=GROUPS).fit()
    np.testing.assert_allclose(results.bse, crossed(frame, y).fit().bse, rtol=1e-8)
    assert results.covers == "sample"
    text = str(crossed(frame, y).fit())
    assert "Crossed mixed model of fixations on fake * cue + w" in text
    assert "model held fixed" not in text
    assert "42 subject, 40 article" in text


def test_labels_beside_the_table_and_missing_rows_are_taken(study):
    frame, y = study
    holes = y.where(y.index % 7 != 0)
    lacking = frame.assign(cue=frame["cue"].where(frame.index % 11 != 0))
    labels = {name: frame[name].to_numpy() for name in GROUPS}
    results = crossed(lacking.drop(columns=list(GROUPS)), holes, groups=labels).fit()
    kept = (frame.index % 7 != 0) & (frame.index % 11 != 0)
    expected = crossed(frame[kept], y[kept]).fit()
    np.testing.assert_allclose(results.bse, expected.bse, rtol=1e-9)
    assert results.nobs[0] == kept.sum()


def test_nested_groupings_are_taken(study):
    frame, y = study
    nested = frame.assign(site=frame["subject"].str[1:].astype(int) % 6)
    results = crossed(nested, y, "w", {"site": "site", "subject": "subject"}).fit()
    theirs = known(nested, y, {"site": "0 + C(site)", "subject": "0 + C(subject)"}, "w")
    np.testing.assert_allclose(results.bse, given_variances(theirs), atol=1e-6)
    assert results.df[0] == 6 - 1


def test_one_grouping_in_a_mapping_is_a_model_of_subjects(study):
    frame, y = study
    options = {"formula": "w", "table": frame}
    one = ConditionalEffects.mixed(y, groups={"reader": "subject"}, **options).fit()
    other = ConditionalEffects.mixed(y, groups="subject", **options).fit()
    np.testing.assert_array_equal(one.bse, other.bse)
    assert one.covers == "rows"


def test_formulas_see_the_callers_functions(study):
    frame, y = study

    def doubled(column):
        return 2 * column

    results = crossed_here = ConditionalEffects.mixed(
        y, "doubled(w)", groups=GROUPS, table=frame
    ).fit()
    plain = crossed(frame, y, "w").fit()
    assert 2 * results.params.iloc[1] == pytest.approx(plain.params["w"])
    assert str(pickle.loads(pickle.dumps(crossed_here))) == str(results)


ROWS = np.arange(1680)
REFUSED = {
    "one group": ({"groups": GROUPS | {"article": np.ones(1680)}}, "has 1 level"),
    "a level per row": ({"groups": GROUPS | {"article": ROWS}}, "every row a level"),
    "equal groups": (
        {"groups": {"subject": "subject", "again": ROWS // 40}},
        "'subject' and 'again' group the rows alike",
    ),
    "fewer articles than parameters": (
        {"groups": GROUPS | {"article": "fake"}, "formula": "fake"},
        "'article' has 2 levels, and 2 coefficients",
    ),
    "a misspelt column": ({"groups": GROUPS | {"article": "articles"}}, "Did you mean"),
    "two columns at once": (
        {"groups": GROUPS | {"article": ["article", "fake"]}},
        "has 2 columns",
    ),
    "a missing label": (
        {"groups": GROUPS | {"article": [None, *ROWS[1:]]}},
        r"groups\['article'\] is missing in 1 of 1680",
    ),
    "no groups": ({"groups": {}}, "groups is empty"),
    "random slopes of one": ({"re_formula": "~ cue"}, "re_formula is for one"),
    "collinear terms": ({"formula": "cue + I(2 * cue)"}, "design is singular"),
}


@pytest.mark.parametrize(("options", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_models_that_cannot_be_told_apart_are_refused(study, options, message):
    frame, y = study
    with pytest.raises(ValueError, match=message):
        crossed(frame, y, **options).fit()


def test_weights_are_refused(study):
    frame, y = study
    with pytest.raises(ValueError, match="takes no weights"):
        ConditionalEffects.mixed(
            effect_of(y, frame, 1.0 + ROWS % 3), FORMULA, groups=GROUPS
        )


def test_crossed_intervals_cover_where_plain_ones_do_not():
    # 4 Monte-Carlo errors; benchmarks/studies.py has the large one.
    rng = np.random.default_rng(7)
    runs, covered = 150, []
    for _ in range(runs):
        frame, y = trials(rng, 21, 20)
        plain = ConditionalEffects.from_response(y, frame, "fake * cue").fit()
        ends = [crossed(frame, y, "fake * cue").fit().conf_int(), plain.conf_int()]
        covered.append(
            [e.loc["fake:cue", 0] <= 0.15 <= e.loc["fake:cue", 1] for e in ends]
        )
    mixed, plain = np.mean(covered, axis=0)
    assert abs(mixed - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs)
    assert plain < 0.85
