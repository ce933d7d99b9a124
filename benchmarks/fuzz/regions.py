"""The space of trees over effects: what must not change the regions that are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space
from skfme.statsmodels import EffectTree

CHOICES = {
    "changed": ("order of rows", "unit of effects", "sign of effects",
                "unit of covariates", "monotone recoding", "a column twice",
                "names of categories", "weights as repeated rows", "weights' scale"),
    "covariate": ("float64", "float32", "int8", "coarse", "category", "text", "bool",
                  "ordered", "date", "subnormal", "huge"),
    "other": ("float64", "coarse", "category", "text", "date", "constant", "none"),
    "missing": ("none", "covariate", "other"),
    "rows": ("40", "150"),
    "weights": ("none", "frequency", "sampling", "importance"),
    "method": ("ctree", "cart"),
    "size": ("tests", "2", "4", "max_sd"),
    "teststat": ("quadratic", "maximum"),
    "testtype": ("bonferroni", "univariate"),
    "effects": ("steps", "smooth", "noise", "two values", "tiny", "huge"),
}  # fmt: skip

NEVER = (
    Never("changed", ("monotone recoding",), "method", ("ctree",),
          "its tests are of the covariate's own values"),
    Never("changed", ("a column twice",), "method", ("ctree",),
          "tries two variables for a split, as partykit does, of which each is one"),
    Never("changed", ("weights as repeated rows",), "weights",
          ("none", "sampling", "importance"), "of frequencies alone"),
    Never("changed", ("weights' scale",), "weights", ("none", "frequency"),
          "of other weights than frequencies"),
    Never("changed", ("unit of covariates", "monotone recoding"), "covariate",
          ("category", "text", "bool", "ordered", "date", "subnormal", "huge"),
          "of numbers that a unit leaves as exact"),
    Never("changed", ("names of categories",), "covariate",
          ("float64", "float32", "int8", "coarse", "date", "subnormal", "huge", "bool"),
          "of categories alone"),
    Never("changed", ("sign of effects", "names of categories"), "missing",
          ("covariate", "other"),
          "turns the children, of which the second takes missing values on a tie"),
    Never("changed", ("weights as repeated rows",), "missing", ("covariate", "other"),
          "missing values follow the count of rows, which is not the same"),
    Never("other", ("none",), "missing", ("other",), "there is no other"),
    Never("other", ("constant",), "missing", ("other",), "a constant splits nothing"),
    Never("covariate", ("int8", "bool"), "missing", ("covariate",),
          "NumPy's own types hold none"),
    Never("effects", ("two values",), "covariate",
          ("coarse", "category", "text", "bool", "ordered", "int8"),
          "splits of the same gain are chosen by order"),
    Never("effects", ("two values",), "other", ("coarse", "category", "text"),
          "splits of the same gain are chosen by order"),
)  # fmt: skip


def _column(rng: np.random.Generator, kind: str, n: int) -> Any:
    if kind in ("category", "text", "ordered"):
        levels = ["a", "b", "c", "d"]
        values = rng.choice(levels, n)
        if kind == "text":
            return pd.Series(values.astype(object))
        return pd.Series(pd.Categorical(values, levels, ordered=kind == "ordered"))
    if kind == "date":
        hours = pd.to_timedelta(rng.permutation(9 * n)[:n], unit="h")
        return pd.Series(pd.Timestamp("2024-01-01") + hours)
    values = {
        "bool": lambda: rng.random(n) < 0.4,
        "int8": lambda: rng.integers(-100, 100, n).astype("int8"),
        "coarse": lambda: rng.integers(0, 4, n).astype(float),
        "float32": lambda: rng.normal(size=n).astype("float32"),
        "subnormal": lambda: rng.permutation(5 * n)[:n] * 1e-310,
        "huge": lambda: rng.normal(size=n) * 1e150,
        "constant": lambda: np.full(n, 3.25),
        "float64": lambda: rng.normal(size=n),
    }[kind]()
    return pd.Series(values)


def _score(column: pd.Series) -> np.ndarray:
    """Where a row stands in a column, between 0 and 1, half where it is missing."""
    codes, _ = pd.factorize(column, sort=True)
    return np.where(codes < 0, 0.5, codes / max(codes.max(), 1))


def _effects(rng: np.random.Generator, kind: str, X: pd.DataFrame) -> np.ndarray:
    n = len(X)
    one, other = _score(X.iloc[:, 0]), _score(X.iloc[:, -1])
    noise = rng.normal(size=n)
    step = 2.0 * (one > 0.4) + (other > 0.6)
    values = {
        "steps": step + 0.3 * noise,
        "smooth": np.sin(3 * one) + other + 0.1 * noise,
        "noise": noise,
        "two values": (noise + step > 1).astype(float),
        "tiny": 1e-9 * (step + noise),
        "huge": 1e12 * (step + noise),
    }
    return np.asarray(values[kind])


def _drawn(rng: np.random.Generator, chosen: Chosen) -> tuple[Any, ...]:
    n = int(chosen["rows"])
    X = pd.DataFrame({"one": _column(rng, chosen["covariate"], n)})
    if chosen["other"] != "none":
        X["other"] = _column(rng, chosen["other"], n)
    X["z"] = rng.normal(size=n)
    gappy = {"none": None, "covariate": "one", "other": "other"}[chosen["missing"]]
    effect = _effects(rng, chosen["effects"], X)
    if gappy:
        X[gappy] = X[gappy].where(rng.random(n) > 0.15)
    weights = {
        "none": None,
        "frequency": rng.integers(0, 4, n).astype(float),
        "sampling": rng.random(n) + 0.2,
        "importance": rng.random(n) + 0.2,
    }[chosen["weights"]]
    return X, effect, weights


def _settings(chosen: Chosen, effect: np.ndarray) -> dict[str, Any]:
    settings: dict[str, Any] = {"method": chosen["method"], "min_samples_leaf": 5}
    settings |= {"teststat": chosen["teststat"], "testtype": chosen["testtype"]}
    if chosen["weights"] != "none":
        settings["weights_type"] = chosen["weights"]
    if chosen["size"] == "max_sd":
        settings["max_sd"] = 0.8 * float(np.std(effect))
    elif chosen["size"] != "tests":
        settings["n_partitions"] = int(chosen["size"])
    return settings


def _changed(
    rng: np.random.Generator,
    what: str,
    X: pd.DataFrame,
    effect: np.ndarray,
    weights: Any,
) -> tuple[pd.DataFrame, np.ndarray, Any, np.ndarray]:
    """Rows, effects and weights that must give the same regions; and the rows' origins."""
    origin = np.arange(len(X))
    if what == "order of rows":
        origin = rng.permutation(len(X))
    elif what == "weights as repeated rows":
        origin = np.repeat(origin, weights.astype(int))
    X, effect = X.iloc[origin].reset_index(drop=True), effect[origin]
    weights = None if weights is None else weights[origin]
    if what == "weights as repeated rows":
        weights = None
    elif what == "weights' scale":
        weights = weights * 1024
    elif what in ("unit of effects", "sign of effects"):
        effect = effect * (2.0**20 if what == "unit of effects" else -1)
    elif what == "a column twice":
        X = X.assign(twice=X["one"])
    elif what == "unit of covariates":
        X = X.assign(one=X["one"].astype(float) * 1024)
    elif what == "monotone recoding":
        X = X.assign(one=np.exp(X["one"].astype(float) / 20))
    elif what == "names of categories":
        names = {"a": "zz", "b": "$b$", "c": "c d", "d": "naïve"}
        column = X["one"]
        categorical = isinstance(column.dtype, pd.CategoricalDtype)
        renamed = column.cat.rename_categories if categorical else column.map
        X = X.assign(one=renamed(names))
    return X, effect, weights, origin


