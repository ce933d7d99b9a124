"""A grown tree as tables: its nodes, their tests, and what lies below them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from skfme.statsmodels._tree.covariates import Covariate, Split
from skfme.statsmodels._tree.growing import Node, rows_below
from skfme.statsmodels._tree.rules import drop_of, parents, rules_of

__all__ = [
    "leaf_of_rows",
    "node_numbers",
    "node_table",
    "partition_table",
    "tests_table",
]


def node_numbers(
    nodes: list[Node], weights: np.ndarray | None, nlm: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Rows, weight, cAME and SD of each node; cANLM and its SD where NLMs are given."""
    columns = {"n": np.array([node.n for node in nodes])}
    if weights is not None:
        columns["weight"] = np.array([node.weight for node in nodes])
    columns["cAME"] = np.array([node.mean for node in nodes])
    columns["SD"] = np.array([node.sd for node in nodes])
    if nlm is not None:
        below = [rows_below(nodes, i) for i in range(len(nodes))]
        measured = np.array([_mean_and_sd(nlm, weights, rows) for rows in below])
        columns["cANLM"], columns["SD_NLM"] = measured.T
    return columns


def _mean_and_sd(
    values: np.ndarray, weights: np.ndarray | None, rows: np.ndarray | None
) -> tuple[float, float]:
    """Weighted mean and SD (divisor W − 1) of the entries that are not NaN."""
    assert rows is not None
    rows = rows[~np.isnan(values[rows])]
    if not len(rows):
        return math.nan, math.nan
    w = np.ones(len(rows)) if weights is None else weights[rows]
    mean = float(w @ values[rows] / w.sum())
    squares = float(w @ (values[rows] - mean) ** 2)
    return mean, math.sqrt(squares / (w.sum() - 1)) if w.sum() > 1 else math.nan


def node_table(
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    numbers: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Every node in pre-order: its split, the chosen variable's test, its numbers."""
    splits = [_split_entries(node, covariates) for node in nodes]
    variables, cuts, lefts, rights, missing_go = zip(*splits, strict=True)
    chosen = [_chosen_test(node) for node in nodes]
    criteria = np.array([criterion for _, criterion in chosen])
    columns: dict[str, Any] = {
        "parent": np.array(parents(nodes)),
        "left": np.array([node.left for node in nodes]),
        "right": np.array([node.right for node in nodes]),
        "depth": np.array([node.depth for node in nodes]),
        "variable": pd.array(list(variables), dtype=object),
        "cut": np.array(cuts),
        "levels_left": pd.array(list(lefts), dtype=object),
        "levels_right": pd.array(list(rights), dtype=object),
        "missing_go": pd.array(list(missing_go), dtype=object),
        "statistic": np.array([statistic for statistic, _ in chosen]),
        "p_value": -np.expm1(criteria),
        "log_1_minus_p": criteria,
        **numbers,
        "drop": np.array([drop_of(nodes, i) for i in range(len(nodes))]),
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(nodes), name="node"))


def partition_table(
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    numbers: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Every leaf: its rule and its numbers."""
    leaves = [i for i, node in enumerate(nodes) if node.is_leaf]
    columns: dict[str, Any] = {"rule": rules_of(nodes, leaves, covariates)}
    columns |= {name: values[leaves] for name, values in numbers.items()}
    return pd.DataFrame(columns, index=pd.Index(leaves, name="subspace"))


def _split_entries(node: Node, covariates: tuple[Covariate, ...]) -> tuple:
    """Variable, cut, levels on either side, and where missing values go."""
    split = node.split
    if split is None:
        return None, math.nan, None, None, None
    covariate = covariates[split.covariate]
    missing_go = "left" if split.default_left else "right"
    if covariate.numeric:
        return covariate.name, split.cut, None, None, missing_go
    left, right = (
        tuple(covariate.levels[code] for code in side)
        for side in _sides(split, len(covariate.levels))
    )
    return covariate.name, math.nan, left, right, missing_go


def _sides(split: Split, n_levels: int) -> tuple:
    """Codes on either side; of an unordered factor, those that the node knows."""
    if split.cut is None:
        return split.left, split.right
    first = int(split.cut) + 1
    return range(first), range(first, n_levels)


def _chosen_test(node: Node) -> tuple[float, float]:
    if node.split is None or node.tests is None:
        return math.nan, math.nan
    j = node.split.covariate
    return float(node.tests.statistic[j]), float(node.tests.log_1_minus_p[j])


def tests_table(nodes: list[Node], covariates: tuple[Covariate, ...]) -> pd.DataFrame:
    """Statistic, adjusted p-value and log(1 − p) of what was tested in each node."""
    tested = [i for i, node in enumerate(nodes) if node.tests is not None]
    empty = np.empty((0, 2, len(covariates)))
    values = np.array([nodes[i].tests for i in tested]) if tested else empty
    at, j = np.nonzero(~np.isnan(values[:, 0]))
    names = np.array([covariate.name for covariate in covariates], dtype=object)
    criteria = values[at, 1, j]
    return pd.DataFrame(
        {
            "node": np.array(tested, dtype=np.intp)[at],
            "variable": names[j],
            "statistic": values[at, 0, j],
            "p_value": -np.expm1(criteria),
            "log_1_minus_p": criteria,
        }
    )


def leaf_of_rows(nodes: list[Node], n: int) -> np.ndarray:
    """Leaf of each row that counted; −1 for rows that an honest tree grew on."""
    labels = np.full(n, -1, dtype=np.int32)
    for i, node in enumerate(nodes):
        if node.rows is not None and node.is_leaf:
            labels[node.rows] = i
    return labels
