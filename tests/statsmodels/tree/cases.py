"""Tables and trees that R was run on."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

REFERENCE = Path(__file__).parents[2] / "reference"
TABLES = ("tree_noise_500", "tree_signal_300", "tree_signal_2000", "tree_missing_800")


def table(name):
    """Covariates, response and case weights."""
    data = pd.read_csv(REFERENCE / f"{name}.csv")
    data["f2"] = pd.Categorical(data["f2"], list("uv"))
    data["f5"] = pd.Categorical(data["f5"], list("pqrst"))
    data["o4"] = pd.Categorical(data["o4"], ["o1", "o2", "o3", "o4"], ordered=True)
    return data.drop(columns=["y", "w"]), data["y"], data["w"]


def reference(name):
    return json.loads((REFERENCE / f"{name}.json").read_text())


def worked_example():
    """The deterministic data of 240 rows: table, effects and weights."""
    i = np.arange(240)
    a, b = ((37 * i) % 101) / 10, ((53 * i) % 97) / 97
    g = np.array(list("pqrst"))[((17 * i + 3) // 4) % 5]
    o = ((29 * i) // 5) % 3
    effect = 2 * (a > 4.3) - 3 * np.isin(g, ["q", "t"]) * (b > 0.4)
    effect = effect + 0.8 * (o + 1) + 0.5 * np.sin(7 * i) + 0.3 * ((71 * i) % 13) / 13
    X = pd.DataFrame(
        {
            "a": a,
            "b": b,
            "k": i**2 % 7,
            "g": pd.Categorical(g),
            "o": pd.Categorical.from_codes(o, ["lo", "mid", "hi"], ordered=True),
            "z": 1.0,
        }
    )
    return X, effect, 1 + (i % 3 == 0) + 2 * (i % 11 == 0)


def assert_same_tree(one, other):
    pd.testing.assert_frame_equal(one.nodes_, other.nodes_, rtol=1e-10, atol=1e-12)
    pd.testing.assert_frame_equal(
        one.partitions_, other.partitions_, rtol=1e-10, atol=1e-12
    )
    pd.testing.assert_frame_equal(one.tests_, other.tests_, rtol=1e-8, atol=1e-12)
    assert str(one) == str(other)
    assert one.n_dropped_ == other.n_dropped_
    assert abs(one.variance_explained_ - other.variance_explained_) < 1e-10
    assert one._columns == other._columns
