"""The package is asked what a draw asks, and its answer compared with that by hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from benchmarks.fuzz import parts, paths
from benchmarks.fuzz.draws import Draw
from benchmarks.fuzz.models import Function
from benchmarks.fuzz.oracle import Expected, compared, relative
from benchmarks.fuzz.outside import JUDGES
from benchmarks.fuzz.tables import table_of
from skfme import FMEExplainer, attribute, fme

NARROW = ("float32", "int8", "int16", "uint8", "uint16")  # which NumPy joins to float32


def options_of(draw: Draw) -> dict[str, Any]:
    """The explainer's options."""
    chosen = draw.chosen
    options: dict[str, Any] = {
        "extrapolation": JUDGES[chosen["extrapolation"]],
        "engine": chosen["engine"],
        "nlm": {"none": False, "exact": True}.get(chosen["nlm"], chosen["nlm"]),
        "batch_size": "auto" if chosen["batch"] == "auto" else int(chosen["batch"]),
        "n_jobs": 2 if chosen["jobs"] == "two" else None,
    }
    if chosen["weights"] == "importance":
        options["weights_type"] = "importance"
    question = chosen["question"]
    if question not in parts.QUESTIONS:
        name = question.removeprefix("means ")
        options["comparison"] = relative if name == "own" else name
        if question.startswith("means "):
            options["average"] = "of_means"
    return options


