"""Small tables for people: plain text of at most 80 columns, and HTML."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence

__all__ = [
    "REGION_HEADINGS",
    "TABLE_STYLE",
    "ShownTables",
    "Text",
    "TitledTable",
    "format_number",
    "html_table",
    "notebook_page",
    "text_table",
]

WIDTH = 80
# What columns of regions are called where they are read by people.
REGION_HEADINGS = {
    "ame": "cAME",
    "sd": "SD",
    "anlm": "cANLM",
    "sd_nlm": "SD of NLM",
}


# What a terminal would obey rather than show, or what turns lines round: controls, line
# separators, and marks of direction, each as Python writes it.
_OBEYED = (*range(32), *range(127, 160), 0x200E, 0x200F, *range(0x2028, 0x202F))
_SHOWN = {code: repr(chr(code))[1:-1] for code in (*_OBEYED, *range(0x2066, 0x206A))}
_SHOWN_IN_LINES = {code: text for code, text in _SHOWN.items() if code != ord("\n")}


class Text(str):
    """A text that shows itself in a session as it prints, and all that is in it."""

    __slots__ = ()

    def __new__(cls, text: str = "") -> Text:
        return super().__new__(cls, str(text).translate(_SHOWN_IN_LINES))

    def __repr__(self) -> str:
        return str(self)


TitledTable = tuple[str, Sequence[str], Sequence[Sequence[str]]]  # title, header, rows


class ShownTables:
    """What shows itself by tables and notes: as text, and in a notebook."""

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        """Tables with their titles, and the sentences under them."""
        raise NotImplementedError

    def __str__(self) -> str:
        tables, notes = self._shown()
        blocks = []
        for title, header, rows in tables:
            heading = [textwrap.fill(title, WIDTH)] if title else []
            blocks.append("\n".join([*heading, text_table(header, rows)]))
        blocks += [textwrap.fill(note, WIDTH) for note in notes]
        return "\n\n".join(blocks).translate(_SHOWN_IN_LINES)

    def _repr_html_(self) -> str:
        tables, notes = self._shown()
        return notebook_page([html_table(h, rows, t) for t, h, rows in tables], notes)


def format_number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits, and no exponent where one can do."""
    if math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e7:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"


def text_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int = WIDTH
) -> str:
    """Columns padded to their widest entry; a long first entry takes several lines.

    Where a word of the first column has no room beside the others, its entries stand on
    lines of their own, above what belongs to them. A line feed in an entry starts no line.
    """
    header, *rows = [[c.translate(_SHOWN) for c in row] for row in (header, *rows)]
    rest = [max(len(row[i]) for row in [header, *rows]) for i in range(1, len(header))]
    gap = 2 if width - sum(rest) - 2 * len(rest) >= 14 else 1
    room = max(width - sum(rest) - gap * len(rest), 8)
    beside = all(len(word) <= room - 2 for row in rows for word in row[0].split(" "))
    firsts = [
        textwrap.wrap(row[0], room if beside else width, subsequent_indent="  ")
        for row in [header, *rows]
    ]
    shown = firsts if beside else firsts[:1]
    longest = max((len(line) for lines in shown for line in lines), default=0)
    text = []
    for k, (first, row) in enumerate(zip(firsts, [header, *rows], strict=True)):
        cells = [f"{cell:>{w}}" for cell, w in zip(row[1:], rest, strict=True)]
        above, lead, below = [], first[0], first[1:]
        if k and not beside:
            above, lead, below = first, "", []
        line = (" " * gap).join([f"{lead:<{longest}}", *cells])
        text += [*above, line, *below]
    return "\n".join(text)


# Colours come from the page, so that the table reads on light and dark alike; what is
# only shading follows the reader's choice.
TABLE_STYLE = """
.skfme-table{border-collapse:collapse;margin:.6em 0;color:inherit;\
font-variant-numeric:tabular-nums;--line:#0003;--band:#00000009}
@media (prefers-color-scheme:dark){.skfme-table{--line:#fff4;--band:#ffffff10}}
.skfme-table caption{caption-side:top;text-align:left;font-weight:600;padding:.3em 0}
.skfme-table th,.skfme-table td{padding:.25em .7em;text-align:right;\
border-bottom:1px solid var(--line);background:none;color:inherit}
.skfme-table th:first-child{text-align:left}
.skfme-table tbody tr:nth-child(odd){background:var(--band)}
.skfme-table tbody th{font-weight:normal}
"""


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str
) -> str:
    """A table with caption and scopes; every text is escaped.

    `TABLE_STYLE` is its style sheet.
    """
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row">{html.escape(row[0])}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    title = "<br>".join(html.escape(line) for line in caption.split("\n"))
    return (
        f'<table class="skfme-table"><caption>{title}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def notebook_page(tables: Sequence[str], notes: Sequence[str]) -> str:
    """Tables and the notes under them, with their style, for a notebook."""
    lines = [f"<p>{html.escape(note)}</p>" for note in notes]
    return "".join(
        ["<div>", f"<style>{TABLE_STYLE}</style>", *tables, *lines, "</div>"]
    )
