"""A fresh clone in which the documentation is followed, its commands run by this interpreter."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.settings import ROOT

_LEFT_OUT = (".git", ".venv", ".trainyard*", "__pycache__", ".*_cache", ".hypothesis", ".benchmarks", "logs", "mlruns")

#: Stands in for the wrapper, which would install everything once more.
_COMMAND = """#!/usr/bin/env bash
set -eu
if [ "$1" = test ]; then shift; exec {python} -m pytest -p no:cacheprovider "$@"; fi
exec {python} -P -m include.cli "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Clone:
    """``folder`` is the clone, ``home`` the user's home folder."""

    folder: Path
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TRAINYARD_", "PYTEST_"))}
        return {
            **kept,
            "HOME": str(self.home),
            "PYTHONPATH": str(self.folder),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "COLUMNS": "120",
        }

    def bash(self, block: str) -> "subprocess.CompletedProcess[str]":
        """Run a block of commands in the clone; its first failure ends it."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    made = Clone(folder=tmp_path_factory.mktemp("clone") / "trainyard", home=tmp_path_factory.mktemp("home"))
    shutil.copytree(ROOT, made.folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    python = shlex.quote(sys.executable)
    _program(made.folder / "trainyard", _COMMAND.format(python=python))
    _program(made.folder / ".venv" / "bin" / "python", f'#!/usr/bin/env bash\nexec {python} "$@"\n')
    return made


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
