"""Forward marginal effects for any trained model.

If x changes by h, by how much does the prediction change: for this observation, for
this group, on average?
"""

from skfme import steps
from skfme._effects import ForwardEffect, ForwardEffects
from skfme._explainer import FMEExplainer
from skfme._functional import ame, came, fme
from skfme._profiles import LargestStep, PathPredictions, StepProfile
from skfme.extrapolation import Envelope
from skfme.quadrature import Adaptive, GaussLegendre, Simpson38
from skfme.steps import IQR, Add, Contrast, Quantile, Scale, SetTo, StdDev

__version__ = "0.1.0.dev0"

__all__ = [
    "IQR",
    "Adaptive",
    "Add",
    "Contrast",
    "Envelope",
    "FMEExplainer",
    "ForwardEffect",
    "ForwardEffects",
    "GaussLegendre",
    "LargestStep",
    "PathPredictions",
    "Quantile",
    "Scale",
    "SetTo",
    "Simpson38",
    "StdDev",
    "StepProfile",
    "ame",
    "came",
    "fme",
    "steps",
]
