#!/usr/bin/env bash
# dask's tokenize pickles an object and unpickles it again, to make a name for it.
#
# What:      dask.tokenize.tokenize(model) of an object without __dask_tokenize__, as
#            Client.scatter and delayed call it with whatever they are given.
# Versions:  dask 2026.8.0, Python 3.11
# Expected:  that the bytes of its pickle are hashed.
# Seen:      the bytes are loaded as well, in the process that only wanted a name: of a
#            forest of 79 MB a second copy, and once more whatever its __setstate__ does.
#            An object with __dask_tokenize__ is neither pickled nor unpickled.
# Output:    without: pickled True, unpickled 2; with __dask_tokenize__: pickled False, unpickled 0
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "dask==2026.8.0"
cat > "$folder/named.py" <<'PYTHON'
from collections import Counter

from dask.tokenize import tokenize

seen = Counter()


class Model:
    def __getstate__(self):
        seen["pickled"] += 1
        return {"weights": "many"}

    def __setstate__(self, state):
        seen["unpickled"] += 1


class Named(Model):
    def __dask_tokenize__(self):
        return "of my own"


if __name__ == "__main__":
    import named

    results = []
    for kind in (named.Model, named.Named):
        named.seen.clear()
        tokenize(kind())
        results.append((named.seen["pickled"] > 0, named.seen["unpickled"]))
    without, with_it = results
    print(
        f"without: pickled {without[0]}, unpickled {without[1]}; "
        f"with __dask_tokenize__: pickled {with_it[0]}, unpickled {with_it[1]}"
    )
    assert without == (True, 2)
    assert with_it == (False, 0)
PYTHON
cd "$folder"
"$folder/env/bin/python" named.py
