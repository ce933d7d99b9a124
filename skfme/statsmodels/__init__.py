"""Statistics of effects: where they differ, and how sure one can be of them."""

from skfme.statsmodels._effect_tree import EffectTree

__all__ = ["EffectTree"]
