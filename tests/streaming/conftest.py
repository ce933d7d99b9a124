"""A folder of Parquet files, its rows in one table, and an explainer of them."""

import pytest

from tests.streaming.wards import (
    FEATURES,
    arrow_table,
    explainer_on,
    in_memory,
    write_files,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("wards") / "files", arrow_table())


@pytest.fixture(scope="module")
def rows(folder):
    return in_memory(folder)


@pytest.fixture(scope="module")
def explainer(rows):
    return explainer_on(rows[FEATURES])
