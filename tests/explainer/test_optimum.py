"""The optimum of an average response: closed forms, exactness, edges and bad input."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import Add, FMEExplainer, Scale

E, F = 0.004, 0.004 * 6.78**2  # of the granularity in a mixture-of-experts law


class Formula(RegressorMixin, BaseEstimator):
    """A function of a table as a model."""

    def __init__(self, function=None):
        self.function = function

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(self.function(X), dtype=float)


def explained(function, X, steps=None, **options):
    model = FrozenEstimator(Formula(function).fit(X))
    return FMEExplainer(model, steps, **options).fit(X)


def law(X):
    return E * X["G"] + F / X["G"]


@pytest.fixture
def runs():
    rng = np.random.default_rng(446)
    levels = [1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0]
    return pd.DataFrame({"G": rng.choice(levels, 446), "N": rng.choice([1, 2], 446)})


def test_the_optimum_of_a_law_is_its_closed_form(runs):
    optimum = explained(law, runs).optimum(runs, "G", direction="min", margin=0.0017)
    (row,) = optimum.to_frame().to_dict("records")
    assert row["optimum"] == pytest.approx(np.sqrt(F / E), rel=1e-6)
    assert row["response"] == pytest.approx(2 * np.sqrt(E * F), rel=1e-12)
    assert row["gain"] == pytest.approx(law(runs).mean() - 2 * np.sqrt(E * F))
    # The roots of e·G + f/G = 2·√(ef) + margin; straight lines between 121 values.
    least = 2 * np.sqrt(E * F) + 0.0017
    roots = np.sort(np.roots([E, -least, F]))
    np.testing.assert_allclose([row["range_low"], row["range_high"]], roots, rtol=1e-3)
    assert not row["edge"]
    assert row["n_optima"] == 1


def test_the_root_of_a_steps_ame_is_not_the_optimum_and_brackets_it(runs):
    root = -0.5 + np.sqrt(0.25 + F / E)
    assert root == pytest.approx(6.30, abs=0.005)
    at_root = runs.assign(G=root)
    add, scale = Add(1), Scale(2)
    explainer = explained(law, runs, [{"G": add}, {"G": scale}], extrapolation=None)
    assert explainer.explain(at_root)["G +1"].ame == pytest.approx(0, abs=1e-15)
    # The log-centre of a factor's root is the optimum exactly.
    at_root = runs.assign(G=np.sqrt(F / E) / np.sqrt(2))
    assert explainer.explain(at_root)["G *2"].ame == pytest.approx(0, abs=1e-15)


def test_the_log_centre_of_a_doubling_is_0_986_of_the_optimum_of_a_power_law(runs):
    k, alpha, b, d = 2.0, 0.3, 1.0, 2.0
    best = (alpha * b / d) ** (1 / (1 + alpha))
    centre = best * np.sqrt(k)
    centre *= ((1 - k**-alpha) / (alpha * (k - 1))) ** (1 / (1 + alpha))
    assert centre / best == pytest.approx(0.986144, abs=5e-7)

    def power(X):
        return b * X["r"] ** -alpha + d * X["r"]

    ratios = pd.DataFrame({"r": np.geomspace(0.05, 0.8, 60)})
    explainer = explained(power, ratios, {"r": Scale(k)}, extrapolation=None)
    effect = explainer.explain(ratios.assign(r=centre / np.sqrt(k)))["r *2"]
    assert effect.ame == pytest.approx(0, abs=1e-12)
    optimum = explainer.optimum(ratios, "r", direction="min")
    assert optimum.points == pytest.approx([best], rel=1e-6)


def test_the_optimal_ratio_falls_with_size_by_the_laws_exponent():
    """r*(N) = [α(b + kq)/(d + hq)]^(1/(α+1)) · N^(−α/(α+1)) at G*, S* of the law."""
    g, s = 6.78, 0.31
    q = E * g + F / g + 0.30 * s**2 - 0.186 * s
    scaled, slope = 0.30 * (0.18 + 0.6 * q) / (0.45 + 1.2 * q), -0.30 / 1.30
    sizes = np.array([0.25, 0.5, 1, 2, 4, 8])
    expected = [0.2728, 0.2325, 0.1981, 0.1688, 0.1439, 0.1226]

    def by_ratio(X):
        active = X["r"] * X["N"]
        return (0.18 + 0.6 * q) * active**-0.30 + (0.45 + 1.2 * q) * X["r"]

    rows = pd.DataFrame(
        [(r, n) for n in sizes for r in (0.05, 0.1, 0.2, 0.4, 0.8)], columns=["r", "N"]
    )
    optimum = explained(by_ratio, rows).optimum(rows, "r", direction="min", by="N")
    np.testing.assert_allclose(
        optimum.points, scaled ** (1 / 1.3) * sizes**slope, rtol=1e-5
    )
    np.testing.assert_allclose(optimum.points, expected, atol=6e-5)
    fitted = np.polyfit(np.log(sizes), np.log(optimum.points), 1)[0]
    assert fitted == pytest.approx(-0.230769, abs=1e-5)


def test_doubling_the_data_has_one_effect_whatever_else_and_a_constant_ratio():
    rows = pd.DataFrame({"D": [20.0, 40, 80, 160] * 3, "N": np.repeat([1.0, 2, 4], 4)})

    def loss(X):
        return 0.6 * X["D"] ** -0.35 + 0.25 * X["N"] ** -0.3

    doubled = explained(loss, rows, {"D": Scale(2)}, extrapolation=None)
    fme = doubled.explain(rows)["D *2"].fme.reshape(3, 4)
    np.testing.assert_allclose(fme[:, 0], -0.0452969, atol=5e-8)
    np.testing.assert_allclose(fme[:, 1:] / fme[:, :-1], 0.78458, atol=5e-6)


def test_the_curve_of_a_gaussian_process_is_its_closed_form():
    """m_g(v) = k_j(v, Z_j) ∘ (ωᵀ K_{−j}(X, Z)) α for a product kernel."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"G": rng.uniform(1, 16, 60), "S": rng.uniform(0, 1, 60)})
    y = law(X) + 0.3 * (X["S"] - 0.3) ** 2 * X["G"] / 8
    kernel = ConstantKernel(0.5) * RBF([4.0, 0.6])
    process = GaussianProcessRegressor(kernel, alpha=1e-4, optimizer=None).fit(X, y)
    group, weight = X["S"] > 0.5, rng.uniform(1, 2, 60)
    (curve,) = (
        FMEExplainer(FrozenEstimator(process), {"G": 1})
        .fit(X)
        .optimum(X[group], "G", direction="min", sample_weight=weight[group])
        .curves
    )

    def rbf(a, b, length):
        return np.exp(-0.5 * np.subtract.outer(a, b) ** 2 / length**2)

    omega = weight[group] / weight[group].sum()
    others = omega @ rbf(X.loc[group, "S"].to_numpy(), X["S"].to_numpy(), 0.6)
    own = rbf(curve.low, X["G"].to_numpy(), 4.0)
    mean = 0.5 * (own * others) @ process.alpha_
    np.testing.assert_allclose(curve.response, mean, atol=1e-9)


