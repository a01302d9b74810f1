#!/usr/bin/env bash
# PyIceberg 0.12.0, seen on 2026-11-30: `not in` of two values keeps null rows, of one value it drops them.
#
# One would expect: `x not in ('a', 'z')` selects what `x != 'a' and x != 'z'` selects, an excluded value that no row has
# changes nothing, and a delete removes the rows that a scan with the same filter finds.
# What happens: with two values a scan returns the null rows, with one value, or written with `!=`, it does not; the
# delete with two values leaves the null rows that its scan has shown.
# Instead: say what shall become of null in each filter (`and x is not null`, `or x is null`).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pyiceberg[sql-sqlite]==0.12.0' 'pyarrow==25.0.1'

cd "$work"
"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pyiceberg
from pyiceberg.catalog.sql import SqlCatalog

warnings.simplefilter("ignore")
print("Python", platform.python_version(), "PyIceberg", pyiceberg.__version__, "PyArrow", pa.__version__)
here = Path.cwd()
catalog = SqlCatalog("c", uri=f"sqlite:///{here}/catalog.db", warehouse=here.as_uri())
catalog.create_namespace("n")
rows = pa.table({"shop": pa.array(["a", "b", "c", None])})


def shops(table: object, **filtered: str) -> list[str | None]:
    return sorted(table.scan(**filtered).to_arrow()["shop"].to_pylist(), key=str)


filters = ("shop != 'a'", "shop not in ('a')", "shop != 'a' and shop != 'z'", "shop not in ('a', 'z')")
seen = {}
for number, condition in enumerate(filters):
    table = catalog.create_table(f"n.t{number}", schema=rows.schema)
    table.append(rows)
    found = shops(table, row_filter=condition)
    table.delete(condition)
    seen[condition] = found, shops(table)
    print(f"{condition:28} a scan finds {found}, a delete leaves {seen[condition][1]}")

if any(seen[condition] != (["b", "c"], [None, "a"]) for condition in filters[:3]):
    sys.exit("changed: a null row was neither found nor deleted by these")
if seen[filters[3]] != ([None, "b", "c"], [None, "a"]):
    sys.exit("changed: `not in` of two values found the null row, and its delete left it")
print("as seen on 2026-11-30")
EOF_PYTHON
