"""Reports of joint steps and their parts: everything is about what is reported."""

import re

import numpy as np
import pandas as pd
import pytest

from skfme import attribute, came, fme, write_report
from skfme.statsmodels import average_effects

RNG = np.random.default_rng(1)
X = pd.DataFrame(RNG.normal(size=(150, 3)), columns=["age", "bmi", "bp"])
STEP = {"bmi": -0.5, "bp": 0.3}


def risk(X):
    return (X["age"] * X["bmi"] * (1 + X["bp"])).to_numpy()


@pytest.fixture(scope="module")
def parts():
    return attribute(risk, X, STEP)


@pytest.fixture
def report(tmp_path):
    def text_of(effects, **options):
        page = write_report(effects, tmp_path / "page.html", **options)
        text = re.sub(r"<style.*?</style>|<img[^>]*>", "", page.read_text(), flags=re.S)
        return " ".join(re.sub(r"<[^>]+>", " ", text).split())

    return text_of


HEADING = "Where the effect differs: part of bmi in ‘bmi −0.5, bp +0.3’"


def test_a_tree_over_a_part_stands_under_the_part(parts, report):
    tree = came(parts["bmi"], 2)
    for given in (tree, {"bmi": tree}):
        assert HEADING in report(parts, tree=given)
    assert HEADING in report(parts.total, attribution=parts, tree=tree)
    whole = report(parts, tree=came(parts.total, 2))
    assert "Where the effect differs: bmi −0.5, bp +0.3" in whole


def test_a_tree_over_something_else_is_refused(parts, report):
    with pytest.raises(ValueError, match="tree is about \"part of bmi in 'bmi -0.5"):
        report(parts.total, tree=came(parts["bmi"], 2))
    with pytest.raises(ValueError, match="and not about \"part of bmi in 'bmi -0.5"):
        report(parts, tree={"bmi": came(parts["bp"], 2)})
    alone = fme(risk, X, {"bmi": -0.5})
    with pytest.raises(ValueError, match="tree is about 'bmi -0.5', and not about"):
        report(parts, tree=came(alone, 2))


def test_intervals_of_parts_are_told_with_their_titles(parts, report):
    text = report(parts, inference=average_effects(parts))
    sure = text[text.index("How sure") :]
    assert "part of bmi in ‘bmi −0.5, bp +0.3’ " in sure
    assert "part of bp in ‘bmi −0.5, bp +0.3’ " in sure
    one = report(parts, inference=average_effects(parts["bp"]))
    assert "part of bp in" in one[one.index("How sure") :]
    with pytest.raises(ValueError, match="inference is about 'age \\+1'"):
        report(parts, inference=average_effects(fme(risk, X, {"age": 1})))


def test_two_ways_to_split_a_step_are_both_told(parts, report):
    path = attribute(risk, X, STEP, method="path")
    text = report(parts, attribution=path)
    assert "(Shapley values)" in text
    assert "(integrated gradients)" in text
    assert report(parts, attribution=parts).count("Which change did it") == 1


def test_an_attribution_of_another_effect_is_refused(parts, report):
    with pytest.raises(ValueError, match="attribution splits 'bmi -0.5, bp \\+0.3'"):
        report(fme(risk, X, {"bp": 0.3}), attribution=parts)
    other = attribute(risk, X.iloc[:100], STEP)
    weighted = attribute(risk, X, STEP, sample_weight=RNG.random(150))
    twice = attribute(lambda X: 2 * risk(X), X, STEP)
    for wrong in (other, weighted, twice):
        for effects in (parts, parts.total):
            with pytest.raises(
                ValueError, match="other rows, other weights or another"
            ):
                report(effects, attribution=wrong)


def test_an_effect_under_a_name_of_its_own_takes_the_attribution_of_its_step(
    parts, report
):
    named = fme(risk, X, {"leaner": STEP})
    assert "Which change did it" in report(named, attribution=parts)


def test_a_part_alone_takes_the_attribution_that_it_is_of(parts, report):
    text = report(parts["bmi"], attribution=parts)
    assert "Which change did it" in text
    other = attribute(risk, X, {"bmi": -0.5, "age": 0.1})
    with pytest.raises(ValueError, match="attribution splits"):
        report(parts["bmi"], attribution=other)
