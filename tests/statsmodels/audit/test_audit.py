"""response_audit: simulated truth, questions that other questions miss, bad input."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures

from skfme import fme, write_report
from skfme.statsmodels import response_audit

FEATURES = ["x1", "x2", "x3", "x4"]


def drawn(rng, n, joint=False):
    """X1 shifts with z, X2 scales with it, and X3 and X4 depend on each other by it."""
    z, e = rng.integers(2, size=n), rng.normal(size=(n, 5))
    x4 = np.where(z == 1, 0.6, -0.6) * e[:, 2] + 0.8 * e[:, 3]
    columns = {"z": z, "x1": z + e[:, 0], "x2": (1 + z) * e[:, 1]}
    X = pd.DataFrame(columns | {"x3": e[:, 2], "x4": x4})
    y = X["x1"] + X["x2"] + 0.5 * z + e[:, 4] + joint * X["x3"] * X["x4"]
    return X, y


def line(audit, question, quantity):
    frame = audit.to_frame()
    chosen = (frame["question"] == question) & (frame["quantity"] == quantity)
    (row,) = frame[chosen].to_dict("records")
    return row


class GroupMeansOut:
    """Features without their group means, which training rows have."""

    def __init__(self, X):
        self.means = X.groupby("z")[FEATURES].mean()

    def __call__(self, X):
        return X[FEATURES] - self.means.loc[X["z"]].to_numpy()


class Quantiles:
    """Each feature at its quantile within its group, of the groups' mean law."""

    def __init__(self, X):
        self.columns = {
            (z, name): np.sort(X.loc[X["z"] == z, name])
            for z in (0, 1)
            for name in FEATURES
        }
        self.shares = X["z"].value_counts(normalize=True)

    def __call__(self, X):
        made = X[FEATURES].astype(float).copy()
        for (z, name), learned in self.columns.items():
            rows = X["z"] == z
            place = (np.arange(len(learned)) + 0.5) / len(learned)
            rank = np.interp(X.loc[rows, name], learned, place)
            made.loc[rows, name] = sum(
                self.shares[other] * np.quantile(self.columns[other, name], rank)
                for other in (0, 1)
            )
        return made


@pytest.fixture(scope="module")
def linear():
    rng = np.random.default_rng(31)
    (X, y), (test, test_y) = drawn(rng, 4000), drawn(rng, 4000)
    before = LinearRegression().fit(X, y)
    return X, y, test, test_y, before


@pytest.fixture(scope="module")
def without_z(linear):
    X, y, test, test_y, before = linear
    after = LinearRegression().fit(X[FEATURES], y)
    audit = response_audit(
        before, after, test, "z", bound=0.1, y=test_y, random_state=0
    )
    return audit, after


def test_a_model_without_the_feature_responds_through_others(without_z):
    audit, _ = without_z
    assert audit.passed == {
        "direct": True,
        "rows": True,
        "pockets": True,
        "proxy": False,
        "leakage": False,
    }
    assert line(audit, "direct", "ame")["before"] == pytest.approx(0.5, abs=0.15)
    assert line(audit, "direct", "ame")["after"] == 0
    # X1's coefficient is 1 + 0.125/1.25, so that groups lie 1.1 apart; 1.5 before.
    difference = line(audit, "leakage", "mean_difference")
    assert difference["after"] == pytest.approx(1.1, abs=0.25)
    assert difference["before"] == pytest.approx(1.5, abs=0.25)
    assert "so that this is 0 by itself" in " ".join(str(audit).split())


def test_the_mean_proxy_response_is_the_difference_of_means_whatever_the_map(
    linear, without_z
):
    audit, after = without_z
    X, z = linear[2], linear[2]["z"]
    f = after.predict(X[FEATURES])
    difference = f[z == 1].mean() - f[z == 0].mean()
    for quantity in ("mean", "mean_per_feature"):
        assert line(audit, "proxy", quantity)["after"] == pytest.approx(
            difference, abs=0.02
        )


def test_utility_is_the_paired_difference_of_losses(linear, without_z):
    audit, after = without_z
    X, y, before = linear[2], linear[3], linear[4]
    losses = [(y - before.predict(X)) ** 2, (y - after.predict(X[FEATURES])) ** 2]
    change = line(audit, "utility", "change_of_loss")
    assert change["after"] == pytest.approx(losses[1].mean() - losses[0].mean())
    half = (losses[1] - losses[0]).std() / np.sqrt(len(y)) * 1.96
    assert change["conf_high"] - change["after"] == pytest.approx(half, rel=0.01)
    assert line(audit, "utility", "r2")["before"] == pytest.approx(before.score(X, y))


