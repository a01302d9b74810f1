#!/usr/bin/env bash
# MLflow 3.17.2, seen on 2026-11-30: of a metric's values at one step and instant, a run shows the greatest, not the last.
#
# One would expect: a value that is logged again at the same step and instant (a run that is repeated with the instant of
# its data, a correction) replaces the one before, or stands after it in the history.
# What happens: the run's metrics show the greatest of them, whatever came last, so a loss can be corrected upwards only;
# the history lists them by value; and a later correction at a lower step is not shown at all.
# Instead: log a figure once a run; a repeated or corrected figure gets a run of its own.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'mlflow-skinny==3.17.2' 'sqlalchemy==2.1.9' 'alembic==1.18.4' 'pandas==2.3.3'

cd "$work"
MLFLOW_DISABLE_TELEMETRY=true "$work/venv/bin/python" - 2>errors.txt <<'EOF_PYTHON' || { cat "$work/errors.txt" >&2; exit 1; }
import platform
import sys

import mlflow

print("Python", platform.python_version(), "MLflow", mlflow.__version__)
client = mlflow.MlflowClient("sqlite:///mlflow.db")
experiment = client.create_experiment("nights")
INSTANT = 1_370_059_200_000  # ms since 1970


def shown(*logged: tuple[float, int, int]) -> tuple[float, list[float]]:
    """What the run shows, and its history, after (value, timestamp, step) each were logged in this order."""
    run = client.create_run(experiment).info.run_id
    for value, timestamp, step in logged:
        client.log_metric(run, "loss", value, timestamp=timestamp, step=step)
    return client.get_run(run).data.metrics["loss"], [m.value for m in client.get_metric_history(run, "loss")]


again = shown((0.9, INSTANT, 0), (0.1, INSTANT, 0), (0.5, INSTANT, 0))
print("logged at one step and instant .9, .1, .5: the run shows", again[0], "- its history", again[1])
corrected = shown((0.9, INSTANT, 5), (0.1, INSTANT + 86_400_000, 0))
print("logged .9 at step 5, and a day later .1 at step 0: the run shows", corrected[0])

if again != (0.9, [0.1, 0.5, 0.9]):
    sys.exit("changed: the run showed the greatest value, and the history was in the order of values")
if corrected[0] != 0.9:
    sys.exit("changed: the value of the higher step was shown, though it is the older one")
print("as seen on 2026-11-30")
EOF_PYTHON
