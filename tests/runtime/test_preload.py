"""What tasks inherit: imports, and no thread."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.starter import ROOT

#: What steps would otherwise import anew, task by task.
EVERYWHERE = ["lightgbm", "numpy", "pandas", "pyarrow.parquet"]
IN_PODS = {"TRAINYARD_PLACEMENT": "kubernetes", "TRAINYARD_VAULT": "s3://bucket/vault"}


@pytest.mark.long
@pytest.mark.parametrize(("settings", "modules"), [({}, []), (IN_PODS, ["s3fs.core", "kubernetes_asyncio.client"])])
def test_a_forked_training_with_two_threads_ends_and_its_parent_had_one_thread_and_all_imports(
    tmp_path: Path, settings: dict[str, str], modules: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.runtime.preloaded", *EVERYWHERE, *modules],
        env={
            **settings,
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
    assert found["missing"] == []
