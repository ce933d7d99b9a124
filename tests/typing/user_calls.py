"""A user's calls, as mypy sees them; nothing here runs.

``assert_type`` fails the type check where a call would tell its user another type, or
none at all because something on the way is untyped.
"""

from typing import Any, assert_type

import numpy as np
import pandas as pd
from sklearn.linear_model import LinearRegression

from skfme import (
    Contrast,
    EffectSummaries,
    EffectSummary,
    Envelope,
    FMEExplainer,
    ForwardEffect,
    ForwardEffects,
    GaussLegendre,
    LargestStep,
    PathPredictions,
    StdDev,
    StepAttribution,
    StepProfile,
    ame,
    attribute,
    came,
    fme,
)
from skfme.metrics import (
    effect_stability,
    make_anlm_scorer,
    make_monotonicity_scorer,
    partition_r2_score,
)
from skfme.statsmodels import (
    BootstrapResults,
    ClusterPairExperiment,
    ConditionalEffects,
    ConditionalEffectsResults,
    CrossedConditionalEffects,
    CrossFittedEffects,
    EffectResults,
    EffectTree,
    EquivalenceResults,
    HonestRegions,
    MixedConditionalEffects,
    MixedConditionalEffectsResults,
    MultiWaveExperiment,
    OptimalityTest,
    PairDesign,
    PolicyEffectResults,
    UncertaintyLedger,
    WildClusterTest,
    average_effects,
    bootstrap_effects,
    cross_fit_effects,
    delta_effects,
    honest_regions,
    uncertainty_ledger,
)


def an_explainer(X: pd.DataFrame, y: np.ndarray) -> None:
    explainer = FMEExplainer(
        LinearRegression(),
        steps=[{"bmi": -2, "sex": "s2"}, {"sex": Contrast("s1", "s2")}],
        response_method=lambda estimator, X: estimator.predict(X),
        extrapolation=Envelope(quantiles=(0.01, 0.99)),
        nlm=GaussLegendre(8),
        n_jobs=2,
    )
    assert_type(explainer.fit(X, y), FMEExplainer)
    effects = explainer.fit(X, y, sample_weight=y).explain(X)
    assert_type(effects, ForwardEffects)
    assert_type(effects["bmi -2"], ForwardEffect)
    assert_type(effects.to_frame(), pd.DataFrame)
    assert_type(explainer.transform(X), np.ndarray)
    assert_type(explainer.score(X, y), float)
    assert_type(explainer.path(X, "bmi -2"), PathPredictions)
    parts = explainer.attribute(X, {"bmi": -2, "bp": -10}, interactions=True)
    assert_type(parts, StepAttribution)
    assert_type(parts["bmi"], ForwardEffect)
    assert_type(parts.total, ForwardEffect)
    assert_type(parts.interactions, pd.DataFrame | None)
    profile = explainer.step_profile(X, "bmi", sizes=[-2, 2])
    assert_type(profile, StepProfile)
    assert_type(profile.largest_step(), LargestStep)
    for name, effect in effects.items():
        assert_type(name, str)
        assert_type(effect, ForwardEffect)


def batches(explainer: FMEExplainer, X: pd.DataFrame) -> None:
    summaries = explainer.explain_batches([X, X], "weight", by=["sex"])
    assert_type(summaries, EffectSummaries)
    assert_type(summaries["bmi -2"], EffectSummary)
    assert_type(summaries + summaries, EffectSummaries)
    assert_type(summaries.to_frame(), pd.DataFrame)
    assert_type(summaries["bmi -2"].average(), pd.DataFrame)
    round(summaries["bmi -2"].ame, 3)


