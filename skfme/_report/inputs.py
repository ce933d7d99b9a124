"""What a report is made of, checked: everything must be about the same effects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._attribution.step_attribution import StepAttribution
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.parts import full_name

__all__ = ["Reported", "as_trees", "check_explainer", "check_inference"]

_SAME = 1e-6  # of the largest effect: how far engines may differ


@dataclass(frozen=True)
class Reported:
    """The effects that a report tells, and how joint steps among them are split.

    Attributes
    ----------
    effects : ForwardEffects
    attributions : tuple of StepAttribution
    """

    effects: ForwardEffects
    attributions: tuple[StepAttribution, ...]

    @classmethod
    def of(cls, effects: Any, attribution: Any) -> Reported:
        """What was given, of which attributions are told after their joint step.

        Raises
        ------
        TypeError
            If these are neither effects nor an attribution.
        ValueError
            If the attribution is of another step, other rows or another model.
        """
        attributions = []
        if isinstance(effects, StepAttribution):
            attributions.append(effects)
            effects = effects.total
        told = _as_effects(effects)
        if attribution is not None and attribution not in attributions:
            _check_attribution(attribution, told)
            attributions.append(attribution)
        return cls(told, tuple(attributions))

    @property
    def parts(self) -> ForwardEffects:
        """The parts of the first attribution, if there is one."""
        first, *_ = (*self.attributions, ForwardEffects([], self.effects.context))
        return ForwardEffects(list(first.values()), first.context)

    @property
    def named(self) -> dict[str, ForwardEffect]:
        """Effects and parts by name; of a name that both have, the effect."""
        return {**self.parts, **self.effects}


def _as_effects(effects: Any) -> ForwardEffects:
    """Effects, of which one alone may have been given."""
    if isinstance(effects, ForwardEffect):
        return ForwardEffects([effects], effects.context)
    if not isinstance(effects, ForwardEffects):
        raise TypeError(
            "write_report takes a ForwardEffects or a ForwardEffect, got "
            f"{type(effects).__name__}."
        )
    return effects


def _check_attribution(attribution: Any, effects: ForwardEffects) -> None:
    """Refuse what is no attribution of one of the effects, or of which one is a part."""
    if not isinstance(attribution, StepAttribution):
        raise TypeError(
            "attribution must be a StepAttribution, as explainer.attribute(X) makes it; "
            f"got {type(attribution).__name__}."
        )
    total = attribution.total
    told = {one.full_name: one for one in (*attribution.values(), total)}
    pairs = [
        (effect, told.get(effect.full_name, total))
        for effect in effects.values()
        if effect.full_name in told or effect.step == total.step
    ]
    if not pairs:
        raise ValueError(
            f"attribution splits {total.name!r}, which is none of the effects: "
            f"{', '.join(map(repr, effects))}. Take an attribution of one of these."
        )
    if not any(_alike(*pair) for pair in pairs):
        raise ValueError(
            f"attribution splits another effect of {total.name!r} than the one reported: it "
            "has other rows, other weights or another model. Attribute the rows of effects."
        )


def _alike(effect: ForwardEffect, other: ForwardEffect) -> bool:
    """Whether two effects have the same numbers, but for what engines differ by."""
    if effect.fme_2d.shape != other.fme_2d.shape:
        return False
    if not np.array_equal(effect.status_codes, other.status_codes):
        return False
    size = np.abs(effect.fme_2d[effect.counted]).max(initial=0.0)
    near = {"rtol": 0, "atol": _SAME * size, "equal_nan": True}
    return all(
        np.allclose(one, two, **near)
        for one, two in ((effect.fme_2d, other.fme_2d), (effect.ame, other.ame))
    )


def check_inference(inference: Any, reported: Reported) -> None:
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
    of_effects = any(name in text for name in reported.effects for text in about)
    of_parts = any(text in reported.named for text in about)
    if about and not of_effects and not of_parts:
        raise ValueError(
            f"inference is about {', '.join(map(repr, about[:3]))}, and not about "
            f"{', '.join(map(repr, list(reported.effects)[:3]))}. Take results of these "
            "effects."
        )


def check_explainer(explainer: Any, effects: ForwardEffects) -> None:
    """Refuse another explainer than that of the effects."""
    names = [step.name for step in getattr(explainer, "steps_", ())]
    joint = effects.context.joint
    told = list(effects) if joint is None else [joint.name]
    if names and not any(name in names for name in told):
        raise ValueError(
            f"explainer has the effects {', '.join(map(repr, names[:3]))}, and not "
            f"{', '.join(map(repr, told[:3]))}: it is another one."
        )


def as_trees(tree: Any, reported: Reported) -> dict[str, Any]:
    """Trees by the effect or part that they are about; numbers alone may be about any."""
    if tree is None:
        return {}
    effects, named = reported.effects, reported.named
    if not isinstance(tree, Mapping):
        _check_columns(tree, effects)
        about = getattr(tree, "_about", None)
        if about is not None and about[0] in named:
            _check_subject(tree, named[about[0]])
            return {about[0]: tree}
        for effect in effects.values():
            _check_subject(tree, effect)
        return {next(iter(effects)) if len(effects) == 1 else "": tree}
    for name, one in tree.items():
        if name not in named:
            raise ValueError(
                f"tree names {name!r}, which is none of the effects: "
                f"{', '.join(map(repr, named))}."
            )
        _check_columns(one, effects)
        _check_subject(one, named[name])
    return dict(tree)


def _check_columns(tree: Any, effects: ForwardEffects) -> None:
    """Refuse a tree over other columns than those of the effects' table."""
    columns = set(effects.context.table.names)
    read = list(getattr(tree, "feature_names_in_", ()))
    others = [name for name in read if name not in columns]
    if others:
        raise ValueError(
            f"tree was fitted on {others[0]!r}, which the effects' table does not have: it "
            "is about other effects. Fit one to these, as with came(effect)."
        )


def _check_subject(tree: Any, effect: ForwardEffect) -> None:
    """Refuse a tree that says to be about something else."""
    about = getattr(tree, "_about", None)
    if about is not None and full_name(*about) != effect.full_name:
        raise ValueError(
            f"tree is about {full_name(*about)!r}, and not about {effect.full_name!r}. Fit "
            "one to what is reported, as with came(effect)."
        )
