"""What numba keeps on disk may be missing, damaged or stale: effects come all the same."""

import errno
import importlib.util
import os
import pickle
import subprocess
import sys
import textwrap

import pytest

pytest.importorskip("numba", reason="numba is not installed")

from numba import config
from numba.core import caching

from skfme._engine.trees.compiled import decorators

KERNEL = """
from skfme._engine.trees.compiled.decorators import kernel

@kernel
def twice(x):
    return 2 * x
"""


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Loads one small kernel anew, as another process does; its cache is in a folder."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / "small.py"
    file.write_text(KERNEL)

    def load():
        spec = importlib.util.spec_from_file_location("small", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.twice(3) == 6
        return module.twice

    return load


def came_from_disk(kernel):
    return bool(kernel.stats.cache_hits)


def files_of(tmp_path, ending):
    found = list((tmp_path / "cache").rglob(f"*.{ending}"))
    assert found
    return found


def of_a_class_that_is_gone(file):
    class Gone:
        pass

    Gone.__module__, Gone.__qualname__ = "small", "Gone"
    module = sys.modules["small"] = type(sys)("small")
    module.Gone = Gone
    try:
        file.write_bytes(pickle.dumps(Gone()))
    finally:
        del sys.modules["small"]


def folder_instead(file):
    file.unlink()
    file.mkdir()


DAMAGES = {
    "cut off": lambda file: file.write_bytes(file.read_bytes()[:-7]),
    "empty": lambda file: file.write_bytes(b""),
    "garbage": lambda file: file.write_bytes(b"\x00garbage"),
    "a class that is gone": of_a_class_that_is_gone,
    "a folder": folder_instead,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("ending", ["nbi", "nbc"])
def test_a_damaged_cache_is_compiled_again_and_mended(cached, tmp_path, ending, damage):
    assert not came_from_disk(cached())
    assert came_from_disk(cached())
    for file in files_of(tmp_path, ending):
        DAMAGES[damage](file)
    assert not came_from_disk(cached())
    if damage != "a folder":  # which no file replaces
        assert came_from_disk(cached())


def test_a_full_disk_costs_the_cache_alone(cached, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(caching.IndexDataCacheFile, "_save_data", full)
    assert not came_from_disk(cached())
    assert not came_from_disk(cached())


def test_a_kernel_is_compiled_again_when_another_file_of_theirs_changes(
    cached, monkeypatch
):
    cached()
    assert came_from_disk(cached())
    monkeypatch.setattr(decorators, "_SOURCES", "of another version")
    assert not came_from_disk(cached())
    assert came_from_disk(cached())


def test_without_a_place_for_the_cache_auto_computes_by_trees():
    code = """
        import numpy as np
        from numba.core import caching
        from sklearn.ensemble import RandomForestRegressor

        def refuse(locator):
            raise OSError("a file system that is only read")

        caching._CacheLocator.ensure_cache_path = refuse
        from skfme import fme
        from skfme._engine import choice

        choice._WORTH_LOADING = 0
        X = np.random.default_rng(0).normal(size=(40, 2))
        model = RandomForestRegressor(2, max_depth=2, random_state=0).fit(X, X[:, 0])
        effect = fme(model, X, {0: 0.5}, extrapolation=None)
        by_hand = model.predict(X + [0.5, 0]) - model.predict(X)
        print(effect.engine, np.abs(effect.fme - by_hand).max())
    """
    code = textwrap.dedent(code)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    engine, gap = done.stdout.split()
    assert engine == "trees"
    assert float(gap) < 1e-12


def test_processes_that_start_at_once_compile_once(tmp_path):
    (tmp_path / "small.py").write_text(KERNEL)
    code = """
        import time
        from pathlib import Path
        import numba.core.compiler
        from small import twice

        compiled = numba.core.compiler.compile_extra

        def slowly(*args, **options):
            time.sleep(1)  # so that the other processes find nothing on disk yet
            return compiled(*args, **options)

        numba.core.compiler.compile_extra = slowly
        import sys
        Path(sys.argv[1]).touch()
        while len(list(Path(sys.argv[1]).parent.glob("ready*"))) < 3:
            time.sleep(0.01)
        assert twice(3) == 6
        print(sum(twice.stats.cache_misses.values()))
    """
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / f"ready{i}")],
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            env={
                **os.environ,
                "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
                "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)]),
            },
        )
        for i in range(3)
    ]
    misses = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert sorted(misses) == [0, 0, 1]
