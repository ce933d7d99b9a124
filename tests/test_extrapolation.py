"""Extrapolation points: the envelope's rules, and any outlier detector."""

from __future__ import annotations

import warnings
from doctest import DocTestParser
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, clone
from sklearn.cluster import DBSCAN, KMeans, MeanShift
from sklearn.compose import make_column_transformer
from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import OneClassSVM
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

import skfme
from skfme import Contrast, Envelope, FMEExplainer, Quantile, SetTo, fme
from tests.recorder import Recorder, recorded

IN, OUT = "counted", "extrapolation"


def first_of(X):
    return np.asarray(X)[:, 0].astype(float)


def status(X, steps, background=None, **options):
    return fme(
        lambda X: np.zeros(len(X)), X, steps, background=background, **options
    ).status.tolist()


BOX = np.array([[0.0, 10.0], [4.0, 20.0]])


def test_the_bounds_of_the_envelope_are_inside():
    X = np.array([[3.0, 10.0], [3.5, 20.0], [0.0, 15.0]])
    assert status(X, {0: 1}, BOX) == [IN, OUT, IN]
    X = np.array([[1.0, 10.0], [0.5, 20.0], [4.0, 15.0]])
    assert status(X, {0: -1}, BOX) == [IN, OUT, IN]


def test_a_row_outside_in_a_feature_that_is_not_stepped_is_left_out():
    X = np.array([[1.0, 9.9], [1.0, 10.0], [1.0, 20.1]])
    assert status(X, {0: 1}, BOX) == [OUT, IN, OUT]


def test_a_step_may_bring_a_row_back_inside():
    X = np.array([[-2.0, 15.0], [5.0, 15.0]])
    assert status(X, {0: 3}, BOX) == [IN, OUT]


def test_both_features_of_a_joint_step_must_stay_inside():
    X = np.array([[3.0, 19.0], [3.0, 19.5], [3.5, 19.0], [3.5, 19.5]])
    assert status(X, {0: 1, 1: 1}, BOX) == [IN, OUT, OUT, OUT]


def test_extrapolation_none_judges_nothing():
    effect = fme(first_of, BOX, {0: 1000}, extrapolation=None)
    assert effect.n == 2
    assert effect.n_outside_before is None


@pytest.mark.parametrize("given", ["envelope", Envelope()], ids=["text", "object"])
def test_envelope_is_the_range_of_the_background(given):
    X = np.array([[1.0, 12.0], [3.5, 12.0]])
    assert status(X, {0: 1}, BOX, extrapolation=given) == [IN, OUT]


def test_an_extrapolation_point_is_nan_and_in_no_average():
    X = np.array([[1.0], [2.0], [4.0]])
    effect = fme(lambda X: X[:, 0] ** 2, X, {0: 1})
    np.testing.assert_array_equal(effect.fme, [3, 5, np.nan])
    assert effect.ame == 4
    assert effect.n_left_out == {"missing": 0, "at_target": 0, "extrapolation": 1}


def test_both_ends_of_a_contrast_are_judged():
    assert status(BOX, {0: Contrast(0, 4)}) == [IN, IN]
    for low, high in ((0, 4.5), (-0.5, 4), (-0.5, 4.5)):
        with pytest.warns(UserWarning, match="No row counts"):
            assert status(BOX, {0: Contrast(low, high)}) == [OUT, OUT]


def test_set_to_a_value_outside_leaves_every_row_out():
    with pytest.warns(UserWarning, match="No row counts"):
        assert status(BOX, {0: SetTo(4.01)}) == [OUT, OUT]
    assert status(BOX, {0: SetTo(4)}) == [IN, IN]


@pytest.mark.parametrize("q", [0, 0.1, 1])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_a_training_quantile_is_never_outside(q, dtype):
    X = (np.random.default_rng(0).normal(size=(50, 2)) * 10).astype(dtype)
    assert status(X, {0: Quantile(q)}) == [IN] * 50


