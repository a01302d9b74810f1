#!/usr/bin/env bash
# LightGBM 4.7.0, seen on 2026-11-30: a model's text holds the least and the greatest value of each feature.
#
# One would expect: a model says where its trees cut, between two values, and nothing of a single row.
# What happens: the line `feature_infos` of the text, and `feature_infos` of `dump_model()`, name both ends of every
# feature that has two values at all, to the last digit, whether or not a split uses it. The row of the highest income
# can be read off any model that was given the income, also where trees ignore it.
# Instead: widen the ranges before a text leaves your hands. LightGBM reads the line back as it stands and predicts the
# same.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'lightgbm==4.7.0' 'numpy==2.4.6'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import re
import sys

import lightgbm
import numpy as np

print("Python", platform.python_version(), "LightGBM", lightgbm.__version__, "NumPy", np.__version__)
rows = 1000
hour = np.arange(rows) % 24.0
income = np.linspace(20_000.0, 60_000.0, rows)
income[[3, 500]] = -771.0166015625, 88_113.28125
label = (hour > 11).astype(float)
table = np.column_stack([hour, income])
data = lightgbm.Dataset(table, label, feature_name=["hour", "income"])
booster = lightgbm.train({"objective": "binary", "num_leaves": 2, "verbosity": -1}, data, num_boost_round=1)

text = booster.model_to_string()
(line,) = re.findall(r"^feature_infos=.*$", text, flags=re.MULTILINE)
used = dict(zip(booster.feature_name(), booster.feature_importance().tolist(), strict=True))
dumped = booster.dump_model()["feature_infos"]["income"]
print("splits by feature:", used)
print(line)
print("dump_model():", dumped)

widened = lightgbm.Booster(model_str=text.replace("[-771.0166015625:88113.28125]", "[-780:89000]"))
same = np.array_equal(widened.predict(table), booster.predict(table))
print("with a wider range:", re.findall(r"^feature_infos=.*$", widened.model_to_string(), flags=re.MULTILINE)[0], same)

if used["income"] != 0 or line != "feature_infos=[0:23] [-771.0166015625:88113.28125]":
    sys.exit("changed: both ends of a feature that no split uses stood in the text")
if (dumped["min_value"], dumped["max_value"]) != (-771.0166015625, 88113.28125):
    sys.exit("changed: dump_model() named both ends")
if not same:
    sys.exit("changed: a wider range changed no prediction")
print("as seen on 2026-11-30")
EOF_PYTHON
