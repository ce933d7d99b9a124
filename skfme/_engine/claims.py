"""What a fitted model claims of itself: that it is fitted, and on which columns.

Attributes such as `n_features_in_` are claims, and some packages make wrong ones: they
count the columns of an expanded design, tidy names, or forget both in a pickle. A claim
therefore explains why a model does not predict, and never refuses one that does. One
claim is more: a model that reads columns by their place, and names others or another
order than X has, would predict without a word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from skfme._frames.tables import Table

__all__ = ["broken_claim", "check_names", "names_claimed"]


def names_claimed(model: Any) -> list[str] | None:
    """The columns that a model says it was fitted on; None where it says nothing."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and callable(getattr(model, "feature_name", None)):
        names = model.feature_name()  # a Booster of LightGBM
    if not isinstance(names, (np.ndarray, list, tuple)):
        return None
    return [str(name) for name in names]


def broken_claim(model: Any, table: Table, error: Exception) -> ValueError | None:
    """Why a model may have failed to predict a table, by its own account."""
    said = f" The model said: {error}"
    if isinstance(error, NotFittedError):
        return None
    try:
        check_is_fitted(model)
    except NotFittedError as claim:
        return NotFittedError(f"{claim}{said}")
    except (TypeError, AttributeError):  # no estimator of scikit-learn's
        pass
    names, n = names_claimed(model), len(table.names)
    if names is not None and _has_text_names(table) and names != list(table.names):
        return ValueError(_other_columns(names, table) + said)
    count = getattr(model, "n_features_in_", n)
    if isinstance(count, int | np.integer) and count != n:
        return ValueError(f"The fitted model expects {count} columns; X has {n}.{said}")
    return None


def check_names(response: Any, table: Table) -> None:
    """Refuse a table whose columns are not those that a model reads by their place.

    Parameters
    ----------
    response : Response
        Of a given model, which predicts the table.
    table : Table
        A few rows.

    Raises
    ------
    ValueError
        If the model names other columns, or the same in another order, and does not
        find them by name.
    """
    names, given = names_claimed(response.estimator), list(map(str, table.names))
    if names is None or not _has_text_names(table) or names == given:
        return
    if set(names) <= set(given):
        right = _finds_by_name(response, table, names)
    else:  # other counts are those of an expanded design
        right = len(names) != len(given) or _same_but_for_signs(names, given)
        right = right or (_are_numbered(names) and not set(names) & set(given))
    if not right:
        raise ValueError(_other_columns(names, table))


def _has_text_names(table: Table) -> bool:
    return table.kind != "numpy" and all(isinstance(name, str) for name in table.names)


def _other_columns(names: Sequence[str], table: Table) -> str:
    return (
        f"The fitted model was fitted on the columns {list(names)}, in this order; X "
        f"has {list(table.names)}."
    )


def _same_but_for_signs(names: Sequence[str], given: Sequence[str]) -> bool:
    """Whether names differ by tidying alone, as of "Body mass" to "body_mass"."""
    return [_letters(name) for name in names] == [_letters(name) for name in given]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _are_numbered(names: Sequence[str]) -> bool:
    """Whether names only count columns, as those of a model fitted on an array."""
    parts = [re.fullmatch(r"(\D*)(\d+)", name) for name in names]
    found = [part.groups() for part in parts if part is not None]
    numbers = [int(number) for _, number in found]
    first = numbers[:1] or [-1]
    return (
        len(found) == len(names)
        and len({stem for stem, _ in found}) == 1
        and first[0] in (0, 1)
        and numbers == list(range(first[0], first[0] + len(names)))
    )


def _finds_by_name(response: Any, table: Table, names: Sequence[str]) -> bool:
    """Whether a model that names some of the columns reads them under their names.

    Its own columns alone must be predicted as the whole table, and the table's columns
    under each other's names otherwise.
    """
    n = len(table.names)
    own = table.select([table.names.index(name) for name in names])
    turned = table.select([*range(1, n), 0])
    turned = turned.with_columns({i: table.column(i) for i in range(n)})
    whole, of_own = _predicted(response, table), _predicted(response, own)
    if whole is None or _equal(whole, _predicted(response, turned)):
        return False
    return of_own is None or _equal(whole, of_own)


def _predicted(response: Any, table: Table) -> np.ndarray | None:
    try:
        with np.errstate(all="ignore"):
            values: np.ndarray = response.unchecked(table)
            return values
    except Exception:  # whatever a model raises on columns that are not its own
        return None


def _equal(values: np.ndarray, others: np.ndarray | None) -> bool:
    return others is not None and np.allclose(
        values, others, rtol=1e-6, atol=1e-9 * np.nanmax(np.abs(values)), equal_nan=True
    )
