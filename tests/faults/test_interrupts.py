"""Ctrl-C and dying workers: the call ends, nothing is half kept, and no process stays."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import joblib
import numpy as np
import pytest
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer

X = np.random.default_rng(0).normal(size=(400, 2))


class Model(RegressorMixin, BaseEstimator):
    """Predicts the square of the first column; `ends` is called from batches alone."""

    def __init__(self, ends=None):
        self.ends = ends

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        if self.ends is not None and len(X) > 50:
            self.ends(X)
        return X[:, 0] ** 2


def explainer_of(ends, **options):
    model = FrozenEstimator(Model(ends))
    options = {"extrapolation": None, "batch_size": 100, "n_jobs": 2} | options
    return FMEExplainer(model, {0: 1}, **options).fit(X)


def interrupt(rows):
    if (rows[:, 0] == X[250, 0]).any():
        raise KeyboardInterrupt


def check_whole(explainer):
    explainer.estimator_.estimator.ends = None
    np.testing.assert_allclose(
        explainer.explain(X)["x0 +1"].fme, 2 * X[:, 0] + 1, rtol=1e-12, atol=1e-12
    )


CALLS = {
    "explain": lambda e: e.explain(X),
    "explain_batches": lambda e: e.explain_batches([X[:200], X[200:]]),
    "attribute": lambda e: e.attribute(X, {0: 1, 1: 1}),
    "optimum": lambda e: e.optimum(X, 0, direction="min"),
}


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("call", CALLS)
def test_an_interrupt_in_a_batch_comes_through_and_leaves_nothing(call, n_jobs):
    ends = {"optimum": lambda rows: interrupt(np.array([[X[250, 0]]]))}
    explainer = explainer_of(ends.get(call, interrupt), n_jobs=n_jobs)
    state = {name: id(value) for name, value in vars(explainer).items()}
    with pytest.raises(KeyboardInterrupt):
        CALLS[call](explainer)
    assert {name: id(value) for name, value in vars(explainer).items()} == state
    check_whole(explainer)


def test_an_interrupted_fit_leaves_the_explainer_that_it_found_or_none():
    class Slow(Model):
        def fit(self, X, y=None):
            raise KeyboardInterrupt

    explainer = FMEExplainer(Slow(), {0: 1})
    with pytest.raises(KeyboardInterrupt):
        explainer.fit(X, X[:, 0])
    assert not hasattr(explainer, "estimator_")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV], ids=str)
def test_a_worker_that_dies_is_an_error_and_the_next_call_is_whole(how):
    parent = os.getpid()

    def dies(rows):
        if os.getpid() != parent:
            os.kill(os.getpid(), how)

    explainer = explainer_of(dies)
    with (
        joblib.parallel_config(backend="loky"),
        pytest.raises(TerminatedWorkerError, match="terminated"),
    ):
        explainer.explain(X)
    with joblib.parallel_config(backend="loky"):
        check_whole(explainer)


# Its batches sleep in the workers, which write down who they are.
INTERRUPTED = """
    import os, signal, sys, time
    from pathlib import Path

    import joblib
    import numpy as np
    from sklearn.base import BaseEstimator, RegressorMixin
    from sklearn.frozen import FrozenEstimator

    from skfme import FMEExplainer
    from skfme.statsmodels import bootstrap_effects

    # What a shell runs in the background ignores it, and so would this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    folder, backend, call = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    parent = os.getpid()

    def sleep():
        (folder / str(os.getpid())).touch()
        time.sleep(120)

    class Sleeps(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            if call == "bootstrap" and os.getpid() != parent:
                sleep()
            self.n_features_in_ = 2
            return self

        def predict(self, X):
            if call == "explain" and len(X) > 50:
                sleep()
            return X[:, 0] ** 2

    X = np.random.default_rng(0).normal(size=(400, 2))
    explainer = FMEExplainer(
        Sleeps(), {0: 1}, extrapolation=None, batch_size=100, n_jobs=2
    )
    explainer.fit(X, X[:, 0])
    try:
        with joblib.parallel_config(backend=backend):
            if call == "explain":
                explainer.explain(X)
            else:
                bootstrap_effects(explainer, X, X[:, 0], n_resamples=50, n_jobs=2)
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(7)
"""


def is_running(pid):
    """Whether a process lives, and is no zombie that waits for its parent."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="processes are listed in /proc"
)


@needs_proc
@pytest.mark.parametrize(
    ("backend", "call", "whole_group"),
    [
        ("loky", "explain", True),
        ("loky", "explain", False),
        ("loky", "bootstrap", True),
        ("multiprocessing", "explain", True),
        ("multiprocessing", "bootstrap", False),
    ],
)
def test_five_seconds_after_an_interrupt_no_process_is_left(
    tmp_path, backend, call, whole_group
):
    command = [sys.executable, "-c", textwrap.dedent(INTERRUPTED)]
    running = subprocess.Popen(
        [*command, str(tmp_path), backend, call],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        started = time.monotonic()
        while len(list(tmp_path.iterdir())) < 2:
            assert running.poll() is None
            assert time.monotonic() - started < 60
            time.sleep(0.1)
        if whole_group:  # as a terminal does
            os.killpg(running.pid, signal.SIGINT)
        else:
            os.kill(running.pid, signal.SIGINT)
        told, _ = running.communicate(timeout=30)
        assert (running.returncode, told) == (7, "interrupted\n")
        deadline = time.monotonic() + 5
        workers = [int(file.name) for file in tmp_path.iterdir()]
        while any(map(is_running, workers)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert [pid for pid in workers if is_running(pid)] == []
    finally:
        for pid in [running.pid, *(int(file.name) for file in tmp_path.iterdir())]:
            if is_running(pid):
                os.kill(pid, signal.SIGKILL)