def asked(draw: Draw) -> Any:
    """Effect, attribution or summary that the package returns."""
    table, options, chosen = table_of(draw.rows), options_of(draw), draw.chosen
    others = table_of(draw.others) if chosen["training"] == "others" else None
    question = chosen["question"]
    if chosen["way"] == "fme":
        options |= {"background": others, "sample_weight": draw.weights}
        if question in parts.QUESTIONS:
            options |= parts.options_of(question, list(draw.steps))
            return attribute(draw.model, table, draw.steps, **options)
        return fme(draw.model, table, draw.steps, **options)
    model = draw.model if hasattr(draw.model, "predict") else Function(draw.model)
    explainer = FMEExplainer(FrozenEstimator(model), draw.steps, **options)
    if others is None:
        explainer.fit(table, sample_weight=draw.weights)
    else:
        explainer.fit(others)
    if question in parts.QUESTIONS:
        how = parts.options_of(question, list(draw.steps))
        return explainer.attribute(table, sample_weight=draw.weights, **how)
    if chosen["way"] == "explainer":
        effects = explainer.explain(table, sample_weight=draw.weights)
        return next(iter(effects.values()))
    n, size = len(draw.rows), -(-len(draw.rows) // 3)
    batches = [range(i, min(i + size, n)) for i in range(0, n, size)]
    weights = None if draw.weights is None else _one_by_one(draw.weights, batches)
    tables = [table_of(draw.rows.take(batch)) for batch in batches]
    summaries = explainer.explain_batches(tables, sample_weight=weights)
    return next(iter(summaries.values()))


def _one_by_one(weights: np.ndarray, batches: list[range]) -> Any:
    """A function from a batch to its weights, for batches that come in order."""
    left: Iterator[np.ndarray] = iter([weights[batch] for batch in batches])
    return lambda batch: next(left)


# The comparison -----------------------------------------------------------------------


def compare(draw: Draw, expected: Expected, answer: Any) -> int:
    """How many numbers were compared.

    Raises
    ------
    AssertionError
        If anything differs.
    """
    is_parts = draw.chosen["question"] in parts.QUESTIONS
    effect = answer.total if is_parts else answer
    counted = np.array(expected.status) == "counted"
    tolerance = _tolerance(draw, expected)
    n_compared = 0
    if draw.chosen["way"] == "stream":
        names = ["counted", "extrapolation", "at_target", "missing"]
        counts = [expected.status.count(name) for name in names]
        assert effect.n == counts[0], (effect.n, counts)
        assert sorted(effect.status_counts) == sorted(counts), effect.status_counts
    else:
        assert effect.status.tolist() == expected.status, (
            effect.status.tolist(), expected.status,
        )  # fmt: skip
        n_compared += _compare_rows(
            _columns(draw.chosen["question"], answer), expected, counted, tolerance
        )
    if draw.chosen["question"] == "path":
        n_compared += _compare_path(draw, answer, expected, np.flatnonzero(counted))
    if not counted.any() or is_parts:
        return n_compared
    n_compared += _compare_averages(draw, effect, expected, counted, tolerance)
    if draw.chosen["nlm"] != "none" and draw.chosen["way"] != "stream":
        n_compared += _compare_nlm(draw, effect, expected, np.flatnonzero(counted))
    return n_compared


def _columns(question: str, answer: Any) -> np.ndarray:
    """What is compared of each row, of shape (n, n_columns)."""
    if question not in parts.QUESTIONS:
        columns = [answer.fme]
    else:
        columns = [piece.fme for piece in answer.values()]
    if question == "shapley pairs":
        columns += [answer.interaction(*pair) for pair in combinations(answer, 2)]
    if question == "path":  # parts add up in every row; of a few they are found by hand
        columns = [sum(columns)]
    return np.concatenate([c.reshape(len(c), -1) for c in columns], axis=1)


def _compare_rows(
    effects: np.ndarray, expected: Expected, counted: np.ndarray, tolerance: dict
) -> int:
    assert np.isnan(effects[~counted]).all()
    if not counted.any():
        return len(counted)
    np.testing.assert_allclose(effects[counted], expected.effects, **tolerance)
    return effects[counted].size


def _compare_path(draw: Draw, answer: Any, expected: Expected, rows: np.ndarray) -> int:
    """Parts along the way of a few rows, where the floats of both ends hold one."""
    if answer.n_not_converged:
        return 0
    trees, n_compared = draw.recipe.engine == "trees", 0
    moving = [expected.stepped[name] for name in draw.steps]
    unit = 1e-3 if _is_single(draw) and not trees else 1e-5
    for row in rows[: paths.MOST_ROWS]:
        ways = [(float(e.before[row]), float(e.after[row])) for e in moving]
        if not all(_holds_points(*way, 1e-3 if trees else 1e-11) for way in ways):
            continue
        corner = paths.corner_of(draw, expected, int(row))
        if trees:
            near = max(_in_single(*way) for way in ways)
            by_hand = parts.of_jumps(corner, len(ways), near)
        else:
            by_hand = parts.smooth(corner, len(ways))
        level = np.abs(corner(np.array([[0.0] * len(ways), [1.0] * len(ways)]))).max()
        got = np.array([np.atleast_1d(part.fme[row]) for part in answer.values()])
        close = [np.abs(got - one) <= unit * (1e-3 + level) for one in by_hand]
        assert not close or any(one.all() for one in close), (row, got, by_hand)
        n_compared += got.size if close else 0
    return n_compared


def _in_single(low: float, high: float) -> float:
    """Shares of a way that single precision does not tell apart."""
    if low == high:
        return 0.0
    return 4 * 2**-23 * max(abs(low), abs(high)) / abs(high - low)


def _compare_averages(
    draw: Draw, effect: Any, expected: Expected, counted: np.ndarray, tolerance: dict
) -> int:
    """Mean and SD; those of means are compared after predictions are averaged."""
    weights = np.ones(len(counted)) if draw.weights is None else draw.weights
    weights = np.asarray(weights, float)[counted]
    total = weights.sum()
    if not total:
        return 0
    mean = weights @ expected.effects / total
    if draw.chosen["question"].startswith("means "):
        mean = compared(
            draw, *(weights @ e / total for e in (expected.before, expected.after))
        )
    np.testing.assert_allclose(np.ravel(effect.ame), mean, **tolerance)
    size = total if draw.chosen["weights"] in ("none", "whole") else len(weights)
    if size > 1 and not draw.chosen["question"].startswith("means "):
        squares = weights @ (expected.effects - mean) ** 2 * size / total
        sd = np.sqrt(squares / (size - 1))
        np.testing.assert_allclose(
            np.ravel(effect.sd), sd, **tolerance | {"rtol": 1e-6}
        )
    return len(mean)


def _tolerance(draw: Draw, expected: Expected) -> dict[str, float]:
    """Rounding of the predictions, as the comparison carries it on.

    XGBoost predicts in single precision, as linear models do of columns that NumPy joins
    to float32; others are equal to rounding.
    """
    kinds = {column.kind for column in draw.rows.columns}
    single = draw.recipe.single or ("float32" in kinds and kinds <= set(NARROW))
    unit = 2e-6 if single else 1e-9
    if not len(expected.before):
        return {"rtol": 1e-7, "atol": unit}
    ends = max(np.abs(expected.before).max(), np.abs(expected.after).max())
    question = draw.chosen["question"].removeprefix("means ")
    if question in ("ratio", "percent", "log_ratio", "log_odds_ratio"):
        # d(b / a) = (db + da b / a) / a
        least = np.abs(expected.before).min()
        if question == "log_odds_ratio":
            least = min((p * (1 - p)).min() for p in (expected.before, expected.after))
        ends = 100 * (1 + np.abs(expected.effects).max()) * (1 + ends / least)
    if question == "per_unit":
        step = next(iter(draw.steps.values()))
        ends = ends / abs(getattr(step, "amount", step))
    return {"rtol": 1e-7, "atol": unit * (1 + ends)}


def _compare_nlm(draw: Draw, effect: Any, expected: Expected, rows: np.ndarray) -> int:
    """The NLM of a few rows, where the line along the step clearly varies."""
    nlm = effect.nlm.reshape(len(expected.status), -1)
    moving = [c.name for c in draw.rows.columns if c.family == "number"]
    moving = [expected.stepped[name] for name in moving if name in expected.stepped]
    if not moving:
        assert np.isnan(nlm).all()
        return len(nlm)
    trees = draw.recipe.engine == "trees"
    tolerance, least = (1e-3, 1e-3) if _is_single(draw) else (1e-5, 1e-5)
    # Many trees read numbers in float32, by which a jump at the end may be off.
    finest, least = (1e-3, 0.03) if trees else (1e-11, least)
    n_compared = 0
    for row in rows[: paths.MOST_ROWS]:
        if not all(
            _holds_points(ends.before[row], ends.after[row], finest) for ends in moving
        ):
            continue
        line = paths.line_of(draw, expected, int(row))
        level = np.abs(line(np.linspace(0, 1, 9))).max(axis=0)
        close = []
        for integrals in _integrals(draw, effect, line):
            clear = np.sqrt(integrals.total) > least * level
            gap = np.abs(nlm[row] - integrals.nlm)[clear]
            close.append((gap <= tolerance * (1 + np.abs(integrals.nlm[clear]))).all())
            n_compared += int(clear.sum())
        assert not close or any(close), (
            nlm[row],
            [i.nlm for i in _integrals(draw, effect, line)],
        )
    return n_compared


def _holds_points(low: Any, high: Any, finest: float) -> bool:
    """Whether its floats have many values between both ends; there is no way from a gap."""
    if low is None or high is None:
        return False
    low, high = float(low), float(high)
    return low == high or abs(high - low) > finest * max(abs(low), abs(high))


def _is_single(draw: Draw) -> bool:
    return draw.recipe.single or any(c.kind == "float32" for c in draw.rows.columns)


def _integrals(draw: Draw, effect: Any, line: paths.Line) -> list[paths.Integrals]:
    """By the rules that were used; none where they promise no more than convergence."""
    asked_rule, used = draw.chosen["nlm"], effect.nlm_rule
    trees = draw.recipe.engine == "trees"
    if asked_rule == "simpson38":
        return [paths.by_rule(line, *paths.simpson38())]
    if asked_rule == "gauss-legendre":
        return [paths.by_rule(line, *paths.gauss(8))]
    if asked_rule == "adaptive":  # which is not made for jumps
        return [] if trees or effect.n_not_converged else paths.settled(line)
    found = []
    if "exact" in used:
        found += [paths.exact(line) if trees else paths.by_rule(line, *paths.panels())]
    if used != "exact":
        found += [paths.by_rule(line, *paths.gauss(8))]
    return found
