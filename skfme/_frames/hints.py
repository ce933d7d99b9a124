"""Words that help where a name is unknown."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

__all__ = [
    "known_names",
    "nearest",
]


def nearest(key: object, known: Iterable[object]) -> str:
    """A closing question that names the nearest known name, if one is near."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(key), names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def known_names(known: Sequence[object], most: int = 20) -> str:
    """A closing sentence that lists the known names."""
    shown = ", ".join(repr(name) for name in known[:most])
    return f" Known: {shown}{', …' if len(known) > most else ''}."
