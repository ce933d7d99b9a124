"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._average_effects import average_effects
from skfme.statsmodels._conditional import ConditionalEffects
from skfme.statsmodels._conditional_results import ConditionalEffectsResults
from skfme.statsmodels._effect_tree import EffectTree
from skfme.statsmodels._equivalence import EquivalenceResults
from skfme.statsmodels._mixed import (
    MixedConditionalEffects,
    MixedConditionalEffectsResults,
)
from skfme.statsmodels._results import EffectResults
from skfme.statsmodels._sign_model import SignModel, SignResults
from skfme.statsmodels._wild_bootstrap import WildClusterTest

__all__ = [
    "ConditionalEffects",
    "ConditionalEffectsResults",
    "EffectResults",
    "EffectTree",
    "EquivalenceResults",
    "MixedConditionalEffects",
    "MixedConditionalEffectsResults",
    "SignModel",
    "SignResults",
    "WildClusterTest",
    "average_effects",
]
