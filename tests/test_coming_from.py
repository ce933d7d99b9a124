"""The calls of other packages on the page for their users, run beside ours."""

from __future__ import annotations

import json
import re
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from sklearn.inspection import partial_dependence

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "coming_from.rst").read_text()
REFERENCE = ROOT / "tests" / "reference"


def installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


POLARS = installed("polars") or "0"
PEERS = installed("marginaleffects") is not None and POLARS < "2"


class Row(NamedTuple):
    """A line of a table: a call of another package, ours, and what is said of them."""

    theirs: str
    ours: str
    said: str


def section(title: str) -> str:
    """The text under a title, up to the next title of its kind."""
    after = PAGE.split(f"\n{title}\n")[1]
    return re.split(r"\n[^\n]+\n-{5,}\n", after.split("\n", 1)[1])[0]


def rows_of(title: str) -> list[Row]:
    found = []
    for part in section(title).split("\n   * - ")[1:]:
        body = re.split(r"\n\n(?!    )", part)[0]
        cells = [" ".join(cell.split()) for cell in body.split("\n     - ")]
        if cells[0].startswith("``"):
            theirs, ours, said = (*cells, "")[:3]
            found.append(Row(theirs.strip("`"), ours.strip("`"), said))
    return found


def blocks_of(title: str) -> list[str]:
    """The page's code blocks in a section."""
    found = re.findall(
        r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", section(title) + "\n"
    )
    return [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in found]


def names_of(title: str, *, with_peers: bool = False) -> dict[str, Any]:
    """What the code blocks of a section define."""
    names: dict[str, Any] = {}
    for block in blocks_of(title):
        if with_peers or "marginaleffects" not in block:
            code = block.replace("tests/reference", REFERENCE.as_posix())
            exec(code, names)
    return names


class Numbers(NamedTuple):
    """Estimates in ascending order, and their standard errors where there are any."""

    estimates: np.ndarray
    errors: np.ndarray | None = None


def numbers(result: Any) -> Numbers:
    """What a call has found, of either package."""
    table = getattr(result, "data", None)
    if hasattr(table, "columns"):  # marginaleffects
        named = {name: table[name].to_numpy() for name in table.columns}
        return in_order(named["estimate"], named.get("std_error"))
    if hasattr(result, "bse"):
        return in_order(result.params, result.bse)
    if hasattr(result, "partitions_"):
        return in_order(result.partitions_["ame"])
    if hasattr(result, "values") and hasattr(result, "summary"):  # several effects
        return in_order([effect.ame for effect in result.values()])
    return in_order(getattr(result, "ame", result))


def in_order(estimates: Any, errors: Any = None) -> Numbers:
    flat = np.asarray(estimates, dtype=float).ravel()
    order = np.argsort(flat)
    no_errors = errors is None or np.isnan(np.asarray(errors, dtype=float)).any()
    return Numbers(flat[order], None if no_errors else np.asarray(errors)[order])


def agree(theirs: Numbers, ours: Numbers) -> bool:
    """Whether both are the same, as far as the other's numeric derivatives go."""
    if theirs.estimates.shape != ours.estimates.shape:
        return False
    same = np.allclose(theirs.estimates, ours.estimates, rtol=2e-5, atol=1e-9)
    if theirs.errors is None or ours.errors is None:
        return same
    return same and np.allclose(theirs.errors, ours.errors, rtol=1e-4)


def compared(row: Row, names: dict[str, Any]) -> None:
    theirs, ours = (numbers(eval(code, names)) for code in (row.theirs, row.ours))
    assert agree(theirs, ours) != row.said.startswith("Not the same"), (theirs, ours)


# marginaleffects

MARGINALEFFECTS = rows_of("From marginaleffects")


@pytest.fixture(scope="module")
def fair() -> dict[str, Any]:
    return names_of("From marginaleffects", with_peers=PEERS)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", MARGINALEFFECTS, ids=lambda row: row.theirs)
def test_our_side_of_every_line_runs(fair, row):
    found = numbers(eval(row.ours, fair)).estimates
    assert len(found) >= 1
    assert np.isfinite(found).all()


@pytest.mark.skipif(
    not PEERS, reason="marginaleffects comes with the extra 'test-peers', for polars 1"
)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", MARGINALEFFECTS, ids=lambda row: row.theirs)
def test_calls_of_marginaleffects_have_the_same_numbers_marginaleffects(fair, row):
    compared(row, fair)


def test_the_page_has_as_many_calls_as_it_promises():
    assert len(MARGINALEFFECTS) >= 40
    assert len(rows_of("From R's fmeffects")) >= 15


# R's fmeffects


@pytest.fixture(scope="module")
def diabetes() -> dict[str, Any]:
    return names_of("From R's fmeffects")


def stored(name: str) -> list[float]:
    """What R found: of a case, of all features, or of a partition."""
    if "__" in name:
        partitions = json.loads((REFERENCE / "partitions.json").read_text())
        nodes = partitions[name]["results"]
        return [node["cAME"] for node in nodes if node["is.terminal.node"]]
    case, _, what = name.partition(" ")
    reference = json.loads((REFERENCE / "diabetes_lm.json").read_text())
    if case == "diabetes_lm":
        averages = [float(row["AME"]) for row in reference[f"ame_default_{what}"]]
        return [ame for ame in averages if ame != 0]  # of columns that the model reads
    found = next(c for c in reference["cases"] if c["id"] == case)
    if what == "anlm":
        return [found["nlm_first_100_rows"]["anlm"]]
    return found[what] if what else [found["ame"]]


@pytest.mark.parametrize("row", rows_of("From R's fmeffects"), ids=lambda r: r.theirs)
def test_calls_of_fmeffects_have_the_numbers_that_r_found(diabetes, row):
    name = row.said.strip("`")
    ours = numbers(eval(row.ours, diabetes)).estimates
    theirs = np.sort(np.asarray(stored(name), dtype=float))
    rounded = name.startswith("diabetes_lm ")  # R's table has four decimals
    np.testing.assert_allclose(
        ours, theirs, rtol=0 if rounded else 1e-8, atol=6e-5 if rounded else 1e-8
    )


# Partial dependence


@pytest.mark.skipif(
    "custom_values" not in signature(partial_dependence).parameters,
    reason="custom_values came with scikit-learn 1.7",
)
@pytest.mark.parametrize(
    "row", rows_of("From partial dependence"), ids=lambda row: row.ours
)
def test_points_of_partial_dependence_differ_by_the_effect_between_them(row):
    compared(row, names_of("From partial dependence"))
