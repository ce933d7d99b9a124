"""One self-contained HTML page: escaping, style, figures. Nothing here is about effects.

`Markup` is text that is HTML already. Every function here takes plain text and escapes
it, or takes Markup; the type checker refuses one in the place of the other.
"""

from __future__ import annotations

import base64
import html
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NewType, TextIO

from skfme._text.printing import TABLE_STYLE, html_table

__all__ = [
    "Markup",
    "definitions",
    "figure",
    "page",
    "paragraph",
    "preformatted",
    "replacing",
    "section",
    "table",
]

Markup = NewType("Markup", str)

# Nothing may be loaded and nothing may run, whatever the data hold.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--soft:#5a5a5a;--edge:#d8d8d8}
@media (prefers-color-scheme:dark){:root{--ink:#ececec;--paper:#16181c;--soft:#b0b0b0;\
--edge:#444}}
body{margin:0;background:var(--paper);color:var(--ink);\
font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 4rem;overflow-wrap:break-word}
h1{font-size:1.7rem;line-height:1.25;margin:.4em 0}
h2{font-size:1.3rem;margin:2.2em 0 .5em;border-top:1px solid var(--edge);padding-top:1em}
h3{font-size:1.08rem;margin:1.6em 0 .4em}
.lead{color:var(--soft)}
.finding{font-size:1.1rem}
figure{margin:1em 0}
figure img{max-width:100%;height:auto;background:#fff;border-radius:4px;padding:4px;\
box-sizing:border-box}
figcaption{color:var(--soft);font-size:.9rem}
.wide{overflow-x:auto}
.wide thead th,.wide td{white-space:nowrap}
pre{white-space:pre-wrap;font-size:.85rem;border:1px solid var(--edge);padding:.7em;\
border-radius:4px}
dt{font-weight:600}
dd{margin:0 0 .5em 1.2em}
@media screen and (max-width:40rem){figure{overflow-x:auto}\
figure img{max-width:none;min-width:36rem}}
@media print{body{font-size:11pt}figure,tr{break-inside:avoid}}
"""


def page(title: str, lead: str, sections: Sequence[Markup]) -> str:
    """The whole document.

    Parameters
    ----------
    title, lead : str
    sections : sequence of Markup
    """
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}{TABLE_STYLE}</style>\n</head>\n"
        f'<body>\n<main>\n<h1>{name}</h1>\n<p class="lead">{html.escape(lead)}</p>\n'
        + "\n".join(sections)
        + "\n</main>\n</body>\n</html>\n"
    )


def section(title: str, *parts: Markup, level: int = 2) -> Markup:
    """A heading and what follows it."""
    heading = f"<h{level}>{html.escape(title)}</h{level}>"
    return Markup("\n".join(["<section>", heading, *parts, "</section>"]))


def paragraph(text: str, kind: str = "") -> Markup:
    """A paragraph; `kind` is "lead", "finding" or empty."""
    start = f'<p class="{html.escape(kind)}">' if kind else "<p>"
    return Markup(f"{start}{html.escape(text)}</p>")


def preformatted(text: str) -> Markup:
    """A text whose lines are kept."""
    return Markup(f"<pre>{html.escape(text)}</pre>")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str) -> Markup:
    """A table that scrolls sideways on narrow screens."""
    label = html.escape(caption.split("\n")[0])
    return Markup(
        f'<div class="wide" role="region" tabindex="0" aria-label="{label}">'
        f"{html_table(header, rows, caption)}</div>"
    )


def figure(png: bytes, description: str, caption: str, width: int) -> Markup:
    """A picture inside the page; the description is read where it cannot be seen.

    `width` is in pixels, on screens that are wide enough.
    """
    data = base64.b64encode(png).decode("ascii")
    below = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    return Markup(
        f'<figure><img src="data:image/png;base64,{data}" width="{width}" '
        f'alt="{html.escape(description)}">{below}</figure>'
    )


def definitions(entries: Sequence[tuple[str, str]]) -> Markup:
    """Terms and what they stand for."""
    body = "".join(
        f"<dt>{html.escape(term)}</dt><dd>{html.escape(text)}</dd>"
        for term, text in entries
    )
    return Markup(f"<dl>{body}</dl>")


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes the place of another when all of it is written, not before.

    Raises
    ------
    OSError
        At once, if no file can be written there.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        if target.exists():
            target.open("r+").close()  # a folder, or a file that may not be changed
        file = temporary.open("x", encoding="utf-8")
    except OSError as error:
        message = f"The report cannot be written there: {error.strerror}"
        raise OSError(error.errno, message, str(path)) from error
    try:
        with file:
            yield file
        if target.exists():
            shutil.copymode(target, temporary)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