def test_quantiles_narrow_the_envelope():
    X = np.arange(101.0).reshape(-1, 1)
    envelope = Envelope(quantiles=(0.05, 0.9))
    effect = fme(first_of, X, {0: 1}, extrapolation=envelope)
    np.testing.assert_array_equal(np.flatnonzero(effect.counted), np.arange(4, 90))
    assert effect.n_outside_before == 5 + 10


def test_quantiles_of_weighted_rows_are_those_of_repeated_rows():
    rng = np.random.default_rng(1)
    X, weights = rng.normal(size=(40, 1)), rng.integers(0, 4, size=40)
    envelope = Envelope(quantiles=(0.1, 0.8)).fit(X, sample_weight=weights)
    low, high = np.quantile(np.repeat(X[:, 0], weights), [0.1, 0.8])
    expected = np.where((X[:, 0] >= low) & (X[:, 0] <= high), 1, -1)
    np.testing.assert_array_equal(envelope.predict(X), expected)
    np.testing.assert_allclose(envelope.bounds_[0], (low, high), rtol=1e-12)


def test_missing_values_are_inside_and_widen_nothing():
    background = np.array([[0.0, 1.0], [np.nan, 2.0], [4.0, np.nan]])
    X = np.array([[1.0, np.nan], [np.nan, 1.5], [1.0, 2.5]])
    assert status(X, {0: 1}, background) == [IN, "missing", OUT]
    setting = SetTo(1.5, count_missing=True)
    assert status(X, {1: setting}, background) == [IN, IN, IN]
    assert Envelope().fit(background).predict(X).tolist() == [1, 1, -1]


def test_a_feature_that_is_missing_throughout_has_no_bounds():
    background = np.array([[0.0, np.nan], [4.0, np.nan]])
    assert status(np.array([[1.0, 1e9]]), {0: 1}, background) == [IN]


def test_rows_of_weight_zero_widen_no_range():
    X = np.array([[0.0], [1.0], [2.0], [100.0]])
    effect = fme(first_of, X, {0: 1}, sample_weight=[1, 1, 1, 0])
    assert effect.status.tolist() == [IN, IN, OUT, OUT]
    assert effect.n_outside_before == 1


COMBINATIONS = pd.DataFrame(
    {
        "a": ["u", "u", "v", "v"],
        "b": ["x", "y", "x", "x"],
        "n": [0.0, 1.0, 2.0, 3.0],
    }
)


def test_combinations_leave_out_rows_whose_new_combination_was_never_seen():
    options = {"extrapolation": Envelope(combinations=True)}
    assert status(COMBINATIONS, {"a": "v"}, **options) == [IN, OUT, *["at_target"] * 2]
    assert status(COMBINATIONS, {"b": "y"}, **options) == [IN, "at_target", OUT, OUT]
    assert status(COMBINATIONS, {"a": "v"}) == [IN, IN, *["at_target"] * 2]


def test_combinations_restrict_numbers_to_their_range_alone():
    options = {"extrapolation": Envelope(combinations=True)}
    assert status(COMBINATIONS, {"n": 1}, **options) == [IN, IN, IN, OUT]


def test_combinations_judge_both_ends_of_a_contrast():
    options = {"extrapolation": Envelope(combinations=True)}
    found = status(COMBINATIONS, {"a": Contrast("u", "v")}, **options)
    assert found == [IN, OUT, IN, IN]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas])
def test_combinations_are_distinguished_in_every_kind_of_table(make):
    X = make(COMBINATIONS)
    options = {"extrapolation": Envelope(combinations=True)}
    assert status(X, {"a": "v"}, **options) == [IN, OUT, *["at_target"] * 2]


def test_a_combination_of_rows_of_weight_zero_is_outside():
    options = {"extrapolation": Envelope(combinations=True)}
    X = pd.concat([COMBINATIONS, COMBINATIONS.iloc[[3]].assign(b="y")])
    plain = status(X, {"a": "v"}, **options)
    weighted = status(X, {"a": "v"}, sample_weight=[1, 1, 1, 1, 0], **options)
    assert (plain[1], weighted[1]) == (IN, OUT)


