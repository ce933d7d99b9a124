"""explain_batches takes a table wherever it lives, and gives one machine's numbers."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer
from skfme._frames.arrow import scanned
from skfme._frames.tables import as_table
from skfme._frames.transit import in_types_of_fit
from tests.streaming.wards import (
    FEATURES,
    arrow_table,
    assert_summaries,
    explainer_on,
    in_memory,
    write_files,
)


class OnlyAStream:
    """What offers Arrow's stream and nothing else."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


def duck(folder):
    return pytest.importorskip("duckdb").sql(f"select * from '{folder}/*.parquet'")


def dask_table(folder):
    return pytest.importorskip("dask.dataframe").read_parquet(folder)


def dicts(folder):
    """Batches of arrays with None, as Ray's and torch's loaders hand them over."""
    for batch in ds.dataset(folder).to_batches(columns=FEATURES):
        yield {
            name: np.array(batch[name].to_pylist(), dtype=object)
            if name != "seen"
            else batch.to_pandas()["seen"]
            for name in FEATURES
        }


TABLES = {
    "path": str,
    "Path": lambda folder: folder,
    "dataset": ds.dataset,
    "scanner": lambda folder: ds.dataset(folder).scanner(),
    "table": lambda folder: ds.dataset(folder).to_table(),
    "reader": lambda folder: ds.dataset(folder).to_table().to_reader(64),
    "stream": lambda folder: OnlyAStream(ds.dataset(folder).to_table()),
    "pandas": in_memory,
    "polars": lambda folder: pl.from_arrow(ds.dataset(folder).to_table()),
    "lazy": lambda folder: pl.scan_parquet(folder / "*.parquet"),
    "duckdb": duck,
    "dask": dask_table,
}
ITERABLES = {
    "dicts": dicts,
    "batches": lambda folder: ds.dataset(folder).to_batches(columns=FEATURES),
    "in another order": lambda folder: [in_memory(folder)[FEATURES[::-1]]],
}


def given(kind, folder):
    if kind == "lazy" and not hasattr(pl.LazyFrame, "collect_batches"):
        pytest.skip("polars before 1.34 collects no batches")
    return (TABLES | ITERABLES)[kind](folder)


@pytest.mark.parametrize("kind", [*TABLES, *ITERABLES])
def test_a_source_has_the_numbers_of_one_table_in_memory(folder, rows, explainer, kind):
    summaries = explainer.explain_batches(given(kind, folder))
    assert summaries.n_rows == len(rows)
    assert_summaries(summaries, explainer.explain(rows[FEATURES]))


@pytest.mark.parametrize(
    "by", ["ward", ["ward"], ["ward"] * 2], ids=["label", "list", "twice"]
)
@pytest.mark.parametrize("kind", TABLES)
def test_groups_and_weights_are_columns_of_the_source(
    folder, rows, explainer, kind, by
):
    asked = list(by) if isinstance(by, list) else by
    summaries = explainer.explain_batches(
        given(kind, folder), by=asked, sample_weight="weight"
    )
    assert asked == by  # the weights are no group
    effects = explainer.explain(rows[FEATURES], sample_weight=rows["weight"])
    assert summaries["older"].weights_type == "frequency"
    for name, effect in effects.items():
        mine, its = summaries[name].average(), effect.average(by="ward")
        shared = [c for c in its if c in mine and c != "effect"]
        mine["ward"] = mine["ward"].astype(object).where(mine["ward"].notna(), None)
        its["ward"] = its["ward"].astype(object).where(its["ward"].notna(), None)
        pd.testing.assert_frame_equal(
            mine[shared], its[shared], rtol=1e-10, check_dtype=False
        )


@pytest.mark.parametrize("library", ["polars", "pyarrow"])
@pytest.mark.parametrize("kind", ["path", "lazy", "duckdb", "dask"])
def test_an_explainer_of_another_library_reads_the_same_sources(folder, library, kind):
    X = ds.dataset(folder).to_table(columns=FEATURES)
    X = pl.from_arrow(X) if library == "polars" else X
    explainer = explainer_on(X)
    assert_summaries(
        explainer.explain_batches(given(kind, folder)), explainer.explain(X)
    )


def test_columns_of_a_source_that_are_not_needed_are_not_read(folder, explainer):
    asked = []

    class Spy:
        def __init__(self, dataset):
            self._dataset = dataset
            self.schema = dataset.schema

        get_fragments = None

        def to_batches(self, columns, **options):
            asked.extend(columns)
            return self._dataset.to_batches(columns=columns, **options)

    explainer.explain_batches(Spy(ds.dataset(folder)), by="id")
    assert sorted(asked) == sorted([*FEATURES, "id"])


# Types on the way


def converted(column, like):
    """One column on its way to a model fitted on another one."""
    table = in_types_of_fit(
        as_table(pa.table({"x": column})), as_table(pd.DataFrame({"x": like}))
    )
    return table.native["x"]


