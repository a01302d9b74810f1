"""The steps of data stay within the memory that a project declares: real processes, measured by what they held."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DECLARED_MIB = 1024


@pytest.mark.long
def test_a_million_rows_go_through_the_steps_of_data_within_the_memory_that_is_declared(tmp_path: Path) -> None:
    steps = ["snapshot", "features", "profile"]
    options = ["--times", "12", "--days", "93", "--memory", str(DECLARED_MIB), "--steps", *steps]
    subprocess.run([sys.executable, ROOT / "benchmarks" / "size.py", tmp_path, *options], check=True)
    figures = json.loads((tmp_path / "times-12" / "figures.json").read_text())
    assert figures["snapshot"]["rows"] > 1_000_000
    assert {step: figures[step]["peak_mib"] for step in steps if figures[step]["peak_mib"] > DECLARED_MIB} == {}
