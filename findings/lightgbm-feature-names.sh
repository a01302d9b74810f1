#!/usr/bin/env bash
# LightGBM 4.7.0, seen on 2026-11-30: a blank in a feature's name becomes an underscore.
#
# One would expect: `feature_name()` gives the names that the training frame has.
# What happens: `a b` comes back as `a_b`, with a warning only where the log is on. Importances looked up by the name
# given find nothing; `predict(frame, validate_features=True)` refuses the very frame of the training; and a frame that
# has both `a b` and `a_b` is refused with the complaint that `a_b`, which it has once, appears more than one time.
# A tab stays as it is.
# Instead: give names of letters, digits and underscores, and keep the order of the frame's own names beside the model.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'lightgbm==4.7.0' 'numpy==2.4.6' 'scipy==1.17.1' 'pandas==2.3.3'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys

import lightgbm as lgb
import numpy as np
import pandas as pd

print("Python", platform.python_version(), "LightGBM", lgb.__version__, "pandas", pd.__version__)
values = np.random.default_rng(0).random((500, 2))
label = values[:, 0] - values[:, 1]


def train(*names: str) -> tuple[pd.DataFrame, lgb.Booster]:
    frame = pd.DataFrame(values, columns=list(names))
    options = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    return frame, lgb.train(options, lgb.Dataset(frame, label), 2)


def refusal(call, *arguments: object, **options: object) -> str:
    try:
        call(*arguments, **options)
    except lgb.basic.LightGBMError as error:
        return str(error)
    return "none"


frame, booster = train("a b", "c")
names = booster.feature_name()
print("given", list(frame), "comes back as", names)
own = refusal(booster.predict, frame, validate_features=True)
print("the training frame with validate_features:", own)
both = refusal(train, "a b", "a_b")
print("both `a b` and `a_b`:", both)
tab = train("a\tb", "c")[1].feature_name()
print("a tab comes back as", tab)

if names != ["a_b", "c"] or tab != ["a\tb", "c"]:
    sys.exit("changed: a blank came back as an underscore, and a tab as a tab")
if own != "Expected 'a_b' at position 0 but found 'a b'":
    sys.exit("changed: validate_features refused the frame that the model was trained on")
if both != "Feature (a_b) appears more than one time.":
    sys.exit("changed: `a b` beside `a_b` was refused as a name given twice")
print("as seen on 2026-11-30")
EOF_PYTHON