def test_instants_stay_what_they_are_under_another_zone():
    like = pd.Series(pd.date_range("2024-01-01", periods=2, tz="Etc/GMT+5", unit="ns"))
    tokyo = pa.array(like.dt.tz_convert("Asia/Tokyo"), pa.timestamp("us", "Asia/Tokyo"))
    pd.testing.assert_series_equal(converted(tokyo, like), like, check_names=False)


def test_local_times_are_not_taken_for_instants_nor_the_other_way_round():
    local = pd.Series(pd.date_range("2024-01-01", periods=2))
    zoned = local.dt.tz_localize("UTC")
    with pytest.raises(ValueError, match="instants are unknown.*timestamp_ntz"):
        converted(pa.array(local), zoned)
    with pytest.raises(ValueError, match=r"spark\.sql\.session\.timeZone"):
        converted(pa.array(zoned), local)


def test_texts_become_the_categories_of_fit_and_new_ones_come_after_them():
    like = pd.Series(pd.Categorical(["b", "a"], ["b", "a", "c"], ordered=True))
    text = pa.array(["a", None, "d"])
    for arrow in (text, text.dictionary_encode()):
        column = converted(arrow, like)
        assert list(column.cat.categories) == ["b", "a", "c", "d"]
        assert column.cat.ordered
        assert column.astype(object).where(column.notna(), None).tolist() == [
            "a",
            None,
            "d",
        ]


def test_categories_in_another_order_take_that_of_fit():
    like = pd.Series(pd.Categorical(["b", "a"], ["b", "a"]))
    column = converted(pa.array(["a", "b"]).dictionary_encode(), like)
    assert list(column.cat.categories) == ["b", "a"]
    assert column.tolist() == ["a", "b"]


def test_what_a_type_of_fit_cannot_hold_is_never_cut():
    whole = pd.Series([1, 2])
    assert converted(pa.array([1.5, 2.0]), whole).tolist() == [1.5, 2.0]
    days = pd.Series(pd.date_range("2024-01-01", periods=2, unit="s"))
    odd = pa.array(pd.Series([pd.Timestamp("2024-01-01T00:00:00.5")]))
    with pytest.raises(ValueError, match="cannot hold.*finer unit"):
        converted(odd, days)


# Refusals


def test_a_source_without_the_columns_of_fit_names_them(folder, explainer):
    source = pl.scan_parquet(folder / "*.parquet").drop("sex", "born")
    with pytest.raises(
        ValueError, match=r"no columns 'sex', 'born'.*Known: 'id', 'seen'"
    ):
        explainer.explain_batches(source)


def test_a_path_where_nothing_is_is_refused(tmp_path, explainer):
    with pytest.raises(FileNotFoundError, match="expected a Parquet file"):
        explainer.explain_batches(tmp_path / "rows.parquet")
    with pytest.raises(ValueError, match="holds no files"):
        explainer.explain_batches(tmp_path)
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not read as Parquet"):
        explainer.explain_batches(tmp_path / "rows.csv")


@pytest.mark.parametrize("kind", ["path", "lazy", "duckdb", "dask"])
def test_a_source_without_rows_gives_a_warning(tmp_path, explainer, kind):
    empty = write_files(tmp_path / "empty", arrow_table())
    for file in empty.glob("[0-9]*.parquet"):
        file.unlink()
    with pytest.warns(UserWarning, match="held no rows"):
        summaries = explainer.explain_batches(given(kind, empty))
    assert summaries.n_rows == 0


@pytest.mark.parametrize("kind", ["path", "lazy", "duckdb", "dask"])
def test_a_batch_that_raises_leaves_nothing_half(folder, rows, kind):
    X = rows[["age", "id"]].fillna(30.0)
    explainer = FMEExplainer(
        LinearRegression(),
        {"age": 1},
        response_method=lambda model, X: X["age"].fillna(30) / (X["id"] != 700),
        extrapolation=None,
    ).fit(X.head(200), X["age"].head(200))
    with pytest.raises(ValueError, match=r"infinite values(?s:.*)in .*batches\[\d+\]"):
        explainer.explain_batches(given(kind, folder))


@pytest.mark.parametrize("kind", ["lazy", "duckdb", "dask"])
def test_explain_of_a_table_that_is_elsewhere_names_explain_batches(
    folder, explainer, kind
):
    with pytest.raises(TypeError, match="explain_batches"):
        explainer.explain(given(kind, folder))


# Effects as columns


def read_back(transformed):
    """What transform_batches returned, as rows of pandas."""
    if isinstance(transformed, pl.LazyFrame):
        return transformed.collect().to_arrow().to_pandas()
    if isinstance(transformed, pa.RecordBatchReader):
        # By way of polars: pyarrow 18 converts none of its dictionaries.
        return pl.from_arrow(transformed.read_all()).to_pandas()
    return transformed.compute().reset_index(drop=True)


