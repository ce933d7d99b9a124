#!/usr/bin/env bash
# The reference level of a regression on a polars Categorical depends on its first row.
#
# What:      DataFrame.to_pandas() of a Categorical, and a formula of statsmodels over it.
# Versions:  polars 2.1.0, pyarrow 26.0.1, pandas 3.1.1, statsmodels 0.15.0, formulaic 1.2.2,
#            numpy 2.4.6, Python 3.11
# Expected:  categories in the order in which polars itself sorts them, by text, or any
#            order that belongs to the column.
# Seen:      polars sorts by text whatever the rows, but pandas gets the categories in the
#            order in which the rows show them first. Of the same rows in another order the
#            formula leaves out another level, and every coefficient means something else.
# Output:    sorted by polars: high low mid; categories in pandas: low mid high, and high
#            mid low of the rows backwards; levels of the fits: mid high, and mid low
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "polars==2.1.0" "pyarrow==26.0.1" "pandas==3.1.1" \
    "statsmodels==0.15.0" "formulaic==1.2.2" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import polars as pl
import statsmodels.formula.api as smf

kinds = ["low", "mid", "high"] * 4
frame = pl.DataFrame({"kind": kinds, "y": [1.0, 2, 4] * 4}).with_columns(
    pl.col("kind").cast(pl.Categorical)
)
frames = frame, frame.reverse()
own = frame["kind"].unique().sort().to_list()
orders = [list(f.to_pandas()["kind"].cat.categories) for f in frames]
fits = [smf.ols("y ~ kind", f.to_pandas()).fit() for f in frames]
levels = [[n.split("[T.")[1][:-1] for n in fit.params.index[1:]] for fit in fits]
print("sorted by polars:", *own, end="; ")
print("categories in pandas:", *orders[0], end=", and ")
print(*orders[1], "of the rows backwards", end="; ")
print("levels of the fits:", *levels[0], end=", and ")
print(*levels[1])
assert own == ["high", "low", "mid"]
assert orders == [["low", "mid", "high"], ["high", "mid", "low"]]
assert levels == [["mid", "high"], ["mid", "low"]]
PYTHON
