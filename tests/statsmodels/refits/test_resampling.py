"""Units, strata, and what is drawn of them."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from skfme.statsmodels._refits.resampling import Units, seed_sequence

GROUPS = np.repeat(np.arange(12), [1, 2, 3, 4] * 3)


def test_a_group_is_drawn_whole_and_as_often_as_groups_are():
    rng = np.random.default_rng(0)
    order = rng.permutation(len(GROUPS))
    groups = GROUPS[order]
    units = Units.of(len(groups), np.array(list("abcdefghijkl"))[groups])
    sizes = np.bincount(groups)
    for _ in range(50):
        rows = units.drawn(rng)
        times = np.bincount(groups[rows], minlength=12) / sizes
        assert (times == times.round()).all()
        assert times.sum() == 12
        assert (np.bincount(rows)[rows] == times[groups[rows]]).all()


def test_strata_keep_their_size():
    stratify = pl.Series(["x"] * 25 + ["y"] * 5)
    units = Units.of(30, stratify=stratify)
    for seed in range(20):
        rows = units.drawn(np.random.default_rng(seed))
        assert np.count_nonzero(rows < 25) == 25
        assert len(rows) == 30


def test_rows_are_drawn_with_equal_chance():
    units = Units.of(20)
    rng = np.random.default_rng(3)
    counts = sum(np.bincount(units.drawn(rng), minlength=20) for _ in range(2000))
    # each count is binomial with mean 2000 and variance 2000 · 20 · (1/20)(19/20)
    z = (counts - 2000) / np.sqrt(2000 * 0.95)
    assert np.abs(z).max() < 4


def test_left_out_blocks_are_a_partition_of_the_units():
    units = Units.of(len(GROUPS), GROUPS, stratify=GROUPS % 2)
    for most, expected in ((100, 12), (4, 4)):
        remaining = units.left_out(most, np.random.default_rng(0))
        assert len(remaining) == expected
        blocks = [np.setdiff1d(np.arange(len(GROUPS)), rows) for rows in remaining]
        np.testing.assert_array_equal(
            np.sort(np.concatenate(blocks)), np.arange(len(GROUPS))
        )
        for rows in blocks:  # whole groups, and of both strata where blocks allow it
            assert not np.isin(
                GROUPS[rows], GROUPS[np.setdiff1d(range(30), rows)]
            ).any()
            if most == 4:
                assert set(GROUPS[rows] % 2) == {0, 1}


def test_units_of_some_rows_keep_groups_and_strata():
    units = Units.of(len(GROUPS), GROUPS, stratify=GROUPS % 2)
    rows = np.flatnonzero(GROUPS < 5)
    some = units.among(rows)
    assert len(some) == 5
    assert [len(s) for s in some.strata] == [3, 2]
    np.testing.assert_array_equal(GROUPS[rows][some.rows_of(np.array([3]))], [3] * 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [1, 2]}, r"groups has shape \(2,\), expected \(30,\)"),
        ({"stratify": np.zeros(29)}, r"stratify has shape \(29,\)"),
        ({"groups": [1] * 30}, "only one group"),
        (
            {"groups": [None] + ["a"] * 29},
            "groups is missing in 1 rows .first in row 0",
        ),
        ({"stratify": [1] * 29 + [7]}, "The strata 7 have one row each"),
        ({"groups": GROUPS, "stratify": np.arange(30) % 2}, "rows in several strata"),
        (
            {"groups": GROUPS, "stratify": (GROUPS == 11).astype(int)},
            "The strata 1 have one group each",
        ),
    ],
    ids=[
        *("short groups", "short strata", "one group", "missing group"),
        *("stratum of one row", "group in two strata", "stratum of one group"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Units.of(30, **options)


def test_few_groups_are_warned_of():
    with pytest.warns(UserWarning, match="draws from 4 groups only"):
        Units.of(30, np.arange(30) % 4)


def test_a_seed_gives_one_sequence_and_a_generator_goes_on():
    first, second = (seed_sequence(7).generate_state(3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    state = np.random.RandomState(7)
    np.testing.assert_array_equal(seed_sequence(state).generate_state(3), first)
    assert (seed_sequence(state).generate_state(3) != first).any()


def test_labels_of_a_series_are_read():
    labels = pd.Series(list("bacdefghijkb"), index=np.arange(12)[::-1])
    units = Units.of(12, labels)
    np.testing.assert_array_equal(units.codes, [*range(11), 0])
