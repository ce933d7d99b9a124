"""The space of delta_effects: averages and errors against numeric differentiation.

The average is made of the model's own `predict(params, exog)`, from a design that is built
by hand; its gradient by central differences of each parameter, and the error is √(J V J′).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space
from skfme import Add, Contrast, Scale, SetTo
from skfme.statsmodels import delta_effects

CHOICES = {
    "model": ("ols", "wls", "logit", "probit", "poisson", "negative binomial",
              "glm gamma", "glm poisson", "glm binomial", "mnlogit"),
    "design": ("array", "frame", "formula", "formula with terms"),
    "covariance": ("of the fit", "HC0", "HC1", "HC3", "given"),
    "step": ("plain", "add", "scale", "set", "contrast", "category", "joint"),
    "offset": ("none", "offset", "exposure"),
    "data": ("rows of the fit", "new rows"),
    "comparison": ("difference", "ratio", "percent", "log_ratio", "per_unit"),
    "average": ("of_rows", "of_means"),
    "weights": ("none", "whole", "fractional"),
    "groups": ("none", "by"),
    "batch": ("auto", "7"),
}  # fmt: skip

_COUNTS = ("poisson", "negative binomial", "glm poisson")
_SIGNED = ("ols", "wls")
NEVER = (
    Never("offset", ("offset", "exposure"), "model",
          tuple(m for m in CHOICES["model"] if m not in _COUNTS), "of counts alone"),
    Never("design", ("array", "frame"), "step", ("category",),
          "a design has categories by a formula alone"),
    Never("comparison", ("ratio", "percent", "log_ratio"), "model", _SIGNED,
          "needs positive predictions"),
    Never("comparison", ("per_unit",), "step",
          ("scale", "set", "contrast", "category", "joint"), "divides by a number added"),
    Never("comparison", ("difference", "per_unit"), "average", ("of_means",),
          "the same, as both are linear"),
    Never("covariance", ("HC0", "HC1", "HC3"), "model",
          ("wls",), "sampling weights and precisions differ there"),
)  # fmt: skip


def _data(rng: np.random.Generator, n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "x": rng.normal(size=n).round(3),
            "z": rng.uniform(0.5, 2, n).round(3),
            "g": rng.choice(["a", "b", "c"], n),
            "t": rng.uniform(0.5, 3, n).round(2),
        }
    )


def _design(data: pd.DataFrame, kind: str) -> np.ndarray:
    """The columns of the design in the order of the parameters."""
    x, z = data["x"].to_numpy(), data["z"].to_numpy()
    one = np.ones(len(data))
    if kind in ("array", "frame"):
        return np.column_stack([one, x, z])
    b, c = (data["g"] == "b").to_numpy(float), (data["g"] == "c").to_numpy(float)
    columns = [one, b, c, x, z]
    return np.column_stack([*columns, x**2, x * z] if "terms" in kind else columns)


def _formula(kind: str) -> str:
    return "y ~ C(g) + x + z" + (" + I(x ** 2) + x:z" if "terms" in kind else "")


def _outcome(rng: np.random.Generator, model: str, data: pd.DataFrame) -> np.ndarray:
    eta = 0.3 + 0.4 * data["x"] - 0.3 * data["z"] + 0.2 * (data["g"] == "b")
    if model in _SIGNED:
        return np.asarray(eta + rng.normal(size=len(data)))
    if model in _COUNTS:
        mean = np.exp(eta) * data["t"]
        return rng.poisson(mean * rng.gamma(2, 0.5, len(data)))
    if model == "glm gamma":
        return np.exp(eta) * rng.gamma(2, 0.5, len(data)) + 0.01
    if model == "mnlogit":
        return np.digitize(eta + rng.logistic(size=len(data)), [-0.3, 0.8])
    return (eta + rng.logistic(size=len(data)) > 0).astype(int)


_KINDS: dict[str, Callable[..., Any]] = {
    "ols": sm.OLS,
    "wls": sm.WLS,
    "logit": sm.Logit,
    "probit": sm.Probit,
    "poisson": sm.Poisson,
    "negative binomial": sm.NegativeBinomial,
    "glm gamma": sm.GLM,
    "glm poisson": sm.GLM,
    "glm binomial": sm.GLM,
    "mnlogit": sm.MNLogit,
}


def _fit(chosen: Chosen, data: pd.DataFrame, given: dict[str, Any]) -> Any:
    kind, options = _KINDS[chosen["model"]], dict(given)
    if chosen["model"] == "glm gamma":
        options["family"] = sm.families.Gamma(sm.families.links.Log())
    elif chosen["model"] == "glm poisson":
        options["family"] = sm.families.Poisson()
    elif chosen["model"] == "glm binomial":
        options["family"] = sm.families.Binomial()
    elif chosen["model"] == "wls":
        options["weights"] = data["t"]
    if chosen["design"].startswith("formula"):
        model = kind.from_formula(_formula(chosen["design"]), data, **options)
    else:
        design = _design(data, chosen["design"])
        exog = pd.DataFrame(design, columns=["const", "x", "z"], index=data.index)
        frame = chosen["design"] == "frame"
        model = kind(data["y"], exog if frame else design, **options)
    robust = chosen["covariance"].startswith("HC")
    fit = {"cov_type": chosen["covariance"]} if robust else {}
    quiet = (
        {} if chosen["model"] in _SIGNED or "glm" in chosen["model"] else {"disp": 0}
    )
    return model.fit(**fit, **quiet)


def _step(rng: np.random.Generator, chosen: Chosen) -> tuple[dict, Callable, Callable]:
    """A step, and the data before and after it."""
    size = float(rng.choice([-1, 0.5, 2]))

    def same(data: pd.DataFrame) -> pd.DataFrame:
        return data

    moved = {
        "plain": ({"x": size}, same, lambda d: d.assign(x=d["x"] + size)),
        "add": ({"z": Add(0.25)}, same, lambda d: d.assign(z=d["z"] + 0.25)),
        "scale": ({"z": Scale(1.1)}, same, lambda d: d.assign(z=d["z"] * 1.1)),
        "set": ({"x": SetTo(0.5)}, same, lambda d: d.assign(x=0.5)),
        "contrast": (
            {"x": Contrast(-1, 1)}, lambda d: d.assign(x=-1.0), lambda d: d.assign(x=1.0),
        ),
        "category": (
            {"g": Contrast("a", "b")}, lambda d: d.assign(g="a"), lambda d: d.assign(g="b"),
        ),
        "joint": (
            {"x": size, "z": 0.1},
            same,
            lambda d: d.assign(x=d["x"] + size, z=d["z"] + 0.1),
        ),
    }  # fmt: skip
    return moved[chosen["step"]]


def _compared(chosen: Chosen, low: np.ndarray, high: np.ndarray, step: dict) -> Any:
    kind = chosen["comparison"]
    if kind == "per_unit":
        amount = next(iter(step.values()))
        return (high - low) / getattr(amount, "amount", amount)
    return {
        "difference": lambda: high - low,
        "ratio": lambda: high / low,
        "percent": lambda: 100 * (high - low) / low,
        "log_ratio": lambda: np.log(high / low),
    }[kind]()


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """Estimates and standard errors against those by numeric differentiation."""
    fit_data = _data(rng, 120)
    fit_data["y"] = _outcome(rng, chosen["model"], fit_data)
    own = {"none": {}, "offset": {"offset": np.log(fit_data["t"])}}
    own["exposure"] = {"exposure": fit_data["t"]}
    results = _fit(chosen, fit_data, own[chosen["offset"]])
    if not np.isfinite(results.cov_params()).all(axis=None):
        return Outcome("a fit without a covariance", counts=False)
    is_new = chosen["data"] == "new rows"
    data = _data(rng, 40) if is_new else fit_data
    given = {}
    if chosen["offset"] != "none":
        t = data["t"]
        given = {chosen["offset"]: np.log(t) if chosen["offset"] == "offset" else t}
    steps, before, after = _step(rng, chosen)
    weights = {
        "none": None,
        "whole": rng.integers(0, 3, len(data)).astype(float) + (data.index == 0),
        "fractional": rng.random(len(data)) + 0.1,
    }[chosen["weights"]]
    cov = None
    if chosen["covariance"] == "given":
        cov = np.asarray(results.cov_params()) * 1.7
    options = {
        "comparison": chosen["comparison"],
        "average": chosen["average"],
        "sample_weight": weights,
        "by": "g" if chosen["groups"] == "by" else None,
        "batch_size": "auto" if chosen["batch"] == "auto" else int(chosen["batch"]),
        "cov": cov,
    }
    names = {"x": "x1", "z": "x2"} if chosen["design"] == "array" else {}
    named_steps = {names.get(name, name): step for name, step in steps.items()}
    answer = delta_effects(
        results, data.rename(columns=names), named_steps, **options, **given
    )
    groups = (
        data["g"].to_numpy() if chosen["groups"] == "by" else np.full(len(data), "")
    )
    weights = np.ones(len(data)) if weights is None else weights
    frames = (before(data), after(data))

    def averages(params: np.ndarray) -> np.ndarray:
        low, high = (_predicted(chosen, results, params, f, given) for f in frames)
        found = []
        for group in sorted(set(groups)):
            rows = np.where(groups == group, weights, 0)
            if chosen["average"] == "of_means":
                ends = (rows @ e / rows.sum() for e in (low, high))
                found.append(_compared(chosen, *ends, steps))
            else:
                found.append(rows @ _compared(chosen, low, high, steps) / rows.sum())
        return np.array(found).T.ravel()  # outputs one after the other

    return _agree(answer, results, averages, cov)


def _predicted(
    chosen: Chosen, results: Any, params: np.ndarray, data: pd.DataFrame, given: dict
) -> np.ndarray:
    """The model's own mean of a design by hand."""
    design = _design(data, chosen["design"])
    extra = dict(given)
    if "exposure" in extra:
        extra = {"exposure": np.asarray(extra["exposure"])}
    if chosen["model"] == "mnlogit":
        params = params.reshape(np.asarray(results.params).shape, order="F")
    values = results.model.predict(params, exog=design, **extra)
    return np.asarray(values).reshape(len(data), -1)


def _agree(answer: Any, results: Any, averages: Callable, cov: Any) -> Outcome:
    params = np.asarray(results.params, dtype=float).ravel(order="F")
    cov = np.asarray(results.cov_params()) if cov is None else cov
    h = 1e-5
    columns = []
    for j in range(len(params)):
        shift = np.zeros(len(params))
        shift[j] = h * max(1, abs(params[j]))
        columns.append(
            (averages(params + shift) - averages(params - shift)) / (2 * shift[j])
        )
    jacobian = np.column_stack(columns)
    errors = np.sqrt(np.einsum("ij,jk,ik->i", jacobian, cov, jacobian))
    expected = averages(params)
    estimates = np.asarray(answer.params, dtype=float)
    np.testing.assert_allclose(
        estimates, expected, rtol=1e-8, atol=1e-10 * (1 + abs(expected).max())
    )
    found = np.asarray(answer.bse, dtype=float)
    np.testing.assert_allclose(found, errors, rtol=1e-5, atol=1e-8 * (1 + errors.max()))
    return Outcome("equal", 2 * len(expected))


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    return str(chosen)


SPACE = Space("delta", CHOICES, NEVER, check, describe)
