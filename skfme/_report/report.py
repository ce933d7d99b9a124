"""write_report: effects as one page that a person reads without the code.

The page holds the question in words, a sentence for each answer, the tables and every
picture; what it says about intervals is what their own results say.
"""

from __future__ import annotations

import contextlib
import datetime
import math
import os
import platform
import sys
from collections.abc import Hashable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from skfme._attribution.step_attribution import StepAttribution
from skfme._report.attributions import attribution_section
from skfme._report.inputs import Reported, as_trees, check_explainer, check_inference
from skfme._report.page import (
    Markup,
    definitions,
    figure,
    page,
    paragraph,
    preformatted,
    replacing,
    section,
    table,
)
from skfme._report.sentences import (
    Wording,
    finding,
    left_out_sentence,
    linearity_sentence,
    other_estimates,
    question,
)
from skfme._results.effect_tables import (
    effects_table,
    ends_table,
    left_out_table,
    nonlinearity_table,
)
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.compared import average_note, comparison_text
from skfme._text.labels import coverage_note, read_labels, response_words
from skfme._text.parts import effect_title, part_notes
from skfme._text.printing import REGION_HEADINGS, format_number
from skfme._text.reasons import few_rows_count
from skfme.plotting import (
    AMEDisplay,
    EffectTreeDisplay,
    ExtrapolationDisplay,
    FMEDisplay,
)
from skfme.plotting._parts.canvas import Display, check_matplotlib, png_of
from skfme.quadrature import rules_together

if TYPE_CHECKING:
    from skfme._explainer.explainer import FMEExplainer
    from skfme.statsmodels import EffectTree, ResponseAudit

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
_OUTSIDE = "Where the rows lie that the step takes outside the training data."
_AUDITED = "Shares of rows up to a value: predictions by group, and responses of rows."
_OVERVIEW = "Averages of all effects as dots, with the spread of rows or an interval."


