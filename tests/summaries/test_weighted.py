"""Weighted summaries of effects against plain formulas and repeated rows."""

from __future__ import annotations

import statistics
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skfme import IQR, Envelope, Quantile, StdDev, came, fme
from skfme._summaries.weighting import Weighting

Q = [0.25, 0.5, 0.75]
numbers = st.integers(-1000, 1000).map(lambda k: k / 8)
rows = st.lists(st.tuples(numbers, st.integers(0, 5)), min_size=1, max_size=30)


def effect_of(values, weights=None, **options):
    """An effect whose FMEs are `values`: f(x) = x0 * x1, x0 goes from 0 to 1."""
    values = np.asarray(values, dtype=float)
    X = np.column_stack([np.zeros(len(values)), values])
    return fme(
        lambda X: X[:, 0] * X[:, 1],
        X,
        {0: 1},
        background=X,
        sample_weight=weights,
        extrapolation=None,
        **options,
    )


@given(rows.filter(lambda r: sum(w for _, w in r) >= 2))
@settings(max_examples=200)
def test_integer_weights_equal_repeated_rows(pairs):
    values, weights = map(np.array, zip(*pairs, strict=True))
    repeated = np.repeat(values, weights)
    effect = effect_of(values, weights)
    assert effect.ame == pytest.approx(np.mean(repeated), rel=1e-12, abs=1e-12)
    assert effect.sd == pytest.approx(np.std(repeated, ddof=1), rel=1e-12, abs=1e-11)
    np.testing.assert_allclose(
        effect.quartiles, np.quantile(repeated, Q), rtol=1e-12, atol=1e-11
    )


@given(numbers, st.lists(st.floats(0.1, 9), min_size=2, max_size=30))
def test_equal_values_have_no_spread_whatever_their_weights(value, weights):
    value = value / 3
    values = np.full(len(weights), value)
    effect = effect_of(values, weights, weights_type="sampling")
    assert effect.sd == 0
    assert effect.quartiles.tolist() == [value] * 3


@pytest.mark.parametrize("step", [StdDev(1), IQR(1)])
def test_a_constant_feature_has_no_spread_to_step_by_whatever_the_weights(step):
    X = np.column_stack([np.full(9, 3.3), np.arange(9.0)])
    weights = np.random.default_rng(0).random(9) + 0.1
    with pytest.raises(ValueError, match=r"is 0\.0 in the training rows"):
        fme(lambda X: X[:, 0], X, {0: step}, sample_weight=weights)


@pytest.mark.parametrize("n", [100_000, 100_001, 100_002, 100_003])
def test_integer_weights_equal_repeated_rows_on_a_large_table(n):
    rng = np.random.default_rng(n)
    values = rng.normal(1000, 1, size=n)
    weights = rng.integers(1, 4, size=n)
    repeated = np.repeat(values, weights)
    effect = effect_of(values, weights)
    np.testing.assert_allclose(effect.quartiles, np.quantile(repeated, Q), rtol=1e-14)
    assert effect.sd == pytest.approx(np.std(repeated, ddof=1), rel=1e-11)
    assert effect.ame == pytest.approx(np.mean(repeated), rel=1e-13)


def test_quartiles_are_exact_beside_an_effect_of_another_magnitude():
    values, weights = [-1e17, 1.0, 2.0, 4.0, 8.0, 16.0], [1, 1, 2, 1, 1, 1]
    effect = effect_of(values, np.array(weights))
    repeated = np.repeat(values, weights)
    np.testing.assert_allclose(effect.quartiles, np.quantile(repeated, Q), rtol=1e-14)


@given(st.lists(numbers, min_size=2, max_size=30))
@settings(max_examples=50)
def test_without_weights_summaries_are_those_of_the_statistics_module(values):
    effect = effect_of(values)
    exact = [Fraction(value) for value in values]
    assert effect.ame == pytest.approx(float(statistics.mean(exact)), abs=1e-12)
    assert effect.sd == pytest.approx(statistics.stdev(exact), rel=1e-12, abs=1e-12)
    inclusive = statistics.quantiles(values, n=4, method="inclusive")
    np.testing.assert_allclose(effect.quartiles, inclusive, rtol=1e-12, atol=1e-12)


def test_weights_of_one_equal_no_weights():
    values = np.random.default_rng(1).normal(size=17)
    weighted, plain = effect_of(values, np.ones(17)), effect_of(values)
    assert weighted.ame == pytest.approx(plain.ame, rel=1e-13)
    assert weighted.sd == pytest.approx(plain.sd, rel=1e-13)
    np.testing.assert_allclose(weighted.quartiles, plain.quartiles, rtol=1e-12)


