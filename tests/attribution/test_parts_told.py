"""A part that is passed on alone is told as a part of the joint step's effect."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

import skfme.statsmodels as ss
from skfme import FMEExplainer, ForwardEffects, attribute, came, write_report
from skfme.plotting import AMEDisplay, EffectTreeDisplay, ExtrapolationDisplay

RNG = np.random.default_rng(3)
X = pd.DataFrame(RNG.normal(size=(120, 3)), columns=["age", "bmi", "bp"])
STEP = {"bmi": -0.5, "bp": 0.3}
PART = "part of bmi in 'bmi -0.5, bp +0.3'"
NOTE = "Parts of the effect of the joint step 'bmi -0.5, bp +0.3'"


def risk(X):
    return (X["age"] * X["bmi"] * (1 + X["bp"])).to_numpy()


@pytest.fixture(scope="module")
def parts():
    return attribute(risk, X, STEP)


def words(text):
    return " ".join(str(text).split())


def test_a_part_prints_the_joint_step(parts):
    part = parts["bmi"]
    assert NOTE in words(part.summary())
    assert NOTE in words(part)
    assert "joint step" in part._repr_html_()
    assert PART in repr(part)
    assert NOTE in words(ForwardEffects([part], part.context).summary())


def test_the_total_and_other_effects_are_no_parts(parts):
    assert parts.total.full_name == parts.total.name == parts.name
    assert "Parts" not in parts.total.summary()
    again = parts._with_response_label("risk")
    assert again.total.full_name == parts.name
    assert again["bmi"].full_name == PART


def test_a_pickled_part_still_knows_the_joint_step(parts):
    assert pickle.loads(pickle.dumps(parts["bmi"])).full_name == PART


@pytest.mark.parametrize("by", [None, "age > 0"])
def test_averages_of_parts_name_the_joint_step(parts, by):
    groups = None if by is None else X["age"] > 0
    assert NOTE in words(ss.average_effects(parts, by=groups).summary())
    assert NOTE in words(ss.average_effects(parts["bmi"], by=groups).summary())


def test_regressions_of_a_part_name_the_joint_step(parts):
    model = ss.ConditionalEffects.from_formula(parts["bmi"], "age")
    assert PART in repr(model)
    assert PART in words(model.fit().summary())
    assert NOTE in words(model.fit().summary())


def test_refits_of_parts_name_the_joint_step():
    explainer = FMEExplainer(Ridge(), STEP)
    options = {"n_resamples": 4, "method": "normal", "random_state": 0}
    y = risk(X)
    results = ss.bootstrap_effects(explainer, X, y, attribute={}, **options)
    assert NOTE in words(results.summary())
    plain = ss.bootstrap_effects(explainer, X, y, **options)
    assert "Parts of" not in words(plain.summary())


def test_trees_over_a_part_name_the_joint_step(parts):
    part = parts["bmi"]
    for tree in (came(part, 2), ss.EffectTree(n_partitions=2).fit(part)):
        assert PART in tree.export_text()
        assert EffectTreeDisplay.from_tree(tree).title == PART
        assert PART in pickle.loads(pickle.dumps(tree)).export_text()
    tree.fit(part.X, np.nan_to_num(part.fme))  # numbers of no effect
    assert "part of" not in tree.export_text()


def test_pictures_of_a_part_name_the_joint_step(parts):
    labels = {"bmi": "Body mass index (kg/m²)"}
    title = "part of Body mass index in ‘Body mass index −0.5 kg/m², bp +0.3’"
    assert parts["bmi"].plot(labels=labels).title == title
    outside = ExtrapolationDisplay.from_effect(parts["bmi"], labels=labels)
    assert outside.title.startswith(title)
    assert NOTE in AMEDisplay.from_effects(parts).line


def test_a_report_of_a_part_does_not_call_it_an_effect(parts, tmp_path):
    page = write_report(parts["bmi"], tmp_path / "part.html").read_text("utf-8")
    text = words(page)
    assert "1 part of risk on 120 rows" in text
    assert "If bmi were 0.5 lower and bp were 0.3 higher" in text
    assert "what would bmi bring to the change of the prediction?" in text
    assert "The part of bmi in lowering bmi by 0.5 and raising bp by 0.3" in text
    assert "Lowering bmi by 0.5 " not in text


def test_errors_about_a_part_name_the_joint_step():
    with pytest.warns(UserWarning, match="No row counts"):
        none = attribute(risk, X, {"bmi": -50.0, "bp": 0.3})
    with pytest.raises(ValueError, match=r"part of bmi in 'bmi -50, bp \+0.3'"):
        none["bmi"].plot()