def _factor(what: str) -> float:
    return {"unit of effects": 2.0**20, "sign of effects": -1.0}.get(what, 1.0)


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """Grow a tree twice; the regions of the same rows, and their averages, are equal."""
    X, effect, weights = _drawn(rng, chosen)
    what, settings = chosen["changed"], _settings(chosen, effect)
    given = _changed(rng, what, X, effect, weights)
    try:
        tree = EffectTree(**settings).fit(X, effect, weights)
    except ValueError as error:
        return _also_refused(settings, given, str(error))
    if "max_sd" in settings:
        settings["max_sd"] *= abs(_factor(what))
    X_other, effect_other, weights_other, origin = given
    other = EffectTree(**settings).fit(X_other, effect_other, weights_other)
    regions = np.unique(tree.apply(X), return_inverse=True)[1]
    found = np.unique(other.apply(X_other), return_inverse=True)[1]
    kept = np.ones(len(origin), bool) if weights is None else weights[origin] > 0
    pairs = set(zip(regions[origin][kept], found[kept], strict=True))
    assert len(pairs) == tree.n_partitions_ == other.n_partitions_, (
        tree.export_text(), other.export_text(),
    )  # fmt: skip
    weights = np.ones(len(X)) if weights is None else weights
    means, again = tree.predict(X), other.predict(X_other)
    by_hand = [
        effect[(m := regions == r)] @ weights[m] / weights[m].sum() for r in regions
    ]
    size = np.abs(effect).max()
    np.testing.assert_allclose(means, by_hand, rtol=1e-9, atol=1e-12 * size)
    scaled = means[origin] * _factor(what)
    np.testing.assert_allclose(
        again[kept], scaled[kept], rtol=1e-9, atol=1e-9 * size * abs(_factor(what))
    )
    return Outcome("equal", 2 * len(X))


def _also_refused(settings: dict, given: tuple, message: str) -> Outcome:
    """A size that is out of reach is so whatever is changed."""
    try:
        EffectTree(**settings).fit(*given[:3])
    except ValueError:
        return Outcome(f"refused: {message.partition('=')[0]} is out of reach")
    raise AssertionError(f"refused once: {message}")


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    X, effect, weights = _drawn(rng, chosen)
    return f"{chosen}\n{X.assign(effect=effect, weight=weights)}"


SPACE = Space("regions", CHOICES, NEVER, check, describe)