def test_a_missing_category_combines_as_a_level_of_its_own():
    background = pd.DataFrame({"a": ["u", "v", None], "b": ["x", "x", "y"], "n": 1})
    X = pd.DataFrame({"a": [None, None, "u"], "b": ["y", "x", "x"], "n": 1})
    options = {"extrapolation": Envelope(combinations=True)}
    assert status(X, {"n": 0}, background, **options) == [IN, OUT, IN]


def test_rows_outside_before_the_step_are_counted_apart():
    X = np.array([[-1.0, 15.0], [1.0, 25.0], [3.5, 15.0], [1.0, 15.0]])
    effect = fme(first_of, X, {0: 1}, background=BOX)
    assert effect.n_outside_before == 2
    assert effect.status.tolist() == [IN, OUT, OUT, IN]
    text = str(effect.summary())
    assert "2 rows lay outside the training data before any step" in text


def test_an_unknown_combination_before_the_step_is_outside_before_the_step():
    X = pd.DataFrame({"a": ["v", "u", "u"], "b": ["y", "y", "x"], "n": 1.0})
    options = {"extrapolation": Envelope(combinations=True), "background": COMBINATIONS}
    effect = fme(lambda X: np.zeros(len(X)), X, {"n": 1}, **options)
    assert effect.status.tolist() == [OUT, IN, IN]
    assert effect.n_outside_before == 1


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_rows_are_judged_alike_whatever_the_batch_size(batch_size):
    X = np.random.default_rng(2).normal(size=(17, 3))
    background = np.random.default_rng(3).normal(size=(30, 3))
    whole = fme(first_of, X, {0: 1}, background=background)
    parts = fme(first_of, X, {0: 1}, background=background, batch_size=batch_size)
    np.testing.assert_array_equal(whole.status, parts.status)
    assert whole.n_outside_before == parts.n_outside_before > 0


def test_an_integer_coded_category_has_no_range():
    X = pd.DataFrame({"group": [1, 2, 4], "a": [0.0, 1.0, 2.0]})
    new = pd.DataFrame({"group": [9], "a": [0.0]})
    assert status(new, {"a": 1}, X, categorical_features=["group"]) == [IN]
    with pytest.warns(UserWarning, match="No row counts"):
        assert status(new, {"a": 1}, X) == [OUT]


def test_envelope_is_an_outlier_detector_of_its_own():
    envelope = Envelope().fit(BOX)
    X = np.array([[0.0, 20.0], [4.0, 10.0], [4.1, 15.0], [2.0, 9.0]])
    assert envelope.predict(X).tolist() == [1, 1, -1, -1]
    assert Envelope().fit_predict(BOX).tolist() == [1, 1]
    assert clone(Envelope(quantiles=(0.1, 0.9))).quantiles == (0.1, 0.9)


def test_the_users_envelope_is_cloned_and_never_fitted():
    envelope = Envelope(quantiles=(0.1, 0.9))
    fme(first_of, np.arange(9.0).reshape(-1, 1), {0: 0}, extrapolation=envelope)
    assert not hasattr(envelope, "bounds_")


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(4)
    return rng.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], size=200)


DETECTORS = [
    IsolationForest(n_estimators=20, random_state=0),
    LocalOutlierFactor(novelty=True),
    EllipticEnvelope(random_state=0),
    OneClassSVM(nu=0.1),
    make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
    make_pipeline(StandardScaler(), LocalOutlierFactor(novelty=True)),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: str(d)[:40])
def test_a_detector_judges_the_stepped_rows(detector, cloud):
    X = cloud[:50]
    effect = fme(first_of, X, {0: 1.0}, background=cloud, extrapolation=detector)
    fitted = clone(detector).fit(cloud)
    outside = fitted.predict(X + np.array([1.0, 0.0])) == -1
    assert 0 < outside.sum() < 50
    np.testing.assert_array_equal(effect.status == OUT, outside)
    assert effect.n_outside_before == np.count_nonzero(fitted.predict(X) == -1)


def test_a_detector_sees_what_a_box_cannot(cloud):
    X = np.array([[-1.5, -1.5]])
    assert status(X, {0: 3}, cloud) == [IN]
    detector = EllipticEnvelope(random_state=0)
    with pytest.warns(UserWarning, match="No row counts"):
        assert status(X, {0: 3}, cloud, extrapolation=detector) == [OUT]


