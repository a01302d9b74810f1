"""The benchmark of drift runs on the code that there is; what it measures says nothing here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.long
def test_the_benchmark_of_drift_measures_all_its_parts_on_few_rows(tmp_path: Path) -> None:
    output = tmp_path / "drift.json"
    command = [sys.executable, ROOT / "benchmarks/drift.py", "--rows", "2000", "--columns", "5", "--output", output]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"own", "report", "preset"} <= set(json.loads(output.read_text()))
