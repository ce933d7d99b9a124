#!/usr/bin/env bash
# narwhals calls Arrow's dictionaries in pandas categorical, and then cannot read their categories.
#
# What:      a Parquet file of a pandas category, read with dtype_backend="pyarrow".
# Versions:  narwhals 2.29.0, pandas 2.3.3, pyarrow 26.0.1, Python 3.11
# Expected:  a column of type Categorical has series.cat.get_categories(), as those of
#            pandas, polars and pyarrow tables have.
# Seen:      AttributeError: Can only use .cat accessor with a 'category' dtype. The type of
#            the native column, ArrowDtype, has no attributes categories and ordered either;
#            they are those of the Arrow array (series.to_arrow().dictionary).
# Output:    Categorical: AttributeError; by Arrow ['v', 'u']
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "narwhals==2.29.0" "pandas==2.3.3" "pyarrow==26.0.1"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import io

import narwhals.stable.v2 as nw
import pandas as pd

file = io.BytesIO()
pd.DataFrame({"g": pd.Categorical(["u", "v"], ["v", "u"])}).to_parquet(file)
series = nw.from_native(pd.read_parquet(file, dtype_backend="pyarrow"), eager_only=True)["g"]
try:
    series.cat.get_categories()
    seen = "categories"
except AttributeError as error:
    seen = type(error).__name__
print(f"{series.dtype}: {seen}; by Arrow {series.to_arrow().dictionary.to_pylist()}")
assert series.dtype == nw.Categorical and seen == "AttributeError"
PYTHON
