"""Results with intervals on the page: whose numbers they are, and their labels."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, came, fme, write_report
from skfme.statsmodels import (
    ConditionalEffects,
    average_effects,
    delta_effects,
    honest_regions,
)

LABELS = {"bmi": "Body mass index (kg/m²)", "sex": "Sex of the person"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    data = pd.DataFrame(
        {"bmi": rng.uniform(18, 40, 200), "sex": rng.choice(["f", "m"], 200)}
    )
    noise = rng.normal(size=200)
    data["y"] = (data["bmi"] - 28) ** 2 / 10 + (data["sex"] == "m") * 3 + noise
    return data


@pytest.fixture(scope="module")
def fitted(data):
    return smf.ols("y ~ bmi * sex + I(bmi**2)", data.iloc[:150]).fit()


@pytest.fixture(scope="module")
def effects(data, fitted):
    return fme(fitted, data[["bmi", "sex"]], [{"bmi": 1}], extrapolation=None)


def read(path, effects, labels=LABELS, **options):
    """Words of a page, in one line."""
    page = write_report(effects, path / "report.html", labels=labels, **options)
    text = page.read_text("utf-8")
    text = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def test_the_page_says_why_the_intervals_have_another_average(
    data, fitted, effects, tmp_path
):
    estimate = delta_effects(fitted, data.iloc[:150], {"bmi": 1})
    low, high = estimate.conf_int().iloc[0]
    text = read(tmp_path, effects, inference=estimate, response_label="risk (points)")
    assert (
        f"have another average: {estimate.params.iloc[0]:.3f} points, over 150 rows, with "
        f"an interval from {low:.3f} to {high:.3f}. The one above, over 200 rows"
    ) in text
    assert "other rows count there" in text


def test_the_page_says_nothing_of_the_same_average(effects, tmp_path):
    text = read(tmp_path, effects, inference=average_effects(effects))
    assert "another average" not in text


def test_tables_of_results_and_trees_have_the_labels(effects, tmp_path):
    tree = came(effects["bmi +1"], n_partitions=3)
    by = ConditionalEffects.from_groups(effects["bmi +1"], "sex").fit()
    text = read(tmp_path, effects, inference=by, tree=tree, response_label="risk")
    rest, _, method = text.partition("How this was computed")
    assert "bmi +1" in method
    assert "bmi" not in rest
    assert "Change in the predicted risk" in rest
    assert "effect Sex of the person n estimate" in rest
    assert f"Body mass index (kg/m²) > {tree.nodes_['cut'][0]:.6g}" in rest


def test_rules_in_tables_of_results_have_the_labels(effects, tmp_path):
    tree = came(effects["bmi +1"], n_partitions=2)
    by = ConditionalEffects.from_tree(effects["bmi +1"], tree).fit()
    text = read(tmp_path, effects, inference=by, tree=tree)
    assert "bmi <=" not in text


def test_a_picture_of_groups_has_the_label_of_their_column(effects):
    results = ConditionalEffects.from_groups(effects["bmi +1"], "sex").fit()
    for options in ({"inference": results}, {"by": "sex"}):
        display = effects.plot(labels=LABELS, **options)
        assert list(display.dots_) == ["Sex of the person f", "Sex of the person m"]


def test_a_picture_counts_the_rows_of_the_results_that_it_draws(data, fitted, effects):
    estimate = delta_effects(fitted, data.iloc[:150], {"bmi": 1})
    table = effects.plot(inference=estimate).table
    assert table["n"].tolist() == [150]
    assert table["left_out"].isna().all()
    table = effects.plot(inference=average_effects(effects)).table
    assert table[["n", "left_out"]].to_numpy().tolist() == [[200, 0]]


def test_further_columns_of_results_are_no_groups(effects):
    class Inference:
        covers = "rows"

        def to_frame(self):
            return (
                average_effects(effects).to_frame().assign(se_rows=0.1, truncated=False)
            )

    assert list(effects.plot(inference=Inference()).dots_) == [""]


def test_the_page_says_what_intervals_of_honest_regions_cover(data, tmp_path):
    X = data[["bmi"]]
    explainer = FMEExplainer(
        DecisionTreeRegressor(max_depth=5, random_state=0), [{"bmi": 1}]
    )
    regions = honest_regions(explainer, X, data["y"], random_state=0)
    effects = regions.explainer.explain(X)
    text = read(tmp_path, effects, {"bmi": "Body mass"}, inference=regions)
    assert "with the model held fixed" in text
    assert "do not say what" not in text
