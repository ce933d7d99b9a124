"""Pickles of other versions warn, as scikit-learn's own do."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LinearRegression

import skfme
from skfme import FMEExplainer
from skfme._given_model import GivenModel
from skfme.statsmodels import EffectTree, StatsmodelsEstimator

X = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60) % 7})
Y = X["a"] - X["b"] ** 2

OBJECTS = {
    "FMEExplainer": lambda: FMEExplainer(LinearRegression(), {"a": 1}).fit(X, Y),
    "EffectTree": lambda: EffectTree().fit(X, Y),
    "StatsmodelsEstimator": lambda: StatsmodelsEstimator(sm.OLS).fit(X, Y),
    "GivenModel": lambda: GivenModel(np.asarray),
    "unfitted": lambda: FMEExplainer(LinearRegression()),
}


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_pickle_of_another_version_warns(kind, monkeypatch):
    monkeypatch.setattr(skfme, "__version__", "0.0.7")
    written = pickle.dumps(OBJECTS[kind]())
    monkeypatch.undo()
    expected = rf"pickled by skfme 0\.0\.7, and is read by {skfme.__version__}"
    with pytest.warns(InconsistentVersionWarning, match=expected):
        pickle.loads(written)


@pytest.mark.parametrize("kind", OBJECTS)
def test_a_pickle_of_this_version_is_silent_and_whole(kind):
    given = OBJECTS[kind]()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = pickle.loads(pickle.dumps(given))
        copies = copy.copy(given), copy.deepcopy(given), clone(given)
    assert vars(read).keys() <= vars(given).keys()
    assert not any("_skfme_version" in vars(other) for other in (read, *copies))


def test_a_pickle_without_a_version_warns():
    explainer = OBJECTS["FMEExplainer"]()
    state = explainer.__getstate__()
    del state["_skfme_version"]
    with pytest.warns(InconsistentVersionWarning, match="before 0.1.0"):
        FMEExplainer(None).__setstate__(state)


def test_a_read_explainer_explains_as_before():
    explainer = OBJECTS["FMEExplainer"]()
    read = pickle.loads(pickle.dumps(explainer))
    assert str(read.explain(X)) == str(explainer.explain(X))
