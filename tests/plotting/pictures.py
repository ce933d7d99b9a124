"""Tests of displays; what several of them share."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from skfme import fme

LABELS = {"bmi": "Body mass index (kg/m²)", "bp": "Blood pressure (mm Hg)"}


def people(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "bmi": rng.uniform(18, 40, n),
            "bp": rng.uniform(60, 130, n),
            "visits": rng.integers(1, 6, n),
            "sex": pd.Categorical(rng.choice(["f", "m"], n)),
        }
    )


def risk(X: pd.DataFrame) -> np.ndarray:
    """Curved in bmi, linear in bp and visits, shifted by sex."""
    bmi, bp = np.asarray(X["bmi"], float), np.asarray(X["bp"], float)
    shift = np.where(np.asarray(X["sex"]) == "f", 3.0, 0.0)
    return (bmi - 28) ** 2 / 4 + bp / 5 + 2 * np.asarray(X["visits"]) + shift


def effect_of(steps: Any, n: int = 300, **options: Any) -> Any:
    return fme(risk, people(n), steps, **options)


def texts_of(figure: Figure) -> list:
    """Every text that is drawn, each with its extent."""
    figure.canvas.draw()
    found = [figure._suptitle] if figure._suptitle else []
    for axes in figure.axes:
        legend = axes.get_legend()
        found += axes.texts + (list(legend.get_texts()) if legend else [])
        found += [axes.title, axes._left_title, axes._right_title]
        if not axes.axison:
            continue
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            pad = 1e-9 * (high - low)
            found.append(axis.label)
            labels = axis.get_ticklabels()
            places = axis.get_ticklocs() if labels else []  # none if switched off
            found += [
                label
                for place, label in zip(places, labels, strict=True)
                if low - pad <= place <= high + pad
            ]
    return [t for t in found if t.get_visible() and t.get_text().strip()]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap by more than half a pixel."""
    texts = texts_of(figure)
    boxes = [text.get_window_extent() for text in texts]
    pairs = []
    for i, j in combinations(range(len(texts)), 2):
        a, b = boxes[i], boxes[j]
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        tall = min(a.y1, b.y1) - max(a.y0, b.y0)
        if wide > 0.5 and tall > 0.5:
            pairs.append((texts[i].get_text(), texts[j].get_text()))
    return pairs


def outside(figure: Figure) -> list[str]:
    """Texts that are cut off by the edge of the figure."""
    (left, bottom), (right, top) = figure.bbox.min - 1, figure.bbox.max + 1
    cut = []
    for text in texts_of(figure):
        box = text.get_window_extent()
        if min(box.x0 - left, right - box.x1, box.y0 - bottom, top - box.y1) < 0:
            cut.append(text.get_text())
    return cut


def heights_of(artist: Any) -> np.ndarray:
    """Heights of a histogram's steps."""
    heights, *_ = artist.get_data()
    return np.asarray(heights)


def legend_texts(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return [text.get_text() for text in legend.get_texts()] if legend else []
