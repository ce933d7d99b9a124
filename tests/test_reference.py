"""Effects equal R's fmeffects, case by case, on predictions rebuilt from R's fits."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skfme import Simpson38, ame, fme

REFERENCE = Path(__file__).parent / "reference"


def _diabetes_features(d):
    s2 = (d["sex"] == "s2").to_numpy(float)
    return {
        "(Intercept)": 1.0,
        "sexs2": s2,
        "bmi": d["bmi"],
        "I(bmi^2)": d["bmi"] ** 2,
        "bp": d["bp"],
        "age": d["age"],
        "s5": d["s5"],
        "I(s5^2)": d["s5"] ** 2,
        "s1": d["s1"],
        "sexs2:bmi": s2 * d["bmi"],
        "bp:age": d["bp"] * d["age"],
    }


def _mixed_features(d):
    level = {
        f"{column}{value}": (d[column] == value).to_numpy(float)
        for column in ("g2", "g3", "g5")
        for value in d[column].cat.categories
    }
    return level | {
        "(Intercept)": 1.0,
        "a": d["a"],
        "b": d["b"],
        "c": d["c"],
        "e": d["e"],
        "I(a^2)": d["a"] ** 2,
        "I(b^2)": d["b"] ** 2,
        "I(a * b)": d["a"] * d["b"],
        "a:g2yes": d["a"] * level["g2yes"],
        "g2yes:I(a^2)": d["a"] ** 2 * level["g2yes"],
        "I(b^2):c": d["b"] ** 2 * d["c"],
        "e:g3mid": d["e"] * level["g3mid"],
        "e:g3high": d["e"] * level["g3high"],
    }


def _table(name, columns, target):
    levels = {
        "sex": ["s1", "s2"],
        "g2": ["no", "yes"],
        "g3": ["low", "mid", "high"],
        "g5": list("ABCDE"),
    }
    table = pd.read_csv(REFERENCE / f"{name}.csv")[columns].drop(columns=target)
    return table.assign(
        **{c: pd.Categorical(table[c], levels[c]) for c in table if c in levels}
    )


def _load(model):
    reference = json.loads((REFERENCE / f"{model}.json").read_text())
    X = _table(reference["data"], reference["columns"], reference["target"])
    features = (
        _diabetes_features if reference["data"] == "diabetes" else _mixed_features
    )

    def predict(d):
        columns = features(d)
        eta = sum(b * columns[k] for k, b in reference["coefficients"].items())
        eta = np.asarray(eta, dtype=float)
        return 1 / (1 + np.exp(-eta)) if reference["kind"] == "binomial" else eta

    return X, predict, reference["cases"]


LOADED = {model: _load(model) for model in ("diabetes_lm", "mixed_lm", "mixed_logit")}
CASES = [(model, case) for model, loaded in LOADED.items() for case in loaded[2]]


def effect_of(model, case):
    """A case's effect, over the rows that fmeffects looks at.

    It leaves out a row that has any of several categories already; here such a row moves in
    the others, and counts.
    """
    X, predict, _ = LOADED[model]
    method = None if case["ep_method"] == "none" else case["ep_method"]
    categories = [c for c in case["features"] if X[c].dtype == "category"]
    there = pd.DataFrame({c: X[c] == case["features"][c] for c in categories})
    weights = None if len(categories) < 2 else (~there.any(axis=1)).astype(int)
    return fme(
        predict,
        X,
        case["features"],
        extrapolation=method,
        sample_weight=weights,
        background=X,
    )


@pytest.mark.parametrize(("model", "case"), CASES, ids=[c["id"] for _, c in CASES])
def test_effects_equal_fmeffects(model, case):
    effect = effect_of(model, case)
    weights = (
        np.ones(len(effect.fme))
        if effect.sample_weight is None
        else effect.sample_weight
    )
    rows = np.array(case["row"]) - 1
    assert len(rows) == case["n"]
    assert set(np.flatnonzero(effect.counted & (weights > 0))) == set(rows)
    np.testing.assert_allclose(effect.fme[rows], case["fme"], rtol=1e-9, atol=1e-10)
    assert effect.ame == pytest.approx(case["ame"], rel=1e-10, abs=1e-12)
    assert effect.sd == pytest.approx(case["sd"], rel=1e-9)
    left_out = np.flatnonzero(effect.status == "extrapolation") + 1
    assert list(left_out) == case["extrapolation_rows"]


@pytest.mark.parametrize("method", ["none", "envelope"])
@pytest.mark.parametrize("model", LOADED)
def test_overview_of_all_features_equals_fmeffects(model, method):
    X, predict, _ = LOADED[model]
    reference = json.loads((REFERENCE / f"{model}.json").read_text())
    effects = ame(predict, X, extrapolation=None if method == "none" else method)
    assert len(effects) == len(reference[f"ame_default_{method}"])
    for row in reference[f"ame_default_{method}"]:
        categorical = X[row["Feature"]].dtype == "category"
        sign = "= " if categorical else "+"
        effect = effects[f"{row['Feature']} {sign}{row['step.size']}"]
        assert effect.n == int(row["n"])
        ours = [effect.ame, effect.sd, effect.quartiles[0], effect.quartiles[2]]
        theirs = [float(row[key]) for key in ("AME", "SD", "0.25", "0.75")]
        # R prints four digits after the point.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=5.001e-5)


NLM_CASES = [(model, case) for model, case in CASES if case["nlm_first_100_rows"]]


@pytest.mark.parametrize(
    ("model", "case"), NLM_CASES, ids=[case["id"] for _, case in NLM_CASES]
)
def test_nlms_equal_fmeffects(model, case):
    X, predict, _ = LOADED[model]
    expected = case["nlm_first_100_rows"]
    method = None if case["ep_method"] == "none" else case["ep_method"]
    effect = fme(
        predict,
        X.iloc[:100],
        case["features"],
        extrapolation=method,
        nlm=Simpson38(expected["intervals"]),
    )
    rows = np.array(expected["row"]) - 1
    assert list(np.flatnonzero(effect.counted)) == sorted(rows)
    theirs = np.array(expected["nlm"], dtype=float)
    np.testing.assert_allclose(effect.nlm[rows], theirs, rtol=1e-8, atol=1e-8)
    assert effect.anlm == pytest.approx(expected["anlm"], rel=1e-9)
