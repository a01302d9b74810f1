#!/usr/bin/env bash
# LightGBM 4.7.0, seen on 2026-11-30: an unknown monotone_constraints_method is taken for basic.
#
# One would expect: a misspelt method is refused, as an unknown objective and an unknown boosting are.
# What happens: the trees are those of `basic`, with no error and no warning, and the model's text records the
# misspelling as its method. `Intermediate` with a capital is such a misspelling.
# Instead: compare the method with basic, intermediate and advanced before training.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q 'lightgbm==4.7.0' 'numpy==2.4.6' 'scipy==1.17.1'

"$work/venv/bin/python" - <<'EOF_PYTHON'
import platform
import sys

import lightgbm as lgb
import numpy as np

print("Python", platform.python_version(), "LightGBM", lgb.__version__, "NumPy", np.__version__)
random = np.random.default_rng(0)
rows = random.random((2000, 4))
label = rows[:, 0] * rows[:, 1] - rows[:, 2] + np.sin(9 * rows[:, 3]) * rows[:, 0] + random.normal(0, 0.2, 2000)
said: list[str] = []


class Log:
    info = warning = staticmethod(said.append)


lgb.register_logger(Log())


def model(**changed: object) -> str:
    options = {"objective": "regression", "verbosity": 0, "num_threads": 1, "deterministic": True, "seed": 1}
    options |= {"force_col_wise": True, "monotone_constraints": [1, 1, -1, 0]}
    return lgb.train(options | changed, lgb.Dataset(rows, label), 20).model_to_string()


def trees(text: str) -> str:
    return text.split("\nparameters:")[0]


texts = {name: model(monotone_constraints_method=name) for name in ("basic", "intermediate", "advanced")}
usual = set(said)
wrong = {name: model(monotone_constraints_method=name) for name in ("intermediat", "Intermediate", "advancd")}
more = sorted(set(said) - usual)
taken = {name: [known for known in texts if trees(texts[known]) == trees(text)] for name, text in wrong.items()}
recorded = all(f"[monotone_constraints_method: {name}]" in text for name, text in wrong.items())
print("the trees of each misspelt method are those of:", taken)
print("recorded in the model as given:", recorded, "- warnings that a known method does not give:", more)
refused = []
for option in ({"boosting": "gbtd"}, {"objective": "regresion"}):
    try:
        model(**option)
    except lgb.basic.LightGBMError as error:
        refused.append(str(error))
print("refused:", refused)

if len({trees(text) for text in texts.values()}) != 3:
    sys.exit("changed: the three methods gave three models")
if any(known != ["basic"] for known in taken.values()) or not recorded or more:
    sys.exit("changed: an unknown method was taken for basic without a warning, and recorded as given")
if len(refused) != 2:
    sys.exit("changed: an unknown boosting and an unknown objective were refused")
print("as seen on 2026-11-30")
EOF_PYTHON
