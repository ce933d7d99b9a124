"""Designs of formulas: a part that is built again equals the whole, arrays equal pandas."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from skfme._frames.tables import as_table
from skfme.statsmodels import delta_effects
from skfme.statsmodels._models.model_designs import design_of
from tests.statsmodels.models.fits import data

RIGHTS = [
    "x * z + C(c)",
    "C(c) * (x + z) + np.exp(z):d",
    "bs(x, df=4) + bs(z, df=3):C(d) + I(x**2)",
    "Q('two words') * x + center(z)",
    "np.where(x > 0, z, 1) + (x > 0.5) + c",
    "0 + c:x + z",
    "x.clip(lower=0) + z.rank() + c",  # pandas' methods, not numpy's
    "when + x + z",
]


def rows():
    frame = data().copy()
    frame["two words"] = frame["z"] ** 2
    frame["when"] = frame["x"] > frame["z"]
    return frame


def changed(table, names):
    """Columns with another value, by position."""
    frame, columns = table.native, {}
    for name in names:
        values = frame[name].iloc[::-1].set_axis(frame.index)
        columns[table.position(name)] = as_table(pd.DataFrame({name: values})).column(0)
    return columns


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize(
    "names", [["x"], ["z"], ["c"], ["x", "c"], ["two words", "when"]], ids=str
)
@pytest.mark.parametrize("share", ["all", "some"])
def test_terms_built_again_are_those_of_the_whole_design(right, names, share):
    frame = rows()
    design = design_of(smf.ols(f"y ~ {right}", frame))
    table = as_table(frame)
    matrix = design.matrix(table)
    mask = np.ones(len(frame), bool) if share == "all" else frame["d"].to_numpy() == 1
    columns = changed(table, names)
    whole = design.matrix(table.with_columns(columns))[mask]
    if "rank" in right and share == "some":
        return  # looks at other rows, and is refused elsewhere
    np.testing.assert_array_equal(design.stepped(table, matrix, mask, columns), whole)


@pytest.mark.parametrize("right", RIGHTS)
def test_arrays_make_the_design_that_the_fit_made_of_pandas_columns(right):
    frame = rows()
    model = smf.ols(f"y ~ {right}", frame)
    design = design_of(model)
    np.testing.assert_array_equal(design.matrix(as_table(frame)), model.exog)
    others = frame.astype({"c": str, "d": "Int64", "x": "Float64"})
    np.testing.assert_array_equal(design.matrix(as_table(others)), model.exog)


def test_a_missing_value_makes_its_row_incomplete_whatever_is_stepped():
    frame = rows()
    frame.loc[3, "x"] = np.nan
    frame.loc[5, "c"] = None
    results = smf.logit("b ~ x * z + C(c)", frame).fit(disp=0)
    effects = delta_effects(results, frame, [{"z": 0.1}, {"x": 0.1}, {"c": "a"}])
    complete = frame.drop(index=[3, 5])
    whole = delta_effects(results, complete, [{"z": 0.1}, {"x": 0.1}, {"c": "a"}])
    assert effects.params.to_numpy() == pytest.approx(whole.params.to_numpy())
    assert effects.bse.to_numpy() == pytest.approx(whole.bse.to_numpy())
