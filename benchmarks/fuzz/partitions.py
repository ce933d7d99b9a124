"""The space of tables in parts, by files and clusters, against one table in memory."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from sklearn.frozen import FrozenEstimator

from benchmarks.fuzz import tables
from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space, told
from benchmarks.fuzz.models import RECIPES, Function, NotTakenError, fitted
from benchmarks.fuzz.sources import SOURCES, as_pandas
from benchmarks.fuzz.steps import drawn_step
from benchmarks.fuzz.tables import Column, Rows, table_of
from skfme import FMEExplainer, came
from skfme.statsmodels import EffectTree, came_batches

_SMOOTH = ("probability", "two functions")
_CATEGORIES = ("text", "category", "bool")

CHOICES = {
    "source": tuple(SOURCES),
    "asked": ("summaries", "rows", "tree"),
    "parts": ("one", "three", "of which one is empty", "a row each"),
    "rows": ("6", "45"),
    "fitted on": ("pandas", "arrow-backed", "polars", "pyarrow"),
    "stepped": ("int8", "int64", "float32", "float64", *_CATEGORIES,
                "date-us", "date-zone"),
    "beside": ("int32", "float64", "text", "category", "date-us"),
    "missing": ("none", "stepped", "beside"),
    "model": (*_SMOOTH, "linear", "scaled linear", "encoded linear", "hist",
              "forest classes", "lightgbm", "xgboost", "network"),
    "step": ("add", "set", "contrast", "quantile", "sd", "function"),
    "weights": ("none", "whole", "sampling"),
    "by": ("none", "one", "two"),
    "extrapolation": ("none", "envelope"),
    "nlm": ("none", "exact"),
}  # fmt: skip

_FITTED = tuple(name for name in CHOICES["model"] if name not in _SMOOTH)
_NUMERIC = tuple(name for name in _FITTED if name != "encoded linear")

NEVER = (
    Never("rows", ("45",), "parts", ("a row each",), "six files are enough"),
    Never("rows", ("6",), "asked", ("tree",), "so few have one region"),
    Never("asked", ("tree",), "model", _FITTED,
          "splits of the same gain are chosen by the rounding of their sums"),
    Never("asked", ("rows", "tree"), "by", ("one", "two"), "groups are of summaries"),
    Never("asked", ("rows",), "weights", ("whole", "sampling"),
          "rows have no use for weights"),
    Never("asked", ("rows",), "nlm", ("exact",), "rows are passed on without NLMs"),
    Never("model", _NUMERIC, "stepped", (*_CATEGORIES, "date-us", "date-zone"),
          "they take numbers"),
    Never("model", _NUMERIC, "beside", ("text", "category", "date-us"),
          "they take numbers"),
    Never("model", ("encoded linear",), "stepped", ("date-us", "date-zone"),
          "it takes numbers and categories"),
    Never("model", ("encoded linear",), "beside", ("date-us",),
          "it takes numbers and categories"),
    Never("model", ("encoded linear",), "fitted on", ("arrow-backed", "pyarrow"),
          "columns are encoded by name, of pandas or polars"),
    Never("model", ("lightgbm",), "fitted on", ("arrow-backed",),
          "LightGBM takes no Arrow types of pandas"),
    Never("model", ("linear", "encoded linear"), "missing", ("stepped", "beside"),
          "they take no missing values"),
    Never("stepped", (*_CATEGORIES, "date-us", "date-zone"), "step",
          ("quantile", "sd"), "of numbers alone"),
    Never("stepped", _CATEGORIES, "step", ("add",), "categories are not added to"),
    Never("step", ("function",), "stepped", (*_CATEGORIES, "date-us", "date-zone"),
          "of numbers alone"),
    Never("stepped", (*_CATEGORIES, "date-us", "date-zone"), "nlm", ("exact",),
          "there is nothing between"),
)  # fmt: skip


def _drawn(rng: np.random.Generator, chosen: Chosen) -> tuple[Rows, pd.DataFrame]:
    """The features, and what else the files hold: numbers of rows, weights and groups."""
    n = int(chosen["rows"])
    kinds = {"one": chosen["stepped"], "other": chosen["beside"], "z": "float64"}
    columns = [
        Column(name, kind, tables.drawn_entries(rng, kind, "plain", n))
        for name, kind in kinds.items()
    ]
    gappy = {"none": None, "stepped": 0, "beside": 1}[chosen["missing"]]
    if gappy is not None:
        for i in np.flatnonzero(np.append(False, rng.random(n - 1) < 0.2)):
            columns[gappy].entries[i] = None
    group = rng.choice(np.array(["a", "b", None]), n)
    weights = rng.integers(1, 4, n) if chosen["weights"] == "whole" else rng.random(n)
    extra = {"row": np.arange(n), "w": weights, "g": group, "h": rng.integers(0, 2, n)}
    return Rows(chosen["fitted on"], columns), pd.DataFrame(extra)


def _written(folder: Path, chosen: Chosen, rows: Rows, extra: pd.DataFrame) -> None:
    """A file for each part."""
    whole = table_of(Rows("pyarrow", rows.columns))
    for name in extra:
        values = [None if pd.isna(value) else value for value in extra[name]]
        whole = whole.append_column(name, [values])
    n = len(rows)
    edges = {
        "one": [0, n],
        "three": [0, n // 5, n // 2, n],
        "of which one is empty": [0, n // 2, n // 2, n],
        "a row each": list(range(n + 1)),
    }[chosen["parts"]]
    for i, (start, stop) in enumerate(pairwise(edges)):
        pq.write_table(whole.slice(start, stop - start), folder / f"{i:02}.parquet")


def _explainer(rng: np.random.Generator, chosen: Chosen, rows: Rows) -> FMEExplainer:
    recipe = RECIPES[chosen["model"]]
    model = fitted(recipe, rows, rng)
    if recipe.task == "function":
        model = Function(model)
    stepped = rows.columns[0]
    seen = [entry for entry in stepped.entries if entry is not None]
    return FMEExplainer(
        FrozenEstimator(model),
        {"moved": {"one": drawn_step(rng, chosen["step"], stepped, seen)}},
        extrapolation=None if chosen["extrapolation"] == "none" else "envelope",
        nlm=chosen["nlm"] == "exact",
    ).fit(table_of(rows))


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """The answer of the parts is that of the whole, or both are refused."""
    rows, extra = _drawn(rng, chosen)
    try:
        explainer = _explainer(rng, chosen, rows)
    except NotTakenError as error:
        return Outcome(f"not taken by {chosen['model']}: {error}", counts=False)
    except ValueError as error:
        return Outcome(f"refused by fit: {str(error)[:40]}", counts=False)
    weights = None if chosen["weights"] == "none" else extra["w"].to_numpy()
    effect = explainer.explain(table_of(rows), sample_weight=weights)["moved"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _written(folder, chosen, rows, extra)
        source = SOURCES[chosen["source"]](folder)
        compared = {"summaries": _summaries, "rows": _rows, "tree": _tree}
        return compared[chosen["asked"]](chosen, explainer, source, effect, extra)


def _summaries(
    chosen: Chosen, explainer: FMEExplainer, source: Any, effect: Any, extra: Any
) -> Outcome:
    by = {"none": None, "one": ["g"], "two": ["g", "h"]}[chosen["by"]]
    weighted = None if chosen["weights"] == "none" else "w"
    summary = explainer.explain_batches(source, weighted, by=by)["moved"]
    assert summary.n == effect.n
    assert list(summary.status_counts) == list(effect.status_counts)
    size = 1 + np.abs(effect.fme[effect.counted]).max(initial=0)
    close = {"rtol": _unit(chosen), "atol": _unit(chosen) / 100 * size}
    for name in ("ame", "sd", "anlm")[: 2 + (chosen["nlm"] == "exact")]:
        one, other = getattr(summary, name), getattr(effect, name)
        np.testing.assert_allclose(one, other, err_msg=name, **close)
    if by is None:
        return Outcome("equal", 3 * len(effect.outputs))
    groups, alone = summary.average(), effect.average(extra[by])
    names = [name for name in alone if name in groups]
    groups, alone = (_without_gaps(frame[names], by) for frame in (groups, alone))
    pd.testing.assert_frame_equal(groups, alone, check_dtype=False, **close)
    return Outcome("equal", alone.size)


def _without_gaps(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Missing groups by a name, since libraries have several values for them."""
    named = {name: frame[name].astype(object) for name in by}
    return frame.assign(**{k: v.where(v.notna(), "missing") for k, v in named.items()})


