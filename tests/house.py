"""The structure of the package: ``python -m tests.house`` prints and checks it.

Every import counts, those of annotations and of single functions included. The order of
the rooms is written in pyproject.toml, in the contracts that the import linter reads too.
"""

from __future__ import annotations

import ast
import io
import sys
import tokenize
import tomllib
from collections.abc import Container, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "skfme"
LONGEST = 450  # lines of a file
AT_ROOT = {"skfme": 6, "skfme/statsmodels": 2}  # files of a folder

Arrows = dict[str, set[str]]


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return {dotted(path): path for path in paths}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def arrows(found: dict[str, Path]) -> Arrows:
    """Which modules each module imports; a package's own rooms do not count."""
    return {
        name: {
            target
            for target in _imported(ast.parse(path.read_text()), found)
            if target != name
        }
        for name, path in found.items()
    }


def _imported(tree: ast.AST, known: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                target = inner if inner in known else node.module
                if target in known:
                    yield target
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)


def circles(graph: Arrows) -> list[list[str]]:
    """Sets of modules that import one another, by Tarjan's algorithm."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    result: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
                lowest[name] = min(lowest[name], lowest[target])
            elif target in stack:
                lowest[name] = min(lowest[name], order[target])
        if lowest[name] == order[name]:
            circle = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(circle) > 1:
                result.append(sorted(circle))

    for name in graph:
        if name not in order:
            visit(name)
    return result


def layers() -> list[list[tuple[str, ...]]]:
    """The contracts of pyproject.toml: from the top layer down, each of some modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return [
        [
            tuple(part.strip() for part in layer.split("|"))
            for layer in contract["layers"]
        ]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    ]


def upward(graph: Arrows) -> list[str]:
    """Arrows that go up the page, or across a layer whose rooms do not know each other."""
    wrong = []
    for order in layers():
        place = {room: (i, room) for i, layer in enumerate(order) for room in layer}
        for name, targets in graph.items():
            here = room_of(name, place)
            for target in targets:
                there = room_of(target, place)
                if here is None or there is None or here == there:
                    continue
                if place[here][0] >= place[there][0]:
                    wrong.append(f"{name} -> {target}")
    return sorted(set(wrong))


def room_of(name: str, place: Container[str]) -> str | None:
    """The room that a module lies in, among those placed; None where there is none."""
    while name and name not in place:
        name = name.rpartition(".")[0]
    return name or None


def code_lines(text: str) -> int:
    """Lines that hold code: no blank lines, comments or docstrings."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT)
    skipped += (tokenize.DEDENT, tokenize.ENDMARKER)
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in skipped:
            held |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                held -= set(range(value.lineno, (value.end_lineno or 0) + 1))
    return len(held)


def faults() -> list[str]:
    """Print the figures, and return what breaks a rule."""
    found = modules()
    graph = arrows(found)
    lengths = {name: len(path.read_text().splitlines()) for name, path in found.items()}
    folders = sorted({path.parent for path in found.values()})
    wrong = []
    print("files  lines  folder")
    for folder in folders:
        inside = [name for name, path in found.items() if path.parent == folder]
        label = folder.relative_to(ROOT).as_posix()
        print(f"{len(inside):5}  {sum(lengths[n] for n in inside):5}  {label}")
        if len(inside) > AT_ROOT.get(label, len(inside)):
            wrong.append(f"{label} holds {len(inside)} files")
    longest = max(lengths, key=lengths.__getitem__)
    total = sum(code_lines(path.read_text()) for path in found.values())
    print(f"\ncode lines: {total}")
    print(f"longest file: {longest}, {lengths[longest]} lines")
    wrong += [f"{n} has {k} lines" for n, k in lengths.items() if k > LONGEST]
    rings, against = circles(graph), upward(graph)
    print(f"circles: {len(rings)}")
    wrong += ["circle: " + ", ".join(ring) for ring in rings]
    print(f"arrows against the layers: {len(against)}")
    wrong += [f"against the layers: {arrow}" for arrow in against]
    return wrong


if __name__ == "__main__":
    broken = faults()
    print("\n".join(["", *broken]) if broken else "\nAll rules hold.")
    sys.exit(bool(broken))