def test_each_output_and_group_has_an_optimum_of_its_own(runs):
    def two(X):
        return np.column_stack([(X["G"] - 3 * X["N"]) ** 2, law(X)])

    optimum = explained(two, runs).optimum(runs, "G", direction="min", by="N")
    frame = optimum.to_frame()
    assert frame["output"].tolist() == ["y0", "y0", "y1", "y1"]
    assert frame["N"].tolist() == [1, 2, 1, 2]
    np.testing.assert_allclose(frame["optimum"], [3, 6, 6.78, 6.78], rtol=1e-5)


def test_weights_are_repeated_rows(runs):
    def crossed(X):
        return (X["G"] - 3 * X["N"]) ** 2

    explainer = explained(crossed, runs)
    weight = np.arange(len(runs)) % 3
    weighted = explainer.optimum(runs, "G", direction="min", sample_weight=weight)
    repeated = explainer.optimum(
        runs.loc[runs.index.repeat(weight)], "G", direction="min"
    )
    assert weighted.points == pytest.approx(repeated.points, rel=1e-7)
    mean = 3 * np.average(runs["N"], weights=weight)
    assert weighted.points == pytest.approx([mean], rel=1e-6)


def test_a_piece_between_designed_levels_does_not_compete():
    # Thresholds at 0.25 and 0.3 enclose no run; only the model's whim is lowest there.
    levels = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5])
    X = pd.DataFrame({"S": np.repeat(levels, 5)})
    X.loc[30] = 0.27
    y = np.where(X["S"] == 0.27, -1.0, (X["S"] - 0.31) ** 2)
    model = DecisionTreeRegressor(random_state=0).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {"S": 0.1}).fit(X)
    rows = X.iloc[:30]
    (best,) = explainer.optimum(rows, "S", direction="min").best
    assert best.point == 0.3
    assert model.predict(pd.DataFrame({"S": [0.27]})) == -1


