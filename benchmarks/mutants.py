"""Mutants: small changes of the sources that some test should notice.

Cosmic Ray makes them; a seeded sample of each room is tried in a copy of the sources. For
each one only the tests that reach the changed statement run, up to the first that fails:
which reach it is known from coverage's contexts, the room's own come first, and of these
the tests that have killed a mutant of the same file. A mutant survives where all of them
pass, or those that fit into `--seconds`. Kernels run as plain Python, since a changed
kernel would take a minute to compile.

    pytest -n auto --cov --cov-context=test --cov-report=
    pytest -p tests.interpreted tests/engine tests/attribution --cov --cov-append \\
        --cov-context=test --cov-report=
    python -P benchmarks/mutants.py [--rooms steps delta] [--sample 40] [--seed 0]

Each survivor is printed as a change of a line. `mutants.toml` has those that were looked at,
with the reason why no test can or should kill them; equivalent ones are not counted. A test
that fails on the sources as they are kills nothing.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import hashlib
import importlib
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from coverage import CoverageData
from hypothesis import Phase, settings

ROOT = Path(__file__).resolve().parents[1]
LOOKED_AT = Path(__file__).with_suffix(".toml")


def _each(before: str, names: str, after: str = "") -> list[str]:
    return [f"{before}{name}{after}" for name in names.split()]


# One change of each kind: a sum that becomes a shift fails everywhere, and shows nothing.
OPERATORS = [
    *_each(
        "core/ReplaceBinaryOperator_",
        "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div Mod_Mul Pow_Mul BitAnd_BitOr "
        "BitOr_BitAnd BitXor_BitOr LShift_RShift RShift_LShift",
    ),
    *_each(
        "core/ReplaceComparisonOperator_",
        "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt "
        "Is_IsNot IsNot_Is",
    ),
    *_each("core/ReplaceUnaryOperator_Delete_", "USub Not Invert"),
    *_each("core/Replace", "TrueWithFalse FalseWithTrue AndWithOr OrWithAnd"),
    *_each("core/Replace", "BreakWithContinue ContinueWithBreak"),
    *_each("core/", "AddNot ExceptionReplacer NumberReplacer ZeroIterationForLoop"),
]

# Imported once, before the processes of the mutants are forked.
LIBRARIES = _each(
    "",
    """numpy scipy.stats scipy.optimize scipy.sparse.linalg pandas pyarrow polars
narwhals joblib numba sklearn.ensemble sklearn.linear_model sklearn.pipeline sklearn.svm
sklearn.compose sklearn.neural_network sklearn.neighbors sklearn.model_selection
sklearn.datasets sklearn.tree sklearn.covariance sklearn.cluster sklearn.inspection
statsmodels.api statsmodels.formula.api lightgbm xgboost treelite matplotlib.pyplot
hypothesis.strategies hypothesis.extra.numpy formulaic dask.dataframe duckdb tqdm""",
)


@dataclass(frozen=True)
class Room:
    """Files, and where the tests lie that are about them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    plugins: tuple[str, ...] = ()