def test_the_order_of_the_rows_does_not_matter():
    rng = np.random.default_rng(2)
    values, weights = rng.normal(size=25), rng.uniform(0.2, 3, size=25)
    order = rng.permutation(25)
    one, two = effect_of(values, weights), effect_of(values[order], weights[order])
    assert one.sd == pytest.approx(two.sd, rel=1e-13)
    np.testing.assert_allclose(one.quartiles, two.quartiles, rtol=1e-12)


def test_fractional_weights_have_the_mean_and_the_sd_of_their_formulas():
    values, weights = [1.0, 2.0, 4.0], [0.5, 1.5, 1.0]
    effect = effect_of(values, weights)
    mean = (0.5 * 1 + 1.5 * 2 + 1.0 * 4) / 3
    squares = 0.5 * (1 - mean) ** 2 + 1.5 * (2 - mean) ** 2 + (4 - mean) ** 2
    assert effect.ame == pytest.approx(mean, rel=1e-14)
    assert effect.sd == pytest.approx((squares / 2) ** 0.5, rel=1e-14)


def test_a_quantile_of_fractional_weights_lies_at_its_place_of_the_cumulated_weights():
    # W = 3: the median is the mean over [1, 2) of 1 on [0, 0.5), 2 on [0.5, 2), 4.
    effect = effect_of([1.0, 2.0, 4.0], [0.5, 1.5, 1.0])
    # q = 0.25: over [0.5, 1.5), all 2. q = 0.75: over [1.5, 2.5), half 2 and half 4.
    np.testing.assert_allclose(effect.quartiles, [2, 2, 3], rtol=1e-14)


