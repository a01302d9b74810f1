#!/usr/bin/env bash
# PyArrow 25.0.1, seen on 2026-11-30: one integer beyond 64 bits turns a whole column of JSON into doubles.
#
# One would expect: `pyarrow.json.read_json` refuses 9223372036854775808 (2**63), or reads the column as uint64 or a
# decimal. What happens: the column is double, in silence, so that other rows' identifiers above 2**53 collide:
# 9007199254740992 and 9007199254740993, which are two in a file without the long one, are one.
# Instead: give the column's type, `ParseOptions(explicit_schema=…)`: int64 then refuses the long one; uint64 (to 2**64)
# and decimal128 keep every digit.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pyarrow==25.0.1'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import io
import platform
import sys

import pyarrow as pa
from pyarrow.json import ParseOptions, read_json

print("Python", platform.python_version(), "PyArrow", pa.__version__)
SHORT = [9007199254740992, 9007199254740993]
LONG = [*SHORT, 2**63]


def read(numbers: list[int], kind: pa.DataType | None = None) -> pa.ChunkedArray:
    lines = "".join(f'{{"id": {number}}}\n' for number in numbers).encode()
    options = ParseOptions(explicit_schema=pa.schema([("id", kind)]) if kind else None)
    return read_json(io.BytesIO(lines), parse_options=options)["id"]


for numbers in (SHORT, LONG):
    column = read(numbers)
    print(numbers, "are read as", column.type, column.to_pylist(), f"({len(column.unique())} distinct)")
try:
    refusal = f"kept: {read(LONG, pa.int64()).to_pylist()}"
except pa.ArrowInvalid as error:
    refusal = f"refused: {error}"
print("with int64 given:", refusal)
given = [read(LONG, kind).to_pylist() for kind in (pa.uint64(), pa.decimal128(20, 0))]
print("with uint64 and decimal128(20, 0) given:", *given)

if read(SHORT).to_pylist() != SHORT:
    sys.exit("changed: numbers of 64 bits were read as int64")
if read(LONG).type != pa.float64() or len(read(LONG).unique()) != 2:
    sys.exit("changed: a number beyond 64 bits made the column a double in which two identifiers collide")
if not refusal.startswith("refused") or given != [LONG, LONG]:
    sys.exit("changed: with its type given the column kept every digit or was refused")
print("as seen on 2026-11-30")
EOF_PYTHON