KERNELS = "skfme/_engine/trees/compiled/"
ROOMS = {
    "engine": Room(
        ("skfme/_engine/*.py", "skfme/_engine/linear/*.py"), ("tests/engine",)
    ),
    "ensembles": Room(("skfme/_engine/trees/*.py",), ("tests/engine",)),
    "kernels": Room(
        (KERNELS + "[!d_]*.py", KERNELS + "descent.py"),
        ("tests/engine", "tests/attribution"),
        ("tests.interpreted",),
    ),
    "steps": Room(
        ("skfme/steps/*.py",), ("tests/steps", "tests/explainer/test_kept_training")
    ),
    "extrapolation": Room(("skfme/extrapolation/*.py",), ("tests/test_extrapolation",)),
    "effect-trees": Room(
        (
            *_each(
                "skfme/statsmodels/_tree/",
                "criteria node_sums nodes pruning sizing split_search split_tests subspaces",
                ".py",
            ),
        ),
        ("tests/statsmodels/tree", "tests/test_reference"),
    ),
    "sandwich": Room(
        (
            *_each(
                "skfme/statsmodels/_regression/",
                "sandwich least_squares leave_out",
                ".py",
            ),
        ),
        ("tests/statsmodels/regression",),
    ),
    "delta": Room(("skfme/statsmodels/_delta/*.py",), ("tests/statsmodels/delta",)),
    "tallies": Room(
        (
            "skfme/_streaming/tallies.py",
            "skfme/_summaries/*.py",
            "skfme/statsmodels/_tree/layer_tallies.py",
        ),
        ("tests/streaming", "tests/summaries", "tests/statsmodels/tree"),
    ),
    "attribution": Room(("skfme/_attribution/*.py",), ("tests/attribution",)),
}
# Read models of packages that the suite's environment does not have.
ELSEWHERE = {"from_catboost.py", "from_interpret.py"}


@dataclass
class Mutant:
    """A file with one change."""

    file: str
    operator: str
    occurrence: int
    lines: range
    at_import: bool
    source: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.file}\n{self.source}".encode()).hexdigest()

    def change(self, original: str) -> tuple[str, str]:
        """The lines as they were and as they are, without indentation."""
        lines = difflib.ndiff(original.splitlines(), self.source.splitlines())
        kept = [line for line in lines if line[:2] in ("- ", "+ ")]
        old, new = (
            [line[2:].strip() for line in kept if line.startswith(sign)]
            for sign in "-+"
        )
        return "\n".join(old), "\n".join(new)


# Making ------------------------------------------------------------------------------


def sample(room: Room, n: int, seed: int, root: Path) -> tuple[list[Mutant], int]:
    """Some of the mutants of a room, and how many there are."""
    files = sorted({path for pattern in room.files for path in root.glob(pattern)})
    files = [path for path in files if path.name not in ELSEWHERE]
    candidates = [
        Mutant(str(path.relative_to(root)), *place)
        for path in files
        for place in _places(path.read_text())
    ]
    random.Random(seed).shuffle(candidates)
    drawn: list[Mutant] = []
    for mutant in candidates:
        if len(drawn) == n:
            break
        original = (root / mutant.file).read_text()
        mutant.source = mutate_code(
            original, _operator(mutant.operator), mutant.occurrence
        )
        with suppress(SyntaxError):  # two stars before a mapping are no power
            if _what_runs(mutant.source) != _what_runs(original):
                drawn.append(mutant)
    return drawn, len(candidates)


def _operator(name: str):
    return get_operator(name)()


def _places(source: str) -> Iterator[tuple[str, int, range, bool]]:
    """Each operator, its occurrence, and the lines of the statement that it changes."""
    statements, bodies = _statements(source), _bodies(source)
    nodes = list(ast_nodes(get_ast(source)))
    for name in OPERATORS:
        operator = _operator(name)
        places = [
            place for node in nodes for place in operator.mutation_positions(node)
        ]
        for occurrence, ((line, _), _) in enumerate(places):
            holding = [lines for lines in statements if line in lines]
            lines = min(holding, key=len, default=range(line, line + 1))
            yield name, occurrence, lines, not any(line in body for body in bodies)


