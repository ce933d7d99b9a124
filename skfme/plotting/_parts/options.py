"""Options of displays: an unknown one is named, with those that are accepted."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from skfme._frames.hints import nearest
from skfme.plotting._parts.canvas import check_matplotlib

__all__ = ["names_options"]

Plot = TypeVar("Plot", bound=Callable[..., Any])

_UNKNOWN = re.compile(r"(?:(\w+)\.set\(\) )?got an unexpected keyword argument '(\w+)'")


def names_options(plot: Plot) -> Plot:
    """Have a display's `plot` say which options there are, where Matplotlib refuses one.

    What is drawn decides which of Matplotlib's own options there are, so that they are
    tried and not listed; a figure that was opened for the drawing is closed.
    """

    @wraps(plot)
    def checked(self: Any, *args: Any, **options: Any) -> Any:
        check_matplotlib(f"{type(self).__name__}.plot")
        before = _open_figures()
        try:
            return plot(self, *args, **options)
        except (AttributeError, TypeError) as error:
            unknown = _UNKNOWN.search(str(error))
            if unknown is None or unknown[2] not in options:
                raise
            _close(_open_figures() - before)
            raise TypeError(_message(type(self), unknown[2], unknown[1])) from None

    return checked  # type: ignore[return-value]


def _message(display: type, option: str, artist: str | None) -> str:
    own = _own_options(display)
    return (
        f"{option!r} is no option of {display.__name__}, nor of what Matplotlib draws for "
        f"it ({artist or 'its artist'}). Options: {', '.join(own)}, and Matplotlib's, such "
        f"as color or alpha.{_meant(option, [*own, *_properties(artist)])}"
    )


def _meant(option: str, names: list[str]) -> str:
    if option == "by" and "against" in names:
        return (
            " For a dot for each group, draw the mapping of effects: effects.plot(by=…); "
            "against='column' draws this effect against a column."
        )
    return nearest(option, names)


def _own_options(display: type) -> list[str]:
    """Parameters of a display's `plot` and of the methods that make it from results."""
    makers = [name for name in vars(display) if name.startswith("from_")]
    names: dict[str, None] = {}
    for name in [*makers, "plot"]:
        parameters = inspect.signature(getattr(display, name)).parameters.values()
        for parameter in parameters:
            optional = parameter.default is not inspect.Parameter.empty
            if optional and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
                names[parameter.name] = None
    return list(names)


def _properties(artist: str | None) -> list[str]:
    """Names of what can be set of an artist, by the name of its class."""
    from matplotlib import collections, lines, patches
    from matplotlib.artist import ArtistInspector

    for module in (collections, lines, patches):
        if artist is not None and hasattr(module, artist):
            return list(ArtistInspector(getattr(module, artist)).get_setters())
    return ["color", "alpha"]


def _open_figures() -> set[int]:
    import matplotlib.pyplot as plt

    return set(plt.get_fignums())


def _close(figures: set[int]) -> None:
    import matplotlib.pyplot as plt

    for figure in figures:
        plt.close(figure)
