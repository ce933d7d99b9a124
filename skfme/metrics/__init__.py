"""Scores of effects: scorers for searches, stability over refits, fit of a partition.

Scores of predictions are scikit-learn's.
"""

from skfme.metrics._scorers import make_anlm_scorer, make_monotonicity_scorer
from skfme.metrics._scores import effect_stability, partition_r2_score

__all__ = [
    "effect_stability",
    "make_anlm_scorer",
    "make_monotonicity_scorer",
    "partition_r2_score",
]
