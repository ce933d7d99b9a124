"""Effects in words and small tables, for a terminal or a notebook."""

from __future__ import annotations

import html
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from skfme._results.figures import EffectFigures
from skfme._summaries.weighted import LINEAR
from skfme._text.outputs import names_by_output
from skfme._text.printing import (
    TABLE_STYLE,
    WIDTH,
    Text,
    format_number,
    html_table,
    text_table,
)
from skfme._text.reasons import no_row_counts

__all__ = [
    "effects_frame",
    "effects_table",
    "left_out_table",
    "nonlinearity_table",
    "summary_html",
    "summary_text",
    "warn_of_empty",
]

_Table = tuple[str, list[str], list[list[str]]]


def summary_text(effects: Sequence[EffectFigures], *notes: str) -> Text:
    """The tables under their titles, then notes; at most 80 columns."""
    (title, header, rows), *others = _tables(effects)
    blocks = [title, text_table(header, rows)]
    for title, header, rows in others:
        blocks.append(f"{textwrap.fill(title, WIDTH)}:\n{text_table(header, rows)}")
    lines = [textwrap.fill(note, WIDTH) for note in (*_notes(effects), *notes)]
    return Text("\n\n".join([*blocks, "\n".join(lines)] if lines else blocks))


def summary_html(effects: Sequence[EffectFigures], *notes: str) -> str:
    """The same for a notebook."""
    tables = [
        html_table(header, rows, title) for title, header, rows in _tables(effects)
    ]
    lines = [f"<p>{html.escape(note)}</p>" for note in (*_notes(effects), *notes)]
    return "".join(
        ["<div>", f"<style>{TABLE_STYLE}</style>", *tables, *lines, "</div>"]
    )


def _tables(effects: Sequence[EffectFigures]) -> list[_Table]:
    tables = [
        effects_table(effects),
        nonlinearity_table(effects),
        left_out_table(effects),
    ]
    return [table for table in tables if table is not None]


def effects_table(effects: Sequence[EffectFigures]) -> _Table:
    """Title, header and rows: n, AME, SD, quartiles."""
    header = ["effect", "n", "AME", "SD", "25%", "median", "75%", "left out"]
    rows = [row for effect in effects for row in _effect_rows(effect)]
    return _title(effects[0]), header, rows


def left_out_table(effects: Sequence[EffectFigures]) -> _Table | None:
    """Title, header and rows: why rows do not count; None if all do."""
    left_out = [
        [effect.name, *map(str, effect.n_left_out.values())]
        for effect in effects
        if any(effect.n_left_out.values())
    ]
    header = ["effect", "missing", "at target", "extrapolation"]
    return ("Rows left out of the averages", header, left_out) if left_out else None


def _effect_rows(effect: EffectFigures) -> list[list[str]]:
    left_out = str(sum(effect.n_left_out.values()))
    rows = []
    for name, s in zip(
        names_by_output(effect.name, effect.outputs), effect.figures, strict=True
    ):
        # What is left of the effects' own rounding is no heterogeneity.
        sd = 0.0 if s.sd < 1e-12 * max(abs(s.q25), abs(s.q75)) else s.sd
        numbers = (s.mean, sd, s.q25, s.median, s.q75)
        rows.append([name, str(s.n), *map(format_number, numbers), left_out])
    return rows


def nonlinearity_table(effects: Sequence[EffectFigures]) -> _Table | None:
    """Title, header and rows of NLMs; None if they were not asked for."""
    if not effects[0].has_nlm:
        return None
    title = (
        "Non-linearity along the step (1: a straight line; 0: no better than a "
        "constant; no lower bound)"
    )
    header = ["effect", "ANLM", "median", f">= {LINEAR}", "undefined", "not converged"]
    rows = [
        [
            name,
            format_number(m.mean),
            format_number(m.median),
            "-" if m.share_linear != m.share_linear else f"{m.share_linear:.0%}",
            str(m.n_undefined),
            str(effect.n_not_converged),
        ]
        for effect in effects
        for name, m in zip(
            names_by_output(effect.name, effect.outputs),
            effect.nonlinearity,
            strict=True,
        )
    ]
    return title, header, rows


def _title(effect: EffectFigures) -> str:
    context = effect.context
    lines = [
        f"Forward marginal effects of {context.model}, {effect.n_rows} rows",
        f"Change in {_response_text(context, effect.outputs)}",
    ]
    if effect.total_weight is not None:
        lines.append(f"Weighted; the weights sum to {effect.total_weight:.6g}")
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)


def _response_text(context: Any, outputs: Sequence[str]) -> str:
    single, response = len(outputs) == 1, context.response
    if context.response_label is not None:
        return f"the predicted {context.response_label}"
    if response == "predict_proba":
        return (
            f"the predicted probability of {outputs[0]!r}"
            if single
            else "the predicted probability of each class"
        )
    if response == "predict":
        return f"the prediction of {outputs[0]}" if single else "the predictions"
    return f"{response} of {outputs[0]!r}" if single else response


def _notes(effects: Sequence[EffectFigures]) -> list[str]:
    notes = []
    outside = effects[0].n_outside_before
    if outside:
        notes.append(f"{outside} rows lay outside the training data before any step.")
    sizes = dict.fromkeys(size for effect in effects for size in effect.sizes)
    if sizes:
        notes.append("Step sizes: " + "; ".join(sizes))
    return notes


def warn_of_empty(effects: Mapping[str, EffectFigures], stacklevel: int = 3) -> None:
    """Warn where an AME is NaN since no row counts."""
    for name, effect in effects.items():
        if not effect.n:
            warnings.warn(
                f"{no_row_counts(name, effect.n_left_out)}, so that its AME is NaN. Take "
                "a smaller step, or extrapolation=None.",
                UserWarning,
                stacklevel=stacklevel,
            )


def effects_frame(effects: Sequence[EffectFigures]) -> pd.DataFrame:
    """One row per effect and output, as :meth:`ForwardEffects.to_frame` has them."""
    records = []
    for effect in effects:
        nonlinear = (
            [
                {
                    "anlm": m.mean,
                    "nlm_median": m.median,
                    "nlm_share_linear": m.share_linear,
                    "n_nlm_undefined": m.n_undefined,
                    "n_nlm_not_converged": effect.n_not_converged,
                }
                for m in effect.nonlinearity
            ]
            if effect.has_nlm
            else [{} for _ in effect.outputs]
        )
        counts = {f"n_{name}": count for name, count in effect.n_left_out.items()}
        for output, s, extra in zip(
            effect.outputs, effect.figures, nonlinear, strict=True
        ):
            records.append(
                {
                    "effect": effect.name,
                    "output": output,
                    "n": s.n,
                    "ame": s.mean,
                    "sd": s.sd,
                    "q25": s.q25,
                    "median": s.median,
                    "q75": s.q75,
                    **extra,
                    **counts,
                    "n_outside_before": effect.n_outside_before,
                }
            )
    return pd.DataFrame(records)
