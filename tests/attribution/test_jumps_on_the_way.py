"""Parts along the path of models that jump, whose trees are not read."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from skfme import attribute

ORIGIN = np.zeros((1, 12))


def along_path(model, X, step, **options):
    options = {"extrapolation": None, "check_rows": False, **options}
    return attribute(model, X, step, method="path", **options)


def by_feature(attribution):
    return np.stack([part.fme for part in attribution.values()], axis=1)


def one_of_each(s):
    return dict.fromkeys(range(s), 1.0)


@pytest.mark.parametrize("late", [0.510001, 0.51001, 0.52, 0.54])
def test_the_later_of_two_jumps_that_need_each_other_brings_it_all(late):
    def both(X):
        return ((X[:, 0] > 0.51) & (X[:, 1] > late)).astype(float)

    found = along_path(both, ORIGIN, one_of_each(2))
    np.testing.assert_allclose(by_feature(found), [[0, 1]], atol=1e-9)
    assert found.n_not_converged == 0


def test_pairs_of_jumps_whose_interplay_cancels_are_told_apart():
    def pairs(X):
        rises = (X[:, 0] > 0.26) & (X[:, 1] > 0.27)
        falls = (X[:, 0] > 0.40) & (X[:, 1] > 0.39)
        return rises.astype(float) - falls

    found = along_path(pairs, ORIGIN, one_of_each(2))
    np.testing.assert_allclose(by_feature(found), [[-1, 1]], atol=1e-9)


@pytest.mark.parametrize("s", [2, 3, 4, 7, 12])
def test_jumps_at_the_same_place_are_shared_alike(s):
    def all_above(X):
        return (X[:, :s] > 0.5).all(axis=1).astype(float)

    found = along_path(all_above, ORIGIN, one_of_each(s))
    np.testing.assert_allclose(by_feature(found), np.full((1, s), 1 / s), atol=1e-9)
    assert found.n_not_converged == 0


# Where pieces of the way would be halved, between the two jumps.
@pytest.mark.parametrize("middle", [0.1244315, 0.37273675, 0.62129825, 0.31080513])
@pytest.mark.parametrize("apart", [3e-8, 1e-7])
def test_jumps_that_single_precision_does_not_tell_apart_are_shared(middle, apart):
    def both(X):
        above = (X[:, 0] > middle - apart) & (X[:, 1] > middle + apart)
        return above.astype(float)

    found = along_path(both, ORIGIN, one_of_each(2))
    np.testing.assert_allclose(by_feature(found), [[0.5, 0.5]], atol=1e-9)


@pytest.mark.parametrize("engine", ["trees", "predict"])
def test_years_that_pass_thresholds_together_share_the_jump(engine):
    # In single precision, which trees compare in, both are passed 6e-5 of a year apart.
    X = np.array([[2000.0, 2017.0], [2001.0, 2017.0], [2000.0, 2020.0], [2001.0, 2020]])
    both = DecisionTreeRegressor().fit(X, [1.0, 0.0, 0.0, 0.0])
    found = along_path(both, X[3:], {0: -1.0, 1: -3.0}, engine=engine)
    np.testing.assert_allclose(by_feature(found), [[0.5, 0.5]], atol=1e-9)


def test_what_jumps_at_the_same_place_leaves_smooth_ways_their_own_parts():
    def mixed(X):
        jump = (X[:, :3] > 0.5).all(axis=1)
        return jump + X[:, 0] ** 2 * X[:, 3]

    found = along_path(mixed, ORIGIN, one_of_each(4))
    expected = [[1 / 3 + 2 / 3, 1 / 3, 1 / 3, 1 / 3]]
    np.testing.assert_allclose(by_feature(found), expected, atol=1e-6)


def test_more_jumps_at_the_same_place_than_are_shared_are_said_not_to_have_settled():
    def all_above(X):
        return (X > 0.5).all(axis=1).astype(float)

    found = along_path(all_above, np.zeros((1, 13)), one_of_each(13))
    assert found.n_not_converged == 1
    assert "has not settled" in " ".join(found.summary().split())


RNG = np.random.default_rng(21)
REAL = RNG.normal(size=(600, 4))
WHOLE = RNG.integers(0, 5, size=(600, 4)).astype(float)
DECIMAL = np.round(REAL, 1)


@pytest.mark.parametrize(
    ("X", "step"),
    [
        (REAL, {0: 0.5, 1: 0.5, 2: 0.5, 3: 0.5}),
        (WHOLE, {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0}),
        (WHOLE, {0: 3.0, 1: 2.0, 2: 2.0, 3: -1.0}),
        (DECIMAL, {0: 3.0, 1: 2.0, 2: 1.0, 3: -1.0}),
        (WHOLE + 2000, {0: 1.0, 1: -1.0, 2: 3.0, 3: 1.0}),
    ],
    ids=["real numbers", "whole numbers", "at several speeds", "decimals", "years"],
)
def test_a_forest_has_the_same_parts_by_integration_and_from_its_leaves(X, step):
    centred = X - np.round(X.mean(axis=0))
    y = centred[:, 0] * centred[:, 1] + np.sin(2 * X[:, 2]) * centred[:, 3]
    forest = RandomForestRegressor(20, random_state=0).fit(X, y)
    few = X[:100]
    leaves = along_path(forest, few, step, engine="trees")
    found = along_path(forest.predict, few, step)
    assert leaves.total.engine == "trees"
    assert found.total.engine == "predict"
    np.testing.assert_allclose(by_feature(found), by_feature(leaves), atol=1e-9)
    assert found.n_not_converged == 0


def test_smooth_models_take_no_more_predictions_than_the_error_of_two_orders_asks():
    n_rows = 0

    def product(X):
        nonlocal n_rows
        n_rows += len(X)
        return X[:, 0] ** 2 * X[:, 1]

    found = along_path(product, ORIGIN, {0: 2.0, 1: 3.0})
    np.testing.assert_allclose(by_feature(found), [[8, 4]], atol=1e-9)
    # 4 pieces, their halves and quarters: 2 orders of 2 features each, and their ends.
    assert n_rows <= 80
