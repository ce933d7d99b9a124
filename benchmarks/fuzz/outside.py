"""Which stepped rows leave the training rows, by hand."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor
from sklearn.svm import OneClassSVM

from benchmarks.fuzz.draws import Draw
from benchmarks.fuzz.steps import RefusedError
from benchmarks.fuzz.tables import INTEGERS, Column, Rows, number, numbers, table_of
from benchmarks.fuzz.training import quantiles_of
from skfme import Envelope

DETECTORS = {
    "isolation forest": IsolationForest(n_estimators=5, random_state=0),
    "local outlier factor": LocalOutlierFactor(n_neighbors=3, novelty=True),
    "one-class svm": OneClassSVM(nu=0.3),
}
JUDGES = {
    "none": None,
    "envelope": "envelope",
    "quantiles": Envelope(quantiles=(0.1, 0.9)),
    "combinations": Envelope(combinations=True),
    "within": Envelope(within=True),
    **DETECTORS,
}


def outside(
    draw: Draw, ends: list[tuple[Rows, set]], missing: np.ndarray
) -> np.ndarray:
    """Rows of which an end of the step is outside.

    Parameters
    ----------
    draw : Draw
    ends : list of (Rows, set)
        The ends that are judged, with the names of the columns that are set there.
    missing : ndarray of shape (n,), bool
        Rows that have nothing to be stepped.
    """
    judge = draw.chosen["extrapolation"]
    found = np.zeros(len(draw.rows), bool)
    if judge == "none":
        return found
    if judge in DETECTORS:
        return _by_detector(draw, judge, [end for end, _ in ends], missing)
    for end, moved in ends:
        for column in end.columns:
            found |= _beyond(draw, column)
        if judge == "combinations":
            found |= _new_combinations(draw, end)
        if judge == "within":
            found |= _beyond_groups(draw, end, moved)
    return found


def _beyond(draw: Draw, column: Column) -> np.ndarray:
    """Rows beyond the range, or the quantiles, of one column."""
    seen, weights = draw.seen(column.name)
    if column.family == "category" or not seen:
        return np.zeros(len(column.entries), bool)
    values = numbers(seen)
    low, high = values.min(), values.max()
    if draw.chosen["extrapolation"] == "quantiles" and column.family == "number":
        low, high = quantiles_of(values, [0.1, 0.9], weights)
    return np.array(
        [v is not None and not low <= number(v) <= high for v in column.entries]
    )


def _grouping(draw: Draw) -> list:
    """Names of columns of categories, or of two integers."""
    return [
        c.name
        for c in draw.training.columns
        if c.family == "category"
        or (_is_integer(draw, c) and len(set(c.entries) - {None}) == 2)
    ]


def _is_integer(draw: Draw, column: Column) -> bool:
    """Whether the table has the column in a type of integers."""
    if draw.rows.library == "numpy":
        return {c.kind for c in draw.rows.columns} == {column.kind} and (
            column.kind in INTEGERS and not any(c.missing for c in draw.rows.columns)
        )
    # Of the table as it was given: rows of no weight have given it its types, too.
    given = draw.others if draw.chosen["training"] == "others" else draw.rows
    gaps = any(c.name == column.name and c.missing for c in given.columns)
    return column.kind in INTEGERS and not (draw.rows.library == "pandas" and gaps)


def _new_combinations(draw: Draw, end: Rows) -> np.ndarray:
    """Rows whose categories no training row has together; missing is one, too."""
    names = _grouping(draw)

    def combinations(rows: Rows) -> list[tuple]:
        columns = [c.entries for c in rows.columns if c.name in names]
        return list(zip(*columns, strict=True)) if columns else [()] * len(rows)

    known = set(combinations(draw.training))
    return np.array([found not in known for found in combinations(end)], bool)


def _beyond_groups(draw: Draw, end: Rows, moved: set) -> np.ndarray:
    """Rows beyond the ranges of the groups that they are moved into."""
    found = np.zeros(len(end), bool)
    by_name = {c.name: c.entries for c in draw.training.columns}
    for name in _grouping(draw):
        if name not in moved:
            continue
        groups = next(c.entries for c in end.columns if c.name == name)
        for column in end.columns:
            if column.name == name or column.family == "category":
                continue
            for i, (group, value) in enumerate(
                zip(groups, column.entries, strict=True)
            ):
                pairs = zip(by_name[name], by_name[column.name], strict=True)
                seen = [number(v) for g, v in pairs if g == group and v is not None]
                if group is not None and value is not None and seen:
                    found[i] |= not min(seen) <= number(value) <= max(seen)
    return found


def _by_detector(
    draw: Draw, judge: str, ends: list[Rows], missing: np.ndarray
) -> np.ndarray:
    """What a detector says that is fitted on the training rows."""
    fit = {}
    if draw.training_weights is not None and judge != "local outlier factor":
        fit["sample_weight"] = draw.training_weights
    detector = DETECTORS[judge]
    training = table_of(draw.training)
    detector.fit(training, **fit)
    takes_gaps = judge == "isolation forest"
    gaps = np.any(
        [[v is None for v in c.entries] for c in draw.training.columns], axis=0
    )
    if (detector.predict(training)[takes_gaps | ~gaps] == -1).all():
        raise RefusedError("a detector that finds no training row inside")
    found = np.zeros(len(draw.rows), bool)
    for end in ends:
        gaps = np.any([[v is None for v in c.entries] for c in end.columns], axis=0)
        judged = ~missing & (takes_gaps | ~gaps)
        if judged.any():
            rows = np.flatnonzero(judged)
            found[rows] |= detector.predict(table_of(end.take(rows))) == -1
    return found
