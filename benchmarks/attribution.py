"""Attributions of joint steps, as ratios, each beside its limit.

Parts of a joint step of a tenth of each feature's range ÷ one predict of the same rows;
their interactions ÷ the parts alone; parts along the path ÷ one predict; a network's parts
÷ the coalition predictions that they need; and shap beside them, where it is installed. One
thread. Runs are interleaved and repeated, and medians taken of the process's CPU time.

What shap answers: its interventional explainer, with the row's own x as background and
x + h as the row explained, gives the same Shapley values, but needs a new explainer for
each row. Its TreeExplainer splits f(x) − E f among all features, one question of many
answers; the one-feature effects beside it say what a change of each would do.

    python -P benchmarks/attribution.py [--only TEXT ...] [--rows N] [--repeats R]
                                        [--json FILE] [--list]

-P, as numba would take coverage.py beside this file for the package of that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.limits import chosen_rows, parser_of, printed, seconds, written
from skfme import FMEExplainer

N_TRAIN = 20_000
SHARE = 0.1  # of the range
N_SHAP = 20  # rows that shap's explainers are timed on
N_TREE_EXPLAINER = 200


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    model : str
        A key of `MODELS`.
    features : int
        Of the table, all of which the step changes.
    measure : str
        A key of `MEASURES`.
    limit : float or None
    """

    model: str
    features: int
    measure: str
    limit: float | None = None

    @property
    def name(self) -> str:
        """What a line of the table starts with."""
        return f"{self.model}, {self.features} features: {WORDS[self.measure]}"

    @property
    def at_least(self) -> bool:
        """Whether the limit is one from below."""
        return "shap" in self.measure


WORDS = {
    "parts": "all parts ÷ one predict",
    "interactions": "parts and interactions ÷ parts",
    "path": "parts along the path ÷ one predict",
    "coalitions": "parts ÷ the coalition predictions that they need",
    "shap a row": "shap, a new explainer for each row ÷ parts, a row",
    "shap without construction": "shap, without making it ÷ parts, a row",
    "shap values": "shap.TreeExplainer ÷ all one-feature effects, a row",
}


def forest() -> RandomForestRegressor:
    return RandomForestRegressor(
        100, max_depth=10, max_features=0.5, random_state=0, n_jobs=2
    )


def boosting() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(
        max_iter=200, early_stopping=False, random_state=0
    )


def lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=200, verbose=-1)


MODELS: dict[str, Callable[[], Any]] = {
    "forest of depth 10": forest,
    "HistGradientBoosting": boosting,
    "LightGBM": lightgbm,
    "MLP": lambda: MLPRegressor(max_iter=10, random_state=0),
}


def rows() -> Iterator[Row]:
    """Every line of the table."""
    yield Row("forest of depth 10", 10, "parts", 3.0)
    yield Row("forest of depth 10", 50, "parts", 3.5)
    yield Row("HistGradientBoosting", 10, "parts", 3.0)
    yield Row("LightGBM", 10, "parts", 3.0)
    for p in (10, 50):
        yield Row("forest of depth 10", p, "interactions", 2.0)
    for model in ("HistGradientBoosting", "LightGBM"):
        yield Row(model, 10, "interactions", 2.0)
    for p in (10, 50):
        yield Row("forest of depth 10", p, "path", 6.0)
    for model in ("HistGradientBoosting", "LightGBM"):
        yield Row(model, 10, "path", 6.0)
    yield Row("MLP", 6, "coalitions", 1.05)
    for model in ("forest of depth 10", "LightGBM"):
        yield Row(model, 10, "shap a row", 1000.0)
        yield Row(model, 10, "shap without construction")
        yield Row(model, 10, "shap values")


