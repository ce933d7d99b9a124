"""Categories as Arrow has them, dictionaries: in pandas' columns, and in Arrow's tables."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import Contrast, Envelope, came, fme
from skfme._frames.schema import describe_columns
from skfme._frames.tables import as_table
from skfme.statsmodels import delta_effects

RNG = np.random.default_rng(0)
N = 200
LEVELS = ["low", "mid", "high"]
PLAIN = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "h": pd.Categorical(RNG.choice(["v", "u"], N), ["v", "u"]),
        "g": pd.Categorical(RNG.choice(LEVELS, N), LEVELS, ordered=True),
    }
)
Y = PLAIN["x"] * (1 + PLAIN["g"].cat.codes) + (PLAIN["h"] == "u")


def in_pandas(frame):
    buffer = io.BytesIO()
    frame.to_parquet(buffer)
    return pd.read_parquet(buffer, dtype_backend="pyarrow")


def in_pieces(frame):
    """Of two chunks, each with a dictionary of its own."""
    parts = [frame["h"][:70], frame["h"][70:].cat.add_categories("w")]
    coded = pa.chunked_array([pa.Array.from_pandas(part) for part in parts])
    table = pa.Table.from_pandas(frame)
    return table.set_column(table.column_names.index("h"), "h", coded)


TABLES = {"pandas": in_pandas, "Arrow": pa.Table.from_pandas, "pieces": in_pieces}


@pytest.fixture(params=TABLES)
def X(request):
    return TABLES[request.param](PLAIN)


def test_a_missing_entry_of_a_dictionary_is_missing_and_no_category():
    X = pa.table(
        {
            "g": pa.array(
                ["u", None, "v", None], pa.dictionary(pa.int32(), pa.string())
            ),
            "x": [1.0, 2.0, 3.0, 4.0],
        }
    )

    def level(table):
        return np.array(
            [{"u": 1.0, "v": 2.0}.get(g, 9.0) for g in table["g"].to_pylist()]
        )

    effect = fme(level, X, {"g": "v"}, extrapolation=None)
    assert effect.status.tolist() == ["counted", "missing", "at_target", "missing"]
    assert effect.ame == 1.0
    averages = fme(level, X, {"x": 1}, extrapolation=None).average(by="g")
    assert averages["n"].tolist() == [1, 1, 2]
    contrast = fme(level, X, {"g": Contrast("v", "u")}, extrapolation=None)
    assert contrast.fme.tolist() == [-1.0] * 4
    empty = X.slice(1, 1)  # whose dictionary is not used
    assert fme(level, empty, {"x": 1}, extrapolation=None).ame == 0.0
    described = describe_columns(as_table(X))[0]
    assert described.categories == ("u", "v")


def score(X):
    X = X.to_pandas() if isinstance(X, pa.Table) else X
    rank = X["g"].astype(str).map({"low": 1.0, "mid": 2.0, "high": 4.0})
    return np.asarray(rank * X["x"] + 3.0 * (X["h"].astype(str) == "u"), dtype=float)


def test_columns_are_categories_in_their_declared_order(X):
    x, h, g = describe_columns(as_table(X))
    assert (g.kind, g.categories, g.ordered) == ("categorical", tuple(LEVELS), True)
    assert (h.kind, h.categories, h.ordered) == ("categorical", ("v", "u"), False)
    assert (x.kind, g.ranks) == ("numeric", (0, 1, 2))


@pytest.mark.parametrize(
    "step",
    [{"g": "mid"}, {"h": Contrast("v", "u")}, {"x": 0.5, "h": "u"}, {"x": 1.0}],
    ids=str,
)
def test_effects_are_those_of_pandas_own_categories(X, step):
    options = {"extrapolation": Envelope(combinations=True), "nlm": True}
    found, want = fme(score, X, step, **options), fme(score, PLAIN, step, **options)
    np.testing.assert_array_equal(found.status, want.status)
    np.testing.assert_allclose(found.fme, want.fme, rtol=1e-12)
    np.testing.assert_allclose(found.nlm, want.nlm, rtol=1e-9)
    averages = [effect.average(by="g").sort_values("g") for effect in (found, want)]
    assert averages[0]["g"].astype(str).tolist() == averages[1]["g"].tolist()
    np.testing.assert_allclose(averages[0]["ame"], averages[1]["ame"], rtol=1e-12)


def test_a_model_of_pandas_categories_gets_the_table_as_it_is():
    model = HistGradientBoostingRegressor(max_iter=20).fit(PLAIN, Y)
    X = in_pandas(PLAIN)
    step = PLAIN.assign(x=PLAIN["x"] + 0.5)
    for engine in ("predict", "auto"):
        effect = fme(model, X, {"x": 0.5}, extrapolation=None, engine=engine)
        want = model.predict(step) - model.predict(PLAIN)
        np.testing.assert_allclose(effect.fme, want, rtol=1e-9, atol=1e-12)


def test_a_tree_splits_on_them(X):
    trees = [came(fme(score, T, {"x": 1.0}), n_partitions=3) for T in (X, PLAIN)]
    assert trees[0].partitions_["ame"].tolist() == trees[1].partitions_["ame"].tolist()


def test_formulas_code_them_by_their_declared_order():
    fit = smf.ols("y ~ x * g + h", PLAIN.assign(y=Y)).fit()
    steps = [{"x": 1}, {"g": Contrast("low", "high")}, {"h": "u"}]
    want = delta_effects(fit, PLAIN, steps, by="h")
    found = delta_effects(fit, in_pandas(PLAIN), steps, by="h")
    np.testing.assert_allclose(found.params, want.params, rtol=1e-10)
    np.testing.assert_allclose(found.bse, want.bse, rtol=1e-10)
    assert found.names == want.names


def test_missing_entries_are_missing():
    holed = PLAIN.assign(h=PLAIN["h"].where(PLAIN["x"] > -1))
    step = {"h": Contrast("v", "u")}
    found, want = (
        fme(score, in_pandas(holed), {"h": "u"}),
        fme(score, holed, {"h": "u"}),
    )
    np.testing.assert_array_equal(found.status, want.status)
    assert describe_columns(as_table(in_pandas(holed)))[1].categories == ("v", "u")
    np.testing.assert_allclose(
        fme(score, in_pandas(holed), step).fme, 3.0, rtol=0, atol=1e-12
    )
