#!/usr/bin/env bash
# A table of rows without columns has rows in pandas 3, and none in pandas 2, where it is iterated.
#
# What:      itertuples of a DataFrame of three rows whose columns were all selected away, as
#            the group columns of a table without groups.
# Versions:  pandas 2.3.3 and 3.1.1, numpy 2.4.6, Python 3.11
# Expected:  as many tuples as the table is long.
# Seen:      three empty tuples in pandas 3.1.1, and none in pandas 2.3.3; len() is 3 in both,
#            and iterrows gives three in both.
# Output:    pandas 2.3.3: 0 of 3; pandas 3.1.1: 3 of 3
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
rows() {
    python3 -m venv --clear "$folder/env"
    "$folder/env/bin/pip" install -q "pandas==$1" "numpy==2.4.6"
    "$folder/env/bin/python" - <<'PYTHON'
import pandas as pd

table = pd.DataFrame({"a": [1, 2, 3]})[[]]
assert len(table) == len(list(table.iterrows())) == 3
print(f"pandas {pd.__version__}: {len(list(table.itertuples(index=False)))} of {len(table)}")
PYTHON
}
seen="$(rows 2.3.3); $(rows 3.1.1)"
echo "$seen"
test "$seen" = "pandas 2.3.3: 0 of 3; pandas 3.1.1: 3 of 3"
