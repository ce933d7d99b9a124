"""Each recipe of docs/scaling.rst, as it is printed there."""

import os
import re
import sys
from pathlib import Path

import polars as pl
import pyarrow.dataset as ds
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import FMEExplainer

GUIDE = Path(__file__).parents[2] / "docs" / "scaling.rst"
NEEDS = {
    "A folder of files": "pyarrow",
    "A lazy table of polars": "polars",
    "A query of DuckDB": "duckdb",
    "A Dask table": "dask.dataframe",
    "A Spark table": "pyspark.sql",
    "A Ray dataset": "ray.data",
}


def recipe(heading):
    section = GUIDE.read_text().split(f"\n{heading}\n~", 1)[1]
    block = section.split(".. code-block:: python\n", 1)[1]
    lines = re.match(r"(?:\n|   .*\n)+", block).group(0)
    return "\n".join(line[3:] for line in lines.splitlines())


def names_of_recipes():
    guide = GUIDE.read_text()
    recipes = guide[guide.index("\nRecipes\n") : guide.index("\nWhat travels")]
    return re.findall(r"\n(.+)\n~~~", recipes)


def test_every_recipe_is_run():
    assert names_of_recipes() == list(NEEDS)


@pytest.fixture
def patients(tmp_path, monkeypatch):
    """The training rows as a folder of files, where the recipe runs."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    (tmp_path / "patients").mkdir()
    for i in range(4):
        rows = X.iloc[i * 120 : (i + 1) * 120]
        rows.to_parquet(tmp_path / "patients" / f"{i}.parquet", index=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    model = HistGradientBoostingRegressor(max_iter=20, random_state=0)
    return X, FMEExplainer(model, [{"bmi": -2}, {"bp": -10}]).fit(X, y)


def stop(names):
    if "spark" in names:
        names["spark"].stop()
    if "client" in names:
        names["client"].shutdown()
    if "ray" in names:
        names["ray"].shutdown()


@pytest.mark.parametrize("heading", NEEDS)
def test_a_recipe_gives_one_machines_numbers(patients, heading):
    pytest.importorskip(NEEDS[heading], reason=f"{NEEDS[heading]} is not installed")
    if "polars" in heading and not hasattr(pl.LazyFrame, "collect_batches"):
        pytest.skip("polars before 1.34 collects no batches")
    X, explainer = patients
    names = {"explainer": explainer}
    # Spark's Java may have been started in another folder.
    code = re.sub(r'"(patients|effects)/', rf'"{Path.cwd()}/\1/', recipe(heading))
    try:
        exec(code, names)
        summaries, written = names["summaries"], sorted(Path().glob("effects*"))
        (place,) = written
        files = list(place.rglob("*.parquet")) if place.is_dir() else [place]
        table = ds.dataset([os.fspath(file) for file in files]).to_table()
    finally:
        stop(names)
    effects = explainer.explain(X)
    for name, effect in effects.items():
        assert summaries[name].n == effect.n
        assert summaries[name].ame == pytest.approx(effect.ame, rel=1e-12)
        column = table[name].to_pandas().dropna()
        assert len(column) == effect.n
        assert column.mean() == pytest.approx(effect.ame, rel=1e-9)
