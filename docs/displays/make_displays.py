"""Every display at 300, 30,000 and 3,000,000 rows, and what each costs.

Writes the pictures of the page "Displays" (docs/displays.rst) and prints, for each
display, its time ÷ the time of matplotlib's own hexbin (or hist) of the same numbers on
a figure of the same size with a constrained layout, and on one without a layout. All are
timed from the effects, or the arrays, to the drawn canvas, in seconds of the processor,
so that other programs count little; they alternate, and the median ratio counts.

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
from dataclasses import dataclass
from functools import cached_property
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
    AttributionDisplay,
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


class Parts(dict[str, ForwardEffect]):
    """The parts of an effect, by feature, and the effect."""

    def __init__(self, total: ForwardEffect, parts: dict[str, ForwardEffect]) -> None:
        super().__init__(parts)
        self.total, self.context = total, total.context

    def to_frame(self) -> pd.DataFrame:
        return ForwardEffects(list(self.values()), self.context).to_frame()


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
    parts: Parts


@dataclass
class Days:
    """Days with a temperature, and an effect that depends on it."""

    X: pd.DataFrame
    fme: np.ndarray
    status: np.ndarray
    nlm: np.ndarray

    def __post_init__(self) -> None:
        self.fme[self.status > 0] = np.nan
        self.nlm[self.status > 0] = np.nan
        table, weights = as_table(self.X), Weighting(None, len(self.X))
        model = ("rentals",), "RandomForestRegressor", "predict"
        self.context = Context(table, weights, *model, 0, ("season",))

    def effect(
        self, name: str, step: dict, fme: np.ndarray, nlm: np.ndarray | None = None
    ) -> ForwardEffect:
        """An effect of these values on every day."""
        return ForwardEffect(
            name, step, (), self.context, fme[:, None], self.status, nlm
        )

    def parts(self) -> Parts:
        """A joint step, most of which the temperature brings."""
        temp = self.X["temp"].to_numpy()
        drier = 25 - 0.2 * self.fme + 0.4 * temp
        steps = {"temp": Add(1), "humidity": Add(-0.1), "wind": Add(-5)}
        values = self.fme, drier, 8 + 0.1 * self.fme
        parts = {
            name: self.effect(name, {name: steps[name]}, value)
            for name, value in zip(steps, values, strict=True)
        }
        name = "temp +1, humidity -0.1, wind -5"
        return Parts(self.effect(name, steps, sum(values)), parts)

    def path(self) -> PathPredictions:
        """A way that bends, more so where the effect is large."""
        temp, t = self.X["temp"].to_numpy(), np.linspace(0, 1, 11)
        bent = (4000 + 30 * temp)[:, None] + np.nan_to_num(self.fme)[:, None] * t**1.6
        points, step = {"temp": temp[:, None] + t}, {"temp": Add(1)}
        index = pd.RangeIndex(len(temp))
        return PathPredictions(
            "temp +1", t, points, bent, ("rentals",), index, "predict", step
        )

    def profile(self) -> StepProfile:
        """Effects that grow with the step, and become less straight."""
        sizes = (-4.0, -2.0, -1.0, 1.0, 2.0, 4.0)
        effects = [
            self.effect(
                f"temp {size:+g}",
                {"temp": Add(size)},
                self.fme * size,
                1 - (1 - self.nlm) * abs(size) / 2,
            )
            for size in sizes
        ]
        return StepProfile("temp", sizes, ForwardEffects(effects, self.context))


def synthetic_days(n: int) -> Days:
    """Effects that rise with the temperature, then fall."""
    rng = np.random.default_rng(0)
    temp = np.clip(rng.normal(15, 8, n), -9, 38)
    humidity, wind = rng.beta(6, 4, n), rng.gamma(3, 4, n)
    seasons = ["winter", "spring", "summer", "fall"]
    season = pd.Categorical.from_codes(rng.integers(0, 4, n), seasons)
    columns = {"temp": temp, "humidity": humidity, "wind": wind}
    X = pd.DataFrame({**columns, "month": rng.integers(1, 7, n), "season": season})
    curve = 90 * np.exp(-(((temp - 13) / 7) ** 2)) - 60 / (1 + np.exp(26 - temp))
    fme = curve * (1 - 0.6 * humidity)
    fme += rng.normal(0, 1, n) * (12 + 20 * humidity) * (temp > 5)
    status = np.where((temp > 36) | (rng.random(n) < 0.002), 3, 0).astype(np.int8)
    return Days(X, fme, status, 1 - rng.gamma(0.7, 0.25, (n, 1)))


def make(n: int) -> Data:
    """What all displays draw."""
    days = synthetic_days(n)
    fme, warmer = days.fme, {"temp": Add(1)}
    month = days.X["month"].to_numpy()
    several = [
        days.effect("temp +1", warmer, fme),
        days.effect("humidity +0.1", {"humidity": Add(0.1)}, -0.4 * fme - 25),
        days.effect("wind +5", {"wind": Add(5)}, -8 - 0.2 * fme),
        days.effect("month +1", {"month": Add(1)}, 0.1 * fme + 3),
        days.effect("season = winter", {"season": SetTo("winter")}, -60 + 0.8 * fme),
    ]
    return Data(
        several[0],
        days.effect("temp +1, humidity -0.1", {**warmer, "humidity": Add(-0.1)}, fme),
        several[-1],
        days.effect("month +1", {"month": Add(1)}, fme * (month - 2) / 2),
        days.effect("temp +1", warmer, fme, days.nlm),
        ForwardEffects(several, days.context),
        days.path(),
        days.profile(),
        EffectTree(method="cart", n_partitions=6).fit(days.X, fme),
        days.parts(),
    )


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
    columns = [e.fme[e.counted] for e in data.several.values()]
    return lambda axes: [axes.hist(y, bins=50) for y in columns]


def _part_hists(data: Data) -> Callable[[Any], Any]:
    effects = [*data.parts.values(), data.parts.total]
    columns = [e.fme[e.counted] for e in effects]
    return lambda axes: [axes.hist(y, bins=60) for y in columns]


def _bars(data: Data) -> Callable[[Any], Any]:
    return lambda axes: axes.barh(range(4), [1, 2, 3, 6])


def _profile_hists(data: Data) -> Callable[[Any], Any]:
    effects = data.profile.effects.values()
    columns = [y[e.counted] for e in effects for y in (e.fme, e.nlm)]
    return lambda axes: [axes.hist(y, bins=50) for y in columns]


def _two_hexbins(data: Data) -> Callable[[Any], Any]:
    effect = data.measured
    x = effect.X["temp"].to_numpy()[effect.counted]
    columns = effect.fme[effect.counted], effect.nlm[effect.counted]
    return lambda grid: [
        axes.hexbin(x, y, gridsize=40, mincnt=1)
        for axes, y in zip(grid, columns, strict=True)
    ]


def _leaf_hists(data: Data) -> Callable[[Any], Any]:
    effect, (_, leaves, _) = data.warmer, data.tree._for_display().rows
    fme = effect.fme[effect.counted]
    columns = [fme[leaves == leaf] for leaf in data.tree.partitions_.index]
    return lambda axes: [axes.hist(y, bins=40) for y in columns]


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
    Case(
        "attribution",
        lambda d: AttributionDisplay.from_attribution(d.parts, **WORDS),
        _part_hists,
    ),
    Case(
        "attribution_row",
        lambda d: AttributionDisplay.from_attribution(d.parts, row=1, **WORDS),
        _bars,
    ),
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
    summaries = [
        k for k, v in vars(ForwardEffect).items() if isinstance(v, cached_property)
    ]
    groups = (data.several.values(), data.profile.effects.values())
    for effect in (*data[:5], *(e for group in groups for e in group)):
        for name in summaries:
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
    options = parser.parse_args()
    cases = [c for c in CASES if options.only is None or c.name in options.only]
    total = 0
    print(f"{'display':14} {'rows':>9}  / matplotlib  / matplotlib, no layout")
    for n in options.rows:
        data = make(n)
        for case in cases:
            same, bare, figure = ratio(case, data, options.repeats)
            total += save(figure, f"{case.name}_{n}")
            print(f"{case.name:14} {n:>9,} {same:13.2f} {bare:23.2f}", flush=True)
    print(f"{total / 1e6:.2f} MB of pictures")


if __name__ == "__main__":
    main()
