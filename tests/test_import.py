"""`import skfme` stays light."""

import subprocess
import sys


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