def test_the_point_of_a_piece_is_its_level_or_its_middle():
    X = pd.DataFrame({"x": [1.0, 2, 4, 8, 9, 100]})
    model = DecisionTreeRegressor().fit(X, [1, 1, 0, 0, 1, 1])
    explainer = FMEExplainer(FrozenEstimator(model), {"x": 1}).fit(X)
    options = {"direction": "min", "scale": "linear"}
    (best,) = explainer.optimum(X, "x", **options).best
    assert (best.low, best.high, best.point) == (3, 8.5, 5.75)
    (best,) = explainer.optimum(X, "x", direction="min").best
    assert best.point == pytest.approx(np.sqrt(3 * 8.5))
    (best,) = explainer.optimum(X.drop(index=3), "x", **options).best
    assert best.point == 4


def test_separate_optima_are_told_and_the_one_with_most_rows_is_shown():
    X = pd.DataFrame({"x": [1.0, 2, 3, 3, 3, 4, 5]})
    model = DecisionTreeRegressor().fit(X, [1, 0, 1, 1, 1, 0, 1])
    model.fit(X, (X["x"] % 2 == 0).astype(float))  # highest at 2 and at 4
    explainer = FMEExplainer(FrozenEstimator(model), {"x": 1}).fit(X)
    rows = pd.concat([X, X[X["x"] == 4]])
    optimum = explainer.optimum(rows, "x", direction="max")
    assert optimum.best[0].point == 4
    assert optimum.best[0].n_optima == 2
    assert "2 separate ranges" in str(optimum)


@pytest.mark.parametrize(
    ("direction", "side"), [("max", "high"), ("min", "low")], ids=["high", "low"]
)
@pytest.mark.parametrize("trees", [False, True], ids=["smooth", "trees"])
def test_an_optimum_at_the_edge_is_a_bound(direction, side, trees):
    X = pd.DataFrame({"x": np.linspace(0, 1, 50)})
    model = Formula(lambda X: X["x"] ** 3)
    if trees:
        model = GradientBoostingRegressor(random_state=0)
    model.fit(X, X["x"] ** 3)
    explainer = FMEExplainer(FrozenEstimator(model), {"x": 0.1}).fit(X)
    optimum = explainer.optimum(X, "x", direction=direction)
    assert optimum.to_frame()["edge"].tolist() == [True]
    assert optimum.best[0].open_side == side
    assert "a bound, not an optimum" in " ".join(str(optimum).split())


def test_a_feature_without_effect_is_as_good_everywhere(runs):
    optimum = explained(lambda X: 0 * X["G"] + 1, runs).optimum(
        runs, "G", direction="min"
    )
    (best,) = optimum.best
    assert (best.low, best.high, best.open_side) == (1, 16, "both")
    text = " ".join(str(optimum).split())
    assert "is the same at all values that were observed" in text
    assert "a bound" not in text


@pytest.mark.parametrize("margin", [1e-8, 1e-5, 0.0017])
def test_the_range_of_a_law_ends_where_the_margin_is_reached(runs, margin):
    # e (G − G*)² / G = margin, of e G + f / G with its lowest point at G* = √(f / e).
    e = 0.004
    optimum = explained(lambda X: e * X["G"] + e * 6.78**2 / X["G"], runs).optimum(
        runs, "G", direction="min", margin=margin
    )
    half = 6.78 + margin / (2 * e)
    ends = half + np.array([-1, 1]) * np.sqrt(half**2 - 6.78**2)
    (best,) = optimum.best
    found = np.array([best.range_low, best.range_high])
    np.testing.assert_allclose(found - 6.78, ends - 6.78, rtol=5e-3)