def test_residuals_leave_a_leak_that_mean_and_auc_do_not_see(linear):
    X, y, test, _, before = linear
    transform = GroupMeansOut(X)
    after = LinearRegression().fit(transform(X), y)
    audit = response_audit(
        before, after, test, "z", bound=0.1, transform=transform, random_state=0
    )
    assert not audit.passed["leakage"]
    assert abs(line(audit, "leakage", "auc")["after"] - 0.5) < 0.03
    assert line(audit, "leakage", "w1")["after"] == pytest.approx(0.356, abs=0.05)
    assert line(audit, "leakage", "cross_fitted_auc")["after"] > 0.58
    # X2 keeps its scale: E|e2| through the map, 0 with transformed features held.
    size = line(audit, "proxy", "mean_abs")["after"]
    assert size == pytest.approx(np.sqrt(2 / np.pi), abs=0.06)
    assert line(audit, "direct", "ame")["after"] == 0
    means = transform.means
    shift = (means.loc[0] - means.loc[1]) @ after.coef_
    again = line(audit, "direct, transformed anew", "ame")["after"]
    assert again == pytest.approx(shift)


def test_aligned_margins_remove_the_leak_of_independent_features(linear):
    X, y, test, _, before = linear
    transform = Quantiles(X)
    after = LinearRegression().fit(transform(X), y)
    audit = response_audit(
        before, after, test, "z", bound=0.1, transform=transform, random_state=0
    )
    assert audit.passed["leakage"]
    assert audit.passed["proxy"] is not False
    assert line(audit, "proxy", "mean_abs")["p_value"] > 0.05
    assert line(audit, "leakage", "w1")["after"] < 0.1


def test_aligned_margins_leave_a_leak_through_dependence_that_their_map_cannot_see():
    rng = np.random.default_rng(32)
    (X, y), (test, _) = drawn(rng, 3000, joint=True), drawn(rng, 3000, joint=True)
    squares = make_pipeline(PolynomialFeatures(2), LinearRegression())
    before = squares.fit(X, y)
    transform = Quantiles(X)
    squares = make_pipeline(PolynomialFeatures(2), LinearRegression())
    after = squares.fit(transform(X), y)
    audit = response_audit(
        before, after, test, "z", bound=0.2, transform=transform, random_state=0
    )
    assert line(audit, "proxy", "mean_abs_per_feature")["after"] < 0.2
    # 1.2 · (1 + 0.45 / 1.72)
    assert line(audit, "proxy", "mean")["after"] == pytest.approx(1.514, abs=0.3)
    assert not audit.passed["proxy"]
    assert not audit.passed["leakage"]


def test_a_pocket_that_the_average_hides_is_found_with_its_interval():
    rng = np.random.default_rng(5)
    n = 1000
    X = pd.DataFrame({"z": rng.integers(2, size=n), "a": rng.uniform(size=n)})
    noise = rng.normal(0, 0.02, size=n)

    def after(X):
        size = np.where(X["a"] < 0.079, 0.3, noise[(X["a"] * n).astype(int) % n])
        return X["z"] * size

    audit = response_audit(lambda X: X["z"], after, X, "z", bound=0.05, random_state=0)
    assert audit.passed["direct"]
    assert not audit.passed["rows"]
    assert not audit.passed["pockets"]
    (pocket,) = audit.pockets[audit.pockets["beyond"]].to_dict("records")
    assert pocket["conf_low"] > 0.05
    assert pocket["rule"].startswith("a <= 0.0")
    effects = after(X.assign(z=1)) - after(X.assign(z=0))
    share = line(audit, "direct", "share_within")
    assert share["after"] == np.mean(np.abs(effects) <= 0.05)
    assert line(audit, "direct", "ame")["after"] == pytest.approx(effects.mean())