def one_call(model: Any, X: pd.DataFrame) -> None:
    effect = fme(model, X, {"bmi": -2}, background=X, nlm=True)
    assert_type(effect, ForwardEffect)
    assert_type(effect.fme, np.ndarray)
    assert_type(effect.counted, np.ndarray)
    assert_type(effect.n, int)
    assert_type(effect.average(by="sex"), pd.DataFrame)
    round(effect.ame, 3)  # a float for one output, an array for several
    assert_type(fme(model, X, {"bmi": StdDev(1), "sex": "s2"}), ForwardEffect)
    assert_type(fme(model, X, [{"bmi": -2}, {"sex": "s2"}]), ForwardEffects)
    assert_type(fme(model, X, {"less": {"bmi": -2}}), ForwardEffects)
    assert_type(fme(model, X, "sd"), ForwardEffects)
    assert_type(attribute(model, X, {"bmi": -2, "bp": -10}), StepAttribution)
    assert_type(ame(model, X), ForwardEffects)
    assert_type(came(effect, n_partitions=3), EffectTree)


def partitions_and_scores(effect: ForwardEffect, model: Any, X: pd.DataFrame) -> None:
    tree = EffectTree(n_partitions=3).fit(effect.X, effect.fme)
    assert_type(tree, EffectTree)
    assert_type(tree.predict(X), np.ndarray)
    print(tree.export_text().upper())
    assert_type(partition_r2_score(effect.fme, tree.predict(X)), float)
    assert_type(make_anlm_scorer({"bmi": -2})(model, X), float)
    assert_type(make_monotonicity_scorer("bmi", 1)(model, X, None), float)
    assert_type(effect_stability([model, model], X, {"bmi": -2}), pd.DataFrame)


def statistics(
    explainer: FMEExplainer, effect: ForwardEffect, X: pd.DataFrame, y: np.ndarray
) -> None:
    averages = average_effects(effect, by="sex", cov_kwds={"groups": "village"})
    assert_type(averages, EffectResults)
    assert_type(averages.params, pd.Series)
    assert_type(averages.to_frame(), pd.DataFrame)
    assert_type(averages.pairwise(over="sex"), EffectResults)
    assert_type(averages.nonlinear_test("b1 / b2 = 1"), EffectResults)
    assert_type(averages.equivalence_test(-1, 1), EquivalenceResults)
    assert_type(EffectResults.concat({"one": averages}), EffectResults)
    assert_type(delta_effects(averages, X, {"bmi": -2}, by=["sex"]), EffectResults)
    regression = ConditionalEffects.from_formula(effect, "C(sex) + age")
    results = regression.fit(cov_type="HC3")
    assert_type(results, ConditionalEffectsResults)
    assert_type(results.anova(), pd.DataFrame)
    assert_type(results.wild_bootstrap("C(sex)[s2]"), WildClusterTest)
    assert_type(ConditionalEffects.from_groups(effect, "sex"), ConditionalEffects)
    tree = came(effect, 3)
    assert_type(ConditionalEffects.from_tree(effect, tree), ConditionalEffects)
    assert_type(ConditionalEffects.from_response(y, X, "age"), ConditionalEffects)
    mixed = ConditionalEffects.mixed(effect, "age", groups="subject")
    assert_type(mixed.fit(), MixedConditionalEffectsResults)
    both = {"subject": "s", "article": "a"}
    crossed = ConditionalEffects.mixed(effect, "age", groups=both)
    assert_type(crossed, MixedConditionalEffects | CrossedConditionalEffects)
    pairs = ClusterPairExperiment(y, y, y, y, eta=0.1, beta=0.3)
    assert_type(pairs.fit(), PolicyEffectResults)
    assert_type(pairs.fit().optimality_test(n_resamples=99), OptimalityTest)
    assert_type(ClusterPairExperiment.design(1.0, effect=1, eta=0.1), PairDesign)
    waves = MultiWaveExperiment(4, 4, beta=0.3, eta=0.1, curvature=2)
    assert_type(waves.record(y).probabilities, pd.DataFrame)
    assert_type(waves.results(), PolicyEffectResults)
    refits = bootstrap_effects(explainer, X, y, covers="sample + refit", tree=tree)
    assert_type(refits, BootstrapResults)
    assert_type(refits.conf_int(method="basic"), pd.DataFrame)
    assert_type(cross_fit_effects(explainer, X, y, groups="site"), CrossFittedEffects)
    assert_type(uncertainty_ledger(explainer, X, y), UncertaintyLedger)
    assert_type(honest_regions(explainer, X, y), HonestRegions)