def test_valleys_that_are_as_deep_are_counted_and_a_deeper_one_is_found(runs):
    # Of period 6 between 1 and 16: lowest at 3, 9 and 15.
    wave = explained(lambda X: np.cos(X["G"] * np.pi / 3), runs)
    optimum = wave.optimum(runs, "G", direction="min")
    assert optimum.best[0].n_optima == 3
    assert "3 separate ranges" in str(optimum)
    tilted = explained(lambda X: np.cos(X["G"] * np.pi / 3) - 1e-6 * X["G"], runs)
    (best,) = tilted.optimum(runs, "G", direction="min").best
    assert best.n_optima == 1
    assert best.point == pytest.approx(15, abs=1e-3)


def test_models_with_jumps_that_are_not_read_are_asked_at_observed_values(runs):
    y = law(runs)
    model = AdaBoostRegressor(n_estimators=20, random_state=0).fit(runs, y)
    explainer = FMEExplainer(FrozenEstimator(model), {"G": 1}).fit(runs)
    optimum = explainer.optimum(runs, "G", direction="min")
    assert not optimum.exact
    at_levels = [model.predict(runs.assign(G=g)).mean() for g in np.unique(runs["G"])]
    assert optimum.best[0].response == pytest.approx(min(at_levels), rel=1e-12)


def test_the_trees_are_read_anew_once_the_model_was_fitted_again(runs):
    model = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(
        runs, law(runs)
    )
    explainer = FMEExplainer(FrozenEstimator(model), {"G": 1}).fit(runs)
    explainer.optimum(runs, "G", direction="min")
    model.fit(runs, -law(runs))
    optimum = explainer.optimum(runs, "G", direction="max")
    moved = runs.assign(G=optimum.best[0].point)
    assert optimum.best[0].response == pytest.approx(model.predict(moved).mean())


def test_probabilities_are_averaged_after_the_link(runs):
    model = LogisticRegression().fit(
        np.column_stack([runs["G"], runs["G"] ** 2]), law(runs) > 0.06
    )

    def probability(X):
        squares = np.column_stack([X["G"], X["G"] ** 2])
        return model.predict_proba(squares)[:, 1]

    optimum = explained(probability, runs).optimum(runs, "G", direction="min")
    a, b = model.coef_[0]
    assert optimum.points == pytest.approx([-a / (2 * b)], rel=1e-4)


def test_arrays_and_other_dataframes_are_explained(runs):
    polars = pytest.importorskip("polars")

    def by_place(X):
        G = np.asarray(X)[:, 0]
        return E * G + F / G

    array = runs.to_numpy(float)
    from_array = explained(by_place, array).optimum(array, 0, direction="min")
    frame = polars.from_pandas(runs)
    from_polars = explained(by_place, frame).optimum(frame, "G", direction="min")
    assert from_array.points == pytest.approx(from_polars.points)
    assert from_array.feature == "x0"


def test_integers_are_searched_between_whole_numbers(runs):
    X = runs.astype({"G": int})
    optimum = explained(law, X).optimum(X, "G", direction="min")
    assert optimum.points == pytest.approx([6.78], rel=1e-5)


