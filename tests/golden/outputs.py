"""Outputs that are frozen: numbers and printed texts of fixed data and fixed models.

Data are made by arithmetic, models are formulas or fits with one solution, so that no
library's version decides them. `test_golden.py` compares; where a change is wanted, and
stands in the changelog, they are written anew:

    python -m tests.golden.outputs
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import (
    IQR,
    Adaptive,
    Contrast,
    Envelope,
    FMEExplainer,
    GaussLegendre,
    Quantile,
    Scale,
    SetTo,
    attribute,
    came,
    fme,
    profiles,
)
from skfme.statsmodels import (
    ConditionalEffects,
    EffectTree,
    average_effects,
    came_batches,
    delta_effects,
)

FROZEN = Path(__file__).with_name("outputs.json")


def people(n: int = 240) -> pd.DataFrame:
    """Rows whose numbers are made by integer arithmetic alone."""
    i = np.arange(n)
    table = pd.DataFrame(
        {
            "age": 20.0 + (37 * i) % 53,
            "dose": ((53 * i) % 97) / 10,
            "visits": i**2 % 7,
            "smoker": np.array(["no", "yes"])[(i // 3 + i % 5) % 2],
            "ward": pd.Categorical(np.array(list("abcd"))[((17 * i + 3) // 4) % 4]),
            "seen": np.datetime64("2024-01-01T00", "s") + (i * 7919) % 900 * 3600,
        }
    )
    table.loc[i % 31 == 4, "dose"] = np.nan
    return table


def risk(table: pd.DataFrame) -> np.ndarray:
    """Smooth, not additive, with a jump at 50 years."""
    age, dose = table["age"].to_numpy(float), table["dose"].to_numpy(float)
    smoker = (table["smoker"] == "yes").to_numpy()
    ward = table["ward"].astype(str).map({"a": 0.0, "b": 0.5, "c": -0.25, "d": 1.0})
    score = 0.04 * (age - 45) + 0.01 * dose**2 - 0.002 * dose * age + 0.8 * smoker
    score = score + 0.7 * (age > 50) + ward.to_numpy(float)
    return 100 / (1 + np.exp(-score / 2))


def outcome(table: pd.DataFrame) -> pd.DataFrame:
    i = np.arange(len(table))
    noise = ((71 * i) % 113) / 113 - 0.5
    y = 3 + 0.05 * table["age"] - 0.2 * table["dose"].fillna(4) + 2 * noise
    return table.assign(
        y=y,
        count=np.floor(np.exp(y / 4) + 2 * noise + 1),
        sick=(y + 3 * noise > 4.5) * 1,
        w=1.0 + i % 3,
        team=i % 12,
    )


def effects(**options: Any) -> Any:
    steps = [{"age": 5}, {"dose": Scale(0.8)}, {"smoker": Contrast("no", "yes")}]
    steps += [{"ward": "d"}, {"visits": SetTo(3)}, {"age": IQR(-0.5), "dose": 1}]
    steps += [{"dose": Quantile(0.9)}, {"seen": pd.Timedelta(days=2)}]
    table = people()
    given = dict(zip("abcdefgh", steps, strict=True))
    return fme(risk_of_rows, table, given, **options)


def risk_of_rows(table: pd.DataFrame) -> np.ndarray:
    """The risk, of a table without missing doses; they count as 4."""
    return risk(table.assign(dose=table["dose"].fillna(4.0)))


class Risk(RegressorMixin, BaseEstimator):
    """The same as a model."""

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Risk:
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        return risk_of_rows(X)


RISK = FrozenEstimator(Risk())

# What is frozen ----------------------------------------------------------------------


def summaries() -> Any:
    found = effects()
    return [found.to_frame(), str(found.summary())]


def rows() -> Any:
    effect = effects(extrapolation=Envelope(combinations=True))["f"]
    frame = effect.to_frame()
    return [frame.iloc[::17], frame["status"].value_counts().sort_index()]


def groups_and_weights() -> Any:
    table = outcome(people())
    found = effects(sample_weight=table["w"].to_numpy(), weights_type="sampling")
    return [found["a"].average(by=["smoker", "ward"]), found.to_frame()]


def nonlinearity() -> Any:
    table, step = people(), {"age": 8, "dose": 2}
    rules = [True, GaussLegendre(7), Adaptive()]
    return [fme(risk_of_rows, table, step, nlm=rule).nlm[::23] for rule in rules]


def comparisons() -> Any:
    kinds = ["ratio", "percent", "log_ratio"]
    frames = [effects(comparison=kind).to_frame() for kind in kinds]
    means = effects(comparison="ratio", average="of_means").to_frame()
    slope = fme(risk_of_rows, people(), {"age": 5}, comparison="per_unit")
    return [*frames, means, slope.to_frame().iloc[::37]]


def attribution() -> Any:
    step = {"age": 8, "dose": 2, "smoker": "yes"}
    shapley = attribute(risk_of_rows, people(), step)
    path = attribute(risk_of_rows, people(), {"age": 8, "dose": 2}, method="path")
    return [shapley.to_frame().iloc[::29], str(shapley.summary()), path.to_frame()]


def optimum_and_profiles() -> Any:
    table = people()
    explainer = FMEExplainer(RISK, {"dose": 1}).fit(table)
    best = explainer.optimum(table, "dose", direction="min", by="smoker", margin=0.5)
    typical = profiles(table, age=[30, 60], smoker="yes")
    return [best.to_frame(), typical.drop(columns="seen")]


def inference() -> Any:
    found = effects()
    table = outcome(people())
    clustered = {"cov_type": "cluster", "cov_kwds": {"groups": table["team"]}}
    results = [average_effects(found), average_effects(found, **clustered)]
    results.append(results[0].pairwise(over="effect"))
    adjusted = [
        r.conf_int(simultaneous=True).to_numpy()[:3].round(4) for r in results[:2]
    ]
    return [*(r.to_frame() for r in results), *adjusted, str(results[1].summary())]


def parametric() -> Any:
    table = outcome(people()).dropna()
    steps = [{"age": 5}, {"dose": -1}]
    formula = "~ age * dose + C(smoker)"
    fits = [
        smf.ols("y" + formula, table).fit(cov_type="HC1"),
        smf.logit("sick" + formula, table).fit(disp=False, method="newton", tol=1e-12),
        smf.glm("count" + formula, table, family=sm.families.Poisson()).fit(tol=1e-12),
    ]
    return [delta_effects(fit, table, steps, by="smoker").to_frame() for fit in fits]


def conditional() -> Any:
    effect, table = effects()["a"], outcome(people())
    model = ConditionalEffects.from_formula(effect, "visits + C(smoker)")
    kinds = ["HC3", "cluster"]
    kwds = [None, {"groups": table["team"]}]
    fits = [model.fit(k, w) for k, w in zip(kinds, kwds, strict=True)]
    return [fit.to_frame() for fit in fits]


def trees() -> Any:
    effect = effects()["b"]
    options = {"drop": ["seen"], "min_samples_leaf": 12}
    found = [came(effect, **options), came(effect, 3, method="cart", **options)]
    explainer = FMEExplainer(RISK, {"b": {"dose": Scale(0.8)}}).fit(people())
    batches = [people()[:100], people()[100:]]
    found.append(came_batches(explainer, batches, tree=EffectTree(**options)))
    return [part for tree in found for part in (tree.partitions_, str(tree))]


OUTPUTS: tuple[Callable[[], Any], ...] = (
    summaries, rows, groups_and_weights, nonlinearity, comparisons, attribution,
    optimum_and_profiles, inference, parametric, conditional, trees,
)  # fmt: skip


def plain(value: Any) -> Any:
    """Tables, arrays and texts as JSON holds them: floats in full, NaN as null."""
    if isinstance(value, (pd.DataFrame, pd.Series)):
        frame = value.to_frame() if isinstance(value, pd.Series) else value
        return {str(name): plain(frame[name].tolist()) for name in frame}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if isinstance(value, str):
        return value.splitlines() if "\n" in value else value
    if isinstance(value, float):
        return None if np.isnan(value) else value
    return value if isinstance(value, (int, bool)) or value is None else str(value)


def made(output: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(plain(output())))


if __name__ == "__main__":
    text = json.dumps({f.__name__: made(f) for f in OUTPUTS}, indent=1)
    FROZEN.write_text(text + "\n")
