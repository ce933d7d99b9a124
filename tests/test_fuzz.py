"""The fuzz of the benchmarks runs, finds what is wrong, and counts what it draws."""

import numpy as np
import pytest

from benchmarks.fuzz import asking, effects, parts
from benchmarks.fuzz.__main__ import SPACES, run
from benchmarks.fuzz.choices import Never, Outcome, Pairs, Space


@pytest.fixture(autouse=True)
def quiet(recwarn):
    """Draws at the edge of what is defined warn, and are meant to."""


@pytest.mark.parametrize("space", SPACES)
def test_draws_agree_with_what_is_computed_by_hand(space):
    report = run(600, seed=1, draws=20, turns=[space])
    assert report.failures == []
    assert len(report.distinct) == 20
    assert report.n_compared > 20


def test_an_effect_that_is_wrong_in_the_sixth_digit_is_found(monkeypatch):
    right = effects.expected_of

    def wrong(draw):
        expected = right(draw)
        expected.effects = expected.effects * (1 + 1e-5) + 1e-5
        return expected

    monkeypatch.setattr(effects, "expected_of", wrong)
    report = run(600, seed=1, draws=10, turns=["effects"])
    assert len(report.failures) >= 3


def test_an_answer_where_there_is_none_is_found(monkeypatch):
    monkeypatch.setattr(effects, "asked", lambda draw: None)
    chosen = effects.SPACE.chosen(
        effects.SPACE.completed(
            np.random.default_rng(0),
            (effects.SPACE.values.index(("values", "infinite")),),
        )
    )
    with pytest.raises(AssertionError, match="not refused: infinity in X"):
        effects.check(np.random.default_rng(0), chosen)


def _small_space(check):
    never = Never("colour", ("red",), "shape", ("round",), "a stated reason")
    third = Never("shape", ("round",), "size", ("small",), "another")
    fourth = Never("colour", ("blue",), "size", ("large",), "one more")
    choices = {
        "colour": ("red", "blue"),
        "shape": ("round", "square"),
        "size": ("small", "large"),
    }
    return Space("small", choices, (never, third, fourth), check)


def test_pairs_seen_least_come_next_and_those_that_cannot_meet_are_left_out():
    pairs = Pairs(_small_space(None), np.random.default_rng(0))
    for _ in range(15):
        pairs.add(pairs.next(), Outcome("equal"))
    # Round things are neither red nor small, and so blue and large, which none is.
    names = {" with ".join(p) for p in _meeting(pairs)}
    assert names == {
        "red with square", "blue with square", "red with small", "red with large",
        "blue with small", "square with small", "square with large",
    }  # fmt: skip
    assert list(pairs.rare()) == []


def _meeting(pairs):
    list(pairs.rare())
    values = pairs.space.values
    for one, other in np.argwhere(pairs.possible):
        yield values[one][1], values[other][1]


def test_a_draw_that_tried_nothing_does_not_count():
    pairs = Pairs(_small_space(None), np.random.default_rng(0))
    chosen = pairs.next()
    pairs.add(chosen, Outcome("an engine refused", counts=False))
    assert pairs.counts.sum() == 0
    pairs.add(chosen, Outcome("equal"))
    assert pairs.counts.sum() > 0


@pytest.mark.parametrize("space", SPACES.values(), ids=list(SPACES))
def test_a_code_makes_the_same_choices_again(space):
    values = space.completed(np.random.default_rng(3), ())
    chosen = space.chosen(values)
    assert space.decoded(space.code(chosen)) == chosen


def test_every_rule_of_the_explainer_is_integrated_by_hand():
    line = lambda t: np.column_stack([t**2, np.where(t < 0.3, 0.0, 1.0)])  # noqa: E731
    smooth = asking.paths.by_rule(line, *asking.paths.gauss(8)).nlm[0]
    jump = asking.paths.exact(lambda t: line(t)[:, 1:]).nlm[0]
    assert smooth == pytest.approx(0.625)  # 1 − (1/30) / (4/45)
    off = 0.3**3 / 3 + (1 - 0.3) - (1 - 0.3**2) + (1 - 0.3**3) / 3
    assert jump == pytest.approx(1 - off / (0.3 * 0.7))


def test_parts_by_hand_are_those_of_closed_forms():
    # On the way of x y + x² from 0 to 1 the parts are 1/2 + 1 and 1/2.
    (smooth,) = parts.smooth(lambda t: t[:, :1] * t[:, 1:] + t[:, :1] ** 2, 2)
    np.testing.assert_allclose(smooth, [[1.5], [0.5]], atol=1e-9)
    # The first jumps alone at 0.3, both at 0.6, where neither does anything alone.
    jumps = lambda t: (t[:, :1] > 0.3) + 4.0 * (t > 0.6).all(axis=1, keepdims=True)  # noqa: E731
    for found in parts.of_jumps(jumps, 2, near=1e-7):
        np.testing.assert_array_equal(found, [[3.0], [2.0]])
    # At 0.3 and at 0.3 + 1e-9 one after the other, and as one.
    order = lambda t: 1.0 * (t[:, :1] > 0.3) * (t[:, 1:] > 0.3 + 1e-9)  # noqa: E731
    apart, together = parts.of_jumps(order, 2, near=1e-7)
    np.testing.assert_array_equal(apart, [[0.0], [1.0]])
    np.testing.assert_array_equal(together, [[0.5], [0.5]])


def test_parts_by_orders_and_of_pairs_are_those_of_closed_forms():
    worth = {"": 0, "a": 1, "b": 2, "c": 0, "ab": 5, "ac": 1, "bc": 2, "abc": 9}
    after = lambda done: np.array([[worth["".join(sorted(done))]]], float)  # noqa: E731

    def by_orders(question):
        return parts.by_orders(["a", "b", "c"], after, question).ravel()

    np.testing.assert_array_equal(by_orders("sequential"), [1, 4, 4])
    np.testing.assert_array_equal(by_orders("sequential back"), [7, 2, 0])
    sixths = by_orders("shapley pairs") * 6
    np.testing.assert_allclose(sixths[:3], [20, 26, 8])
    # The mean of v(ab) − v(a) − v(b) with and without c, and so on.
    np.testing.assert_allclose(sixths[3:], [24, 12, 12])