def _unit(chosen: Chosen) -> float:
    """What is equal; single precision is given up where the rows of a part need it."""
    return 1e-5 if chosen["stepped"] == "float32" else 1e-9


def _rows(
    chosen: Chosen, explainer: FMEExplainer, source: Any, effect: Any, extra: Any
) -> Outcome:
    frame = as_pandas(explainer.transform_batches(source, statuses=True))
    frame = frame.sort_values("row").reset_index(drop=True)
    assert frame["row"].tolist() == extra["row"].tolist()
    columns = effect.fme.reshape(len(frame), -1)
    new = [name for name in frame if str(name).startswith("moved")]
    statuses = [name for name in new if name.endswith("status")]
    values = frame[[name for name in new if name not in statuses]].to_numpy(float)
    np.testing.assert_allclose(values, columns, rtol=_unit(chosen), atol=1e-12)
    for name in statuses:
        assert frame[name].tolist() == list(effect.status)
    return Outcome("equal", values.size)


def _tree(
    chosen: Chosen, explainer: FMEExplainer, source: Any, effect: Any, extra: Any
) -> Outcome:
    output = effect.outputs[-1] if len(effect.outputs) > 1 else None
    weighted = None if chosen["weights"] == "none" else "w"
    tree = EffectTree(alpha=0.5, min_samples_leaf=4)

    def streamed_tree() -> EffectTree:
        return came_batches(
            explainer, source, "moved", output=output, sample_weight=weighted, tree=tree
        )

    try:
        alone = came(effect, output=output, alpha=0.5, min_samples_leaf=4)
    except ValueError as error:
        return told(streamed_tree, str(error)[:40])
    streamed = streamed_tree()
    for name in ("nodes_", "partitions_"):
        pd.testing.assert_frame_equal(
            getattr(streamed, name), getattr(alone, name),
            check_dtype=False, rtol=10 * _unit(chosen), atol=_unit(chosen) / 10,
        )  # fmt: skip
    assert str(streamed) == str(alone)
    return Outcome("equal", alone.nodes_.size)


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    rows, extra = _drawn(rng, chosen)
    return f"{chosen}\n{table_of(rows)}\n{extra}"


SPACE = Space("partitions", CHOICES, NEVER, check, describe)
