"""What the part of a joint step's effect is called, so that none reads it as an effect.

A part goes by its feature: ``bmi``. Where a person reads it, the joint step is named.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from skfme._text.labels import Labels, step_title
from skfme.steps._changes import Step

__all__ = ["JointStep", "effect_title", "full_name", "part_notes"]


class JointStep(NamedTuple):
    """The step whose effect is split among its features."""

    name: str
    step: dict[str, Step]


def full_name(name: str, joint: JointStep | None) -> str:
    """An effect's name; of a part such as ``part of bmi in 'bmi -2, bp -10'``."""
    return name if joint is None else f"part of {name} in {joint.name!r}"


def effect_title(effect: Any, labels: Labels) -> str:
    """The same with labels, units and typographic signs.

    Parameters
    ----------
    effect : object
        With `name`, `step`, and a `context` that has the joint step, or None, as `joint`.
    labels : Labels
    """
    joint = effect.context.joint
    if joint is None:
        return step_title(effect.name, effect.step, labels)
    whole = step_title(joint.name, joint.step, labels)
    return f"part of {labels.short(effect.name)} in ‘{whole}’"


def part_notes(joint: JointStep | None) -> list[str]:
    """That estimates are of parts, in a sentence; none of effects."""
    if joint is None:
        return []
    return [
        f"Parts of the effect of the joint step {joint.name!r}: what a feature brings to "
        "it, which is not the effect of changing that feature alone."
    ]
