"""One type of number at both ends of a step, and numbers that come as objects."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator

from skfme import Contrast, FMEExplainer, Scale, SetTo, fme
from skfme.statsmodels import ConditionalEffects, EffectTree
from tests.frames.test_tables import KINDS, table_of
from tests.recorder import Recorder, recorded

ANYWHERE = {"extrapolation": None}
STEPS = {
    "whole": 1,
    "fraction": 0.5,
    "beyond the type": 100,
    "below zero": -10,
    "factor": Scale(1.5),
    "value": SetTo(2.5),
    "contrast": Contrast(0, 0.5),
    "function": lambda column: column * 0.5,
}


def numbers(table):
    """The only column of a table as floats, and its type."""
    if isinstance(table, np.ndarray):
        return table[:, 0].astype(float), str(table.dtype)
    if isinstance(table, pa.Table):
        return table["a"].to_numpy().astype(float), str(table["a"].type)
    return table["a"].to_numpy().astype(float), str(table["a"].dtype)


def square(table):
    return numbers(table)[0] ** 2


@pytest.mark.parametrize("nlm", [False, "simpson38"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_sees_one_type_before_a_step_after_it_and_between(kind, step, nlm):
    if kind == "pyarrow" and callable(step):
        step = lambda column: pa.array(column.to_numpy() * 0.5)  # noqa: E731
    if kind == "polars" and callable(step):
        step = lambda column: column.cast(pl.Float64) * 0.5  # noqa: E731
    X, key = table_of(kind, [200, 5, 7])
    _, model = recorded(X, {key: step}, function=square, nlm=nlm, **ANYWHERE)
    assert len({numbers(table)[1] for table in model.tables}) == 1
    if not isinstance(step, Contrast):
        assert numbers(model.tables[0])[0][:3].tolist() == [200, 5, 7]


def test_effects_of_one_type_share_their_rows_before_the_step():
    X = np.arange(12).reshape(4, 3)
    _, model = recorded(X, [{0: 0.5}, {1: 0.5}, {2: 0.5}, {0: 1}], **ANYWHERE)
    types = [str(table.dtype) for table in model.tables for _ in range(len(table))]
    assert types.count("float64") == 4 + 3 * 4  # one base, three ends
    assert types.count("int64") == 4 + 4


def test_a_tiny_step_of_small_integers_has_the_slope_of_the_square():
    d = pd.DataFrame({"age": np.arange(20, 60, dtype="int8")})
    d["y"] = d["age"].astype(float) ** 2
    model = smf.ols("y ~ I(age**2)", d.astype({"age": float})).fit()
    effect = fme(model, d, {"age": 1e-9}, **ANYWHERE)
    expected = model.params.iloc[1] * 2 * d["age"].to_numpy(dtype=float) * 1e-9
    np.testing.assert_allclose(effect.fme, expected, rtol=1e-4)


NARROW = {
    "pandas": lambda v, dtype: pd.DataFrame({"a": np.array(v, dtype=dtype)}),
    "nullable": lambda v, dtype: pd.DataFrame({"a": pd.array(v, dtype=dtype.title())}),
    "arrow-backed": lambda v, _: pd.DataFrame(
        {"a": pd.array(v, dtype="float[pyarrow]")}
    ),
    "numpy": lambda v, dtype: np.array(v, dtype=dtype)[:, None],
    "polars": lambda v, _: pl.DataFrame({"a": v}, schema={"a": pl.Float32}),
    "pyarrow": lambda v, _: pa.table({"a": pa.array(v, pa.float32())}),
}


@pytest.mark.parametrize("kind", NARROW)
def test_a_step_that_float32_does_not_hold_is_made_in_float64(kind):
    X = NARROW[kind]([1e7, 3e7, 5e7], "float32")
    key = 0 if kind == "numpy" else "a"
    own = numbers(X)[1]
    effects, model = recorded(X, {key: 1}, function=lambda t: numbers(t)[0], **ANYWHERE)
    assert effects["x0 +1" if kind == "numpy" else "a +1"].fme.tolist() == [1, 1, 1]
    assert own not in {numbers(table)[1] for table in model.tables}


HELD = {
    "in both binades": ([1.5, 2.5], 0.5),
    "to a value": ([0.1, 0.2], SetTo(0.1)),
    "in tenths": ([0.0, 0.1], Contrast(0.1, 0.2)),
    "with a missing value": ([1.0, np.nan], 1),
}


@pytest.mark.parametrize(("values", "step"), HELD.values(), ids=HELD)
def test_a_step_that_float32_holds_is_made_in_float32(values, step):
    X = pd.DataFrame({"a": np.array(values, dtype="float32")})
    _, model = recorded(X, {"a": step}, **ANYWHERE)
    assert {str(table["a"].dtype) for table in model.tables} == {"float32"}


WIDE = {
    "between numbers": ([3e7], Contrast(3e7, 3e7 + 1)),
    "near the value": ([3e7 + 2], SetTo(3e7 + 1)),
    "beyond the range": ([1.0], SetTo(1e39)),
    "as a function": ([3e7], lambda column: column + 1),
}


@pytest.mark.parametrize(("values", "step"), WIDE.values(), ids=WIDE)
def test_values_that_float32_does_not_hold_are_set_in_float64(values, step):
    X = pd.DataFrame({"a": np.array(values, dtype="float32")})
    _, model = recorded(X, {"a": step}, **ANYWHERE)
    assert {str(table["a"].dtype) for table in model.tables} == {"float64"}


def single_precision(table):
    if table["pay"].dtype != np.float32:
        raise RuntimeError("expected scalar type Float")
    return table["pay"].to_numpy(dtype=float)


def test_a_model_that_refuses_float64_is_named_with_the_column():
    X = pd.DataFrame({"pay": np.array([1e7, 3e7], dtype="float32")})
    model = FrozenEstimator(Recorder(single_precision))
    explainer = FMEExplainer(model, {"pay": 1}, **ANYWHERE).fit(X)
    with pytest.raises(ValueError, match=r"Recorder does not predict 'pay' in float64"):
        explainer.explain(X)
    coarse = FMEExplainer(model, {"pay": 2.0**20}, **ANYWHERE).fit(X).explain(X)
    assert coarse["pay +1048576"].fme.tolist() == [2.0**20] * 2


OBJECTS = {
    "integers": lambda: pd.DataFrame({"a": pd.Series([1, 2, None], dtype=object)}),
    "floats": lambda: pd.DataFrame({"a": pd.Series([1, 2.0, np.nan], dtype=object)}),
    "decimals": lambda: pd.DataFrame(
        {"a": pd.Series([Decimal(1), Decimal(2), None], dtype=object)}
    ),
    "polars' objects": lambda: pl.DataFrame(
        {"a": pl.Series([1, Decimal(2), None], dtype=pl.Object)}
    ),
    "polars' decimals": lambda: pl.DataFrame({"a": [Decimal(1), Decimal(2), None]}),
    "Arrow's decimals": lambda: pa.table({"a": [Decimal(1), Decimal(2), None]}),
    "an array": lambda: np.array([[1], [Decimal(2)], [None]], dtype=object),
}


def doubled(table):
    if isinstance(table, np.ndarray):
        entries = table[:, 0].tolist()
    else:
        to_list = "to_pylist" if isinstance(table, pa.Table) else "tolist"
        entries = getattr(table["a"], to_list, None) or table["a"].to_list
        entries = entries()
    return np.array([2 * float("nan" if v is None else v) for v in entries])


@pytest.mark.parametrize("step", [1, 0.5])
@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_numbers_that_come_as_objects_are_numbers(make, step):
    X = make()
    key = 0 if isinstance(X, np.ndarray) else "a"
    effect = fme(doubled, X, {key: step}, nlm="simpson38", **ANYWHERE)
    assert effect.fme[:2].tolist() == [2 * step, 2 * step]
    assert effect.nlm[:2] == pytest.approx([1, 1])
    assert effect.status.tolist() == ["counted", "counted", "missing"]


def test_objects_and_floats_have_the_same_effects_in_a_real_model():
    rng = np.random.default_rng(0)
    i = rng.integers(1, 50, 300).astype(float)
    i[:5] = np.nan
    floats = pd.DataFrame({"i": i})
    whole = [None if np.isnan(v) else int(v) for v in i]
    objects = pd.DataFrame({"i": pd.Series(whole, dtype=object)})
    model = HistGradientBoostingRegressor().fit(floats, np.nan_to_num(i) ** 2)
    for steps in ({"i": 1}, {"i": SetTo(7)}, {"i": Contrast(1, 9)}):
        one, other = (fme(model, X, steps) for X in (objects, floats))
        np.testing.assert_array_equal(one.fme, other.fme)
        assert one.n_left_out == other.n_left_out


def mixed_table():
    mixed = pd.Series([1, "one", 2, "two"] * 50, dtype=object)
    return pd.DataFrame({"m": mixed, "x": np.linspace(0, 1, 200)})


def test_a_mixture_of_numbers_and_text_passes_through_to_the_model():
    X = mixed_table()
    effect = fme(lambda t: t["x"].to_numpy() * (t["m"] == 1), X, {"x": 1}, **ANYWHERE)
    assert effect.ame == pytest.approx(0.25)


MIXTURES = {
    "stepped": lambda X: fme(lambda t: t["x"].to_numpy(), X, {"m": 1}),
    "a formula's covariate": lambda X: ConditionalEffects.from_formula(
        fme(lambda t: t["x"].to_numpy() ** 2, X, {"x": 0.1}, **ANYWHERE), "C(m)"
    ),
    "a tree's covariate": lambda X: EffectTree().fit(X, X["x"]),
}


@pytest.mark.parametrize("use", MIXTURES.values(), ids=MIXTURES)
def test_a_mixture_is_refused_where_it_is_read(use):
    with pytest.raises(
        (TypeError, ValueError), match="1 of type int and 'one' of type str"
    ):
        use(mixed_table())


EMPTY = {
    "nullable": lambda: pd.DataFrame(
        {"a": [1, 2], "b": pd.array([None] * 2, dtype="Int32")}
    ),
    "arrow-backed": lambda: pd.DataFrame(
        {"a": [1, 2], "b": pd.array([None] * 2, dtype="int32[pyarrow]")}
    ),
    "polars": lambda: pl.DataFrame(
        {"a": [1, 2], "b": pl.Series([None] * 2, dtype=pl.Int32)}
    ),
    "pyarrow": lambda: pa.table({"a": [1, 2], "b": pa.array([None] * 2, pa.int32())}),
}


@pytest.mark.parametrize("step", [2, -0.5, Scale(1.5)])
@pytest.mark.parametrize("library", EMPTY)
def test_integers_that_are_all_missing_have_no_effect_and_no_error(library, step):
    with pytest.warns(UserWarning, match="No row counts"):
        effect = fme(lambda T: np.asarray(T["a"], float), EMPTY[library](), {"b": step})
    assert list(effect.status) == ["missing"] * 2
    with pytest.raises(ValueError, match="'b' has no observed value"):
        fme(lambda T: np.asarray(T["a"], float), EMPTY[library](), {"b": SetTo(3)})
