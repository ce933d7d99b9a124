"""What comparisons of predictions are called: headings, axes, units and sentences.

What they are in numbers is a matter of `_summaries.comparisons`.
"""

from __future__ import annotations

import math

from skfme._summaries.comparisons import Comparison
from skfme._text.labels import number, without_unit

__all__ = [
    "asked_phrase",
    "average_note",
    "average_text",
    "compared_phrase",
    "comparison_text",
    "null_notes",
    "value_phrase",
]

_HEADINGS = {
    "difference": "Change in {}",
    "per_unit": "Change in {} per unit",
    "percent": "Change in {} (percent)",
    "ratio": "Ratio of {}, after over before",
    "log_ratio": "Log ratio of {}, after over before",
    "log_odds_ratio": "Log odds ratio of {}, after over before",
}
_MEANS = {
    "percent": "change of the average prediction",
    "ratio": "ratio of the average predictions",
    "log_ratio": "log ratio of the average predictions",
    "log_odds_ratio": "log odds ratio of the average predictions",
}


def comparison_text(comparison: Comparison, what: str) -> str:
    """What effects are, such as ``Change in predicted risk (percent)``."""
    if comparison.function is not None:
        return f"{comparison.name} of {what}, before and after"
    relative = not comparison.is_linear  # and so without the response's unit
    what = (without_unit(what) or what) if relative else what
    return _HEADINGS[comparison.name].format(what)


def average_note(comparison: Comparison) -> str:
    """How the average is formed, in a sentence; empty where there is one way only."""
    if comparison.is_linear:
        return ""
    if not comparison.of_means:
        return "Averages are means over rows (average='of_rows')."
    of = _MEANS.get(comparison.name, f"{comparison.name} of the average predictions")
    return f"Averages are the {of} (average='of_means')."


def average_text(comparison: Comparison, value: float) -> str:
    """An average in its units, such as ``−7.4 %``, for a legend."""
    text = number(value)
    if comparison.function is not None or math.isnan(value):
        return text
    if comparison.name in ("log_ratio", "log_odds_ratio"):
        of = "ratio" if comparison.name == "log_ratio" else "odds ratio"
        return f"{text} ({of} {number(math.exp(min(value, 700.0)))})"
    return text + {"percent": " %", "per_unit": " per unit"}.get(comparison.name, "")


def null_notes(comparison: Comparison) -> list[str]:
    """What tests are tests of, where that is not zero."""
    null = comparison.null
    return [f"Statistics and P test that an estimate is {null:g}."] if null else []


def asked_phrase(comparison: Comparison, what: str) -> str:
    """What is asked of the predictions, at the end of a question."""
    if comparison.function is not None:
        return f"what would the {comparison.name} of the {what} be"
    if comparison.name == "ratio":
        return f"by what factor would the {what} change"
    if comparison.name in ("log_ratio", "log_odds_ratio"):
        of = "logarithm" if comparison.name == "log_ratio" else "log odds"
        return f"by how much would the {of} of the {what} change"
    units = {"percent": " in percent", "per_unit": " per unit"}
    return f"by how much would the {what} change{units.get(comparison.name, '')}"


def compared_phrase(comparison: Comparison, value: float, what: str) -> str:
    """What a step does to the prediction, such as ``lowers the risk by 7.4 percent``."""
    if comparison.function is not None:
        return f"gives {comparison.name} = {number(value)} for the {what}"
    if comparison.name == "ratio":
        return f"multiplies the {what} by {number(value)}"
    if comparison.name == "per_unit":  # whose sign is not the change's, of h below 0
        return f"moves the {what} at a rate of {number(value)} per unit"
    verb, size = "raises" if value > 0 else "lowers", number(abs(value))
    if comparison.name in ("log_ratio", "log_odds_ratio"):
        log = comparison.name == "log_ratio"
        factor = number(math.exp(min(value, 700.0)))
        return (
            f"{verb} the {'logarithm' if log else 'log odds'} of the {what} by {size} "
            f"({'a ratio' if log else 'an odds ratio'} of {factor})"
        )
    return f"{verb} the {what} by {size} percent"


def value_phrase(comparison: Comparison) -> str:
    """What rows have, such as ``the change`` or ``the ratio``."""
    if comparison.function is not None:
        return f"the {comparison.name}"
    names = {
        "ratio": "the ratio",
        "percent": "the change in percent",
        "per_unit": "the change per unit",
        "log_ratio": "the log ratio",
        "log_odds_ratio": "the log odds ratio",
    }
    return names.get(comparison.name, "the change")