BAD = {
    "direction": ({"direction": "lowest"}, "must be 'min' or 'max'"),
    "margin": ({"margin": -1}, "at least 0"),
    "margin in words": ({"margin": "small"}, "at least 0, .* got 'small'"),
    "a margin that is none": ({"margin": True}, "at least 0, .* got True"),
    "scale": ({"scale": "sqrt"}, "scale must be one of"),
    "by": ({"by": "M"}, "not a column"),
    "feature": ({"feature": "g"}, "which is not a column of X"),
    "weight": ({"sample_weight": np.zeros(446)}, "zero in every row"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_reason(runs, case):
    options, message = BAD[case]
    options = {"feature": "G", "direction": "min", **options}
    with pytest.raises(ValueError, match=message):
        explained(law, runs).optimum(runs, options.pop("feature"), **options)


def test_a_feature_of_one_value_or_of_categories_has_no_optimum(runs):
    explainer = explained(law, runs)
    with pytest.raises(ValueError, match="has 1 value"):
        explainer.optimum(runs.assign(G=2.0), "G", direction="min")
    with_text = runs.assign(kind="a")
    with_text.loc[0, "kind"] = "b"
    with pytest.raises(ValueError, match="needs a numeric feature"):
        explained(law, with_text).optimum(with_text, "kind", direction="min")
    negative = runs.assign(G=runs["G"] - 1)
    with pytest.raises(ValueError, match="positive values"):
        explained(lambda X: X["G"], negative).optimum(
            negative, "G", direction="min", scale="log"
        )


def test_thresholds_on_a_level_part_no_levels_that_are_neighbours():
    # A split at 6 itself leaves an empty piece between 6 and 7: 6 and 8 adjoin.
    X = pd.DataFrame({"G": np.repeat([4.0, 6, 8, 12], 5), "odd": np.arange(20) % 2})
    model = GradientBoostingRegressor(n_estimators=60, max_leaf_nodes=8, random_state=0)
    rng = np.random.default_rng(3)
    model.fit(X, (np.log(X["G"] / 7)) ** 2 + 0.002 * rng.normal(size=20))
    explainer = FMEExplainer(FrozenEstimator(model), {"G": 1}).fit(X)
    (best,) = explainer.optimum(X, "G", direction="min", margin=0.02).best
    assert best.n_optima == 1
    assert best.range_low < 6
    assert best.range_high > 8


def wages(n=300):
    rng = np.random.default_rng(5)
    X = pd.DataFrame({"age": rng.uniform(20, 60, n), "job": rng.choice(["a", "b"], n)})
    return X, -((X["age"] - 40) ** 2) + 30 * (X["job"] == "b") + rng.normal(size=n)


def test_trees_behind_transformers_are_read_where_the_column_stays_one():
    X, y = wages()
    columns = make_column_transformer(
        (OneHotEncoder(), ["job"]), (StandardScaler(), ["age"])
    )
    model = make_pipeline(columns, GradientBoostingRegressor(random_state=0)).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {"age": 1}).fit(X)
    optimum = explainer.optimum(X, "age", direction="max", by="job")
    assert optimum.exact
    for curve, job in zip(optimum.curves, ["a", "b"], strict=True):
        rows = X[X["job"] == job]
        for k in range(0, len(curve.level), 7):
            for value in (curve.low[k], curve.level[k], curve.high[k]):
                predicted = model.predict(rows.assign(age=value)).mean()
                assert curve.response[k] == pytest.approx(predicted, rel=1e-12)
        observed = [model.predict(rows.assign(age=v)).mean() for v in curve.level]
        assert max(observed) == pytest.approx(curve.response.max(), rel=1e-12)


@pytest.mark.parametrize(
    "transformer",
    [
        PCA(2),
        FunctionTransformer(np.negative),
        FunctionTransformer(lambda X: X[:, :1] / X[:, 1:]),
    ],
    ids=["mixed", "turned", "ratio"],
)
def test_trees_behind_transformers_that_do_more_are_asked(transformer):
    rng = np.random.default_rng(6)
    X = rng.uniform(1, 2, size=(80, 2))
    y = -((X[:, 0] - 1.5) ** 2)
    model = make_pipeline(transformer, DecisionTreeRegressor(max_depth=4)).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {0: 0.1}).fit(X)
    optimum = explainer.optimum(X, 0, direction="max")
    assert not optimum.exact
    moved = X.copy()
    moved[:, 0] = optimum.best[0].point
    assert optimum.best[0].response == pytest.approx(model.predict(moved).mean())
    insisting = explainer.set_params(engine="trees").fit(X)
    with pytest.raises(ValueError, match="engine='trees'"):
        insisting.optimum(X, 0, direction="max")


def test_without_the_compiled_engine_observed_values_are_tried(runs, monkeypatch):
    monkeypatch.setattr("skfme._engine.choice.find_spec", lambda name: None)
    model = GradientBoostingRegressor(random_state=0).fit(runs, law(runs))
    explainer = FMEExplainer(FrozenEstimator(model), {"G": 1}).fit(runs)
    optimum = explainer.optimum(runs, "G", direction="min")
    assert not optimum.exact
    assert optimum.points == [6.0]
    assert "what lies between two of them is not known" in " ".join(
        str(optimum).split()
    )


def test_rows_whose_own_value_is_missing_count_in_the_average(runs):
    X = runs.assign(G=runs["G"].where(runs.index >= 9))
    y = law(runs) + 0.1 * runs["N"]
    model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {"G": 1}).fit(X)
    optimum = explainer.optimum(X, "G", direction="min")
    assert optimum.n.tolist() == [446]
    moved = model.predict(X.assign(G=optimum.points[0])).mean()
    assert optimum.best[0].response == pytest.approx(moved, rel=1e-13)
    assert optimum.now == pytest.approx([model.predict(X).mean()])
