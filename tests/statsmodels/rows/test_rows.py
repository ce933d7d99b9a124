"""Rows that take part in inference: their groups and clusters."""

import numpy as np
import pandas as pd
import pytest

from skfme._frames.tables import as_table
from skfme.statsmodels._inference.names import RESULT_COLUMNS
from skfme.statsmodels._rows.clusters import Clusters
from skfme.statsmodels._rows.groups import Groups, complete_labels


@pytest.mark.parametrize("name", sorted(RESULT_COLUMNS))
def test_a_group_may_not_be_called_as_a_column_of_results(name):
    table = as_table(pd.DataFrame({name: [1.0, 2.0]}))
    with pytest.raises(ValueError, match=f"by names '{name}', which is a column of"):
        Groups.of(table, name)


def test_missing_labels_are_a_group_of_their_own_the_last():
    table = as_table(pd.DataFrame({"g": ["b", None, "a", None]}))
    groups = Groups.of(table, "g")
    assert groups.codes.tolist() == [1, 2, 0, 2]
    assert groups.keys["g"].isna().tolist() == [False, False, True]


def test_labels_are_missing_only_where_rows_count():
    table = as_table(pd.DataFrame({"g": ["b", None, "a", None]}))
    labels = complete_labels(table, "g", np.array([0, 2]))
    assert labels["g"].to_dict() == {0: "b", 2: "a"}
    with pytest.raises(ValueError, match="by is missing in 1 of 3 .*is row 1"):
        complete_labels(table, "g", np.array([0, 1, 2]))


def test_clusters_are_counted_in_the_way_where_they_are_fewer():
    labels = pd.DataFrame({"a": [0, 1, 2, 3, 4], "b": ["x", "x", "y", "y", "x"]})
    clusters = Clusters.of(labels)
    assert clusters.numbers == (5, 2)
    assert clusters.df == 1
    cells = np.array([0, 0, 1, 1, 1])
    assert clusters.numbers_within(cells, 3).tolist() == [1, 2, 0]
