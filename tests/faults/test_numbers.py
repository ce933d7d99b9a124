"""Numbers at their limits: rounding, huge predictions, many rows, orders, tiny p-values."""

from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy.special import erfcx
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from skfme import (
    IQR,
    Contrast,
    FMEExplainer,
    Quantile,
    Scale,
    SetTo,
    StdDev,
    ame,
    came,
    fme,
)
from skfme.statsmodels._tree.split_tests import log_1_minus_p

N = 500
X = np.random.default_rng(0).normal(size=(N, 2))
ANYWHERE = {"extrapolation": None}
NOTE = "Hardly more than rounding"


@pytest.mark.parametrize(
    ("offset", "dtype"), [(1e6, "float32"), (1e3, "float16"), (1e15, "float64")]
)
def test_differences_below_the_rounding_of_predictions_are_flagged(offset, dtype):
    step = {"float16": 0.1, "float32": 0.01, "float64": 0.01}[dtype]
    model = lambda rows: (offset + rows[:, 0]).astype(dtype)  # noqa: E731
    effect = fme(model, X, {0: step}, check_rows=False, **ANYWHERE)
    assert any(NOTE in note and dtype in note for note in effect.notes)
    assert "x0 +" in effect.notes[0]
    assert NOTE in effect.summary()
    assert NOTE in effect._repr_html_()


def test_a_step_that_is_large_beside_the_rounding_is_not_flagged():
    model = lambda rows: (1e3 + rows[:, 0]).astype("float32")  # noqa: E731
    effects = ame(model, X, [{0: 5.0}, {1: 5.0}], **ANYWHERE)
    assert effects["x0 +5"].notes == effects["x1 +5"].notes == ()
    # A feature that is not used has no effect at all, and no rounding either.
    assert effects["x1 +5"].ame == 0


def test_only_the_effects_that_are_rounding_are_named():
    model = lambda rows: (1e6 + rows @ [1.0, 1e4]).astype("float32")  # noqa: E731
    effects = ame(model, X, [{0: 0.01}, {1: 1}], check_rows=False, **ANYWHERE)
    (note,) = effects.notes
    assert "x0 +0.01 " in note
    assert "x1" not in note


def test_differences_of_1e_3_at_predictions_of_1e12_are_right_to_their_rounding():
    model = lambda rows: 1e12 + 1e-3 * rows[:, 0]  # noqa: E731
    effect = fme(model, np.zeros((N, 1)), {0: 1.0}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, 1e-3, atol=np.spacing(1e12))
    assert NOTE in effect.summary()
    # A linear model is read, and its effect is no difference of large numbers.
    linear = LinearRegression().fit(X, 1e-3 * X[:, 0])
    linear.intercept_ = 1e12
    effect = fme(linear, X, {0: 1.0}, engine="linear", **ANYWHERE)
    np.testing.assert_allclose(effect.fme, linear.coef_[0], rtol=1e-14)
    assert effect.notes == ()


def test_means_of_effects_about_1e12_lose_no_digit_that_the_rows_have():
    model = lambda rows: 1e12 * rows[:, 0]  # noqa: E731
    effect = fme(model, np.ones((N, 1)), {0: 1.0}, **ANYWHERE)
    assert effect.ame == 1e12
    assert effect.sd == 0


@pytest.mark.parametrize("weights_type", ["frequency", "importance"])
def test_weighted_means_of_1e8_equal_rows_are_those_of_one(weights_type):
    model = lambda rows: 0.1 * rows[:, 0]  # noqa: E731
    weights = np.full(10, 10_000_000)
    rows = np.ones((10, 1))
    options = {"sample_weight": weights, "weights_type": weights_type}
    effect = fme(model, rows, {0: 1.0}, **options, **ANYWHERE)
    assert effect.ame == pytest.approx(0.1, rel=1e-15)
    assert effect.sd == pytest.approx(0, abs=1e-15)


def test_summaries_added_up_to_1e8_rows_have_the_mean_and_sd_of_one():
    model = FMEExplainer(LinearRegression(), {0: 1.0}, response_method=square)
    explainer = model.set_params(**ANYWHERE).fit(X, X[:, 0])
    summary = explainer.explain_batches([X])
    effect = explainer.explain(X)["x0 +1"]
    while summary.n_rows < 10**8:  # twice as many rows each time
        summary = summary + summary
    total = summary["x0 +1"]
    assert total.n == summary.n_rows >= 10**8
    assert total.ame == pytest.approx(effect.ame, rel=1e-12)
    assert total.sd == pytest.approx(effect.fme.std(), rel=1e-8)


def square(model, rows):
    return rows[:, 0] ** 2


MODELS = {
    "linear": LinearRegression(),
    "forest": RandomForestRegressor(10, random_state=0),
    "network": MLPRegressor(hidden_layer_sizes=(8,), max_iter=3000, random_state=0),
}


@pytest.mark.parametrize("model", MODELS)
def test_the_order_of_rows_jobs_and_threads_change_nothing(model):
    fitted = MODELS[model].fit(X, X[:, 0] ** 2 + X[:, 1])
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2, N)
    orders = [np.arange(N), np.arange(N)[::-1], rng.permutation(N)]
    figures = []
    for order in orders:
        for threads, jobs in [(1, {}), (2, {}), (2, {"n_jobs": 2, "batch_size": 7})]:
            options = {"sample_weight": weights[order], "nlm": True} | jobs
            with threadpool_limits(threads):
                effect = fme(fitted, X[order], {0: 1.0}, **options)
            figures.append([effect.ame, effect.sd, effect.anlm, effect.after])
    # Relative to what was averaged: a mean of numbers of both signs may lie near 0.
    fme_size, nlm_size = (np.nanmean(np.abs(a)) for a in (effect.fme, effect.nlm))
    sizes = np.array([fme_size, fme_size, nlm_size, abs(effect.after)])
    assert (np.abs(np.array(figures) - figures[0]) <= 1e-12 * sizes).all()


