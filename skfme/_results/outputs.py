"""Which of an effect's outputs is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skfme._results.effects import ForwardEffect

if TYPE_CHECKING:
    pass

__all__ = [
    "output_columns",
    "output_position",
]


def output_position(effect: ForwardEffect, output: str | None) -> int:
    """Position of the output to partition."""
    known = list(map(str, effect.outputs))
    if output is None and len(known) == 1:
        return 0
    if str(output) in known:
        return known.index(str(output))
    names = ", ".join(map(repr, known))
    if output is None:
        raise ValueError(
            f"The effect has {len(known)} outputs ({names}), and a tree partitions one: "
            f"choose it with output={known[0]!r}, for example."
        )
    raise ValueError(
        f"output={output!r} is no output of the effect; there are {names}."
    )


def output_columns(effect: ForwardEffect, output: str | None) -> list[int]:
    """Positions of the outputs asked for; None asks for all."""
    known = list(map(str, effect.outputs))
    if output is None:
        return list(range(len(known)))
    if str(output) not in known:
        raise ValueError(
            f"output={output!r} is no output of the effect; there are "
            f"{', '.join(map(repr, known))}."
        )
    return [known.index(str(output))]
