"""Fixtures of all tests of attributions."""

import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture(autouse=True)
def one_thread():
    # Threads of small predictions wait for each other longer than they work.
    with threadpool_limits(1):
        yield
