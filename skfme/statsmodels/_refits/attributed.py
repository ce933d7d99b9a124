"""What bootstrap_effects is asked to split: an effect's name, a step, or arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skfme._explainer.explainer import FMEExplainer
from skfme._frames.hints import known_names, nearest, shown
from skfme._frames.tables import Table

__all__ = ["arguments_of"]

_ARGUMENTS = ("step", "method", "order", "n_permutations", "random_state")
_ELSEWHERE = {
    "interactions": "Only the parts are averaged over refits. explainer.attribute(X, "
    "interactions=True) finds interactions of one fit.",
    "sample_weight": "Weights are given beside it: bootstrap_effects(…, sample_weight=w).",
    "X": "The rows are those that are given beside it.",
}


def arguments_of(
    attribute: Any, explainer: FMEExplainer, table: Table
) -> dict[str, Any]:
    """The arguments of :meth:`FMEExplainer.attribute` that are meant.

    Parameters
    ----------
    attribute : str or mapping
        An effect's name; a step, as a mapping of columns; or the arguments themselves.
    explainer : FMEExplainer
        Fitted, whose effects may be meant.
    table : Table

    Raises
    ------
    TypeError, ValueError
        If it is none of these; the message says what to write.
    """
    if isinstance(attribute, str):
        return {"step": attribute}
    if not isinstance(attribute, Mapping):
        raise TypeError(
            f"attribute must be the name of a joint step, such as "
            f"{explainer.steps_[0].name!r}, a mapping such as {{'bmi': -2, 'bp': -10}}, or "
            f"arguments of FMEExplainer.attribute; got {shown(attribute)}. attribute={{}} "
            "splits the explainer's only effect."
        )
    others = [key for key in attribute if key not in _ARGUMENTS]
    if not others:
        return dict(attribute)
    if all(_is_column(key, table) for key in attribute):
        return {"step": attribute}
    unknown = next((key for key in others if not _is_column(key, table)), others[0])
    if unknown in _ELSEWHERE:
        raise ValueError(f"attribute has {unknown!r}. {_ELSEWHERE[unknown]}")
    hint = nearest(unknown, [*_ARGUMENTS, *table.names]) or known_names(_ARGUMENTS)
    raise ValueError(
        f"attribute has {unknown!r}, which is neither a column nor an argument of "
        f"FMEExplainer.attribute.{hint}"
    )


def _is_column(key: Any, table: Table) -> bool:
    """Whether a key names a column, or is the position of one."""
    if isinstance(key, int):
        return key in table.names or 0 <= key < len(table.names)
    return key in table.names