def test_several_groups_are_compared_with_the_first():
    rng = np.random.default_rng(6)
    X = pd.DataFrame({"g": rng.choice(["a", "b", "c"], 300), "x": rng.normal(size=300)})

    def model(X):
        return X["x"] + X["g"].map({"a": 0.0, "b": 0.0, "c": 2.0})

    audit = response_audit(model, model, X, "g", bound=0.3, random_state=0)
    assert audit.contrasts == ("g a -> b", "g a -> c")
    ame = audit.to_frame().query("question == 'direct' and quantity == 'ame'")
    np.testing.assert_allclose(ame["after"], [0, 2])
    assert not audit.passed["direct"]


def test_classifiers_are_audited_on_their_probability_and_labels_may_lie_beside():
    rng = np.random.default_rng(7)
    z = rng.integers(2, size=500)
    X = pd.DataFrame({"a": rng.normal(size=500), "b": z + rng.normal(size=500)})
    target = np.where(X["a"] + X["b"] > 0.5, "yes", "no")
    before = LogisticRegression().fit(X, target)
    after = LogisticRegression().fit(X[["a"]], target)
    audit = response_audit(
        before,
        after,
        X,
        pd.Series(z, name="sex"),
        bound=0.05,
        y=target,
        random_state=0,
    )
    assert audit.sensitive == "sex"
    assert all(audit.passed.values())
    p = after.predict_proba(X[["a"]])[:, 1]
    brier = np.mean(((target == "yes") - p) ** 2)
    assert line(audit, "utility", "mean_loss")["after"] == pytest.approx(brier)


def test_clusters_widen_intervals_and_arrays_are_taken():
    rng = np.random.default_rng(8)
    person = np.repeat(np.arange(30), 10)
    z = rng.integers(2, size=300)
    effect = np.repeat(rng.normal(0, 0.2, 30), 10)
    X = np.column_stack([z, effect])

    def model(X):
        return X[:, 0] * X[:, 1]

    options = {"bound": 0.05, "random_state": 0}
    by_row = response_audit(model, model, X, 0, **options)
    by_person = response_audit(model, model, X, 0, clusters=person, **options)

    def width(audit):
        row = line(audit, "direct", "ame")
        return row["conf_high"] - row["conf_low"]

    assert width(by_person) > 2.5 * width(by_row)
    share = [line(a, "direct", "share_within")["conf_low"] for a in (by_row, by_person)]
    assert share[1] < share[0]


def test_the_report_has_a_section_and_the_picture_its_curves(
    without_z, linear, tmp_path
):
    audit, after = without_z
    display = audit.plot()
    assert display.axes_.shape == (2, 2)
    assert display.axes_[0, 1].get_xlabel() == "Prediction after"
    effect = fme(after, linear[2][FEATURES], {"x1": 1})
    page = write_report(effect, tmp_path / "page.html", audit=audit).read_text("utf-8")
    assert "Does the model still respond to z?" in page
    assert "leakage: FAILED" in page


