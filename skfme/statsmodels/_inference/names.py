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
    "comparison_notes",
    "difference_labels",
    "difference_names",
    "families_of",
    "interaction_rows",
    "names_of",
    "pairs_within",
    "refuse_other_rows",
    "refuse_taken_columns",
    "refuse_unknown_label",
    "unique_names",
    "wording",
]

# Columns of the results' tables that no column of groups may be called.
RESULT_COLUMNS = frozenset(
    [
        *("effect", "output", "rule", "estimate", "std_error", "statistic", "p_value"),
        *("conf_low", "conf_high", "p_adjusted", "n"),
    ]
)


def refuse_taken_columns(labels: pd.DataFrame, *more: str) -> None:
    """Groups whose columns the results' tables have already, or `more` of them."""
    taken = sorted((RESULT_COLUMNS | set(more)).intersection(labels))
    if taken:
        raise ValueError(
            f"by names {taken[0]!r}, which is a column of the results' tables. Rename "
            "it, or give its values as a Series of another name."
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
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return "missing"
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
    columns = [within] if isinstance(within, str) else list(within or [])
    if "output" not in labels:  # all are of the one there is
        columns = [name for name in columns if name != "output"]
    families = families_of(labels, columns)
    pairs = sorted(pair for rows in families for pair in combinations(rows.tolist(), 2))
    if not pairs:
        raise ValueError(
            f"No two estimates agree in {', '.join(columns)}, within which pairwise "
            "compares. over='effect' compares effects with one another, and within=None "
            "all."
        )
    return pairs


def families_of(
    labels: pd.DataFrame, within: str | Sequence[str] | None
) -> list[np.ndarray]:
    """Positions of the rows that agree in some columns of the labels.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    columns = [within] if isinstance(within, str) else list(within or ())
    for name in columns:
        refuse_unknown_label(labels, name, "within")
    members: dict[tuple, list[int]] = {}
    # By way of an array: old pandas has no rows where there are no columns.
    for i, row in enumerate(labels[columns].to_numpy(dtype=object)):
        key = tuple(None if pd.isna(label) else label for label in row)
        members.setdefault(key, []).append(i)
    return [np.array(rows) for rows in members.values()]


def refuse_unknown_label(labels: pd.DataFrame, name: str, what: str) -> None:
    """Refuse a name that is no column of labels."""
    if not isinstance(name, str):
        raise TypeError(f"{what} names one label of the estimates, got {name!r}.")
    if name not in labels:
        raise ValueError(
            f"{what} names {name!r}, which is no label of the estimates."
            + (nearest(name, labels) or known_names(list(labels)))
        )


def interaction_rows(
    labels: pd.DataFrame, first: str, second: str
) -> tuple[np.ndarray, pd.DataFrame]:
    """Joint effect minus both, for each output and group: R, and labels of its rows.

    Raises
    ------
    ValueError
        If one of the effects is missing, or not for every output and group.
    """
    others = [name for name in labels if name != "effect"]
    known = labels["effect"].tolist()
    joint = next(
        (n for n in (f"{first}, {second}", f"{second}, {first}") if n in known), ""
    )
    for name in (first, second, joint or f"{first}, {second}"):
        if name not in known:
            raise ValueError(
                f"interaction needs the effect {name!r}, which is not among the estimates. "
                "Explain both steps and the two together: steps=[{…}, {…}, {…, …}]."
                + nearest(name, known)
            )
    # Without groups and outputs, a row's key is empty, which itertuples skips in pandas 2.
    keys = [tuple(row) for row in labels[others].to_numpy(dtype=object)]
    position = {
        (effect, key): i
        for i, (effect, key) in enumerate(zip(known, keys, strict=True))
    }
    rows, kept = [], []
    for (effect, key), i in position.items():
        if effect == joint:
            row = np.zeros(len(labels))
            row[i] = 1.0
            for name in (first, second):
                if (name, key) not in position:
                    raise ValueError(f"The effect {name!r} has no estimate for {key}.")
                row[position[name, key]] -= 1.0
            rows.append(row)
            kept.append(i)
    text = f"({joint}) - ({first}) - ({second})"
    return np.array(rows), labels.iloc[kept].assign(effect=text).reset_index(drop=True)


def refuse_other_rows(R: np.ndarray, counts: np.ndarray | None) -> None:
    """Refuse an interaction of averages over different rows, which is none."""
    if counts is None:
        return
    for row in R:
        involved = np.unique(counts[row != 0])
        if len(involved) > 1:
            raise ValueError(
                "An interaction compares averages over the same rows, and these count "
                f"{', '.join(f'{n:,}' for n in involved)} rows. Explain with "
                "extrapolation=None, or only the rows that count for all three, such as "
                "X[(first.status == 'counted') & (second.status == 'counted') & …]."
            )


def comparison_notes(
    labels: pd.DataFrame, pairs: Sequence[tuple[int, int]], counts: np.ndarray | None
) -> tuple[str, ...]:
    """What is to be said of pairs whose difference may not be what is wanted."""
    notes = []
    if "term" in labels and _unlike(labels["term"], pairs).any():
        notes.append(
            "Coefficients of a regression were compared, an intercept and slopes among "
            "them: from_groups(effect, by) compares groups."
        )
    if "effect" in labels and counts is not None:
        apart = _unlike(labels["effect"], pairs) & _unlike(counts, pairs)
        if apart.any():
            notes.append(
                "Each effect is averaged over the rows that count for it, which differ."
            )
    return tuple(notes)


def _unlike(values: Any, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    first, second = np.transpose(pairs)
    entries = np.asarray(values)
    return np.asarray(entries[first] != entries[second])


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
