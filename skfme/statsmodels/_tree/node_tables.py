"""A grown tree as tables: its nodes, their tests, and its partitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from skfme._summaries.weighting import Weighting
from skfme.statsmodels._tree.covariates import Covariate
from skfme.statsmodels._tree.nodes import Node, Spread, leaf_of_rows, node_rows, parents
from skfme.statsmodels._tree.rules import cut_of, rules_of

__all__ = ["measures_of", "tables_of"]


def tables_of(
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    weighted: bool,
    measures: list[Spread] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every node in pre-order, the tests in each, and every leaf.

    `measures` are the nodes' non-linearity measures.
    """
    numbers = _numbers(nodes, weighted, measures)
    leaves = [i for i, node in enumerate(nodes) if node.is_leaf]
    partitions: dict[str, Any] = {"rule": rules_of(nodes, covariates)}
    partitions |= {name: values[leaves] for name, values in numbers.items()}
    return (
        _node_table(nodes, covariates, numbers),
        _tests_table(nodes, covariates),
        pd.DataFrame(partitions, index=pd.Index(leaves, name="subspace")),
    )


def _numbers(
    nodes: list[Node], weighted: bool, measures: list[Spread] | None
) -> dict[str, np.ndarray]:
    """Rows, weight, cAME and SD of each node; cANLM and its SD where NLMs are given."""
    spreads = [node.spread for node in nodes]
    columns = {"n": np.array([spread.n for spread in spreads])}
    if weighted:
        columns["weight"] = np.array([spread.weight for spread in spreads])
    columns |= _mean_and_sd(spreads, "ame", "sd")
    if measures is not None:
        columns |= _mean_and_sd(measures, "anlm", "sd_nlm")
    return columns


def measures_of(
    nodes: list[Node], nlm: np.ndarray | None, weights: Weighting
) -> list[Spread] | None:
    """Non-linearity measures of the rows of each node that have one."""
    if nlm is None:
        return None
    spreads = []
    for rows in node_rows(nodes, leaf_of_rows(nodes, len(nlm))):
        rows = rows[~np.isnan(nlm[rows])]
        spreads.append(Spread.of(nlm[rows], weights.take(rows)))
    return spreads


def _mean_and_sd(spreads: list[Spread], mean: str, sd: str) -> dict[str, np.ndarray]:
    return {
        mean: np.array([spread.mean for spread in spreads]),
        sd: np.array([spread.sd for spread in spreads]),
    }


def _node_table(
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    numbers: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Of each node: its split, the chosen variable's test, its numbers."""
    splits = zip(*(_split_entries(node, covariates) for node in nodes), strict=True)
    variables, cuts, lefts, rights, missing_go, statistics, logs = map(list, splits)
    columns: dict[str, Any] = {
        "parent": parents(nodes),
        "left": [node.left for node in nodes],
        "right": [node.right for node in nodes],
        "depth": [node.depth for node in nodes],
        "variable": pd.array(variables, dtype=object),
        "cut": _cuts(cuts),
        "levels_left": pd.array(lefts, dtype=object),
        "levels_right": pd.array(rights, dtype=object),
        "missing_go": pd.array(missing_go, dtype=object),
        "statistic": statistics,
        "p_value": -np.expm1(logs),
        "log_1_minus_p": logs,
        **numbers,
        "drop": _drops(nodes),
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(len(nodes), name="node"))


def _split_entries(node: Node, covariates: tuple[Covariate, ...]) -> tuple:
    """Variable, cut, levels on either side, where missing values go, and the test."""
    split = node.split
    if split is None:
        return None, math.nan, None, None, None, math.nan, math.nan
    j = split.covariate
    covariate = covariates[j]
    cut, left, right = cut_of(split, covariate), None, None
    if not covariate.numeric:
        left, right = split.level_sides(covariate)
    missing_go = "left" if split.default_left else "right"
    test = (math.nan, math.nan) if node.tests is None else (t[j] for t in node.tests)
    return covariate.name, cut, left, right, missing_go, *test


def _cuts(cuts: list[Any]) -> Any:
    """Cuts as a column: floats, or objects where one is a date."""
    numbers = all(isinstance(cut, float) for cut in cuts)
    return cuts if numbers else pd.array(cuts, dtype=object)


def _drops(nodes: list[Node]) -> np.ndarray:
    """Share of the root's sum of squares that each split accounts for."""
    ss, drops = [node.spread.ss for node in nodes], np.full(len(nodes), np.nan)
    for i, node in enumerate(nodes):
        if not node.is_leaf and ss[0] > 0:
            drops[i] = (ss[i] - ss[node.left] - ss[node.right]) / ss[0]
    return drops


def _tests_table(nodes: list[Node], covariates: tuple[Covariate, ...]) -> pd.DataFrame:
    """Statistic, adjusted p-value and log(1 − p) of what was tested in each node."""
    tested = [i for i, node in enumerate(nodes) if node.tests is not None]
    empty = np.empty((0, 2, len(covariates)))
    values = np.array([nodes[i].tests for i in tested]) if tested else empty
    at, j = np.nonzero(~np.isnan(values[:, 0]))
    names = np.array([covariate.name for covariate in covariates], dtype=object)
    logs = values[at, 1, j]
    return pd.DataFrame(
        {
            "node": np.array(tested, dtype=np.intp)[at],
            "variable": names[j],
            "statistic": values[at, 0, j],
            "p_value": -np.expm1(logs),
            "log_1_minus_p": logs,
        }
    )
