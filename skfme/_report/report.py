"""write_report: effects as one page that a person reads without the code.

The page holds the question in words, a sentence for each answer, the tables and every
picture; what it says about intervals is what their own results say.
"""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Callable, Hashable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from skfme._report.page import (
    Markup,
    definitions,
    figure,
    page,
    paragraph,
    preformatted,
    section,
    table,
)
from skfme._report.sentences import (
    Wording,
    finding,
    left_out_sentence,
    linearity_sentence,
    question,
)
from skfme._results.effect_tables import (
    effects_table,
    left_out_table,
    nonlinearity_table,
)
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.labels import coverage_note, read_labels, step_title
from skfme._text.printing import format_number
from skfme.plotting import (
    AMEDisplay,
    EffectTreeDisplay,
    ExtrapolationDisplay,
    FMEDisplay,
)
from skfme.plotting._parts.canvas import check_matplotlib, png_of

if TYPE_CHECKING:
    from skfme._explainer.explainer import FMEExplainer
    from skfme.statsmodels import EffectTree

__all__ = ["write_report"]

_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "matplotlib")
_CAVEAT = (
    "An effect describes the model: how its prediction changes when a feature changes "
    "and the others stay as they are. It says what would happen in the world only under "
    "causal assumptions, which come from knowledge of the subject and not from the model."
)
_NO_INTERVALS = (
    "This report carries no standard errors and no confidence intervals. SDs and "
    "quartiles say how much rows differ, not how sure the averages are."
)


def write_report(
    effects: ForwardEffects | ForwardEffect,
    path: str | os.PathLike[str],
    *,
    tree: EffectTree | Mapping[str, EffectTree] | None = None,
    inference: Any = None,
    explainer: FMEExplainer | None = None,
    labels: Mapping[Hashable, str] | None = None,
    response_label: str | None = None,
    title: str | None = None,
) -> Path:
    """Write effects as one HTML page that needs nothing else, and no network.

    Parameters
    ----------
    effects : ForwardEffects or ForwardEffect
    path : str or path
        Such as ``"report.html"``; a file that exists is replaced.
    tree : EffectTree, or mapping of effect name -> EffectTree, default=None
        Regions, as from :func:`came`; a mapping says which effect each is about.
    inference : results, default=None
        Standard errors and intervals of the averages: an object with ``to_frame()``
        (columns ``effect``, ``output``, those of groups, ``estimate``, ``std_error``,
        ``statistic``, ``p_value``, ``conf_low``, ``conf_high``) and ``covers``, which
        says what the intervals cover.
    explainer : FMEExplainer, default=None
        Whose parameters, the model's included, are to be listed; effects keep no model.
    labels : dict of column -> str, default=None
        What columns are called, with a unit in parentheses at the end.
    response_label : str, default=None
        What is predicted, such as ``"disease progression"``.
    title : str, default=None
        None names the model.

    Returns
    -------
    path : Path
        Of the page.

    Raises
    ------
    ImportError
        If Matplotlib is missing.
    TypeError
        If `effects` are none, or `inference` has no ``to_frame()``.
    ValueError
        If `tree` names an effect that `effects` does not have.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import fme, write_report
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> effect = fme(LinearRegression().fit(X, y), X, {"bmi": -2})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = write_report(effect, Path(folder) / "report.html")
    ...     "Lowering bmi by 2 lowers the prediction by 11.2" in page.read_text("utf-8")
    True
    """
    check_matplotlib("write_report")
    effects = _as_effects(effects)
    trees = _as_trees(tree, effects)
    if inference is not None and not hasattr(inference, "to_frame"):
        raise TypeError(
            "inference must be results with to_frame(), such as those of "
            f"skfme.statsmodels; got {type(inference).__name__}."
        )
    known = read_labels(labels, effects.context.table)
    writer = _Writer(effects, Wording(known, response_label), labels)
    context = next(iter(effects.values())).context
    sections = [
        writer.overview(inference),
        *(writer.effect(effect) for effect in effects.values()),
        *(writer.regions(name, grown) for name, grown in trees.items()),
        writer.left_out(),
        writer.intervals(inference),
        section("What effects do not say", paragraph(_CAVEAT)),
        writer.method(explainer),
    ]
    lead = (
        f"{len(effects)} effect{'s' * (len(effects) > 1)} of {context.model} on "
        f"{len(context.table):,} rows. A forward marginal effect (FME) is the "
        "prediction after a step minus the prediction before it; the average marginal "
        "effect (AME) is its mean over the rows that count."
    )
    text = page(title or f"Forward marginal effects of {context.model}", lead, sections)
    target = Path(path)
    target.write_text(text, encoding="utf-8")
    return target