def normal_tail(z):
    """2 (1 − Φ(z)) by the scaled complement of erf, for any z > 0."""
    return erfcx(z / np.sqrt(2)) * np.exp(-(z**2) / 2)


def test_log_p_values_are_right_down_to_1e_300():
    statistics = np.array([4.0, 50, 200, 1000, 1360])
    p = normal_tail(np.sqrt(statistics))
    assert p[-1] < 1e-295
    np.testing.assert_allclose(log_1_minus_p(statistics), np.log1p(-p), rtol=1e-11)


def test_a_tree_states_p_values_of_1e_300():
    n = 1370
    moderator = np.arange(n, dtype=float)
    table = pd.DataFrame({"x": np.zeros(n), "z": moderator})
    effect = fme(lambda t: t["x"] * t["z"], table, {"x": 1.0}, **ANYWHERE)
    tree = came(effect, n_partitions=2, method="ctree", features=["z"])
    tests = tree.tests_.set_index(["node", "variable"]).loc[(0, "z")]
    p = normal_tail(np.sqrt(n - 1))  # r = 1
    assert 1e-303 < p < 1e-290
    assert tests["p_value"] == pytest.approx(p, rel=1e-6)


TABLES = {
    "numpy": lambda values: values,
    "pandas": lambda values: pd.DataFrame(values, columns=["x0", "x1"]),
    "nullable": lambda values: pd.DataFrame(
        values, columns=["x0", "x1"]
    ).convert_dtypes(),
    "polars": lambda values: pl.DataFrame(values, schema=["x0", "x1"]),
}
ROWS = np.arange(12).reshape(6, 2)
FIRST = ROWS[:, 0].astype(float)
THIRD = Fraction(1, 3)
EXACT = {  # a step, and what it makes of the first column
    "Fraction": (THIRD, FIRST + 1 / 3),
    "a negative one": (-THIRD, FIRST - 1 / 3),
    "a whole one": (Fraction(4, 2), FIRST + 2),
    "Scale": (Scale(Fraction(4, 3)), FIRST * 4 / 3),
    "SetTo": (SetTo(THIRD), np.full(6, 1 / 3)),
    "2**70": (2**70, FIRST + 2.0**70),
    "-2**70": (-(2**70), FIRST - 2.0**70),
    "2**64 - 1": (2**64 - 1, FIRST + 2.0**64),
    "SetTo(2**70)": (SetTo(2**70), np.full(6, 2.0**70)),
    "Scale(2**70)": (Scale(2**70), FIRST * 2.0**70),
}


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("floats", [True, False], ids=["floats", "integers"])
@pytest.mark.parametrize("step", EXACT)
def test_fractions_and_huge_integers_are_steps_like_their_floats(kind, floats, step):
    table = TABLES[kind](ROWS.astype(float) if floats else ROWS)
    key = 0 if kind == "numpy" else "x0"
    given, expected = EXACT[step]
    model = lambda rows: np.asarray(rows, dtype=float)[:, 0]  # noqa: E731
    effect = fme(model, table, {key: given}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, expected - FIRST, rtol=1e-15)


def test_a_contrast_of_fractions_and_one_of_huge_integers():
    model = lambda rows: rows[:, 0] / 2  # noqa: E731
    for low, high in [(THIRD, Fraction(2, 3)), (0, 2**70)]:
        effect = fme(model, X, {0: Contrast(low, high)}, **ANYWHERE)
        np.testing.assert_allclose(effect.fme, float(high - low) / 2, rtol=1e-15)


@pytest.mark.parametrize("of", [StdDev, IQR, Quantile])
def test_counts_and_quantiles_may_be_fractions(of):
    half = fme(lambda rows: rows[:, 0], X, {0: of(Fraction(1, 2))}, **ANYWHERE)
    expected = fme(lambda rows: rows[:, 0], X, {0: of(0.5)}, **ANYWHERE)
    np.testing.assert_array_equal(half.fme, expected.fme)
    assert "1/2" in half.name


def test_a_fraction_of_many_digits_is_told_in_pictures_and_texts():
    pytest.importorskip("matplotlib", reason="pictures need Matplotlib")
    step = {0: Fraction(1234567, 7654321)}
    effect = fme(lambda rows: rows[:, 0] ** 2, X, step, **ANYWHERE)
    title = effect.plot().figure_.axes[0].get_title(loc="left")
    assert "+0.1613" in title or "+0.1613" in effect.plot().title
    assert "1234567/7654321" in effect.summary()


BEYOND = [10**400, -(10**400), Fraction(10**400), Fraction(1, 10**400)]


@pytest.mark.parametrize("value", BEYOND, ids=["10^400", "-10^400", "huge", "tiny"])
@pytest.mark.parametrize("of", [lambda v: v, Scale, SetTo, lambda v: Contrast(0, v)])
def test_numbers_that_64_bits_do_not_hold_are_refused(value, of):
    with pytest.raises(ValueError, match=r"must be finite, and a number that 64 bits"):
        fme(lambda rows: rows[:, 0], X, {0: of(value)}, **ANYWHERE)