def test_a_detector_judges_both_ends_of_a_contrast(cloud):
    detector = EllipticEnvelope(random_state=0)
    fitted = clone(detector).fit(cloud)
    X = cloud[:50]
    low, high = X.copy(), X.copy()
    low[:, 0], high[:, 0] = -0.5, 1.0
    outside = (fitted.predict(low) == -1) | (fitted.predict(high) == -1)
    found = status(X, {0: Contrast(-0.5, 1.0)}, cloud, extrapolation=detector)
    assert 0 < outside.sum() < 50
    np.testing.assert_array_equal(np.array(found) == OUT, outside)


def test_the_users_detector_is_cloned_and_never_fitted(cloud):
    detector = IsolationForest(n_estimators=5, random_state=0)
    fme(first_of, cloud, {0: 0.1}, extrapolation=detector)
    assert not hasattr(detector, "estimators_")


def test_a_detector_is_not_fitted_on_rows_of_weight_zero(cloud):
    far = np.full((40, 2), 50.0)
    X = np.vstack([cloud, far])
    weights = np.r_[np.ones(200), np.zeros(40)]
    for detector in (
        LocalOutlierFactor(novelty=True),
        EllipticEnvelope(random_state=0),
    ):
        effect = fme(
            first_of, X, {0: 0.1}, sample_weight=weights, extrapolation=detector
        )
        alone = fme(first_of, X, {0: 0.1}, background=cloud, extrapolation=detector)
        np.testing.assert_array_equal(effect.status, alone.status)
        assert (effect.status[200:] == OUT).all()


def test_a_detector_that_takes_weights_gets_them(cloud):
    weights = np.random.default_rng(5).integers(1, 20, size=200).astype(float)
    detector = OneClassSVM(nu=0.2)
    effect = fme(
        first_of, cloud, {0: 0.1}, sample_weight=weights, extrapolation=detector
    )
    fitted = clone(detector).fit(cloud, sample_weight=weights)
    outside = fitted.predict(cloud + np.array([0.1, 0])) == -1
    plain = clone(detector).fit(cloud).predict(cloud + np.array([0.1, 0])) == -1
    assert (outside != plain).any()
    np.testing.assert_array_equal(effect.status == OUT, outside)


def test_a_detector_gets_the_table_as_the_model_does():
    X = pd.DataFrame({"a": np.arange(20.0), "s": ["u", "v"] * 10})
    encoder = make_column_transformer(
        (OneHotEncoder(), ["s"]), remainder=StandardScaler()
    )
    detector = make_pipeline(encoder, OneClassSVM(nu=0.2))
    effect = fme(lambda X: X["a"], X, {"s": "v"}, extrapolation=detector)
    outside = clone(detector).fit(X).predict(X.assign(s="v")) == -1
    expected = np.where(X["s"] == "v", "at_target", np.where(outside, OUT, IN))
    np.testing.assert_array_equal(effect.status, expected)


def test_a_detector_does_not_judge_rows_whose_stepped_value_is_missing(cloud):
    X = cloud[:10].copy()
    X[3, 0] = np.nan
    effect = fme(
        lambda X: np.nan_to_num(X[:, 0]),
        X,
        {0: 0.1},
        background=cloud,
        extrapolation=OneClassSVM(nu=0.1),
    )
    assert effect.status[3] == "missing"
    assert np.isnan(effect.fme[3])


def test_a_detector_that_cannot_take_categories_is_an_error_that_names_them():
    X = pd.DataFrame({"a": np.arange(20.0), "sex": ["m", "f"] * 10})
    message = "extrapolation=.*IsolationForest.*sex.*not numeric.*(?:encoder|envelope)"
    with pytest.raises(ValueError, match=message):
        fme(lambda X: X["a"], X, {"a": 1}, extrapolation=IsolationForest())


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a pipeline"])
def test_a_local_outlier_factor_without_novelty_is_an_error_that_says_so(cloud, inside):
    detector = LocalOutlierFactor()
    given = make_pipeline(StandardScaler(), detector) if inside else detector
    with pytest.raises(TypeError, match="novelty=True"):
        fme(first_of, cloud, {0: 0.1}, extrapolation=given)


