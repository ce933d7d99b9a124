"""The parts of a step as small tables, for a terminal or a notebook."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from skfme._attribution.wording import sentences_of
from skfme._results.effect_tables import (
    TitledTable,
    effect_notes,
    effects_table,
    left_out_table,
)
from skfme._results.effects import ForwardEffect
from skfme._text.outputs import names_by_output, outcome_text
from skfme._text.printing import (
    TABLE_STYLE,
    WIDTH,
    Text,
    format_number,
    html_table,
    text_table,
)
from skfme._text.reasons import few_rows_count

__all__ = ["Told", "attribution_html", "attribution_tables", "attribution_text"]

_MOST_PAIRS = 10
_SPLITS = {
    "shapley": "Shapley values",
    "path": "Parts along the straight way",
    "sequential": "Parts in an order",
}


@dataclass(frozen=True, eq=False)
class Told:
    """What there is to tell of an attribution.

    Attributes
    ----------
    parts : list of ForwardEffect
    total : ForwardEffect
    changes : tuple of str
    method, how : str
    order : tuple of str
    interactions : DataFrame or None
    averages : dict of str -> ndarray of shape (n_features, n_outputs)
        "sampling_error", "lowest", "highest" where there are any.
    n_not_converged : int
    """

    parts: list[ForwardEffect]
    total: ForwardEffect
    changes: tuple[str, ...]
    method: str
    how: str
    order: tuple[str, ...]
    interactions: pd.DataFrame | None
    averages: Mapping[str, np.ndarray]
    n_not_converged: int


def attribution_text(told: Told) -> Text:
    """The tables under their titles, then a sentence for each part."""
    (title, header, rows), *further = attribution_tables(told)
    blocks = [title, text_table(header, rows)]
    for title, header, rows in further:
        blocks.append(f"{textwrap.fill(title, WIDTH)}:\n{text_table(header, rows)}")
    lines = [textwrap.fill(line, WIDTH) for line in _lines(told)]
    return Text("\n\n".join([*blocks, "\n".join(lines)]))


def attribution_html(told: Told) -> str:
    """The same for a notebook."""
    tables = [
        html_table(header, rows, title)
        for title, header, rows in attribution_tables(told)
    ]
    lines = [f"<p>{html.escape(line)}</p>" for line in _lines(told)]
    return "".join(
        ["<div>", f"<style>{TABLE_STYLE}</style>", *tables, *lines, "</div>"]
    )


def attribution_tables(told: Told) -> list[TitledTable]:
    """Title, header and rows: the parts and the total, and what else was asked for."""
    taken = any(part.name == "total" for part in told.parts)
    total = replace(told.total, name="all together" if taken else "total")
    _, header, rows = effects_table([*told.parts, total])
    tables = [(_title(told), ["part of", *header[1:]], rows)]
    further = (
        _averages_table(told),
        _interactions_table(told),
        left_out_table([total]),
    )
    return tables + [table for table in further if table is not None]


def _title(told: Told) -> str:
    total, context = told.total, told.total.context
    order = f" ({', then '.join(told.order)})" if told.order else ""
    changes = ", ".join(told.changes)
    changed = f" ({changes})" if changes != total.name else ""
    lines = [
        few_rows_count(total.name, total.n, total.n_left_out) or "",
        f"Parts of {total.name!r}{changed} of {context.model}, {total.n_rows} rows",
        f"Change in {outcome_text(context, total.outputs)}",
        f"{_SPLITS[told.method]}{order}" + f": {told.how}" * bool(told.how),
    ]
    if total.total_weight is not None:
        kind = total.weights_type
        lines.append(
            f"Weighted ({kind} weights); the weights sum to {total.total_weight:.6g}"
        )
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines if line)


def _averages_table(told: Told) -> TitledTable | None:
    if not told.averages:
        return None
    names = list(told.averages)
    sampled = "sampling_error" in names
    title = (
        "Standard errors that sampling gives to the averages"
        if sampled
        else "Least and most that a feature brings in any order, on average"
    )
    rows = []
    for k, part in enumerate(told.parts):
        for o, name in enumerate(names_by_output(part.name, part.outputs)):
            numbers = (told.averages[column][k, o] for column in names)
            rows.append([name, *map(format_number, numbers)])
    header = ["standard error"] if sampled else names
    return title, ["part of", *header], rows


def _interactions_table(told: Told) -> TitledTable | None:
    frame = told.interactions
    if frame is None:
        return None
    largest = frame.reindex(frame["mean"].abs().sort_values(ascending=False).index)
    shown = largest.head(_MOST_PAIRS)
    rows = []
    for record in shown.to_dict("records"):
        pair = f"{record['first']} and {record['second']}"
        name = f"{pair}[{record['output']}]" if "output" in record else pair
        rows.append([name, format_number(record["mean"]), format_number(record["sd"])])
    few = f" (the {_MOST_PAIRS} largest of {len(frame)})" * (len(frame) > _MOST_PAIRS)
    return f"Shapley interactions of pairs{few}", ["pair", "mean", "SD"], rows


def _lines(told: Told) -> list[str]:
    lines = sentences_of(told.parts, told.total)
    if told.n_not_converged:
        lines.append(
            f"Along the way of {told.n_not_converged} rows the integration has not "
            "settled, as where a model jumps often; their parts add up, and are rough."
        )
    return [*lines, *effect_notes([told.total]), *told.total.notes]
