#!/usr/bin/env bash
# A scan of a Parquet dataset in batches ends up holding the whole file.
#
# What:      dataset.to_batches(batch_size, batch_readahead=1, fragment_readahead=1) of one
#            Parquet file of many small row groups, each batch dropped before the next.
# Versions:  pyarrow 26.0.1, numpy 2.4.6, Python 3.11
# Expected:  a few row groups in memory at a time, as the read-ahead of 1 says.
# Seen:      with threads, row groups are read as fast as they come, whatever the read-ahead
#            says; without, the buffers of pre_buffer stay until the file ends. Only
#            use_threads=False and pre_buffer=False together hold a few row groups.
#            ParquetFile.iter_batches of the same file holds a fraction.
# Output:    largest share of the table's bytes: threads 1.28, no threads 1.28, no threads and no
#            pre-buffer 0.05
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "pyarrow==26.0.1" "numpy==2.4.6"
cat > "$folder/held.py" <<'PYTHON'
import sys

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

path, way = sys.argv[1:]
n, groups = 20_000, 200
part = pa.table({f"x{j}": np.random.default_rng(j).normal(size=n) for j in range(10)})
if way == "write":
    with pq.ParquetWriter(path, part.schema) as writer:
        for _ in range(groups):
            writer.write_table(part, row_group_size=n)
    raise SystemExit
options = {"batch_size": 65_536, "batch_readahead": 1, "fragment_readahead": 1}
if way != "threads":
    options["use_threads"] = False
if way == "neither":
    plain = ds.ParquetFragmentScanOptions(pre_buffer=False)
    options["fragment_scan_options"] = plain
before, most = pa.total_allocated_bytes(), 0
for batch in ds.dataset(path).to_batches(**options):
    most = max(most, pa.total_allocated_bytes() - before)
print(f"{most / (part.nbytes * groups):.2f}")
PYTHON
run() { "$folder/env/bin/python" "$folder/held.py" "$folder/rows.parquet" "$1"; }
run write
threads="$(run threads)" no_threads="$(run no_threads)" neither="$(run neither)"
echo "threads $threads, no threads $no_threads, no threads and no pre-buffer $neither"
awk -v a="$threads" -v b="$no_threads" -v c="$neither" \
    'BEGIN { exit !(a > 0.7 && b > 0.7 && c < 0.2) }'
