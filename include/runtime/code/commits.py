"""At which commit a project's folder stands, where it lies in a git checkout."""

import shutil
import subprocess
from pathlib import Path

from include.registry.mlflow_nights import Commit

_TIMEOUT_SECONDS = 10


def commit_of(folder: Path) -> Commit | None:
    """The commit that the project in *folder* stands at; ``None``: no checkout has it, or no git is there to say.

    A copy that merely lies within a checkout (of a home there, say) is not of its commit.
    """
    if not _git(folder, "ls-files", "--", "__init__.py"):
        return None
    lines = _git(folder, "status", "--porcelain=v2", "--branch", "--", ".").splitlines()
    known = [line.removeprefix("# branch.oid ") for line in lines if line.startswith("# branch.oid ")]
    if not known or known[0] == "(initial)":
        return None
    return Commit(digest=known[0], changed=any(not line.startswith("#") for line in lines))


def _git(folder: Path, *words: str) -> str:
    """What git says in *folder*; nothing where it cannot."""
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "--no-optional-locks", "-C", str(folder), *words]
    try:
        answered = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=True)  # noqa: S603  # no word is a stranger's
    except (OSError, subprocess.SubprocessError):
        return ""
    return answered.stdout
