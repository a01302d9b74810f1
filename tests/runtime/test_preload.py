"""What tasks inherit: imports, and no thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.runtime.starter import ROOT


def test_a_forked_training_with_two_threads_ends_and_its_parent_had_one_thread_and_all_imports(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.preloaded"],
        env={
            "AIRFLOW_HOME": str(tmp_path),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'config'}",
            "PATH": os.environ["PATH"],
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,  # a training that inherited a dead thread pool would wait for ever
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["before"]) == len(found["after"]) == 1, found
    assert found["child"]["threads"] >= 2
    assert found["child"]["import_seconds"] < 0.2