def sample(n: int, p: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(size=(n, p))


@cache
def fitted(name: str, p: int) -> Any:
    X = sample(N_TRAIN, p)
    noise = np.random.default_rng(1).normal(size=N_TRAIN)
    y = X[:, 0] * X[:, 1] + np.sin(4 * X[:, 2]) + 0.1 * noise
    model = MODELS[name]().fit(X, y)
    if "n_jobs" in model.get_params():
        model.set_params(n_jobs=1)
    return model


def explainer_of(model: Any, X: np.ndarray, *, joint: bool = True) -> FMEExplainer:
    sizes = {j: SHARE * float(np.ptp(X[:, j])) for j in range(X.shape[1])}
    steps: Any = sizes if joint else [{j: size} for j, size in sizes.items()]
    frozen = FrozenEstimator(model)
    return FMEExplainer(frozen, steps, extrapolation=None).fit(X[:1000])


def stepped(X: np.ndarray) -> np.ndarray:
    return X + SHARE * np.ptp(X, axis=0)


def coalition_predictions(model: Any, X: np.ndarray) -> None:
    """Each coalition predicted once, in calls of the explainer's own size."""
    Z = stepped(X)
    for coalition in range(2 ** X.shape[1]):
        bits = coalition >> np.arange(X.shape[1]) & 1
        model.predict(np.where(bits, Z, X))


def shap_rows(model: Any, X: np.ndarray, *, made: bool) -> Callable[[], object]:
    """shap's interventional explainer, one for each of some rows."""
    import shap

    Z = stepped(X)
    explainers = [
        shap.TreeExplainer(model, X[i : i + 1], feature_perturbation="interventional")
        for i in range(N_SHAP * made)
    ]

    def run() -> None:
        for i in range(N_SHAP):
            explainer = (
                explainers[i]
                if made
                else shap.TreeExplainer(
                    model, X[i : i + 1], feature_perturbation="interventional"
                )
            )
            explainer.shap_values(Z[i : i + 1], check_additivity=False)

    return run


def shap_values(model: Any, X: np.ndarray) -> Callable[[], object]:
    import shap

    explainer = shap.TreeExplainer(model)
    return lambda: explainer.shap_values(X[:N_TREE_EXPLAINER], check_additivity=False)


Pair = tuple[Callable[[], object], Callable[[], object], float]


def pair_of(row: Row, n: int) -> Pair:
    """What is above, what is below, and what their ratio is multiplied by."""
    X, model = sample(n, row.features), fitted(row.model, row.features)
    explainer = explainer_of(model, X)

    def parts() -> object:
        return explainer.attribute(X)

    if row.measure == "interactions":
        return lambda: explainer.attribute(X, interactions=True), parts, 1.0
    if row.measure == "path":
        return (
            lambda: explainer.attribute(X, method="path"),
            lambda: model.predict(X),
            1.0,
        )
    if row.measure == "coalitions":
        return parts, lambda: coalition_predictions(model, X), 1.0
    if row.measure in ("shap a row", "shap without construction"):
        made = row.measure == "shap without construction"
        return shap_rows(model, X, made=made), parts, n / N_SHAP
    if row.measure == "shap values":
        effects = explainer_of(model, X, joint=False)
        return shap_values(model, X), lambda: effects.explain(X), n / N_TREE_EXPLAINER
    return parts, lambda: model.predict(X), 1.0


def measured(row: Row, n: int, repeats: int) -> list[float]:
    """The ratio of a line, once for each repeat."""
    with threadpool_limits(1):
        above, below, scale = pair_of(row, n)
        above(), below()
        return [scale * seconds(above) / seconds(below) for _ in range(repeats)]


def main() -> None:
    options = parser_of(__doc__.splitlines()[0], rows=20_000).parse_args()
    chosen = chosen_rows(rows(), options)
    if find_spec("shap") is None:
        print("shap is not installed: its lines are left out")
        chosen = [row for row in chosen if "shap" not in row.measure]
    if options.list:
        print(*(row.name for row in chosen), sep="\n")
        return
    written(printed(chosen, measured, options), options)


if __name__ == "__main__":
    main()
