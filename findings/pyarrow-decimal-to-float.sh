#!/usr/bin/env bash
# PyArrow 25.0.1, seen on 2026-11-30: a cast of decimal128(10, 2) to float64 is not the nearest float.
#
# One would expect: 0.35 as a decimal becomes the float 0.35, as float(Decimal("0.35")) and a parse of "0.35" give.
# What happens: about 14 in 100 of the amounts from 0.00 to 999.99 end one float beside it, 0.35 at
# 0.35000000000000003, in silence and with the safe cast. `amount == 0.35` and `amount <= 0.35` then miss the row.
# Instead: cast through string, `column.cast(pa.string()).cast(pa.float64())`, which gives the nearest float always.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pyarrow==25.0.1'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys
from decimal import Decimal

import pyarrow as pa

print("Python", platform.python_version(), "PyArrow", pa.__version__)
amounts = [Decimal(cents).scaleb(-2) for cents in range(100_000)]
column = pa.array(amounts, pa.decimal128(10, 2))
nearest = [float(amount) for amount in amounts]
direct = column.cast(pa.float64()).to_pylist()
through_text = column.cast(pa.string()).cast(pa.float64()).to_pylist()

wrong = [(str(amount), got) for amount, got, want in zip(amounts, direct, nearest) if got != want]
print(f"direct: {len(wrong)} of {len(amounts)} amounts are not the nearest float; the first:", wrong[:4])
print("through string:", sum(got != want for got, want in zip(through_text, nearest)), "are not")

if through_text != nearest:
    sys.exit("changed: the cast through string is not the nearest float either")
if len(wrong) != 13_929 or wrong[0] != ("0.35", 0.35000000000000003):
    sys.exit("changed: 13929 amounts were not the nearest float, 0.35 the first of them")
print("as seen on 2026-11-30")
EOF_PYTHON
