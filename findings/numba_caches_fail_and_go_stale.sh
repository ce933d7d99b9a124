#!/usr/bin/env bash
# numba's cache of compiled functions can raise, or run code that is no longer there.
#
# What:      njit(cache=True) without a place to write, with a damaged index, and where a
#            function of another file changes that the cached one calls.
# Versions:  numba 0.68.1, numpy 2.4.6, Python 3.11
# Expected:  a cache that fails costs time, and none is used that is out of date.
# Seen:      without a place, the import of a module fails (RuntimeError as the function is
#            decorated); a damaged index fails each call until someone deletes it; and a
#            change in a file that the function calls into goes unseen: the old code runs.
#            The last is said in numba's manual, the others are not.
# Output:    no place: RuntimeError at import
#            damaged: UnpicklingError at the call
#            called function changed to +100: got 2, expected 101
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "numba==0.68.1" "numpy==2.4.6"
cd "$folder"
inner() { printf 'from numba import njit\n\n@njit\ndef inner(x):\n    return x + %s\n' "$1" > called.py; }
inner 1
cat > outer.py <<'PYTHON'
from numba import njit
from called import inner

@njit(cache=True)
def outer(x):
    return inner(x)
PYTHON
export PYTHONDONTWRITEBYTECODE=1
"$folder/env/bin/python" - <<'PYTHON'
from numba.core import caching


def refuse(locator):
    raise OSError("a file system that is only read")


caching._CacheLocator.ensure_cache_path = refuse
try:
    import outer
except RuntimeError as error:
    print(f"no place: {type(error).__name__} at import")
else:
    raise SystemExit("no error")
PYTHON
export NUMBA_CACHE_DIR="$folder/cache"
"$folder/env/bin/python" -c "import outer; assert outer.outer(1) == 2"
inner 100
found="$("$folder/env/bin/python" -c 'import outer; print(outer.outer(1))')"
index="$(find "$folder/cache" -name '*.nbi')"
truncate -s -7 "$index"
"$folder/env/bin/python" - <<'PYTHON'
import outer

try:
    outer.outer(1)
except Exception as error:
    print(f"damaged: {type(error).__name__} at the call")
else:
    raise SystemExit("no error")
PYTHON
echo "called function changed to +100: got $found, expected 101"
test "$found" -eq 2
