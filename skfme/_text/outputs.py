"""Outputs of a response, chosen by name: classes of a classifier, or several targets."""

from __future__ import annotations

from collections.abc import Sequence

from skfme._frames.hints import known_names, nearest, shown

__all__ = ["names_by_output", "one_output", "output_columns"]


def output_columns(outputs: Sequence[str], output: str | None) -> list[int]:
    """Positions of the chosen outputs; None chooses all.

    Raises
    ------
    ValueError
        If there is no such output.
    """
    names = list(map(str, outputs))
    if output is None:
        return list(range(len(names)))
    if str(output) not in names:
        raise ValueError(
            f"output={shown(output)} is no output of the effect."
            + (nearest(output, names) or known_names(names))
        )
    return [names.index(str(output))]


def one_output(outputs: Sequence[str], output: str | None, purpose: str) -> int:
    """Position of the one output that `purpose` takes; None where there is only one.

    Raises
    ------
    ValueError
        If there is no such output, or there are several and none is chosen.
    """
    columns = output_columns(outputs, output)
    if len(columns) > 1:
        raise ValueError(
            f"The effect has {len(columns)} outputs "
            f"({', '.join(map(repr, map(str, outputs)))}), and {purpose} takes one: "
            f"choose it with output={str(outputs[-1])!r}, for example."
        )
    return columns[0]


def names_by_output(name: str, outputs: Sequence[str]) -> list[str]:
    """Such as ``bmi -2``; for several outputs ``bmi -2[setosa]`` for each."""
    return [name] if len(outputs) == 1 else [f"{name}[{output}]" for output in outputs]
