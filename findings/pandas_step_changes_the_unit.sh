#!/usr/bin/env bash
# Adding a timedelta of whole days to a column of seconds makes it a column of microseconds.
#
# What:      Series of datetime64[s] + datetime.timedelta(days=7).
# Versions:  pandas 2.3.3 (3.1.1 does the same), numpy 2.4.6, scikit-learn 1.6.1, Python 3.11
# Expected:  datetime64[s], since every sum is a whole number of seconds.
# Seen:      datetime64[us]. A model that reads the ticks as numbers, as scikit-learn's
#            forests do with a column of dates, takes the new column for a million times as
#            much: all stepped rows fall into its last leaf. Adding numpy.timedelta64(7, "D")
#            keeps the seconds.
# Output:    datetime64[s] + timedelta -> datetime64[us]; + timedelta64[D] -> datetime64[s]
#            effect of a week on a forest: 29.31 by the timedelta, 6.49 by the timedelta64
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "pandas==2.3.3" "numpy==2.4.6" "scikit-learn==1.6.1"
"$folder/env/bin/python" - <<'PYTHON'
import datetime

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

X = pd.DataFrame({"t": pd.date_range("2024-01-01", periods=60).as_unit("s")})
model = RandomForestRegressor(50, random_state=0).fit(X, np.arange(60.0))
before = model.predict(X)
by_timedelta = X.assign(t=X["t"] + datetime.timedelta(days=7))
by_timedelta64 = X.assign(t=X["t"] + np.timedelta64(7, "D"))
print(
    f"{X['t'].dtype} + timedelta -> {by_timedelta['t'].dtype}; "
    f"+ timedelta64[D] -> {by_timedelta64['t'].dtype}"
)
wrong = (model.predict(by_timedelta) - before).mean()
right = (model.predict(by_timedelta64) - before).mean()
print(f"effect of a week on a forest: {wrong:.2f} by the timedelta, {right:.2f} by the timedelta64")
assert by_timedelta["t"].dtype == "datetime64[us]"
assert by_timedelta64["t"].dtype == "datetime64[s]"
assert wrong > 20 and 6 < right < 7
PYTHON
