#!/usr/bin/env bash
# DuckDB 2.0.0 and PyArrow 25.0.1, seen on 2026-12-01: they do not agree which files of a folder are a table's.
#
# One would expect: what a writer keeps in a folder whose name begins with a point or an underscore (versions, files that
# are not finished, logs) is no data, for every reader of a folder of Parquet.
# What happens: PyArrow's data sets, and with them pandas, leave such files out. DuckDB's `**` goes into such folders, and
# `*` finds such files: the count is higher, without a word.
# Instead: give files that are no data another ending than `.parquet`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'duckdb==2.0.0' 'pyarrow==25.0.1'

cd "$work"
cat >count.py <<'EOF_PYTHON'
import platform
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

print("Python", platform.python_version(), "DuckDB", duckdb.__version__, "PyArrow", pa.__version__)
for number, file in enumerate(("day=1/a", ".old/day=1/b", "_old/day=1/c", "day=1/.d", "day=1/_e")):
    path = Path("table", f"{file}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"x": [number]}), path)


def duck(pattern: str) -> list[int]:
    return [x for (x,) in duckdb.sql(f"SELECT x FROM read_parquet('{pattern}') ORDER BY x").fetchall()]


found = {
    "PyArrow": sorted(ds.dataset("table").to_table()["x"].to_pylist()),
    "DuckDB **": duck("table/**/*.parquet"),
    "DuckDB day=*/*": duck("table/day=*/*.parquet"),
}
for reader, rows in found.items():
    print(f"{reader}: files {rows}")
raise SystemExit(found != {"PyArrow": [0], "DuckDB **": [0, 1, 2, 3, 4], "DuckDB day=*/*": [0, 3, 4]})
EOF_PYTHON
"$work/venv/bin/python" count.py || { echo "changed"; exit 1; }
echo "as seen on 2026-12-01"
