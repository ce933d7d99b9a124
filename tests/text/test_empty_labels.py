"""Empty labels, as files of Stata and SPSS have them, name nothing."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, ame, came, fme, write_report
from skfme._frames.tables import as_table
from skfme._text.labels import Labels, read_labels

EMPTY = ["", "  ", "\t\n", None, float("nan"), np.nan, pd.NA]


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"wage": rng.uniform(1, 9, 80), "age": rng.uniform(20, 60, 80)})


@pytest.fixture(scope="module")
def explainer(X):
    tree = DecisionTreeRegressor(max_depth=5, random_state=0)
    return FMEExplainer(tree, [{"wage": 1.0}], extrapolation=None).fit(
        X, X["wage"] * X["age"]
    )


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_an_empty_label_leaves_the_name(X, empty):
    labels = {"wage": empty, "age": "Age (years)"}
    expected = Labels({"age": "Age (years)"})
    assert read_labels(labels, as_table(X)) == expected == read_labels(labels)


def test_a_label_that_is_no_text_is_still_refused(X):
    with pytest.raises(TypeError, match="label of 'wage' must be a text, got 3"):
        read_labels({"wage": 3}, as_table(X))
    with pytest.raises(TypeError, match="response_label must be a text, got 3"):
        ame(lambda t: t["wage"].to_numpy(), X, response_label=3)


def _texts(display):
    return [
        t.get_text() for t in display.figure_.findobj(lambda a: hasattr(a, "get_text"))
    ]


PICTURES = {
    "effect": lambda e, X: next(iter(e.explain(X).values())).plot,
    "effects": lambda e, X: e.explain(X).plot,
    "path": lambda e, X: e.path(X, "wage +1").plot,
    "profile": lambda e, X: e.step_profile(X, "wage").plot,
    "tree": lambda e, X: came(next(iter(e.explain(X).values())), 2).plot,
}


@pytest.mark.parametrize("empty", ["", "  ", None, float("nan")], ids=repr)
@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_with_empty_labels_are_those_without_labels(X, explainer, kind, empty):
    plot = PICTURES[kind](explainer, X)
    plain = _texts(plot())
    assert any("wage" in text for text in plain)
    labels = {"wage": empty}
    if kind == "tree":
        labels["age"] = empty
    assert _texts(plot(labels=labels, response_label=empty)) == plain


@pytest.mark.parametrize("empty", ["", " ", None], ids=repr)
def test_summaries_and_reports_are_those_without_labels(X, tmp_path, empty):
    def model(table):
        return table["wage"].to_numpy() ** 2

    effect = fme(model, X, {"wage": 1.0}, extrapolation=None)
    other = fme(model, X, {"wage": 1.0}, extrapolation=None, response_label=empty)
    assert str(effect) == str(other)
    pages = [
        write_report(effect, tmp_path / "report.html", **words).read_text("utf-8")
        for words in ({}, {"labels": {"wage": empty}, "response_label": empty})
    ]
    plain, labelled = (re.sub(r'src="[^"]+"', "", page) for page in pages)
    assert plain == labelled
