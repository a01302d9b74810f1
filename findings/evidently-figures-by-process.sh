#!/usr/bin/env bash
# Evidently 0.7.23, seen on 2026-11-30: the same report of the same data has other figures in another process.
#
# One would expect: a drift score is a function of the two data sets, so that a report's JSON can be kept by its digest,
# or compared with that of a second run.
# What happens: what is added up over the values of a column of text (PSI, Kullback-Leibler) is added in the order of a
# Python set, which each process draws anew: the last digits differ, and so do two reports' bytes. Of a column of whole
# numbers they do not.
# Instead: give it numbers for categories, or compare figures within a tolerance.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'evidently==0.7.23' 'pandas==2.3.3' 'numpy==2.4.6' 'scikit-learn==1.9.1'

cd "$work"
cat >scores.py <<'EOF_PYTHON'
import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.metrics import ValueDrift

codes = [[(factor * place * place + 7 * place) % 31 for place in range(5_000)] for factor in (3, 4)]
for kind, name in (("text", "code {}".format), ("whole numbers", int)):
    frames = [pd.DataFrame({"code": [name(code) for code in side]}) for side in codes]
    definition = DataDefinition(categorical_columns=["code"])
    then, now = (Dataset.from_pandas(frame, definition) for frame in frames)
    for method in ("psi", "kl_div"):
        made = Report([ValueDrift(column="code", method=method)]).run(now, then)
        print(f"{method} of {kind}: {made.dict()['metrics'][0]['value']!r}")
EOF_PYTHON

"$work/venv/bin/python" -c 'import platform, evidently; print("Python", platform.python_version(), "Evidently", evidently.__version__)' \
  2>errors.txt || { cat errors.txt >&2; exit 1; }
for seed in 1 2 3 4 5 6; do
  PYTHONHASHSEED=$seed "$work/venv/bin/python" -W ignore scores.py 2>errors.txt >>scores.txt || { cat errors.txt >&2; exit 1; }
done
sort -u scores.txt
for method in psi kl_div; do
  [ "$(sort -u scores.txt | grep -c "^$method of text:")" -gt 1 ] || { echo "changed: $method of text differed"; exit 1; }
  [ "$(sort -u scores.txt | grep -c "^$method of whole")" = 1 ] || { echo "changed: $method of numbers was one"; exit 1; }
done
echo "as seen on 2026-11-30"
