"""Effects with values that a test chooses."""

import numpy as np
import pandas as pd

from skfme._engine.stepping import STATUSES
from skfme._frames.tables import as_table
from skfme._results.context import Context
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._summaries.weighting import Weighting


def effect_of(fme, X=None, weights=None, name="x +1", outputs=None):
    """A ForwardEffect whose FMEs are given; NaN where a row does not count."""
    values = np.asarray(fme, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    if X is None:
        X = pd.DataFrame({"x": np.arange(len(values), dtype=float)})
    weights = None if weights is None else np.asarray(weights, dtype=float)
    outputs = outputs or tuple(f"y{k}" for k in range(values.shape[1]))
    context = Context(
        as_table(X),
        Weighting(weights, len(X)),
        tuple(outputs),
        "model",
        "predict",
        None,
    )
    missing = np.isnan(values).any(axis=1)
    status = np.where(missing, STATUSES.index("missing"), STATUSES.index("counted"))
    return ForwardEffect(name, {}, (), context, values, status)


def effects_of(columns, X=None, weights=None, outputs=None):
    """Several effects of the same rows: a mapping of name -> FMEs."""
    effects = [
        effect_of(fme, X, weights, name, outputs) for name, fme in columns.items()
    ]
    context = effects[0].context
    return ForwardEffects(
        [
            ForwardEffect(e.name, {}, (), context, e.fme_2d, e.status_codes)
            for e in effects
        ],
        context,
    )


def sample(n=120, seed=0):
    """Covariates, effects that depend on them, and integer weights."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.uniform(20, 80, n).round(1),
            "bp": rng.normal(90, 10, n).round(1),
            "sex": pd.Categorical(rng.choice(["f", "m"], n, p=[0.6, 0.4])),
            "site": rng.choice(list("abcd"), n),
            "patient": rng.integers(0, n // 6, n),
            "ward": rng.integers(0, 8, n),
        }
    )
    spread = np.where(X["sex"] == "m", 2.0, 1.0)
    shift = rng.normal(size=X["patient"].max() + 1)[X["patient"]]
    effect = 0.05 * X["age"] + (X["site"] == "b") + shift + spread * rng.normal(size=n)
    weights = rng.integers(1, 5, n).astype(float)
    return X, effect.to_numpy(), weights
