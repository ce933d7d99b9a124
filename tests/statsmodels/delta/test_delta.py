"""delta_effects: closed forms, invariants, groups, weights and what intervals cover."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skfme import Contrast, Quantile, Scale, SetTo, StdDev, ame, fme
from skfme.statsmodels import StatsmodelsEstimator, delta_effects
from tests.statsmodels.models.fits import data, fit

# Closed forms


@pytest.mark.parametrize(
    "kwds",
    [
        {},
        {"cov_type": "HC3"},
        {"cov_type": "cluster", "cov_kwds": {"groups": data()["firm"]}},
    ],
    ids=["nonrobust", "HC3", "cluster"],
)
@pytest.mark.parametrize("h", [1.0, -2.5])
def test_a_linear_effect_has_h_times_the_standard_error_of_its_coefficient(h, kwds):
    results = smf.ols("y ~ x + z + C(c)", data()).fit(**kwds)
    effects = delta_effects(results, data(), {"x": h})
    assert effects.params.iloc[0] == pytest.approx(h * results.params["x"], rel=1e-12)
    assert effects.bse.iloc[0] == pytest.approx(abs(h) * results.bse["x"], rel=1e-12)
    assert effects.pvalues.iloc[0] == pytest.approx(results.pvalues["x"], rel=1e-9)
    low, high = sorted(h * results.conf_int().loc["x"])
    np.testing.assert_allclose(effects.conf_int().iloc[0], [low, high], rtol=1e-9)


def by_hand(results, slope, mean, rows, high, offset=0.0):
    """A and √(J V Jᵀ), one row at a time."""
    beta, V = results.params.to_numpy(), results.cov_params().to_numpy()
    total, J = 0.0, np.zeros(len(beta))
    for i in range(len(rows)):
        o = offset if np.ndim(offset) == 0 else offset[i]
        before, after = rows[i] @ beta + o, high[i] @ beta + o
        total += mean(after) - mean(before)
        J += slope(after) * high[i] - slope(before) * rows[i]
    n = len(rows)
    return total / n, math.sqrt(J / n @ V @ (J / n))


def test_a_logit_effect_equals_its_closed_form():
    results = smf.logit("b ~ x + z", data()).fit(disp=0)
    X = np.column_stack([np.ones(len(data())), data()[["x", "z"]]])

    def p(eta):
        return 1 / (1 + math.exp(-eta))

    want = by_hand(results, lambda e: p(e) * (1 - p(e)), p, X, X + [0, 0.7, 0])
    effects = delta_effects(results, data(), {"x": 0.7})
    assert (effects.params.iloc[0], effects.bse.iloc[0]) == pytest.approx(want)


@pytest.mark.parametrize("exposed", [False, True])
def test_a_poisson_effect_equals_its_closed_form(exposed):
    time = data()["time"].to_numpy()
    kwds = {"exposure": time} if exposed else {}
    results = smf.poisson("count ~ x + z", data(), **kwds).fit(disp=0)
    X = np.column_stack([np.ones(len(data())), data()[["x", "z"]]])
    offset = np.log(time) if exposed else 0.0
    want = by_hand(results, math.exp, math.exp, X, X + [0, 0, 0.5], offset)
    effects = delta_effects(results, data(), {"z": 0.5})
    assert (effects.params.iloc[0], effects.bse.iloc[0]) == pytest.approx(want)


def test_one_binary_covariate_gives_the_difference_of_two_proportions():
    results = smf.logit("b ~ d", data()).fit(disp=0)
    effects = delta_effects(results, data(), {"d": Contrast(0, 1)})
    p, n = data().groupby("d")["b"].mean(), data().groupby("d").size()
    assert effects.params.iloc[0] == pytest.approx(p[1] - p[0], rel=1e-8)
    variance = (p * (1 - p) / n).sum()  # of two independent proportions
    assert effects.bse.iloc[0] == pytest.approx(math.sqrt(variance), rel=1e-6)


# Invariants


@pytest.mark.parametrize("name", ["ols", "logit", "mnlogit", "ordered logit", "nb2"])
def test_no_step_has_no_effect_and_no_error(name):
    effects = delta_effects(fit(name), data(), {"x": 0})
    np.testing.assert_array_equal(effects.params, 0.0)
    np.testing.assert_allclose(effects.bse, 0.0, atol=1e-12)


@pytest.mark.parametrize("name", ["mnlogit", "ordered logit", "ordered probit"])
def test_effects_on_probabilities_sum_to_zero_over_classes(name):
    effects = delta_effects(fit(name), data(), [{"x": 1}, {"d": Contrast(0, 1)}])
    n_classes = len(effects.params) // 2
    sums = np.kron(np.eye(2), np.ones(n_classes))
    np.testing.assert_allclose(sums @ effects.params.to_numpy(), 0, atol=1e-12)
    np.testing.assert_allclose(sums @ effects.cov_params().to_numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("name", ["ols", "probit", "poisson exposure", "mnlogit"])
def test_two_steps_in_a_row_are_one_step_of_both(name):
    steps = [{"x": Contrast(0, 1)}, {"x": Contrast(1, 3)}, {"x": Contrast(0, 3)}]
    effects = delta_effects(fit(name), data(), steps)
    n_outputs = len(effects.params) // 3
    R = np.kron([1, 1, -1], np.eye(n_outputs))
    np.testing.assert_allclose(R @ effects.params.to_numpy(), 0, atol=1e-12)
    np.testing.assert_allclose(R @ effects.cov_params().to_numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("name", ["logit", "mnlogit"])
def test_group_averages_make_up_the_whole_with_its_error(name):
    weights = data()["w"]
    whole = delta_effects(fit(name), data(), {"x": 1}, sample_weight=weights)
    parts = delta_effects(fit(name), data(), {"x": 1}, by="c", sample_weight=weights)
    shares = weights.groupby(data()["c"], observed=True).sum() / weights.sum()
    R = np.kron(np.eye(len(whole.params)), shares.to_numpy())
    np.testing.assert_allclose(R @ parts.params, whole.params, rtol=1e-10)
    V = R @ parts.cov_params().to_numpy() @ R.T
    np.testing.assert_allclose(V, whole.cov_params(), rtol=1e-8, atol=1e-16)


@pytest.mark.parametrize("name", ["ols", "logit", "poisson", "mnlogit", "nb2"])
def test_batches_in_which_no_row_counts_change_no_group(name):
    weights = np.where(np.arange(len(data())) // 7 % 2, 1.0, 0.0)
    options = {"by": "c", "sample_weight": weights}
    whole = delta_effects(fit(name), data(), {"x": 1}, **options)
    parts = delta_effects(fit(name), data(), {"x": 1}, batch_size=7, **options)
    np.testing.assert_allclose(parts.params, whole.params, rtol=1e-12)
    np.testing.assert_allclose(parts.cov_params(), whole.cov_params(), rtol=1e-9)


def test_whole_weights_are_repeated_rows():
    weights = np.arange(len(data())) % 4
    repeated = data().loc[np.repeat(data().index, weights)]
    own = delta_effects(fit("poisson"), data(), {"z": 1}, sample_weight=weights)
    rows = delta_effects(fit("poisson"), repeated, {"z": 1})
    np.testing.assert_allclose(own.params, rows.params, rtol=1e-12)
    np.testing.assert_allclose(own.bse, rows.bse, rtol=1e-12)


@pytest.mark.parametrize("name", ["logit", "mnlogit", "poisson exposure"])
def test_batches_change_nothing(name):
    steps, kwds = [{"x": 1}, {"c": "a"}], {"by": "d", "covers": "sample + parameters"}
    whole = delta_effects(fit(name), data(), steps, **kwds)
    parts = delta_effects(fit(name), data(), steps, batch_size=70, **kwds)
    pd.testing.assert_frame_equal(whole.to_frame(), parts.to_frame(), rtol=1e-9)
    np.testing.assert_allclose(parts.cov_params(), whole.cov_params(), atol=1e-14)


STEPS = {
    "added": {"x": 0.5},
    "joint": {"x": 1, "c": "b", "d": Contrast(0, 1)},
    "category": {"c": "a"},
    "scaled": {"z": Scale(1.1)},
    "spread": {"z": StdDev(1)},
    "quantile": {"x": Quantile(0.9)},
    "set": {"d": SetTo(1)},
    "function": {"x": np.sinh},
}


@pytest.mark.parametrize("extrapolation", [None, "envelope"])
@pytest.mark.parametrize("step", STEPS)
def test_estimates_and_counts_are_those_of_fme(step, extrapolation):
    options = {"extrapolation": extrapolation, "sample_weight": data()["w"]}
    for name in ("logit", "mnlogit"):
        effects = delta_effects(fit(name), data(), STEPS[step], **options)
        effect = fme(fit(name), data(), STEPS[step], **options)
        assert effects.labels["effect"].iloc[0] == effect.name
        np.testing.assert_allclose(effects.params, np.atleast_1d(effect.ame))
        assert (effects.nobs == effect.n).all()


@given(h=st.floats(-3, 3), scale=st.floats(0.1, 10), seed=st.integers(0, 2**16))
@settings(max_examples=10)
def test_units_of_a_covariate_do_not_matter(h, scale, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.normal(size=60), "z": rng.normal(size=60)})
    frame["y"] = rng.poisson(np.exp(0.3 * frame["x"]))
    other = frame.assign(x=frame["x"] * scale)
    found = [
        delta_effects(smf.poisson("y ~ x * z", rows).fit(disp=0), rows, {"x": step})
        for rows, step in ((frame, h), (other, h * scale))
    ]
    for column in ("estimate", "std_error"):
        own, theirs = (effects.to_frame()[column] for effects in found)
        np.testing.assert_allclose(own, theirs, rtol=1e-6, atol=1e-12)


# What intervals cover


def test_the_choice_of_rows_adds_the_variance_of_a_mean():
    results = smf.ols("y ~ x * z + x * d", data()).fit()
    steps = [{"x": 1}, {"z": 0.5}]
    effects = delta_effects(results, data(), steps, covers="sample + parameters")
    fixed = delta_effects(results, data(), steps)
    rows = np.column_stack(
        [
            fme(results, data(), step, extrapolation=None).fme
            for step in ({"x": 1}, {"z": 0.5})
        ]
    )
    want = fixed.cov_params() + np.cov(rows.T, ddof=0) / len(rows)
    np.testing.assert_allclose(effects.cov_params(), want, rtol=1e-8)
    assert effects.covers == "sample + parameters"
    assert fixed.covers == "parameters"


def test_the_choice_of_rows_is_weighted_and_independent_between_groups():
    w, results = data()["w"].to_numpy(), fit("logit")
    kwds = {"by": "c", "sample_weight": w}
    both = delta_effects(
        results, data(), {"x": 1}, covers="sample + parameters", **kwds
    )
    fixed = delta_effects(results, data(), {"x": 1}, **kwds)
    rows = fme(results, data(), {"x": 1}, extrapolation=None).fme
    added = []
    for group in ("a", "b", "c"):
        z, ω = rows[data()["c"] == group], w[data()["c"] == group]
        mean = np.average(z, weights=ω)
        added.append(np.sum(ω**2 * (z - mean) ** 2) / ω.sum() ** 2)
    np.testing.assert_allclose(
        both.cov_params() - fixed.cov_params(), np.diag(added), atol=1e-15
    )


def test_steps_that_count_unlike_rows_covary_by_the_rows_they_share():
    results = fit("ols")
    steps = [{"c": "a"}, {"c": "b"}]  # each leaves out who is there already
    both = delta_effects(results, data(), steps, covers="sample + parameters")
    fixed = delta_effects(results, data(), steps)
    rows = [fme(results, data(), step, extrapolation=None).fme for step in steps]
    z = [np.nan_to_num(r - np.nanmean(r)) for r in rows]
    n = [np.sum(~np.isnan(r)) for r in rows]
    want = (np.array(z) @ np.array(z).T) / np.outer(n, n)
    np.testing.assert_allclose(both.cov_params() - fixed.cov_params(), want, atol=1e-15)


def test_effects_on_several_classes_covary_by_their_rows():
    results = fit("mnlogit")
    steps = [{"x": 1}, {"z": 0.5}]
    both = delta_effects(results, data(), steps, covers="sample + parameters")
    fixed = delta_effects(results, data(), steps)
    by_step = []
    for step in steps:
        (name, size), *_ = step.items()
        after = results.predict(data().assign(**{name: data()[name] + size}))
        by_step.append(after - results.predict(data()))
    rows = np.hstack(by_step)  # each step's classes, as the estimates are
    z = rows - rows.mean(axis=0)
    np.testing.assert_allclose(both.params, rows.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(
        both.cov_params() - fixed.cov_params(), z.T @ z / len(z) ** 2, atol=1e-13
    )
    one = delta_effects(
        results,
        data(),
        steps,
        covers="sample + parameters",
        output=both.labels["output"][1],
    )
    assert one.bse.tolist() == pytest.approx(
        both.bse.iloc[[1, z.shape[1] // 2 + 1]].tolist()
    )


def test_a_summary_says_when_the_fit_was_weighted_and_the_average_is_not():
    note = "The fit was weighted"
    assert note in str(delta_effects(fit("wls"), data(), {"x": 1}))
    weighted = delta_effects(fit("wls"), data(), {"x": 1}, sample_weight=data()["w"])
    assert note not in str(weighted)
    for name in ("ols", "poisson log", "rlm"):
        assert note not in str(delta_effects(fit(name), data(), {"x": 1}))


# Covariances


@pytest.mark.parametrize("name", ["ols", "logit", "poisson log", "mnlogit"])
@pytest.mark.parametrize("cov_type", ["HC1", "cluster"])
def test_another_covariance_equals_that_of_a_fit_made_with_it(name, cov_type):
    kwds = {"groups": data()["firm"]} if cov_type == "cluster" else {}
    results = fit(name)
    before = np.array(results.cov_params())
    effects = delta_effects(results, data(), {"x": 1}, cov_type=cov_type, cov_kwds=kwds)
    options = {"disp": 0} if name in ("logit", "mnlogit") else {}
    options |= {"cov_kwds": kwds} if kwds else {}  # an empty one goes to the optimizer
    robust = results.model.fit(cov_type=cov_type, **options)
    own = delta_effects(robust, data(), {"x": 1})
    np.testing.assert_allclose(effects.bse, own.bse, rtol=1e-7)
    np.testing.assert_array_equal(results.cov_params(), before)  # left as it was
    back = delta_effects(robust, data(), {"x": 1}, cov_type="nonrobust")
    plain = delta_effects(results, data(), {"x": 1})
    np.testing.assert_allclose(back.bse, plain.bse, rtol=1e-6)


@pytest.mark.parametrize("name", ["ols", "logit", "mnlogit"])
def test_a_covariance_with_the_parameters_names_may_have_them_in_any_order(name):
    results = fit(name)
    cov = results.cov_params()
    own = delta_effects(results, data(), {"x": 1}).bse
    turned = delta_effects(results, data(), {"x": 1}, cov=cov.iloc[::-1, ::-1])
    np.testing.assert_allclose(turned.bse, own, rtol=1e-12)
    rows_alone = delta_effects(results, data(), {"x": 1}, cov=cov.iloc[::-1])
    np.testing.assert_allclose(rows_alone.bse, own, rtol=1e-12)
    unnamed = cov.set_axis(range(len(cov))).set_axis(range(len(cov)), axis=1)
    np.testing.assert_allclose(
        delta_effects(results, data(), {"x": 1}, cov=unnamed).bse, own, rtol=1e-12
    )


def test_clusters_are_those_of_the_rows_that_the_fit_used():
    rows = data().copy()
    rows.loc[[3, 50, 120], "x"] = np.nan
    kept = rows.dropna(subset=["x"])
    results = smf.ols("y ~ x + d", rows).fit()
    want = smf.ols("y ~ x + d", kept).fit(
        cov_type="cluster", cov_kwds={"groups": kept["firm"]}
    )
    firms = rows["firm"]
    for groups in (
        "firm",
        firms,
        firms.to_numpy(),
        kept["firm"],
        kept["firm"].to_numpy(),
        firms.sample(frac=1, random_state=0),
        pd.concat([firms, pd.Series([9, 9], index=[-1, -2])]),
    ):
        options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
        effects = delta_effects(results, rows, {"x": 1}, **options)
        assert effects.bse.iloc[0] == pytest.approx(want.bse["x"])


@pytest.mark.parametrize(
    ("groups", "match"),
    [
        ("frim", r"cov_kwds\['groups'\]='frim' names no column"),
        (np.ones(50), r"cov_kwds\['groups'\] has shape \(50,\); expected .* 240 rows"),
        (3, r"cov_kwds\['groups'\] has shape \(\)"),
    ],
)
def test_clusters_of_other_rows_are_refused_by_name(groups, match):
    results = smf.ols("y ~ x + d", data()).fit()
    options = {"cov_type": "cluster", "cov_kwds": {"groups": groups}}
    with pytest.raises(ValueError, match=match):
        delta_effects(results, data(), {"x": 1}, **options)


def test_a_matrix_stands_in_for_the_fits_covariance():
    V = np.diag(np.arange(1.0, 8.0))
    effects = delta_effects(fit("ols"), data(), {"d": Contrast(0, 1)}, cov=V)
    position = fit("ols").model.exog_names.index("d")
    assert effects.bse.iloc[0] == pytest.approx(math.sqrt(V[position, position]))


def test_degrees_of_freedom_are_the_fits_own():
    ols, logit = fit("ols"), fit("logit")
    assert (delta_effects(ols, data(), {"x": 1}).df == ols.df_resid).all()
    assert delta_effects(logit, data(), {"x": 1}).df is None
    groups = {"groups": data()["firm"]}
    clustered = ols.model.fit(cov_type="cluster", cov_kwds=groups, use_t=True)
    assert (delta_effects(clustered, data(), {"x": 1}).df == 23).all()


# Groups, outputs, tables


def test_groups_are_in_the_order_of_categories_and_later_minus_earlier():
    rows = data().assign(c=data()["c"].cat.reorder_categories(["c", "a", "b"]))
    results = smf.ols("y ~ x * c", rows).fit()
    effects = delta_effects(results, rows, {"x": 1}, by="c")
    assert effects.labels["c"].tolist() == ["c", "a", "b"]
    want = [results.params["x:c[T.a]"], results.params["x:c[T.b]"]]
    np.testing.assert_allclose(effects.pairwise().params.iloc[:2], want)
    assert effects.pairwise().names[0] == "x +1 | c=a - c"


def test_a_linear_effect_does_not_differ_between_groups():
    effects = delta_effects(smf.ols("y ~ x", data()).fit(), data(), {"x": 0.7}, by="c")
    pairs = effects.pairwise().to_frame()
    assert pairs[["estimate", "p_value"]].to_numpy().tolist() == [[0, 1]] * 3


def test_by_takes_a_column_several_columns_or_an_array():
    one = delta_effects(fit("logit"), data(), {"x": 1}, by="d")
    array = delta_effects(fit("logit"), data(), {"x": 1}, by=data()["d"].to_numpy())
    assert one.labels["d"].tolist() == [0, 1]
    assert list(array.labels) == ["effect", "group"]
    np.testing.assert_array_equal(one.params, array.params)
    two = delta_effects(fit("logit"), data(), {"x": 1}, by=["d", "c"])
    assert two.labels[["d", "c"]].to_numpy().tolist() == [
        [d, c] for d in (0, 1) for c in "abc"
    ]
    subset = data().query("d == 1 and c == 'b'")
    alone = delta_effects(fit("logit"), subset, {"x": 1})
    chosen = two.labels.query("d == 1 and c == 'b'").index[0]
    assert two.bse.iloc[chosen] == pytest.approx(alone.bse.iloc[0])
    assert two.nobs[chosen] == len(subset)


def test_a_group_is_where_a_row_stands_before_the_step():
    effects = delta_effects(fit("logit"), data(), {"d": Contrast(0, 1)}, by="d")
    assert effects.labels["d"].tolist() == [0, 1]
    assert list(effects.nobs) == data()["d"].value_counts().sort_index().tolist()


def test_missing_groups_are_a_group_of_their_own():
    groups = np.where(data()["d"] == 1, None, "no")
    effects = delta_effects(fit("logit"), data(), {"x": 1}, by=groups)
    assert effects.labels["group"].isna().tolist() == [False, True]


def test_a_group_at_the_target_is_left_out_without_a_word(recwarn):
    effects = delta_effects(fit("logit"), data(), {"c": "a"}, by="c")
    assert effects.labels["c"].tolist() == ["b", "c"]
    assert not recwarn.list
    assert "at target" in str(effects)


def test_one_output_can_be_chosen():
    every = delta_effects(fit("ordered logit"), data(), {"x": 1})
    assert every.labels["output"].tolist() == ["0", "1", "2"]
    one = delta_effects(fit("ordered logit"), data(), {"x": 1}, output="2")
    assert one.params.iloc[0] == every.params.iloc[2]
    assert one.names == ["x +1[2]"]


def test_every_library_of_tables_gives_the_same():
    frame = data().assign(c=data()["c"].astype(str))
    results = smf.logit("b ~ x * z + C(c) + d", frame).fit(disp=0)
    steps = [{"x": 1}, {"c": "a"}]
    own = delta_effects(results, frame, steps, by="d").to_frame()
    for other in (pl.DataFrame(frame.to_dict("list")), pa.Table.from_pandas(frame)):
        theirs = delta_effects(results, other, steps, by="d").to_frame()
        pd.testing.assert_frame_equal(own, theirs, check_dtype=False)


def test_no_steps_are_every_covariate_and_nothing_else():
    effects = delta_effects(smf.ols("y ~ x + C(d)", data()).fit(), data())
    assert effects.labels["effect"].tolist() == ["x +1", "d = 0", "d = 1"]


def test_ranges_and_spreads_come_from_the_background():
    part = data().query("z < 1")
    effects = delta_effects(fit("ols"), part, {"z": StdDev(1)}, background=data())
    whole = delta_effects(fit("ols"), part, {"z": data()["z"].std()})
    np.testing.assert_allclose(effects.params, whole.params)
    inside = delta_effects(
        *(fit("ols"), part, {"z": 0.5}), background=data(), extrapolation="envelope"
    )
    outside = delta_effects(fit("ols"), part, {"z": 0.2}, extrapolation="envelope")
    assert inside.nobs[0] == len(part) > outside.nobs[0]


def test_a_fitted_estimator_names_its_own_classes():
    frame = data()[["x", "z"]]
    labels = np.array(["low", "mid", "high", "top"])[data()["kind"]]
    model = StatsmodelsEstimator(sm.MNLogit).fit(frame, labels)
    effects = delta_effects(model, frame, {"x": 1})
    assert effects.labels["output"].tolist() == ["high", "low", "mid", "top"]
    codes = smf.mnlogit("kind ~ x + z", data()).fit(disp=0)
    own = delta_effects(codes, data(), {"x": 1})
    np.testing.assert_allclose(effects.bse.to_numpy()[[1, 2, 0, 3]], own.bse, rtol=1e-5)


def test_ame_of_results_has_the_same_averages():
    effects = ame(fit("probit"), data()[["x", "z", "d", "c"]], extrapolation=None)
    own = delta_effects(fit("probit"), data())
    assert set(own.labels["effect"]) <= set(effects)
    for name, value in zip(own.labels["effect"], own.params, strict=True):
        assert effects[name].ame == pytest.approx(value)


def test_the_protocol_compares_groups():
    effects = delta_effects(fit("logit"), data(), {"x": 1}, by="d")
    test = effects.t_test([-1.0, 1.0])
    V = effects.cov_params().to_numpy()
    sd = math.sqrt(V[0, 0] + V[1, 1] - 2 * V[0, 1])
    assert float(test.sd.item()) == pytest.approx(sd)
    z = (effects.params.iloc[1] - effects.params.iloc[0]) / sd
    assert float(test.pvalue.item()) == pytest.approx(2 * stats.norm.sf(abs(z)))


@pytest.mark.parametrize("by_fit", [False, True])
def test_hc3_of_a_logit_is_named_hc0_and_of_a_line_hc3(by_fit):
    robust = {"cov_type": "HC3"}
    at_fit, later = (robust, {}) if by_fit else ({}, robust)
    logit = smf.logit("b ~ x + z", data()).fit(disp=0, **at_fit)
    plain = smf.logit("b ~ x + z", data()).fit(disp=0, cov_type="HC0")
    effects = delta_effects(logit, data(), {"x": 1}, **later)
    assert effects.bse.iloc[0] == delta_effects(plain, data(), {"x": 1}).bse.iloc[0]
    assert "HC0, which statsmodels computes of Logit under the name HC3" in " ".join(
        effects.summary().split()
    )
    line = smf.ols("y ~ x + z", data()).fit(**at_fit)
    effects = delta_effects(line, data(), {"x": 1}, **later)
    assert "Covariance of the parameters: HC3." in effects.summary()


@pytest.mark.parametrize(("steps", "name"), [(None, "x0 +1"), ("sd", "x0 +1sd")])
def test_default_steps_leave_out_columns_of_an_array_that_the_formula_does_not_read(
    steps, name
):
    X = np.random.default_rng(0).normal(size=(60, 2))
    frame = pd.DataFrame(X, columns=["x0", "x1"]).assign(y=X.sum(axis=1))
    fit = smf.ols("y ~ x0", frame).fit()
    assert list(delta_effects(fit, X, steps).to_frame()["effect"]) == [name]


def test_of_several_predictors_only_repeated_covariates_are_not_determined():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(300, 2)), columns=["x", "z"])
    X = X.assign(twice=2 * X["x"], less=-X["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its Hessian has no inverse
        fit = sm.MNLogit(rng.integers(0, 4, 300), X).fit(method="bfgs", disp=0)
    with pytest.warns(
        UserWarning, match=r"rank 2 of 4\), and the data do not"
    ) as caught:
        delta_effects(fit, X, [{"x": 1.0}, {"z": 1.0}], cov=np.eye(12))
    told = str(caught[0].message)
    assert "x +1" in told
    assert "z +1" not in told