@pytest.mark.parametrize("kind", TABLES)
def test_effects_are_columns_beside_the_sources_own(folder, rows, explainer, kind):
    if kind == "lazy":
        given(kind, folder)
    transformed = explainer.transform_batches(given(kind, folder), statuses=True)
    frame = read_back(transformed).sort_values("id").reset_index(drop=True)
    assert list(frame.columns[: len(rows.columns)]) == list(rows.columns)
    for name, effect in explainer.explain(rows[FEATURES]).items():
        np.testing.assert_allclose(frame[name], effect.fme, rtol=1e-12)
        assert list(frame[f"{name} status"]) == list(effect.status)
    assert [str(i) for i in frame["id"]] == [str(i) for i in rows["id"]]
    missing = frame["price"].isna()
    assert (missing == rows["price"].isna()).all()


def test_an_effect_that_does_not_count_is_null_and_not_nan(folder, explainer):
    table = explainer.transform_batches(folder).read_all()
    n = explainer.explain_batches(folder)["older"].n
    assert table["older"].null_count == table.num_rows - n
    lazy = explainer.transform_batches(pl.scan_parquet(folder / "*.parquet")).collect()
    assert lazy["older"].null_count() == table.num_rows - n
    assert not lazy["older"].is_nan().any()


def test_nothing_is_computed_before_it_is_read(rows):
    calls = []

    def response(model, X):
        calls.append(len(X))
        return X["age"].fillna(1.0)

    explainer = FMEExplainer(
        LinearRegression(), {"age": 1}, response_method=response
    ).fit(rows[["age"]].dropna(), rows["age"].dropna())
    calls.clear()
    source = pl.from_pandas(rows[["age"]]).lazy()
    lazy = explainer.transform_batches(source)
    reader = explainer.transform_batches(rows[["age"]].iloc[i:] for i in (0, 100))
    assert calls == []
    assert lazy.collect().height == len(rows)
    assert reader.read_all().num_rows == 2 * len(rows) - 100
    assert calls


def test_short_tables_are_stacked_before_they_are_computed(rows):
    sizes = []

    def response(model, X):
        sizes.append(len(X))
        return X["id"] * 1.0

    explainer = FMEExplainer(
        LinearRegression(), {"id": 1}, response_method=response, extrapolation=None
    ).fit(rows[["id"]], rows["id"])
    sizes.clear()
    reader = explainer.transform_batches(
        rows[["id"]].iloc[i : i + 10] for i in range(0, 1000, 10)
    )
    assert reader.read_all()["id +1"].to_pylist() == [1.0] * 1000
    assert sizes == [1000, 1000]  # before the step and after it


def test_a_column_of_an_effects_name_is_refused(rows):
    explainer = FMEExplainer(LinearRegression(), {"id": 1}).fit(
        rows[["id"]], rows["id"]
    )
    with pytest.raises(ValueError, match=r"'id \+1' already.*Rename"):
        explainer.transform_batches(rows.rename(columns={"weight": "id +1"}))
    with pytest.raises(ValueError, match="no tables"):
        explainer.transform_batches(iter(()))


def test_tables_of_other_columns_are_named_as_they_are_read(rows):
    explainer = FMEExplainer(LinearRegression(), {"id": 1}).fit(
        rows[["id"]], rows["id"]
    )
    reader = explainer.transform_batches([rows[["id"]], rows[["id", "age"]]])
    with pytest.raises(ValueError, match=r"batches\[1\].*were id in the first table"):
        reader.read_all()


def test_a_dataset_of_parquet_is_not_held_as_it_is_read(tmp_path):
    n, groups = 20_000, 60
    part = pa.table(
        {f"x{j}": np.random.default_rng(j).normal(size=n) for j in range(5)}
    )
    with pq.ParquetWriter(tmp_path / "rows.parquet", part.schema) as writer:
        for _ in range(groups):
            writer.write_table(part, row_group_size=n)
    before, most = pa.total_allocated_bytes(), 0
    seen = 0
    for batch in scanned(ds.dataset(tmp_path), ["x0", "x1", "x2", "x3", "x4"]):
        most = max(most, pa.total_allocated_bytes() - before)
        seen += batch.num_rows
    assert seen == n * groups
    assert most < part.nbytes * groups / 3


def test_joined_datasets_are_read_one_after_the_other(tmp_path):
    first, second = pa.table({"a": [1.0, 2.0]}), pa.table({"a": [4.0]})
    pq.write_table(second, tmp_path / "rows.parquet")
    joined = ds.dataset([ds.dataset(first), ds.dataset(tmp_path)])
    values = [v for batch in scanned(joined, ["a"]) for v in batch["a"].to_pylist()]
    assert values == [1.0, 2.0, 4.0]
