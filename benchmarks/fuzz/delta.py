"""The space of delta_effects: averages and errors against numeric differentiation.

The average is made of the model's own `predict(params, exog)`, from a design that is built
by hand; its gradient by central differences of each parameter, and the error is √(J V J′).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space
from benchmarks.fuzz.models import NotTakenError
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
    try:
        return model.fit(**fit, **quiet)
    except ValueError as error:  # statsmodels 0.14 takes no exposure as a series there
        raise NotTakenError(str(error)) from error


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


@dataclass
class Average:
    """An average of a fitted model's effects, as a function of its parameters.

    Attributes
    ----------
    steps : dict of column -> step
    before, after : DataFrame
        The rows at both ends.
    given : dict
        The offset or exposure of the rows.
    """

    chosen: Chosen
    results: Any
    data: pd.DataFrame
    steps: dict[str, Any]
    before: pd.DataFrame
    after: pd.DataFrame
    weights: np.ndarray | None
    given: dict[str, Any]

    def at(self, params: np.ndarray) -> np.ndarray:
        """Of every output and, within it, every group."""
        low, high = (self._predicted(params, end) for end in (self.before, self.after))
        by = self.chosen["groups"] == "by"
        groups = self.data["g"].to_numpy() if by else np.full(len(self.data), "")
        weights = np.ones(len(self.data)) if self.weights is None else self.weights
        found = []
        for group in sorted(set(groups)):
            rows = np.where(groups == group, weights, 0)
            rows = rows / rows.sum()
            if self.chosen["average"] == "of_means":
                found.append(
                    _compared(self.chosen, rows @ low, rows @ high, self.steps)
                )
            else:
                found.append(rows @ _compared(self.chosen, low, high, self.steps))
        return np.array(found).T.ravel()

    def jacobian(self, params: np.ndarray) -> np.ndarray:
        """By central differences of each parameter."""
        columns = []
        for j, size in enumerate(1e-5 * np.maximum(1, np.abs(params))):
            shift = np.zeros(len(params))
            shift[j] = size
            columns.append(
                (self.at(params + shift) - self.at(params - shift)) / (2 * size)
            )
        return np.column_stack(columns)

    def _predicted(self, params: np.ndarray, data: pd.DataFrame) -> np.ndarray:
        """The model's own mean of a design by hand."""
        if self.chosen["model"] == "mnlogit":
            params = params.reshape(np.asarray(self.results.params).shape, order="F")
        given = {name: np.asarray(values) for name, values in self.given.items()}
        design = _design(data, self.chosen["design"])
        values = self.results.model.predict(params, exog=design, **given)
        return np.asarray(values).reshape(len(data), -1)


def _drawn(rng: np.random.Generator, chosen: Chosen) -> Average:
    fit_data = _data(rng, 120)
    fit_data["y"] = _outcome(rng, chosen["model"], fit_data)
    results = _fit(chosen, fit_data, _given(chosen, fit_data))
    data = _data(rng, 40) if chosen["data"] == "new rows" else fit_data
    steps, before, after = _step(rng, chosen)
    weights = {
        "none": None,
        "whole": rng.integers(0, 3, len(data)).astype(float) + (data.index < 9),
        "fractional": rng.random(len(data)) + 0.1,
    }[chosen["weights"]]
    ends = before(data), after(data)
    return Average(chosen, results, data, steps, *ends, weights, _given(chosen, data))


def _given(chosen: Chosen, data: pd.DataFrame) -> dict[str, Any]:
    """What a model of counts takes beside its design."""
    if chosen["offset"] == "none":
        return {}
    t = data["t"]
    return {chosen["offset"]: np.log(t) if chosen["offset"] == "offset" else t}


def _asked(average: Average, cov: np.ndarray | None) -> Any:
    """What the package says; an array has names of statsmodels' own."""
    chosen = average.chosen
    names = {"x": "x1", "z": "x2"} if chosen["design"] == "array" else {}
    return delta_effects(
        average.results,
        average.data.rename(columns=names),
        {names.get(name, name): step for name, step in average.steps.items()},
        comparison=chosen["comparison"],
        average=chosen["average"],
        sample_weight=average.weights,
        by="g" if chosen["groups"] == "by" else None,
        batch_size="auto" if chosen["batch"] == "auto" else int(chosen["batch"]),
        cov=cov,
        **average.given,
    )


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """Estimates and standard errors against those by numeric differentiation."""
    try:
        average = _drawn(rng, chosen)
    except NotTakenError as error:
        return Outcome(f"not fitted by statsmodels: {str(error)[:40]}", counts=False)
    own = np.asarray(average.results.cov_params())
    if not np.isfinite(own).all():
        return Outcome("a fit without a covariance", counts=False)
    cov = 1.7 * own if chosen["covariance"] == "given" else None
    answer = _asked(average, cov)
    params = np.asarray(average.results.params, dtype=float).ravel(order="F")
    expected, jacobian = average.at(params), average.jacobian(params)
    variances = np.einsum(
        "ij,jk,ik->i", jacobian, own if cov is None else cov, jacobian
    )
    errors = np.sqrt(variances)
    np.testing.assert_allclose(
        answer.params, expected, rtol=1e-8, atol=1e-10 * (1 + abs(expected).max())
    )
    np.testing.assert_allclose(
        answer.bse, errors, rtol=1e-5, atol=1e-8 * (1 + errors.max())
    )
    return Outcome("equal", 2 * len(expected))


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    return str(chosen)


SPACE = Space("delta", CHOICES, NEVER, check, describe)
