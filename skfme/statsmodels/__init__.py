"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._delta import delta_effects
from skfme.statsmodels._effect_tree import EffectTree
from skfme.statsmodels._estimators import StatsmodelsEstimator
from skfme.statsmodels._results import EffectResults

__all__ = ["EffectResults", "EffectTree", "StatsmodelsEstimator", "delta_effects"]
