#!/usr/bin/env bash
# MLflow 3.17.2, seen on 2026-11-30: a data set's digest does not say that two data sets are the same.
#
# One would expect: the digest that a run's input shows (mlflow.data.from_pandas, from_numpy; what two runs are compared
# by) changes when a value does.
# What happens: of a frame only the first 10,000 rows and the columns of numbers and text are digested, of an array only
# the first 10,000 values in the order of its memory. Another label in every later row, another date or another truth
# value in every row leave the digest as it was.
# Instead: give `digest=` one of your own, over all the bytes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'mlflow-skinny==3.17.2' 'pandas==2.3.3' 'numpy==2.4.6'

cd "$work"
MLFLOW_DISABLE_TELEMETRY=true "$work/venv/bin/python" - 2>errors.txt <<'EOF_PYTHON' || { cat "$work/errors.txt" >&2; exit 1; }
import platform
import sys

import mlflow
import numpy as np
import pandas as pd

print("Python", platform.python_version(), "MLflow", mlflow.__version__)
ROWS = 20_000
frame = pd.DataFrame({"x": np.arange(float(ROWS)), "label": 0.0, "paid": True, "at": pd.Timestamp("2026-01-01")})


def other(column: str, first: int, value: object) -> pd.DataFrame:
    """The frame with another value in a column, from a row on."""
    changed = frame.copy()
    changed.loc[first:, column] = value
    return changed


def digest(table: pd.DataFrame) -> str:
    return mlflow.data.from_pandas(table).digest


labels = frame["label"].to_numpy()
later = other("label", 10_000, 1.0)
same = {
    "another label from row 10,001 on": digest(later) == digest(frame),
    "another date in every row": digest(other("at", 0, pd.Timestamp("2020-01-01"))) == digest(frame),
    "another truth value in every row": digest(other("paid", 0, False)) == digest(frame),
    "an array that differs from value 10,001 on": mlflow.data.from_numpy(later["label"].to_numpy()).digest
    == mlflow.data.from_numpy(labels).digest,
    "another label in row 10,000": digest(other("label", 9_999, 1.0)) == digest(frame),
}
for what, answer in same.items():
    print(f"{what}: {'the same digest' if answer else 'another digest'}")
if list(same.values()) != [True, True, True, True, False]:
    sys.exit("changed: the first four had the same digest, the last another")
print("as seen on 2026-11-30")
EOF_PYTHON