@pytest.mark.parametrize("given", ["box", "Envelope", 3, StandardScaler()])
def test_what_is_no_detector_is_an_error_that_names_the_parameter(cloud, given):
    with pytest.raises((TypeError, ValueError), match="extrapolation"):
        fme(first_of, cloud, {0: 0.1}, extrapolation=given)


@parametrize_with_checks([Envelope(), Envelope(combinations=True)])
def test_envelope_meets_scikit_learns_conventions(estimator, check):
    check(estimator)


def largest_label(detector, rows):
    return float(np.max(detector.predict(rows)))


@pytest.mark.parametrize(
    "given",
    [
        KMeans(3, random_state=0),
        KMeans(1, random_state=0),
        make_pipeline(StandardScaler(), KMeans(2, random_state=0)),
        MeanShift(),
        GaussianMixture(2, random_state=0),
        BayesianGaussianMixture(n_components=1),
        FrozenEstimator(KMeans(2, random_state=0).fit(np.eye(2))),
        FrozenEstimator(LinearRegression().fit(np.eye(2), [0.3, 2.0])),
        FrozenEstimator(LogisticRegression().fit(np.eye(2), ["in", "out"])),
        FrozenEstimator(LogisticRegression().fit(np.eye(2), [False, True])),
    ],
    ids=lambda given: str(given)[:40],
)
def test_what_labels_rows_otherwise_is_no_outlier_detector(given, cloud):
    with pytest.raises(ValueError, match="is no outlier detector: it labels.*1 - 2"):
        fme(first_of, cloud, {0: 50.0}, extrapolation=given)


@pytest.mark.parametrize(
    "given", [LinearRegression(), LogisticRegression(), DBSCAN()], ids=str
)
def test_what_needs_a_target_or_cannot_predict_is_no_outlier_detector(given, cloud):
    with pytest.raises((ValueError, TypeError), match="for an outlier"):
        fme(first_of, cloud, {0: 50.0}, extrapolation=given)


def test_a_search_that_ends_in_a_local_outlier_factor_names_novelty(cloud):
    grid = GridSearchCV(make_pipeline(LocalOutlierFactor()), {}, scoring=largest_label)
    with pytest.raises(TypeError, match="novelty=True"):
        fme(first_of, cloud, {0: 0.1}, extrapolation=grid)


def test_a_search_over_detectors_judges_as_its_best(cloud):
    grid = GridSearchCV(
        OneClassSVM(), {"nu": [0.1, 0.3]}, scoring=lambda d, X: -abs(d.nu - 0.3)
    )
    effect = fme(first_of, cloud, {0: 1.0}, extrapolation=grid)
    outside = OneClassSVM(nu=0.3).fit(cloud).predict(cloud + np.array([1.0, 0])) == -1
    np.testing.assert_array_equal(effect.status == OUT, outside)


class RightOf:
    """A user's own detector, no estimator: outside is above 1; labels as `say` has them."""

    def __init__(self, say):
        self.say = say

    def fit(self, X):
        return self

    def predict(self, X):
        return self.say(np.where(first_of(X) > 1, -1, 1))


@pytest.mark.parametrize(
    "say",
    [
        np.int8,
        list,
        lambda labels: labels.astype(float),
        lambda labels: labels.reshape(-1, 1),
        lambda labels: labels.astype(object),
        pd.Series,
        lambda labels: pd.Series(labels, dtype="Int64"),
        pl.Series,
    ],
    ids=["int8", "list", "float", "column", "object", "Series", "Int64", "polars"],
)
def test_labels_of_1_and_minus_1_count_in_any_form(say):
    X = np.array([[0.0], [0.5], [1.5], [0.1]])
    assert status(X, {0: 0.7}, extrapolation=RightOf(say)) == [IN, OUT, OUT, IN]


