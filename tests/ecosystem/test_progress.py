"""Progress: nothing by default, a bar or lines when asked, scikit-learn's callbacks."""

import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import FMEExplainer, ame
from skfme.metrics import make_anlm_scorer
from skfme.statsmodels import EffectTree

BMI = {"bmi": -2}


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def test_nothing_is_printed_by_default(diabetes, capfd):
    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), BMI, nlm=True, batch_size=50)
    effects = explainer.fit(X, y).explain(X)
    explainer.step_profile(X, "bmi", sizes=[-1, 1])
    explainer.path(X.head(), "bmi -2")
    ame(explainer.estimator_, X)
    EffectTree().fit(X, effects["bmi -2"].fme)
    make_anlm_scorer(BMI)(explainer, X, y)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("nlm", [False, True])
def test_verbose_shows_a_bar_over_batches_on_stderr(diabetes, capfd, nlm):
    pytest.importorskip("tqdm", reason="the bar needs the extra `progress`")
    X, y = diabetes
    explainer = FMEExplainer(
        LinearRegression(), BMI, batch_size=50, nlm=nlm, verbose=1
    ).fit(X, y)
    capfd.readouterr()
    explainer.explain(X)
    out, err = capfd.readouterr()
    assert out == ""
    assert "9/9" in err  # 442 rows in batches of 50
    assert "effects" in err


def test_without_tqdm_verbose_prints_plain_lines(diabetes, capfd, monkeypatch):
    X, y = diabetes
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    explainer = FMEExplainer(LinearRegression(), BMI, batch_size=200, verbose=1)
    explainer.fit(X, y).explain(X)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == [f"effects: batch {k} of 3" for k in (1, 2, 3)]


class Diary:
    """A callback that goes everywhere and writes down the tasks that end."""

    max_propagation_depth = None

    def __init__(self):
        self.tasks = []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.tasks.append(f"{type(estimator).__name__}: {context.task_name}")

    def teardown(self, estimator, context):
        self.tasks.append("teardown")

    # One diary, also where a search copies its estimators.
    def __deepcopy__(self, memo):
        return self


def has_callbacks():
    return hasattr(FMEExplainer(Ridge()), "set_callbacks")


def test_callbacks_are_there_exactly_where_scikit_learn_has_them():
    assert has_callbacks() == hasattr(StandardScaler(), "set_callbacks")


@pytest.mark.skipif(not has_callbacks(), reason="callbacks came with scikit-learn 1.9")
class TestCallbacks:
    def test_they_follow_the_models_fit(self, diabetes):
        X, y = diabetes
        diary = Diary()
        model = make_pipeline(StandardScaler(), LogisticRegression())
        explainer = FMEExplainer(model, BMI).set_callbacks(diary).fit(X, y > 150)
        assert diary.tasks[0] == "setup"
        assert diary.tasks[-1] == "teardown"
        assert diary.tasks[-2] == "FMEExplainer: fit"
        assert "StandardScaler: fit" in diary.tasks
        assert any("lbfgs" in task for task in diary.tasks)
        explainer.set_callbacks().fit(X, y > 150)
        assert diary.tasks.count("teardown") == 1

    def test_those_of_a_search_reach_through_the_explainer(self, diabetes):
        X, y = diabetes
        diary = Diary()
        search = GridSearchCV(
            FMEExplainer(LogisticRegression(max_iter=5000), BMI),
            {"estimator__C": [0.1, 1]},
            cv=2,
        ).set_callbacks(diary)
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            search.fit(X, y > 150)
        assert diary.tasks.count("FMEExplainer: fit") == 2 * 2 + 1

    def test_a_model_without_them_is_scikit_learns_own_warning(self, diabetes):
        X, y = diabetes
        frozen = FrozenEstimator(LinearRegression().fit(X, y))
        diary = Diary()
        explainer = FMEExplainer(frozen, BMI).set_callbacks(diary)
        with pytest.warns(UserWarning, match="FrozenEstimator does not support"):
            explainer.fit(X)
        assert diary.tasks[-2:] == ["FMEExplainer: fit", "teardown"]

    def test_they_are_taken_down_when_the_fit_fails(self, diabetes):
        X, y = diabetes
        diary = Diary()
        explainer = FMEExplainer(LogisticRegression(), BMI).set_callbacks(diary)
        with pytest.raises(ValueError, match="at least 2 classes"):
            explainer.fit(X, np.zeros(len(y)))
        assert diary.tasks == ["setup", "teardown"]