def _statements(source: str) -> list[range]:
    """The lines of each statement, without those of the statements inside it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            end = body[0].lineno - 1 if body else node.end_lineno
            found.append(range(node.lineno, max(end, node.lineno) + 1))
        elif isinstance(node, ast.ExceptHandler):
            found.append(range(node.lineno, node.body[0].lineno))
    return found


def _bodies(source: str) -> list[range]:
    """The lines of the functions' bodies; all others run at import."""
    return [
        range(node.body[0].lineno, node.end_lineno + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    ]


def _what_runs(source: str) -> str:
    """The code without annotations, and guards of the code against itself."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "zip",
            "dataclass",
        ):
            node.keywords = [
                k for k in node.keywords if k.arg not in ("strict", "frozen")
            ]
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Constant(None))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.test, node.body = ast.Constant(False), [ast.Pass()]
    return ast.dump(tree)


# Which tests reach what ----------------------------------------------------------------


class Reach:
    """From coverage's contexts: the tests that run a statement."""

    def __init__(self, path: Path) -> None:
        self.data = CoverageData(basename=str(path))
        self.data.read()
        if not any(self.data.measured_contexts()):
            sys.exit(f"{path} has no contexts: make it as `--help` says.")
        self._by_line: dict[str, dict[int, list[str]]] = {}
        contexts = self.data.measured_contexts()
        self._all = {c.rsplit("|", 1)[0] for c in contexts if c.startswith("tests/")}
        self.n_files = self._files_of_tests()

    def _files_of_tests(self) -> Counter:
        """How many files each test runs: few for those that are about a part."""
        count: Counter = Counter()
        with closing(sqlite3.connect(self.data.data_filename())) as database:
            found = database.execute(
                "SELECT context, count(DISTINCT file_id) FROM arc "
                "JOIN context ON context.id = context_id GROUP BY context_id"
            )
            for context, n_files in found:
                count[context.rsplit("|", 1)[0]] += n_files
        return count

    def tests(self, mutant: Mutant) -> set[str]:
        """Where only an import or a fixture runs it, all that use what was made by it."""
        if mutant.file not in self._by_line:
            self._by_line[mutant.file] = self.data.contexts_by_lineno(mutant.file)
        by_line = self._by_line[mutant.file]
        contexts = {c for line in mutant.lines for c in by_line.get(line, ())}
        if mutant.at_import:  # which is in the middle of some test
            contexts = {c for found in by_line.values() for c in found}
        tests = {c.rsplit("|", 1)[0] for c in contexts if c.startswith("tests/")}
        made = {c.split("::")[0] for c in contexts if c.endswith("|setup")}
        if made:
            tests |= {test for test in self._all if test.split("::")[0] in made}
        return tests


# Running -------------------------------------------------------------------------------


LIMIT = "a limit of time, or a crash"
SLOW = 3.0  # seconds of a test that the others come before


@dataclass
class Verdict:
    """What came of a mutant."""

    killer: str | None
    n_tests: int = 0
    all_run: bool = True
    seconds: float = 0.0


@dataclass(eq=False)  # pytest keeps plugins in sets
class Selected:
    """A plugin of pytest: these tests, in this order, within some seconds of a processor."""

    order: dict[str, int]
    until: float
    each: float = 30.0
    failed: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    all_run: bool = True

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: self.order[item.nodeid],
        )

    def pytest_collectreport(self, report) -> None:
        if report.failed:
            self.failed = self.failed or "import"

    def pytest_runtest_logstart(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, self.each)  # which ends the process

    def pytest_runtest_logreport(self, report) -> None:
        spent = self.seconds.get(report.nodeid, 0.0)
        self.seconds[report.nodeid] = spent + report.duration
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_runtest_logfinish(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item) -> bool | None:
        if time.process_time() < self.until:
            return None
        self.all_run = False
        return True  # as if it had been run


