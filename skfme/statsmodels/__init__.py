"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._audit.audit import response_audit
from skfme.statsmodels._audit.audit_results import ResponseAudit
from skfme.statsmodels._delta.delta import delta_effects
from skfme.statsmodels._inference.equivalence import EquivalenceResults
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._models.estimators import StatsmodelsEstimator
from skfme.statsmodels._models.parametric import ParametricModel
from skfme.statsmodels._policy.design import PairDesign
from skfme.statsmodels._policy.experiment import (
    ClusterPairExperiment,
    OptimalityTest,
    PolicyEffectResults,
)
from skfme.statsmodels._policy.waves import MultiWaveExperiment
from skfme.statsmodels._refits.bootstrap import bootstrap_effects
from skfme.statsmodels._refits.bootstrap_results import BootstrapResults
from skfme.statsmodels._refits.cross_fitting import (
    CrossFitResults,
    CrossFittedEffects,
    cross_fit_effects,
)
from skfme.statsmodels._refits.honest import HonestRegions, honest_regions
from skfme.statsmodels._refits.ledger import uncertainty_ledger
from skfme.statsmodels._refits.ledger_results import UncertaintyLedger
from skfme.statsmodels._refits.optima import (
    OptimumEquality,
    OptimumResults,
    optimum_effects,
)
from skfme.statsmodels._regression.average_effects import average_effects
from skfme.statsmodels._regression.conditional import ConditionalEffects
from skfme.statsmodels._regression.conditional_results import ConditionalEffectsResults
from skfme.statsmodels._regression.crossed import (
    CrossedConditionalEffects,
    CrossedConditionalEffectsResults,
)
from skfme.statsmodels._regression.mixed import (
    MixedConditionalEffects,
    MixedConditionalEffectsResults,
)
from skfme.statsmodels._regression.model_comparison import (
    ModelComparison,
    compare_models,
)
from skfme.statsmodels._regression.wild_bootstrap import WildClusterTest
from skfme.statsmodels._tree.came_batches import came_batches
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.stability import Stability

__all__ = [
    "BootstrapResults",
    "ClusterPairExperiment",
    "ConditionalEffects",
    "ConditionalEffectsResults",
    "CrossFitResults",
    "CrossFittedEffects",
    "CrossedConditionalEffects",
    "CrossedConditionalEffectsResults",
    "EffectResults",
    "EffectTree",
    "EquivalenceResults",
    "HonestRegions",
    "MixedConditionalEffects",
    "MixedConditionalEffectsResults",
    "ModelComparison",
    "MultiWaveExperiment",
    "OptimalityTest",
    "OptimumEquality",
    "OptimumResults",
    "PairDesign",
    "ParametricModel",
    "PolicyEffectResults",
    "ResponseAudit",
    "Stability",
    "StatsmodelsEstimator",
    "UncertaintyLedger",
    "WildClusterTest",
    "average_effects",
    "bootstrap_effects",
    "came_batches",
    "compare_models",
    "cross_fit_effects",
    "delta_effects",
    "honest_regions",
    "optimum_effects",
    "response_audit",
    "uncertainty_ledger",
]
