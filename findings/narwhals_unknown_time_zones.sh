#!/usr/bin/env bash
# narwhals does not know pandas' columns in time zones with "_", "-", "+" or a digit.
#
# What:      the dtype of a pandas column in the zone America/New_York or Etc/GMT+5.
# Versions:  narwhals 2.29.0, pandas 2.3.3, Python 3.11
# Expected:  Datetime(time_unit=…, time_zone='America/New_York'), as for Europe/Berlin.
# Seen:      Unknown, so that the column is no date: it has no .dt methods. Zones of letters
#            and one slash are read. Columns of polars and pyarrow in the same zones are
#            read, and so are pandas' Arrow-backed ones.
# Output:    Europe/Berlin Datetime, America/New_York Unknown, Etc/GMT+5 Unknown,
#            America/Port-au-Prince Unknown
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "narwhals==2.29.0" "pandas==2.3.3" "tzdata"
"$folder/env/bin/python" - <<'PYTHON'
import narwhals.stable.v2 as nw
import pandas as pd

seen = {}
for zone in ("Europe/Berlin", "America/New_York", "Etc/GMT+5", "America/Port-au-Prince"):
    column = pd.Series(pd.date_range("2024-01-01", periods=2, tz=zone))
    dtype = nw.from_native(column, series_only=True).dtype
    seen[zone] = type(dtype).__name__ if isinstance(dtype, nw.Datetime) else str(dtype)
print(", ".join(f"{zone} {dtype}" for zone, dtype in seen.items()))
assert seen.pop("Europe/Berlin") == "Datetime"
assert set(seen.values()) == {"Unknown"}
PYTHON
