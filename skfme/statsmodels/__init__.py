"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._average_effects import average_effects
from skfme.statsmodels._conditional import ConditionalEffects
from skfme.statsmodels._effect_tree import EffectTree
from skfme.statsmodels._results import EffectResults

__all__ = ["ConditionalEffects", "EffectResults", "EffectTree", "average_effects"]
