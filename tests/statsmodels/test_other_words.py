"""Words of other packages, and near misses: errors that name what is meant."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from skfme import Contrast, ame, came, fme, profiles
from skfme.statsmodels import BootstrapResults, EffectTree, delta_effects


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": list("abc") * 20})
    data["year"] = np.array([2000, 2004, 2005])[np.arange(60) // 20]
    data["y"] = data["x"] * data["year"].sub(2000) + rng.normal(size=60)
    return data


@pytest.fixture(scope="module")
def fit(data):
    return smf.ols("y ~ x * C(year) + g", data).fit()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"vcov": "HC3"}, "cov_type='HC3'.*cov_kwds.*cov="),
        ({"variables": {"x": 1}}, "steps"),
        ({"weights": "x"}, "sample_weight="),
        ({"wts": "x"}, "sample_weight="),
        ({"groups": "g"}, "cov_kwds.*by="),
        ({"ep_method": "envelope"}, "extrapolation='envelope'"),
        ({"hypothesis": "b1 = 0"}, "nonlinear_test"),
        ({"cov_typ": "HC3"}, "Did you mean 'cov_type'"),
        ({"unknown": 1}, "Known: 'results', 'data'"),
    ],
)
def test_keywords_of_other_packages_are_answered_with_those_of_delta_effects(
    data, fit, option, message
):
    match = f"{next(iter(option))!r} is no parameter of delta_effects.*{message}"
    with pytest.raises(TypeError, match=match):
        delta_effects(fit, data, {"x": 1}, **option)


def test_delta_effects_without_data_asks_for_the_rows(fit):
    with pytest.raises(TypeError, match="needs data, the rows to average over"):
        delta_effects(fit)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cov_type": "CR3", "cov_kwds": {"groups": "g"}},
            "no type of statsmodels.*average_effects.*ConditionalEffects",
        ),
        ({"cov_type": "cluster"}, r"needs cov_kwds=\{'groups': …\}"),
    ],
)
def test_covariances_by_clusters_say_who_takes_them_and_what_they_need(
    data, fit, options, message
):
    with pytest.raises(ValueError, match=message):
        delta_effects(fit, data, {"x": 1}, **options)


@pytest.mark.parametrize("function", [fme, delta_effects])
@pytest.mark.parametrize(
    ("step", "contrast"),
    [
        ({"g": ("c", "a")}, r"Contrast\('c', 'a'\)"),
        ({"g": "pairwise"}, r"Contrast\('a', 'b'\)"),
        ({"year": (2004, 2005)}, r"Contrast\(2004, 2005\)"),
        ({"year": "revpairwise"}, r"Contrast\(2000, 2004\)"),
        ({"year": 1}, r"Contrast\(2000, 2004\)"),
    ],
)
def test_what_is_no_category_is_answered_by_a_contrast(
    data, fit, function, step, contrast
):
    with pytest.raises(ValueError, match=f"is not a category.*{contrast}"):
        function(fit, data, step)


def test_the_contrast_that_the_error_names_can_be_taken(data, fit):
    effects = delta_effects(fit, data, {"year": Contrast(2000, 2004)})
    assert effects.names == ["year 2000 -> 2004"]


def test_a_misspelled_category_is_not_answered_by_a_contrast(data, fit):
    with pytest.raises(ValueError, match="'z' is not a category") as error:
        fme(fit, data, {"g": "z"})
    assert "Contrast" not in str(error.value)


@pytest.mark.parametrize("function", [fme, delta_effects])
def test_none_in_quotes_is_none_without_them(data, fit, function):
    with pytest.raises(ValueError, match="None without quotes counts all rows"):
        function(fit, data, {"x": 1}, extrapolation="none")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"ep_method": "envelope"}, "extrapolation='envelope'"),
        ({"weights": "x"}, "sample_weight="),
    ],
)
def test_keywords_of_other_packages_are_answered_with_those_of_fme(
    data, fit, option, message
):
    with pytest.raises(TypeError, match=message):
        ame(fit, data, {"x": 1}, **option)


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"number_partitions": 2}, TypeError, "n_partitions="),
        ({"min_sample_leaf": 2}, TypeError, "Did you mean 'min_samples_leaf'"),
        ({"method": "rpart"}, ValueError, "'cart' for R's rpart"),
        ({"method": "partykit"}, ValueError, "'ctree' for partykit"),
    ],
)
def test_words_of_other_trees_are_answered_with_ours(data, fit, option, error, message):
    effect = fme(fit, data, {"x": 1})
    with pytest.raises(error, match=message):
        came(effect, **option)
    if "method" in option:
        with pytest.raises(error, match=message):
            EffectTree(**option).fit(data[["x"]], data["y"])


@pytest.mark.parametrize(
    ("method", "ours"), [("tukey", "max-t"), ("Tukey", "max-t"), ("BH", "fdr_bh")]
)
def test_adjustments_by_the_names_of_r_are_answered_with_ours(data, fit, method, ours):
    results = delta_effects(fit, data, {"x": 1}, by="year")
    with pytest.raises(ValueError, match=f"Did you mean '{ours}'"):
        results.pairwise(method)
    assert len(results.pairwise(ours).params) == 3


@pytest.mark.parametrize("of_refits", [False, True])
def test_bounds_of_equivalence_are_two_arguments(data, fit, of_refits):
    results = delta_effects(fit, data, {"x": 1})
    if of_refits:
        results.__class__ = BootstrapResults
    with pytest.raises(TypeError, match=r"equivalence_test\(-0\.5, 1\)"):
        results.equivalence_test((-0.5, 1))
    with pytest.raises(TypeError, match="two bounds, low and high"):
        results.equivalence_test(0.5)


@pytest.mark.parametrize("function", [fme, delta_effects])
def test_means_between_categories_of_a_formula_point_to_categorical_features(
    data, fit, function
):
    rows = profiles(data, x=[0, 1])
    assert rows["year"].tolist() == [2003, 2003]
    with pytest.raises(ValueError, match=r"say categorical_features=\['year'\]"):
        function(fit, rows, {"x": 1})
    rows = profiles(data, x=[0, 1], categorical_features=["year", "g"])
    assert len(function(fit, rows, {"x": 1}).to_frame()) > 0
