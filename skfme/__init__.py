"""Forward marginal effects for any trained model.

If x changes by h, by how much does the prediction change: for this observation, for
this group, on average?
"""

from typing import TYPE_CHECKING, Any

from skfme import extrapolation, quadrature, steps
from skfme._attribution.step_attribution import StepAttribution
from skfme._explainer.explainer import FMEExplainer
from skfme._functional import ame, attribute, came, fme
from skfme._results.counted_data import CountedData
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._results.optima import ResponseOptimum
from skfme._results.profiles import LargestStep, PathPredictions, StepProfile
from skfme._streaming.effect_summaries import EffectSummaries
from skfme._streaming.effect_summary import EffectSummary
from skfme.extrapolation import Envelope
from skfme.quadrature import Adaptive, GaussLegendre, Simpson38
from skfme.steps._reference_rows import profiles
from skfme.steps._steps import IQR, Add, Apply, Contrast, Quantile, Scale, SetTo, StdDev

if TYPE_CHECKING:
    from skfme import metrics, plotting, statsmodels
    from skfme._report.report import write_report
    from skfme.plotting import (
        AMEDisplay,
        AttributionDisplay,
        EffectTreeDisplay,
        ExtrapolationDisplay,
        FMEDisplay,
        OptimumDisplay,
        PathDisplay,
        ResponseAuditDisplay,
        StepProfileDisplay,
    )

__version__ = "0.1.0"

__all__ = [
    "IQR",
    "AMEDisplay",
    "Adaptive",
    "Add",
    "Apply",
    "AttributionDisplay",
    "Contrast",
    "CountedData",
    "EffectSummaries",
    "EffectSummary",
    "EffectTreeDisplay",
    "Envelope",
    "ExtrapolationDisplay",
    "FMEDisplay",
    "FMEExplainer",
    "ForwardEffect",
    "ForwardEffects",
    "GaussLegendre",
    "LargestStep",
    "OptimumDisplay",
    "PathDisplay",
    "PathPredictions",
    "Quantile",
    "ResponseAuditDisplay",
    "ResponseOptimum",
    "Scale",
    "SetTo",
    "Simpson38",
    "StdDev",
    "StepAttribution",
    "StepProfile",
    "StepProfileDisplay",
    "ame",
    "attribute",
    "came",
    "extrapolation",
    "fme",
    "metrics",
    "plotting",
    "profiles",
    "quadrature",
    "statsmodels",
    "steps",
    "write_report",
]

# Loaded on first use (PEP 562), so that `import skfme` stays light.
_ON_USE = {
    "AMEDisplay": "skfme.plotting",
    "AttributionDisplay": "skfme.plotting",
    "EffectTreeDisplay": "skfme.plotting",
    "ExtrapolationDisplay": "skfme.plotting",
    "FMEDisplay": "skfme.plotting",
    "OptimumDisplay": "skfme.plotting",
    "PathDisplay": "skfme.plotting",
    "ResponseAuditDisplay": "skfme.plotting",
    "StepProfileDisplay": "skfme.plotting",
    "write_report": "skfme._report.report",
}
_ROOMS_ON_USE = ("metrics", "plotting", "statsmodels")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _ROOMS_ON_USE:
        return import_module(f"{__name__}.{name}")
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ON_USE[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
