#!/usr/bin/env bash
# narwhals makes text of an Arrow dictionary on its way to pandas, and loses its order.
#
# What:      Series.to_pandas() of a pyarrow dictionary column, which narwhals calls
#            Categorical.
# Versions:  narwhals 2.29.0, pyarrow 26.0.1, pandas 3.1.1, Python 3.11
# Expected:  a pandas Categorical, as pyarrow's own to_pandas() gives and as narwhals gives
#            for polars, with the categories in the order of the dictionary.
# Seen:      a column of text; groups that are formed of it are in alphabetical order.
# Output:    Categorical: str by narwhals, category by pyarrow
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "narwhals==2.29.0" "pyarrow==26.0.1" "pandas==3.1.1"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import narwhals.stable.v2 as nw
import pyarrow as pa

level = pa.DictionaryArray.from_arrays([1, 0, 2], ["low", "mid", "high"])
table = pa.table({"level": level})
column = nw.from_native(table, eager_only=True)["level"]
through_narwhals = column.to_pandas().dtype
by_pyarrow = table.column("level").to_pandas().dtype
print(f"{column.dtype}: {through_narwhals} by narwhals, {by_pyarrow} by pyarrow")
assert column.dtype == nw.Categorical
assert str(by_pyarrow) == "category" != str(through_narwhals)
PYTHON
