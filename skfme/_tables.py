"""Small tables for people: plain text of at most 80 columns, and HTML."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Sequence

__all__ = ["Text", "format_number", "html_table", "text_table"]

WIDTH = 80


class Text(str):
    """A text that shows itself in a session as it prints."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


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
    """Columns padded to their widest entry; a long first entry takes several lines."""
    rest = [max(len(row[i]) for row in [header, *rows]) for i in range(1, len(header))]
    gap = 2 if width - sum(rest) - 2 * len(rest) >= 14 else 1
    room = max(width - sum(rest) - gap * len(rest), 8)
    firsts = [
        textwrap.wrap(row[0], room, subsequent_indent="  ") for row in [header, *rows]
    ]
    longest = max((len(line) for lines in firsts for line in lines), default=0)
    text = []
    for first, row in zip(firsts, [header, *rows], strict=True):
        cells = [f"{cell:>{w}}" for cell, w in zip(row[1:], rest, strict=True)]
        text.append((" " * gap).join([f"{first[0]:<{longest}}", *cells]))
        text += first[1:]
    return "\n".join(text)


def html_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str
) -> str:
    """A table that inherits the page's colours; every text is escaped."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in header)
    body = "".join(
        f'<tr><th scope="row" style="text-align:left">{html.escape(row[0])}</th>'
        + "".join(
            f'<td style="text-align:right">{html.escape(cell)}</td>' for cell in row[1:]
        )
        + "</tr>"
        for row in rows
    )
    return (
        f"<table><caption>{html.escape(caption)}</caption><thead><tr>{head}</tr>"
        f"</thead><tbody>{body}</tbody></table>"
    )
