#!/usr/bin/env bash
# Packs what a GPU machine without a network needs: benchmarks/gpu/kit.sh KIT [options of kit.py]
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
[ -x "$python" ] || python=python3
"$python" -c 'import packaging' 2>/dev/null || { echo "kit.sh: $python lacks packaging: pip install packaging" >&2; exit 1; }
exec "$python" "$root/benchmarks/gpu/kit.py" "$@"