def write_report(
    effects: ForwardEffects | ForwardEffect,
    path: str | os.PathLike[str],
    *,
    tree: EffectTree | Mapping[str, EffectTree] | None = None,
    inference: Any = None,
    attribution: StepAttribution | None = None,
    audit: ResponseAudit | None = None,
    explainer: FMEExplainer | None = None,
    labels: Mapping[Hashable, str] | None = None,
    response_label: str | None = None,
    title: str | None = None,
) -> Path:
    """Write effects as one HTML page that needs nothing else, and no network.

    Parameters
    ----------
    effects : ForwardEffects, ForwardEffect or StepAttribution
        Of an attribution, the joint step's effect is told, and then its parts.
    path : str or path
        Such as ``"report.html"``; a file that exists is replaced.
    tree : EffectTree, or mapping of effect name -> EffectTree, default=None
        Regions, as from :func:`came`; a mapping says which effect, or part of an
        attribution, each is about.
    inference : results, default=None
        Standard errors and intervals of the averages: an object with ``to_frame()``
        (columns ``effect``, ``output``, those of groups, ``estimate``, ``std_error``,
        ``statistic``, ``p_value``, ``conf_low``, ``conf_high``) and ``covers``, which
        says what the intervals cover.
    attribution : StepAttribution, default=None
        One of the effects, split among its features; of an attribution, a second one,
        such as by another method.
    audit : ResponseAudit, default=None
        Whether the model still responds to a feature that was removed from it, as from
        :func:`skfme.statsmodels.response_audit`.
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
    OSError
        At once, if no file can be written to `path`; an old one stays as it is until all of
        the new one is written.
    TypeError
        If `effects` are none, or `inference` has no ``to_frame()``.
    ValueError
        If `tree`, `inference` or `attribution` is about something else than `effects`.

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
    reported = Reported.of(effects, attribution)
    effects = reported.effects
    trees = as_trees(tree, reported)
    check_inference(inference, reported)
    check_explainer(explainer, effects)
    texts = read_labels(labels, effects.context.table)
    words = response_words(response_label)
    if words is not None:
        effects = effects._with_response_label(words)
        reported = replace(reported, effects=effects)
    wording = Wording(texts, words)
    writer = _Writer(reported, wording, labels, trees, inference)
    title = title or f"Forward marginal effects of {effects.context.model}"
    target = Path(path)
    with replacing(target) as file:
        sections = [
            writer.overview(),
            *(writer.effect(effect) for effect in effects.values()),
            *writer.parts(),
            *(writer.regions(name, tree) for name, tree in trees.items()),
            *([] if audit is None else [writer.audited(audit)]),
            writer.left_out(),
            writer.intervals(),
            section("What effects do not say", paragraph(_CAVEAT)),
            writer.method(explainer),
        ]
        file.write(page(title, writer.lead(), sections))
    return target


class _Writer:
    """Sections of the page about one set of effects."""

    def __init__(
        self,
        reported: Reported,
        wording: Wording,
        labels: Mapping[Hashable, str] | None,
        trees: Mapping[str, EffectTree],
        inference: Any,
    ) -> None:
        self.reported = reported
        self.effects = reported.effects
        self.wording = wording
        self.inference = inference
        self.rules: dict[object, str] = {}  # of all trees, with labels
        for tree in trees.values():
            own = tree.partitions_["rule"]
            self.rules |= dict(zip(own, tree._rules(wording.labels), strict=True))
        self.words: dict[str, Any] = {
            "labels": labels,
            "response_label": wording.response_label,
        }

    def title(self, name: str) -> str:
        """The name of an effect or part with labels."""
        return effect_title(self.reported.named[name], self.wording.labels)

    def lead(self) -> str:
        """What the page is about; first of all, which effects few rows have."""
        effects, context = self.effects, self.effects.context
        few = [
            few_rows_count(self.title(name), effect.n, effect.n_left_out)
            for name, effect in effects.items()
        ]
        kind = "effect" if context.joint is None else "part"
        about = (
            f"{len(effects)} {kind}{'s' * (len(effects) > 1)} of {context.model} on "
            f"{len(context.table):,} rows. "
        )
        comparison = next(iter(effects.values())).comparison
        if comparison.is_difference:
            about += (
                "A forward marginal effect (FME) is the prediction after a step minus the "
                "prediction before it; the average marginal effect (AME) is its mean over "
                "the rows that count."
            )
        else:
            what = comparison_text(comparison, "the prediction")
            about += f"{what}. {average_note(comparison)}".rstrip()
        return " ".join([*filter(None, few), about, *part_notes(context.joint)])

    def _tables(self, *parts: tuple[str, list[str], list[list[str]]] | None) -> Markup:
        """Tables of the summary, with labels; None stands for no table."""
        longest_first = sorted(self.effects, key=len, reverse=True)
        tables = []
        for title, header, rows in filter(None, parts):
            labelled = []
            for text, *cells in rows:
                name = next(name for name in longest_first if text.startswith(name))
                labelled.append([self.title(name) + text[len(name) :], *cells])
            tables.append(table(header, labelled, title))
        return Markup("\n".join(tables))

    def overview(self) -> Markup:
        """The summary's tables, and all averages in one picture."""
        effects = list(self.effects.values())
        parts = [
            self._tables(
                effects_table(effects),
                ends_table(effects),
                nonlinearity_table(effects),
            )
        ]
        if any(effect.n for effect in effects):
            inference = None if self._infers_parts() else self.inference
            display = AMEDisplay.from_effects(
                self.effects, inference=inference, **self.words
            )
            parts.append(_picture(display, _OVERVIEW))
        return section("At a glance", *parts)

    def effect(self, effect: ForwardEffect) -> Markup:
        """The question, the answer in words, and the effects row by row."""
        answers, left_out = finding(effect, self.wording), left_out_sentence(effect)
        texts = [left_out, linearity_sentence(effect)]
        texts += other_estimates(effect, self.inference, self.wording)
        parts = [
            paragraph(question(effect, self.wording), "lead"),
            *(paragraph(answer, "finding") for answer in answers),
            *(paragraph(text) for text in texts if text),
        ]
        if effect.n:
            display = FMEDisplay.from_effect(effect, **self.words)
            parts.append(_picture(display, " ".join(answers)))
        if effect.n_left_out["extrapolation"]:
            labels = self.words["labels"]
            outside = ExtrapolationDisplay.from_effect(effect, labels=labels)
            parts.append(_picture(outside, left_out, _OUTSIDE))
        return section(self.title(effect.name), *parts)

    def parts(self) -> list[Markup]:
        """Which of its changes a joint step owes its effect to."""
        return [
            attribution_section(attribution, self.wording, self.words)
            for attribution in self.reported.attributions
        ]

    def _infers_parts(self) -> bool:
        """Whether the results with intervals are about parts alone."""
        if self.inference is None:
            return False
        about = set(self.inference.to_frame()["effect"])
        return about <= set(self.reported.parts) - set(self.effects)

    def regions(self, name: str, tree: EffectTree) -> Markup:
        """The regions in which an effect is more nearly one number."""
        frame, n = tree.partitions_, tree.n_partitions_
        share = tree.variance_explained_
        sentences = [f"The tree finds {n} region{'s' * (n != 1)}."]
        if not math.isnan(share):
            sentences.append(
                f"Which region a row belongs to accounts for {share:.0%} of the variance "
                "of its effect."
            )
        sentences.append(
            "The tree takes effects as data; other rows might give other regions."
        )
        means = "; ".join(
            f"{rule}: {format_number(came)}"
            for rule, came in zip(
                frame["rule"].map(self.rules), frame["ame"], strict=True
            )
        )
        return section(
            "Where the effect differs" + (f": {self.title(name)}" if name else ""),
            paragraph(" ".join(sentences)),
            _picture(EffectTreeDisplay.from_tree(tree, **self.words), means),
            self.frame(
                frame.rename(columns=REGION_HEADINGS),
                "Regions, with the mean effect (cAME) and its spread",
            ),
        )

    def intervals(self) -> Markup:
        """What the intervals cover, and the estimates that have them."""
        if self.inference is None:
            return section("How sure", paragraph(_NO_INTERVALS))
        note = coverage_note(self.inference)
        pictures = []
        if self._infers_parts():
            display = AMEDisplay.from_effects(
                self.reported.parts, inference=self.inference, **self.words
            )
            pictures.append(_picture(display, _OVERVIEW))
        footnotes = getattr(self.inference, "footnotes", ())
        more = [self.with_labels(text) for text in footnotes if text != note]
        return section(
            "How sure",
            paragraph(note or "The results do not say what their intervals cover."),
            *pictures,
            self.frame(self.inference.to_frame(), "Estimates with their intervals"),
            *map(paragraph, more),
        )

    def audited(self, audit: ResponseAudit) -> Markup:
        """Whether the model still responds to a feature."""
        verdicts = [str(verdict) for verdict in audit.verdicts]
        return section(
            f"Does the model still respond to {audit.sensitive}?",
            *(paragraph(verdict, "finding") for verdict in verdicts),
            _picture(audit.plot(), " ".join(verdicts), _AUDITED),
            self.frame(audit.to_frame(), "What the verdicts rest on"),
        )

    def with_labels(self, text: str) -> str:
        """A text with the rules of trees as readers know them."""
        for rule, labelled in self.rules.items():
            text = text.replace(str(rule), labelled)
        return text

    def frame(self, frame: pd.DataFrame, caption: str) -> Markup:
        """A table of numbers and texts, with labels of effects, columns and rules."""
        frame = frame.copy(deep=False)
        if "effect" in frame:
            titles = {name: self.title(name) for name in self.reported.named}
            frame["effect"] = frame["effect"].map(lambda name: titles.get(name, name))
        if "rule" in frame:
            frame["rule"] = frame["rule"].map(lambda rule: self.rules.get(rule, rule))
        rows = [
            [format_number(v) if isinstance(v, float) else str(v) for v in record]
            for record in frame.itertuples(index=False, name=None)
        ]
        heads = [self.wording.labels.full(str(name)) for name in frame.columns]
        return table(heads, rows, caption)

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
        tables = self._tables(left_out_table(effects))
        notes = map(paragraph, self.effects.notes)
        return section("Rows that do not count", paragraph(text), tables, *notes)

    def method(self, explainer: Any) -> Markup:
        """Versions, the model, and how the effects were computed."""
        effects, context = list(self.effects.values()), self.effects.context
        weights = context.weights
        weighted = f"summing to {weights.sum:.6g}" if weights.given else "none"
        judged = "not judged" if context.n_outside_before is None else "judged"
        steps = "; ".join(f"{effect.full_name}: {_steps(effect)}" for effect in effects)
        sizes = dict.fromkeys(size for effect in effects for size in effect.sizes)
        entries = {
            "Model": context.model,
            "Response": f"{context.response}: {', '.join(context.outputs)}",
            "Rows": f"{len(context.table):,}",
            "Comparison": effects[0].comparison.words,
            "Weights": weighted,
            "Extrapolation": judged,
            "Steps": steps,
            "Step sizes": "; ".join(sizes),
            "Non-linearity": rules_together(*(effect.nlm_rule for effect in effects)),
            "Engine": ", ".join(dict.fromkeys(effect.engine for effect in effects)),
            "Versions": _versions(),
            "Written": datetime.date.today().isoformat(),
        }
        stated = [(term, text) for term, text in entries.items() if text]
        listed = [] if explainer is None else [preformatted(repr(explainer))]
        return section("How this was computed", definitions(stated), *listed)


def _picture(display: Display, description: str, caption: str = "") -> Markup:
    """What a display has drawn."""
    width = round(100 * display.figure_.get_figwidth())
    return figure(png_of(display.figure_), description, caption, width)


def _steps(effect: ForwardEffect) -> str:
    return ", ".join(f"{name} {step}" for name, step in effect.step.items())


def _versions() -> str:
    skfme = sys.modules["skfme"].__version__
    versions = [f"skfme {skfme}", f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{name} {version(name)}")
    return ", ".join(versions)
