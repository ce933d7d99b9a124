"""What is said of the compiler."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer
from skfme._engine import waiting

X = np.arange(20.0)[:, None]


@pytest.fixture
def explained(monkeypatch, capsys):
    """stderr of explaining where so many kernels were compiled in so many seconds."""

    def run(n_kernels, seconds, **options):
        clock, compiled = iter([0.0, seconds]), iter([0, n_kernels])
        monkeypatch.setattr(waiting, "perf_counter", lambda: next(clock))
        monkeypatch.setattr(waiting, "n_compiled", lambda: next(compiled))
        explainer = FMEExplainer(
            FrozenEstimator(LinearRegression().fit(X, X[:, 0])), {0: 1}, **options
        ).fit(X)
        explainer.explain(X)
        return capsys.readouterr().err

    monkeypatch.setattr(waiting, "_TOLD", [])
    return run


@pytest.mark.parametrize(
    ("n_kernels", "seconds", "verbose", "told"),
    [(3, 4.2, 1, True), (3, 4.2, 0, False), (3, 0.9, 1, False), (0, 4.2, 1, False)],
)
def test_only_a_long_compilation_is_told(explained, n_kernels, seconds, verbose, told):
    said = explained(n_kernels, seconds, verbose=verbose)
    assert ("compiled in 4.2 s" in said) == told


def test_it_is_told_once(explained):
    assert "compiled" in explained(3, 4.2, verbose=1)
    assert "compiled" not in explained(3, 4.2, verbose=1)


def test_kernels_are_counted_that_are_compiled_and_not_taken_from_the_disk(
    monkeypatch, tmp_path
):
    numba = pytest.importorskip("numba")
    from skfme._engine.trees.compiled.decorators import kernel

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    for n_new in (1, 0):
        before, doubled = waiting.n_compiled(), kernel(_doubled)
        assert doubled(2) == 4
        assert waiting.n_compiled() == before + n_new


def _doubled(x):
    return 2 * x
