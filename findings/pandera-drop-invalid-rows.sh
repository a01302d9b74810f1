#!/usr/bin/env bash
# pandera 0.35.0, seen on 2026-11-30: drop_invalid_rows drops valid rows whose index label an invalid row has too.
#
# One would expect: of days that were put together with pandas.concat, the rows that break a check are left out, and no
# other row.
# What happens: rows are dropped by index label. Each day counts from 0, so a bad row of one day takes the row of the same
# number out of every other day, with no error and no warning. The same frame as Polars keeps them.
# Instead: `reset_index(drop=True)` before `validate`, and compare the number of rows with that of `failure_cases`.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'pandera[pandas,polars]==0.35.0' 'pandas==2.3.3' 'numpy==2.4.6' 'polars==2.1.0'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys
import warnings

import pandas
import pandera
import pandera.pandas
import pandera.polars
import polars

warnings.simplefilter("error")
print("Python", platform.python_version(), "pandera", pandera.__version__, "pandas", pandas.__version__)
days = [pandas.DataFrame({"delay": delays}) for delays in ([3.0, 8.0, -1.0], [5.0, 2.0, 7.0], [4.0, 9.0, 6.0])]


def kept(frame: pandas.DataFrame) -> list[float]:
    column = pandera.pandas.Column(float, pandera.pandas.Check.ge(0))
    schema = pandera.pandas.DataFrameSchema({"delay": column}, drop_invalid_rows=True)
    return schema.validate(frame, lazy=True)["delay"].tolist()


def kept_of_polars(frame: polars.DataFrame) -> list[float]:
    column = pandera.polars.Column(float, pandera.polars.Check.ge(0))
    schema = pandera.polars.DataFrameSchema({"delay": column}, drop_invalid_rows=True)
    return schema.validate(frame, lazy=True)["delay"].to_list()


together = pandas.concat(days)
as_given = kept(together)
numbered = kept(together.reset_index(drop=True))
as_polars = kept_of_polars(polars.DataFrame({"delay": together["delay"].tolist()}))
print("nine rows, one of them invalid; kept as concatenated:", as_given)
print("kept with an index of its own:", numbered)
print("kept by Polars:", as_polars)

valid = [3.0, 8.0, 5.0, 2.0, 7.0, 4.0, 9.0, 6.0]
if numbered != valid or as_polars != valid:
    sys.exit("changed: with a unique index, and by Polars, all valid rows were kept")
if as_given != [3.0, 8.0, 5.0, 2.0, 4.0, 9.0]:
    sys.exit("changed: valid rows of the other days were dropped with the invalid one")
print("as seen on 2026-11-30")
EOF_PYTHON
