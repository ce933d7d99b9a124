"""The benchmark of coverage runs, and counts what it should."""

import importlib.util
import platform
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "coverage.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("coverage_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_every_kind_of_interval_is_simulated(benchmark):
    for simulate in {study.simulate for study in benchmark.STUDIES}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of few resamples
            intervals = simulate(np.random.default_rng(0), 6)
        assert intervals.ndim == 2
        assert intervals.shape[1] == 4
        estimate, low, high, truth = intervals.T
        assert (low < high).all()
        assert np.isfinite(truth).all()
        # within a few half-widths of the truth, biased forests included
        assert (np.abs(estimate - truth) < 8 * (high - low)).all()


def test_coverage_is_the_share_of_truths_inside_with_its_error(benchmark):
    study = benchmark.STUDIES[0]
    inside, outside = [1.0, 0.0, 2.0, 1.9], [1.0, 0.0, 2.0, 2.1]
    runs = [np.array([inside]), np.array([outside]), np.array([inside, outside])]
    coverage = benchmark.coverage_of(study, [*runs, np.array([inside])], 0, 1, 0.0)
    assert coverage.coverage == pytest.approx((1 + 0 + 0.5 + 1) / 4)
    assert coverage.error == pytest.approx(np.std([1, 0, 0.5, 1], ddof=1) / 2)
    assert coverage.verdict == "93.5 to 96.5: MISSED"
    low, _ = benchmark.Coverage("ridge", 0.95, 0.0, 500, 199, 1, 0.0, "").limits
    assert low == pytest.approx(0.95 - 3 * np.sqrt(0.95 * 0.05 / 500))
    own = next(s for s in benchmark.STUDIES if s.own_expectation)
    low_by_one = [np.array([[e, e - 0.6, e + 0.6, 99.0]]) for e in (1.0, 2.0)]
    assert benchmark.coverage_of(own, low_by_one, 59, 1, 0.0).coverage == 1


def test_the_table_keeps_rows_of_earlier_runs_with_seed_and_versions(
    benchmark, tmp_path, capsys, monkeypatch
):
    table, record = tmp_path / "table.inc", tmp_path / "rows.json"
    for row in ("naive-noise", "cluster"):
        options = f"--rows {row} --simulations 4 --jobs 1 --seed 3 --rst {table}"
        arguments = [str(SCRIPT), *options.split(), "--record", str(record)]
        monkeypatch.setattr(sys, "argv", arguments)
        benchmark.main()
    assert capsys.readouterr().out.count("4 simulations") == 2
    text = table.read_text()
    assert text.index("40 clusters") < text.index("two leaves")
    assert text.count("   * - ") == 3
    assert f"seed 3, with Python {platform.python_version()}" in text
    assert f"numpy {np.__version__}" in text
    assert "warning" in text
