"""Full disks and places that cannot be written: old files stay, effects come all the same."""

import errno
import os
import pathlib
import subprocess
import sys
import textwrap
from importlib.util import find_spec

import numpy as np
import pytest

from skfme import fme, write_report

pytest.importorskip("matplotlib", reason="reports need Matplotlib")

X = np.random.default_rng(0).normal(size=(60, 2))


def effect_of():
    return fme(lambda rows: rows[:, 0] ** 2, X, {0: 1})


def run(code, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=300,
    )


# No file may grow beyond what is left; the system then says so as of a full disk.
FILLS_THE_DISK = """
    import resource, sys

    import numpy as np

    from skfme import fme, write_report

    X = np.random.default_rng(0).normal(size=(60, 2))
    effect = fme(lambda rows: rows[:, 0] ** 2, X, {0: 1})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        write_report(effect, sys.argv[1])
    except OSError as error:
        print(error.errno)
"""


@pytest.mark.skipif(find_spec("resource") is None, reason="limits of files are POSIX's")
@pytest.mark.parametrize("exists", [True, False])
def test_a_report_that_does_not_fit_on_the_disk_leaves_the_old_one(tmp_path, exists):
    path = tmp_path / "report.html"
    if exists:
        path.write_text("old")
    done = run(FILLS_THE_DISK, path)
    assert done.stdout.strip() == str(errno.EFBIG), done.stderr
    left = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert left == ({"report.html": "old"} if exists else {})


@pytest.mark.parametrize("at", ["write", "close", "replace"])
def test_a_disk_that_fills_up_at_any_moment_leaves_the_old_report(
    tmp_path, monkeypatch, at
):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    class Filling:
        """A file whose last bytes find no room."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()
            if at == "close":
                full()

        def write(self, text):
            return full() if at == "write" else self.file.write(text)

    opened = pathlib.Path.open
    path = tmp_path / "report.html"
    path.write_text("old")

    def opening(self, mode="r", *args, **options):
        file = opened(self, mode, *args, **options)
        return Filling(file) if mode == "x" else file

    monkeypatch.setattr(pathlib.Path, "open", opening)
    if at == "replace":
        monkeypatch.setattr(pathlib.Path, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_report(effect_of(), path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_an_interrupted_report_leaves_the_old_one(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("skfme._report.report._Writer.method", interrupted)
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        write_report(effect_of(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]
    assert path.read_text() == "old"


def test_an_unwritable_place_is_refused_with_its_name(tmp_path):
    (tmp_path / "a file").write_text("in which no report can lie")
    for place in (tmp_path / "a file" / "report.html", tmp_path):
        with pytest.raises(OSError, match="report cannot be written there") as error:
            write_report(effect_of(), place)
        assert str(place) in str(error.value)


WITHOUT_A_HOME = """
    import sys
    from pathlib import Path

    import numpy as np
    from numba.core import caching

    # The package's own folder takes no cache either, as of an installation by root.
    refused = OSError("a file system that is only read")

    def refuse(self):
        raise refused

    for name in vars(caching):  # of older versions the names begin with a stroke
        if "InTreeCacheLocator" in name:
            getattr(caching, name).ensure_cache_path = refuse

    from sklearn.ensemble import RandomForestRegressor

    from skfme import FMEExplainer, write_report

    X = np.random.default_rng(0).normal(size=(60, 2))
    model = RandomForestRegressor(3, max_depth=3, random_state=0)
    explainer = FMEExplainer(model, {0: 0.5}, engine="trees", extrapolation=None)
    effects = explainer.fit(X, X[:, 0]).explain(X)
    effect, predict = effects["x0 +0.5"], explainer.estimator_.predict
    by_hand = predict(X + [0.5, 0]) - predict(X)
    assert abs(effect.fme - by_hand).max() < 1e-12
    print(effect.engine, write_report(effects, sys.argv[1]).exists())
"""


def test_a_home_that_cannot_be_written_costs_no_effect_and_no_report(tmp_path):
    pytest.importorskip("numba", reason="numba is not installed")
    home = tmp_path / "home"
    home.write_text("a file, in which even root makes no folder")
    environment = {name: str(home) for name in ("HOME", "USERPROFILE", "LOCALAPPDATA")}
    environment |= {"XDG_CACHE_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    report = tmp_path / "report.html"
    done = run(WITHOUT_A_HOME, report, NUMBA_CACHE_DIR="", **environment)
    assert done.stdout.split() == ["trees", "True"], done.stderr
    assert home.read_text().startswith("a file")
