"""Names of estimates, of their differences and of their combinations, from labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "difference_labels",
    "difference_names",
    "names_of",
    "unique_names",
    "wording",
]


def names_of(labels: pd.DataFrame) -> list[str]:
    groups = [c for c in labels.columns if c not in ("effect", "output")]
    names = [str(effect) for effect in labels["effect"]]
    if "output" in labels:
        names = [f"{n}[{o}]" for n, o in zip(names, labels["output"], strict=True)]
    for i, values in enumerate(zip(*(labels[c] for c in groups), strict=True)):
        where = (f"{c}={_plain(v)}" for c, v in zip(groups, values, strict=True))
        names[i] += " | " + ", ".join(where)
    return names


def _plain(value: Any) -> str:
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def unique_names(names: list[str]) -> list[str]:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"Several estimates have the name {repeated[0]!r}; their labels must tell "
            "them apart."
        )
    return names


def wording(R: np.ndarray, q: np.ndarray, names: list[str]) -> list[str]:
    """Each combination in words, such as "1 (a) - 0.5 (b)"."""
    texts = []
    for row, value in zip(R, q, strict=True):
        parts = [
            f"{'-' if row[i] < 0 else '+'} "
            + (names[i] if abs(row[i]) == 1 else f"{abs(row[i]):g} ({names[i]})")
            for i in np.flatnonzero(row)
        ]
        if value:
            parts.append(f"{'-' if value > 0 else '+'} {abs(value):g}")
        text = " ".join(parts)
        texts.append(text.removeprefix("+ "))
    return texts


def difference_labels(
    labels: pd.DataFrame, pairs: Sequence[tuple[int, int]]
) -> pd.DataFrame:
    """Labels of differences: what both have, or "second - first"."""
    columns = {}
    for name in labels.columns:
        values = labels[name].tolist()
        columns[name] = [
            values[i]
            if values[i] == values[j]
            else f"{_plain(values[j])} - {_plain(values[i])}"
            for i, j in pairs
        ]
    return pd.DataFrame(columns)


def difference_names(
    names: list[str],
    short_names: list[str],
    labels: pd.DataFrame,
    pairs: Sequence[tuple[int, int]],
) -> list[str]:
    """Short names where two estimates differ in one label, else "second - first"."""
    values = list(labels.itertuples(index=False, name=None))
    unlike = [
        sum(a != b for a, b in zip(values[i], values[j], strict=True)) for i, j in pairs
    ]
    return [
        short if n == 1 else f"{names[j]} - {names[i]}"
        for short, n, (i, j) in zip(short_names, unlike, pairs, strict=True)
    ]
