"""A process that has imported what the scheduler imports; it forks a training with two threads. Prints JSON.

Its arguments are modules that should have been imported.
"""

import json
import os
import sys
from pathlib import Path


def threads() -> list[str]:
    return sorted(task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm"))


def main() -> None:
    modules, sys.argv = sys.argv[1:], ["airflow", "scheduler"]
    import airflow.sdk  # noqa: F401  # reads our local settings

    before = threads()
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, json.dumps(_train()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        child = json.loads(answer.read())
    missing = [name for name in modules if name not in sys.modules]
    found = {
        "before": before,
        "after": threads(),
        "child": child,
        "missing": missing,
    }
    print(json.dumps(found))  # noqa: T201


def _train() -> dict[str, object]:
    import lightgbm
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(1)
    features = pd.DataFrame(rng.normal(size=(20_000, 8)), columns=list("abcdefgh"))
    label = (features["a"] > 0).astype(int)
    lightgbm.train(
        {"objective": "binary", "num_threads": 2, "verbosity": -1}, lightgbm.Dataset(features, label), num_boost_round=5
    )
    return {"threads": len(threads())}


if __name__ == "__main__":
    main()