def test_labels_under_the_rows_labels_belong_to_their_rows():
    X = pd.DataFrame({"a": [0.0, 0.5, 1.5, 0.1]}, index=list("wxyz"))

    class Reversed(RightOf):
        def predict(self, X):
            return pd.Series(super().predict(X.to_numpy()), index=X.index)[::-1]

    found = status(X, {"a": 0.7}, extrapolation=Reversed(np.asarray))
    assert found == [IN, OUT, OUT, IN]


@pytest.mark.parametrize(
    "say",
    [
        lambda labels: labels > 0,
        lambda labels: (labels > 0).astype(object),
        lambda labels: labels.astype(str),
        lambda labels: labels * 0.5,
        lambda labels: labels[:1],
        lambda labels: np.stack([labels, labels], axis=1),
    ],
    ids=["bool", "True and False", "text", "half", "one for all", "two columns"],
)
def test_labels_of_another_form_are_refused(say):
    X = np.array([[0.0], [0.5], [1.5], [0.1]])
    with pytest.raises(ValueError, match="is no outlier detector"):
        fme(first_of, X, {0: 0.7}, extrapolation=RightOf(say))


@pytest.mark.parametrize("label", [0, np.nan, 2])
def test_labels_are_refused_where_only_stepped_rows_have_them(label):
    X = np.array([[0.0], [0.5], [1.5], [0.1]])
    detector = RightOf(lambda labels: np.where(labels == 1, 1, label))
    inside = RightOf(np.asarray)
    assert status(X[:2], {0: 0.1}, extrapolation=inside) == [IN, IN]
    with pytest.raises(ValueError, match="is no outlier detector"):
        fme(first_of, X[:2], {0: 0.7}, extrapolation=detector)


@pytest.mark.parametrize("n", [1, 3, 1000])
def test_a_detector_that_finds_no_training_row_inside_is_refused(n):
    X = np.linspace(2, 3, n).reshape(-1, 1)
    with pytest.raises(ValueError, match=f"all {n} training rows outside"):
        fme(first_of, X, {0: 0.7}, extrapolation=RightOf(np.asarray))
    one = np.append(X, 0.0).reshape(-1, 1)  # a single one is enough, wherever it is
    effect = fme(first_of, one, {0: 0.7}, extrapolation=RightOf(np.asarray))
    assert effect.status.tolist() == [OUT] * n + [IN]


def test_an_envelope_with_a_predict_of_its_own_judges_by_it():
    class Half(Envelope):
        def predict(self, X):
            return np.where(first_of(X) > 2, -1, super().predict(X))

    X = np.array([[0.0, 0.0], [2.0, 0.0], [5.0, 0.0]])
    assert status(X, {0: 1}, extrapolation=Half()) == [IN, OUT, OUT]
    assert status(X, {0: 1}) == [IN, IN, OUT]


class Distance(BaseEstimator):
    """By PyOD's convention: 1 is an outlier, 0 is none."""

    def fit(self, X, y=None):
        self.centre_ = np.mean(X, axis=0)
        return self

    def predict(self, X):
        return (np.linalg.norm(X - self.centre_, axis=1) > 2.5).astype(int)


def test_pyods_convention_is_refused_and_the_documented_class_translates_it(cloud):
    with pytest.raises(ValueError, match=r"labels rows 0.*PyOD.*1 - 2 \* label"):
        fme(first_of, cloud, {0: 1.0}, extrapolation=Distance())
    guide = Path(skfme.__file__).parents[1] / "docs" / "guide" / "counting.rst"
    examples = DocTestParser().get_examples(guide.read_text("utf-8"))
    (block,) = (e.source for e in examples if e.source.startswith("class FromPyOD"))
    names = {
        "BaseEstimator": BaseEstimator,
        "OutlierMixin": OutlierMixin,
        "clone": clone,
    }
    exec(block, names)
    adapted = names["FromPyOD"](Distance())
    effect = fme(first_of, cloud, {0: 1.0}, extrapolation=adapted)
    far = np.linalg.norm(cloud + [1.0, 0] - cloud.mean(axis=0), axis=1) > 2.5
    assert 0 < far.sum() < len(cloud)
    np.testing.assert_array_equal(effect.status == OUT, far)


