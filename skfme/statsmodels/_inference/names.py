"""Names of estimates, of their differences and of their combinations, from labels.

Labels are the columns ``effect``, ``output`` where there are several, and those of groups;
the results' tables set the columns named here beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import known_names, nearest

__all__ = [
    "RESULT_COLUMNS",
    "difference_labels",
    "difference_names",
    "names_of",
    "pairs_within",
    "unique_names",
    "wording",
]

# Columns of the results' tables that no column of groups may be called.
RESULT_COLUMNS = frozenset(
    [
        *("effect", "output", "rule", "estimate", "std_error", "statistic", "p_value"),
        *("conf_low", "conf_high", "p_adjusted"),
    ]
)


def names_of(labels: pd.DataFrame) -> list[str]:
    """Such as "bmi -2[setosa] | sex=s1"."""
    groups = [c for c in labels.columns if c not in ("effect", "output")]
    names = [str(effect) for effect in labels["effect"]]
    if "output" in labels:
        names = [f"{n}[{o}]" for n, o in zip(names, labels["output"], strict=True)]
    for i, values in enumerate(zip(*(labels[c] for c in groups), strict=True)):
        pairs = (f"{c}={_plain(v)}" for c, v in zip(groups, values, strict=True))
        names[i] += " | " + ", ".join(pairs)
    return names


def _plain(value: Any) -> str:
    if isinstance(value, float) and float(f"{value:g}") == value:
        return f"{value:g}"
    return str(value)


def unique_names(names: Sequence[str]) -> list[str]:
    """The names as they are, if no two are equal."""
    counts = Counter(map(str, names))
    repeated = [name for name, count in counts.items() if count > 1]
    if repeated:
        raise ValueError(
            f"Several estimates have the name {repeated[0]!r}; their labels must differ."
        )
    return list(counts)


def wording(R: np.ndarray, q: np.ndarray, names: list[str]) -> list[str]:
    """Each combination in words, such as "1 (a) - 0.5 (b)"."""
    texts = []
    for row, value in zip(R, q, strict=True):
        terms = [
            f"{'-' if row[i] < 0 else '+'} "
            + (names[i] if abs(row[i]) == 1 else f"{abs(row[i]):g} ({names[i]})")
            for i in np.flatnonzero(row)
        ]
        if value:
            terms.append(f"{'-' if value > 0 else '+'} {abs(value):g}")
        texts.append(" ".join(terms).removeprefix("+ "))
    return texts


def pairs_within(
    labels: pd.DataFrame, within: str | Sequence[str] | None
) -> list[tuple[int, int]]:
    """Pairs of rows that agree in some columns of the labels, the earlier one first.

    Raises
    ------
    ValueError
        If there is no such column, or no such pair.
    """
    columns = [within] if isinstance(within, str) else list(within or ())
    if within == "output" and "output" not in labels:
        columns = []
    lacking = [name for name in columns if name not in labels]
    if lacking:
        raise ValueError(
            f"within names {lacking[0]!r}, which is no label of the estimates."
            + (nearest(lacking[0], labels) or known_names(list(labels)))
        )
    keys = list(labels[columns].itertuples(index=False, name=None))
    pairs = [(i, j) for i, j in combinations(range(len(keys)), 2) if keys[i] == keys[j]]
    if not pairs:
        raise ValueError(
            f"No two estimates agree in {', '.join(columns)}, within which pairwise "
            "compares. within=None compares all."
        )
    return pairs


def difference_labels(
    labels: pd.DataFrame, pairs: Sequence[tuple[int, int]]
) -> pd.DataFrame:
    """Labels of differences: what both have, or "second - first"."""

    def difference(first: Any, second: Any) -> Any:
        same = first == second
        return first if same else f"{_plain(second)} - {_plain(first)}"

    return pd.DataFrame(
        {
            name: [difference(values[i], values[j]) for i, j in pairs]
            for name, values in labels.to_dict("list").items()
        }
    )


def difference_names(
    names: Sequence[str],
    short_names: Sequence[str],
    labels: pd.DataFrame,
    pairs: Sequence[tuple[int, int]],
) -> list[str]:
    """Short names where two estimates differ in one label, else "second - first"."""
    keys = labels.to_numpy(dtype=object)
    first, second = np.transpose(pairs)
    unlike = (keys[first] != keys[second]).sum(axis=1)
    return [
        short if n == 1 else f"{names[j]} - {names[i]}"
        for short, n, (i, j) in zip(short_names, unlike, pairs, strict=True)
    ]