class Trials:
    """Runs tests in forked processes, on a copy of the sources."""

    def __init__(self, root: Path, seconds: float, reach: Reach) -> None:
        self.root = root
        self.reach = reach
        self.budget = seconds
        self.took: dict[str, float] = {}
        self.killers: dict[str, Counter] = defaultdict(Counter)
        self.passes: dict[tuple, bool] = {}

    def verdict(self, mutant: Mutant, room: Room) -> Verdict:
        """A mutant survives where its tests pass. What fails without it does not count."""
        tests = self.reach.tests(mutant)
        path = self.root / mutant.file
        original, stamp = path.read_text(), path.stat().st_mtime
        while True:
            path.write_text(mutant.source)
            os.utime(path, (stamp + 1000, stamp + 1000))  # compiled files are not its
            try:
                verdict = self._stages(self._order(tests, mutant, room), room)
            finally:
                path.write_text(original)
                os.utime(path, (stamp, stamp))
            killer = verdict.killer
            if killer is None or killer not in tests or self._sound(killer, room):
                break
            tests.discard(killer)
        if verdict.killer in tests:
            self.killers[mutant.file][verdict.killer] += 1
        return verdict

    def _order(self, tests: set[str], mutant: Mutant, room: Room) -> list[str]:
        killers, stem = self.killers[mutant.file], Path(mutant.file).stem.strip("_")

        def first(test: str) -> tuple:
            away = not test.startswith(room.tests)
            slow = self.took.get(test, 0.0) > SLOW
            other = stem not in test.split("::")[0]
            return -killers[test], slow, other, away, self.reach.n_files[test], test

        return sorted(tests, key=first)

    def _stages(self, tests: list[str], room: Room) -> Verdict:
        """First the tests of few files, since files take their time to be read."""
        files = list(dict.fromkeys(test.split("::")[0] for test in tests))
        left = self.budget
        verdict = Verdict(None)
        for some in (files[:2], files[2:8], files[8:]):
            chosen = [test for test in tests if test.split("::")[0] in some]
            if not chosen:
                continue
            if left <= 0:
                verdict.all_run = False
                break
            stage = self._run(chosen, room, left)
            left -= stage.seconds
            verdict.n_tests += stage.n_tests
            verdict.all_run &= stage.all_run
            verdict.killer = stage.killer
            if verdict.killer:
                break
        return verdict

    def _sound(self, test: str, room: Room) -> bool:
        """Whether a test passes on the sources as they are."""
        key = test, room.plugins
        if key not in self.passes:
            found = self._run([test], room, 60.0)
            self.passes[key] = found.killer is None and found.n_tests > 0
            if not self.passes[key]:
                print(f"  not sound: {test}", flush=True)
        return self.passes[key]

    def _run(self, tests: list[str], room: Room, seconds: float) -> Verdict:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.close(reading)
            _in_the_child(self.root, tests, room, seconds, writing)
        os.close(writing)
        answer = _answer(reading, time.monotonic() + 20 * seconds + 100)
        _end(child)
        if answer is None:
            return Verdict(LIMIT)
        if not answer["went"]:
            raise RuntimeError(f"pytest could not run {tests[0]}")
        self.took.update(answer["seconds"])
        spent = sum(answer["seconds"].values())
        return Verdict(
            answer["failed"], len(answer["seconds"]), answer["all_run"], spent
        )


def _in_the_child(root, tests, room, seconds, writing) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.dont_write_bytecode = True
    order = {test: i for i, test in enumerate(tests)}
    chosen = Selected(order, time.process_time() + seconds)
    files = dict.fromkeys(test.split("::")[0] for test in tests)
    options = ["-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov"]
    options += [
        "-p",
        "no:doctest",
        "-o",
        "addopts=--mpl",
        "--hypothesis-profile=mutants",
    ]
    for plugin in room.plugins:
        options += ["-p", plugin]
    try:
        code = pytest.main([*options, *files], plugins=[chosen])
        answer = {
            name: getattr(chosen, name) for name in ("failed", "seconds", "all_run")
        }
        answer["went"] = code not in (
            pytest.ExitCode.USAGE_ERROR,
            pytest.ExitCode.INTERNAL_ERROR,
        )
        os.write(writing, json.dumps(answer).encode())
    finally:
        os._exit(0)


def _answer(reading: int, deadline: float) -> dict | None:
    text = b""
    with open(reading, "rb", buffering=0) as pipe:
        while select.select([pipe], [], [], max(deadline - time.monotonic(), 0))[0]:
            part = pipe.read(1 << 16)
            if not part:
                break
            text += part
    return json.loads(text) if text else None


