"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._bootstrap import bootstrap_effects
from skfme.statsmodels._bootstrap_results import BootstrapResults
from skfme.statsmodels._effect_tree import EffectTree
from skfme.statsmodels._results import EffectResults

__all__ = ["BootstrapResults", "EffectResults", "EffectTree", "bootstrap_effects"]
