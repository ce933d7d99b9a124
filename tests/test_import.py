"""`import skfme` stays light."""

import subprocess
import sys

import pytest

import skfme


def test_importing_leaves_heavy_libraries_unloaded():
    code = (
        "import sys; from skfme import FMEExplainer, fme; "
        "heavy = {'statsmodels', 'matplotlib', 'numba', 'treelite', 'polars', 'pyarrow'};"
        "print(sorted(heavy & {name.split('.')[0] for name in sys.modules}))"
    )
    bare = code.replace("from skfme import FMEExplainer, fme; ", "import pandas;")

    def loaded(code):
        run = [sys.executable, "-c", code]
        return subprocess.run(run, capture_output=True, text=True, check=True).stdout

    # pandas itself may load pyarrow.
    assert loaded(code) == loaded(bare)


def test_displays_and_the_report_load_on_first_use():
    code = (
        "import sys, skfme; rooms = {'skfme.plotting', 'skfme._report'};"
        "before = rooms & set(sys.modules); skfme.FMEDisplay; skfme.write_report;"
        "after = rooms & set(sys.modules);"
        "print(sorted(before), sorted(after), 'matplotlib' in sys.modules)"
    )
    run = [sys.executable, "-c", code]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[] ['skfme._report', 'skfme.plotting'] False"


def test_every_public_name_is_there_and_no_other():
    assert set(skfme.__all__) <= set(dir(skfme))
    for name in skfme.__all__:
        assert getattr(skfme, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'FMEDisplays'"):
        skfme.FMEDisplays  # noqa: B018