def _end(child: int) -> None:
    """And whatever processes its tests have left."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)


# The whole -----------------------------------------------------------------------------


def copy_of_sources(folder: Path) -> Path:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target)
    compiled = KERNELS + "__pycache__"
    if (ROOT / compiled).exists():
        shutil.copytree(ROOT / compiled, folder / compiled)
    return folder


def looked_at() -> dict[tuple[str, str, str], dict]:
    if not LOOKED_AT.exists():
        return {}
    entries = tomllib.loads(LOOKED_AT.read_text())["mutant"]
    return {(e["file"], e["old"], e["new"]): e for e in entries}


class Killed:
    """What was killed before, of the same sources: tests only become more."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.by: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, digest: str) -> Verdict | None:
        return Verdict(self.by[digest]) if digest in self.by else None

    def keep(self, digest: str, verdict: Verdict) -> None:
        if verdict.killer and digest not in self.by:
            self.by[digest] = verdict.killer
            self.path.write_text(json.dumps(self.by, indent=0))


def try_room(name: str, trials: Trials, killed: Killed, n: int, seed: int) -> Counter:
    room = ROOMS[name]
    mutants, n_places = sample(room, n, seed, trials.root)
    known = looked_at()
    count: Counter = Counter()
    print(f"\n{name}: {len(mutants)} of {n_places}", flush=True)
    for mutant in mutants:
        old, new = mutant.change((trials.root / mutant.file).read_text())
        entry = known.get((mutant.file, old, new), {})
        if entry.get("equivalent"):  # by its reason
            count["equivalent"] += 1
            continue
        verdict = killed.get(mutant.digest) or trials.verdict(mutant, room)
        killed.keep(mutant.digest, verdict)
        count["killed" if verdict.killer else "survived"] += 1
        count["by a limit of time"] += verdict.killer == LIMIT
        if not verdict.killer:
            more = "" if verdict.all_run else " of more"
            print(f"\n{mutant.file}:{mutant.lines[0]}, {verdict.n_tests}{more} tests")
            print("  - " + old.replace("\n", "\n  - "))
            print("  + " + new.replace("\n", "\n  + "))
            print("  " + entry.get("reason", "not looked at"), flush=True)
    return count


def prepare() -> None:
    for name in LIBRARIES:
        try:
            importlib.import_module(name)
        except ImportError:
            print(f"without {name}")
    phases = [Phase.explicit, Phase.generate]
    settings.register_profile("mutants", deadline=None, max_examples=40, phases=phases)
    os.environ.update(POLARS_ALLOW_FORKING_THREAD="1", MPLBACKEND="Agg")
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT]
    gc.collect()
    gc.freeze()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rooms", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--sample", type=int, default=40, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=20, help="for each mutant")
    parser.add_argument("--coverage", type=Path, default=ROOT / ".coverage")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / ".mutants.json", help="those killed before"
    )
    options = parser.parse_args()
    reach, killed = Reach(options.coverage), Killed(options.kept)
    prepare()
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(copy_of_sources(Path(folder)), options.seconds, reach)
        for name in options.rooms:
            began = time.monotonic()
            counts[name] = try_room(name, trials, killed, options.sample, options.seed)
            counts[name]["seconds"] = round(time.monotonic() - began)
    report(counts)


def report(counts: dict[str, Counter]) -> None:
    kinds = ["killed", "by a limit of time", "survived", "equivalent", "seconds"]
    print(
        f"\n{'room':14}" + "".join(f"{kind:>20}" for kind in kinds) + f"{'survive':>10}"
    )
    total: Counter = Counter()
    for name, count in [*counts.items(), ("all", total)]:
        if name != "all":
            total.update(count)
        share = count["survived"] / max(count["killed"] + count["survived"], 1)
        row = "".join(f"{count[kind]:20}" for kind in kinds)
        print(f"{name:14}{row}{share:10.1%}")


if __name__ == "__main__":
    main()
