"""Why rows do not count, and what to write so that they do."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["REASONS", "few_rows_count", "no_row_counts", "what_to_write"]

REASONS = {
    "missing": "the value to be changed is missing",
    "at_target": "they already have the category that the step sets",
    "extrapolation": "the step takes them outside the training data (extrapolation)",
}


def no_row_counts(effect: str, n_left_out: Mapping[str, int]) -> str:
    """The beginning of a sentence, such as ``No row counts for 'bmi -2' (missing: 3)``."""
    reasons = ", ".join(f"{status}: {n}" for status, n in n_left_out.items() if n)
    return f"No row counts for the effect {effect!r}" + (
        f" ({reasons})" if reasons else ""
    )


def what_to_write(n_left_out: Mapping[str, int], *, alone: bool = False) -> str:
    """What helps where no row counts, by the status that most rows have.

    Parameters
    ----------
    n_left_out : dict of str -> int
    alone : bool, default=False
        Whether one row is explained that is all of the training data as well.
    """
    if not any(n_left_out.values()):
        return "Give rows that have a positive weight."
    status = max(n_left_out, key=lambda status: n_left_out[status])
    if alone and status == "extrapolation":
        return (
            "X is one row, whose values are all the range that there is, and any step "
            "leaves it: give the rows of training as background, or say extrapolation=None."
        )
    return {
        "missing": "Give rows that have the value, or say SetTo(value, "
        "count_missing=True), which sets it in rows where it is missing.",
        "at_target": "Every row that could move is there already: give rows of other "
        "categories, set another category, or compare all rows at two of them with "
        "Contrast(low, high).",
        "extrapolation": "Take a smaller step, or one in the other direction, give the "
        "rows of training as background, or say extrapolation=None.",
    }[status]


def few_rows_count(effect: str, n: int, n_left_out: Mapping[str, int]) -> str | None:
    """That most of the rows that the step could move do not count; None if more do."""
    cut = {s: count for s, count in n_left_out.items() if s != "at_target" and count}
    movable = n + sum(cut.values())
    if 2 * n >= movable:
        return None
    reasons = [f"{REASONS[status]}: {count:,}" for status, count in cut.items()]
    return (
        f"Only {n:,} of {movable:,} rows count for the effect {effect!r}: "
        f"{'; '.join(reasons)}."
    )
