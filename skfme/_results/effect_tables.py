"""Effects in words and small tables, for a terminal or a notebook.

Which tables, columns and notes an effect's summary has is decided here. How a table
becomes text or HTML lives elsewhere.
"""

from __future__ import annotations

import math
import textwrap
import warnings
from collections.abc import Mapping, Sequence

import pandas as pd

from skfme._results.averages import EffectAverages, described
from skfme._summaries.weighted import LINEAR
from skfme._text.compared import average_note, comparison_text
from skfme._text.outputs import names_by_output, outcome_text
from skfme._text.parts import part_notes
from skfme._text.printing import (
    WIDTH,
    Text,
    format_number,
    html_table,
    notebook_page,
    text_table,
)
from skfme._text.reasons import few_rows_count, no_row_counts, what_to_write
from skfme.quadrature import rules_together

__all__ = [
    "TitledTable",
    "effect_notes",
    "effects_frame",
    "effects_table",
    "ends_table",
    "left_out_table",
    "nonlinearity_table",
    "summary_html",
    "summary_text",
    "warn_of_empty",
]

_OF_TREES = (
    "Trees predict in steps, which a fixed rule sees only where its nodes fall, so that its "
    "non-linearity measures of them are rough. nlm=True with the extra `fast` (pip install "
    "'skfme[fast]') integrates them exactly."
)

TitledTable = tuple[str, list[str], list[list[str]]]  # title, header, rows


def summary_text(effects: Sequence[EffectAverages], *notes: str) -> Text:
    """The tables under their titles, then notes; at most 80 columns."""
    (title, header, rows), *further = _tables(effects)
    blocks = [title, text_table(header, rows)]
    for title, header, rows in further:
        blocks.append(f"{textwrap.fill(title, WIDTH)}:\n{text_table(header, rows)}")
    lines = [textwrap.fill(note, WIDTH) for note in (*effect_notes(effects), *notes)]
    return Text("\n\n".join([*blocks, "\n".join(lines)] if lines else blocks))


def summary_html(effects: Sequence[EffectAverages], *notes: str) -> str:
    """The same for a notebook."""
    tables = [
        html_table(header, rows, title) for title, header, rows in _tables(effects)
    ]
    return notebook_page(tables, (*effect_notes(effects), *notes))


def _tables(effects: Sequence[EffectAverages]) -> list[TitledTable]:
    further = (
        ends_table(effects),
        nonlinearity_table(effects),
        left_out_table(effects),
    )
    return [effects_table(effects), *(table for table in further if table is not None)]


def effects_table(effects: Sequence[EffectAverages]) -> TitledTable:
    """Title, header and rows: n, AME, SD, quartiles."""
    first = "effect" if effects[0].context.joint is None else "part of"
    header = [first, "n", "AME", "SD", "25%", "median", "75%", "left out"]
    rows = [row for effect in effects for row in _effect_rows(effect)]
    return _title(effects), header, rows


def ends_table(effects: Sequence[EffectAverages]) -> TitledTable | None:
    """Title, header and rows: from what to what; None where no model predicts."""
    if any(effect.ends is None for effect in effects):
        return None
    rows = [
        [name, *map(format_number, ends)]
        for effect in effects
        for name, ends in zip(
            names_by_output(effect.name, effect.outputs), effect.ends, strict=True
        )
    ]
    return "Average predictions", ["effect", "before", "after"], rows


def left_out_table(effects: Sequence[EffectAverages]) -> TitledTable | None:
    """Title, header and rows: why rows do not count; None if all do."""
    left_out = [
        [effect.name, *map(str, effect.n_left_out.values())]
        for effect in effects
        if any(effect.n_left_out.values())
    ]
    header = ["effect", "missing", "at target", "extrapolation"]
    return ("Rows left out of the averages", header, left_out) if left_out else None


def _effect_rows(effect: EffectAverages) -> list[list[str]]:
    left_out = str(sum(effect.n_left_out.values()))
    names = names_by_output(effect.name, effect.outputs)
    rows = []
    for name, figures in zip(names, effect.figures, strict=True):
        q25, q75 = figures.q25, figures.q75
        # What is left of the effects' own rounding is no heterogeneity.
        sd = 0.0 if figures.sd < 1e-12 * max(abs(q25), abs(q75)) else figures.sd
        numbers = (figures.mean, sd, q25, figures.median, q75)
        rows.append([name, str(figures.n), *map(format_number, numbers), left_out])
    return rows


