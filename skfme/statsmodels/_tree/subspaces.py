"""The groups that a fitted tree's subspaces make of rows."""

from __future__ import annotations

from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from skfme.statsmodels._rows.groups import Groups
from skfme.statsmodels._tree.effect_tree import EffectTree

__all__ = ["groups_of_tree"]


def groups_of_tree(tree: Any, X: Any) -> Groups:
    """Rows of X by subspace of a fitted tree.

    Raises
    ------
    TypeError
        If `tree` is no EffectTree.
    """
    if not isinstance(tree, EffectTree):
        raise TypeError(
            "tree must be a fitted EffectTree, such as came(effect, 3); got "
            f"{type(tree).__name__}."
        )
    check_is_fitted(tree, "partitions_")
    subspace = tree.apply(X)
    rules = tree.partitions_["rule"].loc[subspace].to_numpy()
    return Groups.of_labels(pd.DataFrame({"subspace": subspace, "rule": rules}))
