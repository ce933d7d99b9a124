"""The space of regressions of effects, against statsmodels' own by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space
from skfme import fme
from skfme.statsmodels import ConditionalEffects

CHOICES = {
    "made": ("formula", "groups"),
    "terms": ("x", "C(g)", "C(g) + x", "C(g) * x", "x + I(x ** 2)", "b + z"),
    "covariance": ("none asked", "nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"),
    "weights": ("none", "frequency", "sampling", "importance"),
    "distribution": ("t", "normal"),
    "missing": ("none", "x", "g"),
    "rows": ("30", "90"),
    "left out": ("none", "extrapolation"),
    "effect": ("smooth", "tiny", "huge", "two outputs"),
    "comparison": ("difference", "percent"),
}  # fmt: skip

NEVER = (
    Never("made", ("groups",), "terms", CHOICES["terms"][:1] + CHOICES["terms"][2:],
          "groups are those of g"),
    Never("made", ("groups",), "missing", ("g",), "rows have to have a group"),
    Never("terms", ("b + z",), "missing", ("x", "g"), "neither is a term"),
    Never("terms", ("x", "x + I(x ** 2)"), "missing", ("g",), "it is no term"),
    Never("terms", ("C(g)",), "missing", ("x",), "it is no term"),
    Never("weights", ("sampling",), "covariance", ("nonrobust",),
          "standard errors of sampling weights are robust"),
    Never("weights", ("frequency",), "covariance", ("cluster",),
          "copies of a row would be one cluster, or many"),
)  # fmt: skip


def _data(rng: np.random.Generator, chosen: Chosen) -> pd.DataFrame:
    n = int(chosen["rows"])
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "z": rng.uniform(1, 2, n),
            "g": rng.choice(["a", "b", "c"], n),
            "b": rng.random(n) < 0.5,
            "k": rng.integers(0, 8, n),
        }
    )
    data.loc[:2, "g"] = ["a", "b", "c"]
    if chosen["missing"] != "none":
        gaps = rng.random(n) < 0.1
        gaps[:3] = False
        data[chosen["missing"]] = data[chosen["missing"]].where(~gaps)
    return data


def _model(chosen: Chosen) -> Any:
    size = {"tiny": 1e-9, "huge": 1e9}.get(chosen["effect"], 1.0)

    def predict(X: pd.DataFrame) -> np.ndarray:
        level = X["g"].map({"a": 1.0, "b": 1.5, "c": 3.0}).astype(float).fillna(2.0)
        x = X["x"].fillna(0.3)
        values = size * (5 + level * np.exp(X["z"] / 2) + np.sin(3 * x) + x * X["z"])
        if chosen["effect"] == "two outputs":
            return np.column_stack([values, values**2])
        return values.to_numpy()

    return predict


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """Coefficients, errors and intervals against a regression of the effects by hand."""
    data = _data(rng, chosen)
    n = len(data)
    weights = {
        "none": None,
        "frequency": rng.integers(1, 4, n),
        "sampling": rng.random(n) + 0.3,
        "importance": rng.random(n) + 0.3,
    }[chosen["weights"]]
    options = {"comparison": chosen["comparison"], "sample_weight": weights}
    if weights is not None:
        options["weights_type"] = chosen["weights"]
    judge = None if chosen["left out"] == "none" else "envelope"
    effect = fme(_model(chosen), data, {"z": 0.25}, extrapolation=judge, **options)
    groups = data.loc[effect.counted].dropna().groupby("g")
    clusters = groups["k"].nunique()  # or rows, of each group
    if effect.n < 15 or len(clusters) < data["g"].nunique() or clusters.min() < 4:
        return Outcome("too few rows for a regression", counts=False)
    fit = (
        {}
        if chosen["covariance"] == "none asked"
        else {"cov_type": chosen["covariance"]}
    )
    if chosen["covariance"] == "cluster":
        fit["cov_kwds"] = {"groups": "k"}
    model = (
        ConditionalEffects.from_groups(effect, "g")
        if chosen["made"] == "groups"
        else ConditionalEffects.from_formula(effect, chosen["terms"])
    )
    results = model.fit(**fit, use_t=chosen["distribution"] == "t")
    effects = effect.fme.reshape(n, -1)[effect.counted]
    kept = data[effect.counted].reset_index(drop=True)
    own = None if weights is None else np.asarray(weights, float)[effect.counted]
    by_hand = [_by_hand(chosen, kept, column, own) for column in effects.T]
    return _agree(chosen, results, by_hand)


def _by_hand(
    chosen: Chosen, data: pd.DataFrame, effect: np.ndarray, weights: np.ndarray | None
) -> Any:
    """statsmodels' own regression of the effects, with what the weights stand for."""
    terms = "C(g) - 1" if chosen["made"] == "groups" else chosen["terms"]
    data = data.assign(effect=effect, w=1.0 if weights is None else weights)
    data = data.dropna(subset=[c for c in ("x", "g") if c in _named(terms)])
    kind = chosen["covariance"]
    if kind == "none asked":
        kind = "HC1" if chosen["weights"] == "sampling" else "nonrobust"
    options: dict[str, Any] = {"use_t": chosen["distribution"] == "t", "cov_type": kind}
    if chosen["weights"] == "frequency":
        data = data.loc[data.index.repeat(data["w"].astype(int))].assign(w=1.0)
    if kind == "cluster":
        options["cov_kwds"] = {"groups": data["k"]}
    return smf.wls(f"effect ~ {terms}", data, weights=data["w"]).fit(**options)


def _named(terms: str) -> set[str]:
    return {letter for letter in terms if letter in "xgbz"}


def _agree(chosen: Chosen, results: Any, by_hand: list[Any]) -> Outcome:
    params = np.concatenate([np.asarray(r.params) for r in by_hand])
    errors = np.concatenate([np.asarray(r.bse) for r in by_hand])
    size = np.abs(params).max()
    found = np.asarray(results.params, dtype=float)
    np.testing.assert_allclose(found, params, rtol=1e-7, atol=1e-9 * size)
    np.testing.assert_allclose(results.bse, errors, rtol=1e-6, atol=1e-9 * size)
    if chosen["made"] == "formula":
        intervals = np.concatenate([np.asarray(r.conf_int()) for r in by_hand])
        np.testing.assert_allclose(
            np.asarray(results.conf_int()), intervals, rtol=1e-6, atol=1e-8 * size
        )
    return Outcome("equal", 2 * len(params))


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    return f"{chosen}\n{_data(rng, chosen)}"


SPACE = Space("regressions", CHOICES, NEVER, check, describe)