def nonlinearity_table(effects: Sequence[EffectAverages]) -> TitledTable | None:
    """Title, header and rows of NLMs; None if they were not measured."""
    if not effects[0].has_nlm:
        return None
    rules = rules_together(*(effect.nlm_rule for effect in effects))
    measured = "integrated exactly" if rules == "exact" else f"by {rules}"
    title = (
        f"Non-linearity along the step{f', {measured}' * bool(rules)} (1: a straight line; "
        "0: no better than a constant; no lower bound)"
    )
    header = ["effect", "ANLM", "median", f">= {LINEAR}", "undefined", "not converged"]
    rows = []
    for effect in effects:
        names = names_by_output(effect.name, effect.outputs)
        for name, nlm in zip(names, effect.nonlinearity, strict=True):
            share = nlm.share_linear
            rows.append(
                [
                    name,
                    format_number(nlm.mean),
                    format_number(nlm.median),
                    "-" if math.isnan(share) else f"{share:.0%}",
                    str(nlm.n_undefined),
                    str(effect.n_not_converged),
                ]
            )
    return title, header, rows


def _title(effects: Sequence[EffectAverages]) -> str:
    effect, context = effects[0], effects[0].context
    what = "Forward marginal effects"
    if context.joint is not None:
        what = f"Parts of the effect of {context.joint.name!r}"
    lines = [
        *(few_rows_count(e.full_name, e.n, e.n_left_out) or "" for e in effects),
        f"{what} of {context.model}, {effect.n_rows} rows",
        comparison_text(effect.comparison, outcome_text(context, effect.outputs)),
        average_note(effect.comparison),
        "SD and quartiles are of rows." * effect.comparison.of_means,
    ]
    if effect.total_weight is not None:
        kind, total = effect.weights_type, effect.total_weight
        lines.append(f"Weighted ({kind} weights); the weights sum to {total:.6g}")
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines if line)


def effect_notes(effects: Sequence[EffectAverages]) -> list[str]:
    """What a summary says under its tables."""
    notes = part_notes(effects[0].context.joint)
    outside = effects[0].n_outside_before
    if outside:
        notes.append(f"{outside} rows lay outside the training data before any step.")
    if effects[0].has_nlm and effects[0].context.has_jumps:
        rules = rules_together(*(effect.nlm_rule for effect in effects))
        if any(name in rules for name in ("Simpson", "Gauss")):
            notes.append(_OF_TREES)
    unmoved = [repr(effect.name) for effect in effects if _moves_nothing(effect)]
    if unmoved and effects[0].context.has_jumps:
        notes.append(
            f"No prediction changes by {', '.join(unmoved)}. The trees may not split the "
            "column, or none of their thresholds lies within so small a change."
        )
    sizes = dict.fromkeys(size for effect in effects for size in effect.sizes)
    if sizes:
        notes.append("Step sizes: " + "; ".join(sizes))
    return notes


def _moves_nothing(effect: EffectAverages) -> bool:
    null = effect.comparison.null
    still = all(of.mean == null and of.sd == 0 for of in effect.figures)
    return effect.n > 0 and effect.context.joint is None and still


def warn_of_empty(
    effects: Mapping[str, EffectAverages], stacklevel: int = 3, *, alone: bool = False
) -> None:
    """Warn where an AME is NaN since no row counts."""
    for name, effect in effects.items():
        if not effect.n:
            warnings.warn(
                f"{no_row_counts(name, effect.n_left_out)}, so that its AME is NaN. "
                + what_to_write(effect.n_left_out, alone=alone),
                UserWarning,
                stacklevel=stacklevel,
            )


def effects_frame(effects: Sequence[EffectAverages]) -> pd.DataFrame:
    """One row per effect and output, as :meth:`ForwardEffects.to_frame` has them."""
    records = []
    for effect in effects:
        counts = {f"n_{status}": n for status, n in effect.n_left_out.items()}
        counts["n_outside_before"] = effect.n_outside_before
        for k, (output, figures) in enumerate(
            zip(effect.outputs, effect.figures, strict=True)
        ):
            record = {"effect": effect.name, "output": output, **vars(figures)}
            if effect.has_nlm:
                nlm = effect.nonlinearity[k]
                record["anlm"] = nlm.mean
                record["nlm_median"] = nlm.median
                record["nlm_share_linear"] = nlm.share_linear
                record["n_nlm_undefined"] = nlm.n_undefined
                record["n_nlm_not_converged"] = effect.n_not_converged
            record |= counts
            if effect.ends is not None:
                record |= effect.ends[k]._asdict()
            record |= described(effect.comparison)
            records.append(record)
    return pd.DataFrame(records).rename(columns={"mean": "ame"})
