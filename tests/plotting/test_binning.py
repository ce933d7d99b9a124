"""Hexagons against a search for the nearest centre; the local mean against lines."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from skfme._summaries.weighting import Weighting
from skfme.plotting._parts.hexagons import draw_hexagons, hexagons
from skfme.plotting._parts.smooth import local_mean


def unweighted(rows):
    return Weighting(None, len(rows))


def lattice(x, y, cells):
    """All hexagon centres around the points, from the two lattices."""
    i = np.arange(-2, (np.ptp(x) / cells.width) + 3)
    j = np.arange(-2, (np.ptp(y) / cells.height) + 3)
    u, v = (a.ravel() for a in np.meshgrid(i, j))
    both = np.concatenate([np.column_stack([u, v]), np.column_stack([u, v]) + 0.5])
    return np.array([x.min(), y.min()]) + both * [cells.width, cells.height]


@given(seed=st.integers(0, 10_000), across=st.integers(3, 30), n=st.integers(3, 400))
@settings(max_examples=25)
def test_every_point_is_counted_in_the_nearest_hexagon(seed, across, n):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(5, 2, n), rng.gamma(1, 30, n)
    values, weights = rng.normal(size=n), rng.uniform(0.1, 2, n)
    cells = hexagons(x, y, Weighting(weights, n), values, across=across, aspect=0.7)
    # In these units the hexagons are regular.
    scale = [1 / cells.width, np.sqrt(3) / cells.height]
    _, nearest = cKDTree(cells.centres * scale).query(np.column_stack([x, y]) * scale)
    distance, _ = cKDTree(lattice(x, y, cells) * scale).query(
        np.column_stack([x, y]) * scale
    )
    reached = np.linalg.norm(
        (np.column_stack([x, y]) - cells.centres[nearest]) * scale, axis=1
    )
    np.testing.assert_allclose(reached, distance, atol=1e-9)
    total = np.bincount(nearest, weights, len(cells.centres))
    np.testing.assert_allclose(cells.total, total)
    sums = np.bincount(nearest, weights * values, len(cells.centres))
    np.testing.assert_allclose(cells.mean, sums / total)


def test_blocks_of_points_add_up():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 50_000))
    cells = hexagons(x, y, unweighted(x), across=20, aspect=1.0)
    assert cells.total.sum() == 50_000


@pytest.mark.parametrize("constant", ["x", "y", "both"])
def test_constant_coordinates_still_have_a_place(constant):
    x, y = np.arange(10.0), np.arange(10.0)
    x = np.full(10, 3.0) if constant != "y" else x
    y = np.full(10, 3.0) if constant != "x" else y
    cells = hexagons(x, y, unweighted(x), across=5, aspect=1.0)
    assert cells.total.sum() == 10
    assert np.isfinite(cells.centres).all()


def test_no_seam_shows_between_drawn_hexagons():
    x, y = (
        a.ravel() for a in np.meshgrid(np.linspace(0, 10, 60), np.linspace(0, 7, 60))
    )
    cells = hexagons(x, y, unweighted(x), across=10, aspect=0.7)
    figure, axes = plt.subplots()
    drawn = draw_hexagons(axes, cells, np.ones(len(cells.total)), cmap="gray")
    drawn.set_clim(1, 2)  # all of them black
    axes.set(xlim=(1, 9), ylim=(1, 6))
    axes.set_axis_off()
    figure.canvas.draw()
    inside = axes.get_window_extent()
    rows = slice(int(inside.y0) + 2, int(inside.y1) - 2)
    columns = slice(int(inside.x0) + 2, int(inside.x1) - 2)
    pixels = np.asarray(figure.canvas.buffer_rgba())[::-1][rows, columns, :3]
    assert pixels.max() == 0


def test_drawn_hexagons_reach_no_further_than_three_percent_beyond_their_cells():
    x = np.linspace(0, 10, 50)
    cells = hexagons(x, x, unweighted(x), across=10, aspect=0.7)
    _, axes = plt.subplots()
    corners = draw_hexagons(axes, cells, cells.total).get_paths()[0].vertices
    assert np.ptp(corners[:, 0]) == pytest.approx(1.03 * cells.width)
    assert np.ptp(corners[:, 1]) == pytest.approx(1.03 * cells.height * 2 / 3)


def test_the_local_mean_of_a_line_is_the_line():
    x = np.sort(np.random.default_rng(0).gamma(2, 3, 2000))
    grid, means = local_mean(x, 3 - 2 * x, unweighted(x))
    inside = ~np.isnan(means)
    # Rows are moved to the middle of their bin, of which there are 400.
    width = np.ptp(x) / 400
    np.testing.assert_allclose(means[inside], 3 - 2 * grid[inside], atol=2 * width)


def test_equal_weights_change_nothing_and_a_weight_of_zero_removes_a_row():
    rng = np.random.default_rng(1)
    x, y = np.linspace(0, 1, 400), rng.normal(size=400)
    _, plain = local_mean(x, y, unweighted(x))
    _, doubled = local_mean(x, y, Weighting(np.full(400, 2.0), 400))
    np.testing.assert_allclose(doubled, plain)
    y[200] = 1e9
    weights = np.ones(400)
    weights[200] = 0
    assert np.nanmax(np.abs(local_mean(x, y, Weighting(weights, 400))[1])) < 5


def test_there_is_no_line_where_there_are_no_rows():
    x = np.concatenate([np.linspace(0, 1, 50), np.linspace(9, 10, 50)])
    grid, means = local_mean(x, np.zeros(100), unweighted(x))
    assert np.isnan(means[(grid > 1.1) & (grid < 8.9)]).all()
    assert not np.isnan(means[grid < 1]).any()


def test_the_local_mean_stays_within_the_effects():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 10, 200), rng.uniform(100, 110, 200)])
    y = 10 * (np.sin(x + 1) - np.sin(x))
    _, means = local_mean(x, y, unweighted(x))
    assert np.nanmin(means) >= y.min()
    assert np.nanmax(means) <= y.max()


@pytest.mark.parametrize(
    "x",
    [np.arange(19.0), np.zeros(50), np.empty(0)],
    ids=["too few rows", "a constant", "no rows"],
)
def test_too_few_rows_or_a_constant_have_no_local_mean(x):
    grid, _ = local_mean(x, np.arange(float(len(x))), unweighted(x))
    assert not len(grid)
