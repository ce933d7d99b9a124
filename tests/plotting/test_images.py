"""A few pictures as a whole, against stored ones.

Most of what a picture must show is tested by its parts elsewhere; these notice what
nobody thought to test. They are compared under the FreeType that they were drawn with:
a lane is as high as the legend in it, and texts, which are left out, are of another height
in another release, so that all else moves by a pixel. Make them anew, after looking at
them, with
``pytest tests/plotting/test_images.py --mpl-generate-path=tests/plotting/baseline``.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.ft2font import __freetype_version__
from matplotlib.text import Text

from skfme import FMEExplainer, ame, fme
from skfme._given_model import GivenModel
from skfme.plotting import (
    AMEDisplay,
    EffectTreeDisplay,
    ExtrapolationDisplay,
    FMEDisplay,
    StepProfileDisplay,
)
from skfme.statsmodels import EffectTree
from tests.plotting.pictures import LABELS, people

DRAWN_WITH = "2.14"
TOLERANCE = 1  # a root mean square, of 255

pytestmark = pytest.mark.skipif(
    not __freetype_version__.startswith(f"{DRAWN_WITH}."),
    reason=f"drawn with FreeType {DRAWN_WITH}; here is {__freetype_version__}",
)

compared = pytest.mark.mpl_image_compare(
    baseline_dir="baseline",
    style="default",
    remove_text=True,  # of ticks
    savefig_kwargs={"dpi": 50},
    tolerance=TOLERANCE,
)


def wavy(X):
    bmi, bp = np.asarray(X["bmi"], float), np.asarray(X["bp"], float)
    return bp / 10 * np.sin(bmi / 4) + np.where(np.asarray(X["sex"]) == "f", bmi, 0)


def without_texts(figure):
    for text in figure.findobj(Text):
        text.set_text("")
    return figure


@compared
def test_effects_against_a_feature():
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2))
    for n, ax in zip((300, 20_000), axes, strict=True):
        effect = fme(wavy, people(n), {"bmi": -2})
        FMEDisplay.from_effect(effect, ax=ax, labels=LABELS)
    return without_texts(figure)


@compared
def test_effects_over_a_plane_and_as_a_distribution():
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2))
    for n, ax in zip((300, 20_000), axes[:2], strict=True):
        effect = fme(wavy, people(n), {"bmi": -2, "bp": -10})
        FMEDisplay.from_effect(effect, ax=ax, labels=LABELS)
        # The lane's height must not move thousands of edges by a pixel.
        ax.set_ylim(55, 160)
    FMEDisplay.from_effect(fme(wavy, people(), {"bmi": -2, "sex": "m"}), ax=axes[2])
    return without_texts(figure)


@compared
def test_averages_by_group():
    figure, axes = plt.subplots(figsize=(8, 5))
    AMEDisplay.from_effects(ame(wavy, people()), by="sex", labels=LABELS, ax=axes)
    figure.subplots_adjust(left=0.3, right=0.8, bottom=0.2)
    return without_texts(figure)


@compared
def test_a_tree_over_histograms():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"bmi": rng.uniform(18, 40, 800), "age": rng.uniform(20, 80, 800)})
    effect = 4 * np.sin(X["bmi"] / 3) + X["age"] / 10 + rng.normal(0, 0.5, 800)
    tree = EffectTree(method="cart", n_partitions=4).fit(X, effect)
    figure, axes = plt.subplots(figsize=(7, 5))
    EffectTreeDisplay.from_tree(tree, labels={"age": "Age (years)"}, ax=axes)
    return without_texts(figure)


@compared
def test_distrusted_rows_and_a_profile():
    explainer = FMEExplainer(GivenModel(wavy), {"bmi": -2}).fit(people())
    figure, axes = plt.subplots(1, 2, figsize=(11, 5))
    effect = fme(wavy, people(), {"bmi": -2})
    ExtrapolationDisplay.from_effect(effect, ax=axes[0], labels=LABELS)
    profile = explainer.step_profile(people(), "bmi", sizes=[-8, -4, 4, 8])
    StepProfileDisplay.from_profile(profile, ax=axes[1], labels=LABELS)
    return without_texts(figure)