@pytest.mark.parametrize(
    "quantiles", [(0.9, 0.1), (0.1,), (0.1, 1.1), (-0.1, 0.5), (0.2, 0.2), (0, np.nan)]
)
def test_quantiles_that_are_no_interval_are_an_error(quantiles):
    with pytest.raises(ValueError, match="quantiles must be two increasing numbers"):
        fme(first_of, BOX, {0: 1}, extrapolation=Envelope(quantiles=quantiles))


def test_all_effects_of_a_call_share_the_count_of_rows_outside_before():
    X = np.array([[-1.0, 15.0], [1.0, 12.0], [2.0, 11.0]])
    effects = fme(first_of, X, [{0: 1}, {1: 1}], background=BOX)
    assert [effect.n_outside_before for effect in effects.values()] == [1, 1]
    assert effects.to_frame()["n_outside_before"].tolist() == [1, 1]


def test_extrapolation_points_are_not_predicted():
    X = np.arange(10.0).reshape(5, 2)
    _, model = recorded(X, {0: 4})
    (table,) = model.tables
    assert table[:, 0].tolist() == [0, 2, 4, 4, 6, 8]


def test_the_ranges_of_fit_stay_when_other_rows_are_explained():
    explainer = FMEExplainer(FrozenEstimator(Recorder()), {0: 1}).fit(BOX)
    assert explainer.explain(np.array([[3.0, 12.0]]))["x0 +1"].n == 1
    effect = explainer.explain(np.array([[3.0, 12.0], [30.0, 12.0]]))["x0 +1"]
    assert effect.status.tolist() == [IN, OUT]


@pytest.fixture
def treated():
    """Treated are 40 to 60 years old, controls 20 to 50: support is common from 40 to 50."""
    rng = np.random.default_rng(0)
    old = pd.DataFrame({"treat": 1, "age": rng.uniform(40, 60, 200)})
    young = pd.DataFrame({"treat": 0, "age": rng.uniform(20, 50, 300)})
    ends = pd.DataFrame({"treat": [1, 1, 0, 0], "age": [40.0, 60, 20, 50]})
    return pd.concat([old, young, ends], ignore_index=True)


GROUPS = {
    "integers": lambda X: (X, 0, 1),
    "booleans": lambda X: (X.astype({"treat": bool}), False, True),
    "text": lambda X: (X.replace({"treat": {0: "no", 1: "yes"}}), "no", "yes"),
}


@pytest.mark.parametrize("make", GROUPS.values(), ids=GROUPS)
@pytest.mark.filterwarnings("ignore:Downcasting")
def test_within_counts_rows_of_common_support_alone(treated, make):
    X, low, high = make(treated)
    common = treated["age"].between(40, 50).to_numpy()
    both = status(
        X, {"treat": Contrast(low, high)}, extrapolation=Envelope(within=True)
    )
    assert (np.array(both) == IN).tolist() == common.tolist()
    assert set(status(X, {"treat": Contrast(low, high)})) == {IN}
    moved = status(X, {"treat": SetTo(high)}, extrapolation=Envelope(within=True))
    controls = (treated["treat"] == 0).to_numpy()
    assert (np.array(moved)[controls] == IN).tolist() == common[controls].tolist()


def test_within_judges_the_stepped_value_of_the_other_columns(treated):
    steps = {"treat": Contrast(0, 1), "age": 5}
    counted = (
        np.array(status(treated, steps, extrapolation=Envelope(within=True))) == IN
    )
    # Before the step among controls, five years on among the treated.
    expected = (treated["age"] <= 50) & (treated["age"] + 5).between(40, 60)
    expected &= treated["age"] >= 20
    assert counted.tolist() == expected.tolist()
    plain = status(treated, {"age": 5}, extrapolation=Envelope(within=True))
    assert plain == status(treated, {"age": 5})


def test_within_takes_quantiles_and_dates_of_each_group(treated):
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(treated["age"], "D")
    X = treated.assign(age=day)
    both = status(X, {"treat": Contrast(0, 1)}, extrapolation=Envelope(within=True))
    assert (np.array(both) == IN).tolist() == treated["age"].between(40, 50).tolist()
    box = Envelope(within=True, quantiles=(0.1, 0.9))
    inside = (
        np.array(status(treated, {"treat": Contrast(0, 1)}, extrapolation=box)) == IN
    )
    low = treated.loc[treated["treat"] == 1, "age"].quantile(0.1)
    high = treated.loc[treated["treat"] == 0, "age"].quantile(0.9)
    assert inside.tolist() == treated["age"].between(low, high).tolist()