def test_results_are_the_same_for_the_same_seed(linear):
    _, _, test, _, before = linear
    audits = [
        response_audit(before, before, test.head(300), "z", bound=0.1, random_state=3)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(audits[0].to_frame(), audits[1].to_frame())


def test_whole_weights_are_repeated_rows():
    rng = np.random.default_rng(12)
    X, y = drawn(rng, 300)
    weight = rng.integers(0, 4, 300)
    before = LinearRegression().fit(X, y + X["z"] * X["x3"])

    def after(X):
        return X["x1"] + 0.1 * X["z"] * X["x3"]

    options = {"bound": 0.1, "random_state": 0}
    weighted = response_audit(
        before, after, X, "z", y=y, sample_weight=weight, **options
    )
    times = np.repeat(np.arange(300), weight)
    repeated = response_audit(before, after, X.loc[times], "z", y=y[times], **options)
    frames = [
        audit.to_frame().set_index(["question", "quantity"])[["before", "after"]]
        for audit in (weighted, repeated)
    ]
    kept = ["direct", "leakage", "utility"]
    frames = [frame.loc[kept].drop(index=("direct", "largest_row")) for frame in frames]
    frames = [frame.drop(index=("leakage", "cross_fitted_auc")) for frame in frames]
    # The SD that W1 is in units of counts rows, not their copies.
    ratio = np.sqrt(
        (weight.sum() - 1)
        / weight.sum()
        * (weight > 0).sum()
        / ((weight > 0).sum() - 1)
    )
    frames[1].loc[("leakage", "w1")] /= ratio
    pd.testing.assert_frame_equal(*frames, rtol=1e-9)
    (moved,) = weighted.responses["proxy"].values()
    np.testing.assert_array_equal(np.isnan(moved[1]), weight == 0)


def test_the_scale_of_weights_does_not_matter_and_the_picture_takes_them():
    X, y = drawn(np.random.default_rng(13), 300)
    weight = np.random.default_rng(14).uniform(0.5, 3, 300)
    model = LinearRegression().fit(X, y + X["z"] * X["x3"])
    audits = [
        response_audit(model, model, X, "z", bound=0.1, sample_weight=w, random_state=0)
        for w in (weight, 7 * weight, None)
    ]
    frames = [audit.to_frame() for audit in audits]
    pd.testing.assert_frame_equal(*frames[:2], rtol=1e-9)
    pd.testing.assert_frame_equal(audits[0].pockets, audits[1].pockets, rtol=1e-9)
    assert not np.allclose(frames[0]["after"], frames[2]["after"], rtol=1e-3)
    effect = model.predict(X.assign(z=1)) - model.predict(X.assign(z=0))
    ame = line(audits[0], "direct", "ame")
    assert ame["after"] == pytest.approx(np.average(effect, weights=weight))
    # The median that the picture shows is the weighted one.
    curve = audits[0].plot().axes_[0, 1].lines[1].get_data()
    f, w = audits[0].predictions[1][X["z"] == 1], weight[X["z"] == 1]
    order = np.argsort(f)
    median = f[order][np.searchsorted(np.cumsum(w[order]) / w.sum(), 0.5)]
    assert curve[0][np.searchsorted(curve[1], 0.5)] == pytest.approx(median, abs=0.2)


BAD = {
    "one value": ({"sensitive": "one"}, "has one value"),
    "many values": ({"sensitive": "x"}, "compares up to 12 groups"),
    "few rows": ({"sensitive": "rare"}, "10 at least are needed in each group"),
    "missing": ({"sensitive": "gaps"}, "is missing in 1 rows"),
    "two columns": ({"sensitive": ["z", "x"]}, "has 2 columns"),
    "bound": ({"bound": 0}, "bound must be a positive number"),
    "leak bound": ({"leak_bound": 0}, "leak_bound must be positive"),
    "share": ({"least_share": 1.5}, "least_share must lie between 0 and 1"),
    "resamples": ({"n_resamples": 10}, "at least 19"),
    "resamples of a level": ({"n_resamples": 98, "alpha": 0.01}, "at least 99"),
    "no count": ({"n_resamples": "many"}, "whole number of at least 19, .* got 'many'"),
    "cluster": ({"clusters": "one"}, "all rows in one cluster"),
    "y": ({"y": [1, 2]}, "y has shape"),
    "transform": ({"transform": lambda X: X.head(3)}, "transform made 3 rows"),
    "no number": ({"bound": "x"}, "bound must be a number, got 'x'"),
    "missing y": ({"y": np.r_[np.nan, np.zeros(59)]}, "missing or infinite in 1 rows"),
    "weights": ({"sample_weight": np.zeros(60)}, "zero in every row"),
    "rows of weight": (
        {
            "sample_weight": np.arange(60) % 2 * (np.arange(60) < 5)
            + 1
            - np.arange(60) % 2
        },
        "z=1 has 2 rows; 10 at least",
    ),
    "strata of one group": ({"strata": "z"}, "rows of one group of 'z' alone"),
    "y in words": ({"y": np.repeat("a", 60)}, "y must be numbers, .* got 'a'"),
    "loss": ({"y": np.zeros(60), "loss": lambda y, f: 0.0}, "the loss of each row"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_with_its_reason(case):
    z = np.arange(60) % 2
    X = pd.DataFrame({"z": z, "x": np.arange(60.0), "one": 1, "rare": z})
    X["rare"] = np.where(np.arange(60) < 3, 1, 0)
    X["gaps"] = z.astype(float)
    X.loc[4, "gaps"] = np.nan
    options, message = BAD[case]
    options = {"sensitive": "z", "bound": 0.1, **options}

    def model(X):
        return X["x"]

    with pytest.raises(ValueError, match=message):
        response_audit(model, model, X, options.pop("sensitive"), **options)


def test_rows_that_all_respond_alike_are_no_pocket_that_passes():
    X = pd.DataFrame({"z": np.arange(60) % 2, "a": np.arange(60.0)})
    options = {"bound": 0.2, "n_resamples": 19, "random_state": 0}
    audit = response_audit(lambda X: X["z"], lambda X: 0.5 * X["z"], X, "z", **options)
    assert audit.passed["pockets"] is False
    assert "together they respond by 0.5000, beyond ± 0.2" in " ".join(
        str(audit).split()
    )
    assert line(audit, "direct", "share_within")["conf_low"] == 0
    small = response_audit(lambda X: X["z"], lambda X: 0.1 * X["z"], X, "z", **options)
    assert small.passed["pockets"]


def test_what_is_no_model_is_refused():
    X = pd.DataFrame({"z": np.arange(60) % 2})
    with pytest.raises(TypeError, match="transform must be a function of a table"):
        response_audit(len, len, X, "z", bound=0.1, transform="scaler")
    with pytest.raises(TypeError, match="fitted models or functions of a table"):
        response_audit(3, 3, X, "z", bound=0.1)


KINDS = {
    "text": lambda z: np.where(z == 1, "m", "f"),
    "bool": lambda z: z == 1,
    "category": lambda z: pd.Categorical(np.where(z == 1, "m", "f"), ["m", "f"]),
    "float": lambda z: z.astype(float),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_direct_response_is_that_of_the_models_own_column(kind):
    rng = np.random.default_rng(9)
    z = rng.integers(2, size=200)
    X = pd.DataFrame({"z": KINDS[kind](z), "a": z + rng.normal(size=200)})
    columns = make_column_transformer(
        (OneHotEncoder(drop="first"), ["z"]), remainder="passthrough"
    )
    before = make_pipeline(columns, LinearRegression()).fit(X, 2.0 * z + X["a"])
    after = LinearRegression().fit(X[["a"]], 2.0 * z + X["a"])
    audit = response_audit(before, after, X, "z", bound=0.1, random_state=0)
    sign = -1 if kind == "category" else 1  # its own order comes first
    assert line(audit, "direct", "ame")["before"] == pytest.approx(2 * sign)
    assert line(audit, "direct", "ame")["after"] == 0


def test_rows_with_missing_numbers_are_moved_by_no_map():
    rng = np.random.default_rng(10)
    z = rng.integers(2, size=200)
    X = pd.DataFrame({"z": z, "a": z + rng.normal(size=200)})
    X.loc[:9, "a"] = np.nan

    def model(X):
        return X["a"].fillna(0.0)

    audit = response_audit(model, model, X, "z", bound=0.1, random_state=0)
    (moved,) = audit.responses["proxy"].values()
    assert np.isnan(moved[1]).tolist() == [True] * 10 + [False] * 190
    assert np.isfinite(line(audit, "proxy", "mean_abs")["after"])


def test_a_class_is_the_same_whatever_type_its_label_has():
    rng = np.random.default_rng(12)
    X = pd.DataFrame({"z": rng.integers(2, size=90), "a": rng.normal(size=90)})
    y = (X["a"] > 0).astype(int)
    model = LogisticRegression().fit(X, y)
    options = {"bound": 0.1, "n_resamples": 19, "random_state": 0}
    losses = [
        line(
            response_audit(model, model, X, "z", y=of, **options),
            "utility",
            "mean_loss",
        )
        for of in (y, y.astype(float), y.astype(bool))
    ]
    by_hand = np.mean((model.predict_proba(X)[:, 1] - y) ** 2)
    assert [loss["after"] for loss in losses] == pytest.approx([by_hand] * 3)
    with pytest.raises(ValueError, match="y has 2, which is no class of the model"):
        response_audit(model, model, X, "z", y=y + 1, **options)


def test_several_outputs_leave_a_choice_and_take_it():
    rng = np.random.default_rng(11)
    X = pd.DataFrame({"z": rng.integers(2, size=90), "a": rng.normal(size=90)})
    model = LogisticRegression().fit(X, np.digitize(X["a"], [-0.5, 0.5]))
    with pytest.raises(ValueError, match="output"):
        response_audit(model, model, X, "z", bound=0.1)
    audit = response_audit(model, model, X, "z", bound=0.1, output="2", random_state=0)
    f = audit.predictions[1]
    np.testing.assert_allclose(f, model.predict_proba(X)[:, 2])
