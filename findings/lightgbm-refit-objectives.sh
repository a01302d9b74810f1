#!/usr/bin/env bash
# LightGBM 4.7.0, seen on 2026-11-30: refit() on a regression's own training rows ruins it, unless its loss is the squared one.
#
# One would expect: Booster.refit, which gives the leaves new values and leaves the trees as they are, changes little on
# the rows that the model was trained with; on newer rows it is the cheap retraining.
# What happens: it starts from 0, not from the labels' average, and gives each leaf one Newton step, whatever training
# did. Where the gradient is bounded (regression_l1, quantile, huber, mape) each tree moves by the learning rate at most,
# so labels around 100 are out of reach: at the default decay_rate of .9 the mean error goes from .1 to 9, at 0 to 90.
# With `poisson` and `fair` the steps diverge, to errors between 1e3 and 1e19, without a warning.
# Instead: train anew; or refit models of the squared loss only, and compare the errors before and after.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'lightgbm==4.7.0' 'numpy==2.4.6' 'scipy==1.17.1'

cd "$work"
"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys

import lightgbm
import numpy as np

print("Python", platform.python_version(), "LightGBM", lightgbm.__version__)
generator = np.random.default_rng(0)
rows = generator.normal(size=(2_000, 4))
labels = 100 + 2 * rows[:, 0] + np.sin(rows[:, 1]) + generator.normal(scale=0.1, size=2_000)


def error(model: lightgbm.Booster) -> float:
    """The mean absolute error on the training rows."""
    return float(np.abs(model.predict(rows) - labels).mean())


errors = {}
for objective in ("regression", "regression_l1", "quantile", "huber", "mape", "poisson", "fair"):
    settings = {"objective": objective, "verbose": -1, "num_threads": 1, "seed": 1, "deterministic": True}
    model = lightgbm.train(settings, lightgbm.Dataset(rows, labels), 100)
    errors[objective] = trained, default, anew = (
        error(model),
        error(model.refit(rows, labels)),
        error(model.refit(rows, labels, decay_rate=0.0)),
    )
    print(f"{objective}: mean error {trained:.2f}, refitted on the same rows {default:.4g}, with decay_rate=0 {anew:.4g}")

if not all(trained < 0.3 for trained, _, _ in errors.values()):
    sys.exit("changed: every model was within .3 of its labels after training")
if not max(errors["regression"]) < 0.3:
    sys.exit("changed: refit left a model of the squared loss about as it was")
if not all(errors[o][1] > 8 and errors[o][2] > 80 for o in ("regression_l1", "quantile", "huber", "mape")):
    sys.exit("changed: refit left models of bounded gradients far below their labels")
if not all(min(errors[o][1:]) > 1e3 for o in ("poisson", "fair")):
    sys.exit("changed: refit made models of poisson and fair diverge")
print("as seen on 2026-11-30")
EOF_PYTHON
