"""Pruned trees equal fmeffects': sizes, SDs, and effects partitioned by came()."""

import json

import numpy as np
import pytest

from skfme import came
from skfme.statsmodels import EffectTree
from tests.statsmodels.tree.cases import REFERENCE, worked_example
from tests.test_reference import LOADED, effect_of

SIZES = {
    8: [30, 32, 17, 26, 82, 19, 17, 17],
    7: [30, 32, 17, 26, 82, 19, 34],
    6: [62, 17, 26, 82, 19, 34],
    5: [62, 43, 82, 19, 34],
    4: [105, 82, 19, 34],
    3: [105, 82, 53],
    2: [105, 135],
}


@pytest.mark.parametrize("k", SIZES)
def test_pruning_to_a_number_equals_fmeffects(k):
    X, effect, _ = worked_example()
    tree = EffectTree(n_partitions=k).fit(X, effect)
    assert list(tree.partitions_["n"]) == SIZES[k]


@pytest.mark.parametrize(
    ("k", "sizes"),
    [
        (8, [26, 17, 30, 32, 17, 17, 19, 82]),
        (6, [26, 17, 62, 34, 19, 82]),
        (3, [105, 53, 82]),
    ],
)
def test_pruning_cart_equals_fmeffects(k, sizes):
    X, effect, _ = worked_example()
    tree = EffectTree("cart", n_partitions=k).fit(X, effect)
    assert sorted(tree.partitions_["n"]) == sorted(sizes)


def test_fewest_partitions_below_a_maximum_sd_win_though_larger_trees_fail():
    X, effect, _ = worked_example()
    assert EffectTree(max_sd=1.65).fit(X, effect).n_partitions_ == 2
    assert EffectTree(max_sd=1.2).fit(X, effect).n_partitions_ == 6
    with pytest.raises(ValueError, match=r"largest SD of 1\.05"):
        EffectTree(max_sd=1.0).fit(X, effect)


def test_out_of_reach_number_says_what_could_be_reached():
    X, effect, _ = worked_example()
    with pytest.raises(ValueError, match="grew 15 partitions. Ask for at most 15"):
        EffectTree(n_partitions=16).fit(X, effect)


PARTITIONS = json.loads((REFERENCE / "partitions.json").read_text())


@pytest.mark.parametrize("name", PARTITIONS)
def test_came_equals_fmeffects(name):
    theirs = PARTITIONS[name]
    model = theirs["case"].rsplit("_", 1)[0]
    X, _, cases = LOADED[model]
    case = next(c for c in cases if c["id"] == theirs["case"])
    effect = effect_of(model, case)
    tree = came(
        effect,
        theirs["number_partitions"],
        max_sd=theirs["max_sd"],
        method="cart" if theirs["method"] == "rpart" else "ctree",
    )
    rows = np.array(theirs["rows"]) - 1
    ours, expected = tree.apply(X)[rows], np.array(theirs["terminal_of_row"])
    pairs = {(int(a), int(b)) for a, b in zip(ours, expected, strict=True)}
    assert len(pairs) == tree.n_partitions_ == len(set(expected))
    columns = ["n", "ame", "sd"]
    numbers = tree.nodes_[columns].sort_values(columns).to_numpy()
    reference = sorted((r["n"], r["cAME"], r["SD.fME."]) for r in theirs["results"])
    np.testing.assert_allclose(numbers, reference, rtol=1e-8)
    for node in theirs["nodes"] if theirs["method"] == "ctree" else []:
        if node["terminal"]:
            continue
        record = tree.nodes_.loc[node["id"] - 1]
        assert record["variable"] == node["variable"]
        if "breaks" in node:
            assert record["cut"] == pytest.approx(node["breaks"][0], rel=1e-14)
        tests = tree.tests_[tree.tests_["node"] == node["id"] - 1]
        criterion = node["criterion"]
        assert list(tests["variable"]) == criterion["covariate"]
        np.testing.assert_allclose(
            tests["statistic"], criterion["statistic"], rtol=1e-7, atol=1e-9
        )
        np.testing.assert_allclose(
            tests["log_1_minus_p"], criterion["log_1_minus_p"], rtol=1e-7, atol=1e-300
        )
