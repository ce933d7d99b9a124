#!/usr/bin/env bash
# pyarrow turns missing entries of a dictionary column into its last value.
#
# What:      ChunkedArray.to_numpy() of a dictionary with missing entries, beside
#            to_pylist() and to_pandas() of the same column.
# Versions:  pyarrow 26.0.1, numpy 2.4.6, Python 3.11
# Expected:  None in the place of a missing entry, as to_pylist() and to_pandas() have it.
# Seen:      the last value of the dictionary, silently: a column of a table that was read
#            from Parquet with categories gets values that are not there.
# Output:    to_pylist ['low', None, 'high'], to_numpy ['low', 'high', 'high']
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "pyarrow==26.0.1" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import pyarrow as pa

column = pa.chunked_array([pa.array(["low", None, "high"]).dictionary_encode()])
seen = column.to_numpy().tolist()
print(f"to_pylist {column.to_pylist()}, to_numpy {seen}")
assert column.to_pylist() == ["low", None, "high"]
assert seen == ["low", "high", "high"]
PYTHON
