"""Tables of dots: average effects of rows, of groups, and of results with intervals.

One row per dot, as AMEDisplay draws them; how they are drawn lives there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._text.labels import Labels, coverage_note
from skfme.plotting._sources import Effects, Estimates

__all__ = [
    "dots_by_group",
    "estimated_dots",
    "group_columns",
    "inferred_dots",
    "interval_line",
    "overall_dots",
]


def overall_dots(effects: Effects) -> pd.DataFrame:
    """One dot per effect and output, with the quartiles of its rows."""
    frame = effects.to_frame()
    left_out = ["n_missing", "n_at_target", "n_extrapolation"]
    return pd.DataFrame(
        {
            "effect": frame["effect"],
            "level": frame["output"] if len(effects.context.outputs) > 1 else "",
            "estimate": frame["ame"],
            "low": frame["q25"],
            "high": frame["q75"],
            "n": frame["n"],
            "left_out": frame[left_out].sum(axis=1),
        }
    )


def dots_by_group(effects: Effects, by: Any, texts: Labels) -> pd.DataFrame:
    """One dot per effect, group and output, with the SD of its rows."""
    frame = pd.concat([effect.average(by=by) for _, effect in effects.items()])
    keys = list(frame.columns[: frame.columns.get_loc("n")].drop("effect"))
    table = pd.DataFrame(
        {
            "effect": frame["effect"],
            "level": _group_texts(frame, keys, texts),
            "estimate": frame["ame"],
            "low": frame["ame"] - frame["sd"],
            "high": frame["ame"] + frame["sd"],
            "n": frame["n"],
            "left_out": np.nan,
        }
    )
    return table.reset_index(drop=True)


def _group_texts(frame: pd.DataFrame, keys: list[Any], texts: Labels) -> list[str]:
    """Groups as one text; with the column's label where one column makes them."""
    rows = frame[keys].astype(object).itertuples(index=False)
    if len(keys) == 1 and keys != ["group"]:
        name = texts.short(str(keys[0]))
        return [f"{name} {_group_text(row[0])}" for row in rows]
    return [", ".join(map(_group_text, row)) for row in rows]


def _group_text(label: Any) -> str:
    missing = pd.api.types.is_scalar(label) and pd.isna(label)
    return "missing" if missing else str(label)


# Columns of texts that say what an estimate is of.
_NO_GROUPS = ("effect", "output", "n", "comparison", "average")


def group_columns(frame: pd.DataFrame) -> list[Any]:
    """The columns of groups in a table of results: before the estimate, or of texts."""
    before = set(frame.columns[: frame.columns.get_loc("estimate")])
    before |= set(frame.select_dtypes(exclude=["number", "bool"]).columns)
    return [n for n in frame.columns if n in before and n not in _NO_GROUPS]


def inferred_dots(effects: Effects, inference: Any, texts: Labels) -> pd.DataFrame:
    """One dot per estimate, with its interval."""
    frame = inference.to_frame().reset_index(drop=True)
    unknown = [name for name in frame["effect"].unique() if name not in effects]
    if unknown:
        raise ValueError(
            f"inference is about {unknown[0]!r}, which is none of the effects: "
            f"{', '.join(map(repr, effects))}."
        )
    groups = group_columns(frame)
    several = "output" in frame and len(effects.context.outputs) > 1
    keys = groups + ["output"] * several
    counted = frame["effect"].map({name: effect.n for name, effect in effects.items()})
    left_out = frame["effect"].map(
        {name: sum(e.n_left_out.values()) for name, e in effects.items()}
    )
    nobs = getattr(inference, "nobs", None)
    if nobs is not None:  # it may rest on other rows
        left_out = left_out.where(counted == nobs)
        counted = pd.Series(nobs, frame.index)
    return pd.DataFrame(
        {
            "effect": frame["effect"],
            "level": _group_texts(frame, keys, texts) if keys else "",
            "estimate": frame["estimate"],
            "low": frame["conf_low"],
            "high": frame["conf_high"],
            "n": np.nan if groups and nobs is None else counted,
            "left_out": np.nan if groups else left_out,
        }
    )


def interval_line(inference: Any) -> str:
    note = coverage_note(inference)
    return "Lines: confidence intervals." + (f" {note}" if note else "")


def estimated_dots(
    results: Estimates, alpha: float, simultaneous: bool
) -> pd.DataFrame:
    """One dot per estimate, under its own name, with its interval."""
    ends = results.conf_int(alpha, simultaneous=simultaneous).to_numpy()
    return pd.DataFrame(
        {
            "effect": results.names,
            "level": "",
            "estimate": results.params.to_numpy(),
            "low": ends[:, 0],
            "high": ends[:, 1],
            "n": np.nan if results.nobs is None else results.nobs,
        }
    )
