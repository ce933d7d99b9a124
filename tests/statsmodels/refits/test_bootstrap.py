"""Effects over refits."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy.stats import norm
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from skfme import FMEExplainer, SetTo, StdDev, came
from skfme.statsmodels import BootstrapResults, EffectTree, bootstrap_effects
from skfme.statsmodels._refits.confidence import BootstrapDistribution
from tests.statsmodels.refits.learners import FailsAbove, MeanSlope, Parabola, Remembers

N = 60


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=N), np.arange(N)])
    return X, rng.exponential(size=N)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def explainer_of(learner, steps=None, **options):
    options.setdefault("extrapolation", None)
    return FMEExplainer(learner, {0: 1} if steps is None else steps, **options)


def test_standard_error_of_a_mean_is_s_over_root_n(data):
    X, y = data
    results = bootstrap_effects(
        explainer_of(MeanSlope()), X, y, n_resamples=800, random_state=0
    )
    assert results.params.iloc[0] == pytest.approx(y.mean())
    # an SD of B normal replicates is known to 1/√(2B) of itself
    assert results.bse.iloc[0] == pytest.approx(np.std(y) / np.sqrt(N), rel=0.08)
    assert abs(results.bias.iloc[0]) < 3 * results.bse.iloc[0] / np.sqrt(800)


def test_rows_are_averaged_over_as_they_are_or_as_they_are_drawn(data):
    X, y = data
    explainer = explainer_of(Parabola())
    fixed, drawn = (
        bootstrap_effects(
            explainer, X, y, n_resamples=600, random_state=0, covers=covers
        )
        for covers in ("refit", "sample + refit")
    )
    effects = 2 * X[:, 0] + 1
    assert fixed.params.iloc[0] == pytest.approx(effects.mean())
    assert fixed.bse.iloc[0] == 0
    assert (fixed.covers, drawn.covers) == ("refit", "sample + refit")
    expected = np.std(effects) / np.sqrt(N)
    assert drawn.bse.iloc[0] == pytest.approx(expected, rel=0.09)


def test_bca_takes_the_acceleration_of_leaving_out_each_row(data):
    X, y = data
    results = bootstrap_effects(
        explainer_of(MeanSlope()), X, y, n_resamples=199, method="bca", random_state=1
    )
    left_out = (y.sum() - y) / (N - 1)
    np.testing.assert_allclose(np.sort(results.jackknife[:, 0]), np.sort(left_out))
    bare = results.conf_int(method="percentile")
    assert (results.conf_int()[1] > bare[1]).all()  # of a skewed sample


def test_groups_are_left_out_whole_by_the_jackknife(data):
    X, y = data
    groups = np.arange(N) // 4
    results = bootstrap_effects(
        explainer_of(MeanSlope()),
        X,
        y,
        groups=groups,
        n_resamples=199,
        method="bca",
        random_state=1,
    )
    expected = [y[groups != g].mean() for g in range(15)]
    np.testing.assert_allclose(np.sort(results.jackknife[:, 0]), np.sort(expected))
    means = pd.Series(y).groupby(groups).mean()
    assert results.bse.iloc[0] == pytest.approx(np.std(means) / np.sqrt(15), rel=0.25)


def test_a_seed_gives_the_same_replicates_whatever_the_number_of_jobs(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(
        make_pipeline(StandardScaler(), RandomForestRegressor(3)),
        steps=[{"bmi": -2}, {"sex": SetTo(2)}],
    )
    one, two, other = (
        bootstrap_effects(
            explainer,
            X,
            y,
            n_resamples=6,
            method="normal",
            n_jobs=n_jobs,
            random_state=r,
        )
        for n_jobs, r in ((1, 0), (2, 0), (1, 1))
    )
    np.testing.assert_array_equal(one.replicates, two.replicates)
    np.testing.assert_array_equal(one.params, two.params)
    assert (one.replicates != other.replicates).any()
    assert (
        explainer.get_params()["estimator__randomforestregressor__random_state"] is None
    )


def test_each_refit_seeds_what_has_no_seed_and_keeps_what_has_one(data):
    X, _ = data

    def spread(random_state):
        learner = RandomForestRegressor(2, random_state=random_state)
        return bootstrap_effects(
            explainer_of(learner),
            X,
            np.zeros(N) + (X[:, 0] > 0),
            n_resamples=9,
            method="normal",
            random_state=3,
        ).replicates

    free, fixed = spread(None), spread(11)
    assert (free != fixed).any()
    np.testing.assert_array_equal(fixed, spread(11))


def test_groups_are_drawn_whole_into_every_fit(data):
    X, y = data
    groups = np.arange(N) // 5
    Remembers.fitted.clear()
    bootstrap_effects(
        explainer_of(Remembers()),
        X,
        y,
        groups=groups,
        n_resamples=20,
        method="normal",
        random_state=0,
    )
    fits = Remembers.fitted[1:]
    assert len(fits) == 20
    for rows, target, _ in fits:
        ids = rows[:, 1].astype(int)
        times = np.bincount(ids, minlength=N).reshape(-1, 5)
        assert (times == times[:, :1]).all()
        assert times[:, 0].sum() == 12
        np.testing.assert_array_equal(target, y[ids])


def test_failures_are_counted_and_named(data):
    X, y = data
    limit = y.mean() + 1.6 * np.std(y) / np.sqrt(N)
    with pytest.warns(UserWarning, match=r"\d+ of 300 refits failed") as caught:
        results = bootstrap_effects(
            explainer_of(FailsAbove(limit)), X, y, n_resamples=300, random_state=0
        )
    assert "FloatingPointError: the mean of y exceeds" in str(caught[-1].message)
    assert 4 < results.n_failed < 30
    assert len(results.replicates) == 300 - results.n_failed
    assert results.replicates.max() <= limit
    assert f"{results.n_failed} refits failed" in results.summary()


def test_many_failures_are_an_error(data):
    X, y = data
    with pytest.raises(
        RuntimeError, match=r"more than a tenth of 200.*FloatingPointErr"
    ):
        bootstrap_effects(
            explainer_of(FailsAbove(y.mean() + 1e-9)), X, y, n_resamples=200
        )


def test_a_resample_without_a_class_is_a_failure_that_stratify_cures():
    X, y = load_iris(return_X_y=True)
    rows = [*range(50), *range(50, 53), *range(100, 150)]
    X, y = X[rows], np.array(list("abc"))[y[rows]]
    explainer = FMEExplainer(DecisionTreeClassifier(max_depth=2), steps={2: -1})
    options = {"n_resamples": 60, "method": "normal", "random_state": 0}
    with pytest.warns(UserWarning, match="hold no y of class b; draw within classes"):
        lossy = bootstrap_effects(explainer, X, y, **options)
    assert lossy.n_failed > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = bootstrap_effects(explainer, X, y, stratify=y, **options)
    assert whole.n_failed == 0
    assert whole.labels["output"].tolist() == ["a", "b", "c"]
    np.testing.assert_allclose(whole.replicates.sum(axis=1), 0, atol=1e-12)


def test_step_sizes_and_rows_that_count_are_those_of_all_rows(data):
    X, _ = data
    # a slope of 1 in any resample, so that only the step could vary
    explainer = FMEExplainer(MeanSlope(), {0: StdDev(2)}, extrapolation="envelope")
    results = bootstrap_effects(
        explainer, X, np.ones(N), n_resamples=30, method="normal", random_state=0
    )
    counted = explainer.fit(X, np.ones(N)).explain(X)["x0 +2sd"]
    assert results.bse.iloc[0] == pytest.approx(0, abs=1e-14)
    assert results.params.iloc[0] == pytest.approx(2 * np.std(X[:, 0], ddof=1))
    assert results.nobs.tolist() == [counted.n]
    assert counted.n < N


def test_groups_are_in_the_order_of_categories_and_later_minus_earlier(diabetes):
    X, y = diabetes
    age = pd.cut(X["age"], [0, 40, 60, 99], labels=["young", "middle", "old"])
    explainer = FMEExplainer(RandomForestRegressor(3), {"bmi": -2})
    results = bootstrap_effects(
        explainer, X, y, by=age, n_resamples=3, method="normal", random_state=0
    )
    assert results.labels["age"].tolist() == ["young", "middle", "old"]
    young, middle, _ = results.params
    pairs = results.pairwise()
    assert pairs.names[0] == "bmi -2 | age=middle - young"
    assert pairs.params.iloc[0] == pytest.approx(middle - young)


@pytest.mark.parametrize("method", ["percentile", "basic", "bca", "normal"])
def test_the_smallest_p_value_of_resamples_is_printed_as_a_bound(method):
    rng = np.random.default_rng(0)
    replicates = rng.normal([6.0, 0.1], 1.0, size=(199, 2))
    assert replicates[:, 0].min() > 0
    results = BootstrapResults(
        BootstrapDistribution(
            np.array([6.0, 0.1]), replicates, rng.normal(size=(9, 2)), method
        ),
        labels=pd.DataFrame({"effect": ["far", "near"]}),
        covers="refit",
    )
    far, near = results.summary().splitlines()[3:5]
    assert ("P>|z|" in results.summary()) == (method == "normal")
    heads = results.summary().splitlines()[2].split()
    assert ("z" in heads) == (method == "normal")
    assert "<th>z</th>" not in results._repr_html_() or method == "normal"
    assert "statistic" in results.to_frame()
    bounded = method != "normal"  # which reads no tail of the replicates
    assert ("<" in far, "<" in near) == (bounded, False)
    assert ("<" in results.pairwise(over="effect").summary()) == bounded
    if method in ("percentile", "basic"):
        assert results.pvalues["far"] == pytest.approx(1 / 200)
        assert " <0.0050" in far
        tests = str(results.equivalence_test([0, -0.1], [99, 0.1])).splitlines()
        (far,) = (line for line in tests if line.startswith("far"))
        (near,) = (line for line in tests if line.startswith("near"))
        assert ("<0.0025" in far, "<" in near) == (True, False)


@pytest.mark.parametrize("method", ["percentile", "basic", "bca", "normal"])
def test_a_linear_model_has_no_difference_between_groups(method):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    y, by = X @ [1.0, 2] + rng.normal(size=60), rng.integers(0, 2, 60)
    explainer = FMEExplainer(LinearRegression(), {0: 0.7}, extrapolation=None)
    results = bootstrap_effects(
        explainer, X, y, by=by, n_resamples=199, method=method, random_state=0
    )
    pairs = results.pairwise()
    assert pairs.to_frame()[
        ["estimate", "std_error", "p_value"]
    ].to_numpy().tolist() == [[0, 0, 1]]
    assert pairs.conf_int().to_numpy().tolist() == [[0, 0]]


def test_differences_have_the_distribution_of_the_differences():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    explainer = FMEExplainer(Ridge(), steps=[{2: -2}, {3: -10}])
    results = bootstrap_effects(explainer, X, y, n_resamples=199, random_state=0)
    difference = results.replicates[:, 1] - results.replicates[:, 0]
    pairs = results.pairwise(over="effect")
    assert isinstance(pairs, BootstrapResults)
    assert pairs.bse.iloc[0] == pytest.approx(difference.std(ddof=1))
    ends = np.quantile(difference, [0.025, 0.975], method="weibull")
    np.testing.assert_allclose(pairs.conf_int().iloc[0], ends)
    test = results.t_test("x3 -10 = x2 -2")
    np.testing.assert_allclose(test.conf_int()[0], ends)
    assert test.pvalue == pytest.approx(pairs.pvalues.iloc[0])
    assert test.summary_frame().shape == (1, 6)
    share = np.mean(difference < 0)
    expected = 2 * (min(share, 1 - share) * 199 + 0.5) / 200
    assert test.pvalue == pytest.approx(expected)
    covariance = np.cov(results.replicates, rowvar=False)
    np.testing.assert_allclose(results.cov_params(), covariance)


def test_normal_intervals_and_equivalence_are_the_protocols_own():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    explainer = FMEExplainer(Ridge(), steps=[{2: -2}, {3: -10}])
    results = bootstrap_effects(
        explainer, X, y, n_resamples=99, method="normal", random_state=0
    )
    half = 1.959963984540054 * results.bse
    np.testing.assert_allclose(results.conf_int()[0], results.params - half)
    tests = results.equivalence_test(-15, 15)
    np.testing.assert_allclose(
        tests.pvalues, np.maximum(*(np.vstack([tests.pvalue_low, tests.pvalue_high])))
    )
    z = (results.params + 15) / results.bse
    np.testing.assert_allclose(tests.pvalue_low, norm.sf(z), rtol=1e-9)
    percentile = results.conf_int(0.05, method="percentile")
    assert (percentile[0] < results.params).all()
    wider = results.conf_int(simultaneous=True)
    assert (wider[0] < results.conf_int()[0]).all()


def test_equivalence_is_read_from_the_replicates(data):
    X, y = data
    results = bootstrap_effects(
        explainer_of(MeanSlope()), X, y, n_resamples=199, random_state=2
    )
    bound = float(np.quantile(results.replicates, 0.92))
    tests = results.equivalence_test(-10, bound, alpha=0.1)
    above = np.mean(results.replicates >= bound)
    assert tests.pvalue_high.iloc[0] == pytest.approx(above, abs=1 / 199)
    assert tests.equivalent.all()
    assert not results.equivalence_test(-10, bound, alpha=0.05).equivalent.any()


def test_averages_by_group_and_by_partition_are_those_of_the_effects(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(
        RandomForestRegressor(5, random_state=0), steps={"bmi": -2}
    )
    effect = explainer.fit(X, y).explain(X)["bmi -2"]
    options = {"n_resamples": 5, "method": "normal", "random_state": 0}
    by_sex = bootstrap_effects(explainer, X, y, by="sex", **options)
    expected = effect.average("sex")
    np.testing.assert_allclose(by_sex.params, expected["ame"])
    assert by_sex.nobs.tolist() == expected["n"].tolist()
    assert by_sex.labels["sex"].tolist() == expected["sex"].tolist()
    tree = came(effect, n_partitions=3)
    leaves = bootstrap_effects(explainer, X, y, tree=tree, **options)
    np.testing.assert_allclose(leaves.params, tree.partitions_["ame"])
    assert leaves.labels["rule"].tolist() == tree.partitions_["rule"].tolist()
    assert "The partition is held fixed" in leaves.summary()
    both = bootstrap_effects(
        explainer, X, y, by=["sex"], covers="sample + refit", **options
    )
    assert (both.bse > by_sex.bse / 2).all()


def test_weights_of_averages_equal_repeated_rows_and_fit_params_follow_rows(data):
    X, y = data
    weights = np.arange(N) % 3
    Remembers.fitted.clear()
    results = bootstrap_effects(
        explainer_of(Remembers()),
        X,
        y,
        sample_weight=weights,
        n_resamples=9,
        fit_params={"sample_weight": 1.0 + np.arange(N)},
        method="normal",
        random_state=0,
    )
    for rows, _, given in Remembers.fitted:
        np.testing.assert_array_equal(given, 1 + rows[:, 1])
    twice = np.repeat(np.arange(N), weights)
    repeated = explainer_of(Remembers()).fit(X, y).explain(X[twice])
    assert results.params.iloc[0] == pytest.approx(repeated["x0 +1"].ame)
    seen = np.array(
        [np.isin(np.arange(N), rows[:, 1]) for rows, *_ in Remembers.fitted[1:10]]
    )
    expected = seen @ weights / weights.sum()
    np.testing.assert_allclose(results.replicates[:, 0], expected)


def test_routed_metadata_reach_the_fits(data):
    X, y = data
    with sklearn.config_context(enable_metadata_routing=True):
        learner = make_pipeline(Remembers().set_fit_request(sample_weight=True))
        Remembers.fitted.clear()
        bootstrap_effects(
            explainer_of(learner),
            X,
            y,
            n_resamples=4,
            method="normal",
            random_state=0,
            fit_params={"sample_weight": 1.0 + np.arange(N)},
        )
    assert len(Remembers.fitted) == 5
    for rows, _, given in Remembers.fitted:
        np.testing.assert_array_equal(given, 1 + rows[:, 1])


def test_tables_of_two_libraries_give_the_same_replicates(diabetes):
    X, y = diabetes
    X = X.assign(sex=np.where(X["sex"] == 1, "f", "m"))
    learner = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(sparse_output=False), ["sex"]), remainder="passthrough"
        ),
        LinearRegression(),
    )
    explainer = FMEExplainer(learner, steps=[{"sex": "m"}, {"bmi": 1, "sex": "f"}])
    of_pandas, of_polars = (
        bootstrap_effects(
            explainer, table, target, n_resamples=5, method="normal", random_state=0
        )
        for table, target in ((X, y), (pl.from_pandas(X), pl.from_pandas(y)))
    )
    np.testing.assert_allclose(of_pandas.replicates, of_polars.replicates)


def test_a_fitted_explainer_is_left_as_it_is_and_results_are_pickled(data):
    X, y = data
    explainer = explainer_of(MeanSlope()).fit(X, y)
    model, copied = explainer.estimator_, X.copy()
    results = bootstrap_effects(
        explainer, X, y, n_resamples=9, method="normal", random_state=0
    )
    assert explainer.estimator_ is model
    np.testing.assert_array_equal(X, copied)
    again = pickle.loads(pickle.dumps(results))
    np.testing.assert_array_equal(again.conf_int(), results.conf_int())
    assert "Effects over refits of MeanSlope" in repr(str(results))
    assert "<table" in results._repr_html_()


def test_progress_is_shown_on_request(data, capfd):
    X, y = data
    bootstrap_effects(
        explainer_of(MeanSlope()), X, y, n_resamples=4, method="normal", verbose=1
    )
    assert "refits" in capfd.readouterr().err


def test_a_learner_that_fits_resamples_unlike_the_rows_is_reported(data):
    X, y = data
    results = bootstrap_effects(
        explainer_of(Remembers()), X, y, n_resamples=50, method="normal", random_state=0
    )
    # a resample holds a share of about 1 − 1/e of the rows
    assert results.replicates.mean() == pytest.approx(0.632, abs=0.02)
    assert "the learner fits resamples unlike" in results.summary().replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"explainer": MeanSlope()}, TypeError, "must be an FMEExplainer"),
        ({"y": None}, ValueError, "y is None, but MeanSlope has to be fitted again"),
        ({"y": np.ones(7)}, ValueError, "y has 7 entries; X has 60 rows"),
        ({"method": "studentized"}, ValueError, "method must be one of 'percentile'"),
        ({"covers": "all"}, ValueError, "covers must be one of 'refit', 'sam"),
        ({"n_resamples": 1}, ValueError, "n_resamples must be a whole number"),
        ({"n_resamples": 99.5}, ValueError, "n_resamples must be a whole number"),
        ({"groups": np.ones(N)}, ValueError, "only one group"),
        ({"groups": np.ones(3)}, ValueError, r"groups has shape \(3,\)"),
        ({"stratify": np.ones(3)}, ValueError, r"stratify has shape \(3,\)"),
        ({"stratify": np.arange(N)}, ValueError, "have one row each"),
        ({"sample_weight": -np.ones(N)}, ValueError, "sample_weight is negative"),
        ({"sample_weight": np.zeros(N)}, ValueError, "non-zero|is zero"),
        ({"tree": "tree"}, TypeError, "tree must be a fitted EffectTree"),
        ({"tree": EffectTree()}, ValueError, "not fitted"),
        ({"by": "sex"}, ValueError, "by names 'sex', which is not a column"),
        ({"by": 1, "tree": EffectTree()}, ValueError, "give one of them"),
    ],
    ids=[
        *("no explainer", "no target", "short target", "unknown method"),
        *("unknown covers", "one resample", "fraction of a resample", "one group"),
        *("short groups", "short strata", "strata of one row", "negative weights"),
        *("weights of zero", "no tree", "unfitted tree", "unknown column"),
        "column and partition",
    ],
)
def test_bad_input_is_refused_before_any_resample(data, change, error, message):
    X, y = data
    options = {"explainer": explainer_of(MeanSlope()), "y": y, "n_resamples": 199}
    options |= change
    with pytest.raises(error, match=message):
        bootstrap_effects(X=X, **options)


@pytest.mark.parametrize(
    "wrap",
    [lambda model: model, lambda model: make_pipeline(StandardScaler(), model)],
    ids=["alone", "in a pipeline"],
)
def test_a_frozen_model_is_refused(data, wrap):
    X, y = data
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    with pytest.raises(
        TypeError, match="FrozenEstimator over LinearRegression: it cannot"
    ):
        bootstrap_effects(FMEExplainer(wrap(frozen), {0: 1}), X, y)


def test_few_resamples_are_warned_of_where_quantiles_are_read(data):
    X, y = data
    explainer = explainer_of(MeanSlope())
    with pytest.warns(
        UserWarning, match="Take 199 resamples or more, or method='normal'"
    ):
        results = bootstrap_effects(explainer, X, y, n_resamples=50, random_state=0)
    with pytest.warns(UserWarning, match="Take 999 resamples or more"):
        results.conf_int(0.01)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bootstrap_effects(explainer, X, y, n_resamples=5, method="normal")


def test_an_effect_that_no_row_has_is_an_error(data):
    X, y = data
    explainer = FMEExplainer(MeanSlope(), {0: 1000})
    with pytest.raises(ValueError, match="No row counts for the effect 'x0 .1000'"):
        bootstrap_effects(explainer, X, y, n_resamples=199)


def test_a_group_lost_by_a_resample_is_a_failure(data):
    X, y = data
    by = np.where(np.arange(N) < 4, "few", "many")
    options = {"by": by, "n_resamples": 200, "random_state": 0}
    explainer = explainer_of(MeanSlope())
    with pytest.warns(UserWarning, match="take covers='refit'"):
        results = bootstrap_effects(explainer, X, y, covers="sample + refit", **options)
    assert results.n_failed > 0
    assert bootstrap_effects(explainer, X, y, **options).n_failed == 0


def test_clones_of_the_explainer_give_the_same_replicates(data):
    X, y = data
    explainer = explainer_of(MeanSlope())
    first, second = (
        bootstrap_effects(e, X, y, n_resamples=5, method="normal", random_state=0)
        for e in (explainer, clone(explainer).fit(X, y + 5))
    )
    np.testing.assert_array_equal(first.replicates, second.replicates)


def test_a_group_column_named_as_one_of_the_results_is_refused(data):
    X, y = data
    table = pd.DataFrame(X, columns=["x", "estimate"])
    explainer = FMEExplainer(MeanSlope(), {"x": 1}, extrapolation=None)
    with pytest.raises(
        ValueError, match="by names 'estimate', which is a column of the"
    ):
        bootstrap_effects(explainer, table, y, by="estimate", n_resamples=199)


def test_a_frozen_pipeline_is_refused_as_a_frozen_model_is():
    X = pd.DataFrame({"a": np.arange(20.0)})
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, X["a"])
    explainer = FMEExplainer(FrozenEstimator(model), {"a": 1})
    with pytest.raises(TypeError, match="cannot be fitted again"):
        bootstrap_effects(explainer, X, X["a"])
