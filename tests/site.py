"""The built documentation, looked at as readers do: ``python -m tests.site docs/_build/html``.

Every page is opened in headless Chromium, wide and as narrow as a telephone. Each must
load without asking any other host for anything, without a word on the console, and
without an element that is wider than the page; every link within the site must lead to a
page and a place that exist, and the search must find what readers look for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from tests.report.chromium import EXECUTABLE, visits

WIDTHS = (1280, 390)
SOUGHT = "extrapolation"
# What is cut off or makes the page wider, unless it scrolls within something that fits.
TOO_WIDE = """(() => {
    const width = document.documentElement.clientWidth, found = [];
    const scrolls = element => {
        for (let e = element.parentElement; e; e = e.parentElement) {
            const way = getComputedStyle(e).overflowX;
            const box = e.getBoundingClientRect();
            if ((way == "auto" || way == "scroll") && box.right <= width + 1) return true;
        }
        return false;
    };
    for (const element of document.querySelectorAll("main *, .bd-header *")) {
        const box = element.getBoundingClientRect();
        const seen = box.width > 1 && box.left < width && box.right > 0;
        if (seen && box.right > width + 1 && !element.closest("dialog") && !scrolls(element))
            found.push(`${element.tagName}.${element.className} ends at ${box.right}`);
    }
    return found.slice(0, 3);
})()"""
HEADER = """(() => {
    const tops = [...document.querySelectorAll(".bd-header .navbar-nav > li")]
        .map(item => item.getBoundingClientRect()).filter(box => box.width)
        .map(box => box.top);
    return Math.max(...tops) - Math.min(...tops) > 20;
})()"""
RESULTS = """new Promise(resolve => {
    let tries = 0;
    const look = () => {
        const n = document.querySelectorAll("#search-results li").length;
        if (n || ++tries > 50) resolve(n); else setTimeout(look, 100);
    };
    look();
})"""


class _Links(HTMLParser):
    """Where a page leads to, and the places in it that can be led to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links, pictures, scripts and anchors."""
        for name, value in attrs:
            if value and name in ("id", "name"):
                self.places.add(value)
            elif value and name in ("href", "src"):
                self.targets.append(value)


def pages_of(site: Path) -> list[Path]:
    """The pages, without pieces of the theme, which nobody opens."""
    return [
        page for page in sorted(site.rglob("*.html")) if "_static" not in page.parts
    ]


def broken_links(site: Path) -> Iterator[str]:
    """Links within the site that lead nowhere."""
    pages = {page: _Links(page) for page in pages_of(site)}
    for page, links in pages.items():
        for target in links.targets:
            address, place = urldefrag(target)
            if urlsplit(target).scheme or target.startswith("//"):
                continue
            path = unquote(urlsplit(address).path)
            there = (page.parent / path).resolve() if path else page
            there = there / "index.html" if there.is_dir() else there
            known = there in pages and unquote(place) in pages[there].places
            if not there.exists() or (there in pages and place and not known):
                yield f"{page.relative_to(site)}: {target} leads nowhere"


def faults_of(address: str, page: str, width: int, visit: object) -> Iterator[str]:
    """What is wrong with one page at one width."""
    here = f"{page} at {width} px"
    outside = [url for url in visit.requests if not url.startswith("file:")]
    yield from (f"{here}: asks for {url}" for url in outside)
    said = (error for error in visit.errors if not error.startswith("console.log"))
    yield from (f"{here}: {error}" for error in said)
    if visit.answers[TOO_WIDE]:
        yield f"{here}: wider than the page: {visit.answers[TOO_WIDE]}"
    if width == max(WIDTHS) and visit.answers[HEADER]:
        yield f"{here}: the header takes several lines"


def faults(site: Path) -> Iterator[str]:
    """All that is wrong with a built site."""
    yield from broken_links(site)
    if EXECUTABLE is None:
        print("Chromium is missing: pages were not opened.")
        return
    pages = {page.as_uri(): str(page.relative_to(site)) for page in pages_of(site)}
    for width in WIDTHS:
        for address, visit in visits(sorted(pages), (TOO_WIDE, HEADER), width, 0.05):
            yield from faults_of(address, pages[address], width, visit)
    search = f"{(site / 'search.html').as_uri()}?q={SOUGHT}"
    for _, visit in visits([search], (RESULTS,), max(WIDTHS)):
        if not visit.answers[RESULTS]:
            yield f"The search finds nothing about {SOUGHT!r}."


def main() -> int:
    """Print the faults; exit 1 if there are any."""
    site = Path(sys.argv[1]).resolve()
    found = list(faults(site))
    print(*found, f"{len(found)} faults", sep="\n")
    return bool(found)


if __name__ == "__main__":
    raise SystemExit(main())
