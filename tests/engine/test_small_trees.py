"""Small trees, whose nodes are asked for 64 rows at once, beside walks row by row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer
from skfme._engine.trees import packing
from skfme._engine.trees import small_trees as layouts
from skfme._engine.trees.compiled import small_paths, small_trees
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.ensembles import Precision, Tree, packed
from skfme._engine.trees.walks import Walks

N = 300


def not_laid_out(monkeypatch):
    monkeypatch.setattr(packing, "small_layout", lambda *given: None)


def too_many_to_be_numbered(monkeypatch):
    monkeypatch.setattr(layouts, "MOST_FIELD", 515)


@pytest.mark.parametrize("large", [not_laid_out, too_many_to_be_numbered])
def test_small_trees_have_the_effects_of_large_ones_to_the_last_bit(large, monkeypatch):
    X = np.random.default_rng(0).normal(size=(N, 4))
    lacking = X.copy()
    lacking[3::7, 1] = np.nan
    steps = [{0: 1.0}, {1: -0.3}, {0: 2.0, 2: -0.5}, {0: -1.0, 1: 1.0, 2: 1.0}]
    model = HistGradientBoostingClassifier(max_iter=20, max_leaf_nodes=None)
    model.fit(lacking, np.digitize(X[:, 0] * X[:, 2] + X[:, 1], [-0.5, 0.5]))
    walked = []
    for change in (None, large):
        if change is not None:
            change(monkeypatch)
            monkeypatch.setattr(small_trees, "walk_small", None)
        for rows in (*(X[:n] for n in (1, 63, 64, 65)), X, lacking):
            explainer = FMEExplainer(
                FrozenEstimator(model), steps, engine="trees", extrapolation=None
            )
            walked.append(explainer.fit(X).explain(rows))
    for small, row_by_row in zip(walked[:6], walked[6:], strict=True):
        for ours, theirs in zip(small.values(), row_by_row.values(), strict=True):
            np.testing.assert_array_equal(ours.fme, theirs.fme)
            np.testing.assert_array_equal(ours.before, theirs.before)
    assert all(np.nanmax(np.abs(e.fme)) > 0 for e in walked[5].values())


def random_tree(rng, width, n_outputs):
    """A tree that asks two columns again and again, at few values, some of them in vain."""
    n = 2 * int(rng.integers(0, 60)) + 1
    left, right = np.full((2, n), -1)
    inner = []
    for child in range(1, n, 2):
        open_ends = [k for k in range(child) if k not in inner]
        k = int(rng.choice(open_ends))
        inner.append(k)
        left[k], right[k] = child, child + 1
    return Tree(
        left=left,
        right=right,
        feature=rng.integers(0, 2, size=n),
        threshold=rng.integers(0, 12, size=n) / 4.0,
        missing_left=np.zeros(n, dtype=bool),
        value=rng.normal(size=(n, width)).round(1),
        output=0 if width > 1 else int(rng.integers(0, n_outputs)),
    )


def reached(tree, row):
    k = 0
    while tree.left[k] >= 0:
        goes_left = row[tree.feature[k]] <= tree.threshold[k]
        k = tree.left[k] if goes_left else tree.right[k]
    return tree.value[k]


LINKS = {"identity": 1, "logistic": 1, "exponential": 2, "softmax": 3}
N_EXAMPLES = 25


@pytest.mark.parametrize("link", LINKS)
@settings(max_examples=N_EXAMPLES)
@given(seed=st.integers(0, 2**32 - 1), together=st.booleans(), single=st.booleans())
def test_paths_through_any_trees_have_the_nonlinearity_of_followed_ones(
    link, seed, together, single
):
    rng, n_outputs = np.random.default_rng(seed), LINKS[link]
    width = n_outputs if together else 1
    trees = [random_tree(rng, width, n_outputs) for _ in range(int(rng.integers(1, 6)))]
    base = rng.normal(size=n_outputs)
    ensemble = packed(trees, base, link, Precision(single=single))
    rows = rng.integers(0, 13, size=(70, 3)) / 4.0 + rng.choice([0, 1e-3], (70, 3))
    features = dict(enumerate(rows.T))
    counted = rng.random(70) < 0.9
    moves = [
        Move({}, {j: rows[:, j] + h for j, h in step.items()}, counted)
        for step in ({0: 0.7}, {1: -1.6}, {0: -9.0}, {2: 1.0}, {0: 1.0, 1: 0.5})
    ]
    found = []
    for small in (True, False):
        with pytest.MonkeyPatch.context() as patched:
            if not small:
                not_laid_out(patched)
                patched.setattr(small_paths, "measure_paths", None)
            found.append(Walks(ensemble).walk_paths(features, moves, False, 2.0**-52))
    before = sum(_added(tree, rows, n_outputs) for tree in trees)
    for move, ours, theirs in zip(moves, *found, strict=True):
        after = rows.copy()
        for j, values in move.end.items():
            after[counted, j] = values[counted]
        change = sum(_added(tree, after, n_outputs) for tree in trees) - before
        np.testing.assert_allclose(ours.margin, before, atol=1e-12)
        np.testing.assert_allclose(ours.delta, change, atol=1e-12)
        np.testing.assert_allclose(ours.nlm, theirs.nlm, rtol=1e-9, atol=1e-9)


def _added(tree, rows, n_outputs):
    """What a tree adds to the margins of rows, one after the other."""
    values = np.array([reached(tree, row) for row in rows])
    margin = np.zeros((len(rows), n_outputs))
    margin[:, tree.output : tree.output + values.shape[1]] = values
    return margin
