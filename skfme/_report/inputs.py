"""What a report is made of, checked: everything must be about the same effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skfme._attribution.step_attribution import StepAttribution
from skfme._results.effects import ForwardEffect, ForwardEffects

__all__ = [
    "as_effects",
    "as_trees",
    "check_attribution",
    "check_explainer",
    "check_inference",
]


def as_effects(effects: Any) -> ForwardEffects:
    """Effects, of which one alone may have been given."""
    if isinstance(effects, ForwardEffect):
        return ForwardEffects([effects], effects.context)
    if not isinstance(effects, ForwardEffects):
        raise TypeError(
            "write_report takes a ForwardEffects or a ForwardEffect, got "
            f"{type(effects).__name__}."
        )
    return effects


def check_attribution(attribution: Any) -> None:
    """Refuse what is no attribution."""
    if attribution is not None and not isinstance(attribution, StepAttribution):
        raise TypeError(
            "attribution must be a StepAttribution, as explainer.attribute(X) makes it; "
            f"got {type(attribution).__name__}."
        )


def check_inference(inference: Any, effects: ForwardEffects) -> None:
    """Refuse what holds no estimates, or none of these effects."""
    if inference is None:
        return
    if not hasattr(inference, "to_frame"):
        raise TypeError(
            "inference must be results with to_frame(), such as those of "
            f"skfme.statsmodels; got {type(inference).__name__}."
        )
    frame = inference.to_frame()
    about = list(map(str, frame["effect"].unique())) if "effect" in frame else []
    if about and not any(name in text for name in effects for text in about):
        raise ValueError(
            f"inference is about {', '.join(map(repr, about[:3]))}, and not about "
            f"{', '.join(map(repr, list(effects)[:3]))}. Take results of these effects."
        )


def check_explainer(explainer: Any, effects: ForwardEffects) -> None:
    """Refuse another explainer than that of the effects."""
    names = [step.name for step in getattr(explainer, "steps_", ())]
    if names and not any(name in names for name in effects):
        raise ValueError(
            f"explainer has the effects {', '.join(map(repr, names[:3]))}, and not "
            f"{', '.join(map(repr, list(effects)[:3]))}: it is another one."
        )


def as_trees(tree: Any, effects: ForwardEffects) -> dict[str, Any]:
    """Trees by the effect that they are about; one alone may be about any."""
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        _check_tree(tree, effects)
        return {next(iter(effects)) if len(effects) == 1 else "": tree}
    unknown = [name for name in tree if name not in effects]
    if unknown:
        raise ValueError(
            f"tree names {unknown[0]!r}, which is none of the effects: "
            f"{', '.join(map(repr, effects))}."
        )
    for one in tree.values():
        _check_tree(one, effects)
    return dict(tree)


def _check_tree(tree: Any, effects: ForwardEffects) -> None:
    """Refuse a tree over other columns than those of the effects' table."""
    columns = set(effects.context.table.names)
    read = list(getattr(tree, "feature_names_in_", ()))
    others = [name for name in read if name not in columns]
    if others:
        raise ValueError(
            f"tree was fitted on {others[0]!r}, which the effects' table does not have: it "
            "is about other effects. Fit one to these, as with came(effect)."
        )