@given(
    st.lists(st.tuples(numbers, st.floats(0.1, 4)), min_size=2, max_size=20),
    st.sampled_from([1e-9, 0.3, 1e9]),
)
@settings(max_examples=50)
def test_the_scale_of_sampling_weights_does_not_matter(pairs, scale):
    values, weights = map(np.array, zip(*pairs, strict=True))
    options = {"weights_type": "sampling"}
    one = effect_of(values, weights, **options)
    other = effect_of(values, weights * scale, **options)
    assert one.ame == pytest.approx(other.ame, rel=1e-9, abs=1e-9)
    assert one.sd == pytest.approx(other.sd, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(one.quartiles, other.quartiles, rtol=1e-9, atol=1e-8)
    n, mean = len(values), np.average(values, weights=weights)
    variance = np.average((values - mean) ** 2, weights=weights)
    assert one.sd == pytest.approx((variance * n / (n - 1)) ** 0.5, rel=1e-9, abs=1e-9)


def test_whole_weights_are_counts_unless_something_else_is_said():
    values, weights = [1.0, 2.0, 4.0], np.array([1, 3, 2])
    repeated = np.repeat(values, weights)
    for kind in ("auto", "frequency"):
        effect = effect_of(values, weights, weights_type=kind)
        assert effect.weights_type == "frequency"
        assert effect.sd == pytest.approx(np.std(repeated, ddof=1))
        np.testing.assert_allclose(effect.quartiles, np.quantile(repeated, Q))
        assert "(frequency weights); the weights sum to 6" in str(effect)
    for kind in ("sampling", "importance"):
        effect = effect_of(values, weights, weights_type=kind)
        # As 0.5, 1.5 and 1 above: three rows, and not six.
        assert effect.sd == pytest.approx(np.std(repeated) * (3 / 2) ** 0.5)
        np.testing.assert_allclose(effect.quartiles, [2, 2, 3], rtol=1e-14)
        assert f"({kind} weights); the weights sum to 6" in str(effect)
    auto = effect_of(values, weights / 6)
    assert auto.weights_type == "sampling"
    np.testing.assert_allclose(auto.quartiles, [2, 2, 3], rtol=1e-14)


def test_the_kind_of_weights_is_checked():
    with pytest.raises(ValueError, match="'frequency' counts rows.*whole; 2 of 2"):
        effect_of([1.0, 2.0], [0.5, 1.5], weights_type="frequency")
    with pytest.raises(ValueError, match="weights_type"):
        effect_of([1.0, 2.0], [1, 2], weights_type="frequencies")


def test_steps_in_sds_and_quantiles_do_not_depend_on_the_scale_of_weights():
    rng = np.random.default_rng(5)
    X, w = rng.normal(size=(50, 1)), rng.uniform(size=50)
    mean = np.average(X[:, 0], weights=w)
    sd = (np.average((X[:, 0] - mean) ** 2, weights=w) * 50 / 49) ** 0.5
    steps = [{0: StdDev(1)}, {0: Quantile(0.9)}]
    sizes = []
    for scale in (1.0, 1 / w.sum(), 1e6):
        effects = fme(
            lambda X: X[:, 0], X, steps, sample_weight=w * scale, extrapolation=None
        )
        moved, set_to = (effect.fme for effect in effects.values())
        np.testing.assert_allclose(moved, sd, rtol=1e-9)
        sizes.append(set_to[0])
        envelope = Envelope(quantiles=(0.1, 0.9)).fit(X, sample_weight=w * scale)
        assert envelope.bounds_[0][1] == pytest.approx(X[0, 0] + set_to[0])
    np.testing.assert_allclose(sizes, sizes[0], rtol=1e-9)


def test_averages_by_group_and_trees_take_the_effects_own_kind_of_weights():
    rng = np.random.default_rng(6)
    X, w = rng.normal(size=(80, 2)), rng.integers(1, 5, size=80)
    effect = fme(
        lambda X: X[:, 0] ** 2 * (X[:, 1] > 0),
        X,
        {0: 1},
        sample_weight=w,
        weights_type="sampling",
        extrapolation=None,
    )
    tree = came(effect, n_partitions=2)
    assert tree.weights_type == "sampling"
    by = tree.apply(X)
    average = effect.average(by=by).set_index("group")
    np.testing.assert_allclose(
        average["sd"], tree.partitions_["sd"][average.index], rtol=1e-9, atol=1e-12
    )
    assert (average["sd"] > 0.1).any()


@given(
    st.lists(st.tuples(numbers, st.floats(0.1, 4)), min_size=2, max_size=20).filter(
        lambda r: sum(w for _, w in r) > 1.1
    )
)
@settings(max_examples=100)
def test_quartiles_of_any_weights_are_ordered_and_within_the_effects(pairs):
    values, weights = map(np.array, zip(*pairs, strict=True))
    low, middle, high = effect_of(values, weights).quartiles
    slack = 1e-9
    assert values.min() - slack <= low <= middle + slack
    assert middle <= high + slack <= values.max() + 2 * slack


def test_a_row_of_weight_zero_adds_nothing_but_is_counted_as_a_row():
    with_row = effect_of([1.0, 2.0, 5.0, 1e6], [1, 2, 1, 0])
    without = effect_of([1.0, 2.0, 5.0], [1, 2, 1])
    assert (with_row.n, without.n) == (4, 3)
    assert with_row.ame == without.ame
    assert with_row.sd == without.sd
    np.testing.assert_array_equal(with_row.quartiles, without.quartiles)


@pytest.mark.parametrize(
    ("values", "weights"), [([3.0], None), ([3.0, 8.0], [0.7, 0.0]), ([3.0], [1])]
)
def test_the_sd_of_one_row_is_nan_with_a_warning(values, weights):
    effect = effect_of(values, weights)
    with pytest.warns(RuntimeWarning, match="must exceed 1"):
        sd = effect.sd
    assert np.isnan(sd)
    assert effect.ame == pytest.approx(3)
    np.testing.assert_array_equal(effect.quartiles, [3, 3, 3])


def test_equal_effects_have_an_sd_of_zero_and_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effect = effect_of([3.0, 3.0, 3.0], [1, 2, 3])
        assert effect.sd == 0
    np.testing.assert_array_equal(effect.quartiles, [3, 3, 3])


def test_rows_that_do_not_count_are_in_no_summary():
    X = np.array([[0.0, 1.0], [np.nan, 9.0], [0.0, 3.0], [1.0, 100.0], [0.0, 8.0]])
    effect = fme(lambda X: X[:, 0] * X[:, 1], X, {0: 1}, sample_weight=[1, 5, 2, 5, 1])
    assert effect.status.tolist() == [
        "counted",
        "missing",
        "counted",
        "extrapolation",
        "counted",
    ]
    repeated = [1.0, 3.0, 3.0, 8.0]
    assert effect.ame == np.mean(repeated)
    assert effect.sd == pytest.approx(np.std(repeated, ddof=1), rel=1e-14)
    np.testing.assert_allclose(effect.quartiles, np.quantile(repeated, Q))


def test_every_output_has_a_summary_of_its_own():
    X = np.random.default_rng(3).normal(size=(20, 2))
    effect = fme(
        lambda X: np.column_stack([X[:, 0], X[:, 0] * X[:, 1]]),
        X,
        {0: 1},
        extrapolation=None,
    )
    np.testing.assert_allclose(effect.ame, [1, X[:, 1].mean()], rtol=1e-12)
    np.testing.assert_allclose(
        effect.sd, [0, X[:, 1].std(ddof=1)], rtol=1e-12, atol=1e-12
    )
    assert effect.quartiles.shape == (3, 2)
    np.testing.assert_allclose(
        effect.quartiles[:, 1], np.quantile(X[:, 1], Q), rtol=1e-10
    )


def test_a_kind_of_weights_is_told_only_where_it_was_given():
    values = np.array([1.0, 2.5])
    assert not Weighting(values, 2).told
    assert not Weighting.of(values, "auto", 2).told
    assert Weighting.of(values, "sampling", 2).told