def test_combinations_take_two_integers_as_categories(treated):
    X = treated.assign(female=np.where(treated["treat"] == 1, 0, [0, 1] * 252))
    counted = status(
        X, {"treat": Contrast(0, 1)}, extrapolation=Envelope(combinations=True)
    )
    assert (np.array(counted) == IN).tolist() == (X["female"] == 0).tolist()


@pytest.mark.parametrize("option", ["combinations", "within"])
def test_an_option_that_checks_nothing_says_so(option):
    with pytest.warns(UserWarning, match=rf"{option}=True\) checks nothing here"):
        Envelope(**{option: True}).fit(BOX)


class Men(OutlierMixin, BaseEstimator):
    """A detector for which every woman is an outlier."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.where(np.asarray(X["sex"]) == "m", 1, -1)


def test_a_detector_that_leaves_out_whole_groups_is_told():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=90), "sex": rng.choice(["f", "m"], 90)})
    women = int((X["sex"] == "f").sum())
    with pytest.warns(UserWarning, match=rf"outside of sex = f \({women} rows\)"):
        status(X, {"a": 0.1}, extrapolation=Men())


def test_a_category_that_a_glance_at_the_rows_misses_hides_no_lost_group():
    sex = np.tile(["f", "m"], 2050)
    sex[1] = "x"  # only some of so many rows are looked at first
    X = pd.DataFrame({"a": np.linspace(0, 1, len(sex)), "sex": sex})
    with pytest.warns(UserWarning, match=r"outside of sex = f \(2,050 rows\): steps"):
        status(X, {"a": 0.1}, extrapolation=Men())


@pytest.mark.parametrize(
    "given",
    [5, IsolationForest, np.ones(3), first_of],
    ids=lambda given: str(given)[:9],
)
def test_what_is_no_detector_is_refused(given):
    message = r"must be None, 'envelope', an Envelope or an outlier detector with fit"
    with pytest.raises(TypeError, match=message):
        fme(first_of, BOX, {0: 0.1}, extrapolation=given)


def test_a_column_without_values_bounds_nothing_and_hides_no_other():
    X = pd.DataFrame({"none": [np.nan] * 3, "a": [0.0, 1.0, 2.0]})
    assert get_tags(Envelope()).input_tags.allow_nan
    found = Envelope().fit(X).predict(pd.DataFrame({"none": [9.0, 9], "a": [1.0, 3]}))
    assert found.tolist() == [1, -1]


def test_a_group_with_one_row_inside_is_not_lost():
    sex = np.tile(["f", "m"], 2050)
    X = pd.DataFrame({"a": np.linspace(0, 1, len(sex)), "sex": sex})
    X.loc[1, "sex"] = "f"  # which a glance at every other row misses

    class MenAndOne(Men):
        def predict(self, X):
            men = super().predict(X)
            return np.where(np.asarray(X["a"]) == 1 / (len(sex) - 1), 1, men)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert IN in status(X, {"a": 0.0}, extrapolation=MenAndOne())


@pytest.mark.parametrize(("n", "more"), [(3, r"2, 3, 4\."), (4, "2, 3, 4, …")])
def test_of_the_labels_of_a_clustering_three_are_named(n, more):
    class Clusters(Men):
        def predict(self, X):
            return 2 + np.arange(len(X)) % n

    with pytest.raises(ValueError, match=f"it labels rows {more}"):
        fme(first_of, np.zeros((8, 1)), {0: 0.1}, extrapolation=Clusters())


def test_a_detector_that_cannot_judge_says_so():
    class Fails(Men):
        def predict(self, X):
            raise ValueError("two columns are needed")

    with pytest.raises(ValueError, match="could not judge the rows: two columns"):
        fme(first_of, BOX, {0: 0.1}, extrapolation=Fails())
