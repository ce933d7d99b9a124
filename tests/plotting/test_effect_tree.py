"""EffectTreeDisplay and ExtrapolationDisplay."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from skfme import came, fme
from skfme.plotting import EffectTreeDisplay, ExtrapolationDisplay
from skfme.statsmodels import ConditionalEffects, EffectTree
from tests.plotting.pictures import (
    LABELS,
    effect_of,
    heights_of,
    legend_texts,
    outside,
    overlaps,
    people,
    risk,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 1500
    X = pd.DataFrame(
        {
            "bmi": rng.uniform(18, 40, n),
            "age": rng.uniform(20, 80, n),
            "region": pd.Categorical(
                rng.choice(["north-east", "north-west", "south", "the islands"], n)
            ),
        }
    )
    level = (
        4 * np.sin(X["bmi"] / 3)
        + np.where(X["region"] == "south", 3, 0)
        + X["age"] / 10
    )
    return X, level.to_numpy() + rng.normal(0, 0.5, n)


def grown(data, n_partitions, **options):
    X, y = data
    tree = EffectTree(
        method="cart", n_partitions=n_partitions, min_samples_leaf=20, **options
    )
    return tree.fit(X, y)


def test_every_row_is_in_the_histogram_of_its_leaf(data):
    tree = grown(data, 5)
    display = tree.plot()
    np.testing.assert_array_equal(display.counts.sum(axis=1), tree.partitions_["n"])
    X, y = data
    leaf = tree.partitions_.index[2]
    own = y[tree.apply(X) == leaf]
    clipped = np.clip(own, display.edges[0], display.edges[-1])
    np.testing.assert_array_equal(
        display.counts[2], np.histogram(clipped, display.edges)[0]
    )


def test_each_leaf_says_its_came_sd_and_n(data):
    tree = grown(data, 4)
    texts = [t.get_text() for t in tree.plot().texts_]
    for row in tree.partitions_.itertuples():
        expected = f"cAME {row.ame:.3g}\n± {row.sd:.3g} (SD)\nn {row.n:,}"
        assert expected.replace("-", "−") in texts


def test_rules_stand_on_the_edges_and_labels_on_the_nodes(data):
    tree = grown(data, 3)
    display = tree.plot(labels={"bmi": "Body mass index (kg/m²)"})
    texts = [t.get_text() for t in display.texts_]
    nodes = tree.nodes_
    for node in nodes[nodes["left"] >= 0].itertuples():
        if node.variable == "region":
            assert ", ".join(node.levels_left) in " ".join(texts).replace("\n", " ")
        else:
            assert f"< {node.cut:.6g}" in texts
            assert f"≥ {node.cut:.6g}" in texts
    if "bmi" in set(nodes["variable"]):
        assert "Body mass index (kg/m²)" in " ".join(texts).replace("\n", " ")


def test_conditional_trees_send_the_cut_itself_left(data):
    X, y = data
    texts = [
        t.get_text()
        for t in EffectTree(n_partitions=2).fit(X[["age"]], y).plot().texts_
    ]
    assert any(text.startswith("≤ ") for text in texts)
    assert any(text.startswith("> ") for text in texts)


def test_missing_values_are_named_on_the_edge_they_take(data):
    X, y = data
    X = X[["age"]].mask(np.arange(len(X))[:, None] % 9 == 0)
    texts = [t.get_text() for t in EffectTree(n_partitions=2).fit(X, y).plot().texts_]
    assert sum("or missing" in text.replace("\n", " ") for text in texts) == 1


def test_the_spread_is_drawn_and_said_to_be_no_interval(data):
    tree = grown(data, 3)
    axes = tree.plot().axes_[1, 0]
    frame = tree.partitions_
    expected = [(m - s, m + s) for m, s in zip(frame["ame"], frame["sd"], strict=True)]
    lines = [c for c in axes.collections if hasattr(c, "get_segments")]
    segments = [tuple(s[:, 1]) for c in lines for s in c.get_segments()]
    for ends in expected:
        assert any(np.allclose(ends, found) for found in segments)
    caption = axes.get_xlabel().replace("\n", " ")
    assert "± 1 SD of the region's rows (spread, no confidence interval)" in caption


class Inference:
    covers = "other rows"

    def __init__(self, **columns):
        self.columns = columns

    def to_frame(self):
        return pd.DataFrame(self.columns)


@pytest.mark.parametrize("by", ["id", "rule", "text"])
def test_intervals_are_matched_to_leaves_in_any_order(data, by):
    tree = grown(data, 3)
    frame = tree.partitions_.iloc[::-1]
    key = {"id": frame.index, "rule": frame["rule"], "text": frame.index.astype(str)}[
        by
    ]
    low = frame["ame"].to_numpy() - 0.1
    inference = Inference(
        effect="bmi -2",
        subspace=list(key),
        estimate=low + 0.1,
        conf_low=low,
        conf_high=low + 0.3,
    )
    display = tree.plot(inference=inference)
    came_ = tree.partitions_["ame"].to_numpy()
    np.testing.assert_allclose(
        display.intervals, np.column_stack([came_ - 0.1, came_ + 0.2])
    )
    caption = display.axes_[1, 0].get_xlabel().replace("\n", " ")
    assert "cAME and its confidence interval. Intervals cover: other rows." in caption
    assert any("SD " in t.get_text() and "[" in t.get_text() for t in display.texts_)


def test_leaves_show_the_intervals_of_a_regression_on_the_partition():
    effect = effect_of({"bmi": -2}, n=600)
    tree = came(effect, n_partitions=3, method="cart")
    fit = ConditionalEffects.from_tree(effect, tree).fit(cov_type="HC3")
    display = tree.plot(inference=fit)
    np.testing.assert_allclose(display.intervals, fit.conf_int().to_numpy())
    caption = display.axes_[1, 0].get_xlabel().replace("\n", " ")
    assert "with the model held fixed" in caption
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)


def test_intervals_of_another_tree_are_refused(data):
    inference = Inference(subspace=["a", "b"], conf_low=[0, 0], conf_high=[1, 1])
    with pytest.raises(ValueError, match="no column with this tree's subspaces"):
        grown(data, 3).plot(inference=inference)


@pytest.mark.parametrize("n_partitions", [2, 3, 5, 8, 12])
def test_no_two_texts_overlap_at_any_size(data, n_partitions):
    words = {
        "labels": {"bmi": "Body mass index (kg/m²)", "region": "Region of residence"},
        "response_label": "disease progression after one year (points)",
        "title": "Where the effect of 2 kg/m² less differs",
    }
    display = grown(data, n_partitions).plot(**words)
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)
    sizes = {t.get_fontsize() for t in display.texts_}
    assert min(sizes) >= 8
    assert not any("…" in t.get_text() for t in display.texts_)


@pytest.mark.parametrize("layout", ["constrained", None])
def test_no_two_texts_overlap_in_a_small_subplot(data, layout):
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout=layout)
    grown(data, 6).plot(ax=axes[0], labels={"bmi": "Body mass index (kg/m²)"})
    assert not overlaps(figure)


def test_a_text_that_never_fits_is_shortened(data):
    X, y = data
    X = X.rename(columns={"bmi": "an exceedingly long name " * 6})
    figure, axes = plt.subplots(figsize=(3, 3))
    display = grown((X, y), 8).plot(ax=axes)
    assert not overlaps(figure)
    assert any(t.get_text().endswith("…") for t in display.texts_)


def test_a_tree_without_a_split_is_one_histogram(data):
    X, _ = data
    tree = EffectTree(random_state=0).fit(
        X, np.random.default_rng(3).normal(size=len(X))
    )
    assert tree.n_partitions_ == 1
    display = tree.plot()
    assert display.counts.shape[0] == 1
    assert not overlaps(display.figure_)


def test_an_honest_tree_shows_the_half_that_its_numbers_are_from(data):
    tree = grown(data, 3, honest=True, random_state=0)
    np.testing.assert_array_equal(tree.plot().counts.sum(axis=1), tree.partitions_["n"])


def test_a_pickled_tree_needs_rows(data):
    X, y = data
    tree = pickle.loads(pickle.dumps(grown(data, 3)))
    with pytest.raises(ValueError, match="does not carry its rows; pass X and y"):
        tree.plot()
    labels = {"bmi": "Body mass index (kg/m²)"}
    assert tree.plot(X=X, y=y, labels=labels).counts.sum() == len(y)


def test_rows_without_their_effects_are_refused(data):
    with pytest.raises(ValueError, match="Give both X and y"):
        pickle.loads(pickle.dumps(grown(data, 3))).plot(X=data[0])


def test_weighted_trees_count_weights(data):
    X, y = data
    weights = np.full(len(y), 0.5)
    tree = EffectTree(method="cart", n_partitions=3).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(
        tree.plot().counts.sum(axis=1), tree.partitions_["weight"]
    )


def test_came_and_effects_lead_to_the_same_picture():
    effect = effect_of({"bmi": -2})
    display = EffectTreeDisplay.from_tree(came(effect, n_partitions=3, method="cart"))
    assert display.counts.sum() == effect.n


def test_distrusted_rows_are_stacked_on_the_others():
    effect = effect_of({"bmi": -2})
    display = ExtrapolationDisplay.from_effect(effect, labels=LABELS)
    axes = display.ax_
    below, above = axes.patches
    assert heights_of(below).sum() == effect.n
    n_out = effect.n_left_out["extrapolation"]
    assert (heights_of(above) - heights_of(below)).sum() == n_out
    edges = above.get_data().edges
    stacked = np.flatnonzero(heights_of(above) > heights_of(below))
    assert edges[stacked[-1]] <= 20  # 2 below 20 is below 18, the least
    assert legend_texts(axes) == [
        f"{effect.n} count",
        f"{n_out} left out: extrapolation",
    ]
    share = f"{n_out} of 300 rows ({n_out / 300:.1%}) leave the data"
    assert share in axes.get_title(loc="left").replace("\n", " ")


def test_distrusted_rows_can_be_drawn_along_other_columns():
    effect = effect_of({"bmi": -2})
    display = ExtrapolationDisplay.from_effect(effect, features=["bp", "visits", "sex"])
    assert display.axes_.shape == (1, 3)
    assert not overlaps(display.figure_)
    for axes in display.axes_.flat:
        assert heights_of(axes.patches[0]).sum() == effect.n


def test_where_every_row_is_distrusted_the_picture_shows_it():
    effect = fme(risk, people(), {"bmi": 100})
    display = ExtrapolationDisplay.from_effect(effect)
    assert heights_of(display.ax_.patches[1]).sum() == 300