def _as_effects(effects: Any) -> ForwardEffects:
    if isinstance(effects, ForwardEffect):
        return ForwardEffects([effects], effects.context)
    if not isinstance(effects, ForwardEffects):
        raise TypeError(
            "write_report takes a ForwardEffects or a ForwardEffect, got "
            f"{type(effects).__name__}."
        )
    return effects


def _as_trees(tree: Any, effects: ForwardEffects) -> dict[str, Any]:
    """Trees by the effect that they are about; one alone may be about any."""
    if tree is None:
        return {}
    if not isinstance(tree, Mapping):
        return {next(iter(effects)) if len(effects) == 1 else "": tree}
    unknown = [name for name in tree if name not in effects]
    if unknown:
        raise ValueError(
            f"tree names {unknown[0]!r}, which is none of the effects: "
            f"{', '.join(map(repr, effects))}."
        )
    return dict(tree)


class _Writer:
    """Sections of the page about one set of effects."""

    def __init__(
        self,
        effects: ForwardEffects,
        wording: Wording,
        labels: Mapping[Hashable, str] | None,
    ) -> None:
        self.effects = effects
        self.wording = wording
        self.options: dict[str, Any] = {
            "labels": labels,
            "response_label": wording.response_label,
        }

    def title(self, name: str) -> str:
        """An effect's name with labels."""
        return step_title(name, self.effects[name].step, self.wording.labels)

    def _table(self, found: tuple[str, list[str], list[list[str]]] | None) -> Markup:
        """A table of the summary, with labels; nothing where there is none."""
        if found is None:
            return Markup("")
        title, header, rows = found
        longest_first = sorted(self.effects, key=len, reverse=True)
        labelled = []
        for name, *cells in rows:
            own = next(known for known in longest_first if name.startswith(known))
            labelled.append([self.title(own) + name[len(own) :], *cells])
        return table(header, labelled, title)

    def overview(self, inference: Any) -> Markup:
        """The summary's tables, and all averages in one picture."""
        shown = list(self.effects.values())
        tables = [
            self._table(found)
            for found in (effects_table(shown), nonlinearity_table(shown))
        ]
        counted = any(effect.n for effect in shown)
        drawn = [
            _drawn(
                AMEDisplay.from_effects,
                self.effects,
                "Averages of all effects as dots, with the spread of rows or an interval.",
                inference=inference,
                **self.options,
            )
        ]
        return section("At a glance", *tables, *(drawn if counted else []))

    def effect(self, effect: ForwardEffect) -> Markup:
        """The question, the answer in words, and the effects row by row."""
        answers = finding(effect, self.wording)
        parts = [paragraph(question(effect, self.wording), "lead")]
        parts += [paragraph(answer, "finding") for answer in answers]
        parts.append(paragraph(left_out_sentence(effect)))
        straight = linearity_sentence(effect)
        if straight:
            parts.append(paragraph(straight))
        if effect.n:
            parts.append(
                _drawn(
                    FMEDisplay.from_effect, effect, " ".join(answers), **self.options
                )
            )
        if effect.n_left_out["extrapolation"]:
            parts.append(
                _drawn(
                    ExtrapolationDisplay.from_effect,
                    effect,
                    left_out_sentence(effect),
                    "Where the rows lie that the step takes outside the training data.",
                    labels=self.options["labels"],
                )
            )
        return section(self.title(effect.name), *parts)

    def regions(self, name: str, tree: EffectTree) -> Markup:
        """The regions in which an effect is more nearly one number."""
        frame = tree.partitions_
        about = f": {self.title(name)}" if name else ""
        n, share = tree.n_partitions_, tree.variance_explained_
        sentence = f"The tree finds {n} region{'s' * (n != 1)}."
        if share == share:
            sentence += (
                f" Which region a row belongs to accounts for {share:.0%} of the "
                "variance of its effect."
            )
        sentence += (
            " The tree takes effects as data; other rows might give other regions."
        )
        return section(
            f"Where the effect differs{about}",
            paragraph(sentence),
            _drawn(
                EffectTreeDisplay.from_tree,
                tree,
                "; ".join(
                    f"{rule}: {format_number(came)}"
                    for rule, came in zip(frame["rule"], frame["cAME"], strict=True)
                ),
                **self.options,
            ),
            _frame_table(frame, "Regions, with the mean effect (cAME) and its spread"),
        )

    def left_out(self) -> Markup:
        """How much of the data is not trusted."""
        effects = list(self.effects.values())
        before = effects[0].n_outside_before
        if before is None:
            text = "Extrapolation was not judged: every stepped row counts."
        else:
            text = (
                f"{before:,} rows lay outside the training data before any step. A stepped "
                "row outside it does not count, since no data support the model's "
                "prediction there."
            )
        return section(
            "Rows that do not count",
            paragraph(text),
            self._table(left_out_table(effects)),
        )

    def intervals(self, inference: Any) -> Markup:
        """What the intervals cover."""
        if inference is None:
            return section("How sure", paragraph(_NO_INTERVALS))
        note = coverage_note(inference)
        return section(
            "How sure",
            paragraph(note or "The results do not say what their intervals cover."),
            _frame_table(inference.to_frame(), "Estimates with their intervals"),
        )

    def method(self, explainer: Any) -> Markup:
        """Versions, the model, and how the effects were computed."""
        first = next(iter(self.effects.values()))
        context = first.context
        engines = dict.fromkeys(
            str(effect.engine)
            for effect in self.effects.values()
            if hasattr(effect, "engine")
        )
        weights = context.weights
        sizes = dict.fromkeys(s for e in self.effects.values() for s in e.sizes)
        entries = [
            ("Model", context.model),
            ("Response", f"{context.response}: {', '.join(context.outputs)}"),
            ("Rows", f"{len(first.counted):,}"),
            (
                "Weights",
                f"summing to {weights.sum:.6g}" if weights.given else "none",
            ),
            (
                "Extrapolation",
                "not judged" if first.n_outside_before is None else "judged",
            ),
            ("Steps", "; ".join(f"{n}: {_steps(e)}" for n, e in self.effects.items())),
            *([("Step sizes", "; ".join(sizes))] if sizes else []),
            *([("Engine", ", ".join(engines))] if engines else []),
            ("Versions", _versions()),
            ("Written", datetime.date.today().isoformat()),
        ]
        listed = [] if explainer is None else [preformatted(repr(explainer))]
        return section("How this was computed", definitions(entries), *listed)


def _drawn(
    display: Callable[..., Any],
    source: Any,
    description: str,
    caption: str = "",
    **options: Any,
) -> Markup:
    """A display as a picture."""
    drawn = display(source, **options).figure_
    width = round(100 * drawn.get_figwidth())
    return figure(png_of(drawn), description, caption, width)


def _steps(effect: ForwardEffect) -> str:
    return ", ".join(f"{name} {step}" for name, step in effect.step.items())


def _frame_table(frame: pd.DataFrame, caption: str) -> Markup:
    """A table of numbers and texts."""
    rows = [
        [_cell(value) for value in record]
        for record in frame.itertuples(index=False, name=None)
    ]
    return table([str(name) for name in frame.columns], rows, caption)


def _cell(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _versions() -> str:
    own = sys.modules["skfme"].__version__
    found = [f"skfme {own}", f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)
