"""What effects say in words and numbers, their attribution says too."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from sklearn.svm import SVR

from skfme import FMEExplainer, attribute, fme, write_report

RNG = np.random.default_rng(4)
X = pd.DataFrame(RNG.normal(size=(80, 3)), columns=["age", "bmi", "bp"])
STEP = {"age": 0.2, "bmi": 0.2, "bp": 0.1}


def words(text):
    return " ".join(str(text).split())


def risk(X):
    return (X["age"] * X["bmi"] * (1 + X["bp"])).to_numpy()


def test_the_label_of_an_explainer_names_what_its_attributions_are_of():
    explained = FMEExplainer(
        SVR(), STEP, response_label="risk (points)", extrapolation=None
    ).fit(X, risk(X))
    assert "predicted risk (points)" in explained.attribute(X).summary()
    assert "in the predicted risk" in words(explained.attribute(X).summary())


def test_notes_of_the_effect_stand_under_its_attribution(tmp_path):
    data = X.assign(y=risk(X))
    data.loc[:4, "bp"] = np.nan
    results = smf.ols("y ~ age * bmi + bp", data).fit()
    effect = fme(results, data, {"age": 0.2, "bmi": 0.2})
    parts = attribute(results, data, {"age": 0.2, "bmi": 0.2})
    (note,) = effect.notes
    assert note in words(effect.summary())
    assert note in words(parts.summary())
    assert note in words(parts["age"].summary())
    page = write_report(parts, tmp_path / "page.html").read_text("utf-8")
    for text in (parts._repr_html_(), page):
        assert note.split(".")[0][:40] in words(text)


def test_rows_outside_before_any_step_are_counted_under_the_attribution():
    wide = X.copy()
    wide.loc[:2, "age"] = 50.0
    parts = attribute(risk, wide, STEP, background=X)
    note = "3 rows lay outside the training data before any step."
    assert note in words(fme(risk, wide, STEP, background=X).summary())
    assert note in words(parts.summary())
    assert note in words(parts._repr_html_())


def test_parts_that_cancel_leave_the_prediction_as_it_is():
    def difference(X):
        return (X["age"] - X["bmi"]).to_numpy()

    parts = attribute(difference, X, {"age": 0.2, "bmi": 0.2}, extrapolation=None)
    assert parts.sentences() == [
        "age brings 0.2 to the prediction, which stays as it is.",
        "bmi brings −0.2 to the prediction, which stays as it is.",
    ]


@pytest.fixture
def without_rows():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield lambda **options: attribute(risk, X, STEP | {"bmi": 1e3}, **options)


def test_without_rows_interactions_that_were_asked_for_are_unknown(without_rows):
    found = without_rows(interactions=True)
    assert list(found.interactions["second"]) == ["bmi", "bp", "bp"]
    assert found.interactions[["mean", "sd"]].isna().all(axis=None)
    assert np.isnan(without_rows(interactions="rows").interaction("age", "bp")).all()
    assert without_rows().interactions is None
    with pytest.raises(AttributeError, match="interactions='rows'"):
        found.interaction("age", "bp")


def test_without_rows_ranges_that_were_asked_for_are_unknown(without_rows):
    for ends in without_rows(method="sequential").order_range("age"):
        assert ends.shape == (80,)
        assert np.isnan(ends).all()
    with pytest.raises(AttributeError, match="without order="):
        without_rows().order_range("age")


@pytest.mark.parametrize("method", ["shapley", "sequential", "path"])
def test_without_rows_the_title_does_not_say_how(without_rows, method):
    found = without_rows(method=method)
    assert found.how == ""
    (line,) = [
        line
        for line in found.summary().splitlines()
        if line.startswith(("Shapley values", "Parts along", "Parts in an order"))
    ]
    assert not line.endswith(":")
    assert "No row counts" in found.sentences()[0]
    assert found.to_frame()["ame"].isna().all()
