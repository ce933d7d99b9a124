"""What a tree says to people: rules, pandas queries and the printed tree.

A rule lists what its rows have in common, one term per column. A query repeats the
splits on the way from the root, so that on any table, with missing values and unseen
levels, it picks the rows that the tree would send there.
"""

from __future__ import annotations

import keyword
import math
from typing import Any, NamedTuple

from skfme._text.printing import Text, format_number, text_table
from skfme.statsmodels._tree.covariates import Covariate, Split
from skfme.statsmodels._tree.growing import Node

__all__ = ["drop_of", "edges_of", "parents", "queries_of", "rules_of", "tree_text"]


class _Turn(NamedTuple):
    """One step on the way down: a split, and the side taken."""

    split: Split
    left: bool


def parents(nodes: list[Node]) -> list[int]:
    """Position of each node's parent; −1 for the root."""
    above = [-1] * len(nodes)
    for i, node in enumerate(nodes):
        if not node.is_leaf:
            above[node.left] = above[node.right] = i
    return above


def _path(nodes: list[Node], i: int, above: list[int]) -> list[_Turn]:
    path = []
    while above[i] >= 0:
        node = nodes[above[i]]
        assert node.split is not None
        path.append(_Turn(node.split, node.left == i))
        i = above[i]
    return path[::-1]


def rules_of(
    nodes: list[Node], ids: list[int], covariates: tuple[Covariate, ...]
) -> list[str]:
    """Such as ``bmi <= 25.3 & sex in {s1, s2}``; ``all`` for the root."""
    met: list[dict[int, list[_Turn]]] = [{} for _ in nodes]
    terms: list[dict[int, str]] = [{} for _ in nodes]
    for i, node in enumerate(nodes):  # a child differs from its parent by one term
        if node.split is None:
            continue
        j = node.split.covariate
        for child, left in ((node.left, True), (node.right, False)):
            turns = [*met[i].get(j, ()), _Turn(node.split, left)]
            met[child] = met[i] | {j: turns}
            terms[child] = terms[i] | {j: _term(covariates[j], turns)}
    return [" & ".join(terms[i].values()) or "all" for i in ids]


def _term(covariate: Covariate, turns: list[_Turn]) -> str:
    name = str(covariate.name)
    text = (
        _interval(name, turns) if covariate.numeric else _levels(name, covariate, turns)
    )
    if covariate.has_missing and all(t.left == t.split.default_left for t in turns):
        return f"({text} or missing)"
    return text


def _interval(name: str, turns: list[_Turn]) -> str:
    uppers = [t.split for t in turns if t.left]
    lowers = [t.split for t in turns if not t.left]
    # Deeper cuts lie inside those above them.
    upper = uppers[-1] if uppers else None
    lower = lowers[-1] if lowers else None
    below = "" if upper is None else f"{'<' if upper.strict else '<='} {upper.cut:.6g}"
    if lower is None:
        return f"{name} {below}"
    if upper is None:
        return f"{name} {'>=' if lower.strict else '>'} {lower.cut:.6g}"
    return f"{lower.cut:.6g} {'<=' if lower.strict else '<'} {name} {below}"


def _kept_levels(covariate: Covariate, turns: list[_Turn]) -> list[str]:
    codes = range(len(covariate.levels))
    return [
        str(covariate.levels[code])
        for code in codes
        if all(_level_goes_left(t.split, code) == t.left for t in turns)
    ]


def _levels(name: str, covariate: Covariate, turns: list[_Turn]) -> str:
    kept = _kept_levels(covariate, turns)
    return (
        f"{name} = {kept[0]}" if len(kept) == 1 else f"{name} in {{{', '.join(kept)}}}"
    )


def _level_goes_left(split: Split, code: int) -> bool:
    if split.cut is not None:
        return code <= split.cut
    if code in split.left:
        return True
    return split.default_left if code not in split.right else False


def edges_of(nodes: list[Node], covariates: tuple[Covariate, ...]) -> list[str]:
    """What sent a row here from the parent, without the column: ``<= 25.3``, ``s1, s2``.

    Empty for the root.
    """
    above = parents(nodes)
    texts = []
    for i in range(len(nodes)):
        path = _path(nodes, i, above)
        texts.append(_edge(covariates[path[-1].split.covariate], path) if path else "")
    return texts


def _edge(covariate: Covariate, path: list[_Turn]) -> str:
    split, left = path[-1]
    if covariate.numeric:
        signs = ("<", ">=") if split.strict else ("<=", ">")
        text = f"{signs[0] if left else signs[1]} {split.cut:.6g}"
    else:
        same = [turn for turn in path if turn.split.covariate == split.covariate]
        text = ", ".join(_kept_levels(covariate, same))
    goes_here = covariate.has_missing and left == split.default_left
    return f"{text} or missing" if goes_here else text


def queries_of(
    nodes: list[Node], ids: list[int], covariates: tuple[Covariate, ...]
) -> list[str]:
    """Expressions for ``DataFrame.query``; ``index == index`` for the root."""
    above = parents(nodes)
    texts = []
    for i in ids:
        path = _path(nodes, i, above)
        terms = [_query_term(covariates[t.split.covariate], t) for t in path]
        texts.append(" and ".join(terms) if terms else "index == index")
    return texts


def _query_term(covariate: Covariate, turn: _Turn) -> str:
    split, name = turn.split, str(covariate.name)
    if not name.isidentifier() or keyword.iskeyword(name):
        name = f"`{name}`"
    if turn.left == split.default_left:
        # Whatever does not belong to the other side, missing and unseen values too.
        return f"not ({_side(covariate, split, name, not turn.left)})"
    return f"({_side(covariate, split, name, turn.left)})"


def _side(covariate: Covariate, split: Split, name: str, left: bool) -> str:
    if covariate.numeric:
        signs = ("<", ">=") if split.strict else ("<=", ">")
        return f"{name} {signs[0] if left else signs[1]} {split.cut!r}"
    if split.cut is None:
        codes: Any = split.left if left else split.right
    else:
        every = range(len(covariate.levels))
        codes = [c for c in every if (c <= split.cut) == left]
    return f"{name} in {[covariate.levels[c] for c in codes]!r}"


def tree_text(
    title: str,
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    extra: dict[str, list[float]],
) -> Text:
    """The tree, one line per node: its condition, n, cAME, SD and drop.

    `drop` is the share of the root's sum of squares that the node's split explains.
    """
    rows, waiting = [], [(0, 0, "all")]
    while waiting:
        i, depth, label = waiting.pop()
        node = nodes[i]
        numbers = [format_number(node.mean), format_number(node.sd)]
        numbers += [format_number(values[i]) for values in extra.values()]
        drop = "" if node.is_leaf else _percent(drop_of(nodes, i))
        rows.append(["|  " * depth + label, str(node.n), *numbers, drop])
        if node.split is not None:
            covariate = covariates[node.split.covariate]
            for left, child in ((False, node.right), (True, node.left)):
                term = _term(covariate, [_Turn(node.split, left)])
                waiting.append((child, depth + 1, term))
    body = text_table(["node", "n", "cAME", "SD", *extra, "drop"], rows)
    return Text("\n".join([title, "", *(line.rstrip() for line in body.split("\n"))]))


def drop_of(nodes: list[Node], i: int) -> float:
    """Share of the root's sum of squares that the split of node i explains."""
    node = nodes[i]
    if node.is_leaf or nodes[0].ss == 0:
        return math.nan
    return (node.ss - nodes[node.left].ss - nodes[node.right].ss) / nodes[0].ss


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"
