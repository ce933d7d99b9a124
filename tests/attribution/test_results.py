"""What an attribution tells: tables, words, weights, and its page in a report."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor

from skfme import StdDev, attribute, fme, write_report

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(200, 3)), columns=["age", "bmi", "bp"])
STEP = {"age": 1.0, "bmi": -0.5, "bp": 0.3}
LABELS = {"bmi": "Body mass index (kg/m²)"}


def risk(X):
    return (2 * X["age"] * X["bmi"] + X["bp"]).to_numpy()


@pytest.fixture(scope="module")
def parts():
    return attribute(risk, X, STEP, interactions="rows")


def words(text):
    return " ".join(text.split())


def test_the_summary_has_the_parts_and_the_total_at_the_foot(parts):
    text = parts.summary()
    rows = [
        line.split()[0] for line in text.splitlines() if "." in line and "  " in line
    ]
    assert rows[:4] == ["age", "bmi", "bp", "total"]
    assert max(map(len, text.splitlines())) <= 80
    assert "Shapley values: exact, with all 8 coalitions" in text
    assert "Shapley interactions of pairs" in text
    assert "Rows left out of the averages" in text


@pytest.mark.parametrize(("n", "note"), [(5, ""), (6, " (the 10 largest of 15)")])
def test_of_more_than_ten_pairs_the_largest_are_shown(n, note):
    wide = pd.DataFrame(RNG.normal(size=(20, n)), columns=list("abcdef"[:n]))
    found = attribute(
        lambda X: X.prod(axis=1).to_numpy(),
        wide,
        dict.fromkeys(wide, 1.0),
        interactions=True,
        extrapolation=None,
    )
    text = words(found.summary())
    assert f"Shapley interactions of pairs{note}" in text
    assert ("largest of" in text) == bool(note)
    assert len(found.interactions) == n * (n - 1) / 2


def test_what_is_nothing_is_told_by_the_size_of_each_output():
    def two(X):
        total = X["age"].to_numpy() + X["bmi"].to_numpy()
        return np.column_stack([1e15 * total, total])

    step = {"age": 1.0, "bmi": 1.0}
    sentences = attribute(two, X, step, extrapolation=None).sentences()
    assert len(sentences) == 4
    assert not [sentence for sentence in sentences if "nothing" in sentence]


def test_html_has_every_table(parts):
    html = parts._repr_html_()
    assert html.count("<table") == 3
    assert "total" in html
    assert "brings" in html


def test_the_frame_has_a_row_for_each_feature(parts):
    frame = parts.to_frame()
    assert list(frame["effect"]) == ["age", "bmi", "bp"]
    assert {"n", "ame", "sd", "q25", "median", "q75"} <= set(frame.columns)
    np.testing.assert_allclose(frame["ame"].sum(), parts.total.ame)


def test_sentences_say_what_each_feature_brings(parts):
    sentences = attribute(
        risk, X.assign(age=1.0, bmi=1.0), STEP, extrapolation=None
    ).sentences()
    # 2 (2·0.5 − 1) + 0.3: age brings 2·0.75, bmi −2·0.75.
    assert sentences == [
        "age brings 1.5 of the average change of 0.3 in the prediction, more than all of "
        "it.",
        "bmi brings −1.5 of the average change of 0.3 in the prediction, against the "
        "others.",
        "bp brings 0.3 of the average change of 0.3 in the prediction (100%).",
    ]


def test_a_feature_that_is_not_read_brings_nothing():
    found = attribute(lambda X: X["bp"].to_numpy(), X, STEP)
    assert found.sentences()[0] == "age brings nothing to the prediction."


def test_weights_are_those_of_averages_and_interactions():
    weights = np.r_[np.zeros(50), RNG.integers(1, 4, 150)].astype(float)
    forest = RandomForestRegressor(10, random_state=0).fit(X, risk(X))
    for engine in ("trees", "predict"):
        options = {"extrapolation": None, "engine": engine, "batch_size": 37}
        found = attribute(
            forest, X, STEP, sample_weight=weights, interactions="rows", **options
        )
        repeated = X.loc[np.repeat(X.index, weights.astype(int))]
        other = attribute(forest, repeated, STEP, interactions="rows", **options)
        for name in found:
            np.testing.assert_allclose(found[name].ame, other[name].ame)
        np.testing.assert_allclose(
            found.interactions[["mean", "sd"]], other.interactions[["mean", "sd"]]
        )
        by_row = other.interaction("age", "bmi")
        first = found.interactions.iloc[0]
        np.testing.assert_allclose(first["mean"], by_row.mean())
        np.testing.assert_allclose(first["sd"], by_row.std(ddof=1))
        np.testing.assert_allclose(
            found.total.ame,
            fme(forest, X, STEP, sample_weight=weights, extrapolation=None).ame,
        )


def test_relative_sizes_and_words_for_the_response_are_told():
    step = {"age": StdDev(1), "bp": 0.3}
    found = attribute(risk, X, step, response_label="risk (points)")
    text = words(found.summary())
    assert "Step sizes: 1 SD of age =" in text
    assert "of the average change of" in text
    assert "in the predicted risk" in text


def test_several_classes_have_a_row_each():
    classes = np.digitize(risk(X), [-1, 1])
    model = HistGradientBoostingClassifier(max_iter=5).fit(X, classes)
    found = attribute(model, X, STEP, interactions=True, extrapolation=None)
    frame = found.to_frame()
    assert len(frame) == 9
    assert list(found.interactions.columns) == [
        "first",
        "second",
        "output",
        "mean",
        "sd",
    ]
    summed = frame.groupby("effect")["ame"].sum()
    np.testing.assert_allclose(summed, 0, atol=1e-12)
    assert "age[0]" in found.summary()


def test_an_attribution_can_be_pickled(parts):
    again = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(again["age"].fme, parts["age"].fme)
    assert again.summary() == parts.summary()


def test_a_report_tells_the_effect_and_then_its_parts(parts, tmp_path):
    page = write_report(parts, tmp_path / "report.html", labels=LABELS)
    text = page.read_text("utf-8")
    assert "Which change did it: age +1, Body mass index −0.5 kg/m², bp +0.3" in text
    assert "Body mass index brings" in text
    assert "averaged over all their orders (Shapley values)" in text
    assert "Shapley interactions of pairs" in text
    effect = fme(risk, X, STEP)
    page = write_report(effect, tmp_path / "other.html", attribution=parts)
    assert "Which change did it" in page.read_text("utf-8")
    with pytest.raises(TypeError, match="attribution must be a StepAttribution"):
        write_report(effect, tmp_path / "none.html", attribution=effect)


def test_a_feature_called_total_is_told_from_the_total():
    data = X.rename(columns={"bp": "total"})

    def model(X):
        return (X["age"] * X["total"]).to_numpy()

    text = attribute(model, data, {"age": 1.0, "total": 0.3}).summary()
    names = [line.split("  ")[0] for line in text.splitlines()]
    assert names.count("total") == 1
    assert "all together" in names


def test_weights_may_be_named_by_their_column():
    data = X.assign(w=np.arange(200.0))

    def model(X):
        return (X["age"] * X["bmi"]).to_numpy()

    named = attribute(model, data, {"age": 1.0, "bmi": -0.5}, sample_weight="w")
    given = attribute(model, X, {"age": 1.0, "bmi": -0.5}, sample_weight=data["w"])
    np.testing.assert_allclose(named["age"].ame, given["age"].ame)


def test_the_summary_has_the_least_and_the_most_of_any_order():
    found = attribute(risk, X, STEP, method="sequential", extrapolation=None)
    text = words(found.summary())
    assert "Least and most that a feature brings in any order, on average" in text
    frame = found.to_frame()
    for name in ("lowest", "highest"):
        assert f"{frame[name][0]:.3g}" in text


def test_the_summary_has_the_standard_errors_of_sampling():
    options = {"n_permutations": 4, "random_state": 0, "extrapolation": None}
    wide = dict.fromkeys("abcdef", 1.0)
    rows = pd.DataFrame(RNG.normal(size=(40, 6)), columns=list(wide))
    weights = np.arange(1, 41)
    with pytest.warns(UserWarning, match="have not settled"):
        found = attribute(
            lambda X: np.sin(3 * X.sum(axis=1).to_numpy()),
            *(rows, wide),
            sample_weight=weights,
            weights_type="sampling",
            **options,
        )
    text = words(found.summary())
    assert "Standard errors that sampling gives to the averages" in text
    assert "Weighted (sampling weights); the weights sum to 820" in text
