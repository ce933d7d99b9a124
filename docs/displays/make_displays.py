"""Every display at 300, 30,000 and 3,000,000 rows, and what each costs.

Writes the pictures of the page "Displays" (docs/displays.rst) and prints, for each
display, its time ÷ the time of matplotlib's own hexbin (or hist) of the same numbers on
a figure of the same size and layout, and on one without a layout. All are timed from the
effects, or the arrays, to the drawn canvas, in seconds of the processor, so that other
programs count little; they alternate, and the median ratio counts.

    python docs/displays/make_displays.py [--rows 300 30000 3000000] [--repeats 5]

The effects are synthetic, since only their number matters here: what a bike share's
model might say of one degree more.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import pandas as pd

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from PIL import Image

from skfme import Add, SetTo, StepProfile
from skfme._frames.tables import as_table
from skfme._results.effects import Context, ForwardEffect, ForwardEffects
from skfme._results.profiles import PathPredictions
from skfme._summaries.weighting import Weighting
from skfme.plotting import (
    AMEDisplay,
    EffectTreeDisplay,
    ExtrapolationDisplay,
    FMEDisplay,
    PathDisplay,
    StepProfileDisplay,
)
from skfme.statsmodels import EffectTree

HERE = Path(__file__).parent
LABELS = {
    "temp": "Temperature (°C)",
    "humidity": "Humidity",
    "wind": "Wind (km/h)",
    "month": "Month",
    "season": "Season",
}
WORDS: dict[str, Any] = {"labels": LABELS, "response_label": "rentals per day"}


class Data(NamedTuple):
    """Synthetic effects over n days, ready for every display."""

    warmer: ForwardEffect
    milder: ForwardEffect
    winter: ForwardEffect
    month: ForwardEffect
    measured: ForwardEffect
    several: ForwardEffects
    path: PathPredictions
    profile: StepProfile
    tree: EffectTree


def make(n: int) -> Data:
    """Days with a temperature, and an effect that depends on it."""
    rng = np.random.default_rng(0)
    temp = np.clip(rng.normal(15, 8, n), -9, 38)
    humidity, wind = rng.beta(6, 4, n), rng.gamma(3, 4, n)
    seasons = ["winter", "spring", "summer", "fall"]
    season = pd.Categorical.from_codes(rng.integers(0, 4, n), seasons)
    month = rng.integers(1, 7, n)
    X = pd.DataFrame(
        {"temp": temp, "humidity": humidity, "wind": wind, "month": month}
    ).assign(season=season)
    curve = 90 * np.exp(-(((temp - 13) / 7) ** 2)) - 60 / (1 + np.exp(26 - temp))
    fme = curve * (1 - 0.6 * humidity)
    fme += rng.normal(0, 1, n) * (12 + 20 * humidity) * (temp > 5)
    status = np.where((temp > 36) | (rng.random(n) < 0.002), 3, 0).astype(np.int8)
    fme[status > 0] = np.nan
    context = Context(
        as_table(X),
        Weighting(None, n),
        ("rentals",),
        "RandomForestRegressor",
        "predict",
        0,
        ("season",),
    )

    def effect(name: str, step: dict, values: np.ndarray, nlm: Any = None) -> Any:
        return ForwardEffect(name, step, (), context, values[:, None], status, nlm)

    straight = 1 - rng.gamma(0.7, 0.25, (n, 1))
    straight[status > 0] = np.nan
    warmer = effect("temp +1", {"temp": Add(1)}, fme)
    others = {
        "humidity +0.1": ({"humidity": Add(0.1)}, -0.4 * fme - 25),
        "wind +5": ({"wind": Add(5)}, -8 - 0.2 * fme),
        "month +1": ({"month": Add(1)}, 0.1 * fme + 3),
        "season = winter": ({"season": SetTo("winter")}, -60 + 0.8 * fme),
    }
    single = [warmer, *(effect(k, s, v) for k, (s, v) in others.items())]
    return Data(
        warmer,
        effect("temp +1, humidity -0.1", {"temp": Add(1), "humidity": Add(-0.1)}, fme),
        single[-1],
        effect("month +1", {"month": Add(1)}, fme * (month - 2) / 2),
        effect("temp +1", {"temp": Add(1)}, fme, straight),
        ForwardEffects(single, context),
        _path(temp, np.nan_to_num(fme)),
        _profile(effect, fme, straight),
        EffectTree(method="cart", n_partitions=6).fit(X, fme),
    )


def _path(temp: np.ndarray, fme: np.ndarray) -> PathPredictions:
    t = np.linspace(0, 1, 11)
    bent = np.multiply.outer(4000 + 30 * temp, np.ones(11))
    bent += np.multiply.outer(fme, t**1.6)
    points = {"temp": temp[:, None] + t}
    index = pd.RangeIndex(len(temp))
    return PathPredictions(
        "temp +1", t, points, bent, ("rentals",), index, "predict", {"temp": Add(1)}
    )


def _profile(effect: Callable, fme: np.ndarray, nlm: np.ndarray) -> StepProfile:
    sizes = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
    single = [
        effect(f"temp {s:+g}", {"temp": Add(s)}, fme * s, 1 - (1 - nlm) * abs(s) / 2)
        for s in sizes
    ]
    return StepProfile("temp", sizes, ForwardEffects(single, single[0].context))


class Case(NamedTuple):
    """A display, and what matplotlib alone would draw of the same numbers."""

    name: str
    draw: Callable[[Data], Any]
    reference: Callable[[Data], Callable[[Any], Any]]
    n_axes: int = 1


def _hexbin(data: Data) -> Callable[[Any], Any]:
    effect = data.warmer
    x = effect.X["temp"].to_numpy()[effect.counted]
    y = effect.fme[effect.counted]
    return lambda axes: axes.hexbin(x, y, gridsize=40, mincnt=1)


def _hist(data: Data) -> Callable[[Any], Any]:
    y = data.winter.fme[data.winter.counted]
    return lambda axes: axes.hist(y, bins=50)


def _hist_of_x(data: Data) -> Callable[[Any], Any]:
    x = data.warmer.X["temp"].to_numpy()
    return lambda axes: axes.hist(x, bins=50)


def _hists(data: Data) -> Callable[[Any], Any]:
    all_of_them = [e.fme[e.counted] for e in data.several.values()]
    return lambda axes: [axes.hist(y, bins=50) for y in all_of_them]


def _profile_hists(data: Data) -> Callable[[Any], Any]:
    effects = data.profile.effects.values()
    both = [a for e in effects for a in (e.fme[e.counted], e.nlm[e.counted])]
    return lambda axes: [axes.hist(a, bins=50) for a in both]


def _two_hexbins(data: Data) -> Callable[[Any], Any]:
    effect = data.measured
    x = effect.X["temp"].to_numpy()[effect.counted]
    pair = effect.fme[effect.counted], effect.nlm[effect.counted]
    return lambda axes: [
        one.hexbin(x, y, gridsize=40, mincnt=1)
        for one, y in zip(axes, pair, strict=True)
    ]


def _leaf_hists(data: Data) -> Callable[[Any], Any]:
    effect, (_, leaves, _) = data.warmer, data.tree._for_display().rows
    fme = effect.fme[effect.counted]
    parts = [fme[leaves == leaf] for leaf in data.tree.partitions_.index]
    return lambda axes: [axes.hist(part, bins=40) for part in parts]


def _path_hist(data: Data) -> Callable[[Any], Any]:
    values = data.path.predictions.ravel()
    return lambda axes: axes.hist(values, bins=50)


CASES = [
    Case("fme", lambda d: FMEDisplay.from_effect(d.warmer, **WORDS), _hexbin),
    Case("fme_ordinal", lambda d: FMEDisplay.from_effect(d.month, **WORDS), _hexbin),
    Case(
        "fme_nlm",
        lambda d: FMEDisplay.from_effect(d.measured, **WORDS),
        _two_hexbins,
        n_axes=2,
    ),
    Case("fme_plane", lambda d: FMEDisplay.from_effect(d.milder, **WORDS), _hexbin),
    Case("fme_histogram", lambda d: FMEDisplay.from_effect(d.winter, **WORDS), _hist),
    Case(
        "fme_ecdf",
        lambda d: FMEDisplay.from_effect(d.winter, kind="ecdf", **WORDS),
        _hist,
    ),
    Case("ame", lambda d: AMEDisplay.from_effects(d.several, **WORDS), _hists),
    Case("path", lambda d: PathDisplay.from_path(d.path, **WORDS), _path_hist),
    Case(
        "step_profile",
        lambda d: StepProfileDisplay.from_profile(d.profile, **WORDS),
        _profile_hists,
    ),
    Case(
        "effect_tree",
        lambda d: EffectTreeDisplay.from_tree(d.tree, **WORDS),
        _leaf_hists,
    ),
    Case(
        "extrapolation",
        lambda d: ExtrapolationDisplay.from_effect(d.warmer, labels=LABELS),
        _hist_of_x,
    ),
]


def _fresh(data: Data) -> None:
    """Forget the summaries that effects keep, so that every run computes them."""
    groups = (data.several.values(), data.profile.effects.values())
    for effect in (*data[:5], *(e for group in groups for e in group)):
        for name in ("_summaries", "nonlinearity", "status"):
            effect.__dict__.pop(name, None)


def _timed(draw: Callable[[], Any]) -> tuple[float, Any]:
    plt.close("all")
    start = time.process_time()
    figure = draw()
    figure.canvas.draw()
    return time.process_time() - start, figure


def ratio(case: Case, data: Data, repeats: int) -> tuple[float, Any, Any]:
    """Median ratio to the reference, with a constrained layout and with none."""
    draw_reference = case.reference(data)
    size = case.draw(data).figure_.get_size_inches()

    def reference(layout: str | None) -> Any:
        figure, axes = plt.subplots(1, case.n_axes, figsize=size, layout=layout)
        draw_reference(axes)
        return figure

    ratios, bare = [], []
    for _ in range(repeats):
        _fresh(data)
        ours, _ = _timed(lambda: case.draw(data).figure_)
        theirs, _ = _timed(lambda: reference("constrained"))
        without, _ = _timed(lambda: reference(None))
        ratios.append(ours / theirs)
        bare.append(ours / without)
    figure = case.draw(data).figure_
    return statistics.median(ratios), statistics.median(bare), figure


def save(figure: Any, name: str) -> int:
    """A small PNG: 192 colours are enough for a page."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80)
    picture = Image.open(buffer).convert("RGB").quantize(192, dither=Image.Dither.NONE)
    path = HERE / f"{name}.png"
    picture.save(path, optimize=True)
    return path.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 30_000, 3_000_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=None)
    given = parser.parse_args()
    cases = [c for c in CASES if given.only is None or c.name in given.only]
    total = 0
    print(f"{'display':14} {'rows':>9}  / matplotlib  / matplotlib, no layout")
    for n in given.rows:
        data = make(n)
        for case in cases:
            same, bare, figure = ratio(case, data, given.repeats)
            total += save(figure, f"{case.name}_{n}")
            print(f"{case.name:14} {n:>9,} {same:13.2f} {bare:23.2f}", flush=True)
    print(f"{total / 1e6:.2f} MB of pictures")


if __name__ == "__main__":
    main()
