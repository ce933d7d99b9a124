#!/usr/bin/env bash
# A duration that polars adds to nanoseconds makes microseconds of them.
#
# What:      Series and expressions of Datetime("ns") + timedelta, and + pl.duration.
# Versions:  polars 2.1.0 (1.12.0 alike), numpy 2.4.6, Python 3.11
# Expected:  the column's own unit, as dt.offset_by keeps it, or the finer one of both.
# Seen:      the coarser unit of both, which is microseconds for every timedelta. The last
#            three digits are gone without a word, and ticks as integers are a thousandth of
#            what they were: an hour later is 54 years earlier to whoever reads ticks.
# Output:    + gives us and 1704070800000000; offset_by ns and 1704070800000000001
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "polars==2.1.0" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import datetime

import polars as pl

moments = pl.Series([1_704_067_200_000_000_001]).cast(pl.Datetime("ns"))
hour = datetime.timedelta(hours=1)
added, offset = moments + hour, moments.dt.offset_by("1h")
ticks, right = (s.cast(pl.Int64).item() for s in (added, offset))
print(f"+ gives {added.dtype.time_unit} and {ticks};", end=" ")
print(f"offset_by {offset.dtype.time_unit} and {right}")
durations = pl.select(moments + pl.duration(hours=1)).to_series()
assert durations.dtype == added.dtype == pl.Datetime("us")
assert ticks * 1000 + 1 == right == 1_704_070_800_000_000_001
PYTHON
