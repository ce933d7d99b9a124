"""Summaries that merge against exact arithmetic, quantiles and repeated rows."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skfme._summaries.mergeable import Moments, QuantileSketch, standard_error
from skfme._summaries.weighting import Weighting

Q = [0.25, 0.5, 0.75]
numbers = st.integers(-1000, 1000).map(lambda k: k / 8)
rows = st.lists(st.tuples(numbers, st.integers(0, 5)), min_size=1, max_size=30)
finite = st.floats(allow_nan=False, allow_infinity=False, width=64)
middling = st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-6 or v == 0)


def sketched(values, weights=None, parts=1):
    """Quartiles by the sketch of values that come in parts."""
    values = np.asarray(values, dtype=float)
    weights = None if weights is None else np.asarray(weights, dtype=float)
    sketch = QuantileSketch.merged(
        QuantileSketch.of(values[rows], Weighting(weights, len(values)).take(rows))
        for rows in (slice(i, None, parts) for i in range(parts))
    )
    seen = values if weights is None else values[weights > 0]
    size = len(values) if weights is None else weights.sum()
    return sketch.quantiles(np.array(Q), seen.min(), seen.max(), size)


@given(st.lists(middling, min_size=1, max_size=40), st.integers(1, 5))
@settings(max_examples=80)
def test_sketched_quartiles_are_within_a_thousandth_of_the_values_beside_them(
    values, parts
):
    ordered = np.sort(values)
    at = np.array(Q) * (len(values) - 1)
    beside = np.maximum(
        np.abs(ordered[np.floor(at).astype(int)]),
        np.abs(ordered[np.ceil(at).astype(int)]),
    )
    wrong = np.abs(sketched(values, parts=parts) - np.quantile(values, Q))
    assert (wrong <= 2.0**-10 * beside * (1 + 1e-9)).all()


@given(rows.filter(lambda r: sum(w for _, w in r) >= 2), st.integers(1, 4))
@settings(max_examples=60)
def test_sketched_quartiles_of_weights_are_those_of_repeated_rows(pairs, parts):
    values, weights = map(np.array, zip(*pairs, strict=True))
    repeated = np.repeat(values, weights)
    np.testing.assert_allclose(
        sketched(values, weights, parts), sketched(repeated), rtol=1e-12, atol=1e-12
    )


@given(st.lists(finite, min_size=1, max_size=20))
@settings(max_examples=80)
def test_a_sketch_takes_every_finite_number(values):
    low, middle, high = sketched(values)
    assert min(values) <= low <= middle <= high <= max(values)


@pytest.mark.parametrize("scale", [1e-300, 1e-5, 1.0, 1e300])
def test_sketched_quartiles_of_many_values_of_any_magnitude(scale):
    values = np.random.default_rng(0).standard_cauchy(200_001) * scale
    exact = np.quantile(values, Q)
    low, middle, high = np.abs(sketched(values, parts=7) - exact)
    assert max(low, high) <= 1e-3 * abs(exact[0])
    assert middle <= 1e-3 * scale * 1e-2  # the median itself is near 0


def test_a_sketch_stays_small_and_forgets_the_order_of_its_parts():
    rng = np.random.default_rng(1)
    values = rng.standard_t(2, 1_000_000)
    parts = [
        QuantileSketch.of(part, Weighting(None, len(part)))
        for part in np.array_split(values, 100)
    ]
    forth, back = QuantileSketch.merged(parts), QuantileSketch.merged(parts[::-1])
    np.testing.assert_array_equal(forth.buckets, back.buckets)
    np.testing.assert_array_equal(forth.weights, back.weights)
    assert forth.weights.sum() == len(values)
    assert forth.buckets.nbytes + forth.weights.nbytes < 300_000


def moments_of(values, weights=None, codes=None, n_groups=1):
    values = np.asarray(values, dtype=float).reshape(-1, 1)
    codes = np.zeros(len(values), dtype=int) if codes is None else np.asarray(codes)
    weights = None if weights is None else np.asarray(weights, dtype=float)
    return Moments.of(values, Weighting(weights, len(values)), codes, n_groups)


def one_by_one(values, weights=None):
    """Moments of batches of a row or two, merged one after another."""
    whole, n = moments_of([]), len(values)
    for start in range(0, n, 2):
        rows = slice(start, start + 2)
        part = moments_of(values[rows], None if weights is None else weights[rows])
        whole = whole.merged(part, np.zeros(2, dtype=int), 1)
    return whole.total()


@pytest.mark.parametrize("offset", [0.0, 1.0, 1e8])
def test_moments_of_many_small_batches_are_exact(offset):
    rng = np.random.default_rng(2)
    values = rng.normal(offset, 1, 4_000)
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((v - mean) ** 2 for v in exact) / (len(exact) - 1)
    moments = one_by_one(values)
    assert abs(Fraction(float(moments.mean[0])) - mean) <= Fraction(
        1e-13 * max(1.0, offset)
    )
    # An SD of 1 beside a mean of 1e8 has lost 8 of the 16 digits in the values already.
    assert moments.sd("frequency")[0] == pytest.approx(
        float(variance) ** 0.5, rel=1e-10
    )
    assert (moments.minimum[0], moments.maximum[0]) == (values.min(), values.max())


@given(rows.filter(lambda r: sum(w for _, w in r) >= 2))
@settings(max_examples=50)
def test_moments_of_weights_are_those_of_repeated_rows(pairs):
    values, weights = map(np.array, zip(*pairs, strict=True))
    moments, repeated = one_by_one(values, weights), np.repeat(values, weights)
    assert moments.weight[0] == len(repeated)
    assert moments.n[0] == len(values)
    assert moments.mean[0] == pytest.approx(np.mean(repeated), rel=1e-12, abs=1e-12)
    assert moments.sd("frequency")[0] == pytest.approx(
        np.std(repeated, ddof=1), rel=1e-10, abs=1e-10
    )
    assert moments.minimum[0] == repeated.min()
    assert moments.maximum[0] == repeated.max()


def test_moments_by_group_are_those_of_each_group_alone():
    rng = np.random.default_rng(3)
    values, weights = rng.normal(5, 2, 500), rng.uniform(0, 2, 500)
    values[::7] = np.nan  # no value
    codes = rng.integers(0, 6, 500) + (rng.random(500) < 0.5)  # group 7 stays empty
    moments = moments_of(values, weights, codes, 8)
    for group in range(7):
        mine = (codes == group) & ~np.isnan(values)
        alone = moments_of(values[mine], weights[mine]).total()
        for name in ("n", "positive", "weight", "mean", "minimum", "maximum"):
            np.testing.assert_allclose(
                getattr(moments, name)[group], getattr(alone, name), rtol=1e-13
            )
        for kind in ("frequency", "sampling"):
            sds = moments.sd(kind)[group], alone.sd(kind)
            np.testing.assert_allclose(*sds, rtol=1e-13)
    assert (moments.n[7], moments.weight[7]) == (0, 0)
    assert np.isnan(moments.defined_mean[7])
    assert np.isnan(moments.sd("sampling")[7])


def test_standard_errors_are_those_of_a_regression_on_a_constant():
    sm = pytest.importorskip("statsmodels.api")
    rng = np.random.default_rng(4)
    values, weights = rng.normal(3, 2, 200), rng.uniform(0.1, 4, 200)
    weights[::9] = 0
    seen = weights > 0
    fit = sm.WLS(values[seen], np.ones(seen.sum()), weights[seen]).fit(cov_type="HC1")
    squared = moments_of(values[seen], weights[seen] ** 2)
    mine = standard_error(moments_of(values, weights), squared)
    assert mine[0, 0] == pytest.approx(fit.bse[0], rel=1e-11)
    plain = standard_error(moments_of(values), None)
    assert plain[0, 0] == pytest.approx(values.std(ddof=1) / 200**0.5, rel=1e-13)
    assert np.isnan(standard_error(moments_of([1.0]), None)).all()


def test_the_error_of_quantiles_that_is_told_is_half_a_bucket():
    assert QuantileSketch.error == 2.0**-10
    middle = (1 + 2.0**-10) * 2.0 ** np.arange(-3, 4)  # of the first bucket of a power
    assert QuantileSketch.of(middle, Weighting(None, 7)).buckets.tolist() == [
        512 * (power + 1023) for power in range(-3, 4)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_standard_errors_of_values_whose_last_digits_differ_equal_fractions(seed):
    rng = np.random.default_rng(seed)
    values = 1e9 + rng.integers(0, 8, 12) * 2.0**-23  # neighbours among floats
    weights = rng.integers(1, 9, 12).astype(float)
    mine = standard_error(moments_of(values, weights), moments_of(values, weights**2))
    exact, w = [Fraction(v) for v in values], [Fraction(v) for v in weights]
    mean = sum(a * b for a, b in zip(w, exact, strict=True)) / sum(w)
    squares = sum((a * (b - mean)) ** 2 for a, b in zip(w, exact, strict=True))
    known = float(squares * 12 / 11) ** 0.5 / weights.sum()
    assert mine[0, 0] == pytest.approx(known, rel=1e-6)
