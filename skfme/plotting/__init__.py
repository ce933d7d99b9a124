"""Pictures of effects, after scikit-learn's Display classes.

Displays are built from effects or arrays, never from a model. They need Matplotlib
(``pip install 'skfme[plot]'``), which is imported when something is drawn.
"""

from skfme.plotting._ame import AMEDisplay
from skfme.plotting._attribution import AttributionDisplay
from skfme.plotting._effect_tree import EffectTreeDisplay
from skfme.plotting._extrapolation import ExtrapolationDisplay
from skfme.plotting._fme import FMEDisplay
from skfme.plotting._optimum import OptimumDisplay
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._path import PathDisplay
from skfme.plotting._response_audit import ResponseAuditDisplay
from skfme.plotting._step_profile import StepProfileDisplay

__all__ = [
    "AMEDisplay",
    "AttributionDisplay",
    "EffectTreeDisplay",
    "ExtrapolationDisplay",
    "FMEDisplay",
    "FeatureAxis",
    "OptimumDisplay",
    "PathDisplay",
    "ResponseAuditDisplay",
    "StepProfileDisplay",
]
