"""Words that help in an error: near names, known ones, and values in few words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

__all__ = [
    "known_names",
    "nearest",
    "refuse_unknown",
    "shown",
]


def nearest(key: object, known: Iterable[object]) -> str:
    """A closing question that names the nearest known name, if one is near."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(key), names, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def refuse_unknown(
    options: Iterable[str], known: Sequence[str], meant: Mapping[str, str], what: str
) -> None:
    """Refuse keywords that are no parameters, with what is likely meant.

    Parameters
    ----------
    options : iterable of str
    known : sequence of str
        The parameters.
    meant : mapping of str -> str
        Closing sentences for words of other packages.
    what : str
        Whose parameters they are.
    """
    for name in options:
        if name not in known:
            hint = meant.get(name) or nearest(name, known) or known_names(known)
            raise TypeError(f"{name!r} is no parameter of {what}.{hint}")


def known_names(known: Sequence[object], most: int = 20) -> str:
    """A closing sentence that lists the known names."""
    shown = ", ".join(repr(name) for name in known[:most])
    return f" Known: {shown}{', …' if len(known) > most else ''}."


def shown(value: object, most: int = 80) -> str:
    """A value in one short line: a table or a column by its size, not its entries."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"a {type(value).__name__} of shape {shape}"
    if isinstance(value, np.number | np.bool_ | np.str_):
        value = value.item()  # 0 rather than np.int64(0)
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
